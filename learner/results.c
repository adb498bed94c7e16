#include "learner/results.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bootstrap.h"
#include "base/json.h"

int results_create(struct results **results)
{
    *results = calloc(1, sizeof **results);
    return *results ? 0 : ERR_NOMEM;
}

void results_destroy(struct results **results)
{
    if (!*results)
        return;
    for (int i = 0; i < (*results)->count; i++)
        free((*results)->rows[i].returns);
    free(*results);
    *results = NULL;
}

static int check_returns(const char *threat, const double *returns, int64_t episodes, struct err *err)
{
    for (int64_t i = 0; i < episodes; i++)
        if (!isfinite(returns[i]))
            return err_set(err, ERR_NOT_FINITE, "return of episode %lld under %.31s is not a finite number", (long long)i, threat);
    return 0;
}

int results_add(struct results *results, const char *threat, int32_t victim, int64_t attack_steps, const double *returns,
                int64_t episodes, int64_t successes, struct err *err)
{
    struct result_row *row = &results->rows[results->count];
    if (results->count == RESULTS_ROWS_MAX || episodes < 1 || episodes > RESULTS_EPISODES_MAX ||
        strlen(threat) >= sizeof row->threat)
        return err_set(err, ERR_LIMIT, "row %d of results (%.40s, %lld episodes) exceeds a ceiling", results->count, threat,
                       (long long)episodes);
    int r = check_returns(threat, returns, episodes, err);
    if (r)
        return r;
    struct interval interval;
    double *copy = malloc((size_t)episodes * sizeof *copy);
    if (!copy || bootstrap_mean(returns, (int)episodes, &interval)) {
        free(copy);
        return err_set(err, ERR_NOMEM, "cannot keep results: out of memory");
    }
    memcpy(copy, returns, (size_t)episodes * sizeof *copy);
    *row = (struct result_row){.victim = victim,
                               .attack_steps = attack_steps,
                               .episodes = episodes,
                               .mean = interval.mean,
                               .low = interval.low,
                               .high = interval.high,
                               .returns = copy,
                               .success = successes < 0 ? NAN : (double)successes / (double)episodes};
    snprintf(row->threat, sizeof row->threat, "%s", threat);
    results->count++;
    return 0;
}

static json_t *row_tree(const struct result_row *row)
{
    json_t *returns = json_array();
    for (int64_t i = 0; i < row->episodes; i++)
        json_array_append_new(returns, json_real(row->returns[i]));
    return json_pack("{s:s, s:i, s:I, s:I, s:f, s:f, s:f, s:o, s:o}", "threat", row->threat, "victim", row->victim, "attack_steps",
                     (json_int_t)row->attack_steps, "episodes", (json_int_t)row->episodes, "mean", row->mean, "low", row->low,
                     "high", row->high, "success", json_number_or_null(row->success), "returns", returns);
}

static json_t *victims_tree(const struct victims *victims)
{
    json_t *tree = json_array();
    for (int v = 0; v < victims->n; v++) {
        json_t *agents = json_array();
        for (int n = 0; n < SPEC_AGENTS_MAX; n++)
            if (victims->mask[v] >> n & 1)
                json_array_append_new(agents, json_integer(n));
        json_array_append_new(tree, agents);
    }
    return tree;
}

int results_write(const struct results *results, const char *path, struct err *err)
{
    json_t *rows = json_array();
    for (int i = 0; i < results->count; i++)
        json_array_append_new(rows, row_tree(&results->rows[i]));
    json_t *tree = json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:o, s:o}", "method", results->method, "env", results->env, "scenario",
                             results->scenario, "seed", (json_int_t)results->seed, "steps", (json_int_t)results->steps,
                             "wall_seconds", results->wall_seconds, "victims", victims_tree(&results->victims), "rows", rows);
    if (!tree || json_array_size(rows) != (size_t)results->count) {
        json_decref(tree);
        return err_set(err, ERR_NOMEM, "cannot write \"%s\": out of memory, or a name is not UTF-8", path);
    }
    int r = json_write(path, tree, err);
    json_decref(tree);
    return r;
}

/* -- reading ---------------------------------------------------------------------------------------------------------------- */

static bool read_text(const json_t *tree, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(tree, key));
    if (text && strlen(text) < size)
        memcpy(out, text, strlen(text) + 1);
    return text && strlen(text) < size;
}

static bool read_whole(const json_t *tree, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(tree, key);
    *out = json_integer_value(value);
    return json_is_integer(value);
}

/* The row's mean, low and high are computed again from its returns: they cannot disagree with them. */
static int read_row(struct results *results, const json_t *row, struct err *err)
{
    char threat[32];
    int64_t victim, attack_steps;
    const json_t *returns = json_object_get(row, "returns"), *success = json_object_get(row, "success");
    size_t n = json_array_size(returns);
    if (!read_text(row, "threat", threat, sizeof threat) || !read_whole(row, "victim", &victim) || victim < -1 ||
        victim > INT32_MAX || !read_whole(row, "attack_steps", &attack_steps) || !n || n > RESULTS_EPISODES_MAX)
        return err_set(err, ERR_FORMAT, "row %d is malformed", results->count);
    double *values = malloc(n * sizeof *values);
    if (!values)
        return err_set(err, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        values[i] = json_is_number(json_array_get(returns, i)) ? json_number_value(json_array_get(returns, i)) : NAN;
    int64_t successes = json_is_number(success) ? llround(json_number_value(success) * (double)n) : -1;
    int r = results_add(results, threat, (int32_t)victim, attack_steps, values, (int64_t)n, successes, err);
    free(values);
    return r;
}

static int read_tree(struct results *results, const json_t *tree, struct err *err)
{
    const json_t *rows = json_object_get(tree, "rows"), *wall = json_object_get(tree, "wall_seconds");
    if (!read_text(tree, "method", results->method, sizeof results->method) ||
        !read_text(tree, "env", results->env, sizeof results->env) ||
        !read_text(tree, "scenario", results->scenario, sizeof results->scenario) || !read_whole(tree, "seed", &results->seed) ||
        !read_whole(tree, "steps", &results->steps) || !json_is_number(wall) || !json_is_array(rows))
        return err_set(err, ERR_FORMAT, "a field is missing or malformed");
    results->wall_seconds = json_number_value(wall);
    int r = 0;
    for (size_t i = 0; i < json_array_size(rows) && !r; i++)
        r = read_row(results, json_array_get(rows, i), err);
    return r;
}

int results_read(struct results **results, const char *path, struct err *err)
{
    *results = NULL;
    json_t *tree = json_read(path, err);
    if (!tree)
        return ERR_FORMAT;
    int r = results_create(results);
    if (r)
        err_set(err, r, "cannot read \"%s\": out of memory", path);
    else if ((r = read_tree(*results, tree, err)))
        err_prefix(err, r, "cannot read \"%s\"", path);
    json_decref(tree);
    if (r)
        results_destroy(results);
    return r;
}
