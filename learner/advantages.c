#include "learner/advantages.h"

#include <math.h>
#include <stdlib.h>

#include "learner/returns.h"

int advantages_init(struct advantages *advantages, const struct batch_shape *shape, bool is_async)
{
    size_t rows = (size_t)shape->L * (size_t)shape->T * (size_t)shape->N;
    *advantages = (struct advantages){.is_async = is_async};
    if (!is_async)
        return 0;
    advantages->ratio = calloc(rows, sizeof(real));
    advantages->logp = calloc(rows, sizeof(real));
    if (advantages->ratio && advantages->logp)
        return 0;
    advantages_deinit(advantages);
    return ERR_NOMEM;
}

void advantages_deinit(struct advantages *advantages)
{
    free(advantages->ratio);
    free(advantages->logp);
    *advantages = (struct advantages){0};
}

/* exp(new - collecting log-probability) at the rows of one policy. */
static void ratios_of(struct advantages *advantages, struct updater *updater, const struct batch *batch, const struct model *model,
                      const int32_t *rows, int n_rows, bool is_adversary, int block_rows)
{
    struct policy_step step = {.batch = batch, .rows = rows, .n_rows = n_rows, .is_adversary = is_adversary};
    int per_lane = batch->shape.T * batch->shape.N;
    ppo_policy_logp(updater, model, &step, block_rows, advantages->logp);
    for (int i = 0; i < n_rows; i++) {
        const struct batch_view *view = &batch->view[rows[i] / per_lane];
        real old = is_adversary ? view->action_logp[rows[i] % per_lane] : view->intended_logp[rows[i] % per_lane];
        advantages->ratio[rows[i]] = (real)exp((double)advantages->logp[rows[i]] - (double)old);
    }
}

/* V-trace's policy-gradient advantage begins with rho = min(rho_bar, ratio). PPO's surrogate multiplies by the ratio to the collecting
 * policy itself, so the weight would count twice. Where the ratio is next to nothing so is the row's part of the surrogate; the
 * floor keeps the quotient finite. */
static void undo_leading_ratio(const struct advantages *advantages, double rho_bar, struct batch *batch)
{
    for (int i = 0; i < batch_rows(batch); i++) {
        double rho = fmin(rho_bar, (double)advantages->ratio[i]);
        batch->advantage[i] = (real)((double)batch->advantage[i] / fmax(rho, 1e-3));
    }
}

void advantages_compute(struct advantages *advantages, struct updater *updater, struct batch *batch,
                        const struct ppo_config *config, const struct model *defender, const struct model *adversary,
                        const uint8_t *counts_in)
{
    const struct batch_shape *s = &batch->shape;
    struct returns_in in = {.B = s->L,
                            .T = s->T,
                            .N = s->N,
                            .reward = batch->reward,
                            .value = batch->value,
                            .final_value = batch->final_value,
                            .terminated = batch->terminated,
                            .truncated = batch->truncated};
    int r;
    if (advantages->is_async) {
        for (int i = 0; i < batch_rows(batch); i++)
            advantages->ratio[i] = 1;
        if (defender)
            ratios_of(advantages, updater, batch, defender, batch->defender_rows, batch->n_defender_rows, false,
                      (int)config->block_rows);
        if (adversary)
            ratios_of(advantages, updater, batch, adversary, batch->adversary_rows, batch->n_adversary_rows, true,
                      (int)config->block_rows);
        r = vtrace_compute(&in, advantages->ratio, config->gamma, config->lambda, config->rho_bar, config->c_bar, batch->advantage,
                           batch->target);
        undo_leading_ratio(advantages, config->rho_bar, batch);
    } else {
        r = gae_compute(&in, config->gamma, config->lambda, batch->advantage, batch->target);
    }
    ASSERT(r == 0); /* the recipe's bounds hold the rates in range */
    if (counts_in)
        advantage_normalise(batch_rows(batch), counts_in, batch->advantage);
}
