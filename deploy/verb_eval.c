/* eval, attack: look at a trained team. Both start a local cluster whose learner works in a folder of its own below the run
 * (eval/, attack/) with the run's recipe, changed by the arguments, and the run's newest checkpoint as the source. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "deploy/cluster.h"
#include "deploy/runs.h"
#include "deploy/settings.h"
#include "deploy/summary.h"
#include "deploy/verb.h"

struct look { /* what one of the two verbs was asked to do */
    const struct verb *verb;
    const char *task, *overlay;       /* overlay: recipe that goes over the run's, NULL for none */
    const char *checkpoint, *results; /* as the options say; NULL: the newest, <task>.json */
    int64_t actors;
    bool as_json, is_quiet;
    int n_arguments;
    const char *arguments[WORDS_MAX];
    char source[PATH_MAX], folder[PATH_MAX];
};

/* The checkpoint to look at: the option's, or the run's newest. */
static int find_source(struct look *look, const char *run, struct err *err)
{
    char newest[PATH_MAX];
    int r = look->checkpoint ? 0 : run_checkpoint(run, RUN_LAST, newest, err);
    if (r)
        return r;
    const char *path = look->checkpoint ? look->checkpoint : newest;
    return realpath(path, look->source) ? 0 : err_set(err, ERR_INVALID, "no checkpoint \"%.300s\"", path);
}

/* The environment belongs to the team: its nets fit no other, and the saved recipe holds every key of its scenario. */
static int check_arguments(const struct look *look, struct err *err)
{
    for (int i = 0; i < look->n_arguments; i++)
        if (!strncmp(look->arguments[i], "env.name=", 9) || !strncmp(look->arguments[i], "env.scenario=", 13))
            return err_set(err, ERR_INVALID, "%s would change the environment that the team was trained for", look->arguments[i]);
    return 0;
}

static int write_recipe(struct look *look, const char *run, struct err *err)
{
    char path[PATH_MAX], *text = NULL;
    struct recipe *recipe = NULL;
    int r = check_arguments(look, err);
    if (r)
        return r;
    if (file_join(path, sizeof path, run, "recipe.yaml"))
        return err_set(err, ERR_LIMIT, "path of the run too long");
    if ((r = settings_load_saved(&recipe, path, look->overlay, look->arguments, look->n_arguments, err)))
        return r;
    text = recipe_text(recipe);
    recipe_destroy(&recipe);
    if (!text || file_join(path, sizeof path, look->folder, "recipe.yaml"))
        r = err_set(err, ERR_NOMEM, "cannot write recipe: out of memory, or path too long");
    else
        r = file_write(path, text, strlen(text), err);
    free(text);
    return r;
}

/* RUN/eval or RUN/attack. */
static int prepare_folder(struct look *look, const char *run, struct err *err)
{
    static const char *const inner[] = {"checkpoints", "results"};
    char path[PATH_MAX];
    int r = file_join(look->folder, sizeof look->folder, run, look->task) ? err_set(err, ERR_LIMIT, "path of the run too long") : 0;
    for (size_t i = 0; i < ARRAY_LEN(inner) && !r; i++)
        r = file_join(path, sizeof path, look->folder, inner[i]) ? ERR_LIMIT : file_make_folder(path, err);
    return r;
}

/* Bytes of a small file, or NULL. */
static char *small_file(const char *folder, const char *name)
{
    char path[PATH_MAX];
    unsigned char *data;
    size_t length;
    if (file_join(path, sizeof path, folder, name) || file_read(path, RECIPE_BYTES_MAX, &data, &length, NULL))
        return NULL;
    return (char *)data;
}

/* Writes recipe and source. An attack that was left unfinished goes on when both are the same; otherwise its checkpoints belong to
 * something else and are removed. */
static int settle(struct look *look, const char *run, struct err *err)
{
    char path[PATH_MAX];
    int r = prepare_folder(look, run, err);
    if (r)
        return r;
    char *old_recipe = small_file(look->folder, "recipe.yaml"), *old_source = small_file(look->folder, "source.txt");
    if (!(r = write_recipe(look, run, err))) {
        char *recipe = small_file(look->folder, "recipe.yaml");
        bool is_same = old_recipe && old_source && recipe && !strcmp(old_recipe, recipe) && !strcmp(old_source, look->source);
        if (!is_same)
            run_forget(look->folder);
        free(recipe);
        r = file_join(path, sizeof path, look->folder, "source.txt") ? ERR_LIMIT
                                                                     : file_write(path, look->source, strlen(look->source), err);
    }
    free(old_recipe);
    free(old_source);
    return r;
}

static int print_results(const struct look *look)
{
    char path[PATH_MAX];
    struct err err = {""};
    struct results *results;
    struct summary *summary = NULL;
    if (snprintf(path, sizeof path, "%s/results/%s%s", look->folder, look->results ? look->results : look->task,
                 look->results ? "" : ".json") >= (int)sizeof path)
        return verb_failed(look->verb, "path of the results too long");
    if (results_read(&results, path, &err))
        return verb_failed(look->verb, "%s", err.text);
    int r = summary_create(&summary) ? ERR_NOMEM : summary_add(summary, results, &err);
    if (!r && look->as_json)
        r = json_dumpf(summary->tree, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) ? ERR_IO : (putchar('\n'), 0);
    else if (!r)
        r = summary_print(summary, stdout, &err);
    summary_destroy(&summary);
    results_destroy(&results);
    fprintf(stderr, "the results are in %s\n", path);
    return r ? verb_failed(look->verb, "cannot print the results: %s", err.text) : EXIT_DONE;
}

static int run_cluster(const struct look *look)
{
    struct err err = {""};
    struct progress_status status;
    const struct cluster_options options = {.task = look->task,
                                            .run_folder = look->folder,
                                            .source = look->source,
                                            .results = look->results,
                                            .actors = (int)look->actors,
                                            .label = "",
                                            .is_quiet = look->is_quiet};
    int r = cluster_run(&options, &status, &err);
    return r ? verb_failed(look->verb, "%s", err.text) : print_results(look);
}

static int look_at(struct look *look, const char *path)
{
    struct run run;
    struct err err = {""};
    int r = run_open_existing(&run, path, &err);
    if (!r)
        r = find_source(look, run.folder, &err);
    if (!r)
        r = settle(look, run.folder, &err);
    if (r) {
        verb_failed(look->verb, "%s", err.text);
        r = verb_exit_code(r);
    } else {
        r = run_cluster(look);
    }
    run_close(&run);
    return r;
}

static int run_look(const struct verb *verb, int argc, char **argv)
{
    struct look *look = calloc(1, sizeof *look);
    if (!look)
        return verb_failed(verb, "out of memory");
    look->verb = verb;
    look->task = verb->name;
    look->overlay = verb == &verb_attack ? "attack" : NULL;
    const struct option_row rows[] = {
        {"checkpoint", OPTION_TEXT, &look->checkpoint, 0, 0, "FILE", "which weights; default: the run's newest", NULL},
        {"recipe", OPTION_TEXT, &look->overlay, 0, 0, "RECIPE", "put over the run's own; attack: default is the recipe attack",
         NULL},
        {"results", OPTION_TEXT, &look->results, 0, 0, "NAME", "name of the results file; default: eval.json or attack.json",
         "untrained.json"},
        {"actors", OPTION_INT, &look->actors, 0, CLUSTER_ACTORS_MAX, "N", "actor processes; default: one per core", "2"},
        {"json", OPTION_FLAG, &look->as_json, 0, 0, "", "print JSON in marl-eval's layout", NULL},
        {"quiet", OPTION_FLAG, &look->is_quiet, 0, 0, "", "no progress lines", NULL},
    };
    struct words words;
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r < 0 && !words.count)
        r = verb_misused(verb, "no run given");
    if (r < 0 && look->results && (strchr(look->results, '/') || look->results[0] == '.'))
        r = verb_misused(verb, "--results is \"%s\", expected a file name", look->results);
    if (r < 0) {
        look->n_arguments = words.count - 1;
        memcpy(look->arguments, words.word + 1, (size_t)look->n_arguments * sizeof *look->arguments);
        r = look_at(look, words.word[0]);
    }
    free(look);
    return r;
}

const struct verb verb_eval = {
    .name = "eval",
    .summary = "returns and success of a trained team, clean and under every threat named",
    .arguments = "RUN [key=value ...]",
    .example = "testudo eval runs/latest eval.threats=clean,random eval.episodes=200",
    .run = run_look,
};

const struct verb verb_attack = {
    .name = "attack",
    .summary = "train worst-case adversaries against a trained team, one per victim, and evaluate it under them",
    .arguments = "RUN [key=value ...]",
    .example = "testudo attack runs/latest",
    .more = "The adversaries follow the recipe `attack`, put over the run's own.\n",
    .run = run_look,
};
