/* What limits a run, and what to do about it: one word and one sentence, from shares of time.
 *
 *   learner  it computes nearly always: actors wait for it
 *   actor    the actors compute nearly always: the learner waits for them
 *   network  neither does, and what is on its way explains the rest
 *   lag      neither does: each waits for the other, because the bound on the policy lag lets them take turns only */
#ifndef TESTUDO_BROKER_VERDICT_H
#define TESTUDO_BROKER_VERDICT_H

#include <stdbool.h>

enum limit { LIMIT_NONE, LIMIT_ACTOR, LIMIT_LEARNER, LIMIT_NETWORK, LIMIT_LAG };
const char *limit_name(enum limit limit); /* "actor"; NONE: "none" */

struct verdict_in {
    bool is_training, is_sync;
    int actors;                        /* ready */
    int lanes;                         /* of the run: more actors than that cannot help */
    double learner_busy;               /* share of time that the learner's worker was busy, 0..1; NaN: not known yet */
    double actor_busy, actor_busy_max; /* the same of rollout threads: mean, and the busiest */
    double actor_blocked;              /* share of time that they waited for room for what they had finished */
    double update_seconds;             /* time per update; 0: unknown */
    double transit_seconds;            /* a word actor > broker > actor and learner > broker > learner, together */
};

struct verdict {
    enum limit limit;
    int actors;     /* how many there should be; 0: no advice */
    double network; /* share of time that was estimated for messages on their way, 0..1 */
    char text[160]; /* for a person */
};
struct verdict verdict_of(const struct verdict_in *in);

#endif
