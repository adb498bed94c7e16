/* What the tests of quads share: a room with drones to put where a rule needs them. */
#ifndef TESTUDO_TESTS_QUADS_TEST_H
#define TESTUDO_TESTS_QUADS_TEST_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "envs/quads.h"
#include "tests/envs/envs_test.h"

#define QUIET "env.motor_noise=false", "env.sensor_noise=false", "env.impulses=false", "env.wall_hits=false"
#define ARM QUADS_ARM

struct room {
    struct env_instance env;
    struct vec vec;
    struct quads_state *game;
    struct quads_drone *drone;
};

static inline const struct quads_params *params_of(const struct room *room)
{
    return (const struct quads_params *)room->env.params;
}

static inline void room_open(struct room *room, const char *const *arguments)
{
    must_open(&room->env, arguments);
    must_init(&room->vec, &room->env, 1);
    reset_all(&room->vec, 1);
    room->game = (struct quads_state *)room->vec.states;
    room->drone = room->game->drone;
}

static inline void put(struct quads_drone *d, double x, double y, double z)
{
    const double at[3] = {x, y, z};
    memcpy(d->position, at, sizeof at);
    memset(d->velocity, 0, sizeof d->velocity);
    memset(d->spin, 0, sizeof d->spin);
    memset(d->rotor, 0, sizeof d->rotor);
    memset(d->thrust, 0, sizeof d->thrust);
    quads_set_heading(d->R, 1, 0);
    d->flags = d->touching = 0;
}

static inline void assert_near(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s: got %.15g, expected %.15g", what, got, expected);
}

static float all_motors[64] __attribute__((unused)); /* the action of every motor of every drone, set by thrust() */

static inline const float *thrust(double u)
{
    for (size_t i = 0; i < ARRAY_LEN(all_motors); i++)
        all_motors[i] = (float)(2 * u - 1);
    return all_motors;
}

static inline void step(struct room *room, const float *action)
{
    step_all(&room->vec, action, 7, (int)room->game->step);
}

#endif
