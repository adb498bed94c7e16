/* env_open: from a recipe to an environment with bound parameters.
 *
 * The recipe's env.* keys are copied aside, what its scenario decides is filled in around them, and the rows bind the result;
 * so an explicit key beats the scenario, and the scenario beats a row's default. */
#include <stdio.h>
#include <string.h>

#include "envs/registry.h"
#include "envs/vec.h"

static int copy_env_keys(const struct recipe *from, struct recipe *to, struct err *err)
{
    int r = 0;
    for (int i = 0; i < from->count && !r; i++)
        if (!strncmp(from->entries[i].key, "env.", 4))
            r = recipe_set(to, from->entries[i].key, from->entries[i].value, from->entries[i].where, err);
    return r;
}

static int bind(struct env_instance *instance, const struct recipe *recipe, struct err *err)
{
    const struct env_ops *ops = instance->ops;
    const struct config_table tables[] = {{"env", env_common_rows, ENV_COMMON_ROWS}, {ops->name, ops->rows, ops->n_rows}};
    ASSERT(ops->params_bytes <= sizeof instance->params);
    int r = config_check_known(tables, ARRAY_LEN(tables), recipe, err);
    if (!r)
        r = config_bind(ops->rows, ops->n_rows, recipe, instance->params, err);
    if (!r && ops->prepare)
        r = ops->prepare(instance->params, err);
    return r;
}

static int describe(struct env_instance *instance, const char *scenario, struct err *err)
{
    struct spec *spec = &instance->spec;
    instance->ops->spec(instance->params, spec);
    spec_complete(spec);
    instance->state_bytes = instance->ops->state_bytes(instance->params);
    spec->state_bytes = (int32_t)instance->state_bytes;
    snprintf(spec->env, sizeof spec->env, "%s", instance->ops->name);
    if ((size_t)snprintf(spec->scenario, sizeof spec->scenario, "%s", scenario) >= sizeof spec->scenario)
        return err_set(err, ERR_LIMIT, "scenario name \"%s\" is too long: got %zu bytes, expected at most %zu", scenario,
                       strlen(scenario), sizeof spec->scenario - 1);
    return spec_check(spec, err);
}

int env_open(struct env_instance *instance, const struct recipe *recipe, struct err *err)
{
    *instance = (struct env_instance){0};
    struct recipe *keys = recipe_create();
    if (!keys)
        return err_set(err, ERR_NOMEM, "cannot open environment: out of memory");
    int r = copy_env_keys(recipe, keys, err);
    if (!r)
        r = env_resolve(keys, err);
    if (!r) {
        instance->ops = env_find(recipe_value(keys, "env.name", ""));
        r = bind(instance, keys, err);
    }
    if (!r)
        r = describe(instance, recipe_value(keys, "env.scenario", ""), err);
    recipe_destroy(&keys);
    return r;
}
