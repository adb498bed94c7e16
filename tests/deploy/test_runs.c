/* Recipes from files and the command line, and the run folders they lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/file.h"
#include "deploy/runs.h"
#include "deploy/settings.h"

static char folder[64], recipe_path[128], root[128];

static int make_folder(void **state)
{
    (void)state;
    static const char text[] = "method: own\nenv: {name: matrix}\nlearner: {algorithm: mappo, lr: 1e-3}\n";
    snprintf(folder, sizeof folder, "/tmp/testudo-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(recipe_path, sizeof recipe_path, "%s/own.yaml", folder);
    snprintf(root, sizeof root, "%s/runs", folder);
    return file_write(recipe_path, text, sizeof text - 1, NULL);
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static struct recipe *load(const char *argument)
{
    struct recipe *recipe;
    struct err err = {""};
    if (settings_load(&recipe, recipe_path, &argument, argument ? 1 : 0, &err))
        fail_msg("%s", err.text);
    return recipe;
}

static void test_settings_resolve_every_key_and_keep_what_was_set(void **state)
{
    (void)state;
    struct recipe *recipe = load("learner.clip=0.2");
    struct settings_tables tables;
    assert_string_equal(recipe_value(recipe, "learner.lr", ""), "1e-3");
    assert_string_equal(recipe_value(recipe, "learner.clip", ""), "0.2");
    assert_true(*recipe_value(recipe, "env.scenario", "") != 0);
    assert_int_equal(settings_tables(&tables, recipe, NULL), 0);
    for (int t = 0; t < tables.count; t++)
        for (int i = 0; i < tables.table[t].count; i++)
            assert_non_null(recipe_find(recipe, tables.table[t].rows[i].name));
    recipe_destroy(&recipe);
}

static void test_settings_refuse_and_name_the_place(void **state)
{
    (void)state;
    static const char *const arguments[] = {"learner.lr=2", "learner.algorithm=mapo", "env.name=matrx", "nothing=1",
                                            "env.scenario=none"};
    for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
        struct recipe *recipe;
        struct err err = {""};
        assert_int_not_equal(settings_load(&recipe, recipe_path, &arguments[i], 1, &err), 0);
        assert_null(recipe);
        assert_true(err.text[0] != 0);
    }
}

static void test_run_resumes_with_an_equal_recipe_only(void **state)
{
    (void)state;
    struct run run, second;
    struct err err = {""};
    struct recipe *recipe = load(NULL), *same = load("learner.lr=0.001"), *other = load("learner.lr=2e-3"),
                  *named = load("run.name=b c");
    assert_int_equal(run_open(&run, root, recipe, "test", &err), 0);
    assert_false(run.is_resumed);
    assert_int_equal(run_open(&second, root, recipe, "test", &err), ERR_STATE); /* locked */
    run_close(&run);
    assert_int_equal(run_open(&run, root, same, "test", &err), 0);
    assert_true(run.is_resumed);
    run_close(&run);
    assert_int_equal(run_open(&run, root, other, "test", &err), ERR_MISMATCH);
    assert_non_null(strstr(err.text, "learner.lr is 1e-3 there and 2e-3 here"));
    assert_int_equal(run_open(&run, root, named, "test", &err), 0);
    assert_non_null(strstr(run.folder, "/own/b-c/seed-1"));
    run_close(&run);
    assert_int_equal(run_open_existing(&run, root, &err), ERR_INVALID); /* two of them */
    assert_int_equal(run_open_existing(&run, folder, &err), ERR_INVALID);
    run_close(&run);
    recipe_destroy(&recipe);
    recipe_destroy(&same);
    recipe_destroy(&other);
    recipe_destroy(&named);
}

static void test_run_names_stay_inside_the_root(void **state)
{
    (void)state;
    struct recipe *recipe = load("run.name=../../..");
    char path[PATH_MAX];
    assert_int_equal(run_path(path, root, recipe, NULL), 0);
    assert_null(strstr(path, "/../"));
    recipe_destroy(&recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_settings_resolve_every_key_and_keep_what_was_set, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_settings_refuse_and_name_the_place, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_run_resumes_with_an_equal_recipe_only, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_run_names_stay_inside_the_root, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
