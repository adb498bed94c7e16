/* Episodes drawn from the replay for one update, the longest first, so that a block of neighbours is little longer than each of them:
 * steps behind an episode's end are computed only up to the longest of its block.
 *
 * Rewards are copied, so that they can be shaped before targets are computed: a regulariser subtracts its penalty here, with its
 * current estimate, each time an episode is replayed; the replay keeps what the environment said. */
#ifndef TESTUDO_LEARNER_SAMPLE_H
#define TESTUDO_LEARNER_SAMPLE_H

#include "learner/algorithm.h"
#include "learner/replay.h"

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

/* What shapes a sample's rewards before targets are computed; all zero: nothing does. Real steps are t < episode[b].length; the joint state
 * comes from replay_state, actions from episode[b].action. shape may train its own nets. */
struct shaping {
    void (*shape)(void *context, struct updater *updater, struct sample *sample, const struct progress *progress,
                  struct report *report);
    void *context;
};

#endif
