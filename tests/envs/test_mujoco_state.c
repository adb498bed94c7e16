/* Multi-agent MuJoCo: the state is all that a step depends on; resets, hostile states, simulations that blow up; scripts and
 * pictures. */
#include <pthread.h>

#include "tests/envs/mujoco_test.h"

/* States */

static void test_resets_are_noise_around_the_initial_pose(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    struct lab lab;
    struct mujoco_state *g = open_lab(&lab, "Hopper-3x1", "env.k=1");
    double largest = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        reset_all(&lab.vec, seed);
        for (int i = 0; i < 12; i++) {
            double off = fabs(g->number[i] - (i == 1 ? 1.25 : 0));
            assert_true(off <= 0.005);
            largest = fmax(largest, off);
        }
    }
    assert_true(largest > 0.0049);
    vec_deinit(&lab.vec);
    g = open_lab(&lab, "Ant-2x4", "env.k=1");
    double squares = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        reset_all(&lab.vec, seed);
        assert_near("quaternion", hypot(hypot(g->number[3], g->number[4]), hypot(g->number[5], g->number[6])), 1, 1e-12);
        for (int i = 15; i < 29; i++)
            squares += g->number[i] * g->number[i];
    }
    assert_near("deviation of velocities", sqrt(squares / (300 * 14)), 0.1, 0.005);
    vec_deinit(&lab.vec);
}

struct errand {
    struct lab *lab;
    unsigned char *out;
};

/* Plays on from the lab's state, in whatever thread it is called. */
static void *play_on(void *argument)
{
    struct errand *errand = argument;
    struct rng rng = rng_stream(9, RNG_TEST, 0, 0, 0);
    union cell action[JOINT_MAX];
    for (int step = 0; step < 40; step++) {
        random_actions(&errand->lab->vec, &rng, action);
        vec_step(&errand->lab->vec, action, NULL);
    }
    memcpy(errand->out, errand->lab->vec.states, errand->lab->env.state_bytes);
    return NULL;
}

static void test_other_threads_and_dirty_scratch_give_the_same_bytes(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    static const char *const scenarios[] = {"HalfCheetah-2x3", "Ant-2x4", "Hopper-3x1", "manyagent_swimmer-4x2"};
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        struct lab here, there;
        unsigned char first[8192], second[8192];
        pthread_t thread;
        open_lab(&here, scenarios[i], "env.k=1");
        open_lab(&there, scenarios[i], "env.k=1");
        assert_true(here.env.state_bytes <= sizeof first);
        assert_int_equal(pthread_create(&thread, NULL, play_on, &(struct errand){&there, second}), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        play_on(&(struct errand){&here, first}); /* this thread's scratch has seen other robots and states */
        assert_memory_equal(first, second, here.env.state_bytes);
        vec_deinit(&here.vec);
        vec_deinit(&there.vec);
    }
}

static void test_simulations_that_blow_up_end_the_episode(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    static const char *const scenarios[] = {"HalfCheetah-2x3", "Ant-4x2", "Walker2d-2x3", "manyagent_swimmer-4x2"};
    int broken = 0;
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        struct lab lab;
        struct err err;
        struct mujoco_state *g = open_lab(&lab, scenarios[i], "env.k=1");
        const struct mujoco_params *p = params_of(&lab);
        float action[8] = {0};
        for (int j = 0; j < p->sizes.nv; j++)
            g->number[p->sizes.nq + j] = j % 2 ? -9e5 : 9e5;
        assert_int_equal(lab.env.ops->check_state(p, g, &err), 0);
        for (int step = 0; step < 5 && !g->is_broken; step++)
            vec_step(&lab.vec, action, NULL);
        broken += g->is_broken;
        assert_true(!g->is_broken || (lab.vec.terminated[0] && lab.vec.reward[0] == 0));
        assert_int_equal(lab.env.ops->check_state(p, g, &err), 0);
        vec_step(&lab.vec, action, NULL);
        vec_deinit(&lab.vec);
    }
    assert_true(broken >= 3);
}

static void test_hostile_states_are_refused(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    struct lab lab;
    struct err err;
    struct mujoco_state *g = open_lab(&lab, "Ant-2x4", "env.k=1");
    static const double bad[] = {NAN, INFINITY, -INFINITY, 2e6, -2e6};
    int n = params_of(&lab)->n_numbers;
    assert_int_equal(n, 15 + 14 + 14 + 84);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        for (int at = 0; at < n; at += 3) {
            double kept = g->number[at], value = at < 29 ? bad[i] : bad[i] * 1e5;
            g->number[at] = value;
            assert_int_equal(lab.env.ops->check_state(lab.env.params, g, &err), ERR_FORMAT);
            g->number[at] = kept;
        }
    g->torso_x = NAN;
    assert_int_equal(lab.env.ops->check_state(lab.env.params, g, &err), ERR_FORMAT);
    g->torso_x = 0;
    g->is_broken = 2;
    assert_int_equal(lab.env.ops->check_state(lab.env.params, g, &err), ERR_FORMAT);
    g->is_broken = 0;
    assert_int_equal(lab.env.ops->check_state(lab.env.params, g, &err), 0);
    vec_deinit(&lab.vec);
}

static void test_models_are_loaded_once(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    struct lab first, second, slower;
    open_lab(&first, "Ant-2x4", "env.k=1");
    open_lab(&second, "Ant-4x2", "env.k=2");
    open_lab(&slower, "Ant-2x4", "env.timestep=0.005");
    assert_int_equal(params_of(&first)->model, params_of(&second)->model);
    assert_int_not_equal(params_of(&first)->model, params_of(&slower)->model);
    vec_deinit(&first.vec);
    vec_deinit(&second.vec);
    vec_deinit(&slower.vec);
}

static void test_scripts_reach_what_they_say(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    static const struct {
        const char *scenario, *script;
        double low, high;
    } cases[] = {{"HalfCheetah-6x1", "still", -20, 20},     {"HalfCheetah-6x1", "rhythm", 2500, 3500},
                 {"HalfCheetah-2x3", "rhythm", 2500, 3500}, {"manyagent_swimmer-4x2", "rhythm", 80, 150},
                 {"Walker2d-2x3", "rhythm", 200, 1000},     {"Hopper-3x1", "still", 20, 900}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lab lab;
        open_lab(&lab, cases[i].scenario, "env.k=1");
        double got = play_episode(&lab.vec, must_find_script(lab.env.ops, cases[i].script), 3).mean_return;
        print_message("%s %s: %.1f\n", cases[i].scenario, cases[i].script, got);
        assert_true(got >= cases[i].low && got <= cases[i].high);
        vec_deinit(&lab.vec);
    }
}

static void test_pictures_show_the_limbs(void **state)
{
    (void)state;
    SKIP_WITHOUT_MUJOCO();
    static const struct {
        const char *scenario;
        int limbs;
    } cases[] = {{"HalfCheetah-2x3", 8}, {"Ant-2x4", 13}, {"Hopper-3x1", 4}, {"Walker2d-2x3", 7}, {"manyagent_swimmer-4x2", 9}};
    static struct scene scene;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lab lab;
        int lines = 0;
        open_lab(&lab, cases[i].scenario, "env.k=1");
        lab.env.ops->draw(lab.env.params, lab.vec.states, &scene);
        for (int j = 0; j < scene.count; j++) {
            const struct scene_item *item = &scene.items[j];
            lines += item->shape == SCENE_LINE && item->ink == INK_ALLY;
            assert_true(item->ink != INK_ALLY ||
                        (item->x >= scene.left && item->x <= scene.right && item->y >= scene.bottom && item->y <= scene.top));
        }
        assert_int_equal(lines, cases[i].limbs);
        vec_deinit(&lab.vec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resets_are_noise_around_the_initial_pose),
        cmocka_unit_test(test_other_threads_and_dirty_scratch_give_the_same_bytes),
        cmocka_unit_test(test_simulations_that_blow_up_end_the_episode),
        cmocka_unit_test(test_hostile_states_are_refused),
        cmocka_unit_test(test_models_are_loaded_once),
        cmocka_unit_test(test_scripts_reach_what_they_say),
        cmocka_unit_test(test_pictures_show_the_limbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
