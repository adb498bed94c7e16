/* Admission: which of the trajectories that passed intake are looked at more closely. Keys `admission.*`.
 *
 *   share         of each training slice, in chunks (rollout.chunk steps), at least one of them: scored again (rescore.h) before it is
 *                 trained on: wrong weights, edited actions, log-probabilities, masks, knowledge; its episodes and
 *                 records in full
 *   audit_share   of training slices that a second actor repeats (audit.h): rewards, observations, states, everything else
 *
 * What any check of intake finds (versions, NaN, ranges, sizes) is found in every trajectory. These two look at a share, drawn
 * independently with a key that only this learner process knows, so an actor cannot tell what will be looked at, and what is learned
 * does not depend on it. A slice in which every step is forged never passes re-scoring; one with a single forged step passes with
 * probability 1 - share at most, a forged reward passes the audit with 1 - audit_share. n such slices pass with that to the n:
 *
 *   share 0.1           (1 - 0.1)^200   = 7e-10, for the least conspicuous forger
 *   audit_share 0.025   (1 - 0.025)^200 = 0.0063      99 % within 200 need 1 - 0.01^(1/200) = 0.0228
 *
 * so with the defaults every kind is caught within 200 forged slices with at least 99.3 %; on average after 10 and 40 of them at
 * the latest. Of an actor that forges only now and then, forged ones count. A tenth of the audits may even fail (no actor free, no
 * memory) before 99 % is missed. The first 32
 * trajectories of a process are audited ten times as often: who forges rewards from the start passes them with probability
 * (1 - 0.25)^32 = 0.0001, and is trained on 4 times on average; it was seen that 120 such slices of a short run's 250 cannot be made good
 * again. Re-scoring costs the learner a share of the actors' time in nets, on a thread of its own; an audit
 * costs the actors a share of their rollouts. Evaluations are neither scored again (they ship no steps) nor audited. */
#ifndef TESTUDO_LEARNER_ADMISSION_H
#define TESTUDO_LEARNER_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"

#define ADMISSION_PROBATION 32 /* sequences of a new incarnation */
#define ADMISSION_PROBATION_FACTOR 10

struct admission {
    double share, audit_share;
    uint64_t key; /* secret; not saved, not sent, not logged */
};

extern const struct config_table admission_table;
MUST_USE int admission_init(struct admission *admission, const struct recipe *recipe, struct err *err); /* draws the key */

/* Pure functions of key and delivery key. */
/* chosen [n]: which chunks of a slice are scored again; round(share n) different ones, at least one. False: none, with share 0. */
bool admission_choose(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence, int n,
                      bool *chosen);
bool admission_audits(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence);

#endif
