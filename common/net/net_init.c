/* First weights: orthogonal matrices with zero biases, or uniform ones; unit gains. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "net/net_internal.h"

#define LOG_STD_FIRST ((real)-0.5) /* a standard deviation of 0.6 where the bounds are -1 and 1 */

static double dot(int length, const double *a, const double *b)
{
    double sum = 0;
    for (int i = 0; i < length; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Takes out of v the parts along the first `count` of `basis` [count,length], then scales it to length 1. Twice is enough for
 * full precision: Giraud, Langou, Rozloznik 2005, doi 10.1016/j.camwa.2005.08.009. */
static void orthonormalise(int length, int count, const double *basis, double *v)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int b = 0; b < count; b++) {
            const double *u = basis + (size_t)b * (size_t)length;
            double along = dot(length, u, v);
            for (int i = 0; i < length; i++)
                v[i] -= along * u[i];
        }
    }
    double norm = sqrt(dot(length, v, v));
    for (int i = 0; i < length; i++)
        v[i] /= norm;
}

/* w [rows,cols] with orthonormal rows or columns, whichever are fewer, times gain. */
static void init_orthogonal(int rows, int cols, struct rng rng, double gain, real *w)
{
    int few = rows < cols ? rows : cols, length = rows < cols ? cols : rows;
    double *basis = malloc(sizeof(double) * (size_t)few * (size_t)length);
    ASSERT(basis);
    for (int b = 0; b < few; b++) {
        double *v = basis + (size_t)b * (size_t)length;
        for (int i = 0; i < length; i++)
            v[i] = rng_normal(&rng);
        orthonormalise(length, b, basis, v);
        for (int i = 0; i < length; i++) {
            size_t at = rows < cols ? (size_t)b * (size_t)cols + (size_t)i : (size_t)i * (size_t)cols + (size_t)b;
            w[at] = (real)(gain * v[i]);
        }
    }
    free(basis);
}

static double parameter_gain(const struct net_arch *arch, const struct net_parameter *p, real head_gain)
{
    if (!strncmp(p->name, "head.", 5))
        return (double)head_gain;
    if (!strncmp(p->name, "trunk.", 6) && arch->activation == ACTIVATION_RELU)
        return sqrt(2);
    return 1;
}

void net_init(const struct net_arch *arch, uint64_t seed, uint32_t which, real head_gain, real *w)
{
    struct net_layout layout;
    net_layout(arch, &layout);
    for (int i = 0; i < layout.count; i++) {
        const struct net_parameter *p = &layout.table[i];
        real *piece = w + p->start;
        if (strstr(p->name, ".weight"))
            init_orthogonal(p->rows, p->cols, rng_stream(seed, RNG_INIT, which, (uint32_t)i, 0), parameter_gain(arch, p, head_gain),
                            piece);
        else
            for (int j = 0; j < p->cols; j++)
                piece[j] = strstr(p->name, ".gain") ? 1 : strcmp(p->name, "log_std") ? 0 : LOG_STD_FIRST;
    }
}

/* Of a linear layer's bias: the table has it behind its weight. */
static double uniform_bound(const struct net_arch *arch, const struct net_parameter *p, int inputs)
{
    return 1 / sqrt(strncmp(p->name, "gru.", 4) ? inputs : arch->hidden);
}

void net_init_uniform(const struct net_arch *arch, uint64_t seed, uint32_t which, real *w)
{
    struct net_layout layout;
    int inputs = 1;
    net_layout(arch, &layout);
    for (int i = 0; i < layout.count; i++) {
        const struct net_parameter *p = &layout.table[i];
        real *piece = w + p->start;
        bool is_norm = strstr(p->name, "norm.") != NULL, is_log_std = !strcmp(p->name, "log_std");
        if (strstr(p->name, ".weight"))
            inputs = p->rows;
        struct rng rng = rng_stream(seed, RNG_INIT, which, (uint32_t)i, 0);
        double bound = uniform_bound(arch, p, inputs);
        for (size_t j = 0; j < (size_t)p->rows * (size_t)p->cols; j++)
            piece[j] = is_log_std ? LOG_STD_FIRST
                       : is_norm  ? strstr(p->name, ".gain") != NULL
                                  : (real)((2 * rng_double(&rng) - 1) * bound);
    }
}
