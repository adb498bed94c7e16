/* The tape itself, and its plain operations: linear, LayerNorm, activations, elementwise.
 *
 * Backward walks the operations in reverse. Whoever writes a node's gradient first sets it, later ones add (tape_touch); this
 * saves clearing memory that is overwritten anyway. Operations whose result nobody asked about are passed over. */
#include "math/tape.h"

#include <stdlib.h>
#include <string.h>

#include "math/layers.h"
#include "math/tape_internal.h"

int tape_create(struct tape **tape, size_t arena_bytes, int max_operations)
{
    struct tape *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    t->operations = calloc((size_t)max_operations, sizeof(*t->operations));
    if (!t->operations || arena_init(&t->arena, "tape", arena_bytes)) {
        free(t->operations);
        free(t);
        return ERR_NOMEM;
    }
    t->max_operations = max_operations;
    t->products = &product_own;
    *tape = t;
    return 0;
}

void tape_destroy(struct tape **tape)
{
    if (!*tape)
        return;
    arena_deinit(&(*tape)->arena);
    free((*tape)->operations);
    free(*tape);
    *tape = NULL;
}

void tape_begin(struct tape *tape)
{
    arena_release(&tape->arena, 0);
    tape->n_operations = 0;
    tape->loss = 0;
}

size_t tape_high_water(const struct tape *tape)
{
    return tape->arena.high;
}

void tape_use_products(struct tape *tape, const struct product_ops *ops)
{
    tape->products = ops;
}

double tape_loss(const struct tape *tape)
{
    return tape->loss;
}

void tape_backward(struct tape *tape)
{
    for (int i = tape->n_operations - 1; i >= 0; i--) {
        const struct operation *op = &tape->operations[i];
        if (((struct tape_node *)op->out)->touched)
            op->backward(tape, op);
    }
}

/* ---- nodes ---- */

static struct tape_node *node_bare(struct tape *tape, int rows, int cols)
{
    ASSERT(rows >= 0 && cols >= 1);
    struct tape_node *n = arena_array(&tape->arena, struct tape_node, 1);
    *n = (struct tape_node){.node = {.rows = rows, .cols = cols}};
    return n;
}

struct node *tape_node_new(struct tape *tape, int rows, int cols, bool wants_gradient)
{
    struct node *n = &node_bare(tape, rows, cols)->node;
    n->value = arena_array(&tape->arena, real, node_count(n));
    if (wants_gradient)
        n->gradient = arena_array(&tape->arena, real, node_count(n));
    return n;
}

struct node *tape_result(struct tape *tape, int rows, int cols, operation_backward *backward, int count, struct node *const *in,
                         struct operation **op)
{
    bool wants_gradient = false;
    for (int i = 0; i < count; i++)
        wants_gradient |= in[i] && in[i]->gradient;
    struct node *out = tape_node_new(tape, rows, cols, wants_gradient);
    *op = NULL;
    if (wants_gradient) {
        ASSERT(tape->n_operations < tape->max_operations);
        *op = &tape->operations[tape->n_operations++];
        **op = (struct operation){.backward = backward, .out = out};
        memcpy((*op)->in, in, sizeof(*in) * (size_t)count);
    }
    return out;
}

enum product_mode tape_touch(struct node *node)
{
    struct tape_node *n = (struct tape_node *)node;
    enum product_mode mode = n->touched ? PRODUCT_ADD : PRODUCT_SET;
    n->touched = true;
    return mode;
}

real *tape_gradient_to_add(struct node *node)
{
    if (tape_touch(node) == PRODUCT_SET)
        memset(node->gradient, 0, sizeof(real) * node_count(node));
    return node->gradient;
}

struct node *tape_input(struct tape *tape, int rows, int cols, const real *value, bool wants_gradient)
{
    struct tape_node *n = node_bare(tape, rows, cols);
    n->node.value = (real *)value; /* never written: no operation writes its inputs */
    if (wants_gradient) {
        n->node.gradient = arena_zero_array(&tape->arena, real, node_count(&n->node));
        n->touched = true;
    }
    return &n->node;
}

struct node *tape_parameter(struct tape *tape, int rows, int cols, const real *value, const real *transposed, real *gradient)
{
    struct tape_node *n = node_bare(tape, rows, cols);
    n->node.value = (real *)value;
    n->node.gradient = gradient;
    n->touched = true;
    n->transposed = transposed;
    return &n->node;
}

struct node *tape_prepared_parameter(struct tape *tape, int rows, int cols, const real *value, const real *transposed,
                                     const struct prepared *prepared, real *gradient)
{
    struct node *n = tape_parameter(tape, rows, cols, value, transposed, gradient);
    if (tape->products == &product_own)
        ((struct tape_node *)n)->prepared = *prepared;
    return n;
}

static const real *prepare_factor(struct tape *tape, int K, int N, const real *B)
{
    return tape->products->prepare(K, N, B, arena_array(&tape->arena, real, product_room(K, N)));
}

const real *tape_right(struct tape *tape, struct node *W)
{
    struct tape_node *n = (struct tape_node *)W;
    if (!n->prepared.value)
        n->prepared.value = prepare_factor(tape, W->rows, W->cols, W->value);
    return n->prepared.value;
}

const real *tape_right_transposed(struct tape *tape, struct node *W)
{
    struct tape_node *n = (struct tape_node *)W;
    if (!n->prepared.transposed) {
        ASSERT(n->transposed);
        n->prepared.transposed = prepare_factor(tape, W->cols, W->rows, n->transposed);
    }
    return n->prepared.transposed;
}

/* ---- y = act(x W + b) ---- */

static product_nn *right_product(const struct tape *tape, bool is_sparse)
{
    return is_sparse ? tape->products->nn_sparse : tape->products->nn;
}

static void linear_backward(struct tape *tape, const struct operation *op)
{
    struct node *y = op->out, *x = op->in[0], *W = op->in[1], *b = op->in[2];
    layer_ops()->activation_backward(op->as.activation, y->rows, y->cols, y->value, y->gradient, b ? b->gradient : NULL);
    if (W->gradient)
        tape->products->tn(x->cols, y->cols, y->rows, x->value, y->gradient, W->gradient);
    if (x->gradient)
        right_product(tape, op->as.activation == ACTIVATION_RELU)(y->rows, x->cols, y->cols, y->gradient,
                                                                  tape_right_transposed(tape, W), NULL, tape_touch(x), x->gradient);
}

struct node *tape_linear(struct tape *tape, struct node *x, struct node *W, struct node *b, enum activation act)
{
    ASSERT(x->cols == W->rows && (!b || b->cols == W->cols));
    struct operation *op;
    struct node *y = tape_result(tape, x->rows, W->cols, linear_backward, 3, (struct node *[]){x, W, b}, &op);
    if (op)
        op->as.activation = act;
    enum product_mode mode = act == ACTIVATION_RELU ? PRODUCT_RELU : PRODUCT_SET;
    right_product(tape, ((struct tape_node *)x)->is_relu)(y->rows, y->cols, x->cols, x->value, tape_right(tape, W),
                                                          b ? b->value : NULL, mode, y->value);
    ((struct tape_node *)y)->is_relu = act == ACTIVATION_RELU;
    if (act != ACTIVATION_RELU)
        activation_forward(act, node_count(y), y->value);
    return y;
}

/* ---- LayerNorm ---- */

static void norm_backward(struct tape *tape, const struct operation *op)
{
    struct node *y = op->out, *x = op->in[0], *gain = op->in[1], *bias = op->in[2];
    size_t mark = arena_mark(&tape->arena);
    real *sums = arena_array(&tape->arena, real, 2 * (size_t)x->cols);
    enum product_mode mode = x->gradient ? tape_touch(x) : PRODUCT_SET;
    layer_ops()->norm_backward(x->rows, x->cols, x->value, gain->value, op->saved[0], y->gradient, mode, x->gradient,
                               gain->gradient, bias->gradient, sums);
    arena_release(&tape->arena, mark);
}

struct node *tape_layer_norm(struct tape *tape, struct node *x, struct node *gain, struct node *bias)
{
    ASSERT(gain->cols == x->cols && bias->cols == x->cols && !gain->gradient == !bias->gradient);
    struct operation *op;
    struct node *y = tape_result(tape, x->rows, x->cols, norm_backward, 3, (struct node *[]){x, gain, bias}, &op);
    real *moments = op ? arena_array(&tape->arena, real, 2 * (size_t)x->rows) : NULL;
    if (op)
        op->saved[0] = moments;
    layer_ops()->norm_forward(x->rows, x->cols, x->value, gain->value, bias->value, y->value, moments);
    return y;
}

/* ---- activations and elementwise operations ---- */

static void activation_node_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    struct node *y = op->out, *x = op->in[0];
    layer_ops()->activation_backward(op->as.activation, y->rows, y->cols, y->value, y->gradient, NULL);
    real *d_x = tape_gradient_to_add(x);
    for (size_t i = 0; i < node_count(x); i++)
        d_x[i] += y->gradient[i];
}

struct node *tape_activation(struct tape *tape, struct node *x, enum activation act)
{
    struct operation *op;
    struct node *y = tape_result(tape, x->rows, x->cols, activation_node_backward, 1, &x, &op);
    if (op)
        op->as.activation = act;
    memcpy(y->value, x->value, sizeof(real) * node_count(x));
    activation_forward(act, node_count(y), y->value);
    return y;
}

static void add_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    for (int side = 0; side < 2; side++) {
        if (!op->in[side]->gradient)
            continue;
        real *d = tape_gradient_to_add(op->in[side]);
        for (size_t i = 0; i < node_count(op->out); i++)
            d[i] += op->out->gradient[i];
    }
}

struct node *tape_add(struct tape *tape, struct node *a, struct node *b)
{
    ASSERT(a->rows == b->rows && a->cols == b->cols);
    struct operation *op;
    struct node *y = tape_result(tape, a->rows, a->cols, add_backward, 2, (struct node *[]){a, b}, &op);
    for (size_t i = 0; i < node_count(y); i++)
        y->value[i] = a->value[i] + b->value[i];
    return y;
}

static void multiply_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    for (int side = 0; side < 2; side++) {
        if (!op->in[side]->gradient)
            continue;
        const real *other = op->in[1 - side]->value;
        real *d = tape_gradient_to_add(op->in[side]);
        for (size_t i = 0; i < node_count(op->out); i++)
            d[i] += op->out->gradient[i] * other[i];
    }
}

struct node *tape_multiply(struct tape *tape, struct node *a, struct node *b)
{
    ASSERT(a->rows == b->rows && a->cols == b->cols);
    struct operation *op;
    struct node *y = tape_result(tape, a->rows, a->cols, multiply_backward, 2, (struct node *[]){a, b}, &op);
    for (size_t i = 0; i < node_count(y); i++)
        y->value[i] = a->value[i] * b->value[i];
    return y;
}

static void scale_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    real *d = tape_gradient_to_add(op->in[0]);
    for (size_t i = 0; i < node_count(op->out); i++)
        d[i] += op->out->gradient[i] * op->as.factor;
}

struct node *tape_scale(struct tape *tape, struct node *a, real factor)
{
    struct operation *op;
    struct node *y = tape_result(tape, a->rows, a->cols, scale_backward, 1, &a, &op);
    if (op)
        op->as.factor = factor;
    for (size_t i = 0; i < node_count(y); i++)
        y->value[i] = a->value[i] * factor;
    return y;
}

static void concat_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    int start = 0;
    for (int side = 0; side < 2; start += op->in[side]->cols, side++) {
        struct node *part = op->in[side];
        if (!part->gradient)
            continue;
        real *d = tape_gradient_to_add(part);
        for (int r = 0; r < part->rows; r++)
            for (int j = 0; j < part->cols; j++)
                d[(size_t)r * (size_t)part->cols + (size_t)j] +=
                    op->out->gradient[(size_t)r * (size_t)op->out->cols + (size_t)(start + j)];
    }
}

struct node *tape_concat(struct tape *tape, struct node *a, struct node *b)
{
    ASSERT(a->rows == b->rows);
    struct operation *op;
    struct node *y = tape_result(tape, a->rows, a->cols + b->cols, concat_backward, 2, (struct node *[]){a, b}, &op);
    for (int r = 0; r < a->rows; r++) {
        real *row = y->value + (size_t)r * (size_t)y->cols;
        memcpy(row, a->value + (size_t)r * (size_t)a->cols, sizeof(real) * (size_t)a->cols);
        memcpy(row + a->cols, b->value + (size_t)r * (size_t)b->cols, sizeof(real) * (size_t)b->cols);
    }
    return y;
}

void tape_seed_gradient(struct tape *tape, struct node *x, const real *gradient)
{
    (void)tape;
    ASSERT(x->gradient);
    real *d = tape_gradient_to_add(x);
    for (size_t i = 0; i < node_count(x); i++)
        d[i] += gradient[i];
}
