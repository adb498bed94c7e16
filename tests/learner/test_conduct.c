/* How long a liar lasts: the shares of admission and what is remembered of each actor, for liars that begin at any time and lie by any
 * period, over many keys and by calculation. A liar is found when a slice that it forged was looked at and `delay` more of its slices
 * have come meanwhile; it must be before its 201st forged slice. Which kinds are found how: weights, actions and masks by re-scoring,
 * rewards by audits, versions and NaN by strikes; tests/long/liar.sh shows all of them on real processes. */
#include "learner/conduct.h"

#include <stdlib.h>

#include "base/rng.h"
#include "tests/local.h"

enum { LIES_MAX = 200, KEYS = 2000, DELAY = 2 * ADMISSION_DELAY_MAX };

static struct admission with_defaults(uint64_t key)
{
    struct recipe *recipe = must_recipe(ARGUMENTS("run.seed=1"));
    struct admission admission;
    assert_int_equal(admission_init(&admission, recipe, NULL), 0);
    recipe_destroy(&recipe);
    if (key)
        admission.key = rng_bits(key, RNG_TEST, 0, 0, 0);
    return admission;
}

/* ---- liars ---- */

struct liar {
    uint64_t honest;     /* slices before it begins */
    int lies, of, shift; /* it forges the first `lies` of each `of` slices, counted from `shift` */
};

static bool is_forged(const struct liar *liar, uint64_t n)
{
    return n >= liar->honest && (n + (uint64_t)liar->shift) % (uint64_t)liar->of < (uint64_t)liar->lies;
}

/* How one forged slice may be found: whether this slice is looked at. Called for every slice, in order. */
struct inspector {
    struct conduct *conduct;
    struct admission admission;
    double failing; /* share of audits that come to nothing */
};

static bool is_audited(struct inspector *by, uint64_t incarnation, uint64_t n)
{
    if (!conduct_accepted(by->conduct, &by->admission, 7, incarnation))
        return false;
    bool fails = rng_unit(by->admission.key, RNG_TEST, n, 1, 7) < by->failing;
    (void)conduct_owes(by->conduct, 7, fails);
    return !fails;
}

static bool is_chunk_3_scored(struct inspector *by, uint64_t incarnation, uint64_t n)
{
    bool chosen[10];
    return admission_choose(&by->admission, 7, incarnation, n + 1, 10, chosen) && chosen[3];
}

typedef bool looks(struct inspector *by, uint64_t incarnation, uint64_t n);

/* Forged slices that the learner received until the liar is found; LIES_MAX + 1: too many. */
static int lies_until_found(looks *look, struct inspector *by, const struct liar *liar, uint64_t incarnation, int delay)
{
    uint64_t found_at = UINT64_MAX;
    int lies = 0;
    for (uint64_t n = 0; lies <= LIES_MAX && n <= found_at; n++) {
        bool is_lie = is_forged(liar, n), is_seen = look(by, incarnation, n);
        lies += is_lie;
        if (is_lie && is_seen && found_at == UINT64_MAX)
            found_at = n + (uint64_t)delay;
    }
    return lies;
}

static double found_in_time(looks *look, const struct liar *liar, int delay, double failing)
{
    struct inspector by = {.admission = with_defaults(0), .failing = failing};
    int found = 0;
    assert_int_equal(conduct_create(&by.conduct), 0);
    for (uint64_t key = 1; key <= KEYS; key++) {
        by.admission.key = rng_bits(key, RNG_TEST, 0, 0, 0);
        found += lies_until_found(look, &by, liar, key, delay) <= LIES_MAX;
    }
    conduct_destroy(&by.conduct);
    return (double)found / KEYS;
}

/* 99 % but for what so many keys may miss by chance: three standard deviations. */
static void must_be_found(looks *look, const char *how, const struct liar *liar, int delay, double failing)
{
    double found = found_in_time(look, liar, delay, failing);
    print_message("%s: honest for %3d, then %2d of %2d forged, delay %3d, failing %.2f: found in %.4f\n", how, (int)liar->honest,
                  liar->lies, liar->of, delay, failing, found);
    if (found < 0.99 - 3 * 0.0022)
        fail_msg("%s: %.4f", how, found);
}

/* ---- by calculation ---- */

/* The probability that nobody who looks at one slice of each block of `block` finds this liar in time: over its blocks, the product of the
 * chances that the look falls beside the slices whose verdict would come in time. The blocks begin at slice 0. */
static double missed(const struct liar *liar, int block, int delay)
{
    int verdict_lies = 0, in_time = 0; /* verdict_lies: until `delay` slices after n */
    double product = 1;
    for (int n = 0; n < delay; n++)
        verdict_lies += is_forged(liar, (uint64_t)n);
    for (int n = 0; verdict_lies <= LIES_MAX; n++) {
        verdict_lies += is_forged(liar, (uint64_t)(n + delay));
        in_time += is_forged(liar, (uint64_t)n) && verdict_lies <= LIES_MAX;
        if ((n + 1) % block == 0) {
            product *= 1 - (double)in_time / block;
            in_time = 0;
        }
    }
    return product * (1 - (double)in_time / block);
}

static void test_no_period_of_lies_lasts_for_200_with_more_than_1_percent(void **state)
{
    (void)state;
    int block = (int)(1 / with_defaults(1).audit_share + 0.5);
    struct liar worst = {0};
    double most = 0;
    for (int of = 1; of <= 2 * block; of++)
        for (int lies = 1; lies <= of; lies++)
            for (int shift = 0; shift < of; shift += 2) {
                struct liar liar = {.lies = lies, .of = of, .shift = shift};
                double share = missed(&liar, block, DELAY);
                if (share > most) {
                    most = share;
                    worst = liar;
                }
            }
    print_message("worst of all periods up to %d: %d of %d forged, missed with %.5f\n", 2 * block, worst.lies, worst.of, most);
    assert_true(most > 0.005 && most < 0.01);
}

static void test_who_always_lies_from_any_moment_on_is_always_found(void **state)
{
    (void)state;
    int block = (int)(1 / with_defaults(1).audit_share + 0.5);
    for (int shift = 0; shift < block; shift++)
        for (int delay = 0; delay <= DELAY; delay += 20) {
            struct liar late = {.honest = (uint64_t)shift, .lies = 1, .of = 1};
            assert_true(missed(&late, block, delay) == 0);
        }
}

/* ---- with the draws ---- */

static void test_a_late_liar_is_audited_in_time(void **state)
{
    (void)state;
    static const int begins[] = {0, 1, 31, 32, 33, 50, 71, 72, 100, 399, 1000};
    for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
        struct liar late = {.honest = (uint64_t)begins[i], .lies = 1, .of = 1};
        assert_true(found_in_time(is_audited, &late, DELAY, 0) == 1); /* always, not only with 99 % */
    }
}

static void test_a_liar_by_periods_is_audited_in_time(void **state)
{
    (void)state;
    static const struct liar liars[] = {{40, 1, 2, 0},   {40, 1, 7, 3},   {40, 1, 40, 0},  {40, 1, 40, 39},  {40, 12, 40, 3},
                                        {40, 21, 40, 9}, {40, 39, 40, 1}, {40, 20, 41, 7}, {40, 30, 80, 11}, {400, 2, 3, 1}};
    for (size_t i = 0; i < ARRAY_LEN(liars); i++)
        for (int delay = 0; delay <= DELAY; delay += ADMISSION_DELAY_MAX)
            must_be_found(is_audited, "audit", &liars[i], delay, 0);
}

static void test_audits_that_fail_are_made_up_for(void **state)
{
    (void)state;
    static const struct liar liars[] = {{33, 1, 1, 0}, {500, 1, 1, 0}, {77, 1, 2, 1}};
    for (size_t i = 0; i < ARRAY_LEN(liars); i++)
        must_be_found(is_audited, "audit", &liars[i], ADMISSION_DELAY_MAX, 0.5);
}

static void test_a_late_forger_of_a_single_chunk_is_scored_in_time(void **state)
{
    (void)state;
    static const struct liar liars[] = {{0, 1, 1, 0}, {33, 1, 1, 0}, {500, 1, 1, 0}, {500, 1, 40, 7}};
    for (size_t i = 0; i < ARRAY_LEN(liars); i++)
        must_be_found(is_chunk_3_scored, "re-scoring", &liars[i], 0, 0);
}

static void test_a_forger_of_every_step_never_passes_re_scoring(void **state)
{
    (void)state;
    struct admission a = with_defaults(1);
    bool chosen[40];
    for (uint64_t s = 1; s < 1000; s++)
        for (int n = 1; n <= 40; n++) {
            int count = 0;
            assert_true(admission_choose(&a, 1, 1, s, n, chosen));
            for (int c = 0; c < n; c++)
                count += chosen[c];
            assert_int_equal(count, n < 15 ? 1 : (int)(0.1 * n + 0.5));
        }
    a.share = 0;
    assert_false(admission_choose(&a, 1, 1, 1, 10, chosen));
}

/* ---- shares ---- */

static void test_each_block_has_one_audit(void **state)
{
    (void)state;
    static const double shares[] = {0.001, 0.025, 0.03, 0.3, 1.0 / 3, 0.7, 0.99, 1};
    enum { SLICES = 100000 };
    for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
        struct admission a = with_defaults(1);
        a.audit_share = shares[i];
        int audited = 0, gap = 0, longest = 0;
        for (uint64_t n = ADMISSION_PROBATION; n < ADMISSION_PROBATION + SLICES; n++) {
            bool is_drawn = admission_audits(&a, 3, 99, n);
            audited += is_drawn;
            gap = is_drawn ? 0 : gap + 1;
            longest = gap > longest ? gap : longest;
        }
        print_message("share %.4f: %d of %d, longest gap %d\n", shares[i], audited, SLICES, longest);
        assert_true(abs(audited - (int)(shares[i] * SLICES)) <= 1);
        assert_true(longest <= 2 * (int)(1 / shares[i] + 1) - 2);
    }
    struct admission none = with_defaults(1);
    none.audit_share = 0;
    for (uint64_t n = 0; n < 1000; n++)
        assert_false(admission_audits(&none, 3, 99, n));
}

static void test_draws_depend_on_key_actor_and_process(void **state)
{
    (void)state;
    enum { SLICES = 200000 };
    struct admission a = with_defaults(1), b = with_defaults(2), own = with_defaults(0), other = with_defaults(0);
    struct inspector by = {.admission = a};
    int rescored = 0, audited = 0, both = 0, other_key = 0, other_actor = 0, other_process = 0, places[40] = {0};
    assert_true(own.key != other.key);
    for (uint64_t n = ADMISSION_PROBATION; n < ADMISSION_PROBATION + SLICES; n++) {
        bool is_rescored = is_chunk_3_scored(&by, 99, n), is_drawn = admission_audits(&a, 3, 99, n);
        rescored += is_rescored;
        audited += is_drawn;
        both += is_rescored && is_drawn;
        other_key += is_drawn && admission_audits(&b, 3, 99, n);
        other_actor += is_drawn && admission_audits(&a, 4, 99, n);
        other_process += is_drawn && admission_audits(&a, 3, 100, n);
        places[(n - ADMISSION_PROBATION) % 40] += is_drawn;
    }
    assert_true(abs(rescored - (int)(a.share * SLICES)) < 700 && audited == (int)(a.audit_share * SLICES));
    assert_true(both < 650 && other_key < 200 && other_actor < 200 && other_process < 200); /* independent: 500 and 125 */
    for (int p = 0; p < 40; p++)
        assert_true(places[p] > 70 && places[p] < 190); /* 125 */
}

static void test_a_new_process_is_audited_more_often(void **state)
{
    (void)state;
    struct admission a = with_defaults(1);
    int early = 0, late = 0;
    for (uint64_t process = 1; process <= 2000; process++)
        for (uint64_t n = 0; n < ADMISSION_PROBATION + 40; n++)
            *(n < ADMISSION_PROBATION ? &early : &late) += admission_audits(&a, 1, process, n);
    assert_int_equal(early, 16000); /* one of four */
    assert_int_equal(late, 2000);
}

/* ---- strikes ---- */

/* Trajectories of an actor one of `every` of which is rejected, from its 50th on; an audit of it is accepted after each. How many were
 * rejected until it is quarantined; 0: never. */
static int rejected_until_quarantined(int every, int trajectories)
{
    struct admission a = with_defaults(1);
    struct conduct *conduct;
    int rejected = 0, found = 0;
    assert_int_equal(conduct_create(&conduct), 0);
    for (int n = 0; n < trajectories && !found; n++)
        if (n < 50 || n % every)
            (void)conduct_accepted(conduct, &a, 7, 1);
        else {
            rejected++;
            found = conduct_rejected(conduct, 7) ? rejected : 0;
        }
    conduct_destroy(&conduct);
    return found;
}

static void test_strikes(void **state)
{
    (void)state;
    assert_int_equal(rejected_until_quarantined(1, 1000), CONDUCT_STRIKES_MAX);
    for (int every = 2; every <= 8; every++) {
        int rejected = rejected_until_quarantined(every, 100000);
        print_message("one of %d rejected: quarantined after %d\n", every, rejected);
        assert_true(rejected > 0 && rejected <= LIES_MAX);
    }
    assert_int_equal(rejected_until_quarantined(20, 100000), 0);
}

static void test_actors_are_kept_apart_and_bounded(void **state)
{
    (void)state;
    struct admission a = with_defaults(1);
    struct conduct *conduct;
    assert_int_equal(conduct_create(&conduct), 0);
    for (uint32_t actor = 0; actor < 3 * PROTOCOL_ACTORS_MAX; actor++) {
        for (int i = 1; i < CONDUCT_STRIKES_MAX; i++)
            assert_false(conduct_rejected(conduct, actor));
        assert_true(conduct_owes(conduct, actor, true));
        assert_true(conduct_accepted(conduct, &a, actor, 1));
    }
    assert_true(conduct_rejected(conduct, 3 * PROTOCOL_ACTORS_MAX - 1));
    assert_false(conduct_rejected(conduct, 0)); /* forgotten long ago */
    conduct_destroy(&conduct);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_period_of_lies_lasts_for_200_with_more_than_1_percent),
        cmocka_unit_test(test_who_always_lies_from_any_moment_on_is_always_found),
        cmocka_unit_test(test_a_late_liar_is_audited_in_time),
        cmocka_unit_test(test_a_liar_by_periods_is_audited_in_time),
        cmocka_unit_test(test_audits_that_fail_are_made_up_for),
        cmocka_unit_test(test_a_late_forger_of_a_single_chunk_is_scored_in_time),
        cmocka_unit_test(test_a_forger_of_every_step_never_passes_re_scoring),
        cmocka_unit_test(test_each_block_has_one_audit),
        cmocka_unit_test(test_draws_depend_on_key_actor_and_process),
        cmocka_unit_test(test_a_new_process_is_audited_more_often),
        cmocka_unit_test(test_strikes),
        cmocka_unit_test(test_actors_are_kept_apart_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
