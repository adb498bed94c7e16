#include "base/bootstrap.h"

#include <stdlib.h>

#include "base/rng.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double resampled_mean(const double *values, int n, int resample)
{
    struct rng rng = rng_stream(0, RNG_BOOTSTRAP, (uint64_t)resample, 0, 0);
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += values[rng_below(&rng, (uint32_t)n)];
    return sum / n;
}

int bootstrap_mean(const double *values, int n, struct interval *out)
{
    ASSERT(n >= 1);
    double *means = malloc(BOOTSTRAP_RESAMPLES * sizeof *means);
    if (!means)
        return ERR_NOMEM;
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += values[i];
    for (int i = 0; i < BOOTSTRAP_RESAMPLES; i++)
        means[i] = resampled_mean(values, n, i);
    qsort(means, BOOTSTRAP_RESAMPLES, sizeof *means, by_value);
    *out = (struct interval){sum / n, means[BOOTSTRAP_RESAMPLES / 40], means[BOOTSTRAP_RESAMPLES - 1 - BOOTSTRAP_RESAMPLES / 40]};
    free(means);
    return 0;
}
