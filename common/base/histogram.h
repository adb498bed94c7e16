/* Counts in buckets whose upper bounds double: first, 2 first, 4 first, ..., and one without bound. What is counted and the first bound
 * are the user's: HISTOGRAM_SECONDS for durations in seconds (1 ms to 65 s), HISTOGRAM_LAG for versions (0, 1, 2, 4, ...). */
#ifndef TESTUDO_BASE_HISTOGRAM_H
#define TESTUDO_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 18
#define HISTOGRAM_SECONDS 1e-3
#define HISTOGRAM_LAG 0.5

struct histogram { /* plain data; zero is empty */
    uint64_t counts[HISTOGRAM_BUCKETS];
    double sum;
};

double histogram_bound(double first, int bucket); /* upper bound, inclusive; INFINITY for the last */
void histogram_add(struct histogram *histogram, double first, double value);
uint64_t histogram_total(const struct histogram *histogram);

/* What was counted in `now` and not yet in `before`; empty where `before` is of another, later life (a bucket would be negative). */
struct histogram histogram_since(const struct histogram *now, const struct histogram *before);
void histogram_join(struct histogram *into, const struct histogram *from);

/* The value below which the share q of what was counted lies, straight within a bucket; the last bound that is finite at most. NaN when
 * nothing was counted. */
double histogram_quantile(const struct histogram *histogram, double first, double q);

#endif
