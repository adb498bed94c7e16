/* EIR-MAPPO. Li, Guo, Xiu, Xu, Xu, Liu, Liu: "Byzantine Robust Cooperative Multi-Agent Reinforcement Learning as a Bayesian
 * Game", ICLR 2024, arXiv:2305.12872. Ex interim robustness: a defender acts on its observation and its belief about types.
 *   theirs            ours           shape          meaning
 *   theta_i           slot           [L,T,N]        1 where agent i is the adversary of the episode
 *   b_i               knowledge      [L,T+1,N,N]    belief as acted on (stored, never recomputed)
 *   p(theta | H_i)    belief         [O -> N]       recurrent, trained by binary cross-entropy with the true theta
 *   pi(a | H_i, b_i)  defender       [O+K -> A]     PPO on +A, rows of (1 - theta_i)
 *   pihat(a | H, theta) adversary    [O(+N) -> A]   PPO on -A, rows of theta_i; the same critic, zero-sum
 *   V(s, b_i)         critic         [S+K -> 1]     all agents' rows, not masked
 * With knowledge.kind none this is EAR-MAPPO (ex ante, no types known), with true-type the paper's upper bound: recipes, not code.
 * Two timescales by frequency: the adversary learns from every rollout, the rest from every eir.interval-th (algorithm 1).
 * Departures from the released code: 1. theta is drawn per episode and lane, not per rollout; 2. on adversary-only rollouts the
 * prior of theta stays, where the code attacks every environment; 3. the adversary's input when learning is the one it acted
 * on; 4. no teacher forcing and no white-box inputs (neither is in the paper); 5. the bootstrap value sees the belief of the
 * step after the slice, not zeros. */
#include <stdlib.h>

#include "learner/returns.h"
#include "learner/team.h"

#define OFF(field) offsetof(struct eir_config, field)

struct eir_config {
    int64_t interval, adversary_epochs, belief_epochs;
    double adversary_lr, adversary_entropy, belief_lr, warm_start;
    bool belief_always, own_normalisation;
};

static const struct config_row rows[] = {
    {"eir.interval", CONFIG_INT, OFF(interval), "5", 1, 1000, "updates", NULL,
     "the adversary learns from every rollout, the rest from every interval-th; the paper has 5 (toy game 10), the released file "
     "1"},
    {"eir.adversary_lr", CONFIG_REAL, OFF(adversary_lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of the adversary"},
    {"eir.adversary_entropy", CONFIG_REAL, OFF(adversary_entropy), "0.01", 0, 10, "", NULL, "weight of the adversary's entropy"},
    {"eir.adversary_epochs", CONFIG_INT, OFF(adversary_epochs), "5", 1, 1000, "", NULL, "passes over a batch for the adversary"},
    {"eir.belief_lr", CONFIG_REAL, OFF(belief_lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of the belief net"},
    {"eir.belief_epochs", CONFIG_INT, OFF(belief_epochs), "5", 1, 1000, "", NULL, "passes over a batch for the belief net"},
    {"eir.belief_always", CONFIG_BOOL, OFF(belief_always), "false", 0, 0, "", NULL,
     "train the belief on adversary-only rollouts too, as the released code does; the paper keeps the rest fixed"},
    {"eir.warm_start", CONFIG_REAL, OFF(warm_start), "0", 0, 1, "share of the run", NULL,
     "rollouts without any adversary at the start"},
    {"eir.own_normalisation", CONFIG_BOOL, OFF(own_normalisation), "false", 0, 0, "", NULL,
     "normalise the adversary's advantages by their own moments; published: by the defenders'"},
};

struct algorithm {
    struct team team;
    struct eir_config config;
    bool has_belief;
    real *adversary_advantage; /* [L,T,N] with own_normalisation */
    uint8_t *is_adversary;
};

static void destroy(struct algorithm **algorithm_at)
{
    struct algorithm *algorithm = *algorithm_at;
    if (!algorithm)
        return;
    team_deinit(&algorithm->team);
    free(algorithm->adversary_advantage);
    free(algorithm->is_adversary);
    free(algorithm);
    *algorithm_at = NULL;
}

static int add_nets(struct algorithm *algorithm, const struct algorithm_context *context, struct err *err)
{
    struct team *team = &algorithm->team;
    const struct batch_shape *s = context->shape;
    struct net_arch adversary = ppo_policy_arch(&team->config, s->O + (s->K ? s->N : 0), &s->head);
    int r;
    if ((r = team_add_defender(team, err)) || (r = team_add_critic(team, "critic", "value", err)))
        return r;
    if (!models_add(&team->models, "adversary", &adversary, context->seed, team->config.head_gain, true, err))
        return ERR_INVALID;
    algorithm->has_belief = context->knowledge->kind == KNOWLEDGE_BELIEF;
    struct net_arch belief = knowledge_belief_arch(context->knowledge, context->spec);
    if (algorithm->has_belief && !models_add(&team->models, "belief", &belief, context->seed, team->config.head_gain, true, err))
        return ERR_INVALID;
    return 0;
}

static int create(struct algorithm **out, const struct algorithm_context *context, struct err *err)
{
    struct algorithm *algorithm = calloc(1, sizeof *algorithm);
    if (!algorithm)
        return err_set(err, ERR_NOMEM, "no memory for the algorithm");
    size_t n_rows = (size_t)context->shape->L * (size_t)context->shape->T * (size_t)context->shape->N;
    int r;
    if ((r = config_bind(rows, ARRAY_LEN(rows), context->recipe, &algorithm->config, err)) ||
        (r = team_begin(&algorithm->team, context, err)) || (r = add_nets(algorithm, context, err)) ||
        (r = team_ready(&algorithm->team, err)))
        goto failed;
    algorithm->adversary_advantage = calloc(n_rows, sizeof(real));
    algorithm->is_adversary = calloc(n_rows, 1);
    if (!algorithm->adversary_advantage || !algorithm->is_adversary) {
        r = err_set(err, ERR_NOMEM, "no memory for the algorithm");
        goto failed;
    }
    *out = algorithm;
    return 0;
failed:
    destroy(&algorithm);
    return r;
}

/* Critic and advantages of this rollout, normalised over the defenders' rows, applied to all (the adversary's included). */
static void evaluate_rollout(struct algorithm *algorithm, struct batch *batch)
{
    struct team *team = &algorithm->team;
    const struct model *critic = models_find(&team->models, "critic"), *defender = models_find(&team->models, "defender");
    const struct model *adversary = models_find(&team->models, "adversary");
    ppo_values(&team->updater, critic, &team->models.norms[0].norm, batch, (int)team->config.block_rows);
    advantages_compute(&team->advantages, &team->updater, batch, &team->config, defender, adversary, NULL);
    if (algorithm->config.own_normalisation) {
        for (int r = 0; r < batch_rows(batch); r++) {
            algorithm->adversary_advantage[r] = batch->advantage[r];
            algorithm->is_adversary[r] = 0;
        }
        for (int i = 0; i < batch->n_adversary_rows; i++)
            algorithm->is_adversary[batch->adversary_rows[i]] = 1;
        advantage_normalise(batch_rows(batch), algorithm->is_adversary, algorithm->adversary_advantage);
    }
    advantage_normalise(batch_rows(batch), batch->is_defender, batch->advantage);
}

/* Defenders: sum over (1 - theta_i) of min(ratio A, clip(ratio) A) + entropy. */
static void update_defender(struct algorithm *algorithm, const struct batch *batch, const struct progress *progress,
                            struct report *report)
{
    struct team *team = &algorithm->team;
    struct policy_step step = {.batch = batch,
                               .rows = batch->defender_rows,
                               .n_rows = batch->n_defender_rows,
                               .advantage = batch->advantage,
                               .sign = 1,
                               .clip = team->config.clip,
                               .entropy = team->config.entropy};
    struct policy_result result;
    ppo_policy(&team->updater, models_find(&team->models, "defender"), &step, ppo_lr(&team->config, team->config.lr, progress),
               team->config.max_norm, (int)team->config.epochs, (int)team->config.block_rows, &result);
    team_report_policy(report, "policy/", &result);
}

/* Adversary: sum over theta_i of the same with -A. */
static void update_adversary(struct algorithm *algorithm, const struct batch *batch, struct report *report)
{
    struct team *team = &algorithm->team;
    const struct eir_config *config = &algorithm->config;
    struct policy_step step = {.batch = batch,
                               .rows = batch->adversary_rows,
                               .n_rows = batch->n_adversary_rows,
                               .is_adversary = true,
                               .advantage = config->own_normalisation ? algorithm->adversary_advantage : batch->advantage,
                               .sign = -1,
                               .clip = team->config.clip,
                               .entropy = config->adversary_entropy};
    struct policy_result result;
    ppo_policy(&team->updater, models_find(&team->models, "adversary"), &step, config->adversary_lr, team->config.max_norm,
               (int)config->adversary_epochs, (int)team->config.block_rows, &result);
    team_report_policy(report, "adversary/", &result);
}

static void update_critic(struct algorithm *algorithm, const struct batch *batch, const struct progress *progress,
                          struct report *report)
{
    struct team *team = &algorithm->team;
    struct critic_result result;
    ppo_critic(&team->updater, models_find(&team->models, "critic"), &team->models.norms[0].norm, batch, NULL, batch_rows(batch),
               &team->config, ppo_lr(&team->config, team->config.critic_lr, progress), &result);
    report_add(report, "critic/loss", result.loss);
}

static void update_belief(struct algorithm *algorithm, const struct batch *batch, struct report *report)
{
    struct team *team = &algorithm->team;
    struct belief_result result;
    ppo_belief(&team->updater, models_find(&team->models, "belief"), batch, algorithm->config.belief_lr, team->config.max_norm,
               (int)algorithm->config.belief_epochs, (int)team->config.block_rows, &result);
    report_add(report, "belief/loss", result.loss);
    report_add(report, "belief/accuracy", result.accuracy);
}

static void update(struct algorithm *algorithm, struct batch *batch, const struct progress *progress, struct report *report)
{
    bool is_team_turn = (progress->update + 1) % (uint64_t)algorithm->config.interval == 0;
    evaluate_rollout(algorithm, batch);
    if (is_team_turn)
        update_defender(algorithm, batch, progress, report);
    update_adversary(algorithm, batch, report);
    if (is_team_turn)
        update_critic(algorithm, batch, progress, report);
    if (algorithm->has_belief && (is_team_turn || algorithm->config.belief_always))
        update_belief(algorithm, batch, report);
    report_add(report, "skipped", (double)algorithm->team.updater.skipped);
}

static struct models *models(struct algorithm *algorithm)
{
    return &algorithm->team.models;
}

static int tables(const struct algorithm *algorithm, const struct progress *progress, struct weights *weights, struct err *err)
{
    const float nobody = 0.0f;
    if ((double)progress->update < algorithm->config.warm_start * (double)progress->total)
        return weights_add_table(weights, "attack_probability", &nobody, 1, err);
    return 0;
}

const struct algorithm_ops algorithm_eir_mappo = {
    .name = "eir-mappo",
    .summary = "EIR-MAPPO: defenders with beliefs against a learned adversary; EAR-MAPPO and True Type by knowledge.kind",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .create = create,
    .destroy = destroy,
    .update = update,
    .models = models,
    .tables = tables,
};
