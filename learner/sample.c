#include "learner/sample.h"

#include <stdlib.h>

int sample_init(struct sample *sample, const struct replay_shape *shape, int B)
{
    *sample = (struct sample){.shape = shape, .B = B, .T = shape->horizon};
    sample->episode = calloc((size_t)B, sizeof *sample->episode);
    sample->reward = calloc((size_t)B * (size_t)sample->T, sizeof *sample->reward);
    sample->picked = calloc((size_t)B, sizeof *sample->picked);
    if (sample->episode && sample->reward && sample->picked)
        return 0;
    sample_deinit(sample);
    return ERR_NOMEM;
}

void sample_deinit(struct sample *sample)
{
    free(sample->episode);
    free(sample->reward);
    free(sample->picked);
    *sample = (struct sample){0};
}

/* By insertion: few, and stable. */
static void sort_by_length(struct sample *sample)
{
    for (int b = 1; b < sample->B; b++) {
        struct episode episode = sample->episode[b];
        int at = b;
        for (; at > 0 && sample->episode[at - 1].length < episode.length; at--)
            sample->episode[at] = sample->episode[at - 1];
        sample->episode[at] = episode;
    }
}

void sample_draw(struct sample *sample, const struct replay *replay, struct rng *rng)
{
    int N = sample->shape->N;
    replay_draw(replay, rng, sample->B, sample->picked);
    sample->steps = 0;
    for (int b = 0; b < sample->B; b++)
        sample->episode[b] = replay_at(replay, sample->picked[b]);
    sort_by_length(sample);
    for (int b = 0; b < sample->B; b++) {
        const struct episode *episode = &sample->episode[b];
        real *reward = sample->reward + (size_t)b * (size_t)sample->T;
        sample->steps += episode->length;
        for (int t = 0; t < episode->length; t++) {
            double sum = 0;
            for (int n = 0; n < N; n++)
                sum += (double)episode->reward[t * N + n];
            reward[t] = (real)(sum / N);
        }
    }
}
