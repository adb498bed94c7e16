/* What every process of a run must agree on: seed, lanes, slice length, mode. Keys `run.*` and `rollout.*` of the recipe. */
#ifndef TESTUDO_WIRE_RUN_H
#define TESTUDO_WIRE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"

enum run_mode { RUN_SYNC, RUN_ASYNC };

struct run_config {
    int64_t seed;
    int64_t budget_steps; /* environment steps to train for */
    int64_t lanes;        /* environments of the run, over all actors */
    int64_t T;            /* steps of a slice */
    int64_t chunk;        /* steps between stored recurrent states */
    int mode;             /* enum run_mode */
    int64_t max_lag;      /* async: bound on the policy lag, in versions */
    int64_t lease_ms;
};

extern const struct config_table run_table;
MUST_USE int run_config_bind(struct run_config *config, const struct recipe *recipe, struct err *err);

#endif
