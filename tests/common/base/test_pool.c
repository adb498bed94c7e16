/* The pool: every job once, whatever the number of threads, and nobody returns early. Worth running under PROFILE=tsan, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"

enum { JOBS = 500 };
struct tally {
    int runs[JOBS], thread[JOBS]; /* job j writes to its own places only */
};

static void count(void *context, int job, int thread)
{
    struct tally *tally = context;
    tally->runs[job]++;
    tally->thread[job] = thread;
}

static void test_every_job_runs_once_and_is_done_at_the_return(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        struct pool *pool;
        assert_int_equal(pool_create(&pool, threads), 0);
        assert_int_equal(pool_threads(pool), threads);
        for (int n = 0; n <= JOBS; n = n * 2 + 1) {
            struct tally tally = {0};
            pool_run(pool, n, count, &tally);
            for (int j = 0; j < JOBS; j++)
                assert_int_equal(tally.runs[j], j < n);
            for (int j = 0; j < n; j++)
                assert_in_range(tally.thread[j], 0, threads - 1);
        }
        pool_destroy(&pool);
        assert_null(pool);
    }
}

/* Each round reads what the one before has written, at another job's place: a round that began early would see old numbers. */
static void add_neighbour(void *context, int job, int thread)
{
    (void)thread;
    int(*rows)[JOBS] = context;
    rows[1][job] = rows[0][(job + 1) % JOBS] + 1;
}

static void test_rounds_follow_each_other(void **state)
{
    (void)state;
    static int rows[2][JOBS];
    struct pool *pool;
    assert_int_equal(pool_create(&pool, 3), 0);
    memset(rows, 0, sizeof rows);
    for (int round = 1; round <= 200; round++) {
        pool_run(pool, JOBS, add_neighbour, rows);
        memcpy(rows[0], rows[1], sizeof rows[0]);
        for (int j = 0; j < JOBS; j++)
            assert_int_equal(rows[0][j], round);
    }
    pool_destroy(&pool);
}

static void test_threads_out_of_range_are_refused(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    assert_int_equal(pool_create(&pool, 0), ERR_RANGE);
    assert_int_equal(pool_create(&pool, 65), ERR_RANGE);
    pool_destroy(&pool); /* safe on NULL */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_runs_once_and_is_done_at_the_return),
        cmocka_unit_test(test_rounds_follow_each_other),
        cmocka_unit_test(test_threads_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
