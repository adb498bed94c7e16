/* Masked categoricals: unavailable actions are never picked, frequencies follow the probabilities, bits do not depend on the
 * batch and agree with the PPO loss on a tape, NaN stays visible. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "math/tape.h"
#include "net/categorical.h"

enum { ROWS = 700, A = 6 };

struct batch {
    real logits[ROWS * A];
    uint8_t available[ROWS * A];
    float unit[ROWS], logp[ROWS], probability[ROWS * A];
    int32_t action[ROWS];
};

static void batch_make(struct batch *b, double scale)
{
    struct rng rng = rng_stream(4, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < ROWS * A; i++) {
        b->logits[i] = (real)(scale * rng_normal(&rng));
        b->available[i] = rng_double(&rng) < 0.5;
    }
    for (int r = 0; r < ROWS; r++) {
        b->available[r * A + (int)rng_below(&rng, A)] = 1;
        b->unit[r] = r == 0 ? 0 : r == 1 ? 0x1.fffffep-1f : (float)rng_double(&rng) * 0.999f;
    }
}

static void test_unavailable_actions_are_never_picked(void **state)
{
    (void)state;
    static struct batch b;
    static const double scales[] = {0, 1, 30, 1e9};
    for (int s = 0; s < 4; s++) {
        batch_make(&b, scales[s]);
        categorical_sample(ROWS, A, b.logits, b.available, b.unit, b.action, b.logp, b.probability);
        for (int r = 0; r < ROWS; r++) {
            assert_true(b.action[r] >= 0 && b.action[r] < A && b.available[r * A + b.action[r]]);
            assert_true(b.logp[r] <= 0 && isfinite(b.logp[r]));
            double total = 0;
            for (int a = 0; a < A; a++) {
                assert_true(b.available[r * A + a] || b.probability[r * A + a] == 0);
                total += (double)b.probability[r * A + a];
            }
            assert_true(fabs(total - 1) < 1e-5);
            assert_true(fabs(exp((double)b.logp[r]) - (double)b.probability[r * A + b.action[r]]) < 1e-5);
        }
    }
}

static void test_frequencies_follow_probabilities(void **state)
{
    (void)state;
    const real logits[4] = {1, 0, -1, 2};
    const uint8_t available[4] = {1, 1, 1, 0};
    const double sum = exp(1) + 1 + exp(-1), exact[4] = {exp(1) / sum, 1 / sum, exp(-1) / sum, 0};
    int counts[4] = {0};
    enum { DRAWS = 100000 };
    for (int i = 0; i < DRAWS; i++) {
        float unit = ((float)i + 0.5f) / DRAWS, logp;
        int32_t action;
        categorical_sample(1, 4, logits, available, &unit, &action, &logp, NULL);
        counts[action]++;
    }
    for (int a = 0; a < 4; a++)
        assert_true(fabs((double)counts[a] / DRAWS - exact[a]) < 1e-4);
}

static void test_row_has_equal_bits_alone_and_in_the_batch(void **state)
{
    (void)state;
    static struct batch b;
    batch_make(&b, 2);
    categorical_sample(ROWS, A, b.logits, b.available, b.unit, b.action, b.logp, b.probability);
    for (int r = 0; r < ROWS; r++) {
        int32_t action;
        float logp, again, probability[A];
        categorical_sample(1, A, b.logits + r * A, b.available + r * A, b.unit + r, &action, &logp, probability);
        categorical_logp(1, A, b.logits + r * A, b.available + r * A, &action, &again);
        assert_int_equal(action, b.action[r]);
        assert_memory_equal(&logp, &b.logp[r], sizeof(logp));
        assert_memory_equal(&again, &logp, sizeof(logp));
        assert_memory_equal(probability, b.probability + r * A, sizeof(probability));
    }
}

/* New over old probability is exactly 1 when nothing has changed: acting and learning compute the same log-probability. */
static void test_ratio_is_exactly_one_before_an_update(void **state)
{
    (void)state;
    static struct batch b;
    static real old_logp[ROWS], advantage[ROWS], weight[ROWS];
    batch_make(&b, 2);
    categorical_sample(ROWS, A, b.logits, b.available, b.unit, b.action, b.logp, NULL);
    for (int r = 0; r < ROWS; r++)
        old_logp[r] = (real)b.logp[r], advantage[r] = 1, weight[r] = (real)1 / 512;
    struct tape *tape;
    assert_int_equal(tape_create(&tape, 1 << 20, 4), 0);
    struct ppo_stats stats = {0};
    const struct ppo_rows rows = {b.available, b.action, old_logp, advantage, weight, (real)0.05, 0};
    tape_ppo_loss(tape, tape_input(tape, ROWS, A, b.logits, false), &rows, &stats);
    assert_true(stats.ratio_max == 1 && stats.kl == 0 && stats.clip_fraction == 0);
    assert_true(stats.policy_loss == -(double)ROWS / 512);
    tape_destroy(&tape);
}

static void test_nan_stays_visible(void **state)
{
    (void)state;
    const real logits[3] = {0, NAN, 1};
    const uint8_t available[3] = {1, 1, 1}, masked[3] = {1, 0, 1};
    float unit = 0.3f, logp;
    int32_t action;
    categorical_sample(1, 3, logits, available, &unit, &action, &logp, NULL);
    assert_true(isnan(logp));
    assert_in_range(action, 0, 2);
    categorical_sample(1, 3, logits, masked, &unit, &action, &logp, NULL);
    assert_false(isnan(logp));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unavailable_actions_are_never_picked),
        cmocka_unit_test(test_frequencies_follow_probabilities),
        cmocka_unit_test(test_row_has_equal_bits_alone_and_in_the_batch),
        cmocka_unit_test(test_ratio_is_exactly_one_before_an_update),
        cmocka_unit_test(test_nan_stays_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
