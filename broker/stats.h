/* What the broker knows, as one JSON object for `stats` and `top`. Keys are stable; numbers are counted since the broker's start;
 * "learner_status" is what the learner said of itself, verbatim (it holds the book of trajectories and the table of partitions). */
#ifndef TESTUDO_BROKER_STATS_H
#define TESTUDO_BROKER_STATS_H

#include "broker/core.h"

#define BROKER_STATS_BYTES (512u * 1024)

struct broker_actor {
    struct wire_peer peer;
    uint32_t actor;
    uint64_t incarnation;
    enum roster_presence presence;
    struct blob_name description;
    uint32_t lanes, orders_generation;
    uint64_t orders_upto, next_sequence;
    uint64_t acked, received, forwarded, may_send; /* acked <= received <= forwarded */
    uint64_t fates[FATES_TOLD];
    struct weights_version version;
    struct hash weights;
    monotonic_us heard_at, gone_at;
    uint64_t trajectories, gaps, repeats;
    bool wants_description, is_told, state_due; /* is_told: stands in a roster that the present learner was sent */
};

struct broker_learner {
    struct wire_peer peer;
    uint64_t incarnation; /* 0: there was none yet */
    uint32_t generation;
    char run[PROTOCOL_RUN_SIZE];
    struct blob_name recipe;
    monotonic_us heard_at;
    bool is_silent, is_finished;
    unsigned char *status; /* PROTOCOL_STATUS_BYTES */
    size_t status_bytes;
};

struct broker_view {
    monotonic_us now, started_at;
    uint64_t epoch;
    const struct broker_counts *counts;
    const struct broker_actor *actors;
    int n_actors;
    const struct broker_learner *learner;
    struct weights_version newest;
    size_t cache_bytes;
    int cache_blobs, waiters;
};

/* Writes and terminates; length, or ERR_LIMIT. */
MUST_USE int broker_stats_json(const struct broker_view *view, char *json, size_t size);

#endif
