/* RANDOM AGENT: an attacked agent plays uniformly over its available actions, component by component; in a box uniformly between its
 * bounds. Li et al. 2024, "random agent" (the paper does not say what happens to unavailable actions). */
#include "actor/attack.h"
#include "base/rng.h"

static int act(struct stage *stage, struct err *err)
{
    (void)err;
    for (int i = 0; i < stage->n_attacked; i++) {
        int row = stage->attacked[i], b = row / stage->N, n = row % stage->N;
        struct rng rng = rng_stream(stage->seed, RNG_ADVERSARY, stage->episode[b], (uint32_t)stage->episode_step[b], (uint32_t)n);
        action_head_uniform(&stage->head, &rng, stage->vec->available + (size_t)row * (size_t)stage->A, attack_action(stage, row),
                            &stage->action_logp[row]);
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
