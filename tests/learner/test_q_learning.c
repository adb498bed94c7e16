/* Whole updates of VDN, QMIX, QPLEX and MADDPG against float64 (tests/golden/off_policy_golden.py): loss, targets, gradients through the optimiser's moments,
 * weights and targets afterwards; and what the replay they stand on promises. */
#include "tests/learner/off_policy_update.h"

static void test_qmix_update_with_published_rules(void **state)
{
    (void)state;
    check_update("learner/qmix");
}

static void test_qmix_update_with_adam_and_soft_targets_on_observations(void **state)
{
    (void)state;
    check_update("learner/qmix_soft");
}

static void test_qmix_update_where_time_limits_end_episodes(void **state)
{
    (void)state;
    check_update("learner/qmix_limits");
}

static void test_vdn_update(void **state)
{
    (void)state;
    check_update("learner/vdn");
}

static void test_qplex_update_with_published_rules(void **state)
{
    (void)state;
    check_update("learner/qplex");
}

static void test_qplex_update_with_deep_attention_on_normalised_observations(void **state)
{
    (void)state;
    check_update("learner/qplex_deep");
}

static void test_maddpg_update_of_choices(void **state)
{
    (void)state;
    check_update("learner/maddpg");
}

static void test_maddpg_update_of_real_numbers(void **state)
{
    (void)state;
    check_update("learner/maddpg_box");
}

/* The estimator's step on a ring of the newest steps, its bound with an interval that counts episodes, and the update on what it leaves of the
 * rewards: of the joint state, of each agent's recurrent state or observation, of real numbers. */
static void test_mir3_updates_on_replay(void **state)
{
    (void)state;
    check_update("learner/mir3_qmix");
    check_update("learner/mir3_vdn_hidden");
    check_update("learner/mir3_maddpg");
    check_update("learner/mir3_maddpg_box");
}

static void next_slice(struct fixture *f)
{
    for (int l = 0; l < f->n_lanes; l++)
        f->t[l].slice++;
}

/* A trainer restored from a checkpoint goes on as the one that wrote it, after the replay has wrapped, too. */
static void test_restored_replay_goes_on_bit_for_bit(void **state)
{
    (void)state;
    struct fixture f, g;
    struct report report;
    struct err err = {""};
    setup(&f, "learner/vdn");
    setup(&g, "learner/vdn");
    for (int u = 0; u < 5; u++) { /* 30 episodes into a ring of 20 */
        report.count = 0;
        trainer_update(f.trainer, f.batch, &report);
        next_slice(&f);
        next_slice(&g);
    }
    struct safetensors *middle = saved(&f);
    if (trainer_load(g.trainer, middle, &err))
        fail_msg("%s", err.text);
    for (int u = 0; u < 4; u++) {
        report.count = 0;
        trainer_update(f.trainer, f.batch, &report);
        report.count = 0;
        trainer_update(g.trainer, g.batch, &report);
        next_slice(&f);
        next_slice(&g);
    }
    struct safetensors *one = saved(&f), *two = saved(&g);
    assert_true(hash_equal(checkpoint_hash(one), checkpoint_hash(two)));
    assert_false(hash_equal(checkpoint_hash(one), checkpoint_hash(middle)));
    safetensors_destroy(&middle);
    safetensors_destroy(&one);
    safetensors_destroy(&two);
    teardown(&f);
    teardown(&g);
}

static void test_episode_with_a_slice_missing_is_left_out(void **state)
{
    (void)state;
    struct fixture f;
    struct report report = {0};
    setup(&f, "learner/vdn");
    trainer_update(f.trainer, f.batch, &report);
    assert_int_equal(reported(&report, "replay/episodes"), 6);
    f.t[1].slice = 2; /* lane 1 was one step into an episode; what follows begins an episode of its own */
    f.t[0].slice = f.t[2].slice = 1;
    report.count = 0;
    trainer_update(f.trainer, f.batch, &report);
    assert_int_equal(reported(&report, "replay/episodes"), 12);
    int32_t *episode_step = (int32_t *)lane_column(&f, 1, "episode_step");
    episode_step[0] = 1, episode_step[1] = 2; /* its first episode goes on from a step that never came */
    for (int l = 0; l < f.n_lanes; l++)
        f.t[l].slice = 5;
    report.count = 0;
    trainer_update(f.trainer, f.batch, &report);
    assert_int_equal(reported(&report, "replay/episodes"), 17);
    assert_int_equal(reported(&report, "replay/left_out"), 1);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qmix_update_with_published_rules),
        cmocka_unit_test(test_qmix_update_with_adam_and_soft_targets_on_observations),
        cmocka_unit_test(test_qmix_update_where_time_limits_end_episodes),
        cmocka_unit_test(test_vdn_update),
        cmocka_unit_test(test_qplex_update_with_published_rules),
        cmocka_unit_test(test_qplex_update_with_deep_attention_on_normalised_observations),
        cmocka_unit_test(test_maddpg_update_of_choices),
        cmocka_unit_test(test_maddpg_update_of_real_numbers),
        cmocka_unit_test(test_mir3_updates_on_replay),
        cmocka_unit_test(test_restored_replay_goes_on_bit_for_bit),
        cmocka_unit_test(test_episode_with_a_slice_missing_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
