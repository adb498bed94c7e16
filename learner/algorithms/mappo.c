/* MAPPO. Yu et al. 2022, arXiv:2103.01955, with one policy and one critic shared by all agents; and two regularisers on it: MIR3, Li
 * et al. 2025, arXiv:2310.09833, r^MI = r - lambda I(h; a), subtracted before GAE (regularisers/mi.c); and ERNIE, Bukharin et al. 2023,
 * arXiv:2310.10810, lambda max D(pi(o + delta), pi(o)) added to the policy's loss (regularisers/smoothness.c). Weight 0: plain MAPPO.
 *   theirs      ours         shape       meaning
 *   V_phi       critic       [S+K -> 1]  evaluated on every agent's own state row
 *   pi_theta    defender     [O+K -> A]  the agents' id lies in the observation
 * Departures: 1. one minibatch and no data chunks, as EIR-MAPPO's code base has it, whose published numbers are the defaults;
 * 2. the value normaliser is updated once per critic pass. */
#include <stdlib.h>

#include "learner/regularisers/mi.h"
#include "learner/regularisers/smoothness.h"
#include "learner/team.h"

struct algorithm {
    struct team team;
    struct mi mi;
    struct smoothness smoothness;
};

static void destroy(struct algorithm **algorithm_at)
{
    struct algorithm *algorithm = *algorithm_at;
    if (!algorithm)
        return;
    mi_deinit(&algorithm->mi);
    team_deinit(&algorithm->team);
    free(algorithm);
    *algorithm_at = NULL;
}

static int create(struct algorithm **out, const struct algorithm_context *context, struct err *err)
{
    struct algorithm *algorithm = calloc(1, sizeof *algorithm);
    if (!algorithm)
        return err_set(err, ERR_NOMEM, "no memory for the algorithm");
    struct mi_widths widths = mi_batch_widths(context->shape);
    int r;
    if ((r = team_begin(&algorithm->team, context, err)) ||
        (r = smoothness_init(&algorithm->smoothness, context, SMOOTHNESS_POLICY, err)))
        goto failed;
    algorithm->team.recordings = smoothness_is_on(&algorithm->smoothness) ? 2 : 1;
    if ((r = team_add_defender(&algorithm->team, err)) || (r = team_add_critic(&algorithm->team, "critic", "value", err)) ||
        (r = mi_init(&algorithm->mi, context, &algorithm->team.models, &widths, context->shape->L * context->shape->T, err)) ||
        (r = team_ready(&algorithm->team, err)))
        goto failed;
    *out = algorithm;
    return 0;
failed:
    destroy(&algorithm);
    return r;
}

static void update(struct algorithm *algorithm, struct batch *batch, const struct progress *progress, struct report *report)
{
    struct team *team = &algorithm->team;
    struct model *defender = models_find(&team->models, "defender"), *critic = models_find(&team->models, "critic");
    struct value_norm *norm = &team->models.norms[0].norm;
    int block = (int)team->config.block_rows;
    struct policy_step step = {.batch = batch,
                               .rows = batch->defender_rows,
                               .n_rows = batch->n_defender_rows,
                               .advantage = batch->advantage,
                               .sign = 1,
                               .clip = team->config.clip,
                               .entropy = team->config.entropy,
                               .smoothness = smoothness_is_on(&algorithm->smoothness) ? &algorithm->smoothness : NULL,
                               .update = progress->update};
    struct policy_result policy;
    struct critic_result value;

    mi_shape_rewards(&algorithm->mi, &team->updater, batch, progress, report);
    ppo_values(&team->updater, critic, norm, batch, block);
    advantages_compute(&team->advantages, &team->updater, batch, &team->config, defender, NULL, batch->is_defender);
    ppo_policy(&team->updater, defender, &step, ppo_lr(&team->config, team->config.lr, progress), team->config.max_norm,
               (int)team->config.epochs, block, &policy);
    ppo_critic(&team->updater, critic, norm, batch, NULL, batch_rows(batch), &team->config,
               ppo_lr(&team->config, team->config.critic_lr, progress), &value);

    team_report_policy(report, "policy/", &policy);
    if (step.smoothness)
        report_add(report, "smoothness", policy.smoothness);
    report_add(report, "critic/loss", value.loss);
    report_add(report, "skipped", (double)team->updater.skipped);
}

static struct models *models(struct algorithm *algorithm)
{
    return &algorithm->team.models;
}

const struct algorithm_ops algorithm_mappo = {
    .name = "mappo",
    .summary = "MAPPO; with mi.lambda above 0 MIR3's information penalty, with smoothness.weight ERNIE's smooth policies",
    .create = create,
    .destroy = destroy,
    .update = update,
    .models = models,
};
