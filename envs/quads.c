/* Quads: a swarm of small quadrotors flies to goals without bumping into each other.
 *
 * Two to sixteen Crazyflies (28 g) in a room of 10 x 10 x 10 m. Each gives four numbers in [-1,1], one per motor: -1 no thrust,
 * 1 all of it, 1.9 times the weight with all four. One step is 0.01 s, two substeps of 0.005 s; an episode lasts 15 s.
 * Sources: Batra et al. 2021, "Decentralized control of quadrotor swarms with end-to-end deep reinforcement learning",
 * arXiv:2109.07735, and its public code QuadSwarm (Huang et al. 2023, arXiv:2306.09537), in the compiled form that training uses
 * (its uncompiled form differs near the floor). Tasks as in Li et al., arXiv:2310.09833: static_same_goal and swarm_vs_swarm.
 * Recorded steps agree to 1e-9, each from the recorded state before it; noise and pushes are ours to draw.
 *
 * static_same_goal: every drone's goal is (0, 0, 2), so they have to gather without touching.
 * swarm_vs_swarm: two halves with a formation each (circle or grid in three orientations, sphere, cube), 0.25 to 0.5 m between
 *   neighbours, the centres 0.5 to 2 m apart. Every 4 to 6 s (drawn once per episode) the halves change places in new formations.
 * Drones start level and still within 2 m of their goals along each axis (inside the room, which upstream does not check), at
 *   0.75 m or higher, looking to the middle of the room within 60 degrees.
 *
 * A step: motor noise; flight (quads_flight.c); contacts; reward; pushes; goals; sensors.
 *   contacts    two drones touch within two arm lengths (9.2 cm), and are near within four
 *   pushes      pairs that newly touch are thrown apart, drones at a wall or the ceiling thrown back: velocity and spin, at random
 *   floor       landing ends all motion and stops the motors; a drone that lands upside down gets up with a random heading
 *
 * reward of a drone, per step:
 *   - 0.005 ( 1 distance to the goal + 0.05 length of the action + 1 on the floor + 0.1 spin + tilt ), tilt 1 on the floor, else the
 *     negative of R's last entry, so that flying level earns
 *   - 5 if it touches another drone and touched none at the last step
 *   - 0.01 x 10 x (1 - distance / 4 arms) for every drone near it
 * The length of the action is that of the numbers as sent, not of what is flown; env.action_cap bounds each, which upstream does
 * not, so that no number can make a reward useless. Numbers that are not finite count as 0.
 *
 * ending: only the time limit; the default is to truncate, because nothing about the task ends there and no drone sees the clock.
 * Left out: aerodynamic downwash (off in the published training), and the replay of collisions, which is the learner's business. */
#include "envs/quads.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define REWARD_S QUADS_SUBSTEP_S /* upstream charges the substep, not the step */

static size_t quads_state_bytes(const void *params)
{
    const struct quads_params *p = params;
    return sizeof(struct quads_state) + (size_t)p->N * sizeof(struct quads_drone);
}

/* Checking */

/* Also false for a number that is none. */
static bool are_within(const double *value, int count, double low, double high)
{
    bool is_good = true;
    for (int i = 0; i < count; i++)
        is_good &= value[i] >= low && value[i] <= high;
    return is_good;
}

#define ROTATION_SLACK 1e-6

/* Rows of unit length, at right angles, right-handed. */
static bool is_rotation(const double *R)
{
    double det = R[0] * (R[4] * R[8] - R[5] * R[7]) - R[1] * (R[3] * R[8] - R[5] * R[6]) + R[2] * (R[3] * R[7] - R[4] * R[6]);
    bool is_good = are_within(R, 9, -2, 2) && det > 0;
    for (int a = 0; a < 3; a++)
        for (int b = a; b < 3; b++) {
            double product = R[3 * a] * R[3 * b] + R[3 * a + 1] * R[3 * b + 1] + R[3 * a + 2] * R[3 * b + 2];
            is_good &= fabs(product - (a == b)) < ROTATION_SLACK;
        }
    return is_good;
}

#define FAR_M 100.0        /* beyond any goal or start */
#define FAST 1e6           /* m/s; a drone without walls' pushes gains 0.3 m/s a step */
#define SPIN_PUSHED 2000.0 /* rad/s: the cap and a push by everybody */

static bool is_good_drone(const struct quads_params *p, const struct quads_drone *d, int n)
{
    uint32_t others = ((1u << p->N) - 1) & ~(1u << n);
    return are_within(d->position, 3, -FAR_M, FAR_M) && are_within(d->velocity, 3, -FAST, FAST) && is_rotation(d->R) &&
           are_within(d->spin, 3, -SPIN_PUSHED, SPIN_PUSHED) && are_within(d->rotor, QUADS_MOTORS, 0, 1) &&
           are_within(d->thrust, QUADS_MOTORS, 0, 1) && are_within(&d->unsquared_s, 1, 0, 1) &&
           are_within(d->motor_noise, QUADS_MOTORS, -1, 1) && are_within(d->sensor_error, 9, -1, 1) &&
           are_within(d->goal, 3, -FAR_M, FAR_M) && are_within(d->seen_goal, 3, -FAR_M, FAR_M) && !(d->touching & ~others) &&
           d->flags <= QUADS_FLAGS;
}

static int quads_check_state(const void *params, const void *state, struct err *err)
{
    const struct quads_params *p = params;
    const struct quads_state *g = state;
    bool is_good = g->step >= 0 && g->step <= p->horizon && g->swap_every >= 1 && are_within(g->centre[0], 6, -FAR_M, FAR_M);
    for (int n = 0; n < p->N && is_good; n++)
        is_good = is_good_drone(p, &g->drone[n], n);
    if (!is_good)
        return err_set(err, ERR_FORMAT, "bad quads state at step %lld: a number that no flight leads to", (long long)g->step);
    return 0;
}

/* Reset */

static void quads_reset(const void *params, void *state, struct rng *rng)
{
    const struct quads_params *p = params;
    struct quads_state *g = state;
    memset(g, 0, quads_state_bytes(params));
    quads_reset_goals(p, g, rng);
    quads_place_drones(p, g, rng);
    for (int n = 0; n < p->N; n++) {
        struct quads_drone *d = &g->drone[n];
        memcpy(d->seen_goal, d->goal, sizeof d->goal);
        if (p->has_motor_noise)
            quads_start_motor_noise(d, rng);
        if (p->has_sensor_noise)
            quads_draw_sensor_error(d, rng);
    }
}

/* Reward */

static double norm3(double x, double y, double z)
{
    return sqrt(x * x + y * y + z * z);
}

static double clip(double value, double bound)
{
    return value < -bound ? -bound : value > bound ? bound : value;
}

static double effort(const struct quads_params *p, const double *action)
{
    double sum = 0;
    for (int i = 0; i < QUADS_MOTORS; i++) {
        double a = clip(action[i], p->action_cap);
        sum += a * a;
    }
    return sqrt(sum);
}

static double flight_cost(const struct quads_params *p, const struct quads_drone *d, const double *action)
{
    bool on_floor = d->flags & QUADS_ON_FLOOR;
    double distance = norm3(d->goal[0] - d->position[0], d->goal[1] - d->position[1], d->goal[2] - d->position[2]);
    return REWARD_S * (p->distance_weight * distance + p->effort_weight * effort(p, action) + p->crash_weight * on_floor +
                       p->tilt_weight * (on_floor ? 1 : -d->R[8]) + p->spin_weight * norm3(d->spin[0], d->spin[1], d->spin[2]));
}

static double bump_cost(const struct quads_params *p, const struct quads_drone *d)
{
    return d->flags & QUADS_BUMPED ? p->collision_weight : 0;
}

/* Step */

static void fly_all(const struct quads_params *p, struct quads_state *g, const double *action, struct rng *rng)
{
    for (int n = 0; n < p->N; n++) {
        struct quads_drone *d = &g->drone[n];
        double demand[QUADS_MOTORS];
        for (int i = 0; i < QUADS_MOTORS; i++)
            demand[i] = 0.5 * (clip(action[QUADS_MOTORS * n + i], 1) + 1);
        if (p->has_motor_noise)
            quads_step_motor_noise(d, rng);
        quads_fly(d, demand, rng);
    }
}

void quads_advance(const struct quads_params *p, struct quads_state *g, const double *action, struct rng *rng, uint32_t *new_pairs,
                   double *reward)
{
    double proximity[QUADS_DRONES_MAX];
    g->step++;
    fly_all(p, g, action, rng);
    quads_find_contacts(p, g, new_pairs, proximity);
    for (int n = 0; n < p->N; n++)
        reward[n] = proximity[n] - flight_cost(p, &g->drone[n], action + QUADS_MOTORS * n) - bump_cost(p, &g->drone[n]);
}

/* What upstream's observation of this step shows is computed before the goals change, and again only after a push. */
static void show_goals(const struct quads_params *p, struct quads_state *g, bool is_changed, bool is_pushed)
{
    if (is_changed && p->has_stale_goal && !is_pushed)
        return;
    for (int n = 0; n < p->N; n++)
        memcpy(g->drone[n].seen_goal, g->drone[n].goal, sizeof g->drone[n].goal);
}

static void quads_step(const void *params, void *state, const struct env_action *action, struct rng *rng,
                       const struct env_result *result)
{
    const struct quads_params *p = params;
    struct quads_state *g = state;
    double numbers[QUADS_MOTORS * QUADS_DRONES_MAX] = {0}, reward[QUADS_DRONES_MAX];
    uint32_t new_pairs[QUADS_DRONES_MAX];
    for (int i = 0; i < QUADS_MOTORS * p->N; i++)
        numbers[i] = isfinite(action->real[i]) ? (double)action->real[i] : 0;
    quads_advance(p, g, numbers, rng, new_pairs, reward);
    bool is_pushed = p->has_impulses && quads_push_apart(p, g, new_pairs, rng);
    is_pushed |= p->has_wall_hits && quads_push_off_walls(p, g, rng);
    show_goals(p, g, quads_step_goals(p, g, rng), is_pushed);
    for (int n = 0; n < p->N; n++) {
        result->reward[n] = (float)reward[n];
        if (p->has_sensor_noise)
            quads_draw_sensor_error(&g->drone[n], rng);
    }
    *result->terminated = g->step >= p->horizon && p->time_limit == LIMIT_TERMINATES;
    *result->truncated = g->step >= p->horizon && p->time_limit == LIMIT_TRUNCATES;
}

static const char *const info[] = {"mean distance to goal", "drones on the floor", NULL};

static void quads_outcome(const void *params, const void *state, struct env_outcome *outcome)
{
    const struct quads_params *p = params;
    const struct quads_state *g = state;
    double distance = 0, on_floor = 0;
    for (int n = 0; n < p->N; n++) {
        const struct quads_drone *d = &g->drone[n];
        distance += norm3(d->goal[0] - d->position[0], d->goal[1] - d->position[1], d->goal[2] - d->position[2]) / p->N;
        on_floor += (d->flags & QUADS_ON_FLOOR) != 0;
    }
    *outcome = (struct env_outcome){.info = {(float)distance, (float)on_floor}};
}

/* Pictures: the room from above. */

#define TEXT_COLS 40
#define TEXT_ROWS 20

static int cell(double x, int count)
{
    int i = (int)((x + QUADS_ROOM_XY) / (2 * QUADS_ROOM_XY) * count);
    return i < 0 ? 0 : i >= count ? count - 1 : i;
}

/* Drones are letters, goals '+'; below, height and distance to the goal of each. */
static void quads_render(const void *params, const void *state, char *text, size_t size)
{
    const struct quads_params *p = params;
    const struct quads_state *g = state;
    char board[TEXT_ROWS][TEXT_COLS];
    size_t used = 0;
    memset(board, '.', sizeof board);
    for (int n = 0; n < p->N; n++)
        board[TEXT_ROWS - 1 - cell(g->drone[n].goal[1], TEXT_ROWS)][cell(g->drone[n].goal[0], TEXT_COLS)] = '+';
    for (int n = p->N - 1; n >= 0; n--)
        board[TEXT_ROWS - 1 - cell(g->drone[n].position[1], TEXT_ROWS)][cell(g->drone[n].position[0], TEXT_COLS)] = (char)('a' + n);
#define PRINT(...) (used += used < size ? (size_t)snprintf(text + used, size - used, __VA_ARGS__) : 0)
    PRINT("step %lld of %lld   from above, 10 x 10 m\n", (long long)g->step, (long long)p->horizon);
    for (int row = 0; row < TEXT_ROWS; row++)
        PRINT("%.*s\n", TEXT_COLS, board[row]);
    for (int n = 0; n < p->N; n++) {
        const struct quads_drone *d = &g->drone[n];
        double gap = norm3(d->goal[0] - d->position[0], d->goal[1] - d->position[1], d->goal[2] - d->position[2]);
        PRINT("%c height %.2f m, goal %.2f m away%s%s%s", 'a' + n, d->position[2], gap,
              d->flags & QUADS_ON_FLOOR ? ", on the floor" : "", d->touching ? ", touching" : "", n % 2 ? "\n" : "   ");
    }
    PRINT("%s", p->N % 2 ? "\n" : "");
#undef PRINT
}

/* Beside the room, how high everybody is: a column each, floor at the bottom, ceiling at the top. */
#define BODY_M 0.16f /* as drawn on the floor; wider the higher it flies, as if seen from the ceiling */
#define COLUMNS_LEFT 5.5f
#define COLUMNS_WIDTH 3.5f

static enum scene_ink team_ink(const struct quads_params *p, int n)
{
    return p->mode == MODE_SWARM_VS_SWARM && n >= p->N / 2 ? INK_SHIELD : INK_ALLY;
}

static void draw_drone(const struct quads_params *p, const struct quads_drone *d, int n, struct scene *scene)
{
    float x = (float)d->position[0], y = (float)d->position[1], radius = BODY_M * (1 + 0.1f * (float)d->position[2]);
    if (d->touching)
        scene_circle(scene, INK_EFFECT, n, x, y, 1.6f * radius);
    scene_circle(scene, team_ink(p, n), n, x, y, radius);
    scene_line(scene, INK_LABEL, n, x, y, x + 1.5f * radius * (float)d->R[0], y + 1.5f * radius * (float)d->R[3], 0.04f);
    scene_text(scene, INK_LABEL, n, x, y + 2 * radius, 0.3f, "%d", n);
}

static void draw_height(const struct quads_params *p, const struct quads_drone *d, int n, struct scene *scene)
{
    const float half = (float)QUADS_ROOM_XY, width = COLUMNS_WIDTH / (float)p->N, x = COLUMNS_LEFT + width * ((float)n + 0.5f);
    float y = (float)d->position[2] - half, goal = (float)d->goal[2] - half;
    scene_line(scene, INK_GRID, n, x, -half, x, y, 0.04f);
    scene_line(scene, INK_GOAL, n, x - 0.4f * width, goal, x + 0.4f * width, goal, 0.06f);
    scene_circle(scene, team_ink(p, n), n, x, y, 0.3f * width);
}

static void quads_draw(const void *params, const void *state, struct scene *scene)
{
    const struct quads_params *p = params;
    const struct quads_state *g = state;
    const float half = (float)QUADS_ROOM_XY;
    scene_begin(scene, -half, -half, COLUMNS_LEFT + COLUMNS_WIDTH, half);
    scene_rect(scene, INK_GROUND, 0, -half, -half, 2 * half, 2 * half);
    scene_rect(scene, INK_GROUND, 0, COLUMNS_LEFT, -half, COLUMNS_WIDTH, 2 * half);
    for (int n = 0; n < p->N; n++) {
        const struct quads_drone *d = &g->drone[n];
        float x = (float)d->goal[0], y = (float)d->goal[1];
        scene_line(scene, INK_GRID, n, (float)d->position[0], (float)d->position[1], x, y, 0.02f);
        scene_circle(scene, INK_GOAL, n, x, y, 0.6f * BODY_M);
    }
    for (int n = 0; n < p->N; n++)
        draw_drone(p, &g->drone[n], n, scene);
    for (int n = 0; n < p->N; n++)
        draw_height(p, &g->drone[n], n, scene);
}

const struct env_ops env_quads = {
    .name = "quads",
    .summary = "a swarm of 2 to 16 quadrotors flies to goals without bumping into each other",
    .rows = quads_rows,
    .n_rows = QUADS_ROWS,
    .params_bytes = sizeof(struct quads_params),
    .scenario = quads_scenario,
    .scenarios = quads_scenarios,
    .prepare = quads_prepare,
    .spec = quads_spec,
    .state_bytes = quads_state_bytes,
    .check_state = quads_check_state,
    .reset = quads_reset,
    .observe = quads_observe,
    .step = quads_step,
    .draws = true,
    .outcome = quads_outcome,
    .info = info,
    .render = quads_render,
    .draw = quads_draw,
    .trace = &quads_trace,
    .scripts = quads_scripts,
    .n_scripts = QUADS_SCRIPTS,
};
