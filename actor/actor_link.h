/* The actor's end of the delivery protocol, without sockets, threads or clock.
 *
 *   NEW -hello-> WAIT_STATE -state-> WAIT_RUN -recipe here-> WAIT_DESCRIPTION -described-> READY -drain-> DRAINING -> DONE
 *                     '- refused (protocol, replaced, another run) -> REFUSED
 *
 * It keeps every trajectory until the learner has told its fate, sends again when the broker or the learner is a new one or when nothing
 * moved for a second (then backs off), fetches the blobs that it lacks, assembles weights, and hands out orders in the order of their
 * numbers, each once its weights are complete. One thread. */
#ifndef TESTUDO_ACTOR_LINK_H
#define TESTUDO_ACTOR_LINK_H

#include "base/spec.h"
#include "wire/envelope.h"

enum actor_link_state {
    LINK_NEW,
    LINK_WAIT_STATE,
    LINK_WAIT_RUN,
    LINK_WAIT_DESCRIPTION,
    LINK_READY,
    LINK_DRAINING,
    LINK_DONE,
    LINK_REFUSED
};

/* One order ready to be carried out; owned by whoever received it: work_destroy. */
struct work {
    struct order order;      /* snapshot points to an owned copy behind this struct */
    struct weights *weights; /* a reference */
};
void work_destroy(struct work **work);

struct actor_link_ops {
    /* Sends one message; payload may be NULL. 0, or an error when it was dropped (it will be repeated). Bytes are borrowed. */
    int (*send)(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes);
    void (*recipe)(void *context, const char *run, const char *text, size_t length); /* once; text is borrowed, not terminated */
    void (*work)(void *context, struct work *work);                                  /* takes ownership */
    void (*generation)(void *context, uint32_t generation);        /* orders of older generations are void: drop them */
    void (*release)(void *context, struct trajectory *trajectory); /* its fate is known: the buffer is the owner's again */
    void (*refused)(void *context, int code, const char *text);    /* the link is dead */
};

struct actor_link_options {
    uint32_t actor;
    uint64_t incarnation;
    int window;                    /* trajectories kept at most, 1..PROTOCOL_WINDOW_MAX */
    size_t window_bytes;           /* and their frames together */
    size_t cache_bytes;            /* blobs */
    char host[PROTOCOL_HOST_SIZE]; /* told to whoever asks for statistics; may be "" */
    const struct actor_link_ops *ops;
    void *context;
};

struct actor_link;
MUST_USE int actor_link_create(struct actor_link **link, const struct actor_link_options *options);
/* Releases what is still in the ring through ops.release. */
void actor_link_destroy(struct actor_link **link);

void actor_link_tick(struct actor_link *link, monotonic_us now); /* every 10-100 ms */
void actor_link_message(struct actor_link *link, monotonic_us now, const void *envelope, size_t envelope_bytes, const void *payload,
                        size_t payload_bytes);

/* The recipe was understood: how the task looks and how many lanes fit. */
MUST_USE int actor_link_describe(struct actor_link *link, monotonic_us now, const struct spec *spec, const struct schema *schema,
                                 int lanes);
/* Takes a finished trajectory into the ring, numbers and sends it. ERR_STATE: its generation is void (the caller keeps the buffer);
 * ERR_LIMIT: the ring is full (wait for a release). */
MUST_USE int actor_link_submit(struct actor_link *link, monotonic_us now, struct trajectory *trajectory);

/* For statistics: what the rollout did so far (steps and times; the rest of the struct is the link's own). Told with every HELLO. */
void actor_link_load(struct actor_link *link, const struct actor_load *load);

void actor_link_drain(struct actor_link *link, monotonic_us now); /* no more orders; DONE when the ring is empty */
void actor_link_bye(struct actor_link *link);                     /* says good-bye; the state is DONE */

enum actor_link_state actor_link_state(const struct actor_link *link);
bool actor_link_broker_alive(const struct actor_link *link, monotonic_us now);
/* The run is complete; or no run began within a minute beside one that was complete when this actor came. */
bool actor_link_finished(const struct actor_link *link);

struct actor_link_stats {
    uint64_t next_sequence, acked_upto, may_send_upto;
    uint64_t fates[FATES_TOLD];
    uint64_t sent, resent, malformed, epochs, orders, ring, ring_bytes;
    struct weights_version version; /* newest known */
};
struct actor_link_stats actor_link_stats(const struct actor_link *link);

#endif
