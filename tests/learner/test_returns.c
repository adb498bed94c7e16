/* GAE, V-trace and normalisation: against float64 sums by definition (tests/golden/learner_golden.py), and what follows on paper. */
#include <stdbool.h>
#include <string.h>

#include "learner/returns.h"
#include "tests/golden_json.h"

#define LIMIT 1e-6

struct fixture {
    json_t *tree;
    struct returns_in in;
    real *reward, *value, *final_value, *ratio, *adv, *target;
    uint8_t *terminated, *truncated;
    double gamma, lambda, rho_bar, c_bar;
    size_t n;
};

static void setup(struct fixture *f)
{
    f->tree = golden_read("learner/returns");
    f->in = (struct returns_in){
        .B = (int)golden_number(f->tree, "B"), .T = (int)golden_number(f->tree, "T"), .N = (int)golden_number(f->tree, "N")};
    f->n = (size_t)(f->in.B * f->in.T * f->in.N);
    f->in.reward = f->reward = golden_reals(f->tree, "reward");
    f->in.value = f->value = golden_reals(f->tree, "value");
    f->in.final_value = f->final_value = golden_reals(f->tree, "final_value");
    f->in.terminated = f->terminated = golden_flags(f->tree, "terminated");
    f->in.truncated = f->truncated = golden_flags(f->tree, "truncated");
    f->ratio = golden_reals(f->tree, "ratio");
    f->adv = calloc(f->n, sizeof *f->adv);
    f->target = calloc(f->n, sizeof *f->target);
    f->gamma = golden_number(f->tree, "gamma");
    f->lambda = golden_number(f->tree, "lambda");
    f->rho_bar = golden_number(f->tree, "rho_bar");
    f->c_bar = golden_number(f->tree, "c_bar");
}

static void teardown(struct fixture *f)
{
    free(f->reward), free(f->value), free(f->final_value), free(f->ratio), free(f->adv), free(f->target);
    free(f->terminated), free(f->truncated);
    json_decref(f->tree);
}

static void test_gae_is_the_discounted_sum_of_deltas(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    assert_int_equal(gae_compute(&f.in, f.gamma, f.lambda, f.adv, f.target), 0);
    golden_compare("gae", f.adv, f.tree, "gae_adv", LIMIT);
    golden_compare("gae", f.target, f.tree, "gae_target", LIMIT);
    teardown(&f);
}

static void test_vtrace_is_the_corrected_sum_of_deltas(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    assert_int_equal(vtrace_compute(&f.in, f.ratio, f.gamma, f.lambda, f.rho_bar, f.c_bar, f.adv, f.target), 0);
    golden_compare("vtrace", f.adv, f.tree, "vtrace_adv", LIMIT);
    golden_compare("vtrace", f.target, f.tree, "vtrace_target", LIMIT);
    teardown(&f);
}

static void test_vtrace_with_ratio_one_has_the_targets_of_gae(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    real *adv = calloc(f.n, sizeof *adv), *target = calloc(f.n, sizeof *target);
    for (size_t i = 0; i < f.n; i++)
        f.ratio[i] = 1;
    assert_int_equal(gae_compute(&f.in, f.gamma, f.lambda, f.adv, f.target), 0);
    assert_int_equal(vtrace_compute(&f.in, f.ratio, f.gamma, f.lambda, 1, 1, adv, target), 0);
    for (size_t i = 0; i < f.n; i++)
        assert_float_equal(target[i], f.target[i], 1e-5);
    assert_int_equal(gae_compute(&f.in, f.gamma, 1, f.adv, f.target), 0); /* with lambda 1 the advantages are equal as well */
    assert_int_equal(vtrace_compute(&f.in, f.ratio, f.gamma, 1, 1, 1, adv, target), 0);
    for (size_t i = 0; i < f.n; i++)
        assert_float_equal(adv[i], f.adv[i], 1e-5);
    free(adv), free(target);
    teardown(&f);
}

/* Three steps of reward 1, values 10, what follows is worth 100: by hand, for each way in which step 1 can end. */
static void test_what_ends_a_step_decides_what_it_bootstraps_from(void **state)
{
    (void)state;
    const real reward[3] = {1, 1, 1}, value[4] = {10, 10, 10, 100}, final_value[3] = {0, 50, 0};
    const struct {
        uint8_t terminated, truncated;
        double delta;
    } cases[] = {{0, 0, 1 + 0.5 * 10 - 10}, {1, 0, 1 - 10}, {0, 1, 1 + 0.5 * 50 - 10}};
    for (size_t c = 0; c < 3; c++) {
        const uint8_t terminated[3] = {0, cases[c].terminated, 0}, truncated[3] = {0, cases[c].truncated, 0};
        const struct returns_in in = {1, 3, 1, reward, value, final_value, terminated, truncated};
        bool ends = cases[c].terminated || cases[c].truncated;
        double a2 = 1 + 0.5 * 100 - 10, a1 = cases[c].delta + (ends ? 0 : 0.5 * 0.5 * a2), a0 = 1 + 0.5 * 10 - 10 + 0.5 * 0.5 * a1;
        real adv[3], target[3];
        assert_int_equal(gae_compute(&in, 0.5, 0.5, adv, target), 0);
        assert_float_equal(adv[2], a2, 1e-5);
        assert_float_equal(adv[1], a1, 1e-5);
        assert_float_equal(adv[0], a0, 1e-5);
        assert_float_equal(target[1], a1 + 10, 1e-5);
    }
}

static void test_an_exact_critic_leaves_no_advantage(void **state)
{
    (void)state;
    real reward[50], value[51], adv[50], target[50];
    const real final_value[50] = {0};
    uint8_t terminated[50] = {0}, truncated[50] = {0};
    terminated[49] = 1;
    value[50] = 123; /* of another episode */
    for (int t = 49; t >= 0; t--) {
        reward[t] = (real)(t % 3);
        value[t] = reward[t] + (t == 49 ? 0 : (real)0.9 * value[t + 1]);
    }
    const struct returns_in in = {1, 50, 1, reward, value, final_value, terminated, truncated};
    assert_int_equal(gae_compute(&in, 0.9, 0.95, adv, target), 0);
    for (int t = 0; t < 50; t++) {
        assert_float_equal(adv[t], 0, 1e-4);
        assert_float_equal(target[t], value[t], 1e-4);
    }
}

static void test_rates_out_of_range_leave_outputs_untouched(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    const double bad[][4] = {{-0.1, 0.9, 1, 1}, {1.1, 0.9, 1, 1}, {0.9, -1, 1, 1},
                             {0.9, 2, 1, 1},    {NAN, 0.9, 1, 1}, {0.9, NAN, 1, 1}};
    const double bad_ceilings[][2] = {{0, 1}, {1, 0}, {-1, 1}, {NAN, 1}};
    for (size_t i = 0; i < f.n; i++)
        f.adv[i] = f.target[i] = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(gae_compute(&f.in, bad[i][0], bad[i][1], f.adv, f.target), ERR_RANGE);
        assert_int_equal(vtrace_compute(&f.in, f.ratio, bad[i][0], bad[i][1], 1, 1, f.adv, f.target), ERR_RANGE);
    }
    for (size_t i = 0; i < sizeof bad_ceilings / sizeof *bad_ceilings; i++)
        assert_int_equal(vtrace_compute(&f.in, f.ratio, 0.9, 0.9, bad_ceilings[i][0], bad_ceilings[i][1], f.adv, f.target),
                         ERR_RANGE);
    for (size_t i = 0; i < f.n; i++)
        assert_true(f.adv[i] == 7 && f.target[i] == 7);
    teardown(&f);
}

static void test_normalisation_uses_the_counted_rows_and_scales_all(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    uint8_t *counts = golden_flags(f.tree, "counts");
    real *adv = golden_reals(f.tree, "gae_adv32");
    advantage_normalise((int)f.n, counts, adv);
    golden_compare("", adv, f.tree, "normalised", LIMIT);
    free(adv), free(counts);
    teardown(&f);
}

static void test_normalisation_without_rows_or_spread(void **state)
{
    (void)state;
    const uint8_t none[3] = {0, 0, 0}, all[3] = {1, 1, 1};
    real adv[3] = {1, 2, 3}, equal[3] = {5, 5, 5};
    advantage_normalise(3, none, adv);
    assert_true(adv[0] == 1 && adv[1] == 2 && adv[2] == 3);
    advantage_normalise(3, all, equal);
    assert_true(equal[0] == 0 && equal[1] == 0 && equal[2] == 0);
    advantage_normalise(0, all, adv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gae_is_the_discounted_sum_of_deltas),
        cmocka_unit_test(test_vtrace_is_the_corrected_sum_of_deltas),
        cmocka_unit_test(test_vtrace_with_ratio_one_has_the_targets_of_gae),
        cmocka_unit_test(test_what_ends_a_step_decides_what_it_bootstraps_from),
        cmocka_unit_test(test_an_exact_critic_leaves_no_advantage),
        cmocka_unit_test(test_rates_out_of_range_leave_outputs_untouched),
        cmocka_unit_test(test_normalisation_uses_the_counted_rows_and_scales_all),
        cmocka_unit_test(test_normalisation_without_rows_or_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
