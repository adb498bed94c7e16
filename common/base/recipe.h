/* A recipe: an ordered list of `key = value` with the place each value came from. It knows no key by itself: each part of
 * the program owns a table of rows (config.h) and binds its own struct from the recipe.
 *
 * On disk a recipe is YAML; nested maps read as dotted keys (learner: {lr: 5e-4} is learner.lr), lists of scalars as values
 * joined by ",". The resolved form that is saved with a run and sent to actors is one `key: "value"` per line, sorted. */
#ifndef TESTUDO_BASE_RECIPE_H
#define TESTUDO_BASE_RECIPE_H

#include "base/err.h"

#define RECIPE_KEY_MAX 64
#define RECIPE_VALUE_MAX 2048 /* a whole map of an environment as one line fits */
#define RECIPE_ENTRIES_MAX 512
#define RECIPE_BYTES_MAX (256 * 1024) /* of YAML text; more is refused before parsing */

struct recipe_entry {
    char key[RECIPE_KEY_MAX];
    char value[RECIPE_VALUE_MAX];
    char where[96]; /* "eir-mappo.yaml:12", "command line", "default" */
};

struct recipe {
    int count;
    struct recipe_entry entries[RECIPE_ENTRIES_MAX];
};

struct recipe *recipe_create(void); /* empty; NULL when out of memory */
void recipe_destroy(struct recipe **recipe);

/* Sets or replaces one key. ERR_LIMIT when too long or too many. */
MUST_USE int recipe_set(struct recipe *recipe, const char *key, const char *value, const char *where, struct err *err);

/* Parses "key=value" as typed on the command line. */
MUST_USE int recipe_set_argument(struct recipe *recipe, const char *argument, struct err *err);

/* Adds what YAML text says; later keys replace earlier ones, a key twice in one text is an error. `name` appears in `where`.
 * Anchors, aliases, tags, several documents and nesting beyond 4 are refused. */
MUST_USE int recipe_parse(struct recipe *recipe, const char *name, const char *text, size_t length, struct err *err);

const struct recipe_entry *recipe_find(const struct recipe *recipe, const char *key); /* NULL when absent */
const char *recipe_value(const struct recipe *recipe, const char *key, const char *fallback);

/* The resolved text (see top), allocated; the caller frees it. NULL when out of memory. */
char *recipe_text(const struct recipe *recipe);

#endif
