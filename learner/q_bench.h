/* How long a whole QMIX update takes (agents live and late, mixers, targets, loss, gradients, optimiser, and taking in the episode that it is
 * for), against the pure cblas_sgemm time of its products: the two sides alternate in one run on one thread, medians are compared. */
#ifndef TESTUDO_LEARNER_Q_BENCH_H
#define TESTUDO_LEARNER_Q_BENCH_H

#include "net/net_bench.h"

enum { Q_BENCH_ROWS = 8 };

/* SMAC's 3m: 3 agents, 9 actions, 42 numbers of input, 48 of state; batches of 32 episodes of 60 steps, GRU 64. Fills rows; returns how many, or
 * an error. */
int q_bench(double seconds, struct net_bench_row rows[Q_BENCH_ROWS], struct err *err);

#endif
