/* The information penalty (mi.h) on replayed episodes: MIR3 on QMIX, VDN and MADDPG. Li et al. 2025, arXiv:2310.09833, algorithm 1.
 *
 * The ring takes in every step of a new episode once (executed actions, epsilon-greedy ones included). For each optimiser step the estimator is
 * fitted on it, and the penalty of every real step of the sample is taken anew with the estimator of now; the replay keeps raw rewards. One
 * number a step, the same for all agents. No gradient passes through it.
 *
 *   mi.x          x
 *   state         the joint state
 *   observation   the agent's observation, without knowledge and last action
 *   hidden        the recurrent state that the live agent net has after that observation; in the ring, the net of when the episode came in
 *
 * Importance weights (priority.h) play no part here: the ring holds every step once, however often it is replayed, and the negatives are those
 * of the sample as drawn. The penalty is in the reward, whose square the backbone weighs.
 *
 * A backbone: mi_replay_init when its nets are there; mi_replay_need before it sizes its updater; mi_replay_take after replay_add; and in front
 * of its targets mi_replay_shape. With mi.lambda 0 and without mi.measure all of them do nothing. */
#ifndef TESTUDO_LEARNER_REGULARISERS_MI_REPLAY_H
#define TESTUDO_LEARNER_REGULARISERS_MI_REPLAY_H

#include "learner/regularisers/mi.h"
#include "learner/sample.h"

struct mi_replay {
    struct mi mi;
    const struct model *agent; /* borrowed; its recurrent state is x=hidden */
    const struct acting_config *acting;
    int episodes;        /* of one call at most */
    struct sample taken; /* views of new episodes, the longest of one call; no rewards */
};

/* episodes: of a sample. agent and acting outlive this. ERR_INVALID when mi.x is hidden and the agent net has no memory. */
MUST_USE int mi_replay_init(struct mi_replay *mr, const struct algorithm_context *context, struct models *models,
                            const struct model *agent, const struct acting_config *acting, const struct replay_shape *shape,
                            int episodes, struct err *err);
void mi_replay_deinit(struct mi_replay *mr); /* safe on a zeroed struct */

/* Raises what the updater must offer to what this takes: parameters of a net, bytes of a tape, bytes of scratch. */
void mi_replay_need(const struct mi_replay *mr, size_t *capacity, size_t *tape_bytes, size_t *scratch_bytes);

/* The newest `kept` episodes of the replay go into the ring, oldest first. */
void mi_replay_take(struct mi_replay *mr, struct updater *updater, const struct replay *replay, int kept);

/* Fits, and subtracts lambda * I_t from the sample's rewards. step: number of the optimiser step in the run; draws are named after it. Reports as
 * mi_report; the interval counts episodes. */
void mi_replay_shape(struct mi_replay *mr, struct updater *updater, struct sample *sample, uint64_t step, struct report *report);

#endif
