/* Envelopes: what goes in comes out, and nothing else comes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "wire/description.h"
#include "wire/envelope.h"
#include "wire/fetch.h"
#include "wire/pack.h"

static struct envelope a, b;
static unsigned char bytes[PROTOCOL_ENVELOPE_BYTES], again[PROTOCOL_ENVELOPE_BYTES];

static void fill(enum message_kind kind)
{
    struct rng rng = rng_stream(7, RNG_TEST, (uint64_t)kind, 0, 0);
    memset(&a, 0, sizeof a);
    a.kind = kind;
    switch (kind) {
    case MESSAGE_ACTOR_HELLO:
        a.actor_hello = (struct message_actor_hello){.major = 1,
                                                     .run = "run/a",
                                                     .actor = 3,
                                                     .incarnation = rng_next(&rng),
                                                     .description = {{1, 2}, 77},
                                                     .lanes = 12,
                                                     .orders_upto = UINT64_MAX,
                                                     .next_sequence = 5,
                                                     .version = {2, 9},
                                                     .is_draining = true,
                                                     .host = "node7",
                                                     .clock_us = 5,
                                                     .load = {.steps = rng_next(&rng), .ages = {1, [17] = 3}, .unsent = 8}};
        break;
    case MESSAGE_STATE:
        a.state = (struct message_state){.major = 1,
                                         .incarnation = 4,
                                         .epoch = 9,
                                         .run = "x",
                                         .recipe = {{3, 4}, 5},
                                         .learner = 6,
                                         .may_send_upto = 100,
                                         .fates = {1, 2, 3, 4},
                                         .version = {1, 1},
                                         .wants_description = true};
        break;
    case MESSAGE_TRAJECTORY:
        a.trajectory = (struct message_trajectory){.run = "x",
                                                   .actor = 1,
                                                   .incarnation = 2,
                                                   .body = {.sequence = 3,
                                                            .order = 4,
                                                            .purpose = ORDER_AUDIT,
                                                            .lane = 5,
                                                            .slice = 6,
                                                            .version = {7, 8},
                                                            .weights = {9, 10},
                                                            .steps = 11,
                                                            .episodes = 2,
                                                            .schema = {12, 13},
                                                            .status = ERR_STATE,
                                                            .bytes = 4096}};
        break;
    case MESSAGE_FATES:
        a.fates.count = PROTOCOL_ACTORS_MAX;
        for (int i = 0; i < PROTOCOL_ACTORS_MAX; i++)
            a.fates.rows[i] =
                (struct fates_row){(uint32_t)i, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, {UINT64_MAX, 1, 2, 3}};
        break;
    case MESSAGE_ROSTER:
        a.roster.count = PROTOCOL_ACTORS_MAX;
        for (int i = 0; i < PROTOCOL_ACTORS_MAX; i++)
            a.roster.rows[i] = (struct roster_row){.actor = UINT32_MAX,
                                                   .incarnation = UINT64_MAX,
                                                   .presence = ROSTER_GONE,
                                                   .description = {{UINT64_MAX, 1}, 100},
                                                   .lanes = PROTOCOL_LANES_MAX,
                                                   .orders_generation = UINT32_MAX,
                                                   .orders_upto = UINT64_MAX,
                                                   .next_sequence = UINT64_MAX,
                                                   .acked_upto = UINT64_MAX,
                                                   .version = {UINT32_MAX, UINT64_MAX}};
        break;
    case MESSAGE_REFUSED: a.refused = (struct message_refused){.code = ERR_VERSION, .incarnation = 1, .text = "because"}; break;
    default: break; /* all zero is legal */
    }
}

static void test_every_kind_survives_a_round_trip(void **state)
{
    (void)state;
    for (int kind = 0; kind < MESSAGE_KINDS; kind++) {
        struct err err = {.text = ""};
        fill((enum message_kind)kind);
        int n = envelope_encode(&a, bytes, sizeof bytes);
        assert_true(n > 0);
        memset(&b, 0x55, sizeof b);
        if (envelope_decode(&b, bytes, (size_t)n, &err))
            fail_msg("%s: %s", message_kind_name((enum message_kind)kind), err.text);
        assert_int_equal(b.kind, kind);
        assert_int_equal(envelope_encode(&b, again, sizeof again), n);
        assert_memory_equal(bytes, again, (size_t)n);
    }
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    for (int kind = 0; kind < MESSAGE_KINDS; kind++) {
        fill((enum message_kind)kind);
        int n = envelope_encode(&a, bytes, sizeof bytes), step = n > 1000 ? 97 : 1;
        for (int cut = 0; cut < n; cut += step) {
            unsigned char *exact = malloc((size_t)cut + 1); /* so that ASan sees a read beyond */
            memcpy(exact, bytes, (size_t)cut);
            assert_true(envelope_decode(&b, exact, (size_t)cut, NULL) < 0);
            free(exact);
        }
        bytes[n] = 0;
        assert_true(envelope_decode(&b, bytes, (size_t)n + 1, NULL) < 0); /* one byte left over */
    }
}

static void test_flipped_bits_never_harm(void **state)
{
    (void)state;
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    for (int round = 0; round < 20000; round++) {
        fill((enum message_kind)(round % MESSAGE_KINDS == MESSAGE_ROSTER ? MESSAGE_STATE : round % MESSAGE_KINDS));
        int n = envelope_encode(&a, bytes, sizeof bytes);
        for (int flips = 0; flips < 3; flips++)
            bytes[rng_below(&rng, (uint32_t)n)] ^= (unsigned char)(1u << rng_below(&rng, 8));
        if (!envelope_decode(&b, bytes, (size_t)n, NULL) && b.kind == MESSAGE_FATES)
            assert_true(b.fates.count <= PROTOCOL_ACTORS_MAX);
    }
}

/* A map built by hand, to put in what our encoder never would. */
static int bye_with(const char *key, uint64_t value, int times)
{
    struct pack pack;
    pack_begin(&pack, bytes, sizeof bytes);
    pack_map(&pack, (uint32_t)(2 + times));
    pack_key(&pack, "kind");
    pack_u64(&pack, MESSAGE_BYE);
    pack_key(&pack, "incarnation");
    pack_u64(&pack, 5);
    for (int i = 0; i < times; i++) {
        pack_key(&pack, key);
        pack_u64(&pack, value);
    }
    return envelope_decode(&b, bytes, (size_t)pack_end(&pack), NULL);
}

static void test_unknown_keys_pass_and_known_ones_come_once(void **state)
{
    (void)state;
    assert_int_equal(bye_with("later", 1, 1), 0);
    assert_int_equal(b.bye.incarnation, 5);
    assert_int_equal(bye_with("incarnation", 6, 1), ERR_DUPLICATE);
    assert_true(bye_with("later", 1, 60) < 0);
}

static void test_ceilings_are_kept(void **state)
{
    (void)state;
    fill(MESSAGE_TRAJECTORY);
    a.trajectory.body.bytes = SCHEMA_FRAME_MAX + 1;
    int n = envelope_encode(&a, bytes, sizeof bytes);
    assert_true(envelope_decode(&b, bytes, (size_t)n, NULL) < 0);
    fill(MESSAGE_ACTOR_HELLO);
    a.actor_hello.lanes = PROTOCOL_LANES_MAX + 1;
    n = envelope_encode(&a, bytes, sizeof bytes);
    assert_true(envelope_decode(&b, bytes, (size_t)n, NULL) < 0);
    const unsigned char array32[] = {0xdd, 0x10, 0, 0, 0};
    assert_true(envelope_decode(&b, array32, sizeof array32, NULL) < 0);
}

static void test_one_release_back_is_understood(void **state)
{
    (void)state;
    assert_true(protocol_understands(2, 3, 2, 2));
    assert_true(protocol_understands(2, 3, 2, 7));
    assert_false(protocol_understands(2, 3, 2, 1));
    assert_false(protocol_understands(2, 3, 1, 3));
    struct err err;
    assert_int_equal(protocol_refusal(7, 9, &err), ERR_VERSION);
    assert_non_null(strstr(err.text, "7.9"));
    assert_non_null(strstr(err.text, "1.1"));
}

/* What 1.1 added is optional: the same HELLO without it is read, and says nothing about load and host. */
static void test_hello_of_the_release_before_is_read(void **state)
{
    (void)state;
    struct pack pack;
    static const char *const numbers[] = {"major",       "minor",         "actor",     "incarnation", "lanes", "orders_generation",
                                          "orders_upto", "next_sequence", "acked_upto"};
    pack_begin(&pack, bytes, sizeof bytes);
    pack_map(&pack, 1 + ARRAY_LEN(numbers) + 4);
    pack_key(&pack, "kind");
    pack_u64(&pack, MESSAGE_ACTOR_HELLO);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        pack_key(&pack, numbers[i]);
        pack_u64(&pack, i == 1 ? 0 : i + 1);
    }
    pack_key(&pack, "run");
    pack_text(&pack, "r");
    pack_key(&pack, "description");
    pack_array(&pack, 2);
    pack_hash(&pack, (struct hash){1, 2});
    pack_u64(&pack, 3);
    pack_key(&pack, "version");
    pack_array(&pack, 2);
    pack_u64(&pack, 1);
    pack_u64(&pack, 2);
    pack_key(&pack, "weights");
    pack_hash(&pack, (struct hash){3, 4});
    struct err err;
    memset(&b, 0xff, sizeof b);
    int r = envelope_decode(&b, bytes, (size_t)pack_end(&pack), &err);
    if (r)
        print_error("%s\n", err.text);
    assert_int_equal(r, 0);
    assert_true(protocol_understands(PROTOCOL_MAJOR, PROTOCOL_MINOR, 1, b.actor_hello.minor));
    assert_int_equal(b.actor_hello.acked_upto, 9);
    assert_int_equal(b.actor_hello.clock_us, 0);
    assert_int_equal(b.actor_hello.load.steps, 0);
    assert_string_equal(b.actor_hello.host, "");
}

static void test_orders_travel_as_far_as_they_fit(void **state)
{
    (void)state;
    static struct order_item in[10], out[10];
    unsigned char snapshot[300];
    memset(snapshot, 9, sizeof snapshot);
    for (int i = 0; i < 10; i++) {
        in[i] = (struct order_item){.order = {.number = (uint64_t)i + 1,
                                              .lane = i,
                                              .slice = 4,
                                              .version = {1, 2},
                                              .lease_ms = 60000,
                                              .threat = "clean",
                                              .victim = -1,
                                              .snapshot_bytes = i % 2 ? 0 : 300,
                                              .snapshot = i % 2 ? NULL : snapshot},
                                    .is_cancelled = i == 4};
    }
    int packed, n;
    int length = orders_encode(in, 10, bytes, 1500, &packed);
    assert_true(length > 0 && length <= 1500 && packed > 1 && packed < 10);
    assert_int_equal(orders_decode(out, 10, &n, bytes, (size_t)length, NULL), 0);
    assert_int_equal(n, packed);
    length = orders_encode(in, 10, bytes, sizeof bytes, &packed);
    assert_int_equal(orders_decode(out, 10, &n, bytes, (size_t)length, NULL), 0);
    assert_int_equal(n, 10);
    assert_int_equal(out[2].order.snapshot_bytes, 300);
    assert_memory_equal(out[2].order.snapshot, snapshot, 300);
    assert_true(out[4].is_cancelled);
    assert_int_equal(out[4].order.snapshot_bytes, 0);
    assert_int_equal(out[9].order.victim, -1);
    assert_true(orders_decode(out, 9, &n, bytes, (size_t)length, NULL) < 0);
}

static void test_description_round_trip(void **state)
{
    (void)state;
    static struct schema schema, back;
    struct spec spec = {.env = "e",
                        .scenario = "s",
                        .N = 2,
                        .O = 6,
                        .S = 6,
                        .A = 3,
                        .C = 1,
                        .components = {{.choices = 3}},
                        .n_widths = 2,
                        .widths = {6, 4},
                        .horizon = 10,
                        .state_bytes = 8,
                        .state_is_observation = true,
                        .return_min = -1,
                        .return_max = 2,
                        .n_blocks = 1,
                        .blocks = {{"own", 0, 6}}},
                other;
    schema_init(&schema, 4, 2);
    assert_true(schema_add(&schema, "base", "x", COLUMN_F32, SPAN_STEP, 2, -1, 1, NULL) == 0);
    assert_int_equal(schema_finish(&schema, NULL), 0);
    int n = description_encode(&spec, &schema, bytes, sizeof bytes);
    assert_true(n > 0);
    assert_int_equal(description_decode(&other, &back, bytes, (size_t)n, NULL), 0);
    assert_true(spec_equal(&spec, &other));
    assert_true(hash_equal(schema.hash, back.hash));
    for (int cut = 0; cut < n; cut++)
        assert_true(description_decode(&other, &back, bytes, (size_t)cut, NULL) < 0);
}

static void test_fetcher_assembles_checks_and_keeps_its_ceiling(void **state)
{
    (void)state;
    struct fetcher *fetcher;
    struct message_fetch fetch;
    unsigned char data[3000];
    uint32_t got;
    memset(data, 3, sizeof data);
    struct blob_name name = {hash_bytes(data, sizeof data), sizeof data};
    assert_int_equal(fetcher_create(&fetcher, 4000, 4), 0);
    assert_int_equal(fetcher_want(fetcher, name), 0);
    assert_true(fetcher_want(fetcher, (struct blob_name){{1, 1}, 2000}) == ERR_LIMIT);
    assert_true(fetcher_request(fetcher, 0, &fetch) && !fetcher_request(fetcher, 10, &fetch)); /* asked once */
    assert_true(fetcher_request(fetcher, 2000000, &fetch));                                    /* and again */
    struct message_chunk chunk = {.hash = name.hash, .total = 3000};
    assert_int_equal(fetcher_chunk(fetcher, 0, &chunk, data, 1000), 0);
    assert_int_equal(fetcher_chunk(fetcher, 0, &chunk, data, 1000), 0); /* repeated */
    chunk.offset = 1000;
    assert_int_equal(fetcher_chunk(fetcher, 0, &chunk, data, 2001), ERR_FORMAT);
    data[5] = 4;
    assert_int_equal(fetcher_chunk(fetcher, 0, &chunk, data, 2000), ERR_MISMATCH);
    data[5] = 3;
    chunk.offset = 0;
    assert_int_equal(fetcher_chunk(fetcher, 0, &chunk, data, 3000), 1);
    assert_non_null(fetcher_find(fetcher, name.hash, &got));
    fetcher_unkeep_all(fetcher);
    assert_int_equal(fetcher_want(fetcher, (struct blob_name){{1, 1}, 2000}), 0); /* the old one made room */
    assert_null(fetcher_find(fetcher, name.hash, &got));
    assert_true(fetcher_bytes(fetcher) <= 4000);
    fetcher_destroy(&fetcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_survives_a_round_trip),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_flipped_bits_never_harm),
        cmocka_unit_test(test_unknown_keys_pass_and_known_ones_come_once),
        cmocka_unit_test(test_ceilings_are_kept),
        cmocka_unit_test(test_one_release_back_is_understood),
        cmocka_unit_test(test_hello_of_the_release_before_is_read),
        cmocka_unit_test(test_orders_travel_as_far_as_they_fit),
        cmocka_unit_test(test_description_round_trip),
        cmocka_unit_test(test_fetcher_assembles_checks_and_keeps_its_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
