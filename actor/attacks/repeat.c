/* STUCK ACTIONS: with the given probability an attacked agent does again what it did at the step before, in place of what it decided
 * now. No adversary: a worn actuator. Li et al. 2025 (MIR3), arXiv:2310.09833, "action repeat", every agent at every step with 0.3
 * ("repeat:0.3@all"); an action that is not available any more gives way to the new one, which the paper leaves open. */
#include <string.h>

#include "actor/attack.h"
#include "base/rng.h"

/* Whether all components of the action may be chosen now. */
static bool is_available(const struct stage *stage, int row, const int32_t *choice)
{
    const struct action_head *head = &stage->head;
    const uint8_t *available = stage->vec->available + (size_t)row * (size_t)stage->A;
    for (int c = 0; head->kind != ACTION_BOX && c < head->C; available += head->choices[c], c++)
        if (!available[choice[c]])
            return false;
    return true;
}

static int act(struct stage *stage, struct err *err)
{
    (void)err;
    for (int i = 0; i < stage->n_attacked; i++) {
        int row = stage->attacked[i], b = row / stage->N, n = row % stage->N;
        const int32_t *before = (const int32_t *)stage->previous + (size_t)row * (size_t)stage->C;
        float unit = rng_unit(stage->seed, RNG_ADVERSARY, stage->episode[b], (uint32_t)stage->episode_step[b], (uint32_t)n);
        if (stage->episode_step[b] == 0 || unit >= stage->strength || !is_available(stage, row, before))
            continue;
        memcpy(attack_action(stage, row), before, (size_t)stage->C * sizeof *before);
        stage->action_logp[row] = 0.0f;
        stage->channels[row] |= ATTACK_ACTION;
    }
    return 0;
}

const struct attack_ops attack_repeat = {
    .name = "repeat",
    .summary = "with the given probability the attacked agent does again what it did at the step before",
    .channel = ATTACK_ACTION,
    .has_strength = true,
    .strength_max = 1,
    .is_for_evaluation = true,
    .action = act,
};
