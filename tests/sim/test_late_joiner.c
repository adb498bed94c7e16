/* Late and early joiners: the actor's link and the broker's core over a network with a delay, the learner played by hand. Delivery contract,
 * sentence 4: a late one knows the newest version within one heartbeat and starts to fetch it at once. An early one, which comes before
 * the next run to a broker that still knows the last, waits for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/actor_link.h"
#include "base/log.h"
#include "broker/core.h"
#include "wire/fetch.h"

enum { DELAY_US = 5000, TICK_US = 20000, QUEUE = 256, FROM_BROKER = 1, FROM_ACTOR = 2, FROM_LEARNER = 3, LATE_US = 10000000 };
static const char recipe[] = "env: {name: matrix}\n";

struct packet {
    int from;
    monotonic_us due;
    size_t envelope_bytes, payload_bytes;
    unsigned char *bytes; /* envelope, then payload */
};

static struct packet queue[QUEUE]; /* in the order of their due times, since all are delayed alike */
static int n_queue;
static monotonic_us now;
static struct broker_core *core;
static struct actor_link *link_;
static struct wire_peer actor_peer, learner_peer;
static struct envelope message;
static struct weights *version;
static unsigned char manifest[MANIFEST_BYTES_MAX];
static struct blob_name manifest_name;
static monotonic_us known_at, fetch_at; /* by the actor; 0: not yet */
static const char *run;
static uint64_t learner_incarnation;
static bool is_learner_here, is_finished, has_recipe;

static void put(int from, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    assert_true(n_queue < QUEUE);
    struct packet *packet = &queue[n_queue++];
    *packet = (struct packet){from, now + DELAY_US, envelope_bytes, payload_bytes, malloc(envelope_bytes + payload_bytes)};
    memcpy(packet->bytes, envelope, envelope_bytes);
    if (payload_bytes)
        memcpy(packet->bytes + envelope_bytes, payload, payload_bytes);
}

/* ---- the learner ---- */

static void learner_says(const void *payload, size_t payload_bytes)
{
    unsigned char bytes[PROTOCOL_ENVELOPE_BYTES];
    int n = envelope_encode(&message, bytes, sizeof bytes);
    assert_true(n > 0);
    put(FROM_LEARNER, bytes, (size_t)n, payload, payload_bytes);
}

static void learner_answers(const struct message_fetch fetch)
{
    const unsigned char *data = NULL, *part;
    size_t part_bytes, bytes = 0;
    if (hash_equal(fetch.hash, manifest_name.hash))
        data = manifest, bytes = manifest_name.bytes;
    else if (hash_equal(fetch.hash, version->manifest.nets[0].content))
        data = (const unsigned char *)version->blobs[0], bytes = version->manifest.nets[0].bytes;
    else if (hash_equal(fetch.hash, hash_bytes(recipe, strlen(recipe))))
        data = (const unsigned char *)recipe, bytes = strlen(recipe);
    assert_non_null(data);
    message = (struct envelope){.kind = MESSAGE_CHUNK};
    fetch_slice(&fetch, data, (uint32_t)bytes, &message.chunk, &part, &part_bytes);
    learner_says(part, part_bytes);
}

static void learner_publishes(uint64_t number)
{
    static const int32_t arch[WEIGHTS_ARCH_NUMBERS] = {1};
    float values[1000];
    for (int i = 0; i < 1000; i++)
        values[i] = (float)number;
    weights_unref(&version);
    assert_int_equal(weights_create(&version, (struct weights_version){1, number}), 0);
    assert_int_equal(weights_add_net(version, "defender", arch, values, 1000, NULL), 0);
    int n = manifest_encode(&version->manifest, manifest, sizeof manifest);
    assert_true(n > 0);
    manifest_name = (struct blob_name){hash_bytes(manifest, (size_t)n), (uint32_t)n};
    message = (struct envelope){.kind = MESSAGE_PUBLISH, .publish = {learner_incarnation, {1, number}, manifest_name}};
    learner_says(NULL, 0);
}

static void learner_beats(void)
{
    message = (struct envelope){.kind = MESSAGE_LEARNER_HELLO,
                                .learner_hello = {.major = PROTOCOL_MAJOR,
                                                  .minor = PROTOCOL_MINOR,
                                                  .is_finished = is_finished,
                                                  .generation = 1,
                                                  .incarnation = learner_incarnation,
                                                  .recipe = {hash_bytes(recipe, strlen(recipe)), (uint32_t)strlen(recipe)}}};
    snprintf(message.learner_hello.run, sizeof message.learner_hello.run, "%s", run);
    learner_says(NULL, 0);
}

/* ---- the network ---- */

static int broker_sends(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes,
                        const void *payload, size_t payload_bytes)
{
    (void)context;
    if (wire_peer_equal(peer, &actor_peer)) {
        put(FROM_BROKER, envelope, envelope_bytes, payload, payload_bytes);
        return 0;
    }
    assert_int_equal(envelope_decode(&message, envelope, envelope_bytes, NULL), 0);
    if (message.kind == MESSAGE_FETCH)
        learner_answers(message.fetch);
    return 0;
}

static int actor_sends(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    (void)context;
    struct envelope *said = calloc(1, sizeof *said);
    assert_int_equal(envelope_decode(said, envelope, envelope_bytes, NULL), 0);
    if (said->kind == MESSAGE_FETCH && !fetch_at && hash_equal(said->fetch.hash, manifest_name.hash))
        fetch_at = now;
    free(said);
    put(FROM_ACTOR, envelope, envelope_bytes, payload, payload_bytes);
    return 0;
}

static void arrive(const struct packet *packet)
{
    const unsigned char *payload = packet->payload_bytes ? packet->bytes + packet->envelope_bytes : NULL;
    if (packet->from == FROM_BROKER) {
        if (link_)
            actor_link_message(link_, now, packet->bytes, packet->envelope_bytes, payload, packet->payload_bytes);
    } else {
        broker_core_message(core, now, packet->from == FROM_ACTOR ? &actor_peer : &learner_peer, packet->bytes,
                            packet->envelope_bytes, payload, packet->payload_bytes);
    }
}

static void pass_until(monotonic_us end)
{
    for (; now < end; now += 1000) {
        while (n_queue && queue[0].due <= now) {
            struct packet packet = queue[0];
            memmove(queue, queue + 1, (size_t)--n_queue * sizeof *queue);
            arrive(&packet);
            free(packet.bytes);
        }
        if (is_learner_here && now % PROTOCOL_HEARTBEAT_US == 0)
            learner_beats();
        if (now % TICK_US == 0)
            broker_core_tick(core, now);
        if (link_ && now % TICK_US == 0)
            actor_link_tick(link_, now);
        if (link_ && !known_at && !weights_version_compare(actor_link_stats(link_).version, version->manifest.version))
            known_at = now;
    }
}

static void on_recipe(void *context, const char *of_run, const char *text, size_t length)
{
    (void)context;
    has_recipe = true;
    assert_string_equal(of_run, run);
    assert_int_equal(length, strlen(recipe));
    assert_memory_equal(text, recipe, length);
}
static void on_work(void *context, struct work *work)
{
    (void)context;
    work_destroy(&work);
}
static void on_generation(void *context, uint32_t generation)
{
    (void)context;
    (void)generation;
}
static void on_release(void *context, struct trajectory *trajectory)
{
    (void)context;
    (void)trajectory;
}
static void on_refused(void *context, int code, const char *text)
{
    (void)context;
    fail_msg("refused with %d: %s", code, text);
}

/* ---- the tests ---- */

static int set_up(void **state)
{
    (void)state;
    static const struct broker_core_ops ops = {broker_sends};
    const struct broker_core_options options = {.epoch = 5, .cache_bytes = 1 << 20, .ops = &ops};
    actor_peer = wire_peer_of("actor-1", 7);
    learner_peer = wire_peer_of("learner", 7);
    now = TICK_US;
    known_at = fetch_at = n_queue = 0;
    run = "r";
    learner_incarnation = 50;
    is_learner_here = true;
    is_finished = has_recipe = false;
    return broker_core_create(&core, &options);
}

static int tear_down(void **state)
{
    (void)state;
    actor_link_destroy(&link_);
    broker_core_destroy(&core);
    weights_unref(&version);
    for (int i = 0; i < n_queue; i++)
        free(queue[i].bytes);
    return 0;
}

static void actor_joins(void)
{
    static const struct actor_link_ops ops = {actor_sends, on_recipe, on_work, on_generation, on_release, on_refused};
    const struct actor_link_options options = {
        .actor = 1, .incarnation = 10, .window = 4, .window_bytes = 1 << 20, .cache_bytes = 1 << 20, .ops = &ops};
    assert_int_equal(actor_link_create(&link_, &options), 0);
}

static void test_a_late_joiner_knows_the_newest_version_within_a_heartbeat_and_fetches_it_at_once(void **state)
{
    (void)state;
    learner_beats();
    for (uint64_t number = 1; number <= 7; number++) {
        learner_publishes(number);
        pass_until(now + 1000000);
    }
    pass_until(LATE_US);
    actor_joins();
    pass_until(LATE_US + 2 * PROTOCOL_HEARTBEAT_US);
    assert_true(known_at && known_at - LATE_US <= PROTOCOL_HEARTBEAT_US);
    assert_true(fetch_at && fetch_at - known_at <= TICK_US);
    print_message("version known after %lld ms, first fetch after %lld ms\n", (long long)(known_at - LATE_US) / 1000,
                  (long long)(fetch_at - LATE_US) / 1000);
}

/* While one that is here hears of a version as soon as the broker can serve it. */
static void test_a_new_version_is_told_without_waiting_for_the_next_heartbeat(void **state)
{
    (void)state;
    learner_beats();
    learner_publishes(1);
    actor_joins();
    pass_until(LATE_US + PROTOCOL_HEARTBEAT_US / 4);
    known_at = fetch_at = 0;
    monotonic_us start = now;
    learner_publishes(2);
    pass_until(now + PROTOCOL_HEARTBEAT_US / 2);
    assert_true(known_at && known_at - start <= 10 * DELAY_US);
    assert_true(fetch_at && fetch_at - known_at <= TICK_US);
}

/* Whoever starts the next cluster on a living broker may start its actors first. */
static void early_joiner(bool old_learner_stays)
{
    learner_beats();
    learner_publishes(1);
    pass_until(3000000);
    is_finished = true;
    learner_beats();
    pass_until(4000000);
    if (!old_learner_stays) {
        message = (struct envelope){.kind = MESSAGE_BYE, .bye = {learner_incarnation}};
        learner_says(NULL, 0);
        is_learner_here = false;
    }
    actor_joins();
    pass_until(LATE_US + 20 * PROTOCOL_HEARTBEAT_US);
    assert_false(has_recipe || actor_link_finished(link_));
    run = "next";
    learner_incarnation = 51;
    is_learner_here = true;
    is_finished = false;
    known_at = 0;
    learner_beats();
    learner_publishes(1);
    pass_until(now + 3 * PROTOCOL_HEARTBEAT_US);
    assert_true(has_recipe && known_at);
    assert_false(actor_link_finished(link_));
}

static void test_an_early_joiner_waits_for_the_next_run_after_the_old_learner_left(void **state)
{
    (void)state;
    early_joiner(false);
}

static void test_an_early_joiner_waits_for_the_next_run_while_the_old_learner_says_good_bye(void **state)
{
    (void)state;
    early_joiner(true);
}

int main(void)
{
    struct err err;
    assert_int_equal(log_open("test", LOG_ERROR, NULL, &err), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_late_joiner_knows_the_newest_version_within_a_heartbeat_and_fetches_it_at_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_version_is_told_without_waiting_for_the_next_heartbeat, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_early_joiner_waits_for_the_next_run_after_the_old_learner_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_early_joiner_waits_for_the_next_run_while_the_old_learner_says_good_bye, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
