/* Masked categorical distributions over rows of logits. */
#ifndef TESTUDO_NET_CATEGORICAL_H
#define TESTUDO_NET_CATEGORICAL_H

#include <stdint.h>

#include "math/real.h"

/* logits [rows,A], available [rows,A] (A <= 1024; at least one set per row; unavailable logits count as -1e10), unit [rows] uniform in [0,1):
 * action [rows] by the inverse of the cumulative distribution, logp [rows]; probability [rows,A] may be NULL. Row-invariant. */
void categorical_sample(int rows, int A, const real *logits, const uint8_t *available, const float *unit, int32_t *action,
                        float *logp, float *probability);

/* log-probability of given actions. */
void categorical_logp(int rows, int A, const real *logits, const uint8_t *available, const int32_t *action, float *logp);

#endif
