/* A trainer with a made-up batch, parameters and recipe from tests/golden/<case>.json, for tests of whole updates against float64. */
#ifndef TESTUDO_TESTS_LEARNER_GOLDEN_UPDATE_H
#define TESTUDO_TESTS_LEARNER_GOLDEN_UPDATE_H

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

static inline struct recipe *recipe_of(const json_t *tree)
{
    struct recipe *recipe = recipe_create();
    struct err err = {""};
    const json_t *list = json_object_get(tree, "recipe");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (recipe_set_argument(recipe, json_string_value(json_array_get(list, i)), &err))
            fail_msg("%s", err.text);
    return recipe;
}

static inline void fill_column(const struct column *column, unsigned char *to, const json_t *numbers)
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

static inline void fill_lane(struct fixture *f, int l, const json_t *lane)
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

/* A checkpoint with the case's parameters, fresh optimisers and its normaliser. */
static inline struct safetensors *checkpoint_of(const struct fixture *f)
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
        const char *parameter = strrchr(tensor->name, '/') + 1; /* an id may have slashes: nets/target/defender/head.bias */
        char net[96];
        if (!strncmp(tensor->name, "nets/", 5)) {
            snprintf(net, sizeof net, "%.*s", (int)(parameter - 1 - (tensor->name + 5)), tensor->name + 5);
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

/* extra: NULL, or arguments that come after the case's own, NULL-terminated. */
static inline void setup_with(struct fixture *f, const char *name, const char *const *extra)
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
    if (json_is_true(json_object_get(f->tree, "box")))
        f->spec.action = ACTION_BOX;
    for (int c = 0; f->spec.action == ACTION_BOX && c < f->spec.A; c++)
        f->spec.components[c] = (struct spec_component){.low = -1, .high = 1};
    spec_complete(&f->spec);
    struct recipe *recipe = recipe_of(f->tree);
    for (; extra && *extra; extra++)
        if (recipe_set_argument(recipe, *extra, &err))
            fail_msg("%s", err.text);
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

static inline void setup(struct fixture *f, const char *name)
{
    setup_with(f, name, NULL);
}

static inline void teardown(struct fixture *f)
{
    for (int l = 0; l < f->n_lanes; l++)
        free(f->t[l].frame);
    trainer_destroy(&f->trainer);
    json_decref(f->tree);
}

static inline void *lane_column(const struct fixture *f, int l, const char *name)
{
    struct schema_layout layout;
    schema_layout(&f->schema, f->t[l].steps, f->t[l].episodes, &layout);
    return f->t[l].frame + layout.start[schema_find(&f->schema, name)];
}

/* A net's parameters after the update. */
static inline void compare_weights(const struct fixture *f, const struct safetensors *file, const char *net, double limit)
{
    const json_t *result = json_object_get(json_object_get(f->tree, "result"), net);
    const char *parameter;
    json_t *unused;
    char name[128];
    json_object_foreach((json_t *)result, parameter, unused)
    {
        snprintf(name, sizeof name, "nets/%.31s/%.31s", net, parameter);
        golden_compare(net, safetensors_find(file, name)->data, result, parameter, limit);
    }
}

/* A net's parameters and its optimiser's first or second moment after the update. */
static inline void compare_net(const struct fixture *f, const struct safetensors *file, const char *net, const char *moment,
                               double limit)
{
    const json_t *moments = json_object_get(json_object_get(f->tree, "moments"), net);
    char name[128];
    snprintf(name, sizeof name, "adam/%s/%s", net, moment);
    const struct tensor *m = safetensors_find(file, name);
    struct net_parameter table[NET_PARAMETERS_MAX];
    struct net_arch arch = {0};
    snprintf(name, sizeof name, "arch/%s", net);
    assert_int_equal(sscanf(safetensors_metadata(file, name), "%d,%d,%d,%d,%d,%d,%d,%d", &arch.in, &arch.hidden, &arch.depth,
                            &arch.out, &arch.activation, &arch.input_norm, &arch.layer_norm, &arch.gru),
                     8);
    int n = net_parameters(&arch, table);
    assert_int_equal(json_object_size(moments), n);
    for (int p = 0; p < n; p++)
        golden_compare(net, (const real *)m->data + table[p].start, moments, table[p].name, limit);
    compare_weights(f, file, net, limit);
}

static inline struct safetensors *saved(const struct fixture *f)
{
    struct safetensors *file;
    struct err err = {""};
    assert_int_equal(safetensors_create(&file), 0);
    if (trainer_save(f->trainer, file, &err))
        fail_msg("%s", err.text);
    return file;
}

static inline struct hash hash_of(const struct fixture *f)
{
    struct safetensors *file = saved(f);
    struct hash hash = checkpoint_hash(file);
    safetensors_destroy(&file);
    return hash;
}

#endif
