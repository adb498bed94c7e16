#include "learner/regularisers/value_adversary.h"

#include <string.h>

#define OFF(field) offsetof(struct value_adversary_config, field)

static const struct config_row romq_rows[] = {
    {"romq.hidden", CONFIG_INT, OFF(hidden), "0", 0, 4096, "", NULL,
     "width of the net that values actions for ROM-Q's adversary; 0: there is none"},
    {"romq.lr", CONFIG_REAL, OFF(lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of that net; released code: the critic's"},
    {"romq.target_share", CONFIG_REAL, OFF(target_share), "0.005", 0, 1, "per step", NULL, "share by which its target follows"},
};

const struct config_table value_adversary_table = {"romq", romq_rows, ARRAY_LEN(romq_rows)};

int value_adversary_init(struct value_adversary *va, const struct algorithm_context *context, struct models *models, double gamma,
                         bool bootstraps_limits, struct err *err)
{
    const struct batch_shape *s = context->shape;
    *va = (struct value_adversary){.gamma = gamma, .bootstraps_limits = bootstraps_limits};
    int r = config_bind(romq_rows, ARRAY_LEN(romq_rows), context->recipe, &va->config, err);
    if (r || va->config.hidden == 0)
        return r;
    if (s->head.kind != ACTION_DISCRETE)
        return err_set(err, ERR_INVALID, "romq.hidden: ROM-Q's adversary values one discrete action an agent, and %s has others",
                       context->spec->env);
    const struct net_arch arch = {
        .in = s->O, .hidden = (int32_t)va->config.hidden, .depth = 2, .out = s->A, .activation = ACTIVATION_RELU};
    if (!(va->live = models_add(models, "adversary", &arch, context->seed, 1.0, true, err)) ||
        !(va->late = models_add(models, "target/adversary", &arch, context->seed, 1.0, false, err)))
        return ERR_INVALID;
    model_init_uniform(va->live, context->seed);
    model_follow(va->late, va->live, 0);
    va->late->is_frozen = true;
    return 0;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

void value_adversary_need(const struct value_adversary *va, int n, size_t *capacity, size_t *tape_bytes, size_t *scratch_bytes)
{
    if (!va->live)
        return;
    const struct net_arch *arch = &va->live->arch;
    *capacity = most(*capacity, va->live->count);
    *tape_bytes = most(*tape_bytes, updater_tape_bytes(arch, n));
    *scratch_bytes = most(*scratch_bytes, (size_t)n * (size_t)(arch->in + arch->out + 4) * sizeof(real) + net_act_scratch(arch, n) +
                                              8 * ARENA_ALIGN);
}

/* Rows (t * B + b) * N + n of steps from..from+T-1; zeroes behind an end. */
static real *gather(const struct sample_block *rows, int from, int O, struct arena *scratch)
{
    const struct replay_shape *s = rows->sample->shape;
    real *x = arena_zero_array(scratch, real, (size_t)rows->T * (size_t)(rows->B * s->N * O)), *out = x;
    for (int t = from; t < from + rows->T; t++)
        for (int b = 0; b < rows->B; b++)
            for (int n = 0; n < s->N; n++, out += O) {
                const struct episode *episode = &rows->sample->episode[rows->first + b];
                if (t > episode->length)
                    continue;
                const float *input = episode->input + ((size_t)t * (size_t)s->N + (size_t)n) * (size_t)s->I;
                for (int o = 0; o < O; o++)
                    out[o] = (real)input[o];
            }
    return x;
}

/* y of every row; of those behind an end 0. */
static real *make_targets(const struct value_adversary *va, const struct sample_block *rows, int O, struct arena *scratch)
{
    const int N = rows->sample->shape->N, A = va->late->arch.out, n = rows->T * rows->B * N;
    real *y = arena_array(scratch, real, n);
    size_t mark = arena_mark(scratch);
    real *next = arena_array(scratch, real, (size_t)n * (size_t)A);
    net_act(va->late->weights, n, gather(rows, 1, O, scratch), NULL, next, scratch);
    for (int i = 0; i < n; i++) {
        int t = i / (rows->B * N), b = rows->first + i / N % rows->B;
        const struct episode *episode = &rows->sample->episode[b];
        bool is_end = t == episode->length - 1 && (episode->is_terminated || !va->bootstraps_limits);
        real best = next[(size_t)i * (size_t)A];
        for (int a = 1; a < A; a++)
            best = next[(size_t)i * (size_t)A + (size_t)a] > best ? next[(size_t)i * (size_t)A + (size_t)a] : best;
        y[i] = t < episode->length ? rows->sample->reward[(size_t)b * (size_t)rows->sample->T + (size_t)t] : 0;
        if (t < episode->length && !is_end)
            y[i] += (real)va->gamma * best;
    }
    arena_release(scratch, mark);
    return y;
}

static void learn_block(void *context, struct block *block)
{
    const struct value_adversary *va = context;
    const struct sample_block rows = sample_block(va->sample, block->first, block->count);
    const int N = va->sample->shape->N, O = va->live->arch.in, n = rows.T * rows.B * N;
    real *y = make_targets(va, &rows, O, block->scratch), *weight = arena_array(block->scratch, real, n);
    int32_t *action = arena_array(block->scratch, int32_t, n);
    for (int i = 0; i < n; i++) {
        int t = i / (rows.B * N);
        const struct episode *episode = &va->sample->episode[rows.first + i / N % rows.B];
        bool is_real = t < episode->length;
        weight[i] = is_real ? (real)(1.0 / ((double)va->sample->steps * N)) : 0;
        action[i] = is_real ? episode->action[t * N + i % N] : 0;
    }
    struct node *x = tape_input(block->tape, n, O, gather(&rows, 0, O, block->scratch), false);
    struct node *value = net_forward(block->tape, block->weights, block->gradient, x, 1, n, NULL, NULL, NULL);
    tape_squared_loss(block->tape, tape_choose(block->tape, value, action, n, 1), y, weight);
}

void value_adversary_step(struct value_adversary *va, struct updater *updater, const struct sample *sample, int block_episodes,
                          struct report *report)
{
    struct updater_result result;
    if (!va->live)
        return;
    va->sample = sample;
    updater_step(updater, va->live, va->config.lr, 0, sample->B, block_episodes, learn_block, va, &result);
    model_follow(va->late, va->live, 1 - va->config.target_share);
    report_add(report, "adversary/loss", result.loss);
}
