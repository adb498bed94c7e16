/* Rendezvous: replay of traces recorded from the code of MIR3 ("mir3") and EIR-MAPPO ("eir"), free run. Pose and velocity to 1e-9,
 * observations and state, which the reference rounds to single precision, to 1e-5. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/rendezvous.h"
#include "envs/trace.h"

/* What the header's cfg may say beyond the number of robots: it cannot change anything here. */
static const struct {
    const char *key;
    double value;
} fixed[] = {{"comm_radius", RENDEZVOUS_REACH}, {"world_size", RENDEZVOUS_SIDE}, {"torus", 0}};

static int check_fixed(const json_t *cfg, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        const json_t *value = json_object_get(cfg, fixed[i].key);
        double number = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
        if (value && number != fixed[i].value)
            return err_set(err, ERR_UNKNOWN, "%s of the header's cfg: got %g, only %g is known here", fixed[i].key, number,
                           fixed[i].value);
    }
    return 0;
}

static int rendezvous_configure(const json_t *header, struct recipe *recipe, struct err *err)
{
    const char *variant = json_string_value(json_object_get(header, "variant"));
    if (!variant || (strcmp(variant, "mir3") && strcmp(variant, "eir")))
        return err_set(err, ERR_UNKNOWN, "unknown variant \"%s\" of rendezvous: expected mir3 or eir", variant ? variant : "");
    int r = check_fixed(json_object_get(header, "cfg"), err);
    if (!r)
        r = recipe_set(recipe, "env.rules", variant, "trace header", err);
    if (!r)
        r = trace_set(recipe, "robots", json_object_get(header, "n_agents"), NULL, err);
    if (!r)
        r = trace_set(recipe, "horizon", json_object_get(header, "limit"), NULL, err);
    if (!r)
        r = recipe_set(recipe, "env.agent_id", "false", "trace header", err); /* the wrapper's, not recorded */
    if (!r)
        r = recipe_set(recipe, "env.action_cap", "1000", "trace header", err);
    return r;
}

/* The width numbers of robot n, from its row in a list; NaN, which no check takes, where absent. */
static void read_row(const json_t *list, int n, int width, double *out)
{
    const json_t *row = json_array_get(list, (size_t)n);
    for (int i = 0; i < width; i++) {
        const json_t *number = json_array_get(row, (size_t)i);
        out[i] = json_is_number(number) ? json_number_value(number) : NAN;
    }
}

static int rendezvous_set_state(const void *params, void *state, const json_t *line, struct err *err)
{
    const struct rendezvous_params *p = params;
    struct rendezvous_state *g = state;
    const struct rendezvous_robots at = rendezvous_robots(p, g);
    const json_t *poses = json_object_get(line, "pose"), *velocities = json_object_get(line, "vel");
    if (json_array_size(poses) != (size_t)p->N || json_array_size(velocities) != (size_t)p->N)
        return err_set(err, ERR_FORMAT, "got %zu poses and %zu velocities, expected %d", json_array_size(poses),
                       json_array_size(velocities), p->N);
    g->step = json_integer_value(json_object_get(line, "t"));
    for (int n = 0; n < p->N; n++) {
        double pose[3], velocity[2];
        read_row(poses, n, 3, pose);
        read_row(velocities, n, 2, velocity);
        at.x[n] = pose[0];
        at.y[n] = pose[1];
        at.heading[n] = pose[2];
        at.vx[n] = velocity[0];
        at.vy[n] = velocity[1];
    }
    return env_rendezvous.check_state(params, state, err);
}

static void rendezvous_trace_step(const void *params, void *state, const json_t *line, const int32_t *choice, double *reward,
                                  bool *is_over)
{
    (void)choice;
    const struct rendezvous_params *p = params;
    double action[RENDEZVOUS_ACTIONS * RENDEZVOUS_ROBOTS_MAX];
    for (int n = 0; n < p->N; n++)
        read_row(json_object_get(line, "act"), n, RENDEZVOUS_ACTIONS, action + RENDEZVOUS_ACTIONS * n);
    double team = rendezvous_advance(p, state, action);
    for (int n = 0; n < p->N; n++)
        reward[n] = team;
    *is_over = rendezvous_is_over(p, state);
}

static bool same_numbers(const json_t *line, const char *what, int n, int width, const double *ours, const struct trace_rule *rule,
                         char *text, size_t size)
{
    double theirs[3];
    read_row(json_object_get(line, what), n, width, theirs);
    for (int i = 0; i < width; i++)
        if (!(fabs(ours[i] - theirs[i]) <= rule->state_tolerance)) {
            snprintf(text, size, "%s of robot %d, number %d: got %.17g, recorded %.17g", what, n, i, ours[i], theirs[i]);
            return false;
        }
    return true;
}

static bool rendezvous_same_state(const void *params, const void *state, const json_t *line, const struct trace_rule *rule,
                                  char *text, size_t size)
{
    const struct rendezvous_params *p = params;
    const struct rendezvous_view at = rendezvous_view(p, state);
    for (int n = 0; n < p->N; n++) {
        const double pose[] = {at.x[n], at.y[n], at.heading[n]}, velocity[] = {at.vx[n], at.vy[n]};
        if (!same_numbers(line, "pose", n, 3, pose, rule, text, size) ||
            !same_numbers(line, "vel", n, 2, velocity, rule, text, size))
            return false;
    }
    return true;
}

const struct env_trace_ops rendezvous_trace = {
    .env = "rendezvous",
    .rule = {.share = 1, .observation_tolerance = 1e-5, .reward_tolerance = 1e-9, .state_tolerance = 1e-9},
    .configure = rendezvous_configure,
    .set_state = rendezvous_set_state,
    .step = rendezvous_trace_step,
    .same_state = rendezvous_same_state,
};
