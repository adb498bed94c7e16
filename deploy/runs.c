#include "deploy/runs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "deploy/settings.h"
#include "deploy/verb.h"

#define DEPTH_MAX 12 /* folders below the one that runs are looked for in */

/* A folder name made of any text: what is no letter, digit, '.', '_', '-' or '+' becomes '-'. */
static void append_part(char *path, size_t size, const char *text)
{
    size_t used = strlen(path);
    if (used + strlen(text) + 2 > size)
        return; /* run_path refuses what did not fit */
    path[used++] = '/';
    for (const char *p = text; *p; p++) {
        bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("_-+", *p) ||
                        (*p == '.' && p != text);
        path[used++] = is_plain ? *p : '-';
    }
    path[used] = 0;
}

int run_path(char path[PATH_MAX], const char *root, const struct recipe *recipe, struct err *err)
{
    static const char *const keys[] = {"env.name", "env.scenario", "method", "run.name"};
    char seed[32];
    size_t length = strlen(root) + sizeof seed;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        length += strlen(recipe_value(recipe, keys[i], "")) + sizeof "/default";
    if (length > PATH_MAX)
        return err_set(err, ERR_LIMIT, "path of the run folder too long");
    snprintf(path, PATH_MAX, "%s", root);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *value = recipe_value(recipe, keys[i], "");
        append_part(path, PATH_MAX, *value ? value : "default");
    }
    snprintf(seed, sizeof seed, "seed-%.20s", recipe_value(recipe, "run.seed", "1"));
    append_part(path, PATH_MAX, seed);
    return 0;
}

static int lock_folder(struct run *run, struct err *err)
{
    char path[PATH_MAX];
    if (file_join(path, sizeof path, run->folder, ".lock"))
        return err_set(err, ERR_LIMIT, "path of the run folder too long");
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (run->lock < 0)
        return err_set(err, ERR_IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    if (flock(run->lock, LOCK_EX | LOCK_NB)) {
        run_close(run);
        return err_set(err, ERR_STATE, "another process works in \"%.300s\"", run->folder);
    }
    return 0;
}

void run_close(struct run *run)
{
    if (run->lock >= 0)
        close(run->lock);
    run->lock = -1;
}

/* -- recipe ----------------------------------------------------------------------------------------------------------------- */

static const struct config_row *row_of(const struct settings_tables *tables, const char *key)
{
    for (int t = 0; t < tables->count; t++)
        for (int i = 0; i < tables->table[t].count; i++)
            if (!strcmp(tables->table[t].rows[i].name, key))
                return &tables->table[t].rows[i];
    return NULL;
}

/* Both are resolved, so they have the same keys unless the program has changed. */
static int compare_recipes(const char *folder, const struct recipe *saved, const struct recipe *now, struct err *err)
{
    struct settings_tables tables;
    int r = settings_tables(&tables, now, err);
    if (r)
        return r;
    for (int i = 0; i < now->count; i++) {
        const struct recipe_entry *entry = &now->entries[i];
        const char *before = recipe_value(saved, entry->key, "absent");
        const struct config_row *row = row_of(&tables, entry->key);
        bool is_same = row ? config_same_value(row, before, entry->value) : !strcmp(before, entry->value);
        if (!is_same)
            return err_set(err, ERR_MISMATCH, "cannot resume %.200s: %s is %s there and %s here; choose another run.name", folder,
                           entry->key, before, entry->value);
    }
    return 0;
}

static int write_recipe(const char *path, const struct recipe *recipe, struct err *err)
{
    char *text = recipe_text(recipe);
    if (!text)
        return err_set(err, ERR_NOMEM, "cannot write recipe: out of memory");
    int r = file_write(path, text, strlen(text), err);
    free(text);
    return r;
}

static int save_or_compare(struct run *run, const struct recipe *recipe, struct err *err)
{
    char path[PATH_MAX];
    if (file_join(path, sizeof path, run->folder, "recipe.yaml"))
        return err_set(err, ERR_LIMIT, "path of the run folder too long");
    run->is_resumed = !access(path, F_OK);
    if (!run->is_resumed)
        return write_recipe(path, recipe, err);
    struct recipe *saved;
    int r = settings_load_saved(&saved, path, NULL, NULL, 0, err);
    if (r)
        return err_prefix(err, r, "cannot resume %.200s", run->folder);
    r = compare_recipes(run->folder, saved, recipe, err);
    recipe_destroy(&saved);
    return r;
}

/* -- meta.json, latest ------------------------------------------------------------------------------------------------------ */

static int write_meta(const struct run *run, const char *command, struct err *err)
{
    char path[PATH_MAX], date[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    if (file_join(path, sizeof path, run->folder, "meta.json"))
        return err_set(err, ERR_LIMIT, "path of the run folder too long");
    json_t *meta = json_pack("{s:s, s:s, s:s, s:i}", "version", TESTUDO_VERSION, "started", date, "command", command, "cores",
                             (int)sysconf(_SC_NPROCESSORS_ONLN));
    if (!meta)
        return err_set(err, ERR_NOMEM, "cannot write \"%.200s\": out of memory, or the command is not UTF-8", path);
    int r = json_write(path, meta, err);
    json_decref(meta);
    return r;
}

/* root/latest -> the run, relative to root. Only a convenience: a folder that allows no links still trains. */
static void link_latest(const char *root, const char *folder)
{
    char link[PATH_MAX], temporary[PATH_MAX];
    if (snprintf(link, sizeof link, "%s/latest", root) >= (int)sizeof link ||
        snprintf(temporary, sizeof temporary, "%s/.latest%ld", root, (long)getpid()) >= (int)sizeof temporary)
        return;
    unlink(temporary);
    if (symlink(folder + strlen(root) + 1, temporary) || rename(temporary, link))
        unlink(temporary);
}

int run_open(struct run *run, const char *root, const struct recipe *recipe, const char *command, struct err *err)
{
    static const char *const inner[] = {"checkpoints", "results"};
    char path[PATH_MAX];
    *run = (struct run){.lock = -1};
    int r = run_path(run->folder, root, recipe, err);
    for (size_t i = 0; i < ARRAY_LEN(inner) && !r; i++)
        r = file_join(path, sizeof path, run->folder, inner[i]) ? ERR_LIMIT : file_make_folder(path, err);
    if (r || (r = lock_folder(run, err)))
        return r;
    r = save_or_compare(run, recipe, err);
    if (!r && !run->is_resumed)
        r = write_meta(run, command, err);
    if (r)
        run_close(run);
    else
        link_latest(root, run->folder);
    return r;
}

/* -- finding runs ----------------------------------------------------------------------------------------------------------- */

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "latest");
}

static bool is_run(const char *folder)
{
    char path[PATH_MAX];
    return !file_join(path, sizeof path, folder, "recipe.yaml") && !access(path, F_OK);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

struct visit {
    int (*each)(void *context, const char *folder, struct err *err);
    void *context;
    struct err *err;
    int found;
};

static int visit(struct visit *v, const char *folder, int depth)
{
    if (is_run(folder)) {
        v->found++;
        return v->each(v->context, folder, v->err);
    }
    struct dirent **entries;
    int r = 0, n = depth < DEPTH_MAX ? scandir(folder, &entries, is_visible, versionsort) : -1;
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        if (!r && !file_join(path, sizeof path, folder, entries[i]->d_name) && is_folder(path))
            r = visit(v, path, depth + 1);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return r;
}

int runs_visit(const char *path, int (*each)(void *context, const char *folder, struct err *err), void *context, struct err *err)
{
    struct visit v = {each, context, err, 0};
    int r = visit(&v, path, 0);
    return r || v.found ? r
                        : err_set(err, ERR_UNKNOWN, "no run in \"%.300s\": it has no recipe.yaml, nor has any folder below", path);
}

struct only {
    char folder[PATH_MAX];
    int count;
};

static int remember(void *context, const char *folder, struct err *err)
{
    struct only *only = context;
    if (only->count++)
        return err_set(err, ERR_INVALID, "several runs: %.150s, %.150s, ...; name one of them", only->folder, folder);
    snprintf(only->folder, sizeof only->folder, "%s", folder);
    return 0;
}

int run_open_existing(struct run *run, const char *path, struct err *err)
{
    struct only *only = calloc(1, sizeof *only);
    *run = (struct run){.lock = -1, .is_resumed = true};
    if (!only)
        return err_set(err, ERR_NOMEM, "cannot open run: out of memory");
    int r = runs_visit(path, remember, only, err);
    /* Without links: runs/latest may point elsewhere before we have finished. */
    if (!r && !realpath(only->folder, run->folder))
        r = err_set(err, ERR_IO, "cannot open run \"%.300s\": %s", only->folder, strerror(errno));
    free(only);
    return r ? r : lock_folder(run, err);
}

static int is_checkpoint(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 12 && !strcmp(entry->d_name + length - 12, ".safetensors");
}

int run_checkpoint(const char *folder, enum run_checkpoint which, char path[PATH_MAX], struct err *err)
{
    char checkpoints[PATH_MAX];
    struct dirent **entries;
    int n = file_join(checkpoints, sizeof checkpoints, folder, "checkpoints")
                ? -1
                : scandir(checkpoints, &entries, is_checkpoint, versionsort);
    int r = n > 0 ? file_join(path, PATH_MAX, checkpoints, entries[which == RUN_FIRST ? 0 : n - 1]->d_name) : 0;
    for (int i = 0; i < n; i++)
        free(entries[i]);
    if (n >= 0)
        free(entries);
    return n > 0 ? r : err_set(err, ERR_STATE, "no checkpoint in \"%.300s\"; train the run first", folder);
}

void run_forget(const char *folder)
{
    char path[PATH_MAX], file[PATH_MAX];
    struct dirent **entries;
    int n = file_join(path, sizeof path, folder, "checkpoints") ? -1 : scandir(path, &entries, is_checkpoint, alphasort);
    for (int i = 0; i < n; i++) {
        if (!file_join(file, sizeof file, path, entries[i]->d_name))
            unlink(file);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    if (!file_join(file, sizeof file, folder, "progress.csv"))
        unlink(file);
}
