/* Random numbers: functions of their names, uniform, and unrelated to each other. Bounds are five standard deviations wide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/rng.h"

static void test_a_draw_depends_on_every_part_of_its_name_and_on_nothing_else(void **state)
{
    (void)state;
    uint64_t base = rng_bits(1, RNG_TEST, 2, 3, 4);
    assert_true(base == rng_bits(1, RNG_TEST, 2, 3, 4));
    assert_true(base != rng_bits(2, RNG_TEST, 2, 3, 4));
    assert_true(base != rng_bits(1, RNG_POLICY, 2, 3, 4));
    assert_true(base != rng_bits(1, RNG_TEST, 3, 3, 4));
    assert_true(base != rng_bits(1, RNG_TEST, 2, 4, 4));
    assert_true(base != rng_bits(1, RNG_TEST, 2, 3, 5));
    assert_true(rng_bits(1, RNG_TEST, 2, 3, 4) != rng_bits(1, RNG_TEST, 2, 4, 3)); /* nor do parts change places */
    struct rng a = rng_stream(1, RNG_TEST, 2, 3, 4), b = rng_stream(1, RNG_TEST, 2, 3, 4);
    for (int i = 0; i < 10; i++)
        assert_true(rng_next(&a) == rng_next(&b));
}

/* Known values: a change would move every run and every hash. */
static void test_the_numbers_stay_what_they_are(void **state)
{
    (void)state;
    struct rng rng = rng_stream(1, RNG_TEST, 2, 3, 4);
    uint64_t bits = rng_bits(1, RNG_TEST, 2, 3, 4), next = rng_next(&rng);
    print_message("bits 0x%016llx next 0x%016llx\n", (unsigned long long)bits, (unsigned long long)next);
    assert_true(bits == 0x0f60b719da692c6b && next == 0x651e8122d4453002);
}

static void test_units_of_neighbouring_names_are_uniform_and_uncorrelated(void **state)
{
    (void)state;
    enum { N = 200000, BINS = 50 };
    int bins[BINS] = {0};
    double product = 0;
    for (uint32_t i = 0; i < N; i++) {
        double u = rng_unit(7, RNG_TEST, i / 1000, i % 1000, 0), v = rng_unit(7, RNG_TEST, i / 1000, i % 1000, 1);
        assert_true(u >= 0 && u < 1);
        bins[(int)(u * BINS)]++;
        product += (u - 0.5) * (v - 0.5);
    }
    for (int i = 0; i < BINS; i++)
        assert_true(fabs(bins[i] - (double)N / BINS) < 5 * sqrt((double)N / BINS));
    assert_true(fabs(product / N) < 5 / 12.0 / sqrt(N));
}

static void test_below_has_no_bias(void **state)
{
    (void)state;
    enum { N = 70000 };
    int counts[7] = {0};
    struct rng rng = rng_stream(3, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        uint32_t k = rng_below(&rng, 7);
        assert_in_range(k, 0, 6);
        counts[k]++;
    }
    for (int k = 0; k < 7; k++)
        assert_true(abs(counts[k] - N / 7) < 5 * (int)sqrt(N / 7.0));
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&rng, 1), 0);
    /* A range that does not divide 2^32 by far: plain scaling would hit its first third twice as often as the rest. */
    int low = 0;
    for (int i = 0; i < N; i++)
        low += rng_below(&rng, 3u << 30) < 1u << 30;
    assert_true(abs(low - N / 3) < 5 * (int)sqrt(N * 2.0 / 9));
}

static void test_normals_have_mean_0_variance_1_and_are_finite(void **state)
{
    (void)state;
    enum { N = 100000 };
    double sum = 0, square = 0;
    struct rng rng = rng_stream(4, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&rng);
        assert_true(isfinite(x));
        sum += x;
        square += x * x;
    }
    assert_true(fabs(sum / N) < 5 / sqrt(N));
    assert_true(fabs(square / N - 1) < 5 * sqrt(2.0 / N));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_draw_depends_on_every_part_of_its_name_and_on_nothing_else),
        cmocka_unit_test(test_the_numbers_stay_what_they_are),
        cmocka_unit_test(test_units_of_neighbouring_names_are_uniform_and_uncorrelated),
        cmocka_unit_test(test_below_has_no_bias),
        cmocka_unit_test(test_normals_have_mean_0_variance_1_and_are_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
