/* What admission remembers of each actor while the learner runs: how many training slices it had accepted, which decides when the next
 * audit is due (admission.h), whether one is owed, and its strikes.
 *
 * A strike is a trajectory that was rejected on arrival (NaN, versions, ranges). It weighs CONDUCT_STRIKE, an accepted training
 * slice takes 1 back, and CONDUCT_STRIKES_MAX strikes in a row are too many: so are any that make up more than a ninth of what an
 * actor sends for long. Audits and evaluations take nothing back: they do not show that what is trained on is good. */
#ifndef TESTUDO_LEARNER_CONDUCT_H
#define TESTUDO_LEARNER_CONDUCT_H

#include "learner/admission.h"
#include "wire/envelope.h"

enum { CONDUCT_STRIKE = 8, CONDUCT_STRIKES_MAX = 5 };

struct conduct;
MUST_USE int conduct_create(struct conduct **conduct);
void conduct_destroy(struct conduct **conduct);

/* A training slice of this actor was accepted. True: it is to be audited. */
bool conduct_accepted(struct conduct *conduct, const struct admission *admission, uint32_t actor, uint64_t incarnation);
/* owes: the audit that was due came to nothing (nobody free, no memory, nobody left to answer), so the actor's next slice is to be audited
 * instead, and so on until one is. True when it was otherwise before. */
bool conduct_owes(struct conduct *conduct, uint32_t actor, bool owes);
/* A trajectory of this actor was rejected on arrival. True: these were too many. */
bool conduct_rejected(struct conduct *conduct, uint32_t actor);

#endif
