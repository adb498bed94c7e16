/* Rollouts that evaluate: paired, beside the lanes, under every threat; returns of the scripted teams are the analytic ones. */
#include <math.h>

#include "tests/actor/rollout_fixture.h"

#include "envs/registry.h"

/* ---- evaluation ---- */

static void evaluate(struct fixture *f, const char *threat, int victim, int lanes, int episodes)
{
    for (int i = 0; i < lanes; i++) {
        f->group->order[i] =
            (struct order){.purpose = ORDER_EVALUATE, .lane = i, .slice = 77, .episodes = episodes, .victim = victim};
        snprintf(f->group->order[i].threat, sizeof f->group->order[i].threat, "%s", threat);
    }
    must_run(f->rollout, f->weights, f->group, 0, lanes);
}

static void test_evaluation_does_not_touch_the_lanes(void **state)
{
    (void)state;
    struct fixture f, other;
    open_with(&f, ARGUMENTS(BELIEF), 16);
    open_with(&other, ARGUMENTS(BELIEF), 16);
    must_run(f.rollout, f.weights, f.group, 0, LANES);
    must_run(other.rollout, other.weights, other.group, 0, LANES);
    evaluate(&f, "learned", 1, 16, 3);
    for (int l = 0; l < LANES; l++) {
        f.group->order[l] = other.group->order[l];
        f.group->order[l].slice = other.group->order[l].slice = 1;
    }
    must_run(f.rollout, f.weights, f.group, 0, LANES);
    must_run(other.rollout, other.weights, other.group, 0, LANES);
    for (int l = 0; l < LANES; l++)
        assert_same_answer(&f.group->t[l], &other.group->t[l]);
    close_fixture(&f);
    close_fixture(&other);
}

/* Episodes of many lengths: a lane that has all its episodes waits for the others. */
#define UNEVEN                                                                                                    \
    "env.name=foraging", "env.scenario=5x5-2p-1f", "env.max_player_level=1", "env.horizon=40", "rollout.lanes=6", \
        "rollout.steps=20", "rollout.chunk=5", "belief.hidden=8", "belief.depth=1", "knowledge.kind=belief"

/* Resets and the team's own random numbers are the same under every threat: with a threat that changes nothing (a PGD ball of
 * radius 0) every return is the clean one. And an answer does not depend on who shares the group. */
static void test_evaluation_is_paired_and_independent_of_grouping(void **state)
{
    (void)state;
    enum { WIDE = 80, EPISODES = 4 }; /* more than fit in one group of places */
    struct fixture clean, zero, alone;
    int shortest = 1000, longest = 0;
    open_with(&clean, ARGUMENTS(UNEVEN), WIDE);
    open_with(&zero, ARGUMENTS(UNEVEN), WIDE);
    open_with(&alone, ARGUMENTS(UNEVEN), WIDE);
    evaluate(&clean, "clean", -1, WIDE, EPISODES);
    evaluate(&zero, "pgd:0", 1, WIDE, EPISODES);
    evaluate(&alone, "clean", -1, WIDE, EPISODES);
    for (int i = 0; i < WIDE; i++) {
        assert_int_equal(clean.group->t[i].steps, 0);
        assert_int_equal(clean.group->t[i].episodes, EPISODES);
        assert_memory_equal(COLUMN(clean.rollout, &clean.group->t[i], float, record_return),
                            COLUMN(zero.rollout, &zero.group->t[i], float, record_return), EPISODES * sizeof(float));
        assert_int_equal(COLUMN(zero.rollout, &zero.group->t[i], int64_t, record_partition)[0], 2);
        int length = COLUMN(clean.rollout, &clean.group->t[i], int32_t, record_length)[0];
        shortest = length < shortest ? length : shortest;
        longest = length > longest ? length : longest;
    }
    assert_true(shortest < longest);
    for (int i = 3; i < WIDE; i += 19) {
        must_run(alone.rollout, alone.weights, alone.group, i, 1);
        assert_same_answer(&alone.group->t[i], &clean.group->t[i]);
    }
    close_fixture(&clean);
    close_fixture(&zero);
    close_fixture(&alone);
}

struct watched { /* what a watcher saw of the first order */
    int resets, steps, endings;
    double sum;
    uint64_t adversaries;
};

static void count_moment(void *context, const struct rollout_moment *moment)
{
    struct watched *watched = context;
    struct err err;
    assert_int_equal(moment->env->ops->check_state(moment->env->params, moment->state, &err), 0);
    watched->adversaries |= moment->adversaries;
    watched->resets += !moment->action;
    watched->steps += moment->action != NULL;
    watched->endings += moment->is_terminated || moment->is_truncated;
    for (int n = 0; n < moment->env->spec.N && moment->action; n++)
        watched->sum += (double)moment->reward[n] / moment->env->spec.N;
}

static void test_a_watcher_sees_the_first_orders_episodes_and_changes_nothing(void **state)
{
    (void)state;
    enum { EPISODES = 4 };
    struct fixture f, unwatched;
    struct watched watched = {0};
    double sum = 0;
    int steps = 0;
    open_with(&f, ARGUMENTS(UNEVEN), 1);
    open_with(&unwatched, ARGUMENTS(UNEVEN), 1);
    evaluate(&unwatched, "random", 1, 1, EPISODES);
    rollout_watch(f.rollout, count_moment, &watched);
    evaluate(&f, "random", 1, 1, EPISODES);
    assert_same_answer(&f.group->t[0], &unwatched.group->t[0]);
    for (int e = 0; e < EPISODES; e++) {
        steps += COLUMN(f.rollout, &f.group->t[0], int32_t, record_length)[e];
        sum += (double)COLUMN(f.rollout, &f.group->t[0], float, record_return)[e];
    }
    assert_int_equal(watched.steps, steps);
    assert_int_equal(watched.endings, EPISODES);
    assert_int_equal(watched.resets, EPISODES + 1); /* the episode after the last one has begun */
    assert_true(fabs(watched.sum - sum) < 1e-5);
    assert_int_equal(watched.adversaries, 2);
    rollout_watch(f.rollout, NULL, NULL);
    evaluate(&f, "random", 1, 1, EPISODES);
    assert_int_equal(watched.steps, steps);
    close_fixture(&f);
    close_fixture(&unwatched);
}

static const float *returns_under(struct fixture *f, const char *threat, int i)
{
    evaluate(f, threat, -1, 8, 4);
    assert_int_equal(COLUMN(f->rollout, &f->group->t[i], int64_t, record_partition)[0], 0); /* nobody is an adversary */
    return COLUMN(f->rollout, &f->group->t[i], float, record_return);
}

static void test_a_threat_on_all_needs_no_victim(void **state)
{
    (void)state;
    struct fixture f;
    float clean[8][4];
    bool differs = false;
    open_with(&f, ARGUMENTS(UNEVEN), 8);
    for (int i = 0; i < 8; i++)
        memcpy(clean[i], returns_under(&f, "clean", i), sizeof clean[i]);
    for (int i = 0; i < 8; i++) {
        assert_memory_equal(returns_under(&f, "noise:0@all", i), clean[i], sizeof clean[i]);
        assert_memory_equal(returns_under(&f, "repeat:0@all", i), clean[i], sizeof clean[i]);
        assert_memory_equal(returns_under(&f, "random", i), clean[i], sizeof clean[i]); /* no victim, and not on all */
        differs |= memcmp(returns_under(&f, "noise:3@all", i), clean[i], sizeof clean[i]) != 0;
    }
    assert_true(differs);
    close_fixture(&f);
}

struct moves {
    int32_t first[2];
    bool has_first;
    int same, other, after_reset[4];
};

static void compare_with_first(void *context, const struct rollout_moment *moment)
{
    struct moves *moves = context;
    const int32_t *action = moment->action;
    if (!action) {
        moves->has_first = false;
        return;
    }
    if (!moves->has_first) {
        memcpy(moves->first, action, sizeof moves->first);
        moves->after_reset[action[0] * 2 + action[1]]++;
        moves->has_first = true;
        return;
    }
    *(memcmp(moves->first, action, sizeof moves->first) ? &moves->other : &moves->same) += 1;
}

/* In a game where both actions are always there, a team whose every action is stuck does what it did first; in the next episode it
 * begins anew. */
static void test_a_stuck_team_repeats_its_first_action(void **state)
{
    (void)state;
    struct fixture f;
    struct moves moves = {0};
    open_with(&f, ARGUMENTS("env.name=matrix", "rollout.defender=uniform", "rollout.steps=20"), 1);
    rollout_watch(f.rollout, compare_with_first, &moves);
    evaluate(&f, "repeat:1@all", -1, 1, 20);
    assert_int_equal(moves.other, 0);
    assert_true(moves.same > 20);
    int seen = 0;
    for (int a = 0; a < 4; a++)
        seen += moves.after_reset[a] > 0;
    assert_true(seen > 1);
    moves = (struct moves){0};
    evaluate(&f, "clean", -1, 1, 20);
    assert_true(moves.other > 0);
    close_fixture(&f);
}

static void test_threats_that_cannot_be_trained_under_are_refused(void **state)
{
    (void)state;
    struct rollout *rollout = NULL;
    struct err err = {""};
    assert_int_equal(try_rollout(&rollout, ARGUMENTS("env.name=matrix", "attack.threat=repeat:0.3@all"), &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "for evaluations only"));
    assert_int_equal(
        try_rollout(&rollout, ARGUMENTS("env.name=matrix", "attack.threat=noise:0.3@all", "partition.kind=k-of-n"), &err),
        ERR_INVALID);
    assert_non_null(strstr(err.text, "hits every agent"));
    assert_int_equal(try_rollout(&rollout, ARGUMENTS("env.name=matrix", "attack.threat=noise:0.3@all"), &err), 0);
    rollout_destroy(&rollout);
}

/* Trained under noise on all: what is recorded is what was acted on. */
static void test_noise_on_all_is_in_the_recorded_observations(void **state)
{
    (void)state;
    struct fixture f, clean;
    open_with(&f, ARGUMENTS("env.name=matrix", "rollout.lanes=6", "rollout.steps=20", "attack.threat=noise:0.3@all"), LANES);
    open_with(&clean, ARGUMENTS("env.name=matrix", "rollout.lanes=6", "rollout.steps=20"), LANES);
    must_run(f.rollout, f.weights, f.group, 0, LANES);
    must_run(clean.rollout, clean.weights, clean.group, 0, LANES);
    int O = rollout_spec(f.rollout)->O;
    const float *noisy = COLUMN(f.rollout, &f.group->t[0], float, observation);
    const float *plain = COLUMN(clean.rollout, &clean.group->t[0], float, observation);
    for (int i = 0; i < 2 * O; i++) /* step 0: the same state in both */
        assert_true(noisy[i] != plain[i] && fabsf(noisy[i] - plain[i]) < 2);
    for (int i = 0; i < 20 * 2; i++) {
        assert_int_equal(COLUMN(f.rollout, &f.group->t[0], uint8_t, channels)[i], 1);
        assert_int_equal(COLUMN(f.rollout, &f.group->t[0], uint8_t, slot)[i], 0);
    }
    close_fixture(&f);
    close_fixture(&clean);
}

/* ---- the scripted teams of the matrix game ---- */

static double mean_return(const char *script, const char *threat, int victim)
{
    enum { WIDE = 200, EPISODES = 10 };
    char defender[64];
    struct fixture f;
    double sum = 0;
    snprintf(defender, sizeof defender, "rollout.defender=%s", script);
    open_with(&f, ARGUMENTS("env.name=matrix", defender, "rollout.steps=20"), WIDE);
    evaluate(&f, threat, victim, WIDE, EPISODES);
    for (int i = 0; i < WIDE; i++)
        for (int e = 0; e < EPISODES; e++)
            sum += (double)COLUMN(f.rollout, &f.group->t[i], float, record_return)[e];
    close_fixture(&f);
    return sum / (WIDE * EPISODES);
}

static void test_scripts_reach_their_analytic_returns(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        double clean, greedy;
    } anchors[] = {{"convention", 100, 0}, {"uniform", 50, 50}, {"state-only", 99.5, 33.28}, {"until-broken", 100, 49.5}};
    for (size_t i = 0; i < ARRAY_LEN(anchors); i++) {
        double clean = mean_return(anchors[i].script, "clean", -1);
        if (fabs(clean - anchors[i].clean) > 1)
            fail_msg("%s clean: got %.3f, expected %.2f", anchors[i].script, clean, anchors[i].clean);
        for (int victim = 0; victim < 2; victim++) {
            double attacked = mean_return(anchors[i].script, "greedy", victim);
            if (fabs(attacked - anchors[i].greedy) > 1)
                fail_msg("%s greedy victim %d: got %.3f, expected %.2f", anchors[i].script, victim, attacked, anchors[i].greedy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evaluation_does_not_touch_the_lanes),
        cmocka_unit_test(test_evaluation_is_paired_and_independent_of_grouping),
        cmocka_unit_test(test_a_watcher_sees_the_first_orders_episodes_and_changes_nothing),
        cmocka_unit_test(test_a_threat_on_all_needs_no_victim),
        cmocka_unit_test(test_a_stuck_team_repeats_its_first_action),
        cmocka_unit_test(test_threats_that_cannot_be_trained_under_are_refused),
        cmocka_unit_test(test_noise_on_all_is_in_the_recorded_observations),
        cmocka_unit_test(test_scripts_reach_their_analytic_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
