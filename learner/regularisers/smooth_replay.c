#include "learner/regularisers/smooth_replay.h"

#include <string.h>

struct smoothness_rows smooth_replay_rows(const struct sample_block *block, int T, const real *input, int O, uint64_t step,
                                          struct arena *scratch)
{
    const struct replay_shape *s = block->sample->shape;
    const int sequences = block->B * s->N, n = T * sequences;
    const size_t A = (size_t)s->A;
    uint8_t *available = arena_array(scratch, uint8_t, (size_t)n * A);
    real *weight = arena_array(scratch, real, n);
    int32_t *names = arena_array(scratch, int32_t, n);
    for (int i = 0; i < n; i++) {
        int t = i / sequences, agent = i % s->N;
        const struct episode *episode = &block->sample->episode[block->first + i % sequences / s->N];
        bool is_real = t < episode->length;
        weight[i] = is_real ? (real)(1.0 / ((double)block->sample->steps * s->N)) : 0;
        names[i] = (int32_t)(((int64_t)episode->index * (s->horizon + 1) + t) * s->N + agent);
        if (is_real)
            memcpy(available + (size_t)i * A, episode->available + ((size_t)t * (size_t)s->N + (size_t)agent) * A, A);
        else
            memset(available + (size_t)i * A, 1, A);
    }
    return (struct smoothness_rows){.n = n,
                                    .T = T,
                                    .B = sequences,
                                    .x = input,
                                    .O = O,
                                    .available = available,
                                    .weight = weight,
                                    .names = names,
                                    .update = step};
}

void smooth_replay_need(const struct smoothness *smoothness, const struct net_arch *arch, int rows, size_t *tape_bytes,
                        size_t *scratch_bytes)
{
    if (!smoothness_is_on(smoothness))
        return;
    *tape_bytes += 2 * updater_tape_bytes(arch, rows);
    *scratch_bytes += 2 * smoothness_scratch(arch, rows) + (size_t)rows * (size_t)(3 * arch->out + 4) * sizeof(real);
}
