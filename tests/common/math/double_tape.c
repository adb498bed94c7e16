/* Every operation of the tape against central finite differences, in the double build: relative error at most 1e-6 in the norm
 * of each leaf's gradient. */
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
#include "math/tape.h"

#define LEAVES_MAX 8
#define LIMIT 1e-6

/* A case: leaves with random values, and a function that builds a scalar loss on the tape from them. */
struct leaf {
    int rows, cols;
    int is_parameter;
};

struct check {
    const char *name;
    struct leaf leaves[LEAVES_MAX];
    int n_leaves;
    void (*build)(struct tape *tape, struct node **leaf);
};

struct leaf_data {
    double *value, *transposed, *gradient;
};

static struct node *place(struct tape *tape, const struct leaf *leaf, struct leaf_data *d)
{
    if (!leaf->is_parameter)
        return tape_input(tape, leaf->rows, leaf->cols, d->value, true);
    product_transpose(leaf->rows, leaf->cols, d->value, d->transposed);
    return tape_parameter(tape, leaf->rows, leaf->cols, d->value, d->transposed, d->gradient);
}

static double evaluate(struct tape *tape, const struct check *c, struct leaf_data *data, struct node **nodes)
{
    tape_begin(tape);
    for (int i = 0; i < c->n_leaves; i++)
        nodes[i] = place(tape, &c->leaves[i], &data[i]);
    c->build(tape, nodes);
    return tape_loss(tape);
}

static void compare(const struct check *c, int leaf, size_t count, const double *analytic, const double *numeric)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        difference += (analytic[i] - numeric[i]) * (analytic[i] - numeric[i]);
        size += numeric[i] * numeric[i];
    }
    double error = sqrt(difference) / fmax(sqrt(size), 1e-12);
    if (!(error <= LIMIT) || size == 0)
        fail_msg("%s, leaf %d: relative error %.3g, size %.3g", c->name, leaf, error, sqrt(size));
}

static void check_leaf(struct tape *tape, const struct check *c, struct leaf_data *data, int leaf)
{
    struct node *nodes[LEAVES_MAX];
    size_t count = (size_t)c->leaves[leaf].rows * (size_t)c->leaves[leaf].cols;
    double *analytic = malloc(sizeof(double) * count), *numeric = malloc(sizeof(double) * count);
    memset(data[leaf].gradient, 0, sizeof(double) * count);
    evaluate(tape, c, data, nodes);
    tape_backward(tape);
    memcpy(analytic, nodes[leaf]->gradient, sizeof(double) * count);
    for (size_t i = 0; i < count; i++) {
        const double h = 1e-5, at = data[leaf].value[i];
        data[leaf].value[i] = at + h;
        double above = evaluate(tape, c, data, nodes);
        data[leaf].value[i] = at - h;
        double below = evaluate(tape, c, data, nodes);
        data[leaf].value[i] = at;
        numeric[i] = (above - below) / (2 * h);
    }
    compare(c, leaf, count, analytic, numeric);
    free(analytic), free(numeric);
}

static void run_check(const struct check *c)
{
    struct tape *tape;
    assert_int_equal(tape_create(&tape, 4 << 20, 64), 0);
    struct leaf_data data[LEAVES_MAX] = {{0}};
    struct rng rng = rng_stream(5, RNG_TEST, 0, 0, 0);
    for (int l = 0; l < c->n_leaves; l++) {
        size_t count = (size_t)c->leaves[l].rows * (size_t)c->leaves[l].cols;
        data[l] = (struct leaf_data){calloc(count, 8), calloc(count, 8), calloc(count, 8)};
        for (size_t i = 0; i < count; i++)
            data[l].value[i] = 0.7 * rng_normal(&rng);
    }
    for (int l = 0; l < c->n_leaves; l++)
        check_leaf(tape, c, data, l);
    for (int l = 0; l < c->n_leaves; l++)
        free(data[l].value), free(data[l].transposed), free(data[l].gradient);
    tape_destroy(&tape);
}

/* Targets and weights of the losses; fixed numbers without a pattern. */
static const double targets[64] = {0.3,  -1.1, 0.8,  0.05, -0.4, 1.7,  -0.9, 0.6,  0.2,  -0.1, 1.2,   -2.0, 0.4,  0.9,   -0.7, 0.33,
                                   -0.3, 1.0,  -0.8, 0.5,  0.45, -1.3, 0.9,  -0.6, -0.2, 0.7,  -1.2,  2.0,  0.1,  -0.9,  0.77, 0.13,
                                   0.6,  -0.5, 0.4,  0.3,  -0.2, 0.1,  1.1,  -1.4, 0.25, 0.35, -0.15, 0.65, 0.85, -0.95, 0.05, 0.5};
static const double weights[16] = {0.2, 0.1, 0, 0.3, 0.15, 0.25, 0.4, 0.05, 0.12, 0.08, 0.5, 0.31, 0.17, 0.2, 0.1, 0.3};

static void end(struct tape *tape, struct node *x)
{
    tape_squared_loss(tape, x, targets, weights);
}

#define LINEAR(suffix, act)                                            \
    static void build_linear_##suffix(struct tape *t, struct node **l) \
    {                                                                  \
        end(t, tape_linear(t, l[0], l[1], l[2], act));                 \
    }
LINEAR(none, ACTIVATION_NONE)
LINEAR(relu, ACTIVATION_RELU)
LINEAR(tanh, ACTIVATION_TANH)
LINEAR(elu, ACTIVATION_ELU)
LINEAR(sigmoid, ACTIVATION_SIGMOID)

static void build_linear_no_bias(struct tape *t, struct node **l)
{
    end(t, tape_linear(t, l[0], l[1], NULL, ACTIVATION_TANH));
}

static void build_norm(struct tape *t, struct node **l)
{
    end(t, tape_layer_norm(t, l[0], l[1], l[2]));
}

/* An input used twice: the second use adds to a gradient that is already there. */
static void build_shared(struct tape *t, struct node **l)
{
    struct node *a = tape_layer_norm(t, l[0], l[1], l[2]);
    struct node *b = tape_linear(t, a, l[3], l[4], ACTIVATION_TANH);
    end(t, tape_add(t, tape_multiply(t, a, b), tape_scale(t, tape_layer_norm(t, a, l[1], l[2]), 0.3)));
}

static void build_elementwise(struct tape *t, struct node **l)
{
    struct node *s = tape_add(t, tape_activation(t, l[0], ACTIVATION_TANH), tape_scale(t, l[1], -1.5));
    struct node *p = tape_multiply(t, tape_activation(t, l[1], ACTIVATION_SIGMOID), s);
    end(t, tape_concat(t, tape_multiply(t, p, p), tape_activation(t, l[0], ACTIVATION_ELU)));
}

static const double keep[10] = {1, 0, 1, 1, 0, 1, 1, 1, 0, 1};

static void build_gru(struct tape *t, struct node **l)
{
    end(t, tape_gru(t, l[0], l[1], keep, 5, 2, l[2], l[3], l[4], l[5]));
}

static void build_gru_uncut(struct tape *t, struct node **l)
{
    end(t, tape_gru(t, l[0], NULL, NULL, 5, 2, l[1], l[2], l[3], l[4]));
}

static void build_ppo(struct tape *t, struct node **l)
{
    static const uint8_t available[24] = {1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0};
    static const int32_t action[6] = {0, 2, 3, 0, 1, 2};
    static const double old_logp[6] = {-1.2, -1.0, -0.3, -1.4, -2.5, -0.4};
    static const double advantage[6] = {1.0, -0.7, 0.5, 0.3, -1.2, 2.0};
    const struct ppo_rows rows = {available, action, old_logp, advantage, weights, 0.3, 0.05};
    struct ppo_stats stats = {0};
    tape_ppo_loss(t, l[0], &rows, &stats);
}

/* Two categoricals a row, of 3 and 2 choices. */
static void build_ppo_components(struct tape *t, struct node **l)
{
    static const uint8_t available[30] = {1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1};
    static const int32_t action[12] = {0, 1, 2, 0, 1, 1, 0, 0, 2, 1, 2, 1}, choices[2] = {3, 2};
    static const double old_logp[6] = {-1.9, -1.5, -0.9, -2.0, -2.8, -1.1};
    static const double advantage[6] = {1.0, -0.7, 0.5, 0.3, -1.2, 2.0};
    const struct ppo_rows rows = {available, action, old_logp, advantage, weights, 0.3, 0.05, 2, choices};
    struct ppo_stats stats = {0};
    tape_ppo_loss(t, l[0], &rows, &stats);
}

static void build_gaussian_ppo(struct tape *t, struct node **l)
{
    static const float action[12] = {0.3f, -0.8f, 1.1f, 0.2f, -0.4f, 0.6f, 0.9f, -1.3f, 0.1f, 0.5f, -0.7f, 0.4f};
    static const double old_logp[6] = {-2.3, -2.9, -1.8, -3.5, -2.1, -2.6};
    static const double advantage[6] = {1.0, -0.7, 0.5, 0.3, -1.2, 2.0};
    const struct gaussian_rows rows = {action, old_logp, advantage, weights, 0.3, 0.05, -10, 4};
    struct ppo_stats stats = {0};
    tape_gaussian_ppo_loss(t, l[0], l[1], &rows, &stats);
}

static void build_value(struct tape *t, struct node **l)
{
    static const double old_value[12] = {0.1, -0.3, 0.4, 1.2, -0.7, 0.2, 0.3, 0.9, -1.1, 0.6, -0.2, 0.1};
    tape_value_loss(t, l[0], &(struct value_rows){old_value, targets, weights, 0.2, 0.5});
}

static void build_value_unclipped(struct tape *t, struct node **l)
{
    tape_value_loss(t, l[0], &(struct value_rows){NULL, targets, weights, 0, 0});
}

static void build_bce(struct tape *t, struct node **l)
{
    static const double target[18] = {0, 1, 0, 1, 1, 0, 0, 0, 1, 0.3, 0, 1, 1, 1, 0, 0.5, 0, 1};
    tape_bce_loss(t, l[0], target, weights);
}

static void build_cross_entropy(struct tape *t, struct node **l)
{
    static const int32_t label[12] = {0, 2, 1, 1, 2, 0, 0, 0, 1, 2, 1, 0};
    static const int32_t even[2] = {3, 3};
    tape_cross_entropy_loss(t, l[0], label, weights, 2, even);
}

static void build_cross_entropy_of_components(struct tape *t, struct node **l)
{
    static const int32_t label[12] = {3, 1, 1, 0, 2, 0, 0, 1, 1, 0, 3, 1}, choices[2] = {4, 2};
    tape_cross_entropy_loss(t, l[0], label, weights, 2, choices);
}

static void build_gaussian(struct tape *t, struct node **l)
{
    static const float y[15] = {0.3f, -0.8f, 1.1f, 0.2f, -0.4f, 0.6f, 0.9f, -1.3f, 0.1f, 0.5f, -0.7f, 0.4f, 1.3f, -0.2f, 0.8f};
    tape_gaussian_loss(t, l[0], y, weights);
}

static void build_kl(struct tape *t, struct node **l)
{
    static const uint8_t available[30] = {1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1};
    static const int32_t choices[2] = {3, 2};
    tape_kl_loss(t, l[0], l[1], available, weights, 2, choices);
    tape_kl_loss(t, tape_activation(t, l[1], ACTIVATION_TANH), l[0], NULL, weights, 2, choices);
}

/* Choices of the first four rows only: the fifth and sixth get no gradient but through the second use. */
static void build_choose(struct tape *t, struct node **l)
{
    static const int32_t choice[4] = {2, 0, 1, 1};
    struct node *chosen = tape_choose(t, l[0], choice, 2, 2);
    tape_squared_loss(t, tape_sum_columns(t, chosen), targets, weights);
    end(t, l[0]);
}

static void build_mix(struct tape *t, struct node **l)
{
    end(t, tape_mix(t, l[0], l[1], l[2], l[3], l[4]));
}

static void build_transform(struct tape *t, struct node **l)
{
    struct node *shifted = tape_transform(t, l[0], l[1], l[2]);
    end(t, tape_add(t, shifted, tape_transform(t, shifted, l[1], NULL)));
}

/* The first use has constant keys: only two of its three inputs want a gradient. */
static void build_credit(struct tape *t, struct node **l)
{
    static const double keys[4 * 2] = {0.4, -0.9, 0.7, 0.2, -1.1, 0.5, -0.3, 0.8};
    struct node *of_constants = tape_credit(t, tape_input(t, 4, 2, keys, false), l[1], l[2]);
    end(t, tape_add(t, of_constants, tape_credit(t, l[0], l[1], l[2])));
}

static void build_insert(struct tape *t, struct node **l)
{
    static const double base[4 * 5] = {0.3, -0.2, 0.5, 0.1, 0.9,  -0.4, 0.2, 0.7,  -0.1, 0.6,
                                       0.8, -0.3, 0.4, 0.2, -0.7, 0.5,  0.1, -0.6, 0.3,  0.2};
    static const int32_t from[4] = {0, 2, 0, 1}, at[4] = {1, 0, 3, 2};
    end(t, tape_insert(t, 4, 5, base, l[0], from, at));
}

static const struct check checks[] = {
    {"linear", {{7, 5}, {5, 6, 1}, {1, 6, 1}}, 3, build_linear_none},
    {"linear relu", {{7, 5}, {5, 6, 1}, {1, 6, 1}}, 3, build_linear_relu},
    {"linear tanh", {{7, 5}, {5, 6, 1}, {1, 6, 1}}, 3, build_linear_tanh},
    {"linear elu", {{7, 5}, {5, 6, 1}, {1, 6, 1}}, 3, build_linear_elu},
    {"linear sigmoid", {{7, 5}, {5, 6, 1}, {1, 6, 1}}, 3, build_linear_sigmoid},
    {"linear without bias", {{7, 5}, {5, 6, 1}}, 2, build_linear_no_bias},
    {"layer norm", {{3, 19}, {1, 19, 1}, {1, 19, 1}}, 3, build_norm},
    {"layer norm of 16", {{3, 16}, {1, 16, 1}, {1, 16, 1}}, 3, build_norm},
    {"shared inputs", {{4, 6}, {1, 6, 1}, {1, 6, 1}, {6, 6, 1}, {1, 6, 1}}, 5, build_shared},
    {"elementwise", {{5, 4}, {5, 4}}, 2, build_elementwise},
    {"gru with cuts", {{10, 3}, {2, 4}, {3, 12, 1}, {4, 12, 1}, {1, 12, 1}, {1, 12, 1}}, 6, build_gru},
    {"gru without cuts", {{10, 3}, {3, 12, 1}, {4, 12, 1}, {1, 12, 1}, {1, 12, 1}}, 5, build_gru_uncut},
    {"ppo", {{6, 4}}, 1, build_ppo},
    {"ppo of components", {{6, 5}}, 1, build_ppo_components},
    {"gaussian ppo", {{6, 2}, {1, 2, 1}}, 2, build_gaussian_ppo},
    {"clipped value", {{12, 1}}, 1, build_value},
    {"plain value", {{12, 1}}, 1, build_value_unclipped},
    {"bce", {{6, 3}}, 1, build_bce},
    {"choose and sum", {{6, 3}}, 1, build_choose},
    {"insert", {{3, 2}}, 1, build_insert},
    {"mix", {{4, 3}, {4, 15}, {4, 5}, {4, 5}, {4, 1}}, 5, build_mix},
    {"transformation", {{4, 3}, {4, 3}, {4, 3}}, 3, build_transform},
    {"credit", {{4, 2}, {4, 6}, {4, 6}}, 3, build_credit},
    {"cross-entropy", {{6, 6}}, 1, build_cross_entropy},
    {"cross-entropy of components", {{6, 6}}, 1, build_cross_entropy_of_components},
    {"gaussian likelihood", {{5, 6}}, 1, build_gaussian},
    {"kl divergence", {{6, 5}, {6, 5}}, 2, build_kl},
};

static void test_operations_agree_with_finite_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        run_check(&checks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_operations_agree_with_finite_differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
