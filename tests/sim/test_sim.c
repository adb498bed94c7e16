/* The delivery contract under seeded faults. SEEDS=n sets how many worlds (default 10), each seed in one of the two modes; SEED=k runs one
 * of them, in both. Worlds run in as many processes as there are processors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/sim/world.h"

#define UPDATES 80
#define WORKERS_MAX 16

struct tally { /* of one worker; in memory that the parent sees */
    uint64_t worlds, events, restores, saves_failed, lies, actors, relays, relayed, fates[FATES], faults[WORLD_FAULTS];
    double seconds;
    int sentence; /* the first that was broken */
    char text[400];
};

static uint64_t number_of(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : fallback;
}

static void tally_add(struct tally *tally, const struct world_result *result)
{
    tally->worlds++;
    tally->events += result->events;
    tally->seconds += result->seconds;
    tally->restores += (uint64_t)result->restores;
    tally->saves_failed += (uint64_t)result->saves_failed;
    tally->lies += (uint64_t)result->lies;
    tally->actors += (uint64_t)result->actors;
    tally->relays += (uint64_t)result->relays;
    tally->relayed += result->relayed;
    for (int f = 0; f < FATES; f++)
        tally->fates[f] += result->book.fates[f];
    for (int f = 0; f < WORLD_FAULTS; f++)
        tally->faults[f] += (uint64_t)result->faults[f];
    if (result->sentence && !tally->sentence) {
        tally->sentence = result->sentence;
        snprintf(tally->text, sizeof tally->text, "%s", result->text);
    }
}

static void run_share(struct tally *tally, uint64_t first, uint64_t n, uint64_t worker, uint64_t workers)
{
    for (uint64_t seed = first + worker; seed < first + n && !tally->sentence; seed += workers) {
        const struct world_result result =
            world_run((struct world_options){.seed = seed, .is_async = seed / 2 % 2 == 1, .updates = UPDATES});
        tally_add(tally, &result);
    }
}

static void print_tally(const struct tally *t)
{
    print_message("%llu worlds of %.1f actors and %.1f relays, %.0f s each, %llu events, %llu messages relayed, %llu restores, "
                  "%llu lies, %llu saves failed\n",
                  (unsigned long long)t->worlds, (double)t->actors / (double)t->worlds, (double)t->relays / (double)t->worlds,
                  t->seconds / (double)t->worlds, (unsigned long long)t->events, (unsigned long long)t->relayed,
                  (unsigned long long)t->restores, (unsigned long long)t->lies, (unsigned long long)t->saves_failed);
    for (int f = 0; f < WORLD_FAULTS; f++)
        print_message("%s%s %llu", f ? ", " : "faults: ", world_fault_name((enum world_fault)f), (unsigned long long)t->faults[f]);
    print_message("\nfates:");
    for (int f = 0; f < FATES; f++)
        print_message(" %s %llu", fate_name((enum fate)f), (unsigned long long)t->fates[f]);
    print_message("\n");
}

static void join_tally(struct tally *all, const struct tally *t)
{
    struct world_result sum = {.sentence = t->sentence};
    uint64_t worlds = all->worlds + t->worlds;
    snprintf(sum.text, sizeof sum.text, "%s", t->text);
    tally_add(all, &sum);
    all->worlds = worlds;
    all->events += t->events;
    all->seconds += t->seconds;
    all->restores += t->restores;
    all->saves_failed += t->saves_failed;
    all->lies += t->lies;
    all->actors += t->actors;
    all->relays += t->relays;
    all->relayed += t->relayed;
    for (int f = 0; f < FATES; f++)
        all->fates[f] += t->fates[f];
    for (int f = 0; f < WORLD_FAULTS; f++)
        all->faults[f] += t->faults[f];
}

static void test_contract_holds_under_faults(void **state)
{
    (void)state;
    uint64_t first = number_of("SEED", 1), n = getenv("SEED") ? 1 : number_of("SEEDS", 10);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t workers = number_of("WORKERS", cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (uint64_t)cores);
    struct tally all = {0},
                 *tallies = mmap(NULL, WORKERS_MAX * sizeof *tallies, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[WORKERS_MAX];
    assert_true(tallies != MAP_FAILED && workers >= 1 && workers <= WORKERS_MAX);
    for (uint64_t w = 0; w < workers; w++)
        if ((pids[w] = fork()) == 0) {
            run_share(&tallies[w], first, n, w, workers);
            _exit(0);
        }
    for (uint64_t w = 0; w < workers; w++) {
        int status = -1;
        assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
        assert_int_equal(status, 0); /* else it crashed: SEED=k shows where */
        join_tally(&all, &tallies[w]);
    }
    munmap(tallies, WORKERS_MAX * sizeof *tallies);
    print_tally(&all);
    if (all.sentence)
        fail_msg("%s", all.text);
    assert_int_equal(all.worlds, n);
}

static void test_every_fault_happened(void **state)
{
    (void)state;
    struct tally tally = {0};
    for (uint64_t seed = 1; seed <= 12; seed++) {
        const struct world_result result = world_run((struct world_options){.seed = seed, .updates = 20});
        tally_add(&tally, &result);
    }
    assert_int_equal(tally.sentence, 0);
    for (int f = 0; f < WORLD_FAULTS; f++)
        assert_true(tally.faults[f] > 0);
    assert_true(tally.saves_failed > 0 && tally.lies > 0 && tally.restores > 0 && tally.relayed > 0);
}

/* What was learned does not depend on faults, actors or time: the lanes' states after n updates are a function of n. */
static void test_sync_history_is_the_same_after_any_kill(void **state)
{
    (void)state;
    struct world_result calm = world_run((struct world_options){.seed = 1, .is_quiet = true, .updates = 300, .lanes = 20});
    assert_int_equal(calm.sentence, 0);
    struct world_result same = world_run((struct world_options){.seed = 2, .is_quiet = true, .updates = 300, .lanes = 20});
    assert_true(calm.state == same.state && calm.actors != same.actors);
    assert_int_equal(calm.book.fates[FATE_STALE] + calm.book.fates[FATE_REJECTED] + calm.book.fates[FATE_LOST], 0);
    int restores = 0;
    for (uint64_t seed = 3; seed < 11; seed++) {
        struct world_result faulty = world_run((struct world_options){.seed = seed, .updates = 300, .lanes = 20});
        assert_int_equal(faulty.sentence, 0);
        assert_true(calm.state == faulty.state);
        restores += faulty.restores;
    }
    assert_true(restores > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract_holds_under_faults),
        cmocka_unit_test(test_every_fault_happened),
        cmocka_unit_test(test_sync_history_is_the_same_after_any_kill),
    };
    struct err err;
    if (log_open("sim", getenv("SIM_LOG") ? LOG_DETAIL : LOG_ERROR, NULL, &err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
