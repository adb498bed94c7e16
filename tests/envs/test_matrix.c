/* The iterated matrix game: its table, its conventions' returns, its endings. */
#include "envs/matrix.h"

#include "tests/envs/envs_test.h"

#define EPISODES 2000

static double mean_return(const char *name)
{
    struct env_instance env;
    struct vec vec;
    double sum = 0;
    must_open(&env, ARGUMENTS("env.name=matrix"));
    must_init(&vec, &env, 1);
    for (uint64_t seed = 0; seed < EPISODES; seed++) {
        struct episode episode = play_episode(&vec, must_find_script(env.ops, name), seed);
        assert_int_equal(episode.length, 100);
        assert_true(episode.terminated && !episode.truncated);
        assert_true(episode.returns[0] == episode.returns[1]);
        sum += episode.mean_return;
    }
    vec_deinit(&vec);
    print_message("%s: mean return %g over %d episodes\n", name, sum / EPISODES, EPISODES);
    return sum / EPISODES;
}

static void test_conventions_return_what_theory_says(void **state)
{
    (void)state;
    assert_true(mean_return("convention") == 100);
    assert_true(mean_return("until-broken") == 100);
    /* Standard errors: uniform 5 / sqrt(2000) = 0.11; state-only has variance 1.25, so 0.025. Four of them allowed. */
    assert_float_equal(mean_return("uniform"), 50, 0.45);
    assert_float_equal(mean_return("state-only"), 99.5, 0.1);
}

/* An adversary that always answers the convention wrongly: the type-blind convention earns nothing, until-broken about half. */
static double return_against_spoiler(const char *name)
{
    struct env_instance env;
    struct vec vec;
    double sum = 0;
    must_open(&env, ARGUMENTS("env.name=matrix"));
    must_init(&vec, &env, 1);
    const struct env_script *script = must_find_script(env.ops, name);
    for (uint64_t seed = 0; seed < EPISODES; seed++) {
        struct rng rng = rng_stream(seed, RNG_RESET, 0, 0, 0), dice = rng_stream(seed, RNG_TEST, 0, 0, 0);
        unsigned char memory[64] = {0};
        vec_reset(&vec, 0, &rng);
        for (int step = 0; step < 100; step++) {
            int32_t spoiled = vec.observation[0] > 0.5f ? 0 : 1;
            vec_step(&vec, (int32_t[]){script_action(&env, script, &vec, 0, step, memory, &dice), spoiled}, NULL);
            sum += vec.reward[0];
        }
    }
    vec_deinit(&vec);
    return sum / EPISODES;
}

static void test_conventions_fall_to_an_adversary(void **state)
{
    (void)state;
    assert_true(return_against_spoiler("convention") == 0);
    assert_float_equal(return_against_spoiler("until-broken"), 49.5, 0.45);
}

static void test_table(void **state)
{
    (void)state;
    struct env_instance env;
    must_open(&env, ARGUMENTS("env.name=matrix", "env.horizon=5"));
    for (int s = 0; s < 2; s++)
        for (int a = 0; a < 4; a++) {
            struct matrix_state game = {.s = (uint8_t)s};
            float reward[2];
            uint8_t terminated, truncated;
            int32_t action[2] = {a / 2, a % 2};
            env.ops->step(env.params, &game, &(struct env_action){.choice = action}, NULL,
                          &(struct env_result){reward, &terminated, &truncated});
            assert_true(reward[0] == (s == 0 ? action[0] == action[1] : action[0] != action[1]));
            assert_true(reward[1] == reward[0] && game.s == reward[0] && game.last_s == s && !terminated && !truncated);
        }
}

static void test_unknown_actions_count_as_0(void **state)
{
    (void)state;
    struct env_instance env;
    must_open(&env, ARGUMENTS("env.name=matrix"));
    static const int32_t hostile[] = {-1, 2, 99, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct matrix_state game = {.s = 0};
        float reward[2];
        uint8_t terminated, truncated;
        env.ops->step(env.params, &game, &(struct env_action){.choice = (int32_t[]){hostile[i], 0}}, NULL,
                      &(struct env_result){reward, &terminated, &truncated});
        assert_true(reward[0] == 1 && game.last_action[0] == 0);
    }
}

static void test_time_limit_terminates_or_truncates(void **state)
{
    (void)state;
    for (int truncates = 0; truncates < 2; truncates++) {
        struct env_instance env;
        struct vec vec;
        must_open(&env, ARGUMENTS("env.name=matrix", "env.horizon=3",
                                  truncates ? "env.time_limit=truncate" : "env.time_limit=terminate"));
        must_init(&vec, &env, 1);
        reset_all(&vec, 1);
        for (int step = 1; step <= 3; step++) {
            vec_step(&vec, (int32_t[]){0, 0}, NULL);
            assert_int_equal(vec.terminated[0], step == 3 && !truncates);
            assert_int_equal(vec.truncated[0], step == 3 && truncates);
        }
        vec_deinit(&vec);
    }
}

static void test_both_starts_are_drawn(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    int ones = 0;
    must_open(&env, ARGUMENTS("env.name=matrix"));
    must_init(&vec, &env, EPISODES);
    reset_all(&vec, 7);
    for (int b = 0; b < EPISODES; b++)
        ones += vec.observation[b * 2 * env.spec.O] > 0.5f;
    assert_in_range(ones, EPISODES / 2 - 100, EPISODES / 2 + 100); /* 4.5 standard deviations */
    vec_deinit(&vec);
}

static void test_blocks_can_be_switched_off(void **state)
{
    (void)state;
    struct env_instance env;
    must_open(&env, ARGUMENTS("env.name=matrix"));
    assert_int_equal(env.spec.O, 5);
    must_open(&env, ARGUMENTS("env.name=matrix", "env.zero_tail=true"));
    assert_int_equal(env.spec.O, 7);
    must_open(&env, ARGUMENTS("env.name=matrix", "env.scenario=bare"));
    assert_int_equal(env.spec.O, 2);
    must_open(&env, ARGUMENTS("env.name=matrix", "env.scenario=bare", "env.last_action=true"));
    assert_int_equal(env.spec.O, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conventions_return_what_theory_says),
        cmocka_unit_test(test_conventions_fall_to_an_adversary),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_unknown_actions_count_as_0),
        cmocka_unit_test(test_time_limit_terminates_or_truncates),
        cmocka_unit_test(test_both_starts_are_drawn),
        cmocka_unit_test(test_blocks_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
