/* Batches: what is refused before learning sees it, and that rows are who they say they are. */
#include "learner/batch.h"
#include "tests/learner/local_learner.h"

static void must_refuse_frame(struct local_run *run, const char *word)
{
    struct err err = {""};
    int r = batch_check(trainer_batch(run->trainer), &run->group->t[0], &err);
    if (r != ERR_MISMATCH || !strstr(err.text, word))
        fail_msg("got %s \"%s\", expected one with \"%s\"", err_name(r), err.text, word);
}

static void open_small(struct local_run *run)
{
    open_run(run, ARGUMENTS(SMALL_EIR), NULL);
    roll_out(run);
}

static void *mutable_column(struct local_run *run, const char *name)
{
    return (void *)(uintptr_t)column_of(run->rollout, &run->group->t[0], name);
}

/* Damages one number of lane 0, checks, and puts it back. */
static void damage_u8(struct local_run *run, const char *column, int at, int value, const char *word)
{
    uint8_t *numbers = mutable_column(run, column), old = numbers[at];
    numbers[at] = (uint8_t)value;
    must_refuse_frame(run, word);
    numbers[at] = old;
}

static void test_frames_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    struct local_run run;
    open_small(&run);
    const struct trajectory *t = &run.group->t[0];
    const uint8_t *truncated = COLUMN(run.rollout, t, uint8_t, truncated);
    int end = -1;
    for (int i = 0; i < 20 && end < 0; i++)
        end = truncated[i] ? i : -1;
    assert_true(end >= 0 && end < 18);
    assert_int_equal(batch_check(trainer_batch(run.trainer), t, NULL), 0);
    damage_u8(&run, "terminated", end, 1, "both");
    damage_u8(&run, "truncated", end, 0, "step");
    damage_u8(&run, "terminated", 3, 1, "step 4");
    damage_u8(&run, "terminated", 19, 1, "episodes end");
    for (int n = 0; n < 4; n++) {
        int action = COLUMN(run.rollout, t, int32_t, intended)[7 * 4 + n];
        damage_u8(&run, "available", (7 * 4 + n) * 6 + action, 0, "step 7 agent");
    }
    int32_t *step = mutable_column(&run, "episode_step");
    step[5]++;
    must_refuse_frame(&run, "step 5 is step");
    step[5]--;
    run.group->t[0].episodes++;
    must_refuse_frame(&run, "in the envelope");
    run.group->t[0].episodes--;
    run.group->t[0].steps--;
    must_refuse_frame(&run, "19 steps");
    run.group->t[0].purpose = ORDER_EVALUATE;
    must_refuse_frame(&run, "expected 0");
    close_run(&run);
}

static void test_actions_of_the_dead_are_not_looked_at(void **state)
{
    (void)state;
    struct local_run run;
    open_small(&run);
    uint8_t *available = mutable_column(&run, "available"), *alive = mutable_column(&run, "alive");
    memset(available + 9 * 4 * 6, 0, 6);
    must_refuse_frame(&run, "step 9 agent 0");
    alive[9 * 4] = 0;
    assert_int_equal(batch_check(trainer_batch(run.trainer), &run.group->t[0], NULL), 0);
    close_run(&run);
}

static struct batch_shape shape_of_run(const struct local_run *run)
{
    return trainer_batch(run->trainer)->shape;
}

static void must_refuse_schema(const struct batch_shape *shape, const struct schema *schema, const char *word)
{
    struct batch batch;
    struct err err = {""};
    int r = batch_init(&batch, shape, schema, &err);
    if (r != ERR_MISMATCH || !strstr(err.text, word))
        fail_msg("got %s \"%s\", expected one with \"%s\"", err_name(r), err.text, word);
}

static void test_schemas_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct local_run run;
    open_small(&run);
    const struct schema *good = rollout_schema(run.rollout);
    struct batch_shape shape = shape_of_run(&run);
    struct batch batch;
    assert_int_equal(batch_init(&batch, &shape, good, NULL), 0);
    batch_deinit(&batch);
    for (int i = 0; i < good->n_columns; i++) {
        struct schema bad = *good;
        struct column *column = &bad.columns[i];
        if (!strcmp(column->name, "episode") || !strcmp(column->name, "channels"))
            continue; /* learning does not read them */
        bool is_snapshot = !strcmp(column->name, "snapshot");
        column->span = column->span == SPAN_SLICE ? SPAN_STEP : SPAN_SLICE; /* fewer rows than learning would read */
        must_refuse_schema(&shape, &bad, column->name);
        *column = good->columns[i];
        column->type = column->type == COLUMN_U8 ? COLUMN_F32 : COLUMN_U8;
        must_refuse_schema(&shape, &bad, column->name);
        *column = good->columns[i];
        column->width++;
        if (!is_snapshot)
            must_refuse_schema(&shape, &bad, column->name);
        *column = good->columns[i];
        snprintf(column->name, sizeof column->name, "other");
        must_refuse_schema(&shape, &bad, good->columns[i].name);
    }
    struct schema bad = *good;
    bad.columns[schema_find(good, "intended")].max = shape.A; /* one beyond */
    must_refuse_schema(&shape, &bad, "intended");
    bad = *good;
    bad.columns[schema_find(good, "action")].min = -1;
    must_refuse_schema(&shape, &bad, "action");
    bad = *good;
    bad.columns[schema_find(good, "slot")].max = 255;
    must_refuse_schema(&shape, &bad, "slot");
    bad = *good;
    bad.T++;
    must_refuse_schema(&shape, &bad, "steps");
    close_run(&run);
}

static void test_rows_are_sorted_by_who_acted(void **state)
{
    (void)state;
    struct local_run run;
    struct batch batch;
    struct trajectory *t;
    const struct trajectory *all[6];
    open_small(&run);
    struct batch_shape s = shape_of_run(&run);
    assert_int_equal(batch_init(&batch, &s, rollout_schema(run.rollout), NULL), 0);
    for (int l = 0; l < 6; l++)
        all[l] = &run.group->t[l];
    t = &run.group->t[2];
    ((uint8_t *)(uintptr_t)column_of(run.rollout, t, "alive"))[5 * 4 + 1] = 0;
    batch_fill(&batch, all);
    int defenders = 0, adversaries = 0;
    for (int r = 0; r < batch_rows(&batch); r++) {
        int l = r / (s.T * s.N), at = r % (s.T * s.N);
        bool alive = batch.view[l].alive[at], slot = batch.view[l].slot[at];
        assert_int_equal(batch.is_defender[r], alive && !slot);
        if (alive && !slot)
            assert_int_equal(batch.defender_rows[defenders++], r);
        if (alive && slot)
            assert_int_equal(batch.adversary_rows[adversaries++], r);
        assert_true(batch.reward[r] == (real)batch.view[l].reward[at]);
    }
    assert_int_equal(defenders, batch.n_defender_rows);
    assert_int_equal(adversaries, batch.n_adversary_rows);
    assert_int_equal(defenders + adversaries, batch_rows(&batch) - 1);
    assert_true(adversaries > 0);
    batch_deinit(&batch);
    close_run(&run);
}

static void test_gathered_inputs_are_the_recorded_ones(void **state)
{
    (void)state;
    struct local_run run;
    struct batch batch;
    const struct trajectory *all[6];
    open_small(&run);
    struct batch_shape s = shape_of_run(&run);
    assert_int_equal(batch_init(&batch, &s, rollout_schema(run.rollout), NULL), 0);
    for (int l = 0; l < 6; l++)
        all[l] = &run.group->t[l];
    batch_fill(&batch, all);
    const int32_t rows[3] = {0, (3 * s.T + 11) * s.N + 2, batch_rows(&batch) - 1};
    real *policy = calloc((size_t)(3 * (s.O + s.K)), sizeof *policy),
         *adversary = calloc((size_t)(3 * (s.O + s.N)), sizeof *adversary);
    real *critic = calloc((size_t)(3 * (s.S + s.K)), sizeof *critic);
    batch_gather_policy(&batch, rows, 3, policy);
    batch_gather_adversary(&batch, rows, 3, s.O + s.N, adversary);
    batch_gather_critic_rows(&batch, rows, 3, critic);
    for (int i = 0; i < 3; i++) {
        const struct batch_view *view = &batch.view[rows[i] / (s.T * s.N)];
        int at = rows[i] % (s.T * s.N);
        for (int o = 0; o < s.O; o++) {
            assert_true(policy[i * (s.O + s.K) + o] == (real)view->observation[at * s.O + o]);
            assert_true(adversary[i * (s.O + s.N) + o] == (real)view->observation[at * s.O + o]);
            assert_true(critic[i * (s.S + s.K) + o] == (real)view->observation[at * s.O + o]);
        }
        for (int k = 0; k < s.K; k++) {
            assert_true(policy[i * (s.O + s.K) + s.O + k] == (real)view->knowledge[at * s.K + k]);
            assert_true(adversary[i * (s.O + s.N) + s.O + k] == (real)(k == at % s.N));
            assert_true(critic[i * (s.S + s.K) + s.S + k] == (real)view->knowledge[at * s.K + k]);
        }
    }
    free(policy), free(adversary), free(critic);
    batch_deinit(&batch);
    close_run(&run);
}

/* A step that is cut points at its own episode's last observation, whatever episodes end before it. */
static void test_truncated_steps_find_their_final_observation(void **state)
{
    (void)state;
    struct local_run run;
    open_run(
        &run,
        ARGUMENTS("env.name=matrix", "env.horizon=7", "env.time_limit=truncate", "rollout.lanes=2", "rollout.steps=20", SMALL_NETS),
        NULL);
    struct batch batch;
    const struct trajectory *all[2] = {&run.group->t[0], &run.group->t[1]};
    struct batch_shape s = shape_of_run(&run);
    roll_out(&run);
    assert_int_equal(batch_init(&batch, &s, rollout_schema(run.rollout), NULL), 0);
    batch_fill(&batch, all);
    for (int l = 0; l < 2; l++)
        for (int t = 0; t < 20; t++)
            assert_int_equal(batch.final_row[l * 20 + t], t == 6 ? l * 20 : t == 13 ? l * 20 + 1 : -1);
    real x[2 * 8];
    batch_gather_final(&batch, 1, 1, x);
    assert_true(x[0] == (real)batch.view[1].reward[13 * 2] && x[s.S + 1] == 1);
    batch_deinit(&batch);
    close_run(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_that_contradict_themselves_are_refused),
        cmocka_unit_test(test_actions_of_the_dead_are_not_looked_at),
        cmocka_unit_test(test_schemas_that_do_not_fit_are_refused),
        cmocka_unit_test(test_rows_are_sorted_by_who_acted),
        cmocka_unit_test(test_gathered_inputs_are_the_recorded_ones),
        cmocka_unit_test(test_truncated_steps_find_their_final_observation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
