/* Particle worlds: the three forms of an action and their masks, observations, hostile states, names of scenarios. */
#include "tests/envs/mpe_test.h"

/* Actions */

static void assert_same_state(struct world *a, struct world *b)
{
    assert_int_equal(a->env.state_bytes, b->env.state_bytes);
    assert_memory_equal(a->vec.states, b->vec.states, a->env.state_bytes);
}

/* The same moves and words as parts, flat and as numbers lead to the same bytes. */
static void check_forms(const char *scenario)
{
    static const char *const kinds[] = {"env.action=multi-discrete", "env.action=discrete", "env.action=continuous"};
    struct world worlds[3];
    struct rng rng = rng_stream(5, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 3; i++)
        open_world(&worlds[i], ARGUMENTS("env.name=mpe", scenario, kinds[i]));
    const struct mpe_params *p = params_of(&worlds[0]);
    for (int step = 0; step < 20; step++) {
        int32_t parts[JOINT_MAX] = {0}, flat[JOINT_MAX] = {0};
        float numbers[JOINT_MAX] = {0};
        for (int n = 0; n < p->N; n++) {
            int moves = p->body[n].accel > 0 ? MPE_MOVES : 1, words = p->body[n].is_speaker ? p->words : 1;
            int move = (int)rng_below(&rng, (uint32_t)moves), word = (int)rng_below(&rng, (uint32_t)words);
            parts[n * p->C] = move;
            if (p->C > 1)
                parts[n * p->C + 1] = word;
            flat[n] = move + moves * word;
            numbers[n * (MPE_MOVES + p->words) + move] = 1;
            if (p->words)
                numbers[n * (MPE_MOVES + p->words) + MPE_MOVES + word] = 1;
        }
        vec_step(&worlds[0].vec, parts, NULL);
        vec_step(&worlds[1].vec, flat, NULL);
        vec_step(&worlds[2].vec, numbers, NULL);
        assert_same_state(&worlds[0], &worlds[1]);
        assert_same_state(&worlds[0], &worlds[2]);
    }
    for (int i = 0; i < 3; i++)
        vec_deinit(&worlds[i].vec);
}

static void test_forms_of_actions_mean_the_same(void **state)
{
    (void)state;
    check_forms("env.scenario=simple_spread");
    check_forms("env.scenario=simple_tag");
    check_forms("env.scenario=simple_speaker_listener");
    check_forms("env.scenario=simple_reference");
}

static void test_unknown_actions_count_as_none_and_word_0(void **state)
{
    (void)state;
    static const char *const kinds[] = {"env.action=multi-discrete", "env.action=discrete"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct world known, unknown;
        open_world(&known, ARGUMENTS("env.name=mpe", "env.scenario=simple_reference", kinds[i]));
        open_world(&unknown, ARGUMENTS("env.name=mpe", "env.scenario=simple_reference", kinds[i]));
        step_same(&known, 0, 0);
        step_same(&unknown, 99, -1);
        assert_same_state(&known, &unknown);
        vec_deinit(&known.vec);
        vec_deinit(&unknown.vec);
    }
}

static void test_numbers_are_clipped(void **state)
{
    (void)state;
    struct world world;
    struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_reference-continuous"));
    float numbers[2 * 15] = {0, 5, 0.25f, NAN, -3, 2, NAN, 0.5f};
    vec_step(&world.vec, numbers, NULL);
    assert_near(g->motion[0].velocity[0], 0.5 * (0.25 - 1), 1e-12);
    assert_near(g->motion[0].velocity[1], 0, 0);
    assert_near(mpe_speech(params_of(&world), g, 0)[0], 1, 0);
    assert_near(mpe_speech(params_of(&world), g, 0)[1], 0, 0);
    assert_near(mpe_speech(params_of(&world), g, 0)[2], 0.5, 0);
    vec_deinit(&world.vec);
}

static void test_masks_say_who_can_do_what(void **state)
{
    (void)state;
    struct world world;
    static const uint8_t parts[] = {1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}, flat[] = {1, 1, 1, 0, 0, 1, 1, 1, 1, 1};
    open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_speaker_listener"));
    assert_int_equal(world.env.spec.action, ACTION_MULTI_DISCRETE);
    assert_memory_equal(world.vec.available, parts, sizeof parts);
    vec_deinit(&world.vec);
    open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_speaker_listener", "env.action=discrete"));
    assert_int_equal(world.env.spec.A, 5);
    assert_memory_equal(world.vec.available, flat, sizeof flat);
    vec_deinit(&world.vec);
    open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_reference", "env.action=discrete"));
    assert_int_equal(world.env.spec.A, 50);
    vec_deinit(&world.vec);
}

/* Observations */

static void test_widths_differ_where_agents_do(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_tag", "env.prey=agents"));
    assert_int_equal(world.env.spec.n_widths, 4);
    assert_int_equal(world.env.spec.widths[2], 16);
    assert_int_equal(world.env.spec.widths[3], 14);
    assert_int_equal(world.env.spec.S, 62 + 4);
    vec_deinit(&world.vec);
    open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_speaker_listener", "env.agent_id=true"));
    assert_int_equal(world.env.spec.widths[0], 3 + 2);
    assert_int_equal(world.env.spec.widths[1], 11 + 2);
    vec_observe(&world.vec, 0);
    for (int i = 5; i < 13; i++)
        assert_near((double)world.vec.observation[i], 0, 0); /* the speaker's row, padded */
    assert_near((double)world.vec.observation[3], 1, 0);
    vec_deinit(&world.vec);
    open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_spread"));
    assert_int_equal(world.env.spec.n_widths, 0);
    vec_deinit(&world.vec);
}

static void test_the_critic_sees_all_observations_and_who_it_is(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_speaker_listener"));
    step_same(&world, MOVE_LEFT, 2);
    for (int n = 0; n < 2; n++) {
        const float *row = world.vec.state + n * world.env.spec.S;
        assert_int_equal(world.env.spec.S, 3 + 11 + 2);
        assert_memory_equal(row, world.vec.observation, 3 * sizeof(float));
        assert_memory_equal(row + 3, world.vec.observation + world.env.spec.O, 11 * sizeof(float));
        assert_near((double)row[14 + n], 1, 0);
        assert_near((double)row[15 - n], 0, 0);
    }
    vec_deinit(&world.vec);
}

static void test_words_are_heard_on_the_next_observation(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_reference"));
    step_same(&world, MOVE_NONE, 7);
    for (int w = 0; w < 10; w++)
        assert_near((double)world.vec.observation[11 + w], w == 7, 0);
    vec_deinit(&world.vec);
}

/* States */

static void test_hostile_states_are_refused(void **state)
{
    (void)state;
    struct world world;
    struct err err;
    struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_reference"));
    const struct env_ops *ops = world.env.ops;
    double *numbers = mpe_numbers(params_of(&world), g);
    assert_int_equal(ops->check_state(world.env.params, g, &err), 0);
#define REFUSES(place, bad)                                                        \
    do {                                                                           \
        __typeof__(place) kept = place;                                            \
        place = bad;                                                               \
        assert_int_equal(ops->check_state(world.env.params, g, &err), ERR_FORMAT); \
        place = kept;                                                              \
        assert_int_equal(ops->check_state(world.env.params, g, &err), 0);          \
    } while (0)
    REFUSES(g->motion[1].at[0], NAN);
    REFUSES(g->motion[0].velocity[1], -INFINITY);
    REFUSES(g->motion[0].velocity[1], 1e5);
    REFUSES(numbers[3], 1e10);
    REFUSES(numbers[6], 1.5);
    REFUSES(numbers[25], NAN);
    REFUSES(g->goal[1], 3);
    REFUSES(g->goal[0], -1);
    REFUSES(g->step, 26);
    REFUSES(g->touches, -1);
#undef REFUSES
    vec_deinit(&world.vec);
}

/* Names */

static void test_scenario_names_set_keys(void **state)
{
    (void)state;
    struct env_instance env;
    struct err err;
    must_open(&env, ARGUMENTS("env.name=mpe", "env.scenario=simple_spread_v3-5p-4l-openai-continuous"));
    const struct mpe_params *p = (const struct mpe_params *)env.params;
    assert_int_equal(p->N, 5);
    assert_int_equal(p->L, 4);
    assert_int_equal(p->rules, RULES_OPENAI);
    assert_int_equal(env.spec.action, ACTION_BOX);
    static const char *const bad[] = {"env.scenario=simple_sprad", "env.scenario=simple_spread-5q",
                                      "env.scenario=simple_spread-99p", "env.scenario=simple_spread-",
                                      "env.scenario=simple_spreadx"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=mpe", bad[i])), ERR_UNKNOWN);
        assert_non_null(strstr(err.text, "expected a task"));
    }
    assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=mpe", "env.scenario=simple_reference-3p")), ERR_RANGE);
    assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=mpe", "env.scenario=simple_tag-32p")), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_of_actions_mean_the_same),
        cmocka_unit_test(test_unknown_actions_count_as_none_and_word_0),
        cmocka_unit_test(test_numbers_are_clipped),
        cmocka_unit_test(test_masks_say_who_can_do_what),
        cmocka_unit_test(test_widths_differ_where_agents_do),
        cmocka_unit_test(test_the_critic_sees_all_observations_and_who_it_is),
        cmocka_unit_test(test_words_are_heard_on_the_next_observation),
        cmocka_unit_test(test_hostile_states_are_refused),
        cmocka_unit_test(test_scenario_names_set_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
