/* What a policy does in evaluations: act.evaluation. */
#include "tests/local.h"

#define LANES 4
#define EPISODES 5
#define POLICY \
    "env.name=foraging", "env.scenario=8x8-4p-2f-c", "env.horizon=15", "rollout.lanes=4", "rollout.steps=20", "rollout.chunk=5"

struct play { /* by one rollout: a slice of each lane, then episodes of an evaluation */
    struct rollout *rollout;
    struct weights *weights;
    struct orders_group *training, *evaluation;
};

static void play(struct play *p, const char *const *arguments)
{
    p->rollout = must_rollout(arguments);
    p->weights = team_weights(rollout_spec(p->rollout), 0, 0, 1);
    p->training = new_group(p->rollout, LANES);
    p->evaluation = new_group(p->rollout, LANES);
    for (int i = 0; i < LANES; i++)
        p->evaluation->order[i] =
            (struct order){.purpose = ORDER_EVALUATE, .lane = i, .episodes = EPISODES, .victim = -1, .threat = "clean"};
    must_run(p->rollout, p->weights, p->training, 0, LANES);
    must_run(p->rollout, p->weights, p->evaluation, 0, LANES);
}

static void end(struct play *p)
{
    free_group(&p->training);
    free_group(&p->evaluation);
    weights_unref(&p->weights);
    rollout_destroy(&p->rollout);
}

static bool same_returns(const struct play *a, const struct play *b)
{
    bool is_same = true;
    for (int l = 0; l < LANES; l++)
        is_same &= !memcmp(COLUMN(a->rollout, &a->evaluation->t[l], float, record_return),
                           COLUMN(b->rollout, &b->evaluation->t[l], float, record_return), EPISODES * sizeof(float));
    return is_same;
}

static void test_best_is_the_greedy_policy_in_evaluations_only(void **state)
{
    (void)state;
    struct play sample, best, greedy;
    play(&sample, ARGUMENTS(POLICY));
    play(&best, ARGUMENTS(POLICY, "act.evaluation=best"));
    play(&greedy, ARGUMENTS(POLICY, "act.behaviour=gumbel")); /* greedy in evaluations, by another way */
    for (int l = 0; l < LANES; l++)
        assert_same_answer(&sample.training->t[l], &best.training->t[l]);
    assert_true(same_returns(&best, &greedy));
    assert_false(same_returns(&best, &sample));
    end(&sample);
    end(&best);
    end(&greedy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_is_the_greedy_policy_in_evaluations_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
