/* A few threads that run numbered jobs. Waiting threads sleep (they never spin: a neighbour may need the core).
 *
 * Which thread runs which job is not fixed, so a job must write only to places of its own number; results are then the same
 * for any number of threads. */
#ifndef TESTUDO_BASE_POOL_H
#define TESTUDO_BASE_POOL_H

#include "base/err.h"

struct pool;
typedef void pool_job(void *context, int job, int thread); /* thread in 0..n_threads-1 */

/* The calling thread takes part in pool_run, so n_threads - 1 are started. n_threads in 1..64. */
MUST_USE int pool_create(struct pool **pool, int n_threads);
void pool_destroy(struct pool **pool);
int pool_threads(const struct pool *pool);

/* Runs jobs 0..n_jobs-1 and returns when all are done. One caller at a time. Allocates nothing. */
void pool_run(struct pool *pool, int n_jobs, pool_job *job, void *context);

#endif
