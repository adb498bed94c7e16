/* Episodes drawn from the replay for one update, the longest first, so that a block of neighbours is little longer than each of them:
 * steps behind an episode's end are computed only up to the longest of its block.
 *
 * Rewards are copied, so that they can be shaped before targets are computed: a regulariser (regularisers/mi_replay.h) subtracts its penalty
 * here, with its current estimate, each time an episode is replayed; the replay keeps what the environment said.
 *
 * With replay.priority=proportional an episode may come twice, its squared loss has a weight, and its errors go back to the replay
 * after the update: a method multiplies by weight, counts errors by sample_count_error, and calls sample_learned. */
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
    double beta;     /* of the importance weights */
    double *weight;  /* [B] of the squared loss, at most 1; all 1 where episodes are drawn uniformly */
    double *error;   /* [B] mean |TD error| over real steps, as counted so far */
    int32_t *picked; /* [B] scratch of the drawing */
};

MUST_USE int sample_init(struct sample *sample, const struct replay_shape *shape, int B);
void sample_deinit(struct sample *sample); /* safe on a zeroed struct */

/* Before the draws of an update: how far the importance weights' beta has risen. */
void sample_begin(struct sample *sample, const struct replay *replay, const struct progress *progress);
/* Draws sample->B of the replay's episodes, which must hold as many. */
void sample_draw(struct sample *sample, const struct replay *replay, struct rng *rng);

/* A part of the mean that episode b's error is: |TD error| of one step, or an agent's share of it. Blocks may count at once, each its own. */
void sample_count_error(const struct sample *sample, int b, double size);
/* Takes the errors to the replay, of an update that was not skipped and before the next replay_add; nothing where it draws uniformly. */
void sample_learned(const struct sample *sample, struct replay *replay);
/* replay/beta and replay/weight, the mean of the weights, of the last sample; nothing where it is drawn uniformly. */
void sample_report(const struct sample *sample, const struct replay *replay, struct report *report);

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
