/* The screen of top: it says what the answer says, in lines that fit, sorted as asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "deploy/observer.h"
#include "deploy/top.h"

static char screen[16384];
static int lines, longest;

static void take(void *context, const char *text)
{
    (void)context;
    lines++;
    longest = (int)strlen(text) > longest ? (int)strlen(text) : longest;
    strncat(screen, text, sizeof screen - strlen(screen) - 2);
    strcat(screen, "\n");
}

static void draw(const json_t *tree, struct top_look look)
{
    screen[0] = 0;
    lines = longest = 0;
    look.bold = look.dim = look.off = "";
    top_draw(tree, &look, take, NULL);
}

static json_t *answer(int actors)
{
    json_t *tree = json_pack("{s:f, s:s, s:{s:s, s:i}, s:{s:i, s:i}, s:[i,i], s:{s:s, s:s}}", "uptime_seconds", 3725.0, "protocol",
                             "1.1", "learner", "state", "here", "generation", 2, "peers", "ready", actors, "gone", 1, "version", 2,
                             77, "verdict", "limit", "actor", "text", "actors are the limit: add 3");
    json_t *status =
        json_pack("{s:s, s:i, s:i, s:i, s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:{s:i, s:i}, s:i}}", "phase", "train", "update", 12,
                  "steps", 34567, "budget", 100000, "book", "announced", 4321, "trained", 4000, "evaluated", 200, "stale", 30,
                  "rejected", 4, "rolled_back", 50, "lost", 7, "in_flight", "actors", 20, "learner", 10, "unexplained", 0);
    json_t *rows = json_array();
    for (int i = 0; i < actors; i++)
        json_array_append_new(rows, json_pack("{s:i, s:s, s:s, s:[i,i], s:i, s:f, s:f, s:i}", "actor", i, "host", i % 2 ? "b" : "a",
                                              "state", "ready", "version", 2, 70 + i, "lag", 7 - i, "steps_per_s", 1000.0 * i,
                                              "busy", 0.5, "lanes", 4));
    json_object_set_new(tree, "learner_status", status);
    json_object_set_new(tree, "actors", rows);
    return tree;
}

static void test_top_says_what_the_answer_says(void **state)
{
    (void)state;
    static const char *const words[] = {"1:02:05",
                                        "learner here, generation 2",
                                        "actors 3 ready, 1 gone",
                                        "verdict   actor: actors are the limit: add 3",
                                        "update 12  steps 34567 of 100000",
                                        "announced 4321 = trained 4000 + evaluated 200 + stale 30 + rejected 4 + rolled back 50 + "
                                        "lost 7 + in flight 30, unexplained 0",
                                        "newest version 2.77"};
    json_t *tree = answer(3);
    draw(tree, (struct top_look){.sort = 'a'});
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!strstr(screen, words[i]))
            print_error("%s\nlacks: %s\n", screen, words[i]);
        assert_non_null(strstr(screen, words[i]));
    }
    json_decref(tree);
}

static int place(const char *text)
{
    const char *at = strstr(screen, text);
    assert_non_null(at);
    return (int)(at - screen);
}

static void test_top_sorts_and_reverses(void **state)
{
    (void)state;
    json_t *tree = answer(3);
    draw(tree, (struct top_look){.sort = 's'}); /* the fastest first */
    assert_true(place("2.72") < place("2.71") && place("2.71") < place("2.70"));
    draw(tree, (struct top_look){.sort = 's', .is_reversed = true});
    assert_true(place("2.72") > place("2.71") && place("2.71") > place("2.70"));
    draw(tree, (struct top_look){.sort = 'h'}); /* a, a, b; of one host by number */
    assert_true(place("2.70") < place("2.72") && place("2.72") < place("2.71"));
    assert_true(top_can_sort('l') && !top_can_sort('q') && !top_can_sort('r'));
    json_decref(tree);
}

static void test_top_fits_the_terminal(void **state)
{
    (void)state;
    json_t *tree = answer(40);
    draw(tree, (struct top_look){.sort = 'a', .columns = 60, .rows = 20});
    assert_int_equal(longest, 60);
    assert_int_equal(lines, 20);
    assert_non_null(strstr(screen, "... and "));
    draw(tree, (struct top_look){.sort = 'a'});
    assert_true(lines > 50);
    json_decref(tree);
}

static void test_top_draws_an_empty_answer(void **state)
{
    (void)state;
    json_t *tree = json_object();
    draw(tree, (struct top_look){.sort = 'a'});
    assert_non_null(strstr(screen, "no run"));
    assert_null(strstr(screen, "nan"));
    json_decref(tree);
}

static void test_numbers_for_people(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0, "0"},         {7, "7"},          {12.345, "12.3"}, {950, "950"},      {999.6, "1.00k"}, {1234, "1.23k"},
                {45678, "45.7k"}, {999600, "1.00M"}, {4e6, "4.00M"},   {-2500, "-2.50k"}, {NAN, "-"},       {INFINITY, "-"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[OBSERVED_SIZE];
        assert_string_equal(observed_human(rows[i].value, out), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top_says_what_the_answer_says),
        cmocka_unit_test(test_top_sorts_and_reverses),
        cmocka_unit_test(test_top_fits_the_terminal),
        cmocka_unit_test(test_top_draws_an_empty_answer),
        cmocka_unit_test(test_numbers_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
