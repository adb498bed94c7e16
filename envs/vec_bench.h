/* How fast an environment steps: random available actions, observations and resets included, one thread. */
#ifndef TESTUDO_ENVS_VEC_BENCH_H
#define TESTUDO_ENVS_VEC_BENCH_H

#include "base/recipe.h"

struct vec_bench_rates { /* environment steps per second */
    double wall, cpu;    /* cpu: of this thread's time, which others on the machine do not take from */
};

/* groups batches of B environments each, stepped in turn, for about `seconds` of wall time: 1 x 64 is a batch, 64 x 1 is as many
 * single ones. */
MUST_USE int vec_bench(const struct recipe *recipe, int groups, int B, double seconds, struct vec_bench_rates *rates,
                       struct err *err);

#endif
