#include "net/value_norm.h"

#include <math.h>

#define DEBIAS_MIN 1e-5
#define VARIANCE_MIN 1e-2

void value_norm_init(struct value_norm *norm, double beta)
{
    *norm = (struct value_norm){.beta = beta};
}

void value_norm_update(struct value_norm *norm, size_t count, const real *x)
{
    if (count == 0)
        return;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    double beta = norm->beta;
    norm->mean = beta * norm->mean + (1 - beta) * sum / (double)count;
    norm->mean_square = beta * norm->mean_square + (1 - beta) * squares / (double)count;
    norm->debias = beta * norm->debias + (1 - beta);
}

void value_norm_moments(const struct value_norm *norm, double *mean, double *std)
{
    double debias = fmax(norm->debias, DEBIAS_MIN);
    *mean = norm->mean / debias;
    *std = sqrt(fmax(norm->mean_square / debias - *mean * *mean, VARIANCE_MIN));
}

void value_norm_normalise(const struct value_norm *norm, size_t count, const real *x, real *out)
{
    double mean, std;
    value_norm_moments(norm, &mean, &std);
    for (size_t i = 0; i < count; i++)
        out[i] = (real)(((double)x[i] - mean) / std);
}

void value_norm_denormalise(const struct value_norm *norm, size_t count, const real *x, real *out)
{
    double mean, std;
    value_norm_moments(norm, &mean, &std);
    for (size_t i = 0; i < count; i++)
        out[i] = (real)((double)x[i] * std + mean);
}
