/* The broker's protocol, without sockets or clock.
 *
 * For each actor it knows how far trajectories were forwarded, received by the learner, and acknowledged with their fate. It forwards
 * exactly the next sequence, forwards again what the learner does not confirm, and drops what the learner has. It keeps
 * no trajectory: what is not acknowledged lies in the actor's ring, so a broker may die at any moment. It never decodes a tensor. */
#ifndef TESTUDO_BROKER_CORE_H
#define TESTUDO_BROKER_CORE_H

#include "wire/envelope.h"
#include "wire/loop_failure.h"
#include "wire/role.h"

struct broker_core_ops {
    /* Sends one message; 0, or an error when the peer is not there or its queue is full (then nothing was sent). Bytes borrowed. */
    int (*send)(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes, const void *payload,
                size_t payload_bytes);
};

struct broker_core_options {
    uint64_t epoch; /* different for each process: start time in us */
    size_t cache_bytes;
    const struct broker_core_ops *ops;
    void *context;
};

struct broker_core;
MUST_USE int broker_core_create(struct broker_core **core, const struct broker_core_options *options);
void broker_core_destroy(struct broker_core **core);
void broker_core_tick(struct broker_core *core, monotonic_us now); /* every 10-100 ms */
void broker_core_message(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *envelope,
                         size_t envelope_bytes, const void *payload, size_t payload_bytes);
/* The same from a peer that proved to have a key: what its role may not say, or says for an actor that is not its own, is refused and
 * counted. `sender` NULL: no keys are needed here, so it may be anybody. */
struct broker_sender {
    const char *name; /* of the key; at most 32 characters */
    enum role role;
    uint32_t first_actor, last_actor; /* numbers of actors that it may use */
};
void broker_core_receive(struct broker_core *core, monotonic_us now, const struct wire_peer *peer,
                         const struct broker_sender *sender, const void *envelope, size_t envelope_bytes, const void *payload,
                         size_t payload_bytes);
/* More frames than two, or a frame above its ceiling: counted. */
void broker_core_malformed(struct broker_core *core, monotonic_us now, const struct wire_peer *peer);

/* Writes the stats as JSON, terminated; length, or ERR_LIMIT. */
MUST_USE int broker_core_stats(struct broker_core *core, monotonic_us now, char *json, size_t size);

/* Connections and keys, counted by the process since its start; for those who tell it. */
struct broker_security {
    bool has_keys;                   /* else plain text */
    int keys;                        /* on the list */
    uint64_t admitted;               /* handshakes */
    uint64_t refused[LOOP_FAILURES]; /* handshakes, by reason */
    uint64_t revoked;                /* messages under keys that are not on the list any more */
    uint64_t reloads, failed_reloads;
};
void broker_core_security(struct broker_core *core, const struct broker_security *security);

struct broker_view;
/* Everything there is to tell; borrowed until the next call of anything. */
void broker_core_view(const struct broker_core *core, monotonic_us now, struct broker_view *view);

/* Deliveries so far: received = distinct + duplicate + gap + unknown (sender) + over_grant + unrouted (no learner). stray: orders to
 * actors that are not here, messages of a learner that was replaced. */
struct broker_counts {
    uint64_t messages_in[MESSAGE_KINDS], messages_out[MESSAGE_KINDS], bytes_in[MESSAGE_KINDS], bytes_out[MESSAGE_KINDS];
    uint64_t received, distinct, duplicate, gap, unknown, over_grant, unrouted;
    uint64_t denied_role, denied_actor; /* messages that a role may not send, and for actors of another key */
    uint64_t stray, malformed, dropped, refused, actors_gone, reconnects, learners;
};
struct broker_counts broker_core_counts(const struct broker_core *core);

#endif
