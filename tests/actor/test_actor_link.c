/* The actor's link alone: the ring, what is sent again, and what is refused. The rest is in tests/sim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/actor_link.h"
#include "base/log.h"

#define S 1000000
static struct actor_link *link_;
static struct envelope out, in;
static int n_sent[MESSAGE_KINDS], n_released, refused_code;
static uint64_t last_sequence;
static unsigned char bytes[PROTOCOL_ENVELOPE_BYTES];
static struct trajectory buffers[8];

static int on_send(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    (void)context;
    (void)payload;
    (void)payload_bytes;
    assert_int_equal(envelope_decode(&out, envelope, envelope_bytes, NULL), 0);
    n_sent[out.kind]++;
    if (out.kind == MESSAGE_TRAJECTORY)
        last_sequence = out.trajectory.body.sequence;
    return 0;
}
static void on_recipe(void *context, const char *run, const char *text, size_t length)
{
    (void)context;
    assert_string_equal(run, "r");
    assert_int_equal(length, 4);
    assert_memory_equal(text, "abcd", 4);
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
    n_released++;
}
static void on_refused(void *context, int code, const char *text)
{
    (void)context;
    (void)text;
    refused_code = code;
}
static const struct actor_link_ops ops = {on_send, on_recipe, on_work, on_generation, on_release, on_refused};

static int set_up(void **state)
{
    (void)state;
    memset(n_sent, 0, sizeof n_sent);
    n_released = refused_code = 0;
    const struct actor_link_options options = {
        .actor = 1, .incarnation = 10, .window = 4, .window_bytes = 1000, .cache_bytes = 1 << 20, .ops = &ops};
    return actor_link_create(&link_, &options);
}

static int tear_down(void **state)
{
    (void)state;
    actor_link_destroy(&link_);
    return 0;
}

static void state_says(uint64_t epoch, uint64_t learner, uint64_t acked, uint64_t received, monotonic_us now)
{
    in.kind = MESSAGE_STATE;
    in.state = (struct message_state){.major = PROTOCOL_MAJOR,
                                      .minor = PROTOCOL_MINOR,
                                      .incarnation = 10,
                                      .epoch = epoch,
                                      .run = "r",
                                      .recipe = {hash_bytes("abcd", 4), 4},
                                      .learner = learner,
                                      .acked_upto = acked,
                                      .received_upto = received,
                                      .may_send_upto = 100};
    int n = envelope_encode(&in, bytes, sizeof bytes);
    actor_link_message(link_, now, bytes, (size_t)n, NULL, 0);
}

static int submit(int i)
{
    buffers[i] = (struct trajectory){.bytes = 100};
    return actor_link_submit(link_, 0, &buffers[i]);
}

static void test_link_keeps_a_trajectory_until_its_fate_is_known(void **state)
{
    (void)state;
    actor_link_tick(link_, 0);
    state_says(5, 6, 0, 0, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(submit(i), 0);
    assert_int_equal(submit(4), ERR_LIMIT);
    assert_int_equal(n_sent[MESSAGE_TRAJECTORY], 4);
    state_says(5, 6, 0, 4, 0);
    assert_int_equal(n_released, 0);
    state_says(5, 6, 3, 4, 0);
    assert_int_equal(n_released, 3);
    assert_int_equal(submit(4), 0);
    state_says(5, 6, 99, 99, 0); /* nobody can know the fate of what was never announced */
    assert_int_equal(n_released, 3);
}

static void test_link_sends_again_for_a_new_broker_or_learner(void **state)
{
    (void)state;
    actor_link_tick(link_, 0);
    state_says(5, 6, 0, 0, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(submit(i), 0);
    state_says(7, 6, 1, 2, 0); /* another broker; the learner has two */
    assert_int_equal(n_sent[MESSAGE_TRAJECTORY], 4);
    assert_int_equal(last_sequence, 3);
    state_says(7, 8, 1, 1, 0); /* another learner has none */
    assert_int_equal(n_sent[MESSAGE_TRAJECTORY], 6);
    state_says(7, 0, 1, 1, 0); /* none there: nothing is sent */
    assert_int_equal(submit(3), 0);
    assert_int_equal(n_sent[MESSAGE_TRAJECTORY], 6);
}

static void test_link_sends_again_without_progress_and_backs_off(void **state)
{
    (void)state;
    actor_link_tick(link_, 0);
    state_says(5, 6, 0, 0, 0);
    assert_int_equal(submit(0), 0);
    for (monotonic_us now = 0; now <= 20 * S; now += S / 10)
        actor_link_tick(link_, now);
    assert_in_range(n_sent[MESSAGE_TRAJECTORY], 4, 6); /* 1, 2, 4, 8 s */
    assert_in_range(n_sent[MESSAGE_ACTOR_HELLO], 20, 22);
    state_says(5, 6, 0, 1, 20 * S);
    int before = n_sent[MESSAGE_TRAJECTORY];
    for (monotonic_us now = 20 * S; now <= 40 * S; now += S / 10)
        actor_link_tick(link_, now);
    assert_int_equal(n_sent[MESSAGE_TRAJECTORY], before); /* the learner holds it: waiting is not standing still */
}

static void test_link_ignores_what_is_meant_for_the_process_before(void **state)
{
    (void)state;
    actor_link_tick(link_, 0);
    state_says(5, 6, 0, 0, 0);
    assert_int_equal(submit(0), 0);
    in.state.incarnation = 9;
    in.state.acked_upto = 1;
    int n = envelope_encode(&in, bytes, sizeof bytes);
    actor_link_message(link_, 0, bytes, (size_t)n, NULL, 0);
    assert_int_equal(n_released, 0);
}

static void test_link_another_run_or_protocol_ends_it(void **state)
{
    (void)state;
    actor_link_tick(link_, 0);
    state_says(5, 6, 0, 0, 0);
    strcpy(in.state.run, "other");
    int n = envelope_encode(&in, bytes, sizeof bytes);
    actor_link_message(link_, 0, bytes, (size_t)n, NULL, 0);
    assert_int_equal(refused_code, ERR_MISMATCH);
    assert_int_equal(actor_link_state(link_), LINK_REFUSED);
    assert_int_equal(submit(0), ERR_STATE);
}

/* STATE of a broker that still knows `run`, complete; there may be no learner any more. */
static void finished_says(const char *run, monotonic_us now)
{
    in.kind = MESSAGE_STATE;
    in.state = (struct message_state){.major = PROTOCOL_MAJOR,
                                      .minor = PROTOCOL_MINOR,
                                      .incarnation = 10,
                                      .epoch = 5,
                                      .recipe = {hash_bytes("abcd", 4), 4},
                                      .version = {3, 100},
                                      .is_finished = true};
    strcpy(in.state.run, run);
    int n = envelope_encode(&in, bytes, sizeof bytes);
    actor_link_message(link_, now, bytes, (size_t)n, NULL, 0);
}

static void test_link_without_a_run_does_not_join_a_finished_one(void **state)
{
    (void)state;
    actor_link_tick(link_, S);
    for (monotonic_us now = S; now < 50 * S; now += S) {
        finished_says("old", now);
        actor_link_tick(link_, now);
    }
    assert_false(actor_link_finished(link_));
    assert_int_equal(actor_link_state(link_), LINK_WAIT_STATE);
    assert_int_equal(n_sent[MESSAGE_FETCH], 0);
    state_says(5, 6, 0, 0, 50 * S); /* the learner of the next run is here, and its versions begin anew */
    assert_int_equal(actor_link_state(link_), LINK_WAIT_RUN);
    assert_int_equal(actor_link_stats(link_).version.number, 0);
    assert_int_equal(submit(0), 0);
    finished_says("r", 60 * S); /* its own run */
    assert_true(actor_link_finished(link_));
}

static void test_link_without_a_run_goes_home_when_no_other_begins(void **state)
{
    (void)state;
    actor_link_tick(link_, S);
    for (monotonic_us now = S; now <= 60 * S; now += S) {
        finished_says("old", now);
        actor_link_tick(link_, now);
        assert_false(actor_link_finished(link_));
    }
    actor_link_tick(link_, 62 * S);
    assert_true(actor_link_finished(link_));
}

static void test_link_drains_and_says_good_bye(void **state)
{
    (void)state;
    actor_link_tick(link_, 0);
    state_says(5, 6, 0, 0, 0);
    assert_int_equal(submit(0), 0);
    actor_link_drain(link_, 0);
    assert_int_equal(n_sent[MESSAGE_BYE], 0);
    state_says(5, 6, 1, 1, 0);
    assert_int_equal(n_sent[MESSAGE_BYE], 1);
    assert_int_equal(actor_link_state(link_), LINK_DONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_link_keeps_a_trajectory_until_its_fate_is_known),
        TEST(test_link_sends_again_for_a_new_broker_or_learner),
        TEST(test_link_sends_again_without_progress_and_backs_off),
        TEST(test_link_ignores_what_is_meant_for_the_process_before),
        TEST(test_link_another_run_or_protocol_ends_it),
        TEST(test_link_without_a_run_does_not_join_a_finished_one),
        TEST(test_link_without_a_run_goes_home_when_no_other_begins),
        TEST(test_link_drains_and_says_good_bye),
    };
    struct err err;
    if (log_open("test", LOG_ERROR, NULL, &err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
