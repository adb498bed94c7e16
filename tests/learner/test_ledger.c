/* The book of trajectories: it closes whatever happens, also across checkpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learner/ledger.h"

static struct ledger *ledger;

static int set_up(void **state)
{
    (void)state;
    return ledger_create(&ledger);
}

static int tear_down(void **state)
{
    (void)state;
    ledger_destroy(&ledger);
    return 0;
}

static struct book closed_book(void)
{
    struct book book = ledger_book(ledger);
    assert_int_equal(book.unexplained, 0);
    assert_int_equal(book.received, book.distinct + book.duplicate + book.gap);
    return book;
}

static void receive(struct ledger_entry *entry, uint64_t from, uint64_t to)
{
    for (uint64_t s = from; s <= to; s++)
        assert_int_equal(ledger_receive(ledger, entry, s), 0);
}

static void reload(void)
{
    unsigned char *bytes;
    size_t length;
    assert_int_equal(ledger_save(ledger, &bytes, &length), 0);
    assert_int_equal(ledger_load(ledger, bytes, length, NULL), 0);
    for (size_t cut = 0; cut < length; cut += 7) {
        struct ledger *other;
        assert_int_equal(ledger_create(&other), 0);
        assert_true(ledger_load(other, bytes, cut, NULL) < 0);
        ledger_destroy(&other);
    }
    free(bytes);
}

static void test_ledger_accepts_each_sequence_once_and_in_order(void **state)
{
    (void)state;
    struct ledger_entry *entry = ledger_seen(ledger, 1, 100, 0, 0);
    assert_int_equal(ledger_receive(ledger, entry, 2), ERR_AGAIN);
    receive(entry, 1, 3);
    assert_int_equal(ledger_receive(ledger, entry, 2), ERR_DUPLICATE);
    struct book book = closed_book();
    assert_int_equal(book.held, 3);
    assert_int_equal(book.announced, 3);
    assert_int_equal(book.duplicate, 1);
}

static void test_ledger_acknowledges_only_a_decided_prefix(void **state)
{
    (void)state;
    struct ledger_entry *entry = ledger_seen(ledger, 1, 100, 5, 0);
    receive(entry, 1, 4);
    ledger_decide(ledger, 1, 100, 3, FATE_EVALUATED, 0);
    assert_int_equal(entry->decided_upto, 0);
    ledger_decide(ledger, 1, 100, 1, FATE_TRAINED, 0);
    assert_int_equal(entry->decided_upto, 1);
    ledger_decide(ledger, 1, 100, 2, FATE_REJECTED, REJECT_RANGE);
    assert_int_equal(entry->decided_upto, 3);
    struct book book = closed_book();
    assert_int_equal(book.away, 1);
    assert_int_equal(book.held, 1);
    assert_int_equal(book.rejected[REJECT_RANGE], 1);
}

static void test_ledger_lost_is_taken_back_when_the_actor_returns(void **state)
{
    (void)state;
    struct ledger_entry *entry = ledger_seen(ledger, 1, 100, 5, 0);
    receive(entry, 1, 2);
    ledger_gone(ledger, entry);
    assert_int_equal(closed_book().fates[FATE_LOST], 3);
    receive(entry, 3, 3); /* its last message was still on the way */
    assert_int_equal(closed_book().fates[FATE_LOST], 2);
    ledger_seen(ledger, 1, 100, 6, 0);
    struct book book = closed_book();
    assert_int_equal(book.fates[FATE_LOST], 0);
    assert_int_equal(book.away, 3);
}

static void test_ledger_decides_nothing_twice_after_a_restart(void **state)
{
    (void)state;
    struct ledger_entry *entry = ledger_seen(ledger, 1, 100, 4, 0);
    receive(entry, 1, 4);
    ledger_decide(ledger, 1, 100, 1, FATE_TRAINED, 0);
    ledger_decide(ledger, 1, 100, 3, FATE_EVALUATED, 0); /* 2 and 4 are held when the checkpoint is taken */
    reload();
    struct book book = closed_book();
    assert_int_equal(book.held, 0);
    assert_int_equal(book.away, 2);
    entry = ledger_find(ledger, 1, 100);
    receive(entry, 2, 2);
    assert_int_equal(ledger_receive(ledger, entry, 3), ERR_DUPLICATE);
    receive(entry, 4, 4);
    assert_int_equal(closed_book().held, 2);
}

static void test_ledger_counts_what_was_rolled_back(void **state)
{
    (void)state;
    struct ledger_entry *entry = ledger_seen(ledger, 1, 100, 2, 0);
    receive(entry, 1, 2);
    ledger_decide(ledger, 1, 100, 1, FATE_TRAINED, 0);
    reload(); /* another process decided 2..7 after this checkpoint, and died */
    entry = ledger_seen(ledger, 1, 100, 9, 7);
    struct book book = closed_book();
    assert_int_equal(book.fates[FATE_ROLLED_BACK], 6);
    assert_int_equal(book.fates[FATE_TRAINED], 1);
    assert_int_equal(book.away, 2);
    receive(entry, 8, 8);
    closed_book();
}

static void test_ledger_what_the_dead_had_held_is_lost_after_a_restart(void **state)
{
    (void)state;
    struct ledger_entry *entry = ledger_seen(ledger, 1, 100, 3, 0);
    receive(entry, 1, 3);
    ledger_gone(ledger, entry);
    assert_int_equal(closed_book().held, 3);
    reload();
    assert_int_equal(closed_book().fates[FATE_LOST], 3);
}

static void test_ledger_remembers_a_bounded_number_of_incarnations(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= LEDGER_ENTRIES_MAX + 50; i++) {
        struct ledger_entry *entry = ledger_seen(ledger, 1, i, 2, 0);
        receive(entry, 1, 1);
        ledger_decide(ledger, 1, i, 1, FATE_TRAINED, 0);
        ledger_gone(ledger, entry);
    }
    assert_true(ledger_count(ledger) <= LEDGER_ENTRIES_MAX);
    struct book book = closed_book();
    assert_int_equal(book.announced, 2 * (LEDGER_ENTRIES_MAX + 50));
    assert_int_equal(book.fates[FATE_LOST], LEDGER_ENTRIES_MAX + 50);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_ledger_accepts_each_sequence_once_and_in_order),
        TEST(test_ledger_acknowledges_only_a_decided_prefix),
        TEST(test_ledger_lost_is_taken_back_when_the_actor_returns),
        TEST(test_ledger_decides_nothing_twice_after_a_restart),
        TEST(test_ledger_counts_what_was_rolled_back),
        TEST(test_ledger_what_the_dead_had_held_is_lost_after_a_restart),
        TEST(test_ledger_remembers_a_bounded_number_of_incarnations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
