/* Whole nets against central finite differences, in the double build: every parameter, and the input; relative error at most
 * 1e-6 in the norm. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "net/net.h"

enum { T = 4, B = 3, ROWS = T * B };
#define LIMIT 1e-6

static const struct net_arch archs[] = {
    {.in = 5, .hidden = 7, .depth = 2, .out = 3, .activation = ACTIVATION_RELU, .input_norm = 1, .layer_norm = 1},
    {.in = 5, .hidden = 18, .depth = 1, .out = 3, .activation = ACTIVATION_TANH, .layer_norm = 1},
    {.in = 4, .hidden = 6, .depth = 3, .out = 1, .activation = ACTIVATION_ELU},
    {.in = 4, .hidden = 6, .depth = 2, .out = 2, .activation = ACTIVATION_SIGMOID, .input_norm = 1},
    {.in = 5, .hidden = 6, .depth = 2, .out = 3, .activation = ACTIVATION_RELU, .input_norm = 1, .layer_norm = 1, .gru = 1},
    {.in = 3, .hidden = 4, .depth = 0, .out = 2, .activation = ACTIVATION_NONE, .gru = 1},
    {.in = 4, .hidden = 5, .depth = 1, .out = 3, .activation = ACTIVATION_RELU, .gru = NET_GRU},
};

static const double keep[ROWS] = {1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1};

struct case_data {
    const struct net_arch *arch;
    struct net_weights *weights;
    struct tape *tape;
    size_t count;
    double *w, *gradient, *x, *h0, *target;
};

static double *numbers(size_t count, uint32_t name, double scale)
{
    struct rng rng = rng_stream(9, RNG_TEST, name, 0, 0);
    double *x = malloc(sizeof(double) * count);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = scale * rng_normal(&rng);
    return x;
}

static double evaluate(struct case_data *c, struct node **x)
{
    static const double weight[ROWS] = {0.2, 0.1, 0.3, 0.4, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2};
    net_weights_set(c->weights, c->w);
    tape_begin(c->tape);
    *x = tape_input(c->tape, ROWS, c->arch->in, c->x, true);
    struct node *y = net_forward(c->tape, c->weights, c->gradient, *x, T, B, c->h0, keep, NULL);
    tape_squared_loss(c->tape, y, c->target, weight);
    return tape_loss(c->tape);
}

static void compare(struct case_data *c, const char *what, double *value, size_t count, const double *analytic)
{
    struct node *x;
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        const double h = 1e-5, at = value[i];
        value[i] = at + h;
        double above = evaluate(c, &x);
        value[i] = at - h;
        double below = evaluate(c, &x);
        value[i] = at;
        double numeric = (above - below) / (2 * h);
        difference += (analytic[i] - numeric) * (analytic[i] - numeric);
        size += numeric * numeric;
    }
    if (!(sqrt(difference) <= LIMIT * sqrt(size)) || size == 0)
        fail_msg("%s: relative error %.3g, size %.3g", what, sqrt(difference / size), sqrt(size));
}

static void check_arch(const struct net_arch *arch)
{
    struct case_data c = {.arch = arch, .count = net_parameter_count(arch)};
    assert_int_equal(net_weights_create(&c.weights, arch), 0);
    assert_int_equal(tape_create(&c.tape, 4 << 20, 64), 0);
    c.w = numbers(c.count, 1, 0.5), c.x = numbers((size_t)ROWS * (size_t)arch->in, 2, 1);
    c.h0 = numbers((size_t)B * (size_t)arch->hidden, 3, 1), c.target = numbers((size_t)ROWS * (size_t)arch->out, 4, 1);
    c.gradient = calloc(c.count, sizeof(double));
    double *d_w = calloc(c.count, sizeof(double)), *d_x = calloc((size_t)ROWS * (size_t)arch->in, sizeof(double));
    struct node *x;
    evaluate(&c, &x);
    tape_backward(c.tape);
    memcpy(d_w, c.gradient, sizeof(double) * c.count);
    memcpy(d_x, x->gradient, sizeof(double) * (size_t)ROWS * (size_t)arch->in);

    struct net_parameter table[NET_PARAMETERS_MAX];
    int pieces = net_parameters(arch, table);
    for (int p = 0; p < pieces; p++)
        compare(&c, table[p].name, c.w + table[p].start, (size_t)table[p].rows * (size_t)table[p].cols, d_w + table[p].start);
    compare(&c, "input", c.x, (size_t)ROWS * (size_t)arch->in, d_x);
    free(c.w), free(c.x), free(c.h0), free(c.target), free(c.gradient), free(d_w), free(d_x);
    net_weights_destroy(&c.weights);
    tape_destroy(&c.tape);
}

static void test_nets_agree_with_finite_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(archs); i++)
        check_arch(&archs[i]);
}

enum { LOW_ROWS_TESTED = 150 }; /* more than a block */

static double low_sum(const struct net_low *in, const double *d_low, double *low, double *d_x, struct arena *scratch)
{
    double sum = 0;
    net_act_low(in, low, d_x ? d_low : NULL, d_x, scratch);
    for (int i = 0; i < in->rows * net_weights_arch(in->weights)->out; i++)
        sum += d_low[i] * low[i];
    return sum;
}

static void check_low(const struct net_arch *arch)
{
    const size_t count = (size_t)LOW_ROWS_TESTED * (size_t)arch->in, out = (size_t)LOW_ROWS_TESTED * (size_t)arch->out;
    double *w = numbers(net_parameter_count(arch), 1, 0.5), *x = numbers(count, 2, 1), *radius = numbers(count, 3, 0.1);
    double *d_low = numbers(out, 4, 1), *low = numbers(out, 5, 1), *d_x = numbers(count, 6, 1);
    struct net_weights *weights, *absolute;
    struct arena scratch;
    double difference = 0, size = 0;
    assert_int_equal(net_weights_create(&weights, arch), 0);
    assert_int_equal(net_weights_create(&absolute, arch), 0);
    assert_int_equal(arena_init(&scratch, "test", net_act_low_scratch(arch, LOW_ROWS_TESTED)), 0);
    net_weights_set(weights, w);
    net_weights_set_absolute(absolute, weights);
    for (size_t i = 0; i < count; i++)
        radius[i] = i % 3 ? fabs(radius[i]) : 0;
    struct net_low in = {weights, absolute, LOW_ROWS_TESTED, x, radius};
    low_sum(&in, d_low, low, d_x, &scratch);
    for (size_t i = 0; i < count; i++) {
        const double h = 1e-6, at = x[i];
        x[i] = at + h;
        double above = low_sum(&in, d_low, low, NULL, &scratch);
        x[i] = at - h;
        double below = low_sum(&in, d_low, low, NULL, &scratch), numeric = (above - below) / (2 * h);
        x[i] = at;
        difference += (d_x[i] - numeric) * (d_x[i] - numeric);
        size += numeric * numeric;
    }
    if (!(sqrt(difference) <= LIMIT * sqrt(size)) || size == 0)
        fail_msg("low bound: relative error %.3g, size %.3g", sqrt(difference / size), sqrt(size));
    net_weights_destroy(&weights);
    net_weights_destroy(&absolute);
    arena_deinit(&scratch);
    double *all[] = {w, x, radius, d_low, low, d_x};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_low_bounds_agree_with_finite_differences(void **state)
{
    (void)state;
    static const struct net_arch plain[] = {
        {.in = 6, .hidden = 7, .depth = 2, .out = 1, .activation = ACTIVATION_RELU},
        {.in = 4, .hidden = 5, .depth = 3, .out = 2, .activation = ACTIVATION_TANH},
        {.in = 3, .hidden = 4, .depth = 0, .out = 2, .activation = ACTIVATION_NONE},
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        check_low(&plain[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nets_agree_with_finite_differences),
                                       cmocka_unit_test(test_low_bounds_agree_with_finite_differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
