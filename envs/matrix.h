/* Parameters and state of the iterated matrix game, shared by its rules (matrix.c) and its trace part (matrix_trace.c). */
#ifndef TESTUDO_ENVS_MATRIX_H
#define TESTUDO_ENVS_MATRIX_H

#include "envs/env.h"

#define MATRIX_AGENTS 2
#define MATRIX_ACTIONS 2

struct matrix_params {
    int64_t horizon;
    int time_limit; /* index into terminate|truncate */
    bool observes_last_state, observes_last_action, has_zero_tail;
};

struct matrix_state {
    int32_t step;
    uint8_t s, last_s;
    uint8_t last_action[MATRIX_AGENTS];
};

extern const struct env_ops env_matrix;
extern const struct env_trace_ops matrix_trace;

#endif
