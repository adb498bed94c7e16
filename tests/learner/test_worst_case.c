/* Worst-case attacks: a learned adversary finds what is known to be the worst of the scripted teams of the matrix game, touches
 * nothing that is frozen, and keeps its victims apart. */
#include <math.h>

#include "tests/learner/local_learner.h"

#define ATTACK                                                                                                               \
    "env.name=matrix", "rollout.lanes=8", "rollout.steps=100", "partition.kind=by-lane", "attack.threat=learned",            \
        "learner.algorithm=worst-case", "learner.hidden=16", "learner.depth=1", "learner.lr=5e-3", "learner.critic_lr=5e-3", \
        "learner.clip=0.2", "learner.epochs=4", "learner.critic_epochs=4"

/* Mean return of each victim's attacked episodes in the newest rollout. */
static void attacked_returns(struct local_run *run, double returns[2])
{
    int count[2] = {0};
    returns[0] = returns[1] = 0;
    for (int l = 0; l < run->lanes; l++) {
        const struct trajectory *t = &run->group->t[l];
        int victim = l % 2;
        for (int e = 0; e < t->episodes; e++) {
            assert_int_equal(COLUMN(run->rollout, t, int64_t, record_partition)[e], 1 << victim);
            returns[victim] += (double)COLUMN(run->rollout, t, float, record_return)[e];
            count[victim]++;
        }
    }
    for (int v = 0; v < 2; v++)
        returns[v] /= count[v];
}

/* Mean over the last `window` of `updates` updates. Trajectories may be handed over backwards, as they might arrive in async mode. */
static void attack(struct local_run *run, int updates, int window, bool is_backwards, double mean[2])
{
    mean[0] = mean[1] = 0;
    for (int u = 0; u < updates; u++) {
        const struct trajectory *batch[LOCAL_ORDERS_MAX];
        double returns[2];
        roll_out(run);
        attacked_returns(run, returns);
        for (int l = 0; l < run->lanes; l++)
            batch[l] = &run->group->t[is_backwards ? run->lanes - 1 - l : l];
        run->report.count = 0;
        trainer_update(run->trainer, batch, &run->report);
        for (int v = 0; v < 2 && u >= updates - window; v++)
            mean[v] += returns[v] / window;
    }
}

static void check_script(const char *defender, const char *mode, bool is_backwards, double expected, double limit)
{
    struct local_run run;
    double mean[2];
    open_run(&run, ARGUMENTS(ATTACK, defender, mode), NULL);
    attack(&run, 60, 10, is_backwards, mean);
    for (int v = 0; v < 2; v++)
        if (fabs(mean[v] - expected) > limit)
            fail_msg("%s %s victim %d: got %.2f, expected %.1f", defender, mode, v, mean[v], expected);
    close_run(&run);
}

static void test_a_convention_falls_to_nothing(void **state)
{
    (void)state;
    check_script("rollout.defender=convention", "run.mode=sync", false, 0, 3);
}

static void test_a_team_that_stops_trusting_keeps_half(void **state)
{
    (void)state;
    check_script("rollout.defender=until-broken", "run.mode=sync", false, 49.5, 3);
}

/* The targets that a victim's normaliser takes in are built on its critic's values of the attacked rows, wherever these lie. */
static void test_order_of_arrival_does_not_matter_to_whom_is_attacked(void **state)
{
    (void)state;
    struct local_run forwards, backwards;
    double unused[2];
    open_run(&forwards, ARGUMENTS(ATTACK, "rollout.defender=uniform", "run.mode=async"), NULL);
    open_run(&backwards, ARGUMENTS(ATTACK, "rollout.defender=uniform", "run.mode=async"), NULL);
    attack(&forwards, 1, 1, false, unused);
    attack(&backwards, 1, 1, true, unused);
    struct safetensors *a = saved(&forwards), *b = saved(&backwards);
    for (int v = 0; v < 2; v++) {
        char name[32];
        snprintf(name, sizeof name, "norms/value/%d", v);
        const double *x = safetensors_find(a, name)->data, *y = safetensors_find(b, name)->data;
        assert_true(x[0] != 0);
        assert_float_equal(x[0] / y[0], 1, 1e-6); /* mean and mean square */
        assert_float_equal(x[1] / y[1], 1, 1e-6);
    }
    safetensors_destroy(&a);
    safetensors_destroy(&b);
    close_run(&forwards);
    close_run(&backwards);
    check_script("rollout.defender=convention", "run.mode=async", true, 0, 3);
}

#define TEAM                                                                                                                    \
    "env.name=matrix", "rollout.lanes=8", "rollout.steps=100", "learner.hidden=16", "learner.depth=1", "knowledge.kind=belief", \
        "belief.hidden=8", "belief.depth=1"

static void test_the_team_stays_frozen_and_its_nets_are_published(void **state)
{
    (void)state;
    struct local_run team, run;
    struct weights *weights;
    static const char *const frozen[] = {"nets/defender", "nets/belief"};
    open_run(&team, ARGUMENTS(TEAM, "learner.algorithm=eir-mappo", "partition.kind=k-of-n", "attack.threat=learned"), NULL);
    train(&team, 1);
    struct models *source = source_of(&team);
    open_run(&run, ARGUMENTS(TEAM, "learner.algorithm=worst-case", "partition.kind=by-lane", "attack.threat=learned"), source);
    models_deinit(source); /* borrowed during create only */
    free(source);
    struct safetensors *original = saved(&team), *before = saved(&run);
    train(&run, 3);
    struct safetensors *after = saved(&run);
    for (size_t i = 0; i < ARRAY_LEN(frozen); i++) {
        assert_same_hash(safetensors_hash(after, frozen[i]), safetensors_hash(original, frozen[i]));
        assert_same_hash(safetensors_hash(after, frozen[i]), safetensors_hash(before, frozen[i]));
    }
    assert_null(safetensors_find(after, "adam/defender/m"));
    for (int v = 0; v < 2; v++) {
        char name[32];
        snprintf(name, sizeof name, "nets/adversary/%d", v);
        assert_false(hash_equal(safetensors_hash(after, name), safetensors_hash(before, name)));
        snprintf(name, sizeof name, "nets/critic/%d", v);
        assert_false(hash_equal(safetensors_hash(after, name), safetensors_hash(before, name)));
    }
    assert_int_equal(trainer_weights(run.trainer, (struct weights_version){1, 4}, &weights, NULL), 0);
    assert_true(weights_find(weights, "defender") >= 0 && weights_find(weights, "belief") >= 0);
    assert_true(weights_find(weights, "adversary/0") >= 0 && weights_find(weights, "adversary/1") >= 0);
    assert_true(weights_find(weights, "adversary") < 0); /* the team's own training adversary is not the attacker */
    weights_unref(&weights);
    safetensors_destroy(&original);
    safetensors_destroy(&before);
    safetensors_destroy(&after);
    close_run(&run);
    close_run(&team);
}

/* What happens in the lanes of victim 1 must not move victim 0's nets by a bit. */
static void test_victims_do_not_share_anything(void **state)
{
    (void)state;
    struct local_run a, b;
    const struct trajectory *batch[8];
    open_run(&a, ARGUMENTS(ATTACK, "rollout.defender=uniform"), NULL);
    open_run(&b, ARGUMENTS(ATTACK, "rollout.defender=uniform"), NULL);
    roll_out(&a);
    roll_out(&b);
    for (int l = 0; l < 8; l++)
        batch[l] = &b.group->t[l];
    for (int l = 1; l < 8; l += 2) {
        float *reward = (float *)(uintptr_t)column_of(b.rollout, &b.group->t[l], "reward");
        for (int i = 0; i < 200; i++)
            reward[i] = 1 - reward[i];
    }
    learn(&a);
    b.report.count = 0;
    trainer_update(b.trainer, batch, &b.report);
    struct safetensors *file_a = saved(&a), *file_b = saved(&b);
    static const char *const own[] = {"nets/adversary/0", "nets/critic/0", "norms/value/0", "adam/adversary/0"};
    static const char *const other[] = {"nets/adversary/1", "nets/critic/1", "norms/value/1", "adam/adversary/1"};
    for (size_t i = 0; i < 4; i++) {
        assert_same_hash(safetensors_hash(file_a, own[i]), safetensors_hash(file_b, own[i]));
        assert_false(hash_equal(safetensors_hash(file_a, other[i]), safetensors_hash(file_b, other[i])));
    }
    safetensors_destroy(&file_a);
    safetensors_destroy(&file_b);
    close_run(&a);
    close_run(&b);
}

#define PAIRS                                                                                                      \
    "env.name=foraging", "env.scenario=8x8-4p-2f-c", "env.horizon=15", "rollout.lanes=12", "rollout.steps=20",     \
        "partition.kind=by-lane", "attack.threat=learned", "attack.adversaries=2", "learner.algorithm=worst-case", \
        "rollout.defender=greedy", "learner.hidden=16", "learner.depth=1"

/* Six pairs of four agents, each with a net that plays both; what happens in the lanes of one pair moves no other's nets. */
static void test_pairs_are_attacked_by_one_net_each(void **state)
{
    (void)state;
    static const int64_t mask[] = {3, 5, 9, 6, 10, 12};
    struct local_run a, b;
    open_run(&a, ARGUMENTS(PAIRS), NULL);
    open_run(&b, ARGUMENTS(PAIRS), NULL);
    struct safetensors *before = saved(&b);
    roll_out(&a);
    roll_out(&b);
    for (int l = 0; l < 12; l++) {
        const struct trajectory *t = &a.group->t[l];
        const uint8_t *slot = column_of(a.rollout, t, "slot"), *channels = column_of(a.rollout, t, "channels");
        assert_int_equal(COLUMN(a.rollout, t, int64_t, record_partition)[0], mask[l % 6]);
        for (int i = 0; i < 20 * 4; i++) {
            assert_int_equal(slot[i], mask[l % 6] >> i % 4 & 1);
            assert_int_equal(channels[i], slot[i] ? 2 : 0);
        }
    }
    float *reward = (float *)(uintptr_t)column_of(b.rollout, &b.group->t[7], "reward"); /* of pair 1 */
    for (int i = 0; i < 20 * 4; i++)
        reward[i] += 1;
    learn(&a);
    learn(&b);
    struct safetensors *file_a = saved(&a), *file_b = saved(&b);
    for (int v = 0; v < 6; v++) {
        static const char *const parts[] = {"nets/adversary/%d", "nets/critic/%d", "norms/value/%d"};
        for (int p = 0; p < 3; p++) {
            char name[32];
            snprintf(name, sizeof name, parts[p], v);
            assert_int_equal(hash_equal(safetensors_hash(file_a, name), safetensors_hash(file_b, name)), v != 1);
            assert_false(hash_equal(safetensors_hash(file_a, name), safetensors_hash(before, name)));
        }
    }
    assert_null(safetensors_find(file_a, "nets/adversary/6"));
    safetensors_destroy(&before);
    safetensors_destroy(&file_a);
    safetensors_destroy(&file_b);
    close_run(&a);
    close_run(&b);
}

static void test_fewer_lanes_than_victims_are_refused(void **state)
{
    (void)state;
    struct local_run run;
    struct err err = {""};
    assert_int_equal(try_local_run(&run, ARGUMENTS(ATTACK, "rollout.lanes=1"), NULL, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "rollout.lanes is 1"));
    assert_int_equal(try_local_run(&run, ARGUMENTS(PAIRS, "rollout.lanes=5"), NULL, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "at least one for each of the 6 victims"));
    assert_int_equal(try_local_run(&run, ARGUMENTS(PAIRS, "attack.adversaries=5"), NULL, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "attack.adversaries is 5, the environment has 4 agents"));
    assert_int_equal(try_local_run(&run, ARGUMENTS(ATTACK, "partition.kind=fixed"), NULL, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "partition.kind must be by-lane"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_convention_falls_to_nothing),
        cmocka_unit_test(test_a_team_that_stops_trusting_keeps_half),
        cmocka_unit_test(test_order_of_arrival_does_not_matter_to_whom_is_attacked),
        cmocka_unit_test(test_the_team_stays_frozen_and_its_nets_are_published),
        cmocka_unit_test(test_victims_do_not_share_anything),
        cmocka_unit_test(test_pairs_are_attacked_by_one_net_each),
        cmocka_unit_test(test_fewer_lanes_than_victims_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
