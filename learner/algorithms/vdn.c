/* VDN. Sunehag et al. 2018, arXiv:1706.05296: Q_tot is the sum of the agents' values (eq. 1); everything else is q_learning.h.
 *   theirs         ours      shape      meaning
 *   Q~_i(h_i,a_i)  chosen    [R,N]      the agent net's value of the action that was done
 * Departures: 1. PyMARL's nets and numbers (one GRU agent net for all, double Q, no dueling head, no messages), as QMIX is compared
 * with it. */
#include <stdlib.h>

#include "learner/q_learning.h"

struct algorithm {
    struct q_team team;
};

static struct node *mix(const struct q_mixing *mixing)
{
    return tape_sum_columns(mixing->tape, mixing->chosen);
}

static void destroy(struct algorithm **algorithm_at)
{
    struct algorithm *algorithm = *algorithm_at;
    if (!algorithm)
        return;
    q_deinit(&algorithm->team);
    free(algorithm);
    *algorithm_at = NULL;
}

static int create(struct algorithm **out, const struct algorithm_context *context, struct err *err)
{
    struct algorithm *algorithm = calloc(1, sizeof *algorithm);
    if (!algorithm)
        return err_set(err, ERR_NOMEM, "no memory for the algorithm");
    int r = q_begin(&algorithm->team, context, mix, err);
    if (!r)
        r = q_ready(&algorithm->team, context, err);
    if (r) {
        destroy(&algorithm);
        return r;
    }
    *out = algorithm;
    return 0;
}

static void update(struct algorithm *algorithm, struct batch *batch, const struct progress *progress, struct report *report)
{
    q_update(&algorithm->team, batch, progress, report);
}

static struct models *models(struct algorithm *algorithm)
{
    return &algorithm->team.models;
}

static int tables(const struct algorithm *algorithm, const struct progress *progress, struct weights *weights, struct err *err)
{
    return q_tables(&algorithm->team, progress, weights, err);
}

static int save(const struct algorithm *algorithm, struct safetensors *file, struct err *err)
{
    return replay_save(algorithm->team.replay, file, err);
}

static int load(struct algorithm *algorithm, const struct safetensors *file, bool only_looks, struct err *err)
{
    return replay_load(algorithm->team.replay, file, only_looks, err);
}

static struct replay *replay(const struct algorithm *algorithm)
{
    return algorithm->team.replay;
}

const struct algorithm_ops algorithm_vdn = {
    .name = "vdn",
    .summary = "VDN: agents' action values add up to the team's",
    .create = create,
    .destroy = destroy,
    .update = update,
    .models = models,
    .reports = q_reports,
    .tables = tables,
    .save = save,
    .load = load,
    .replay = replay,
};
