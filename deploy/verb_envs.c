/* envs: which environments there are, what can be set in them, and whether they agree with recorded traces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/describe.h"
#include "deploy/env_words.h"
#include "deploy/gallery.h"
#include "deploy/verb.h"
#include "envs/trace.h"

struct asked { /* on the command line */
    const struct verb *verb;
    struct words words; /* the action first */
    bool scenarios;
};

static int failed(const struct asked *asked, int r, const struct err *err)
{
    verb_failed(asked->verb, "%s", err->text);
    return verb_exit_code(r);
}

/* A few lines each: what `testudo envs` alone prints. */
static int overview(const struct asked *asked)
{
    struct err err = {""};
    int r = 0;
    for (const struct env_ops *const *ops = env_registry; *ops && !r; ops++) {
        if (env_missing(*ops))
            printf("%s: %s\n  not in this build: install %s and build again\n", (*ops)->name, (*ops)->summary, env_missing(*ops));
        else
            r = describe_overview(stdout, *ops, &err);
        putchar('\n');
    }
    if (!r)
        printf("more: testudo envs describe NAME[:SCENARIO], testudo envs list --scenarios, testudo render NAME\n");
    return r ? failed(asked, r, &err) : EXIT_DONE;
}

/* A line each, of environments or of all their scenarios. */
static int list(const struct asked *asked)
{
    struct err err = {""};
    int r = 0;
    if (asked->words.count > 1)
        return verb_misused(asked->verb, "unexpected argument \"%s\"", asked->words.word[1]);
    if (asked->scenarios)
        describe_scenarios_head(stdout);
    for (const struct env_ops *const *ops = env_registry; *ops && !r; ops++) {
        if (asked->scenarios && !env_missing(*ops))
            r = describe_scenarios(stdout, *ops, &err);
        else if (!asked->scenarios)
            printf("%-12s %s\n", (*ops)->name, (*ops)->summary);
    }
    return r ? failed(asked, r, &err) : EXIT_DONE;
}

static int describe(const struct asked *asked)
{
    struct env_instance *env;
    struct err err = {""};
    const struct words *words = &asked->words;
    if (words->count < 2)
        return verb_misused(asked->verb, "describe takes an environment, and keys behind it");
    int r = env_words_open(&env, words->word[1], words->word + 2, words->count - 2, &err);
    if (r)
        return failed(asked, r, &err);
    describe_environment(stdout, env);
    free(env);
    return EXIT_DONE;
}

/* Checks all files, and fails when one of them differs. */
static int check(const struct asked *asked)
{
    const struct verb *verb = asked->verb;
    const struct words *words = &asked->words;
    int bad = 0;
    if (words->count < 2)
        return verb_misused(verb, "check takes trace files");
    for (int i = 1; i < words->count; i++) {
        struct trace_report report;
        struct err err = {""};
        memset(&report, 0, sizeof report);
        int r = trace_check(words->word[i], &report, &err);
        if (r && r != ERR_MISMATCH)
            bad += verb_failed(verb, "%s", err.text);
        else
            printf("%-8s %s %s: %lld episodes, %lld steps, %lld mismatches, largest difference %.3g%s%s\n",
                   r ? "DIFFERS" : "agrees", report.env, report.name, (long long)report.episodes, (long long)report.steps,
                   (long long)report.mismatches, report.largest, r ? "; first: " : "", r ? report.first : "");
        bad += r == ERR_MISMATCH;
    }
    return bad ? EXIT_FAILED : EXIT_DONE;
}

/* Pictures of all environments and the page around them. */
static int gallery(const struct asked *asked)
{
    struct err err = {""};
    if (asked->words.count != 2)
        return verb_misused(asked->verb, "gallery takes the folder of the page");
    int r = gallery_write(asked->words.word[1], &err);
    return r ? failed(asked, r, &err) : EXIT_DONE;
}

static const struct {
    const char *name;
    int (*run)(const struct asked *asked);
} actions[] = {{"list", list}, {"describe", describe}, {"check", check}, {"gallery", gallery}};

static int run_envs(const struct verb *verb, int argc, char **argv)
{
    struct asked asked = {.verb = verb};
    const struct option_row rows[] = {
        {"scenarios", OPTION_FLAG, &asked.scenarios, 0, 0, "", "list: a line for every scenario, with its sizes", NULL}};
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &asked.words);
    if (r >= 0)
        return r;
    if (!asked.words.count)
        return asked.scenarios ? list(&asked) : overview(&asked);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (!strcmp(actions[i].name, asked.words.word[0]))
            return actions[i].run(&asked);
    return verb_misused(verb, "unknown action \"%s\", expected list, describe, check or gallery", asked.words.word[0]);
}

const struct verb verb_envs = {
    .name = "envs",
    .summary = "list and describe environments, check them against recorded traces",
    .arguments = "[list [--scenarios] | describe NAME[:SCENARIO] [key=value ...] | check FILE... | gallery FOLDER]",
    .example = "testudo envs describe foraging:8x8-4p-2f-c",
    .run = run_envs,
};
