/* Envelopes: one table per kind, see envelope.h and the page PROTOCOL. The key "kind" comes first in every map. */
#include "wire/envelope.h"

#include <stdio.h>
#include <string.h>

#include "wire/codec.h"

#define PAIRS_MAX 48

#define U32(s, f, ...)                                    \
    {                                                     \
#f, CODEC_U32, offsetof(struct s, f), __VA_ARGS__ \
    }
#define U64(s, f, ...)                                    \
    {                                                     \
#f, CODEC_U64, offsetof(struct s, f), __VA_ARGS__ \
    }
#define BOOL(s, f, ...)                                    \
    {                                                      \
#f, CODEC_BOOL, offsetof(struct s, f), __VA_ARGS__ \
    }
#define TEXT(s, f, n, ...)                                    \
    {                                                         \
#f, CODEC_TEXT, offsetof(struct s, f), n, __VA_ARGS__ \
    }
#define HASH(s, f)                               \
    {                                            \
#f, CODEC_HASH, offsetof(struct s, f), 0 \
    }
#define VERSION(s, f)                               \
    {                                               \
#f, CODEC_VERSION, offsetof(struct s, f), 0 \
    }
#define BLOB(s, f)                               \
    {                                            \
#f, CODEC_BLOB, offsetof(struct s, f), 0 \
    }
#define U64S(s, f, n)                            \
    {                                            \
#f, CODEC_U64S, offsetof(struct s, f), n \
    }
#define LIST(s, name, row, n)                                                                                              \
    {                                                                                                                      \
#name, CODEC_LIST, offsetof(struct s, count), n, 0, 0, offsetof(struct s, rows), sizeof(struct row), row##_fields, \
            ARRAY_LEN(row##_fields)                                                                                        \
    }

#define LOAD(f, type, n)                                                             \
    {                                                                                \
#f, type, offsetof(struct message_actor_hello, load.f), n, 0, CODEC_OPTIONAL \
    }
static const struct codec_field actor_hello_fields[] = {
    U32(message_actor_hello, major, 0),
    U32(message_actor_hello, minor, 0),
    TEXT(message_actor_hello, run, PROTOCOL_RUN_SIZE),
    U32(message_actor_hello, actor, 0),
    U64(message_actor_hello, incarnation, 0),
    BLOB(message_actor_hello, description),
    U32(message_actor_hello, lanes, 0, PROTOCOL_LANES_MAX),
    U32(message_actor_hello, orders_generation, 0),
    U64(message_actor_hello, orders_upto, 0),
    U64(message_actor_hello, next_sequence, 0),
    U64(message_actor_hello, acked_upto, 0),
    VERSION(message_actor_hello, version),
    HASH(message_actor_hello, weights),
    BOOL(message_actor_hello, is_draining, 0, 0, CODEC_OPTIONAL),
    TEXT(message_actor_hello, host, PROTOCOL_HOST_SIZE, 0, CODEC_OPTIONAL),
    U64(message_actor_hello, clock_us, 0, 0, CODEC_OPTIONAL),
    U64(message_actor_hello, rtt_us, 0, 0, CODEC_OPTIONAL),
    LOAD(steps, CODEC_U64, 0),
    LOAD(busy_us, CODEC_U64, 0),
    LOAD(idle_us, CODEC_U64, 0),
    LOAD(blocked_us, CODEC_U64, 0),
    LOAD(ages, CODEC_U64S, HISTOGRAM_BUCKETS),
    LOAD(ages_us, CODEC_U64, 0),
    LOAD(resent, CODEC_U64, 0),
    LOAD(unsent, CODEC_U64, 0),
};
#undef LOAD
static const struct codec_field state_fields[] = {
    U32(message_state, major, 0),
    U32(message_state, minor, 0),
    U64(message_state, incarnation, 0),
    U64(message_state, epoch, 0),
    TEXT(message_state, run, PROTOCOL_RUN_SIZE),
    BLOB(message_state, recipe),
    U64(message_state, learner, 0),
    U64(message_state, acked_upto, 0),
    U64(message_state, received_upto, 0),
    U64(message_state, may_send_upto, 0),
    U64S(message_state, fates, FATES_TOLD),
    VERSION(message_state, version),
    BLOB(message_state, manifest),
    BOOL(message_state, wants_description, 0, 0, CODEC_OPTIONAL),
    BOOL(message_state, is_finished, 0, 0, CODEC_OPTIONAL),
    U64(message_state, echo_us, 0, 0, CODEC_OPTIONAL),
};
#define BODY(f) offsetof(struct message_trajectory, body.f)
static const struct codec_field trajectory_fields[] = {
    TEXT(message_trajectory, run, PROTOCOL_RUN_SIZE),
    U32(message_trajectory, actor, 0),
    U64(message_trajectory, incarnation, 0),
    {"sequence", CODEC_U64, BODY(sequence), 0},
    {"order", CODEC_U64, BODY(order), 0},
    {"purpose", CODEC_U32, BODY(purpose), 0, ORDER_AUDIT},
    {"lane", CODEC_U32, BODY(lane), 0, INT32_MAX},
    {"slice", CODEC_U64, BODY(slice), 0},
    {"version", CODEC_VERSION, BODY(version), 0},
    {"weights", CODEC_HASH, BODY(weights), 0},
    {"steps", CODEC_U32, BODY(steps), 0, SCHEMA_STEPS_MAX},
    {"episodes", CODEC_U32, BODY(episodes), 0, SCHEMA_STEPS_MAX},
    {"schema", CODEC_HASH, BODY(schema), 0},
    {"status", CODEC_I32, BODY(status), 0},
    {"bytes", CODEC_SIZE, BODY(bytes), 0, SCHEMA_FRAME_MAX},
};
static const struct codec_field orders_fields[] = {
    U64(message_orders, learner, 0),    U32(message_orders, actor, 0), U64(message_orders, incarnation, 0),
    U32(message_orders, generation, 0), U64(message_orders, first, 0), U32(message_orders, count, 0, PROTOCOL_ORDERS_MAX),
};
static const struct codec_field fetch_fields[] = {
    HASH(message_fetch, hash),
    U32(message_fetch, bytes, 0, WEIGHTS_BLOB_MAX),
    U32(message_fetch, offset, 0, WEIGHTS_BLOB_MAX),
};
static const struct codec_field chunk_fields[] = {
    HASH(message_chunk, hash),
    U32(message_chunk, offset, 0, WEIGHTS_BLOB_MAX),
    U32(message_chunk, total, 0, WEIGHTS_BLOB_MAX),
};
static const struct codec_field learner_hello_fields[] = {
    U32(message_learner_hello, major, 0),
    U32(message_learner_hello, minor, 0),
    TEXT(message_learner_hello, run, PROTOCOL_RUN_SIZE),
    U32(message_learner_hello, generation, 0),
    U64(message_learner_hello, incarnation, 0),
    BLOB(message_learner_hello, recipe),
    BOOL(message_learner_hello, is_finished, 0, 0, CODEC_OPTIONAL),
    U64(message_learner_hello, clock_us, 0, 0, CODEC_OPTIONAL),
};
static const struct codec_field publish_fields[] = {
    U64(message_publish, learner, 0),
    VERSION(message_publish, version),
    BLOB(message_publish, manifest),
};
static const struct codec_field fates_row_fields[] = {
    U32(fates_row, actor, 0),         U64(fates_row, incarnation, 0),   U64(fates_row, acked_upto, 0),
    U64(fates_row, received_upto, 0), U64(fates_row, may_send_upto, 0), U64S(fates_row, fates, FATES_TOLD),
};
static const struct codec_field fates_fields[] = {
    U64(message_fates, learner, 0),
    LIST(message_fates, rows, fates_row, PROTOCOL_ACTORS_MAX),
};
static const struct codec_field roster_row_fields[] = {
    U32(roster_row, actor, 0),
    U64(roster_row, incarnation, 0),
    U32(roster_row, presence, 0, ROSTER_GONE),
    BLOB(roster_row, description),
    U32(roster_row, lanes, 0, PROTOCOL_LANES_MAX),
    U32(roster_row, orders_generation, 0),
    U64(roster_row, orders_upto, 0),
    U64(roster_row, next_sequence, 0),
    U64(roster_row, acked_upto, 0),
    VERSION(roster_row, version),
    HASH(roster_row, weights),
};
static const struct codec_field roster_fields[] = {
    U32(message_roster, major, 0),
    U32(message_roster, minor, 0),
    U64(message_roster, epoch, 0),
    U64(message_roster, learner, 0),
    VERSION(message_roster, version),
    U64(message_roster, echo_us, 0, 0, CODEC_OPTIONAL),
    LIST(message_roster, rows, roster_row, PROTOCOL_ACTORS_MAX),
};
static const struct codec_field stats_fields[] = {U32(message_stats, major, 0), U32(message_stats, minor, 0)};
static const struct codec_field refused_fields[] = {
    U32(message_refused, major, 0),
    U32(message_refused, minor, 0),
    {"code", CODEC_I32, offsetof(struct message_refused, code), 0},
    U64(message_refused, incarnation, 0),
    TEXT(message_refused, text, PROTOCOL_TEXT_SIZE),
};
static const struct codec_field bye_fields[] = {U64(message_bye, incarnation, 0)};

static const struct kind {
    const char *name;
    const struct codec_field *fields;
    int n_fields;
} kinds[MESSAGE_KINDS] = {
    [MESSAGE_ACTOR_HELLO] = {"actor-hello", actor_hello_fields, ARRAY_LEN(actor_hello_fields)},
    [MESSAGE_STATE] = {"state", state_fields, ARRAY_LEN(state_fields)},
    [MESSAGE_TRAJECTORY] = {"trajectory", trajectory_fields, ARRAY_LEN(trajectory_fields)},
    [MESSAGE_ORDERS] = {"orders", orders_fields, ARRAY_LEN(orders_fields)},
    [MESSAGE_FETCH] = {"fetch", fetch_fields, ARRAY_LEN(fetch_fields)},
    [MESSAGE_CHUNK] = {"chunk", chunk_fields, ARRAY_LEN(chunk_fields)},
    [MESSAGE_LEARNER_HELLO] = {"learner-hello", learner_hello_fields, ARRAY_LEN(learner_hello_fields)},
    [MESSAGE_PUBLISH] = {"publish", publish_fields, ARRAY_LEN(publish_fields)},
    [MESSAGE_FATES] = {"fates", fates_fields, ARRAY_LEN(fates_fields)},
    [MESSAGE_ROSTER] = {"roster", roster_fields, ARRAY_LEN(roster_fields)},
    [MESSAGE_STATS] = {"stats", stats_fields, ARRAY_LEN(stats_fields)},
    [MESSAGE_STATS_REPLY] = {"stats-reply", NULL, 0},
    [MESSAGE_REFUSED] = {"refused", refused_fields, ARRAY_LEN(refused_fields)},
    [MESSAGE_BYE] = {"bye", bye_fields, ARRAY_LEN(bye_fields)},
};

const char *message_kind_name(enum message_kind kind)
{
    return (unsigned)kind < MESSAGE_KINDS ? kinds[kind].name : "?";
}

const char *fate_name(enum fate fate)
{
    static const char *const names[FATES] = {"trained", "evaluated", "stale", "rejected", "rolled_back", "lost"};
    return (unsigned)fate < FATES ? names[fate] : "?";
}

/* All members of the union begin at the same place. */
static void *body_of(const struct envelope *envelope)
{
    return (void *)(uintptr_t)&envelope->actor_hello;
}

/* What is zeroed before decoding: more than any body without its rows. Rows are written whole, so theirs need not be, 200 KB a message. */
#define BODY_BYTES (sizeof(struct message_trajectory) + sizeof(struct message_actor_hello))
_Static_assert(offsetof(struct message_fates, rows) < BODY_BYTES && offsetof(struct message_roster, rows) < BODY_BYTES,
               "all but the rows is zeroed");

int envelope_encode(const struct envelope *envelope, void *out, size_t size)
{
    struct pack pack;
    ASSERT((unsigned)envelope->kind < MESSAGE_KINDS);
    const struct kind *kind = &kinds[envelope->kind];
    pack_begin(&pack, out, size);
    pack_map(&pack, (uint32_t)kind->n_fields + 1);
    pack_key(&pack, "kind");
    pack_u64(&pack, (uint64_t)envelope->kind);
    codec_pack_fields(&pack, kind->fields, kind->n_fields, body_of(envelope));
    return pack_end(&pack);
}

int envelope_decode(struct envelope *envelope, const void *data, size_t length, struct err *err)
{
    struct unpack unpack;
    unpack_begin(&unpack, data, length);
    uint32_t pairs = unpack_map(&unpack, PAIRS_MAX);
    size_t key_length;
    const char *key = pairs ? unpack_key(&unpack, &key_length) : NULL;
    if (!key || unpack.error || key_length != 4 || memcmp(key, "kind", 4)) {
        unpack_fail(&unpack, ERR_FORMAT, "no kind");
        return unpack_end(&unpack, "envelope", err);
    }
    envelope->kind = (enum message_kind)unpack_u64(&unpack, MESSAGE_KINDS - 1);
    if (unpack.error)
        return unpack_end(&unpack, "envelope", err);
    const struct kind *kind = &kinds[envelope->kind];
    memset(body_of(envelope), 0, BODY_BYTES);
    codec_unpack_fields(&unpack, kind->fields, kind->n_fields, body_of(envelope), pairs - 1);
    return unpack_end(&unpack, kind->name, err);
}

bool protocol_understands(uint32_t our_major, uint32_t our_minor, uint32_t major, uint32_t minor)
{
    return major == our_major && minor + 1 >= our_minor;
}

int protocol_refusal(uint32_t major, uint32_t minor, struct err *err)
{
    return err_set(err, ERR_VERSION, "protocol %u.%u is not understood here, this is protocol %d.%d", major, minor, PROTOCOL_MAJOR,
                   PROTOCOL_MINOR);
}

/* --- lists of orders --- */

static const struct codec_field order_fields[] = {
    {"number", CODEC_U64, offsetof(struct order_item, order.number), 0},
    {"purpose", CODEC_U32, offsetof(struct order_item, order.purpose), 0, ORDER_AUDIT},
    {"lane", CODEC_U32, offsetof(struct order_item, order.lane), 0, INT32_MAX},
    {"slice", CODEC_U64, offsetof(struct order_item, order.slice), 0},
    {"version", CODEC_VERSION, offsetof(struct order_item, order.version), 0},
    {"lease_ms", CODEC_U64, offsetof(struct order_item, order.lease_ms), 0, INT64_MAX},
    {"episodes", CODEC_U32, offsetof(struct order_item, order.episodes), 0, SCHEMA_STEPS_MAX},
    {"threat", CODEC_TEXT, offsetof(struct order_item, order.threat), sizeof(((struct order *)0)->threat)},
    {"victim", CODEC_I32, offsetof(struct order_item, order.victim), 0},
    {"manifest", CODEC_BLOB, offsetof(struct order_item, manifest), 0},
    {"is_cancelled", CODEC_BOOL, offsetof(struct order_item, is_cancelled), 0, 0, CODEC_OPTIONAL},
};

/* An order is [fields as a map, snapshot as bytes]; cancelled ones travel without snapshot. */
static int order_encode(const struct order_item *item, void *out, size_t size)
{
    struct pack pack;
    pack_begin(&pack, out, size);
    pack_array(&pack, 2);
    codec_pack_map(&pack, order_fields, ARRAY_LEN(order_fields), item, 0);
    pack_bytes(&pack, item->order.snapshot, item->is_cancelled ? 0 : item->order.snapshot_bytes);
    return pack_end(&pack);
}

int orders_encode(const struct order_item *items, int n, void *out, size_t size, int *packed)
{
    /* The count is written last, as an array header of fixed width, once we know how many fit. */
    unsigned char *bytes = out;
    size_t used = 3;
    *packed = 0;
    if (size < used)
        return ERR_LIMIT;
    for (; *packed < n && *packed < PROTOCOL_ORDERS_MAX; (*packed)++) {
        int written = order_encode(&items[*packed], bytes + used, size - used);
        if (written < 0)
            break;
        used += (size_t)written;
    }
    if (!*packed)
        return ERR_LIMIT;
    bytes[0] = 0xdc; /* array 16 */
    bytes[1] = (unsigned char)(*packed >> 8);
    bytes[2] = (unsigned char)*packed;
    return (int)used;
}

static void order_decode(struct unpack *unpack, struct order_item *item)
{
    size_t length;
    memset(item, 0, sizeof *item);
    if (unpack_array(unpack, 2) != 2)
        unpack_fail(unpack, ERR_FORMAT, "an order has two parts");
    uint32_t pairs = unpack_map(unpack, PAIRS_MAX);
    codec_unpack_fields(unpack, order_fields, ARRAY_LEN(order_fields), item, pairs);
    item->order.snapshot = unpack_bytes(unpack, ORDER_SNAPSHOT_MAX, &length);
    item->order.snapshot_bytes = unpack->error ? 0 : (uint32_t)length;
}

int orders_decode(struct order_item *items, int max, int *n, const void *data, size_t length, struct err *err)
{
    struct unpack unpack;
    unpack_begin(&unpack, data, length);
    uint32_t count = unpack_array(&unpack, (uint32_t)max);
    for (uint32_t i = 0; i < count && !unpack.error; i++)
        order_decode(&unpack, &items[i]);
    *n = (int)count;
    return unpack_end(&unpack, "orders", err);
}

/* --- peers --- */

struct wire_peer wire_peer_of(const void *id, size_t length)
{
    struct wire_peer peer = {.length = (uint8_t)(length < sizeof peer.id ? length : sizeof peer.id)};
    memcpy(peer.id, id, peer.length);
    return peer;
}

bool wire_peer_equal(const struct wire_peer *a, const struct wire_peer *b)
{
    return a->length == b->length && !memcmp(a->id, b->id, a->length);
}
