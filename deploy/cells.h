/* Cells of a grid: what has been measured for every task, method and seed, and what is left. A cell's record is a file
 * TASK-METHOD-seedS.json: the run's record (deploy/record.h) with `train_seconds` and `columns: {NAME: {value, seconds, words}}`. Records
 * are small and can be committed, so that a grid goes on where another machine stopped. */
#ifndef TESTUDO_DEPLOY_CELLS_H
#define TESTUDO_DEPLOY_CELLS_H

#include <stdbool.h>
#include <stdio.h>

#include "deploy/grid.h"

struct cell {
    int task, method;
    int64_t seed;
    bool is_trained;                  /* a record of this recipe is there */
    bool is_stale;                    /* a record is there, but of another recipe */
    double train_seconds;             /* NaN: not trained, or not in one go */
    double value[GRID_COLUMNS_MAX];   /* NaN: not measured */
    double seconds[GRID_COLUMNS_MAX]; /* that measuring took; NaN: unknown */
};

struct cells {
    const struct grid *grid; /* borrowed */
    const char *folder;      /* of the records, borrowed */
    int n_extra;
    const char *const *extra; /* key=value words put behind every cell's, borrowed */
    int count;
    struct cell *cell; /* [count] owned, seeds outermost, then tasks, then methods */
};

/* Lists the cells and reads the records that are there. A record that cannot be read is an error that names it: nothing is
 * measured again because a file is broken. */
MUST_USE int cells_init(struct cells *cells, const struct grid *grid, const char *folder, const char *const *extra, int n_extra,
                        struct err *err);
void cells_deinit(struct cells *cells); /* safe on a zeroed struct */

/* The words of `train` for a cell: recipe and key=value, NULL-terminated, pointing into `storage`. ERR_LIMIT: too many. */
#define CELL_WORDS_MAX 128
struct cell_words {
    char storage[8192];
    int count;
    const char *word[CELL_WORDS_MAX];
};
MUST_USE int cells_words(const struct cells *cells, const struct cell *cell, struct cell_words *words, struct err *err);

/* Splits a line of words behind those that are there. */
MUST_USE int cell_words_add(struct cell_words *words, const char *line, struct err *err);

/* Writes a cell's record: the run folder's, with what the cell says. */
MUST_USE int cells_write(const struct cells *cells, const struct cell *cell, const char *run_folder, struct err *err);

/* Whether a column of the cell is still to be measured (seconds: whether it is still to be trained). */
bool cells_lacks(const struct cells *cells, const struct cell *cell, int column);
bool cells_is_done(const struct cells *cells, const struct cell *cell);

/* Seconds that the missing part will take, by the mean of the same stage of the same task and method, else of the same task, else of
 * any; *n_unknown: cells without any yardstick. */
double cells_left_seconds(const struct cells *cells, int *n_done, int *n_unknown);

/* The table: per task, method and column mean over seeds with its 95 % bootstrap interval beside the paper's figure, the orderings, and
 * what differs. */
MUST_USE int cells_print(const struct cells *cells, FILE *out, struct err *err);

#endif
