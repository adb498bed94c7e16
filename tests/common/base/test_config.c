/* Config rows: every type's notation, bounds, messages, suggestions and the resolved recipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"

struct settings {
    bool sync;
    int64_t steps;
    double lr;
    int belief;
    char name[CONFIG_TEXT_MAX];
};

static const struct config_row rows[] = {
    {"run.sync", CONFIG_BOOL, offsetof(struct settings, sync), "true", 0, 0, "", NULL, "lag 0"},
    {"run.steps", CONFIG_INT, offsetof(struct settings, steps), "1M", 1, 1e12, "steps", NULL, "budget"},
    {"learner.lr", CONFIG_REAL, offsetof(struct settings, lr), "5e-4", 0, 1, "", NULL, "step size"},
    {"learner.belief", CONFIG_CHOICE, offsetof(struct settings, belief), "none", 0, 0, "", "none|belief|true-type", "knowledge"},
    {"run.name", CONFIG_TEXT, offsetof(struct settings, name), "default", 0, 0, "", NULL, "name"},
};
static const struct config_table table = {"test", rows, ARRAY_LEN(rows)};

static int bind(const char *argument, struct settings *settings, struct err *err)
{
    struct recipe *recipe = recipe_create();
    int r = argument ? recipe_set_argument(recipe, argument, err) : 0;
    assert_int_equal(r, 0);
    r = config_bind(rows, ARRAY_LEN(rows), recipe, settings, err);
    recipe_destroy(&recipe);
    return r;
}

static void test_config_defaults_fill_the_struct(void **state)
{
    (void)state;
    struct settings s;
    assert_int_equal(bind(NULL, &s, NULL), 0);
    assert_true(s.sync && s.steps == 1000000 && s.lr == 5e-4 && s.belief == 0 && !strcmp(s.name, "default"));
}

static void test_config_int_notations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value; /* 0: refused */
    } cases[] = {
        {"4000000", 4000000},
        {"4e6", 4000000},
        {"4M", 4000000},
        {"20k", 20000},
        {"1.5k", 1500},
        {"2G", 2000000000},
        {"1e-1", 0},
        {"0x10", 0},
        {"", 0},
        {"12 ", 0},
        {"k", 0},
        {"4MM", 0},
        {"nan", 0},
        {"-5", 0},
        {"1e13", 0},
        {"99999999999999999999", 0},
        {"1e400", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char argument[64];
        struct settings s;
        struct err err;
        snprintf(argument, sizeof argument, "run.steps=%s", cases[i].text);
        int r = bind(argument, &s, &err);
        if (cases[i].value ? r != 0 || s.steps != cases[i].value : r != ERR_RANGE)
            fail_msg("%s: result %d, value %lld", argument, r, (long long)s.steps);
    }
}

static void test_config_refuses_values_and_says_what_it_expects(void **state)
{
    (void)state;
    struct settings s;
    struct err err;
    assert_int_equal(bind("learner.lr=2", &s, &err), ERR_RANGE);
    assert_string_equal(err.text, "command line: bad value for learner.lr: got \"2\", expected a number from 0 to 1");
    assert_int_equal(bind("learner.lr=inf", &s, &err), ERR_RANGE);
    assert_int_equal(bind("run.sync=yes", &s, &err), ERR_RANGE);
    assert_non_null(strstr(err.text, "expected true or false"));
    assert_int_equal(bind("learner.belief=true", &s, &err), ERR_RANGE);
    assert_non_null(strstr(err.text, "one of none|belief|true-type"));
    assert_int_equal(bind("learner.belief=true-type", &s, &err), 0);
    assert_int_equal(s.belief, 2);
    assert_int_equal(bind("run.sync=false", &s, &err), 0);
    assert_false(s.sync);
}

static void test_config_unknown_key_names_place_and_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *key, *says;
    } cases[] = {
        {"lerner.lr", "r.yaml:1: unknown key lerner.lr; did you mean learner.lr?"},
        {"learner.beleif", "did you mean learner.belief?"},
        {"lr", "did you mean learner.lr?"},
        {"something.else.entirely", "unknown key something.else.entirely"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct recipe *recipe = recipe_create();
        struct err err;
        assert_int_equal(recipe_set(recipe, cases[i].key, "1", "r.yaml:1", NULL), 0);
        assert_int_equal(config_check_known(&table, 1, recipe, &err), ERR_UNKNOWN);
        if (!strstr(err.text, cases[i].says))
            fail_msg("got \"%s\", expected \"%s\"", err.text, cases[i].says);
        recipe_destroy(&recipe);
    }
}

static void test_config_resolve_adds_every_default_once(void **state)
{
    (void)state;
    struct recipe *recipe = recipe_create();
    assert_int_equal(recipe_set(recipe, "learner.lr", "1e-3", "t", NULL), 0);
    assert_int_equal(config_resolve(&table, 1, recipe, NULL), 0);
    assert_int_equal(config_resolve(&table, 1, recipe, NULL), 0);
    assert_int_equal(recipe->count, (int)ARRAY_LEN(rows));
    assert_string_equal(recipe_value(recipe, "learner.lr", ""), "1e-3");
    assert_string_equal(recipe_find(recipe, "run.sync")->where, "default");
    assert_int_equal(config_check_known(&table, 1, recipe, NULL), 0);
    recipe_destroy(&recipe);
}

static void test_config_same_value_looks_at_meaning(void **state)
{
    (void)state;
    assert_true(config_same_value(&rows[1], "4M", "4e6"));
    assert_false(config_same_value(&rows[1], "4M", "4e5"));
    assert_true(config_same_value(&rows[2], "5e-4", "0.0005"));
    assert_false(config_same_value(&rows[4], "a", "b"));
    assert_false(config_same_value(&rows[1], "x", "4"));
}

static void test_config_check_values_needs_no_struct(void **state)
{
    (void)state;
    struct recipe *recipe = recipe_create();
    struct err err;
    assert_int_equal(recipe_set(recipe, "unknown.key", "1", "t", NULL), 0);
    assert_int_equal(config_check_values(&table, 1, recipe, &err), 0);
    assert_int_equal(recipe_set(recipe, "learner.lr", "-1", "r.yaml:7", NULL), 0);
    assert_int_equal(config_check_values(&table, 1, recipe, &err), ERR_RANGE);
    assert_non_null(strstr(err.text, "r.yaml:7: bad value for learner.lr"));
    recipe_destroy(&recipe);
}

static void test_config_nearest_counts_swaps_and_gives_up_far_away(void **state)
{
    (void)state;
    static const char *const verbs[] = {"train", "eval", "report", "stats"};
    assert_string_equal(config_nearest("trian", verbs, 4), "train");
    assert_string_equal(config_nearest("stat", verbs, 4), "stats");
    assert_null(config_nearest("configuration", verbs, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_defaults_fill_the_struct),
        cmocka_unit_test(test_config_int_notations),
        cmocka_unit_test(test_config_refuses_values_and_says_what_it_expects),
        cmocka_unit_test(test_config_unknown_key_names_place_and_nearest),
        cmocka_unit_test(test_config_resolve_adds_every_default_once),
        cmocka_unit_test(test_config_same_value_looks_at_meaning),
        cmocka_unit_test(test_config_check_values_needs_no_struct),
        cmocka_unit_test(test_config_nearest_counts_swaps_and_gives_up_far_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
