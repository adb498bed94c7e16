/* The iterated matrix game: replay of traces recorded from EIR-MAPPO's code ("toy"). Exact. */
#include <stdio.h>
#include <string.h>

#include "envs/matrix.h"
#include "envs/trace.h"

static int set_key(const char *theirs, const json_t *value, struct recipe *recipe, struct err *err)
{
    static const char *const keys[][2] = {
        {"obs_last_state", "last_state"}, {"obs_last_action", "last_action"}, {"obs_agent_adversary", "zero_tail"}};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!strcmp(theirs, keys[i][0]))
            return trace_set(recipe, keys[i][1], value, NULL, err);
    /* Which state the critic gets; there it is always the observation. */
    return !strcmp(theirs, "state_type") ? 0 : err_set(err, ERR_UNKNOWN, "unknown key %s in the header's cfg", theirs);
}

static int matrix_configure(const json_t *header, struct recipe *recipe, struct err *err)
{
    const char *key;
    json_t *value;
    int r = 0;
    json_object_foreach(json_object_get(header, "cfg"), key, value) if (!r) r = set_key(key, value, recipe, err);
    if (!r && json_object_get(header, "limit"))
        r = trace_set(recipe, "horizon", json_object_get(header, "limit"), NULL, err);
    return r;
}

static int matrix_set_state(const void *params, void *state, const json_t *line, struct err *err)
{
    (void)params;
    const json_t *s = json_object_get(line, "s");
    if (!json_is_integer(s) || json_integer_value(s) < 0 || json_integer_value(s) > 1)
        return err_set(err, ERR_FORMAT, "bad s: expected 0 or 1");
    uint8_t bit = (uint8_t)json_integer_value(s);
    *(struct matrix_state *)state = (struct matrix_state){.s = bit, .last_s = bit};
    return 0;
}

static void matrix_trace_step(const void *params, void *state, const json_t *line, const int32_t *choice, double *reward,
                              bool *is_over)
{
    (void)line;
    float pay[MATRIX_AGENTS]; /* 0 or 1: a float holds these exactly */
    uint8_t terminated, truncated;
    env_matrix.step(params, state, &(struct env_action){.choice = choice}, NULL,
                    &(struct env_result){pay, &terminated, &truncated});
    for (int n = 0; n < MATRIX_AGENTS; n++)
        reward[n] = pay[n];
    *is_over = terminated || truncated;
}

static bool matrix_same_state(const void *params, const void *state, const json_t *line, const struct trace_rule *rule, char *text,
                              size_t size)
{
    (void)params;
    (void)rule;
    const struct matrix_state *g = state;
    int64_t s = json_integer_value(json_object_get(line, "s"));
    snprintf(text, size, "s: got %d, recorded %lld", g->s, (long long)s);
    return json_is_integer(json_object_get(line, "s")) && g->s == s;
}

const struct env_trace_ops matrix_trace = {
    .env = "toy",
    .rule = {.share = 1, .reward_tolerance = 1e-12},
    .configure = matrix_configure,
    .set_state = matrix_set_state,
    .step = matrix_trace_step,
    .same_state = matrix_same_state,
};
