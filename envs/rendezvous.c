/* Rendezvous: robots in a square arena meet at a place of their own choice.
 *
 * The arena is 200 x 200 cm with walls around it; robots do not collide with each other. One step is 0.1 s, ten substeps of
 * 0.01 s. Every robot gives two numbers in [-1,1]. Two published variants, which share little but the reward:
 *
 *   env.rules         mir3                                          eir
 *   env.motion        wheels: the two wheels of an e-puck           point: acceleration in the plane
 *   env.view          mutual: bearings both ways, the near wall     own: bearings, own position and velocity
 *   env.ending        gathered: all within 1 cm and slow            never
 *   env.horizon       200                                           512
 *   env.agent_id      true (their wrapper's one-hot)                false
 *   env.state         geometry of all robots                        observation ("FP"); joint is their "EP"
 *
 * Sources: Li et al., "Robust multi-agent reinforcement learning by mutual information regularization", arXiv:2310.09833, and
 * Li et al., "Byzantine robust cooperative multi-agent reinforcement learning as a Bayesian game", ICLR 2024, arXiv:2305.12872,
 * with the code beside both; the task is that of Hüttenrauch et al. 2019, "Deep reinforcement learning for swarm systems",
 * arXiv:1807.06613. Recorded steps of both variants agree to 1e-9 in pose and velocity.
 *
 * wheels: forward speed 7.5344 (a0 + a1) cm/s and turning 2.65062 (a1 - a0) rad/s hold for the step; each substep moves along the
 *   old heading, then turns. The velocity is that of the last substep.
 * point: actions longer than 1 are shortened to 1; each substep adds 10 cm/s^2 times the action to the velocity, shortens it to
 *   10 cm/s, and moves; the heading is where the velocity points (a random one from the reset to the first step).
 * Walls stop a robot in x and y separately and leave its velocity as it is.
 *
 * reward, the same for all: - mean over pairs of min(distance, 282) / 282 - 0.001 * mean over all numbers of a^2.
 * The motion clips actions to [-1,1]; the reward takes them as they were sent, so a policy pays for what it asks in vain. We bound
 * that by env.action_cap, which the published code does not, so that no number can make a reward useless; 1 charges what is done.
 * Numbers that are not finite count as 0.
 *
 * ending: under `gathered` the task ends when the largest distance is below 1 cm and the mean square of all velocity components
 * below 0.01. The time limit truncates: nothing about the task ends there and no robot sees the clock, so the last step should
 * bootstrap (Pardo et al. 2018); the published code terminates, which env.time_limit=terminate does.
 * Observation and critic's state: rendezvous_observe.c. */
#include "envs/rendezvous.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSTEPS 10
#define SUBSTEP_S 0.01
#define WHEEL_SPEED 7.5344 /* cm/s of the robot per unit of both wheels together */
#define WHEEL_TURN 2.65062 /* rad/s per unit of their difference */
#define POINT_FORCE 10.0   /* cm/s^2 */
#define POINT_SPEED 10.0   /* cm/s at most */
#define SPEED_EPSILON 1e-8 /* in the shortening of a velocity, the published code's */
#define START_SPEED 0.01   /* cm/s, per component; point */
#define MARGIN 0.05        /* of the side, free of robots at the reset */
#define GATHERED_CM 1.0
#define GATHERED_SPEED2 0.01 /* (cm/s)^2 */
#define SPEED_MAX 15.1       /* cm/s that any motion reaches, per component; for checking states */

#define KEY(key, kind, field, fallback, low, high, unit, choices, help)                                       \
    {                                                                                                         \
        "env." key, kind, offsetof(struct rendezvous_params, field), fallback, low, high, unit, choices, help \
    }
static const struct config_row rows[] = {
    KEY("rules", CONFIG_CHOICE, rules, "mir3", 0, 0, "", "mir3|eir", "which published variant the switches follow"),
    KEY("robots", CONFIG_INT, robots, "10", 2, RENDEZVOUS_ROBOTS_MAX, "", NULL, "agents"),
    KEY("horizon", CONFIG_INT, horizon, "0", 0, 1000000, "steps", NULL,
        "time limit of an episode; 0: the rules' own, 200 under mir3 and 512 under eir"),
    KEY("time_limit", CONFIG_CHOICE, time_limit, "truncate", 0, 0, "", "truncate|terminate",
        "what the end at the horizon counts as; the published code terminates, but no robot sees the clock"),
    KEY("motion", CONFIG_CHOICE, motion, "rules", 0, 0, "", "rules|wheels|point",
        "what the two numbers of an action drive: the wheels (mir3) or the acceleration of a point (eir)"),
    KEY("view", CONFIG_CHOICE, view, "rules", 0, 0, "", "rules|mutual|own",
        "mutual: bearings both ways and the near wall (mir3); own: bearings, own position and velocity (eir)"),
    KEY("ending", CONFIG_CHOICE, ending, "rules", 0, 0, "", "rules|gathered|never",
        "whether a slow team within 1 cm has finished (mir3) or goes on (eir)"),
    KEY("agent_id", CONFIG_CHOICE, agent_id, "rules", 0, 0, "", "rules|true|false",
        "append the agent's index one-hot to its observation and its critic's state; rules: true under mir3"),
    KEY("state", CONFIG_CHOICE, state, "rules", 0, 0, "", "rules|geometry|joint|observation",
        "what the critic sees: all distances and bearings (mir3), all observations joined (eir's EP), its own observation (eir's "
        "FP and our default there)"),
    KEY("action_cap", CONFIG_REAL, action_cap, "10", 1, 1000, "", NULL,
        "size up to which the reward charges numbers beyond [-1,1]; the published code has no limit; 1: only what is driven"),
};
#undef KEY

static const char *const scenarios[] = {"mir3-10", "mir3-4", "eir-10", "eir-4", NULL};

/* "mir3-10": rules, robots. */
static int rendezvous_scenario(const char *scenario, struct recipe *defaults, struct err *err)
{
    char rules[8], robots[4];
    int used = 0;
    if (sscanf(scenario, "%7[a-z0-9]-%3[0-9]%n", rules, robots, &used) != 2 || scenario[used] ||
        (strcmp(rules, "mir3") && strcmp(rules, "eir")))
        return err_set(err, ERR_UNKNOWN, "unknown scenario \"%s\" of rendezvous: expected a name like mir3-10 or eir-4", scenario);
    int r = recipe_set(defaults, "env.rules", rules, "scenario", err);
    return r ? r : recipe_set(defaults, "env.robots", robots, "scenario", err);
}

static int rendezvous_prepare(void *params, struct err *err)
{
    (void)err;
    static const struct {
        int64_t horizon;
        int motion, view, ending, agent_id, state;
    } rules[] = {
        [RULES_MIR3] = {200, MOTION_WHEELS, VIEW_MUTUAL, ENDING_GATHERED, SWITCH_TRUE, STATE_GEOMETRY},
        [RULES_EIR] = {512, MOTION_POINT, VIEW_OWN, ENDING_NEVER, SWITCH_FALSE, STATE_OBSERVATION},
    };
    struct rendezvous_params *p = params;
    p->N = (int32_t)p->robots;
    p->horizon = p->horizon ? p->horizon : rules[p->rules].horizon;
    p->motion = p->motion ? p->motion : rules[p->rules].motion;
    p->view = p->view ? p->view : rules[p->rules].view;
    p->ending = p->ending ? p->ending : rules[p->rules].ending;
    p->agent_id = p->agent_id ? p->agent_id : rules[p->rules].agent_id;
    p->state = p->state ? p->state : rules[p->rules].state;
    struct spec spec;
    rendezvous_spec(p, &spec);
    p->O = spec.O;
    p->S = spec.S;
    return 0;
}

static size_t rendezvous_state_bytes(const void *params)
{
    const struct rendezvous_params *p = params;
    return sizeof(struct rendezvous_state) + 5 * (size_t)p->N * sizeof(double);
}

/* Also false for a number that is none. */
static bool is_within(double value, double low, double high)
{
    return value >= low && value <= high;
}

static int rendezvous_check_state(const void *params, const void *state, struct err *err)
{
    const struct rendezvous_params *p = params;
    const struct rendezvous_state *g = state;
    const struct rendezvous_view at = rendezvous_view(p, g);
    bool is_good = g->step >= 0 && g->step <= p->horizon;
    for (int n = 0; n < p->N && is_good; n++)
        is_good = is_within(at.x[n], 0, RENDEZVOUS_SIDE) && is_within(at.y[n], 0, RENDEZVOUS_SIDE) &&
                  is_within(at.heading[n], -RENDEZVOUS_PI, 2 * RENDEZVOUS_PI) && is_within(at.vx[n], -SPEED_MAX, SPEED_MAX) &&
                  is_within(at.vy[n], -SPEED_MAX, SPEED_MAX);
    if (!is_good)
        return err_set(err, ERR_FORMAT, "bad rendezvous state at step %lld: a robot is outside the arena or faster than it can be",
                       (long long)g->step);
    return 0;
}

static double uniform(struct rng *rng, double low, double high)
{
    return low + (high - low) * rng_double(rng);
}

static void rendezvous_reset(const void *params, void *state, struct rng *rng)
{
    const struct rendezvous_params *p = params;
    struct rendezvous_state *g = state;
    struct rendezvous_robots at = rendezvous_robots(p, g);
    double start_speed = p->motion == MOTION_POINT ? START_SPEED : 0;
    g->step = 0;
    for (int n = 0; n < p->N; n++) {
        at.x[n] = uniform(rng, MARGIN * RENDEZVOUS_SIDE, (1 - MARGIN) * RENDEZVOUS_SIDE);
        at.y[n] = uniform(rng, MARGIN * RENDEZVOUS_SIDE, (1 - MARGIN) * RENDEZVOUS_SIDE);
        at.heading[n] = uniform(rng, 0, 2 * RENDEZVOUS_PI);
        at.vx[n] = start_speed > 0 ? uniform(rng, -start_speed, start_speed) : 0;
        at.vy[n] = start_speed > 0 ? uniform(rng, -start_speed, start_speed) : 0;
    }
}

/* Motion */

static double clip(double value, double bound)
{
    return value < -bound ? -bound : value > bound ? bound : value;
}

static double inside(double value)
{
    return value < 0 ? 0 : value > RENDEZVOUS_SIDE ? RENDEZVOUS_SIDE : value;
}

static double wrap_heading(double heading)
{
    heading = heading >= 2 * RENDEZVOUS_PI ? heading - 2 * RENDEZVOUS_PI : heading;
    return heading < 0 ? heading + 2 * RENDEZVOUS_PI : heading;
}

/* The heading's cosine and sine are turned along instead of computed anew: two multiplications against a call, and in ten
 * substeps the error stays at the last bits. */
static void drive_wheels(const struct rendezvous_robots *at, int n, double left, double right)
{
    double speed = WHEEL_SPEED * (left + right), turn = SUBSTEP_S * WHEEL_TURN * (right - left);
    double c, s, turn_c, turn_s, x = at->x[n], y = at->y[n], heading = at->heading[n];
    sincos(heading, &s, &c);
    sincos(turn, &turn_s, &turn_c);
    for (int i = 0; i < SUBSTEPS; i++) {
        at->vx[n] = speed * c;
        at->vy[n] = speed * s;
        x = inside(x + SUBSTEP_S * at->vx[n]);
        y = inside(y + SUBSTEP_S * at->vy[n]);
        heading = wrap_heading(heading + turn);
        double old = c;
        c = c * turn_c - s * turn_s;
        s = s * turn_c + old * turn_s;
    }
    at->x[n] = x;
    at->y[n] = y;
    at->heading[n] = heading;
}

static void push_point(const struct rendezvous_robots *at, int n, double east, double north)
{
    double norm = sqrt(east * east + north * north), vx = at->vx[n], vy = at->vy[n], x = at->x[n], y = at->y[n];
    if (norm > 1) {
        east /= norm;
        north /= norm;
    }
    for (int i = 0; i < SUBSTEPS; i++) {
        vx += SUBSTEP_S * POINT_FORCE * east;
        vy += SUBSTEP_S * POINT_FORCE * north;
        double speed = sqrt(vx * vx + vy * vy);
        if (speed > POINT_SPEED) {
            vx *= POINT_SPEED / (speed + SPEED_EPSILON);
            vy *= POINT_SPEED / (speed + SPEED_EPSILON);
        }
        x = inside(x + SUBSTEP_S * vx);
        y = inside(y + SUBSTEP_S * vy);
    }
    at->x[n] = x;
    at->y[n] = y;
    at->vx[n] = vx;
    at->vy[n] = vy;
    at->heading[n] = atan2(vy, vx);
}

/* Reward and ending */

static double mean_distance(const struct rendezvous_params *p, const struct rendezvous_view *at)
{
    double sum = 0, distance[RENDEZVOUS_ROBOTS_MAX];
    for (int i = 0; i < p->N; i++) {
        double x = at->x[i], y = at->y[i];
        for (int j = i + 1; j < p->N; j++) {
            double dx = at->x[j] - x, dy = at->y[j] - y, d = sqrt(dx * dx + dy * dy);
            distance[j] = d < RENDEZVOUS_REACH ? d : RENDEZVOUS_REACH;
        }
        for (int j = i + 1; j < p->N; j++)
            sum += distance[j];
    }
    return sum / (0.5 * p->N * (p->N - 1));
}

static double action_cost(const struct rendezvous_params *p, const double *action)
{
    double sum = 0;
    for (int i = 0; i < RENDEZVOUS_ACTIONS * p->N; i++) {
        double a = clip(action[i], p->action_cap);
        sum += a * a;
    }
    return RENDEZVOUS_ACTION_PRICE * sum / (RENDEZVOUS_ACTIONS * p->N);
}

double rendezvous_advance(const struct rendezvous_params *p, struct rendezvous_state *g, const double *action)
{
    const struct rendezvous_robots at = rendezvous_robots(p, g);
    const struct rendezvous_view view = rendezvous_view(p, g);
    g->step++;
    for (int n = 0; n < p->N; n++) {
        double first = clip(action[2 * n], 1), second = clip(action[2 * n + 1], 1);
        if (p->motion == MOTION_WHEELS)
            drive_wheels(&at, n, first, second);
        else
            push_point(&at, n, first, second);
    }
    return -mean_distance(p, &view) / RENDEZVOUS_REACH - action_cost(p, action);
}

static double largest_distance(const struct rendezvous_params *p, const struct rendezvous_view *at)
{
    double largest = 0;
    for (int i = 0; i < p->N; i++)
        for (int j = i + 1; j < p->N; j++) {
            double dx = at->x[j] - at->x[i], dy = at->y[j] - at->y[i], d2 = dx * dx + dy * dy;
            largest = d2 > largest ? d2 : largest;
        }
    return sqrt(largest);
}

static bool are_gathered(const struct rendezvous_params *p, const struct rendezvous_state *g)
{
    const struct rendezvous_view at = rendezvous_view(p, g);
    double speed2 = 0;
    for (int n = 0; n < p->N; n++)
        speed2 += at.vx[n] * at.vx[n] + at.vy[n] * at.vy[n];
    return speed2 < GATHERED_SPEED2 * (RENDEZVOUS_ACTIONS * p->N) && largest_distance(p, &at) < GATHERED_CM;
}

/* A new episode is not over, wherever its robots stand. */
static bool has_finished(const struct rendezvous_params *p, const struct rendezvous_state *g)
{
    return p->ending == ENDING_GATHERED && g->step > 0 && are_gathered(p, g);
}

bool rendezvous_is_over(const struct rendezvous_params *p, const struct rendezvous_state *g)
{
    return g->step >= p->horizon || has_finished(p, g);
}

static void rendezvous_step(const void *params, void *state, const struct env_action *action, struct rng *rng,
                            const struct env_result *result)
{
    (void)rng;
    const struct rendezvous_params *p = params;
    struct rendezvous_state *g = state;
    double numbers[RENDEZVOUS_ACTIONS * RENDEZVOUS_ROBOTS_MAX] = {0};
    for (int i = 0; i < RENDEZVOUS_ACTIONS * p->N; i++)
        numbers[i] = isfinite(action->real[i]) ? (double)action->real[i] : 0;
    float reward = (float)rendezvous_advance(p, g, numbers);
    for (int n = 0; n < p->N; n++)
        result->reward[n] = reward;
    bool is_finished = has_finished(p, g), is_late = !is_finished && g->step >= p->horizon;
    *result->terminated = is_finished || (is_late && p->time_limit == LIMIT_TERMINATES);
    *result->truncated = is_late && p->time_limit == LIMIT_TRUNCATES;
}

static const char *const info[] = {"largest distance", "mean distance", NULL};

static void rendezvous_outcome(const void *params, const void *state, struct env_outcome *outcome)
{
    const struct rendezvous_params *p = params;
    const struct rendezvous_view at = rendezvous_view(p, state);
    *outcome = (struct env_outcome){.has_success = p->ending == ENDING_GATHERED, .success = has_finished(p, state)};
    outcome->info[0] = (float)largest_distance(p, &at);
    outcome->info[1] = (float)mean_distance(p, &at);
}

/* Pictures */

#define TEXT_COLS 50
#define TEXT_ROWS 25
#define ROBOT_RADIUS 3.5f /* cm, an e-puck's */

static void rendezvous_render(const void *params, const void *state, char *text, size_t size)
{
    const struct rendezvous_params *p = params;
    const struct rendezvous_state *g = state;
    const struct rendezvous_view at = rendezvous_view(p, g);
    char board[TEXT_ROWS][TEXT_COLS + 1];
    size_t used = 0;
    memset(board, '.', sizeof board);
    for (int n = p->N - 1; n >= 0; n--) {
        int row = (int)(at.y[n] * TEXT_ROWS / (RENDEZVOUS_SIDE + 1)), col = (int)(at.x[n] * TEXT_COLS / (RENDEZVOUS_SIDE + 1));
        board[TEXT_ROWS - 1 - row][col] = (char)(n < 26 ? 'a' + n : n < 52 ? 'A' + n - 26 : '@');
    }
#define PRINT(...) (used += used < size ? (size_t)snprintf(text + used, size - used, __VA_ARGS__) : 0)
    PRINT("step %lld of %lld   mean distance %.1f cm   largest %.1f cm\n", (long long)g->step, (long long)p->horizon,
          mean_distance(p, &at), largest_distance(p, &at));
    for (int row = 0; row < TEXT_ROWS; row++)
        PRINT("%.*s\n", TEXT_COLS, board[row]);
#undef PRINT
}

static void rendezvous_draw(const void *params, const void *state, struct scene *scene)
{
    const struct rendezvous_params *p = params;
    const struct rendezvous_view at = rendezvous_view(p, state);
    const float side = (float)RENDEZVOUS_SIDE;
    scene_begin(scene, 0, 0, side, side);
    scene_rect(scene, INK_GROUND, 0, 0, 0, side, side);
    for (int n = 0; n < p->N; n++) {
        float x = (float)at.x[n], y = (float)at.y[n];
        float ahead_x = 2 * ROBOT_RADIUS * (float)cos(at.heading[n]), ahead_y = 2 * ROBOT_RADIUS * (float)sin(at.heading[n]);
        scene_line(scene, INK_ALLY, n, x, y, x + ahead_x, y + ahead_y, 1.5f);
        scene_circle(scene, INK_ALLY, n, x, y, ROBOT_RADIUS);
        scene_text(scene, INK_LABEL, n, x - 1.2f * ahead_x, y - 1.2f * ahead_y, 6, "%d", n);
    }
}

const struct env_ops env_rendezvous = {
    .name = "rendezvous",
    .summary = "2 to 64 robots in an arena with walls meet at a place of their own choice",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .params_bytes = sizeof(struct rendezvous_params),
    .scenario = rendezvous_scenario,
    .scenarios = scenarios,
    .prepare = rendezvous_prepare,
    .spec = rendezvous_spec,
    .state_bytes = rendezvous_state_bytes,
    .check_state = rendezvous_check_state,
    .reset = rendezvous_reset,
    .observe = rendezvous_observe,
    .step = rendezvous_step,
    .outcome = rendezvous_outcome,
    .info = info,
    .render = rendezvous_render,
    .draw = rendezvous_draw,
    .trace = &rendezvous_trace,
    .scripts = rendezvous_scripts,
    .n_scripts = RENDEZVOUS_SCRIPTS,
};
