#include "deploy/env_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Splits "name:scenario"; *scenario is NULL without a colon. */
static void split(const char *word, char name[CONFIG_TEXT_MAX], const char **scenario)
{
    const char *colon = strchr(word, ':');
    snprintf(name, CONFIG_TEXT_MAX, "%.*s", (int)(colon ? colon - word : (long)strlen(word)), word);
    *scenario = colon ? colon + 1 : NULL;
}

bool env_word_is_known(const char *word)
{
    char name[CONFIG_TEXT_MAX];
    const char *scenario;
    split(word, name, &scenario);
    return env_find(name) != NULL;
}

static int set_argument(struct recipe *recipe, const char *argument, struct err *err)
{
    char text[RECIPE_KEY_MAX + RECIPE_VALUE_MAX];
    const char *equals = strchr(argument, '=');
    bool is_short = equals && !memchr(argument, '.', (size_t)(equals - argument));
    if (snprintf(text, sizeof text, "%s%s", is_short ? "env." : "", argument) >= (int)sizeof text)
        return err_set(err, ERR_LIMIT, "too long: %.60s...", argument);
    if (equals && strncmp(text, "env.", 4))
        return err_set(err, ERR_UNKNOWN, "%s is no key of an environment; those begin with env.", argument);
    return recipe_set_argument(recipe, text, err);
}

int env_words_recipe(struct recipe **recipe, const char *word, const char *const *arguments, int n, struct err *err)
{
    char name[CONFIG_TEXT_MAX];
    const char *scenario;
    const struct env_ops *ops;
    split(word, name, &scenario);
    *recipe = NULL;
    int r = env_lookup(name, &ops, err);
    if (r)
        return r;
    if (!(*recipe = recipe_create()))
        return err_set(err, ERR_NOMEM, "no memory for a recipe");
    r = recipe_set(*recipe, "env.name", name, "command line", err);
    if (!r && scenario)
        r = recipe_set(*recipe, "env.scenario", scenario, "command line", err);
    for (int i = 0; i < n && !r; i++)
        r = set_argument(*recipe, arguments[i], err);
    if (r)
        recipe_destroy(recipe);
    return r;
}

int env_words_open(struct env_instance **instance, const char *word, const char *const *arguments, int n, struct err *err)
{
    struct recipe *recipe;
    *instance = NULL;
    int r = env_words_recipe(&recipe, word, arguments, n, err);
    if (r)
        return r;
    if (!(*instance = malloc(sizeof **instance)))
        r = err_set(err, ERR_NOMEM, "no memory for an environment");
    if (!r)
        r = env_open(*instance, recipe, err);
    recipe_destroy(&recipe);
    if (r) {
        free(*instance);
        *instance = NULL;
    }
    return r;
}
