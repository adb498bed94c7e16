/* The book of trajectories, which closes at every event:
 *
 *   announced = trained + evaluated + stale + rejected(reason) + rolled back + lost + in flight
 *
 * One entry per (actor, incarnation). Announced comes from the actor's own next sequence; each fate is counted when it is decided;
 * in flight is counted where it lies: `away` (announced, not received: in the actor's ring or on its way) and `held` (in the learner).
 * Lost: what an incarnation that is gone had announced and nobody received; it is taken back should the incarnation return.
 * Rolled back: what an earlier learner process decided after the checkpoint that this one started from; it shows when an actor's
 * acknowledged sequence lies beyond ours.
 *
 * Saved with the checkpoint. A bitmap keeps what was decided out of order, so that nothing is decided twice after a restart. */
#ifndef TESTUDO_LEARNER_LEDGER_H
#define TESTUDO_LEARNER_LEDGER_H

#include "wire/envelope.h"

#define LEDGER_ENTRIES_MAX 4096 /* incarnations remembered; beyond, the longest-gone one is folded into the totals */

enum reject_reason {
    REJECT_RUN,
    REJECT_VERSION,
    REJECT_ORDER,
    REJECT_SCHEMA,
    REJECT_SHAPE,
    REJECT_BYTES,
    REJECT_NOT_FINITE,
    REJECT_RANGE,
    REJECT_CONTENT,
    REJECT_GIVEN_BACK, /* the actor could not carry out the order */
    REJECT_RESCORE,    /* done again with the same weights, it comes out differently */
    REJECT_REASONS,
};
const char *reject_reason_name(enum reject_reason reason);

struct ledger_entry {
    uint32_t actor;
    uint64_t incarnation;
    bool is_gone;
    uint64_t announced;     /* highest sequence known to exist */
    uint64_t received_upto; /* held, decided or rolled back */
    uint64_t decided_upto;  /* fate known for all up to here: what the actor may forget */
    uint64_t held;
    uint64_t count[FATES];
    uint64_t decided[PROTOCOL_WINDOW_MAX / 64]; /* bit s % PROTOCOL_WINDOW_MAX, for s above decided_upto */
};

struct ledger;
MUST_USE int ledger_create(struct ledger **ledger);
void ledger_destroy(struct ledger **ledger);

struct ledger_entry *ledger_find(struct ledger *ledger, uint32_t actor, uint64_t incarnation); /* NULL when unknown */
/* From the roster: announced and acknowledged so far. Adds the incarnation when it is new. Counts what was rolled back. */
struct ledger_entry *ledger_seen(struct ledger *ledger, uint32_t actor, uint64_t incarnation, uint64_t announced,
                                 uint64_t acked_upto);
void ledger_gone(struct ledger *ledger, struct ledger_entry *entry);
/* A trajectory arrived. 0: it is new and now held; ERR_DUPLICATE; ERR_AGAIN: an earlier one is missing (a gap), not received.
 * ERR_RANGE: beyond any window that was granted. */
MUST_USE int ledger_receive(struct ledger *ledger, struct ledger_entry *entry, uint64_t sequence);
/* Decides one that is held. reason counts only for FATE_REJECTED. */
void ledger_decide(struct ledger *ledger, uint32_t actor, uint64_t incarnation, uint64_t sequence, enum fate fate,
                   enum reject_reason reason);

int ledger_count(const struct ledger *ledger);
struct ledger_entry *ledger_at(struct ledger *ledger, int index);

struct book {
    uint64_t announced, fates[FATES], rejected[REJECT_REASONS];
    uint64_t away, held;
    int64_t unexplained;                         /* announced - all of the above; 0 */
    uint64_t received, distinct, duplicate, gap; /* deliveries of this process: received = distinct + duplicate + gap */
};
struct book ledger_book(const struct ledger *ledger);
int ledger_json(const struct ledger *ledger, char *out, size_t size); /* the book as one JSON object; length or ERR_LIMIT */

/* The ledger as bytes (allocated; caller frees), and back. After loading nothing is held: what was comes again. */
MUST_USE int ledger_save(const struct ledger *ledger, unsigned char **data, size_t *length);
MUST_USE int ledger_load(struct ledger *ledger, const void *data, size_t length, struct err *err);

#endif
