/* LOWEST VALUE: an attacked agent plays what ROM-Q's adversary, which learner/regularisers/value_adversary.c trains, values lowest on its clean
 * observation. Of choices the net "adversary" gives the values: the lowest available one is played, and nothing is drawn. Of real numbers it
 * gives u of the action tanh(u): in training with the team's own exploration noise on it (net/acting.h), in evaluations without. */
#include "actor/attack.h"
#include "base/rng.h"
#include "net/acting.h"

static int lowest_choice(int A, const float *value, const uint8_t *available)
{
    int lowest = -1;
    for (int a = 0; a < A; a++)
        if (available[a] && (lowest < 0 || value[a] < value[lowest]))
            lowest = a;
    return lowest;
}

/* probability [A]: scratch. */
static int act_row(struct stage *stage, int row, const float *output, const float *log_std, float *probability, struct err *err)
{
    int b = row / stage->N, n = row % stage->N;
    if (stage->head.kind == ACTION_DISCRETE) {
        *(int32_t *)attack_action(stage, row) =
            lowest_choice(stage->A, output, stage->vec->available + (size_t)row * (size_t)stage->A);
        return 0;
    }
    if (log_std)
        return err_set(err, ERR_MISMATCH, "lowest-value plays ROM-Q's adversary, and the net of agent %d is a policy to be sampled",
                       n);
    struct rng explore = rng_stream(stage->seed, RNG_ADVERSARY, stage->episode[b], (uint32_t)stage->episode_step[b], (uint32_t)n);
    acting_row(BEHAVIOUR_TANH, &stage->head, output, NULL, stage->epsilon, &explore, attack_action(stage, row), probability);
    return 0;
}

static int act(struct stage *stage, struct err *err)
{
    if (stage->head.kind != ACTION_DISCRETE && stage->head.kind != ACTION_BOX)
        return err_set(err, ERR_MISMATCH, "lowest-value needs one choice or real numbers: %s has others", stage->env->spec.env);
    size_t mark = arena_mark(stage->scratch), A = (size_t)stage->A;
    float *output = arena_array(stage->scratch, float, (size_t)stage->n_attacked *A), probability[SPEC_ACTIONS_MAX];
    const float **log_std = arena_array(stage->scratch, const float *, stage->n_attacked);
    int r = adversary_output(stage, stage->attacked, stage->n_attacked, output, log_std, err);
    for (int i = 0; i < stage->n_attacked && !r; i++) {
        int row = stage->attacked[i];
        r = act_row(stage, row, output + (size_t)i * A, log_std[i], probability, err);
        stage->action_logp[row] = 0.0f;
        stage->channels[row] |= ATTACK_ACTION;
    }
    arena_release(stage->scratch, mark);
    return r;
}

const struct attack_ops attack_lowest_value = {
    .name = "lowest-value",
    .summary = "the attacked agent plays the action that ROM-Q's adversary values lowest, its net \"adversary\"",
    .channel = ATTACK_ACTION,
    .needs_adversary = true,
    .action = act,
};
