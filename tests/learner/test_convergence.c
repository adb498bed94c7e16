/* When an attack has been trained long enough. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "learner/convergence.h"

enum { N = 2, STEPS_PER_UPDATE = 100 };

static const struct victims victims = {.n = N, .mask = {1, 2}};
static const struct spec ranged = {.N = N, .return_min = 0, .return_max = 100};
static const struct convergence_config config = {.tolerance = 0.02, .max_steps = 100000};

/* One update's episodes: a mean return of each victim, count 0 where it is NaN. */
static void count(struct convergence *convergence, double first, double second)
{
    struct partitions partitions = {0};
    partitions_begin_update(&partitions);
    partitions_count(&partitions, 0, 1000); /* clean episodes do not count, nor do pairs of adversaries that are no victim */
    partitions_count(&partitions, 3, -1000);
    for (int e = 0; e < 4; e++) {
        if (!isnan(first))
            partitions_count(&partitions, 1, first + e - 1.5);
        if (!isnan(second))
            partitions_count(&partitions, 2, second + e - 1.5);
    }
    convergence_count(convergence, &partitions);
}

static void begin(struct convergence *convergence)
{
    *convergence = (struct convergence){0};
    convergence_begin(convergence, &config, &ranged, &victims, 40);
}

static void test_a_flat_curve_has_converged(void **state)
{
    (void)state;
    struct convergence c;
    begin(&c);
    for (int u = 0; u < 40; u++)
        count(&c, 30, 50);
    assert_float_equal(convergence_improvement(&c), 0, 1e-9);
    assert_int_equal(convergence_next_total(&c, 40, STEPS_PER_UPDATE), 40);
    convergence_deinit(&c);
}

static void test_one_victim_that_still_falls_keeps_the_attack_going(void **state)
{
    (void)state;
    struct convergence c;
    begin(&c);
    for (int u = 0; u < 40; u++)
        count(&c, 30, 90 - u); /* 10 updates a quarter: 10 of 100 lower */
    assert_float_equal(convergence_improvement(&c), 0.10, 1e-9);
    assert_int_equal(convergence_next_total(&c, 40, STEPS_PER_UPDATE), 54); /* a third more */
    convergence_deinit(&c);
}

static void test_a_rising_return_is_no_improvement(void **state)
{
    (void)state;
    struct convergence c;
    begin(&c);
    for (int u = 0; u < 40; u++)
        count(&c, 30 + u, 50 + u);
    assert_true(convergence_improvement(&c) < 0);
    assert_int_equal(convergence_next_total(&c, 40, STEPS_PER_UPDATE), 40);
    convergence_deinit(&c);
}

static void test_the_ceiling_ends_it(void **state)
{
    (void)state;
    struct convergence c;
    begin(&c);
    for (int u = 0; u < 40; u++)
        count(&c, 30, 90 - u);
    assert_int_equal(convergence_next_total(&c, 990, STEPS_PER_UPDATE), 1000);
    assert_int_equal(convergence_next_total(&c, 1000, STEPS_PER_UPDATE), 1000);
    assert_int_equal(convergence_next_total(&c, 1200, STEPS_PER_UPDATE), 1200); /* never back */
    convergence_deinit(&c);
}

/* Whichever victim it is, and before anything has been seen at all. */
static void test_a_victim_without_episodes_keeps_the_attack_going(void **state)
{
    (void)state;
    for (int missing = 0; missing < 3; missing++) {
        struct convergence c;
        begin(&c);
        for (int u = 0; u < 40 && missing < 2; u++)
            count(&c, missing == 0 ? NAN : 30, missing == 1 ? NAN : 50);
        assert_true(isnan(convergence_improvement(&c)));
        assert_true(convergence_next_total(&c, 40, STEPS_PER_UPDATE) > 40);
        convergence_deinit(&c);
    }
}

static void test_without_bounds_the_observed_range_counts(void **state)
{
    (void)state;
    const struct spec unbounded = {.N = N, .return_min = -INFINITY, .return_max = INFINITY};
    struct convergence c = {0};
    convergence_begin(&c, &config, &unbounded, &victims, 40);
    for (int u = 0; u < 40; u++)
        count(&c, 80 - u, 10); /* first quarter 75.5, last two 55.5 and 45.5 */
    assert_float_equal(convergence_improvement(&c), 10 / (75.5 + 45.5), 1e-9);
    convergence_deinit(&c);
}

static void test_a_restored_history_continues_where_it_was(void **state)
{
    (void)state;
    struct convergence straight, resumed = {0};
    begin(&straight);
    for (int u = 0; u < 20; u++)
        count(&straight, 30, 90 - u);
    assert_int_equal(convergence_restore(&resumed, N, straight.updates, straight.sums, straight.counts), 0);
    convergence_begin(&resumed, &config, &ranged, &victims, 40);
    for (int u = 20; u < 3000; u++) { /* beyond the first reservation */
        count(&straight, 30, 90 - 0.01 * u);
        count(&resumed, 30, 90 - 0.01 * u);
    }
    assert_int_equal(resumed.updates, straight.updates);
    assert_true(convergence_improvement(&resumed) == convergence_improvement(&straight));
    convergence_deinit(&straight);
    convergence_deinit(&resumed);
}

static void test_a_history_of_another_team_is_dropped(void **state)
{
    (void)state;
    struct convergence c = {0};
    const struct spec six = {.N = 6, .return_min = 0, .return_max = 1};
    const struct victims each = {.n = 6, .mask = {1, 2, 4, 8, 16, 32}};
    double numbers[400] = {0};
    assert_int_equal(convergence_restore(&c, 1, 400, numbers, numbers), 0);
    convergence_begin(&c, &config, &six, &each, 40);
    assert_int_equal(c.updates, 0);
    for (int u = 0; u < 1100; u++)
        count(&c, 1, 1);
    assert_int_equal(convergence_restore(&c, 0, 1, numbers, numbers), ERR_RANGE);
    assert_int_equal(convergence_restore(&c, 2, -1, numbers, numbers), ERR_RANGE);
    convergence_deinit(&c);
}

static void test_a_victim_may_be_a_set_of_agents(void **state)
{
    (void)state;
    const struct victims pair = {.n = 1, .mask = {3}};
    struct convergence c = {0};
    convergence_begin(&c, &config, &ranged, &pair, 40);
    for (int u = 0; u < 40; u++)
        count(&c, 90 - u, NAN); /* single agents do not count now, and the pair's return stays what it is */
    assert_float_equal(convergence_improvement(&c), 0, 1e-9);
    convergence_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flat_curve_has_converged),
        cmocka_unit_test(test_one_victim_that_still_falls_keeps_the_attack_going),
        cmocka_unit_test(test_a_rising_return_is_no_improvement),
        cmocka_unit_test(test_the_ceiling_ends_it),
        cmocka_unit_test(test_a_victim_without_episodes_keeps_the_attack_going),
        cmocka_unit_test(test_without_bounds_the_observed_range_counts),
        cmocka_unit_test(test_a_victim_may_be_a_set_of_agents),
        cmocka_unit_test(test_a_restored_history_continues_where_it_was),
        cmocka_unit_test(test_a_history_of_another_team_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
