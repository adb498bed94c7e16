/* What robust methods cost beside their backbone: the same trajectories go to the backbone's trainer and to each method's, in turn, one update
 * each, in an order that rotates; medians of processor time of an update over rounds in which an episode ended. One thread.
 *
 *   overhead [rounds]     from the repository's folder, whose recipes it reads
 *
 * "of an episode": the method's surplus over backbone's update and rollout together, which is what the paper's table of times compares (Li et al.
 * 2025, arXiv:2310.09833, table II: seconds of one episode including learning). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "actor/rollout.h"
#include "base/file.h"
#include "learner/trainer.h"

enum { METHODS_MAX = 8, ROUNDS_MAX = 1000 };

struct task {
    const char *title, *task[3];
    const char *methods[METHODS_MAX]; /* recipes; the first is the backbone */
};

static const struct task tasks[] = {
    {"QMIX, 4m_vs_3m",
     {"env.name=smac", "env.scenario=4m_vs_3m", "rollout.steps=60"},
     {"qmix", "mir3-qmix", "ernie-qmix", "rom-q-qmix"}},
    {"MADDPG, 4m_vs_3m",
     {"env.name=smac", "env.scenario=4m_vs_3m", "rollout.steps=60"},
     {"maddpg", "mir3-maddpg", "ernie-maddpg", "rom-q-maddpg", "m3ddpg", "romax"}},
    {"MADDPG, rendezvous with 4 robots",
     {"env.name=rendezvous", "env.scenario=mir3-4", "rollout.steps=200"},
     {"maddpg-box", "mir3-maddpg-box", "ernie-maddpg-box", "m3ddpg-box", "romax-box"}},
};

struct contest {
    struct trainer *trainer[METHODS_MAX];
    double seconds[METHODS_MAX][ROUNDS_MAX], acting[ROUNDS_MAX];
    int n, rounds;
};

static void die(const struct err *err)
{
    fprintf(stderr, "overhead: %s\n", err->text);
    exit(1);
}

static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static struct recipe *recipe_of(const struct task *task, const char *method)
{
    static const char *const common[] = {"rollout.lanes=1", "learner.threads=1", "replay.episodes=64"};
    struct recipe *recipe = recipe_create();
    struct err err = {""};
    unsigned char *text;
    size_t length;
    char path[256];
    snprintf(path, sizeof path, "deploy/recipes/%s.yaml", method);
    if (!recipe || file_read(path, RECIPE_BYTES_MAX, &text, &length, &err) ||
        recipe_parse(recipe, path, (char *)text, length, &err))
        die(&err);
    free(text);
    for (size_t i = 0; i < ARRAY_LEN(common); i++)
        if (recipe_set_argument(recipe, common[i], &err) || recipe_set_argument(recipe, task->task[i], &err))
            die(&err);
    return recipe;
}

static double updates_of(const struct report *report)
{
    for (int i = 0; i < report->count; i++)
        if (strstr(report->entries[i].name, "/updates"))
            return report->entries[i].value;
    return 0;
}

/* One slice by the backbone's weights, and an update of everybody on it. False when no episode ended, or too few are there yet. */
static bool play_round(struct contest *c, struct rollout *rollout, struct trajectory *t, uint64_t slice)
{
    struct weights *weights;
    struct err err = {""};
    struct order order = {.number = slice + 1, .slice = slice, .version = {1, slice + 1}, .victim = -1};
    const struct trajectory *batch[] = {t};
    double updates = 0, start;
    if (trainer_weights(c->trainer[0], order.version, &weights, &err))
        die(&err);
    start = processor_seconds();
    if (rollout_run(rollout, weights, (const struct order *[]){&order}, 1, &t, NULL, &err))
        die(&err);
    double acting = processor_seconds() - start;
    weights_unref(&weights);
    for (int k = 0; k < c->n; k++) {
        int which = (int)((slice + (uint64_t)k) % (uint64_t)c->n);
        struct report report = {0};
        start = processor_seconds();
        trainer_update(c->trainer[which], batch, &report);
        updates = updates_of(&report);
        c->seconds[which][c->rounds] = (processor_seconds() - start) / (updates > 0 ? updates : 1);
    }
    if (updates > 0)
        c->acting[c->rounds] = acting / updates;
    return updates > 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static void compete(const struct task *task, int rounds)
{
    static struct contest contest;
    struct recipe *recipe = recipe_of(task, task->methods[0]);
    struct rollout *rollout;
    struct err err = {""};
    contest = (struct contest){0};
    if (rollout_create(&rollout, recipe, &err))
        die(&err);
    recipe_destroy(&recipe);
    for (; task->methods[contest.n]; contest.n++) {
        recipe = recipe_of(task, task->methods[contest.n]);
        if (trainer_create(&contest.trainer[contest.n], recipe, rollout_spec(rollout), rollout_schema(rollout), NULL, &err))
            die(&err);
        recipe_destroy(&recipe);
    }
    struct trajectory t = {.capacity = (schema_bytes_max(rollout_schema(rollout)) + 63) & ~(size_t)63};
    t.frame = aligned_alloc(64, t.capacity);
    for (uint64_t slice = 0; contest.rounds < rounds; slice++)
        contest.rounds += play_round(&contest, rollout, &t, slice);
    double acting = median(contest.acting, rounds), backbone = median(contest.seconds[0], rounds);
    printf("%s: %d updates each; rollout %.2f ms an episode\n", task->title, rounds, 1e3 * acting);
    for (int k = 0; k < contest.n; k++) {
        double seconds = k ? median(contest.seconds[k], rounds) : backbone;
        printf("  %-20s %8.2f ms an update  %+6.1f %%   of an episode %+6.1f %%\n", task->methods[k], 1e3 * seconds,
               100 * (seconds / backbone - 1), 100 * (seconds - backbone) / (backbone + acting));
        trainer_destroy(&contest.trainer[k]);
    }
    free(t.frame);
    rollout_destroy(&rollout);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 60;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: overhead [rounds]   1 to %d\n", ROUNDS_MAX);
        return 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        compete(&tasks[i], rounds);
    return 0;
}
