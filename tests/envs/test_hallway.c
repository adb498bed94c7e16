/* Hallway: walking, the ways a group is decided, what uniform play earns in theory, the scripts' lengths. */
#include "envs/hallway.h"

#include <math.h>
#include <stdlib.h>

#include "tests/envs/envs_test.h"

static struct hallway_state *game_of(struct vec *vec)
{
    return (struct hallway_state *)vec->states;
}

static const struct hallway_params *params_of(const struct vec *vec)
{
    return (const struct hallway_params *)vec->instance->params;
}

/* Opens with all groups walking at the given places. */
static void open_at(struct env_instance *env, struct vec *vec, const char *const *arguments, const int32_t *cells)
{
    must_open(env, arguments);
    must_init(vec, env, 1);
    reset_all(vec, 1);
    memcpy(game_of(vec)->cell, cells, (size_t)env->spec.N * sizeof *cells);
    vec_observe(vec, 0);
}

static void assert_cells(struct vec *vec, const int32_t *cells)
{
    for (int n = 0; n < vec->instance->spec.N; n++)
        if (game_of(vec)->cell[n] != cells[n])
            fail_msg("agent %d: got place %d, expected %d", n, game_of(vec)->cell[n], cells[n]);
}

static void assert_result(struct vec *vec, float reward, bool terminated, bool truncated, bool success)
{
    struct env_outcome outcome;
    vec->instance->ops->outcome(vec->instance->params, vec->states, &outcome);
    for (int n = 0; n < vec->instance->spec.N; n++)
        assert_float_equal(vec->reward[n], reward, 1e-6);
    assert_int_equal(vec->terminated[0], terminated);
    assert_int_equal(vec->truncated[0], truncated);
    assert_true(outcome.has_success);
    assert_int_equal(outcome.success, success);
}

/* Names and sizes */

static void test_scenario_names(void **state)
{
    (void)state;
    static const struct {
        const char *argument, *more;
        int N, G, O, S, horizon, last_length;
        double least, most;
    } cases[] = {
        {"env.scenario=4x5x6", "env.agent_id=false", 3, 1, 1, 3, 16, 6, 0, 1},
        {"env.scenario=4x5x6", "env.agent_id=true", 3, 1, 4, 3, 16, 6, 0, 1},
        {"env.scenario=3x3x4x4", "env.agent_id=false", 4, 1, 1, 4, 14, 4, 0, 1},
        {"env.scenario=3x3x4x4", "env.full_state_observation=true", 4, 1, 9, 4, 14, 4, 0, 1},
        {"env.scenario=3x3x4x4", "env.win_reward=10", 4, 1, 5, 4, 14, 4, 0, 10},
        {"env.scenario=4x4+4x4x4", "env.agent_id=false", 5, 2, 2, 7, 14, 4, -1, 2},
        {"env.scenario=2x6x10", "env.horizon=7", 3, 1, 4, 3, 7, 10, 0, 1},
        {"env.scenario=1000", "env.agent_id=false", 1, 1, 1, 1, 1010, 1000, 0, 1},
        {"env.lengths=2+3", "env.agent_id=false", 2, 2, 2, 4, 13, 3, -1, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        must_open(&env, ARGUMENTS("env.name=hallway", cases[i].argument, cases[i].more));
        const struct hallway_params *p = (const struct hallway_params *)env.params;
        assert_int_equal(env.spec.N, cases[i].N);
        assert_int_equal(p->G, cases[i].G);
        assert_int_equal(env.spec.O, cases[i].O);
        assert_int_equal(env.spec.S, cases[i].S);
        assert_int_equal(env.spec.A, 3);
        assert_int_equal(env.spec.horizon, cases[i].horizon);
        assert_int_equal(p->length[p->N - 1], cases[i].last_length);
        assert_true(env.spec.return_min == cases[i].least && env.spec.return_max == cases[i].most);
    }
}

static void test_bad_names_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"env.scenario=4x",     "env.scenario=x4",    "env.scenario=4x0",
                                      "env.scenario=4x1001", "env.scenario=4y5",   "env.scenario=4x-5",
                                      "env.scenario=4++5",   "env.lengths=4x5x6+", "env.scenario=1+1+1+1+1+1+1+1+1"};
    struct env_instance env;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (try_open(&env, &err, ARGUMENTS("env.name=hallway", bad[i])) != ERR_FORMAT || !strstr(err.text, "bad halls"))
            fail_msg("%s: got \"%s\"", bad[i], err.text);
    must_open(&env, ARGUMENTS("env.name=hallway", "env.scenario=1+1+1+1+1+1+1+1"));
}

/* Rules */

static void test_walking(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4x5x6"), (int32_t[]){4, 3, 2});
    vec_step(&vec, (int32_t[]){HALLWAY_RIGHT, HALLWAY_LEFT, HALLWAY_RIGHT}, NULL);
    assert_cells(&vec, (int32_t[]){4, 2, 3}); /* the end of the hall holds */
    assert_result(&vec, 0, false, false, false);
    vec_step(&vec, (int32_t[]){-1, 3, INT32_MAX}, NULL);
    assert_cells(&vec, (int32_t[]){4, 2, 3});
    vec_step(&vec, (int32_t[]){HALLWAY_STILL, HALLWAY_STILL, HALLWAY_LEFT}, NULL);
    assert_cells(&vec, (int32_t[]){4, 2, 2});
    vec_deinit(&vec);
}

static void test_all_at_once_win_and_one_early_ends_it(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    const int32_t left[] = {HALLWAY_LEFT, HALLWAY_LEFT, HALLWAY_LEFT};
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4x5x6"), (int32_t[]){1, 1, 1});
    vec_step(&vec, left, NULL);
    assert_result(&vec, 1, true, false, true);
    vec_deinit(&vec);
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4x5x6", "env.win_reward=10"), (int32_t[]){1, 1, 1});
    vec_step(&vec, left, NULL);
    assert_result(&vec, 10, true, false, true);
    vec_deinit(&vec);
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4x5x6"), (int32_t[]){1, 2, 1});
    vec_step(&vec, left, NULL);
    assert_result(&vec, 0, true, false, false);
    vec_deinit(&vec);
}

static void test_time_limit(void **state)
{
    (void)state;
    for (int truncates = 0; truncates < 2; truncates++) {
        struct env_instance env;
        struct vec vec;
        open_at(&env, &vec,
                ARGUMENTS("env.name=hallway", "env.scenario=3x3x4x4",
                          truncates ? "env.time_limit=truncate" : "env.time_limit=terminate"),
                (int32_t[]){1, 1, 1, 1});
        for (int step = 1; step <= 14; step++) {
            vec_step(&vec, (int32_t[]){0, 0, 0, 0}, NULL);
            assert_result(&vec, 0, step == 14 && !truncates, step == 14 && truncates, false);
        }
        vec_deinit(&vec);
        /* A win at the limit is no truncation. */
        open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=3x3", "env.horizon=1", "env.time_limit=truncate"),
                (int32_t[]){1, 1});
        vec_step(&vec, (int32_t[]){HALLWAY_LEFT, HALLWAY_LEFT}, NULL);
        assert_result(&vec, 1, true, false, true);
        vec_deinit(&vec);
    }
}

static void test_groups_are_decided_apart(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4x4+4x4x4"), (int32_t[]){1, 1, 3, 3, 2});
    vec_step(&vec, (int32_t[]){1, 1, 0, 0, 0}, NULL);
    assert_result(&vec, 1, false, false, false);
    assert_memory_equal(vec.alive, ((uint8_t[]){0, 0, 1, 1, 1}), 5);
    assert_memory_equal(vec.available, ((uint8_t[]){1, 0, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1}), 15);
    vec_step(&vec, (int32_t[]){2, 2, 1, 1, 0}, NULL); /* the first group has ended and stays */
    assert_cells(&vec, (int32_t[]){0, 0, 2, 2, 2});
    assert_true(vec.observation[1] == 0 && vec.observation[2 * env.spec.O + 1] == 1);
    assert_true(vec.state[0] == 0 && vec.state[4] == 2 && vec.state[5] == 0 && vec.state[6] == 1);
    vec_step(&vec, (int32_t[]){0, 0, 1, 1, 1}, NULL);
    vec_step(&vec, (int32_t[]){0, 0, 1, 1, 1}, NULL);
    assert_result(&vec, 1, true, false, true);
    vec_deinit(&vec);
}

static void test_groups_that_arrive_together_clash(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    const int32_t left[] = {1, 1, 1, 1, 1};
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4x4+4x4x4"), (int32_t[]){1, 1, 1, 1, 1});
    vec_step(&vec, left, NULL);
    assert_result(&vec, -1, true, false, false); /* two of -0.5 */
    vec_deinit(&vec);
    /* One wins while the other fails: no clash. */
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4x4+4x4x4"), (int32_t[]){1, 1, 1, 2, 1});
    vec_step(&vec, left, NULL);
    assert_result(&vec, 1, true, false, false);
    vec_deinit(&vec);
    /* Two clash while the third walks on and may still win. */
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4+4+4", "env.win_reward=10"), (int32_t[]){1, 1, 2});
    vec_step(&vec, left, NULL);
    assert_result(&vec, -10, false, false, false);
    vec_step(&vec, left, NULL);
    assert_result(&vec, 10, true, false, false);
    vec_deinit(&vec);
}

static void test_full_state_observation_shows_all(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4x5x6", "env.full_state_observation=true"),
            (int32_t[]){4, 3, 2});
    const float expected[] = {4, 4, 3, 2, 1, 0, 0, 3, 4, 3, 2, 0, 1, 0, 2, 4, 3, 2, 0, 0, 1},
                critic[] = {4, 3, 2, 4, 3, 2, 4, 3, 2};
    assert_memory_equal(vec.observation, expected, sizeof expected);
    assert_memory_equal(vec.state, critic, sizeof critic);
    vec_deinit(&vec);
}

static void test_states_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const int32_t bad[][7] = {
        {-1, 1, 1, 1, 1, 0, 0}, {15, 1, 1, 1, 1, 0, 0}, {0, 5, 1, 1, 1, 0, 0},  {0, -1, 1, 1, 1, 0, 0},
        {0, 0, 1, 1, 1, 0, 0},  {0, 0, 1, 1, 1, 1, 0},  {0, 0, 0, 1, 1, 2, 0},  {0, 1, 1, 1, 1, 2, 0},
        {0, 0, 1, 1, 1, 3, 0},  {0, 1, 1, 1, 1, 4, 0},  {0, 1, 1, 1, 1, -1, 0},
    };
    static const int32_t good[][7] = {{14, 1, 2, 3, 4, 0, 0}, {3, 0, 0, 1, 1, 1, 0}, {3, 0, 1, 1, 0, 2, 2}, {3, 0, 0, 0, 0, 3, 3}};
    struct env_instance env;
    struct vec vec;
    struct err err;
    must_open(&env, ARGUMENTS("env.name=hallway", "env.scenario=4x4+4x4"));
    must_init(&vec, &env, 1);
    assert_int_equal(env.state_bytes, sizeof bad[0]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (vec_load(&vec, 0, bad[i], sizeof bad[i], &err) != ERR_FORMAT)
            fail_msg("state %zu was not refused", i);
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(vec_load(&vec, 0, good[i], sizeof good[i], &err), 0);
    vec_deinit(&vec);
}

/* Scripts */

static void check_script(const char *scenario, const char *name, bool (*expected)(const int32_t *start, int N, int length))
{
    struct env_instance env;
    struct vec vec;
    int won = 0;
    must_open(&env, ARGUMENTS("env.name=hallway", scenario, "env.full_state_observation=true"));
    must_init(&vec, &env, 1);
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct rng rng = rng_stream(seed, RNG_RESET, 0, 0, 0); /* the start that play_episode draws */
        vec_reset(&vec, 0, &rng);
        int32_t start[8];
        memcpy(start, game_of(&vec)->cell, sizeof(int32_t) * (size_t)env.spec.N);
        struct episode episode = play_episode(&vec, must_find_script(env.ops, name), seed);
        assert_int_equal(episode.success, expected(start, env.spec.N, episode.length));
        assert_true(episode.returns[0] == (episode.success ? params_of(&vec)->G : 0));
        won += episode.success;
    }
    print_message("%s %s: won %d of 500\n", scenario, name, won);
    vec_deinit(&vec);
}

static int farthest(const int32_t *start, int N)
{
    int most = 0;
    for (int n = 0; n < N; n++)
        most = start[n] > most ? start[n] : most;
    return most;
}

/* Nobody can be faster than the farthest agent. */
static bool wins_in_fewest_steps(const int32_t *start, int N, int length)
{
    return length == farthest(start, N);
}

static bool wins_at_6(const int32_t *start, int N, int length)
{
    (void)start, (void)N;
    return length == 6;
}

static bool wins_when_equal(const int32_t *start, int N, int length)
{
    bool is_equal = true;
    int nearest = start[0];
    for (int n = 1; n < N; n++) {
        is_equal &= start[n] == start[0];
        nearest = start[n] < nearest ? start[n] : nearest;
    }
    assert_int_equal(length, nearest);
    return is_equal;
}

/* Groups {0, 1} and {2, 3, 4}: as fast as the slower group, one more when they would arrive together. */
static bool wins_in_turn(const int32_t *start, int N, int length)
{
    int first = farthest(start, 2), second = farthest(start + 2, N - 2);
    second += second == first;
    return length == (first > second ? first : second);
}

static bool wins_at_5(const int32_t *start, int N, int length)
{
    (void)start, (void)N;
    return length == 5; /* halls of 4, then the second group */
}

static void test_scripts_win_when_theory_says(void **state)
{
    (void)state;
    check_script("env.scenario=4x5x6", "coordinated", wins_in_fewest_steps);
    check_script("env.scenario=3x3x4x4", "coordinated", wins_in_fewest_steps);
    check_script("env.scenario=4x5x6", "clock", wins_at_6);
    check_script("env.scenario=4x5x6", "greedy", wins_when_equal);
    check_script("env.scenario=4x4+4x4x4", "coordinated", wins_in_turn);
    check_script("env.scenario=4x4+4x4x4", "clock", wins_at_5);
}

/* Uniform play. Until it is decided, everyone walks alone, so the chance to step on the goal first at step t is one hall's. */

#define STEPS_MAX 40
#define SAMPLES 200000

/* first[t] for t in 1..horizon: the probability that an agent who starts uniformly in a hall of L places and acts uniformly
 * reaches 0 for the first time at step t. */
static void first_arrivals(int L, int horizon, double *first)
{
    double at[16] = {0}, next[16];
    for (int x = 1; x <= L; x++)
        at[x] = 1.0 / L;
    for (int t = 1; t <= horizon; t++) {
        for (int x = 0; x <= L; x++)
            next[x] = 0;
        for (int x = 1; x <= L; x++) {
            next[x] += at[x] / 3;
            next[x - 1] += at[x] / 3;
            next[x < L ? x + 1 : L] += at[x] / 3;
        }
        first[t] = next[0];
        memcpy(at, next, sizeof at);
        at[0] = 0;
    }
}

/* joint[t]: that all of these halls' agents arrive first at step t. */
static void joint_arrivals(const int *length, int count, int horizon, double *joint)
{
    double first[STEPS_MAX];
    for (int t = 1; t <= horizon; t++)
        joint[t] = 1;
    for (int i = 0; i < count; i++) {
        first_arrivals(length[i], horizon, first);
        for (int t = 1; t <= horizon; t++)
            joint[t] *= first[t];
    }
}

struct sample {
    double successes, reward, reward_squared;
};

static struct sample play_uniformly(const char *scenario)
{
    struct env_instance env;
    struct vec vec;
    struct rng dice = rng_stream(9, RNG_TEST, 0, 0, 0);
    struct sample sample = {0};
    must_open(&env, ARGUMENTS("env.name=hallway", scenario));
    must_init(&vec, &env, 1);
    for (uint64_t episode = 0; episode < SAMPLES; episode++) {
        struct rng rng = rng_stream(9, RNG_RESET, episode, 0, 0);
        struct env_outcome outcome;
        int32_t action[8];
        double reward = 0;
        vec_reset(&vec, 0, &rng);
        do {
            for (int n = 0; n < env.spec.N; n++)
                action[n] = (int32_t)rng_below(&dice, 3);
            vec_step(&vec, action, NULL);
            reward += vec.reward[0];
        } while (!vec.terminated[0]);
        env.ops->outcome(env.params, vec.states, &outcome);
        sample.successes += outcome.success;
        sample.reward += reward;
        sample.reward_squared += reward * reward;
    }
    vec_deinit(&vec);
    return sample;
}

static void check_win_rate(const char *scenario, const int *length, int N, int horizon)
{
    double joint[STEPS_MAX], expected = 0;
    joint_arrivals(length, N, horizon, joint);
    for (int t = 1; t <= horizon; t++)
        expected += joint[t];
    struct sample sample = play_uniformly(scenario);
    double rate = sample.successes / SAMPLES, error = sqrt(expected * (1 - expected) / SAMPLES);
    print_message("%s: uniform play wins %.5f of %d episodes, theory %.5f, standard error %.5f\n", scenario, rate, SAMPLES,
                  expected, error);
    assert_true(fabs(rate - expected) < 4 * error);
    assert_true(sample.reward == sample.successes);
}

static void test_uniform_play_wins_as_often_as_theory_says(void **state)
{
    (void)state;
    check_win_rate("env.scenario=4x5x6", (int[]){4, 5, 6}, 3, 16);
    check_win_rate("env.scenario=3x3x4x4", (int[]){3, 3, 4, 4}, 4, 14);
    check_win_rate("env.scenario=2x3", (int[]){2, 3}, 2, 13);
    check_win_rate("env.scenario=1x1", (int[]){1, 1}, 2, 11);
}

/* Both groups walk on their own: a pair of arrival steps (t, u) pays 1 + 1 when they differ and -0.5 twice when they agree. */
static void test_uniform_groups_earn_what_theory_says(void **state)
{
    (void)state;
    double first[STEPS_MAX], second[STEPS_MAX], sums[2] = {0}, together = 0;
    joint_arrivals((int[]){2, 2}, 2, 13, first);
    joint_arrivals((int[]){2, 3}, 2, 13, second);
    for (int t = 1; t <= 13; t++) {
        sums[0] += first[t];
        sums[1] += second[t];
        together += first[t] * second[t];
    }
    double wins = sums[0] * sums[1] - together, reward = sums[0] + sums[1] - 3 * together;
    struct sample sample = play_uniformly("env.scenario=2x2+2x3");
    double mean = sample.reward / SAMPLES, variance = sample.reward_squared / SAMPLES - mean * mean;
    print_message("2x2+2x3: uniform play earns %.5f, theory %.5f; both win %.6f, theory %.6f\n", mean, reward,
                  sample.successes / SAMPLES, wins);
    assert_true(fabs(mean - reward) < 4 * sqrt(variance / SAMPLES));
    assert_true(fabs(sample.successes / SAMPLES - wins) < 4 * sqrt(wins / SAMPLES));
    assert_true(together > 0);
}

static void test_starts_are_uniform(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    int counts[3][7] = {{0}};
    must_open(&env, ARGUMENTS("env.name=hallway", "env.scenario=4x5x6"));
    must_init(&vec, &env, 1);
    for (uint64_t seed = 0; seed < 60000; seed++) {
        reset_all(&vec, seed);
        for (int n = 0; n < 3; n++)
            counts[n][game_of(&vec)->cell[n]]++;
    }
    for (int n = 0; n < 3; n++)
        for (int x = 1; x <= 4 + n; x++) /* four standard deviations at most */
            assert_in_range(counts[n][x], 60000 / (4 + n) - 430, 60000 / (4 + n) + 430);
    vec_deinit(&vec);
}

static void test_picture_shows_every_agent(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    struct scene *scene = malloc(sizeof *scene);
    assert_non_null(scene);
    open_at(&env, &vec, ARGUMENTS("env.name=hallway", "env.scenario=4x5x6"), (int32_t[]){4, 3, 2});
    env.ops->draw(env.params, vec.states, scene);
    int agents = 0;
    for (int i = 0; i < scene->count; i++)
        if (scene->items[i].shape == SCENE_CIRCLE) {
            assert_float_equal(scene->items[i].x, 4 - agents + 0.5, 1e-6);
            assert_float_equal(scene->items[i].y, 2 - agents + 0.5, 1e-6);
            agents++;
        }
    assert_int_equal(agents, 3);
    vec_deinit(&vec);
    free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenario_names),
        cmocka_unit_test(test_bad_names_are_refused),
        cmocka_unit_test(test_walking),
        cmocka_unit_test(test_all_at_once_win_and_one_early_ends_it),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_groups_are_decided_apart),
        cmocka_unit_test(test_groups_that_arrive_together_clash),
        cmocka_unit_test(test_full_state_observation_shows_all),
        cmocka_unit_test(test_states_that_cannot_be_are_refused),
        cmocka_unit_test(test_scripts_win_when_theory_says),
        cmocka_unit_test(test_uniform_play_wins_as_often_as_theory_says),
        cmocka_unit_test(test_uniform_groups_earn_what_theory_says),
        cmocka_unit_test(test_starts_are_uniform),
        cmocka_unit_test(test_picture_shows_every_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
