/* Recipes: what YAML becomes, what is refused and where the message points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/recipe.h"

static int parse(struct recipe *recipe, const char *text, struct err *err)
{
    return recipe_parse(recipe, "r.yaml", text, strlen(text), err);
}

static void assert_value(const struct recipe *recipe, const char *key, const char *value)
{
    assert_string_equal(recipe_value(recipe, key, "(absent)"), value);
}

static void test_recipe_nested_maps_read_as_dotted_keys(void **state)
{
    (void)state;
    struct recipe *recipe = recipe_create();
    struct err err;
    assert_int_equal(parse(recipe, "learner: {lr: 5e-4, gru.size: 64}\nenv:\n  name: matrix\nlist: [1, b]\nempty: \"\"\n", &err),
                     0);
    assert_value(recipe, "learner.lr", "5e-4");
    assert_value(recipe, "learner.gru.size", "64");
    assert_value(recipe, "env.name", "matrix");
    assert_value(recipe, "list", "1,b");
    assert_value(recipe, "empty", "");
    assert_string_equal(recipe_find(recipe, "env.name")->where, "r.yaml:3");
    assert_null(recipe_find(recipe, "env"));
    recipe_destroy(&recipe);
    assert_null(recipe);
}

static void test_recipe_later_text_overrides_and_command_line_last(void **state)
{
    (void)state;
    struct recipe *recipe = recipe_create();
    struct err err;
    assert_int_equal(parse(recipe, "a: 1\nb: 2\n", &err), 0);
    assert_int_equal(parse(recipe, "a: 3\n", &err), 0);
    assert_int_equal(recipe_set_argument(recipe, "b=x=y", &err), 0);
    assert_value(recipe, "a", "3");
    assert_value(recipe, "b", "x=y");
    assert_string_equal(recipe_find(recipe, "b")->where, "command line");
    assert_int_equal(recipe->count, 2);
    recipe_destroy(&recipe);
}

static void test_recipe_refuses_what_is_not_a_plain_map(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"a: &x 1\nb: *x\n", "anchors"},
        {"a: !!int 1\n", "tags"},
        {"b: *x\n", "aliases"},
        {"a: 1\n---\nb: 2\n", "r.yaml:2: more than one document"},
        {"- a\n", "map of keys"},
        {"a: 1\na: 2\n", "r.yaml:2: a is set twice, before at r.yaml:1"},
        {"a: {b: 1}\na.b: 2\n", "set twice"},
        {"a: {b: {c: {d: {e: 1}}}}\n", "too deep"},
        {"a: [[1]]\n", "plain values"},
        {"a: [{b: 1}]\n", "plain values"},
        {"a: [\"1,2\"]\n", "without commas"},
        {"a:\nb: 1\n", "key without a value"},
        {"a: \"x\\0y\"\n", "0 byte"},
        {"a: \"x\\ny\"\n", "not one line"},
        {"? [a]\n: 1\n", "plain key"},
        {"a b: 1\n", "expected a key"},
        {".a: 1\n", "expected a key"},
        {"a..b: 1\n", "expected a key"},
        {"a: 'open\n", "bad YAML"},
        {"a: \xff\n", "bad YAML"},
        {"a: b: c\n", "bad YAML"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct recipe *recipe = recipe_create();
        struct err err = {""};
        if (!parse(recipe, cases[i].text, &err) || !strstr(err.text, cases[i].says) || recipe->count)
            fail_msg("case %zu: \"%s\", expected \"%s\", %d keys", i, err.text, cases[i].says, recipe->count);
        recipe_destroy(&recipe);
    }
}

static void test_recipe_empty_text_sets_nothing(void **state)
{
    (void)state;
    struct recipe *recipe = recipe_create();
    assert_int_equal(parse(recipe, "", NULL), 0);
    assert_int_equal(parse(recipe, "# only a comment\n", NULL), 0);
    assert_int_equal(parse(recipe, "---\n", NULL), 0);
    assert_int_equal(recipe->count, 0);
    recipe_destroy(&recipe);
}

static void test_recipe_keeps_its_ceilings(void **state)
{
    (void)state;
    struct recipe *recipe = recipe_create();
    char text[RECIPE_VALUE_MAX + 64], key[16];
    snprintf(text, sizeof text, "a: %0*d\n", RECIPE_VALUE_MAX, 1);
    assert_int_equal(parse(recipe, text, NULL), ERR_LIMIT);
    snprintf(text, sizeof text, "a: %0*d\n", RECIPE_VALUE_MAX - 1, 1);
    assert_int_equal(parse(recipe, text, NULL), 0);
    recipe->count = 0;
    snprintf(text, sizeof text, "%0100d: 1\n", 1);
    assert_int_equal(parse(recipe, text, NULL), ERR_FORMAT);
    for (int i = 0; i < RECIPE_ENTRIES_MAX; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(recipe_set(recipe, key, "v", "test", NULL), 0);
    }
    assert_int_equal(recipe_set(recipe, "one.more", "v", "test", NULL), ERR_LIMIT);
    assert_int_equal(recipe_set(recipe, "k7", "w", "test", NULL), 0);
    char *big = calloc(1, RECIPE_BYTES_MAX + 2);
    memset(big, '#', RECIPE_BYTES_MAX + 1);
    assert_int_equal(recipe_parse(recipe, "big", big, RECIPE_BYTES_MAX + 1, NULL), ERR_LIMIT);
    free(big);
    recipe_destroy(&recipe);
}

static void test_recipe_text_is_sorted_and_reads_back_equal(void **state)
{
    (void)state;
    struct recipe *recipe = recipe_create(), *again = recipe_create();
    assert_int_equal(recipe_set(recipe, "z", "a \"quoted\" \\ back", "t", NULL), 0);
    assert_int_equal(recipe_set(recipe, "b", "", "t", NULL), 0);
    assert_int_equal(recipe_set(recipe, "a.b", "Zo\xc3\xab: [x] #y", "t", NULL), 0);
    assert_int_equal(recipe_set(recipe, "a.c", "bad\xc3", "t", NULL), ERR_FORMAT);
    assert_int_equal(recipe_set(recipe, "a.c", "bad\x7f", "t", NULL), ERR_FORMAT);
    char *text = recipe_text(recipe);
    assert_string_equal(text, "a.b: \"Zo\xc3\xab: [x] #y\"\nb: \"\"\nz: \"a \\\"quoted\\\" \\\\ back\"\n");
    assert_int_equal(parse(again, text, NULL), 0);
    char *twice = recipe_text(again);
    assert_string_equal(text, twice);
    free(text);
    free(twice);
    recipe_destroy(&recipe);
    recipe_destroy(&again);
}

static void test_recipe_argument_needs_an_equals_sign(void **state)
{
    (void)state;
    struct recipe *recipe = recipe_create();
    struct err err;
    assert_int_equal(recipe_set_argument(recipe, "learner.lr", &err), ERR_FORMAT);
    assert_non_null(strstr(err.text, "expected key=value"));
    assert_int_equal(recipe_set_argument(recipe, "=3", &err), ERR_FORMAT);
    recipe_destroy(&recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe_nested_maps_read_as_dotted_keys),
        cmocka_unit_test(test_recipe_later_text_overrides_and_command_line_last),
        cmocka_unit_test(test_recipe_refuses_what_is_not_a_plain_map),
        cmocka_unit_test(test_recipe_empty_text_sets_nothing),
        cmocka_unit_test(test_recipe_keeps_its_ceilings),
        cmocka_unit_test(test_recipe_text_is_sorted_and_reads_back_equal),
        cmocka_unit_test(test_recipe_argument_needs_an_equals_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
