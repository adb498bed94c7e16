/* LEARNED ADVERSARY: an attacked agent is played by the adversary policy pihat(a | o_i, theta) instead of its own.
 * Li et al. 2024 (EIR-MAPPO), section 4: the executed action is the adversary's where theta_i = 1. The nets "adversary" or
 * "adversary/<agent>" come with the weights; learner/algorithms and learner/threats train them. */
#include "actor/attack.h"
#include "base/rng.h"

static int act(struct stage *stage, struct err *err)
{
    size_t mark = arena_mark(stage->scratch), A = (size_t)stage->A;
    float *output = arena_array(stage->scratch, float, (size_t)stage->n_attacked *A), noise[SPEC_COMPONENTS_MAX];
    const float **log_std = arena_array(stage->scratch, const float *, stage->n_attacked);
    int r = adversary_output(stage, stage->attacked, stage->n_attacked, output, log_std, err);
    for (int i = 0; i < stage->n_attacked && !r; i++) {
        int row = stage->attacked[i], b = row / stage->N, n = row % stage->N;
        if (stage->head.kind == ACTION_BOX && !log_std[i]) {
            r = err_set(err, ERR_MISMATCH, "learned samples a policy, and the adversary net of agent %d has no deviations", n);
            break;
        }
        action_head_noise(&stage->head, stage->seed, RNG_ADVERSARY, stage->episode[b], (uint32_t)stage->episode_step[b],
                          (uint32_t)n, noise);
        action_head_sample(&stage->head, 1, output + (size_t)i * A, log_std[i], stage->vec->available + (size_t)row * A, noise,
                           attack_action(stage, row), &stage->action_logp[row], NULL);
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
