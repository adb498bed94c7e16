/* Whole updates of EIR-MAPPO, MAPPO, MIR3 and ERNIE against float64 (tests/golden/learner_golden.py): advantages, losses, gradients, Adam steps and the
 * value normaliser, from a batch that is made up. A gradient is seen through Adam's first moment: 0.1 of it after one step. */
#include "tests/learner/golden_update.h"

static void compare_report(const struct fixture *f, const struct report *report, double limit)
{
    const char *name;
    json_t *expected;
    json_object_foreach(json_object_get(f->tree, "report"), name, expected)
    {
        int found = -1;
        for (int i = 0; i < report->count; i++)
            if (!strcmp(report->entries[i].name, name))
                found = i;
        if (found < 0)
            fail_msg("%s is not reported", name);
        /* A policy loss is a sum of normalised advantages, of size 1, that nearly cancel: its error is held against theirs. */
        double got = report->entries[found].value, want = json_number_value(expected);
        if (!strcmp(name, "policy/loss") && fabs(want) < 0.1) {
            if (!(fabs(got - want) <= limit * 0.1))
                fail_msg("%s: got %.9g, expected %.9g", name, got, want);
            continue;
        }
        golden_compare_number(name, got, want, limit);
    }
}

static void check_update(const char *name, double limit)
{
    struct fixture f;
    struct report report = {0};
    struct safetensors *file;
    const char *net;
    json_t *unused;
    setup(&f, name);
    trainer_update(f.trainer, f.batch, &report);
    compare_report(&f, &report, limit);
    assert_int_equal(safetensors_create(&file), 0);
    assert_int_equal(trainer_save(f.trainer, file, NULL), 0);
    json_object_foreach(json_object_get(f.tree, "result"), net, unused) compare_net(&f, file, net, "m", limit);
    const double *norm = safetensors_find(file, "norms/value")->data;
    for (size_t k = 0; k < 4; k++)
        golden_compare_number("normaliser", norm[k], golden_at(f.tree, "norm_result", k), limit);
    safetensors_destroy(&file);
    teardown(&f);
}

static void test_eir_update_of_one_epoch(void **state)
{
    (void)state;
    check_update("learner/eir_one_epoch", 1e-5);
}

static void test_eir_update_of_three_epochs_with_clipped_norms(void **state)
{
    (void)state;
    check_update("learner/eir_three_epochs", 1e-4); /* rounding of the first steps is part of the later ones */
}

static void test_mappo_update_with_vtrace_and_joint_state(void **state)
{
    (void)state;
    check_update("learner/mappo_async", 1e-5);
}

/* The estimator's step, its bound with an interval, and the update on the rewards that it leaves. */
static void test_mir3_update_on_mappo(void **state)
{
    (void)state;
    check_update("learner/mir3_mappo", 1e-5);
}

/* The same with mi.masks: the dead and what is not available take no part. */
static void test_mir3_update_on_mappo_with_masks(void **state)
{
    (void)state;
    check_update("learner/mir3_mappo_masks", 1e-5);
}

static void test_ernie_update_on_mappo(void **state)
{
    (void)state;
    check_update("learner/ernie_mappo", 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eir_update_of_one_epoch),
        cmocka_unit_test(test_eir_update_of_three_epochs_with_clipped_norms),
        cmocka_unit_test(test_mappo_update_with_vtrace_and_joint_state),
        cmocka_unit_test(test_mir3_update_on_mappo),
        cmocka_unit_test(test_mir3_update_on_mappo_with_masks),
        cmocka_unit_test(test_ernie_update_on_mappo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
