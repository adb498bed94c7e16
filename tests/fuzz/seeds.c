/* Writes one or more small, good inputs per fuzz target, made by our own encoders. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "learner/segments.h"
#include "net/safetensors.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/talk.h"
#include "wire/description.h"
#include "wire/envelope.h"
#include "wire/pack.h"

static const char *folder;

static void put(const char *target, const char *name, const void *data, int length)
{
    char path[512];
    struct err err;
    ASSERT(length >= 0);
    snprintf(path, sizeof path, "%s/%s", folder, target);
    ASSERT(file_make_folder(path, &err) == 0);
    snprintf(path, sizeof path, "%s/%s/seed-%s", folder, target, name);
    ASSERT(file_write(path, data, (size_t)length, &err) == 0);
}

static void seed_pack(void)
{
    static const char walk[] = "\x00\x83\xa5steps\x05\xa1"
                               "a\x92\x81\xa1x\xcb\x40\x00\x00\x00\x00\x00\x00\x00\xc7\x03\x01zzz\xa1"
                               "b\xc4\x02zz";
    static const char ops[] = "\x09\x50\x5b\x54\x63\x66\x07\x68\x09\x3a\x83\xa5steps\x05\xa3"
                              "abc\xca\x3f\x80\x00\x00\xc3\xc4\x01z"
                              "\xc4\x10"
                              "0123456789abcdef\xd4\x01x";
    put("pack", "walk", walk, sizeof walk - 1);
    put("pack", "calls", ops, sizeof ops - 1);
}

static void seed_manifest(void)
{
    static const int32_t arch[WEIGHTS_ARCH_NUMBERS] = {1, 30, 64, 6, 0, 2, 1, 0};
    unsigned char wire[4096];
    float values[4] = {0, 1, 2, 3};
    struct weights *weights;
    ASSERT(weights_create(&weights, (struct weights_version){1, 42}) == 0);
    put("manifest", "empty", wire, manifest_encode(&weights->manifest, wire, sizeof wire));
    ASSERT(weights_add_net(weights, "defender", arch, values, 4, NULL) == 0);
    ASSERT(weights_add_net(weights, "adversary/17", arch, values, 3, NULL) == 0);
    ASSERT(weights_add_table(weights, "epsilon", values, 2, NULL) == 0);
    put("manifest", "two-nets", wire, manifest_encode(&weights->manifest, wire, sizeof wire));
    weights_unref(&weights);
}

static void make_schema(struct schema *schema)
{
    schema_init(schema, 4, 2);
    int code = schema_add(schema, "base", "observation", COLUMN_F32, SPAN_STEP_NEXT, 3, -10, 10, NULL);
    code |= schema_add(schema, "base", "action", COLUMN_I32, SPAN_STEP, 2, 0, 4, NULL);
    code |= schema_add(schema, "base", "episode", COLUMN_I64, SPAN_EPISODE, 1, 0, 9e18, NULL);
    code |= schema_add(schema, "belief", "hidden", COLUMN_F32, SPAN_CHUNK, 2, -INFINITY, INFINITY, NULL);
    code |= schema_add(schema, "base", "snapshot", COLUMN_U8, SPAN_SLICE, 5, 0, 255, NULL);
    ASSERT(code >= 0 && schema_finish(schema, NULL) == 0);
}

static void seed_schema_and_frame(void)
{
    unsigned char wire[SCHEMA_BYTES_MAX];
    struct schema schema;
    make_schema(&schema);
    int length = schema_encode(&schema, wire + 2, sizeof wire - 64);
    put("schema", "five-columns", wire + 2, length);
    wire[0] = (unsigned char)(length & 255);
    wire[1] = (unsigned char)(length >> 8);
    memcpy(wire + 2 + length,
           "\x04\x00\x01\x00\x08"
           "\x00\x00\x80\x3f",
           9);
    put("frame", "own-schema", wire, 2 + length + 9);
    put("frame", "zeroes", "\0\0\x14\0\x02\0\x01\0\0\0\0", 11);
    put("frame", "ones", "\0\0\x07\0\x00\0\x00\0\0\x80\x3f", 11);
}

static void seed_description(void)
{
    unsigned char wire[DESCRIPTION_BYTES_MAX];
    struct schema schema;
    struct spec spec = {.env = "foraging",
                        .scenario = "8x8-2p-2f",
                        .N = 2,
                        .O = 12,
                        .S = 12,
                        .A = 6,
                        .C = 1,
                        .components = {{.choices = 6}},
                        .horizon = 50,
                        .state_bytes = 100,
                        .state_is_observation = true,
                        .return_min = -INFINITY,
                        .return_max = 1,
                        .n_blocks = 1,
                        .blocks = {{.name = "own", .start = 0, .width = 12}}};
    make_schema(&schema);
    put("description", "foraging", wire, description_encode(&spec, &schema, wire, sizeof wire));
}

/* Every kind once, with what a zeroed message may say; then one with contents. */
static void seed_envelope(void)
{
    static struct envelope envelope;
    static unsigned char wire[PROTOCOL_ENVELOPE_BYTES];
    for (int kind = 0; kind < MESSAGE_KINDS; kind++) {
        memset(&envelope, 0, sizeof envelope);
        envelope.kind = (enum message_kind)kind;
        if (kind == MESSAGE_FATES)
            envelope.fates.count = 2;
        if (kind == MESSAGE_ROSTER)
            envelope.roster.count = 2;
        if (kind == MESSAGE_TRAJECTORY)
            snprintf(envelope.trajectory.run, sizeof envelope.trajectory.run, "run-1");
        int length = envelope_encode(&envelope, wire, sizeof wire);
        if (length > 0)
            put("envelope", message_kind_name((enum message_kind)kind), wire, length);
        else
            fprintf(stderr, "no seed for a zeroed %s: %s\n", message_kind_name((enum message_kind)kind), err_name(length));
    }
}

static void seed_orders(void)
{
    unsigned char wire[4096];
    int packed;
    struct order_item items[2] = {
        {.order = {.number = 1,
                   .purpose = ORDER_TRAIN,
                   .lane = 3,
                   .slice = 7,
                   .lease_ms = 5000,
                   .victim = -1,
                   .snapshot_bytes = 4,
                   .snapshot = (const unsigned char *)"snap"}},
        {.order = {.number = 2, .purpose = ORDER_EVALUATE, .lane = 1, .episodes = 4, .threat = "pgd:0.5", .victim = 1}},
    };
    put("orders", "two", wire, orders_encode(items, 2, wire, sizeof wire, &packed));
}

static void seed_safetensors(void)
{
    char path[512];
    const int64_t shape[2] = {2, 3};
    const float values[6] = {0};
    struct safetensors *file;
    struct err err;
    ASSERT(safetensors_create(&file) == 0);
    ASSERT(safetensors_add(file, "actor.w1", TENSOR_F32, 2, shape, values, &err) == 0);
    ASSERT(safetensors_add(file, "actor.b1", TENSOR_U8, 1, shape + 1, values, &err) == 0);
    ASSERT(safetensors_set_metadata(file, "version", "3", &err) == 0);
    snprintf(path, sizeof path, "%s/safetensors", folder);
    ASSERT(file_make_folder(path, &err) == 0);
    snprintf(path, sizeof path, "%s/safetensors/seed-two-tensors", folder);
    ASSERT(safetensors_write(file, path, &err) == 0);
    safetensors_destroy(&file);
}

static void seed_recipe(void)
{
    static const char nested[] =
        "# a comment\nmethod: eir-mappo\nlearner: {lr: 5e-4, clip: 0.2}\nenv:\n  name: foraging\n  list: [1, 2, 3]\n";
    static const char resolved[] = "learner.lr: \"5e-4\"\nmethod: \"mappo\"\n";
    static const char refused[] = "a: &x 1\nb: *x\n";
    put("recipe", "nested", nested, sizeof nested - 1);
    put("recipe", "resolved", resolved, sizeof resolved - 1);
    put("recipe", "anchor", refused, sizeof refused - 1);
}

/* --- conversations (talk.h) --- */

static unsigned char talk[1 << 16];
static int talk_bytes;

static void say(int who, struct envelope *envelope, const void *payload, int payload_bytes)
{
    unsigned char *at = talk + talk_bytes;
    int length = envelope_encode(envelope, at + TALK_HEAD, sizeof talk - (size_t)talk_bytes - TALK_HEAD - (size_t)payload_bytes);
    ASSERT(length > 0);
    at[0] = (unsigned char)who;
    at[1] = (unsigned char)length;
    at[2] = (unsigned char)(length >> 8);
    at[3] = (unsigned char)payload_bytes;
    at[4] = (unsigned char)(payload_bytes >> 8);
    if (payload_bytes)
        memcpy(at + TALK_HEAD + length, payload, (size_t)payload_bytes);
    talk_bytes += TALK_HEAD + length + payload_bytes;
}

static void put_talk(const char *target, const char *name)
{
    put(target, name, talk, talk_bytes);
    talk_bytes = 0;
}

static int describe(unsigned char *wire)
{
    struct schema schema;
    const struct spec spec = {.env = "foraging",
                              .scenario = "8x8",
                              .N = 2,
                              .O = 3,
                              .S = 3,
                              .A = 2,
                              .C = 1,
                              .components = {{.choices = 2}},
                              .horizon = 10,
                              .state_is_observation = true,
                              .return_max = 1};
    make_schema(&schema);
    return description_encode(&spec, &schema, wire, DESCRIPTION_BYTES_MAX);
}

/* A learner and an actor shake hands, a trajectory passes, an observer asks, all leave. */
static void seed_broker(void)
{
    static struct envelope e;
    static unsigned char wire[DESCRIPTION_BYTES_MAX];
    static const char status[] = "{\"phase\":\"train\",\"steps\":100,\"book\":{\"announced\":3}}";
    int length = describe(wire);
    const struct blob_name name = {hash_bytes(wire, (size_t)length), (uint32_t)length};
    e = (struct envelope){.kind = MESSAGE_LEARNER_HELLO,
                          .learner_hello = {.major = PROTOCOL_MAJOR,
                                            .minor = PROTOCOL_MINOR,
                                            .run = "run-1",
                                            .generation = 1,
                                            .incarnation = 50,
                                            .recipe = {hash_bytes("recipe", 6), 6}}};
    say(0, &e, status, sizeof status - 1);
    e = (struct envelope){.kind = MESSAGE_ACTOR_HELLO,
                          .actor_hello = {.major = PROTOCOL_MAJOR,
                                          .minor = PROTOCOL_MINOR,
                                          .actor = 1,
                                          .incarnation = 10,
                                          .host = "host\"x",
                                          .description = name,
                                          .lanes = 4,
                                          .next_sequence = 2}};
    say(1 + 4, &e, wire, length);
    e = (struct envelope){.kind = MESSAGE_FATES,
                          .fates = {.learner = 50, .count = 1, .rows = {{.actor = 1, .incarnation = 10, .may_send_upto = 8}}}};
    say(0, &e, NULL, 0);
    e = (struct envelope){.kind = MESSAGE_TRAJECTORY, .trajectory = {.actor = 1, .incarnation = 10, .body = {.sequence = 1}}};
    say(1, &e, "frame", 5);
    e = (struct envelope){.kind = MESSAGE_STATS, .stats = {.major = PROTOCOL_MAJOR, .minor = PROTOCOL_MINOR}};
    say(3 + 4 * 60, &e, NULL, 0);
    e = (struct envelope){.kind = MESSAGE_BYE, .bye = {.incarnation = 50}};
    say(0, &e, NULL, 0);
    put_talk("broker", "run");
}

/* A broker tells an actor of a run, its recipe, and an order. */
static void seed_actor_link(void)
{
    static struct envelope e;
    unsigned char wire[4096];
    int packed;
    const struct hash recipe = hash_bytes("recipe", 6);
    struct order_item item = {.order = {.number = 1, .purpose = ORDER_TRAIN, .lease_ms = 3000, .victim = -1, .version = {1, 1}}};
    e = (struct envelope){.kind = MESSAGE_STATE,
                          .state = {.major = PROTOCOL_MAJOR,
                                    .minor = PROTOCOL_MINOR,
                                    .incarnation = 10,
                                    .epoch = 5,
                                    .run = "run-1",
                                    .recipe = {recipe, 6},
                                    .learner = 50,
                                    .may_send_upto = 8}};
    say(0, &e, NULL, 0);
    e = (struct envelope){.kind = MESSAGE_CHUNK, .chunk = {.hash = recipe, .total = 6}};
    say(4, &e, "recipe", 6);
    e = (struct envelope){.kind = MESSAGE_ORDERS,
                          .orders = {.learner = 50, .actor = 1, .incarnation = 10, .generation = 1, .first = 1, .count = 1}};
    say(8, &e, wire, orders_encode(&item, 1, wire, sizeof wire, &packed));
    put_talk("actor_link", "order");
    e = (struct envelope){.kind = MESSAGE_REFUSED,
                          .refused = {.major = PROTOCOL_MAJOR, .minor = PROTOCOL_MINOR, .code = ERR_STATE, .text = "replaced"}};
    say(0, &e, NULL, 0);
    put_talk("actor_link", "refused");
}

/* A broker names an actor, hands over its description and a trajectory that answers no order. */
static void seed_learner_link(void)
{
    static struct envelope e;
    static unsigned char wire[DESCRIPTION_BYTES_MAX];
    int length = describe(wire);
    const struct hash hash = hash_bytes(wire, (size_t)length);
    e = (struct envelope){.kind = MESSAGE_ROSTER,
                          .roster = {.major = PROTOCOL_MAJOR,
                                     .minor = PROTOCOL_MINOR,
                                     .epoch = 5,
                                     .learner = 50,
                                     .count = 1,
                                     .rows = {{.actor = 1,
                                               .incarnation = 10,
                                               .presence = ROSTER_READY,
                                               .description = {hash, (uint32_t)length},
                                               .lanes = 4,
                                               .next_sequence = 2}}}};
    say(4, &e, NULL, 0);
    e = (struct envelope){.kind = MESSAGE_CHUNK, .chunk = {.hash = hash, .total = (uint32_t)length}};
    say(4, &e, wire, length);
    e = (struct envelope){.kind = MESSAGE_TRAJECTORY,
                          .trajectory = {.run = "run-1", .actor = 1, .incarnation = 10, .body = {.order = 1, .sequence = 1}}};
    say(4, &e, "frame", 5);
    put_talk("learner_link", "trajectory");
}

static void seed_map(void)
{
    static const char groups[] = "# a map\nlimit 120\nattack 9 16\nterrain simple\nally 9 16: 2 stalker, 3 zealot\n"
                                 "enemy 20..28 10..22: 8 zergling\ntypes stalker zealot\n";
    static const char random[] = "limit 200; attack 9 16; random 5 5: 0.5 marine, 0.3 marauder, 0.2 medivac; not_all medivac";
    static const char refused[] = "limit 120\nattack 9 99\n";
    put("map", "groups", groups, sizeof groups - 1);
    put("map", "random", random, sizeof random - 1);
    put("map", "outside", refused, sizeof refused - 1);
}

/* A header, then two records of 8 and 16 bytes; the hashes of one input are right, the target puts those of the other right. */
static void seed_segment(void)
{
    unsigned char file[1 + SEGMENT_HEADER_BYTES + 2 * SEGMENT_RECORD_BYTES + 24] = {0}, *at = file + 1;
    memcpy(at, "TSTDSEG1\x03", 9);
    at += SEGMENT_HEADER_BYTES;
    for (int i = 0; i < 2; i++) {
        struct segment_record record = {
            .number = 7 + i, .length = 2, .is_terminated = i, .data = at + SEGMENT_RECORD_BYTES, .bytes = 8u << i};
        at[0] = (unsigned char)record.number, at[8] = 2, at[12] = (unsigned char)i, at[16] = (unsigned char)record.bytes;
        struct hash hash = segment_hash(&record);
        memcpy(at + 32, &hash.high, 8);
        memcpy(at + 40, &hash.low, 8);
        at += SEGMENT_RECORD_BYTES + record.bytes;
    }
    put("segment", "as-written", file, sizeof file);
    file[0] = 1;
    memset(file + 1 + SEGMENT_HEADER_BYTES + 32, 0, 16);
    put("segment", "put-right", file, sizeof file);
    put("segment", "torn", file, sizeof file - 5);
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : "tests/fuzz/corpus";
    seed_pack();
    seed_manifest();
    seed_schema_and_frame();
    seed_description();
    seed_envelope();
    seed_orders();
    put("chunk", "whole", "\x03\x84\x00\x10\x01\x00\x03\x84\x00\x08\x01\x00\x03\x84\x08\x08\x00\x00", 18);
    seed_safetensors();
    seed_recipe();
    seed_broker();
    seed_actor_link();
    seed_learner_link();
    seed_map();
    seed_segment();
    return 0;
}
