/* Particle worlds: replay of episodes recorded from MPE2 and from the first code ("openai"). Free run: contacts are stiff but
 * episodes are short, and the order of operations is the reference's.
 *
 *   header   variant mpe2 or openai, name the task, cfg: our keys and values
 *   reset    bodies [[x, y, vx, vy], ...], landmarks [[x, y], ...], goals [goal of agent 0, of agent 1] or []
 *   step     bodies after it, speech [body][word] (empty lists where nobody speaks), rew per agent */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/mpe.h"
#include "envs/trace.h"

#define STATE_TOLERANCE 1e-9
#define FLOAT_TOLERANCE 1e-6

static int mpe_configure(const json_t *header, struct recipe *recipe, struct err *err)
{
    const char *key, *task = json_string_value(json_object_get(header, "name"));
    const char *variant = json_string_value(json_object_get(header, "variant"));
    json_t *value;
    if (!task || !variant)
        return err_set(err, ERR_FORMAT, "bad trace header: no name or no variant");
    int r = recipe_set(recipe, "env.task", task, "trace header", err);
    if (!r)
        r = recipe_set(recipe, "env.rules", variant, "trace header", err);
    json_object_foreach(json_object_get(header, "cfg"), key, value)
    {
        char name[RECIPE_KEY_MAX];
        snprintf(name, sizeof name, "env.%s", key);
        if (!r)
            r = json_is_string(value) ? recipe_set(recipe, name, json_string_value(value), "trace header", err)
                                      : trace_set(recipe, key, value, NULL, err);
    }
    return r;
}

/* Numbers of a list of lists, [rows][cols]. */
static int read_table(const json_t *table, int rows, int cols, double *out, const char *what, struct err *err)
{
    bool is_good = json_array_size(table) == (size_t)rows;
    for (int i = 0; i < rows * cols && is_good; i++) {
        const json_t *row = json_array_get(table, (size_t)(i / cols)), *item = json_array_get(row, (size_t)(i % cols));
        is_good = json_array_size(row) == (size_t)cols && json_is_number(item);
        out[i] = json_number_value(item);
    }
    return is_good ? 0 : err_set(err, ERR_FORMAT, "bad %s: expected %d lists of %d numbers", what, rows, cols);
}

static int mpe_set_state(const void *params, void *state, const json_t *line, struct err *err)
{
    const struct mpe_params *p = params;
    struct mpe_state *g = state;
    const json_t *goals = json_object_get(line, "goals");
    int64_t goal;
    int r;
    memset(g, 0, env_mpe.state_bytes(p));
    if ((r = read_table(json_object_get(line, "bodies"), p->B, 4, g->motion[0].at, "bodies", err)) ||
        (r = read_table(json_object_get(line, "landmarks"), p->L, 2, mpe_numbers(p, g), "landmarks", err)))
        return r;
    if (json_array_size(goals) > MPE_GOALS)
        return err_set(err, ERR_FORMAT, "got %zu goals, expected at most %d", json_array_size(goals), MPE_GOALS);
    for (size_t i = 0; i < json_array_size(goals); i++) {
        if ((r = trace_int(goals, i, 0, p->L - 1, &goal, err)))
            return r;
        g->goal[i] = (int32_t)goal;
    }
    return env_mpe.check_state(params, state, err);
}

static void mpe_trace_step(const void *params, void *state, const json_t *line, const int32_t *choice, double *reward,
                           bool *is_over)
{
    const struct mpe_params *p = params;
    struct mpe_control control;
    double numbers[MPE_BODIES_MAX * (MPE_MOVES + MPE_WORDS_MAX)] = {0};
    struct err err;
    if (choice)
        mpe_read_choices(p, choice, &control);
    else if (read_table(json_object_get(line, "act"), p->N, p->C, numbers, "act", &err))
        memset(numbers, 0, sizeof numbers); /* a line without actions: the comparison will say what it led to */
    if (!choice)
        mpe_read_numbers(p, numbers, &control);
    mpe_advance(p, state, &control, reward);
    *is_over = mpe_is_over(p, state);
}

static bool is_near(const double *ours, const json_t *table, int rows, int cols, double tolerance, const char *what, char *text,
                    size_t size)
{
    for (int i = 0; i < rows * cols; i++) {
        double theirs = json_number_value(json_array_get(json_array_get(table, (size_t)(i / cols)), (size_t)(i % cols)));
        if (!(fabs(ours[i] - theirs) <= tolerance)) {
            snprintf(text, size, "%s %d, number %d: got %.17g, recorded %.17g", what, i / cols, i % cols, ours[i], theirs);
            return false;
        }
    }
    return true;
}

static bool mpe_same_state(const void *params, const void *state, const json_t *line, const struct trace_rule *rule, char *text,
                           size_t size)
{
    const struct mpe_params *p = params;
    const struct mpe_state *g = state;
    const json_t *speech = json_object_get(line, "speech");
    return is_near(g->motion[0].at, json_object_get(line, "bodies"), p->B, 4, rule->state_tolerance, "body", text, size) &&
           (!speech || is_near(mpe_speech(p, g, 0), speech, p->B, p->words, rule->state_tolerance, "speech of body", text, size));
}

const struct env_trace_ops mpe_trace = {
    .env = "mpe",
    .rule = {.share = 1,
             .state_tolerance = STATE_TOLERANCE,
             .reward_tolerance = STATE_TOLERANCE,
             .observation_tolerance = FLOAT_TOLERANCE},
    .configure = mpe_configure,
    .set_state = mpe_set_state,
    .step = mpe_trace_step,
    .same_state = mpe_same_state,
};
