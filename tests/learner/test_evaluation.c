/* Evaluations: every threat on the same episodes, every answer counted once, returns where they belong. */
#include <math.h>

#include "learner/evaluation.h"
#include "tests/learner/local_learner.h"

static struct evaluation *must_create(const char *threats, int64_t episodes, int64_t per_task, int N)
{
    struct evaluation *evaluation = NULL;
    struct err err = {""};
    if (evaluation_create(&evaluation, threats, episodes, per_task, N, 9, &err))
        fail_msg("%s", err.text);
    return evaluation;
}

/* An answer to task i in which every episode returned `value`, and every second one succeeded. */
static bool answer(struct evaluation *evaluation, int i, float value, int episodes)
{
    struct order order;
    float returns[64];
    uint8_t success[64];
    evaluation_task(evaluation, i, &order);
    struct trajectory t = {.purpose = ORDER_EVALUATE, .lane = order.lane, .slice = order.slice, .episodes = episodes};
    struct batch_view view = {.record_return = returns, .record_success = success, .episodes = episodes};
    for (int e = 0; e < episodes; e++) {
        returns[e] = value;
        success[e] = e % 2 == 0;
    }
    return evaluation_take(evaluation, &t, &view);
}

static void test_tasks_pair_the_same_lanes_under_every_threat(void **state)
{
    (void)state;
    struct evaluation *evaluation = must_create("clean,random,pgd:0.5", 20, 5, 3);
    static const char *const threats[] = {"clean", "random", "random", "random", "pgd:0.5", "pgd:0.5", "pgd:0.5"};
    static const int victims[] = {-1, 0, 1, 2, 0, 1, 2};
    assert_int_equal(evaluation_tasks(evaluation), 7 * 4);
    for (int i = 0; i < 28; i++) {
        struct order order;
        evaluation_task(evaluation, i, &order);
        assert_int_equal(order.purpose, ORDER_EVALUATE);
        assert_int_equal(order.lane, i % 4);
        assert_int_equal(order.episodes, 5);
        assert_int_equal(order.victim, victims[i / 4]);
        assert_string_equal(order.threat, threats[i / 4]);
    }
    evaluation_destroy(&evaluation);
    assert_null(evaluation);
}

/* "@all" has one row and no victim; it counts as attacked, not as clean. */
static void test_threats_on_everybody_have_no_victim(void **state)
{
    (void)state;
    struct evaluation *evaluation = must_create("clean,noise:0.3@all,random", 5, 5, 2);
    struct order order;
    double clean, mean, lowest;
    assert_int_equal(evaluation_tasks(evaluation), 4);
    evaluation_task(evaluation, 1, &order);
    assert_string_equal(order.threat, "noise:0.3@all");
    assert_int_equal(order.victim, -1);
    assert_false(evaluation_needs_adversary(evaluation));
    for (int i = 0; i < 4; i++)
        assert_true(answer(evaluation, i, (float)(4 - i), 5));
    evaluation_summary(evaluation, &clean, &mean, &lowest);
    assert_float_equal(clean, 4, 0);
    assert_float_equal(mean, 2, 1e-12);
    assert_float_equal(lowest, 1, 0);
    evaluation_destroy(&evaluation);
    evaluation = must_create("learned@all", 5, 5, 2);
    assert_true(evaluation_needs_adversary(evaluation));
    evaluation_destroy(&evaluation);
}

static void test_episodes_round_up_to_whole_tasks(void **state)
{
    (void)state;
    struct evaluation *evaluation = must_create("clean", 11, 5, 2);
    assert_int_equal(evaluation_tasks(evaluation), 3);
    evaluation_destroy(&evaluation);
    evaluation = must_create("clean", 3, 10, 2);
    struct order order;
    assert_int_equal(evaluation_tasks(evaluation), 1);
    evaluation_task(evaluation, 0, &order);
    assert_int_equal(order.episodes, 3);
    evaluation_destroy(&evaluation);
}

static void test_answers_count_once_and_only_when_they_fit(void **state)
{
    (void)state;
    struct evaluation *evaluation = must_create("clean,random", 10, 5, 2);
    struct order order;
    float returns[5] = {0};
    uint8_t success[5] = {0};
    struct batch_view view = {.record_return = returns, .record_success = success, .episodes = 5};
    evaluation_task(evaluation, 0, &order);
    const struct trajectory good = {.purpose = ORDER_EVALUATE, .lane = order.lane, .slice = order.slice, .episodes = 5};
    struct trajectory bad = good;
    bad.slice += 1ull << 32; /* of another evaluation */
    assert_false(evaluation_take(evaluation, &bad, &view));
    bad = good;
    bad.slice += 3; /* no such row */
    assert_false(evaluation_take(evaluation, &bad, &view));
    bad = good;
    bad.slice |= 0x80000000u;
    assert_false(evaluation_take(evaluation, &bad, &view));
    bad = good;
    bad.lane = 2;
    assert_false(evaluation_take(evaluation, &bad, &view));
    bad.lane = -1;
    assert_false(evaluation_take(evaluation, &bad, &view));
    view.episodes = 4;
    assert_false(evaluation_take(evaluation, &good, &view));
    assert_int_equal(evaluation_left(evaluation), 6);
    for (int i = 0; i < 6; i++) {
        assert_false(evaluation_is_done(evaluation));
        assert_true(answer(evaluation, i, 1, 5));
        assert_false(answer(evaluation, i, 2, 5));
        assert_int_equal(evaluation_left(evaluation), 5 - i);
    }
    assert_true(evaluation_is_done(evaluation));
    evaluation_destroy(&evaluation);
}

static void test_summary_and_results(void **state)
{
    (void)state;
    struct evaluation *evaluation = must_create("clean,random,learned", 10, 5, 2);
    static const float values[5] = {10, 4, 6, 1, 5};
    double clean, mean, lowest;
    for (int i = 0; i < evaluation_tasks(evaluation); i++)
        assert_true(answer(evaluation, i, values[i / 2], 5));
    evaluation_summary(evaluation, &clean, &mean, &lowest);
    assert_float_equal(clean, 10, 1e-9);
    assert_float_equal(mean, 4, 1e-9);
    assert_float_equal(lowest, 1, 1e-9);
    struct results *results;
    assert_int_equal(results_create(&results), 0);
    assert_int_equal(evaluation_results(evaluation, results, 1234, NULL), 0);
    assert_int_equal(results->count, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(results->rows[i].episodes, 10);
        assert_float_equal(results->rows[i].mean, values[i], 1e-9);
        assert_float_equal(results->rows[i].success, 0.6, 1e-9);
        assert_int_equal(results->rows[i].attack_steps, i >= 3 ? 1234 : 0);
    }
    results_destroy(&results);
    evaluation_destroy(&evaluation);
}

static void test_summary_without_clean_or_attacked_rows_is_nan(void **state)
{
    (void)state;
    double clean, mean, lowest;
    struct evaluation *evaluation = must_create("random", 1, 1, 2);
    assert_true(answer(evaluation, 0, 3, 1) && answer(evaluation, 1, 5, 1));
    evaluation_summary(evaluation, &clean, &mean, &lowest);
    assert_true(isnan(clean) && mean == 4 && lowest == 3);
    evaluation_destroy(&evaluation);
    evaluation = must_create("clean", 1, 1, 2);
    evaluation_summary(evaluation, &clean, &mean, &lowest);
    assert_true(clean == 0 && isnan(mean) && isnan(lowest));
    evaluation_destroy(&evaluation);
}

static void test_bad_lists_of_threats_are_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {"clean,,random", ",", "a threat whose name is longer than thirty-one letters"};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct evaluation *evaluation = NULL;
        struct err err = {""};
        assert_int_equal(evaluation_create(&evaluation, lists[i], 1, 1, 2, 1, &err), ERR_INVALID);
        assert_null(evaluation);
        assert_true(err.text[0]);
    }
}

static void test_it_says_when_it_needs_a_trained_adversary(void **state)
{
    (void)state;
    static const struct {
        const char *threats;
        bool needs;
    } cases[] = {{"clean", false}, {"clean,random,greedy", false}, {"clean,learned", true}, {"random,pgd:0.5", true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct evaluation *evaluation = must_create(cases[i].threats, 1, 1, 2);
        assert_int_equal(evaluation_needs_adversary(evaluation), cases[i].needs);
        evaluation_destroy(&evaluation);
    }
    struct local_run run;
    open_run(&run, ARGUMENTS("env.name=matrix", SMALL_NETS), NULL);
    assert_false(trainer_has_adversary(run.trainer));
    close_run(&run);
    open_run(&run, ARGUMENTS("env.name=matrix", "learner.algorithm=eir-mappo", SMALL_NETS), NULL);
    assert_true(trainer_has_adversary(run.trainer));
    close_run(&run);
    open_run(
        &run,
        ARGUMENTS("env.name=matrix", "learner.algorithm=worst-case", "partition.kind=by-lane", "attack.threat=learned", SMALL_NETS),
        NULL);
    assert_true(trainer_has_adversary(run.trainer));
    close_run(&run);
}

/* Real answers of a rollout; the scripted convention of the matrix game returns 100, and about 50 beside a random agent. */
static void test_answers_of_a_rollout_are_taken(void **state)
{
    (void)state;
    struct local_run run;
    struct evaluation *evaluation = must_create("clean,random,greedy", 40, 10, 2);
    open_run(&run, ARGUMENTS("env.name=matrix", "rollout.defender=convention", "rollout.lanes=2", "rollout.steps=20", SMALL_NETS),
             NULL);
    struct orders_group *group = new_group(run.rollout, evaluation_tasks(evaluation));
    struct weights *weights;
    double clean, mean, lowest;
    assert_int_equal(trainer_weights(run.trainer, (struct weights_version){1, 1}, &weights, NULL), 0);
    for (int i = 0; i < group->count; i++)
        evaluation_task(evaluation, i, &group->order[i]);
    for (int first = 0; first < group->count; first += 4)
        must_run(run.rollout, weights, group, first, 4);
    for (int i = 0; i < group->count; i++) {
        struct batch_view view;
        assert_int_equal(batch_check(trainer_batch(run.trainer), &group->t[i], NULL), 0);
        batch_map(trainer_batch(run.trainer), &group->t[i], &view);
        assert_true(evaluation_take(evaluation, &group->t[i], &view));
    }
    evaluation_summary(evaluation, &clean, &mean, &lowest);
    assert_float_equal(clean, 100, 1e-6);
    assert_float_equal(lowest, 0, 1e-6);
    assert_float_equal(mean, 25, 3); /* random 50 twice, greedy 0 twice */
    weights_unref(&weights);
    free_group(&group);
    evaluation_destroy(&evaluation);
    close_run(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_pair_the_same_lanes_under_every_threat),
        cmocka_unit_test(test_threats_on_everybody_have_no_victim),
        cmocka_unit_test(test_episodes_round_up_to_whole_tasks),
        cmocka_unit_test(test_answers_count_once_and_only_when_they_fit),
        cmocka_unit_test(test_summary_and_results),
        cmocka_unit_test(test_summary_without_clean_or_attacked_rows_is_nan),
        cmocka_unit_test(test_bad_lists_of_threats_are_refused),
        cmocka_unit_test(test_it_says_when_it_needs_a_trained_adversary),
        cmocka_unit_test(test_answers_of_a_rollout_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
