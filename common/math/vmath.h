/* exp, log, tanh, sigmoid, ELU over arrays: the same bits in every clone and at every place in an array, errors of at most 2.5
 * units in the last place against the exact value (test_vmath.c), right at 0, denormals, infinities and NaN.
 *
 * Coefficients were fitted by us (minimax by Lawson's iteration, rounded to float one by one); ranges are reduced as usual: Muller,
 * Elementary Functions, 3rd ed., chapter 11. In the double build these are libm's functions. */
#ifndef TESTUDO_MATH_VMATH_H
#define TESTUDO_MATH_VMATH_H

#include <stddef.h>

#include "math/real.h"

struct vmath_ops {
    void (*exp)(size_t count, const real *x, real *out); /* out may be x, in all of these */
    void (*log)(size_t count, const real *x, real *out);
    void (*tanh)(size_t count, const real *x, real *out);
    void (*sigmoid)(size_t count, const real *x, real *out);
    void (*elu)(size_t count, const real *x, real *out); /* x > 0 ? x : e^x - 1 */
};

/* The clone that this processor runs best. */
const struct vmath_ops *vmath(void);

#endif
