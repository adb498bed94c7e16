#include "deploy/cells.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bootstrap.h"
#include "base/file.h"
#include "base/json.h"
#include "deploy/record.h"
#include "deploy/settings.h"

/* -- words ------------------------------------------------------------------------------------------------------------------ */

static int add_word(struct cell_words *words, const char *word, size_t length, struct err *err)
{
    size_t used = 0;
    if (words->count) {
        const char *last = words->word[words->count - 1];
        used = (size_t)(last - words->storage) + strlen(last) + 1;
    }
    if (words->count + 1 >= CELL_WORDS_MAX || used + length + 1 > sizeof words->storage)
        return err_set(err, ERR_LIMIT, "a cell of the grid has more than %d words", CELL_WORDS_MAX);
    memcpy(words->storage + used, word, length);
    words->storage[used + length] = 0;
    words->word[words->count++] = words->storage + used;
    words->word[words->count] = NULL;
    return 0;
}

int cell_words_add(struct cell_words *words, const char *line, struct err *err)
{
    int r = 0;
    while (!r && *(line += strspn(line, " "))) {
        size_t length = strcspn(line, " ");
        r = add_word(words, line, length, err);
        line += length;
    }
    return r;
}

int cells_words(const struct cells *cells, const struct cell *cell, struct cell_words *words, struct err *err)
{
    const struct grid *grid = cells->grid;
    char own[256];
    words->count = 0;
    int r = cell_words_add(words, grid->tasks[cell->task].words, err);
    if (!r)
        r = cell_words_add(words, grid->methods[cell->method].words, err);
    for (int i = 0; i < cells->n_extra && !r; i++)
        r = add_word(words, cells->extra[i], strlen(cells->extra[i]), err);
    snprintf(own, sizeof own, "run.seed=%" PRId64 " run.name=%s.%s.%s", cell->seed, grid->name, grid->tasks[cell->task].name,
             grid->methods[cell->method].name);
    return r ? r : cell_words_add(words, own, err);
}

/* -- records ---------------------------------------------------------------------------------------------------------------- */

static int record_path(char path[PATH_MAX], const struct cells *cells, const struct cell *cell)
{
    char name[256];
    snprintf(name, sizeof name, "%s-%s-seed%" PRId64 ".json", cells->grid->tasks[cell->task].name,
             cells->grid->methods[cell->method].name, cell->seed);
    return file_join(path, PATH_MAX, cells->folder, name);
}

/* Whether the recipe of a record is the cell's in every key that both have: a key that the program has learned since changes
 * nothing, as its default is what was done before. */
static int compare_recipe(const struct cells *cells, const struct cell *cell, const json_t *record, bool *is_same, struct err *err)
{
    struct cell_words *words = malloc(sizeof *words);
    struct recipe *recipe = NULL;
    int r = words ? cells_words(cells, cell, words, err) : err_set(err, ERR_NOMEM, "cannot read a record: out of memory");
    if (!r)
        r = settings_load(&recipe, words->word[0], words->word + 1, words->count - 1, err);
    free(words);
    if (r)
        return r;
    const json_t *keys = json_object_get(record, "recipe");
    *is_same = json_is_object(keys);
    for (int i = 0; i < recipe->count && *is_same; i++) {
        const char *recorded = json_string_value(json_object_get(keys, recipe->entries[i].key));
        *is_same = !recorded || !strcmp(recorded, recipe->entries[i].value);
    }
    recipe_destroy(&recipe);
    return 0;
}

static double number_or_nan(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* What a column's value depends on beside the team. */
static void column_words(const struct grid *grid, int column, char *out, size_t size)
{
    bool is_attack = grid->measures[column] == GRID_ATTACK_MEAN || grid->measures[column] == GRID_ATTACK_LOWEST;
    snprintf(out, size, "%s%s%s", grid->columns[column].words, is_attack && *grid->attack ? " " : "",
             is_attack ? grid->attack : "");
}

static void read_columns(const struct grid *grid, struct cell *cell, const json_t *record)
{
    const json_t *columns = json_object_get(record, "columns");
    for (int c = 0; c < grid->n_columns; c++) {
        const json_t *column = json_object_get(columns, grid->columns[c].name);
        const char *words = json_string_value(json_object_get(column, "words"));
        char expected[RECIPE_VALUE_MAX * 2];
        column_words(grid, c, expected, sizeof expected);
        if (!words || strcmp(words, expected))
            continue;
        cell->value[c] = number_or_nan(json_object_get(column, "value"));
        cell->seconds[c] = number_or_nan(json_object_get(column, "seconds"));
    }
}

static int read_record(const struct cells *cells, struct cell *cell, struct err *err)
{
    char path[PATH_MAX];
    bool is_same = false;
    if (record_path(path, cells, cell))
        return err_set(err, ERR_LIMIT, "path of the records too long");
    if (access(path, F_OK))
        return 0;
    json_t *record = json_read(path, err);
    if (!record)
        return ERR_FORMAT; /* the reason is in err */
    int r = compare_recipe(cells, cell, record, &is_same, err);
    cell->is_trained = is_same;
    cell->is_stale = !is_same;
    if (!r && is_same) {
        cell->train_seconds = number_or_nan(json_object_get(record, "train_seconds"));
        read_columns(cells->grid, cell, record);
    }
    json_decref(record);
    return r;
}

int cells_init(struct cells *cells, const struct grid *grid, const char *folder, const char *const *extra, int n_extra,
               struct err *err)
{
    *cells = (struct cells){.grid = grid, .folder = folder, .n_extra = n_extra, .extra = extra};
    int n = grid->n_seeds * grid->n_tasks * grid->n_methods, r = 0;
    if (!(cells->cell = calloc((size_t)n, sizeof *cells->cell)))
        return err_set(err, ERR_NOMEM, "no memory for %d cells", n);
    for (cells->count = 0; cells->count < n && !r; cells->count++) {
        struct cell *cell = &cells->cell[cells->count];
        cell->method = cells->count % grid->n_methods;
        cell->task = cells->count / grid->n_methods % grid->n_tasks;
        cell->seed = grid->seeds[cells->count / grid->n_methods / grid->n_tasks];
        cell->train_seconds = NAN;
        for (int c = 0; c < GRID_COLUMNS_MAX; c++)
            cell->value[c] = cell->seconds[c] = NAN;
        r = read_record(cells, cell, err);
    }
    if (r)
        cells_deinit(cells);
    return r;
}

void cells_deinit(struct cells *cells)
{
    free(cells->cell);
    *cells = (struct cells){0};
}

static json_t *columns_of(const struct grid *grid, const struct cell *cell)
{
    json_t *columns = json_object();
    for (int c = 0; c < grid->n_columns; c++) {
        char words[RECIPE_VALUE_MAX * 2];
        if (isnan(cell->value[c]))
            continue;
        column_words(grid, c, words, sizeof words);
        json_object_set_new(
            columns, grid->columns[c].name,
            json_pack("{s:f,s:o,s:s}", "value", cell->value[c], "seconds", json_number_or_null(cell->seconds[c]), "words", words));
    }
    return columns;
}

int cells_write(const struct cells *cells, const struct cell *cell, const char *run_folder, struct err *err)
{
    char path[PATH_MAX];
    json_t *array = json_array();
    int r = record_path(path, cells, cell) ? err_set(err, ERR_LIMIT, "path of the records too long") : 0;
    if (!r)
        r = record_add_run(array, run_folder, err);
    if (!r) {
        json_t *record = json_array_get(array, 0);
        json_object_set_new(record, "train_seconds", json_number_or_null(cell->train_seconds));
        json_object_set_new(record, "columns", columns_of(cells->grid, cell));
        r = json_write(path, record, err);
    }
    json_decref(array);
    return r;
}

/* -- what is left ----------------------------------------------------------------------------------------------------------- */

bool cells_lacks(const struct cells *cells, const struct cell *cell, int column)
{
    return cells->grid->measures[column] == GRID_SECONDS ? !cell->is_trained : isnan(cell->value[column]);
}

bool cells_is_done(const struct cells *cells, const struct cell *cell)
{
    for (int c = 0; c < cells->grid->n_columns; c++)
        if (cells_lacks(cells, cell, c))
            return false;
    return true;
}

/* Mean seconds of a stage (column -1: training) over the cells that are close enough; NaN when there is none. */
enum closeness { SAME_TASK_AND_METHOD, SAME_TASK, ANY };
static double mean_seconds(const struct cells *cells, const struct cell *like, int column, enum closeness closeness)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < cells->count; i++) {
        const struct cell *cell = &cells->cell[i];
        double seconds = column < 0 ? cell->train_seconds : cell->seconds[column];
        if (isnan(seconds) || (closeness != ANY && cell->task != like->task) ||
            (closeness == SAME_TASK_AND_METHOD && cell->method != like->method))
            continue;
        sum += seconds;
        n++;
    }
    return n ? sum / n : NAN;
}

static double guess_seconds(const struct cells *cells, const struct cell *cell, int column)
{
    double seconds = NAN;
    for (enum closeness closeness = SAME_TASK_AND_METHOD; closeness <= ANY && isnan(seconds); closeness++)
        seconds = mean_seconds(cells, cell, column, closeness);
    return seconds;
}

double cells_left_seconds(const struct cells *cells, int *n_done, int *n_unknown)
{
    double left = 0;
    *n_done = *n_unknown = 0;
    for (int i = 0; i < cells->count; i++) {
        const struct cell *cell = &cells->cell[i];
        double seconds = cell->is_trained ? 0 : guess_seconds(cells, cell, -1);
        for (int c = 0; c < cells->grid->n_columns; c++)
            if (cells->grid->measures[c] != GRID_SECONDS && cells_lacks(cells, cell, c))
                seconds += guess_seconds(cells, cell, c);
        *n_done += cells_is_done(cells, cell);
        *n_unknown += isnan(seconds);
        left += isnan(seconds) ? 0 : seconds;
    }
    return left;
}

/* -- table ------------------------------------------------------------------------------------------------------------------ */

static const struct cell *find_cell(const struct cells *cells, int task, int method, int64_t seed)
{
    for (int i = 0; i < cells->count; i++)
        if (cells->cell[i].task == task && cells->cell[i].method == method && cells->cell[i].seed == seed)
            return &cells->cell[i];
    return NULL;
}

static double value_of(const struct cells *cells, const struct cell *cell, int column)
{
    if (cells->grid->measures[column] != GRID_SECONDS)
        return cell->value[column];
    return cell->train_seconds / find_cell(cells, cell->task, cells->grid->yardsticks[column], cell->seed)->train_seconds;
}

/* Values of the seeds that have been measured; returns how many. */
static int gather(const struct cells *cells, int task, int method, int column, double values[GRID_SEEDS_MAX])
{
    int n = 0;
    for (int s = 0; s < cells->grid->n_seeds; s++) {
        double value = value_of(cells, find_cell(cells, task, method, cells->grid->seeds[s]), column);
        if (isfinite(value))
            values[n++] = value;
    }
    return n;
}

static void print_paper(const struct cells *cells, int task, int method, int column, int n, const struct interval *ours, FILE *out)
{
    double mean, spread, unit, ignored;
    grid_paper(cells->grid, task, method, column, &mean, &spread);
    if (cells->grid->measures[column] == GRID_SECONDS) { /* both as multiples of the yardstick */
        grid_paper(cells->grid, task, cells->grid->yardsticks[column], column, &unit, &ignored);
        mean /= unit;
        spread = NAN;
    }
    if (isnan(mean)) {
        fprintf(out, " %15s\n", "-");
        return;
    }
    char text[48] = "";
    snprintf(text, sizeof text, isnan(spread) ? "%.4g" : "%.4g +-%.2g", mean, spread);
    const char *mark = n < 2 ? "" : mean < ours->low ? "ours above" : mean > ours->high ? "ours below" : "within";
    fprintf(out, " %15s  %s\n", text, mark);
}

static int print_line(const struct cells *cells, int task, int method, int column, FILE *out)
{
    double values[GRID_SEEDS_MAX];
    char mean[24] = "-", range[48] = "";
    struct interval ours = {NAN, NAN, NAN};
    int n = gather(cells, task, method, column, values), r = n ? bootstrap_mean(values, n, &ours) : 0;
    if (r)
        return r;
    if (n)
        snprintf(mean, sizeof mean, "%.4g", ours.mean);
    if (n > 1)
        snprintf(range, sizeof range, "[%.4g, %.4g]", ours.low, ours.high);
    fprintf(out, "  %-12s %-12s %5d %10s %-20s", cells->grid->methods[method].name, cells->grid->columns[column].name, n, mean,
            range);
    print_paper(cells, task, method, column, n, &ours, out);
    return 0;
}

/* "holds": the intervals are apart; "holds in the mean", "reversed in the mean", "reversed". */
static const char *verdict(const struct interval *better, const struct interval *worse)
{
    if (better->mean > worse->mean)
        return better->low > worse->high ? "holds" : "holds in the mean, intervals overlap";
    return worse->low > better->high ? "reversed" : "reversed in the mean, intervals overlap";
}

static int print_ordering(const struct cells *cells, const struct grid_ordering *ordering, FILE *out)
{
    const struct grid *grid = cells->grid;
    int r = 0;
    for (int task = 0; task < grid->n_tasks && !r; task++) {
        double values[2][GRID_SEEDS_MAX];
        struct interval interval[2];
        int n[2] = {gather(cells, task, ordering->better, ordering->column, values[0]),
                    gather(cells, task, ordering->worse, ordering->column, values[1])};
        for (int i = 0; i < 2 && !r && n[i]; i++)
            r = bootstrap_mean(values[i], n[i], &interval[i]);
        const char *what = n[0] < 2 || n[1] < 2 ? "not enough seeds yet" : r ? "" : verdict(&interval[0], &interval[1]);
        fprintf(out, "  %s %s: %s above %s: %s\n", grid->tasks[task].name, grid->columns[ordering->column].name,
                grid->methods[ordering->better].name, grid->methods[ordering->worse].name, what);
    }
    return r;
}

int cells_print(const struct cells *cells, FILE *out, struct err *err)
{
    const struct grid *grid = cells->grid;
    int r = 0, at = 0;
    fprintf(out, "%s: %s\nsource: %s\n", grid->name, grid->title, grid->source);
    for (int task = 0; task < grid->n_tasks && !r; task++) {
        fprintf(out, "\n%s\n  %-12s %-12s %5s %10s %-20s %15s\n", grid->tasks[task].name, "method", "column", "seeds", "ours",
                "95 % interval", "paper");
        for (int method = 0; method < grid->n_methods && !r; method++)
            for (int column = 0; column < grid->n_columns && !r; column++)
                r = print_line(cells, task, method, column, out);
    }
    if (grid->n_orderings && !r)
        fprintf(out, "\norderings of the paper\n");
    for (int i = 0; i < grid->n_orderings && !r; i++)
        r = print_ordering(cells, &grid->orderings[i], out);
    for (const char *text; !r && (text = grid_difference(grid, &at));)
        fprintf(out, "\nother than in the paper: %s\n", text);
    return r ? err_set(err, r, "cannot print the table: out of memory") : 0;
}
