/* Particle worlds: motion, contacts, rewards and endings on hand-made states; the three forms of an action; masks, names, hostile
 * states; what the scripts reach. Agreement with the references is checked by the recorded traces. */
#include "envs/mpe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/envs/envs_test.h"

struct world {
    struct env_instance env;
    struct vec vec;
};

static const struct mpe_params *params_of(const struct world *world)
{
    return (const struct mpe_params *)world->env.params;
}

static struct mpe_state *game_of(struct world *world)
{
    return (struct mpe_state *)world->vec.states;
}

/* Opens a world with everything at rest and out of each other's way: body b at (2 b, 5), landmark i at (2 i, -5). */
static struct mpe_state *open_world(struct world *world, const char *const *arguments)
{
    must_open(&world->env, arguments);
    must_init(&world->vec, &world->env, 1);
    reset_all(&world->vec, 1);
    const struct mpe_params *p = params_of(world);
    struct mpe_state *g = game_of(world);
    for (int b = 0; b < p->B; b++)
        g->motion[b] = (struct mpe_motion){.at = {2.0 * b, 5}};
    for (int l = 0; l < p->L; l++) {
        mpe_numbers(p, g)[2 * l] = 2.0 * l;
        mpe_numbers(p, g)[2 * l + 1] = -5;
    }
    return g;
}

static void place(struct mpe_state *g, int body, double x, double y)
{
    g->motion[body].at[0] = x;
    g->motion[body].at[1] = y;
}

static void place_landmark(struct world *world, int i, double x, double y)
{
    mpe_numbers(params_of(world), game_of(world))[2 * i] = x;
    mpe_numbers(params_of(world), game_of(world))[2 * i + 1] = y;
}

/* One step in which everybody takes the same choice in each component. */
static void step_same(struct world *world, int32_t move, int32_t word)
{
    int32_t action[JOINT_MAX];
    for (int i = 0; i < world->env.spec.N * world->env.spec.C; i++)
        action[i] = i % world->env.spec.C ? word : move;
    vec_step(&world->vec, action, NULL);
}

static void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("got %.17g, expected %.17g", got, expected);
}

/* Motion */

static void test_bodies_move_by_the_old_or_the_new_velocity(void **state)
{
    (void)state;
    for (int is_openai = 0; is_openai < 2; is_openai++) {
        struct world world;
        struct mpe_state *g = open_world(
            &world, ARGUMENTS("env.name=mpe", is_openai ? "env.scenario=simple_spread-openai" : "env.scenario=simple_spread"));
        g->motion[0].velocity[0] = 0.8;
        step_same(&world, MOVE_UP, 0);
        double push = is_openai ? -0.5 : 0.5; /* openai's directions are turned round */
        assert_near(g->motion[0].velocity[0], 0.6, 1e-15);
        assert_near(g->motion[0].velocity[1], push, 1e-15);
        assert_near(g->motion[0].at[0], is_openai ? 0.06 : 0.08, 1e-15);
        assert_near(g->motion[0].at[1], is_openai ? 5 + 0.1 * push : 5, 1e-15);
        vec_deinit(&world.vec);
    }
}

static void test_top_speed_holds_in_tag_only(void **state)
{
    (void)state;
    struct world world;
    struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_tag", "env.prey=agents"));
    for (int i = 0; i < 20; i++)
        step_same(&world, MOVE_LEFT, 0);
    assert_near(hypot(g->motion[0].velocity[0], g->motion[0].velocity[1]), 1, 1e-12); /* 3 x 0.1 / 0.25 = 1.2 without it */
    assert_near(hypot(g->motion[3].velocity[0], g->motion[3].velocity[1]), 1.3, 1e-12);
    vec_deinit(&world.vec);
    g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_spread", "env.horizon=200"));
    for (int i = 0; i < 100; i++)
        step_same(&world, MOVE_LEFT, 0);
    assert_near(g->motion[0].velocity[0], -2, 1e-9);
    vec_deinit(&world.vec);
}

static void test_contacts_push_apart_by_penetration(void **state)
{
    (void)state;
    struct world world;
    struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_spread"));
    place(g, 0, 0, 0);
    place(g, 1, 0.25, 0); /* 0.05 deep: fifty margins, so softness does not show */
    step_same(&world, MOVE_NONE, 0);
    assert_near(g->motion[0].velocity[0], -0.5, 1e-12);
    assert_near(g->motion[1].velocity[0], 0.5, 1e-12);
    assert_near(g->motion[1].velocity[1], 0, 0);
    place(g, 0, 0, 0);
    place(g, 1, 0.3, 0); /* just touching: log 2 of a margin */
    g->motion[0].velocity[0] = g->motion[1].velocity[0] = 0;
    step_same(&world, MOVE_NONE, 0);
    assert_near(g->motion[1].velocity[0], 0.1 * 100 * 0.001 * log(2), 1e-9);
    vec_deinit(&world.vec);
}

static void test_bodies_in_one_place_do_no_harm(void **state)
{
    (void)state;
    struct world world;
    struct err err;
    struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_spread"));
    for (int b = 0; b < 3; b++)
        place(g, b, 1, 1);
    step_same(&world, MOVE_NONE, 0);
    assert_int_equal(world.env.ops->check_state(world.env.params, g, &err), 0);
    assert_near(g->motion[1].at[0], 1, 0);
    vec_deinit(&world.vec);
}

static void test_obstacles_stop_bodies_in_tag(void **state)
{
    (void)state;
    struct world world;
    struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_tag", "env.prey=stands"));
    place(g, 0, 0, 0);
    place_landmark(&world, 0, 0.2, 0);
    step_same(&world, MOVE_RIGHT, 0);
    assert_near(g->motion[0].velocity[0], 0.1 * (3 - 100 * 0.075), 1e-9);
    vec_deinit(&world.vec);
}

/* Rewards */

static void test_spread_pays_cover_and_touches(void **state)
{
    (void)state;
    struct world world;
    struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_spread", "env.local_ratio=0.3"));
    double reward[3];
    for (int l = 0; l < 3; l++)
        place_landmark(&world, l, 3.0 * l, 0);
    place(g, 0, 0, 0.25); /* nearest to landmark 0: 0.25; to 1: hypot(3, 0.25) */
    place(g, 1, 0.1, 0.25);
    place(g, 2, 6, 0.5);
    mpe_spread.reward(params_of(&world), g, reward);
    double cover = 0.25 + hypot(2.9, 0.25) + 0.5;
    assert_near(reward[0], -0.7 * cover - 0.3, 1e-12);
    assert_near(reward[1], -0.7 * cover - 0.3, 1e-12);
    assert_near(reward[2], -0.7 * cover, 1e-12);
    assert_int_equal(mpe_spread.count_touches(params_of(&world), g), 1);
    assert_false(mpe_spread.is_success(params_of(&world), g));
    vec_deinit(&world.vec);
}

static void test_openai_shares_the_sum(void **state)
{
    (void)state;
    struct world world;
    struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_spread-openai"));
    for (int b = 0; b < 3; b++) {
        place(g, b, 3.0 * b, 0);
        place_landmark(&world, b, 3.0 * b, 1);
    }
    step_same(&world, MOVE_NONE, 0);
    for (int n = 0; n < 3; n++)
        assert_near((double)world.vec.reward[n], 3 * (-3 - 1), 1e-5); /* each touches itself */
    vec_deinit(&world.vec);
}

static void test_tag_pays_each_pair_and_fences_prey(void **state)
{
    (void)state;
    struct world world;
    struct mpe_state *g =
        open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_tag", "env.prey=agents", "env.prey_count=2"));
    const struct mpe_params *p = params_of(&world);
    double reward[5];
    place(g, 3, 0.95, 0);
    place(g, 4, 1.5, -0.2);
    place(g, 0, 0.85, 0);
    place(g, 1, 0.95, 0.12);
    mpe_tag.reward(p, g, reward);
    for (int n = 0; n < 3; n++)
        assert_near(reward[n], 20, 0);
    assert_near(reward[3], -20 - 0.5, 1e-12);
    assert_near(reward[4], -exp(1), 1e-12);
    assert_false(mpe_tag.is_success(p, g));
    place(g, 2, 1.5, -0.1);
    assert_true(mpe_tag.is_success(p, g));
    place(g, 4, 1.5, -300);
    mpe_tag.reward(p, g, reward);
    assert_near(reward[4], -exp(1) - 10, 1e-12);
    vec_deinit(&world.vec);
}

static void test_talkers_are_paid_by_distance(void **state)
{
    (void)state;
    struct world world;
    double reward[2];
    struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_speaker_listener"));
    g->goal[0] = 2;
    place(g, 1, 4, -4.5);
    mpe_speaker_listener.reward(params_of(&world), g, reward);
    assert_near(reward[0], -0.25, 1e-12);
    assert_near(reward[1], -0.25, 1e-12);
    vec_deinit(&world.vec);
    g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_reference", "env.local_ratio=0.2"));
    g->goal[0] = 1;
    g->goal[1] = 0;
    place(g, 1, 2, -4.5); /* 0.5 from what agent 0 wants */
    place(g, 0, 0, -3);   /* 2 from what agent 1 wants */
    mpe_reference.reward(params_of(&world), g, reward);
    assert_near(reward[0], -0.8 * 1.25 - 0.2 * 0.5, 1e-12);
    assert_near(reward[1], -0.8 * 1.25 - 0.2 * 2, 1e-12);
    vec_deinit(&world.vec);
}

/* Endings */

static void test_the_time_limit_truncates_and_success_may_terminate(void **state)
{
    (void)state;
    for (int may_end = 0; may_end < 2; may_end++) {
        struct world world;
        struct mpe_state *g = open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_spread", "env.horizon=3",
                                                           may_end ? "env.terminate_on_success=true" : "env.agents=3"));
        for (int b = 0; b < 3; b++)
            place_landmark(&world, b, 2.0 * b + 0.09, 5);
        step_same(&world, MOVE_NONE, 0);
        assert_int_equal(world.vec.terminated[0], may_end);
        assert_int_equal(world.vec.truncated[0], 0);
        step_same(&world, MOVE_NONE, 0);
        step_same(&world, MOVE_NONE, 0);
        assert_int_equal(world.vec.terminated[0], 0); /* at the limit it is the limit that ends it, as in MPE2 */
        assert_int_equal(world.vec.truncated[0], 1);
        assert_true(mpe_spread.is_success(params_of(&world), g));
        vec_deinit(&world.vec);
    }
}

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

/* Scripts */

struct score {
    double mean_return, success, touches;
};

static void play_random(struct vec *vec, uint64_t seed, struct score *score)
{
    struct rng rng = rng_stream(seed, RNG_TEST, 1, 0, 0);
    union cell action[JOINT_MAX];
    reset_all(vec, seed);
    do {
        random_actions(vec, &rng, action);
        vec_step(vec, action, NULL);
        for (int n = 0; n < vec->instance->spec.N; n++)
            score->mean_return += (double)vec->reward[n] / vec->instance->spec.N;
    } while (!vec->terminated[0] && !vec->truncated[0]);
}

static struct score measure(const char *scenario, const char *key, bool is_greedy, int episodes)
{
    struct world world;
    struct score score = {0};
    must_open(&world.env, ARGUMENTS("env.name=mpe", scenario, key));
    must_init(&world.vec, &world.env, 1);
    for (int i = 0; i < episodes; i++) {
        struct env_outcome outcome;
        if (is_greedy)
            score.mean_return += play_episode(&world.vec, must_find_script(world.env.ops, "greedy"), (uint64_t)i).mean_return;
        else
            play_random(&world.vec, (uint64_t)i, &score);
        world.env.ops->outcome(world.env.params, world.vec.states, &outcome);
        score.success += outcome.success;
        score.touches += (double)outcome.info[1];
    }
    vec_deinit(&world.vec);
    return (struct score){score.mean_return / episodes, score.success / episodes, score.touches / episodes};
}

static void test_greedy_beats_random_play(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *key;
        double random_at_most, greedy_at_least, success_at_least;
    } cases[] = {
        {"env.scenario=simple_spread", "env.rules=mpe2", -20, -9, 0.8},
        {"env.scenario=simple_spread", "env.action=continuous", -20, -9, 0.8},
        {"env.scenario=simple_spread-openai", "env.agents=3", -200, -120, 0.9},
        {"env.scenario=simple_tag", "env.prey=flees", 5, 30, 0},
        {"env.scenario=simple_tag", "env.prey=stands", 15, 50, 0.2},
        {"env.scenario=simple_speaker_listener", "env.rules=mpe2", -30, -11, 0.99},
        {"env.scenario=simple_reference", "env.rules=mpe2", -20, -9, 0.99},
        {"env.scenario=simple_reference", "env.action=discrete", -20, -9, 0.99},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct score random = measure(cases[i].scenario, cases[i].key, false, 200),
                     greedy = measure(cases[i].scenario, cases[i].key, true, 200);
        print_message("%s %s: random %.2f (%.2f touches), greedy %.2f (success %.2f, %.2f touches)\n", cases[i].scenario,
                      cases[i].key, random.mean_return, random.touches, greedy.mean_return, greedy.success, greedy.touches);
        assert_true(random.mean_return <= cases[i].random_at_most);
        assert_true(greedy.mean_return >= cases[i].greedy_at_least);
        assert_true(greedy.success >= cases[i].success_at_least);
    }
}

static void test_pictures_hold_all_bodies(void **state)
{
    (void)state;
    struct world world;
    static struct scene scene;
    open_world(&world, ARGUMENTS("env.name=mpe", "env.scenario=simple_tag"));
    world.env.ops->draw(world.env.params, world.vec.states, &scene);
    int circles[INK_COUNT] = {0};
    for (int i = 0; i < scene.count; i++)
        circles[scene.items[i].ink] += scene.items[i].shape == SCENE_CIRCLE;
    assert_int_equal(circles[INK_ALLY], 3);
    assert_int_equal(circles[INK_ENEMY], 1);
    assert_int_equal(circles[INK_WALL], 2);
    assert_int_equal(scene.dropped, 0);
    vec_deinit(&world.vec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_move_by_the_old_or_the_new_velocity),
        cmocka_unit_test(test_top_speed_holds_in_tag_only),
        cmocka_unit_test(test_contacts_push_apart_by_penetration),
        cmocka_unit_test(test_bodies_in_one_place_do_no_harm),
        cmocka_unit_test(test_obstacles_stop_bodies_in_tag),
        cmocka_unit_test(test_spread_pays_cover_and_touches),
        cmocka_unit_test(test_openai_shares_the_sum),
        cmocka_unit_test(test_tag_pays_each_pair_and_fences_prey),
        cmocka_unit_test(test_talkers_are_paid_by_distance),
        cmocka_unit_test(test_the_time_limit_truncates_and_success_may_terminate),
        cmocka_unit_test(test_forms_of_actions_mean_the_same),
        cmocka_unit_test(test_unknown_actions_count_as_none_and_word_0),
        cmocka_unit_test(test_numbers_are_clipped),
        cmocka_unit_test(test_masks_say_who_can_do_what),
        cmocka_unit_test(test_widths_differ_where_agents_do),
        cmocka_unit_test(test_the_critic_sees_all_observations_and_who_it_is),
        cmocka_unit_test(test_words_are_heard_on_the_next_observation),
        cmocka_unit_test(test_hostile_states_are_refused),
        cmocka_unit_test(test_scenario_names_set_keys),
        cmocka_unit_test(test_greedy_beats_random_play),
        cmocka_unit_test(test_pictures_hold_all_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
