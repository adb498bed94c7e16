/* The order book: which slice of which lane is rolled out by whom, with which weights.
 *
 *   lane:  IDLE -order-> ORDERED -arrived-> IDLE (next slice) ... -committed in slice order-> history
 *              ^------------ actor gone, lease over, given back, rejected ------'   (snapshot goes with the next order)
 *
 * The lag is bounded by construction: a lane may run at most `depth` slices ahead of what is committed and only below the
 * slice that orders_allow names (sync: depth 1, one slice per update, so the lag is 0), and orders_may_publish says
 * whether a further version would put an undecided slice beyond max_lag. Lanes go to live actors in contiguous fair shares. Tasks
 * (evaluations, audits) go to whoever has least to do. Numbers count from 1 without gaps for each (incarnation, generation). */
#ifndef TESTUDO_LEARNER_ORDERS_H
#define TESTUDO_LEARNER_ORDERS_H

#include "wire/envelope.h"

#define ORDERS_DEPTH_MAX 8
#define ORDERS_TASKS_MAX 4096
#define ORDERS_NOT_MAX 2

struct orders_options {
    int lanes;        /* of the run, 1..ORDER_LANES_MAX */
    int depth;        /* sync 1; async 2..ORDERS_DEPTH_MAX */
    uint64_t max_lag; /* versions; sync 0 */
    int64_t lease_ms;
};

struct orders;
MUST_USE int orders_create(struct orders **orders, const struct orders_options *options);
void orders_destroy(struct orders **orders);

/* --- what the learner process says --- */

/* New orders name this version from now on (newest published) and training lanes may run slices below slice_end. Between a decided
 * batch and this call, training orders are held back as far as the lag bound asks; who decides without publishing (an update that was
 * skipped) calls it with the version that stands. */
void orders_allow(struct orders *orders, struct weights_version version, struct blob_name manifest, uint64_t slice_end);
/* Whether publishing `number` next keeps every undecided training slice within max_lag (counted when it is decided under it). */
bool orders_may_publish(const struct orders *orders, uint64_t number);
/* The same for the moment after these n arrived slices will have been decided together (per lane the first undecided ones): ask this
 * before starting an update on them. Training never waits for itself when each batch takes the oldest versions first and
 * lanes * depth <= batch * (max_lag + 1). */
bool orders_may_publish_after(const struct orders *orders, uint64_t number, const struct trajectory *const *decided, int n);
/* An evaluation or audit. Number and lease are filled when it is given out; version generation 0 means the newest at the time
 * of this call, any other must be among the last 64 published (ERR_UNKNOWN). The snapshot is copied. not_actor: whom it must not go
 * to, UINT32_MAX for nobody. ERR_LIMIT when too many wait. */
MUST_USE int orders_add_task(struct orders *orders, const struct order *task, uint32_t not_actor);
/* The same, to none of these (at most ORDERS_NOT_MAX). */
MUST_USE int orders_add_task_beside(struct orders *orders, const struct order *task, const uint32_t *not_actors, int n);
/* Live actors that take orders, these left out. */
int orders_others(const struct orders *orders, const uint32_t *not_actors, int n);
/* Takes a task back that nobody needs any more, ordered or not; late answers match nothing. */
void orders_drop_task(struct orders *orders, enum order_purpose purpose, int lane, uint64_t slice);
int orders_tasks(const struct orders *orders); /* waiting or under way */
/* No order for this actor from now on, under whatever incarnation: what it has is given to others. */
void orders_quarantine(struct orders *orders, uint32_t actor);
bool orders_is_quarantined(const struct orders *orders, uint32_t actor);
/* The slice was decided (trained on, or dropped): it belongs to the history. Slices of a lane in order. */
void orders_committed(struct orders *orders, int lane, uint64_t slice);
uint64_t orders_lane_slice(const struct orders *orders, int lane); /* first slice not yet committed */

/* --- what the link says --- */

/* lanes: that it can hold; 0: it finishes what it has (it is draining). */
void orders_actor_live(struct orders *orders, uint32_t actor, uint64_t incarnation, int lanes);
void orders_actor_gone(struct orders *orders, uint32_t actor, uint64_t incarnation);
/* The actor has orders up to this number of this generation. */
void orders_actor_has(struct orders *orders, uint32_t actor, uint64_t incarnation, uint32_t generation, uint64_t upto);
/* Gives out whatever may be given out now. */
void orders_issue(struct orders *orders, monotonic_us now);
/* The orders that an actor should be sent now: fills items with up to max consecutive ones from its first that it does not have and
 * that was not sent within two seconds (after a new broker: at once). Snapshots are borrowed until the next call of anything. */
int orders_to_send(struct orders *orders, uint32_t actor, uint64_t incarnation, monotonic_us now, struct order_item *items,
                   int max);
void orders_sent(struct orders *orders, uint32_t actor, uint64_t incarnation, int n,
                 monotonic_us now); /* the first n of them really went out */
void orders_resend_all(struct orders *orders);

/* Does this trajectory answer the order that the lane or task waits for? 0; ERR_DUPLICATE: late copy, the work was given to
 * somebody else or is done; ERR_MISMATCH: it answers it, but contradicts it (version, lane, slice); ERR_RANGE: no such lane. */
MUST_USE int orders_match(struct orders *orders, uint32_t actor, uint64_t incarnation, const struct trajectory *trajectory);
/* It matched, arrived and is valid: the lane goes on from this snapshot (copied; 0 bytes: the environment has none, and the lane
 * cannot change hands). ERR_NOMEM. */
MUST_USE int orders_arrived(struct orders *orders, uint32_t actor, uint64_t incarnation, const struct trajectory *trajectory,
                            const void *snapshot, uint32_t snapshot_bytes);
/* It answers an order (match said 0 or ERR_MISMATCH) but is not usable: the work is given out again, with its snapshot. */
void orders_failed(struct orders *orders, uint32_t actor, uint64_t incarnation, const struct trajectory *trajectory);

/* Generation of this learner: numbers start again at 1. Called once, before the first order. */
void orders_set_generation(struct orders *orders, uint32_t generation);

struct orders_stats {
    uint64_t issued, reissued, leases_over, moved, cancelled;
    int outstanding, idle, actors, tasks;
    int unplaced;            /* lanes for which the live actors have no room */
    int most_failures;       /* how often the unluckiest lane or task came back as impossible since it last went well */
    uint64_t oldest_version; /* of undecided training slices; UINT64_MAX: none */
};
struct orders_stats orders_stats(const struct orders *orders);
int orders_holder(const struct orders *orders, int lane, uint32_t *actor); /* 1 when the lane is ordered, 0 idle */
/* Versions that outstanding orders name: fills up to max, returns how many; the weights of these must stay available. */
int orders_versions(const struct orders *orders, struct weights_version *versions, int max);

/* What evaluation and audit orders were given out for, for tests and `inspect`: the slice's start state. NULL when it is not kept. */
const void *orders_snapshot(const struct orders *orders, int lane, uint64_t slice, uint32_t *bytes);

/* Committed slices and their snapshots as bytes (allocated; caller frees), and back. Tasks are not saved. */
MUST_USE int orders_save(const struct orders *orders, unsigned char **data, size_t *length);
MUST_USE int orders_load(struct orders *orders, const void *data, size_t length, struct err *err);

#endif
