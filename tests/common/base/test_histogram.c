/* Histograms: bounds double and include their value, quantiles lie where they must, differences notice another life. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/histogram.h"

static void test_histogram_bounds_double_and_include_their_value(void **state)
{
    (void)state;
    struct histogram h = {0};
    histogram_add(&h, HISTOGRAM_LAG, 0);
    histogram_add(&h, HISTOGRAM_LAG, 1);
    histogram_add(&h, HISTOGRAM_LAG, 2);
    histogram_add(&h, HISTOGRAM_LAG, 3);
    histogram_add(&h, HISTOGRAM_LAG, 4);
    histogram_add(&h, HISTOGRAM_LAG, 1e30);
    const uint64_t expected[HISTOGRAM_BUCKETS] = {1, 1, 1, 2, [HISTOGRAM_BUCKETS - 1] = 1};
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
        assert_int_equal(h.counts[b], expected[b]);
    assert_int_equal(histogram_total(&h), 6);
    assert_true(histogram_bound(HISTOGRAM_LAG, 3) == 4);
    assert_true(isinf(histogram_bound(HISTOGRAM_LAG, HISTOGRAM_BUCKETS - 1)));
}

static void test_histogram_quantiles_are_within_a_bucket_of_the_truth(void **state)
{
    (void)state;
    struct histogram h = {0};
    assert_true(isnan(histogram_quantile(&h, HISTOGRAM_SECONDS, 0.5)));
    for (int i = 1; i <= 1000; i++)
        histogram_add(&h, HISTOGRAM_SECONDS, i * 1e-3);
    const double shares[] = {0.01, 0.1, 0.5, 0.9, 0.99, 1};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        double truth = shares[i], value = histogram_quantile(&h, HISTOGRAM_SECONDS, shares[i]);
        assert_true(value >= truth / 2 && value <= truth * 2);
    }
    /* Evenly spread within a bucket: exact there. */
    assert_true(fabs(histogram_quantile(&h, HISTOGRAM_SECONDS, 0.5) - 0.5) < 0.01);
    assert_true(fabs(h.sum - 500.5) < 1e-6);
    struct histogram far = {0};
    histogram_add(&far, HISTOGRAM_SECONDS, 1e9);
    assert_true(histogram_quantile(&far, HISTOGRAM_SECONDS, 0.5) == histogram_bound(HISTOGRAM_SECONDS, HISTOGRAM_BUCKETS - 2));
}

static void test_histogram_difference_of_another_life_is_empty(void **state)
{
    (void)state;
    struct histogram before = {0}, now, other = {0};
    histogram_add(&before, HISTOGRAM_SECONDS, 0.1);
    now = before;
    histogram_add(&now, HISTOGRAM_SECONDS, 0.2);
    struct histogram since = histogram_since(&now, &before);
    assert_int_equal(histogram_total(&since), 1);
    assert_true(fabs(since.sum - 0.2) < 1e-12);
    histogram_add(&other, HISTOGRAM_SECONDS, 3);
    since = histogram_since(&other, &now); /* a new process began at zero */
    assert_int_equal(histogram_total(&since), 0);
    histogram_join(&other, &now);
    assert_int_equal(histogram_total(&other), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram_bounds_double_and_include_their_value),
        cmocka_unit_test(test_histogram_quantiles_are_within_a_bucket_of_the_truth),
        cmocka_unit_test(test_histogram_difference_of_another_life_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
