/* Episodes drawn from the replay for one update, the longest first, so that a block of neighbours is little longer than each of them:
 * steps behind an episode's end are computed only up to the longest of its block.
 *
 * Rewards are copied, so that they can be shaped before targets are computed: a regulariser (regularisers/mi_replay.h) subtracts its penalty
 * here, with its current estimate, each time an episode is replayed; the replay keeps what the environment said. */
#ifndef TESTUDO_LEARNER_SAMPLE_H
#define TESTUDO_LEARNER_SAMPLE_H

#include "learner/algorithm.h"
#include "learner/replay.h"
#include "net/acting.h"

struct sample {
    const struct replay_shape *shape; /* borrowed */
    int B, T;                         /* T: stride of reward; the task's horizon */
    struct episode *episode;          /* [B] length descending; equal ones in drawing order */
    real *reward;    /* [B,T] team reward of the step: mean over agents; entries beyond an episode's end are not read */
    int64_t steps;   /* sum of lengths */
    int32_t *picked; /* [B] scratch of the drawing */
};

MUST_USE int sample_init(struct sample *sample, const struct replay_shape *shape, int B);
void sample_deinit(struct sample *sample); /* safe on a zeroed struct */

/* Draws sample->B of the replay's episodes, which must hold as many, uniformly without replacement. */
void sample_draw(struct sample *sample, const struct replay *replay, struct rng *rng);

/* Neighbours of a sample, as one block of an optimiser step sees them: rows are (t * B + b), with agents (t * B + b) * N + n; steps 0..T. */
struct sample_block {
    const struct sample *sample;
    int first, B;
    int T; /* length of the longest, which is the first */
};
struct sample_block sample_block(const struct sample *sample, int first, int count);

/* Observation and knowledge, then with has_last_action the last action, of every agent at steps 0..T; zeroes behind an episode's end.
 * out [(T+1)*B*N, width]. */
void sample_gather_input(const struct sample_block *block, const struct action_head *head, bool has_last_action, int width,
                         real *out);
/* Joint states of steps 0..T; out [(T+1)*B, Z]. */
void sample_gather_states(const struct sample_block *block, real *out);

#endif
