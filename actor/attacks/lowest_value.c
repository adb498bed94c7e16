/* LOWEST VALUE: an attacked agent plays the available action that the net "adversary" values lowest on its clean observation: ROM-Q's
 * adversary, which learner/regularisers/value_adversary.c trains. Nothing is drawn. */
#include "actor/attack.h"

static int act(struct stage *stage, struct err *err)
{
    if (stage->head.kind != ACTION_DISCRETE)
        return err_set(err, ERR_MISMATCH, "lowest-value compares discrete actions: %s has others", stage->env->spec.env);
    size_t mark = arena_mark(stage->scratch), A = (size_t)stage->A;
    float *value = arena_array(stage->scratch, float, (size_t)stage->n_attacked *A);
    int r = adversary_output(stage, stage->attacked, stage->n_attacked, value, NULL, err);
    for (int i = 0; i < stage->n_attacked && !r; i++) {
        int row = stage->attacked[i];
        const uint8_t *available = stage->vec->available + (size_t)row * A;
        const float *of_row = value + (size_t)i * A;
        int32_t lowest = -1;
        for (int32_t a = 0; a < stage->A; a++)
            if (available[a] && (lowest < 0 || of_row[a] < of_row[lowest]))
                lowest = a;
        *(int32_t *)attack_action(stage, row) = lowest;
        stage->action_logp[row] = 0.0f;
        stage->channels[row] |= ATTACK_ACTION;
    }
    arena_release(stage->scratch, mark);
    return r;
}

const struct attack_ops attack_lowest_value = {
    .name = "lowest-value",
    .summary = "the attacked agent plays the available action that the net \"adversary\" values lowest (ROM-Q)",
    .channel = ATTACK_ACTION,
    .needs_adversary = true,
    .action = act,
};
