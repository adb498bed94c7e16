/* Results files read back equal; bootstrap intervals behave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "base/bootstrap.h"
#include "base/file.h"
#include "learner/results.h"

static void test_results_read_back_equal(void **state)
{
    (void)state;
    char path[] = "/tmp/testudo-test-XXXXXX";
    close(mkstemp(path));
    struct results *a, *b;
    assert_int_equal(results_create(&a), 0);
    snprintf(a->method, sizeof a->method, "eir-mappo");
    snprintf(a->env, sizeof a->env, "matrix");
    a->seed = 3;
    a->steps = 4000000;
    a->wall_seconds = 1.25;
    assert_int_equal(results_add(a, "clean", -1, 0, (double[]){0.1, 0.2, 0.3}, 3, 2, NULL), 0);
    assert_int_equal(results_add(a, "learned", 1, 5000, (double[]){-1}, 1, -1, NULL), 0);
    assert_int_equal(results_add(a, "x", 0, 0, (double[]){NAN}, 1, -1, NULL), ERR_NOT_FINITE);
    assert_int_equal(results_write(a, path, NULL), 0);
    assert_int_equal(results_read(&b, path, NULL), 0);
    assert_int_equal(b->count, 2);
    assert_string_equal(b->method, "eir-mappo");
    assert_true(b->seed == 3 && b->steps == 4000000 && b->wall_seconds == 1.25);
    assert_true(b->rows[0].mean == a->rows[0].mean && b->rows[0].low == a->rows[0].low && b->rows[0].high == a->rows[0].high);
    assert_true(b->rows[0].success == a->rows[0].success && b->rows[0].returns[2] == 0.3);
    assert_true(isnan(b->rows[1].success) && b->rows[1].attack_steps == 5000 && b->rows[1].victim == 1);
    results_destroy(&a);
    results_destroy(&b);
    unlink(path);
}

static void test_results_refuses_malformed_files(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"method\":\"m\",\"env\":\"e\",\"scenario\":\"s\",\"seed\":1.5,\"steps\":1,\"wall_seconds\":1,\"rows\":[]}",
        "{\"method\":\"m\",\"env\":\"e\",\"scenario\":\"s\",\"seed\":1,\"steps\":1,\"wall_seconds\":1,\"rows\":[{}]}",
        "{\"method\":\"m\",\"env\":\"e\",\"scenario\":\"s\",\"seed\":1,\"steps\":1,\"wall_seconds\":1,\"rows\":"
        "[{\"threat\":\"clean\",\"victim\":0,\"attack_steps\":0,\"returns\":[\"x\"]}]}",
    };
    char path[] = "/tmp/testudo-test-XXXXXX";
    close(mkstemp(path));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct results *results;
        assert_int_equal(file_write(path, texts[i], strlen(texts[i]), NULL), 0);
        if (!results_read(&results, path, NULL))
            fail_msg("accepted case %zu", i);
        assert_null(results);
    }
    unlink(path);
}

static void test_bootstrap_interval_holds_the_mean_and_narrows(void **state)
{
    (void)state;
    double values[400];
    struct interval few, many, one;
    for (int i = 0; i < 400; i++)
        values[i] = i % 10;
    assert_int_equal(bootstrap_mean(values, 10, &few), 0);
    assert_int_equal(bootstrap_mean(values, 400, &many), 0);
    assert_int_equal(bootstrap_mean(values + 3, 1, &one), 0);
    assert_true(few.mean == 4.5 && many.mean == 4.5);
    assert_true(few.low < 4.5 && few.high > 4.5 && many.low < 4.5 && many.high > 4.5);
    /* Standard error of the mean: 2.872 / sqrt(n); 95 % of a normal lie within 1.96 of them. */
    assert_true(fabs((many.high - many.low) / 2 - 1.96 * 2.872 / 20) < 0.02);
    assert_true(many.high - many.low < (few.high - few.low) / 4);
    assert_true(one.low == 3 && one.high == 3 && one.mean == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_read_back_equal),
        cmocka_unit_test(test_results_refuses_malformed_files),
        cmocka_unit_test(test_bootstrap_interval_holds_the_mean_and_narrows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
