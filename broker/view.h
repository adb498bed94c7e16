/* What the broker knows, for those who tell it: rows of actors, the learner, counters. All borrowed from the core. */
#ifndef TESTUDO_BROKER_VIEW_H
#define TESTUDO_BROKER_VIEW_H

#include "broker/core.h"

#define BROKER_OWNER_SIZE 33

struct broker_actor {
    struct wire_peer peer;
    uint32_t actor;
    uint64_t incarnation;
    char owner[BROKER_OWNER_SIZE]; /* name of the key that it came with; "" without keys */
    enum roster_presence presence;
    struct blob_name description;
    uint32_t lanes, orders_generation;
    uint64_t orders_upto, next_sequence;
    uint64_t acked, received, forwarded, may_send; /* acked <= received <= forwarded */
    uint64_t fates[FATES_TOLD];
    struct weights_version version;
    struct hash weights;
    monotonic_us heard_at, gone_at;
    uint64_t trajectories, gaps, repeats, bytes; /* bytes: of trajectories received */
    struct weights_version acted;                /* with what its newest trajectory was made */
    char host[PROTOCOL_HOST_SIZE];
    uint64_t clock_us, rtt_us;
    struct actor_load load; /* as of its last HELLO */
    struct broker_actor_rates {
        monotonic_us at; /* when the numbers below were taken; 0: not yet */
        struct actor_load load;
        uint64_t bytes;
        double steps_per_s, bytes_per_s;
        double busy, idle, blocked; /* shares of the rollout thread's time since the sample before */
    } rates;
    bool wants_description, is_told; /* is_told: stands in a roster that the present learner was sent */
};

/* What actors said of their work, added up over all that came and went since the broker's start. Numbers only grow. */
struct broker_work {
    uint64_t steps, resent, weights_taken; /* taken: an actor began to act with a newer version */
    struct histogram ages;                 /* HISTOGRAM_SECONDS */
};

struct broker_learner {
    struct wire_peer peer;
    uint64_t incarnation; /* 0: there was none yet */
    uint32_t generation;
    char run[PROTOCOL_RUN_SIZE];
    struct blob_name recipe;
    monotonic_us heard_at;
    uint64_t clock_us;
    bool is_silent, is_finished;
};

struct broker_view {
    monotonic_us now, started_at;
    uint64_t epoch;
    const struct broker_counts *counts;
    const struct broker_work *work;
    const struct broker_actor *actors;
    int n_actors;
    const struct broker_security *security;
    const struct broker_learner *learner;
    struct weights_version newest;
    size_t cache_bytes;
    int cache_blobs, waiters;
    const struct monitor *monitor;
};

#endif
