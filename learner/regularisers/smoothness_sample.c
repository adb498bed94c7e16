#include "learner/regularisers/smoothness.h"

size_t smoothness_sample_scratch(const struct net_arch *arch, int rows)
{
    return smoothness_scratch(arch, rows) + (size_t)rows * (sizeof(real) + sizeof(int32_t) + (size_t)arch->out) + 4 * ARENA_ALIGN;
}

/* Which choices agent n of episode b may take at step t; all of them behind the end. */
static void put_available(const struct sample_block *block, int t, int b, int n, int A, uint8_t *out)
{
    const struct episode *episode = &block->sample->episode[block->first + b];
    size_t at = ((size_t)t * (size_t)block->sample->shape->N + (size_t)n) * (size_t)A;
    for (int a = 0; a < A; a++)
        out[a] = t >= episode->length || episode->available[at + (size_t)a];
}

static uint32_t name_of(const struct sample_block *block, int t, int b, int n)
{
    uint32_t steps = (uint32_t)block->sample->T + 1, episode = (uint32_t)block->sample->episode[block->first + b].index;
    return (episode * steps + (uint32_t)t) * (uint32_t)block->sample->shape->N + (uint32_t)n;
}

const real *smoothness_perturb_sample(const struct smoothness *smoothness, struct block *block, const struct sample_block *episodes,
                                      int steps, const real *x, uint64_t update, int pass, struct smoothness_rows *rows)
{
    if (!smoothness_is_on(smoothness))
        return NULL;
    const int N = episodes->sample->shape->N, A = smoothness->head.A, n_rows = steps * episodes->B * N;
    const double real_rows = (double)episodes->sample->steps * N;
    real *weight = arena_array(block->scratch, real, n_rows);
    int32_t *names = arena_array(block->scratch, int32_t, n_rows);
    uint8_t *available = arena_array(block->scratch, uint8_t, (size_t)n_rows * (size_t)A);
    for (int row = 0; row < n_rows; row++) {
        int n = row % N, b = row / N % episodes->B, t = row / N / episodes->B;
        weight[row] = t < episodes->sample->episode[episodes->first + b].length ? (real)(1 / real_rows) : 0;
        names[row] = (int32_t)name_of(episodes, t, b, n);
        put_available(episodes, t, b, n, A, available + (size_t)row * (size_t)A);
    }
    *rows = (struct smoothness_rows){.n = n_rows,
                                     .T = steps,
                                     .B = episodes->B * N,
                                     .x = x,
                                     .O = smoothness->O,
                                     .available = available,
                                     .weight = weight,
                                     .names = names,
                                     .update = update,
                                     .pass = (uint32_t)pass};
    return smoothness_perturb(smoothness, block, rows);
}
