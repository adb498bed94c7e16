/* train: a local cluster in one command, for one seed or several, one after the other. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cluster.h"
#include "deploy/grid.h"
#include "deploy/runs.h"
#include "deploy/security.h"
#include "deploy/settings.h"
#include "deploy/summary.h"
#include "deploy/terminal.h"
#include "deploy/verb.h"
#include "wire/loop_endpoint.h"

#define SEEDS_MAX 1000

struct train {
    const struct verb *verb;
    const char *recipe_name;
    int n_arguments;
    const char *arguments[WORDS_MAX];
    int n_seeds; /* 0: what the recipe says */
    int64_t seeds[SEEDS_MAX];
    char root[PATH_MAX], command[1024];
    int64_t actors;
    const char *listen;
    bool is_quiet, only_check;
};

/* -- arguments -------------------------------------------------------------------------------------------------------------- */

static int parse_seeds(struct train *train, const char *text)
{
    train->n_seeds = grid_seeds(text, train->seeds, SEEDS_MAX);
    if (train->n_seeds < 0)
        return verb_misused(train->verb, "seeds=%s is no list of at most %d seeds, expected something like 1-5 or 1,3,8", text,
                            SEEDS_MAX);
    return train->n_seeds ? 0 : verb_misused(train->verb, "seeds= is empty");
}

static int sort_words(struct train *train, const struct words *words)
{
    if (!words->count)
        return verb_misused(train->verb, "no recipe given");
    train->recipe_name = words->word[0];
    for (int i = 1; i < words->count; i++) {
        int r = 0;
        if (!strncmp(words->word[i], "seeds=", 6))
            r = parse_seeds(train, words->word[i] + 6);
        else
            train->arguments[train->n_arguments++] = words->word[i];
        if (r)
            return r;
    }
    return 0;
}

/* -- one seed --------------------------------------------------------------------------------------------------------------- */

static int load(const struct train *train, int seed_index, struct recipe **recipe, struct err *err)
{
    const char *arguments[WORDS_MAX + 1];
    char seed[64];
    int n = train->n_arguments;
    memcpy(arguments, train->arguments, (size_t)n * sizeof *arguments);
    if (train->n_seeds) {
        snprintf(seed, sizeof seed, "run.seed=%" PRId64, train->seeds[seed_index]);
        arguments[n++] = seed;
    }
    return settings_load(recipe, train->recipe_name, arguments, n, err);
}

/* The evaluation at the end of training, if the learner left one. */
static void print_results(const struct run *run)
{
    struct summary *summary;
    if (summary_create(&summary))
        return;
    if (!summary_add_run(summary, run->folder, NULL) && summary_print(summary, stdout, NULL))
        fprintf(stderr, "the results are in %s/results\n", run->folder);
    summary_destroy(&summary);
}

static int run_cluster(const struct train *train, const struct run *run, const char *label)
{
    struct err err = {""};
    struct progress_status status;
    const struct cluster_options options = {.task = "train",
                                            .run_folder = run->folder,
                                            .actors = (int)train->actors,
                                            .label = label,
                                            .listen = train->listen,
                                            .is_quiet = train->is_quiet};
    fprintf(stderr, "%s%s%s %s%s\n", label, terminal_style(stderr, STYLE_DIM), run->is_resumed ? "resuming" : "training in",
            run->folder, terminal_style(stderr, STYLE_OFF));
    int r = cluster_run(&options, &status, &err);
    if (r == ERR_CLOSED)
        return verb_failed(train->verb,
                           "stopped at step %" PRId64 " of %" PRId64 ", checkpoint saved; the same command goes on from there",
                           status.steps, status.budget);
    if (r)
        return verb_failed(train->verb, "%s", err.text);
    print_results(run);
    printf("%s\n", run->folder);
    return EXIT_DONE;
}

static int train_seed(const struct train *train, int seed_index)
{
    struct recipe *recipe;
    struct err err = {""};
    struct run run;
    char label[64] = "";
    int r = load(train, seed_index, &recipe, &err);
    if (r)
        return verb_misused(train->verb, "%s", err.text);
    if (train->n_seeds > 1)
        snprintf(label, sizeof label, "seed %" PRId64 ": ", train->seeds[seed_index]);
    r = run_open(&run, train->root, recipe, train->command, &err);
    recipe_destroy(&recipe);
    if (r) {
        verb_failed(train->verb, "%s", err.text);
        return verb_exit_code(r);
    }
    r = run_cluster(train, &run, label);
    run_close(&run);
    return r;
}

/* --check-config: the resolved recipe on stdout. */
static int check_only(const struct train *train)
{
    struct recipe *recipe;
    struct err err = {""};
    if (load(train, 0, &recipe, &err))
        return verb_misused(train->verb, "%s", err.text);
    char *text = recipe_text(recipe);
    if (text)
        fputs(text, stdout);
    free(text);
    recipe_destroy(&recipe);
    return text ? EXIT_DONE : verb_failed(train->verb, "out of memory");
}

/* "runs/" is "runs". */
static int set_root(struct train *train, const char *root)
{
    size_t length = strlen(root);
    while (length > 1 && root[length - 1] == '/')
        length--;
    if (!length || length >= sizeof train->root)
        return verb_misused(train->verb, "--runs is empty or too long");
    snprintf(train->root, sizeof train->root, "%.*s", (int)length, root);
    return 0;
}

/* What the broker would refuse is refused before anything starts. */
static int check_listen(const struct train *train)
{
    const char *const endpoints[] = {train->listen, NULL};
    static struct security_broker security; /* large */
    struct err err = {""};
    if (!train->listen)
        return 0;
    if (strlen(train->listen) >= ENDPOINT_SIZE || strchr(train->listen, ','))
        return verb_misused(train->verb, "--listen takes one endpoint");
    if (loop_endpoint_check(train->listen, true, true, &err) || security_broker(&security, endpoints, NULL, NULL, false, &err))
        return verb_misused(train->verb, "%s", err.text);
    return 0;
}

static int run_train(const struct verb *verb, int argc, char **argv)
{
    const char *root = "runs";
    struct train *train = calloc(1, sizeof *train);
    if (!train)
        return verb_failed(verb, "out of memory");
    train->verb = verb;
    const struct option_row rows[] = {
        {"actors", OPTION_INT, &train->actors, 0, CLUSTER_ACTORS_MAX, "N", "actor processes; default: one per core", "2"},
        {"runs", OPTION_TEXT, &root, 0, 0, "FOLDER", "where run folders lie", "runs"},
        {"listen", OPTION_TEXT, &train->listen, 0, 0, "ENDPOINT",
         "where actors on other machines may join, under keys (testudo keygen)", "tcp://0.0.0.0:5555"},
        {"check-config", OPTION_FLAG, &train->only_check, 0, 0, "", "print the resolved recipe and leave", NULL},
        {"quiet", OPTION_FLAG, &train->is_quiet, 0, 0, "", "no progress lines", NULL},
    };
    struct words words;
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r < 0 && !(r = sort_words(train, &words)) && !(r = set_root(train, root))) {
        verb_command_line(train->command, sizeof train->command, argc, argv);
        if (train->only_check)
            r = check_only(train);
        else if (!(r = check_listen(train)))
            for (int i = 0; i < (train->n_seeds ? train->n_seeds : 1) && !r; i++)
                r = train_seed(train, i);
    }
    free(train);
    return r;
}

const struct verb verb_train = {
    .name = "train",
    .summary = "train a team on this machine: broker, learner and actors in one command",
    .arguments = "RECIPE [key=value ...] [seeds=1-5]",
    .example = "testudo train eir-mappo env.name=matrix run.steps=200k seeds=1-3",
    .more = "RECIPE is a file, or the name of one of the recipes that come along (testudo keys --recipes).\n"
            "Ctrl-C saves a checkpoint and leaves; the same command goes on from there.\n",
    .run = run_train,
};
