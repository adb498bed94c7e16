/* Adam with bias correction (Kingma, Ba 2015, arXiv:1412.6980, algorithm 1; eps outside the root) after clipping the
 * gradient's global L2 norm. Norm and finite check in one pass, accumulated in double in a fixed order. */
#ifndef TESTUDO_NET_ADAM_H
#define TESTUDO_NET_ADAM_H

#include <stdint.h>

#include "base/err.h"
#include "math/real.h"

struct adam {
    size_t count;
    real *m, *v;  /* [count] owned */
    int64_t step; /* updates done */
    double beta1, beta2, eps;
};

MUST_USE int adam_init(struct adam *adam, size_t count, double beta1, double beta2, double eps);
void adam_deinit(struct adam *adam);

/* L2 norm in double, in a fixed order; NaN or infinite if any number is. */
double gradient_norm(size_t count, const real *gradient);

/* w -= lr * mhat / (sqrt(vhat) + eps). gradient [count] is not changed. max_norm <= 0: no clipping. *norm (may be NULL) gets the norm
 * before clipping. ERR_NOT_FINITE when the gradient is not finite: w, m, v and step are untouched. */
MUST_USE int adam_step(struct adam *adam, double lr, double max_norm, const real *gradient, real *w, double *norm);

/* The same with the gradient times `scale`, which is known to be finite: for a norm over several nets. */
void adam_step_scaled(struct adam *adam, double lr, double scale, const real *gradient, real *w);

/* RMSprop (Tieleman, Hinton 2012), no momentum, not centred, eps outside the root: v = beta2 v + (1 - beta2) g^2, w -= lr g / (sqrt(v) + eps).
 * beta2 is its alpha; m stays 0. */
void rmsprop_step_scaled(struct adam *adam, double lr, double scale, const real *gradient, real *w);

#endif
