/* How fast a whole run is: see bench.h. The learner says in progress.csv how long each cycle and each update took, an actor says in the
 * log how long it acted and stepped; what remains of a cycle is transport, coding, waking up and waiting. Actors work side by
 * side, so the busiest one counts. */
#include "deploy/bench.h"

#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "deploy/cluster.h"
#include "deploy/runs.h"
#include "deploy/settings.h"

#define WARM_UP 2 /* updates that are left out: first touch of memory, first files */
#define UPDATES_MAX 256
#define FILE_MAX ((size_t)16 << 20)

struct task {
    const char *name, *environment, *scenario, *steps;
};

static const struct task tasks[] = {
    {"matrix game", "env.name=matrix", NULL, "run.steps=120k"},
    {"foraging 12x12-4p-3f-c", "env.name=foraging", "env.scenario=12x12-4p-3f-c", "run.steps=60k"},
};

struct cycles { /* seconds of each update */
    int count;
    double cycle[UPDATES_MAX], update[UPDATES_MAX];
};

/* ---- the run ---- */

static int load(struct recipe **recipe, const struct task *task, struct err *err)
{
    const char *arguments[16];
    int n = 0;
    arguments[n++] = "rollout.lanes=20";
    arguments[n++] = "rollout.steps=200";
    arguments[n++] = "eir.interval=1";
    arguments[n++] = "run.mode=sync";
    arguments[n++] = "run.name=bench";
    arguments[n++] = "run.checkpoint_every=1000";
    arguments[n++] = "eval.threats=clean";
    arguments[n++] = "eval.episodes=1";
    arguments[n++] = task->steps;
    arguments[n++] = task->environment;
    if (task->scenario)
        arguments[n++] = task->scenario;
    return settings_load(recipe, "eir-mappo", arguments, n, err);
}

static int train(const struct task *task, const char *root, char folder[PATH_MAX], struct err *err)
{
    struct recipe *recipe;
    struct run run;
    int r = load(&recipe, task, err);
    if (r)
        return r;
    r = run_open(&run, root, recipe, "testudo bench train", err);
    recipe_destroy(&recipe);
    if (r)
        return r;
    struct progress_status status;
    const struct cluster_options options = {.task = "train", .run_folder = run.folder, .label = "", .is_quiet = true};
    snprintf(folder, PATH_MAX, "%s", run.folder);
    r = cluster_run(&options, &status, err);
    run_close(&run);
    return r;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

/* ---- what it says about itself ---- */

static int read_text(char **text, const char *folder, const char *name, struct err *err)
{
    char path[PATH_MAX];
    unsigned char *data;
    size_t length;
    int r = file_join(path, sizeof path, folder, name);
    if (r || (r = file_read(path, FILE_MAX, &data, &length, err)))
        return r;
    *text = realloc(data, length + 1);
    if (!*text) {
        free(data);
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    (*text)[length] = 0;
    return 0;
}

/* The number in a column of a line of comma-separated values; NaN when there is none. */
static double field(const char *line, int column)
{
    for (; column > 0 && *line && *line != '\n'; line++)
        column -= *line == ',';
    char *end;
    double value = strtod(line, &end);
    return column == 0 && end != line ? value : NAN;
}

static int find_column(const char *header, const char *name)
{
    size_t length = strlen(name);
    int column = 0;
    for (const char *p = header; *p && *p != '\n'; column++) {
        if (!strncmp(p, name, length) && strchr(",\n", p[length]))
            return column;
        p += strcspn(p, ",\n");
        p += *p == ',';
    }
    return -1;
}

static int read_cycles(struct cycles *cycles, const char *folder, struct err *err)
{
    char *text;
    int r = read_text(&text, folder, "progress.csv", err);
    if (r)
        return r;
    int wall = find_column(text, "wall_seconds"), update = find_column(text, "seconds/update"), row = 0;
    double before = 0;
    for (char *line = strchr(text, '\n'); line && line[1] && cycles->count < UPDATES_MAX; line = strchr(line, '\n'), row++) {
        double now = field(++line, wall);
        if (row >= WARM_UP) {
            cycles->cycle[cycles->count] = now - before;
            cycles->update[cycles->count++] = field(line, update);
        }
        before = now;
    }
    free(text);
    return wall >= 0 && update >= 0 && cycles->count ? 0 : err_set(err, ERR_FORMAT, "the run in %s left no progress", folder);
}

/* Seconds that the busiest actor spent in nets and environments. */
static int read_acting(double *seconds, const char *folder, struct err *err)
{
    static const char mark[] = "rollout seconds ";
    char *text;
    int r = read_text(&text, folder, "log.txt", err);
    if (r)
        return r;
    *seconds = 0;
    for (const char *at = strstr(text, mark); at; at = strstr(at + 1, mark)) {
        double acting, stepping;
        if (sscanf(at + sizeof mark - 1, "acting=%lf stepping=%lf", &acting, &stepping) == 2 && acting + stepping > *seconds)
            *seconds = acting + stepping;
    }
    free(text);
    return *seconds > 0 ? 0 : err_set(err, ERR_FORMAT, "no actor of the run in %s says what it did", folder);
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int count)
{
    double sorted[UPDATES_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    return sorted[count / 2];
}

static void add(struct figures *figures, const struct task *task, const char *what, double value, const char *unit, double must,
                double aim)
{
    char name[128];
    snprintf(name, sizeof name, "%s: %s", task->name, what);
    figures_add(figures, &(struct figure){"train", name, unit, value, must, aim});
}

static int bench_task(struct figures *figures, const struct task *task, const char *root, struct err *err)
{
    char folder[PATH_MAX];
    struct cycles cycles = {0};
    double acting, cycle = 0, update = 0;
    int r = train(task, root, folder, err);
    if (r || (r = read_cycles(&cycles, folder, err)) || (r = read_acting(&acting, folder, err)))
        return r;
    for (int i = 0; i < cycles.count; i++) {
        cycle += cycles.cycle[i] / cycles.count;
        update += cycles.update[i] / cycles.count;
    }
    acting /= cycles.count + WARM_UP;
    add(figures, task, "EIR-MAPPO through the broker, 20 x 200", 20 * 200 / median(cycles.cycle, cycles.count), "steps/s", 0, 0);
    add(figures, task, "share of a cycle updating", update / cycle, "", 0, 0);
    add(figures, task, "share of a cycle acting and stepping", acting / cycle, "", 0, 0);
    add(figures, task, "share of a cycle doing neither", 1 - (update + acting) / cycle, "", 0.15, 0.05);
    return 0;
}

int bench_train(struct figures *figures, struct err *err)
{
    const char *temporary = getenv("TMPDIR");
    char root[PATH_MAX];
    int r = 0;
    snprintf(root, sizeof root, "%s/testudo-bench-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(root))
        return err_set(err, ERR_IO, "cannot make a folder like %s", root);
    for (size_t i = 0; i < ARRAY_LEN(tasks) && !r; i++)
        r = bench_task(figures, &tasks[i], root, err);
    nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return r;
}
