/* A relay's protocol, without sockets or clock: many actors of one host behind one connection to a broker.
 *
 * Nothing of the protocol changes for either side. What an actor says goes up as it is, and what the broker says to an actor (STATE, ORDERS,
 * REFUSED) names the actor's incarnation, by which the relay finds it. Only blobs are the relay's own: it answers FETCH from its cache, and
 * fetches each blob once for all. It holds no trajectory and decides nothing, so it may die at any moment like a broker. */
#ifndef TESTUDO_BROKER_RELAY_CORE_H
#define TESTUDO_BROKER_RELAY_CORE_H

#include "wire/envelope.h"

struct relay_core_ops {
    /* To an actor; to the broker. 0, or an error when nothing was sent. Bytes are borrowed. */
    int (*down)(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes, const void *payload,
                size_t payload_bytes);
    int (*up)(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes);
    void (*refused)(void *context, int code, const char *text); /* the broker refuses the relay itself */
};

struct relay_core_options {
    size_t cache_bytes;
    const struct relay_core_ops *ops;
    void *context;
};

/* up: actors > broker, down: broker > actors; as they are passed on. lost: could not be sent. unknown: to an actor that is not here.
 * Blobs: asked for by actors, answered from the cache at once, fetched from the broker. */
struct relay_counts {
    uint64_t up[MESSAGE_KINDS], down[MESSAGE_KINDS], up_bytes, down_bytes;
    uint64_t lost, unknown, malformed, denied;
    uint64_t asked, hits, fetched, fetched_bytes, served_bytes;
};

struct relay_core;
MUST_USE int relay_core_create(struct relay_core **core, const struct relay_core_options *options);
void relay_core_destroy(struct relay_core **core);
void relay_core_tick(struct relay_core *core, monotonic_us now); /* every 10-100 ms */
void relay_core_from_actor(struct relay_core *core, monotonic_us now, const struct wire_peer *peer, const void *envelope,
                           size_t envelope_bytes, const void *payload, size_t payload_bytes);
void relay_core_from_broker(struct relay_core *core, monotonic_us now, const void *envelope, size_t envelope_bytes,
                            const void *payload, size_t payload_bytes);

struct relay_counts relay_core_counts(const struct relay_core *core);
int relay_core_actors(const struct relay_core *core, monotonic_us now); /* heard within five heartbeats */
/* JSON, terminated; length, or ERR_LIMIT. */
MUST_USE int relay_core_stats(const struct relay_core *core, monotonic_us now, char *json, size_t size);

#endif
