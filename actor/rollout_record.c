/* What is written down of a step: see rollout_internal.h. */
#include "actor/rollout_internal.h"

/* Observation as acted on and knowledge of place b as row t. */
void rollout_record_input(const struct rollout *rollout, const struct stage *stage, int b, int t)
{
    const struct frame *frame = &rollout->places[b].frame;
    size_t O = (size_t)stage->O, K = (size_t)stage->K, N = (size_t)stage->N, S = (size_t)rollout->env.spec.S;
    for (size_t n = 0; n < N; n++) {
        const float *input = stage->input + ((size_t)b * N + n) * (size_t)stage_width(stage);
        memcpy(PUT(frame, observation, float, t, N *O) + n * O, input, O * sizeof(float));
        if (K)
            memcpy(PUT(frame, knowledge, float, t, N *K) + n * K, input + O, K * sizeof(float));
    }
    if (frame->at[COL_state])
        memcpy(PUT(frame, state, float, t, N *S), rollout->work_vec.state + (size_t)b * N * S, N * S * sizeof(float));
}

/* Before the belief moves on: its state at the start of a chunk. */
void rollout_record_belief_state(const struct rollout *rollout, int b, int t)
{
    const struct frame *frame = &rollout->places[b].frame;
    size_t width = row_floats(rollout, rollout->widths.H);
    if (frame->at[COL_belief_state] && t % rollout->schema.chunk == 0)
        memcpy(PUT(frame, belief_state, float, t / rollout->schema.chunk, width), rollout->work.belief_state + (size_t)b * width,
               width * sizeof(float));
}

void rollout_record_decision(const struct rollout *rollout, const struct stage *stage, int b, int t)
{
    const struct frame *frame = &rollout->places[b].frame;
    const struct buffers *buffers = &rollout->buffers;
    const struct lane_head *head = &rollout->work.head[b];
    size_t N = (size_t)stage->N, A = (size_t)stage->A, C = (size_t)stage->C, first = (size_t)b * N;
    memcpy(PUT(frame, available, uint8_t, t, N * A), rollout->work_vec.available + first * A, N * A);
    memcpy(PUT(frame, alive, uint8_t, t, N), rollout->work_vec.alive + first, N);
    put_rows(PUT(frame, intended, int32_t, t, N * C), (int32_t *)buffers->intended + first * C, N * C * sizeof(int32_t));
    memcpy(PUT(frame, intended_logp, float, t, N), buffers->logp + first, N * sizeof(float));
    put_rows(PUT(frame, action, int32_t, t, N * C), (int32_t *)buffers->action + first * C, N * C * sizeof(int32_t));
    memcpy(PUT(frame, action_logp, float, t, N), buffers->action_logp + first, N * sizeof(float));
    memcpy(PUT(frame, channels, uint8_t, t, N), buffers->channels + first, N);
    for (size_t n = 0; n < N; n++)
        PUT(frame, slot, uint8_t, t, N)[n] = head->partition >> n & 1;
    *PUT(frame, episode, int64_t, t, 1) = (int64_t)head->episode;
    *PUT(frame, episode_step, int32_t, t, 1) = head->episode_step;
}

void rollout_record_outcome(const struct rollout *rollout, int b, int t)
{
    const struct frame *frame = &rollout->places[b].frame;
    size_t N = (size_t)rollout->env.spec.N;
    memcpy(PUT(frame, reward, float, t, N), rollout->work_vec.reward + (size_t)b * N, N * sizeof(float));
    *PUT(frame, terminated, uint8_t, t, 1) = rollout->work_vec.terminated[b];
    *PUT(frame, truncated, uint8_t, t, 1) = rollout->work_vec.truncated[b];
}

/* What the last observation of a cut episode is worth needs the belief on it; a copy of the belief state moves, not the lane's.
 * A terminated episode bootstraps from 0, so its knowledge stays 0. */
static void record_final_view(struct rollout *rollout, int b, int e)
{
    const struct frame *staging = &rollout->places[b].staging;
    size_t N = (size_t)rollout->env.spec.N, O = (size_t)rollout->env.spec.O, S = (size_t)rollout->env.spec.S,
           K = (size_t)rollout->K, A = (size_t)rollout->env.spec.A;
    const float *observation = rollout->work_vec.observation + (size_t)b * N * O;
    put_rows(PUT(staging, final_observation, float, e, N *O), observation, N * O * sizeof(float));
    if (staging->at[COL_final_state])
        memcpy(PUT(staging, final_state, float, e, N *S), rollout->work_vec.state + (size_t)b * N * S, N * S * sizeof(float));
    memcpy(PUT(staging, final_available, uint8_t, e, N * A), rollout->work_vec.available + (size_t)b * N * A, N * A);
    if (!K)
        return;
    float *knowledge = PUT(staging, final_knowledge, float, e, N *K);
    memset(knowledge, 0, N * K * sizeof(float));
    if (rollout->work_vec.truncated[b]) {
        size_t width = row_floats(rollout, rollout->widths.H);
        put_rows(rollout->buffers.belief_copy, rollout->work.belief_state + (size_t)b * width, width * sizeof(float));
        rollout_know(rollout, 1, observation, rollout->buffers.belief_copy, &rollout->work.head[b], knowledge, K);
    }
}

void rollout_record_episode(struct rollout *rollout, int b)
{
    struct place *place = &rollout->places[b];
    const struct lane_head *head = &rollout->work.head[b];
    struct env_outcome outcome = {0};
    int e = place->episodes++;
    rollout->env.ops->outcome(rollout->env.params, rollout->work_vec.states + (size_t)b * rollout->work_vec.state_stride, &outcome);
    *PUT(&place->staging, record_episode, int64_t, e, 1) = (int64_t)head->episode;
    *PUT(&place->staging, record_partition, int64_t, e, 1) = (int64_t)head->partition;
    *PUT(&place->staging, record_return, float, e, 1) = head->episode_return;
    *PUT(&place->staging, record_length, int32_t, e, 1) = head->episode_step;
    *PUT(&place->staging, record_success, uint8_t, e, 1) = outcome.has_success ? outcome.success : 2;
    record_final_view(rollout, b, e);
}
