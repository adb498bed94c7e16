/* Finding an environment by name, and what its scenario adds to a recipe. */
#include "envs/registry.h"

#include <string.h>

#define NAMES_MAX 64

const struct config_row env_common_rows[ENV_COMMON_ROWS] = {
    {"env.name", CONFIG_TEXT, 0, "matrix", 0, 0, "", NULL, "environment; `testudo envs` lists them"},
    {"env.scenario", CONFIG_TEXT, CONFIG_TEXT_MAX, "", 0, 0, "", NULL,
     "variant of the environment, as the papers name it; it sets other env keys unless they are given; empty: the first one "
     "listed"},
};

const struct env_ops *env_find(const char *name)
{
    for (const struct env_ops *const *ops = env_registry; *ops; ops++)
        if (!strcmp((*ops)->name, name))
            return *ops;
    return NULL;
}

const struct env_rules *env_rules_find(const char *name)
{
    const struct env_rules *rules = env_rules;
    while (rules->name && strcmp(rules->name, name))
        rules++;
    return rules->name ? rules : NULL;
}

/* Appends ", name" or "name" while there is room. */
static void append(char *list, size_t size, const char *name)
{
    size_t used = strlen(list);
    if (used + strlen(name) + 3 > size)
        return;
    if (used)
        strcpy(list + used, ", ");
    strcat(list, name);
}

int env_lookup(const char *name, const struct env_ops **ops, struct err *err)
{
    const char *names[NAMES_MAX];
    char list[256] = "";
    int count = 0;
    if ((*ops = env_find(name)))
        return 0;
    for (; env_registry[count] && count < NAMES_MAX; count++) {
        names[count] = env_registry[count]->name;
        append(list, sizeof list, names[count]);
    }
    const char *near = config_nearest(name, names, count);
    if (near)
        return err_set(err, ERR_UNKNOWN, "unknown environment \"%s\"; did you mean %s? known: %s", name, near, list);
    return err_set(err, ERR_UNKNOWN, "unknown environment \"%s\"; known: %s", name, list);
}

/* Values of `from` for keys that `to` lacks. */
static int fill(struct recipe *to, const struct recipe *from, struct err *err)
{
    int r = 0;
    for (int i = 0; i < from->count && !r; i++) {
        const struct recipe_entry *entry = &from->entries[i];
        if (!recipe_find(to, entry->key))
            r = recipe_set(to, entry->key, entry->value, entry->where, err);
    }
    return r;
}

int env_resolve(struct recipe *recipe, struct err *err)
{
    const struct env_ops *ops;
    int r = env_lookup(recipe_value(recipe, "env.name", env_common_rows[0].fallback), &ops, err);
    if (r)
        return r;
    const char *scenario = recipe_value(recipe, "env.scenario", "");
    if (!*scenario)
        scenario = ops->scenarios[0];
    struct recipe *defaults = recipe_create();
    if (!defaults)
        return err_set(err, ERR_NOMEM, "cannot read scenario %s: out of memory", scenario);
    r = ops->scenario(scenario, defaults, err);
    const struct recipe_entry *canonical = recipe_find(defaults, "env.scenario");
    if (!r && canonical)
        r = recipe_set(recipe, canonical->key, canonical->value, canonical->where, err);
    if (!r)
        r = fill(recipe, defaults, err);
    if (!r && !*recipe_value(recipe, "env.scenario", ""))
        r = recipe_set(recipe, "env.scenario", ops->scenarios[0], "default", err);
    if (!r && !recipe_find(recipe, "env.name"))
        r = recipe_set(recipe, "env.name", ops->name, "default", err);
    recipe_destroy(&defaults);
    return r;
}
