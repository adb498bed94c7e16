/* RANDOM AGENT: an attacked agent plays uniformly over its available actions. Li et al. 2024, "random agent" (the paper does not
 * say what happens to unavailable actions). */
#include <math.h>

#include "actor/attack.h"
#include "base/rng.h"

static int act(struct stage *stage, struct err *err)
{
    (void)err;
    for (int i = 0; i < stage->n_attacked; i++) {
        int row = stage->attacked[i], b = row / stage->N, n = row % stage->N, count = 0;
        const uint8_t *available = stage->vec->available + (size_t)row * (size_t)stage->A;
        for (int a = 0; a < stage->A; a++)
            count += available[a] != 0;
        struct rng rng = rng_stream(stage->seed, RNG_ADVERSARY, stage->episode[b], (uint32_t)stage->episode_step[b], (uint32_t)n);
        int skip = (int)rng_below(&rng, (uint32_t)count);
        int choice = 0;
        while (!available[choice] || skip-- > 0)
            choice++;
        stage->action[row] = choice;
        stage->action_logp[row] = -logf((float)count);
        stage->channels[row] |= ATTACK_ACTION;
    }
    return 0;
}

const struct attack_ops attack_random = {
    .name = "random",
    .summary = "the attacked agent plays uniformly over its available actions",
    .channel = ATTACK_ACTION,
    .action = act,
};
