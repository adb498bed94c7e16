/* A relay's protocol: see relay_core.h and common/wire/PROTOCOL.
 *
 * Invariants: rows[0..n) have distinct incarnations; a row is forgotten when its actor says good-bye, or, when room is needed, the one that
 * was silent for longest. A waiter stands for an actor that asked for a chunk of a blob on its way; who is not answered asks again. */
#include "broker/relay_core.h"

#include <stdlib.h>
#include <string.h>

#include "base/row_index.h"
#include "broker/text.h"
#include "broker/waiters.h"
#include "wire/fetch.h"

#define N(value) ((unsigned long long)(value))
#define SILENCE_US (PROTOCOL_MISSED * PROTOCOL_HEARTBEAT_US)
#define CACHE_ENTRIES 1024
#define STATS_BYTES 8192

struct row {
    uint64_t incarnation;
    struct wire_peer peer;
    monotonic_us heard_at;
};

struct relay_core {
    struct relay_core_options options;
    struct row rows[PROTOCOL_ACTORS_MAX];
    int n;
    struct row_index *by_incarnation; /* of rows */
    struct fetcher *cache;
    struct waiters *waiters;
    struct relay_counts counts;
    struct envelope *in, *out;
    unsigned char *bytes;
};

/* --- rows --- */

static struct row *find(struct relay_core *core, uint64_t incarnation)
{
    int row = row_index_first(core->by_incarnation, incarnation);
    return row < 0 ? NULL : &core->rows[row];
}

static void forget(struct relay_core *core, uint64_t incarnation)
{
    struct row *row = find(core, incarnation), *last = &core->rows[core->n - 1];
    if (!row)
        return;
    row_index_drop(core->by_incarnation, (int)(row - core->rows));
    core->n--;
    if (row == last)
        return;
    *row = *last;
    row_index_move(core->by_incarnation, core->n, (int)(row - core->rows));
}

/* In a full table a silent actor is forgotten for a new one. */
static void make_room(struct relay_core *core, monotonic_us now)
{
    for (int i = 0; i < core->n && core->n == PROTOCOL_ACTORS_MAX; i++)
        if (now - core->rows[i].heard_at > SILENCE_US)
            forget(core, core->rows[i].incarnation);
}

static void note(struct relay_core *core, monotonic_us now, uint64_t incarnation, const struct wire_peer *peer)
{
    struct row *row = find(core, incarnation);
    if (!row) {
        make_room(core, now);
        if (core->n == PROTOCOL_ACTORS_MAX)
            return;
        row = &core->rows[core->n];
        row_index_put(core->by_incarnation, core->n++, incarnation);
    }
    *row = (struct row){incarnation, *peer, now};
}

/* --- sending --- */

static void down(struct relay_core *core, enum message_kind kind, const struct wire_peer *peer, const void *envelope,
                 size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    if (core->options.ops->down(core->options.context, peer, envelope, envelope_bytes, payload, payload_bytes)) {
        core->counts.lost++;
        return;
    }
    core->counts.down[kind]++;
    core->counts.down_bytes += envelope_bytes + payload_bytes;
}

static int up(struct relay_core *core, enum message_kind kind, const void *envelope, size_t envelope_bytes, const void *payload,
              size_t payload_bytes)
{
    int r = core->options.ops->up(core->options.context, envelope, envelope_bytes, payload, payload_bytes);
    if (r) {
        core->counts.lost++;
        return r;
    }
    core->counts.up[kind]++;
    core->counts.up_bytes += envelope_bytes + payload_bytes;
    return 0;
}

static void emit_down(struct relay_core *core, const struct wire_peer *peer, const void *payload, size_t payload_bytes)
{
    int length = envelope_encode(core->out, core->bytes, PROTOCOL_ENVELOPE_BYTES);
    ASSERT(length > 0);
    down(core, core->out->kind, peer, core->bytes, (size_t)length, payload, payload_bytes);
}

/* --- blobs --- */

static void send_chunk(struct relay_core *core, const struct wire_peer *peer, const struct message_fetch *fetch)
{
    uint32_t bytes = 0;
    const unsigned char *part, *data = fetcher_find(core->cache, fetch->hash, &bytes);
    size_t part_bytes;
    core->out->kind = MESSAGE_CHUNK;
    fetch_slice(fetch, data, bytes, &core->out->chunk, &part, &part_bytes);
    core->counts.served_bytes += part_bytes;
    emit_down(core, peer, part, part_bytes); /* lost: asked again after a second */
}

static void on_fetch(struct relay_core *core, const struct wire_peer *peer)
{
    const struct message_fetch fetch = core->in->fetch;
    uint32_t bytes;
    core->counts.asked++;
    if (fetcher_find(core->cache, fetch.hash, &bytes)) {
        core->counts.hits++;
        send_chunk(core, peer, &fetch);
        return;
    }
    fetcher_unkeep_all(core->cache); /* whatever is complete may go when room is needed: versions follow each other for ever */
    if (!fetcher_want(core->cache, (struct blob_name){fetch.hash, fetch.bytes}))
        waiters_add(core->waiters, peer, &fetch);
}

static void request_blobs(struct relay_core *core, monotonic_us now)
{
    core->out->kind = MESSAGE_FETCH;
    while (fetcher_request(core->cache, now, &core->out->fetch)) {
        int length = envelope_encode(core->out, core->bytes, PROTOCOL_ENVELOPE_BYTES);
        ASSERT(length > 0);
        if (up(core, MESSAGE_FETCH, core->bytes, (size_t)length, NULL, 0))
            return;
    }
}

static void on_chunk(struct relay_core *core, monotonic_us now, const void *payload, size_t payload_bytes)
{
    struct hash hash = core->in->chunk.hash;
    int r = fetcher_chunk(core->cache, now, &core->in->chunk, payload, payload_bytes);
    core->counts.fetched_bytes += payload_bytes;
    core->counts.fetched += r == 1;
    if (r < 0 && r != ERR_UNKNOWN)
        core->counts.malformed++;
    if (r != 1 && r != ERR_UNKNOWN)
        return;
    if (r == ERR_UNKNOWN)
        fetcher_drop(core->cache, hash);
    struct waiter waiter;
    while (waiters_take(core->waiters, hash, &waiter))
        send_chunk(core, &waiter.peer, &waiter.fetch);
}

/* --- messages --- */

static void answer_stats(struct relay_core *core, monotonic_us now, const struct wire_peer *peer)
{
    char json[STATS_BYTES];
    int length = relay_core_stats(core, now, json, sizeof json);
    core->out->kind = MESSAGE_STATS_REPLY;
    if (length > 0)
        emit_down(core, peer, json, (size_t)length);
}

static bool read_envelope(struct relay_core *core, const void *envelope, size_t envelope_bytes)
{
    struct err err;
    if (envelope_bytes <= PROTOCOL_ENVELOPE_BYTES && !envelope_decode(core->in, envelope, envelope_bytes, &err))
        return true;
    core->counts.malformed++;
    return false;
}

/* Learners do not come through a relay: what only they may say is dropped, whatever the broker's keys allow. */
void relay_core_from_actor(struct relay_core *core, monotonic_us now, const struct wire_peer *peer, const void *envelope,
                           size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    if (!read_envelope(core, envelope, envelope_bytes))
        return;
    enum message_kind kind = core->in->kind;
    switch (kind) {
    case MESSAGE_ACTOR_HELLO: note(core, now, core->in->actor_hello.incarnation, peer); break;
    case MESSAGE_TRAJECTORY: break;
    case MESSAGE_BYE: forget(core, core->in->bye.incarnation); break;
    case MESSAGE_FETCH:
        on_fetch(core, peer);
        request_blobs(core, now);
        return;
    case MESSAGE_STATS: answer_stats(core, now, peer); return;
    default: core->counts.denied++; return;
    }
    (void)up(core, kind, envelope, envelope_bytes, payload, payload_bytes);
}

static void pass_down(struct relay_core *core, uint64_t incarnation, const void *envelope, size_t envelope_bytes,
                      const void *payload, size_t payload_bytes)
{
    const struct row *row = find(core, incarnation);
    if (row)
        down(core, core->in->kind, &row->peer, envelope, envelope_bytes, payload, payload_bytes);
    else
        core->counts.unknown++; /* a relay that was just started: its HELLO comes within a second */
}

void relay_core_from_broker(struct relay_core *core, monotonic_us now, const void *envelope, size_t envelope_bytes,
                            const void *payload, size_t payload_bytes)
{
    if (!read_envelope(core, envelope, envelope_bytes))
        return;
    switch (core->in->kind) {
    case MESSAGE_STATE: pass_down(core, core->in->state.incarnation, envelope, envelope_bytes, payload, payload_bytes); break;
    case MESSAGE_ORDERS: pass_down(core, core->in->orders.incarnation, envelope, envelope_bytes, payload, payload_bytes); break;
    case MESSAGE_CHUNK:
        on_chunk(core, now, payload, payload_bytes);
        request_blobs(core, now);
        break;
    case MESSAGE_REFUSED:
        if (core->in->refused.incarnation)
            pass_down(core, core->in->refused.incarnation, envelope, envelope_bytes, payload, payload_bytes);
        else
            core->options.ops->refused(core->options.context, core->in->refused.code, core->in->refused.text);
        break;
    default: core->counts.malformed++; break;
    }
}

/* --- public --- */

int relay_core_create(struct relay_core **core, const struct relay_core_options *options)
{
    struct relay_core *new = calloc(1, sizeof *new);
    *core = new;
    if (!new)
        return ERR_NOMEM;
    new->options = *options;
    new->in = calloc(1, sizeof *new->in);
    new->out = calloc(1, sizeof *new->out);
    new->bytes = malloc(PROTOCOL_ENVELOPE_BYTES);
    if (new->in &&new->out &&new->bytes && !fetcher_create(&new->cache, options->cache_bytes, CACHE_ENTRIES) &&
        !waiters_create(&new->waiters) && !row_index_create(&new->by_incarnation, PROTOCOL_ACTORS_MAX))
        return 0;
    relay_core_destroy(core);
    return ERR_NOMEM;
}

void relay_core_destroy(struct relay_core **core)
{
    struct relay_core *old = *core;
    *core = NULL;
    if (!old)
        return;
    fetcher_destroy(&old->cache);
    waiters_destroy(&old->waiters);
    row_index_destroy(&old->by_incarnation);
    free(old->in);
    free(old->out);
    free(old->bytes);
    free(old);
}

void relay_core_tick(struct relay_core *core, monotonic_us now)
{
    request_blobs(core, now);
}

struct relay_counts relay_core_counts(const struct relay_core *core)
{
    return core->counts;
}

int relay_core_actors(const struct relay_core *core, monotonic_us now)
{
    int live = 0;
    for (int i = 0; i < core->n; i++)
        live += now - core->rows[i].heard_at <= SILENCE_US;
    return live;
}

int relay_core_stats(const struct relay_core *core, monotonic_us now, char *json, size_t size)
{
    const struct relay_counts *c = &core->counts;
    struct text text = {json, size, 0};
    text_add(&text, "{\"schema\":2,\"protocol\":\"%d.%d\",\"role\":\"relay\",\"actors\":%d,\"up_bytes\":%llu,\"down_bytes\":%llu,",
             PROTOCOL_MAJOR, PROTOCOL_MINOR, relay_core_actors(core, now), N(c->up_bytes), N(c->down_bytes));
    text_add(&text, "\"trajectories\":%llu,\"orders\":%llu,\"states\":%llu,\"lost\":%llu,\"unknown\":%llu,\"malformed\":%llu,",
             N(c->up[MESSAGE_TRAJECTORY]), N(c->down[MESSAGE_ORDERS]), N(c->down[MESSAGE_STATE]), N(c->lost), N(c->unknown),
             N(c->malformed));
    text_add(
        &text,
        "\"denied\":%llu,\"blobs\":{\"asked\":%llu,\"hits\":%llu,\"fetched\":%llu,\"fetched_bytes\":%llu,\"served_bytes\":%llu,"
        "\"held\":%d,\"held_bytes\":%zu}}",
        N(c->denied), N(c->asked), N(c->hits), N(c->fetched), N(c->fetched_bytes), N(c->served_bytes), fetcher_count(core->cache),
        fetcher_bytes(core->cache));
    return text_end(&text);
}
