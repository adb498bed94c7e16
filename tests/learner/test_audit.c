/* The audit book: the same answers are the same, one bit is told with its place, a third answer tells who of two lies. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_answers_are_forgotten),
        cmocka_unit_test(test_every_column_is_compared_and_named),
        cmocka_unit_test(test_the_earliest_step_is_told),
        cmocka_unit_test(test_a_third_answer_tells_who_of_two_lies),
        cmocka_unit_test(test_three_different_answers_are_undecided),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
