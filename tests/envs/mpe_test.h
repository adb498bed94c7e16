/* What the tests of the particle worlds share: a world of one lane with everything at rest, to be rearranged. */
#ifndef TESTUDO_TESTS_MPE_TEST_H
#define TESTUDO_TESTS_MPE_TEST_H

#include "envs/mpe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/envs/envs_test.h"

struct world {
    struct env_instance env;
    struct vec vec;
};

static inline const struct mpe_params *params_of(const struct world *world)
{
    return (const struct mpe_params *)world->env.params;
}

static inline struct mpe_state *game_of(struct world *world)
{
    return (struct mpe_state *)world->vec.states;
}

/* Opens a world with everything at rest and out of each other's way: body b at (2 b, 5), landmark i at (2 i, -5). */
static inline struct mpe_state *open_world(struct world *world, const char *const *arguments)
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

static inline void place(struct mpe_state *g, int body, double x, double y)
{
    g->motion[body].at[0] = x;
    g->motion[body].at[1] = y;
}

static inline void place_landmark(struct world *world, int i, double x, double y)
{
    mpe_numbers(params_of(world), game_of(world))[2 * i] = x;
    mpe_numbers(params_of(world), game_of(world))[2 * i + 1] = y;
}

/* One step in which everybody takes the same choice in each component. */
static inline void step_same(struct world *world, int32_t move, int32_t word)
{
    int32_t action[JOINT_MAX];
    for (int i = 0; i < world->env.spec.N * world->env.spec.C; i++)
        action[i] = i % world->env.spec.C ? word : move;
    vec_step(&world->vec, action, NULL);
}

static inline void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("got %.17g, expected %.17g", got, expected);
}

#endif
