/* WORST-CASE ATTACK. Li et al. 2024 (EIR-MAPPO), section 5 "non-oblivious": defender and belief are frozen, and for every victim
 * index a fresh adversary with a fresh critic learns to minimise the team's return. All victims are trained side by side: lane l
 * attacks victim l mod V (partition by-lane), an agent or, with attack.adversaries, a set of them that one net plays; each victim has nets of
 * its own, so nothing is shared between them.
 *   adversary/<v>   [O -> A]    PPO on -A_t of its own rows, advantages normalised by their own moments; a set's: [O+N -> A], with the
 *                               one-hot index of the agent behind the observation
 *   critic/<v>      [S+K -> 1]  value of the team reward on the victim's rows (only those enter the adversary's advantage)
 * Departures: 1. the released code trains the critic on all agents' rows, which the adversary never reads; 2. its advantages are
 * scaled by the (frozen) defenders' moments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/returns.h"
#include "learner/team.h"
#include "net/partition.h"

struct algorithm {
    struct team team;
    struct victims victims;
    int32_t *rows[SPEC_AGENTS_MAX]; /* the victim's rows in the lanes that attack it; shared storage */
    int n_rows[SPEC_AGENTS_MAX];
    int32_t *row_storage, *trajectories; /* [L,T,N]; [L] scratch */
    uint8_t *is_victim_row;              /* [L,T,N] */
};

static void destroy(struct algorithm **algorithm_at)
{
    struct algorithm *algorithm = *algorithm_at;
    if (!algorithm)
        return;
    team_deinit(&algorithm->team);
    free(algorithm->row_storage);
    free(algorithm->trajectories);
    free(algorithm->is_victim_row);
    free(algorithm);
    *algorithm_at = NULL;
}

static int add_frozen(struct algorithm *algorithm, const struct models *source, struct err *err)
{
    for (int i = 0; source && i < source->count; i++) {
        const struct model *from = &source->model[i];
        if (strcmp(from->id, "defender") && strcmp(from->id, "belief"))
            continue;
        struct model *model = models_add(&algorithm->team.models, from->id, &from->arch, 0, 1.0, true, err);
        if (!model)
            return ERR_NOMEM;
        memcpy(model->w, from->w, from->count * sizeof *model->w);
        model_changed(model);
        model->is_frozen = true;
    }
    return 0;
}

static int add_attackers(struct algorithm *algorithm, const struct algorithm_context *context, struct err *err)
{
    struct team *team = &algorithm->team;
    int width = context->shape->O + (algorithm->victims.together > 1 ? context->shape->N : 0);
    for (int v = 0; v < algorithm->victims.n; v++) {
        struct net_arch arch = ppo_policy_arch(&team->config, width, &context->shape->head);
        char id[32], norm[32];
        snprintf(id, sizeof id, "adversary/%d", v);
        if (!models_add(&team->models, id, &arch, context->seed, team->config.head_gain, true, err))
            return ERR_NOMEM;
        snprintf(id, sizeof id, "critic/%d", v);
        snprintf(norm, sizeof norm, "value/%d", v);
        int r = team_add_critic(team, id, norm, err);
        if (r)
            return r;
    }
    return 0;
}

/* Who the victims are, and whether every one has a lane. */
static int list_victims(struct algorithm *algorithm, const struct algorithm_context *context, struct err *err)
{
    struct partition_config partition;
    int r = partition_config_bind(&partition, context->recipe, err);
    if (r)
        return r;
    if (partition.kind != PARTITION_BY_LANE)
        return err_set(err, ERR_INVALID, "partition.kind must be by-lane: learner.algorithm worst-case trains a net per victim");
    if ((r = victims_init(&algorithm->victims, &partition, context->shape->N, err)))
        return r;
    if (context->shape->L < algorithm->victims.n)
        return err_set(err, ERR_INVALID, "rollout.lanes is %d: an attack needs at least one for each of the %d victims",
                       context->shape->L, algorithm->victims.n);
    return 0;
}

static int create(struct algorithm **out, const struct algorithm_context *context, struct err *err)
{
    struct algorithm *algorithm = calloc(1, sizeof *algorithm);
    if (!algorithm)
        return err_set(err, ERR_NOMEM, "no memory for the algorithm");
    size_t n_rows = (size_t)context->shape->L * (size_t)context->shape->T * (size_t)context->shape->N;
    int r = list_victims(algorithm, context, err);
    algorithm->row_storage = calloc(n_rows, sizeof(int32_t));
    algorithm->trajectories = calloc((size_t)context->shape->L, sizeof(int32_t));
    algorithm->is_victim_row = calloc(n_rows, 1);
    if (!r && (!algorithm->row_storage || !algorithm->trajectories || !algorithm->is_victim_row))
        r = err_set(err, ERR_NOMEM, "no memory for the algorithm");
    if (!r && !(r = team_begin(&algorithm->team, context, err)) && !(r = add_frozen(algorithm, context->source, err)) &&
        !(r = add_attackers(algorithm, context, err)))
        r = team_ready(&algorithm->team, err);
    if (r) {
        destroy(&algorithm);
        return r;
    }
    *out = algorithm;
    return 0;
}

static bool attacks(const struct algorithm *algorithm, const struct batch *batch, int trajectory, int v)
{
    return batch->view[trajectory].lane % algorithm->victims.n == v;
}

/* Sorts the adversaries' rows by victim, keeping their order. */
static void sort_rows(struct algorithm *algorithm, const struct batch *batch)
{
    int32_t *next = algorithm->row_storage;
    int per_trajectory = batch->shape.T * batch->shape.N;
    for (int v = 0; v < algorithm->victims.n; v++) {
        algorithm->rows[v] = next;
        for (int i = 0; i < batch->n_adversary_rows; i++)
            if (attacks(algorithm, batch, batch->adversary_rows[i] / per_trajectory, v))
                *next++ = batch->adversary_rows[i];
        algorithm->n_rows[v] = (int)(next - algorithm->rows[v]);
    }
}

struct sums { /* over victims, for the report */
    double loss, entropy, critic_loss;
};

static void update_victim(struct algorithm *algorithm, struct batch *batch, int v, const struct progress *progress,
                          struct sums *sums)
{
    struct team *team = &algorithm->team;
    char id[32];
    snprintf(id, sizeof id, "adversary/%d", v);
    struct model *adversary = models_find(&team->models, id);
    snprintf(id, sizeof id, "critic/%d", v);
    struct model *critic = models_find(&team->models, id);
    struct policy_step step = {.batch = batch,
                               .rows = algorithm->rows[v],
                               .n_rows = algorithm->n_rows[v],
                               .is_adversary = true,
                               .advantage = batch->advantage,
                               .sign = -1,
                               .clip = team->config.clip,
                               .entropy = team->config.entropy};
    struct policy_result policy;
    struct critic_result value;
    memset(algorithm->is_victim_row, 0, (size_t)batch_rows(batch));
    for (int i = 0; i < step.n_rows; i++)
        algorithm->is_victim_row[step.rows[i]] = 1;
    advantage_normalise(batch_rows(batch), algorithm->is_victim_row, batch->advantage);
    ppo_policy(&team->updater, adversary, &step, ppo_lr(&team->config, team->config.lr, progress), team->config.max_norm,
               (int)team->config.epochs, (int)team->config.block_rows, &policy);
    ppo_critic(&team->updater, critic, &team->models.norms[v].norm, batch, step.rows, step.n_rows, &team->config,
               ppo_lr(&team->config, team->config.critic_lr, progress), &value);
    sums->loss += policy.loss;
    sums->entropy += policy.entropy;
    sums->critic_loss += value.loss;
}

/* A victim's critic on its agents' rows. */
static void take_values(struct algorithm *algorithm, struct batch *batch, int v)
{
    struct team *team = &algorithm->team;
    char id[32];
    int n = 0;
    snprintf(id, sizeof id, "critic/%d", v);
    for (int l = 0; l < batch->shape.L; l++)
        if (attacks(algorithm, batch, l, v))
            algorithm->trajectories[n++] = l;
    for (int agent = 0; agent < batch->shape.N; agent++)
        if (algorithm->victims.mask[v] >> agent & 1)
            ppo_values_of_agent(&team->updater, models_find(&team->models, id), &team->models.norms[v].norm, batch, agent,
                                algorithm->trajectories, n, (int)team->config.block_rows);
}

static void update(struct algorithm *algorithm, struct batch *batch, const struct progress *progress, struct report *report)
{
    struct team *team = &algorithm->team;
    struct sums sums = {0};
    sort_rows(algorithm, batch);
    int V = algorithm->victims.n;
    for (int v = 0; v < V; v++)
        take_values(algorithm, batch, v);
    for (int v = 0; v < V; v++) {
        /* each victim's normalisation writes over all rows, so advantages are taken anew; they cost little */
        advantages_compute(&team->advantages, &team->updater, batch, &team->config, models_find(&team->models, "defender"), NULL,
                           NULL);
        update_victim(algorithm, batch, v, progress, &sums);
    }
    report_add(report, "adversary/loss", sums.loss / V);
    report_add(report, "adversary/entropy", sums.entropy / V);
    report_add(report, "critic/loss", sums.critic_loss / V);
    report_add(report, "skipped", (double)team->updater.skipped);
}

static struct models *models(struct algorithm *algorithm)
{
    return &algorithm->team.models;
}

const struct algorithm_ops algorithm_worst_case = {
    .name = "worst-case",
    .summary = "trains a fresh adversary per victim against a frozen team; what `testudo attack` runs",
    .create = create,
    .destroy = destroy,
    .update = update,
    .models = models,
};
