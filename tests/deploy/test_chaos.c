/* The engine of chaos on a cluster that is only a struct: it strikes, lets go what it froze, and its verdict sees each broken sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "deploy/chaos.h"

struct fake {
    int turns, end_after, killed, frozen, thawed, restarted, filled, emptied, looked;
    int64_t version[3]; /* told one after the other */
    int64_t lag;
    bool fails;
    const char *words;
};

static int fake_members(void *target, struct chaos_member *members, int max)
{
    (void)target;
    assert_true(max >= 3);
    members[0] = (struct chaos_member){"broker/0", "b", 1};
    members[1] = (struct chaos_member){"actor/0", "a", 2};
    members[2] = (struct chaos_member){"learner/0", "l", 3};
    return 3;
}

static int fake_kill(void *target, const struct chaos_member *member)
{
    (void)member;
    ((struct fake *)target)->killed++;
    return 0;
}

static int fake_freeze(void *target, const struct chaos_member *member, bool is_frozen)
{
    struct fake *fake = target;
    (void)member;
    *(is_frozen ? &fake->frozen : &fake->thawed) += 1;
    return 0;
}

static int fake_restart(void *target, const struct chaos_member *member)
{
    (void)member;
    ((struct fake *)target)->restarted++;
    return 0;
}

static int fake_fill_disk(void *target, const struct chaos_member *member, bool is_full)
{
    struct fake *fake = target;
    assert_string_equal(member->name, "learner/0");
    *(is_full ? &fake->filled : &fake->emptied) += 1;
    return 0;
}

static enum chaos_state fake_state(void *target, struct err *err)
{
    struct fake *fake = target;
    if (fake->fails && fake->turns > 2)
        return err_set(err, ERR_STATE, "gave up"), CHAOS_FAILED;
    return ++fake->turns > fake->end_after ? CHAOS_OVER : CHAOS_RUNS;
}

static json_t *fake_stats(void *target)
{
    struct fake *fake = target;
    int i = fake->looked < 2 ? fake->looked : 2;
    fake->looked++;
    return json_pack("{s:[i,I], s:{s:I, s:i, s:i, s:i, s:i, s:{s:i}}}", "version", 1, (json_int_t)fake->version[i],
                     "learner_status", "lag", (json_int_t)fake->lag, "max_lag", 2, "update", 10, "steps", 1000, "lanes", 5, "book",
                     "unexplained", 0);
}

static int fake_words(void *target, char *line, int size)
{
    const struct fake *fake = target;
    if (!fake->words)
        return ERR_UNKNOWN;
    snprintf(line, (size_t)size, "%s", fake->words);
    return 0;
}

static const struct chaos_ops ops = {fake_members,   fake_kill,  fake_freeze, fake_restart,
                                     fake_fill_disk, fake_state, fake_stats,  fake_words};
static const char good[] =
    "run complete steps=4000 announced=210 trained=200 evaluated=10 stale=0 rejected=0 rolled_back=0 lost=0 away=0 "
    "held=0 unexplained=0";

static struct fake calm(void)
{
    return (struct fake){.end_after = 150, .version = {3, 4, 5}, .words = good};
}

static int run(struct fake *fake, struct chaos_report *report)
{
    const struct chaos_options options = {
        .seed = 4, .every_ms = 40, .freeze_ms = 400, .seconds = 60, .wait = 60, .allowed = {true, true, true, true}};
    struct err err;
    return chaos_run(&ops, fake, &options, true, report, &err);
}

static void test_chaos_strikes_and_lets_go_what_it_froze(void **state)
{
    (void)state;
    struct fake fake = calm();
    struct chaos_report report;
    assert_int_equal(run(&fake, &report), 0);
    assert_true(fake.killed > 0 && fake.frozen > 0 && fake.restarted > 0 && fake.filled > 0);
    assert_int_equal(fake.thawed, fake.frozen); /* those that still lasted when the run was over, too */
    assert_int_equal(fake.emptied, fake.filled);
    assert_int_equal(report.faults[CHAOS_DISK], fake.filled);
    assert_int_equal(report.faults[CHAOS_KILL], fake.killed);
    assert_int_equal(report.faults[CHAOS_FREEZE], fake.frozen);
    assert_true(report.looks >= 3);
    assert_true(chaos_verdict(&report, "abc", "abc"));
}

static void test_chaos_verdict_sees_each_broken_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *what, *words, *hash;
        int64_t last_version, lag;
    } broken[] = {
        {"trained twice", "run complete steps=4000 announced=211 trained=201 rolled_back=0 lost=0 away=0 held=0 unexplained=0",
         "abc", 5, 0},
        {"learned something else", good, "abd", 5, 0},
        {"left no state", good, "", 5, 0},
        {"left out", "run complete steps=4000 announced=209 trained=199 rolled_back=0 lost=0 away=0 held=0 unexplained=0", "abc", 5,
         0},
        {"books open", "run complete steps=4000 announced=210 trained=200 rolled_back=0 lost=0 away=0 held=0 unexplained=-1", "abc",
         5, 0},
        {"version back", good, "abc", 3, 0},
        {"lag beyond", good, "abc", 5, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct fake fake = calm();
        struct chaos_report report;
        fake.words = broken[i].words;
        fake.version[2] = broken[i].last_version;
        fake.lag = broken[i].lag;
        assert_int_equal(run(&fake, &report), 0);
        if (chaos_verdict(&report, "abc", broken[i].hash))
            print_error("not seen: %s\n", broken[i].what);
        assert_false(chaos_verdict(&report, "abc", broken[i].hash));
    }
}

static void test_chaos_run_without_an_end_is_a_failure(void **state)
{
    (void)state;
    struct fake gave_up = calm(), silent = calm();
    struct chaos_report report;
    gave_up.fails = true;
    assert_int_equal(run(&gave_up, &report), ERR_STATE);
    assert_int_equal(gave_up.thawed, gave_up.frozen);
    silent.words = NULL;
    assert_int_equal(run(&silent, &report), ERR_STATE);
    struct fake endless = calm();
    endless.end_after = INT32_MAX;
    const struct chaos_options options = {.every_ms = 60, .freeze_ms = 300, .seconds = 1, .wait = 1, .allowed = {true}};
    struct err err;
    assert_int_equal(chaos_run(&ops, &endless, &options, true, &report, &err), ERR_STATE);
    assert_non_null(strstr(err.text, "did not end by itself"));
}

static void test_chaos_capture_takes_output_and_code(void **state)
{
    (void)state;
    char out[8];
    const char *const words[] = {"sh", "-c", "echo hello there; exit 3", NULL};
    assert_int_equal(chaos_capture(words, true, out, sizeof out), 3);
    assert_string_equal(out, "hello t"); /* cut, and the program still ended by itself */
    const char *const none[] = {"/does/not/exist", NULL};
    assert_int_equal(chaos_capture(none, true, out, sizeof out), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chaos_strikes_and_lets_go_what_it_froze),
        cmocka_unit_test(test_chaos_verdict_sees_each_broken_sentence),
        cmocka_unit_test(test_chaos_run_without_an_end_is_a_failure),
        cmocka_unit_test(test_chaos_capture_takes_output_and_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
