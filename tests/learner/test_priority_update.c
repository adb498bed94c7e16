/* Methods that replay by priority: whole updates of QMIX and MADDPG against float64 (tests/golden/priority_golden.py), through draws, weights
 * and errors that go back to the replay; and that priorities are learning state. */
#include <math.h>

#include "tests/learner/golden_update.h"

static const char *const cases[] = {"learner/priority_qmix", "learner/priority_maddpg", "learner/priority_romq_qmix",
                                    "learner/priority_romq_maddpg_box"};

enum { HELD = 7 }; /* replay.episodes of all cases; 6 come in at an update */

static double reported(const struct report *report, const char *name)
{
    for (int i = 0; i < report->count; i++)
        if (!strcmp(report->entries[i].name, name))
            return report->entries[i].value;
    fail_msg("%s is not reported", name);
    return 0;
}

static struct report train(struct fixture *f, int updates)
{
    struct report report = {0};
    for (int u = 0; u < updates; u++) {
        report.count = 0;
        trainer_update(f->trainer, f->batch, &report);
        for (int l = 0; l < f->n_lanes; l++)
            f->t[l].slice++;
    }
    return report;
}

/* ---- numbers ---- */

static void check_priorities(const struct fixture *f, const struct safetensors *file)
{
    const struct tensor *tensor = safetensors_find(file, "replay/priorities");
    assert_non_null(tensor);
    assert_int_equal(tensor->bytes, (1 + HELD) * sizeof(double));
    assert_int_equal(golden_count(f->tree, "priorities"), 1 + HELD);
    for (size_t i = 0; i <= HELD; i++)
        golden_compare_number("priorities", ((const double *)tensor->data)[i], golden_at(f->tree, "priorities", i), 1e-5);
}

static void check_updates(const char *name)
{
    struct fixture f;
    const char *key;
    json_t *value;
    setup(&f, name);
    struct report report = train(&f, 2);
    json_object_foreach(json_object_get(f.tree, "report"), key, value)
        golden_compare_number(key, reported(&report, key), json_number_value(value), 1e-5);
    struct safetensors *file = saved(&f);
    check_priorities(&f, file);
    json_object_foreach(json_object_get(f.tree, "result"), key, value)
    {
        bool has_adam = !strcmp(key, "adversary"); /* whatever the backbone's optimiser is */
        if (strncmp(key, "target/", 7))
            compare_net(&f, file, key, has_adam ? "m" : json_string_value(json_object_get(f.tree, "moment")), 1e-5);
        else
            compare_weights(&f, file, key, 1e-5);
    }
    safetensors_destroy(&file);
    teardown(&f);
}

static void test_qmix_updates_of_episodes_drawn_by_priority(void **state)
{
    (void)state;
    check_updates(cases[0]);
}

static void test_maddpg_updates_of_episodes_drawn_by_priority(void **state)
{
    (void)state;
    check_updates(cases[1]);
}

/* ROM-Q's adversary learns from the same draws, and its squares have the episodes' weights. */
static void test_romq_updates_of_episodes_drawn_by_priority(void **state)
{
    (void)state;
    check_updates(cases[2]);
    check_updates(cases[3]);
}

/* ---- learning state ---- */

static void test_any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    static const char *const threads[][2] = {{"learner.threads=1", NULL}, {"learner.threads=2", NULL}, {"learner.threads=8", NULL}};
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        struct hash hash[ARRAY_LEN(threads)];
        for (size_t k = 0; k < ARRAY_LEN(threads); k++) {
            struct fixture f;
            setup_with(&f, cases[c], threads[k]);
            train(&f, 6);
            hash[k] = hash_of(&f);
            teardown(&f);
            assert_true(hash_equal(hash[k], hash[0]));
        }
    }
}

/* After every number of updates, before the ring is full and after it wrapped. */
static void test_restored_priorities_go_on_bit_for_bit(void **state)
{
    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(cases); c++)
        for (int before = 1; before <= 6; before++) {
            struct fixture f, g;
            struct err err = {""};
            setup(&f, cases[c]);
            setup(&g, cases[c]);
            train(&f, before);
            train(&g, 1); /* other errors, which have to go */
            struct safetensors *middle = saved(&f);
            if (trainer_load(g.trainer, middle, &err))
                fail_msg("%s", err.text);
            for (int l = 0; l < g.n_lanes; l++)
                g.t[l].slice = f.t[l].slice;
            assert_true(hash_equal(hash_of(&g), checkpoint_hash(middle)));
            train(&f, 3);
            train(&g, 3);
            assert_true(hash_equal(hash_of(&g), hash_of(&f)));
            safetensors_destroy(&middle);
            teardown(&f);
            teardown(&g);
        }
}

/* The same file with its priorities replaced, or left out where they are NULL. */
static struct safetensors *with_priorities(const struct safetensors *old, const double *priorities)
{
    struct safetensors *file;
    struct err err = {""};
    assert_int_equal(safetensors_create(&file), 0);
    for (int i = 0; i < safetensors_count(old); i++) {
        const struct tensor *tensor = safetensors_at(old, i);
        bool is_it = !strcmp(tensor->name, "replay/priorities");
        if ((!is_it || priorities) && safetensors_add(file, tensor->name, tensor->type, tensor->n_dims, tensor->shape,
                                                      is_it ? (const void *)priorities : tensor->data, &err))
            fail_msg("%s", err.text);
    }
    return file;
}

static void test_priorities_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    setup(&f, cases[0]);
    train(&f, 2);
    struct safetensors *good = saved(&f);
    const double bad[] = {NAN, -1, INFINITY, 1e6};
    double numbers[1 + HELD];
    for (size_t k = 0; k <= ARRAY_LEN(bad); k++) {
        memcpy(numbers, safetensors_find(good, "replay/priorities")->data, sizeof numbers);
        if (k < ARRAY_LEN(bad))
            numbers[3] = bad[k];
        struct safetensors *file = with_priorities(good, k < ARRAY_LEN(bad) ? numbers : NULL);
        assert_int_equal(trainer_load(f.trainer, file, &err), ERR_MISMATCH);
        assert_non_null(strstr(err.text, "replay/priorities"));
        assert_true(hash_equal(hash_of(&f), checkpoint_hash(good)));
        safetensors_destroy(&file);
    }
    memset(numbers, 0, sizeof numbers);
    struct safetensors *file = with_priorities(good, numbers);
    assert_int_equal(trainer_load(f.trainer, file, &err), ERR_MISMATCH);
    safetensors_destroy(&file);
    safetensors_destroy(&good);
    teardown(&f);
}

static void test_uniform_recipe_does_not_go_on_from_priorities(void **state)
{
    (void)state;
    static const char *const uniform[] = {"replay.priority=uniform", NULL};
    struct fixture f, g;
    struct err err = {""};
    setup(&f, cases[0]);
    train(&f, 1);
    struct safetensors *file = saved(&f), *without;
    setup_with(&g, cases[0], uniform);
    assert_int_equal(trainer_load(g.trainer, file, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.text, "replay.priority"));
    train(&g, 1);
    without = saved(&g);
    assert_null(safetensors_find(without, "replay/priorities"));
    safetensors_destroy(&file);
    safetensors_destroy(&without);
    teardown(&f);
    teardown(&g);
}

static void test_errors_of_a_skipped_update_are_not_taken(void **state)
{
    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        struct fixture f;
        setup(&f, cases[c]);
        for (int l = 0; l < f.n_lanes; l++)
            ((float *)lane_column(&f, l, "reward"))[0] = INFINITY;
        struct report report = train(&f, 1);
        assert_true(reported(&report, "skipped") > 0);
        struct safetensors *file = saved(&f);
        const double *numbers = safetensors_find(file, "replay/priorities")->data;
        for (int i = 0; i <= 6; i++)
            assert_true(numbers[i] == 1);
        safetensors_destroy(&file);
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qmix_updates_of_episodes_drawn_by_priority),
        cmocka_unit_test(test_maddpg_updates_of_episodes_drawn_by_priority),
        cmocka_unit_test(test_romq_updates_of_episodes_drawn_by_priority),
        cmocka_unit_test(test_any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(test_restored_priorities_go_on_bit_for_bit),
        cmocka_unit_test(test_priorities_that_cannot_be_are_refused),
        cmocka_unit_test(test_uniform_recipe_does_not_go_on_from_priorities),
        cmocka_unit_test(test_errors_of_a_skipped_update_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
