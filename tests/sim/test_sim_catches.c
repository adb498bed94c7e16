/* A simulation that cannot fail proves nothing: here each sentence of the contract is broken on purpose, in the world's model of a faulty
 * process or by wrapping one function of the real code (the linker's --wrap, see deploy/sim.mk), and must be caught by its number.
 * Each case tries seeds until one shows the fault (in some worlds a consequence of it is seen first: a learner that comes back with its old
 * generation may be refused for ever, which halts the run); all of its worlds are otherwise those of test_sim.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "actor/actor_link.h"
#include "base/log.h"
#include "learner/orders.h"
#include "learner/save_schedule.h"
#include "tests/sim/world.h"
#include "wire/fetch.h"
#include "wire/schema.h"

#define SEEDS_TRIED 20

/* --- the wrapped functions --- */

void __real_ledger_gone(struct ledger *ledger, struct ledger_entry *entry);
void __wrap_ledger_gone(struct ledger *ledger, struct ledger_entry *entry);
void __wrap_ledger_gone(struct ledger *ledger, struct ledger_entry *entry)
{
    __real_ledger_gone(ledger, entry);
    if (world_mutation() == MUTATE_DROP_LOST && entry->count[FATE_LOST])
        entry->count[FATE_LOST]--; /* one lost trajectory is not written down */
}

struct ledger_entry *__real_ledger_seen(struct ledger *ledger, uint32_t actor, uint64_t incarnation, uint64_t announced,
                                        uint64_t acked);
struct ledger_entry *__wrap_ledger_seen(struct ledger *ledger, uint32_t actor, uint64_t incarnation, uint64_t announced,
                                        uint64_t acked);
struct ledger_entry *__wrap_ledger_seen(struct ledger *ledger, uint32_t actor, uint64_t incarnation, uint64_t announced,
                                        uint64_t acked)
{
    struct ledger_entry *entry = __real_ledger_seen(ledger, actor, incarnation, announced, acked);
    if (world_mutation() == MUTATE_FORGET_ROLLBACK && entry)
        entry->count[FATE_ROLLED_BACK] = 0; /* what an earlier learner trained on vanishes */
    return entry;
}

int __real_schema_copy_checked(const struct schema *schema, const struct schema_layout *layout, const void *frame, void *out,
                               struct err *err);
int __wrap_schema_copy_checked(const struct schema *schema, const struct schema_layout *layout, const void *frame, void *out,
                               struct err *err);
int __wrap_schema_copy_checked(const struct schema *schema, const struct schema_layout *layout, const void *frame, void *out,
                               struct err *err)
{
    int r = __real_schema_copy_checked(schema, layout, frame, out, err);
    if (world_mutation() != MUTATE_ACCEPT_ANYTHING)
        return r;
    memcpy(out, frame, layout->bytes);
    return 0;
}

int __real_fetcher_create(struct fetcher **fetcher, size_t limit_bytes, int limit_entries);
int __wrap_fetcher_create(struct fetcher **fetcher, size_t limit_bytes, int limit_entries);
int __wrap_fetcher_create(struct fetcher **fetcher, size_t limit_bytes, int limit_entries)
{
    return __real_fetcher_create(fetcher, world_mutation() == MUTATE_NO_CEILING ? SIZE_MAX / 2 : limit_bytes, limit_entries);
}

bool __real_orders_may_publish_after(const struct orders *orders, uint64_t number, const struct trajectory *const *decided, int n);
bool __wrap_orders_may_publish_after(const struct orders *orders, uint64_t number, const struct trajectory *const *decided, int n);
bool __wrap_orders_may_publish_after(const struct orders *orders, uint64_t number, const struct trajectory *const *decided, int n)
{
    return world_mutation() == MUTATE_IGNORE_LAG || __real_orders_may_publish_after(orders, number, decided, n);
}

void __real_actor_link_drain(struct actor_link *link, monotonic_us now);
void __wrap_actor_link_drain(struct actor_link *link, monotonic_us now);
void __wrap_actor_link_drain(struct actor_link *link, monotonic_us now)
{
    __real_actor_link_drain(link, now);
    if (world_mutation() == MUTATE_LEAVE_AT_ONCE)
        actor_link_bye(link); /* without waiting for the fates of what it holds */
}

bool __real_save_schedule_is_due(const struct save_schedule *schedule, monotonic_us now, uint64_t updates);
bool __wrap_save_schedule_is_due(const struct save_schedule *schedule, monotonic_us now, uint64_t updates);
bool __wrap_save_schedule_is_due(const struct save_schedule *schedule, monotonic_us now, uint64_t updates)
{
    if (world_mutation() == MUTATE_NO_RETRY && schedule->failing)
        return false; /* one failure, and it never tries again */
    return __real_save_schedule_is_due(schedule, now, updates);
}

/* --- the proof --- */

static void catches(enum mutation mutation, bool is_async, int sentence)
{
    struct world_result result = {0};
    for (uint64_t seed = 1; seed <= SEEDS_TRIED && result.sentence != sentence; seed++)
        result = world_run((struct world_options){.seed = seed, .is_async = is_async, .updates = 60, .mutation = mutation});
    if (result.sentence != sentence)
        fail_msg("no world reports sentence %d; the last one %d: %s", sentence, result.sentence, result.text);
    print_message("caught: %s\n", result.text);
}

static void test_sim_catches_sentence_1_training_twice(void **state)
{
    (void)state;
    catches(MUTATE_SKIP_DEDUPLICATION, false, 1);
}

static void test_sim_catches_sentence_2_forgetting_before_the_fate(void **state)
{
    (void)state;
    catches(MUTATE_ACK_BEFORE_FATE, false, 2);
}

static void test_sim_catches_sentence_2_losing_the_ring(void **state)
{
    (void)state;
    catches(MUTATE_NO_RESEND, false, 2);
}

static void test_sim_catches_sentence_2_leaving_without_waiting(void **state)
{
    (void)state;
    catches(MUTATE_LEAVE_AT_ONCE, false, 2);
}

static void test_sim_catches_sentence_3_a_lost_one_that_is_not_counted(void **state)
{
    (void)state;
    catches(MUTATE_DROP_LOST, false, 3);
}

static void test_sim_catches_sentence_3_a_rollback_that_is_not_counted(void **state)
{
    (void)state;
    catches(MUTATE_FORGET_ROLLBACK, false, 3);
}

static void test_sim_catches_sentence_4_versions_that_go_back(void **state)
{
    (void)state;
    catches(MUTATE_SAME_GENERATION, false, 4);
}

static void test_sim_catches_sentence_5_damaged_numbers(void **state)
{
    (void)state;
    catches(MUTATE_ACCEPT_ANYTHING, false, 5);
}

static void test_sim_catches_sentence_5_a_cache_without_ceiling(void **state)
{
    (void)state;
    catches(MUTATE_NO_CEILING, false, 5);
}

static void test_sim_catches_sentence_6_an_old_checkpoint(void **state)
{
    (void)state;
    catches(MUTATE_OLD_CHECKPOINT, false, 6);
}

static void test_sim_catches_sentence_6_a_full_disk_that_nobody_hears_of(void **state)
{
    (void)state;
    catches(MUTATE_SILENT_DISK, false, 6);
}

static void test_sim_catches_sentence_6_a_failed_checkpoint_that_is_not_repeated(void **state)
{
    (void)state;
    catches(MUTATE_NO_RETRY, false, 6);
}

static void test_sim_catches_sentence_7_lag_beyond_the_bound(void **state)
{
    (void)state;
    catches(MUTATE_IGNORE_LAG, true, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_catches_sentence_1_training_twice),
        cmocka_unit_test(test_sim_catches_sentence_2_forgetting_before_the_fate),
        cmocka_unit_test(test_sim_catches_sentence_2_losing_the_ring),
        cmocka_unit_test(test_sim_catches_sentence_2_leaving_without_waiting),
        cmocka_unit_test(test_sim_catches_sentence_3_a_lost_one_that_is_not_counted),
        cmocka_unit_test(test_sim_catches_sentence_3_a_rollback_that_is_not_counted),
        cmocka_unit_test(test_sim_catches_sentence_4_versions_that_go_back),
        cmocka_unit_test(test_sim_catches_sentence_5_damaged_numbers),
        cmocka_unit_test(test_sim_catches_sentence_5_a_cache_without_ceiling),
        cmocka_unit_test(test_sim_catches_sentence_6_an_old_checkpoint),
        cmocka_unit_test(test_sim_catches_sentence_6_a_full_disk_that_nobody_hears_of),
        cmocka_unit_test(test_sim_catches_sentence_6_a_failed_checkpoint_that_is_not_repeated),
        cmocka_unit_test(test_sim_catches_sentence_7_lag_beyond_the_bound),
    };
    struct err err;
    if (log_open("sim", LOG_ERROR, NULL, &err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
