/* How fast an environment steps: random available actions, observations and resets included, one thread. */
#ifndef TESTUDO_ENVS_VEC_BENCH_H
#define TESTUDO_ENVS_VEC_BENCH_H

#include "base/recipe.h"

/* Environment steps per second of wall time with B environments, measured for about `seconds`; negative code and err on
 * failure. */
MUST_USE double vec_bench_steps_per_second(const struct recipe *recipe, int B, double seconds, struct err *err);

#endif
