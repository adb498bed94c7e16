/* Distributions over actions of every kind: what is drawn, how likely it is, and that a row's bits do not depend on its batch. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/acting.h"

enum { ROWS = 700 };

static const struct action_head multi = {.kind = ACTION_MULTI_DISCRETE, .C = 3, .A = 10, .choices = {5, 2, 3}};
static const struct action_head box = {.kind = ACTION_BOX, .C = 2, .A = 2};

struct rows {
    float output[ROWS * 10], noise[ROWS * 3], logp[ROWS], again[ROWS], probability[ROWS * 10];
    uint8_t available[ROWS * 10];
    union {
        int32_t choice[ROWS * 3];
        float real[ROWS * 3];
    } action, other;
};

static struct rows *make(const struct action_head *head, uint64_t seed)
{
    struct rows *rows = calloc(1, sizeof *rows);
    struct rng rng = rng_stream(seed, RNG_TEST, 0, 0, 0);
    assert_non_null(rows);
    for (int i = 0; i < ROWS * head->A; i++) {
        rows->output[i] = (float)(2 * rng_double(&rng) - 1);
        rows->available[i] = rng_below(&rng, 4) > 0;
    }
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0, at = r * head->A; c < head->C && head->kind != ACTION_BOX; at += head->choices[c], c++)
            rows->available[at + (int)rng_below(&rng, (uint32_t)head->choices[c])] = 1;
        action_head_noise(head, seed, RNG_POLICY, (uint64_t)r, 0, 0, rows->noise + r * head->C);
    }
    return rows;
}

static void test_components_are_drawn_from_what_is_available(void **state)
{
    (void)state;
    struct rows *rows = make(&multi, 1);
    action_head_sample(&multi, ROWS, rows->output, NULL, rows->available, rows->noise, rows->action.choice, rows->logp,
                       rows->probability);
    action_head_logp(&multi, ROWS, rows->output, NULL, rows->available, rows->action.choice, rows->again);
    for (int r = 0; r < ROWS; r++) {
        double product = 1;
        for (int c = 0, at = r * 10; c < multi.C; at += multi.choices[c], c++) {
            int choice = rows->action.choice[r * 3 + c];
            float sum = 0;
            assert_true(choice >= 0 && choice < multi.choices[c] && rows->available[at + choice]);
            for (int a = 0; a < multi.choices[c]; a++)
                sum += rows->probability[at + a];
            assert_true(fabsf(sum - 1) < 1e-5f);
            product *= (double)rows->probability[at + choice];
        }
        assert_true(fabs(log(product) - (double)rows->logp[r]) < 1e-5);
        assert_true(rows->logp[r] == rows->again[r]);
    }
    free(rows);
}

static void test_box_density_is_the_gaussian_one(void **state)
{
    (void)state;
    const float log_std[2] = {-0.5f, 0.3f};
    struct rows *rows = make(&box, 2);
    double mean[2] = {0}, square[2] = {0};
    action_head_sample(&box, ROWS, rows->output, log_std, rows->available, rows->noise, rows->action.real, rows->logp,
                       rows->probability);
    action_head_logp(&box, ROWS, rows->output, log_std, rows->available, rows->action.real, rows->again);
    for (int r = 0; r < ROWS; r++) {
        double expected = 0;
        for (int c = 0; c < 2; c++) {
            double s = exp((double)log_std[c]), z = ((double)rows->action.real[2 * r + c] - (double)rows->output[2 * r + c]) / s;
            expected += -z * z / 2 - log(s) - 0.5 * log(2 * 3.14159265358979323846);
            mean[c] += z / ROWS;
            square[c] += z * z / ROWS;
            assert_true(rows->probability[2 * r + c] == rows->output[2 * r + c]);
        }
        assert_true(fabs(expected - (double)rows->logp[r]) < 1e-4);
        assert_true(rows->logp[r] == rows->again[r]);
    }
    for (int c = 0; c < 2; c++) /* within 4 standard errors */
        assert_true(fabs(mean[c]) < 4 / sqrt(ROWS) && fabs(square[c] - 1) < 4 * sqrt(2.0 / ROWS));
    free(rows);
}

static void check_grouping(const struct action_head *head, const float *log_std)
{
    struct rows *rows = make(head, 3);
    size_t A = (size_t)head->A, C = (size_t)head->C;
    action_head_sample(head, ROWS, rows->output, log_std, rows->available, rows->noise, &rows->action, rows->logp, NULL);
    for (size_t r = 0; r < ROWS; r++) {
        float alone;
        action_head_sample(head, 1, rows->output + r * A, log_std, rows->available + r * A, rows->noise + r * C, &rows->other,
                           &alone, NULL);
        assert_memory_equal(&rows->other, rows->action.choice + r * C, C * sizeof(int32_t));
        assert_true(alone == rows->logp[r]);
    }
    free(rows);
}

static void test_a_row_does_not_depend_on_its_batch(void **state)
{
    (void)state;
    const float log_std[2] = {0.1f, -1};
    const struct action_head single = action_head_discrete(6);
    check_grouping(&multi, NULL);
    check_grouping(&box, log_std);
    check_grouping(&single, NULL);
}

static void test_execution_maps_to_the_bounds_and_back(void **state)
{
    (void)state;
    struct spec spec = {.action = ACTION_BOX, .A = 2, .C = 2, .components = {{0, -1, 1}, {0, 0, 4}}};
    const float action[3][2] = {{-1, -1}, {1, 1}, {0.25f, 0}}, expected[3][2] = {{-1, 0}, {1, 4}, {0.25f, 2}};
    for (int i = 0; i < 3; i++) {
        float executed[2], back[2];
        action_head_execute(&spec, action[i], executed);
        action_head_from_executed(&spec, executed, back);
        for (int c = 0; c < 2; c++)
            assert_true(executed[c] == expected[i][c] && back[c] == action[i][c]);
    }
}

static void test_the_most_likely_action_is_the_best_that_is_available(void **state)
{
    (void)state;
    const float output[2][10] = {{1, 9, 3, 2, 0, 5, 6, 1, 1, 2}, {1, 9, 3, 2, 0, 5, 6, 1, 1, 2}}, mean[2][2] = {{0.5f, -2}, {3, 0}};
    const uint8_t available[2][10] = {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 0, 1, 1, 1, 1, 0, 1, 0, 0}};
    int32_t choice[2][3];
    float action[2][2];
    acting_most_likely(&multi, 2, &output[0][0], &available[0][0], choice);
    assert_memory_equal(choice, ((int32_t[2][3]){{1, 1, 2}, {2, 0, 0}}), sizeof choice);
    acting_most_likely(&box, 2, &mean[0][0], &available[0][0], action);
    assert_memory_equal(action, mean, sizeof mean);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_components_are_drawn_from_what_is_available),
        cmocka_unit_test(test_box_density_is_the_gaussian_one),
        cmocka_unit_test(test_a_row_does_not_depend_on_its_batch),
        cmocka_unit_test(test_the_most_likely_action_is_the_best_that_is_available),
        cmocka_unit_test(test_execution_maps_to_the_bounds_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
