#include "learner/ppo.h"

#include <math.h>
#include <string.h>

#include "learner/regularisers/smoothness.h"
#include "net/action_head.h"

/* ---- policies ---- */

enum { STAT_LOSS, STAT_ENTROPY, STAT_CLIP, STAT_KL, STAT_SMOOTHNESS };

struct policy_pass {
    const struct policy_step *step;
    int width; /* of the model's input */
    double weight;
    int epoch;
    real *logp_out; /* forward only */
};

static void gather_policy_input(const struct policy_pass *pass, const int32_t *rows, int n, real *x)
{
    if (pass->step->is_adversary)
        batch_gather_adversary(pass->step->batch, rows, n, pass->width, x);
    else
        batch_gather_policy(pass->step->batch, rows, n, x);
}

struct gathered { /* what the loss needs of the rows of one block */
    uint8_t *available;
    void *action; /* [n,C] choices, or a box's numbers */
    real *old_logp, *advantage, *weight;
};

static struct gathered gather_policy_rows(const struct policy_pass *pass, const int32_t *rows, int n, struct arena *scratch)
{
    const struct batch *batch = pass->step->batch;
    int A = batch->shape.A, per_lane = batch->shape.T * batch->shape.N;
    size_t C = (size_t)batch->shape.head.C;
    struct gathered g = {
        .available = arena_array(scratch, uint8_t, (size_t)n * (size_t)A),
        .action = arena_array(scratch, int32_t, (size_t)n * C),
        .old_logp = arena_array(scratch, real, n),
        .advantage = arena_array(scratch, real, n),
        .weight = arena_array(scratch, real, n),
    };
    for (int i = 0; i < n; i++) {
        const struct batch_view *view = &batch->view[rows[i] / per_lane];
        int at = rows[i] % per_lane;
        memcpy(g.available + (size_t)i * (size_t)A, view->available + (size_t)at * (size_t)A, (size_t)A);
        memcpy((int32_t *)g.action + (size_t)i * C,
               batch_choices(&batch->shape, pass->step->is_adversary ? view->action : view->intended, at), C * sizeof(int32_t));
        g.old_logp[i] = pass->step->is_adversary ? view->action_logp[at] : view->intended_logp[at];
        g.advantage[i] = pass->step->advantage ? (real)pass->step->sign * pass->step->advantage[rows[i]] : 0;
        g.weight[i] = (real)pass->weight;
    }
    return g;
}

static void choices_loss(const struct policy_pass *pass, struct block *block, struct node *logits, const struct gathered *g,
                         struct ppo_stats *stats)
{
    const struct action_head *head = &pass->step->batch->shape.head;
    struct ppo_rows loss = {.available = g->available,
                            .action = g->action,
                            .old_logp = g->old_logp,
                            .advantage = g->advantage,
                            .weight = g->weight,
                            .clip = (real)pass->step->clip,
                            .entropy_coef = (real)pass->step->entropy,
                            .components = head->C,
                            .choices = head->choices};
    tape_ppo_loss(block->tape, logits, &loss, stats);
}

static void box_loss(const struct policy_pass *pass, struct block *block, struct node *mean, const struct gathered *g,
                     struct ppo_stats *stats)
{
    struct gaussian_rows loss = {.action = g->action,
                                 .old_logp = g->old_logp,
                                 .advantage = g->advantage,
                                 .weight = g->weight,
                                 .clip = (real)pass->step->clip,
                                 .entropy_coef = (real)pass->step->entropy,
                                 .log_std_min = LOG_STD_MIN,
                                 .log_std_max = LOG_STD_MAX};
    tape_gaussian_ppo_loss(block->tape, mean, net_log_std(block->tape, block->weights, block->gradient), &loss, stats);
}

static struct smoothness_rows smoothness_rows_of(const struct policy_pass *pass, const int32_t *rows, int n, const real *x,
                                                 const struct gathered *g)
{
    return (struct smoothness_rows){.n = n,
                                    .T = 1,
                                    .B = n,
                                    .x = x,
                                    .O = pass->step->batch->shape.O,
                                    .available = g->available,
                                    .weight = g->weight,
                                    .names = rows,
                                    .update = pass->step->update,
                                    .pass = (uint32_t)pass->epoch};
}

static void policy_block(void *context, struct block *block)
{
    const struct policy_pass *pass = context;
    const struct smoothness *smoothness = pass->step->smoothness;
    const int32_t *rows = pass->step->rows + block->first;
    int n = block->count;
    real *x = arena_array(block->scratch, real, (size_t)n * (size_t)pass->width);
    gather_policy_input(pass, rows, n, x);
    struct gathered g = gather_policy_rows(pass, rows, n, block->scratch);
    struct smoothness_rows smooth = smoothness_rows_of(pass, rows, n, x, &g);
    const real *perturbed = smoothness ? smoothness_perturb(smoothness, block, &smooth) : NULL;
    struct node *input = tape_input(block->tape, n, pass->width, x, false);
    struct node *output = net_forward(block->tape, block->weights, block->gradient, input, 1, n, NULL, NULL, NULL);
    struct ppo_stats stats = {0};
    if (pass->step->batch->shape.head.kind == ACTION_BOX)
        box_loss(pass, block, output, &g, &stats);
    else
        choices_loss(pass, block, output, &g, &stats);
    if (smoothness)
        block->stats[STAT_SMOOTHNESS] += smoothness_record(smoothness, block, &smooth, output, perturbed);
    block->stats[STAT_LOSS] += stats.policy_loss;
    block->stats[STAT_ENTROPY] += stats.entropy;
    block->stats[STAT_CLIP] += stats.clip_fraction;
    block->stats[STAT_KL] += stats.kl;
}

void ppo_policy(struct updater *updater, struct model *model, const struct policy_step *step, double lr, double max_norm,
                int epochs, int block_rows, struct policy_result *result)
{
    struct policy_pass pass = {.step = step, .width = model->arch.in, .weight = step->n_rows ? 1.0 / step->n_rows : 0.0};
    *result = (struct policy_result){0};
    for (int epoch = 0; epoch < epochs && step->n_rows; epoch++) {
        struct updater_result r;
        pass.epoch = epoch;
        updater_step(updater, model, lr, max_norm, step->n_rows, block_rows, policy_block, &pass, &r);
        result->skipped += r.is_skipped;
        result->loss = r.stats[STAT_LOSS];
        result->entropy = r.stats[STAT_ENTROPY];
        result->clip_fraction = r.stats[STAT_CLIP];
        result->kl = r.stats[STAT_KL];
        result->smoothness = r.stats[STAT_SMOOTHNESS];
        result->norm = r.norm;
    }
}

static void logp_block(void *context, struct block *block)
{
    const struct policy_pass *pass = context;
    const int32_t *rows = pass->step->rows + block->first;
    int n = block->count, A = pass->step->batch->shape.A;
    real *x = arena_array(block->scratch, real, (size_t)n * (size_t)pass->width);
    real *output = arena_array(block->scratch, real, (size_t)n * (size_t)A);
    float *logp = arena_array(block->scratch, float, n);
    gather_policy_input(pass, rows, n, x);
    struct gathered g = gather_policy_rows(pass, rows, n, block->scratch);
    net_act(block->weights, n, x, NULL, output, block->scratch);
    action_head_logp(&pass->step->batch->shape.head, n, output, net_weights_log_std(block->weights), g.available, g.action, logp);
    for (int i = 0; i < n; i++)
        pass->logp_out[rows[i]] = (real)logp[i];
}

void ppo_policy_logp(struct updater *updater, const struct model *model, const struct policy_step *step, int block_rows, real *logp)
{
    struct policy_pass pass = {.step = step, .width = model->arch.in, .logp_out = logp};
    updater_forward(updater, model, step->n_rows, block_rows, logp_block, &pass);
}

/* ---- values and critic ---- */

struct value_pass {
    const struct batch *batch;
    const struct value_norm *norm;
    int agent;                   /* -1: all places; else only the agent's in these trajectories: */
    const int32_t *trajectories; /* [n_trajectories] ascending */
    int n_trajectories;
};

/* Place q of item i: all places in order, or (k-th of the trajectories, t) of one agent. */
static int value_place(const struct value_pass *pass, int item)
{
    const struct batch_shape *s = &pass->batch->shape;
    if (pass->agent < 0)
        return item;
    int l = pass->trajectories[item / (s->T + 1)], t = item % (s->T + 1);
    return (l * (s->T + 1) + t) * s->N + pass->agent;
}

static int value_items(const struct value_pass *pass)
{
    const struct batch_shape *s = &pass->batch->shape;
    return pass->agent < 0 ? s->L * (s->T + 1) * s->N : pass->n_trajectories * (s->T + 1);
}

static void value_block(void *context, struct block *block)
{
    const struct value_pass *pass = context;
    const struct batch_shape *s = &pass->batch->shape;
    int width = net_weights_arch(block->weights)->in, n = block->count, per_lane = (s->T + 1) * s->N;
    real *x = arena_array(block->scratch, real, (size_t)n * (size_t)width), *out = arena_array(block->scratch, real, n);
    real *reward_units = arena_array(block->scratch, real, n);
    for (int i = 0; i < n; i++)
        batch_gather_critic(pass->batch, value_place(pass, block->first + i), 1, x + (size_t)i * (size_t)width);
    net_act(block->weights, n, x, NULL, out, block->scratch);
    value_norm_denormalise(pass->norm, (size_t)n, out, reward_units);
    for (int i = 0; i < n; i++) {
        int q = value_place(pass, block->first + i), lane = q / per_lane, in_lane = q % per_lane;
        pass->batch->value[q] = reward_units[i];
        if (in_lane < s->T * s->N)
            pass->batch->old_value[lane * s->T * s->N + in_lane] = out[i];
    }
}

/* Values of the last observations of a trajectory's cut episodes; few, so one at a time and on the calling thread. */
static void final_values(struct updater *updater, const struct model *critic, const struct value_norm *norm, struct batch *batch,
                         int l)
{
    const struct batch_shape *s = &batch->shape;
    struct arena *scratch = &updater->scratch[0];
    for (int step = l * s->T; step < (l + 1) * s->T; step++) {
        if (batch->final_row[step] < 0)
            continue;
        size_t mark = arena_mark(scratch);
        real *x = arena_array(scratch, real, (size_t)s->N * (size_t)critic->arch.in),
             *out = batch->final_value + (size_t)step * (size_t)s->N;
        batch_gather_final(batch, l, batch->final_row[step] % s->T, x);
        net_act(critic->weights, s->N, x, NULL, out, scratch);
        value_norm_denormalise(norm, (size_t)s->N, out, out);
        arena_release(scratch, mark);
    }
}

void ppo_values(struct updater *updater, const struct model *critic, const struct value_norm *norm, struct batch *batch,
                int block_rows)
{
    struct value_pass pass = {.batch = batch, .norm = norm, .agent = -1};
    updater_forward(updater, critic, value_items(&pass), block_rows, value_block, &pass);
    for (int l = 0; l < batch->shape.L; l++)
        final_values(updater, critic, norm, batch, l);
}

void ppo_values_of_agent(struct updater *updater, const struct model *critic, const struct value_norm *norm, struct batch *batch,
                         int agent, const int32_t *trajectories, int n, int block_rows)
{
    struct value_pass pass = {.batch = batch, .norm = norm, .agent = agent, .trajectories = trajectories, .n_trajectories = n};
    updater_forward(updater, critic, value_items(&pass), block_rows, value_block, &pass);
    for (int i = 0; i < n; i++)
        final_values(updater, critic, norm, batch, trajectories[i]);
}

struct critic_pass {
    const struct batch *batch;
    const struct value_norm *norm;
    const struct ppo_config *config;
    const int32_t *rows; /* NULL: all */
    double weight;
};

static void critic_block(void *context, struct block *block)
{
    const struct critic_pass *pass = context;
    int n = block->count, width = net_weights_arch(block->weights)->in;
    struct arena *scratch = block->scratch;
    real *x = arena_array(scratch, real, (size_t)n * (size_t)width), *old_value = arena_array(scratch, real, n);
    real *target = arena_array(scratch, real, n), *weight = arena_array(scratch, real, n);
    int32_t *rows = arena_array(scratch, int32_t, n);
    for (int i = 0; i < n; i++) {
        rows[i] = pass->rows ? pass->rows[block->first + i] : block->first + i;
        old_value[i] = pass->batch->old_value[rows[i]];
        target[i] = pass->batch->target[rows[i]];
        weight[i] = (real)pass->weight;
    }
    batch_gather_critic_rows(pass->batch, rows, n, x);
    value_norm_normalise(pass->norm, (size_t)n, target, target);
    struct node *input = tape_input(block->tape, n, width, x, false);
    struct node *value = net_forward(block->tape, block->weights, block->gradient, input, 1, n, NULL, NULL, NULL);
    struct value_rows loss = {.old_value = old_value,
                              .target = target,
                              .weight = weight,
                              .clip = (real)pass->config->value_clip,
                              .huber_delta = (real)pass->config->huber_delta};
    tape_value_loss(block->tape, value, &loss);
}

static void take_in_targets(struct value_norm *norm, const struct batch *batch, const int32_t *rows, int n_rows,
                            struct arena *scratch)
{
    if (!rows) {
        value_norm_update(norm, (size_t)n_rows, batch->target);
        return;
    }
    size_t mark = arena_mark(scratch);
    real *target = arena_array(scratch, real, n_rows);
    for (int i = 0; i < n_rows; i++)
        target[i] = batch->target[rows[i]];
    value_norm_update(norm, (size_t)n_rows, target);
    arena_release(scratch, mark);
}

void ppo_critic(struct updater *updater, struct model *critic, struct value_norm *norm, const struct batch *batch,
                const int32_t *rows, int n_rows, const struct ppo_config *config, double lr, struct critic_result *result)
{
    struct critic_pass pass = {.batch = batch, .norm = norm, .config = config, .rows = rows, .weight = n_rows ? 1.0 / n_rows : 0.0};
    *result = (struct critic_result){0};
    for (int epoch = 0; epoch < config->critic_epochs && n_rows; epoch++) {
        struct updater_result r;
        take_in_targets(norm, batch, rows, n_rows, &updater->scratch[0]);
        updater_step(updater, critic, lr, config->max_norm, n_rows, (int)config->block_rows, critic_block, &pass, &r);
        result->skipped += r.is_skipped;
        result->loss = r.loss;
        result->norm = r.norm;
    }
}

/* ---- belief ---- */

enum { STAT_CORRECT };

struct belief_pass {
    const struct batch *batch;
    double weight;
};

/* Sequence s is agent n in chunk c of trajectory l: s = (l*C + c)*N + n. Fills time-major rows of a block of sequences. */
static void gather_sequences(const struct belief_pass *pass, const struct block *block, real *x, real *keep, real *h0, real *theta,
                             real *weight)
{
    const struct batch_shape *s = &pass->batch->shape;
    size_t B = (size_t)block->count, O = (size_t)s->O, N = (size_t)s->N, H = (size_t)s->H;
    int chunks = s->T / s->chunk;
    for (size_t i = 0; i < B; i++) {
        int sequence = block->first + (int)i, n = sequence % s->N, c = sequence / s->N % chunks, l = sequence / s->N / chunks;
        const struct batch_view *view = &pass->batch->view[l];
        const float *state = view->belief_state + ((size_t)c * N + (size_t)n) * H;
        for (size_t h = 0; h < H; h++)
            h0[i * H + h] = (real)state[h];
        for (int k = 0; k < s->chunk; k++) {
            size_t t = (size_t)(c * s->chunk + k), row = (size_t)k * B + i;
            const float *observation = view->observation + (t * N + (size_t)n) * O;
            for (size_t o = 0; o < O; o++)
                x[row * O + o] = (real)observation[o];
            for (size_t a = 0; a < N; a++)
                theta[row * N + a] = (real)view->slot[t * N + a];
            keep[row] = view->episode_step[t] != 0;
            weight[row] = (real)pass->weight;
        }
    }
}

static void belief_block(void *context, struct block *block)
{
    const struct belief_pass *pass = context;
    const struct batch_shape *s = &pass->batch->shape;
    int B = block->count, rows = B * s->chunk;
    struct arena *scratch = block->scratch;
    real *x = arena_array(scratch, real, (size_t)rows * (size_t)s->O), *keep = arena_array(scratch, real, rows);
    real *h0 = arena_array(scratch, real, (size_t)B * (size_t)s->H), *weight = arena_array(scratch, real, rows);
    real *theta = arena_array(scratch, real, (size_t)rows * (size_t)s->N);
    gather_sequences(pass, block, x, keep, h0, theta, weight);
    struct node *input = tape_input(block->tape, rows, s->O, x, false);
    struct node *logits = net_forward(block->tape, block->weights, block->gradient, input, s->chunk, B, h0, keep, NULL);
    tape_bce_loss(block->tape, logits, theta, weight);
    for (int i = 0; i < rows * s->N; i++)
        block->stats[STAT_CORRECT] += (logits->value[i] > 0) == (theta[i] > (real)0.5);
}

void ppo_belief(struct updater *updater, struct model *belief, const struct batch *batch, double lr, double max_norm, int epochs,
                int block_rows, struct belief_result *result)
{
    const struct batch_shape *s = &batch->shape;
    int sequences = s->L * (s->T / s->chunk) * s->N, per_block = block_rows / s->chunk > 0 ? block_rows / s->chunk : 1;
    double rows = (double)sequences * s->chunk;
    struct belief_pass pass = {.batch = batch, .weight = 1.0 / rows};
    *result = (struct belief_result){0};
    for (int epoch = 0; epoch < epochs; epoch++) {
        struct updater_result r;
        updater_step(updater, belief, lr, max_norm, sequences, per_block, belief_block, &pass, &r);
        result->skipped += r.is_skipped;
        result->loss = r.loss;
        result->accuracy = r.stats[STAT_CORRECT] / (rows * s->N);
        result->norm = r.norm;
    }
}
