/* A run is complete when exactly what was noted is there: checkpoint, results, recipe; anything else means that there is work left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "learner/completion.h"

static char run[] = "/tmp/testudo-complete-XXXXXX";

static void make_of(const char *name, const char *content)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", run, name);
    assert_int_equal(file_write(path, content, strlen(content), NULL), 0);
}

static void make(const char *name)
{
    make_of(name, "x");
}

static void take_away(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", run, name);
    assert_int_equal(unlink(path), 0);
}

static void make_folder(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", run, name);
    assert_int_equal(file_make_folder(path, NULL), 0);
}

static void test_a_run_is_complete_as_long_as_all_of_it_is_there(void **state)
{
    const struct completion done = {"train.json", {1, 2}, 0};
    const struct completion others[] = {{"final.json", {1, 2}, 0}, {"train.json", {1, 3}, 0}, {"train.json", {1, 2}, 5}};
    struct err err;
    (void)state;
    make_folder("checkpoints");
    make_folder("results");
    assert_false(completion_holds(run, &done));
    assert_int_equal(completion_write(run, &done, &err), ERR_UNKNOWN); /* no checkpoint */
    make("checkpoints/00000050.safetensors");
    make("results/train.json");
    make("results/final.json");
    assert_false(completion_holds(run, &done)); /* killed just before it was noted */
    assert_int_equal(completion_write(run, &done, &err), 0);
    assert_true(completion_holds(run, &done));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(completion_holds(run, &others[i])); /* another recipe, other results, another team attacked */
    make("checkpoints/00000060.safetensors");            /* it was trained on */
    assert_false(completion_holds(run, &done));
    take_away("checkpoints/00000060.safetensors");
    assert_true(completion_holds(run, &done));
    make_of("checkpoints/00000050.safetensors", "y"); /* somebody put another one there */
    assert_false(completion_holds(run, &done));
    make("checkpoints/00000050.safetensors");
    assert_true(completion_holds(run, &done));
    take_away("results/train.json");
    assert_false(completion_holds(run, &done));
    make("results/train.json");
    make("complete.json"); /* no JSON */
    assert_false(completion_holds(run, &done));
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(run) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[256];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", run);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_run_is_complete_as_long_as_all_of_it_is_there)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
