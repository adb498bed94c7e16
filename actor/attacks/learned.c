/* LEARNED ADVERSARY: an attacked agent is played by the adversary policy pihat(a | o_i, theta) instead of its own.
 * Li et al. 2024 (EIR-MAPPO), section 4: the executed action is the adversary's where theta_i = 1. The nets "adversary" or
 * "adversary/<agent>" come with the weights; learner/algorithms and learner/threats train them. */
#include "actor/attack.h"
#include "base/rng.h"
#include "net/categorical.h"

static int act(struct stage *stage, struct err *err)
{
    size_t mark = arena_mark(stage->scratch), A = (size_t)stage->A;
    float *logits = arena_array(stage->scratch, float, (size_t)stage->n_attacked *A);
    int r = adversary_logits(stage, stage->attacked, stage->n_attacked, logits, err);
    for (int i = 0; i < stage->n_attacked && !r; i++) {
        int row = stage->attacked[i], b = row / stage->N, n = row % stage->N;
        float unit = rng_unit(stage->seed, RNG_ADVERSARY, stage->episode[b], (uint32_t)stage->episode_step[b], (uint32_t)n);
        categorical_sample(1, stage->A, logits + (size_t)i * A, stage->vec->available + (size_t)row * A, &unit, &stage->action[row],
                           &stage->action_logp[row], NULL);
        stage->channels[row] |= ATTACK_ACTION;
    }
    arena_release(stage->scratch, mark);
    return r;
}

const struct attack_ops attack_learned = {
    .name = "learned",
    .summary = "the attacked agent plays a trained adversary policy",
    .channel = ATTACK_ACTION,
    .needs_adversary = true,
    .action = act,
};
