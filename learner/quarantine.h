/* Refused trajectories in the run folder: quarantine/<place>.json (who, which, why, how large; of one that came out differently when it
 * was done again also step, agent, field, and the number expected and found) and quarantine/<place>.frame (its first
 * bytes), the newest in place 0, at most QUARANTINE_ENTRIES of them. `testudo inspect` prints the JSON. */
#ifndef TESTUDO_LEARNER_QUARANTINE_H
#define TESTUDO_LEARNER_QUARANTINE_H

#include "learner/intake.h"

MUST_USE int quarantine_write(const char *run, const struct quarantined *entries, int n, struct err *err);

#endif
