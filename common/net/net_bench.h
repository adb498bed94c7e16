/* How fast the numeric core is, as ratios taken in one run: the two sides alternate, medians are compared. `testudo bench` prints
 * these; no test depends on them, since a busy neighbour moves them.
 *
 * The yardstick for learning is the pure cblas_sgemm time of the same products, over the whole batch or in the learner's blocks,
 * whichever is faster, with the core type that the program runs on (math/blas_core.h sees to that); for acting it is
 * microseconds per call. */
#ifndef TESTUDO_NET_NET_BENCH_H
#define TESTUDO_NET_NET_BENCH_H

#include "base/err.h"

struct net_bench_row {
    const char *name, *unit;
    double value;
    double must, aim; /* bars; 0 where there is none */
    int higher_is_better;
};

#define NET_BENCH_ROWS 24

/* Fills rows; returns how many, or ERR_NOMEM. Takes about `seconds` in all on one core (the two-thread rows use two). */
int net_bench(double seconds, struct net_bench_row rows[NET_BENCH_ROWS]);

/* Median microseconds of n_sides bodies, run in turn until the time is used up, at least five times each. */
typedef void net_bench_body(void *context);
void net_bench_measure(double seconds, int n_sides, net_bench_body *const *sides, void *context, double *us);

/* The rate of sgemm at 512x512x512, GFLOP/s, one thread, with the kernels that OpenBLAS chose in this process. */
double net_bench_sgemm(double seconds);

#endif
