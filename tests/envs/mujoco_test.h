/* What the tests of multi-agent MuJoCo share. Those that need the library count as skipped without it. */
#ifndef TESTUDO_TESTS_MUJOCO_TEST_H
#define TESTUDO_TESTS_MUJOCO_TEST_H

#include "envs/mujoco.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/envs/envs_test.h"

#define SKIP_WITHOUT_MUJOCO()                                                              \
    do {                                                                                   \
        if (mujoco_needs) {                                                                \
            print_message("# skip: built without MuJoCo, which needs %s\n", mujoco_needs); \
            skip();                                                                        \
        }                                                                                  \
    } while (0)

struct lab {
    struct env_instance env;
    struct vec vec;
};

static inline const struct mujoco_params *params_of(const struct lab *lab)
{
    return (const struct mujoco_params *)lab->env.params;
}

static inline struct mujoco_state *game_of(struct lab *lab)
{
    return (struct mujoco_state *)lab->vec.states;
}

static inline struct mujoco_state *open_lab(struct lab *lab, const char *scenario, const char *key)
{
    char text[96];
    snprintf(text, sizeof text, "env.scenario=%s", scenario);
    must_open(&lab->env, ARGUMENTS("env.name=mujoco", text, key));
    must_init(&lab->vec, &lab->env, 1);
    reset_all(&lab->vec, 1);
    return game_of(lab);
}

static inline void assert_near(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s: got %.17g, expected %.17g", what, got, expected);
}

#endif
