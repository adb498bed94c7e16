/* Admission: which of the trajectories that passed intake are looked at more closely. Keys `admission.*`.
 *
 *   share         of training slices scored again (rescore.h) before they are trained on: wrong weights, edited actions,
 *                 log-probabilities, masks, knowledge, partitions
 *   audit_share   of training slices that a second actor repeats (audit.h): rewards, observations, states, everything else
 *
 * What any check of intake finds (versions, NaN, ranges, sizes) is found in every trajectory; these two look at a share, each drawn
 * independently with a key that only this learner process knows, so an actor cannot tell what will be looked at, and what is learned
 * does not depend on it. An actor that forges each of n trajectories stays unseen with probability (1 - share)^n:
 *
 *   share 0.05    (1 - 0.05)^200  = 0.000035
 *   share 0.025   (1 - 0.025)^200 = 0.0063      99 % within 200 need 1 - 0.01^(1/200) = 0.0228
 *
 * so with the defaults every kind is caught within 200 forged trajectories with at least 99.3 %; on average after 20 (re-scoring) and
 * 40 (audit). Of an actor that forges only now and then, 200 forged ones count. A tenth of the audits may even fail (no actor
 * free, no memory) before 99 % is missed. Re-scoring costs the learner a share of the actors' time in nets, on a thread of its own; an audit
 * costs the actors a share of their rollouts. */
#ifndef TESTUDO_LEARNER_ADMISSION_H
#define TESTUDO_LEARNER_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"

struct admission {
    double share, audit_share;
    uint64_t key; /* secret; not saved, not sent, not logged */
};

extern const struct config_table admission_table;
MUST_USE int admission_init(struct admission *admission, const struct recipe *recipe, struct err *err); /* draws the key */

/* Pure functions of key and delivery key. */
bool admission_rescores(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence);
bool admission_audits(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence);

#endif
