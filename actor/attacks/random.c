/* RANDOM AGENT: an attacked agent plays uniformly over its available actions, component by component; in a box uniformly between its
 * bounds. Li et al. 2024, "random agent" (the paper does not say what happens to unavailable actions). */
#include <math.h>

#include "actor/attack.h"
#include "base/rng.h"

/* One of the available choices; their number goes to *count. */
static int32_t draw_choice(struct rng *rng, int choices, const uint8_t *available, int *count)
{
    *count = 0;
    for (int a = 0; a < choices; a++)
        *count += available[a] != 0;
    int skip = (int)rng_below(rng, (uint32_t)*count);
    int32_t choice = 0;
    while (!available[choice] || skip-- > 0)
        choice++;
    return choice;
}

static void act_row(struct stage *stage, int row, struct rng *rng)
{
    const struct action_head *head = &stage->head;
    const uint8_t *available = stage->vec->available + (size_t)row * (size_t)stage->A;
    int32_t *choice = attack_action(stage, row);
    float *number = attack_action(stage, row), logp = 0;
    for (int c = 0; c < head->C; c++) {
        if (head->kind == ACTION_BOX) {
            number[c] = (float)(2 * rng_double(rng) - 1);
            logp -= logf(2);
            continue;
        }
        int count;
        choice[c] = draw_choice(rng, head->choices[c], available, &count);
        logp -= logf((float)count);
        available += head->choices[c];
    }
    stage->action_logp[row] = logp;
    stage->channels[row] |= ATTACK_ACTION;
}

static int act(struct stage *stage, struct err *err)
{
    (void)err;
    for (int i = 0; i < stage->n_attacked; i++) {
        int row = stage->attacked[i], b = row / stage->N, n = row % stage->N;
        struct rng rng = rng_stream(stage->seed, RNG_ADVERSARY, stage->episode[b], (uint32_t)stage->episode_step[b], (uint32_t)n);
        act_row(stage, row, &rng);
    }
    return 0;
}

const struct attack_ops attack_random = {
    .name = "random",
    .summary = "the attacked agent plays uniformly over its available actions",
    .channel = ATTACK_ACTION,
    .action = act,
};
