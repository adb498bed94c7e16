/* chaos: breaks a cluster on purpose, and says whether it kept what the README promises. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "deploy/chaos.h"
#include "deploy/verb.h"

struct chaos_verb {
    const struct verb *verb;
    const struct words *words;
    struct chaos_options options;
    const char *compose, *root, *faults;
    bool compares, is_quiet;
    int64_t actors, total_seconds;
    char calm[128]; /* hash of the undisturbed run; "" without one */
};

static int parse_faults(struct chaos_verb *chaos)
{
    char list[128];
    char *save = NULL;
    if (snprintf(list, sizeof list, "%s", chaos->faults) >= (int)sizeof list)
        return verb_misused(chaos->verb, "--faults is too long");
    for (char *word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        enum chaos_fault f = 0;
        while (f < CHAOS_FAULTS && strcmp(word, chaos_fault_name(f)) != 0)
            f++;
        if (f == CHAOS_FAULTS)
            return verb_misused(chaos->verb, "--faults has \"%s\", expected kill, freeze, restart or disk", word);
        chaos->options.allowed[f] = true;
    }
    return 0;
}

/* -- local ------------------------------------------------------------------------------------------------------------------ */

static int hash_of(const char *folder, char *hash, int size)
{
    char program[PATH_MAX], checkpoint[PATH_MAX];
    if (!realpath("/proc/self/exe", program) || file_join(checkpoint, sizeof checkpoint, folder, "checkpoints/latest"))
        return ERR_LIMIT;
    const char *const argv[] = {program, "inspect", "--hash", checkpoint, NULL};
    int r = chaos_capture(argv, false, hash, size);
    hash[strcspn(hash, "\n")] = 0;
    return r ? ERR_STATE : 0;
}

static int run_local(struct chaos_verb *chaos, const char *root, const struct chaos_options *options, struct chaos_report *report,
                     char *hash, int size, struct err *err)
{
    struct chaos_local *local;
    int r = chaos_local_create(&local, root, chaos->words->word, chaos->words->count, (int)chaos->actors, err);
    if (!r)
        r = chaos_run(&chaos_local_ops, local, options, chaos->is_quiet, report, err);
    if (!r && hash && hash_of(chaos_local_folder(local), hash, size))
        r = err_set(err, ERR_STATE, "the run left no checkpoint");
    chaos_local_destroy(&local);
    return r;
}

/* The same run without a fault, for its learning state. */
static int run_calm(struct chaos_verb *chaos, const char *root, struct err *err)
{
    char folder[PATH_MAX];
    struct chaos_report report;
    struct chaos_options options = chaos->options;
    memset(options.allowed, 0, sizeof options.allowed);
    options.seconds = 0;
    if (file_join(folder, sizeof folder, root, "calm"))
        return err_set(err, ERR_LIMIT, "path too long");
    return run_local(chaos, folder, &options, &report, chaos->calm, sizeof chaos->calm, err);
}

/* Runs after each other until the time is over: a short recipe is broken many times. */
static int run_locals(struct chaos_verb *chaos, const char *root)
{
    struct err err = {""};
    monotonic_us start = clock_us();
    int faults = 0, runs = 0;
    bool held = true, has_more = true;
    if (chaos->compares && run_calm(chaos, root, &err))
        return verb_failed(chaos->verb, "the undisturbed run failed: %s", err.text);
    do {
        char folder[PATH_MAX], name[32], hash[128] = "";
        struct chaos_report report;
        struct chaos_options options = chaos->options;
        options.seconds = chaos->total_seconds - (int64_t)clock_seconds_since(start);
        options.seed += (uint64_t)runs;
        options.faults -= options.faults ? faults : 0;
        snprintf(name, sizeof name, "run-%d", ++runs);
        if (file_join(folder, sizeof folder, root, name))
            return verb_failed(chaos->verb, "path too long");
        printf("run %d, seed %llu, in %s\n", runs, (unsigned long long)options.seed, folder);
        fflush(stdout);
        if (run_local(chaos, folder, &options, &report, chaos->compares ? hash : NULL, sizeof hash, &err))
            return verb_failed(chaos->verb, "THE CONTRACT WAS BROKEN: %s", err.text);
        held &= chaos_verdict(&report, chaos->compares ? chaos->calm : NULL, hash);
        for (int f = 0; f < CHAOS_FAULTS; f++)
            faults += report.faults[f];
        has_more = !chaos->options.faults || faults < chaos->options.faults;
    } while (held && has_more && clock_seconds_since(start) < (double)chaos->total_seconds);
    printf("\n%d faults in %d runs: %s\n", faults, runs, held ? "the contract held" : "THE CONTRACT WAS BROKEN");
    return held ? EXIT_DONE : EXIT_FAILED;
}

/* -- containers ------------------------------------------------------------------------------------------------------------- */

static int run_compose(struct chaos_verb *chaos)
{
    struct chaos_compose compose = {.failed_at = 0};
    struct chaos_report report;
    struct err err = {""};
    if (snprintf(compose.project, sizeof compose.project, "%s", chaos->compose) >= (int)sizeof compose.project)
        return verb_misused(chaos->verb, "--compose is too long");
    chaos->options.seconds = chaos->total_seconds;
    int r = chaos_run(&chaos_compose_ops, &compose, &chaos->options, chaos->is_quiet, &report, &err);
    if (r)
        return verb_failed(chaos->verb, "%s%s", r == ERR_CLOSED ? "" : "THE CONTRACT WAS BROKEN: ", err.text);
    return chaos_verdict(&report, NULL, NULL) ? EXIT_DONE : EXIT_FAILED;
}

/* -- the verb --------------------------------------------------------------------------------------------------------------- */

static int check(struct chaos_verb *chaos)
{
    if (!chaos->compose == !chaos->words->count)
        return verb_misused(chaos->verb, chaos->compose ? "--compose and a RECIPE exclude each other"
                                                        : "neither a RECIPE nor --compose PROJECT given");
    return parse_faults(chaos);
}

static int run_chaos(const struct verb *verb, int argc, char **argv)
{
    struct words words;
    struct chaos_verb chaos = {.verb = verb, .words = &words, .faults = "kill,freeze", .actors = 2, .total_seconds = 60};
    char root[PATH_MAX];
    int64_t seed = 1;
    chaos.options = (struct chaos_options){.every_ms = 1000, .freeze_ms = 3000, .wait = 600};
    const struct option_row rows[] = {
        {"compose", OPTION_TEXT, &chaos.compose, 0, 0, "PROJECT", "the containers of this compose project, instead of a local run",
         "testudo"},
        {"faults", OPTION_TEXT, &chaos.faults, 0, 0, "LIST",
         "kill, freeze, restart, disk (the learner's is full), joined by commas", "kill,freeze,restart,disk"},
        {"every", OPTION_INT, &chaos.options.every_ms, 10, 3600000, "MS", "between two faults, on average", "1000"},
        {"freeze", OPTION_INT, &chaos.options.freeze_ms, 200, 3600000, "MS",
         "longest time that a process is frozen, or a disk full", "3000"},
        {"count", OPTION_INT, &chaos.options.faults, 0, 1e6, "N", "at most so many faults; default 0: as many as fit", "200"},
        {"seconds", OPTION_INT, &chaos.total_seconds, 1, 1e6, "S", "break things for so long", "60"},
        {"wait", OPTION_INT, &chaos.options.wait, 1, 1e6, "S", "after that, wait for the end so long", "600"},
        {"seed", OPTION_INT, &seed, 0, INT64_MAX, "N", "of the draws", "1"},
        {"actors", OPTION_INT, &chaos.actors, 1, 250, "N", "actor processes of the local run", "2"},
        {"compare", OPTION_FLAG, &chaos.compares, 0, 0, "", "run it undisturbed, too, and compare what was learned (run.mode=sync)",
         NULL},
        {"runs", OPTION_TEXT, &chaos.root, 0, 0, "FOLDER", "where the local runs go; default: a new folder in runs/", NULL},
        {"quiet", OPTION_FLAG, &chaos.is_quiet, 0, 0, "", "no line for each fault", NULL},
    };
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0 || (r = check(&chaos)))
        return r;
    chaos.options.seed = (uint64_t)seed;
    if (chaos.compose)
        return run_compose(&chaos);
    if (chaos.root)
        snprintf(root, sizeof root, "%s", chaos.root);
    else
        snprintf(root, sizeof root, "runs/chaos-%ld", (long)getpid());
    return run_locals(&chaos, root);
}

const struct verb verb_chaos = {
    .name = "chaos",
    .summary = "kill, freeze and restart processes of a cluster, and see whether it keeps what the README promises",
    .arguments = "RECIPE [key=value ...] | --compose PROJECT",
    .example = "testudo chaos matrix run.steps=1M --faults kill,freeze,restart --seconds 120 --compare",
    .more = "A local run is started for it, again and again until the time is over. Of a compose project the present run is\n"
            "broken (as root: processes are killed from outside, which the engine then starts again).\n",
    .run = run_chaos,
};
