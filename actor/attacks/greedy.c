/* GREEDY BEST RESPONSE: an omniscient adversary that knows the partners' current action probabilities and plays the action with
 * the lowest team reward of this step against the partners' most likely actions. In the iterated matrix game this is the
 * analytic adversary of the EIR-MAPPO release (state 0: the opposite of the partner's argmax, state 1: the same). It tries each
 * action on a copy of the environment, so it fits every environment whose dynamics draw nothing; it ignores the future. */
#include <math.h>
#include <string.h>

#include "actor/attack.h"

static int most_likely(const float *probability, int A)
{
    int best = 0;
    for (int a = 1; a < A; a++)
        if (probability[a] > probability[best])
            best = a;
    return best;
}

/* Team reward of the step when `row` plays `choice` and everybody else what `joint` says. */
static float reward_of(struct stage *stage, int row, int choice, int32_t *joint, void *copy, float *reward)
{
    int b = row / stage->N, n = row % stage->N;
    const struct vec *vec = stage->vec;
    uint8_t terminated, truncated;
    struct env_result result = {.reward = reward, .terminated = &terminated, .truncated = &truncated};
    struct rng rng = rng_stream(stage->seed, RNG_STEP, stage->episode[b], (uint32_t)stage->episode_step[b], 0);
    memcpy(copy, vec->states + (size_t)b * vec->state_stride, stage->env->state_bytes);
    joint[n] = choice;
    stage->env->ops->step(stage->env->params, copy, &(struct env_action){.choice = joint}, &rng, &result);
    float sum = 0;
    for (int i = 0; i < stage->N; i++)
        sum += reward[i];
    return sum;
}

static int act(struct stage *stage, struct err *err)
{
    if (stage->head.kind != ACTION_DISCRETE)
        return err_set(err, ERR_MISMATCH, "greedy tries every action, which needs a discrete one: %s has %d components",
                       stage->env->spec.env, stage->C);
    size_t mark = arena_mark(stage->scratch);
    void *copy = arena_take(stage->scratch, stage->env->state_bytes);
    int32_t *joint = arena_array(stage->scratch, int32_t, stage->N);
    float *reward = arena_array(stage->scratch, float, stage->N);
    for (int i = 0; i < stage->n_attacked; i++) {
        int row = stage->attacked[i], first = row - row % stage->N, best = -1;
        float lowest = INFINITY;
        const uint8_t *available = stage->vec->available + (size_t)row * (size_t)stage->A;
        for (int n = 0; n < stage->N; n++)
            joint[n] = most_likely(stage->probability + (size_t)(first + n) * (size_t)stage->A, stage->A);
        for (int a = 0; a < stage->A; a++) {
            if (!available[a])
                continue;
            float value = reward_of(stage, row, a, joint, copy, reward);
            if (best < 0 || value < lowest) {
                lowest = value;
                best = a;
            }
        }
        *(int32_t *)attack_action(stage, row) = best;
        stage->action_logp[row] = 0.0f;
        stage->channels[row] |= ATTACK_ACTION;
    }
    arena_release(stage->scratch, mark);
    return 0;
}

const struct attack_ops attack_greedy = {
    .name = "greedy",
    .summary = "the attacked agent plays the worst answer for this step to its partners' most likely actions",
    .channel = ATTACK_ACTION,
    .action = act,
};
