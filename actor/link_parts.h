/* The actor's link from inside: actor_link.c (states, HELLO and STATE, life), link_ring.c (trajectories until their fate is known),
 * link_weights.c (versions that are fetched and put together), link_orders.c (orders until they are handed out). See actor_link.h. */
#ifndef TESTUDO_ACTOR_LINK_PARTS_H
#define TESTUDO_ACTOR_LINK_PARTS_H

#include "actor/actor_link.h"
#include "wire/fetch.h"

#define RESEND_US 1000000
#define RESEND_MAX_US 8000000
#define VERSIONS_MAX 8
#define QUEUE_MAX (2 * PROTOCOL_LANES_MAX)
#define FETCH_ENTRIES 512
#define PATIENCE_US 60000000 /* how long an actor without a run waits beside a finished one for another learner */

struct queued {
    struct work *work; /* weights are filled in at hand-over */
    struct blob_name manifest;
};

struct version_slot {
    struct weights_version version;
    struct blob_name name;
    bool is_used, has_manifest;
    struct manifest *manifest; /* allocated with the slot's first use */
    struct weights *weights;   /* NULL until complete */
};

struct actor_link {
    struct actor_link_options options;
    enum actor_link_state state;
    char run[PROTOCOL_RUN_SIZE];
    struct blob_name recipe;
    bool has_recipe;

    uint64_t epoch, learner;
    monotonic_us heard_at, hello_at;
    bool is_heard, hello_due, wants_description, is_finished;
    monotonic_us idle_since; /* beside a finished run, without one of its own; 0: not so */

    struct trajectory **ring;
    monotonic_us *ended_at; /* [window], when the trajectory in that slot came into the ring */
    size_t ring_bytes;
    uint64_t next, acked_upto, received_upto, may_send_upto, sent_upto, high_upto; /* high: sent at least once */
    uint64_t fates[FATES_TOLD];
    monotonic_us progress_at, resend_us;

    unsigned char *description;
    struct blob_name description_name;
    int lanes;

    uint32_t generation;
    uint64_t orders_upto;
    struct weights_version order_version; /* of the last training order: never goes back */
    struct queued queue[QUEUE_MAX];
    int queue_start, queue_count;

    struct weights_version newest;
    struct blob_name newest_manifest;
    struct version_slot versions[VERSIONS_MAX];
    struct fetcher *fetcher;
    struct blob_store *nets;

    struct weights_version acted_version;
    struct hash acted_weights;
    uint64_t sent, resent, malformed, epochs, orders;
    struct actor_load load;
    struct histogram ages;
    uint64_t rtt_us, echo_us; /* of the last HELLO that was echoed */

    struct envelope *in, *out;
    unsigned char *bytes;     /* PROTOCOL_ENVELOPE_BYTES, for encoding */
    struct order_item *items; /* PROTOCOL_ORDERS_MAX */
};

/* --- actor_link.c --- */

int link_emit(struct actor_link *link, const void *payload, size_t payload_bytes); /* sends link->out */

/* --- link_ring.c --- */

struct trajectory **link_ring_slot(struct actor_link *link, uint64_t sequence);
void link_send_ring(struct actor_link *link);                  /* what may be sent and was not */
uint64_t link_there_upto(const struct actor_link *link);       /* what need not be sent again */
void link_send_again(struct actor_link *link);                 /* from the first that the learner has not received */
void link_acknowledge(struct actor_link *link, uint64_t upto); /* their fates are known: buffers go back */
void link_note_ages(struct actor_link *link, monotonic_us now, uint64_t before,
                    uint64_t upto); /* of trajectories that the learner has now: before+1 .. upto */
void link_check_progress(struct actor_link *link, monotonic_us now); /* sends again after a time without */

/* --- link_weights.c --- */

struct version_slot *link_version_find(struct actor_link *link, struct weights_version version); /* NULL: none */
void link_version_drop(struct version_slot *slot);
void link_versions_trim(struct actor_link *link);    /* drops those that nobody needs any more */
void link_versions_advance(struct actor_link *link); /* puts together what is complete, and asks for what is missing */

/* --- link_orders.c --- */

void link_queue_clear(struct actor_link *link);
void link_hand_out(struct actor_link *link); /* from the head of the queue, as far as weights are here */
void link_content_is_unknown(struct actor_link *link,
                             struct hash hash); /* nobody has it any more: its version's orders are given back */
void link_on_orders(struct actor_link *link, monotonic_us now, const void *payload, size_t payload_bytes);

#endif
