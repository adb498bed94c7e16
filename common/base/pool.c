#include "base/pool.h"

#include <pthread.h>
#include <stdlib.h>

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    int n_threads, n_started;
    int n_jobs, next_job, running; /* under lock */
    unsigned long round;
    int stopping;
    pool_job *job;
    void *context;
    pthread_t threads[64];
};

struct worker {
    struct pool *pool;
    int thread;
};

/* Takes jobs until none is left. Called and left with the lock held. */
static void run_jobs(struct pool *pool, int thread)
{
    while (pool->next_job < pool->n_jobs) {
        int job = pool->next_job++;
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        pool->job(pool->context, job, thread);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
    }
    if (pool->running == 0)
        pthread_cond_signal(&pool->done);
}

static void *worker_main(void *argument)
{
    struct worker worker = *(struct worker *)argument;
    free(argument);
    struct pool *pool = worker.pool;
    unsigned long seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stopping && pool->round == seen)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stopping)
            break;
        seen = pool->round;
        run_jobs(pool, worker.thread);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int pool_create(struct pool **out, int n_threads)
{
    if (n_threads < 1 || n_threads > 64)
        return ERR_RANGE;
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return ERR_NOMEM;
    pool->n_threads = n_threads;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (int i = 1; i < n_threads; i++) {
        struct worker *worker = malloc(sizeof *worker);
        if (worker)
            *worker = (struct worker){pool, i};
        if (!worker || pthread_create(&pool->threads[pool->n_started], NULL, worker_main, worker)) {
            free(worker);
            pool_destroy(&pool);
            return ERR_NOMEM;
        }
        pool->n_started++;
    }
    *out = pool;
    return 0;
}

void pool_destroy(struct pool **pool_at)
{
    struct pool *pool = *pool_at;
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->n_started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    *pool_at = NULL;
}

int pool_threads(const struct pool *pool)
{
    return pool->n_threads;
}

void pool_run(struct pool *pool, int n_jobs, pool_job *job, void *context)
{
    pthread_mutex_lock(&pool->lock);
    pool->job = job;
    pool->context = context;
    pool->n_jobs = n_jobs;
    pool->next_job = 0;
    pool->round++;
    if (n_jobs > 1)
        pthread_cond_broadcast(&pool->work);
    run_jobs(pool, 0);
    while (pool->running > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
