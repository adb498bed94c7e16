/* What the tests of SMAC combat share: an open map with its state at hand, and single steps with chosen actions. */
#ifndef TESTUDO_TESTS_SMAC_TEST_H
#define TESTUDO_TESTS_SMAC_TEST_H

#include <math.h>

#include "envs/smac.h"
#include "tests/envs/envs_test.h"

struct arena {
    struct env_instance env;
    struct vec vec;
    const struct smac_params *p;
    struct smac_state *g;
    int step;
};

static inline void arena_open(struct arena *a, const char *const *arguments)
{
    must_open(&a->env, arguments);
    must_init(&a->vec, &a->env, 1);
    reset_all(&a->vec, 1);
    a->p = (const struct smac_params *)a->env.params;
    a->g = (struct smac_state *)a->vec.states;
    a->step = 0;
}

static inline void arena_close(struct arena *a)
{
    vec_deinit(&a->vec);
}

/* A map of one line, without agent ids. */
static inline void arena_open_map(struct arena *a, const char *map, const char *option)
{
    char text[SMAC_MAP_BYTES + 16];
    snprintf(text, sizeof text, "env.map=%s", map);
    arena_open(a,
               ARGUMENTS("env.name=smac", "env.scenario=map:test", "env.agent_id=false", text, option ? option : "env.horizon=0"));
}

static inline struct smac_unit *ally(struct arena *a, int n)
{
    return &a->g->unit[a->p->map.ally[n]];
}

static inline struct smac_unit *enemy(struct arena *a, int i)
{
    return &a->g->unit[a->p->map.enemy[i]];
}

static inline void put(struct smac_unit *unit, double x, double y)
{
    unit->x = x;
    unit->y = y;
}

/* One step in which ally n takes actions[n]. Returns the reward. */
static inline double arena_step(struct arena *a, const int32_t *actions)
{
    struct err err;
    if (env_smac.check_state(a->p, a->g, &err))
        fail_msg("%s", err.text);
    step_all(&a->vec, actions, 1, a->step++);
    if (env_smac.check_state(a->p, a->g, &err))
        fail_msg("after the step: %s", err.text);
    return a->vec.reward[0];
}
#define STEP(arena, ...) arena_step(arena, (const int32_t[]){__VA_ARGS__})

#define assert_near(got, expected) assert_near_(got, expected, __FILE__, __LINE__)
static inline void assert_near_(double got, double expected, const char *file, int line)
{
    if (!(fabs(got - expected) <= 1e-6 * fmax(1, fabs(expected))))
        fail_msg("%s:%d: got %.9g, expected %.9g", file, line, got, expected);
}

#endif
