/* Admission: which of the trajectories that passed intake are looked at more closely. Keys `admission.*`.
 *
 *   share         of each training slice, in chunks (rollout.chunk steps), at least one of them: scored again (rescore.h) before it is
 *                 trained on: wrong weights, edited actions, log-probabilities, masks, knowledge; its episodes and
 *                 records in full
 *   audit_share   of training slices that a second actor repeats (audit.h): rewards, observations, states, everything else
 *
 * What any check of intake finds (versions, NaN, ranges, sizes) is found in every trajectory. These two look at a share, drawn with a key
 * that only this learner process knows, so an actor cannot tell what will be looked at, and what is learned does not depend on it.
 *
 * Re-scoring looks at every slice: one in which every step is forged never passes; one with a single forged step passes with 1 - share,
 * n of them with that to the n: (1 - 0.1)^200 = 7e-10.
 *
 * Audits: of each block of 1 / audit_share training slices of a process exactly one, at a place of its own drawn for each block. So
 * whoever forges all slices from some moment on, early or late, is audited after 2 / 0.025 - 1 = 79 of them at the latest, and whoever
 * forges j slices of a block passes it with 1 - 0.025 j, which is no more than independent draws would give, (1 - 0.025)^j. The
 * verdict comes later: a second and a third actor repeat the slice, and meanwhile the forger goes on. With up to
 * 2 ADMISSION_DELAY_MAX slices of it in between, whoever forges by a period, whatever it is, is found before its 201st forged slice with
 * 99 %, and whoever forges all of them for certain (independent draws: 1 - (1 - 0.025)^(200 - 96) = 92.8 %); test_conduct.c computes
 * it. Answers take about as many slices of an actor as it has lanes, so this asks for no more than some 40 lanes an actor; when they
 * take longer, the log says so.
 * An audit that comes to nothing (no actor free, no memory) is owed: the next slice of that actor takes its place.
 *
 * The first 32 slices of a process are audited ten times as often, one of four: who forges rewards from the start is audited within the
 * first four; it was seen that 120 such slices of a short run's 250 cannot be made good again. Re-scoring costs the learner a share of
 * the actors' time in nets, on a thread of its own; an audit costs the actors a share of their rollouts. Evaluations are neither scored
 * again (they ship no steps) nor audited. */
#ifndef TESTUDO_LEARNER_ADMISSION_H
#define TESTUDO_LEARNER_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"

#define ADMISSION_PROBATION 32 /* slices of a new incarnation */
#define ADMISSION_PROBATION_FACTOR 10
#define ADMISSION_DELAY_MAX 48 /* slices of an actor between one and another actor's answer to the same order: what 99 % rests on */

struct admission {
    double share, audit_share;
    uint64_t key; /* secret; not saved, not sent, not logged */
};

extern const struct config_table admission_table;
MUST_USE int admission_init(struct admission *admission, const struct recipe *recipe, struct err *err); /* draws the key */

/* Pure functions of the key and of what they name. */
/* chosen [n]: which chunks of a slice are scored again; round(share n) different ones, at least one. False: none, with share 0. */
bool admission_choose(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence, int n,
                      bool *chosen);
/* accepted: how many training slices of this incarnation were accepted before this one. */
bool admission_audits(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t accepted);

#endif
