#include "learner/convergence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OFF(field) offsetof(struct convergence_config, field)

static const struct config_row rows[] = {
    {"attack.tolerance", CONFIG_REAL, OFF(tolerance), "0.02", 0, 1, "share of the return's range", NULL,
     "an attack goes on while its last quarter lowers any victim's return by more"},
    {"attack.max_steps", CONFIG_INT, OFF(max_steps), "5M", 1, 1e15, "environment steps", NULL,
     "ceiling of an attack's training, all victims together; run.steps is its least"},
};

const struct config_table convergence_table = {"attack", rows, ARRAY_LEN(rows)};

int convergence_config_bind(struct convergence_config *config, const struct recipe *recipe, struct err *err)
{
    return config_bind(rows, ARRAY_LEN(rows), recipe, config, err);
}

/* Room for `updates` rows; grows by doubling, a few times in a run. */
static int reserve(struct convergence *convergence, int64_t updates)
{
    if (updates <= convergence->capacity)
        return 0;
    int64_t capacity = updates < 1024 ? 1024 : 2 * updates;
    size_t bytes = (size_t)capacity * (size_t)convergence->victims.n * sizeof(double);
    double *sums = realloc(convergence->sums, bytes);
    if (sums)
        convergence->sums = sums;
    double *counts = realloc(convergence->counts, bytes);
    if (counts)
        convergence->counts = counts;
    if (!sums || !counts)
        return ERR_NOMEM;
    convergence->capacity = capacity;
    return 0;
}

/* Rows of another width than the one they were reserved for are of no use. */
static void set_victims(struct convergence *convergence, int V)
{
    if (convergence->victims.n == V)
        return;
    free(convergence->sums);
    free(convergence->counts);
    *convergence = (struct convergence){.config = convergence->config, .range = convergence->range, .victims.n = V};
}

void convergence_begin(struct convergence *convergence, const struct convergence_config *config, const struct spec *spec,
                       const struct victims *victims, uint64_t total)
{
    convergence->config = *config;
    set_victims(convergence, victims->n);
    convergence->victims = *victims;
    convergence->range = isfinite(spec->return_max - spec->return_min) ? spec->return_max - spec->return_min : 0.0;
    if (reserve(convergence, (int64_t)(total < 100000 ? total : 100000)))
        convergence->capacity = 0; /* counted again at each update; without memory nothing is remembered */
}

void convergence_deinit(struct convergence *convergence)
{
    free(convergence->sums);
    free(convergence->counts);
    *convergence = (struct convergence){0};
}

void convergence_count(struct convergence *convergence, const struct partitions *partitions)
{
    if (reserve(convergence, convergence->updates + 1))
        return;
    double *sums = convergence->sums + convergence->updates * convergence->victims.n;
    double *counts = convergence->counts + convergence->updates * convergence->victims.n;
    memset(sums, 0, (size_t)convergence->victims.n * sizeof *sums);
    memset(counts, 0, (size_t)convergence->victims.n * sizeof *counts);
    for (int i = 0; i < partitions->count; i++) {
        int v = victims_find(&convergence->victims, partitions->rows[i].mask);
        if (v >= 0) {
            sums[v] = partitions->rows[i].update_sum;
            counts[v] = (double)partitions->rows[i].update_count;
        }
    }
    convergence->updates++;
}

static double mean_of(const struct convergence *convergence, int victim, int64_t begin, int64_t end)
{
    double sum = 0.0, count = 0.0;
    for (int64_t u = begin; u < end; u++) {
        sum += convergence->sums[u * convergence->victims.n + victim];
        count += convergence->counts[u * convergence->victims.n + victim];
    }
    return count > 0 ? sum / count : NAN;
}

double convergence_improvement(const struct convergence *convergence)
{
    int64_t n = convergence->updates, quarter = n / 4;
    double most = NAN;
    for (int v = 0; v < convergence->victims.n && quarter > 0; v++) {
        double before = mean_of(convergence, v, n - 2 * quarter, n - quarter), last = mean_of(convergence, v, n - quarter, n);
        double range = convergence->range > 0 ? convergence->range : fabs(mean_of(convergence, v, 0, quarter)) + fabs(last);
        double improvement = range > 0 ? (before - last) / range : 0.0;
        if (isnan(before) || isnan(last))
            return NAN;
        if (!(most >= improvement))
            most = improvement;
    }
    return most;
}

uint64_t convergence_next_total(const struct convergence *convergence, uint64_t updates, int64_t steps_per_update)
{
    uint64_t ceiling = (uint64_t)(convergence->config.max_steps / steps_per_update);
    double improvement = convergence_improvement(convergence);
    if (improvement < convergence->config.tolerance || updates >= ceiling)
        return updates;
    uint64_t total = updates + (updates + 2) / 3;
    return total < ceiling ? total : ceiling;
}

int convergence_restore(struct convergence *convergence, int V, int64_t updates, const double *sums, const double *counts)
{
    if (V < 1 || V > SPEC_AGENTS_MAX || updates < 0)
        return ERR_RANGE;
    set_victims(convergence, V);
    if (reserve(convergence, updates))
        return ERR_NOMEM;
    memcpy(convergence->sums, sums, (size_t)(updates * V) * sizeof *sums);
    memcpy(convergence->counts, counts, (size_t)(updates * V) * sizeof *counts);
    convergence->updates = updates;
    return 0;
}
