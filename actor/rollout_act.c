/* What agents know and decide at a step: see rollout_internal.h. */
#include "actor/rollout_internal.h"

#include <math.h>

struct stage rollout_stage(struct rollout *rollout, const struct group *group)
{
    const struct buffers *buffers = &rollout->buffers;
    for (int b = 0; b < group->B; b++) {
        buffers->episode[b] = rollout->work.head[b].episode;
        buffers->episode_step[b] = rollout->work.head[b].episode_step;
        if (rollout->victims.together > 1)
            buffers->attacker[b] = victims_find(&rollout->victims, rollout->work.head[b].partition);
    }
    return (struct stage){
        .vec = &rollout->work_vec,
        .env = &rollout->env,
        .nets = &rollout->nets,
        .defender = rollout->script ? NULL : nets_find(&rollout->nets, "defender"),
        .B = group->B,
        .N = rollout->env.spec.N,
        .O = rollout->env.spec.O,
        .K = rollout->K,
        .M = rollout->M,
        .A = rollout->env.spec.A,
        .C = rollout->env.spec.C,
        .head = rollout->head,
        .seed = group->seed,
        .episode = buffers->episode,
        .episode_step = buffers->episode_step,
        .attacked = buffers->attacked,
        .attacker = rollout->victims.together > 1 ? buffers->attacker : NULL,
        .strength = group->threat.strength,
        .epsilon = group->epsilon,
        .previous = buffers->previous,
        .input = buffers->input,
        .probability = buffers->probability,
        .action = buffers->action,
        .action_logp = buffers->action_logp,
        .channels = buffers->channels,
        .scratch = &rollout->scratch,
    };
}

void rollout_list_attacked(struct rollout *rollout, const struct group *group, struct stage *stage)
{
    stage->n_attacked = 0;
    if (!group->threat.ops)
        return;
    for (int b = 0; b < stage->B; b++)
        for (int n = 0; n < stage->N; n++)
            if (group->threat.hits_all || rollout->work.head[b].partition >> n & 1)
                rollout->buffers.attacked[stage->n_attacked++] = b * stage->N + n;
}

void rollout_know(struct rollout *rollout, int B, const float *observation, float *belief_state, const struct lane_head *heads,
                  float *out, size_t stride)
{
    int N = rollout->env.spec.N;
    if (rollout->knowledge.kind == KNOWLEDGE_BELIEF) {
        float *logits = rollout->buffers.logits;
        net_act(nets_find(&rollout->nets, "belief"), B * N, observation, belief_state, logits, &rollout->scratch);
        for (int row = 0; row < B * N; row++)
            knowledge_from_logits(&rollout->knowledge, (size_t)N, logits + (size_t)row * (size_t)N, out + (size_t)row * stride);
    } else if (rollout->knowledge.kind == KNOWLEDGE_TRUE_TYPE) {
        for (int row = 0; row < B * N; row++)
            for (int n = 0; n < N; n++)
                out[(size_t)row * stride + (size_t)n] =
                    knowledge_from_type(&rollout->knowledge, (int)(heads[row / N].partition >> n & 1));
    }
}

void rollout_fill_input(struct rollout *rollout, const struct stage *stage)
{
    size_t O = (size_t)stage->O, I = (size_t)stage_width(stage), M = (size_t)stage->M;
    for (size_t row = 0; row < (size_t)(stage->B * stage->N); row++) {
        memcpy(stage->input + row * I, rollout->work_vec.observation + row * O, O * sizeof(float));
        memcpy(stage->input + (row + 1) * I - M, rollout->work.last_action + row * M, M * sizeof(float));
    }
    rollout_know(rollout, stage->B, rollout->work_vec.observation, rollout->work.belief_state, rollout->work.head, stage->input + O,
                 I);
}

/* Inverse of the cumulative distribution, as categorical_sample does from logits. */
static int sample_probability(const float *probability, int A, float unit)
{
    float sum = 0.0f;
    int last = 0;
    for (int a = 0; a < A; a++) {
        if (probability[a] <= 0.0f)
            continue;
        last = a;
        sum += probability[a];
        if (unit < sum)
            break;
    }
    return last;
}

/* A script's probabilities (of a box, its action) to cells and log-probability. */
static void take_script_action(const struct rollout *rollout, const float *probability, const float *noise, void *intended,
                               float *logp)
{
    const struct action_head *head = &rollout->head;
    *logp = 0;
    if (head->kind == ACTION_BOX) {
        action_head_from_executed(&rollout->env.spec, probability, intended);
        return;
    }
    for (int c = 0; c < head->C; probability += head->choices[c], c++) {
        int choice = sample_probability(probability, head->choices[c], noise[c]);
        ((int32_t *)intended)[c] = choice;
        *logp += logf(probability[choice]);
    }
}

static void decide_by_script(struct rollout *rollout, const struct stage *stage)
{
    const struct buffers *buffers = &rollout->buffers;
    size_t C = (size_t)stage->C;
    for (int row = 0; row < stage->B * stage->N; row++) {
        float *probability = buffers->probability + (size_t)row * (size_t)stage->A;
        rollout->script->act(rollout->env.params, row % stage->N, stage->episode_step[row / stage->N],
                             stage->input + (size_t)row * (size_t)stage_width(stage),
                             rollout->work_vec.available + (size_t)row * (size_t)stage->A,
                             rollout->work.memory + (size_t)row * SCRIPT_MEMORY_MAX, probability);
        take_script_action(rollout, probability, buffers->noise + (size_t)row * C, (int32_t *)buffers->intended + (size_t)row * C,
                           &buffers->logp[row]);
    }
}

static void act_by_outputs(struct rollout *rollout, const struct stage *stage, float epsilon)
{
    const struct buffers *buffers = &rollout->buffers;
    size_t A = (size_t)stage->A, C = (size_t)stage->C;
    for (size_t row = 0; row < (size_t)(stage->B * stage->N); row++) {
        size_t b = row / (size_t)stage->N;
        struct rng explore = rng_stream(stage->seed, RNG_EXPLORE, stage->episode[b], (uint32_t)stage->episode_step[b],
                                        (uint32_t)(row % (size_t)stage->N));
        buffers->logp[row] = acting_row((enum behaviour)rollout->acting.behaviour, &rollout->head, buffers->logits + row * A,
                                        rollout->work_vec.available + row * A, epsilon, &explore,
                                        (int32_t *)buffers->intended + row * C, buffers->probability + row * A);
    }
}

static void act_by_policy(struct rollout *rollout, const struct stage *stage, const real *log_std, bool is_evaluation)
{
    const struct buffers *buffers = &rollout->buffers;
    const uint8_t *available = rollout->work_vec.available;
    int R = stage->B * stage->N;
    action_head_sample(&rollout->head, R, buffers->logits, log_std, available, buffers->noise, buffers->intended, buffers->logp,
                       buffers->probability);
    if (is_evaluation && rollout->acting.evaluation) {
        acting_most_likely(&rollout->head, R, buffers->logits, available, buffers->intended);
        action_head_logp(&rollout->head, R, buffers->logits, log_std, available, buffers->intended, buffers->logp);
    }
}

static void decide_by_net(struct rollout *rollout, const struct stage *stage, const struct group *group)
{
    const struct buffers *buffers = &rollout->buffers;
    const struct net_weights *defender = nets_find(&rollout->nets, "defender");
    int R = stage->B * stage->N;
    net_act(defender, R, stage->input, rollout->widths.P ? rollout->work.policy_state : NULL, buffers->logits, &rollout->scratch);
    if (rollout->acting.behaviour == BEHAVIOUR_SAMPLE)
        act_by_policy(rollout, stage, net_weights_log_std(defender), group->is_evaluation);
    else
        act_by_outputs(rollout, stage, group->epsilon);
}

void rollout_decide(struct rollout *rollout, const struct stage *stage, const struct group *group)
{
    const struct buffers *buffers = &rollout->buffers;
    int R = stage->B * stage->N;
    for (int row = 0; row < R; row++)
        action_head_noise(&rollout->head, stage->seed, RNG_POLICY, stage->episode[row / stage->N],
                          (uint32_t)stage->episode_step[row / stage->N], (uint32_t)(row % stage->N),
                          buffers->noise + (size_t)row * (size_t)stage->C);
    if (rollout->script)
        decide_by_script(rollout, stage);
    else
        decide_by_net(rollout, stage, group);
    memcpy(buffers->action, buffers->intended, (size_t)R * (size_t)stage->C * sizeof(int32_t));
    memcpy(buffers->action_logp, buffers->logp, (size_t)R * sizeof *buffers->action_logp);
}
