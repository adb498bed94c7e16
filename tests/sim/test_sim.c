/* The delivery contract under seeded faults. SEEDS=n sets how many worlds (default 5), SEED=k runs one of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/sim/world.h"

static uint64_t number_of(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : fallback;
}

static void run_seeds(bool is_async)
{
    uint64_t first = number_of("SEED", 1), n = getenv("SEED") ? 1 : number_of("SEEDS", 5), kills = 0, events = 0, restores = 0;
    uint64_t fates[FATES] = {0};
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct world_result result = world_run((struct world_options){.seed = seed, .is_async = is_async, .updates = 80});
        if (result.sentence)
            fail_msg("%s", result.text);
        kills += (uint64_t)result.kills;
        restores += (uint64_t)result.restores;
        events += result.events;
        for (int f = 0; f < FATES; f++)
            fates[f] += result.book.fates[f];
    }
    print_message("%llu worlds, %llu events, %llu kills, %llu restores;", (unsigned long long)n, (unsigned long long)events,
                  (unsigned long long)kills, (unsigned long long)restores);
    for (int f = 0; f < FATES; f++)
        print_message(" %s %llu", fate_name((enum fate)f), (unsigned long long)fates[f]);
    print_message("\n");
}

static void test_contract_holds_in_sync_mode(void **state)
{
    (void)state;
    run_seeds(false);
}

static void test_contract_holds_in_async_mode(void **state)
{
    (void)state;
    run_seeds(true);
}

/* What was learned does not depend on faults, actors or time: the lanes' states after n updates are a function of n. */
static void test_sync_history_is_the_same_after_any_kill(void **state)
{
    (void)state;
    struct world_result calm = world_run((struct world_options){.seed = 1, .is_quiet = true, .updates = 300});
    assert_int_equal(calm.sentence, 0);
    struct world_result same = world_run((struct world_options){.seed = 2, .is_quiet = true, .updates = 300});
    assert_true(calm.state == same.state);
    assert_int_equal(calm.book.fates[FATE_STALE] + calm.book.fates[FATE_REJECTED] + calm.book.fates[FATE_LOST], 0);
    int restores = 0;
    for (uint64_t seed = 3; seed < 7; seed++) {
        struct world_result faulty = world_run((struct world_options){.seed = seed, .updates = 300});
        assert_int_equal(faulty.sentence, 0);
        assert_true(calm.state == faulty.state);
        restores += faulty.restores;
    }
    assert_true(restores > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract_holds_in_sync_mode),
        cmocka_unit_test(test_contract_holds_in_async_mode),
        cmocka_unit_test(test_sync_history_is_the_same_after_any_kill),
    };
    struct err err;
    if (log_open("sim", getenv("SIM_LOG") ? LOG_DETAIL : LOG_ERROR, NULL, &err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
