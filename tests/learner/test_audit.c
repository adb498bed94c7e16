/* The audit book: the same answers are the same, one bit is told with its place, a third answer tells who of two lies; and, over many
 * secret keys, how many forged slices pass before an actor is found. */
#include "base/rng.h"
#include "learner/admission.h"
#include "learner/audit.h"
#include "tests/learner/local_learner.h"

enum { LANE = 2, N = 4 };

struct fixture {
    struct local_run run;
    struct audits *audits;
    struct weights *weights;
    struct trajectory *answer, forged; /* of the run's lane; a copy to change */
};

static struct trajectory copy_of(const struct trajectory *t)
{
    struct trajectory copy = *t;
    copy.frame = malloc(t->bytes);
    memcpy(copy.frame, t->frame, t->bytes);
    return copy;
}

static void open_fixture(struct fixture *f)
{
    open_run(&f->run, ARGUMENTS(SMALL_EIR), NULL);
    roll_out(&f->run);
    f->answer = &f->run.group->t[LANE];
    f->forged = copy_of(f->answer);
    f->weights = new_weights(1);
    assert_int_equal(audits_create(&f->audits, rollout_schema(f->run.rollout), N), 0);
}

static void close_fixture(struct fixture *f)
{
    free(f->forged.frame);
    weights_unref(&f->weights);
    audits_destroy(&f->audits);
    close_run(&f->run);
}

static void *forged_column(const struct fixture *f, const char *name)
{
    return (void *)(uintptr_t)column_of(f->run.rollout, &f->forged, name);
}

static enum audit_result take(struct fixture *f, uint32_t actor, const struct trajectory *answer, struct audit_verdict *verdict)
{
    audits_take(f->audits, actor, 100 + actor, answer, verdict);
    return verdict->result;
}

static void begin(struct fixture *f, uint32_t actor, const struct trajectory *answer)
{
    assert_int_equal(audits_begin(f->audits, actor, 100 + actor, answer, f->weights, "snap", 4), 0);
}

static void test_equal_answers_are_forgotten(void **state)
{
    (void)state;
    struct fixture f;
    struct audit_verdict verdict;
    open_fixture(&f);
    begin(&f, 0, f.answer);
    assert_int_equal(audits_begin(f.audits, 0, 100, f.answer, f.weights, NULL, 0), ERR_DUPLICATE);
    assert_int_equal(take(&f, 1, &f.run.group->t[0], &verdict), AUDIT_UNKNOWN);
    assert_int_equal(take(&f, 1, &f.forged, &verdict), AUDIT_SAME);
    assert_memory_equal(verdict.audit->snapshot, "snap", 4);
    audits_forget(f.audits, &verdict.audit);
    assert_int_equal(audits_open(f.audits), 0);
    assert_int_equal(take(&f, 1, &f.forged, &verdict), AUDIT_UNKNOWN);
    close_fixture(&f);
}

static void test_every_column_is_compared_and_named(void **state)
{
    (void)state;
    struct fixture f;
    struct misfit misfit;
    open_fixture(&f);
    const struct schema *schema = rollout_schema(f.run.rollout);
    struct schema_layout layout;
    schema_layout(schema, f.forged.steps, f.forged.episodes, &layout);
    assert_false(audits_compare(f.audits, f.answer, &f.forged, &misfit));
    for (int c = 0; c < schema->n_columns; c++) {
        const struct column *column = &schema->columns[c];
        size_t row = column_row_bytes(column);
        for (int r = 0; r < layout.rows[c]; r++) {
            unsigned char *last = f.forged.frame + layout.start[c] + (size_t)(r + 1) * row - 1;
            *last ^= 1;
            assert_true(audits_compare(f.audits, f.answer, &f.forged, &misfit));
            assert_string_equal(misfit.field, column->name);
            if (column->span == SPAN_STEP || column->span == SPAN_STEP_NEXT)
                assert_int_equal(misfit.t, r);
            if (column->span == SPAN_STEP && column->width % N == 0)
                assert_int_equal(misfit.agent, N - 1);
            *last ^= 1;
        }
    }
    assert_false(audits_compare(f.audits, f.answer, &f.forged, &misfit));
    f.forged.episodes++;
    assert_true(audits_compare(f.audits, f.answer, &f.forged, &misfit));
    assert_string_equal(misfit.field, "episodes");
    close_fixture(&f);
}

static void test_the_earliest_step_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct misfit misfit;
    char text[160];
    open_fixture(&f);
    ((float *)forged_column(&f, "observation"))[9 * N * rollout_spec(f.run.rollout)->O] += 1;
    ((float *)forged_column(&f, "reward"))[6 * N + 3] = 5;
    ((unsigned char *)forged_column(&f, "snapshot"))[0] ^= 1;
    assert_true(audits_compare(f.audits, f.answer, &f.forged, &misfit));
    misfit_text(&misfit, text, sizeof text);
    assert_string_equal(text, "step 6 agent 3: reward is 5, expected 0");
    close_fixture(&f);
}

/* liar: 0 the audited actor, 1 the auditor. */
static void third_decides(int liar)
{
    struct fixture f;
    struct audit_verdict verdict;
    open_fixture(&f);
    ((float *)forged_column(&f, "reward"))[5 * N + 1] += 0.5f;
    begin(&f, 7, liar == 0 ? &f.forged : f.answer);
    assert_int_equal(take(&f, 8, liar == 0 ? f.answer : &f.forged, &verdict), AUDIT_DIFFERENT);
    assert_int_equal(audits_open(f.audits), 1);
    assert_int_equal(take(&f, 9, f.answer, &verdict), AUDIT_LIAR);
    assert_int_equal(verdict.liar, liar);
    assert_int_equal(verdict.audit->answers[verdict.liar].actor, liar == 0 ? 7 : 8);
    assert_string_equal(verdict.misfit.field, "reward");
    assert_true(verdict.misfit.t == 5 && verdict.misfit.agent == 1);
    audits_forget(f.audits, &verdict.audit);
    close_fixture(&f);
}

static void test_a_third_answer_tells_who_of_two_lies(void **state)
{
    (void)state;
    third_decides(0);
    third_decides(1);
}

static void test_three_different_answers_are_undecided(void **state)
{
    (void)state;
    struct fixture f;
    struct audit_verdict verdict;
    open_fixture(&f);
    float *reward = forged_column(&f, "reward");
    begin(&f, 0, f.answer);
    reward[0] = 1;
    assert_int_equal(take(&f, 1, &f.forged, &verdict), AUDIT_DIFFERENT);
    reward[0] = 2;
    assert_int_equal(take(&f, 2, &f.forged, &verdict), AUDIT_UNDECIDED);
    audits_forget(f.audits, &verdict.audit);
    close_fixture(&f);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct fixture f;
    struct trajectory t;
    open_fixture(&f);
    t = *f.answer;
    for (int i = 0; i < AUDITS_MAX; i++) {
        t.slice = (uint64_t)i;
        begin(&f, 0, &t);
    }
    t.slice = AUDITS_MAX;
    assert_int_equal(audits_begin(f.audits, 0, 100, &t, f.weights, NULL, 0), ERR_LIMIT);
    t.slice = 3;
    audits_drop(f.audits, &t);
    begin(&f, 0, &t);
    close_fixture(&f);
}

/* ---- how long a liar lasts ---- */

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

typedef bool draw(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence);

/* Of `keys` learners: the share in which one of the first 200 slices is looked at. every: the liar forges one in so many. */
static double caught_within_200(draw *is_drawn, uint64_t every)
{
    enum { KEYS = 20000 };
    struct admission admission = with_defaults(0);
    int caught = 0;
    for (uint64_t key = 1; key <= KEYS; key++) {
        admission.key = rng_bits(key, RNG_TEST, 0, 0, 0);
        for (uint64_t s = 1; s <= 200; s++)
            if (is_drawn(&admission, (uint32_t)(key % 8), key, ADMISSION_PROBATION + s * every)) {
                caught++;
                break;
            }
    }
    return (double)caught / KEYS;
}

static void must_reach_99_percent(draw *is_drawn, const char *name)
{
    for (uint64_t every = 1; every <= 7; every += 3) {
        double share = caught_within_200(is_drawn, every);
        print_message("%s, one slice of %d forged: caught within 200 in %.4f of 20000\n", name, (int)every, share);
        if (share < 0.99)
            fail_msg("%s: %.4f", name, share);
    }
}

/* A forger of one chunk of ten. */
static bool looks_at_chunk_3(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence)
{
    bool chosen[10];
    return admission_choose(admission, actor, incarnation, sequence, 10, chosen) && chosen[3];
}

static void test_default_shares_catch_within_200_forged_slices(void **state)
{
    (void)state;
    must_reach_99_percent(looks_at_chunk_3, "re-scoring, one chunk");
    must_reach_99_percent(admission_audits, "audit");
}

static void test_draws_have_the_share_and_depend_on_the_key(void **state)
{
    (void)state;
    enum { SLICES = 200000 };
    struct admission a = with_defaults(1), b = with_defaults(2), own = with_defaults(0), other = with_defaults(0);
    int rescored = 0, audited = 0, both = 0, agree = 0;
    assert_true(own.key != other.key);
    for (uint64_t s = 1; s <= SLICES; s++) {
        bool is_rescored = looks_at_chunk_3(&a, 3, 99, s), is_audited = admission_audits(&a, 3, 99, s);
        rescored += is_rescored;
        audited += is_audited;
        both += is_rescored && is_audited;
        agree += is_audited && admission_audits(&b, 3, 99, s);
    }
    assert_true(abs(rescored - (int)(a.share * SLICES)) < 700 && abs(audited - (int)(a.audit_share * SLICES)) < 350);
    assert_true(both < 650 && agree < 250); /* independent: 500 and 125 are expected */
}

static void test_a_new_process_is_audited_more_often(void **state)
{
    (void)state;
    struct admission a = with_defaults(1);
    int early = 0, late = 0;
    for (uint64_t process = 1; process <= 2000; process++)
        for (uint64_t s = 1; s <= 2 * ADMISSION_PROBATION; s++)
            *(s <= ADMISSION_PROBATION ? &early : &late) += admission_audits(&a, 1, process, s);
    assert_true(abs(early - 16000) < 500 && abs(late - 1600) < 200);
}

static void test_at_least_one_chunk_is_always_chosen(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_answers_are_forgotten),
        cmocka_unit_test(test_every_column_is_compared_and_named),
        cmocka_unit_test(test_the_earliest_step_is_told),
        cmocka_unit_test(test_a_third_answer_tells_who_of_two_lies),
        cmocka_unit_test(test_three_different_answers_are_undecided),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_default_shares_catch_within_200_forged_slices),
        cmocka_unit_test(test_a_new_process_is_audited_more_often),
        cmocka_unit_test(test_at_least_one_chunk_is_always_chosen),
        cmocka_unit_test(test_draws_have_the_share_and_depend_on_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
