/* Proportional drawing: the sum tree against a linear scan over the same leaves, frequencies against p^alpha, weights against their formula. */
#include <math.h>

#include "learner/priority.h"
#include "tests/local.h"

enum { CAPACITY = 45, WIDTH = 64 };

#define ALPHA 0.6
#define EPS 1e-3

/* What the header says of the priorities, kept plainly. */
struct plain {
    int64_t first, next; /* numbers held */
    double error[WIDTH], largest;
};

static double leaf_of(const struct plain *plain, int64_t number)
{
    return number < plain->first || number >= plain->next ? 0 : pow(plain->error[number % WIDTH] + EPS, ALPHA);
}

static double total_of(const struct plain *plain)
{
    double sum = 0;
    for (int64_t number = plain->first; number < plain->next; number++)
        sum += leaf_of(plain, number);
    return sum;
}

/* The number whose place, place by place, holds the point. */
static int64_t scan(const struct plain *plain, double point)
{
    double sum = 0;
    for (int place = 0; place < WIDTH; place++) {
        int64_t number = plain->first + ((place - plain->first) % WIDTH + WIDTH) % WIDTH;
        sum += leaf_of(plain, number);
        if (point < sum)
            return number;
    }
    fail_msg("point %g of %g", point, sum);
    return -1;
}

static struct priority *create(void)
{
    struct priority *priority;
    assert_int_equal(priority_create(&priority, CAPACITY, ALPHA, EPS), 0);
    return priority;
}

static void add(struct priority *priority, struct plain *plain)
{
    if (plain->next - plain->first == CAPACITY)
        priority_drop(priority, plain->first++);
    priority_add(priority, plain->next);
    plain->error[plain->next++ % WIDTH] = plain->largest;
}

static void set(struct priority *priority, struct plain *plain, int64_t number, double error)
{
    priority_set(priority, number, error);
    plain->error[number % WIDTH] = error;
    plain->largest = error > plain->largest ? error : plain->largest;
}

static void compare_draws(const struct priority *priority, const struct plain *plain, uint64_t which)
{
    int32_t age[7];
    struct rng rng = rng_stream(5, RNG_TEST, which, 0, 0), same = rng;
    priority_draw(priority, &rng, 7, plain->first, age);
    for (int i = 0; i < 7; i++)
        assert_int_equal(plain->first + age[i], scan(plain, total_of(plain) * (i + rng_double(&same)) / 7));
}

/* 1000 episodes through a ring of 45, errors of many sizes, zero among them. */
static void test_tree_draws_as_a_linear_scan_does(void **state)
{
    (void)state;
    struct priority *priority = create();
    struct plain plain = {.largest = 1};
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    for (int k = 0; k < 1000; k++) {
        add(priority, &plain);
        int64_t number = plain.first + rng_below(&rng, (uint32_t)(plain.next - plain.first));
        set(priority, &plain, number, k % 5 ? exp(3 * rng_normal(&rng)) : 0);
        assert_true(priority_largest(priority) == plain.largest);
        double share = leaf_of(&plain, number) / total_of(&plain);
        assert_true(fabs(priority_share(priority, number) - share) <= 1e-12 * share);
        compare_draws(priority, &plain, (uint64_t)k);
    }
    assert_int_equal(plain.next - plain.first, CAPACITY);
    assert_true(priority_share(priority, plain.next) == 0);
    assert_true(priority_share(priority, plain.first - 1) == 0);
    priority_destroy(&priority);
}

/* One that was filled anew, as from a checkpoint, draws the same to the bit. */
static void test_tree_follows_from_what_is_held(void **state)
{
    (void)state;
    struct priority *old = create(), *new = create();
    struct plain plain = {.largest = 1};
    struct rng rng = rng_stream(2, RNG_TEST, 0, 0, 0);
    for (int k = 0; k < 300; k++) {
        add(old, &plain);
        set(old, &plain, plain.first + rng_below(&rng, (uint32_t)(plain.next - plain.first)), exp(2 * rng_normal(&rng)));
    }
    priority_add(new, 3);
    priority_clear(new);
    priority_set_largest(new, priority_largest(old));
    for (int64_t number = plain.next - 1; number >= plain.first; number--)
        priority_set(new, number, priority_error(old, number));
    for (int64_t number = plain.first; number < plain.next; number++)
        assert_true(priority_share(new, number) == priority_share(old, number));
    priority_add(old, plain.next);
    priority_add(new, plain.next);
    assert_true(priority_error(new, plain.next) == plain.largest);
    for (uint32_t k = 0; k < 50; k++) {
        int32_t one[9], two[9];
        struct rng a = rng_stream(3, RNG_TEST, k, 0, 0), b = a;
        priority_draw(old, &a, 9, plain.first, one);
        priority_draw(new, &b, 9, plain.first, two);
        assert_memory_equal(one, two, sizeof one);
    }
    priority_destroy(&old);
    priority_destroy(&new);
}

/* Each drawn alone: no range helps. Counts lie within five standard deviations of n P. */
static void test_frequencies_are_powers_of_the_errors(void **state)
{
    (void)state;
    enum { HELD = 9, DRAWS = 200000, FIRST = 60 /* places wrap around */ };
    struct priority *priority = create();
    double leaf[HELD], sum = 0;
    int count[HELD] = {0};
    for (int i = 0; i < HELD; i++) {
        priority_set(priority, FIRST + i, i * i * 0.1);
        sum += leaf[i] = pow(i * i * 0.1 + EPS, ALPHA);
    }
    for (int k = 0; k < DRAWS; k++) {
        int32_t age;
        struct rng rng = rng_stream(4, RNG_TEST, (uint64_t)k, 0, 0);
        priority_draw(priority, &rng, 1, FIRST, &age);
        assert_in_range(age, 0, HELD - 1);
        count[age]++;
    }
    for (int i = 0; i < HELD; i++) {
        double p = leaf[i] / sum, away = fabs(count[i] - DRAWS * p);
        if (away > 5 * sqrt(DRAWS * p * (1 - p)))
            fail_msg("episode %d: drawn %d times, expected %g", i, count[i], DRAWS * p);
    }
    priority_destroy(&priority);
}

/* Alike ones fill one range each. */
static void test_as_many_as_are_held_and_alike_are_drawn_once_each(void **state)
{
    (void)state;
    struct priority *priority = create();
    struct plain plain = {.largest = 1};
    for (int i = 0; i < 32; i++)
        add(priority, &plain);
    for (uint32_t k = 0; k < 50; k++) {
        int32_t age[32];
        bool is_drawn[32] = {false};
        struct rng rng = rng_stream(6, RNG_TEST, k, 0, 0);
        priority_draw(priority, &rng, 32, 0, age);
        for (int i = 0; i < 32; i++) {
            assert_false(is_drawn[age[i]]);
            is_drawn[age[i]] = true;
        }
    }
    priority_destroy(&priority);
}

static void test_weights_are_the_formula(void **state)
{
    (void)state;
    enum { DRAWN = 6 };
    const double share[DRAWN] = {0.02, 0.3, 0.02, 1e-5, 0.11, 0.25};
    for (int k = 0; k <= 10; k++) {
        const double beta = k / 10.0;
        double weight[DRAWN], expected[DRAWN], largest = 0;
        for (int i = 0; i < DRAWN; i++) {
            expected[i] = pow(CAPACITY * share[i], -beta);
            largest = expected[i] > largest ? expected[i] : largest;
        }
        memcpy(weight, share, sizeof weight);
        priority_weights(DRAWN, weight, beta, weight);
        for (int i = 0; i < DRAWN; i++)
            assert_true(fabs(weight[i] - expected[i] / largest) <= 1e-13 * expected[i] / largest);
        assert_true(weight[3] == 1);
    }
}

static void test_beta_rises_to_one_and_stays(void **state)
{
    (void)state;
    assert_true(priority_beta(0.4, 0) == 0.4);
    assert_true(fabs(priority_beta(0.4, 0.25) - 0.55) < 1e-15);
    assert_true(priority_beta(0.4, 1) == 1);
    assert_true(priority_beta(0.4, 7) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_draws_as_a_linear_scan_does),
        cmocka_unit_test(test_tree_follows_from_what_is_held),
        cmocka_unit_test(test_frequencies_are_powers_of_the_errors),
        cmocka_unit_test(test_as_many_as_are_held_and_alike_are_drawn_once_each),
        cmocka_unit_test(test_weights_are_the_formula),
        cmocka_unit_test(test_beta_rises_to_one_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
