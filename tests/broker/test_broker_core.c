/* The broker's core alone: what it forwards, what it drops, whom it refuses, and what it forgets without harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "broker/core.h"
#include "broker/stats.h"

static struct broker_core *core;
static struct envelope in, last[2]; /* last message to the learner [1] and to anybody else [0] */
static int n_sent[2][MESSAGE_KINDS];
static struct wire_peer actor, learner, other;
static unsigned char bytes[PROTOCOL_ENVELOPE_BYTES];
static int n_rostered;                                                                  /* actors in the last ROSTER */
static int n_tries;                                                                     /* to send anything to anybody */
static bool is_cut_off;                                                                 /* all but the learner */
static uint64_t told_incarnation[PROTOCOL_ACTORS_MAX], told_acked[PROTOCOL_ACTORS_MAX]; /* by STATE, to the peer of that number */

static int on_send(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes, const void *payload,
                   size_t payload_bytes)
{
    (void)context;
    (void)payload;
    (void)payload_bytes;
    int to_learner = wire_peer_equal(peer, &learner);
    n_tries++;
    if (is_cut_off && !to_learner)
        return ERR_CLOSED;
    assert_int_equal(envelope_decode(&last[to_learner], envelope, envelope_bytes, NULL), 0);
    n_sent[to_learner][last[to_learner].kind]++;
    if (to_learner && last[1].kind == MESSAGE_ROSTER)
        n_rostered = (int)last[1].roster.count;
    unsigned number;
    if (last[to_learner].kind == MESSAGE_STATE && peer->length == sizeof number) {
        memcpy(&number, peer->id, sizeof number);
        told_incarnation[number] = last[to_learner].state.incarnation;
        told_acked[number] = last[to_learner].state.acked_upto;
    }
    return 0;
}

static const struct broker_sender *sender; /* whose key messages come with */

static const struct broker_core_ops ops = {on_send};

static int set_up(void **state)
{
    (void)state;
    actor = wire_peer_of("actor-1", 7);
    learner = wire_peer_of("learner", 7);
    other = wire_peer_of("other", 5);
    memset(n_sent, 0, sizeof n_sent);
    sender = NULL;
    is_cut_off = false;
    const struct broker_core_options options = {.epoch = 5, .cache_bytes = 1 << 20, .ops = &ops};
    return broker_core_create(&core, &options);
}

static int tear_down(void **state)
{
    (void)state;
    broker_core_destroy(&core);
    return 0;
}

static void say(const struct wire_peer *peer, monotonic_us now)
{
    int n = envelope_encode(&in, bytes, sizeof bytes);
    broker_core_receive(core, now, peer, sender, bytes, (size_t)n, NULL, 0);
}

static void actor_says_hello(uint64_t incarnation, uint64_t acked, monotonic_us now)
{
    in.kind = MESSAGE_ACTOR_HELLO;
    in.actor_hello = (struct message_actor_hello){.major = PROTOCOL_MAJOR,
                                                  .minor = PROTOCOL_MINOR,
                                                  .actor = 1,
                                                  .incarnation = incarnation,
                                                  .acked_upto = acked,
                                                  .next_sequence = acked + 1};
    say(&actor, now);
}

static void learner_says_hello(uint64_t incarnation, uint32_t generation, monotonic_us now)
{
    in.kind = MESSAGE_LEARNER_HELLO;
    in.learner_hello = (struct message_learner_hello){.major = PROTOCOL_MAJOR,
                                                      .minor = PROTOCOL_MINOR,
                                                      .run = "r",
                                                      .generation = generation,
                                                      .incarnation = incarnation,
                                                      .recipe = {{1, 1}, 4}};
    say(&learner, now);
}

static void fates(uint64_t from, uint64_t acked, uint64_t received)
{
    in.kind = MESSAGE_FATES;
    in.fates.learner = from;
    in.fates.count = 1;
    in.fates.rows[0] = (struct fates_row){
        .actor = 1, .incarnation = 10, .acked_upto = acked, .received_upto = received, .may_send_upto = acked + 8};
    say(&learner, 0);
}

static void trajectory(uint64_t sequence)
{
    in.kind = MESSAGE_TRAJECTORY;
    in.trajectory = (struct message_trajectory){.run = "r", .actor = 1, .incarnation = 10, .body = {.sequence = sequence}};
    say(&actor, 0);
}

static void ready(void)
{
    learner_says_hello(50, 1, 0);
    actor_says_hello(10, 0, 0);
    fates(50, 0, 0);
}

static void test_broker_forwards_exactly_the_next_one(void **state)
{
    (void)state;
    ready();
    trajectory(1);
    trajectory(3); /* a gap */
    trajectory(2);
    trajectory(2); /* not confirmed by the learner: forwarded again */
    fates(50, 0, 2);
    trajectory(2);  /* confirmed: dropped */
    trajectory(20); /* beyond the grant */
    struct broker_counts c = broker_core_counts(core);
    assert_int_equal(n_sent[1][MESSAGE_TRAJECTORY], 3);
    assert_int_equal(c.distinct, 2);
    assert_int_equal(c.duplicate, 2);
    assert_int_equal(c.gap, 1);
    assert_int_equal(c.over_grant, 1);
    assert_int_equal(c.received, c.distinct + c.duplicate + c.gap + c.unknown + c.over_grant + c.unrouted);
}

static void test_broker_names_an_actor_before_its_first_trajectory(void **state)
{
    (void)state;
    ready();
    trajectory(1);
    assert_true(n_sent[1][MESSAGE_ROSTER] >= 2); /* the one of the learner's HELLO did not hold the actor */
    assert_int_equal(n_sent[1][MESSAGE_TRAJECTORY], 1);
}

static void test_broker_without_memory_goes_on_from_the_hello(void **state)
{
    (void)state;
    learner_says_hello(50, 1, 0);
    actor_says_hello(10, 41, 0);
    fates(50, 41, 43);
    assert_int_equal(last[0].state.received_upto, 43);
    trajectory(43);
    trajectory(44);
    assert_int_equal(n_sent[1][MESSAGE_TRAJECTORY], 1);
}

static void test_broker_a_new_learner_has_received_nothing(void **state)
{
    (void)state;
    ready();
    trajectory(1);
    fates(50, 0, 1);
    learner_says_hello(60, 2, 0);
    fates(50, 1, 1); /* of the old one: ignored */
    actor_says_hello(10, 0, 0);
    assert_int_equal(last[0].state.learner, 60);
    assert_int_equal(last[0].state.received_upto, 0);
    assert_int_equal(last[0].state.acked_upto, 0);
    fates(60, 0, 0);
    trajectory(1);
    assert_int_equal(n_sent[1][MESSAGE_TRAJECTORY], 2);
}

static void test_broker_refuses_used_generations_and_replaced_processes(void **state)
{
    (void)state;
    ready();
    learner_says_hello(70, 1, 0);
    assert_int_equal(n_sent[1][MESSAGE_REFUSED], 1);
    actor_says_hello(12, 0, 0);
    actor_says_hello(10, 0, 2000000); /* the process before it wakes up */
    assert_int_equal(last[0].kind, MESSAGE_REFUSED);
    assert_int_equal(last[0].refused.incarnation, 10);
    in.kind = MESSAGE_ACTOR_HELLO;
    in.actor_hello = (struct message_actor_hello){.major = PROTOCOL_MAJOR + 1, .minor = 4, .actor = 3, .incarnation = 1};
    say(&other, 0);
    assert_int_equal(last[0].refused.code, ERR_VERSION);
    assert_non_null(strstr(last[0].refused.text, "2.4"));
}

static void test_broker_notices_silence_but_forgives_its_own_pause(void **state)
{
    (void)state;
    monotonic_us now = 1000000;
    for (; now <= 3000000; now += 500000)
        broker_core_tick(core, now);
    learner_says_hello(50, 1, now);
    actor_says_hello(10, 0, now);
    now += 20000000; /* this process was stopped for 20 s */
    broker_core_tick(core, now);
    assert_int_equal(broker_core_counts(core).actors_gone, 0);
    for (int i = 0; i < 14; i++, now += 500000) {
        learner_says_hello(50, 1, now);
        broker_core_tick(core, now);
    }
    assert_int_equal(broker_core_counts(core).actors_gone, 1);
    assert_int_equal(last[1].kind, MESSAGE_ROSTER);
    assert_int_equal(last[1].roster.rows[0].presence, ROSTER_GONE);
    actor_says_hello(10, 0, now);
    assert_int_equal(broker_core_counts(core).reconnects, 1);
}

static void test_broker_stats_are_json(void **state)
{
    (void)state;
    static char json[BROKER_STATS_BYTES];
    ready();
    int n = broker_core_stats(core, 0, json, sizeof json);
    assert_true(n > 0 && json[n] == 0);
    int depth = 0, quoted = 0;
    for (int i = 0; i < n; i++) {
        quoted ^= json[i] == '"';
        depth += !quoted && (json[i] == '{' || json[i] == '[');
        depth -= !quoted && (json[i] == '}' || json[i] == ']');
        assert_true(depth > 0 || i == n - 1);
    }
    assert_int_equal(depth, 0);
    assert_non_null(strstr(json, "\"deliveries\":{\"received\":"));
    assert_int_equal(broker_core_stats(core, 0, json, 100), ERR_LIMIT);
}

static const struct broker_sender actor_key = {"gpu7", ROLE_ACTOR, 0, 100}, other_key = {"other", ROLE_ACTOR, 0, UINT32_MAX},
                                  learner_key = {"learner", ROLE_LEARNER, 0, 0}, observer_key = {"watch", ROLE_OBSERVER, 0, 0};

static void test_broker_takes_from_a_key_what_its_role_may_send(void **state)
{
    (void)state;
    sender = &observer_key;
    learner_says_hello(50, 1, 0);
    actor_says_hello(10, 0, 0);
    sender = &actor_key;
    learner_says_hello(50, 1, 0);
    sender = &learner_key;
    actor_says_hello(10, 0, 0);
    assert_int_equal(broker_core_counts(core).denied_role, 4);
    assert_int_equal(broker_core_counts(core).learners, 0);
    learner_says_hello(50, 1, 0);
    sender = &actor_key;
    actor_says_hello(10, 0, 0);
    fates(50, 0, 0); /* an actor that raises its own grant, with the learner's routing id */
    trajectory(1);
    assert_int_equal(n_sent[1][MESSAGE_TRAJECTORY], 0);
    sender = &learner_key;
    fates(50, 0, 0);
    sender = &actor_key;
    trajectory(1);
    assert_int_equal(n_sent[1][MESSAGE_TRAJECTORY], 1);
    assert_int_equal(broker_core_counts(core).denied_role, 5);
    sender = &observer_key;
    in.kind = MESSAGE_STATS;
    in.stats = (struct message_stats){PROTOCOL_MAJOR, PROTOCOL_MINOR};
    say(&other, 0);
    assert_int_equal(n_sent[0][MESSAGE_STATS_REPLY], 1);
}

static void test_actor_belongs_to_the_key_that_it_came_with(void **state)
{
    (void)state;
    sender = &learner_key;
    learner_says_hello(50, 1, 0);
    sender = &actor_key;
    actor_says_hello(10, 0, 0);
    sender = &learner_key;
    fates(50, 0, 0);
    sender = &other_key;
    actor_says_hello(11, 0, 0); /* a later process, which would replace the first */
    trajectory(1);              /* under the first one's routing id */
    in.kind = MESSAGE_BYE;
    in.bye.incarnation = 10;
    say(&actor, 0);
    struct broker_counts c = broker_core_counts(core);
    assert_int_equal(c.denied_actor, 2);
    assert_int_equal(c.actors_gone, 0);
    assert_int_equal(n_sent[1][MESSAGE_TRAJECTORY], 0);
    sender = &actor_key;
    trajectory(1);
    assert_int_equal(n_sent[1][MESSAGE_TRAJECTORY], 1);
    actor_says_hello(12, 0, 0); /* its own later process */
    assert_int_equal(broker_core_counts(core).actors_gone, 1);
}

static void test_key_may_use_the_numbers_that_its_line_says(void **state)
{
    (void)state;
    static const struct broker_sender narrow = {"narrow", ROLE_ACTOR, 5, 9};
    sender = &narrow;
    actor_says_hello(10, 0, 0); /* actor 1 */
    assert_int_equal(broker_core_counts(core).denied_actor, 1);
    assert_int_equal(last[0].kind, MESSAGE_REFUSED);
    assert_int_equal(last[0].refused.code, ERR_DENIED);
}

/* --- many actors --- */

static struct wire_peer peer_of(unsigned number)
{
    return wire_peer_of(&number, sizeof number);
}

static void numbered_hello(unsigned number, uint64_t incarnation, monotonic_us now)
{
    struct wire_peer peer = peer_of(number);
    in.kind = MESSAGE_ACTOR_HELLO;
    in.actor_hello = (struct message_actor_hello){
        .major = PROTOCOL_MAJOR, .minor = PROTOCOL_MINOR, .actor = number, .incarnation = incarnation, .next_sequence = 1};
    say(&peer, now);
}

/* Acknowledges `acked` to every `step`th actor from `first` on, all in one message. */
static void numbered_fates(unsigned first, unsigned step, uint64_t acked, monotonic_us now)
{
    in.kind = MESSAGE_FATES;
    in.fates.learner = 50;
    in.fates.count = 0;
    for (unsigned i = first; i < PROTOCOL_ACTORS_MAX; i += step)
        in.fates.rows[in.fates.count++] = (struct fates_row){.actor = i, .incarnation = 1000 + i, .acked_upto = acked};
    say(&learner, now);
}

static void test_broker_tells_a_full_table_of_actors_apart(void **state)
{
    (void)state;
    learner_says_hello(50, 1, 0);
    for (unsigned i = 0; i < PROTOCOL_ACTORS_MAX; i++)
        numbered_hello(i, 1000 + i, 0);
    numbered_fates(0, 1, 7, 0);
    for (unsigned i = 0; i < PROTOCOL_ACTORS_MAX; i++) {
        assert_int_equal(told_incarnation[i], 1000 + i);
        assert_int_equal(told_acked[i], 7);
    }
    numbered_hello(PROTOCOL_ACTORS_MAX, 5, 0);
    assert_int_equal(last[0].kind, MESSAGE_REFUSED);
}

/* Rows of the table change places when one is forgotten; what is due to an actor goes with it. */
static void test_broker_forgets_actors_out_of_the_middle(void **state)
{
    (void)state;
    const monotonic_us second = 1000000;
    monotonic_us now = second;
    learner_says_hello(50, 1, now);
    for (unsigned i = 0; i < PROTOCOL_ACTORS_MAX; i++)
        numbered_hello(i, 1000 + i, now);
    for (; now < 70 * second; now += second) { /* all but every third fall silent, and are forgotten a minute later */
        broker_core_tick(core, now);
        learner_says_hello(50, 1, now);
        for (unsigned i = 0; i < PROTOCOL_ACTORS_MAX; i += 3)
            numbered_hello(i, 1000 + i, now);
        is_cut_off = now >= 60 * second; /* what nobody can be told now is due to rows that move */
        if (is_cut_off)
            numbered_fates(0, 3, 9, now);
    }
    is_cut_off = false;
    memset(told_acked, 0, sizeof told_acked);
    broker_core_tick(core, now);
    assert_int_equal(n_rostered, (PROTOCOL_ACTORS_MAX + 2) / 3);
    for (unsigned i = 0; i < PROTOCOL_ACTORS_MAX; i++)
        assert_int_equal(told_acked[i], i % 3 ? 0 : 9);
    numbered_fates(0, 1, 11, now); /* of those that are forgotten nothing is said */
    for (unsigned i = 0; i < PROTOCOL_ACTORS_MAX; i++)
        assert_int_equal(told_acked[i], i % 3 ? 0 : 11);
}

static void test_broker_tries_those_it_cannot_reach_once_a_tick(void **state)
{
    (void)state;
    learner_says_hello(50, 1, 0);
    for (unsigned i = 0; i < 100; i++)
        numbered_hello(i, 1000 + i, 0);
    is_cut_off = true;
    numbered_fates(0, 1, 3, 0);
    n_tries = 0;
    for (int i = 0; i < 50; i++)
        numbered_fates(PROTOCOL_ACTORS_MAX - 1, 1, 3, 0); /* nobody's: nothing new is due */
    assert_int_equal(n_tries, 0);
    broker_core_tick(core, 1);
    assert_int_equal(n_tries, 100);
    is_cut_off = false;
    broker_core_tick(core, 2);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(told_acked[i], 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_broker_forwards_exactly_the_next_one),
        TEST(test_broker_names_an_actor_before_its_first_trajectory),
        TEST(test_broker_without_memory_goes_on_from_the_hello),
        TEST(test_broker_a_new_learner_has_received_nothing),
        TEST(test_broker_refuses_used_generations_and_replaced_processes),
        TEST(test_broker_notices_silence_but_forgives_its_own_pause),
        TEST(test_broker_stats_are_json),
        cmocka_unit_test_setup_teardown(test_broker_takes_from_a_key_what_its_role_may_send, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_actor_belongs_to_the_key_that_it_came_with, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_may_use_the_numbers_that_its_line_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broker_tells_a_full_table_of_actors_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broker_forgets_actors_out_of_the_middle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broker_tries_those_it_cannot_reach_once_a_tick, set_up, tear_down),
    };
    struct err err;
    if (log_open("test", LOG_ERROR, NULL, &err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
