/* When checkpoints are due, and what a failed one leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "learner/save_schedule.h"

#define SECOND 1000000

static void test_one_is_due_at_each_multiple_and_written_once(void **state)
{
    (void)state;
    struct save_schedule save;
    int written = 0;
    save_schedule_begin(&save, 5, 10);
    for (uint64_t updates = 10; updates <= 30; updates++)
        if (save_schedule_is_due(&save, (monotonic_us)updates, updates)) {
            assert_int_equal(updates % 5, 0);
            assert_false(save_schedule_done(&save, (monotonic_us)updates, updates, true));
            written++;
        }
    assert_int_equal(written, 4);
    assert_int_equal(save.failed, 0);
}

static void test_a_failed_one_is_tried_again_after_growing_pauses_that_have_a_bound(void **state)
{
    (void)state;
    struct save_schedule save;
    static const int pauses[] = {1, 2, 4, 8, 16, 30, 30, 30};
    monotonic_us now = 0;
    save_schedule_begin(&save, 5, 0);
    for (int i = 0; i < 8; i++) {
        assert_true(save_schedule_is_due(&save, now, 7));
        assert_int_equal(save_schedule_done(&save, now, 7, false), i == 0); /* the alarm begins with the first */
        now += pauses[i] * SECOND;
        assert_false(save_schedule_is_due(&save, now - 1, 7));
    }
    assert_int_equal(save.failed, 8);
    assert_int_equal(save_schedule_at_stake(&save, 7), 7);
    assert_true(save_schedule_done(&save, now, 7, true)); /* and ends with the first that is written */
    assert_int_equal(save.failing, 0);
    assert_int_equal(save.failed, 8);
    assert_int_equal(save_schedule_at_stake(&save, 9), 2);
}

static void test_a_later_checkpoint_stands_for_the_one_that_failed(void **state)
{
    (void)state;
    struct save_schedule save;
    save_schedule_begin(&save, 5, 0);
    assert_true(save_schedule_is_due(&save, 0, 5));
    (void)save_schedule_done(&save, 0, 5, false);
    assert_false(save_schedule_is_due(&save, SECOND / 2, 6));
    assert_true(save_schedule_is_due(&save, SECOND, 8)); /* between two multiples */
    (void)save_schedule_done(&save, SECOND, 8, true);
    assert_false(save_schedule_is_due(&save, SECOND, 9));
    assert_true(save_schedule_is_due(&save, SECOND, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_is_due_at_each_multiple_and_written_once),
        cmocka_unit_test(test_a_failed_one_is_tried_again_after_growing_pauses_that_have_a_bound),
        cmocka_unit_test(test_a_later_checkpoint_stands_for_the_one_that_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
