/* The order book: fair shares, hand-overs with snapshots, leases, and a lag that cannot exceed its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learner/orders.h"

#define LANES 10
static struct orders *orders;
static struct order_item items[64];

static void make(int depth, uint64_t max_lag)
{
    const struct orders_options options = {.lanes = LANES, .depth = depth, .max_lag = max_lag, .lease_ms = 1000};
    assert_int_equal(orders_create(&orders, &options), 0);
    orders_set_generation(orders, 1);
    orders_allow(orders, (struct weights_version){1, 1}, (struct blob_name){{1, 1}, 10}, depth == 1 ? 1 : 1000);
}

static int send_all(uint32_t actor, monotonic_us now)
{
    int n = orders_to_send(orders, actor, actor + 100, now, items, 64);
    if (n)
        orders_sent(orders, actor, actor + 100, n, now);
    return n;
}

static struct trajectory answer_to(const struct order *order)
{
    return (struct trajectory){
        .order = order->number, .purpose = order->purpose, .lane = order->lane, .slice = order->slice, .version = order->version};
}

/* Answers an order as its actor would, with a snapshot that names the lane. */
static void arrive(uint32_t actor, const struct order *order)
{
    struct trajectory t = answer_to(order);
    uint32_t snapshot = (uint32_t)order->lane;
    assert_int_equal(orders_match(orders, actor, actor + 100, &t), 0);
    assert_int_equal(orders_arrived(orders, actor, actor + 100, &t, &snapshot, sizeof snapshot), 0);
}

static void test_orders_lanes_are_shared_in_contiguous_runs(void **state)
{
    (void)state;
    make(1, 0);
    orders_actor_live(orders, 2, 102, 64);
    orders_actor_live(orders, 0, 100, 2); /* holds two only */
    orders_actor_live(orders, 1, 101, 64);
    orders_issue(orders, 0);
    assert_int_equal(send_all(0, 0), 2);
    assert_int_equal(items[0].order.lane, 0);
    assert_int_equal(send_all(1, 0), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(items[i].order.lane, 2 + i);
        assert_int_equal(items[i].order.number, i + 1);
    }
    assert_int_equal(send_all(2, 0), 4);
    orders_destroy(&orders);
}

static void test_orders_sync_lag_is_zero_by_construction(void **state)
{
    (void)state;
    make(1, 0);
    orders_actor_live(orders, 0, 100, 64);
    orders_issue(orders, 0);
    int n = send_all(0, 0);
    assert_int_equal(n, LANES);
    for (int i = 0; i < n; i++)
        arrive(0, &items[i].order);
    orders_issue(orders, 0);
    assert_int_equal(send_all(0, 0), 0); /* slice 1 waits for the update */
    assert_false(orders_may_publish(orders, 2));
    for (int l = 0; l < LANES; l++)
        orders_committed(orders, l, 0);
    assert_true(orders_may_publish(orders, 2));
    orders_allow(orders, (struct weights_version){1, 2}, (struct blob_name){{2, 2}, 10}, 2);
    orders_issue(orders, 0);
    assert_int_equal(send_all(0, 0), LANES);
    assert_int_equal(items[0].order.version.number, 2);
    assert_int_equal(items[0].order.snapshot_bytes, 0); /* the actor holds the lane */
    orders_destroy(&orders);
}

static void test_orders_a_lane_changes_hands_with_its_snapshot(void **state)
{
    (void)state;
    make(2, 5);
    orders_actor_live(orders, 0, 100, 64);
    orders_issue(orders, 0);
    int n = send_all(0, 0);
    for (int i = 0; i < n; i++)
        arrive(0, &items[i].order);
    orders_issue(orders, 0);
    assert_int_equal(send_all(0, 0), LANES);
    struct trajectory late = answer_to(&items[3].order);
    orders_actor_live(orders, 1, 101, 64);
    orders_actor_gone(orders, 0, 100);
    orders_issue(orders, 0);
    assert_int_equal(send_all(1, 0), LANES);
    for (int i = 0; i < LANES; i++) {
        assert_int_equal(items[i].order.slice, 1);
        assert_int_equal(items[i].order.snapshot_bytes, 4);
        assert_memory_equal(items[i].order.snapshot, &items[i].order.lane, 4);
    }
    orders_actor_live(orders, 0, 100, 64); /* it was only frozen */
    assert_int_equal(orders_match(orders, 0, 100, &late), ERR_DUPLICATE);
    orders_destroy(&orders);
}

static void test_orders_a_lease_that_runs_out_goes_to_another_actor(void **state)
{
    (void)state;
    make(1, 0);
    orders_actor_live(orders, 0, 100, 64);
    orders_issue(orders, 0);
    assert_int_equal(send_all(0, 0), LANES);
    orders_issue(orders, 1500000);
    assert_int_equal(orders_stats(orders).leases_over, 0); /* nobody else is there: more time */
    orders_actor_live(orders, 1, 101, 64);
    orders_issue(orders, 4000000);
    assert_int_equal(orders_stats(orders).leases_over, LANES);
    assert_int_equal(send_all(1, 4000000), LANES);
    orders_destroy(&orders);
}

static void test_orders_numbers_have_no_gaps_when_orders_are_taken_back(void **state)
{
    (void)state;
    make(1, 0);
    orders_actor_live(orders, 0, 100, 64);
    orders_issue(orders, 0); /* never sent */
    orders_actor_gone(orders, 0, 100);
    orders_actor_live(orders, 0, 100, 64);
    orders_issue(orders, 0);
    int n = send_all(0, 0);
    assert_int_equal(n, 2 * LANES);
    for (int i = 0; i < n; i++) {
        assert_int_equal(items[i].order.number, i + 1);
        assert_int_equal(items[i].is_cancelled, i < LANES);
    }
    assert_int_equal(send_all(0, 1000000), 0);
    assert_int_equal(send_all(0, 3000000), 2 * LANES); /* not confirmed: again */
    orders_actor_has(orders, 0, 100, 1, 15);
    orders_resend_all(orders);
    assert_int_equal(send_all(0, 3000001), 5);
    orders_destroy(&orders);
}

static void test_orders_given_back_come_again_with_a_snapshot(void **state)
{
    (void)state;
    make(2, 5);
    orders_actor_live(orders, 0, 100, 64);
    orders_issue(orders, 0);
    int n = send_all(0, 0);
    for (int i = 0; i < n; i++)
        arrive(0, &items[i].order);
    orders_issue(orders, 0);
    send_all(0, 0);
    struct trajectory t = answer_to(&items[0].order);
    assert_int_equal(orders_match(orders, 0, 100, &t), 0);
    orders_failed(orders, 0, 100, &t);
    orders_issue(orders, 0);
    assert_int_equal(send_all(0, 0), 1);
    assert_int_equal(items[0].order.snapshot_bytes, 4);
    orders_destroy(&orders);
}

static void test_orders_a_batch_does_not_wait_for_itself(void **state)
{
    (void)state;
    make(2, 1);
    const struct trajectory *batch[LANES];
    static struct trajectory t[LANES];
    orders_actor_live(orders, 0, 100, 64);
    orders_issue(orders, 0);
    int n = send_all(0, 0);
    for (int i = 0; i < n; i++) {
        t[i] = answer_to(&items[i].order);
        batch[i] = &t[i];
        arrive(0, &items[i].order);
    }
    assert_false(orders_may_publish(orders, 3));
    assert_true(orders_may_publish_after(orders, 3, batch, LANES));
    assert_false(orders_may_publish_after(orders, 3, batch, LANES - 1));
    orders_destroy(&orders);
}

static void test_orders_an_audit_goes_to_another_actor(void **state)
{
    (void)state;
    make(1, 0);
    unsigned char snapshot[8] = "snapsho";
    const struct order audit = {
        .purpose = ORDER_AUDIT, .lane = 3, .slice = 0, .version = {1, 1}, .snapshot_bytes = 8, .snapshot = snapshot};
    assert_int_equal(orders_add_task(orders, &audit, 0), 0);
    orders_actor_live(orders, 0, 100, 64);
    orders_issue(orders, 0);
    assert_int_equal(send_all(0, 0), LANES);
    orders_actor_live(orders, 1, 101, 64);
    orders_issue(orders, 0);
    int n = send_all(1, 0);
    assert_true(n >= 1);
    assert_int_equal(items[n - 1].order.purpose, ORDER_AUDIT);
    assert_memory_equal(items[n - 1].order.snapshot, snapshot, 8);
    arrive(1, &items[n - 1].order);
    assert_int_equal(orders_tasks(orders), 0);
    struct order unknown = audit;
    unknown.version.number = 9;
    assert_int_equal(orders_add_task(orders, &unknown, 0), ERR_UNKNOWN);
    orders_destroy(&orders);
}

static int count_audits(int n)
{
    int audits = 0;
    for (int i = 0; i < n; i++)
        audits += items[i].order.purpose == ORDER_AUDIT && !items[i].is_cancelled;
    return audits;
}

static void test_orders_a_third_is_neither_of_two(void **state)
{
    (void)state;
    make(1, 0);
    const struct order audit = {.purpose = ORDER_AUDIT, .lane = 3, .slice = 0, .version = {1, 1}};
    const uint32_t both[] = {0, 1};
    orders_actor_live(orders, 0, 100, 64);
    orders_actor_live(orders, 1, 101, 64);
    assert_int_equal(orders_others(orders, both, 2), 0);
    assert_int_equal(orders_others(orders, both, 1), 1);
    assert_int_equal(orders_add_task_beside(orders, &audit, both, 2), 0);
    orders_issue(orders, 0);
    assert_int_equal(count_audits(send_all(0, 0)) + count_audits(send_all(1, 0)), 0);
    orders_actor_live(orders, 2, 102, 64);
    orders_issue(orders, 0);
    assert_int_equal(count_audits(send_all(2, 0)), 1);
    orders_drop_task(orders, ORDER_AUDIT, 3, 0);
    assert_int_equal(orders_tasks(orders), 0);
    orders_destroy(&orders);
}

static void test_orders_none_for_a_quarantined_actor(void **state)
{
    (void)state;
    make(1, 0);
    orders_actor_live(orders, 0, 100, 64);
    orders_actor_live(orders, 1, 101, 64);
    orders_issue(orders, 0);
    int n = send_all(1, 0);
    assert_true(n > 0 && n < LANES);
    orders_quarantine(orders, 1);
    assert_true(orders_is_quarantined(orders, 1) && !orders_is_quarantined(orders, 0));
    struct trajectory late = answer_to(&items[0].order);
    assert_int_equal(orders_match(orders, 1, 101, &late), ERR_DUPLICATE);
    orders_actor_live(orders, 1, 101, 64);
    orders_actor_live(orders, 1, 105, 64); /* another process under that id */
    orders_issue(orders, 0);
    assert_int_equal(send_all(1, 0), 0);
    for (int l = 0; l < LANES; l++) {
        uint32_t actor;
        assert_int_equal(orders_holder(orders, l, &actor), 1);
        assert_int_equal(actor, 0);
    }
    assert_int_equal(orders_stats(orders).actors, 1);
    orders_destroy(&orders);
}

static void test_orders_survive_a_checkpoint(void **state)
{
    (void)state;
    unsigned char *bytes;
    size_t length;
    make(1, 0);
    orders_actor_live(orders, 0, 100, 64);
    orders_issue(orders, 0);
    int n = send_all(0, 0);
    for (int i = 0; i < n; i++) {
        arrive(0, &items[i].order);
        if (i < 7)
            orders_committed(orders, items[i].order.lane, 0);
    }
    assert_int_equal(orders_save(orders, &bytes, &length), 0);
    orders_destroy(&orders);
    make(1, 0);
    assert_int_equal(orders_load(orders, bytes, length, NULL), 0);
    assert_int_equal(orders_lane_slice(orders, 6), 1);
    assert_int_equal(orders_lane_slice(orders, 7), 0); /* arrived, not committed: done again */
    orders_actor_live(orders, 0, 100, 64);
    orders_allow(orders, (struct weights_version){1, 2}, (struct blob_name){{2, 2}, 10}, 2);
    orders_issue(orders, 0);
    assert_int_equal(send_all(0, 0), LANES);
    assert_int_equal(items[6].order.snapshot_bytes, 4);
    assert_int_equal(items[7].order.snapshot_bytes, 0);
    for (size_t cut = 0; cut < length; cut++)
        assert_true(orders_load(orders, bytes, cut, NULL) < 0);
    free(bytes);
    orders_destroy(&orders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_lanes_are_shared_in_contiguous_runs),
        cmocka_unit_test(test_orders_sync_lag_is_zero_by_construction),
        cmocka_unit_test(test_orders_a_lane_changes_hands_with_its_snapshot),
        cmocka_unit_test(test_orders_a_lease_that_runs_out_goes_to_another_actor),
        cmocka_unit_test(test_orders_numbers_have_no_gaps_when_orders_are_taken_back),
        cmocka_unit_test(test_orders_given_back_come_again_with_a_snapshot),
        cmocka_unit_test(test_orders_a_batch_does_not_wait_for_itself),
        cmocka_unit_test(test_orders_an_audit_goes_to_another_actor),
        cmocka_unit_test(test_orders_a_third_is_neither_of_two),
        cmocka_unit_test(test_orders_none_for_a_quarantined_actor),
        cmocka_unit_test(test_orders_survive_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
