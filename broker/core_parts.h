/* The core in parts, for its own files: what it holds, and what each part does for the others.
 *
 *   core.c           life, ticks, which message goes where, trajectories
 *   core_send.c      sending: STATE, ROSTER, REFUSED
 *   core_actors.c    the table of actors, and what they and their keys may be and say
 *   core_learner.c   the learner, and what it says of actors
 *   core_blobs.c     the cache of weights and recipes, publication of versions */
#ifndef TESTUDO_BROKER_CORE_PARTS_H
#define TESTUDO_BROKER_CORE_PARTS_H

#include "base/row_index.h"
#include "broker/monitor.h"
#include "broker/waiters.h"
#include "wire/fetch.h"

#define SILENCE_US (PROTOCOL_MISSED * PROTOCOL_HEARTBEAT_US)
#define REFUSALS_MAX 64
#define STORED_VERSIONS 4
#define ROW_WORDS (PROTOCOL_ACTORS_MAX / 64)
_Static_assert(PROTOCOL_ACTORS_MAX % 64 == 0, "a bit for each row of the table");

struct publication {
    struct weights_version version;
    struct blob_name name;
    bool is_pending;
    bool has_manifest;
    struct manifest manifest;
};

/* Which actors are to be told their STATE: a bit for each row of the table. */
struct states_due {
    uint64_t now[ROW_WORDS];    /* after the message in hand */
    uint64_t unsent[ROW_WORDS]; /* could not be sent: at the next tick */
};

struct broker_core {
    struct broker_core_options options;
    monotonic_us started_at, ticked_at;

    struct broker_actor actors[PROTOCOL_ACTORS_MAX]; /* rows 0 .. n_actors - 1 */
    int n_actors;
    struct row_index *by_number; /* of actors: all incarnations of one have the same */
    struct states_due due;
    bool roster_dirty;
    monotonic_us roster_at;

    struct broker_learner learner;

    struct weights_version newest;
    struct blob_name newest_manifest;
    struct publication next;
    struct hash kept[STORED_VERSIONS][WEIGHTS_NETS_MAX + 1]; /* contents of the last versions, so that slow actors finish */
    int n_kept[STORED_VERSIONS], kept_at;

    struct fetcher *cache;
    struct waiters *waiters;

    struct {
        struct wire_peer peer;
        monotonic_us at;
    } refusals[REFUSALS_MAX];
    int refusals_at, refusal_lines;
    monotonic_us refusal_second; /* when the second began that refusal_lines counts in */

    const struct broker_sender *sender; /* of the message in hand */
    struct broker_security security;
    struct broker_counts counts;
    struct broker_work work;
    struct monitor monitor;
    struct envelope *in, *out;
    unsigned char *bytes;
};

/* --- core_send.c --- */

/* Both count what they send and what could not be sent; core_emit sends core->out. */
int core_send(struct broker_core *core, enum message_kind kind, const struct wire_peer *peer, const void *envelope,
              size_t envelope_bytes, const void *payload, size_t payload_bytes);
int core_emit(struct broker_core *core, const struct wire_peer *peer, const void *payload, size_t payload_bytes);
/* Tells a peer why it is not served, at most once a heartbeat. */
void core_refuse(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, uint64_t incarnation, int code,
                 const char *text);
bool core_has_learner(const struct broker_core *core); /* and it is not silent */
void core_send_state(struct broker_core *core, struct broker_actor *actor);
void core_state_due(struct broker_core *core, const struct broker_actor *actor); /* unless it is gone */
void core_states_due(struct broker_core *core);                                  /* to all */
bool core_state_is_due(const struct broker_core *core, const struct broker_actor *actor);
void core_state_not_due(struct broker_core *core, const struct broker_actor *actor);
void core_send_states(struct broker_core *core); /* those that are due */
void core_retry_states(struct broker_core *core);
int core_send_roster(struct broker_core *core, monotonic_us now);

/* --- core_actors.c --- */

struct broker_actor *core_actor_find(struct broker_core *core, uint32_t actor, uint64_t incarnation);
void core_actor_gone(struct broker_core *core, struct broker_actor *actor, monotonic_us now, const char *reason);
void core_actor_forget(struct broker_core *core, struct broker_actor *actor); /* the last row takes its place */
void core_forget_actors(struct broker_core *core);
/* What a role may not send is not looked at any further. */
bool core_may_say(struct broker_core *core, monotonic_us now, const struct wire_peer *peer);
bool core_owns(const struct broker_core *core, const struct broker_actor *actor); /* whoever sent the message in hand */
void core_on_actor_hello(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *payload,
                         size_t payload_bytes);

/* --- core_learner.c --- */

bool core_is_from_learner(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, uint64_t incarnation);
void core_on_learner_hello(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *payload,
                           size_t payload_bytes);
void core_on_fates(struct broker_core *core);
void core_on_orders(struct broker_core *core, const void *envelope, size_t envelope_bytes, const void *payload,
                    size_t payload_bytes);

/* --- core_blobs.c --- */

void core_on_fetch(struct broker_core *core, const struct wire_peer *peer);
void core_on_chunk(struct broker_core *core, monotonic_us now, const void *payload, size_t payload_bytes);
void core_on_publish(struct broker_core *core);
void core_request_blobs(struct broker_core *core, monotonic_us now);
void core_advance_publication(struct broker_core *core); /* a version becomes the newest when everything it needs is here */

#endif
