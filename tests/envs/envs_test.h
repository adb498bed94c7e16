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

#define JOINT_MAX (SPEC_AGENTS_MAX * SPEC_COMPONENTS_MAX)

/* One number of an action, as wide as either kind: what vec_step takes is [B,N,C] of them. */
union cell {
    int32_t choice;
    float real;
};

/* Uniform among the available ones, in a box a little beyond its bounds; [B,N,C]. */
static inline void random_actions(const struct vec *vec, struct rng *rng, void *action)
{
    const struct spec *spec = &vec->instance->spec;
    union cell *cell = action;
    for (int i = 0; i < vec->B * spec->N; i++) {
        const uint8_t *available = vec->available + i * spec->A;
        for (int c = 0; c < spec->C; c++, cell++) {
            const struct spec_component *component = &spec->components[c];
            if (spec->action == ACTION_BOX) {
                double unit = rng_double(rng) * 1.2 - 0.1;
                cell->real = (float)(component->low + unit * (component->high - component->low));
                continue;
            }
            do
                cell->choice = (int32_t)rng_below(rng, (uint32_t)component->choices);
            while (!available[cell->choice]);
            available += component->choices;
        }
    }
}

/* Steps all, with keyed draws for the rules that draw. */
static inline void step_all(struct vec *vec, const void *action, uint64_t seed, int step)
{
    struct rng rngs[64];
    assert_true(vec->B <= 64);
    for (int b = 0; b < vec->B; b++)
        rngs[b] = rng_stream(seed, RNG_STEP, (uint64_t)b, (uint32_t)step, 0);
    vec_step(vec, action, rngs);
}

static inline int draw(const float *probability, int A, double u)
{
    for (int a = 0; a < A - 1; a++)
        if ((u -= probability[a]) < 0)
            return a;
    return A - 1;
}

/* One agent's action [C] by the script. Checks that its probabilities are a distribution over available actions. */
static inline void script_cells(const struct env_instance *instance, const struct env_script *script, const struct vec *vec, int n,
                                int step, void *memory, struct rng *rng, union cell *cell)
{
    const struct spec *spec = &instance->spec;
    float table[SPEC_ACTIONS_MAX], *probability = table;
    const uint8_t *available = vec->available + n * spec->A;
    script->act(instance->params, n, step, vec->observation + n * spec->O, available, memory, table);
    for (int c = 0; c < spec->C; c++) {
        int choices = spec->components[c].choices;
        float sum = 0;
        if (spec->action == ACTION_BOX) {
            cell[c].real = table[c];
            assert_true(table[c] >= (float)spec->components[c].low && table[c] <= (float)spec->components[c].high);
            continue;
        }
        for (int a = 0; a < choices; a++) {
            assert_true(probability[a] >= 0 && (available[a] || probability[a] == 0));
            sum += probability[a];
        }
        assert_true(sum > 0.9999f && sum < 1.0001f);
        cell[c].choice = draw(probability, choices, rng_double(rng));
        while (probability[cell[c].choice] == 0) /* rounding of the sum */
            cell[c].choice--;
        probability += choices;
        available += choices;
    }
}

/* The same for a discrete action. */
static inline int32_t script_action(const struct env_instance *instance, const struct env_script *script, const struct vec *vec,
                                    int n, int step, void *memory, struct rng *rng)
{
    union cell cell[SPEC_COMPONENTS_MAX];
    assert_int_equal(instance->spec.action, ACTION_DISCRETE);
    script_cells(instance, script, vec, n, step, memory, rng, cell);
    return cell[0].choice;
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
    union cell action[JOINT_MAX];
    assert_true(vec->B == 1 && script->memory_bytes <= sizeof memory[0]);
    vec_reset(vec, 0, &rng);
    while (!episode.terminated && !episode.truncated) {
        for (int n = 0; n < N; n++)
            script_cells(instance, script, vec, n, episode.length, memory[n], &dice, action + n * instance->spec.C);
        step_all(vec, action, seed, episode.length);
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
