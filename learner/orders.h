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

struct orders_options {
    int lanes;            /* of the run, 1..ORDER_LANES_MAX */
    int depth;            /* sync 1; async 2..ORDERS_DEPTH_MAX */
    uint64_t max_lag;     /* versions; sync 0 */
    int64_t lease_ms;
};

struct orders;
MUST_USE int orders_create(struct orders **orders, const struct orders_options *options);
void orders_destroy(struct orders **orders);

/* --- what the learner process says --- */

/* New orders name this version from now on (newest published) and training lanes may run slices below slice_end. */
void orders_allow(struct orders *orders, struct weights_version version, struct blob_name manifest, uint64_t slice_end);
/* Whether publishing `number` next keeps every undecided training slice within max_lag (counted when it is decided under it). */
bool orders_may_publish(const struct orders *orders, uint64_t number);
/* An evaluation or audit: number, lease and version (unless task->version.generation is set) are filled when it is given out. Its
 * snapshot is copied. not_actor: whom it must not go to, UINT32_MAX for nobody. ERR_LIMIT when too many wait. */
MUST_USE int orders_add_task(struct orders *orders, const struct order *task, uint32_t not_actor);
int orders_tasks(const struct orders *orders); /* waiting or under way */
/* The slice was trained on (or dropped as stale): it belongs to the history; slices of a lane in order. */
void orders_committed(struct orders *orders, int lane, uint64_t slice, struct weights_version version);
uint64_t orders_lane_slice(const struct orders *orders, int lane); /* first slice not yet committed */

/* --- what the link says --- */

void orders_actor_live(struct orders *orders, uint32_t actor, uint64_t incarnation, int lanes, monotonic_us now);
void orders_actor_gone(struct orders *orders, uint32_t actor, uint64_t incarnation);
/* The actor has orders up to this number of this generation. */
void orders_actor_has(struct orders *orders, uint32_t actor, uint64_t incarnation, uint32_t generation, uint64_t upto);
/* Gives out whatever may be given out now. */
void orders_issue(struct orders *orders, monotonic_us now);
/* The orders that an actor should be sent now: fills items with up to max consecutive ones from its first that it does not have and
 * that was not sent within a second (resend: after a new broker, at once). Snapshots are borrowed until the next call of anything. */
int orders_to_send(struct orders *orders, uint32_t actor, monotonic_us now, struct order_item *items, int max);
void orders_sent(struct orders *orders, uint32_t actor, int n, monotonic_us now); /* the first n of them really went out */
void orders_resend_all(struct orders *orders);

/* Does this trajectory answer the order that the lane or task waits for? 0; ERR_DUPLICATE: late copy, the work was given to
 * somebody else or is done; ERR_MISMATCH: it contradicts its own order (version, lane, slice). */
MUST_USE int orders_match(const struct orders *orders, uint32_t actor, uint64_t incarnation, const struct trajectory *trajectory);
/* It arrived and is valid: the lane goes on from this snapshot (copied; may be of 0 bytes, then a change of hands is not possible
 * before the actor is gone, and the lane starts anew at its successor). */
MUST_USE int orders_arrived(struct orders *orders, const struct trajectory *trajectory, const void *snapshot, uint32_t snapshot_bytes);
/* It is not usable: the work is given out again, with its snapshot. */
void orders_failed(struct orders *orders, const struct trajectory *trajectory);

/* Generation of this learner: numbers start again at 1. Called once, before the first order. */
void orders_set_generation(struct orders *orders, uint32_t generation);

struct orders_stats {
    uint64_t issued, reissued, leases_over, moved, cancelled;
    int outstanding, idle, actors, tasks;
    uint64_t oldest_version; /* of undecided training slices; UINT64_MAX: none */
};
struct orders_stats orders_stats(const struct orders *orders);
int orders_holder(const struct orders *orders, int lane, uint32_t *actor); /* 1 when the lane is ordered, 0 idle */
/* Versions that outstanding orders name: fills up to max, returns how many; the weights of these must stay available. */
int orders_versions(const struct orders *orders, struct weights_version *versions, int max);

/* Committed slices and their snapshots as bytes (allocated; caller frees), and back. Tasks are not saved. */
MUST_USE int orders_save(const struct orders *orders, unsigned char **data, size_t *length);
MUST_USE int orders_load(struct orders *orders, const void *data, size_t length, struct err *err);

#endif
