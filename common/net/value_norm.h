/* Running normaliser of value targets: exponential averages of mean and mean square, with bias correction.
 * Yu et al. 2022, arXiv:2103.01955, "value normalisation" (what EIR-MAPPO calls PopArt; no output layer is rescaled). Scalar.
 *   mean = M / max(D, 1e-5)   var = max(M2 / max(D, 1e-5) - mean^2, 1e-2)   x' = (x - mean) / sqrt(var) */
#ifndef TESTUDO_NET_VALUE_NORM_H
#define TESTUDO_NET_VALUE_NORM_H

#include <stddef.h>

#include "math/real.h"

struct value_norm {
    double mean, mean_square, debias; /* plain data, saved in the checkpoint */
    double beta;                      /* 0.99999 in EIR-MAPPO */
};

void value_norm_init(struct value_norm *norm, double beta);
/* Takes in `count` values; sums in double in index order. Non-finite input is the caller's fault (checked before). */
void value_norm_update(struct value_norm *norm, size_t count, const real *x);
void value_norm_moments(const struct value_norm *norm, double *mean, double *std);
void value_norm_normalise(const struct value_norm *norm, size_t count, const real *x, real *out);
void value_norm_denormalise(const struct value_norm *norm, size_t count, const real *x, real *out);

#endif
