/* Multi-agent MuJoCo: against recorded steps of the published robots; partitions, observations, rewards, endings. */
#include "tests/envs/mujoco_test.h"

#include "tests/golden_json.h"

/* Without the library, too */

static void test_without_the_library_opening_says_what_to_install(void **state)
{
    (void)state;
    struct env_instance env;
    struct err err;
    assert_non_null(env_find("mujoco"));
    if (!mujoco_needs) {
        assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=mujoco")), 0);
        return;
    }
    assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=mujoco")), ERR_STATE);
    assert_non_null(strstr(err.text, "install libmujoco-dev"));
}

static void test_partitions_move_every_joint_once(void **state)
{
    (void)state;
    static const struct {
        int robot;
        const char *name;
        int joints;
    } cases[] = {{ROBOT_CHEETAH, "2x3", 6},  {ROBOT_CHEETAH, "6x1", 6},  {ROBOT_CHEETAH, "3x2", 6}, {ROBOT_ANT, "2x4", 8},
                 {ROBOT_ANT, "2x4d", 8},     {ROBOT_ANT, "4x2", 8},      {ROBOT_HOPPER, "3x1", 3},  {ROBOT_WALKER, "2x3", 6},
                 {ROBOT_SWIMMER, "4x5", 20}, {ROBOT_HUMANOID, "9|8", 17}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mujoco_partition deal;
        struct mujoco_graph graph;
        struct err err;
        joint_set seen = 0;
        unsigned actuators = 0;
        assert_int_equal(mujoco_partition(cases[i].robot, cases[i].name, &deal, &graph, &err), 0);
        assert_int_equal(graph.n_joints, cases[i].joints);
        for (int n = 0; n < deal.n_agents; n++)
            for (int j = 0; j < deal.count[n]; j++) {
                joint_set bit = (joint_set)1 << deal.joint[n][j];
                assert_true((seen & bit) == 0);
                seen |= bit;
                actuators |= 1u << graph.joint[deal.joint[n][j]].actuator;
            }
        assert_true(seen == ((joint_set)1 << cases[i].joints) - 1);
        assert_int_equal(actuators, (1u << cases[i].joints) - 1);
    }
}

static void test_unknown_partitions_name_the_known_ones(void **state)
{
    (void)state;
    struct mujoco_partition deal;
    struct mujoco_graph graph;
    struct err err;
    assert_int_equal(mujoco_partition(ROBOT_ANT, "2x3", &deal, &graph, &err), ERR_UNKNOWN);
    assert_non_null(strstr(err.text, "known: 2x4, 2x4d, 4x2"));
    static const char *const bad[] = {"", "4", "4x", "0x3", "1x1", "41x1", "2x21", "4x2b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(mujoco_partition(ROBOT_SWIMMER, bad[i], &deal, &graph, &err), ERR_UNKNOWN);
    struct env_instance env;
    static const char *const scenarios[] = {"env.scenario=HalfCheetah", "env.scenario=HalfCheeta-2x3", "env.scenario=Ant-",
                                            "env.scenario=Humanoid-9|8"};
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=mujoco", scenarios[i])), ERR_UNKNOWN);
}

/* With it */

static void test_sizes_are_the_published_ones(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    static const struct {
        const char *scenario;
        int nq, nv, nu, whole, obs[3]; /* at k = 0, 1, 2 */
    } cases[] = {
        {"HalfCheetah-2x3", 9, 9, 6, 17, {6, 7, 8}},      {"HalfCheetah-6x1", 9, 9, 6, 17, {2, 4, 6}},
        {"Ant-v2-2x4", 15, 14, 8, 111, {50, 52, 54}},     {"Ant-2x4d", 15, 14, 8, 111, {50, 52, 54}},
        {"Ant-4x2", 15, 14, 8, 111, {28, 31, 34}},        {"Hopper-3x1", 6, 6, 3, 11, {2, 4, 4}},
        {"Walker2d-v2-2x3", 9, 9, 6, 17, {6, 7, 8}},      {"manyagent_swimmer-10x2", 23, 23, 20, 44, {4, 6, 8}},
        {"manyagent_swimmer-2x1", 5, 5, 2, 8, {2, 3, 3}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int k = -1; k < 3; k++) {
            struct lab lab;
            char key[32];
            snprintf(key, sizeof key, "env.k=%d", k);
            open_lab(&lab, cases[i].scenario, key);
            const struct mujoco_params *p = params_of(&lab);
            assert_int_equal(p->sizes.nq, cases[i].nq);
            assert_int_equal(p->sizes.nv, cases[i].nv);
            assert_int_equal(p->sizes.nu, cases[i].nu);
            assert_int_equal(lab.env.spec.S, cases[i].whole + lab.env.spec.N);
            assert_int_equal(lab.env.spec.O, (k < 0 ? cases[i].whole : cases[i].obs[k]) + lab.env.spec.N);
            vec_deinit(&lab.vec);
        }
}

/* Recorded steps: a free run from the recorded start. The library that recorded is a later version than the packaged one. */

static void put_recorded(struct lab *lab, const json_t *episode)
{
    const struct mujoco_params *p = params_of(lab);
    struct mujoco_state *g = game_of(lab);
    for (int i = 0; i < p->sizes.nq; i++)
        g->number[i] = golden_at(episode, "qpos", (size_t)i);
    for (int i = 0; i < p->sizes.nv; i++)
        g->number[p->sizes.nq + i] = golden_at(episode, "qvel", (size_t)i);
    mujoco_settle(p->model, g->number, p->has_force, p->robot == ROBOT_ANT ? &g->torso_x : NULL);
}

static void take_recorded_step(struct lab *lab, const json_t *step)
{
    const struct mujoco_params *p = params_of(lab);
    float action[MUJOCO_JOINTS_MAX];
    for (int n = 0; n < p->partition.n_agents; n++)
        for (int i = 0; i < p->partition.count[n]; i++)
            action[n * p->partition.widest + i] = (float)golden_at(step, "act", (size_t)p->actuator[p->partition.joint[n][i]]);
    vec_step(&lab->vec, action, NULL);
}

/* Returns the largest difference of a position. */
static double compare_recorded(struct lab *lab, const json_t *step, double tolerance)
{
    const struct mujoco_params *p = params_of(lab);
    const struct mujoco_state *g = game_of(lab);
    double largest = 0;
    for (int i = 0; i < p->sizes.nq; i++) {
        double theirs = golden_at(step, "qpos", (size_t)i);
        largest = fmax(largest, fabs(g->number[i] - theirs));
        assert_near("qpos", g->number[i], theirs, tolerance);
    }
    for (int i = 0; i < p->sizes.nv; i++)
        assert_near("qvel", g->number[p->sizes.nq + i], golden_at(step, "qvel", (size_t)i), 100 * tolerance);
    for (size_t i = 0; i < json_array_size(json_object_get(step, "obs")); i++)
        assert_near("state", (double)lab->vec.state[i], golden_at(step, "obs", i), 1e-5);
    assert_near("reward", (double)lab->vec.reward[0], golden_number(step, "rew"), 1e-5);
    assert_int_equal(lab->vec.terminated[0], (int)golden_number(step, "done"));
    return largest;
}

static void test_robots_move_as_the_published_ones(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    json_t *golden = golden_read("mujoco"), *robot;
    const char *scenario;
    int robots = 0;
    json_object_foreach(golden, scenario, robot)
    {
        struct lab lab;
        double largest = 0;
        int steps = 0;
        open_lab(&lab, scenario, "env.k=1");
        json_t *episodes = json_object_get(robot, "episodes");
        for (size_t e = 0; e < json_array_size(episodes); e++) {
            json_t *episode = json_array_get(episodes, e), *list = json_object_get(episode, "steps");
            put_recorded(&lab, episode);
            for (size_t t = 0; t < json_array_size(list); t++, steps++) {
                take_recorded_step(&lab, json_array_get(list, t));
                largest = fmax(largest, compare_recorded(&lab, json_array_get(list, t), 1e-9));
            }
        }
        print_message("%s: %d steps, largest difference of qpos %g\n", scenario, steps, largest);
        assert_true(steps > 60);
        vec_deinit(&lab.vec);
        robots++;
    }
    json_decref(golden);
    assert_int_equal(robots, 5);
}

/* Observations and actions */

static void test_agents_move_their_joints_in_the_order_of_the_table(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    struct lab pair, six;
    open_lab(&pair, "HalfCheetah-2x3", "env.k=1");
    open_lab(&six, "HalfCheetah-6x1", "env.k=1");
    /* Both orders: back foot, shin, thigh, front foot, shin, thigh. */
    float action[6] = {0.1f, -0.7f, 0.4f, -1.0f, 0.9f, 0.3f};
    for (int step = 0; step < 5; step++) {
        vec_step(&pair.vec, action, NULL);
        vec_step(&six.vec, action, NULL);
        assert_memory_equal(pair.vec.states, six.vec.states, pair.env.state_bytes);
    }
    vec_deinit(&pair.vec);
    vec_deinit(&six.vec);
}

static void test_actions_are_clipped_and_what_is_not_finite_counts_as_0(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    struct lab wild, tame;
    open_lab(&wild, "Hopper-3x1", "env.k=1");
    open_lab(&tame, "Hopper-3x1", "env.k=1");
    const float wild_action[3] = {NAN, 7, -INFINITY}, tame_action[3] = {0, 1, 0};
    vec_step(&wild.vec, wild_action, NULL);
    vec_step(&tame.vec, tame_action, NULL);
    assert_memory_equal(wild.vec.states, tame.vec.states, wild.env.state_bytes);
    assert_true(wild.vec.reward[0] == tame.vec.reward[0]);
    vec_deinit(&wild.vec);
    vec_deinit(&tame.vec);
}

static void test_observations_follow_the_neighbourhood(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    struct lab lab;
    struct mujoco_state *g = open_lab(&lab, "HalfCheetah-2x3", "env.k=1");
    for (int i = 0; i < 18; i++)
        g->number[i] = i + 1;
    vec_observe(&lab.vec, 0);
    /* By name: bfoot, bshin, bthigh, each place then velocity; then the front thigh's place; the id. */
    static const float expected[] = {6, 15, 5, 14, 4, 13, 7, 1, 0};
    static const float other[] = {9, 18, 8, 17, 7, 16, 4, 0, 1};
    assert_memory_equal(lab.vec.observation, expected, sizeof expected);
    assert_memory_equal(lab.vec.observation + lab.env.spec.O, other, sizeof other);
    for (int i = 0; i < 17; i++)
        assert_near("state", (double)lab.vec.state[i], i + 2, 0);
    vec_deinit(&lab.vec);
}

static void test_hopper_clips_velocities_it_shows(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    struct lab lab;
    struct mujoco_state *g = open_lab(&lab, "Hopper-3x1", "env.k=0");
    g->number[6 + 3] = 25;
    vec_observe(&lab.vec, 0);
    assert_near("own velocity", (double)lab.vec.observation[1], 10, 0);
    assert_near("state", (double)lab.vec.state[5 + 3], 10, 0);
    vec_deinit(&lab.vec);
    g = open_lab(&lab, "Walker2d-2x3", "env.k=0");
    g->number[9 + 3] = 25; /* the walker clips only what the critic sees */
    vec_observe(&lab.vec, 0);
    assert_near("own velocity", (double)lab.vec.observation[5], 25, 0);
    assert_near("state", (double)lab.vec.state[8 + 3], 10, 0);
    vec_deinit(&lab.vec);
}

static void test_contact_forces_can_be_left_out(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    for (int has_force = 0; has_force < 2; has_force++) {
        struct lab lab;
        double sum = 0;
        open_lab(&lab, "Ant-4x2", has_force ? "env.contact_forces=true" : "env.contact_forces=false");
        float action[8] = {0};
        for (int step = 0; step < 20; step++)
            vec_step(&lab.vec, action, NULL);
        for (int i = 27; i < 111; i++)
            sum += fabs((double)lab.vec.state[i]);
        assert_true(has_force ? sum > 0.5 : sum == 0);
        vec_deinit(&lab.vec);
    }
}

/* Rewards and endings on hand-made states */

static void test_rewards_are_way_less_effort(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    static const struct {
        const char *scenario;
        double seconds, bonus, cost;
        int joints;
    } cases[] = {{"HalfCheetah-2x3", 0.05, 0, 0.1, 6},
                 {"Hopper-3x1", 0.008, 1, 0.001, 3},
                 {"Walker2d-2x3", 0.008, 1, 0.001, 6},
                 {"manyagent_swimmer-3x2", 0.04, 0, 0.0001, 6}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lab lab;
        struct mujoco_state *g = open_lab(&lab, cases[i].scenario, "env.k=1");
        float action[8];
        for (int j = 0; j < 8; j++)
            action[j] = 0.5f;
        double before = g->number[0];
        vec_step(&lab.vec, action, NULL);
        double expected = (g->number[0] - before) / cases[i].seconds + cases[i].bonus - cases[i].cost * cases[i].joints * 0.25;
        for (int n = 0; n < lab.env.spec.N; n++)
            assert_near(cases[i].scenario, (double)lab.vec.reward[n], expected, 1e-6);
        vec_deinit(&lab.vec);
    }
}

static void test_falls_terminate_and_the_limit_truncates(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    static const struct {
        const char *scenario;
        int number;
        double value;
        bool ends;
    } cases[] = {
        {"Ant-2x4", 2, 1.1, true},       {"Ant-2x4", 17, -40, true},       {"Ant-2x4", 2, 0.6, false},
        {"Hopper-3x1", 1, 0.65, true},   {"Hopper-3x1", 2, 0.25, true},    {"Hopper-3x1", 2, -0.25, true},
        {"Hopper-3x1", 9, 160, true},    {"Hopper-3x1", 0, 1e4, false},    {"Hopper-3x1", 1, 5, false},
        {"Walker2d-2x3", 1, 2.1, true},  {"Walker2d-2x3", 1, 0.7, true},   {"Walker2d-2x3", 2, 1.1, true},
        {"Walker2d-2x3", 2, -1.1, true}, {"HalfCheetah-2x3", 2, 3, false}, {"manyagent_swimmer-2x2", 2, 50, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lab lab;
        struct mujoco_state *g = open_lab(&lab, cases[i].scenario, "env.horizon=2");
        float action[8] = {0};
        g->number[cases[i].number] = cases[i].value;
        vec_step(&lab.vec, action, NULL);
        if (lab.vec.terminated[0] != cases[i].ends)
            fail_msg("%s with number %d at %g: terminated %d", cases[i].scenario, cases[i].number, cases[i].value,
                     lab.vec.terminated[0]);
        assert_int_equal(lab.vec.truncated[0], 0);
        if (!cases[i].ends) {
            vec_step(&lab.vec, action, NULL);
            assert_int_equal(lab.vec.terminated[0] + lab.vec.truncated[0], 1);
        }
        vec_deinit(&lab.vec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_the_library_opening_says_what_to_install),
        cmocka_unit_test(test_partitions_move_every_joint_once),
        cmocka_unit_test(test_unknown_partitions_name_the_known_ones),
        cmocka_unit_test(test_sizes_are_the_published_ones),
        cmocka_unit_test(test_robots_move_as_the_published_ones),
        cmocka_unit_test(test_agents_move_their_joints_in_the_order_of_the_table),
        cmocka_unit_test(test_actions_are_clipped_and_what_is_not_finite_counts_as_0),
        cmocka_unit_test(test_observations_follow_the_neighbourhood),
        cmocka_unit_test(test_hopper_clips_velocities_it_shows),
        cmocka_unit_test(test_contact_forces_can_be_left_out),
        cmocka_unit_test(test_rewards_are_way_less_effort),
        cmocka_unit_test(test_falls_terminate_and_the_limit_truncates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
