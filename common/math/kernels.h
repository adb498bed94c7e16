/* Tables of the kernels, one per clone. For common/math and its tests; others call product.h, vmath.h and layers.h. */
#ifndef TESTUDO_MATH_KERNELS_H
#define TESTUDO_MATH_KERNELS_H

#include "math/clone.h"
#include "math/layers.h"
#include "math/product.h"
#include "math/vmath.h"

extern const struct product_ops *const product_clones[CLONE_COUNT]; /* prepare, nn and tn of one clone */
extern const struct vmath_ops *const vmath_clones[CLONE_COUNT];
extern const struct layer_ops *const layer_clones[CLONE_COUNT];

#endif
