#include "net/adam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/layers.h"

int adam_init(struct adam *adam, size_t count, double beta1, double beta2, double eps)
{
    *adam = (struct adam){.count = count, .beta1 = beta1, .beta2 = beta2, .eps = eps};
    adam->m = calloc(count, sizeof(*adam->m));
    adam->v = calloc(count, sizeof(*adam->v));
    if (!adam->m || !adam->v) {
        adam_deinit(adam);
        return ERR_NOMEM;
    }
    return 0;
}

void adam_deinit(struct adam *adam)
{
    free(adam->m);
    free(adam->v);
    *adam = (struct adam){0};
}

/* Over eight partial sums. */
double gradient_norm(size_t count, const real *gradient)
{
    double part[8] = {0};
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int l = 0; l < 8; l++)
            part[l] += (double)gradient[i + l] * (double)gradient[i + l];
    for (int l = 0; i < count; i++, l++)
        part[l] += (double)gradient[i] * (double)gradient[i];
    return sqrt(((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7])));
}

int adam_step(struct adam *adam, double lr, double max_norm, const real *gradient, real *w, double *norm)
{
    double size = gradient_norm(adam->count, gradient);
    if (norm)
        *norm = size;
    if (!isfinite(size))
        return ERR_NOT_FINITE;
    adam_step_scaled(adam, lr, max_norm > 0 && size > max_norm ? max_norm / size : 1, gradient, w);
    return 0;
}

void adam_step_scaled(struct adam *adam, double lr, double scale, const real *gradient, real *w)
{
    double t = (double)++adam->step;
    const struct adam_rates rates = {
        .beta1 = (real)adam->beta1,
        .beta2 = (real)adam->beta2,
        .scale = (real)scale,
        .step = (real)(lr / (1 - pow(adam->beta1, t))),
        .root = (real)(1 / sqrt(1 - pow(adam->beta2, t))),
        .eps = (real)adam->eps,
    };
    layer_ops()->adam(adam->count, &rates, gradient, adam->m, adam->v, w);
}

void rmsprop_step_scaled(struct adam *adam, double lr, double scale, const real *gradient, real *w)
{
    const real alpha = (real)adam->beta2, rest = (real)(1 - adam->beta2), size = (real)scale, step = (real)lr,
               eps = (real)adam->eps;
    real *v = adam->v;
    adam->step++;
    for (size_t i = 0; i < adam->count; i++) {
        real g = gradient[i] * size;
        v[i] = alpha * v[i] + rest * g * g;
        w[i] -= step * g / ((real)sqrt((double)v[i]) + eps);
    }
}
