#include "learner/sample.h"

#include <stdlib.h>
#include <string.h>

int sample_init(struct sample *sample, const struct replay_shape *shape, int B)
{
    *sample = (struct sample){.shape = shape, .B = B, .T = shape->horizon};
    sample->episode = calloc((size_t)B, sizeof *sample->episode);
    sample->reward = calloc((size_t)B * (size_t)sample->T, sizeof *sample->reward);
    sample->weight = calloc((size_t)B, sizeof *sample->weight);
    sample->error = calloc((size_t)B, sizeof *sample->error);
    sample->picked = calloc((size_t)B, sizeof *sample->picked);
    if (sample->episode && sample->reward && sample->weight && sample->error && sample->picked)
        return 0;
    sample_deinit(sample);
    return ERR_NOMEM;
}

void sample_deinit(struct sample *sample)
{
    free(sample->episode);
    free(sample->reward);
    free(sample->weight);
    free(sample->error);
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

void sample_begin(struct sample *sample, const struct replay *replay, const struct progress *progress)
{
    sample->beta = replay_beta(replay, progress->update, progress->total);
}

static void weigh(struct sample *sample, const struct replay *replay)
{
    const struct priority *priority = replay_priority(replay);
    for (int b = 0; b < sample->B; b++) {
        sample->error[b] = 0;
        sample->weight[b] = priority ? priority_share(priority, replay_number(replay, sample->episode[b].index)) : 1;
    }
    if (priority)
        priority_weights(sample->B, sample->weight, sample->beta, sample->weight);
}

void sample_draw(struct sample *sample, const struct replay *replay, struct rng *rng)
{
    int N = sample->shape->N;
    replay_draw(replay, rng, sample->B, sample->picked);
    sample->steps = 0;
    for (int b = 0; b < sample->B; b++)
        sample->episode[b] = replay_at(replay, sample->picked[b]);
    sort_by_length(sample);
    weigh(sample, replay);
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

void sample_count_error(const struct sample *sample, int b, double size)
{
    sample->error[b] += size / sample->episode[b].length;
}

void sample_learned(const struct sample *sample, struct replay *replay)
{
    struct priority *priority = replay_priority(replay);
    for (int b = 0; b < sample->B && priority; b++)
        priority_set(priority, replay_number(replay, sample->episode[b].index), sample->error[b]);
}

void sample_report(const struct sample *sample, const struct replay *replay, struct report *report)
{
    double sum = 0;
    if (!replay_priority(replay))
        return;
    for (int b = 0; b < sample->B; b++)
        sum += sample->weight[b];
    report_add(report, "replay/beta", sample->beta);
    report_add(report, "replay/weight", sum / sample->B);
}

/* ---- blocks ---- */

struct sample_block sample_block(const struct sample *sample, int first, int count)
{
    return (struct sample_block){.sample = sample, .first = first, .B = count, .T = sample->episode[first].length};
}

static void put_last_action(const struct episode *episode, const struct action_head *head, int row, real *out)
{
    float numbers[SPEC_ACTIONS_MAX];
    acting_last_action(head, episode->action + (size_t)row * (size_t)head->C, numbers);
    for (int a = 0; a < head->A; a++)
        out[a] = (real)numbers[a];
}

void sample_gather_input(const struct sample_block *block, const struct action_head *head, bool has_last_action, int width,
                         real *out)
{
    const struct replay_shape *s = block->sample->shape;
    for (int t = 0; t <= block->T; t++)
        for (int b = 0; b < block->B; b++)
            for (int n = 0; n < s->N; n++, out += width) {
                const struct episode *episode = &block->sample->episode[block->first + b];
                memset(out, 0, (size_t)width * sizeof *out);
                if (t > episode->length)
                    continue;
                const float *from = episode->input + ((size_t)t * (size_t)s->N + (size_t)n) * (size_t)s->I;
                for (int i = 0; i < s->I; i++)
                    out[i] = (real)from[i];
                if (has_last_action && t > 0)
                    put_last_action(episode, head, (t - 1) * s->N + n, out + s->I);
            }
}

void sample_gather_states(const struct sample_block *block, real *out)
{
    const struct replay_shape *s = block->sample->shape;
    for (int t = 0; t <= block->T; t++)
        for (int b = 0; b < block->B; b++, out += s->Z) {
            const struct episode *episode = &block->sample->episode[block->first + b];
            if (t <= episode->length)
                replay_state(s, episode, t, out);
            else
                memset(out, 0, (size_t)s->Z * sizeof *out);
        }
}
