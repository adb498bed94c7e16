/* Files: whole or not at all, with a ceiling; and the arena that nothing outgrows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/testudo-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void test_what_was_written_is_read_back(void **state)
{
    (void)state;
    unsigned char *data;
    size_t length;
    assert_int_equal(file_write(path, "a\0b", 3, NULL), 0);
    assert_int_equal(file_read(path, 3, &data, &length, NULL), 0);
    assert_int_equal(length, 3);
    assert_memory_equal(data, "a\0b", 4); /* and a 0 behind it */
    free(data);
}

static void test_files_beyond_the_ceiling_and_things_that_are_no_files_are_refused(void **state)
{
    (void)state;
    unsigned char *data = NULL;
    size_t length;
    struct err err;
    assert_int_equal(file_write(path, "1234", 4, NULL), 0);
    assert_int_equal(file_read(path, 3, &data, &length, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "4 bytes, at most 3 allowed"));
    assert_int_equal(file_read(folder, 3, &data, &length, &err), ERR_IO);
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(file_read("/nowhere/at/all", 3, &data, &length, &err), ERR_IO);
    assert_non_null(strstr(err.text, "No such file"));
    char pipe_path[160]; /* nobody writes to it: opening must not wait */
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(file_read(pipe_path, 3, &data, &length, &err), ERR_IO);
    assert_null(data);
}

static void test_a_failed_write_leaves_the_old_content_and_no_litter(void **state)
{
    (void)state;
    char below[160], command[256];
    struct err err;
    assert_int_equal(file_write(path, "old", 3, NULL), 0);
    snprintf(below, sizeof below, "%s/file/new", folder); /* a file is no folder */
    assert_int_equal(file_write(below, "new", 3, &err), ERR_IO);
    snprintf(below, sizeof below, "%s/taken", folder);
    assert_int_equal(mkdir(below, 0700), 0);
    assert_int_equal(file_write(below, "new", 3, &err), ERR_IO); /* written beside it, but a folder is in the way */
    snprintf(command, sizeof command, "test -z \"$(ls '%s' | grep tmp)\" && test \"$(cat '%s')\" = old", folder, path);
    assert_int_equal(system(command), 0);
}

static void test_folders_are_made_with_those_above_and_may_exist(void **state)
{
    (void)state;
    char deep[160];
    snprintf(deep, sizeof deep, "%s/a/b/c", folder);
    assert_int_equal(file_make_folder(deep, NULL), 0);
    assert_int_equal(file_make_folder(deep, NULL), 0);
    assert_int_equal(access(deep, F_OK), 0);
    char small[8];
    assert_int_equal(file_join(small, sizeof small, "abc", "def"), 0);
    assert_int_equal(file_join(small, sizeof small, "abc", "defg"), ERR_LIMIT);
}

static void test_arena_hands_out_aligned_pieces_and_takes_them_back(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, "test", 1000), 0);
    size_t mark = arena_mark(&arena);
    char *a = arena_take(&arena, 1), *b = arena_zero(&arena, 100);
    assert_int_equal((uintptr_t)a % ARENA_ALIGN, 0);
    assert_true(b == a + ARENA_ALIGN && b[0] == 0 && b[99] == 0);
    arena_release(&arena, mark);
    assert_ptr_equal(arena_take(&arena, 1), a);
    assert_int_equal(arena.high, ARENA_ALIGN + 2 * ARENA_ALIGN);
    arena_deinit(&arena);
    arena_deinit(&arena); /* safe on a zeroed struct */
}

static void test_an_arena_that_is_full_aborts(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct arena arena;
        if (!freopen("/dev/null", "w", stderr) || arena_init(&arena, "test", 128))
            _exit(3);
        arena_take(&arena, 64);
        arena_take(&arena, 65);
        _exit(4);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_written_is_read_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_files_beyond_the_ceiling_and_things_that_are_no_files_are_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_failed_write_leaves_the_old_content_and_no_litter, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_folders_are_made_with_those_above_and_may_exist, make_folder, remove_folder),
        cmocka_unit_test(test_arena_hands_out_aligned_pieces_and_takes_them_back),
        cmocka_unit_test(test_an_arena_that_is_full_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
