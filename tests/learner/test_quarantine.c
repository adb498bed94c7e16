#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "learner/quarantine.h"

static void test_refused_trajectories_can_be_looked_at(void **state)
{
    (void)state;
    char run[] = "/tmp/testudo-quarantine-XXXXXX", path[256], command[256];
    const unsigned char frame[] = {1, 2, 3, 4};
    struct quarantined entries[2] = {
        {.actor = 3,
         .incarnation = 5,
         .sequence = 7,
         .reason = REJECT_NOT_FINITE,
         .text = "column reward row 2",
         .misfit = {.field = "reward", .t = 2, .agent = -1, .expected = "0.5", .found = "7"},
         .bytes = 900,
         .kept = sizeof frame,
         .frame = frame},
        {.actor = 4,
         .incarnation = 6,
         .sequence = 8,
         .reason = REJECT_BYTES,
         .text = "too short",
         .bytes = 0,
         .kept = 0,
         .frame = frame},
    };
    struct err err = {""};
    unsigned char *bytes;
    size_t length;
    assert_non_null(mkdtemp(run));
    assert_int_equal(quarantine_write(run, entries, 2, &err), 0);
    assert_int_equal(quarantine_write(run, entries, 2, &err), 0); /* the same places again */
    snprintf(path, sizeof path, "%s/quarantine/0.json", run);
    json_t *tree = json_read(path, &err);
    assert_non_null(tree);
    assert_int_equal(json_integer_value(json_object_get(tree, "sequence")), 7);
    assert_string_equal(json_string_value(json_object_get(tree, "reason")), reject_reason_name(REJECT_NOT_FINITE));
    assert_string_equal(json_string_value(json_object_get(tree, "text")), "column reward row 2");
    assert_string_equal(json_string_value(json_object_get(tree, "field")), "reward");
    assert_int_equal(json_integer_value(json_object_get(tree, "step")), 2);
    assert_true(json_is_null(json_object_get(tree, "agent")));
    assert_string_equal(json_string_value(json_object_get(tree, "expected")), "0.5");
    assert_string_equal(json_string_value(json_object_get(tree, "found")), "7");
    json_decref(tree);
    snprintf(path, sizeof path, "%s/quarantine/0.frame", run);
    assert_int_equal(file_read(path, 100, &bytes, &length, &err), 0);
    assert_int_equal(length, sizeof frame);
    assert_memory_equal(bytes, frame, sizeof frame);
    free(bytes);
    snprintf(path, sizeof path, "%s/quarantine/1.json", run);
    tree = json_read(path, &err);
    assert_non_null(tree);
    assert_null(json_object_get(tree, "field")); /* refused for another reason */
    json_decref(tree);
    snprintf(command, sizeof command, "rm -rf %s", run);
    assert_int_equal(system(command), 0);
}

static void test_nowhere_to_write_is_an_error_with_a_reason(void **state)
{
    (void)state;
    struct quarantined entry = {.text = "x"};
    struct err err = {""};
    assert_int_not_equal(quarantine_write("/dev/null", &entry, 1, &err), 0);
    assert_true(strlen(err.text) > 0);
}

static void test_quarantined_actors_are_remembered(void **state)
{
    (void)state;
    char run[] = "/tmp/testudo-quarantine-XXXXXX", path[256], command[256];
    struct quarantined_actor two[2] = {{7, "rescore", "step 3: \"odd\""}, {UINT32_MAX, "nan", ""}}, read[2];
    struct err err;
    int n = -1;
    assert_non_null(mkdtemp(run));
    assert_int_equal(quarantine_read_actors(run, read, 2, &n, &err), 0); /* no list yet */
    assert_int_equal(n, 0);
    assert_int_equal(quarantine_write_actors(run, two, 1, &err), 0);
    assert_int_equal(quarantine_write_actors(run, two, 2, &err), 0);
    assert_int_equal(quarantine_read_actors(run, read, 2, &n, &err), 0);
    assert_int_equal(n, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read[i].actor, two[i].actor);
        assert_string_equal(read[i].how, two[i].how);
        assert_string_equal(read[i].text, two[i].text);
    }
    assert_int_equal(quarantine_read_actors(run, read, 1, &n, &err), ERR_LIMIT);
    static const char *const bad[] = {"{}", "[7]", "[{\"actor\": -1}]", "[{\"actor\": 4294967296}]", "[{\"how\": \"x\"}]", "["};
    snprintf(path, sizeof path, "%s/quarantine/actors.json", run);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(file_write(path, bad[i], strlen(bad[i]), &err), 0);
        assert_int_equal(quarantine_read_actors(run, read, 2, &n, &err), ERR_FORMAT);
        assert_non_null(strstr(err.text, "actors.json"));
    }
    snprintf(command, sizeof command, "rm -r %s", run);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_trajectories_can_be_looked_at),
        cmocka_unit_test(test_nowhere_to_write_is_an_error_with_a_reason),
        cmocka_unit_test(test_quarantined_actors_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
