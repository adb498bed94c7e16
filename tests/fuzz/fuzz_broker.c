/* The broker's core hears anything from anybody: handshakes, questions for statistics, trajectories, a learner's status. Its deliveries add
 * up, its cache keeps its ceiling, and what it tells stays JSON, whatever names and numbers it was told. */
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "broker/stats.h"
#include "broker/view.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/talk.h"

#define CACHE_BYTES (1u << 16)

static int ignore(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes, const void *payload,
                  size_t payload_bytes)
{
    (void)context, (void)peer, (void)envelope, (void)envelope_bytes, (void)payload, (void)payload_bytes;
    return 0;
}

static void check(struct broker_core *core, monotonic_us now)
{
    char *json = malloc(BROKER_STATS_BYTES);
    struct broker_counts c = broker_core_counts(core);
    struct broker_view view;
    struct err err;
    ASSERT(c.received == c.distinct + c.duplicate + c.gap + c.unknown + c.over_grant + c.unrouted);
    broker_core_view(core, now, &view);
    ASSERT(view.cache_bytes <= CACHE_BYTES);
    int length = json ? broker_core_stats(core, now, json, BROKER_STATS_BYTES) : 0;
    if (length > 0) {
        json_t *tree = json_parse("stats", json, (size_t)length, &err);
        ASSERT(tree);
        json_decref(tree);
    }
    free(json);
}

void fuzz_broker(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"learner", "actor-1", "actor-2", "stats-1"};
    static const struct broker_core_ops ops = {ignore};
    const struct broker_core_options options = {.epoch = 5, .cache_bytes = CACHE_BYTES, .ops = &ops};
    struct talk talk = {.at = data, .end = data + size};
    struct broker_core *core;
    monotonic_us now = 1000000;
    ASSERT(!broker_core_create(&core, &options));
    while (talk_next(&talk)) {
        struct wire_peer peer = wire_peer_of(names[talk.who % 4], 7);
        broker_core_message(core, now, &peer, talk.envelope, talk.envelope_bytes, talk.payload, talk.payload_bytes);
        now += (monotonic_us)(talk.who / 4) * 100000; /* up to 6 s: silence, too */
        broker_core_tick(core, now);
    }
    check(core, now);
    broker_core_destroy(&core);
}
