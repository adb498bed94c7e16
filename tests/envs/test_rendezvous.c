/* Rendezvous: motion, reward, endings, what is seen, names. Each rule is set against its formula, written here once more. */
#include "envs/rendezvous.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/envs/envs_test.h"

struct arena {
    struct env_instance env;
    struct vec vec;
    struct rendezvous_robots at;
};

static const struct rendezvous_params *params_of(const struct arena *arena)
{
    return (const struct rendezvous_params *)arena->env.params;
}

static void arena_open(struct arena *arena, const char *const *arguments)
{
    must_open(&arena->env, arguments);
    must_init(&arena->vec, &arena->env, 1);
    reset_all(&arena->vec, 1);
    arena->at = rendezvous_robots(params_of(arena), (struct rendezvous_state *)arena->vec.states);
}

static void put(struct arena *arena, int n, double x, double y, double heading)
{
    arena->at.x[n] = x;
    arena->at.y[n] = y;
    arena->at.heading[n] = heading;
    arena->at.vx[n] = arena->at.vy[n] = 0;
}

static void assert_near(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s: got %.12g, expected %.12g", what, got, expected);
}

/* Motion */

static void test_wheels_follow_the_old_heading(void **state)
{
    (void)state;
    struct arena arena;
    arena_open(&arena, ARGUMENTS("env.name=rendezvous", "env.scenario=mir3-2"));
    put(&arena, 0, 100, 100, 0.3);
    put(&arena, 1, 50, 50, 6.2);
    vec_step(&arena.vec, (float[]){0.25f, 0.75f, -1, 1}, NULL);
    double x = 100, y = 100, heading = 0.3, speed = 7.5344, turn = 2.65062 * 0.5;
    for (int i = 0; i < 10; i++, heading += 0.01 * turn) {
        x += 0.01 * speed * cos(heading);
        y += 0.01 * speed * sin(heading);
    }
    assert_near("x", arena.at.x[0], x, 1e-12);
    assert_near("y", arena.at.y[0], y, 1e-12);
    assert_near("heading", arena.at.heading[0], heading, 1e-12);
    assert_near("velocity", arena.at.vx[0], speed * cos(heading - 0.01 * turn), 1e-12);
    assert_near("turning on the spot", arena.at.x[1], 50, 0);
    assert_near("past a full turn", arena.at.heading[1], 6.2 + 0.530124 - 2 * RENDEZVOUS_PI, 1e-12);
    vec_deinit(&arena.vec);
}

static void test_points_are_pushed_and_no_faster_than_10(void **state)
{
    (void)state;
    struct arena arena;
    arena_open(&arena, ARGUMENTS("env.name=rendezvous", "env.scenario=eir-2"));
    put(&arena, 0, 20, 20, 1);
    put(&arena, 1, 150, 20, 1);
    vec_step(&arena.vec, (float[]){1, 1, -0.5f, 0}, NULL);
    assert_near("a push longer than 1 is shortened", arena.at.vx[0], 1 / sqrt(2), 1e-12);
    assert_near("heading of the velocity", arena.at.heading[0], RENDEZVOUS_PI / 4, 1e-12);
    assert_near("a shorter one is not", arena.at.vx[1], -0.5, 1e-12);
    assert_near("place", arena.at.x[1], 150 - 0.01 * 0.05 * 55, 1e-12);
    for (int i = 0; i < 30; i++)
        vec_step(&arena.vec, (float[]){1, 0, 0, 0}, NULL);
    assert_true(hypot(arena.at.vx[0], arena.at.vy[0]) <= 10 && arena.at.vx[0] > 9.9);
    vec_deinit(&arena.vec);
}

static void test_walls_stop_but_leave_the_velocity(void **state)
{
    (void)state;
    struct arena arena;
    arena_open(&arena, ARGUMENTS("env.name=rendezvous", "env.scenario=mir3-2"));
    put(&arena, 0, 199.9, 100, RENDEZVOUS_PI / 4);
    put(&arena, 1, 0.1, 0.1, 5 * RENDEZVOUS_PI / 4);
    vec_step(&arena.vec, (float[]){1, 1, 1, 1}, NULL);
    assert_true(arena.at.x[0] == 200 && arena.at.x[1] == 0 && arena.at.y[1] == 0);
    assert_near("y goes on", arena.at.y[0], 100 + 1.50688 * sin(RENDEZVOUS_PI / 4), 1e-12);
    assert_near("velocity", arena.at.vx[0], 15.0688 * cos(RENDEZVOUS_PI / 4), 1e-12);
    vec_deinit(&arena.vec);
}

/* Reward */

static void test_reward_is_mean_distance_and_what_was_asked(void **state)
{
    (void)state;
    static const char *const caps[] = {"env.action_cap=10", "env.action_cap=1"};
    for (int i = 0; i < 2; i++) {
        struct arena arena;
        arena_open(&arena, ARGUMENTS("env.name=rendezvous", "env.scenario=mir3-3", caps[i]));
        put(&arena, 0, 100, 100, 0);
        put(&arena, 1, 103, 104, 0);
        put(&arena, 2, 100, 112, 0);
        vec_step(&arena.vec, (float[]){0, 0, 0, 0, -3, 3}, NULL); /* turns on the spot */
        double distance = (5 + 12 + sqrt(9 + 64)) / 3, price = i ? 1 : 9;
        for (int n = 0; n < 3; n++)
            assert_near("reward", arena.vec.reward[n], -distance / 282 - 0.001 * 2 * price / 6, 1e-7);
        vec_deinit(&arena.vec);
    }
}

static void test_numbers_that_are_none_count_as_0(void **state)
{
    (void)state;
    const float hostile[] = {NAN, INFINITY, -INFINITY, NAN}, zero[4] = {0};
    static const char *const scenarios[] = {"env.scenario=mir3-2", "env.scenario=eir-2"};
    for (int i = 0; i < 2; i++) {
        struct arena a, b;
        arena_open(&a, ARGUMENTS("env.name=rendezvous", scenarios[i]));
        arena_open(&b, ARGUMENTS("env.name=rendezvous", scenarios[i]));
        vec_step(&a.vec, hostile, NULL);
        vec_step(&b.vec, zero, NULL);
        assert_memory_equal(a.vec.states, b.vec.states, a.env.state_bytes);
        assert_true(a.vec.reward[0] == b.vec.reward[0]);
        vec_step(&a.vec, (float[]){3e38f, -3e38f, 3e38f, 3e38f}, NULL); /* charged as 10 */
        assert_true(a.vec.reward[0] >= a.env.spec.return_min / a.env.spec.horizon && a.vec.reward[0] < -0.1f);
        vec_deinit(&a.vec);
        vec_deinit(&b.vec);
    }
}

static void test_a_standing_team_gets_about_minus_67(void **state)
{
    (void)state;
    struct arena arena;
    const float zero[8] = {0};
    double sum = 0;
    arena_open(&arena, ARGUMENTS("env.name=rendezvous", "env.scenario=mir3-4"));
    for (uint64_t seed = 0; seed < 400; seed++) {
        reset_all(&arena.vec, seed);
        vec_step(&arena.vec, zero, NULL);
        sum += 200 * (double)arena.vec.reward[0];
    }
    print_message("standing team: %.2f\n", sum / 400);
    assert_near("return", sum / 400, -200 * 0.521405 * 180 / 282, 2); /* mean distance of two points in a square of side 1 */
    vec_deinit(&arena.vec);
}

/* Endings */

static void test_a_slow_gathered_team_has_finished(void **state)
{
    (void)state;
    static const struct {
        const char *scenario;
        double gap;
        float wheel;
        bool ends;
    } cases[] = {{"env.scenario=mir3-2", 0.9, 0, true},
                 {"env.scenario=mir3-2", 1.1, 0, false},
                 {"env.scenario=mir3-2", 0.9, 0.1f, false}, /* both at 1.5 cm/s */
                 {"env.scenario=eir-2", 0.9, 0, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct env_outcome outcome;
        arena_open(&arena, ARGUMENTS("env.name=rendezvous", cases[i].scenario));
        put(&arena, 0, 100, 100, 0);
        put(&arena, 1, 100 + cases[i].gap, 100, 0);
        const float wheels[] = {cases[i].wheel, cases[i].wheel, cases[i].wheel, cases[i].wheel};
        vec_step(&arena.vec, wheels, NULL);
        arena.env.ops->outcome(arena.env.params, arena.vec.states, &outcome);
        assert_int_equal(arena.vec.terminated[0], cases[i].ends);
        assert_int_equal(outcome.has_success && outcome.success, cases[i].ends);
        assert_near("largest distance", outcome.info[0], cases[i].gap, 1e-6);
        assert_false(arena.vec.truncated[0]);
        vec_deinit(&arena.vec);
    }
}

static void test_time_limit_truncates_or_terminates(void **state)
{
    (void)state;
    static const char *const limits[] = {"env.time_limit=truncate", "env.time_limit=terminate"};
    const float zero[8] = {0};
    for (int terminates = 0; terminates < 2; terminates++) {
        struct arena arena;
        arena_open(&arena, ARGUMENTS("env.name=rendezvous", "env.scenario=eir-4", "env.horizon=3", limits[terminates]));
        for (int step = 1; step <= 3; step++) {
            vec_step(&arena.vec, zero, NULL);
            assert_int_equal(arena.vec.terminated[0], step == 3 && terminates);
            assert_int_equal(arena.vec.truncated[0], step == 3 && !terminates);
        }
        vec_deinit(&arena.vec);
    }
}

/* What is seen */

static double wrap(double angle)
{
    angle = fmod(angle, 2 * RENDEZVOUS_PI);
    angle = angle < 0 ? angle + 2 * RENDEZVOUS_PI : angle;
    return angle > RENDEZVOUS_PI ? angle - 2 * RENDEZVOUS_PI : angle;
}

/* By the definition, arc tangents and all. */
static double bearing(const struct arena *arena, int i, int j)
{
    const struct rendezvous_robots *at = &arena->at;
    return wrap(-(atan2(at->y[j] - at->y[i], at->x[j] - at->x[i]) - at->heading[i]));
}

static double distance(const struct arena *arena, int i, int j)
{
    return hypot(arena->at.x[j] - arena->at.x[i], arena->at.y[j] - arena->at.y[i]) / 282;
}

static void check_observations(const struct arena *arena, bool is_mutual)
{
    int N = arena->env.spec.N, O = arena->env.spec.O;
    for (int i = 0; i < N; i++) {
        const float *row = arena->vec.observation + i * O;
        for (int j = 0; j < N; j++) {
            if (j == i)
                continue;
            assert_near("distance", row[0], distance(arena, i, j), 1e-6);
            assert_near("cos A_ij", row[1], cos(bearing(arena, i, j)), 1e-6);
            assert_near("sin A_ij", row[2], sin(bearing(arena, i, j)), 1e-6);
            if (is_mutual) {
                assert_near("cos A_ji", row[3], cos(bearing(arena, j, i)), 1e-6);
                assert_near("sin A_ji", row[4], sin(bearing(arena, j, i)), 1e-6);
            }
            row += is_mutual ? 5 : 3;
        }
    }
}

static void check_geometry(const struct arena *arena)
{
    int N = arena->env.spec.N, S = arena->env.spec.S;
    const float *state = arena->vec.state;
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++)
            assert_near("state's distance", *state++, distance(arena, i, j), 1e-6);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++, state++)
            assert_near("state's bearing", *state, bearing(arena, i, j) / RENDEZVOUS_PI, 1e-6);
    for (int n = 0; n < N; n++) {
        assert_memory_equal(arena->vec.state + n * S, arena->vec.state, (size_t)(S - N) * sizeof(float));
        for (int i = 0; i < N; i++)
            assert_true(arena->vec.state[n * S + S - N + i] == (i == n) &&
                        arena->vec.observation[n * arena->env.spec.O + 5 * N + i] == (i == n));
    }
}

static void test_bearings_are_as_defined(void **state)
{
    (void)state;
    static const char *const scenarios[] = {"env.scenario=mir3-7", "env.scenario=eir-7"};
    for (int is_eir = 0; is_eir < 2; is_eir++) {
        struct arena arena;
        struct rng rng = rng_stream(3, RNG_TEST, 0, 0, 0);
        arena_open(&arena, ARGUMENTS("env.name=rendezvous", scenarios[is_eir]));
        for (int round = 0; round < 300; round++) {
            for (int n = 0; n < 7; n++)
                put(&arena, n, 200 * rng_double(&rng), 200 * rng_double(&rng), 2 * RENDEZVOUS_PI * rng_double(&rng));
            if (round % 3 == 0) { /* on one spot, and side by side at a wall */
                put(&arena, 1, arena.at.x[0], arena.at.y[0], 1 + rng_double(&rng));
                put(&arena, 2, 10, 0, 0.5);
                put(&arena, 3, 20, 0, 1e-9);                     /* 2 lies straight behind, a hair to one side */
                put(&arena, 4, 90, 0, 2 * RENDEZVOUS_PI - 1e-9); /* and to the other */
            }
            vec_observe(&arena.vec, 0);
            check_observations(&arena, !is_eir);
            if (!is_eir)
                check_geometry(&arena);
        }
        vec_deinit(&arena.vec);
    }
}

static void check_wall(struct arena *arena, double x, double y, double heading, double gap, double direction)
{
    put(arena, 0, x, y, heading);
    vec_observe(&arena->vec, 0);
    const float *wall = arena->vec.observation + 5;
    assert_near("wall's distance", wall[0], gap, 1e-6);
    assert_near("wall's cosine", wall[1], gap == 1 && direction < 0 ? 0 : cos(direction - heading), 1e-6);
    assert_near("wall's sine", wall[2], gap == 1 && direction < 0 ? 0 : sin(direction - heading), 1e-6);
    assert_true(wall[3] == 0 && wall[4] == 0);
}

static void test_the_nearest_wall_is_seen(void **state)
{
    (void)state;
    const double none = -1, quarter = RENDEZVOUS_PI / 2;
    struct arena arena;
    arena_open(&arena, ARGUMENTS("env.name=rendezvous", "env.scenario=mir3-2"));
    check_wall(&arena, 100, 100, 0.7, 1, none);
    check_wall(&arena, 1.01, 198.99, 0.7, 1, none);
    check_wall(&arena, 199.5, 100, 0.7, 0.5, 0);
    check_wall(&arena, 100, 199.25, 0.7, 0.75, quarter);
    check_wall(&arena, 0.25, 100, 0.7, 0.25, 2 * quarter);
    check_wall(&arena, 100, 0, 0.7, 0, 3 * quarter);
    check_wall(&arena, 199.5, 199.5, 0.7, 0.5, 0);         /* the first of equals */
    check_wall(&arena, 0.5, 0.25, 0.7, 0.25, 3 * quarter); /* the nearer */
    vec_deinit(&arena.vec);
}

static void test_joint_state_joins_all_observations(void **state)
{
    (void)state;
    struct arena arena;
    arena_open(&arena, ARGUMENTS("env.name=rendezvous", "env.scenario=eir-4", "env.state=joint"));
    assert_int_equal(arena.env.spec.S, 4 * arena.env.spec.O);
    for (int n = 0; n < 4; n++)
        assert_memory_equal(arena.vec.state + n * arena.env.spec.S, arena.vec.observation,
                            (size_t)arena.env.spec.S * sizeof(float));
    vec_deinit(&arena.vec);
}

/* The rest */

static void test_the_script_meets_in_the_middle(void **state)
{
    (void)state;
    static const struct {
        const char *scenario;
        double least;
    } cases[] = {
        {"env.scenario=mir3-4", -13}, {"env.scenario=mir3-10", -14}, {"env.scenario=eir-4", -20}, {"env.scenario=eir-10", -22}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        double sum = 0, worst_gap = 0;
        arena_open(&arena, ARGUMENTS("env.name=rendezvous", cases[i].scenario));
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct env_outcome outcome;
            struct episode episode = play_episode(&arena.vec, must_find_script(arena.env.ops, "middle"), seed);
            arena.env.ops->outcome(arena.env.params, arena.vec.states, &outcome);
            assert_int_equal(episode.success, outcome.has_success);
            sum += episode.mean_return / 20;
            worst_gap = fmax(worst_gap, outcome.info[0]);
        }
        print_message("%s: mean return of the script %.2f, largest distance at the end %.2g cm\n", cases[i].scenario, sum,
                      worst_gap);
        assert_true(sum > cases[i].least && worst_gap < 1);
        vec_deinit(&arena.vec);
    }
}

static void test_names_and_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *scenario;
        int N, O, S, horizon;
    } cases[] = {
        {"mir3-10", 10, 60, 155, 200}, {"mir3-4", 4, 24, 26, 200}, {"eir-10", 10, 31, 31, 512}, {"mir3-64", 64, 384, 6176, 200}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        char argument[64];
        snprintf(argument, sizeof argument, "env.scenario=%s", cases[i].scenario);
        must_open(&env, ARGUMENTS("env.name=rendezvous", argument));
        assert_int_equal(env.spec.N, cases[i].N);
        assert_int_equal(env.spec.O, cases[i].O);
        assert_int_equal(env.spec.S, cases[i].S);
        assert_int_equal(env.spec.horizon, cases[i].horizon);
        assert_int_equal(env.spec.action, ACTION_BOX);
        assert_int_equal(env.spec.C, 2);
    }
    struct err err;
    struct env_instance env;
    static const char *const bad[] = {"env.scenario=mir3-1",  "env.scenario=mir3-65", "env.scenario=mir4-4",
                                      "env.scenario=mir3-4x", "env.scenario=eir",     "env.rules=ppo"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_true(try_open(&env, &err, ARGUMENTS("env.name=rendezvous", bad[i])) < 0);
}

static void test_bad_states_are_refused(void **state)
{
    (void)state;
    struct arena arena;
    struct err err;
    arena_open(&arena, ARGUMENTS("env.name=rendezvous", "env.scenario=mir3-2"));
    static const struct {
        int run;
        double value;
    } bad[] = {{0, NAN}, {0, -0.001}, {1, 200.1}, {1, INFINITY}, {2, 7}, {2, NAN}, {3, 16}, {4, -INFINITY}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        reset_all(&arena.vec, 1);
        arena.at.x[2 * bad[i].run + 1] = bad[i].value; /* the runs follow each other */
        assert_int_equal(arena.env.ops->check_state(arena.env.params, arena.vec.states, &err), ERR_FORMAT);
    }
    reset_all(&arena.vec, 1);
    assert_int_equal(arena.env.ops->check_state(arena.env.params, arena.vec.states, &err), 0);
    vec_deinit(&arena.vec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wheels_follow_the_old_heading),
        cmocka_unit_test(test_points_are_pushed_and_no_faster_than_10),
        cmocka_unit_test(test_walls_stop_but_leave_the_velocity),
        cmocka_unit_test(test_reward_is_mean_distance_and_what_was_asked),
        cmocka_unit_test(test_numbers_that_are_none_count_as_0),
        cmocka_unit_test(test_a_standing_team_gets_about_minus_67),
        cmocka_unit_test(test_a_slow_gathered_team_has_finished),
        cmocka_unit_test(test_time_limit_truncates_or_terminates),
        cmocka_unit_test(test_bearings_are_as_defined),
        cmocka_unit_test(test_the_nearest_wall_is_seen),
        cmocka_unit_test(test_joint_state_joins_all_observations),
        cmocka_unit_test(test_the_script_meets_in_the_middle),
        cmocka_unit_test(test_names_and_sizes),
        cmocka_unit_test(test_bad_states_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
