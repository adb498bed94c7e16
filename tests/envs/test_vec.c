/* What every environment must do, checked for all that are registered, in all scenarios they list. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/envs/envs_test.h"

#define LANES 6
#define STEPS 263       /* a multiple of no horizon: cars and others start every episode alike, so ends would all look the same */
#define AFFORDABLE 4000 /* numbers that the teams of all scenarios observe: up to here, all steps */

/* Allocations of this process, counted by AddressSanitizer's hook or by our own malloc in front of libc's. Volatile, because
 * compilers know that malloc changes no variable. */
static volatile long allocations;

#ifdef __SANITIZE_ADDRESS__
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
static void count_malloc(const volatile void *memory, size_t size)
{
    (void)memory, (void)size;
    allocations++;
}
static void count_free(const volatile void *memory)
{
    (void)memory;
}
static void install_counter(void)
{
    assert_true(__sanitizer_install_malloc_and_free_hooks(count_malloc, count_free) > 0);
}
#elif !defined(__SANITIZE_THREAD__)
void *__libc_malloc(size_t size);
void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}
static void install_counter(void)
{
}
#else
static void install_counter(void)
{
    print_message("not counted here: thread sanitizer has no allocation hook\n");
    allocations = -1;
}
#endif

/* Steps that a check can afford: fewer where an environment has many scenarios and this one is large; sanitizers are slow. */
static int affordable(const struct env_instance *env, int steps)
{
    int scenarios = 0;
    while (env->ops->scenarios[scenarios])
        scenarios++;
    int64_t numbers = (int64_t)env->spec.N * env->spec.O * scenarios, fewer = (int64_t)steps * AFFORDABLE / numbers;
    return fewer >= steps ? steps : fewer < 10 ? 10 : (int)fewer;
}

static void for_each_scenario(void (*check)(const struct env_instance *env))
{
    for (const struct env_ops *const *ops = env_registry; *ops; ops++) {
        const char *is_missing = env_missing(*ops);
        if (is_missing)
            print_message("%s is left out: this build lacks %s\n", (*ops)->name, is_missing);
        for (const char *const *scenario = (*ops)->scenarios; *scenario && !is_missing; scenario++) {
            struct env_instance env;
            char name[64], text[128];
            snprintf(name, sizeof name, "env.name=%s", (*ops)->name);
            snprintf(text, sizeof text, "env.scenario=%s", *scenario);
            must_open(&env, ARGUMENTS(name, text));
            check(&env);
        }
    }
}

static void reset_finished(struct vec *vec, uint64_t seed)
{
    for (int b = 0; b < vec->B; b++)
        if (vec->terminated[b] || vec->truncated[b]) {
            struct rng rng = rng_stream(seed, RNG_RESET, (uint64_t)b, 1, 0);
            vec_reset(vec, b, &rng);
        }
}

static void check_spec(const struct env_instance *env)
{
    const struct spec *spec = &env->spec;
    struct err err;
    int covered = 0;
    assert_int_equal(spec_check(spec, &err), 0);
    for (int i = 0; i < spec->n_blocks; i++) {
        assert_int_equal(spec->blocks[i].start, covered);
        covered += spec->blocks[i].width;
    }
    assert_int_equal(covered, spec->O);
    assert_int_equal(spec->state_bytes, env->state_bytes);
    assert_true(env->ops->params_bytes <= ENV_PARAMS_MAX);
    assert_true(strlen(env->ops->summary) > 0);
    for (int i = 0; i < env->ops->n_rows; i++)
        assert_true(!strncmp(env->ops->rows[i].name, "env.", 4) && strlen(env->ops->rows[i].help) > 0);
}

static void test_specs_are_consistent(void **state)
{
    (void)state;
    for_each_scenario(check_spec);
}

static void check_outputs(const struct vec *vec)
{
    const struct spec *spec = &vec->instance->spec;
    for (int i = 0; i < LANES * spec->N * spec->O; i++)
        assert_true(isfinite(vec->observation[i]));
    for (int i = 0; i < LANES * spec->N; i++) {
        const uint8_t *available = vec->available + i * spec->A;
        for (int c = 0; c < spec->C; c++) {
            int choices = spec->action == ACTION_BOX ? 1 : spec->components[c].choices, count = 0;
            for (int a = 0; a < choices; a++) {
                assert_true(available[a] <= 1);
                count += available[a];
            }
            assert_true(count > 0);
            available += choices;
        }
        assert_true(vec->alive[i] <= 1 && isfinite(vec->reward[i]));
    }
    for (int b = 0; b < LANES; b++)
        assert_true(vec->terminated[b] + vec->truncated[b] <= 1);
}

static void check_random_play(const struct env_instance *env)
{
    struct vec vec;
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    union cell action[LANES * JOINT_MAX];
    double mean_return[LANES] = {0};
    must_init(&vec, env, LANES);
    reset_all(&vec, 1);
    for (int step = 0; step < affordable(env, STEPS); step++) {
        random_actions(&vec, &rng, action);
        step_all(&vec, action, 1, step);
        check_outputs(&vec);
        for (int b = 0; b < LANES; b++) {
            for (int n = 0; n < env->spec.N; n++)
                mean_return[b] += vec.reward[b * env->spec.N + n] / env->spec.N;
            assert_true(mean_return[b] <= env->spec.return_max + 1e-6 && mean_return[b] >= env->spec.return_min - 1e-6);
            if (vec.terminated[b] || vec.truncated[b])
                mean_return[b] = 0;
        }
        reset_finished(&vec, (uint64_t)step);
    }
    vec_deinit(&vec);
}

static void test_random_play_stays_in_bounds(void **state)
{
    (void)state;
    for_each_scenario(check_random_play);
}

/* Bytes of everything after `steps` random steps. */
static void play(struct vec *vec, uint64_t seed, int steps, unsigned char *out, size_t size)
{
    const struct spec *spec = &vec->instance->spec;
    struct rng rng = rng_stream(seed, RNG_TEST, 0, 0, 0);
    union cell action[LANES * JOINT_MAX];
    for (int step = 0; step < steps; step++) {
        random_actions(vec, &rng, action);
        step_all(vec, action, seed, step);
        reset_finished(vec, seed + (uint64_t)step);
    }
    size_t observations = (size_t)(vec->B * spec->N * spec->O) * sizeof(float), states = (size_t)vec->B * vec->state_stride;
    assert_true(states + observations <= size);
    memset(out, 0, size);
    memcpy(out, vec->states, states);
    memcpy(out + states, vec->observation, observations);
}

#define PLAY_BYTES (1 << 20)

static void check_seeds(const struct env_instance *env)
{
    unsigned char *first = malloc(PLAY_BYTES), *second = malloc(PLAY_BYTES), *other = malloc(PLAY_BYTES);
    struct vec vec;
    assert_true(first && second && other);
    unsigned char *const out[] = {first, second, other};
    for (int i = 0; i < 3; i++) {
        uint64_t seed = i < 2 ? 11 : 12;
        must_init(&vec, env, LANES);
        reset_all(&vec, 1);
        play(&vec, 2, i, out[i], PLAY_BYTES); /* what came before a reset must not matter */
        reset_all(&vec, seed);
        play(&vec, seed, affordable(env, STEPS), out[i], PLAY_BYTES);
        vec_deinit(&vec);
    }
    assert_memory_equal(first, second, PLAY_BYTES);
    assert_memory_not_equal(first, other, PLAY_BYTES);
    free(first);
    free(second);
    free(other);
}

static void test_same_seed_same_bytes(void **state)
{
    (void)state;
    for_each_scenario(check_seeds);
}

static void check_save_load(const struct env_instance *env)
{
    unsigned char *straight = malloc(PLAY_BYTES), *resumed = malloc(PLAY_BYTES), *saved = malloc(LANES * env->state_bytes + 1);
    struct vec vec, copy;
    struct err err;
    assert_true(straight && resumed && saved);
    must_init(&vec, env, LANES);
    reset_all(&vec, 21);
    play(&vec, 6, 17, straight, PLAY_BYTES);
    for (int b = 0; b < LANES; b++)
        vec_save(&vec, b, saved + 1 + (size_t)b * env->state_bytes); /* bytes need no alignment */
    must_init(&copy, env, LANES);
    for (int b = 0; b < LANES; b++)
        assert_int_equal(vec_load(&copy, b, saved + 1 + (size_t)b * env->state_bytes, env->state_bytes, &err), 0);
    play(&vec, 7, affordable(env, STEPS), straight, PLAY_BYTES);
    play(&copy, 7, affordable(env, STEPS), resumed, PLAY_BYTES);
    assert_memory_equal(straight, resumed, PLAY_BYTES);
    assert_int_equal(vec_load(&copy, 0, saved, env->state_bytes - 1, &err), ERR_MISMATCH);
    vec_deinit(&vec);
    vec_deinit(&copy);
    free(straight);
    free(resumed);
    free(saved);
}

static void test_save_load_continues_bit_for_bit(void **state)
{
    (void)state;
    for_each_scenario(check_save_load);
}

/* States with random bytes changed: refused with nothing changed, or good for further steps (the sanitizers watch). */
static void check_damaged_states(const struct env_instance *env)
{
    struct vec vec;
    struct err err;
    struct rng rng = rng_stream(3, RNG_TEST, 0, 0, 0);
    unsigned char bytes[65536], kept[65536];
    union cell action[JOINT_MAX];
    int refused = 0;
    assert_true(env->state_bytes <= sizeof bytes);
    must_init(&vec, env, 1);
    reset_all(&vec, 4);
    int tries = affordable(env, 3000);
    for (int i = 0; i < tries; i++) {
        vec_save(&vec, 0, kept);
        memcpy(bytes, kept, env->state_bytes);
        for (uint32_t flips = 1 + rng_below(&rng, 3); flips; flips--)
            bytes[rng_below(&rng, (uint32_t)env->state_bytes)] = (unsigned char)rng_next(&rng);
        if (vec_load(&vec, 0, bytes, env->state_bytes, &err)) {
            refused++;
            vec_save(&vec, 0, bytes);
            assert_memory_equal(bytes, kept, env->state_bytes);
        }
        random_actions(&vec, &rng, action);
        step_all(&vec, action, 5, i);
        if (i % 10 == 0)
            reset_all(&vec, (uint64_t)i);
    }
    assert_true(refused > tries / 30);
    vec_deinit(&vec);
}

static void test_damaged_states_do_no_harm(void **state)
{
    (void)state;
    for_each_scenario(check_damaged_states);
}

static void check_hostile_actions(const struct env_instance *env)
{
    static const int32_t hostile[] = {-1, 99, 1000000, INT32_MIN, INT32_MAX};
    static const float hostile_real[] = {NAN, INFINITY, -INFINITY, 3e38f, -1e20f};
    bool is_box = env->spec.action == ACTION_BOX;
    struct vec vec;
    union cell action[LANES * JOINT_MAX];
    must_init(&vec, env, LANES);
    reset_all(&vec, 1);
    for (int step = 0; step < 40; step++) {
        for (int i = 0; i < LANES * env->spec.N * env->spec.C; i++) {
            size_t which = (size_t)(i + step) % ARRAY_LEN(hostile);
            action[i] = is_box ? (union cell){.real = hostile_real[which]} : (union cell){.choice = hostile[which]};
        }
        step_all(&vec, action, 1, step);
        check_outputs(&vec);
        reset_finished(&vec, (uint64_t)step);
    }
    vec_deinit(&vec);
}

static void test_hostile_actions_do_no_harm(void **state)
{
    (void)state;
    for_each_scenario(check_hostile_actions);
}

static void check_allocations(const struct env_instance *env)
{
    struct vec vec;
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    union cell action[LANES * JOINT_MAX];
    must_init(&vec, env, LANES);
    long before = allocations;
    reset_all(&vec, 1);
    for (int step = 0; step < affordable(env, STEPS); step++) {
        random_actions(&vec, &rng, action);
        step_all(&vec, action, 1, step);
        reset_finished(&vec, (uint64_t)step);
    }
    long after = allocations;
    assert_int_equal(after, before);
    vec_deinit(&vec);
}

static void test_stepping_allocates_nothing(void **state)
{
    (void)state;
    install_counter();
    long before = allocations;
    void *volatile memory = malloc(16); /* the counter counts; volatile, or the compiler drops the pair */
    free(memory);
    assert_true(before < 0 || allocations > before);
    for_each_scenario(check_allocations);
}

static void check_scripts(const struct env_instance *env)
{
    struct vec vec;
    int episodes = env->spec.horizon > 500 ? 1 : (affordable(env, 50) + 9) / 10;
    must_init(&vec, env, 1);
    for (int i = 0; i < env->ops->n_scripts; i++) {
        assert_true(env->ops->scripts[i].memory_bytes <= 64 && strlen(env->ops->scripts[i].summary) > 0);
        for (int seed = 0; seed < episodes; seed++)
            assert_true(play_episode(&vec, &env->ops->scripts[i], (uint64_t)seed).length > 0);
    }
    vec_deinit(&vec);
}

static void test_scripts_give_distributions(void **state)
{
    (void)state;
    for_each_scenario(check_scripts);
}

static void check_render(const struct env_instance *env)
{
    struct vec vec;
    char text[8192];
    must_init(&vec, env, 1);
    reset_all(&vec, 1);
    env->ops->render(env->params, vec.states, text, sizeof text);
    assert_true(strlen(text) > 20 && strlen(text) < sizeof text - 1);
    for (size_t size = 1; size < 40; size++) {
        text[size] = 'x';
        env->ops->render(env->params, vec.states, text, size);
        assert_true(strlen(text) < size && text[size] == 'x');
    }
    vec_deinit(&vec);
}

static void test_rendering_fits_any_size(void **state)
{
    (void)state;
    for_each_scenario(check_render);
}

/* Recipes */

static void test_unknown_names_suggest_the_nearest(void **state)
{
    (void)state;
    struct env_instance env;
    struct err err;
    assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=foragin")), ERR_UNKNOWN);
    assert_non_null(strstr(err.text, "did you mean foraging?"));
    assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=matrix", "env.horizn=4")), ERR_UNKNOWN);
    assert_non_null(strstr(err.text, "did you mean env.horizon?"));
    assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=matrix", "env.scenario=iteratd")), ERR_UNKNOWN);
    assert_non_null(strstr(err.text, "iterated"));
    assert_null(env_find("chess"));
    assert_string_equal(env_find("matrix")->name, "matrix");
}

static void test_other_keys_of_a_recipe_are_ignored(void **state)
{
    (void)state;
    struct env_instance env;
    must_open(&env, ARGUMENTS("env.name=matrix", "learner.lr=1", "environment=2"));
}

static void set(struct recipe *recipe, const char *key, const char *value)
{
    struct err err;
    assert_int_equal(recipe_set(recipe, key, value, "test", &err), 0);
}

static void test_resolved_recipe_opens_the_same(void **state)
{
    (void)state;
    struct env_instance before, after;
    struct err err;
    struct recipe *recipe = recipe_create();
    assert_non_null(recipe);
    set(recipe, "env.name", "foraging");
    set(recipe, "env.scenario", "Foraging-2s-10x11-3p-3f-coop-v3");
    set(recipe, "env.players", "5");
    assert_int_equal(env_open(&before, recipe, &err), 0);
    assert_int_equal(before.spec.N, 5); /* an explicit key beats the scenario */
    assert_int_equal(env_resolve(recipe, &err), 0);
    const struct config_table tables[] = {{"env", env_common_rows, ENV_COMMON_ROWS},
                                          {"foraging", before.ops->rows, before.ops->n_rows}};
    assert_int_equal(config_resolve(tables, 2, recipe, &err), 0);
    assert_string_equal(recipe_value(recipe, "env.cols", ""), "11");
    assert_int_equal(env_open(&after, recipe, &err), 0);
    assert_memory_equal(before.params, after.params, sizeof before.params);
    assert_true(spec_equal(&before.spec, &after.spec));
    recipe_destroy(&recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specs_are_consistent),
        cmocka_unit_test(test_random_play_stays_in_bounds),
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_save_load_continues_bit_for_bit),
        cmocka_unit_test(test_damaged_states_do_no_harm),
        cmocka_unit_test(test_hostile_actions_do_no_harm),
        cmocka_unit_test(test_stepping_allocates_nothing),
        cmocka_unit_test(test_scripts_give_distributions),
        cmocka_unit_test(test_rendering_fits_any_size),
        cmocka_unit_test(test_unknown_names_suggest_the_nearest),
        cmocka_unit_test(test_other_keys_of_a_recipe_are_ignored),
        cmocka_unit_test(test_resolved_recipe_opens_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
