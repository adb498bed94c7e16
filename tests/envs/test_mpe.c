/* Particle worlds: motion, contacts, rewards and endings on hand-made states; what the scripts reach. Agreement with the references
 * is checked by the recorded traces. */
#include "tests/envs/mpe_test.h"

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
        cmocka_unit_test(test_greedy_beats_random_play),
        cmocka_unit_test(test_pictures_hold_all_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
