/* A grid: a table of a paper as tasks x methods x seeds to run and columns to measure, read from YAML in a folder of deploy/recipes.
 *
 *   title: "Returns under disturbances"          source: "Li et al. 2025, arXiv:2310.09833, table I"
 *   seeds: 1-5                                   like seeds= of `train`
 *   tasks:   {4m_vs_3m: "smac env.scenario=4m_vs_3m run.steps=5M", ...}   RECIPE key=value ...
 *   methods: {MADDPG: "method=maddpg", ...}                               key=value ..., put behind the task's
 *   columns: {obs: "noise:0.3", harder: "clean env.opponent=micro", worst: "attack lowest", time: "seconds MADDPG", ...}
 *   attack: "run.steps=1M"                       key=value ... for `attack`
 *   paper:   {MADDPG: {4m_vs_3m: {obs: "10.96 0.25"}}}                    mean, and spread if the paper gives one
 *   orderings: {one: "worst MIR3 MADDPG"}        COLUMN BETTER WORSE
 *   differs: {rules: "one sentence about what makes our figures others than the paper's"}
 *
 * A column is measured by `eval` (THREAT key=value ...: mean return), by `attack` (attack mean | attack lowest: mean return over
 * all victims under adversaries trained against them, or the lowest victim's), or by the clock (seconds METHOD: time of training
 * over that method's time on the same task). */
#ifndef TESTUDO_DEPLOY_GRID_H
#define TESTUDO_DEPLOY_GRID_H

#include <stdint.h>

#include "base/recipe.h"

#define GRID_TASKS_MAX 32
#define GRID_METHODS_MAX 32
#define GRID_COLUMNS_MAX 12
#define GRID_SEEDS_MAX 64
#define GRID_ORDERINGS_MAX 64

enum grid_measure { GRID_EVAL, GRID_ATTACK_MEAN, GRID_ATTACK_LOWEST, GRID_SECONDS };

struct grid_part { /* a task, method or column: its name and what stands behind it, both borrowed from the recipe */
    const char *name, *words;
};

struct grid_ordering {
    int column, better, worse; /* indices */
};

struct grid {
    struct recipe *file; /* owned; texts point into it */
    char name[64];       /* "mir3-table1" */
    const char *title, *source, *attack;
    int n_tasks, n_methods, n_columns, n_seeds, n_orderings;
    struct grid_part tasks[GRID_TASKS_MAX], methods[GRID_METHODS_MAX], columns[GRID_COLUMNS_MAX];
    enum grid_measure measures[GRID_COLUMNS_MAX];
    int yardsticks[GRID_COLUMNS_MAX]; /* method that GRID_SECONDS divides by */
    int64_t seeds[GRID_SEEDS_MAX];
    struct grid_ordering orderings[GRID_ORDERINGS_MAX];
};

/* Reads a grid: a path, or FAMILY-NAME, which is looked for as FAMILY/NAME.yaml in the recipe folders. ERR_UNKNOWN: there is none;
 * ERR_INVALID with file and line: a key, a name or a list is not as above. */
MUST_USE int grid_load(struct grid *grid, const char *name, struct err *err);
void grid_unload(struct grid *grid); /* safe on a zeroed struct */

/* What the paper says for a cell: *mean, *spread (NaN where it says nothing). */
void grid_paper(const struct grid *grid, int task, int method, int column, double *mean, double *spread);

/* The sentences under `differs`, one after the other from *at = 0; NULL after the last. */
const char *grid_difference(const struct grid *grid, int *at);

/* Reads "1-5" or "1,3,8-9" into seeds [max]; returns how many, or ERR_RANGE when it is no such list or a longer one. */
int grid_seeds(const char *text, int64_t *seeds, int max);

#endif
