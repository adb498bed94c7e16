/* Traffic Junction: cars that see little cross roads without lights, and should neither collide nor dawdle.
 *
 * Cars enter at the ends of roads, each with a route (traffic_roads.c), and leave at its end. At every step each car on the road
 * steps on the gas, which takes it one cell along its route, or brakes, which leaves it where it is. Two cars in one cell have
 * collided; both drive on. An agent is a car that comes and goes: while it is not on the road it is not alive, can send no
 * message, and may only brake. Sources: Sukhbaatar et al. 2016 (CommNet), arXiv:1605.07736; Singh et al. 2019 (IC3Net),
 * arXiv:1812.09755, with its public code, whose maps and observations these are; Yuan et al. 2023 (CroMAC), arXiv:2305.13936.
 *
 *   scenario   map       side   cars   rate          steps   time cost   reward       critic's state
 *   easy       easy      7      5      0.1 to 0.3    20      growing     individual   cars
 *   medium     medium    14     10     0.05 to 0.2   40      growing     individual   cars
 *   hard       hard      18     20     0.02 to 0.05  80      growing     individual   cars
 *   slow       easy      7      5      0.3           20      flat        team         joint    (CroMAC)
 *   fast       easy      7      4      0.4           20      flat        team         joint    (CroMAC)
 *
 *   observation of a car        meaning                                                          switch
 *   last action      1          0 gas, 1 brake
 *   route            1          number of the route / (routes - 1)
 *   position         2          row and column / (side - 1)                                      env.cells=scalar
 *   cell 0..         each       the cells in sight, row by row: one-hot code of the cell         env.vision, env.cells
 *                               (0..), of being beside the roads (B), a number kept 0 (B + 1;
 *                               on the easy map roads reach up to here), then how many cars are
 *                               there (B + 2); B = 2, 4 or 8 times env.dim. Scalar: 1 for a
 *                               road, number of cars
 *   cars             6 each     on the road, last action, route, row, column, wait / horizon     env.full_state_observation
 *   All zero for a car that is not on the road.
 *
 * Order of a step: gas and brake; arrivals; rewards. Arrivals go through the entries in order: unless all cars are on the road,
 * with the add rate a random one that is not enters, on a random route of this entry. It may be put upon a car that brakes there.
 *
 * reward of a car on the road: -0.01 x its steps since it entered (growing), or -0.01 (flat); -10 in a cell with others. A car
 * that left at this step gets 0. With team reward everybody gets the sum. ending: only the time limit. success: no collision in
 * the whole episode.
 *
 * What we changed. The public code's rate stays at its minimum unless a curriculum runs, and a curriculum rounds the rate down to
 * whole percents, so that it ends at 0.29 for 0.3: here the rate is the highest when there is no curriculum or it is over, and
 * grows evenly in between. A car that enters shows "gas" there unless its predecessor's last action was to brake (switch
 * env.last_action_stays). Cars that are not on the road are kept in the corner cell there and seen by who looks at it, which on
 * the published maps nobody does (switch env.parked_cars_seen).
 * Availability is not published: a car on the road can do both. */
#include "envs/traffic.h"

#define TIME_COST 0.01
#define COLLISION_COST 10.0

static size_t traffic_state_bytes(const void *params)
{
    const struct traffic_params *p = params;
    return sizeof(struct traffic_state) + (size_t)p->N * sizeof(struct traffic_car);
}

static bool is_good_car(const struct traffic_params *p, const struct traffic_state *g, const struct traffic_car *car)
{
    if (car->route < -1 || car->route >= p->n_routes || (car->last_action & ~1) != 0)
        return false;
    if (!traffic_is_driving(car))
        return car->route == -1 && car->place == 0 && car->wait == 0 && (car->last_action == 0 || p->keeps_last_action);
    return car->place >= 0 && car->place < p->route[car->route].length && car->wait >= car->place && car->wait < g->step;
}

static int traffic_check_state(const void *params, const void *state, struct err *err)
{
    const struct traffic_params *p = params;
    const struct traffic_state *g = state;
    int64_t on_road = 0, steps = g->step;
    bool is_good = steps >= 0 && steps <= p->horizon && g->arrived >= 0 && g->collisions >= 0 && g->entered >= 0 &&
                   g->entered <= steps * p->n_entries && g->collisions <= steps * p->N;
    for (int n = 0; n < p->N && is_good; n++) {
        is_good = is_good_car(p, g, &g->car[n]);
        on_road += traffic_is_driving(&g->car[n]);
    }
    if (!is_good || (int64_t)g->entered - g->arrived != on_road)
        return err_set(err, ERR_FORMAT, "bad traffic state at step %d: %d cars entered, %d arrived", g->step, g->entered,
                       g->arrived);
    return 0;
}

static void traffic_reset(const void *params, void *state, struct rng *rng)
{
    (void)rng;
    const struct traffic_params *p = params;
    struct traffic_state *g = state;
    *g = (struct traffic_state){.step = 0};
    for (int n = 0; n < p->N; n++)
        g->car[n] = (struct traffic_car){.route = -1};
}

/* Gas and brake */

static void leave(const struct traffic_params *p, struct traffic_state *g, struct traffic_car *car)
{
    *car = (struct traffic_car){.route = -1, .last_action = p->keeps_last_action ? car->last_action : 0};
    g->arrived++;
}

void traffic_drive(const struct traffic_params *p, struct traffic_state *g, const int32_t *choice)
{
    g->step++;
    for (int n = 0; n < p->N; n++) {
        struct traffic_car *car = &g->car[n];
        if (!traffic_is_driving(car))
            continue;
        car->wait++;
        if (choice[n] != TRAFFIC_GAS) {
            car->last_action = TRAFFIC_BRAKE;
        } else if (car->place + 1 == p->route[car->route].length) {
            leave(p, g, car);
        } else {
            car->place++;
            car->last_action = TRAFFIC_GAS;
        }
    }
}

/* Arrivals */

void traffic_enter(const struct traffic_params *p, struct traffic_state *g, int car, int route)
{
    (void)p;
    g->car[car].route = (int16_t)route;
    g->entered++;
}

/* A random car among those not on the road. */
static int draw_car(const struct traffic_params *p, const struct traffic_state *g, struct rng *rng)
{
    int idle[TRAFFIC_CARS_MAX], count = 0;
    for (int n = 0; n < p->N; n++)
        if (!traffic_is_driving(&g->car[n]))
            idle[count++] = n;
    return idle[rng_below(rng, (uint32_t)count)];
}

static void add_cars(const struct traffic_params *p, struct traffic_state *g, struct rng *rng)
{
    for (int entry = 0; entry < p->n_entries && g->entered - g->arrived < p->N; entry++) {
        if (rng_double(rng) >= p->add_rate)
            continue;
        int car = draw_car(p, g, rng), first = p->first_route[entry], count = p->first_route[entry + 1] - first;
        traffic_enter(p, g, car, first + (int)rng_below(rng, (uint32_t)count));
    }
}

/* Rewards */

/* spot[N]: of each car, -1 - n off the road, so that no two are equal there. */
static void find_spots(const struct traffic_params *p, const struct traffic_state *g, int16_t *spot)
{
    for (int n = 0; n < p->N; n++)
        spot[n] = (int16_t)(traffic_is_driving(&g->car[n]) ? traffic_spot(p, &g->car[n]) : -1 - n);
}

static bool shares_cell(const struct traffic_params *p, const int16_t *spot, int self)
{
    int16_t count = 0; /* as narrow as the spots, so that eight are compared at once */
    for (int n = 0; n < p->N; n++)
        count += spot[n] == spot[self];
    return count > 1;
}

static void share_among_team(const struct traffic_params *p, double *reward)
{
    double sum = 0;
    for (int n = 0; n < p->N; n++)
        sum += reward[n];
    for (int n = 0; n < p->N; n++)
        reward[n] = sum;
}

void traffic_pay(const struct traffic_params *p, struct traffic_state *g, double *reward)
{
    int16_t spot[TRAFFIC_CARS_MAX];
    find_spots(p, g, spot);
    for (int n = 0; n < p->N; n++) {
        const struct traffic_car *car = &g->car[n];
        reward[n] = 0;
        if (!traffic_is_driving(car))
            continue;
        reward[n] = p->time_cost == COST_FLAT ? -TIME_COST : -TIME_COST * car->wait;
        if (shares_cell(p, spot, n)) {
            reward[n] -= COLLISION_COST;
            g->collisions++;
        }
    }
    if (p->reward == REWARD_SUM)
        share_among_team(p, reward);
}

static void traffic_step(const void *params, void *state, const struct env_action *action, struct rng *rng,
                         const struct env_result *result)
{
    const struct traffic_params *p = params;
    struct traffic_state *g = state;
    double reward[TRAFFIC_CARS_MAX];
    traffic_drive(p, g, action->choice);
    add_cars(p, g, rng);
    traffic_pay(p, g, reward);
    for (int n = 0; n < p->N; n++)
        result->reward[n] = (float)reward[n];
    bool is_late = g->step >= p->horizon;
    *result->terminated = is_late && p->time_limit == LIMIT_ENDS;
    *result->truncated = is_late && p->time_limit == LIMIT_CUTS;
}

static void traffic_outcome(const void *params, const void *state, struct env_outcome *outcome)
{
    (void)params;
    const struct traffic_state *g = state;
    *outcome = (struct env_outcome){.has_success = true, .success = g->collisions == 0};
    outcome->info[0] = (float)g->entered;
    outcome->info[1] = (float)g->arrived;
    outcome->info[2] = (float)g->collisions;
}

static const char *const info[] = {"cars entered", "cars arrived", "car-steps in collision", NULL};

const struct env_ops env_traffic = {
    .name = "traffic",
    .summary = "Traffic Junction: cars that see little cross roads without lights",
    .rows = traffic_rows,
    .n_rows = TRAFFIC_ROWS,
    .params_bytes = sizeof(struct traffic_params),
    .scenario = traffic_scenario,
    .scenarios = traffic_scenarios,
    .prepare = traffic_prepare,
    .spec = traffic_spec,
    .state_bytes = traffic_state_bytes,
    .check_state = traffic_check_state,
    .reset = traffic_reset,
    .observe = traffic_observe,
    .step = traffic_step,
    .draws = true,
    .outcome = traffic_outcome,
    .info = info,
    .render = traffic_render,
    .draw = traffic_draw,
    .trace = &traffic_trace,
    .scripts = traffic_scripts,
    .n_scripts = TRAFFIC_SCRIPTS,
};
