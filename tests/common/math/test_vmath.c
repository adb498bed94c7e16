/* exp, log, tanh, sigmoid, ELU: within 2.5 units in the last place of libm's double result, right at the extremes, the same bits
 * in every clone and at every place in an array. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"
#include "math/kernels.h"

#define ULPS_MAX 2.5
enum { COUNT = 200000 };

typedef void array_function(size_t count, const float *x, float *out);

static double sigmoid_exact(double x)
{
    return 1 / (1 + exp(-x));
}
static double elu_exact(double x)
{
    return x > 0 ? x : expm1(x);
}

struct function {
    const char *name;
    size_t offset; /* in struct vmath_ops */
    double (*exact)(double x);
    float low, high;
};

static const struct function functions[] = {
    {"exp", offsetof(struct vmath_ops, exp), exp, -104, 88.7f},
    {"log", offsetof(struct vmath_ops, log), log, 1e-45f, 1e38f},
    {"tanh", offsetof(struct vmath_ops, tanh), tanh, -12, 12},
    {"sigmoid", offsetof(struct vmath_ops, sigmoid), sigmoid_exact, -100, 100},
    {"elu", offsetof(struct vmath_ops, elu), elu_exact, -30, 30},
};

static array_function *function_of(const struct vmath_ops *ops, const struct function *f)
{
    array_function *pointer;
    memcpy(&pointer, (const char *)ops + f->offset, sizeof(pointer));
    return pointer;
}

/* Half of the numbers uniform over the range, half spread over magnitudes of both signs where the range has them. */
static float *arguments(const struct function *f)
{
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    float *x = malloc(sizeof(float) * COUNT);
    assert_non_null(x);
    for (int i = 0; i < COUNT; i++) {
        double u = rng_double(&rng);
        float magnitude = (float)exp2(-149 + 277 * rng_double(&rng));
        x[i] = i % 2                 ? (float)((double)f->low + u * ((double)f->high - (double)f->low))
               : f->low < 0 && i % 4 ? -magnitude
                                     : magnitude;
        if (x[i] < f->low || x[i] > f->high)
            x[i] = f->high * (float)u;
    }
    return x;
}

static double ulps(float got, double exact)
{
    if (got == (float)exact)
        return 0;
    int exponent;
    frexp(exact, &exponent);
    double unit = exponent < -125 ? 0x1p-149 : ldexp(1, exponent - 24);
    return fabs((double)got - exact) / unit;
}

static void test_errors_are_a_few_ulps(void **state)
{
    (void)state;
    float *out = malloc(sizeof(float) * COUNT);
    for (size_t f = 0; f < ARRAY_LEN(functions); f++) {
        float *x = arguments(&functions[f]);
        function_of(vmath(), &functions[f])(COUNT, x, out);
        double worst = 0, at = 0;
        for (int i = 0; i < COUNT; i++) {
            double error = ulps(out[i], functions[f].exact((double)x[i]));
            if (!(error <= worst))
                worst = error, at = (double)x[i];
        }
        print_message("%s: worst error %.3f ulp at %.9g\n", functions[f].name, worst, at);
        assert_true(worst <= ULPS_MAX);
        free(x);
    }
    free(out);
}

static void test_clones_agree_bit_for_bit(void **state)
{
    (void)state;
    float *out = malloc(sizeof(float) * COUNT), *base = malloc(sizeof(float) * COUNT);
    for (size_t f = 0; f < ARRAY_LEN(functions); f++) {
        float *x = arguments(&functions[f]);
        function_of(vmath_clones[CLONE_base], &functions[f])(COUNT, x, base);
        for (int c = 0; c < CLONE_COUNT; c++) {
            if (!clone_supported((enum clone)c))
                continue;
            function_of(vmath_clones[c], &functions[f])(COUNT, x, out);
            assert_memory_equal(out, base, sizeof(float) * COUNT);
        }
        free(x);
    }
    free(out), free(base);
}

static void test_place_in_the_array_does_not_matter(void **state)
{
    (void)state;
    float out[40], whole[40];
    for (size_t f = 0; f < ARRAY_LEN(functions); f++) {
        array_function *function = function_of(vmath(), &functions[f]);
        float *x = arguments(&functions[f]);
        function(40, x, whole);
        for (size_t first = 0; first < 40; first++) {
            for (size_t count = 1; first + count <= 40; count++) {
                function(count, x + first, out);
                assert_memory_equal(out, whole + first, sizeof(float) * count);
            }
        }
        free(x);
    }
}

static float one(size_t offset, float x)
{
    const struct function f = {.offset = offset};
    function_of(vmath(), &f)(1, &x, &x);
    return x;
}
#define ONE(function, x) one(offsetof(struct vmath_ops, function), x)

static void test_extremes(void **state)
{
    (void)state;
    assert_true(ONE(exp, INFINITY) == INFINITY && ONE(exp, 89) == INFINITY && ONE(exp, 1e30f) == INFINITY);
    assert_true(ONE(exp, -INFINITY) == 0 && ONE(exp, -1e10f) == 0 && ONE(exp, 0) == 1);
    assert_true(ONE(log, 0) == -INFINITY && ONE(log, INFINITY) == INFINITY && ONE(log, 1) == 0);
    assert_true(isnan(ONE(log, -1)) && isnan(ONE(log, -INFINITY)));
    assert_true(ONE(tanh, INFINITY) == 1 && ONE(tanh, -INFINITY) == -1 && ONE(tanh, 50) == 1);
    assert_true(ONE(tanh, 0.0f) == 0 && signbit(ONE(tanh, -0.0f)));
    assert_true(ONE(sigmoid, INFINITY) == 1 && ONE(sigmoid, -INFINITY) == 0 && ONE(sigmoid, 0) == 0.5f);
    assert_true(ONE(elu, INFINITY) == INFINITY && ONE(elu, -INFINITY) == -1 && ONE(elu, 3) == 3);
    for (size_t f = 0; f < ARRAY_LEN(functions); f++)
        assert_true(isnan(one(functions[f].offset, NAN)));
}

/* LayerNorm, GRU gates, activation slopes and Adam: the same bits in every clone, widths with and without a tail. */
struct layer_case {
    float x[3 * 150], y[3 * 150], gates[4 * 150], d_gx[3 * 150], d_gh[3 * 150], out[3 * 150], moments[6], sums[300];
};

static void run_layers(const struct layer_ops *ops, int cols, enum activation act, struct layer_case *c)
{
    struct rng rng = rng_stream(2, RNG_TEST, (uint64_t)cols, 0, 0);
    memset(c, 0, sizeof(*c));
    for (int i = 0; i < 3 * cols; i++)
        c->x[i] = (float)rng_normal(&rng), c->y[i] = (float)rng_normal(&rng), c->out[i] = (float)rng_normal(&rng);
    ops->norm_forward(3, cols, c->x, c->x + 5, c->y, c->y, c->moments);
    ops->norm_backward(3, cols, c->x, c->x, c->moments, c->y, PRODUCT_ADD, c->out, c->d_gx, c->d_gh, c->sums);
    ops->activation_backward(act, 3, cols, c->x, c->out, c->d_gx);
    ops->gru_forward(1, cols, c->x, c->out, c->y, c->y, c->gates);
    ops->gru_backward(1, cols, c->gates, c->y, c->x, c->d_gx, c->d_gh, c->out);
    const struct adam_rates rates = {0.9f, 0.999f, 0.5f, 1e-3f, 3.0f, 1e-5f};
    for (int i = 0; i < cols; i++)
        c->gates[i] = c->gates[i] * c->gates[i];
    ops->adam((size_t)cols, &rates, c->x, c->y, c->gates, c->out);
}

static void test_layer_clones_agree_bit_for_bit(void **state)
{
    (void)state;
    static struct layer_case base, other;
    static const int widths[] = {1, 7, 16, 19, 64, 100, 128, 145};
    for (size_t w = 0; w < ARRAY_LEN(widths); w++) {
        for (int act = ACTIVATION_NONE; act <= ACTIVATION_SIGMOID; act++) {
            run_layers(layer_clones[CLONE_base], widths[w], (enum activation)act, &base);
            for (int c = 0; c < CLONE_COUNT; c++) {
                if (!clone_supported((enum clone)c))
                    continue;
                run_layers(layer_clones[c], widths[w], (enum activation)act, &other);
                if (memcmp(&base, &other, sizeof(base)))
                    fail_msg("clone %s differs at width %d, activation %d", clone_name((enum clone)c), widths[w], act);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_are_a_few_ulps),
        cmocka_unit_test(test_clones_agree_bit_for_bit),
        cmocka_unit_test(test_place_in_the_array_does_not_matter),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_layer_clones_agree_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
