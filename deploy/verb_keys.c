/* keys: every key that a recipe may set, with default, bounds and meaning; and the recipes that come along. */
#include <stdio.h>
#include <string.h>

#include "deploy/keys.h"
#include "deploy/settings.h"
#include "deploy/verb.h"

/* Rows whose key begins with the prefix. */
static int print_matching(const struct settings_tables *tables, const char *prefix)
{
    int found = 0;
    for (int t = 0; t < tables->count; t++) {
        const struct config_table *table = &tables->table[t];
        bool has_title = false;
        for (int i = 0; i < table->count; i++) {
            if (strncmp(table->rows[i].name, prefix, strlen(prefix)))
                continue;
            if (!has_title)
                printf("%s%s\n", found ? "\n" : "", table->part);
            has_title = true;
            found++;
            keys_print(stdout, &table->rows[i], 1);
        }
    }
    return found;
}

static int list_recipes(void)
{
    char list[8192];
    settings_list(list, sizeof list);
    fputs(list, stdout);
    return EXIT_DONE;
}

static int run_keys(const struct verb *verb, int argc, char **argv)
{
    bool only_recipes = false;
    const char *env = NULL;
    const struct option_row rows[] = {
        {"recipes", OPTION_FLAG, &only_recipes, 0, 0, "", "list the recipes that come along", NULL},
        {"env", OPTION_TEXT, &env, 0, 0, "NAME", "the environment whose keys to show", "foraging"},
    };
    struct words words;
    struct settings_tables tables;
    struct err err = {""};
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (words.count > 1)
        return verb_misused(verb, "unexpected argument \"%s\"", words.word[1]);
    if (only_recipes)
        return list_recipes();
    struct recipe *recipe = recipe_create();
    if (!recipe)
        return verb_failed(verb, "out of memory");
    r = env ? recipe_set(recipe, "env.name", env, "command line", &err) : 0;
    if (!r)
        r = settings_tables(&tables, recipe, &err);
    recipe_destroy(&recipe);
    if (r)
        return verb_misused(verb, "%s", err.text);
    const char *prefix = words.count ? words.word[0] : "";
    return print_matching(&tables, prefix) ? EXIT_DONE : verb_misused(verb, "no key begins with \"%s\"", prefix);
}

const struct verb verb_keys = {
    .name = "keys",
    .summary = "list recipe keys with default, bounds and meaning; list recipes",
    .arguments = "[PREFIX] [--env NAME] [--recipes]",
    .example = "testudo keys learner.",
    .run = run_keys,
};
