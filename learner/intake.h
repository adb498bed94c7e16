/* Where trajectories are checked. Everything may be wrong with what a stranger sends: what is refused is counted by its reason, the last
 * few are kept for `inspect`, and the sender is told.
 *
 * An accepted one is copied into an aligned buffer of a pool and handed on; whoever decides its fate gives it back. The pool
 * grows to what the granted windows can fill and never beyond its ceiling. */
#ifndef TESTUDO_LEARNER_INTAKE_H
#define TESTUDO_LEARNER_INTAKE_H

#include "learner/ledger.h"
#include "learner/misfit.h"
#include "learner/orders.h"

#define QUARANTINE_ENTRIES 8
#define QUARANTINE_BYTES (64 * 1024) /* kept of each */

struct arrival { /* an accepted trajectory, held by the learner */
    uint32_t actor;
    uint64_t incarnation;
    struct trajectory t; /* frame: checked copy, 64-byte aligned */
    struct schema_layout layout;
    struct arrival *next; /* for whoever holds it */
};

struct intake_ops {
    /* Whether what the columns say agrees with each other (partition with slots, masks with actions); may be NULL. 0 or a code
     * with a reason. */
    int (*check)(void *context, const struct arrival *arrival, struct err *err);
    /* Where the lane's snapshot lies inside the frame; may be NULL (no snapshots). */
    const void *(*snapshot)(void *context, const struct arrival *arrival, uint32_t *bytes);
    /* Whether this one, which passed all checks, shall be examined more closely (off the loop); may be NULL. True: the arrival is the
     * callee's until intake_examined. Its order stays open meanwhile. */
    bool (*examine)(void *context, struct arrival *arrival);
};

struct intake_options {
    const char *run;
    uint32_t generation;
    size_t pool_bytes; /* ceiling of all arrivals together */
    const struct intake_ops *ops;
    void *context;
};

struct intake;
MUST_USE int intake_create(struct intake **intake, const struct intake_options *options);
void intake_destroy(struct intake **intake);
/* The schema that this run's trajectories follow; set when the first description is accepted. */
void intake_set_schema(struct intake *intake, const struct schema *schema);
/* A version was published: what it acts with is known by this hash. The last 64 are remembered. */
void intake_published(struct intake *intake, struct weights_version version, struct hash weights);
bool intake_has_room(struct intake *intake); /* for one more arrival; ask before the ledger receives */

struct verdict {
    bool is_accepted;
    bool is_pending; /* it is being examined; nothing else is set */
    enum fate fate;  /* STALE or REJECTED when not accepted */
    enum reject_reason reason;
    struct arrival *arrival; /* when accepted; the caller's until intake_release */
    char text[PROTOCOL_TEXT_SIZE];
};
/* Judges one trajectory that the ledger received, while there is room. Tells the order book (arrived, failed). */
void intake_judge(struct intake *intake, struct orders *orders, const struct message_trajectory *message, const void *frame,
                  size_t frame_bytes, struct verdict *verdict);
/* The end of an examination: as intake_judge, for the order may have gone to somebody else meanwhile. misfit NULL: nothing was found.
 * Consumes the arrival; the verdict has it when it is accepted. */
void intake_examined(struct intake *intake, struct orders *orders, struct arrival **arrival, const struct misfit *misfit,
                     struct verdict *verdict);
void intake_release(struct intake *intake, struct arrival **arrival);

struct quarantined {
    uint32_t actor;
    uint64_t incarnation, sequence;
    enum reject_reason reason;
    char text[PROTOCOL_TEXT_SIZE];
    struct misfit misfit; /* field "" when it was refused for something else */
    size_t bytes, kept;
    const unsigned char *frame; /* first `kept` bytes; borrowed */
};
/* Keeps one that was found out after it had been accepted (by an audit). */
void intake_keep(struct intake *intake, uint32_t actor, uint64_t incarnation, const struct trajectory *trajectory,
                 const struct misfit *misfit, const char *text);
int intake_quarantine(const struct intake *intake, struct quarantined out[QUARANTINE_ENTRIES]); /* newest first; how many */
uint64_t intake_kept(const struct intake *intake);                                              /* ever */
size_t intake_bytes(const struct intake *intake);

#endif
