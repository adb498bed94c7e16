/* The learner's status lines and what a person sees of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "deploy/progress.h"

static int read_line(struct progress_status *status, const char *line)
{
    return progress_read(status, line, strlen(line));
}

static void test_progress_keeps_what_a_line_leaves_out(void **state)
{
    (void)state;
    struct progress_status status = {.return_clean = NAN, .return_attacked = NAN, .lag = NAN};
    assert_int_equal(read_line(&status, "{\"phase\":\"train\",\"steps\":1200,\"budget\":10000,\"return_clean\":0.5}"), 0);
    assert_int_equal(read_line(&status, "{\"steps\":2000,\"return_clean\":null,\"done\":true}"), 0);
    assert_string_equal(status.phase, "train");
    assert_true(status.steps == 2000 && status.budget == 10000 && status.is_done && isnan(status.return_clean));
}

static void test_progress_refuses_what_is_no_object(void **state)
{
    (void)state;
    struct progress_status status = {.steps = 7};
    static const char *const lines[] = {"", "{", "[1]", "3", "{\"steps\":1}{", "{\"steps\":1,\"steps\":2}"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_int_equal(read_line(&status, lines[i]), ERR_FORMAT);
    assert_int_equal(read_line(&status, "{\"steps\":-5,\"budget\":\"x\",\"phase\":3}"), 0);
    assert_int_equal(status.steps, 7);
}

static void test_progress_line_says_rate_returns_and_time_left(void **state)
{
    (void)state;
    char line[PROGRESS_LINE_MAX];
    struct progress_status status = {.phase = "train",
                                     .steps = 1234567,
                                     .budget = 10000000,
                                     .steps_per_s = 54200,
                                     .return_clean = 0.825,
                                     .return_attacked = NAN,
                                     .lag = 0};
    progress_format(&status, line);
    assert_string_equal(line, "train  12.3 %  1.23M of 10.0M steps  54.2k steps/s  return 0.825  lag 0  left 2:42");
    progress_format(&(struct progress_status){.return_clean = NAN}, line);
    assert_string_equal(line, "starting");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress_keeps_what_a_line_leaves_out),
        cmocka_unit_test(test_progress_refuses_what_is_no_object),
        cmocka_unit_test(test_progress_line_says_rate_returns_and_time_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
