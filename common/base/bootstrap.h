/* Percentile bootstrap of a mean (Efron 1979, doi 10.1214/aos/1176344552): how sure a mean over seeds or episodes is. */
#ifndef TESTUDO_BASE_BOOTSTRAP_H
#define TESTUDO_BASE_BOOTSTRAP_H

#include "base/err.h"

#define BOOTSTRAP_RESAMPLES 10000

struct interval {
    double mean, low, high; /* low, high: 2.5 and 97.5 per cent of the resampled means */
};

/* values [n], n >= 1. The draws depend on n and place only, so the same values in the same order give the same interval.
 * With n == 1 the interval is the value itself: one seed says nothing about seeds. ERR_NOMEM. */
MUST_USE int bootstrap_mean(const double *values, int n, struct interval *out);

#endif
