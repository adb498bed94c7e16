#include "learner/regularisers/mi_replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of the estimator are laid out [episode][step below T][R], T the longest episode of the call; those behind an end are not real. */

int mi_replay_init(struct mi_replay *mr, const struct algorithm_context *context, struct models *models, const struct model *agent,
                   const struct acting_config *acting, const struct replay_shape *shape, int episodes, struct err *err)
{
    const struct mi_widths widths = {
        .state = shape->Z, .observation = context->shape->O, .hidden = agent->arch.gru ? agent->arch.hidden : 0};
    *mr = (struct mi_replay){.agent = agent, .acting = acting, .episodes = episodes};
    int r = mi_init(&mr->mi, context, models, &widths, episodes * shape->horizon, err);
    if (r || !mi_is_on(&mr->mi))
        return r;
    mr->taken = (struct sample){.shape = shape, .episode = calloc((size_t)episodes, sizeof *mr->taken.episode)};
    if (!mr->taken.episode) {
        mi_replay_deinit(mr);
        return err_set(err, ERR_NOMEM, "no memory for the information penalty");
    }
    return 0;
}

void mi_replay_deinit(struct mi_replay *mr)
{
    mi_deinit(&mr->mi);
    free(mr->taken.episode);
    *mr = (struct mi_replay){0};
}

/* Scratch of unroll_block: inputs of an episode, and the net's step by step. */
static size_t unroll_scratch(const struct mi_replay *mr)
{
    const struct replay_shape *s = mr->taken.shape;
    const struct net_arch *arch = &mr->agent->arch;
    size_t rows = (size_t)(s->horizon + 1) * (size_t)s->N;
    return (rows * (size_t)arch->in + (size_t)s->N * (size_t)(arch->hidden + arch->out)) * sizeof(real) + 4 * ARENA_ALIGN +
           net_act_scratch(arch, s->N);
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

void mi_replay_need(const struct mi_replay *mr, size_t *capacity, size_t *tape_bytes, size_t *scratch_bytes)
{
    if (!mi_is_on(&mr->mi))
        return;
    const struct model *net = models_find(mr->mi.models, "mi/action");
    *capacity = most(*capacity, net->count);
    *tape_bytes = most(*tape_bytes, updater_tape_bytes(&net->arch, MI_BLOCK));
    *scratch_bytes = most(*scratch_bytes, most(mi_scratch(&mr->mi), unroll_scratch(mr)));
}

/* ---- rows ---- */

struct gathering {
    struct mi_replay *mr;
    const struct sample *sample;
    int T;
};

static float *x_of(const struct gathering *g, int b, int t)
{
    const struct mi *mi = &g->mr->mi;
    return mi->batch_x + ((size_t)b * (size_t)g->T + (size_t)t) * (size_t)(mi->R * mi->X);
}

static void put_x(const struct gathering *g, const struct replay_shape *s, const struct episode *episode, int b, int t)
{
    const struct mi *mi = &g->mr->mi;
    const float *input = episode->input + (size_t)t * (size_t)(s->N * s->I);
    float *x = x_of(g, b, t);
    size_t O = (size_t)(mi->config.input == MI_OBSERVATION ? mi->X : mi->X / s->N);
    if (mi->config.input == MI_STATE && episode->state)
        memcpy(x, episode->state + (size_t)t * (size_t)s->Z, (size_t)s->Z * sizeof *x);
    else /* observations, side by side or one a row: the same bytes */
        for (int n = 0; n < s->N; n++)
            memcpy(x + (size_t)n * O, input + (size_t)n * (size_t)s->I, O * sizeof *x);
}

static void put_step(const struct gathering *g, int b, int t)
{
    struct mi *mi = &g->mr->mi;
    const struct replay_shape *s = g->sample->shape;
    const struct episode *episode = &g->sample->episode[b];
    size_t first = ((size_t)b * (size_t)g->T + (size_t)t) * (size_t)mi->R, agents = (size_t)(s->N / mi->R);
    if (t >= episode->length) {
        memset(mi->batch_real + first, 0, (size_t)mi->R);
        return;
    }
    if (mi->config.input != MI_HIDDEN)
        put_x(g, s, episode, b, t);
    memcpy(mi->batch_y + first * (size_t)mi->Y, episode->action + (size_t)t * (size_t)(s->N * s->C),
           (size_t)(s->N * s->C) * sizeof *mi->batch_y);
    for (size_t r = 0; r < (size_t)mi->R; r++) {
        size_t agent = (size_t)t * (size_t)s->N + r * agents, row = first + r;
        mi->batch_real[row] = mi->R == 1 || episode->alive[agent];
        if (mi_has_masks(mi))
            mi_put_mask(mi, episode->available + agent * (size_t)s->A, episode->alive + agent, mi->batch_y + row * (size_t)mi->Y,
                        mi->batch_mask + row * (size_t)mi->W);
    }
}

/* Recurrent states of one episode, step by step: the rows h_t [N,hidden] of step t are its x. */
static void unroll_block(void *context, struct block *block)
{
    const struct gathering *g = context;
    const struct mi_replay *mr = g->mr;
    const struct net_arch *arch = &mr->agent->arch;
    const struct sample_block rows = sample_block(g->sample, block->first, 1);
    size_t N = (size_t)g->sample->shape->N, H = (size_t)arch->hidden;
    real *input = arena_array(block->scratch, real, (size_t)(rows.T + 1) * N * (size_t)arch->in);
    real *h = arena_zero_array(block->scratch, real, N * H), *out = arena_array(block->scratch, real, N * (size_t)arch->out);
    sample_gather_input(&rows, &mr->mi.head, mr->acting->has_last_action, arch->in, input);
    for (int t = 0; t < rows.T; t++) {
        net_act(block->weights, (int)N, input + (size_t)t * N * (size_t)arch->in, h, out, block->scratch);
        for (size_t i = 0; i < N * H; i++)
            x_of(g, block->first, t)[i] = (float)h[i];
    }
}

static struct gathering gather(struct mi_replay *mr, struct updater *updater, const struct sample *sample)
{
    struct gathering g = {.mr = mr, .sample = sample};
    for (int b = 0; b < sample->B; b++)
        g.T = sample->episode[b].length > g.T ? sample->episode[b].length : g.T;
    for (int b = 0; b < sample->B; b++)
        for (int t = 0; t < g.T; t++)
            put_step(&g, b, t);
    if (mr->mi.config.input == MI_HIDDEN)
        updater_forward(updater, mr->agent, sample->B, 1, unroll_block, &g);
    return g;
}

/* ---- what a backbone calls ---- */

static void remember(struct mi *mi, const struct gathering *g)
{
    for (int b = 0; b < g->sample->B; b++)
        for (int t = 0; t < g->sample->episode[b].length; t++) {
            size_t row = ((size_t)b * (size_t)g->T + (size_t)t) * (size_t)mi->R;
            mi_remember(mi, mi->batch_x + row * (size_t)mi->X, mi->batch_y + row * (size_t)mi->Y, mi->batch_real + row,
                        mi_has_masks(mi) ? mi->batch_mask + row * (size_t)mi->W : NULL);
        }
}

void mi_replay_take(struct mi_replay *mr, struct updater *updater, const struct replay *replay, int kept)
{
    if (!mi_is_on(&mr->mi))
        return;
    int count = replay_count(replay);
    for (int next = count - (kept < count ? kept : count); next < count; next += mr->taken.B) {
        mr->taken.B = count - next < mr->episodes ? count - next : mr->episodes;
        for (int b = 0; b < mr->taken.B; b++)
            mr->taken.episode[b] = replay_at(replay, next + b);
        struct gathering g = gather(mr, updater, &mr->taken);
        remember(&mr->mi, &g);
    }
}

/* r^MI = r - lambda I_t; returns the mean of |r|. */
static double subtract(const struct mi *mi, struct sample *sample, int T)
{
    double size = 0;
    for (int b = 0; b < sample->B; b++)
        for (int t = 0; t < sample->episode[b].length; t++) {
            real *r = &sample->reward[(size_t)b * (size_t)sample->T + (size_t)t];
            size += fabs((double)*r) / (double)sample->steps;
            if (mi->config.lambda > 0)
                *r -= (real)(mi->config.lambda * mi->batch_bound[(size_t)b * (size_t)T + (size_t)t]);
        }
    return size;
}

void mi_replay_shape(struct mi_replay *mr, struct updater *updater, struct sample *sample, uint64_t step, struct report *report)
{
    struct mi *mi = &mr->mi;
    if (!mi_is_on(mi))
        return;
    const uint64_t name =
        step | (uint64_t)1 << 63; /* apart from the draws of samples, which the backbone makes for the same purpose */
    struct mi_estimate estimate;
    double nll = mi_fit(mi, updater, name);
    struct gathering g = gather(mr, updater, sample);
    const struct mi_steps steps = {.n = sample->B * g.T,
                                   .x = mi->batch_x,
                                   .y = mi->batch_y,
                                   .is_real = mi->batch_real,
                                   .mask = mi->batch_mask,
                                   .cluster = g.T};
    mi_information(mi, updater, &steps, name, mi->batch_bound, &estimate);
    mi_report(mi, &estimate, nll, subtract(mi, sample, g.T), report);
}
