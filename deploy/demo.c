/* demo: the claim in a few minutes. Trains a plain team and one that meets adversaries among its own while it learns, then looks at
 * both, and at an untrained one: clean, with a team-mate that acts at random, and under adversaries trained against it.
 *
 * Each step is this program started again with another verb, so what is shown is what a user would type; the steps
 * are printed. Finished steps are not done again: training resumes, and evaluations are short. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "deploy/runs.h"
#include "deploy/settings.h"
#include "deploy/step.h"
#include "deploy/summary.h"
#include "deploy/verb.h"

#define RECIPE_MAPPO "demo-mappo"
#define RECIPE_EIR "demo-eir"
#define RECIPE_ATTACK "demo-attack"

struct demo {
    const struct verb *verb;
    const char *root;
    char actors[16];
};

/* -- steps ------------------------------------------------------------------------------------------------------------------ */

/* Exit code of one step. */
static int run_step(const struct demo *demo, const char *const *words)
{
    struct err err = {""};
    int r = step_run(words, demo->actors, &err);
    return r < 0 ? verb_failed(demo->verb, "%s", err.text) : r;
}

static int train(const struct demo *demo, const char *recipe)
{
    return run_step(demo, (const char *const[]){"train", recipe, "--runs", demo->root, NULL});
}

/* The folder that training a recipe uses. */
static int folder_of(const struct demo *demo, const char *name, char folder[PATH_MAX], struct err *err)
{
    struct recipe *recipe;
    int r = settings_load(&recipe, name, NULL, 0, err);
    if (r)
        return r;
    r = run_path(folder, demo->root, recipe, err);
    recipe_destroy(&recipe);
    return r;
}

static int eval(const struct demo *demo, const char *folder, const char *checkpoint, const char *results)
{
    const char *words[10] = {"eval", folder, "--results", results};
    if (checkpoint)
        words[4] = "--checkpoint", words[5] = checkpoint;
    return run_step(demo, words);
}

static int attack(const struct demo *demo, const char *folder)
{
    return run_step(demo, (const char *const[]){"attack", folder, "--recipe", RECIPE_ATTACK, NULL});
}

/* -- table ------------------------------------------------------------------------------------------------------------------ */

struct line {
    const char *name, *folder, *eval, *attack; /* results files below the folder; attack may be NULL */
};

static void print_cell(const struct results *results, const char *threat, bool lowest)
{
    double value = NAN;
    struct summary_sample sample;
    if (results) {
        summary_boil_down(results, threat, &sample);
        value = lowest ? sample.lowest : sample.mean;
    }
    if (isnan(value))
        printf(" %12s", "-");
    else
        printf(" %12.3f", value);
}

static struct results *read_results(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct results *results = NULL;
    if (!name || file_join(path, sizeof path, folder, name) || results_read(&results, path, NULL))
        return NULL;
    return results;
}

static void print_line(const struct line *line)
{
    struct results *clean = read_results(line->folder, line->eval), *attacked = read_results(line->folder, line->attack);
    printf("%-34s", line->name);
    print_cell(clean, "clean", false);
    print_cell(clean, "random", false);
    print_cell(attacked, "learned", false);
    print_cell(attacked, "learned", true);
    putchar('\n');
    results_destroy(&clean);
    results_destroy(&attacked);
}

static void print_table(const char *mappo, const char *eir, double seconds)
{
    const struct line lines[] = {
        {"untrained", mappo, "eval/results/untrained.json", NULL},
        {"mappo", mappo, "eval/results/eval.json", "attack/results/attack.json"},
        {"eir-mappo (adversary partitions)", eir, "eval/results/eval.json", "attack/results/attack.json"},
    };
    printf("\nmean episode return of the team\n%-34s %12s %12s %12s %12s\n", "team", "clean", "random mate", "attacked",
           "worst victim");
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        print_line(&lines[i]);
    printf("\nattacked: one agent is replaced by an adversary trained against the frozen team; mean and worst over the agents.\n"
           "The runs are in %s and %s (progress.csv, tb/, results/); this took %.0f s.\n",
           mappo, eir, seconds);
}

static int run_steps(const struct demo *demo)
{
    monotonic_us start = clock_us();
    char mappo[PATH_MAX], eir[PATH_MAX], untrained[PATH_MAX];
    struct err err = {""};
    int r;
    if (folder_of(demo, RECIPE_MAPPO, mappo, &err) || folder_of(demo, RECIPE_EIR, eir, &err))
        return verb_failed(demo->verb, "%s", err.text);
    if ((r = train(demo, RECIPE_MAPPO)) || (r = train(demo, RECIPE_EIR)))
        return r;
    if (run_checkpoint(mappo, RUN_FIRST, untrained, &err))
        return verb_failed(demo->verb, "%s", err.text);
    if ((r = eval(demo, mappo, untrained, "untrained.json")) || (r = eval(demo, mappo, NULL, "eval.json")) ||
        (r = eval(demo, eir, NULL, "eval.json")) || (r = attack(demo, mappo)) || (r = attack(demo, eir)))
        return r;
    print_table(mappo, eir, clock_seconds_since(start));
    return EXIT_DONE;
}

static int run_demo(const struct verb *verb, int argc, char **argv)
{
    struct demo demo = {.verb = verb, .root = "runs"};
    int64_t actors = 0;
    const struct option_row rows[] = {
        {"runs", OPTION_TEXT, &demo.root, 0, 0, "FOLDER", "where run folders lie", "runs"},
        {"actors", OPTION_INT, &actors, 0, 256, "N", "actor processes; default: one per core", "2"},
    };
    struct words words;
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (words.count)
        return verb_misused(verb, "unexpected argument \"%s\"", words.word[0]);
    if (actors)
        snprintf(demo.actors, sizeof demo.actors, "%" PRId64, actors);
    signal(SIGINT, SIG_IGN);
    return run_steps(&demo);
}

const struct verb verb_demo = {
    .name = "demo",
    .summary = "train a plain and a robust team on foraging, attack both, print the table (a few minutes)",
    .arguments = "[--runs FOLDER]",
    .example = "testudo demo",
    .run = run_demo,
};
