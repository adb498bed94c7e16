/* The loops of vmath.h, compiled once per clone. */
#include "math/vmath_inline.h"

#include "math/clone.h"
#include "math/vmath.h"

static void exp_array(size_t count, const real *x, real *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = exp_one(x[i]);
}

static void log_array(size_t count, const real *x, real *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = log_one(x[i]);
}

static void tanh_array(size_t count, const real *x, real *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = tanh_one(x[i]);
}

static void sigmoid_array(size_t count, const real *x, real *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = sigmoid_one(x[i]);
}

static void elu_array(size_t count, const real *x, real *out)
{
    for (size_t i = 0; i < count; i++) {
        real below = expm1_negative(x[i] > 0 ? 0 : x[i]);
        out[i] = x[i] > 0 ? x[i] : below;
    }
}

extern const struct vmath_ops CLONED(vmath_clone);
const struct vmath_ops CLONED(vmath_clone) = {
    .exp = exp_array, .log = log_array, .tanh = tanh_array, .sigmoid = sigmoid_array, .elu = elu_array};
