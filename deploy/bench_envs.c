/* bench envs: steps of environments, against what the reference implementations do.
 *
 * Rates are per second of this thread's processor time, which is what a core gives and what the references were measured in; wall
 * time stands beside it. A batch of 64 and 64 single environments take turns, so that both meet the same machine; each keeps its
 * best turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/bench.h"
#include "deploy/env_words.h"
#include "envs/vec_bench.h"

#define BATCH 64
#define TURNS 3

/* What the Python references did: steps per second of processor time, one process, random available actions, observations
 * included, median of 3 runs of 3 s on a shared x86-64 core; 10 to 20 % between runs. A row is for the scenarios whose name holds
 * `scenario` and that have so many agents; with an argument it is a case of its own. */
static const struct reference {
    const char *env, *scenario, *argument;
    int agents;
    double rate, must; /* must: how many times faster we want to be; 0: no bar */
    const char *origin;
} references[] = {
    {"matrix", "iterated", NULL, 2, 22700, 0, "toy game of EIR-MAPPO's code"},
    {"foraging", "8x8-2p-1f", "env.rules=v3", 2, 9300, 500, "lbforaging v3"},
    {"foraging", "10x10-3p-3f", "env.rules=v3", 3, 6080, 500, "lbforaging v3"},
    {"foraging", "12x12-4p-3f-c", "env.rules=v3", 4, 4660, 500, "lbforaging v3"},
    {"foraging", "eir-12x12-4p-3f-c", NULL, 4, 4320, 500, "lbforaging of EIR-MAPPO's code"},
    {"foraging", "20x20-10p-6f-s3", "env.rules=v3", 10, 2020, 500, "lbforaging v3"},
    {"foraging", "20x20-15p-6f-s3", "env.rules=v3", 15, 1210, 500, "lbforaging v3"},
    {"smac", "3m", NULL, 3, 176, 568.2, "SMAClite; the bar is 100,000 steps/s"},
    {"smac", "8m", NULL, 8, 87, 500, "SMAClite"},
    {"smac", "2s3z", NULL, 5, 110, 500, "SMAClite"},
    {"smac", "3s_vs_3z", NULL, 3, 140, 500, "SMAClite"},
    {"smac", "3s_vs_1sc", NULL, 3, 151, 500, "SMAClite"},
    {"smac", "MMM", NULL, 10, 56, 500, "SMAClite"},
    {"smac", "MMM2", NULL, 10, 46, 500, "SMAClite"},
    {"smac", "1c3s5z", NULL, 9, 64, 500, "SMAClite"},
    {"smac", "27m_vs_30m", NULL, 27, 23, 500, "SMAClite"},
    {"smac", "2c_vs_64zg", NULL, 2, 11, 500, "SMAClite"},
    {"rendezvous", "mir3", NULL, 10, 971, 100, "rendezvous of MIR3's code"},
    {"rendezvous", "eir", NULL, 10, 1086, 100, "rendezvous of EIR-MAPPO's code"},
    {"quads", "same_goal", NULL, 8, 515, 100, "QuadSwarm, just-in-time compiled"},
    {"quads", "swarm_vs_swarm", NULL, 8, 472, 100, "QuadSwarm, just-in-time compiled"},
};

struct timing {
    struct vec_bench_rates batch, single; /* best turns */
};

static void keep_better(struct vec_bench_rates *best, const struct vec_bench_rates *rates)
{
    best->wall = rates->wall > best->wall ? rates->wall : best->wall;
    best->cpu = rates->cpu > best->cpu ? rates->cpu : best->cpu;
}

static int time_recipe(const struct recipe *recipe, double seconds, struct timing *timing, struct err *err)
{
    struct vec_bench_rates rates;
    int r = 0;
    *timing = (struct timing){{0, 0}, {0, 0}};
    for (int turn = 0; turn < TURNS && !r; turn++) {
        if ((r = vec_bench(recipe, 1, BATCH, seconds / (2 * TURNS), &rates, err)))
            break;
        keep_better(&timing->batch, &rates);
        if (!(r = vec_bench(recipe, BATCH, 1, seconds / (2 * TURNS), &rates, err)))
            keep_better(&timing->single, &rates);
    }
    return r;
}

/* ---- the table ---- */

static void print_head(const struct figures *figures)
{
    if (!figures->as_json)
        printf("%-44s %12s %12s %12s %10s %8s %6s  %s\n", "envs: steps per second, 64 at once", "CPU", "wall", "batch/single",
               "reference", "times", "bar", "of");
}

static void print_row(const char *name, const struct timing *timing, const struct reference *reference)
{
    double ratio = timing->batch.cpu / timing->single.cpu;
    printf("%-44s %12.0f %12.0f %12.2f", name, timing->batch.cpu, timing->batch.wall, ratio);
    if (reference)
        printf(" %10.0f %8.0f", reference->rate, timing->batch.cpu / reference->rate);
    if (reference && reference->must > 0)
        printf(" %6.0f", reference->must);
    else if (reference)
        printf(" %6s", "");
    printf("%s%s\n", reference ? "  " : "", reference ? reference->origin : "");
    fflush(stdout);
}

static void add_row(struct figures *figures, const char *name, const struct timing *timing, const struct reference *reference)
{
    if (!figures->as_json) {
        print_row(name, timing, reference);
        return;
    }
    json_t *object = json_pack("{s:s, s:s, s:f, s:s, s:f, s:f, s:f}", "part", "envs", "name", name, "value", timing->batch.cpu,
                               "unit", "steps/CPU s", "wall", timing->batch.wall, "single", timing->single.cpu, "batch_over_single",
                               timing->batch.cpu / timing->single.cpu);
    if (reference)
        json_object_update_new(object, json_pack("{s:f, s:f, s:s}", "reference", reference->rate, "times",
                                                 timing->batch.cpu / reference->rate, "origin", reference->origin));
    if (reference && reference->must > 0)
        json_object_set_new(object, "must", json_real(reference->must));
    json_array_append_new(figures->list, object);
}

/* ---- cases ---- */

static int run_case(struct figures *figures, const char *word, const char *argument, const struct reference *reference,
                    double seconds, struct err *err)
{
    char name[160];
    struct recipe *recipe;
    struct timing timing;
    int r = env_words_recipe(&recipe, word, &argument, argument ? 1 : 0, err);
    if (r)
        return r;
    r = time_recipe(recipe, seconds, &timing, err);
    recipe_destroy(&recipe);
    if (r)
        return err_prefix(err, r, "%s", word);
    snprintf(name, sizeof name, "%s%s%s", word, argument ? " " : "", argument ? argument : "");
    add_row(figures, name, &timing, reference);
    return 0;
}

/* The reference of a listed scenario: by its whole name; where names also say how many agents there are, by a part of it. */
static const struct reference *reference_of(const struct env_instance *env)
{
    const struct reference *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(references); i++) {
        const struct reference *reference = &references[i];
        if (strcmp(reference->env, env->spec.env) || reference->argument || reference->agents != env->spec.N)
            continue;
        if (!strcmp(reference->scenario, env->spec.scenario))
            return reference;
        bool is_partly = !strcmp(reference->env, "rendezvous") || !strcmp(reference->env, "quads");
        if (is_partly && strstr(env->spec.scenario, reference->scenario))
            found = reference;
    }
    return found;
}

/* Whether the words ask for it: none at all, its environment, or exactly it. */
static bool is_asked(const char *const *words, int n, const char *env, const char *scenario)
{
    for (int i = 0; i < n; i++) {
        size_t length = strcspn(words[i], ":");
        if (strlen(env) == length && !strncmp(words[i], env, length) &&
            (!words[i][length] || !strcmp(words[i] + length + 1, scenario)))
            return true;
    }
    return !n;
}

static int bench_scenario(struct figures *figures, const char *name, const char *scenario, double seconds, struct err *err)
{
    char word[2 * CONFIG_TEXT_MAX];
    struct env_instance *env;
    snprintf(word, sizeof word, "%s:%s", name, scenario);
    int r = env_words_open(&env, word, NULL, 0, err);
    if (r)
        return r;
    const struct reference *reference = reference_of(env);
    free(env);
    return run_case(figures, word, NULL, reference, seconds, err);
}

/* A scenario that was asked for by name and is not among those listed, which are only examples. */
static bool is_listed(const struct env_ops *ops, const char *scenario)
{
    for (const char *const *listed = ops->scenarios; *listed; listed++)
        if (!strcmp(*listed, scenario))
            return true;
    return false;
}

static int bench_environment(struct figures *figures, const struct env_ops *ops, const char *const *words, int n, double seconds,
                             struct err *err)
{
    int r = 0;
    for (const char *const *scenario = ops->scenarios; *scenario && !r; scenario++)
        if (is_asked(words, n, ops->name, *scenario))
            r = bench_scenario(figures, ops->name, *scenario, seconds, err);
    for (int i = 0; i < n && !r; i++) {
        const char *colon = strchr(words[i], ':');
        if (colon && is_asked(&words[i], 1, ops->name, colon + 1) && !is_listed(ops, colon + 1))
            r = bench_scenario(figures, ops->name, colon + 1, seconds, err);
    }
    for (size_t i = 0; i < ARRAY_LEN(references) && !r; i++) {
        const struct reference *reference = &references[i];
        char word[2 * CONFIG_TEXT_MAX];
        if (!reference->argument || strcmp(reference->env, ops->name) || !is_asked(words, n, ops->name, reference->scenario))
            continue;
        snprintf(word, sizeof word, "%s:%s", ops->name, reference->scenario);
        r = run_case(figures, word, reference->argument, reference, seconds, err);
    }
    return r;
}

int bench_envs(struct figures *figures, const char *const *words, int n, double seconds, struct err *err)
{
    int r = 0;
    print_head(figures);
    for (const struct env_ops *const *ops = env_registry; *ops && !r; ops++)
        if (!env_missing(*ops))
            r = bench_environment(figures, *ops, words, n, seconds, err);
    return r;
}
