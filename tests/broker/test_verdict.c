/* The verdict: the right limit from shares of time, and advice that leads out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "broker/verdict.h"

static const struct verdict_in quiet = {.is_training = true, .is_sync = true, .actors = 4, .lanes = 32, .update_seconds = 1};

/* A run of the model: rolling out takes `rollout` seconds of actor time per update, updating `update`, messages `transit`. In sync mode these
 * follow each other; in async mode they overlap and the longest sets the pace. */
static struct verdict_in model(bool is_sync, int actors, double rollout, double update, double transit)
{
    struct verdict_in in = quiet;
    double share = rollout / actors, longest = fmax(fmax(share, update), transit);
    double period = is_sync ? share + update + transit : longest;
    in.is_sync = is_sync;
    in.actors = actors;
    in.learner_busy = update / period;
    in.actor_busy = in.actor_busy_max = share / period;
    in.update_seconds = period;
    in.transit_seconds = is_sync ? transit / 2 : transit * transit / period / 2; /* seen by a probe at any moment */
    return in;
}

static void expect(struct verdict_in in, enum limit limit)
{
    struct verdict verdict = verdict_of(&in);
    if (verdict.limit != limit)
        print_error("%s: %s\n", limit_name(verdict.limit), verdict.text);
    assert_int_equal(verdict.limit, limit);
    assert_true(strlen(verdict.text) > 10);
    assert_null(strpbrk(verdict.text, "\"\\")); /* goes into JSON as it is */
}

static void test_verdict_names_the_side_that_computes_nearly_always(void **state)
{
    (void)state;
    expect(model(true, 1, 9, 0.8, 0.1), LIMIT_ACTOR);
    expect(model(false, 2, 9, 0.8, 0.1), LIMIT_ACTOR);
    expect(model(true, 4, 0.4, 1, 0.05), LIMIT_LEARNER);
    expect(model(false, 4, 0.4, 1, 0.05), LIMIT_LEARNER);
}

static void test_verdict_names_the_network_when_nobody_computes(void **state)
{
    (void)state;
    expect(model(true, 4, 0.4, 0.1, 1), LIMIT_NETWORK);
    expect(model(false, 4, 0.4, 0.1, 1), LIMIT_NETWORK);
    struct verdict_in full = model(true, 4, 2, 0.4, 0);
    full.actor_blocked = 0.5; /* what they made is not taken off them */
    expect(full, LIMIT_NETWORK);
}

static void test_verdict_names_the_lag_bound_when_they_take_turns(void **state)
{
    (void)state;
    expect(model(true, 4, 4, 1, 0.05), LIMIT_LAG);
    struct verdict_in stuck = model(false, 4, 4, 1, 0);
    stuck.learner_busy = stuck.actor_busy = stuck.actor_busy_max = 0.5; /* async, yet both wait: max_lag */
    stuck.transit_seconds = 0;
    expect(stuck, LIMIT_LAG);
    assert_non_null(strstr(verdict_of(&stuck).text, "run.max_lag"));
}

static void test_verdict_says_nothing_without_a_run(void **state)
{
    (void)state;
    struct verdict_in in = model(true, 1, 9, 0.8, 0.1);
    in.actors = 0;
    expect(in, LIMIT_NONE);
    in = model(true, 1, 9, 0.8, 0.1);
    in.is_training = false;
    expect(in, LIMIT_NONE);
    in = model(true, 1, 9, 0.8, 0.1);
    in.learner_busy = NAN;
    expect(in, LIMIT_NONE);
}

/* Following the advice makes the learner the limit, or nearly; one actor fewer than advised would not. */
static void test_verdict_advice_on_actors_leads_to_a_busy_learner(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n++) {
        struct verdict_in in = model(false, n, 9, 0.8, 0.01);
        struct verdict advised = verdict_of(&in);
        assert_true(advised.actors > n);
        struct verdict_in then = model(false, advised.actors, 9, 0.8, 0.01);
        assert_true(then.learner_busy > 0.85);
        then = model(false, advised.actors / 2, 9, 0.8, 0.01);
        assert_true(then.learner_busy < 0.85); /* half of them would not do */
    }
    struct verdict_in many = model(false, 16, 0.4, 1, 0.01);
    struct verdict advised = verdict_of(&many);
    assert_in_range(advised.actors, 1, 15);
    struct verdict_in then = model(false, advised.actors, 0.4, 1, 0.01);
    assert_true(then.learner_busy > 0.85); /* the others could go */
    struct verdict_in full = model(true, 32, 300, 0.1, 0.01);
    advised = verdict_of(&full);
    assert_int_equal(advised.limit, LIMIT_ACTOR);
    assert_int_equal(advised.actors, 32); /* no more than lanes */
    assert_non_null(strstr(advised.text, "rollout.lanes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdict_names_the_side_that_computes_nearly_always),
        cmocka_unit_test(test_verdict_names_the_network_when_nobody_computes),
        cmocka_unit_test(test_verdict_names_the_lag_bound_when_they_take_turns),
        cmocka_unit_test(test_verdict_says_nothing_without_a_run),
        cmocka_unit_test(test_verdict_advice_on_actors_leads_to_a_busy_learner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
