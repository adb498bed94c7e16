/* The learner's end of the delivery protocol, without sockets, threads or clock: it ties order book, ledger and intake to messages.
 *
 *   WAIT_ROSTER -roster names us-> READY -broker silent or new epoch-> WAIT_ROSTER (everything is told again)
 *        '- refused (older generation, another learner) -> REFUSED
 *
 * A trajectory that arrives is received by the ledger, judged by the intake and delivered, or decided at once (stale, rejected). A delivered
 * one is the caller's until learner_link_decide. Order of work for the caller: messages and ticks on its loop thread, decide there, too. */
#ifndef TESTUDO_LEARNER_LEARNER_LINK_H
#define TESTUDO_LEARNER_LEARNER_LINK_H

#include "base/spec.h"
#include "learner/intake.h"

enum learner_link_state { LEARNER_WAIT_ROSTER, LEARNER_READY, LEARNER_REFUSED };

struct learner_link_ops {
    int (*send)(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes);
    /* The task as an actor describes it, each new description once. 0: its actors may work (for the first one: build the networks
     * and publish); an error: they get no orders. */
    int (*described)(void *context, const struct spec *spec, const struct schema *schema);
    /* An accepted trajectory; decide its fate later with learner_link_decide. */
    void (*deliver)(void *context, struct arrival *arrival);
    void (*refused)(void *context, int code, const char *text);
    /* JSON for `stats` (status so far); bytes written or 0. Called once a heartbeat. */
    int (*status)(void *context, char *json, size_t size);
    /* A trajectory of this actor was rejected on arrival; may be NULL. */
    void (*rejected)(void *context, uint32_t actor, enum reject_reason reason, const char *text);
};

struct learner_link_options {
    char run[PROTOCOL_RUN_SIZE];
    uint32_t
        generation; /* raised at every start of a learner process, never used twice: keep it on disk before creating the link */
    uint64_t incarnation; /* start time in us */
    const char *recipe;   /* resolved text; copied */
    size_t recipe_bytes;
    struct ledger *ledger; /* borrowed, all three */
    struct orders *orders;
    struct intake *intake;
    const struct learner_link_ops *ops;
    void *context;
};

struct learner_link;
MUST_USE int learner_link_create(struct learner_link **link, const struct learner_link_options *options);
void learner_link_destroy(struct learner_link **link);

void learner_link_tick(struct learner_link *link, monotonic_us now); /* every 10-100 ms: heartbeats, leases, orders */
void learner_link_message(struct learner_link *link, monotonic_us now, const void *envelope, size_t envelope_bytes,
                          const void *payload, size_t payload_bytes);
/* Publishes (takes a reference; version above all before) and lets lanes run below slice_end. Kept until a newer version is
 * there and no order names it. Sends at once. */
MUST_USE int learner_link_publish(struct learner_link *link, monotonic_us now, struct weights *weights, uint64_t slice_end);
/* Raises slice_end without a new version. */
void learner_link_allow(struct learner_link *link, monotonic_us now, uint64_t slice_end);
/* Decides the fate of a delivered trajectory: TRAINED, EVALUATED, STALE or REJECTED. Releases the arrival. Whatever the fate, a training
 * slice now belongs to its lane's history, so the slices of one lane must be decided in order. Sends at the next pump. */
void learner_link_decide(struct learner_link *link, struct arrival **arrival, enum fate fate);
/* The end of an examination that intake's `examine` op began: delivers the arrival (consumed), or decides it as stale or, with a misfit,
 * as rejected. Sends at the next pump. */
void learner_link_examined(struct learner_link *link, struct arrival **arrival, const struct misfit *misfit);
/* A version that orders still name, or the newest; NULL when it is no longer kept. Borrowed until the next publish. */
struct weights *learner_link_weights(const struct learner_link *link, struct weights_version version);
/* Sends what became due: fates and orders. Call after a batch of decisions. */
void learner_link_pump(struct learner_link *link, monotonic_us now);
void learner_link_finish(struct learner_link *link, monotonic_us now); /* the run is complete: told to all */
void learner_link_bye(struct learner_link *link);

enum learner_link_state learner_link_state(const struct learner_link *link);

struct learner_link_stats {
    uint64_t malformed, unknown, epochs, published, fetches, stale_late, dropped;
    int actors_live;
    uint64_t rtt_us; /* last HELLO to the ROSTER that echoed it; 0: none yet */
};
struct learner_link_stats learner_link_stats(const struct learner_link *link);

#endif
