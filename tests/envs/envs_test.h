/* What the tests of environments share: opening one by keys, random available actions, playing a script. */
#ifndef TESTUDO_TESTS_ENVS_TEST_H
#define TESTUDO_TESTS_ENVS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "envs/registry.h"
#include "envs/vec.h"

/* Arguments are "key=value", NULL-terminated. Returns env_open's result. */
static inline int try_open(struct env_instance *instance, struct err *err, const char *const *arguments)
{
    struct recipe *recipe = recipe_create();
    assert_non_null(recipe);
    int r = 0;
    for (; *arguments && !r; arguments++)
        r = recipe_set_argument(recipe, *arguments, err);
    assert_int_equal(r, 0);
    r = env_open(instance, recipe, err);
    recipe_destroy(&recipe);
    return r;
}
#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void must_open(struct env_instance *instance, const char *const *arguments)
{
    struct err err;
    if (try_open(instance, &err, arguments))
        fail_msg("%s", err.text);
}

static inline void must_init(struct vec *vec, const struct env_instance *instance, int B)
{
    assert_int_equal(vec_init(vec, instance, B), 0);
}

static inline void reset_all(struct vec *vec, uint64_t seed)
{
    for (int b = 0; b < vec->B; b++) {
        struct rng rng = rng_stream(seed, RNG_RESET, (uint64_t)b, 0, 0);
        vec_reset(vec, b, &rng);
    }
}

/* Uniform among the available ones, [B,N]. */
static inline void random_actions(const struct vec *vec, struct rng *rng, int32_t *action)
{
    const struct spec *spec = &vec->instance->spec;
    for (int i = 0; i < vec->B * spec->N; i++) {
        do
            action[i] = (int32_t)rng_below(rng, (uint32_t)spec->A);
        while (!vec->available[i * spec->A + action[i]]);
    }
}

static inline int draw(const float *probability, int A, double u)
{
    for (int a = 0; a < A - 1; a++)
        if ((u -= probability[a]) < 0)
            return a;
    return A - 1;
}

/* One agent's action by the script. Checks that its probabilities are a distribution over available actions. */
static inline int32_t script_action(const struct env_instance *instance, const struct env_script *script, const struct vec *vec,
                                    int n, int step, void *memory, struct rng *rng)
{
    const struct spec *spec = &instance->spec;
    float probability[SPEC_ACTIONS_MAX], sum = 0;
    const uint8_t *available = vec->available + n * spec->A;
    script->act(instance->params, n, step, vec->observation + n * spec->O, available, memory, probability);
    for (int a = 0; a < spec->A; a++) {
        assert_true(probability[a] >= 0 && (available[a] || probability[a] == 0));
        sum += probability[a];
    }
    assert_true(sum > 0.9999f && sum < 1.0001f);
    int action = draw(probability, spec->A, rng_double(rng));
    while (probability[action] == 0) /* rounding of the sum */
        action--;
    return action;
}

struct episode {
    double returns[SPEC_AGENTS_MAX], mean_return;
    int length;
    bool terminated, truncated, success;
};

/* One episode of vec's environment 0 with all agents following the script. */
static inline struct episode play_episode(struct vec *vec, const struct env_script *script, uint64_t seed)
{
    const struct env_instance *instance = vec->instance;
    int N = instance->spec.N;
    struct episode episode = {.length = 0};
    struct rng rng = rng_stream(seed, RNG_RESET, 0, 0, 0), dice = rng_stream(seed, RNG_TEST, 0, 0, 0);
    unsigned char memory[SPEC_AGENTS_MAX][64] = {{0}};
    int32_t action[SPEC_AGENTS_MAX];
    assert_true(vec->B == 1 && script->memory_bytes <= sizeof memory[0]);
    vec_reset(vec, 0, &rng);
    while (!episode.terminated && !episode.truncated) {
        for (int n = 0; n < N; n++)
            action[n] = script_action(instance, script, vec, n, episode.length, memory[n], &dice);
        vec_step(vec, action, NULL);
        episode.length++;
        for (int n = 0; n < N; n++) {
            episode.returns[n] += vec->reward[n];
            episode.mean_return += vec->reward[n] / N;
        }
        episode.terminated = vec->terminated[0];
        episode.truncated = vec->truncated[0];
        assert_true(episode.length <= instance->spec.horizon);
    }
    struct env_outcome outcome;
    instance->ops->outcome(instance->params, vec->states, &outcome);
    episode.success = outcome.has_success && outcome.success;
    return episode;
}

static inline const struct env_script *must_find_script(const struct env_ops *ops, const char *name)
{
    for (int i = 0; i < ops->n_scripts; i++)
        if (!strcmp(ops->scripts[i].name, name))
            return &ops->scripts[i];
    fail_msg("%s has no script %s", ops->name, name);
    return NULL;
}

#endif
