/* A rollout with its nets and orders, for the tests of rollouts. */
#ifndef TESTUDO_TESTS_ROLLOUT_FIXTURE_H
#define TESTUDO_TESTS_ROLLOUT_FIXTURE_H

#include "tests/local.h"

enum { LANES = 6, T = 20, CHUNK = 5, H = 8, SLICES = 3 };

#define FORAGING                                                                                                     \
    "env.name=foraging", "env.scenario=8x8-4p-2f-c", "env.horizon=15", "env.time_limit=truncate", "rollout.lanes=6", \
        "rollout.steps=20", "rollout.chunk=5", "belief.hidden=8", "belief.depth=1", "partition.kind=k-of-n"
#define BELIEF FORAGING, "knowledge.kind=belief", "attack.threat=learned"

struct fixture {
    struct rollout *rollout;
    struct weights *weights;
    struct orders_group *group;
};

static inline void open_with(struct fixture *f, const char *const *arguments, int orders)
{
    f->rollout = must_rollout(arguments);
    int K = schema_find(rollout_schema(f->rollout), "knowledge") < 0 ? 0 : rollout_spec(f->rollout)->N;
    f->weights = team_weights(rollout_spec(f->rollout), K, schema_find(rollout_schema(f->rollout), "belief_state") < 0 ? 0 : H, 1);
    f->group = new_group(f->rollout, orders);
}

static inline void open_belief(struct fixture *f)
{
    open_with(f, ARGUMENTS(BELIEF), LANES);
}

static inline void close_fixture(struct fixture *f)
{
    free_group(&f->group);
    weights_unref(&f->weights);
    rollout_destroy(&f->rollout);
}

#endif
