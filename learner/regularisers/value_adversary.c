#include "learner/regularisers/value_adversary.h"

#include <stdio.h>
#include <string.h>

#define OFF(field) offsetof(struct value_adversary_config, field)

static const struct config_row romq_rows[] = {
    {"romq.hidden", CONFIG_INT, OFF(hidden), "0", 0, 4096, "", NULL, "width of the nets of ROM-Q's adversary; 0: there is none"},
    {"romq.lr", CONFIG_REAL, OFF(lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of these nets; released code: the critic's"},
    {"romq.target_share", CONFIG_REAL, OFF(target_share), "0.005", 0, 1, "per step", NULL, "share by which their targets follow"},
};

const struct config_table value_adversary_table = {"romq", romq_rows, ARRAY_LEN(romq_rows)};

static bool has_actor(const struct value_adversary *va)
{
    return va->actor != NULL;
}

/* ---- create ---- */

/* A net and its target. */
static int add_pair(struct models *models, const char *id, const struct net_arch *arch, uint64_t seed, bool is_published,
                    struct model **live, struct model **late, struct err *err)
{
    char target[sizeof(*live)->id];
    snprintf(target, sizeof target, "target/%s", id);
    if (!(*live = models_add(models, id, arch, seed, 1.0, is_published, err)) ||
        !(*late = models_add(models, target, arch, seed, 1.0, false, err)))
        return ERR_INVALID;
    model_init_uniform(*live, seed);
    model_follow(*late, *live, 0);
    (*late)->is_frozen = true; /* it has no optimiser of its own */
    return 0;
}

int value_adversary_init(struct value_adversary *va, const struct algorithm_context *context, struct models *models, double gamma,
                         bool bootstraps_limits, struct err *err)
{
    const struct batch_shape *s = context->shape;
    *va = (struct value_adversary){.gamma = gamma, .bootstraps_limits = bootstraps_limits};
    int r = config_bind(romq_rows, ARRAY_LEN(romq_rows), context->recipe, &va->config, err);
    if (r || va->config.hidden == 0)
        return r;
    struct net_arch arch = {
        .in = s->O, .hidden = (int32_t)va->config.hidden, .depth = 2, .out = s->A, .activation = ACTIVATION_RELU};
    if (s->head.kind == ACTION_DISCRETE)
        return add_pair(models, "adversary", &arch, context->seed, true, &va->values, &va->late_values, err);
    if (s->head.kind != ACTION_BOX)
        return err_set(err, ERR_INVALID, "romq.hidden: ROM-Q's adversary needs one choice or real numbers, and %s has others",
                       context->spec->env);
    if ((r = add_pair(models, "adversary", &arch, context->seed, true, &va->actor, &va->late_actor, err)))
        return r;
    arch.in = s->O + s->A, arch.out = 1;
    return add_pair(models, "minq", &arch, context->seed, false, &va->values, &va->late_values, err);
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

void value_adversary_need(const struct value_adversary *va, int n, size_t *capacity, size_t *tape_bytes, size_t *scratch_bytes)
{
    if (!va->values)
        return;
    const struct net_arch *values = &va->values->arch, *actor = has_actor(va) ? &va->actor->arch : NULL;
    size_t tape = updater_tape_bytes(values, n), numbers = (size_t)(values->in + values->out + 4), act = net_act_scratch(values, n);
    *capacity = most(*capacity, va->values->count);
    if (actor) {
        *capacity = most(*capacity, va->actor->count);
        tape += updater_tape_bytes(actor, n);
        numbers += (size_t)(actor->in + actor->out); /* mu' of the next observations */
        act = most(act, net_act_scratch(actor, n));
    }
    *tape_bytes = most(*tape_bytes, tape);
    *scratch_bytes = most(*scratch_bytes, (size_t)n * numbers * sizeof(real) + act + 8 * ARENA_ALIGN);
}

/* ---- rows: (t * B + b) * N + n of the steps below T of a block ---- */

struct row { /* i of them */
    const struct episode *episode;
    int b, t, n; /* episode of the sample, its step, agent */
    bool is_real;
};

static int rows_of(const struct sample_block *block)
{
    return block->T * block->B * block->sample->shape->N;
}

static struct row row_at(const struct sample_block *block, int i)
{
    const int N = block->sample->shape->N, b = block->first + i / N % block->B, t = i / (block->B * N);
    const struct episode *episode = &block->sample->episode[b];
    return (struct row){.episode = episode, .b = b, .t = t, .n = i % N, .is_real = t < episode->length};
}

/* Observations of rows `later` steps on, in columns 0..O-1 of x [rows,width]; zeroes behind an end. */
static void put_observations(const struct sample_block *block, int later, int O, int width, real *x)
{
    const struct replay_shape *s = block->sample->shape;
    for (int i = 0; i < rows_of(block); i++, x += width) {
        struct row row = row_at(block, i);
        int t = row.t + later;
        const float *input = row.episode->input + ((size_t)t * (size_t)s->N + (size_t)row.n) * (size_t)s->I;
        for (int o = 0; o < O; o++)
            x[o] = t <= row.episode->length ? (real)input[o] : 0;
    }
}

/* Of a mean over real rows; has_weights: with their episodes' importance weights. */
static real *weights_of(const struct sample_block *block, bool has_weights, struct arena *scratch)
{
    const struct sample *sample = block->sample;
    const int n = rows_of(block);
    real *weight = arena_array(scratch, real, n);
    for (int i = 0; i < n; i++) {
        struct row row = row_at(block, i);
        double share = has_weights ? sample->weight[row.b] : 1;
        weight[i] = row.is_real ? (real)(share / ((double)sample->steps * sample->shape->N)) : 0;
    }
    return weight;
}

/* ---- values ---- */

/* Of choices max_a minq'(o_t+1)[a]. */
static void value_choices(const struct value_adversary *va, const struct sample_block *block, real *next, struct arena *scratch)
{
    const int n = rows_of(block), O = va->late_values->arch.in, A = va->late_values->arch.out;
    real *x = arena_array(scratch, real, (size_t)n * (size_t)O), *value = arena_array(scratch, real, (size_t)n * (size_t)A);
    put_observations(block, 1, O, O, x);
    net_act(va->late_values->weights, n, x, NULL, value, scratch);
    for (int i = 0; i < n; i++, value += A) {
        next[i] = value[0];
        for (int a = 1; a < A; a++)
            next[i] = value[a] > next[i] ? value[a] : next[i];
    }
}

/* Of real numbers minq'(o_t+1, mu'(o_t+1)). */
static void value_numbers(const struct value_adversary *va, const struct sample_block *block, real *next, struct arena *scratch)
{
    const int n = rows_of(block), O = va->late_actor->arch.in, A = va->late_actor->arch.out, width = O + A;
    real *o = arena_array(scratch, real, (size_t)n * (size_t)O), *u = arena_array(scratch, real, (size_t)n * (size_t)A);
    real *x = arena_array(scratch, real, (size_t)n * (size_t)width);
    put_observations(block, 1, O, O, o);
    net_act(va->late_actor->weights, n, o, NULL, u, scratch);
    activation_forward(ACTIVATION_TANH, (size_t)n * (size_t)A, u);
    for (int i = 0; i < n; i++) {
        memcpy(x + (size_t)i * (size_t)width, o + (size_t)i * (size_t)O, (size_t)O * sizeof *x);
        memcpy(x + (size_t)i * (size_t)width + O, u + (size_t)i * (size_t)A, (size_t)A * sizeof *x);
    }
    net_act(va->late_values->weights, n, x, NULL, next, scratch);
}

/* y of every row; of those behind an end 0. */
static real *make_targets(const struct value_adversary *va, const struct sample_block *block, struct arena *scratch)
{
    const struct sample *sample = block->sample;
    const int n = rows_of(block);
    real *y = arena_array(scratch, real, n);
    size_t mark = arena_mark(scratch);
    (has_actor(va) ? value_numbers : value_choices)(va, block, y, scratch);
    arena_release(scratch, mark);
    for (int i = 0; i < n; i++) {
        struct row row = row_at(block, i);
        bool is_end = row.t == row.episode->length - 1 && (row.episode->is_terminated || !va->bootstraps_limits);
        real next = is_end ? 0 : y[i];
        y[i] = row.is_real ? sample->reward[(size_t)row.b * (size_t)sample->T + (size_t)row.t] + (real)va->gamma * next : 0;
    }
    return y;
}

/* minq(o_t)[a_t], or minq(o_t, a_t). */
static struct node *value_done(const struct value_adversary *va, const struct sample_block *block, struct block *of)
{
    const int n = rows_of(block), width = va->values->arch.in, O = has_actor(va) ? va->actor->arch.in : width,
              C = block->sample->shape->C;
    real *x = arena_array(of->scratch, real, (size_t)n * (size_t)width);
    int32_t *choice = arena_zero_array(of->scratch, int32_t, n);
    put_observations(block, 0, O, width, x);
    for (int i = 0; i < n; i++) {
        struct row row = row_at(block, i);
        const int32_t *action = row.episode->action + ((size_t)row.t * (size_t)block->sample->shape->N + (size_t)row.n) * (size_t)C;
        float numbers[SPEC_COMPONENTS_MAX] = {0};
        if (row.is_real && has_actor(va))
            memcpy(numbers, action, (size_t)C * sizeof *numbers);
        else if (row.is_real)
            choice[i] = *action;
        for (int c = O; c < width; c++)
            x[(size_t)i * (size_t)width + (size_t)c] = (real)numbers[c - O];
    }
    struct node *value =
        net_forward(of->tape, of->weights, of->gradient, tape_input(of->tape, n, width, x, false), 1, n, NULL, NULL, NULL);
    return has_actor(va) ? value : tape_choose(of->tape, value, choice, n, 1);
}

static void learn_values(void *context, struct block *block)
{
    const struct value_adversary *va = context;
    const struct sample_block rows = sample_block(va->sample, block->first, block->count);
    const real *y = make_targets(va, &rows, block->scratch), *weight = weights_of(&rows, true, block->scratch);
    tape_squared_loss(block->tape, value_done(va, &rows, block), y, weight);
}

/* ---- the actor of real numbers ---- */

/* Down the gradient of minq at its own action. */
static void learn_actor(void *context, struct block *block)
{
    const struct value_adversary *va = context;
    const struct sample_block rows = sample_block(va->sample, block->first, block->count);
    const int n = rows_of(&rows), O = va->actor->arch.in;
    const real *weight = weights_of(&rows, false, block->scratch);
    real *x = arena_array(block->scratch, real, (size_t)n * (size_t)O);
    put_observations(&rows, 0, O, O, x);
    struct node *o = tape_input(block->tape, n, O, x, false);
    struct node *u = net_forward(block->tape, block->weights, block->gradient, o, 1, n, NULL, NULL, NULL);
    struct node *both = tape_concat(block->tape, o, tape_activation(block->tape, u, ACTIVATION_TANH));
    struct node *value = net_forward(block->tape, va->values->weights, NULL, both, 1, n, NULL, NULL, NULL);
    tape_seed_gradient(block->tape, value, weight);
}

void value_adversary_step(struct value_adversary *va, struct updater *updater, const struct sample *sample, int block_episodes,
                          struct report *report)
{
    struct updater_result values, actor;
    if (!va->values)
        return;
    va->sample = sample;
    updater_step(updater, va->values, va->config.lr, 0, sample->B, block_episodes, learn_values, va, &values);
    if (has_actor(va)) {
        updater_step(updater, va->actor, va->config.lr, 0, sample->B, block_episodes, learn_actor, va, &actor);
        model_follow(va->late_actor, va->actor, 1 - va->config.target_share);
    }
    model_follow(va->late_values, va->values, 1 - va->config.target_share);
    report_add(report, "adversary/loss", values.loss);
}
