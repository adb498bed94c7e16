/* A grid is read by the recipe's parser, so it has the same ceilings and the same errors; here its dotted keys are sorted. */
#include "deploy/grid.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/file.h"
#include "deploy/settings.h"

/* -- seeds ------------------------------------------------------------------------------------------------------------------ */

int grid_seeds(const char *text, int64_t *seeds, int max)
{
    int n = 0;
    for (const char *p = text; *p;) {
        char *end;
        long first = strtol(p, &end, 10), last = first;
        bool ok = end != p && first >= 0;
        if (ok && *end == '-') {
            p = end + 1;
            last = strtol(p, &end, 10);
            ok = end != p && last >= first;
        }
        if (!ok || (*end && *end != ',') || last - first >= max - n)
            return ERR_RANGE;
        for (long seed = first; seed <= last; seed++)
            seeds[n++] = seed;
        p = end + (*end == ',');
    }
    return n;
}

/* -- finding ---------------------------------------------------------------------------------------------------------------- */

/* "mir3-table1" -> FOLDER/mir3/table1.yaml in the first recipe folder that has it. */
static int find_grid(const char *name, char path[PATH_MAX], struct err *err)
{
    char folders[SETTINGS_FOLDERS][4096];
    const char *dash = strchr(name, '-');
    if (strchr(name, '/') || strstr(name, ".yaml")) {
        if (access(name, F_OK))
            return err_set(err, ERR_UNKNOWN, "no grid \"%.200s\": no such file", name);
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX ? 0 : err_set(err, ERR_LIMIT, "path of the grid too long");
    }
    settings_folders(folders);
    for (int f = 0; dash && f < SETTINGS_FOLDERS; f++)
        if (snprintf(path, PATH_MAX, "%s/%.*s/%s.yaml", folders[f], (int)(dash - name), name, dash + 1) < PATH_MAX &&
            !access(path, F_OK))
            return 0;
    return err_set(err, ERR_UNKNOWN,
                   "no grid \"%.100s\": neither a file nor FAMILY-NAME of a FAMILY/NAME.yaml in the recipe folders", name);
}

/* The last two parts of the path: "mir3-table1" of ".../mir3/table1.yaml". */
static void name_grid(struct grid *grid, const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    char *dot = strrchr(copy, '.'), *slash = strrchr(copy, '/');
    if (dot && (!slash || dot > slash))
        *dot = 0;
    if (!slash) {
        snprintf(grid->name, sizeof grid->name, "%.60s", copy);
        return;
    }
    *slash = 0;
    const char *family = strrchr(copy, '/');
    snprintf(grid->name, sizeof grid->name, "%.30s-%.30s", family ? family + 1 : copy, slash + 1);
}

/* -- reading ---------------------------------------------------------------------------------------------------------------- */

static int find_part(const struct grid_part *parts, int n, const char *name, size_t length)
{
    for (int i = 0; i < n; i++)
        if (strlen(parts[i].name) == length && !strncmp(parts[i].name, name, length))
            return i;
    return -1;
}

/* Takes "tasks.NAME: words" and the like. */
static int add_part(struct grid_part *parts, int *n, int max, const struct recipe_entry *entry, struct err *err)
{
    if (*n == max)
        return err_set(err, ERR_INVALID, "%s: more than %d of them", entry->where, max);
    const char *name = strchr(entry->key, '.') + 1;
    if (strchr(name, '.'))
        return err_set(err, ERR_INVALID, "%s: %s is nested, expected a line of words", entry->where, entry->key);
    parts[(*n)++] = (struct grid_part){.name = name, .words = entry->value};
    return 0;
}

static int name_of_method(const struct grid *grid, const char *word, const char *where, struct err *err)
{
    int method = find_part(grid->methods, grid->n_methods, word, strlen(word));
    return method >= 0 ? method : err_set(err, ERR_INVALID, "%s: no method \"%.40s\" in this grid", where, word);
}

static int measure_of(struct grid *grid, int column, const char *where, struct err *err)
{
    const char *words = grid->columns[column].words;
    grid->measures[column] = GRID_EVAL;
    if (!strncmp(words, "seconds ", 8)) {
        grid->measures[column] = GRID_SECONDS;
        grid->yardsticks[column] = name_of_method(grid, words + 8, where, err);
        return grid->yardsticks[column] < 0 ? ERR_INVALID : 0;
    }
    if (!strcmp(words, "attack mean"))
        grid->measures[column] = GRID_ATTACK_MEAN;
    else if (!strcmp(words, "attack lowest"))
        grid->measures[column] = GRID_ATTACK_LOWEST;
    else if (!strncmp(words, "attack", 6) || !*words)
        return err_set(err, ERR_INVALID,
                       "%s: \"%.40s\" is no column, expected a threat, attack mean, attack lowest or seconds METHOD", where, words);
    return 0;
}

static int read_ordering(struct grid *grid, const struct recipe_entry *entry, struct err *err)
{
    char column[64], better[64], worse[64];
    if (sscanf(entry->value, "%63s %63s %63s", column, better, worse) != 3)
        return err_set(err, ERR_INVALID, "%s: ordering is \"%.60s\", expected COLUMN BETTER WORSE", entry->where, entry->value);
    if (grid->n_orderings == GRID_ORDERINGS_MAX)
        return err_set(err, ERR_INVALID, "%s: more than %d orderings", entry->where, GRID_ORDERINGS_MAX);
    struct grid_ordering *ordering = &grid->orderings[grid->n_orderings];
    ordering->column = find_part(grid->columns, grid->n_columns, column, strlen(column));
    if (ordering->column < 0)
        return err_set(err, ERR_INVALID, "%s: no column \"%.40s\" in this grid", entry->where, column);
    ordering->better = name_of_method(grid, better, entry->where, err);
    ordering->worse = ordering->better < 0 ? -1 : name_of_method(grid, worse, entry->where, err);
    grid->n_orderings++;
    return ordering->worse < 0 ? ERR_INVALID : 0;
}

/* paper.METHOD.TASK.COLUMN must name what is there: a figure beside the wrong cell would be worse than none. */
static int check_paper(const struct grid *grid, const struct recipe_entry *entry, struct err *err)
{
    const char *method = entry->key + strlen("paper."), *task = strchr(method, '.'), *column = task ? strchr(task + 1, '.') : NULL;
    double mean, spread;
    if (!column || find_part(grid->methods, grid->n_methods, method, (size_t)(task - method)) < 0 ||
        find_part(grid->tasks, grid->n_tasks, task + 1, (size_t)(column - task - 1)) < 0 ||
        find_part(grid->columns, grid->n_columns, column + 1, strlen(column + 1)) < 0)
        return err_set(err, ERR_INVALID, "%s: %s names no method, task and column of this grid", entry->where, entry->key);
    if (sscanf(entry->value, "%lf %lf", &mean, &spread) < 1)
        return err_set(err, ERR_INVALID, "%s: the paper's figure is \"%.40s\", expected a mean and perhaps its spread",
                       entry->where, entry->value);
    return 0;
}

static bool is_below(const struct recipe_entry *entry, const char *section)
{
    size_t length = strlen(section);
    return !strncmp(entry->key, section, length) && entry->key[length] == '.';
}

/* First pass: the parts themselves, in any order. */
static int read_parts(struct grid *grid, struct err *err)
{
    int r = 0;
    for (int i = 0; i < grid->file->count && !r; i++) {
        const struct recipe_entry *entry = &grid->file->entries[i];
        if (is_below(entry, "tasks"))
            r = add_part(grid->tasks, &grid->n_tasks, GRID_TASKS_MAX, entry, err);
        else if (is_below(entry, "methods"))
            r = add_part(grid->methods, &grid->n_methods, GRID_METHODS_MAX, entry, err);
        else if (is_below(entry, "columns"))
            r = add_part(grid->columns, &grid->n_columns, GRID_COLUMNS_MAX, entry, err);
        else if (!strcmp(entry->key, "seeds"))
            grid->n_seeds = grid_seeds(entry->value, grid->seeds, GRID_SEEDS_MAX);
        else if (strcmp(entry->key, "title") && strcmp(entry->key, "source") && strcmp(entry->key, "attack") &&
                 !is_below(entry, "paper") && !is_below(entry, "orderings") && !is_below(entry, "differs"))
            r = err_set(err, ERR_INVALID,
                        "%s: unknown key %s, expected title, source, seeds, tasks, methods, columns, attack, paper, orderings or "
                        "differs",
                        entry->where, entry->key);
    }
    return r;
}

/* Second pass: what names them. */
static int read_references(struct grid *grid, struct err *err)
{
    int r = 0;
    for (int i = 0, column = 0; i < grid->file->count && !r; i++) {
        const struct recipe_entry *entry = &grid->file->entries[i];
        if (is_below(entry, "columns"))
            r = measure_of(grid, column++, entry->where, err);
        else if (is_below(entry, "orderings"))
            r = read_ordering(grid, entry, err);
        else if (is_below(entry, "paper"))
            r = check_paper(grid, entry, err);
    }
    return r;
}

static int read_grid(struct grid *grid, const char *path, struct err *err)
{
    unsigned char *text;
    size_t length;
    int r = file_read(path, RECIPE_BYTES_MAX, &text, &length, err);
    if (r)
        return r;
    r = recipe_parse(grid->file, path, (const char *)text, length, err);
    free(text);
    if (r || (r = read_parts(grid, err)))
        return r;
    grid->title = recipe_value(grid->file, "title", grid->name);
    grid->source = recipe_value(grid->file, "source", "");
    grid->attack = recipe_value(grid->file, "attack", "");
    if (!grid->n_tasks || !grid->n_methods || !grid->n_columns)
        return err_set(err, ERR_INVALID, "%s: no %s", path, !grid->n_tasks ? "tasks" : !grid->n_methods ? "methods" : "columns");
    if (grid->n_seeds <= 0)
        return err_set(err, ERR_INVALID, "%s: seeds is \"%.40s\", expected a list of at most %d like 1-5 or 1,3,8", path,
                       recipe_value(grid->file, "seeds", ""), GRID_SEEDS_MAX);
    return read_references(grid, err);
}

int grid_load(struct grid *grid, const char *name, struct err *err)
{
    char path[PATH_MAX];
    memset(grid, 0, sizeof *grid);
    int r = find_grid(name, path, err);
    if (r)
        return r;
    name_grid(grid, path);
    if (!(grid->file = recipe_create()))
        return err_set(err, ERR_NOMEM, "cannot read the grid: out of memory");
    if ((r = read_grid(grid, path, err)))
        grid_unload(grid);
    return r;
}

void grid_unload(struct grid *grid)
{
    recipe_destroy(&grid->file);
}

/* -- asking ----------------------------------------------------------------------------------------------------------------- */

void grid_paper(const struct grid *grid, int task, int method, int column, double *mean, double *spread)
{
    char key[256];
    *mean = *spread = NAN;
    snprintf(key, sizeof key, "paper.%s.%s.%s", grid->methods[method].name, grid->tasks[task].name, grid->columns[column].name);
    const struct recipe_entry *entry = recipe_find(grid->file, key);
    if (entry)
        (void)!sscanf(entry->value, "%lf %lf", mean, spread); /* checked when it was read */
}

const char *grid_difference(const struct grid *grid, int *at)
{
    while (*at < grid->file->count) {
        const struct recipe_entry *entry = &grid->file->entries[(*at)++];
        if (is_below(entry, "differs"))
            return entry->value;
    }
    return NULL;
}
