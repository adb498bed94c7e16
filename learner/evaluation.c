#include "learner/evaluation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFF(field) offsetof(struct evaluation_config, field)

static const struct config_row rows[] = {
    {"eval.episodes", CONFIG_INT, OFF(episodes), "500", 1, 100000, "episodes", NULL, "for each threat and victim"},
    {"eval.per_task", CONFIG_INT, OFF(per_task), "10", 1, 1000, "episodes", NULL,
     "whole episodes that one environment plays for an order; every environment plays as many, so short ones do not count more"},
    {"eval.threats", CONFIG_TEXT, OFF(threats), "clean,random", 0, 0, "", NULL,
     "what an evaluation looks at, each but clean with every agent (attack.adversaries: set of agents) in turn as the victim, with "
     "@all on all of them at once: clean, "
     "random, "
     "greedy, learned, pgd:0.5, noise:0.3@all, repeat:0.3@all"},
    {"eval.training_threats", CONFIG_TEXT, OFF(training_threats), "clean", 0, 0, "", NULL,
     "the same, for evaluations during training"},
};

const struct config_table evaluation_table = {"eval", rows, ARRAY_LEN(rows)};

int evaluation_config_bind(struct evaluation_config *config, const struct recipe *recipe, struct err *err)
{
    return config_bind(rows, ARRAY_LEN(rows), recipe, config, err);
}

struct evaluation_row {
    char threat[32];
    int victim;
    double *returns; /* [episodes] by episode */
    int64_t successes;
    bool has_success;
};

struct evaluation {
    uint32_t id;
    int n_rows, tasks_per_row, per_task, n_left;
    int64_t episodes;
    struct evaluation_row *rows;
    bool *is_done; /* [n_rows * tasks_per_row] */
};

/* "noise:0.3@all": everybody at once, no single victim. */
static bool has_no_victim(const char *threat)
{
    const char *at = strchr(threat, '@');
    return !strcmp(threat, "clean") || (at && !strcmp(at, "@all"));
}

static int add_threat(struct evaluation *evaluation, const char *threat, int V, struct err *err)
{
    bool is_alone = has_no_victim(threat);
    if (!threat[0] || strlen(threat) >= sizeof evaluation->rows[0].threat)
        return err_set(err, ERR_INVALID, "bad threat \"%s\" in a list of threats", threat);
    for (int v = is_alone ? -1 : 0; v < (is_alone ? 0 : V); v++) {
        struct evaluation_row *row = &evaluation->rows[evaluation->n_rows++];
        *row = (struct evaluation_row){.victim = v};
        memcpy(row->threat, threat, strlen(threat) + 1);
        if (!(row->returns = calloc((size_t)evaluation->episodes, sizeof *row->returns)))
            return err_set(err, ERR_NOMEM, "no memory for an evaluation");
    }
    return 0;
}

int evaluation_create(struct evaluation **out, const char *threats, int64_t episodes, int64_t per_task, int V, uint32_t id,
                      struct err *err)
{
    struct evaluation *evaluation = calloc(1, sizeof *evaluation);
    int n_threats = 1, r = 0;
    for (const char *p = threats; *p; p++)
        n_threats += *p == ',';
    if (!evaluation || !(evaluation->rows = calloc((size_t)n_threats * (size_t)V, sizeof *evaluation->rows))) {
        evaluation_destroy(&evaluation);
        return err_set(err, ERR_NOMEM, "no memory for an evaluation");
    }
    evaluation->id = id;
    evaluation->per_task = (int)(per_task < episodes ? per_task : episodes);
    evaluation->tasks_per_row = (int)((episodes + evaluation->per_task - 1) / evaluation->per_task);
    evaluation->episodes = (int64_t)evaluation->tasks_per_row * evaluation->per_task;
    for (const char *p = threats; !r && *p;) {
        char threat[64];
        size_t length = strcspn(p, ",");
        snprintf(threat, sizeof threat, "%.*s", (int)(length < 63 ? length : 63), p);
        r = add_threat(evaluation, threat, V, err);
        p += length + (p[length] == ',');
    }
    evaluation->n_left = evaluation_tasks(evaluation);
    if (!r && !(evaluation->is_done = calloc((size_t)evaluation->n_left + 1, sizeof *evaluation->is_done)))
        r = err_set(err, ERR_NOMEM, "no memory for an evaluation");
    if (r) {
        evaluation_destroy(&evaluation);
        return r;
    }
    *out = evaluation;
    return 0;
}

void evaluation_destroy(struct evaluation **evaluation_at)
{
    struct evaluation *evaluation = *evaluation_at;
    if (!evaluation)
        return;
    for (int i = 0; i < evaluation->n_rows; i++)
        free(evaluation->rows[i].returns);
    free(evaluation->rows);
    free(evaluation->is_done);
    free(evaluation);
    *evaluation_at = NULL;
}

static bool is_trained(const struct evaluation_row *row)
{
    return !strcmp(row->threat, "learned") || !strncmp(row->threat, "learned@", 8) || !strncmp(row->threat, "pgd:", 4);
}

bool evaluation_needs_adversary(const struct evaluation *evaluation)
{
    bool needs = false;
    for (int i = 0; i < evaluation->n_rows; i++)
        needs |= is_trained(&evaluation->rows[i]);
    return needs;
}

int evaluation_tasks(const struct evaluation *evaluation)
{
    return evaluation->n_rows * evaluation->tasks_per_row;
}

/* Task k of a row is lane k: each environment plays the first per_task episodes of its own lane. The tag is (id, row). */
void evaluation_task(const struct evaluation *evaluation, int index, struct order *order)
{
    const struct evaluation_row *row = &evaluation->rows[index / evaluation->tasks_per_row];
    *order = (struct order){.purpose = ORDER_EVALUATE,
                            .lane = index % evaluation->tasks_per_row,
                            .slice = (uint64_t)evaluation->id << 32 | (uint32_t)(index / evaluation->tasks_per_row),
                            .episodes = evaluation->per_task,
                            .victim = row->victim};
    snprintf(order->threat, sizeof order->threat, "%s", row->threat);
}

bool evaluation_take(struct evaluation *evaluation, const struct trajectory *trajectory, const struct batch_view *view)
{
    int row_index = (int)(uint32_t)trajectory->slice, task = trajectory->lane;
    if (trajectory->slice >> 32 != evaluation->id || row_index < 0 || row_index >= evaluation->n_rows || task < 0 ||
        task >= evaluation->tasks_per_row || view->episodes != evaluation->per_task)
        return false;
    struct evaluation_row *row = &evaluation->rows[row_index];
    bool *is_done = &evaluation->is_done[row_index * evaluation->tasks_per_row + task];
    if (*is_done)
        return false;
    *is_done = true;
    evaluation->n_left--;
    for (int e = 0; e < view->episodes; e++) {
        row->returns[task * evaluation->per_task + e] = view->record_return[e];
        row->successes += view->record_success[e] == 1;
        row->has_success |= view->record_success[e] != 2;
    }
    return true;
}

bool evaluation_is_done(const struct evaluation *evaluation)
{
    return evaluation->n_left == 0;
}

int evaluation_left(const struct evaluation *evaluation)
{
    return evaluation->n_left;
}

static double mean_return(const struct evaluation *evaluation, const struct evaluation_row *row)
{
    double sum = 0.0;
    for (int64_t i = 0; i < evaluation->episodes; i++)
        sum += row->returns[i];
    return sum / (double)evaluation->episodes;
}

void evaluation_summary(const struct evaluation *evaluation, double *clean, double *attacked_mean, double *attacked_lowest)
{
    double sum = 0.0;
    int n = 0;
    *clean = *attacked_mean = *attacked_lowest = NAN;
    for (int i = 0; i < evaluation->n_rows; i++) {
        const struct evaluation_row *row = &evaluation->rows[i];
        double mean = mean_return(evaluation, row);
        if (!strcmp(row->threat, "clean")) {
            *clean = mean;
            continue;
        }
        sum += mean;
        n++;
        *attacked_lowest = n == 1 || mean < *attacked_lowest ? mean : *attacked_lowest;
        *attacked_mean = sum / n;
    }
}

int evaluation_results(const struct evaluation *evaluation, struct results *results, int64_t attack_steps, struct err *err)
{
    int r = 0;
    for (int i = 0; i < evaluation->n_rows && !r; i++) {
        const struct evaluation_row *row = &evaluation->rows[i];
        r = results_add(results, row->threat, row->victim, is_trained(row) ? attack_steps : 0, row->returns, evaluation->episodes,
                        row->has_success ? row->successes : -1, err);
    }
    return r;
}
