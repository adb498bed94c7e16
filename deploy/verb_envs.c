/* envs: which environments there are, what can be set in them, and whether they agree with recorded traces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/keys.h"
#include "deploy/verb.h"
#include "envs/registry.h"
#include "envs/trace.h"
#include "envs/vec.h"

static int list(const struct verb *verb, const struct words *words)
{
    if (words->count > 1)
        return verb_misused(verb, "unexpected argument \"%s\"", words->word[1]);
    for (const struct env_ops *const *ops = env_registry; *ops; ops++)
        printf("%-12s %s\n", (*ops)->name, (*ops)->summary);
    return EXIT_DONE;
}

/* The spec of an environment with its defaults. */
static int print_spec(const struct verb *verb, const struct env_ops *ops)
{
    struct err err = {""};
    struct recipe *recipe = recipe_create();
    struct env_instance *instance = malloc(sizeof *instance);
    int r =
        recipe && instance ? recipe_set(recipe, "env.name", ops->name, "default", &err) : err_set(&err, ERR_NOMEM, "out of memory");
    if (!r && !(r = env_open(instance, recipe, &err))) {
        const struct spec *spec = &instance->spec;
        printf("\nas %s: %d agents, %d observation numbers, %d actions, state %s, at most %d steps\n", spec->scenario, spec->N,
               spec->O, spec->A, spec->state_is_observation ? "= observation" : "of its own", spec->horizon);
        for (int i = 0; i < spec->n_blocks; i++)
            printf("  observation %d..%d: %s\n", spec->blocks[i].start, spec->blocks[i].start + spec->blocks[i].width - 1,
                   spec->blocks[i].name);
    }
    free(instance);
    recipe_destroy(&recipe);
    return r ? verb_failed(verb, "%s", err.text) : EXIT_DONE;
}

static int describe(const struct verb *verb, const struct words *words)
{
    const struct env_ops *ops;
    struct err err;
    if (words->count != 2)
        return verb_misused(verb, "describe takes one environment");
    if (env_lookup(words->word[1], &ops, &err))
        return verb_misused(verb, "%s", err.text);
    printf("%s: %s\n\nscenarios, for example:", ops->name, ops->summary);
    for (const char *const *scenario = ops->scenarios; *scenario; scenario++)
        printf(" %s", *scenario);
    printf("\n\nscripts:%s", ops->n_scripts ? "" : " none");
    for (int i = 0; i < ops->n_scripts; i++)
        printf("\n  %-14s %s", ops->scripts[i].name, ops->scripts[i].summary);
    printf("\n\nkeys:\n");
    keys_print(stdout, ops->rows, ops->n_rows);
    return print_spec(verb, ops);
}

/* Checks all files, and fails when one of them differs. */
static int check(const struct verb *verb, const struct words *words)
{
    int failed = 0;
    if (words->count < 2)
        return verb_misused(verb, "check takes trace files");
    for (int i = 1; i < words->count; i++) {
        struct trace_report report;
        struct err err = {""};
        memset(&report, 0, sizeof report);
        int r = trace_check(words->word[i], &report, &err);
        if (r && r != ERR_MISMATCH)
            failed += verb_failed(verb, "%s", err.text);
        else
            printf("%-8s %s %s: %lld episodes, %lld steps, %lld mismatches, largest difference %.3g%s%s\n",
                   r ? "DIFFERS" : "agrees", report.env, report.name, (long long)report.episodes, (long long)report.steps,
                   (long long)report.mismatches, report.largest, r ? "; first: " : "", r ? report.first : "");
        failed += r == ERR_MISMATCH;
    }
    return failed ? EXIT_FAILED : EXIT_DONE;
}

static const struct {
    const char *name;
    int (*run)(const struct verb *verb, const struct words *words);
} actions[] = {{"list", list}, {"describe", describe}, {"check", check}};

static int run_envs(const struct verb *verb, int argc, char **argv)
{
    struct words words;
    int r = verb_parse(verb, NULL, 0, argc, argv, &words);
    if (r >= 0)
        return r;
    if (!words.count)
        return list(verb, &words);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (!strcmp(actions[i].name, words.word[0]))
            return actions[i].run(verb, &words);
    return verb_misused(verb, "unknown action \"%s\", expected list, describe or check", words.word[0]);
}

const struct verb verb_envs = {
    .name = "envs",
    .summary = "list and describe environments, check them against recorded traces",
    .arguments = "[list | describe NAME | check FILE...]",
    .example = "testudo envs describe foraging",
    .run = run_envs,
};
