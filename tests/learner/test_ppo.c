/* Whole updates of EIR-MAPPO, MAPPO, MIR3 and ERNIE against float64 (tests/golden/learner_golden.py): advantages, losses, gradients, Adam steps and the
 * value normaliser, from a batch that is made up. A gradient is seen through Adam's first moment: 0.1 of it after one step. */
#include "tests/golden_json.h"
#include "tests/local.h"

#include "actor/columns.h"
#include "learner/trainer.h"

enum { SNAPSHOT = 16, LANES_MAX = 8 };

struct fixture {
    json_t *tree;
    struct spec spec;
    struct schema schema;
    struct columns columns;
    struct trainer *trainer;
    int n_lanes;
    struct trajectory t[LANES_MAX];
    const struct trajectory *batch[LANES_MAX];
};

static struct recipe *recipe_of(const json_t *tree)
{
    struct recipe *recipe = recipe_create();
    struct err err = {""};
    const json_t *list = json_object_get(tree, "recipe");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (recipe_set_argument(recipe, json_string_value(json_array_get(list, i)), &err))
            fail_msg("%s", err.text);
    return recipe;
}

static void fill_column(const struct column *column, unsigned char *to, const json_t *numbers)
{
    for (size_t i = 0; i < json_array_size(numbers); i++) {
        double x = json_number_value(json_array_get(numbers, i));
        switch (column->type) {
        case COLUMN_F32: ((float *)to)[i] = (float)x; break;
        case COLUMN_I32: ((int32_t *)to)[i] = (int32_t)x; break;
        case COLUMN_I64: ((int64_t *)to)[i] = (int64_t)x; break;
        case COLUMN_U8: to[i] = (unsigned char)x; break;
        }
    }
}

static void fill_lane(struct fixture *f, int l, const json_t *lane)
{
    struct trajectory *t = &f->t[l];
    struct schema_layout layout;
    const char *name;
    json_t *numbers;
    *t = (struct trajectory){.lane = l, .steps = f->schema.T, .episodes = (int32_t)golden_number(lane, "episodes")};
    t->capacity = (schema_bytes_max(&f->schema) + 63) & ~(size_t)63;
    t->frame = aligned_alloc(64, t->capacity);
    memset(t->frame, 0, t->capacity);
    schema_layout(&f->schema, t->steps, t->episodes, &layout);
    json_object_foreach(json_object_get(lane, "columns"), name, numbers)
    {
        int index = schema_find(&f->schema, name);
        if (index < 0)
            fail_msg("no column %s", name);
        const struct column *column = &f->schema.columns[index];
        assert_int_equal(json_array_size(numbers), layout.rows[index] * column->width);
        fill_column(column, t->frame + layout.start[index], numbers);
    }
    f->batch[l] = t;
}

/* "nets/mi/action/head.bias" to "mi/action" and "head.bias". */
static bool split_name(const char *name, char net[32], char parameter[64])
{
    const char *last = strrchr(name, '/');
    if (strncmp(name, "nets/", 5) || last < name + 5)
        return false;
    snprintf(net, 32, "%.*s", (int)(last - name - 5), name + 5);
    snprintf(parameter, 64, "%s", last + 1);
    return true;
}

/* A checkpoint with the case's parameters, fresh optimisers and its normaliser. */
static struct safetensors *checkpoint_of(const struct fixture *f)
{
    struct safetensors *file, *old;
    struct err err = {""};
    real numbers[4096];
    assert_int_equal(safetensors_create(&file), 0);
    assert_int_equal(safetensors_create(&old), 0);
    assert_int_equal(trainer_save(f->trainer, old, &err), 0);
    for (int i = 0; i < safetensors_count(old); i++) {
        const struct tensor *tensor = safetensors_at(old, i);
        const void *data = tensor->data;
        double norm[4];
        char net[32], parameter[64];
        if (split_name(tensor->name, net, parameter)) {
            const json_t *from = json_object_get(json_object_get(f->tree, "parameters"), net);
            size_t n = golden_count(from, parameter);
            assert_int_equal(tensor->bytes, n * sizeof(real));
            assert_true(n <= ARRAY_LEN(numbers));
            for (size_t k = 0; k < n; k++)
                numbers[k] = (real)golden_at(from, parameter, k);
            data = numbers;
        } else if (!strncmp(tensor->name, "norms/", 6)) {
            for (size_t k = 0; k < 4; k++)
                norm[k] = golden_at(f->tree, "norm", k);
            data = norm;
        }
        if (safetensors_add(file, tensor->name, tensor->type, tensor->n_dims, tensor->shape, data, &err))
            fail_msg("%s", err.text);
    }
    safetensors_destroy(&old);
    return file;
}

static void setup(struct fixture *f, const char *name)
{
    struct err err = {""};
    *f = (struct fixture){.tree = golden_read(name)};
    json_t *lanes = json_object_get(f->tree, "lanes");
    f->spec = (struct spec){.env = "made",
                            .scenario = "up",
                            .N = (int)golden_number(f->tree, "N"),
                            .O = (int)golden_number(f->tree, "O"),
                            .S = (int)golden_number(f->tree, "S"),
                            .A = (int)golden_number(f->tree, "A"),
                            .horizon = 100,
                            .state_is_observation = !json_is_true(json_object_get(f->tree, "joint"))};
    spec_complete(&f->spec);
    struct recipe *recipe = recipe_of(f->tree);
    struct run_config run;
    assert_int_equal(run_config_bind(&run, recipe, &err), 0);
    schema_init(&f->schema, (int32_t)run.T, (int32_t)run.chunk);
    if (columns_declare(&f->columns, &f->schema, &f->spec, (int)golden_number(f->tree, "K"), (int)golden_number(f->tree, "H"),
                        SNAPSHOT, &err) ||
        trainer_create(&f->trainer, recipe, &f->spec, &f->schema, NULL, &err))
        fail_msg("%s", err.text);
    recipe_destroy(&recipe);
    f->n_lanes = (int)json_array_size(lanes);
    for (int l = 0; l < f->n_lanes; l++) {
        fill_lane(f, l, json_array_get(lanes, (size_t)l));
        if (batch_check(trainer_batch(f->trainer), &f->t[l], &err))
            fail_msg("lane %d: %s", l, err.text);
    }
    struct safetensors *file = checkpoint_of(f);
    if (trainer_load(f->trainer, file, &err))
        fail_msg("%s", err.text);
    safetensors_destroy(&file);
}

static void teardown(struct fixture *f)
{
    for (int l = 0; l < f->n_lanes; l++)
        free(f->t[l].frame);
    trainer_destroy(&f->trainer);
    json_decref(f->tree);
}

static void compare_report(const struct fixture *f, const struct report *report, double limit)
{
    const char *name;
    json_t *expected;
    json_object_foreach(json_object_get(f->tree, "report"), name, expected)
    {
        int found = -1;
        for (int i = 0; i < report->count; i++)
            if (!strcmp(report->entries[i].name, name))
                found = i;
        if (found < 0)
            fail_msg("%s is not reported", name);
        /* A policy loss is a sum of normalised advantages, of size 1, that nearly cancel: its error is held against theirs. */
        double got = report->entries[found].value, want = json_number_value(expected);
        if (!strcmp(name, "policy/loss") && fabs(want) < 0.1) {
            if (!(fabs(got - want) <= limit * 0.1))
                fail_msg("%s: got %.9g, expected %.9g", name, got, want);
            continue;
        }
        golden_compare_number(name, got, want, limit);
    }
}

/* Names the parameters of a net in the order of the flat array, with where each starts in the optimiser's arrays. */
static void compare_net(const struct fixture *f, const struct safetensors *file, const char *net, double limit)
{
    const json_t *moments = json_object_get(json_object_get(f->tree, "moments"), net);
    const json_t *result = json_object_get(json_object_get(f->tree, "result"), net);
    char name[128];
    snprintf(name, sizeof name, "adam/%s/m", net);
    const struct tensor *m = safetensors_find(file, name);
    struct net_parameter table[NET_PARAMETERS_MAX];
    struct net_arch arch = {0};
    snprintf(name, sizeof name, "arch/%s", net);
    assert_int_equal(sscanf(safetensors_metadata(file, name), "%d,%d,%d,%d,%d,%d,%d,%d", &arch.in, &arch.hidden, &arch.depth,
                            &arch.out, &arch.activation, &arch.input_norm, &arch.layer_norm, &arch.gru),
                     8);
    int n = net_parameters(&arch, table);
    assert_int_equal(json_object_size(moments), n);
    for (int p = 0; p < n; p++) {
        golden_compare(net, (const real *)m->data + table[p].start, moments, table[p].name, limit);
        snprintf(name, sizeof name, "nets/%.31s/%.31s", net, table[p].name);
        golden_compare(net, safetensors_find(file, name)->data, result, table[p].name, limit);
    }
}

static void check_update(const char *name, double limit)
{
    struct fixture f;
    struct report report = {0};
    struct safetensors *file;
    const char *net;
    json_t *unused;
    setup(&f, name);
    trainer_update(f.trainer, f.batch, &report);
    compare_report(&f, &report, limit);
    assert_int_equal(safetensors_create(&file), 0);
    assert_int_equal(trainer_save(f.trainer, file, NULL), 0);
    json_object_foreach(json_object_get(f.tree, "result"), net, unused) compare_net(&f, file, net, limit);
    const double *norm = safetensors_find(file, "norms/value")->data;
    for (size_t k = 0; k < 4; k++)
        golden_compare_number("normaliser", norm[k], golden_at(f.tree, "norm_result", k), limit);
    safetensors_destroy(&file);
    teardown(&f);
}

static void test_eir_update_of_one_epoch(void **state)
{
    (void)state;
    check_update("learner/eir_one_epoch", 1e-5);
}

static void test_eir_update_of_three_epochs_with_clipped_norms(void **state)
{
    (void)state;
    check_update("learner/eir_three_epochs", 1e-4); /* rounding of the first steps is part of the later ones */
}

static void test_mappo_update_with_vtrace_and_joint_state(void **state)
{
    (void)state;
    check_update("learner/mappo_async", 1e-5);
}

/* The estimator's step, its bound with an interval, and the update on the rewards that it leaves. */
static void test_mir3_update_on_mappo(void **state)
{
    (void)state;
    check_update("learner/mir3_mappo", 1e-5);
}

static void test_ernie_update_on_mappo(void **state)
{
    (void)state;
    check_update("learner/ernie_mappo", 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eir_update_of_one_epoch),
        cmocka_unit_test(test_eir_update_of_three_epochs_with_clipped_norms),
        cmocka_unit_test(test_mappo_update_with_vtrace_and_joint_state),
        cmocka_unit_test(test_mir3_update_on_mappo),
        cmocka_unit_test(test_ernie_update_on_mappo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
