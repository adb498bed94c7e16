/* Replay audit: a share of the slices that were accepted is ordered again from a second actor, and both answers are compared, bit for bit,
 * payload and snapshot. An actor cannot tell that its slice was chosen, and what a slice yields depends on nothing but order, weights and
 * snapshot; so this finds forged rewards, observations, masks, endings and states, which cannot be re-scored without an environment.
 *
 *   accepted -begin-> WAIT_SECOND -equal-> forgotten
 *                          '-different-> WAIT_THIRD -equal to one of the two-> the other one lied
 *                                             '-equal to neither, or nobody to ask-> undecided
 *
 * The first answer was delivered meanwhile (waiting would halt a sync run), so a liar is trained on until it is found; the second and third
 * are never trained on. This book knows no orders and no loop: the learner gives out the tasks and passes answers in. Frames are
 * copied, so its memory is bounded by AUDITS_MAX and AUDIT_BYTES. */
#ifndef TESTUDO_LEARNER_AUDIT_H
#define TESTUDO_LEARNER_AUDIT_H

#include "learner/misfit.h"
#include "wire/trajectory.h"

#define AUDITS_MAX 256
#define AUDIT_BYTES ((size_t)256 << 20)

struct audited { /* one actor's answer */
    uint32_t actor;
    uint64_t incarnation;
    struct trajectory t; /* frame: owned copy */
};

struct audit { /* of one slice */
    bool is_used;
    int n_answers; /* 1: waits for a second, 2: they differ, and a third decides */
    struct audited answers[2];
    struct weights *weights; /* acted with; a reference, given up by audits_forget */
    bool wants_scores;       /* no third to ask: whoever keeps this book tells by re-scoring, and forgets it then */
    unsigned char *snapshot; /* that the slice starts from: owned copy, NULL for a lane's first */
    uint32_t snapshot_bytes;
};

struct audits;
MUST_USE int audits_create(struct audits **audits, const struct schema *schema, int N); /* schema: borrowed; N agents */
void audits_destroy(struct audits **audits);

/* The slice was answered by this actor, with these weights (a reference is taken) from this snapshot (copied), and shall be done again. ERR_LIMIT: too many wait; ERR_DUPLICATE: it is being audited. */
MUST_USE int audits_begin(struct audits *audits, uint32_t actor, uint64_t incarnation, const struct trajectory *answer,
                          struct weights *weights, const void *snapshot, uint32_t snapshot_bytes);
/* Takes a beginning back. */
void audits_drop(struct audits *audits, const struct trajectory *answer);

enum audit_result {
    AUDIT_UNKNOWN,   /* nobody waits for this answer (any more) */
    AUDIT_SAME,      /* done */
    AUDIT_DIFFERENT, /* of two: ask a third, or settle it otherwise with audits_settle */
    AUDIT_LIAR,      /* done: `liar` of the audit is the one */
    AUDIT_UNDECIDED, /* done: three actors, three answers */
};
struct audit_verdict {
    enum audit_result result;
    struct audit *audit;  /* until audits_forget, which is due unless DIFFERENT */
    int liar;             /* its place in answers; LIAR */
    struct misfit misfit; /* of the liar's answer against the other one; DIFFERENT: of the second against the first */
};
void audits_take(struct audits *audits, uint32_t actor, uint64_t incarnation, const struct trajectory *answer,
                 struct audit_verdict *verdict);
void audits_forget(struct audits *audits, struct audit **audit);

int audits_open(const struct audits *audits);
/* Walks those that wait; *at begins with 0. NULL at the end. */
struct audit *audits_next(struct audits *audits, int *at);

/* Compares two answers to the same order, with the gaps between columns zeroed (intake does). False: they are the same, bit for bit.
 * *misfit: where `found` first parts from `expected`, the earliest step, whichever column. */
bool audits_compare(const struct audits *audits, const struct trajectory *expected, const struct trajectory *found,
                    struct misfit *misfit);

#endif
