/* Which clone of the kernels in vmath_kernels.c and layer_kernels.c runs. */
#include "math/layers.h"

#include "math/kernels.h"

#define CLONE_DECLARE(name)                           \
    extern const struct vmath_ops vmath_clone_##name; \
    extern const struct layer_ops layer_clone_##name;
CLONE_MAP(CLONE_DECLARE)

const struct vmath_ops *const vmath_clones[CLONE_COUNT] = {
#define VMATH_ENTRY(name) &vmath_clone_##name,
    CLONE_MAP(VMATH_ENTRY)};

const struct layer_ops *const layer_clones[CLONE_COUNT] = {
#define LAYER_ENTRY(name) &layer_clone_##name,
    CLONE_MAP(LAYER_ENTRY)};

const struct vmath_ops *vmath(void)
{
    return vmath_clones[clone_best()];
}

const struct layer_ops *layer_ops(void)
{
    return layer_clones[clone_best()];
}

void activation_forward(enum activation act, size_t count, real *x)
{
    switch (act) {
    case ACTIVATION_NONE: return;
    case ACTIVATION_RELU:
        for (size_t i = 0; i < count; i++)
            x[i] = x[i] < 0 ? 0 : x[i];
        return;
    case ACTIVATION_TANH: vmath()->tanh(count, x, x); return;
    case ACTIVATION_ELU: vmath()->elu(count, x, x); return;
    case ACTIVATION_SIGMOID: vmath()->sigmoid(count, x, x); return;
    }
}
