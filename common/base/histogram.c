#include "base/histogram.h"

#include <math.h>

double histogram_bound(double first, int bucket)
{
    return bucket == HISTOGRAM_BUCKETS - 1 ? INFINITY : ldexp(first, bucket);
}

void histogram_add(struct histogram *histogram, double first, double value)
{
    int bucket = 0;
    while (value > histogram_bound(first, bucket))
        bucket++;
    histogram->counts[bucket]++;
    histogram->sum += value;
}

uint64_t histogram_total(const struct histogram *histogram)
{
    uint64_t total = 0;
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
        total += histogram->counts[b];
    return total;
}

struct histogram histogram_since(const struct histogram *now, const struct histogram *before)
{
    struct histogram since = *now;
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++) {
        if (now->counts[b] < before->counts[b])
            return (struct histogram){0};
        since.counts[b] -= before->counts[b];
    }
    since.sum -= before->sum;
    return since;
}

void histogram_join(struct histogram *into, const struct histogram *from)
{
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
        into->counts[b] += from->counts[b];
    into->sum += from->sum;
}

double histogram_quantile(const struct histogram *histogram, double first, double q)
{
    double wanted = q * (double)histogram_total(histogram), below = 0;
    if (!(wanted > 0))
        return histogram_total(histogram) ? 0 : NAN;
    for (int b = 0; b < HISTOGRAM_BUCKETS - 1; b++) {
        double count = (double)histogram->counts[b], low = b ? histogram_bound(first, b - 1) : 0;
        if (count > 0 && below + count >= wanted)
            return low + (histogram_bound(first, b) - low) * (wanted - below) / count;
        below += count;
    }
    return histogram_bound(first, HISTOGRAM_BUCKETS - 2);
}
