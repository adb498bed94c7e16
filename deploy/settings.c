#include "deploy/settings.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/attack.h"
#include "actor/rollout_config.h"
#include "base/file.h"
#include "envs/registry.h"
#include "envs/vec.h"
#include "learner/algorithm.h"
#include "learner/learner.h"
#include "net/acting.h"
#include "net/knowledge.h"
#include "net/partition.h"
#include "wire/run.h"

struct naming { /* keys that name things and belong to no room alone */
    char method[CONFIG_TEXT_MAX], name[CONFIG_TEXT_MAX];
};

static const struct config_row naming_rows[] = {
    {"method", CONFIG_TEXT, offsetof(struct naming, method), "", 0, 0, "", NULL,
     "method: its recipe is read first; default: the file's name"},
    {"run.name", CONFIG_TEXT, offsetof(struct naming, name), "default", 0, 0, "", NULL,
     "tells runs of one method apart; part of the folder"},
};

static const struct config_table naming_table = {"names", naming_rows, ARRAY_LEN(naming_rows)};

static const struct config_table *const room_tables[] = {
    &naming_table, &run_table, &rollout_table, &partition_table, &knowledge_table, &acting_table,
};

/* A table that two rooms name is listed once. */
static void add_table(struct settings_tables *tables, const char *part, const struct config_row *rows, int count)
{
    for (int i = 0; i < tables->count; i++)
        if (tables->table[i].rows == rows)
            return;
    ASSERT(tables->count < SETTINGS_TABLES_MAX);
    tables->table[tables->count++] = (struct config_table){part, rows, count};
}

int settings_tables(struct settings_tables *tables, const struct recipe *recipe, struct err *err)
{
    tables->count = 0;
    for (size_t i = 0; i < ARRAY_LEN(room_tables); i++)
        add_table(tables, room_tables[i]->part, room_tables[i]->rows, room_tables[i]->count);
    int n_learner;
    const struct config_table *learner = learner_tables(&n_learner);
    for (int i = 0; i < n_learner; i++)
        add_table(tables, learner[i].part, learner[i].rows, learner[i].count);
    const struct env_ops *env;
    int r = env_lookup(recipe_value(recipe, "env.name", env_common_rows[0].fallback), &env, err);
    if (r)
        return r;
    add_table(tables, "env", env_common_rows, ENV_COMMON_ROWS);
    add_table(tables, env->name, env->rows, env->n_rows);
    const struct algorithm_ops *ops;
    const char *algorithm = recipe_value(recipe, "learner.algorithm", NULL);
    return algorithm ? algorithm_find(algorithm, &ops, err) : 0;
}

/* -- finding ---------------------------------------------------------------------------------------------------------------- */

void settings_folders(char folders[SETTINGS_FOLDERS][4096])
{
    char program[2048];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length < 0 ? 0 : length] = 0;
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = 0;
    snprintf(folders[0], sizeof folders[0], "%s/../deploy/recipes", program);
    snprintf(folders[1], sizeof folders[1], "%s/../share/testudo/recipes", program);
    /* Programs of other build profiles lie deeper: build/<profile>/bin. */
    if (access(folders[0], F_OK))
        snprintf(folders[0], sizeof folders[0], "%s/../../../deploy/recipes", program);
}

static int is_recipe(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && !strcmp(entry->d_name + length - 5, ".yaml");
}

void settings_list(char *out, size_t size)
{
    char folders[SETTINGS_FOLDERS][4096];
    size_t used = 0;
    settings_folders(folders);
    out[0] = 0;
    for (int f = 0; f < SETTINGS_FOLDERS; f++) {
        struct dirent **entries;
        int n = scandir(folders[f], &entries, is_recipe, alphasort);
        for (int i = 0; i < n; i++) {
            size_t length = strlen(entries[i]->d_name) - 5;
            if (used + length + 2 < size)
                used += (size_t)snprintf(out + used, size - used, "%.*s\n", (int)length, entries[i]->d_name);
            free(entries[i]);
        }
        if (n >= 0)
            free(entries);
    }
}

static int no_such_recipe(const char *name, struct err *err)
{
    char list[8192], *save = NULL;
    const char *names[256];
    int n = 0;
    settings_list(list, sizeof list);
    for (char *word = strtok_r(list, "\n", &save); word && n < 256; word = strtok_r(NULL, "\n", &save))
        names[n++] = word;
    const char *near = config_nearest(name, names, n);
    return err_set(err, ERR_UNKNOWN, "no recipe \"%s\": neither a file nor a name in the recipe folders%s%s%s", name,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int find_recipe(const char *name, char path[PATH_MAX], struct err *err)
{
    char folders[SETTINGS_FOLDERS][4096];
    if (strchr(name, '/') || (strstr(name, ".yaml") && !access(name, F_OK))) {
        if (access(name, F_OK))
            return err_set(err, ERR_UNKNOWN, "no recipe \"%s\": no such file", name);
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX ? 0 : err_set(err, ERR_LIMIT, "path of recipe too long");
    }
    settings_folders(folders);
    for (int f = 0; f < SETTINGS_FOLDERS; f++)
        if (snprintf(path, PATH_MAX, "%s/%s.yaml", folders[f], name) < PATH_MAX && !access(path, F_OK))
            return 0;
    return no_such_recipe(name, err);
}

/* "eir-mappo" of "deploy/recipes/eir-mappo.yaml". */
static void stem_of(const char *path, char stem[CONFIG_TEXT_MAX])
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    snprintf(stem, CONFIG_TEXT_MAX, "%.*s", (int)(dot && dot != base ? dot - base : (long)strlen(base)), base);
}

/* -- loading ---------------------------------------------------------------------------------------------------------------- */

static int parse_file(struct recipe *recipe, const char *path, struct err *err)
{
    unsigned char *text;
    size_t length;
    int r = file_read(path, RECIPE_BYTES_MAX, &text, &length, err);
    if (r)
        return r;
    const char *slash = strrchr(path, '/');
    r = recipe_parse(recipe, slash ? slash + 1 : path, (const char *)text, length, err);
    free(text);
    return r;
}

/* `method=M` among the arguments, the last one; NULL when there is none. */
static const char *method_argument(const char *const *arguments, int n)
{
    const char *method = NULL;
    for (int i = 0; i < n; i++)
        if (!strncmp(arguments[i], "method=", 7))
            method = arguments[i] + 7;
    return method;
}

/* The file, over the recipe of its method: the one that was asked for, else the one that it names, else the file is its own. */
static int parse_with_method(struct recipe *recipe, const char *path, const char *asked, struct err *err)
{
    char stem[CONFIG_TEXT_MAX], base[PATH_MAX], method[RECIPE_VALUE_MAX];
    int r = parse_file(recipe, path, err);
    if (r)
        return r;
    stem_of(path, stem);
    snprintf(method, sizeof method, "%s", asked ? asked : recipe_value(recipe, "method", stem));
    if (!strcmp(method, stem))
        return recipe_set(recipe, "method", stem,
                          recipe_find(recipe, "method") ? recipe_find(recipe, "method")->where : "file name", err);
    recipe->count = 0;
    if ((r = find_recipe(method, base, err)))
        return err_prefix(err, r, "%s with method %s", path, method);
    if ((r = parse_file(recipe, base, err)) || (r = parse_file(recipe, path, err)))
        return r;
    return recipe_set(recipe, "method", method, asked ? "command line" : path, err);
}

static int set_arguments(struct recipe *recipe, const char *const *arguments, int n, struct err *err)
{
    int r = 0;
    for (int i = 0; i < n && !r; i++)
        r = recipe_set_argument(recipe, arguments[i], err);
    return r;
}

/* A list of threats is a text to the learner, which knows no attacks; a misspelled one would show only when the first evaluation
 * is due, which may be hours later, and that of attack.threat when an actor starts. */
static int check_threats(const struct recipe *recipe, const char *key, struct err *err)
{
    const struct recipe_entry *entry = recipe_find(recipe, key);
    const char *list = entry ? entry->value : "";
    for (size_t length; *list; list += length + (list[length] == ',')) {
        char name[RECIPE_VALUE_MAX];
        struct threat threat;
        length = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, list);
        int r = threat_parse(&threat, name, err);
        if (r)
            return err_prefix(err, r, "%s: %s", entry->where, key);
    }
    return 0;
}

/* What a room refuses when it binds its keys, found before anything was started or written. */
static int check_rooms(const struct recipe *recipe, struct err *err)
{
    struct run_config run;
    int r;
    if ((r = check_threats(recipe, "eval.threats", err)) || (r = check_threats(recipe, "eval.training_threats", err)) ||
        (r = check_threats(recipe, "attack.threat", err)))
        return r;
    return run_config_bind(&run, recipe, err);
}

/* Known keys first, so that a typo is reported as such and not as a missing value. */
static int check_and_fill(struct recipe *recipe, struct err *err)
{
    struct settings_tables tables;
    struct env_instance *env = NULL;
    int r;
    if ((r = settings_tables(&tables, recipe, err)) || (r = config_check_known(tables.table, tables.count, recipe, err)) ||
        (r = config_check_values(tables.table, tables.count, recipe, err)) || (r = check_rooms(recipe, err)) ||
        (r = env_resolve(recipe, err)) || (r = config_resolve(tables.table, tables.count, recipe, err)))
        return r;
    if (!(env = malloc(sizeof *env)))
        return err_set(err, ERR_NOMEM, "cannot check the environment: out of memory");
    r = env_open(env, recipe, err);
    free(env);
    return r;
}

static int finish(struct recipe **recipe, int r, const char *const *arguments, int n, struct err *err)
{
    if (!r)
        r = set_arguments(*recipe, arguments, n, err);
    if (!r)
        r = check_and_fill(*recipe, err);
    if (r)
        recipe_destroy(recipe);
    return r;
}

int settings_load(struct recipe **recipe, const char *name, const char *const *arguments, int n, struct err *err)
{
    char path[PATH_MAX];
    *recipe = NULL;
    int r = find_recipe(name, path, err);
    if (r)
        return r;
    if (!(*recipe = recipe_create()))
        return err_set(err, ERR_NOMEM, "cannot read recipe: out of memory");
    return finish(recipe, parse_with_method(*recipe, path, method_argument(arguments, n), err), arguments, n, err);
}

int settings_load_saved(struct recipe **recipe, const char *path, const char *overlay, const char *const *arguments, int n,
                        struct err *err)
{
    char overlay_path[PATH_MAX];
    if (!(*recipe = recipe_create()))
        return err_set(err, ERR_NOMEM, "cannot read recipe: out of memory");
    int r = parse_file(*recipe, path, err);
    if (!r && overlay && !(r = find_recipe(overlay, overlay_path, err)))
        r = parse_file(*recipe, overlay_path, err);
    return finish(recipe, r, arguments, n, err);
}
