/* Re-scoring: honest slices of every method, action kind and threat fit bit for bit; whatever an actor changes does not. */
#include "learner/rescore.h"
#include "tests/learner/local_learner.h"

struct scored {
    struct local_run run;
    struct rescore *rescore;
    struct weights *weights; /* of the newest slice */
};

static void open_scored(struct scored *s, const char *const *arguments)
{
    struct recipe *recipe = must_recipe(arguments);
    struct err err = {""};
    open_run(&s->run, arguments, NULL);
    if (rescore_create(&s->rescore, recipe, trainer_batch(s->run.trainer), &err))
        fail_msg("%s", err.text);
    recipe_destroy(&recipe);
    s->weights = NULL;
}

static void close_scored(struct scored *s)
{
    weights_unref(&s->weights);
    rescore_destroy(&s->rescore);
    close_run(&s->run);
}

static void next_slice(struct scored *s)
{
    struct err err = {""};
    weights_unref(&s->weights);
    if (trainer_weights(s->run.trainer, (struct weights_version){1, trainer_updates(s->run.trainer) + 1}, &s->weights, &err))
        fail_msg("%s", err.text);
    roll_out(&s->run);
}

static void must_fit(struct scored *s)
{
    struct misfit misfit;
    struct err err = {""};
    for (int l = 0; l < s->run.lanes; l++) {
        int r = rescore_run(s->rescore, s->weights, &s->run.group->t[l], NULL, &misfit, &err);
        if (r)
            fail_msg("lane %d slice %llu: %s", l, (unsigned long long)s->run.group->t[l].slice, err.text);
    }
}

/* Several updates, so that recurrent states, episodes and versions go on across slices. */
static void honest(const char *const *arguments)
{
    struct scored s;
    open_scored(&s, arguments);
    for (int u = 0; u < 4; u++) {
        next_slice(&s);
        must_fit(&s);
        learn(&s.run);
    }
    close_scored(&s);
}

static void test_honest_slices_fit(void **state)
{
    (void)state;
#define MATRIX "env.name=matrix", "env.horizon=7", "rollout.lanes=4", "rollout.steps=20", SMALL_NETS
#define FORAGING \
    "env.name=foraging", "env.scenario=8x8-4p-2f-c", "env.horizon=15", "rollout.lanes=4", "rollout.steps=20", SMALL_NETS
    honest(ARGUMENTS(SMALL_EIR));
    honest(ARGUMENTS(SMALL_EIR, "knowledge.form=logit", "rollout.chunk=4", "env.time_limit=terminate"));
    honest(ARGUMENTS(FORAGING));
    honest(ARGUMENTS(MATRIX, "env.time_limit=truncate", "partition.kind=k-of-n", "attack.threat=learned",
                     "learner.algorithm=eir-mappo"));
    honest(ARGUMENTS(MATRIX, "env.time_limit=truncate", "knowledge.kind=true-type", "partition.kind=k-of-n",
                     "attack.threat=learned", "learner.algorithm=eir-mappo"));
    honest(ARGUMENTS(MATRIX, "partition.kind=by-lane", "attack.threat=random"));
    honest(ARGUMENTS(MATRIX, "partition.kind=fixed", "attack.threat=greedy"));
    honest(ARGUMENTS(MATRIX, "attack.threat=random@all"));
    honest(ARGUMENTS(MATRIX, "attack.threat=noise:0.3@all"));
    honest(ARGUMENTS(MATRIX, "partition.kind=k-of-n", "attack.threat=noise:0.3"));
    honest(ARGUMENTS(FORAGING, "partition.kind=k-of-n", "attack.threat=random", "rollout.defender=greedy"));
    honest(ARGUMENTS(FORAGING, "partition.kind=by-lane", "attack.threat=learned", "learner.algorithm=worst-case",
                     "rollout.defender=greedy"));
    honest(ARGUMENTS(FORAGING, "rollout.lanes=6", "partition.kind=by-lane", "attack.threat=learned", "attack.adversaries=2",
                     "learner.algorithm=worst-case", "rollout.defender=greedy"));
    honest(ARGUMENTS("env.name=rendezvous", "rollout.lanes=2", "rollout.steps=20", SMALL_NETS));
    honest(ARGUMENTS("env.name=rendezvous", "rollout.lanes=2", "rollout.steps=20", "partition.kind=k-of-n", "attack.threat=random",
                     SMALL_NETS));
    honest(ARGUMENTS("env.name=mpe", "env.scenario=simple_reference", "rollout.lanes=3", "rollout.steps=30", SMALL_NETS));
}

static void test_beliefs_of_agents_under_pgd_are_left_to_the_audit(void **state)
{
    (void)state;
    honest(ARGUMENTS("env.name=foraging", "env.scenario=8x8-4p-2f-c", "env.horizon=15", "env.time_limit=truncate",
                     "rollout.lanes=6", "rollout.steps=20", "rollout.chunk=5", "knowledge.kind=belief", "partition.kind=k-of-n",
                     "attack.threat=pgd:0.5", "learner.algorithm=eir-mappo", SMALL_NETS));
}

/* ---- forgeries ---- */

static void *mutable_column(struct scored *s, int l, const char *name)
{
    return (void *)(uintptr_t)column_of(s->run.rollout, &s->run.group->t[l], name);
}

static struct misfit must_misfit(struct scored *s, int l, const char *field)
{
    struct misfit misfit;
    struct err err = {""};
    int r = rescore_run(s->rescore, s->weights, &s->run.group->t[l], NULL, &misfit, &err);
    if (r != ERR_MISMATCH || strcmp(misfit.field, field))
        fail_msg("got %s \"%s\", expected a misfit of %s", err_name(r), err.text, field);
    return misfit;
}

/* The lowest bit of one number changes; it is told, with its place, and changed back. */
static void change_bit(struct scored *s, int l, const char *column, int index, int rows, const char *field, int t, int agent)
{
    unsigned char *byte = (unsigned char *)mutable_column(s, l, column) + (size_t)index * (size_t)rows;
    *byte ^= 1;
    struct misfit misfit = must_misfit(s, l, field);
    if (misfit.t != t || misfit.agent != agent)
        fail_msg("misfit of %s at step %d agent %d, expected %d and %d", field, misfit.t, misfit.agent, t, agent);
    if (!strcmp(misfit.expected, misfit.found))
        fail_msg("%s: expected and found are both %s", field, misfit.found);
    *byte ^= 1;
}

static int attacked_lane(struct scored *s, int *agent)
{
    for (int l = 0; l < s->run.lanes; l++)
        for (int n = 0; n < 4; n++)
            if (COLUMN(s->run.rollout, &s->run.group->t[l], uint8_t, slot)[3 * 4 + n]) {
                *agent = n;
                return l;
            }
    fail_msg("no lane has an adversary");
    return 0;
}

static void test_one_bit_anywhere_in_what_was_acted_is_found(void **state)
{
    (void)state;
    struct scored s;
    open_scored(&s, ARGUMENTS(SMALL_EIR));
    next_slice(&s);
    change_bit(&s, 0, "record_return", 0, 4, "record_return", 14, -1);
    learn(&s.run);
    next_slice(&s);
    must_fit(&s);
    int n = 0, l = attacked_lane(&s, &n), other = (n + 1) % 4, H = 8;
    change_bit(&s, l, "intended_logp", 9 * 4 + other, 4, "intended_logp", 9, other);
    change_bit(&s, l, "action_logp", 3 * 4 + n, 4, "action_logp", 3, n);
    change_bit(&s, l, "action_logp", 3 * 4 + other, 4, "action_logp", 3, other);
    change_bit(&s, l, "intended", 19 * 4 + other, 4, "intended", 19, other);
    change_bit(&s, l, "action", 3 * 4 + n, 4, "action", 3, n);
    change_bit(&s, l, "action", 8 * 4 + other, 4, "action", 8, other);
    change_bit(&s, l, "channels", 2 * 4 + other, 1, "channels", 2, other);
    change_bit(&s, l, "knowledge", (6 * 4 + 2) * 4, 4, "knowledge", 6, 2);
    change_bit(&s, l, "knowledge", (20 * 4 + 1) * 4, 4, "knowledge", 20, 1);
    change_bit(&s, l, "belief_state", (5 / 5 * 4 + other) * H, 4, "belief_state", 5, other);
    change_bit(&s, l, "episode", 0, 8, "episode", 1, -1);
    change_bit(&s, l, "slot", 3 * 4 + other, 1, "slot", 3, other);
    must_fit(&s);
    close_scored(&s);
}

static void test_wrong_weights_edited_masks_and_observations_are_found(void **state)
{
    (void)state;
    struct scored s;
    struct misfit misfit;
    open_scored(&s, ARGUMENTS(FORAGING));
    next_slice(&s);
    learn(&s.run);
    struct weights *newer;
    assert_int_equal(trainer_weights(s.run.trainer, (struct weights_version){1, 2}, &newer, NULL), 0);
    for (int l = 0; l < s.run.lanes; l++) { /* acted with version 1, said 2 */
        assert_int_equal(rescore_run(s.rescore, newer, &s.run.group->t[l], NULL, &misfit, NULL), ERR_MISMATCH);
        assert_string_equal(misfit.field, "intended_logp");
    }
    uint8_t *available = mutable_column(&s, 0, "available");
    int taken = COLUMN(s.run.rollout, &s.run.group->t[0], int32_t, intended)[5 * 4 + 1];
    for (int a = 0; a < 6; a++)
        available[(5 * 4 + 1) * 6 + a] = a == taken; /* it "had no choice" */
    misfit = must_misfit(&s, 0, "intended_logp");
    assert_true(misfit.t == 5 && misfit.agent == 1);
    ((float *)mutable_column(&s, 1, "observation"))[(7 * 4 + 2) * rollout_spec(s.run.rollout)->O] += 1;
    misfit = must_misfit(&s, 1, "intended_logp");
    assert_true(misfit.t == 7 && misfit.agent == 2);
    weights_unref(&newer);
    close_scored(&s);
}

static void test_hand_picked_actions_of_a_box_are_found(void **state)
{
    (void)state;
    struct scored s;
    open_scored(&s, ARGUMENTS("env.name=rendezvous", "rollout.lanes=2", "rollout.steps=20", SMALL_NETS));
    next_slice(&s);
    must_fit(&s);
    float *intended = mutable_column(&s, 0, "intended"), *action = mutable_column(&s, 0, "action");
    int C = rollout_spec(s.run.rollout)->C, N = rollout_spec(s.run.rollout)->N;
    intended[(4 * N + 1) * C] = action[(4 * N + 1) * C] = 0.25f;
    struct misfit misfit = must_misfit(&s, 0, "intended");
    assert_string_equal(misfit.found, "0.25");
    close_scored(&s);
}

static void test_partitions_are_those_that_the_seed_draws(void **state)
{
    (void)state;
    struct scored s;
    open_scored(&s, ARGUMENTS(MATRIX, "env.time_limit=truncate", "partition.kind=k-of-n", "attack.threat=random"));
    next_slice(&s);
    must_fit(&s);
    uint8_t *slot = mutable_column(&s, 0, "slot");
    for (int t = 7; t < 14; t++) /* all of the second episode */
        slot[t * 2] ^= 1;
    struct misfit misfit = must_misfit(&s, 0, "slot");
    assert_true(misfit.t == 7 && misfit.agent == 0);
    close_scored(&s);
}

static void test_versions_take_turns(void **state)
{
    (void)state;
    enum { KEPT = RESCORE_VERSIONS + 2 };
    struct scored s;
    struct weights *weights[KEPT];
    struct orders_group *slices[KEPT];
    struct misfit misfit;
    open_scored(&s, ARGUMENTS(MATRIX));
    for (int u = 0; u < KEPT; u++) {
        assert_int_equal(trainer_weights(s.run.trainer, (struct weights_version){1, (uint64_t)u + 1}, &weights[u], NULL), 0);
        slices[u] = new_group(s.run.rollout, s.run.lanes);
        set_slice(slices[u], (uint64_t)u);
        must_run(s.run.rollout, weights[u], slices[u], 0, s.run.lanes);
        struct orders_group *own = s.run.group;
        s.run.group = slices[u];
        learn(&s.run);
        s.run.group = own;
    }
    for (int round = 0; round < 3; round++)
        for (int u = KEPT - 1; u >= 0; u--)
            for (int v = 0; v < KEPT; v += round + 1)
                assert_int_equal(rescore_run(s.rescore, weights[v], &slices[u]->t[0], NULL, &misfit, NULL),
                                 u == v ? 0 : ERR_MISMATCH);
    for (int u = 0; u < KEPT; u++) {
        free_group(&slices[u]);
        weights_unref(&weights[u]);
    }
    close_scored(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest_slices_fit),
        cmocka_unit_test(test_beliefs_of_agents_under_pgd_are_left_to_the_audit),
        cmocka_unit_test(test_one_bit_anywhere_in_what_was_acted_is_found),
        cmocka_unit_test(test_wrong_weights_edited_masks_and_observations_are_found),
        cmocka_unit_test(test_hand_picked_actions_of_a_box_are_found),
        cmocka_unit_test(test_partitions_are_those_that_the_seed_draws),
        cmocka_unit_test(test_versions_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
