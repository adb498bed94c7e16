/* What tests of rollouts and learning share: recipes from arguments, nets with random numbers, groups of orders with their frames,
 * a count of allocations. One rollout in the test's own process, no sockets. */
#ifndef TESTUDO_TESTS_LOCAL_H
#define TESTUDO_TESTS_LOCAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/rollout.h"
#include "base/rng.h"
#include "net/knowledge.h"
#include "net/net.h"
#include "tests/allocations.h"
#include "wire/run.h"

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define LOCAL_ORDERS_MAX 512

static inline struct recipe *must_recipe(const char *const *arguments)
{
    struct recipe *recipe = recipe_create();
    struct err err = {""};
    assert_non_null(recipe);
    for (; *arguments; arguments++)
        if (recipe_set_argument(recipe, *arguments, &err))
            fail_msg("%s: %s", *arguments, err.text);
    return recipe;
}

static inline int try_rollout(struct rollout **rollout, const char *const *arguments, struct err *err)
{
    struct recipe *recipe = must_recipe(arguments);
    int r = rollout_create(rollout, recipe, err);
    recipe_destroy(&recipe);
    return r;
}

static inline struct rollout *must_rollout(const char *const *arguments)
{
    struct rollout *rollout = NULL;
    struct err err = {""};
    if (try_rollout(&rollout, arguments, &err))
        fail_msg("%s", err.text);
    return rollout;
}

/* Adds a net with random numbers of a size that makes its outputs differ. */
static inline void add_random_net(struct weights *weights, const char *id, const struct net_arch *arch, uint64_t seed)
{
    size_t count = net_parameter_count(arch);
    float *w = malloc(count * sizeof *w);
    int32_t numbers[WEIGHTS_ARCH_NUMBERS];
    struct err err = {""};
    net_init(arch, seed, (uint32_t)hash_bytes(id, strlen(id)).low, (real)2, w);
    memcpy(numbers, arch, sizeof numbers);
    if (weights_add_net(weights, id, numbers, w, count, &err))
        fail_msg("%s", err.text);
    free(w);
}

static inline struct net_arch mlp(int in, int out)
{
    return (struct net_arch){
        .in = in, .hidden = 16, .depth = 1, .out = out, .activation = ACTIVATION_RELU, .input_norm = 1, .layer_norm = 1};
}

static inline struct weights *new_weights(uint64_t number)
{
    struct weights *weights;
    assert_int_equal(weights_create(&weights, (struct weights_version){1, number}), 0);
    return weights;
}

/* Defender [O+K -> A], adversary [O+N -> A], and with H > 0 a belief [O -> N]. */
static inline struct weights *team_weights(const struct spec *spec, int K, int H, uint64_t number)
{
    struct weights *weights = new_weights(number);
    struct net_arch defender = mlp(spec->O + K, spec->A), adversary = mlp(spec->O + spec->N, spec->A);
    struct net_arch belief = {.in = spec->O,
                              .hidden = H,
                              .depth = 1,
                              .out = spec->N,
                              .activation = ACTIVATION_RELU,
                              .input_norm = 1,
                              .layer_norm = 1,
                              .gru = 1};
    add_random_net(weights, "defender", &defender, number);
    add_random_net(weights, "adversary", &adversary, number);
    if (H)
        add_random_net(weights, "belief", &belief, number);
    return weights;
}

/* Orders with the frames that answer them. */
struct orders_group {
    int count;
    struct order order[LOCAL_ORDERS_MAX];
    struct trajectory t[LOCAL_ORDERS_MAX];
};

static inline struct orders_group *new_group(const struct rollout *rollout, int count)
{
    struct orders_group *group = calloc(1, sizeof *group);
    size_t bytes = (schema_bytes_max(rollout_schema(rollout)) + 63) & ~(size_t)63;
    assert_true(group && count <= LOCAL_ORDERS_MAX);
    group->count = count;
    for (int i = 0; i < count; i++) {
        group->order[i] = (struct order){.number = 1, .lane = i, .version = {1, 1}, .victim = -1};
        group->t[i].capacity = bytes;
        group->t[i].frame = aligned_alloc(64, bytes);
        memset(group->t[i].frame, 0xa5, bytes);
    }
    return group;
}

static inline void free_group(struct orders_group **group)
{
    for (int i = 0; i < (*group)->count; i++)
        free((*group)->t[i].frame);
    free(*group);
    *group = NULL;
}

/* Carries out orders first..first+n-1 of the group. */
static inline int try_run(struct rollout *rollout, const struct weights *weights, struct orders_group *group, int first, int n,
                          struct err *err)
{
    const struct order *orders[LOCAL_ORDERS_MAX];
    struct trajectory *out[LOCAL_ORDERS_MAX];
    for (int i = 0; i < n; i++) {
        group->order[first + i].version = weights->manifest.version;
        orders[i] = &group->order[first + i];
        out[i] = &group->t[first + i];
    }
    return rollout_run(rollout, weights, orders, n, out, NULL, err);
}

static inline void must_run(struct rollout *rollout, const struct weights *weights, struct orders_group *group, int first, int n)
{
    struct err err = {""};
    if (try_run(rollout, weights, group, first, n, &err))
        fail_msg("%s", err.text);
}

static inline void set_slice(struct orders_group *group, uint64_t slice)
{
    for (int i = 0; i < group->count; i++)
        group->order[i].slice = slice;
}

/* A column of a trajectory; row counts follow from its span. */
static inline const void *column_of(const struct rollout *rollout, const struct trajectory *t, const char *name)
{
    struct schema_layout layout;
    const struct schema *schema = rollout_schema(rollout);
    int index = schema_find(schema, name);
    if (index < 0)
        fail_msg("no column %s", name);
    schema_layout(schema, t->steps, t->episodes, &layout);
    return t->frame + layout.start[index];
}
#define COLUMN(rollout, t, type, name) ((const type *)column_of(rollout, t, #name))

static inline void assert_same_answer(const struct trajectory *a, const struct trajectory *b)
{
    assert_int_equal(a->lane, b->lane);
    assert_int_equal(a->slice, b->slice);
    assert_int_equal(a->steps, b->steps);
    assert_int_equal(a->episodes, b->episodes);
    assert_int_equal(a->bytes, b->bytes);
    for (size_t i = 0; i < a->bytes; i++)
        if (a->frame[i] != b->frame[i])
            fail_msg("lane %d slice %llu: byte %zu of %zu differs", a->lane, (unsigned long long)a->slice, i, a->bytes);
}

#endif
