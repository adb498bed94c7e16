/* From what the user typed to a fully resolved recipe: find the file, put the method's defaults under it and the command line over
 * it, fill in what the scenario and the rows say, check every key and value. */
#ifndef TESTUDO_DEPLOY_SETTINGS_H
#define TESTUDO_DEPLOY_SETTINGS_H

#include "base/config.h"

#define SETTINGS_TABLES_MAX 64

/* The tables that apply to a recipe: those of all rooms, all algorithms, and its environment. Borrowed pointers, valid for the life
 * of the process. */
struct settings_tables {
    int count;
    struct config_table table[SETTINGS_TABLES_MAX];
};
MUST_USE int settings_tables(struct settings_tables *tables, const struct recipe *recipe, struct err *err);

/* Reads a recipe: a path, or a name that is looked for as NAME.yaml in the recipe folders (see settings_folders). When the
 * arguments or the file say `method: M` and it is not M's own recipe, M's is read first, so that tasks (matrix, foraging) and methods
 * (mappo, eir-mappo-fast) combine freely. Without `method` the file's name is the method. arguments [n]:
 * "key=value" in order. The result is resolved and checked; the caller destroys it.
 * ERR_UNKNOWN: no such recipe (with the nearest name); errors of parsing and checking name the place. */
MUST_USE int settings_load(struct recipe **recipe, const char *name, const char *const *arguments, int n, struct err *err);

/* The same from a saved recipe file (a run's recipe.yaml), over which the recipe named `overlay` (may be NULL) and the arguments go. */
MUST_USE int settings_load_saved(struct recipe **recipe, const char *path, const char *overlay, const char *const *arguments, int n,
                                 struct err *err);

/* Folders with recipes, nearest first: beside the program (../deploy/recipes), then where it is installed (../share/testudo/recipes). */
#define SETTINGS_FOLDERS 2
void settings_folders(char folders[SETTINGS_FOLDERS][4096]);

/* The names of all recipes found, sorted, separated by '\n', into `out`. */
void settings_list(char *out, size_t size);

#endif
