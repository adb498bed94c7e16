/* The drone swarm: replay of traces recorded from QuadSwarm, re-synchronised before every step, without noise.
 *
 * What a step line brings from outside: new goals where the task changed them, and the heading of a drone that landed upside
 * down. Where pushes were on (collision_force 1), the state after a step is random, so only rewards, their two parts for contacts
 * and the crash flags are compared. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/quads.h"
#include "envs/trace.h"

#define PART_TOLERANCE 1e-9 /* of the reward's two parts */
#define UPRIGHT 1e-9

static bool has_pushes(const json_t *header)
{
    return json_integer_value(json_object_get(header, "collision_force")) != 0;
}

static void quads_rule_of(const json_t *header, struct trace_rule *rule)
{
    if (!has_pushes(header))
        return;
    rule->left_out = TRACE_OBSERVATION;
    rule->state_tolerance = INFINITY;
}

/* Their name of a reward weight, our key; NULL: has to be 0. The last one speaks of obstacles, of which there are none. */
static const char *const weights[][2] = {
    {"pos", "distance_weight"},
    {"effort", "effort_weight"},
    {"crash", "crash_weight"},
    {"orient", "tilt_weight"},
    {"spin", "spin_weight"},
    {"quadcol_bin", "collision_weight"},
    {"quadcol_bin_smooth_max", "proximity_weight"},
    {"action_change", NULL},
    {"yaw", NULL},
    {"rot", NULL},
    {"attitude", NULL},
    {"vel", NULL},
};

static int set_weights(const json_t *coefficients, struct recipe *recipe, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(weights) && !r; i++) {
        const json_t *value = json_object_get(coefficients, weights[i][0]);
        if (value && weights[i][1])
            r = trace_set(recipe, weights[i][1], value, NULL, err);
        else if (value && json_number_value(value) != 0)
            r = err_set(err, ERR_UNKNOWN, "reward weight %s is %g, only 0 is known here", weights[i][0], json_number_value(value));
    }
    return r;
}

/* Their form of the own observation, ours. */
static const char *const forms[][2] = {
    {"xyz_vxyz_R_omega", "plain"}, {"xyz_vxyz_R_omega_floor", "floor"}, {"xyz_vxyz_R_omega_wall", "walls"}};

static int set_form(const json_t *form, struct recipe *recipe, struct err *err)
{
    const char *text = json_is_string(form) ? json_string_value(form) : forms[0][0];
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (!strcmp(text, forms[i][0]))
            return recipe_set(recipe, "env.self", forms[i][1], "trace header", err);
    return err_set(err, ERR_UNKNOWN, "unknown obs_repr \"%s\"", text);
}

/* The physics that this file's constants stand for. */
static int check_constants(const json_t *header, struct err *err)
{
    const double room[] = {2 * QUADS_ROOM_XY, 2 * QUADS_ROOM_XY, QUADS_ROOM_Z};
    const double inertia[] = {QUADS_INERTIA_X, QUADS_INERTIA_Y, QUADS_INERTIA_Z};
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"sim_dt", QUADS_SUBSTEP_S}, {"sim_steps", QUADS_SUBSTEPS}, {"mass", QUADS_MASS}, {"arm", QUADS_ARM}};
    bool is_same = true;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const json_t *value = json_object_get(header, numbers[i].key);
        is_same &= !value || json_number_value(value) == numbers[i].value;
    }
    for (size_t i = 0; i < 3; i++) {
        const json_t *side = json_array_get(json_object_get(header, "room"), i);
        const json_t *moment = json_array_get(json_object_get(header, "inertia"), i);
        is_same &= (!side || json_number_value(side) == room[i]) && (!moment || json_number_value(moment) == inertia[i]);
    }
    return is_same ? 0 : err_set(err, ERR_UNKNOWN, "another drone or room than the one known here");
}

static int set_plain(struct recipe *recipe, const char *const (*keys)[2], size_t count, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && !r; i++)
        r = recipe_set(recipe, keys[i][0], keys[i][1], "trace header", err);
    return r;
}

static int quads_configure(const json_t *header, struct recipe *recipe, struct err *err)
{
    static const char *const replayed[][2] = {{"env.motor_noise", "false"}, {"env.sensor_noise", "false"},
                                              {"env.impulses", "false"},    {"env.wall_hits", "false"},
                                              {"env.stale_goal", "true"},   {"env.action_cap", "1000"}};
    const char *mode = json_string_value(json_object_get(header, "mode"));
    char horizon[32];
    int r = check_constants(header, err);
    snprintf(horizon, sizeof horizon, "%lld", (long long)json_integer_value(json_object_get(header, "ep_len")) + 1);
    if (!r)
        r = set_plain(recipe, replayed, ARRAY_LEN(replayed), err);
    if (!r)
        r = recipe_set(recipe, "env.horizon", horizon, "trace header", err);
    if (!r)
        r = recipe_set(recipe, "env.mode", mode ? mode : "", "trace header", err);
    if (!r)
        r = trace_set(recipe, "drones", json_object_get(header, "n_agents"), NULL, err);
    if (!r)
        r = trace_set(recipe, "neighbours", json_object_get(header, "neighbours"), NULL, err);
    if (!r)
        r = set_form(json_object_get(header, "obs_repr"), recipe, err);
    return r ? r : set_weights(json_object_get(header, "rew_coeff"), recipe, err);
}

/* Reading. An absent number is NaN, which no check takes. */

static void read_numbers(const json_t *list, size_t from, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(list, from + i);
        out[i] = json_is_number(number) ? json_number_value(number) : NAN;
    }
}

struct record { /* of a drone, in the order of the file */
    double position[3], velocity[3], R[9], spin[3], rotor[QUADS_MOTORS], thrust[QUADS_MOTORS], unsquared_s, on_floor;
};
#define RECORD_NUMBERS (sizeof(struct record) / sizeof(double))

/* A drone is a list of numbers and of lists of numbers. */
static void read_record(const json_t *drone, struct record *record)
{
    static const size_t widths[] = {3, 3, 9, 3, QUADS_MOTORS, QUADS_MOTORS};
    double *out = (double *)record;
    for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
        read_numbers(json_array_get(drone, i), 0, widths[i], out);
        out += widths[i];
    }
    read_numbers(drone, ARRAY_LEN(widths), 2, out);
}

static void record_of(const struct quads_drone *d, struct record *record)
{
    memcpy(record->position, d->position, sizeof record->position);
    memcpy(record->velocity, d->velocity, sizeof record->velocity);
    memcpy(record->R, d->R, sizeof record->R);
    memcpy(record->spin, d->spin, sizeof record->spin);
    memcpy(record->rotor, d->rotor, sizeof record->rotor);
    memcpy(record->thrust, d->thrust, sizeof record->thrust);
    record->unsquared_s = d->unsquared_s;
    record->on_floor = (d->flags & QUADS_ON_FLOOR) != 0;
}

static void set_drone(struct quads_drone *d, const struct record *record)
{
    memcpy(d->position, record->position, sizeof d->position);
    memcpy(d->velocity, record->velocity, sizeof d->velocity);
    memcpy(d->R, record->R, sizeof d->R);
    memcpy(d->spin, record->spin, sizeof d->spin);
    memcpy(d->rotor, record->rotor, sizeof d->rotor);
    memcpy(d->thrust, record->thrust, sizeof d->thrust);
    d->unsquared_s = record->unsquared_s;
    d->flags = record->on_floor == 1 ? QUADS_ON_FLOOR : 0;
}

/* Goals stand in the line only when they changed. `is_seen`: already in the observation. */
static void read_goals(const struct quads_params *p, struct quads_state *g, const json_t *line, bool is_seen)
{
    const json_t *goals = json_object_get(line, "goal");
    for (int n = 0; n < p->N && goals; n++)
        read_numbers(json_array_get(goals, (size_t)n), 0, 3, g->drone[n].goal);
    for (int n = 0; n < p->N && is_seen; n++)
        memcpy(g->drone[n].seen_goal, g->drone[n].goal, sizeof g->drone[n].goal);
}

/* Who touches whom after a step follows from the places, which pushes leave alone; a reset forgets it. */
static int quads_set_state(const void *params, void *state, const json_t *line, struct err *err)
{
    const struct quads_params *p = params;
    struct quads_state *g = state;
    const json_t *drones = json_object_get(line, "drones");
    bool is_reset = !json_object_get(line, "t");
    if (json_array_size(drones) != (size_t)p->N)
        return err_set(err, ERR_FORMAT, "got %zu drones, expected %d", json_array_size(drones), p->N);
    if (is_reset)
        memset(g, 0, env_quads.state_bytes(params));
    g->step = json_integer_value(json_object_get(line, "t"));
    g->swap_every = 1;
    for (int n = 0; n < p->N; n++) {
        struct record record;
        read_record(json_array_get(drones, (size_t)n), &record);
        set_drone(&g->drone[n], &record);
    }
    read_goals(p, g, line, true);
    if (!is_reset) {
        uint32_t new_pairs[QUADS_DRONES_MAX];
        double proximity[QUADS_DRONES_MAX];
        quads_find_contacts(p, g, new_pairs, proximity);
    }
    return env_quads.check_state(params, state, err);
}

/* Takes the drawn heading of a drone that landed upside down, which has to be an upright one. */
static void take_heading(struct quads_drone *d, const json_t *drone)
{
    struct record record;
    read_record(drone, &record);
    if (fabs(record.R[8] - 1) < UPRIGHT)
        memcpy(d->R, record.R, sizeof d->R);
}

static void quads_trace_step(const void *params, void *state, const json_t *line, const int32_t *choice, double *reward,
                             bool *is_over)
{
    (void)choice;
    const struct quads_params *p = params;
    struct quads_state *g = state;
    double action[QUADS_MOTORS * QUADS_DRONES_MAX];
    uint32_t new_pairs[QUADS_DRONES_MAX];
    struct rng rng = rng_stream(0, RNG_STEP, 0, 0, 0); /* for those headings alone */
    for (int n = 0; n < p->N; n++)
        read_numbers(json_array_get(json_object_get(line, "act"), (size_t)n), 0, QUADS_MOTORS, action + QUADS_MOTORS * n);
    quads_advance(p, g, action, &rng, new_pairs, reward);
    for (int n = 0; n < p->N; n++)
        if (g->drone[n].flags & QUADS_GOT_UP)
            take_heading(&g->drone[n], json_array_get(json_object_get(line, "drones"), (size_t)n));
    read_goals(p, g, line, false);
    *is_over = g->step >= p->horizon;
}

/* Comparing */

static bool same_drone(const struct quads_drone *d, int n, const json_t *line, double tolerance, char *text, size_t size)
{
    struct record ours, theirs;
    record_of(d, &ours);
    read_record(json_array_get(json_object_get(line, "drones"), (size_t)n), &theirs);
    const double *a = (const double *)&ours, *b = (const double *)&theirs;
    for (size_t i = 0; i < RECORD_NUMBERS; i++)
        if (!(fabs(a[i] - b[i]) <= tolerance)) {
            snprintf(text, size, "drone %d, number %zu: got %.17g, recorded %.17g", n, i, a[i], b[i]);
            return false;
        }
    return true;
}

/* Floor, wall, ceiling. */
static bool same_flags(const struct quads_drone *d, int n, const json_t *line, char *text, size_t size)
{
    const char *theirs = json_string_value(json_array_get(json_object_get(line, "flags"), (size_t)n));
    const char ours[] = {d->flags & QUADS_LANDED ? '1' : '0', d->flags & QUADS_AT_WALL ? '1' : '0',
                         d->flags & QUADS_AT_CEILING ? '1' : '0', 0};
    snprintf(text, size, "flags of drone %d: got %s, recorded %s", n, ours, theirs ? theirs : "none");
    return theirs && !strcmp(ours, theirs);
}

static bool same_part(const char *part, double ours, int n, const json_t *line, char *text, size_t size)
{
    double theirs;
    read_numbers(json_object_get(line, part), (size_t)n, 1, &theirs);
    snprintf(text, size, "%s of drone %d: got %.17g, recorded %.17g", part, n, ours, theirs);
    return fabs(ours - theirs) <= PART_TOLERANCE;
}

/* On a copy, since finding contacts marks them in the state. */
static void find_proximity(const struct quads_params *p, const struct quads_state *g, double *proximity)
{
    _Alignas(8) unsigned char copy[sizeof(struct quads_state) + QUADS_DRONES_MAX * sizeof(struct quads_drone)];
    uint32_t new_pairs[QUADS_DRONES_MAX];
    memcpy(copy, g, env_quads.state_bytes(p));
    quads_find_contacts(p, (struct quads_state *)copy, new_pairs, proximity);
}

static bool quads_same_state(const void *params, const void *state, const json_t *line, const struct trace_rule *rule, char *text,
                             size_t size)
{
    const struct quads_params *p = params;
    const struct quads_state *g = state;
    bool is_step = json_object_get(line, "t"), is_same = true;
    double proximity[QUADS_DRONES_MAX];
    find_proximity(p, g, proximity);
    for (int n = 0; n < p->N && is_same; n++) {
        const struct quads_drone *d = &g->drone[n];
        is_same = same_drone(d, n, line, rule->state_tolerance, text, size);
        if (!is_step || !is_same)
            continue;
        is_same = same_flags(d, n, line, text, size) && same_part("proximity", proximity[n], n, line, text, size) &&
                  same_part("quadcol", d->flags & QUADS_BUMPED ? -p->collision_weight : 0, n, line, text, size);
    }
    return is_same;
}

const struct env_trace_ops quads_trace = {
    .env = "quads",
    .rule = {.resync = true, .share = 1, .observation_tolerance = 1e-5, .reward_tolerance = 1e-9, .state_tolerance = 1e-9},
    .rule_of = quads_rule_of,
    .configure = quads_configure,
    .set_state = quads_set_state,
    .step = quads_trace_step,
    .same_state = quads_same_state,
};
