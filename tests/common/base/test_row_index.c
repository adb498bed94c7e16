/* Rows by key: against a plain search of the whole table, over random changes; keys that share a head stay apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/row_index.h"

#define ROWS 37
#define KEYS 12 /* fewer than rows: most keys have several */

struct table {
    struct row_index *index;
    bool is_listed[ROWS];
    uint64_t key[ROWS];
    struct rng rng;
};

static int draw(struct table *table, int below)
{
    return (int)rng_below(&table->rng, (uint32_t)below);
}

static int set_up(void **state)
{
    struct table *table = calloc(1, sizeof *table);
    *state = table;
    if (table)
        table->rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    return table ? row_index_create(&table->index, ROWS) : -1;
}

static int tear_down(void **state)
{
    struct table *table = *state;
    row_index_destroy(&table->index);
    free(table);
    return 0;
}

static uint64_t nth_key(int n)
{
    return n % 2 ? (uint64_t)n : (uint64_t)n << 56; /* near each other, and apart by multiples */
}

static void put(struct table *table, int row, uint64_t key)
{
    row_index_put(table->index, row, key);
    table->is_listed[row] = true;
    table->key[row] = key;
}

static void check_key(const struct table *table, uint64_t key)
{
    int expected = 0, found = 0;
    for (int r = 0; r < ROWS; r++)
        expected += table->is_listed[r] && table->key[r] == key;
    for (int r = row_index_first(table->index, key); r >= 0; r = row_index_next(table->index, r), found++) {
        assert_true(r < ROWS && table->is_listed[r]);
        assert_int_equal(table->key[r], key);
        assert_true(found < expected);
    }
    assert_int_equal(found, expected);
}

static void change(struct table *table)
{
    int row = draw(table, ROWS), to = draw(table, ROWS);
    if (!table->is_listed[row]) {
        put(table, row, nth_key(draw(table, KEYS)));
    } else if (draw(table, 2) && !table->is_listed[to]) {
        row_index_move(table->index, row, to);
        table->is_listed[to] = true;
        table->key[to] = table->key[row];
        table->is_listed[row] = false;
    } else {
        row_index_drop(table->index, row);
        table->is_listed[row] = false;
    }
}

static void test_row_index_finds_what_a_search_of_the_table_finds(void **state)
{
    struct table *table = *state;
    for (int i = 0; i < 20000; i++) {
        change(table);
        check_key(table, nth_key(draw(table, KEYS)));
    }
    for (int k = 0; k < KEYS; k++)
        check_key(table, nth_key(k));
    row_index_clear(table->index);
    for (int r = 0; r < ROWS; r++)
        table->is_listed[r] = false;
    for (int k = 0; k < KEYS; k++)
        check_key(table, nth_key(k));
}

static void test_row_index_gives_the_latest_first(void **state)
{
    struct table *table = *state;
    put(table, 5, 9);
    put(table, 3, 9);
    put(table, 30, 9);
    assert_int_equal(row_index_first(table->index, 9), 30);
    assert_int_equal(row_index_next(table->index, 30), 3);
    assert_int_equal(row_index_next(table->index, 3), 5);
    assert_true(row_index_next(table->index, 5) < 0);
    assert_true(row_index_first(table->index, 8) < 0);
}

static void test_a_single_row_can_be_indexed(void **state)
{
    struct row_index *index;
    (void)state;
    assert_int_equal(row_index_create(&index, 1), 0);
    row_index_put(index, 0, UINT64_MAX);
    assert_int_equal(row_index_first(index, UINT64_MAX), 0);
    row_index_drop(index, 0);
    assert_true(row_index_first(index, UINT64_MAX) < 0);
    row_index_destroy(&index);
    assert_null(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_row_index_finds_what_a_search_of_the_table_finds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_row_index_gives_the_latest_first, set_up, tear_down),
        cmocka_unit_test(test_a_single_row_can_be_indexed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
