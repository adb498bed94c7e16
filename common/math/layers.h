/* The row-wise pieces of layers: activations, LayerNorm, the GRU's gates, Adam's update. Products are in product.h.
 *
 * Each function works on rows one by one (or number by number), so a row's bits do not depend on the batch; sums over a row run
 * over 64 lanes in a fixed order (lanes.h). Forward and backward stand next to each other in layer_kernels.c. */
#ifndef TESTUDO_MATH_LAYERS_H
#define TESTUDO_MATH_LAYERS_H

#include <stddef.h>

#include "math/product.h"
#include "math/real.h"

enum activation { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_ELU, ACTIVATION_SIGMOID };

#define NORM_EPS 1e-5 /* LayerNorm: added to the variance */

struct adam_rates {
    real beta1, beta2;    /* decay of m and v */
    real scale;           /* factor on the gradient: clipping */
    real step, root, eps; /* w -= step * m / (sqrt(v) * root + eps): lr/(1-beta1^t) and 1/sqrt(1-beta2^t) */
};

struct layer_ops {
    /* g [rows,cols] *= act'(.) expressed in y = act(.); bias_gradient [cols] (may be NULL) += its column sums. */
    void (*activation_backward)(enum activation act, int rows, int cols, const real *y, real *g, real *bias_gradient);

    /* y = (x - mean) * rstd * gain + bias over the cols of each row; moments [rows,2] gets mean and rstd (may be NULL). y may be x. */
    void (*norm_forward)(int rows, int cols, const real *x, const real *gain, const real *bias, real *y, real *moments);
    /* dx [rows,cols] is set or added to; NULL when not wanted. d_gain, d_bias [cols] += ; NULL when frozen. sums [2,cols]: scratch. */
    void (*norm_backward)(int rows, int cols, const real *x, const real *gain, const real *moments, const real *dy,
                          enum product_mode mode, real *dx, real *d_gain, real *d_bias, real *sums);

    /* One step of GRU gates: gx, gh [rows,3H] are x Wx + bx and h Wh + bh; h [rows,H] the state that went into gh; next [rows,H] may be h.
     * gates (may be NULL) [rows,4H] gets r, z, n and gh's third part, for backward. */
    void (*gru_forward)(int rows, int H, const real *gx, const real *gh, const real *h, real *next, real *gates);
    /* dnext [rows,H] -> d_gx, d_gh [rows,3H] and dh [rows,H], the part that flows past the product with Wh. */
    void (*gru_backward)(int rows, int H, const real *gates, const real *h, const real *dnext, real *d_gx, real *d_gh, real *dh);

    void (*adam)(size_t count, const struct adam_rates *rates, const real *gradient, real *m, real *v, real *w);
};

/* The clone that this processor runs best. */
const struct layer_ops *layer_ops(void);

/* x [count] = act(x). RELU keeps NaN. */
void activation_forward(enum activation act, size_t count, real *x);

#endif
