/* Losses and gradients against float64 values computed by PyTorch (tests/golden/net_golden.py): the norm of the difference is at
 * most 1e-5 of the norm, for every tensor. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "net/adam.h"
#include "net/categorical.h"
#include "net/net.h"
#include "net/value_norm.h"

#define LIMIT 1e-5

static json_t *read_case(const char *name)
{
    char path[256];
    struct err err = {{0}};
    snprintf(path, sizeof(path), "tests/golden/net/%s.json", name); /* tests run from the top of the tree */
    json_t *tree = json_read(path, &err);
    if (!tree)
        fail_msg("%s", err.text);
    return tree;
}

static double number(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static int integer(const json_t *object, const char *key)
{
    return (int)number(object, key);
}

/* The array's numbers as real; the caller frees. */
static real *reals(const json_t *array)
{
    assert_true(json_is_array(array));
    size_t count = json_array_size(array);
    real *x = malloc(sizeof(real) * (count ? count : 1));
    for (size_t i = 0; i < count; i++)
        x[i] = (real)json_number_value(json_array_get(array, i));
    return x;
}

static void compare(const char *what, const real *got, const json_t *expected)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < json_array_size(expected); i++) {
        double e = json_number_value(json_array_get(expected, i)), d = (double)got[i] - e;
        difference += d * d;
        size += e * e;
    }
    if (!(sqrt(difference) <= LIMIT * sqrt(size)) || size == 0)
        fail_msg("%s: norm of the difference %.3g, norm %.3g", what, sqrt(difference), sqrt(size));
}

static void compare_number(const char *what, double got, double expected)
{
    if (!(fabs(got - expected) <= LIMIT * fabs(expected)))
        fail_msg("%s: got %.9g, expected %.9g", what, got, expected);
}

/* ---- a net, its inputs and its loss ---- */

struct net_case {
    json_t *tree, *inputs;
    struct net_arch arch;
    struct net_weights *weights;
    struct tape *tape;
    real *gradient;
    struct node *x, *out;
    void *held[16]; /* freed at the end */
    int n_held;
};

static real *hold(struct net_case *c, const char *key)
{
    ASSERT(c->n_held < 16);
    return c->held[c->n_held++] = reals(json_object_get(c->inputs, key));
}

static struct net_arch read_arch(const json_t *arch)
{
    return (struct net_arch){.in = integer(arch, "in"),
                             .hidden = integer(arch, "hidden"),
                             .depth = integer(arch, "depth"),
                             .out = integer(arch, "out"),
                             .activation = integer(arch, "activation"),
                             .input_norm = integer(arch, "input_norm"),
                             .layer_norm = integer(arch, "layer_norm"),
                             .gru = integer(arch, "gru"),
                             .log_std = json_object_get(arch, "log_std") ? integer(arch, "log_std") : 0};
}

static void set_weights(struct net_case *c)
{
    struct net_parameter table[NET_PARAMETERS_MAX];
    int pieces = net_parameters(&c->arch, table);
    real *w = calloc(net_parameter_count(&c->arch), sizeof(real));
    json_t *parameters = json_object_get(c->tree, "parameters");
    assert_int_equal(json_object_size(parameters), pieces);
    for (int p = 0; p < pieces; p++) {
        json_t *array = json_object_get(parameters, table[p].name);
        assert_int_equal(json_array_size(array), table[p].rows * table[p].cols);
        real *piece = reals(array);
        memcpy(w + table[p].start, piece, sizeof(real) * json_array_size(array));
        free(piece);
    }
    net_weights_set(c->weights, w);
    free(w);
}

static void open_case(struct net_case *c, const char *name)
{
    memset(c, 0, sizeof(*c));
    c->tree = read_case(name);
    c->inputs = json_object_get(c->tree, "inputs");
    c->arch = read_arch(json_object_get(c->tree, "arch"));
    assert_int_equal(net_weights_create(&c->weights, &c->arch), 0);
    assert_int_equal(tape_create(&c->tape, 4 << 20, 64), 0);
    c->gradient = calloc(net_parameter_count(&c->arch), sizeof(real));
    set_weights(c);
    tape_begin(c->tape);
    int rows = integer(c->inputs, "rows"), T = c->arch.gru ? integer(c->inputs, "T") : 1;
    c->x = tape_input(c->tape, rows, c->arch.in, hold(c, "x"), true);
    const real *h0 = c->arch.gru ? hold(c, "h0") : NULL, *keep = c->arch.gru ? hold(c, "keep") : NULL;
    c->out = net_forward(c->tape, c->weights, c->gradient, c->x, T, rows / T, h0, keep, NULL);
}

static void close_case(struct net_case *c)
{
    struct net_parameter table[NET_PARAMETERS_MAX];
    int pieces = net_parameters(&c->arch, table);
    json_t *gradients = json_object_get(c->tree, "gradients");
    compare_number("loss", tape_loss(c->tape), number(c->tree, "loss"));
    tape_backward(c->tape);
    for (int p = 0; p < pieces; p++)
        compare(table[p].name, c->gradient + table[p].start, json_object_get(gradients, table[p].name));
    compare("x", c->x->gradient, json_object_get(gradients, "x"));
    for (int i = 0; i < c->n_held; i++)
        free(c->held[i]);
    free(c->gradient);
    net_weights_destroy(&c->weights);
    tape_destroy(&c->tape);
    json_decref(c->tree);
}

static void check_ppo(const char *name)
{
    struct net_case c;
    open_case(&c, name);
    int rows = c.x->rows, A = c.arch.out;
    real *available = hold(&c, "available"), *action = hold(&c, "action");
    uint8_t *masks = calloc((size_t)(rows * A), 1);
    int32_t *actions = calloc((size_t)rows, sizeof(*actions));
    for (int i = 0; i < rows * A; i++)
        masks[i] = available[i] != 0;
    for (int r = 0; r < rows; r++)
        actions[r] = (int32_t)action[r];
    const struct ppo_rows batch = {masks,
                                   actions,
                                   hold(&c, "old_logp"),
                                   hold(&c, "advantage"),
                                   hold(&c, "weight"),
                                   (real)number(c.inputs, "clip"),
                                   (real)number(c.inputs, "entropy_coef")};
    struct ppo_stats stats = {0};
    tape_ppo_loss(c.tape, c.out, &batch, &stats);
    json_t *extra = json_object_get(c.tree, "extra");
    compare_number("policy loss", stats.policy_loss, number(extra, "policy_loss"));
    compare_number("entropy", stats.entropy, number(extra, "entropy"));
    compare_number("clip fraction", stats.clip_fraction, number(extra, "clip_fraction"));
    compare_number("greatest ratio", stats.ratio_max, number(extra, "ratio_max"));
    close_case(&c);
    free(masks), free(actions);
}

static void test_ppo_loss_and_gradients(void **state)
{
    (void)state;
    check_ppo("ppo_mlp_layer_norm");
    check_ppo("ppo_mlp_tanh");
}

/* Whole numbers and narrow ones; held as reals are. */
static int32_t *hold_indices(struct net_case *c, const char *key)
{
    json_t *array = json_object_get(c->inputs, key);
    assert_true(json_is_array(array) && c->n_held < 16);
    int32_t *x = malloc(sizeof *x * json_array_size(array));
    for (size_t i = 0; i < json_array_size(array); i++)
        x[i] = (int32_t)json_number_value(json_array_get(array, i));
    return c->held[c->n_held++] = x;
}

static float *hold_floats(struct net_case *c, const char *key)
{
    json_t *array = json_object_get(c->inputs, key);
    assert_true(json_is_array(array) && c->n_held < 16);
    float *x = malloc(sizeof *x * json_array_size(array));
    for (size_t i = 0; i < json_array_size(array); i++)
        x[i] = (float)json_number_value(json_array_get(array, i));
    return c->held[c->n_held++] = x;
}

static void test_gaussian_ppo_loss_and_gradients(void **state)
{
    (void)state;
    struct net_case c;
    open_case(&c, "ppo_gaussian");
    const struct gaussian_rows rows = {.action = hold_floats(&c, "action"),
                                       .old_logp = hold(&c, "old_logp"),
                                       .advantage = hold(&c, "advantage"),
                                       .weight = hold(&c, "weight"),
                                       .clip = (real)number(c.inputs, "clip"),
                                       .entropy_coef = (real)number(c.inputs, "entropy_coef"),
                                       .log_std_min = (real)number(c.inputs, "log_std_min"),
                                       .log_std_max = (real)number(c.inputs, "log_std_max")};
    struct ppo_stats stats = {0};
    tape_gaussian_ppo_loss(c.tape, c.out, net_log_std(c.tape, c.weights, c.gradient), &rows, &stats);
    json_t *extra = json_object_get(c.tree, "extra");
    compare_number("policy loss", stats.policy_loss, number(extra, "policy_loss"));
    compare_number("entropy", stats.entropy, number(extra, "entropy"));
    compare_number("clip fraction", stats.clip_fraction, number(extra, "clip_fraction"));
    close_case(&c);
}

/* What the information estimator is fitted by. */
static void test_likelihood_of_choices_and_of_boxes(void **state)
{
    (void)state;
    struct net_case c;
    open_case(&c, "likelihood_choices");
    const int32_t *choices = hold_indices(&c, "choices");
    tape_cross_entropy_loss(c.tape, c.out, hold_indices(&c, "label"), hold(&c, "weight"),
                            (int)json_array_size(json_object_get(c.inputs, "choices")), choices);
    close_case(&c);
    open_case(&c, "likelihood_box");
    tape_gaussian_loss(c.tape, c.out, hold_floats(&c, "y"), hold(&c, "weight"));
    close_case(&c);
}

static void test_divergence_of_a_policy_from_itself_nearby(void **state)
{
    (void)state;
    struct net_case c;
    open_case(&c, "smoothness_kl");
    int rows = integer(c.inputs, "rows"), W = c.arch.out;
    const int32_t *choices = hold_indices(&c, "choices"), *available = hold_indices(&c, "available");
    uint8_t *masks = malloc((size_t)(rows * W));
    for (int i = 0; i < rows * W; i++)
        masks[i] = available[i] != 0;
    struct node *nearby = tape_input(c.tape, rows, c.arch.in, hold(&c, "nearby"), false);
    struct node *there = net_forward(c.tape, c.weights, c.gradient, nearby, 1, rows, NULL, NULL, NULL);
    tape_kl_loss(c.tape, c.out, there, masks, hold(&c, "weight"), 2, choices);
    close_case(&c);
    free(masks);
}

static void check_value(const char *name)
{
    struct net_case c;
    open_case(&c, name);
    const struct value_rows rows = {hold(&c, "old_value"), hold(&c, "target"), hold(&c, "weight"), (real)number(c.inputs, "clip"),
                                    (real)number(c.inputs, "huber_delta")};
    tape_value_loss(c.tape, c.out, &rows);
    close_case(&c);
}

static void test_clipped_huber_value_loss_and_gradients(void **state)
{
    (void)state;
    check_value("value_mlp_layer_norm");
    check_value("value_mlp_elu");
}

static void test_belief_loss_and_gradients_through_time(void **state)
{
    (void)state;
    struct net_case c;
    open_case(&c, "belief_gru");
    tape_bce_loss(c.tape, c.out, hold(&c, "target"), hold(&c, "weight"));
    close_case(&c);
}

static void test_adam_with_clipping(void **state)
{
    (void)state;
    json_t *tree = read_case("adam");
    struct adam adam;
    assert_int_equal(adam_init(&adam, (size_t)integer(tree, "count"), 0.9, 0.999, 1e-5), 0);
    real *w = reals(json_object_get(tree, "start"));
    for (int s = 0; s < integer(tree, "steps"); s++) {
        double norm;
        real *g = reals(json_array_get(json_object_get(tree, "gradients"), (size_t)s));
        assert_int_equal(adam_step(&adam, number(tree, "lr"), number(tree, "max_norm"), g, w, &norm), 0);
        compare_number("norm", norm, json_number_value(json_array_get(json_object_get(tree, "norms"), (size_t)s)));
        free(g);
    }
    compare("weights", w, json_object_get(tree, "result"));
    free(w);
    adam_deinit(&adam);
    json_decref(tree);
}

static void test_value_normaliser(void **state)
{
    (void)state;
    json_t *tree = read_case("value_norm"), *updates = json_object_get(tree, "updates");
    size_t count = (size_t)integer(tree, "count");
    struct value_norm norm;
    value_norm_init(&norm, number(tree, "beta"));
    real *out = malloc(sizeof(real) * count);
    for (size_t u = 0; u < json_array_size(updates); u++) {
        json_t *update = json_array_get(updates, u);
        double mean, std;
        real *x = reals(json_object_get(update, "x"));
        value_norm_update(&norm, count, x);
        value_norm_moments(&norm, &mean, &std);
        compare_number("mean", mean, number(update, "mean"));
        compare_number("std", std, number(update, "std"));
        value_norm_normalise(&norm, count, x, out);
        compare("normalised", out, json_object_get(update, "normalised"));
        value_norm_denormalise(&norm, count, out, out);
        compare("and back", out, json_object_get(update, "x"));
        free(x);
    }
    free(out);
    json_decref(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ppo_loss_and_gradients),
        cmocka_unit_test(test_gaussian_ppo_loss_and_gradients),
        cmocka_unit_test(test_likelihood_of_choices_and_of_boxes),
        cmocka_unit_test(test_divergence_of_a_policy_from_itself_nearby),
        cmocka_unit_test(test_clipped_huber_value_loss_and_gradients),
        cmocka_unit_test(test_belief_loss_and_gradients_through_time),
        cmocka_unit_test(test_adam_with_clipping),
        cmocka_unit_test(test_value_normaliser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
