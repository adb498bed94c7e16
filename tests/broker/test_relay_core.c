/* A relay alone: what it passes on and to whom, what it fetches, and what it forgets without harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/hash.h"
#include "broker/relay_core.h"

#define BLOB_BYTES (PROTOCOL_CHUNK_BYTES + 1000)

static struct relay_core *core;
static struct envelope in, up, down;
static int n_up[MESSAGE_KINDS], n_down[MESSAGE_KINDS], n_refused;
static struct wire_peer to, first, second;
static unsigned char bytes[PROTOCOL_ENVELOPE_BYTES], *blob, received[BLOB_BYTES];
static size_t passed_bytes;
static bool is_up_closed;
static struct blob_name name;

static int on_down(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes, const void *payload,
                   size_t payload_bytes)
{
    (void)context;
    assert_int_equal(envelope_decode(&down, envelope, envelope_bytes, NULL), 0);
    n_down[down.kind]++;
    to = *peer;
    if (down.kind == MESSAGE_CHUNK && payload_bytes)
        memcpy(received + down.chunk.offset, payload, payload_bytes);
    return 0;
}

static int on_up(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    (void)context;
    (void)payload;
    if (is_up_closed)
        return ERR_AGAIN;
    assert_int_equal(envelope_decode(&up, envelope, envelope_bytes, NULL), 0);
    n_up[up.kind]++;
    passed_bytes = payload_bytes;
    return 0;
}

static void on_refused(void *context, int code, const char *text)
{
    (void)context;
    (void)text;
    assert_int_equal(code, ERR_DENIED);
    n_refused++;
}

static const struct relay_core_ops ops = {on_down, on_up, on_refused};

static int set_up(void **state)
{
    (void)state;
    first = wire_peer_of("actor-1", 7);
    second = wire_peer_of("actor-2", 7);
    memset(n_up, 0, sizeof n_up);
    memset(n_down, 0, sizeof n_down);
    memset(received, 0, sizeof received);
    n_refused = 0;
    is_up_closed = false;
    blob = malloc(BLOB_BYTES);
    if (!blob)
        return -1;
    for (size_t i = 0; i < BLOB_BYTES; i++)
        blob[i] = (unsigned char)(i * 7 + i / 251);
    name = (struct blob_name){hash_bytes(blob, BLOB_BYTES), BLOB_BYTES};
    const struct relay_core_options options = {.cache_bytes = 8 << 20, .ops = &ops};
    return relay_core_create(&core, &options);
}

static int tear_down(void **state)
{
    (void)state;
    free(blob);
    relay_core_destroy(&core);
    return 0;
}

static void say(const struct wire_peer *peer, monotonic_us now, size_t payload_bytes)
{
    int n = envelope_encode(&in, bytes, sizeof bytes);
    assert_true(n > 0);
    relay_core_from_actor(core, now, peer, bytes, (size_t)n, payload_bytes ? blob : NULL, payload_bytes);
}

static void broker_says(monotonic_us now, const void *payload, size_t payload_bytes)
{
    int n = envelope_encode(&in, bytes, sizeof bytes);
    assert_true(n > 0);
    relay_core_from_broker(core, now, bytes, (size_t)n, payload, payload_bytes);
}

static void hello(const struct wire_peer *peer, uint32_t actor, uint64_t incarnation, monotonic_us now)
{
    in = (struct envelope){.kind = MESSAGE_ACTOR_HELLO};
    in.actor_hello = (struct message_actor_hello){
        .major = PROTOCOL_MAJOR, .minor = PROTOCOL_MINOR, .actor = actor, .incarnation = incarnation, .next_sequence = 1};
    say(peer, now, 0);
}

static void state_for(uint64_t incarnation)
{
    in = (struct envelope){.kind = MESSAGE_STATE};
    in.state = (struct message_state){.major = PROTOCOL_MAJOR, .minor = PROTOCOL_MINOR, .incarnation = incarnation};
    broker_says(0, NULL, 0);
}

static void fetch(const struct wire_peer *peer, uint32_t offset, monotonic_us now)
{
    in = (struct envelope){.kind = MESSAGE_FETCH};
    in.fetch = (struct message_fetch){name.hash, name.bytes, offset};
    say(peer, now, 0);
}

/* Answers every FETCH that went up until none comes any more. */
static void serve(monotonic_us now)
{
    for (int before = -1; n_up[MESSAGE_FETCH] != before;) {
        before = n_up[MESSAGE_FETCH];
        uint32_t offset = up.fetch.offset, rest = BLOB_BYTES - offset;
        in = (struct envelope){.kind = MESSAGE_CHUNK};
        in.chunk = (struct message_chunk){name.hash, offset, BLOB_BYTES};
        broker_says(now, blob + offset, rest < PROTOCOL_CHUNK_BYTES ? rest : PROTOCOL_CHUNK_BYTES);
    }
}

static void test_relay_passes_up_what_actors_say(void **state)
{
    (void)state;
    hello(&first, 1, 10, 0);
    assert_int_equal(up.actor_hello.incarnation, 10);
    in = (struct envelope){.kind = MESSAGE_TRAJECTORY};
    in.trajectory = (struct message_trajectory){.run = "r", .actor = 1, .incarnation = 10, .body = {.sequence = 7}};
    say(&first, 0, 1234);
    assert_int_equal(up.trajectory.body.sequence, 7);
    assert_int_equal(passed_bytes, 1234);
    is_up_closed = true;
    say(&first, 0, 1234);
    assert_int_equal(n_up[MESSAGE_TRAJECTORY], 1);
    assert_int_equal(relay_core_counts(core).lost, 1); /* the actor holds it and says it again */
}

static void test_relay_finds_the_actor_that_is_meant(void **state)
{
    (void)state;
    hello(&first, 1, 10, 0);
    hello(&second, 2, 20, 0);
    state_for(20);
    assert_true(wire_peer_equal(&to, &second));
    state_for(10);
    assert_true(wire_peer_equal(&to, &first));
    in = (struct envelope){.kind = MESSAGE_ORDERS};
    in.orders = (struct message_orders){.learner = 1, .actor = 2, .incarnation = 20, .generation = 1, .first = 1, .count = 1};
    broker_says(0, blob, 100);
    assert_true(wire_peer_equal(&to, &second));
    in = (struct envelope){.kind = MESSAGE_REFUSED};
    in.refused = (struct message_refused){PROTOCOL_MAJOR, PROTOCOL_MINOR, ERR_STATE, 10, "replaced"};
    broker_says(0, NULL, 0);
    assert_true(wire_peer_equal(&to, &first));
    state_for(30);
    assert_int_equal(relay_core_counts(core).unknown, 1);
    hello(&second, 1, 10, 5); /* came back through another connection */
    state_for(10);
    assert_true(wire_peer_equal(&to, &second));
}

static void test_relay_itself_can_be_refused(void **state)
{
    (void)state;
    in = (struct envelope){.kind = MESSAGE_REFUSED};
    in.refused = (struct message_refused){PROTOCOL_MAJOR, PROTOCOL_MINOR, ERR_DENIED, 0, "no"};
    broker_says(0, NULL, 0);
    assert_int_equal(n_refused, 1);
}

static void test_relay_fetches_a_blob_once_for_all(void **state)
{
    (void)state;
    fetch(&first, 0, 0);
    fetch(&second, 0, 0);
    assert_int_equal(n_up[MESSAGE_FETCH], 1);
    assert_int_equal(n_down[MESSAGE_CHUNK], 0);
    serve(1);
    assert_int_equal(n_down[MESSAGE_CHUNK], 2); /* both had asked for the beginning */
    int fetches = n_up[MESSAGE_FETCH];
    assert_int_equal(fetches, 2); /* of two chunks */
    fetch(&first, PROTOCOL_CHUNK_BYTES, 2);
    fetch(&second, PROTOCOL_CHUNK_BYTES, 2);
    for (int i = 0; i < 50; i++)
        fetch(&first, 0, 3);
    assert_int_equal(n_up[MESSAGE_FETCH], fetches);
    assert_memory_equal(received, blob, BLOB_BYTES);
    struct relay_counts c = relay_core_counts(core);
    assert_int_equal(c.fetched, 1);
    assert_int_equal(c.fetched_bytes, BLOB_BYTES);
    assert_int_equal(c.hits, 52);
}

/* More blobs than it has entries for, one after the other as versions come. */
static void test_relay_makes_room_for_ever_new_blobs(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3000; i++) {
        struct blob_name one = {hash_bytes(&i, sizeof i), sizeof i};
        in = (struct envelope){.kind = MESSAGE_FETCH};
        in.fetch = (struct message_fetch){one.hash, one.bytes, 0};
        say(&first, i, 0);
        in = (struct envelope){.kind = MESSAGE_CHUNK};
        in.chunk = (struct message_chunk){one.hash, 0, one.bytes};
        broker_says(i, &i, sizeof i);
        assert_int_equal(n_down[MESSAGE_CHUNK], i + 1);
    }
}

static void test_relay_asks_again_for_a_blob_that_does_not_come(void **state)
{
    (void)state;
    fetch(&first, 0, 0);
    relay_core_tick(core, 100000);
    assert_int_equal(n_up[MESSAGE_FETCH], 1);
    relay_core_tick(core, 2000000);
    assert_int_equal(n_up[MESSAGE_FETCH], 2);
}

static void test_relay_tells_who_waits_that_a_blob_does_not_exist(void **state)
{
    (void)state;
    fetch(&first, 0, 0);
    in = (struct envelope){.kind = MESSAGE_CHUNK};
    in.chunk = (struct message_chunk){name.hash, 0, 0};
    broker_says(1, NULL, 0);
    assert_int_equal(n_down[MESSAGE_CHUNK], 1);
    assert_int_equal(down.chunk.total, 0);
}

static void test_relay_takes_nothing_that_steers_from_behind_it(void **state)
{
    (void)state;
    in = (struct envelope){.kind = MESSAGE_PUBLISH};
    in.publish = (struct message_publish){.learner = 1, .version = {1, 1}, .manifest = name};
    say(&first, 0, 0);
    in = (struct envelope){.kind = MESSAGE_LEARNER_HELLO};
    in.learner_hello = (struct message_learner_hello){.major = PROTOCOL_MAJOR, .minor = PROTOCOL_MINOR, .run = "r", .recipe = name};
    say(&first, 0, 0);
    relay_core_from_actor(core, 0, &first, "\xff\xff", 2, NULL, 0);
    assert_int_equal(relay_core_counts(core).denied, 2);
    assert_int_equal(relay_core_counts(core).malformed, 1);
    for (int i = 0; i < MESSAGE_KINDS; i++)
        assert_int_equal(n_up[i], 0);
}

static void test_relay_has_room_again_when_actors_fall_silent(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= PROTOCOL_ACTORS_MAX + 10; i++)
        hello(&first, (uint32_t)i, i, 0);
    assert_int_equal(relay_core_actors(core, 0), PROTOCOL_ACTORS_MAX);
    assert_int_equal(relay_core_actors(core, 60000000), 0);
    hello(&second, 9999, 9999, 60000000);
    state_for(9999);
    assert_true(wire_peer_equal(&to, &second));
    in = (struct envelope){.kind = MESSAGE_BYE};
    in.bye.incarnation = 9999;
    say(&second, 60000000, 0);
    assert_int_equal(n_up[MESSAGE_BYE], 1);
    assert_int_equal(relay_core_actors(core, 60000000), 0);
}

static void test_relay_stats_are_json(void **state)
{
    (void)state;
    char json[4096];
    hello(&first, 1, 10, 0);
    int length = relay_core_stats(core, 0, json, sizeof json);
    assert_true(length > 0);
    json_t *tree = json_loadb(json, (size_t)length, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(tree, "actors")), 1);
    json_decref(tree);
    assert_int_equal(relay_core_stats(core, 0, json, 50), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_relay_passes_up_what_actors_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_finds_the_actor_that_is_meant, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_itself_can_be_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_fetches_a_blob_once_for_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_makes_room_for_ever_new_blobs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_asks_again_for_a_blob_that_does_not_come, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_tells_who_waits_that_a_blob_does_not_exist, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_takes_nothing_that_steers_from_behind_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_has_room_again_when_actors_fall_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_stats_are_json, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
