/* Intake: whatever is wrong with a trajectory is counted by its reason, kept in a small quarantine, and never reaches the trainer. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "learner/intake.h"

static struct intake *intake;
static struct orders *orders;
static struct schema schema;
static struct schema_layout layout;
static struct message_trajectory good;
static float frame[64];
static int check_result;

static int check(void *context, const struct arrival *arrival, struct err *err)
{
    (void)context;
    (void)arrival;
    return check_result ? err_set(err, check_result, "slots and partition disagree") : 0;
}

static bool examines;
static struct arrival *examined; /* being looked at, ours */

static bool examine(void *context, struct arrival *arrival)
{
    (void)context;
    examined = examines ? arrival : NULL;
    return examines;
}

static const struct intake_ops ops = {.check = check, .examine = examine};

static void give_order(void)
{
    struct order_item items[4];
    orders_issue(orders, 100000000);
    int n = orders_to_send(orders, 1, 10, 100000000, items, 4);
    assert_true(n >= 1);
    orders_sent(orders, 1, 10, n, 100000000);
    good.body.order = items[n - 1].order.number;
}

static int set_up(void **state)
{
    (void)state;
    const struct orders_options o = {.lanes = 1, .depth = 1, .lease_ms = 1000};
    const struct intake_options i = {.run = "r", .generation = 2, .pool_bytes = 1 << 16, .ops = &ops};
    schema_init(&schema, 4, 2);
    assert_true(schema_add(&schema, "base", "x", COLUMN_F32, SPAN_STEP, 2, -1, 1, NULL) == 0);
    assert_int_equal(schema_finish(&schema, NULL), 0);
    schema_layout(&schema, 4, 0, &layout);
    assert_int_equal(orders_create(&orders, &o) || intake_create(&intake, &i), 0);
    intake_set_schema(intake, &schema);
    intake_published(intake, (struct weights_version){2, 1}, (struct hash){7, 7});
    orders_set_generation(orders, 2);
    orders_allow(orders, (struct weights_version){2, 1}, (struct blob_name){{1, 1}, 10}, 100);
    orders_actor_live(orders, 1, 10, 4);
    memset(frame, 0, sizeof frame);
    check_result = 0;
    examines = false;
    good = (struct message_trajectory){
        .run = "r",
        .actor = 1,
        .incarnation = 10,
        .body = {.sequence = 1, .version = {2, 1}, .weights = {7, 7}, .steps = 4, .schema = schema.hash, .bytes = layout.bytes}};
    give_order();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    intake_destroy(&intake);
    orders_destroy(&orders);
    return 0;
}

static struct verdict judge(const struct message_trajectory *message)
{
    struct verdict verdict;
    intake_judge(intake, orders, message, frame, layout.bytes, &verdict);
    return verdict;
}

static void rejects(const struct message_trajectory *message, enum reject_reason reason)
{
    struct quarantined kept[QUARANTINE_ENTRIES];
    struct verdict verdict = judge(message);
    assert_false(verdict.is_accepted);
    assert_int_equal(verdict.fate, FATE_REJECTED);
    assert_string_equal(reject_reason_name(verdict.reason), reject_reason_name(reason));
    assert_true(intake_quarantine(intake, kept) >= 1);
    assert_int_equal(kept[0].reason, reason);
}

static void test_intake_accepts_what_answers_its_order(void **state)
{
    (void)state;
    frame[3] = 0.5f;
    struct verdict verdict = judge(&good);
    assert_true(verdict.is_accepted);
    assert_true((uintptr_t)verdict.arrival->t.frame % 64 == 0);
    assert_memory_equal(verdict.arrival->t.frame, frame, layout.bytes);
    intake_release(intake, &verdict.arrival);
    assert_int_equal(judge(&good).fate, FATE_STALE); /* once */
}

static void test_intake_rejects_by_reason(void **state)
{
    (void)state;
    struct message_trajectory bad = good;
    strcpy(bad.run, "other");
    rejects(&bad, REJECT_RUN);
    bad = good, bad.body.version.generation = 3;
    rejects(&bad, REJECT_VERSION);
    bad = good, bad.body.lane = 77;
    rejects(&bad, REJECT_ORDER);
    bad = good, bad.body.slice = 9;
    rejects(&bad, REJECT_ORDER);
}

static void test_intake_rejects_contents_and_the_work_is_given_out_again(void **state)
{
    (void)state;
    frame[2] = NAN;
    rejects(&good, REJECT_NOT_FINITE);
    give_order(); /* at once after the first failure */
    frame[2] = 3;
    rejects(&good, REJECT_RANGE);
    orders_issue(orders, 0);
    assert_int_equal(orders_stats(orders).outstanding, 0); /* after the second one a second passes */
    orders_issue(orders, 2000000);
    assert_int_equal(orders_stats(orders).outstanding, 1);
}

static void test_intake_checks_every_number_of_the_envelope(void **state)
{
    (void)state;
    const struct {
        size_t at;
        enum reject_reason reason;
    } cases[] = {
        {offsetof(struct message_trajectory, body.weights), REJECT_VERSION},
        {offsetof(struct message_trajectory, body.schema), REJECT_SCHEMA},
        {offsetof(struct message_trajectory, body.steps), REJECT_SHAPE},
        {offsetof(struct message_trajectory, body.bytes), REJECT_BYTES},
        {offsetof(struct message_trajectory, body.status), REJECT_GIVEN_BACK},
    };
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        tear_down(state);
        set_up(state);
        struct message_trajectory bad = good;
        int32_t *number = (int32_t *)((unsigned char *)&bad + cases[c].at);
        *number = cases[c].reason == REJECT_GIVEN_BACK ? ERR_STATE : *number + 64;
        rejects(&bad, cases[c].reason);
    }
    tear_down(state);
    set_up(state);
    check_result = ERR_MISMATCH;
    rejects(&good, REJECT_CONTENT);
}

static void test_intake_older_generations_are_stale(void **state)
{
    (void)state;
    struct message_trajectory old = good;
    old.body.version.generation = 1;
    struct verdict verdict = judge(&old);
    assert_false(verdict.is_accepted);
    assert_int_equal(verdict.fate, FATE_STALE);
}

static void test_intake_memory_and_quarantine_are_bounded(void **state)
{
    (void)state;
    struct quarantined kept[QUARANTINE_ENTRIES];
    struct message_trajectory bad = good;
    strcpy(bad.run, "other");
    for (int i = 0; i < 100; i++) {
        bad.body.sequence = (uint64_t)i;
        judge(&bad);
    }
    assert_int_equal(intake_quarantine(intake, kept), QUARANTINE_ENTRIES);
    assert_int_equal(kept[0].sequence, 99);
    assert_int_equal(intake_bytes(intake), 0);
}

static void test_intake_an_examined_slice_keeps_its_order_open(void **state)
{
    (void)state;
    struct verdict verdict;
    examines = true;
    verdict = judge(&good);
    assert_true(verdict.is_pending && !verdict.is_accepted && !verdict.arrival && examined);
    assert_int_equal(orders_stats(orders).outstanding, 1);
    intake_examined(intake, orders, &examined, NULL, &verdict);
    assert_true(verdict.is_accepted && verdict.arrival && !examined);
    assert_int_equal(orders_stats(orders).outstanding, 0);
    intake_release(intake, &verdict.arrival);
}

static void test_intake_a_misfit_is_rejected_kept_and_ordered_again(void **state)
{
    (void)state;
    struct verdict verdict;
    struct quarantined kept[QUARANTINE_ENTRIES];
    const struct misfit misfit = {.field = "action", .t = 12, .agent = 3, .expected = "2", .found = "4"};
    examines = true;
    judge(&good);
    intake_examined(intake, orders, &examined, &misfit, &verdict);
    assert_false(verdict.is_accepted);
    assert_int_equal(verdict.fate, FATE_REJECTED);
    assert_int_equal(verdict.reason, REJECT_RESCORE);
    assert_int_equal(intake_quarantine(intake, kept), 1);
    assert_int_equal(kept[0].actor, 1);
    assert_string_equal(kept[0].text, "step 12 agent 3: action is 4, expected 2");
    assert_string_equal(kept[0].misfit.field, "action");
    give_order(); /* again */
}

static void test_intake_work_that_was_taken_back_meanwhile_is_stale(void **state)
{
    (void)state;
    struct verdict verdict;
    examines = true;
    judge(&good);
    orders_actor_gone(orders, 1, 10);
    intake_examined(intake, orders, &examined, NULL, &verdict);
    assert_false(verdict.is_accepted);
    assert_int_equal(verdict.fate, FATE_STALE);
    /* Two answers to one order, both examined: the second finds it answered. */
    orders_actor_live(orders, 1, 10, 4);
    give_order();
    judge(&good);
    struct arrival *first = examined;
    judge(&good);
    intake_examined(intake, orders, &first, NULL, &verdict);
    assert_true(verdict.is_accepted);
    intake_release(intake, &verdict.arrival);
    intake_examined(intake, orders, &examined, NULL, &verdict);
    assert_int_equal(verdict.fate, FATE_STALE);
    assert_false(verdict.is_accepted);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_intake_accepts_what_answers_its_order),
        TEST(test_intake_rejects_by_reason),
        TEST(test_intake_rejects_contents_and_the_work_is_given_out_again),
        TEST(test_intake_checks_every_number_of_the_envelope),
        TEST(test_intake_older_generations_are_stale),
        TEST(test_intake_an_examined_slice_keeps_its_order_open),
        TEST(test_intake_a_misfit_is_rejected_kept_and_ordered_again),
        TEST(test_intake_work_that_was_taken_back_meanwhile_is_stale),
        TEST(test_intake_memory_and_quarantine_are_bounded),
    };
    struct err err;
    if (log_open("test", LOG_ERROR, NULL, &err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
