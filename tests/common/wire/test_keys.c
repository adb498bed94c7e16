/* Key files and the list of admitted keys: what is read is what was written, and anything that is not as it should be is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/allow_list.h"

static char folder[64], path[128];
static struct key_file broker, key;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/testudo-keys-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/x", folder);
    return key_file_make(&broker, "broker", ROLE_BROKER, NULL, &err) ||
           key_file_make(&key, "gpu7", ROLE_ACTOR, broker.keys.public_key, &err);
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_key_file_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct key_file read;
    struct stat status;
    const struct key_file *const files[] = {&key, &broker};
    for (int i = 0; i < 2; i++) {
        unlink(path);
        assert_int_equal(key_file_write(files[i], path, &err), 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        assert_int_equal(key_file_read(&read, path, &err), 0);
        assert_memory_equal(&read, files[i], sizeof read);
    }
}

static void test_key_file_is_never_overwritten(void **state)
{
    (void)state;
    struct key_file read;
    assert_int_equal(key_file_write(&key, path, &err), 0);
    assert_int_equal(key_file_write(&broker, path, &err), ERR_DUPLICATE);
    assert_int_equal(key_file_read(&read, path, &err), 0);
    assert_string_equal(read.name, "gpu7");
}

static void test_key_that_others_can_read_is_refused(void **state)
{
    (void)state;
    struct key_file read;
    const mode_t modes[] = {0640, 0604, 0620, 0601};
    assert_int_equal(key_file_write(&key, path, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(key_file_read(&read, path, &err), ERR_DENIED);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(key_file_read(&read, path, &err), 0);
}

static void test_broken_key_files_are_refused_with_the_reason(void **state)
{
    (void)state;
    struct key_file read;
    char text[512];
    const struct {
        const char *name, *role, *public_key, *secret_key, *server_key;
        int code;
        const char *reason;
    } rows[] = {
        {"a", "actor", key.keys.public_key, key.keys.secret_key, broker.keys.public_key, 0, ""},
        {"", "actor", key.keys.public_key, key.keys.secret_key, broker.keys.public_key, ERR_FORMAT, "name is"},
        {"a/b", "actor", key.keys.public_key, key.keys.secret_key, broker.keys.public_key, ERR_FORMAT, "name is"},
        {"a", "root", key.keys.public_key, key.keys.secret_key, broker.keys.public_key, ERR_FORMAT, "role is \"root\""},
        {"a", "actor", "short", key.keys.secret_key, broker.keys.public_key, ERR_FORMAT, "public-key"},
        {"a", "actor", key.keys.public_key, "", broker.keys.public_key, ERR_FORMAT, "secret-key is missing"},
        {"a", "actor", key.keys.public_key, key.keys.secret_key, "", ERR_FORMAT, "server-key is missing"},
        {"a", "broker", key.keys.public_key, key.keys.secret_key, "", 0, ""},
        {"a", "actor", broker.keys.public_key, key.keys.secret_key, broker.keys.public_key, ERR_MISMATCH, "not that of"},
        {"a", "actor", "12345678901234567890123456789012345678901234567890", "", "", ERR_FORMAT, ":5: public-key has 50"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(
            text, sizeof text,
            "# comment\nmetadata\n  name = \"%s\"\n  role = %s\n  public-key = \"%s\"\n\tsecret-key=\"%s\"\nserver-key = \"%s\"\n",
            rows[i].name, rows[i].role, rows[i].public_key, rows[i].secret_key, rows[i].server_key);
        put(text, 0600);
        err.text[0] = 0;
        assert_int_equal(key_file_read(&read, path, &err), rows[i].code);
        if (rows[i].code)
            assert_non_null(strstr(err.text, rows[i].reason));
    }
    put("name = \"a\"\nname = \"b\"\n", 0600);
    assert_int_equal(key_file_read(&read, path, &err), ERR_FORMAT);
    assert_non_null(strstr(err.text, ":2: name for the second time"));
}

static void test_list_finds_the_keys_that_were_appended(void **state)
{
    (void)state;
    struct allow_list list = {0};
    struct key_file keys[20];
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "k%d", i);
        assert_int_equal(key_file_make(&keys[i], name, (enum role)(i % ROLE_CLIENTS), broker.keys.public_key, &err), 0);
        assert_int_equal(allow_list_append(path, &keys[i], &err), 0);
    }
    assert_int_equal(allow_list_read(&list, path, &err), 0);
    assert_int_equal(list.count, 20);
    for (int i = 0; i < 20; i++) {
        const struct allowed *found = allow_list_find(&list, keys[i].keys.public_key);
        assert_non_null(found);
        assert_string_equal(found->name, keys[i].name);
        assert_int_equal(found->role, keys[i].role);
        assert_int_equal(found->first_actor, 0);
        assert_true(found->last_actor == UINT32_MAX);
    }
    assert_null(allow_list_find(&list, key.keys.public_key));
    assert_null(allow_list_find(&list, ""));
    allow_list_free(&list);
    assert_null(allow_list_find(&list, key.keys.public_key));
}

static void test_broken_lists_leave_the_old_one_as_it_was(void **state)
{
    (void)state;
    struct allow_list list = {0};
    char line[256], text[512];
    const struct {
        const char *format;
        int code;
    } rows[] = {{"actor gpu7 %s 5-9", 0},
                {"actor gpu7 %s 5", 0},
                {"actor gpu7 %s 9-5", ERR_FORMAT},
                {"actor gpu7 %s x", ERR_FORMAT},
                {"actor gpu7 %s 5-9 more", ERR_FORMAT},
                {"learner gpu7 %s 5-9", ERR_FORMAT},
                {"broker gpu7 %s", ERR_FORMAT},
                {"root gpu7 %s", ERR_FORMAT},
                {"actor %s", ERR_FORMAT},
                {"actor gpu7 x%s", ERR_FORMAT}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        put("# nothing\n\n", 0600);
        assert_int_equal(allow_list_append(path, &broker, &err), 0);
        assert_int_equal(allow_list_read(&list, path, &err), ERR_FORMAT); /* a broker is not admitted */
        put("", 0600);
        assert_int_equal(allow_list_append(path, &key, &err), 0);
        assert_int_equal(allow_list_read(&list, path, &err), 0);
        snprintf(line, sizeof line, rows[i].format, key.keys.public_key);
        put(line, 0600);
        assert_int_equal(allow_list_read(&list, path, &err), rows[i].code);
        assert_non_null(allow_list_find(&list, key.keys.public_key));
        assert_int_equal(allow_list_find(&list, key.keys.public_key)->first_actor, rows[i].code ? 0 : 5);
    }
    snprintf(text, sizeof text, "actor a %s\nactor b %s\n", key.keys.public_key, key.keys.public_key);
    put(text, 0600);
    assert_int_equal(allow_list_read(&list, path, &err), ERR_DUPLICATE);
    assert_non_null(strstr(err.text, ":2:"));
    snprintf(text, sizeof text, "actor a %s\nlearner a %s\n", key.keys.public_key, broker.keys.public_key);
    put(text, 0600);
    assert_int_equal(allow_list_read(&list, path, &err), ERR_DUPLICATE);
    unlink(path);
    assert_int_equal(allow_list_read(&list, path, &err), ERR_IO);
    assert_int_equal(list.count, 1);
    allow_list_free(&list);
}

static void test_only_learners_steer_and_observers_only_ask(void **state)
{
    (void)state;
    const enum message_kind steering[] = {MESSAGE_LEARNER_HELLO, MESSAGE_PUBLISH, MESSAGE_ORDERS, MESSAGE_FATES, MESSAGE_CHUNK};
    for (size_t i = 0; i < ARRAY_LEN(steering); i++) {
        assert_true(role_may_send(ROLE_LEARNER, steering[i]));
        assert_false(role_may_send(ROLE_ACTOR, steering[i]));
    }
    for (int kind = 0; kind < MESSAGE_KINDS; kind++) {
        assert_int_equal(role_may_send(ROLE_OBSERVER, (enum message_kind)kind), kind == MESSAGE_STATS);
        assert_false(role_may_send(ROLE_BROKER, (enum message_kind)kind));
    }
    assert_false(role_may_send(ROLE_LEARNER, MESSAGE_TRAJECTORY));
    assert_true(role_may_send(ROLE_ACTOR, MESSAGE_TRAJECTORY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_key_file_is_read_as_it_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_file_is_never_overwritten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_that_others_can_read_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_key_files_are_refused_with_the_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_finds_the_keys_that_were_appended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_lists_leave_the_old_one_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_learners_steer_and_observers_only_ask, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
