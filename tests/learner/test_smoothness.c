/* ERNIE's term: losses and gradients against float64 (tests/golden/net_golden.py), where its perturbed inputs lie, and what it does to
 * an update. */
#include <math.h>

#include "learner/regularisers/smoothness.h"
#include "tests/golden_json.h"
#include "tests/learner/local_learner.h"

struct fixture {
    json_t *tree;
    struct model model;
    struct tape *tape;
    struct arena scratch;
    struct block block;
    struct smoothness smoothness;
    struct smoothness_rows rows;
    real *x, *nearby, *weight, *gradient;
    uint8_t *available;
    int32_t names[64];
};

static void read_arch(const json_t *from, struct net_arch *arch)
{
    *arch = (struct net_arch){.in = (int32_t)golden_number(from, "in"),
                              .hidden = (int32_t)golden_number(from, "hidden"),
                              .depth = (int32_t)golden_number(from, "depth"),
                              .out = (int32_t)golden_number(from, "out"),
                              .activation = (int32_t)golden_number(from, "activation"),
                              .input_norm = (int32_t)golden_number(from, "input_norm"),
                              .layer_norm = (int32_t)golden_number(from, "layer_norm"),
                              .log_std = json_object_get(from, "log_std") ? 1 : 0};
}

static void set_parameters(struct fixture *f)
{
    struct net_parameter table[NET_PARAMETERS_MAX];
    const json_t *parameters = json_object_get(f->tree, "parameters");
    int n = net_parameters(&f->model.arch, table);
    assert_int_equal(json_object_size(parameters), n);
    for (int p = 0; p < n; p++)
        for (size_t i = 0; i < golden_count(parameters, table[p].name); i++)
            f->model.w[table[p].start + i] = (real)golden_at(parameters, table[p].name, i);
    model_changed(&f->model);
}

static void set_smoothness(struct fixture *f)
{
    const char *distance = json_string_value(json_object_get(f->tree, "distance"));
    struct action_head *head = &f->smoothness.head;
    f->smoothness = (struct smoothness){
        .config = {.weight = golden_number(f->tree, "coef"), .radius = 0.1, .noise = 1e-3, .step = 0.1, .steps = 1},
        .distance = strcmp(distance, "values") ? SMOOTHNESS_POLICY : SMOOTHNESS_SQUARED,
        .seed = 4};
    *head = (struct action_head){.kind = strcmp(distance, "box") ? ACTION_MULTI_DISCRETE : ACTION_BOX, .A = f->model.arch.out};
    head->C = (int)golden_count(f->tree, "choices");
    for (int c = 0; c < head->C; c++)
        head->choices[c] = (int32_t)golden_at(f->tree, "choices", (size_t)c);
}

static void setup(struct fixture *f, const char *name)
{
    struct net_arch arch;
    struct err err = {""};
    memset(f, 0, sizeof *f);
    f->tree = golden_read(name);
    read_arch(json_object_get(f->tree, "arch"), &arch);
    if (model_init(&f->model, "defender", &arch, 1, 1.0, true, &err))
        fail_msg("%s", err.text);
    set_parameters(f);
    set_smoothness(f);
    int n = (int)golden_number(f->tree, "rows");
    assert_true(n <= 64);
    f->x = golden_reals(f->tree, "x");
    f->nearby = golden_reals(f->tree, "nearby");
    f->weight = golden_reals(f->tree, "weight");
    f->available = golden_flags(f->tree, "available");
    f->gradient = calloc(f->model.count, sizeof(real));
    for (int i = 0; i < 64; i++)
        f->names[i] = 3 * i;
    assert_int_equal(tape_create(&f->tape, 2 * updater_tape_bytes(&arch, n), 256), 0);
    assert_int_equal(arena_init(&f->scratch, "test", smoothness_scratch(&arch, n)), 0); /* just what it asks for */
    f->block =
        (struct block){.tape = f->tape, .scratch = &f->scratch, .weights = f->model.weights, .gradient = f->gradient, .count = n};
    f->rows = (struct smoothness_rows){.n = n,
                                       .T = 1,
                                       .B = n,
                                       .x = f->x,
                                       .O = arch.in,
                                       .available = f->available,
                                       .weight = f->weight,
                                       .names = f->names,
                                       .update = 2};
    tape_begin(f->tape);
}

static void teardown(struct fixture *f)
{
    free(f->x), free(f->nearby), free(f->weight), free(f->available), free(f->gradient);
    tape_destroy(&f->tape);
    arena_deinit(&f->scratch);
    model_deinit(&f->model);
    json_decref(f->tree);
}

static struct node *record_clean(struct fixture *f)
{
    struct node *input = tape_input(f->tape, f->rows.n, f->model.arch.in, f->x, false);
    return net_forward(f->tape, f->block.weights, f->gradient, input, 1, f->rows.n, NULL, NULL, NULL);
}

static void check_against_golden(const char *name)
{
    struct fixture f;
    struct net_parameter table[NET_PARAMETERS_MAX];
    setup(&f, name);
    size_t count = (size_t)f.rows.n * (size_t)f.model.arch.in;
    real *ascent = calloc(count, sizeof *ascent);
    smoothness_gradient(&f.smoothness, &f.block, &f.rows, f.nearby, ascent);
    golden_compare(name, ascent, f.tree, "ascent", 1e-5);
    for (size_t i = 0; i < f.model.count; i++)
        assert_true(f.gradient[i] == 0); /* the search moves no parameter */

    struct node *clean = record_clean(&f);
    double term = smoothness_record(&f.smoothness, &f.block, &f.rows, clean, f.nearby);
    golden_compare_number(name, term, golden_number(f.tree, "term"), 1e-5);
    tape_backward(f.tape);
    const json_t *gradients = json_object_get(f.tree, "gradients");
    int n = net_parameters(&f.model.arch, table), compared = 0;
    for (int p = 0; p < n; p++) {
        /* What moves both outputs alike (the last biases, of a squared difference; a held deviation) has no gradient. */
        double size = 0;
        for (size_t i = 0; json_object_get(gradients, table[p].name) && i < golden_count(gradients, table[p].name); i++)
            size += fabs(golden_at(gradients, table[p].name, i));
        if (size > 1e-9) {
            golden_compare(name, f.gradient + table[p].start, gradients, table[p].name, 1e-5);
            compared++;
            continue;
        }
        for (int i = 0; i < table[p].rows * table[p].cols; i++)
            assert_float_equal(f.gradient[table[p].start + (size_t)i], 0, 1e-6);
    }
    assert_true(compared >= 4);
    free(ascent);
    teardown(&f);
}

static void test_term_and_gradients_agree_with_float64(void **state)
{
    (void)state;
    check_against_golden("net/smoothness_choices");
    check_against_golden("net/smoothness_box");
    check_against_golden("net/smoothness_values");
}

static double distance_to(struct fixture *f, const real *perturbed)
{
    tape_begin(f->tape);
    size_t mark = arena_mark(&f->scratch);
    double term = smoothness_record(&f->smoothness, &f->block, &f->rows, record_clean(f), perturbed);
    arena_release(&f->scratch, mark);
    return term;
}

/* Whether any component of a row has two choices that are available: 4 and 3 of them in this case. */
static bool has_a_choice(const struct fixture *f, int row)
{
    const uint8_t *a = f->available + row * 7;
    return a[0] + a[1] + a[2] + a[3] > 1 || a[4] + a[5] + a[6] > 1;
}

/* In the ball, not beyond the observation, the same again for the same names, and further from the clean policy than a random corner. */
static void test_the_search_ends_in_a_bad_corner_of_the_ball(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, "net/smoothness_choices");
    enum { KNOWLEDGE = 2 };
    int in = f.model.arch.in, corners = 0;
    f.rows.O = in - KNOWLEDGE;
    size_t count = (size_t)f.rows.n * (size_t)in;
    real *found = calloc(count, sizeof *found), *random = calloc(count, sizeof *random);
    size_t mark = arena_mark(&f.scratch);
    const real *perturbed = smoothness_perturb(&f.smoothness, &f.block, &f.rows);
    memcpy(found, perturbed, count * sizeof *found);
    arena_release(&f.scratch, mark);
    assert_memory_equal(smoothness_perturb(&f.smoothness, &f.block, &f.rows), found, count * sizeof *found);
    arena_release(&f.scratch, mark);
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < count; i++) {
        double delta = (double)found[i] - (double)f.x[i];
        if (i % (size_t)in >= (size_t)f.rows.O) {
            assert_true(found[i] == f.x[i]);
            random[i] = f.x[i];
            continue;
        }
        bool is_free =
            has_a_choice(&f, (int)(i / (size_t)in)); /* else nothing changes the policy, and the start is where it ends */
        if (!(fabs(delta) <= 0.1 + 1e-6 && (fabs(delta) > 0.09) == is_free))
            fail_msg("number %zu moved by %.6g", i, delta); /* a step as long as the radius, from next to the centre */
        corners += fabs(delta) > 0.1 - 1e-6;
        random[i] = f.x[i] + (real)(rng_below(&rng, 2) ? 0.1 : -0.1);
    }
    assert_true(corners > 0 && corners < (int)count);
    double bad = distance_to(&f, found), any = distance_to(&f, random);
    if (!(bad > 1.5 * any))
        fail_msg("the term is %.4g where the search ended, %.4g in a random corner", bad, any);
    f.rows.pass = 1; /* another start */
    assert_memory_not_equal(smoothness_perturb(&f.smoothness, &f.block, &f.rows), found, count * sizeof *found);
    free(found), free(random);
    teardown(&f);
}

#define PLAIN "env.name=foraging", "env.scenario=8x8-4p-2f-c", "rollout.lanes=4", "rollout.steps=20", SMALL_NETS

static struct hash trained(const char *const *arguments, double *smoothness)
{
    struct local_run run;
    open_run(&run, arguments, NULL);
    train(&run, 3);
    struct safetensors *file = saved(&run);
    struct hash hash = safetensors_hash(file, "nets/");
    if (smoothness)
        *smoothness = reported(&run, "smoothness");
    safetensors_destroy(&file);
    close_run(&run);
    return hash;
}

static void test_weight_zero_is_the_backbone_bit_for_bit(void **state)
{
    (void)state;
    double term;
    struct hash plain = trained(ARGUMENTS(PLAIN), NULL);
    assert_same_hash(trained(ARGUMENTS(PLAIN, "smoothness.weight=0", "smoothness.radius=3"), NULL), plain);
    struct hash smooth = trained(ARGUMENTS(PLAIN, "smoothness.weight=1", "learner.threads=1"), &term);
    assert_false(hash_equal(smooth, plain));
    assert_true(term > 0);
    assert_same_hash(trained(ARGUMENTS(PLAIN, "smoothness.weight=1", "learner.threads=3"), NULL), smooth);
}

/* A heavy weight makes a policy that changes less than a light one does. */
static void test_the_term_makes_policies_smoother(void **state)
{
    (void)state;
    double light, heavy, light_box, heavy_box;
#define LONGER "learner.epochs=20", "learner.lr=3e-3", "learner.head_gain=1", "smoothness.radius=0.5", "smoothness.step=0.5"
#define BOX "env.name=rendezvous", "env.scenario=mir3-4", "rollout.lanes=4", "rollout.steps=20", SMALL_NETS
    trained(ARGUMENTS(PLAIN, LONGER, "smoothness.weight=1e-6"), &light);
    trained(ARGUMENTS(PLAIN, LONGER, "smoothness.weight=30"), &heavy);
    trained(ARGUMENTS(BOX, LONGER, "smoothness.weight=1e-6"), &light_box);
    trained(ARGUMENTS(BOX, LONGER, "smoothness.weight=30"), &heavy_box);
    if (!(heavy < 0.5 * light && heavy_box < 0.5 * light_box))
        fail_msg("choices: %.4g with weight 30, %.4g without; boxes: %.4g, %.4g", heavy, light, heavy_box, light_box);
}

static void test_an_update_allocates_nothing(void **state)
{
    (void)state;
    struct local_run run;
    count_allocations();
    open_run(&run, ARGUMENTS(PLAIN, "smoothness.weight=1", "smoothness.steps=3", "learner.threads=1"), NULL);
    train(&run, 1);
    roll_out(&run);
    long before = allocations;
    update_unchecked(&run);
    assert_int_equal(allocations, before);
    close_run(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_term_and_gradients_agree_with_float64),
        cmocka_unit_test(test_the_search_ends_in_a_bad_corner_of_the_ball),
        cmocka_unit_test(test_weight_zero_is_the_backbone_bit_for_bit),
        cmocka_unit_test(test_the_term_makes_policies_smoother),
        cmocka_unit_test(test_an_update_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
