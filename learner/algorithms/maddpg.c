/* MADDPG. Lowe et al. 2017, arXiv:1706.02275, as MIR3's released code has it (Li et al. 2025, arXiv:2310.09833): one actor and one critic shared
 * by all agents, whole replayed episodes, actors with a GRU where actions are choices.
 *   theirs             ours       shape                meaning
 *   mu(o_i)            defender   [O+K(+A) -> A]       logits, or u of tanh(u)
 *   Q_i(s, a_1..a_N)   critic     [Z+N+N*A -> 1]       joint state, one-hot i, joint action (one-hots or numbers)
 *   y_i = r + gamma Q'_i(s', mu'(o'))                  eq. 6; mu' is the best choice, or tanh(u), without noise
 *   L(critic) = mean over real steps and agents of (Q_i - y_i)^2 / 2
 *   L(actor)  = -mean over real steps, i and j of Q_j(s, a with a_i <- mu(o_i)) + action_reg mean(mu^2)     after eq. 5
 * Robust forms of it, each by a key of its own: M3DDPG (regularisers/m3ddpg.h), ROMAX (regularisers/romax.h), ERNIE
 * (regularisers/smoothness.h), ROM-Q (regularisers/value_adversary.h). The actor does not learn from steps that an adversary played for it.
 * With mi.lambda above 0 MIR3's penalty is taken off r (regularisers/mi_replay.h).
 * Where episodes are drawn by priority (priority.h), the critic's squares have importance weights; the actor's loss has no square and none.
 * A choice is differentiated by the straight-through Gumbel softmax. Order of an update: critic, actor through the new critic, targets.
 * Departures from the released code: 1. ties of a target's best choice go to the first (there they give several ones). 2. no uniformly random
 * start (start_steps is 0 in its settings of both tasks). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "learner/ppo_config.h"
#include "learner/regularisers/m3ddpg.h"
#include "learner/regularisers/mi_replay.h"
#include "learner/regularisers/romax.h"
#include "learner/regularisers/smoothness.h"
#include "learner/regularisers/value_adversary.h"

#define OFF(field) offsetof(struct maddpg_config, field)

struct maddpg_config {
    int64_t hidden, batch;
    double lr, critic_lr, eps, max_norm, gamma, target_share, noise, action_reg, updates_per_episode;
    bool bootstraps_limits;
};

static const struct config_row rows[] = {
    {"maddpg.hidden", CONFIG_INT, OFF(hidden), "128", 1, 4096, "", NULL, "width of actor and critic"},
    {"maddpg.batch", CONFIG_INT, OFF(batch), "32", 1, 4096, "episodes", NULL, "drawn for an update"},
    {"maddpg.updates_per_episode", CONFIG_REAL, OFF(updates_per_episode), "1", 0, 1000, "", NULL,
     "updates for each episode that ended"},
    {"maddpg.lr", CONFIG_REAL, OFF(lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of the actor"},
    {"maddpg.critic_lr", CONFIG_REAL, OFF(critic_lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of the critic"},
    {"maddpg.eps", CONFIG_REAL, OFF(eps), "1e-8", 0, 1, "", NULL, "added to Adam's root"},
    {"maddpg.max_norm", CONFIG_REAL, OFF(max_norm), "10", 0, 1e9, "", NULL, "ceiling on each net's gradient norm; 0: none"},
    {"maddpg.gamma", CONFIG_REAL, OFF(gamma), "0.99", 0, 1, "per step", NULL, "discount"},
    {"maddpg.target_share", CONFIG_REAL, OFF(target_share), "0.005", 0, 1, "per update", NULL, "share by which targets follow"},
    {"maddpg.noise", CONFIG_REAL, OFF(noise), "0.1", 0, 10, "", NULL, "standard deviation added to tanh(u) while training"},
    {"maddpg.action_reg", CONFIG_REAL, OFF(action_reg), "0", 0, 1000, "", NULL, "weight of the actions' mean square"},
    {"maddpg.bootstraps_limits", CONFIG_BOOL, OFF(bootstraps_limits), "false", 0, 0, "", NULL,
     "episodes that the time limit cuts are continued by the target's value; the released code takes them for ended"},
};

static const char *const reports[] = {"maddpg/critic",   "maddpg/actor",    "maddpg/value", "maddpg/target", "maddpg/updates",
                                      "replay/episodes", "replay/left_out", "replay/beta",  "replay/weight", NULL};

struct algorithm {
    struct maddpg_config config;
    struct acting_config acting;
    struct batch_shape shape;
    uint64_t seed;
    struct models models;
    struct model *actor, *critic, *late_actor, *late_critic;
    struct updater updater;
    struct replay *replay;
    struct sample sample;
    struct mi_replay mi; /* MIR3: shapes the sample's rewards */
    struct m3ddpg m3ddpg;
    struct romax romax;
    struct smoothness smoothness;
    struct value_adversary adversary; /* ROM-Q: who plays the adversary in training */
    int64_t episode;                  /* the one that this update is for, and which of its updates */
    int which;
    uint64_t step; /* number of the update in the run */
};

/* ---- create ---- */

static void destroy(struct algorithm **algorithm_at)
{
    struct algorithm *algorithm = *algorithm_at;
    if (!algorithm)
        return;
    models_deinit(&algorithm->models);
    updater_deinit(&algorithm->updater);
    replay_destroy(&algorithm->replay);
    sample_deinit(&algorithm->sample);
    romax_deinit(&algorithm->romax);
    mi_replay_deinit(&algorithm->mi);
    free(algorithm);
    *algorithm_at = NULL;
}

static struct model *add_net(struct algorithm *algorithm, const char *id, const struct net_arch *arch, const struct model *live,
                             struct err *err)
{
    struct model *model = models_add(&algorithm->models, id, arch, algorithm->seed, 1.0, !strcmp(id, "defender"), err);
    if (!model)
        return NULL;
    model->adam.eps = algorithm->config.eps;
    if (live) {
        model->is_frozen = true; /* a target has no optimiser of its own */
        model_follow(model, live, 0);
    } else {
        model_init_uniform(model, algorithm->seed);
    }
    return model;
}

static int critic_width(const struct batch_shape *s)
{
    int Z = s->state_is_observation ? s->N * s->O : s->S;
    return Z + s->N + s->N * s->A;
}

static int add_nets(struct algorithm *algorithm, struct err *err)
{
    const struct batch_shape *s = &algorithm->shape;
    const struct acting_config *acting = &algorithm->acting;
    struct net_arch actor = {.in = s->O + s->K + acting_width(acting, &s->head),
                             .hidden = (int32_t)algorithm->config.hidden,
                             .depth = acting->recurrent ? 1 : 2,
                             .out = s->A,
                             .activation = ACTIVATION_RELU,
                             .gru = acting->recurrent ? NET_GRU : NET_NO_GRU};
    struct net_arch critic = {
        .in = critic_width(s), .hidden = (int32_t)algorithm->config.hidden, .depth = 2, .out = 1, .activation = ACTIVATION_RELU};
    if (!(algorithm->actor = add_net(algorithm, "defender", &actor, NULL, err)) ||
        !(algorithm->critic = add_net(algorithm, "critic", &critic, NULL, err)) ||
        !(algorithm->late_actor = add_net(algorithm, "target/defender", &actor, algorithm->actor, err)) ||
        !(algorithm->late_critic = add_net(algorithm, "target/critic", &critic, algorithm->critic, err)))
        return ERR_INVALID;
    return 0;
}

static int check_recipe(const struct algorithm *algorithm, const struct algorithm_context *context, struct err *err)
{
    const struct acting_config *acting = &algorithm->acting;
    if (acting->behaviour != BEHAVIOUR_GUMBEL && acting->behaviour != BEHAVIOUR_TANH)
        return err_set(err, ERR_INVALID,
                       "act.behaviour must be gumbel (a discrete action) or tanh (real numbers) for maddpg; %s has %s",
                       context->spec->env, context->shape->head.kind == ACTION_BOX ? "real numbers" : "choices");
    if (acting->recurrent && acting->recurrent != algorithm->config.hidden)
        return err_set(err, ERR_INVALID, "act.recurrent is %lld and maddpg.hidden %lld: the actor has one width",
                       (long long)acting->recurrent, (long long)algorithm->config.hidden);
    return 0;
}

/* Episodes of a block: as many blocks as there are shards, where there are enough. */
static int block_episodes(const struct algorithm *algorithm)
{
    return ((int)algorithm->config.batch + UPDATER_SHARDS - 1) / UPDATER_SHARDS;
}

static int ready_updater(struct algorithm *algorithm, const struct algorithm_context *context, struct err *err)
{
    size_t N = (size_t)algorithm->shape.N, steps = (size_t)block_episodes(algorithm) * (size_t)(context->spec->horizon + 1);
    size_t pairs = steps * N * N, width = (size_t)critic_width(&algorithm->shape), A = (size_t)algorithm->shape.A;
    const struct net_arch *actor = &algorithm->actor->arch, *critic = &algorithm->critic->arch;
    size_t capacity = algorithm->actor->count > algorithm->critic->count ? algorithm->actor->count : algorithm->critic->count;
    size_t tape = 2 * updater_tape_bytes(actor, (int)(steps * N)) + updater_tape_bytes(critic, (int)pairs);
    tape += smoothness_is_on(&algorithm->smoothness) ? updater_tape_bytes(actor, (int)(steps * N)) : 0;
    size_t scratch = (pairs * (width + 8) + steps * N * ((size_t)actor->in + width + 6 * A + 16) + steps * width) * sizeof(real) +
                     net_act_scratch(critic, (int)(steps * N)) + m3ddpg_scratch(critic) +
                     smoothness_sample_scratch(actor, (int)(steps * N)) + ((size_t)4 << 20);
    mi_replay_need(&algorithm->mi, &capacity, &tape, &scratch);
    value_adversary_need(&algorithm->adversary, (int)(steps * N), &capacity, &tape, &scratch);
    struct ppo_config shared;
    int r = ppo_config_bind(&shared, context->recipe, err);
    long threads = shared.n_threads ? shared.n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    threads = threads > UPDATER_SHARDS ? UPDATER_SHARDS : threads < 1 ? 1 : threads;
    return r ? r : updater_init(&algorithm->updater, (int)threads, capacity, tape, scratch, err);
}

static int create(struct algorithm **out, const struct algorithm_context *context, struct err *err)
{
    struct algorithm *algorithm = calloc(1, sizeof *algorithm);
    if (!algorithm)
        return err_set(err, ERR_NOMEM, "no memory for the algorithm");
    algorithm->shape = *context->shape;
    algorithm->seed = context->seed;
    int r;
    if ((r = config_bind(rows, ARRAY_LEN(rows), context->recipe, &algorithm->config, err)) ||
        (r = acting_config_bind(&algorithm->acting, context->recipe, &context->shape->head, err)) ||
        (r = config_bind(m3ddpg_table.rows, m3ddpg_table.count, context->recipe, &algorithm->m3ddpg, err)) ||
        (r = smoothness_init(&algorithm->smoothness, context,
                             algorithm->acting.behaviour == BEHAVIOUR_TANH ? SMOOTHNESS_TANH : SMOOTHNESS_POLICY, err)) ||
        (r = check_recipe(algorithm, context, err)) || (r = add_nets(algorithm, err)) ||
        (r = romax_init(&algorithm->romax, context->recipe, &algorithm->critic->arch, err)) ||
        (r = replay_create(&algorithm->replay, context->recipe, context->shape, context->spec->horizon, err)) ||
        (r = mi_replay_init(&algorithm->mi, context, &algorithm->models, algorithm->actor, &algorithm->acting,
                            replay_shape(algorithm->replay), (int)algorithm->config.batch, err)) ||
        (r = value_adversary_init(&algorithm->adversary, context, &algorithm->models, algorithm->config.gamma,
                                  algorithm->config.bootstraps_limits, err)) ||
        (r = ready_updater(algorithm, context, err)))
        goto failed;
    if ((r = sample_init(&algorithm->sample, replay_shape(algorithm->replay), (int)algorithm->config.batch))) {
        err_set(err, r, "no memory for a sample of %d episodes", (int)algorithm->config.batch);
        goto failed;
    }
    *out = algorithm;
    return 0;
failed:
    destroy(&algorithm);
    return r;
}

/* ---- what both steps gather ---- */

struct ground { /* a block of the sample: R = T*B steps that count */
    struct sample_block rows;
    int R, N, A, Z, width;
    real *input;  /* [(T+1)*B*N, I] */
    real *joint;  /* [(T+1)*B, N*A] replayed actions; of steps behind an end, zeroes */
    real *state;  /* [(T+1)*B, Z] */
    real *weight; /* [R] 1 where the step is real */
};

static void gather_joint(struct ground *g, const struct action_head *head)
{
    const struct sample_block *s = &g->rows;
    float numbers[SPEC_ACTIONS_MAX];
    real *out = g->joint;
    for (int t = 0; t <= s->T; t++)
        for (int b = 0; b < s->B; b++)
            for (int n = 0; n < g->N; n++, out += g->A) {
                const struct episode *episode = &s->sample->episode[s->first + b];
                memset(out, 0, (size_t)g->A * sizeof *out);
                if (t >= episode->length)
                    continue;
                acting_last_action(head, episode->action + ((size_t)t * (size_t)g->N + (size_t)n) * (size_t)head->C, numbers);
                for (int a = 0; a < g->A; a++)
                    out[a] = (real)numbers[a];
            }
}

static struct ground gather(const struct algorithm *algorithm, struct block *block)
{
    const struct batch_shape *s = &algorithm->shape;
    struct ground g = {.rows = sample_block(&algorithm->sample, block->first, block->count),
                       .N = s->N,
                       .A = s->A,
                       .Z = algorithm->sample.shape->Z,
                       .width = critic_width(s)};
    size_t steps = (size_t)(g.rows.T + 1) * (size_t)g.rows.B, N = (size_t)g.N;
    int I = algorithm->actor->arch.in;
    g.R = g.rows.T * g.rows.B;
    g.input = arena_array(block->scratch, real, steps * N * (size_t)I);
    g.joint = arena_array(block->scratch, real, steps * N * (size_t)g.A);
    g.state = arena_array(block->scratch, real, steps * (size_t)g.Z);
    g.weight = arena_array(block->scratch, real, g.R + 1);
    sample_gather_input(&g.rows, &s->head, algorithm->acting.has_last_action, I, g.input);
    sample_gather_states(&g.rows, g.state);
    gather_joint(&g, &s->head);
    for (int r = 0; r < g.R; r++)
        g.weight[r] = r / g.rows.B < g.rows.sample->episode[g.rows.first + r % g.rows.B].length;
    return g;
}

/* Critic input of one step for agent i: state, one-hot i, joint action. */
static void put_critic_input(const struct ground *g, int step, int i, const real *joint, real *out)
{
    memcpy(out, g->state + (size_t)step * (size_t)g->Z, (size_t)g->Z * sizeof *out);
    memset(out + g->Z, 0, (size_t)g->N * sizeof *out);
    out[g->Z + i] = 1;
    memcpy(out + g->Z + g->N, joint, (size_t)(g->N * g->A) * sizeof *out);
}

/* Critic rows that `own` says whose they are. */
static struct joint_rows joint_rows(const struct ground *g, size_t n, const int32_t *own)
{
    return (struct joint_rows){.n = (int)n, .width = g->width, .N = g->N, .A = g->A, .at = g->Z + g->N, .own = own};
}

static const uint8_t *available_at(const struct ground *g, int step, int n)
{
    const struct episode *episode = &g->rows.sample->episode[g->rows.first + step % g->rows.B];
    int t = step / g->rows.B;
    return t > episode->length ? NULL : episode->available + ((size_t)t * (size_t)g->N + (size_t)n) * (size_t)g->A;
}

static struct node *unroll(const struct model *actor, real *gradient, const struct ground *g, struct tape *tape, int T)
{
    int sequences = g->rows.B * g->N;
    struct node *x = tape_input(tape, T * sequences, actor->arch.in, g->input, false);
    return net_forward(tape, actor->weights, gradient, x, T, sequences, NULL, NULL, NULL);
}

/* ---- critic ---- */

/* mu'(o) of all agents at all steps, in place of the target's outputs [(T+1)*B*N, A]. */
static void target_actions(const struct algorithm *algorithm, const struct ground *g, real *output)
{
    for (int row = 0; row < (g->rows.T + 1) * g->rows.B * g->N; row++, output += g->A) {
        if (algorithm->acting.behaviour == BEHAVIOUR_TANH) {
            activation_forward(ACTIVATION_TANH, (size_t)g->A, output);
            continue;
        }
        const uint8_t *available = available_at(g, row / g->N, row % g->N);
        int32_t best = available ? acting_best(g->A, output, available) : -1;
        memset(output, 0, (size_t)g->A * sizeof *output);
        if (best >= 0)
            output[best] = 1;
    }
}

/* y_i of all steps; out [R*N]. */
static void make_targets(const struct algorithm *algorithm, const struct ground *g, const real *late, struct arena *scratch,
                         real *out)
{
    size_t mark = arena_mark(scratch), count = (size_t)g->R * (size_t)g->N;
    real *x = arena_array(scratch, real, count * (size_t)g->width);
    int32_t *own = arena_array(scratch, int32_t, count);
    for (int r = 0; r < g->R; r++)
        for (int i = 0; i < g->N; i++) {
            put_critic_input(g, r + g->rows.B, i, late + (size_t)(r + g->rows.B) * (size_t)(g->N * g->A),
                             x + ((size_t)r * (size_t)g->N + (size_t)i) * (size_t)g->width);
            own[r * g->N + i] = i;
        }
    struct joint_rows rows_of = joint_rows(g, count, own);
    if (m3ddpg_is_on(&algorithm->m3ddpg))
        m3ddpg_move(&algorithm->m3ddpg, algorithm->late_critic->weights, &rows_of, NULL, x, scratch);
    net_act(algorithm->late_critic->weights, (int)count, x, NULL, out, scratch);
    if (romax_is_on(&algorithm->romax))
        romax_mix(&algorithm->romax, algorithm->late_critic->weights, &rows_of, x, out, scratch);
    for (int r = 0; r < g->R; r++) {
        const struct sample *sample = g->rows.sample;
        int b = g->rows.first + r % g->rows.B, t = r / g->rows.B;
        const struct episode *episode = &sample->episode[b];
        bool is_end = t == episode->length - 1 && (episode->is_terminated || !algorithm->config.bootstraps_limits);
        for (int i = 0; i < g->N; i++) {
            real *y = &out[r * g->N + i];
            real reward = g->weight[r] != 0 ? sample->reward[(size_t)b * (size_t)sample->T + (size_t)t] : 0;
            *y = reward + (is_end || g->weight[r] == 0 ? 0 : (real)algorithm->config.gamma * *y);
        }
    }
    arena_release(scratch, mark);
}

enum { STAT_VALUE, STAT_TARGET, STAT_ACTOR, STAT_SMOOTHNESS };

static void count_critic(const struct ground *g, const struct node *value, const real *target, double rows_in_all, double *stats)
{
    for (int k = 0; k < g->R * g->N; k++) {
        int r = k / g->N;
        if (g->weight[r] == 0)
            continue;
        stats[STAT_VALUE] += (double)value->value[k] / rows_in_all;
        stats[STAT_TARGET] += (double)target[k] / rows_in_all;
        sample_count_error(g->rows.sample, g->rows.first + r % g->rows.B, fabs((double)value->value[k] - (double)target[k]) / g->N);
    }
}

static void critic_block(void *context, struct block *block)
{
    const struct algorithm *algorithm = context;
    const struct sample *sample = &algorithm->sample;
    struct ground g = gather(algorithm, block);
    const size_t count = (size_t)g.R * (size_t)g.N;
    const double rows_in_all = (double)sample->steps * g.N;
    struct node *late = unroll(algorithm->late_actor, NULL, &g, block->tape, g.rows.T + 1);
    target_actions(algorithm, &g, late->value);
    real *target = arena_array(block->scratch, real, count), *weight = arena_array(block->scratch, real, count);
    make_targets(algorithm, &g, late->value, block->scratch, target);
    real *x = arena_array(block->scratch, real, count * (size_t)g.width);
    for (int r = 0; r < g.R; r++)
        for (int i = 0; i < g.N; i++) {
            put_critic_input(&g, r, i, g.joint + (size_t)r * (size_t)(g.N * g.A),
                             x + ((size_t)r * (size_t)g.N + (size_t)i) * (size_t)g.width);
            weight[r * g.N + i] = (real)(sample->weight[g.rows.first + r % g.rows.B] * ((double)g.weight[r] / rows_in_all));
        }
    struct node *value = net_forward(block->tape, block->weights, block->gradient,
                                     tape_input(block->tape, (int)count, g.width, x, false), 1, (int)count, NULL, NULL, NULL);
    tape_squared_loss(block->tape, value, target, weight);
    count_critic(&g, value, target, rows_in_all, block->stats);
}

/* ---- actor ---- */

/* Noise of the Gumbel softmax of steps 0..T-1, a stream for each episode of the sample. Behind an end everything counts as available. */
static void gumbel_noise(const struct algorithm *algorithm, const struct ground *g, real *noise, uint8_t *available)
{
    for (int b = 0; b < g->rows.B; b++) {
        struct rng rng = rng_stream(algorithm->seed, RNG_BATCH, (uint64_t)algorithm->episode, (uint32_t)algorithm->which,
                                    1 + (uint32_t)g->rows.sample->episode[g->rows.first + b].index);
        for (int t = 0; t < g->rows.T; t++)
            for (int n = 0; n < g->N; n++) {
                int step = t * g->rows.B + b;
                size_t at = ((size_t)step * (size_t)g->N + (size_t)n) * (size_t)g->A;
                const uint8_t *mask = available_at(g, step, n);
                for (int a = 0; a < g->A; a++) {
                    noise[at + (size_t)a] = (real)-log(-log(rng_double(&rng) + 1e-20) + 1e-20);
                    available[at + (size_t)a] = mask && g->weight[step] != 0 ? mask[a] : 1;
                }
            }
    }
}

static struct node *fresh_actions(const struct algorithm *algorithm, const struct ground *g, struct block *block,
                                  struct node *output)
{
    size_t numbers = (size_t)g->R * (size_t)g->N * (size_t)g->A;
    if (algorithm->acting.behaviour == BEHAVIOUR_TANH)
        return tape_activation(block->tape, output, ACTIVATION_TANH);
    real *noise = arena_array(block->scratch, real, numbers);
    uint8_t *available = arena_array(block->scratch, uint8_t, numbers);
    gumbel_noise(algorithm, g, noise, available);
    return tape_gumbel(block->tape, output, available, noise);
}

/* Rows ((r*N + i)*N + j): critic j's input with agent i's slot replaced. */
static struct node *replaced_inputs(const struct algorithm *algorithm, const struct ground *g, struct block *block,
                                    struct node *fresh, struct joint_rows *rows_of)
{
    size_t pairs = (size_t)g->R * (size_t)g->N * (size_t)g->N;
    real *base = arena_array(block->scratch, real, pairs * (size_t)g->width);
    int32_t *from = arena_array(block->scratch, int32_t, pairs), *at = arena_array(block->scratch, int32_t, pairs);
    int32_t *own = arena_array(block->scratch, int32_t, pairs);
    size_t k = 0;
    for (int r = 0; r < g->R; r++)
        for (int i = 0; i < g->N; i++)
            for (int j = 0; j < g->N; j++, k++) {
                put_critic_input(g, r, j, g->joint + (size_t)r * (size_t)(g->N * g->A), base + k * (size_t)g->width);
                from[k] = r * g->N + i;
                at[k] = g->Z + g->N + i * g->A;
                own[k] = i;
                memcpy(base + k * (size_t)g->width + at[k], fresh->value + (size_t)from[k] * (size_t)g->A,
                       (size_t)g->A * sizeof *base); /* for gradients that are taken here */
            }
    *rows_of = joint_rows(g, pairs, own);
    rows_of->from = from;
    if (m3ddpg_is_on(&algorithm->m3ddpg))
        m3ddpg_move(&algorithm->m3ddpg, algorithm->critic->weights, rows_of, fresh->value, base, block->scratch);
    return tape_insert(block->tape, (int)pairs, g->width, base, fresh, from, at);
}

/* ROMAX's part of the objective; leaves the rest's share in d_value. */
static void bound_objective(const struct algorithm *algorithm, const struct joint_rows *rows_of, const real *x, struct node *fresh,
                            real *d_value, struct block *block)
{
    const struct romax *romax = &algorithm->romax;
    real *d_fresh = arena_zero_array(block->scratch, real, (size_t)fresh->rows * (size_t)fresh->cols);
    block->stats[STAT_ACTOR] += romax_objective(romax, algorithm->critic->weights, rows_of, x, d_value, d_fresh, block->scratch);
    tape_seed_gradient(block->tape, fresh, d_fresh);
    for (int k = 0; k < rows_of->n; k++)
        d_value[k] *= (real)(1 - romax->config.share);
}

/* Whether pair k is of a real step at which agent i played itself, not an adversary for it. */
static bool is_own_step(const struct ground *g, size_t k)
{
    size_t N = (size_t)g->N, r = k / (N * N), i = k / N % N, B = (size_t)g->rows.B;
    const struct episode *episode = &g->rows.sample->episode[(size_t)g->rows.first + r % B];
    return g->weight[r] != 0 && !episode->slot[r / B * N + i];
}

static void actor_block(void *context, struct block *block)
{
    const struct algorithm *algorithm = context;
    const struct smoothness *smoothness = &algorithm->smoothness;
    struct ground g = gather(algorithm, block);
    const size_t pairs = (size_t)g.R * (size_t)g.N * (size_t)g.N, count = (size_t)g.R * (size_t)g.N;
    const double pairs_in_all = (double)algorithm->sample.steps * g.N * g.N, rows_in_all = (double)algorithm->sample.steps * g.N;
    struct smoothness_rows smooth;
    const real *perturbed = smoothness_perturb_sample(smoothness, block, &g.rows, g.rows.T, g.input, (uint64_t)algorithm->episode,
                                                      algorithm->which, &smooth);
    struct node *output = unroll(algorithm->actor, block->gradient, &g, block->tape, g.rows.T);
    struct node *fresh = fresh_actions(algorithm, &g, block, output);
    struct joint_rows rows_of;
    struct node *x = replaced_inputs(algorithm, &g, block, fresh, &rows_of);
    struct node *value = net_forward(block->tape, algorithm->critic->weights, NULL, x, 1, (int)pairs, NULL, NULL, NULL);
    real *d_value = arena_array(block->scratch, real, pairs);
    for (size_t k = 0; k < pairs; k++)
        d_value[k] = is_own_step(&g, k) ? (real)(-1.0 / pairs_in_all) : 0;
    if (romax_is_on(&algorithm->romax))
        bound_objective(algorithm, &rows_of, x->value, fresh, d_value, block);
    for (size_t k = 0; k < pairs; k++)
        block->stats[STAT_ACTOR] += (double)d_value[k] * (double)value->value[k];
    tape_seed_gradient(block->tape, value, d_value);
    if (algorithm->config.action_reg > 0) {
        real *zero = arena_zero_array(block->scratch, real, count * (size_t)g.A),
             *weight = arena_array(block->scratch, real, count);
        for (size_t k = 0; k < count; k++)
            weight[k] = (real)(2 * algorithm->config.action_reg * (double)g.weight[k / (size_t)g.N] / (rows_in_all * g.A));
        tape_squared_loss(block->tape, fresh, zero, weight);
    }
    if (perturbed)
        block->stats[STAT_SMOOTHNESS] += smoothness_record(smoothness, block, &smooth, output, perturbed);
}

/* ---- an update ---- */

struct sums {
    int updates, reported; /* entries of the report before the first */
    double critic, actor, value, target, smoothness;
};

static void optimise(struct algorithm *algorithm, struct sums *sums, struct report *report)
{
    const struct maddpg_config *config = &algorithm->config;
    struct rng rng = rng_stream(algorithm->seed, RNG_BATCH, (uint64_t)algorithm->episode, (uint32_t)algorithm->which, 0);
    struct updater_result critic, actor;
    int B = algorithm->sample.B, blocks = block_episodes(algorithm);
    sample_draw(&algorithm->sample, algorithm->replay, &rng);
    report->count = sums->reported; /* the last sample's numbers stand for the update */
    mi_replay_shape(&algorithm->mi, &algorithm->updater, &algorithm->sample, algorithm->step, report);
    value_adversary_step(&algorithm->adversary, &algorithm->updater, &algorithm->sample, blocks, report);
    romax_prepare(&algorithm->romax, algorithm->late_critic->weights);
    updater_step(&algorithm->updater, algorithm->critic, config->critic_lr, config->max_norm, B, blocks, critic_block, algorithm,
                 &critic);
    romax_prepare(&algorithm->romax, algorithm->critic->weights);
    if (!critic.is_skipped)
        sample_learned(&algorithm->sample, algorithm->replay);
    updater_step(&algorithm->updater, algorithm->actor, config->lr, config->max_norm, B, blocks, actor_block, algorithm, &actor);
    model_follow(algorithm->late_actor, algorithm->actor, 1 - config->target_share);
    model_follow(algorithm->late_critic, algorithm->critic, 1 - config->target_share);
    sums->updates++;
    sums->critic += critic.loss;
    sums->value += critic.stats[STAT_VALUE];
    sums->target += critic.stats[STAT_TARGET];
    sums->actor += actor.loss + actor.stats[STAT_ACTOR];
    sums->smoothness += actor.stats[STAT_SMOOTHNESS];
}

static void update(struct algorithm *algorithm, struct batch *batch, const struct progress *progress, struct report *report)
{
    struct sums sums = {.reported = report->count};
    const double rate = algorithm->config.updates_per_episode;
    int64_t before = replay_total(algorithm->replay), kept = replay_add(algorithm->replay, batch);
    mi_replay_take(&algorithm->mi, &algorithm->updater, algorithm->replay, (int)kept);
    sample_begin(&algorithm->sample, algorithm->replay, progress);
    for (int64_t episode = before + 1; episode <= before + kept; episode++) {
        double done = floor((double)(episode - 1) * rate);
        int due = (int)(floor((double)episode * rate) - done);
        for (int i = 0; i < due && replay_count(algorithm->replay) >= algorithm->sample.B; i++) {
            algorithm->episode = episode;
            algorithm->which = i;
            algorithm->step = (uint64_t)done + (uint64_t)i;
            optimise(algorithm, &sums, report);
        }
    }
    if (sums.updates) {
        report_add(report, "maddpg/critic", sums.critic / sums.updates);
        report_add(report, "maddpg/actor", sums.actor / sums.updates);
        report_add(report, "maddpg/value", sums.value / sums.updates);
        report_add(report, "maddpg/target", sums.target / sums.updates);
        if (smoothness_is_on(&algorithm->smoothness))
            report_add(report, "smoothness", sums.smoothness / sums.updates);
        sample_report(&algorithm->sample, algorithm->replay, report);
    }
    report_add(report, "maddpg/updates", sums.updates);
    report_add(report, "replay/episodes", replay_count(algorithm->replay));
    report_add(report, "replay/left_out", (double)replay_left_out(algorithm->replay));
    report_add(report, "skipped", (double)algorithm->updater.skipped);
}

static struct models *models(struct algorithm *algorithm)
{
    return &algorithm->models;
}

static int tables(const struct algorithm *algorithm, const struct progress *progress, struct weights *weights, struct err *err)
{
    (void)progress;
    const float epsilon = algorithm->acting.behaviour == BEHAVIOUR_TANH ? (float)algorithm->config.noise : 1.0f;
    return weights_add_table(weights, "epsilon", &epsilon, 1, err);
}

static int save(const struct algorithm *algorithm, struct safetensors *file, struct err *err)
{
    return replay_save(algorithm->replay, file, err);
}

static int load(struct algorithm *algorithm, const struct safetensors *file, bool only_looks, struct err *err)
{
    return replay_load(algorithm->replay, file, only_looks, err);
}

static struct replay *replay(const struct algorithm *algorithm)
{
    return algorithm->replay;
}

const struct algorithm_ops algorithm_maddpg = {
    .name = "maddpg",
    .summary = "MADDPG: a critic of all agents' actions guides each agent's own policy; choices or real numbers",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .create = create,
    .destroy = destroy,
    .update = update,
    .models = models,
    .tables = tables,
    .reports = reports,
    .save = save,
    .load = load,
    .replay = replay,
};
