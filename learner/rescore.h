/* Re-scoring: what an actor says it did, done again with the weights that it says it used.
 *
 * Acting is a pure function of what a trajectory records (observation as acted on, mask, episode, step) and of the version's nets, and its
 * kernels give a row the same bits in any batch, so beliefs, log-probabilities and sampled actions must agree bit for bit: there is no
 * tolerance. Checked, for every step and agent of the slice, in this order:
 *   episode, episode_step, slot   ids count on within the lane; partitions are those that seed and episode draw
 *   record_*                      of each episode that ended inside: id, partition, length; its return when it began inside, too
 *   knowledge, belief_state, final_knowledge   the belief net again, from the state at the start of each chunk to that of the next;
 *                                 true types against the slots
 *   intended, intended_logp       the defender net on the recorded input, the mask, and the keyed draw
 *   channels, action, action_logp what the threat does with it: learned (the adversary net and its draw), random (its draw), greedy (its
 *                                 log-probability only), pgd and no threat (the intended action)
 *
 * What cannot be re-scored, because it takes an environment: rewards, endings, observations, masks and states themselves, greedy's choice,
 * pgd's way from the clean observation to the recorded one (and the belief of an agent under pgd, which ran on the clean one), teams
 * that a script plays or that act.* gives a memory or another behaviour, and the state that the slice started from. A forgery that is consistent with itself there is found by the replay
 * audit (audit.h). Evaluated episodes ship no steps, so there is nothing to re-score. */
#ifndef TESTUDO_LEARNER_RESCORE_H
#define TESTUDO_LEARNER_RESCORE_H

#include "base/recipe.h"
#include "learner/batch.h"
#include "learner/misfit.h"

#define RESCORE_VERSIONS 4 /* whose nets are kept ready */

struct rescore;
/* batch: shape, schema and columns (borrowed, must outlive it). ERR_MISMATCH when the schema lacks a column that is needed. */
MUST_USE int rescore_create(struct rescore **rescore, const struct recipe *recipe, const struct batch *batch, struct err *err);
void rescore_destroy(struct rescore **rescore);

/* Judges a training or audit slice whose frame passed intake's checks, or a share of it: chosen [rescore_chunks] says which chunks are
 * done again (NULL: all); episodes and records are always looked at. One thread at a time. 0: it fits. ERR_MISMATCH: it does not, *misfit
 * says where and err in a line. Anything else: it could not be judged (no memory, a net that the version lacks), err says why. */
MUST_USE int rescore_run(struct rescore *rescore, const struct weights *weights, const struct trajectory *trajectory,
                         const bool *chosen, struct misfit *misfit, struct err *err);
int rescore_chunks(const struct rescore *rescore);

#endif
