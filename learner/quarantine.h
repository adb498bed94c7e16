/* Refused trajectories in the run folder: quarantine/<place>.json (who, which, why, how large; of one that came out differently when it
 * was done again also step, agent, field, and the number expected and found) and quarantine/<place>.frame (its first
 * bytes), the newest in place 0, at most QUARANTINE_ENTRIES of them. `testudo inspect` prints the JSON.
 *
 * quarantine/actors.json lists the actors that get no orders any more: [{"actor": 7, "how": "rescore", "text": "..."}, ...]. It is written when
 * one is found out, before anything else happens, so whoever starts the learner again does not give it another chance; whoever mended an
 * actor takes its entry out. The list is the learner's: a broker that starts anew hears of it in the learner's status. */
#ifndef TESTUDO_LEARNER_QUARANTINE_H
#define TESTUDO_LEARNER_QUARANTINE_H

#include "learner/intake.h"

struct quarantined_actor {
    uint32_t actor;
    char how[32], text[PROTOCOL_TEXT_SIZE];
};
/* Writes the list anew. */
MUST_USE int quarantine_write_actors(const char *run, const struct quarantined_actor *actors, int n, struct err *err);
/* Reads it into actors[0..max); their number is *n, 0 when there is no list. ERR_FORMAT: it is not what it should be; ERR_LIMIT: too many. */
MUST_USE int quarantine_read_actors(const char *run, struct quarantined_actor *actors, int max, int *n, struct err *err);

MUST_USE int quarantine_write(const char *run, const struct quarantined *entries, int n, struct err *err);

#endif
