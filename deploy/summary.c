#include "deploy/summary.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define CSV_MAX (256u << 20)
#define COLUMNS_MAX 256

int summary_create(struct summary **summary)
{
    *summary = calloc(1, sizeof **summary);
    if (*summary && !((*summary)->tree = json_object()))
        summary_destroy(summary);
    return *summary ? 0 : ERR_NOMEM;
}

void summary_destroy(struct summary **summary)
{
    if (*summary)
        json_decref((*summary)->tree);
    free(*summary);
    *summary = NULL;
}

/* -- samples ---------------------------------------------------------------------------------------------------------------- */

void summary_boil_down(const struct results *results, const char *threat, struct summary_sample *sample)
{
    *sample = (struct summary_sample){.seed = results->seed, .steps = results->steps, .lowest = NAN, .success = NAN};
    memcpy(sample->env, results->env, sizeof sample->env);
    memcpy(sample->scenario, results->scenario, sizeof sample->scenario);
    memcpy(sample->method, results->method, sizeof sample->method);
    snprintf(sample->threat, sizeof sample->threat, "%s", threat);
    double sum = 0, success = 0;
    int n = 0;
    for (int i = 0; i < results->count; i++) {
        const struct result_row *row = &results->rows[i];
        if (strcmp(row->threat, threat))
            continue;
        n++;
        sum += row->mean;
        success += row->success;
        sample->episodes += row->episodes;
        if (row->victim >= 0 && !(row->mean >= sample->lowest))
            sample->lowest = row->mean;
        if (row->attack_steps > sample->attack_steps)
            sample->attack_steps = row->attack_steps;
    }
    sample->mean = n ? sum / n : NAN;
    sample->success = n ? success / n : NAN;
}

static bool is_same_group(const struct summary_sample *a, const struct summary_sample *b)
{
    return !strcmp(a->env, b->env) && !strcmp(a->scenario, b->scenario) && !strcmp(a->method, b->method) &&
           !strcmp(a->threat, b->threat);
}

static int add_sample(struct summary *summary, const struct summary_sample *sample, struct err *err)
{
    int at = 0;
    while (at < summary->count && !(is_same_group(&summary->sample[at], sample) && summary->sample[at].seed == sample->seed))
        at++;
    if (at == SUMMARY_SAMPLES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d results in one report", SUMMARY_SAMPLES_MAX);
    summary->sample[at] = *sample;
    summary->count += at == summary->count;
    return 0;
}

static bool is_first_of_threat(const struct results *results, int index)
{
    for (int i = 0; i < index; i++)
        if (!strcmp(results->rows[i].threat, results->rows[index].threat))
            return false;
    return true;
}

/* -- marl-eval -------------------------------------------------------------------------------------------------------------- */

static json_t *child(json_t *parent, const char *key)
{
    json_t *node = json_object_get(parent, key);
    if (!node) {
        node = json_object();
        json_object_set_new(parent, key, node);
    }
    return node;
}

static json_t *seed_node(struct summary *summary, const struct results *results)
{
    char seed[32];
    snprintf(seed, sizeof seed, "seed_%lld", (long long)results->seed);
    return child(child(child(child(summary->tree, results->env), results->scenario), results->method), seed);
}

/* "return" for clean rows, "return_<threat>" for the episodes of all victims under a threat. */
static void add_absolute(json_t *seed, const struct results *results, const char *threat)
{
    char key[64];
    snprintf(key, sizeof key, "return%s%s", strcmp(threat, "clean") ? "_" : "", strcmp(threat, "clean") ? threat : "");
    json_t *values = json_array();
    for (int i = 0; i < results->count; i++)
        for (int64_t e = 0; !strcmp(results->rows[i].threat, threat) && e < results->rows[i].episodes; e++)
            json_array_append_new(values, json_real(results->rows[i].returns[e]));
    json_object_set_new(child(seed, "absolute_metrics"), key, values);
}

int summary_add(struct summary *summary, const struct results *results, struct err *err)
{
    json_t *seed = seed_node(summary, results);
    int r = 0;
    for (int i = 0; i < results->count && !r; i++) {
        struct summary_sample sample;
        if (!is_first_of_threat(results, i))
            continue;
        summary_boil_down(results, results->rows[i].threat, &sample);
        add_absolute(seed, results, results->rows[i].threat);
        r = add_sample(summary, &sample, err);
    }
    return r;
}

/* One step_<k> from a row of progress.csv; rows without any return are left out. */
static bool add_step(json_t *seed, char *line, char *const *names, int n_names, int k)
{
    json_t *step = json_object();
    bool has_return = false;
    char *cell = line, *next;
    for (int i = 0; cell && i < n_names; i++, cell = next) {
        char key[128], *end;
        next = strchr(cell, ',');
        if (next)
            *next++ = 0;
        double value = strtod(cell, &end);
        if (end == cell || !isfinite(value))
            continue;
        if (!strcmp(names[i], "steps")) {
            json_object_set_new(step, "step_count", json_integer((json_int_t)value));
        } else if (!strcmp(names[i], "wall_seconds")) {
            json_object_set_new(step, "elapsed_time", json_real(value));
        } else if (!strncmp(names[i], "return", 6)) {
            snprintf(key, sizeof key, "%s", strcmp(names[i], "return/clean") ? names[i] : "return");
            for (char *p = key; (p = strchr(p, '/'));)
                *p = '_';
            json_object_set_new(step, key, json_pack("[f]", value));
            has_return = true;
        }
    }
    char key[32];
    snprintf(key, sizeof key, "step_%d", k);
    if (has_return)
        json_object_set(seed, key, step);
    json_decref(step);
    return has_return;
}

/* The curve of a run; a run without progress.csv has none. */
static int add_curve(json_t *seed, const char *folder, struct err *err)
{
    char path[PATH_MAX], *save = NULL, *names[COLUMNS_MAX], *save_name = NULL;
    unsigned char *text;
    size_t length;
    if (file_join(path, sizeof path, folder, "progress.csv") || access(path, F_OK))
        return 0;
    int r = file_read(path, CSV_MAX, &text, &length, err), n_names = 0, k = 0;
    if (r)
        return r;
    char *header = strtok_r((char *)text, "\n", &save);
    for (char *name = header ? strtok_r(header, ",", &save_name) : NULL; name && n_names < COLUMNS_MAX;
         name = strtok_r(NULL, ",", &save_name))
        names[n_names++] = name;
    for (char *line; (line = strtok_r(NULL, "\n", &save));)
        k += add_step(seed, line, names, n_names, k);
    free(text);
    return 0;
}

int summary_add_run(struct summary *summary, const char *folder, struct err *err)
{
    static const char *const files[] = {"results/train.json", "eval/results/eval.json", "results/eval.json",
                                        "attack/results/attack.json"};
    int found = 0, r = 0;
    for (size_t i = 0; i < ARRAY_LEN(files) && !r; i++) {
        char path[PATH_MAX];
        struct results *results;
        if (file_join(path, sizeof path, folder, files[i]) || access(path, F_OK))
            continue;
        if ((r = results_read(&results, path, err)))
            return r;
        r = summary_add(summary, results, err);
        if (!r && !found++)
            r = add_curve(seed_node(summary, results), folder, err);
        results_destroy(&results);
    }
    return r || found ? r
                      : err_set(err, ERR_STATE, "no results in \"%.300s\"; train it to the end, or run: testudo eval %.150s",
                                folder, folder);
}

/* -- table ------------------------------------------------------------------------------------------------------------------ */

static int by_group(const void *a, const void *b)
{
    const struct summary_sample *x = a, *y = b;
    int r = strcmp(x->env, y->env);
    r = r ? r : strcmp(x->scenario, y->scenario);
    r = r ? r : strcmp(x->method, y->method);
    r = r ? r : strcmp(x->threat, y->threat); /* "clean" happens to come first of those we know */
    return r ? r : (x->seed > y->seed) - (x->seed < y->seed);
}

/* The samples [n] are the seeds of one group. */
static int print_group(const struct summary_sample *samples, int n, FILE *out, struct err *err)
{
    double *means = malloc((size_t)n * sizeof *means), lowest = NAN, success = 0;
    struct interval interval;
    if (!means)
        return err_set(err, ERR_NOMEM, "cannot print: out of memory");
    for (int i = 0; i < n; i++) {
        means[i] = samples[i].mean;
        success += samples[i].success / n;
        if (!(samples[i].lowest >= lowest))
            lowest = samples[i].lowest;
    }
    int r = bootstrap_mean(means, n, &interval);
    free(means);
    if (r)
        return err_set(err, r, "cannot print: out of memory");
    char range[48] = "", low[24] = "-", won[24] = "-", attack[24] = "-";
    if (n > 1)
        snprintf(range, sizeof range, "[%.4g, %.4g]", interval.low, interval.high);
    if (!isnan(lowest))
        snprintf(low, sizeof low, "%.4g", lowest);
    if (!isnan(success))
        snprintf(won, sizeof won, "%.1f %%", 100 * success);
    if (samples[0].attack_steps)
        snprintf(attack, sizeof attack, "%.3g", (double)samples[0].attack_steps);
    fprintf(out, "  %-20s %-14s %5d %9.3g %10.4g %-20s %13s %8s %12s\n", samples[0].method, samples[0].threat, n,
            (double)samples[0].steps, interval.mean, range, low, won, attack);
    return 0;
}

int summary_print(const struct summary *summary, FILE *out, struct err *err)
{
    struct summary_sample *sorted = malloc(((size_t)summary->count + 1) * sizeof *sorted);
    if (!sorted)
        return err_set(err, ERR_NOMEM, "cannot print: out of memory");
    memcpy(sorted, summary->sample, (size_t)summary->count * sizeof *sorted);
    qsort(sorted, (size_t)summary->count, sizeof *sorted, by_group);
    int r = 0;
    for (int i = 0, n; i < summary->count && !r; i += n) {
        bool is_new_task = !i || strcmp(sorted[i].env, sorted[i - 1].env) || strcmp(sorted[i].scenario, sorted[i - 1].scenario);
        if (is_new_task)
            fprintf(out, "%s%s %s\n  %-20s %-14s %5s %9s %10s %-20s %13s %8s %12s\n", i ? "\n" : "", sorted[i].env,
                    sorted[i].scenario, "method", "threat", "seeds", "steps", "return", "95 % interval", "lowest victim", "success",
                    "attack steps");
        for (n = 1; i + n < summary->count && is_same_group(&sorted[i], &sorted[i + n]);)
            n++;
        r = print_group(&sorted[i], n, out, err);
    }
    free(sorted);
    return r;
}
