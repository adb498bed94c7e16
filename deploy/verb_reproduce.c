/* reproduce: runs a table of a paper (deploy/grid.h) on the machine at hand, or goes on with it: trains what is missing, measures
 * the columns that are missing, keeps a small record of each cell, and prints the table beside the paper's figures. Every step is
 * this program started again with another verb. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "deploy/cells.h"
#include "deploy/runs.h"
#include "deploy/settings.h"
#include "deploy/step.h"
#include "deploy/summary.h"
#include "deploy/verb.h"

struct reproduce {
    const struct verb *verb;
    const char *root, *folder; /* of runs, of records */
    char actors[16], default_folder[PATH_MAX];
    bool is_plan;
    struct grid grid;
    struct cells cells;
};

static void print_left(const struct reproduce *reproduce, FILE *out)
{
    int n_done, n_unknown;
    double seconds = cells_left_seconds(&reproduce->cells, &n_done, &n_unknown);
    fprintf(out, "%s: %d of %d cells are done", reproduce->grid.name, n_done, reproduce->cells.count);
    if (n_done < reproduce->cells.count && n_unknown < reproduce->cells.count - n_done)
        fprintf(out, ", about %.0f h %02.0f min left", floor(seconds / 3600), floor(fmod(seconds, 3600) / 60));
    if (n_unknown)
        fprintf(out, ", %d cells without a yardstick yet", n_unknown);
    fputc('\n', out);
}

static void print_stale(const struct reproduce *reproduce, FILE *out)
{
    int n_stale = 0;
    for (int i = 0; i < reproduce->cells.count; i++)
        n_stale += reproduce->cells.cell[i].is_stale;
    if (n_stale)
        fprintf(out, "%d records in %s were made with another recipe and do not count\n", n_stale, reproduce->folder);
}

/* -- one cell --------------------------------------------------------------------------------------------------------------- */

static int step(const struct reproduce *reproduce, const char *const *words)
{
    struct err err = {""};
    int r = step_run(words, reproduce->actors, &err);
    return r < 0 ? verb_failed(reproduce->verb, "%s", err.text) : r;
}

/* The folder that training a cell uses. */
static int folder_of(const struct reproduce *reproduce, const struct cell_words *words, char folder[PATH_MAX], struct err *err)
{
    struct recipe *recipe;
    int r = settings_load(&recipe, words->word[0], words->word + 1, words->count - 1, err);
    if (r)
        return r;
    r = run_path(folder, reproduce->root, recipe, err);
    recipe_destroy(&recipe);
    return r;
}

static int train(const struct reproduce *reproduce, struct cell *cell, const struct cell_words *words, const char *folder)
{
    const char *argv[CELL_WORDS_MAX + 4] = {"train"};
    char checkpoint[PATH_MAX];
    bool is_resumed = !run_checkpoint(folder, RUN_LAST, checkpoint, NULL);
    monotonic_us start = clock_us();
    int n = 1;
    for (int i = 0; i < words->count; i++)
        argv[n++] = words->word[i];
    argv[n++] = "--runs";
    argv[n++] = reproduce->root;
    int r = step(reproduce, argv);
    cell->is_trained = !r;
    cell->train_seconds = is_resumed || r ? NAN : clock_seconds_since(start);
    return r;
}

/* Boils a results file below the run folder down to one threat. */
static int read_sample(const struct reproduce *reproduce, const char *folder, const char *file, const char *threat,
                       struct summary_sample *sample)
{
    char path[PATH_MAX];
    struct results *results;
    struct err err = {""};
    if (file_join(path, sizeof path, folder, file) || results_read(&results, path, &err))
        return verb_failed(reproduce->verb, "cannot read what a step left: %s", err.text);
    summary_boil_down(results, threat, sample);
    results_destroy(&results);
    return isnan(sample->mean) ? verb_failed(reproduce->verb, "%s has no rows of threat %s", path, threat) : 0;
}

/* The column's first word is the threat, the others change the evaluation. */
static int evaluate(const struct reproduce *reproduce, struct cell *cell, int column, const char *folder)
{
    struct cell_words words = {.count = 0};
    struct summary_sample sample;
    struct err err = {""};
    char threats[300], name[128], file[200];
    const char *argv[CELL_WORDS_MAX + 8] = {"eval", folder, "--quiet", "--results", name, threats};
    monotonic_us start = clock_us();
    if (cell_words_add(&words, reproduce->grid.columns[column].words, &err))
        return verb_failed(reproduce->verb, "%s", err.text);
    snprintf(threats, sizeof threats, "eval.threats=%.250s", words.word[0]);
    snprintf(name, sizeof name, "%s.json", reproduce->grid.columns[column].name);
    snprintf(file, sizeof file, "eval/results/%s", name);
    for (int i = 1; i < words.count; i++)
        argv[5 + i] = words.word[i];
    int r = step(reproduce, argv);
    if (!r)
        r = read_sample(reproduce, folder, file, words.word[0], &sample);
    if (!r) {
        cell->value[column] = sample.mean;
        cell->seconds[column] = clock_seconds_since(start);
    }
    return r;
}

/* One attack answers all columns that are read from it; the first of them carries its seconds. */
static int attack(const struct reproduce *reproduce, struct cell *cell, const char *folder)
{
    const struct grid *grid = &reproduce->grid;
    struct cell_words words = {.count = 0};
    struct summary_sample sample;
    struct err err = {""};
    const char *argv[CELL_WORDS_MAX + 3] = {"attack", folder};
    monotonic_us start = clock_us();
    if (cell_words_add(&words, grid->attack, &err))
        return verb_failed(reproduce->verb, "%s", err.text);
    for (int i = 0; i < words.count; i++)
        argv[2 + i] = words.word[i];
    int r = step(reproduce, argv);
    if (!r)
        r = read_sample(reproduce, folder, "attack/results/attack.json", "learned", &sample);
    double seconds = clock_seconds_since(start);
    for (int c = 0; c < grid->n_columns && !r; c++) {
        if (grid->measures[c] != GRID_ATTACK_MEAN && grid->measures[c] != GRID_ATTACK_LOWEST)
            continue;
        cell->value[c] = grid->measures[c] == GRID_ATTACK_MEAN ? sample.mean : sample.lowest;
        cell->seconds[c] = seconds;
        seconds = 0;
    }
    return r;
}

static int measure(const struct reproduce *reproduce, struct cell *cell, const char *folder)
{
    bool wants_attack = false;
    int r = 0;
    for (int c = 0; c < reproduce->grid.n_columns && !r; c++) {
        if (!cells_lacks(&reproduce->cells, cell, c))
            continue;
        if (reproduce->grid.measures[c] == GRID_EVAL)
            r = evaluate(reproduce, cell, c, folder);
        else
            wants_attack = true;
    }
    return !r && wants_attack ? attack(reproduce, cell, folder) : r;
}

/* What is measured is kept even when a later step fails or is stopped. */
static int run_cell(struct reproduce *reproduce, struct cell *cell)
{
    struct cell_words *words = malloc(sizeof *words);
    char folder[PATH_MAX];
    struct err err = {""};
    int r = words ? cells_words(&reproduce->cells, cell, words, &err) : err_set(&err, ERR_NOMEM, "out of memory");
    if (!r)
        r = folder_of(reproduce, words, folder, &err);
    if (r) {
        free(words);
        return verb_failed(reproduce->verb, "%s", err.text);
    }
    double seconds = cell->train_seconds;
    r = train(reproduce, cell, words, folder); /* resumes; a run that is at its end leaves at once */
    if (!isnan(seconds))
        cell->train_seconds = seconds;
    if (!r)
        r = measure(reproduce, cell, folder);
    if (cell->is_trained && cells_write(&reproduce->cells, cell, folder, &err))
        r = verb_failed(reproduce->verb, "%s", err.text);
    free(words);
    return r;
}

static int run_cells(struct reproduce *reproduce)
{
    int r = 0;
    for (int i = 0; i < reproduce->cells.count && !r; i++) {
        if (cells_is_done(&reproduce->cells, &reproduce->cells.cell[i]))
            continue;
        print_left(reproduce, stderr);
        r = run_cell(reproduce, &reproduce->cells.cell[i]);
    }
    return r;
}

/* -- the verb --------------------------------------------------------------------------------------------------------------- */

static int open_grid(struct reproduce *reproduce, const struct words *words)
{
    struct err err = {""};
    int r = grid_load(&reproduce->grid, words->word[0], &err);
    if (!r && !reproduce->folder) {
        snprintf(reproduce->default_folder, sizeof reproduce->default_folder, "%.3000s/reproduce/%s", reproduce->root,
                 reproduce->grid.name);
        reproduce->folder = reproduce->default_folder;
    }
    if (!r && !reproduce->is_plan)
        r = file_make_folder(reproduce->folder, &err);
    if (!r)
        r = cells_init(&reproduce->cells, &reproduce->grid, reproduce->folder, words->word + 1, words->count - 1, &err);
    return r ? (verb_failed(reproduce->verb, "%s", err.text), verb_exit_code(r)) : EXIT_DONE;
}

static int carry_out(struct reproduce *reproduce, const struct words *words)
{
    struct err err = {""};
    int r = open_grid(reproduce, words);
    if (r)
        return r;
    print_stale(reproduce, stderr);
    if (!reproduce->is_plan)
        r = run_cells(reproduce);
    if (cells_print(&reproduce->cells, stdout, &err))
        r = verb_failed(reproduce->verb, "%s", err.text);
    putchar('\n');
    print_left(reproduce, stdout);
    return r;
}

static int run_reproduce(const struct verb *verb, int argc, char **argv)
{
    struct reproduce reproduce = {.verb = verb, .root = "runs"};
    int64_t actors = 0;
    const struct option_row rows[] = {
        {"runs", OPTION_TEXT, &reproduce.root, 0, 0, "FOLDER", "where run folders lie", "runs"},
        {"records", OPTION_TEXT, &reproduce.folder, 0, 0, "FOLDER",
         "records of cells, read and written; default: RUNS/reproduce/GRID", "tests/bench/results/mir3-table1"},
        {"actors", OPTION_INT, &actors, 0, 256, "N", "actor processes; default: one per core", "2"},
        {"plan", OPTION_FLAG, &reproduce.is_plan, 0, 0, "", "only print the table as it stands and what is left", NULL},
    };
    struct words words;
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (!words.count)
        return verb_misused(verb, "no grid given");
    if (actors)
        snprintf(reproduce.actors, sizeof reproduce.actors, "%" PRId64, actors);
    signal(SIGINT, SIG_IGN); /* a step that is stopped leaves with 1, and so does this */
    r = carry_out(&reproduce, &words);
    cells_deinit(&reproduce.cells);
    grid_unload(&reproduce.grid);
    return r;
}

const struct verb verb_reproduce = {
    .name = "reproduce",
    .summary = "run or go on with a table of a paper; prints it beside the paper's figures",
    .arguments = "GRID [key=value ...]",
    .example = "testudo reproduce mir3-table1 --plan",
    .more = "GRID is FAMILY-NAME of a file FAMILY/NAME.yaml beside the recipes, or a path. Keys go behind every cell's recipe.\n",
    .run = run_reproduce,
};
