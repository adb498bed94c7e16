/* Config rows: one row per knob. The rows make the parser, the checks, `--help`, the printed table and the saved copy.
 *
 * A struct of settings declares `static const struct config_row rows[]`, and config_bind fills the struct from a recipe:
 * defaults first, then the recipe's values, each checked against type, bounds and choices. */
#ifndef TESTUDO_BASE_CONFIG_H
#define TESTUDO_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/recipe.h"

enum config_type {
    CONFIG_BOOL,   /* bool; written true or false */
    CONFIG_INT,    /* int64_t; accepts 4000000, 4e6 and 4M, 20k */
    CONFIG_REAL,   /* double; must be finite */
    CONFIG_CHOICE, /* int: index into `choices` ("none|belief|true-type") */
    CONFIG_TEXT,   /* char[max], or char[CONFIG_TEXT_MAX] where the row's max is 0 */
};
#define CONFIG_TEXT_MAX 128

struct config_row {
    const char *name; /* full dotted key, "learner.lr" */
    enum config_type type;
    size_t offset; /* into the settings struct */
    const char *fallback;
    double min, max;     /* bounds for INT and REAL, both included; max of TEXT: bytes of the field */
    const char *unit;    /* "" when it has none */
    const char *choices; /* for CHOICE, else NULL */
    const char *help;    /* one sentence; for a choice where paper and code differ, which one and why */
};

/* A part's table: what deploy prints in --help and validates recipes against. */
struct config_table {
    const char *part; /* "learner", "partition", ... */
    const struct config_row *rows;
    int count;
};

/* Fills *settings. Error names key, place, got and expected. */
MUST_USE int config_bind(const struct config_row *rows, int count, const struct recipe *recipe, void *settings, struct err *err);

/* Checks every value of the recipe that a table has a row for, without binding it anywhere. Error as config_bind's. */
MUST_USE int config_check_values(const struct config_table *tables, int n_tables, const struct recipe *recipe, struct err *err);

/* Whether two texts mean the same value of this row: "4M" and "4e6". Texts that the row refuses are equal when they are the same. */
bool config_same_value(const struct config_row *row, const char *a, const char *b);

/* Refuses keys of the recipe that no table knows, naming place and the nearest known key. */
MUST_USE int config_check_known(const struct config_table *tables, int n_tables, const struct recipe *recipe, struct err *err);

/* Adds the default of every row that the recipe does not set: the fully resolved recipe. */
MUST_USE int config_resolve(const struct config_table *tables, int n_tables, struct recipe *recipe, struct err *err);

/* The candidate nearest to `word` by edit distance, NULL when none is near (distance > 2 + a third of its length). */
const char *config_nearest(const char *word, const char *const *candidates, int count);

#endif
