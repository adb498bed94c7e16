/* Nets: acting equals the tape bit for bit, rows do not depend on their batch, initial weights are orthogonal, nothing is
 * allocated in a steady state, NaN stays visible. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "net/adam.h"
#include "net/net.h"
#include "tests/allocations.h"

enum { ROWS = 130 };

static const struct net_arch archs[] = {
    {.in = 25, .hidden = 128, .depth = 3, .out = 6, .activation = ACTIVATION_RELU, .input_norm = 1, .layer_norm = 1},
    {.in = 64, .hidden = 128, .depth = 3, .out = 6, .activation = ACTIVATION_RELU},
    {.in = 7, .hidden = 20, .depth = 2, .out = 2, .activation = ACTIVATION_TANH, .layer_norm = 1},
    {.in = 33, .hidden = 70, .depth = 1, .out = 9, .activation = ACTIVATION_ELU, .input_norm = 1},
    {.in = 5, .hidden = 130, .depth = 2, .out = 1, .activation = ACTIVATION_SIGMOID},
    {.in = 12, .hidden = 8, .depth = 0, .out = 3, .activation = ACTIVATION_NONE},
    {.in = 21, .hidden = 128, .depth = 3, .out = 4, .activation = ACTIVATION_RELU, .input_norm = 1, .layer_norm = 1, .gru = 1},
    {.in = 9, .hidden = 24, .depth = 0, .out = 5, .activation = ACTIVATION_TANH, .gru = 1},
    {.in = 17, .hidden = 64, .depth = 1, .out = 9, .activation = ACTIVATION_RELU, .gru = NET_GRU},
};

struct fixture {
    struct net_arch arch;
    struct net_weights *weights;
    struct tape *tape;
    struct arena scratch;
    real *x, *h, *out, *d_out;
};

static real *numbers(size_t count, uint32_t name)
{
    struct rng rng = rng_stream(3, RNG_TEST, name, 0, 0);
    real *x = malloc(sizeof(real) * count);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (real)rng_normal(&rng);
    return x;
}

static void setup(struct fixture *f, const struct net_arch *arch)
{
    memset(f, 0, sizeof(*f));
    f->arch = *arch;
    size_t count = net_parameter_count(arch);
    real *w = numbers(count, 1), *start = malloc(sizeof(real) * count);
    net_init(arch, 11, 2, 1, start);
    for (size_t i = 0; i < count; i++)
        w[i] = start[i] + (real)0.1 * w[i]; /* so that biases and gains count */
    assert_int_equal(net_weights_create(&f->weights, arch), 0);
    net_weights_set(f->weights, w);
    assert_int_equal(tape_create(&f->tape, 64 << 20, 64), 0);
    size_t bytes = net_act_scratch(arch, ROWS) + net_act_input_gradient_scratch(arch, ROWS);
    assert_int_equal(arena_init(&f->scratch, "act", bytes), 0);
    f->x = numbers((size_t)ROWS * (size_t)arch->in, 2);
    f->h = numbers((size_t)ROWS * (size_t)arch->hidden, 3);
    f->out = numbers((size_t)ROWS * (size_t)arch->out, 4);
    f->d_out = numbers((size_t)ROWS * (size_t)arch->out, 5);
    free(w), free(start);
}

static void teardown(struct fixture *f)
{
    net_weights_destroy(&f->weights);
    tape_destroy(&f->tape);
    arena_deinit(&f->scratch);
    free(f->x), free(f->h), free(f->out), free(f->d_out);
}

static void check_act_equals_tape(struct fixture *f)
{
    const struct net_arch *a = &f->arch;
    struct node *h_out = NULL;
    tape_begin(f->tape);
    struct node *x = tape_input(f->tape, ROWS, a->in, f->x, true);
    struct node *y = net_forward(f->tape, f->weights, NULL, x, 1, ROWS, a->gru ? f->h : NULL, NULL, &h_out);
    real *h = numbers((size_t)ROWS * (size_t)a->hidden, 3);
    net_act(f->weights, ROWS, f->x, a->gru ? h : NULL, f->out, &f->scratch);
    assert_memory_equal(y->value, f->out, sizeof(real) * (size_t)ROWS * (size_t)a->out);
    if (a->gru) {
        assert_memory_equal(h_out->value, h, sizeof(real) * (size_t)ROWS * (size_t)a->hidden);
    } else {
        real *d_x = numbers((size_t)ROWS * (size_t)a->in, 6);
        tape_seed_gradient(f->tape, y, f->d_out);
        tape_backward(f->tape);
        net_act_input_gradient(f->weights, ROWS, f->x, f->d_out, d_x, &f->scratch);
        for (int i = 0; i < ROWS * a->in; i++)
            assert_true(d_x[i] == x->gradient[i]);
        free(d_x);
    }
    free(h);
}

static void test_acting_equals_the_tape_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
        struct fixture f;
        setup(&f, &archs[i]);
        check_act_equals_tape(&f);
        teardown(&f);
    }
}

/* Rows [first, first+count) alone give the bits they have in the batch of all. */
static void check_rows_alone(struct fixture *f, const real *whole, const real *h_whole, const real *d_whole, int first, int count)
{
    const struct net_arch *a = &f->arch;
    static real out[ROWS * 64], h[ROWS * 130], d_x[ROWS * 64];
    size_t row = sizeof(real) * (size_t)count;
    memcpy(h, f->h + first * a->hidden, row * (size_t)a->hidden);
    net_act(f->weights, count, f->x + first * a->in, a->gru ? h : NULL, out, &f->scratch);
    assert_memory_equal(out, whole + first * a->out, row * (size_t)a->out);
    if (a->gru) {
        assert_memory_equal(h, h_whole + first * a->hidden, row * (size_t)a->hidden);
    } else {
        net_act_input_gradient(f->weights, count, f->x + first * a->in, f->d_out + first * a->out, d_x, &f->scratch);
        assert_memory_equal(d_x, d_whole + first * a->in, row * (size_t)a->in);
    }
}

static void test_row_has_equal_bits_alone_and_in_any_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
        struct fixture f;
        setup(&f, &archs[i]);
        const struct net_arch *a = &f.arch;
        real *h = numbers((size_t)ROWS * (size_t)a->hidden, 3), *d_x = numbers((size_t)ROWS * (size_t)a->in, 6);
        net_act(f.weights, ROWS, f.x, a->gru ? h : NULL, f.out, &f.scratch);
        if (!a->gru)
            net_act_input_gradient(f.weights, ROWS, f.x, f.d_out, d_x, &f.scratch);
        for (int row = 0; row < ROWS; row++)
            check_rows_alone(&f, f.out, h, d_x, row, 1);
        for (int count = 1; count <= ROWS; count++)
            check_rows_alone(&f, f.out, h, d_x, (ROWS - count) / 2, count);
        free(h), free(d_x);
        teardown(&f);
    }
}

/* Low bounds of the fixture's outputs; every third number of the input stays where it is. */
static real *low_bounds(struct fixture *f, real size, real *radius)
{
    struct net_weights *absolute;
    real *low = numbers((size_t)ROWS * (size_t)f->arch.out, 9);
    struct arena scratch;
    assert_int_equal(net_weights_create(&absolute, &f->arch), 0);
    assert_int_equal(arena_init(&scratch, "low", net_act_low_scratch(&f->arch, ROWS)), 0);
    net_weights_set_absolute(absolute, f->weights);
    for (int i = 0; i < ROWS * f->arch.in; i++)
        radius[i] = i % 3 ? size : 0;
    struct net_low in = {f->weights, absolute, ROWS, f->x, radius};
    net_act_low(&in, low, NULL, NULL, &scratch);
    net_weights_destroy(&absolute);
    arena_deinit(&scratch);
    return low;
}

static void check_bound(struct fixture *f)
{
    const struct net_arch *a = &f->arch;
    size_t count = (size_t)ROWS * (size_t)a->in;
    real *radius = numbers(count, 7), *x = numbers(count, 8), *same = low_bounds(f, 0, radius);
    real *low = low_bounds(f, (real)0.1, radius);
    net_act(f->weights, ROWS, f->x, NULL, f->out, &f->scratch);
    for (int i = 0; i < ROWS * a->out; i++) {
        assert_true(fabs((double)same[i] - (double)f->out[i]) <= 1e-4);
        assert_true(low[i] < f->out[i] - (real)1e-3); /* the box is not nothing */
    }
    for (uint32_t draw = 0; draw < 50; draw++) {
        real *u = numbers(count, 100 + draw);
        for (size_t i = 0; i < count; i++)
            x[i] = f->x[i] + (u[i] > 0 ? radius[i] : -radius[i]); /* a corner */
        net_act(f->weights, ROWS, x, NULL, f->out, &f->scratch);
        for (int i = 0; i < ROWS * a->out; i++)
            if (f->out[i] < low[i] - (real)1e-4)
                fail_msg("an output of %g lies below its bound %g", (double)f->out[i], (double)low[i]);
        free(u);
    }
    free(radius), free(x), free(same), free(low);
}

static void test_low_bounds_hold_all_over_the_box(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
        struct fixture f;
        if (archs[i].gru || archs[i].input_norm || archs[i].layer_norm)
            continue;
        setup(&f, &archs[i]);
        check_bound(&f);
        teardown(&f);
    }
}

/* Of one layer the bound is what its worst corner gives. */
static void test_low_bound_of_one_layer_is_reached(void **state)
{
    (void)state;
    static const struct net_arch arch = {.in = 12, .hidden = 8, .depth = 0, .out = 1, .activation = ACTIVATION_NONE};
    struct fixture f;
    setup(&f, &arch);
    real *radius = numbers((size_t)ROWS * (size_t)arch.in, 7), *low = low_bounds(&f, (real)0.1, radius);
    const real *w = net_weights_flat(f.weights);
    for (int i = 0; i < ROWS * arch.in; i++)
        f.x[i] -= w[i % arch.in] > 0 ? radius[i] : -radius[i];
    net_act(f.weights, ROWS, f.x, NULL, f.out, &f.scratch);
    for (int r = 0; r < ROWS; r++)
        assert_true(fabs((double)low[r] - (double)f.out[r]) <= 1e-5);
    free(radius), free(low);
    teardown(&f);
}

static double dot_rows(const real *w, int rows, int cols, int a, int b, bool by_rows)
{
    double sum = 0;
    for (int i = 0; i < (by_rows ? cols : rows); i++)
        sum += by_rows ? (double)w[a * cols + i] * (double)w[b * cols + i] : (double)w[i * cols + a] * (double)w[i * cols + b];
    return sum;
}

static void test_initial_weights_are_orthogonal(void **state)
{
    (void)state;
    const struct net_arch *arch = &archs[6];
    struct net_parameter table[NET_PARAMETERS_MAX];
    int count = net_parameters(arch, table);
    real *w = calloc(net_parameter_count(arch), sizeof(real));
    net_init(arch, 5, 0, (real)0.01, w);
    for (int p = 0; p < count; p++) {
        const struct net_parameter *t = &table[p];
        if (!strstr(t->name, ".weight"))
            continue;
        double gain = !strncmp(t->name, "head", 4) ? 0.01 : !strncmp(t->name, "trunk", 5) ? sqrt(2) : 1;
        bool by_rows = t->rows < t->cols;
        int few = by_rows ? t->rows : t->cols;
        for (int a = 0; a < few; a++)
            for (int b = 0; b < few; b++)
                assert_true(fabs(dot_rows(w + t->start, t->rows, t->cols, a, b, by_rows) / (gain * gain) - (a == b)) < 1e-5);
    }
    free(w);
}

static void test_initial_weights_depend_on_seed_and_name_only(void **state)
{
    (void)state;
    const struct net_arch *arch = &archs[2];
    size_t count = net_parameter_count(arch);
    real *a = calloc(count, sizeof(real)), *b = calloc(count, sizeof(real));
    net_init(arch, 5, 0, 1, a);
    net_init(arch, 5, 0, 1, b);
    assert_memory_equal(a, b, count * sizeof(real));
    net_init(arch, 5, 1, 1, b);
    assert_memory_not_equal(a, b, count * sizeof(real));
    free(a), free(b);
}

static void test_arch_from_the_network_is_checked(void **state)
{
    (void)state;
    struct err err;
    struct net_arch arch = archs[0];
    assert_int_equal(net_arch_check(&arch, &err), 0);
    arch.hidden = 5000;
    assert_int_equal(net_arch_check(&arch, &err), ERR_RANGE);
    assert_non_null(strstr(err.text, "hidden is 5000"));
    arch = archs[0];
    arch.depth = -1;
    assert_int_equal(net_arch_check(&arch, NULL), ERR_RANGE);
}

static void test_nan_reaches_the_output_and_stops_adam(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, &archs[0]);
    size_t count = net_parameter_count(&f.arch);
    f.x[3] = NAN;
    net_act(f.weights, 2, f.x, NULL, f.out, &f.scratch);
    assert_true(isnan(f.out[0]));
    assert_false(isnan(f.out[f.arch.out]));

    real *gradient = calloc(count, sizeof(real)), *w = numbers(count, 7), *before = numbers(count, 7);
    struct adam adam;
    assert_int_equal(adam_init(&adam, count, 0.9, 0.999, 1e-5), 0);
    tape_begin(f.tape);
    struct node *y = net_forward(f.tape, f.weights, gradient, tape_input(f.tape, 2, f.arch.in, f.x, false), 1, 2, NULL, NULL, NULL);
    tape_seed_gradient(f.tape, y, f.d_out);
    tape_backward(f.tape);
    assert_int_equal(adam_step(&adam, 1e-3, 10, gradient, w, NULL), ERR_NOT_FINITE);
    assert_memory_equal(w, before, count * sizeof(real));
    assert_int_equal(adam.step, 0);
    for (size_t i = 0; i < count; i++)
        assert_true(adam.m[i] == 0 && adam.v[i] == 0);
    adam_deinit(&adam);
    free(gradient), free(w), free(before);
    teardown(&f);
}

static void learn_once(struct fixture *f, struct adam *adam, real *gradient, real *w)
{
    const struct net_arch *a = &f->arch;
    tape_begin(f->tape);
    struct node *x = tape_input(f->tape, ROWS, a->in, f->x, false);
    struct node *y = net_forward(f->tape, f->weights, gradient, x, 1, ROWS, a->gru ? f->h : NULL, NULL, NULL);
    tape_seed_gradient(f->tape, y, f->d_out);
    tape_backward(f->tape);
    assert_int_equal(adam_step(adam, 1e-3, 10, gradient, w, NULL), 0);
    net_weights_set(f->weights, w);
    net_act(f->weights, ROWS, f->x, a->gru ? f->h : NULL, f->out, &f->scratch);
}

static void test_steady_state_allocates_nothing(void **state)
{
    (void)state;
    count_allocations();
    long none = allocations;
    free(numbers(1, 1));
    assert_true(allocations > none); /* else nothing is counted and the rest could not fail */
    for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
        struct fixture f;
        setup(&f, &archs[i]);
        size_t count = net_parameter_count(&f.arch);
        real *gradient = calloc(count, sizeof(real)), *w = numbers(count, 7);
        struct adam adam;
        assert_int_equal(adam_init(&adam, count, 0.9, 0.999, 1e-5), 0);
        learn_once(&f, &adam, gradient, w);
        long before = allocations;
        size_t high = tape_high_water(f.tape);
        for (int step = 0; step < 3; step++)
            learn_once(&f, &adam, gradient, w);
        assert_int_equal(allocations, before);
        assert_int_equal(tape_high_water(f.tape), high);
        adam_deinit(&adam);
        free(gradient), free(w);
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acting_equals_the_tape_bit_for_bit),
        cmocka_unit_test(test_row_has_equal_bits_alone_and_in_any_batch),
        cmocka_unit_test(test_low_bounds_hold_all_over_the_box),
        cmocka_unit_test(test_low_bound_of_one_layer_is_reached),
        cmocka_unit_test(test_initial_weights_are_orthogonal),
        cmocka_unit_test(test_initial_weights_depend_on_seed_and_name_only),
        cmocka_unit_test(test_arch_from_the_network_is_checked),
        cmocka_unit_test(test_nan_reaches_the_output_and_stops_adam),
        cmocka_unit_test(test_steady_state_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
