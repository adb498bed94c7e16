/* Acting: the net without a tape, and its gradient with respect to the input.
 *
 * Works on blocks of a few rows that stay in the second-level cache, with two buffers that take turns as input and output of a
 * layer. The kernels are the tape's own, so values and gradients have the tape's bits. */
#include <string.h>

#include "math/layers.h"
#include "net/net_internal.h"

#define ACT_ROWS 128 /* rows of a block */

static int widest(const struct net_arch *arch)
{
    return arch->in > arch->hidden ? arch->in : arch->hidden;
}

static size_t piece_bytes(size_t numbers) /* what arena_array takes */
{
    return (numbers * sizeof(real) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

static size_t block_rows(int rows)
{
    return (size_t)(rows < ACT_ROWS ? rows : ACT_ROWS);
}

static void act_norm(const struct net_weights *w, struct net_norm_at at, int rows, const real *x, real *y, real *moments)
{
    layer_ops()->norm_forward(rows, w->layout.table[at.gain].cols, x, net_piece(w, at.gain), net_piece(w, at.bias), y, moments);
}

/* The product for what trunk layer l gives on, or for its gradient: of ReLU half are zeroes; l -1 is the input. */
static product_nn *product_behind(const struct net_arch *arch, int l)
{
    return l >= 0 && arch->activation == ACTIVATION_RELU && !arch->layer_norm ? product_own.nn_sparse : product_own.nn;
}

static void act_linear(const struct net_weights *w, struct net_layer_at at, int rows, const real *x, product_nn *product,
                       enum activation act, real *y)
{
    const struct net_parameter *p = &w->layout.table[at.weight];
    product(rows, p->cols, p->rows, x, w->prepared[at.weight].value, net_piece(w, at.bias),
            act == ACTIVATION_RELU ? PRODUCT_RELU : PRODUCT_SET, y);
    if (act != ACTIVATION_RELU)
        activation_forward(act, (size_t)rows * (size_t)p->cols, y);
}

/* ---- forward ---- */

struct act_buffers {
    real *turn[2]; /* [block,widest] */
    real *gx, *gh; /* [block,3H], with a GRU */
};

static void act_gru(const struct net_weights *w, int rows, const real *x, real *h, const struct act_buffers *buffers)
{
    const struct net_layout *at = &w->layout;
    int H = w->arch.hidden;
    product_own.nn(rows, 3 * H, at->table[at->gru_weight_x].rows, x, w->prepared[at->gru_weight_x].value,
                   net_piece(w, at->gru_bias_x), PRODUCT_SET, buffers->gx);
    product_own.nn(rows, 3 * H, H, h, w->prepared[at->gru_weight_h].value, net_piece(w, at->gru_bias_h), PRODUCT_SET, buffers->gh);
    layer_ops()->gru_forward(rows, H, buffers->gx, buffers->gh, h, h, NULL);
}

static void act_block(const struct net_weights *w, int rows, const real *x, real *h, real *out, const struct act_buffers *buffers)
{
    const struct net_arch *arch = &w->arch;
    real *free_turn = buffers->turn[0], *other = buffers->turn[1];
    if (arch->input_norm) {
        act_norm(w, w->layout.input_norm, rows, x, other, NULL);
        x = other;
    }
    for (int l = 0; l < arch->depth; l++) {
        act_linear(w, w->layout.trunk[l], rows, x, product_behind(arch, l - 1), (enum activation)arch->activation, free_turn);
        if (arch->layer_norm)
            act_norm(w, w->layout.trunk[l].norm, rows, free_turn, free_turn, NULL);
        x = free_turn;
        free_turn = other;
        other = (real *)x;
    }
    if (arch->gru) {
        act_gru(w, rows, x, h, buffers);
        x = h;
        if (arch->gru == NET_GRU_NORM) {
            act_norm(w, w->layout.gru_norm, rows, h, free_turn, NULL);
            x = free_turn;
        }
    }
    act_linear(w, w->layout.head, rows, x, arch->gru ? product_own.nn : product_behind(arch, arch->depth - 1), ACTIVATION_NONE,
               out);
}

size_t net_act_scratch(const struct net_arch *arch, int rows)
{
    size_t block = block_rows(rows);
    size_t gates = arch->gru ? 2 * piece_bytes(block * 3 * (size_t)arch->hidden) : 0;
    return 2 * piece_bytes(block * (size_t)widest(arch)) + gates;
}

void net_act(const struct net_weights *weights, int rows, const real *x, real *h, real *out, struct arena *scratch)
{
    const struct net_arch *arch = &weights->arch;
    ASSERT(!arch->gru == !h);
    size_t mark = arena_mark(scratch), block = block_rows(rows);
    struct act_buffers buffers = {
        {arena_array(scratch, real, block * (size_t)widest(arch)), arena_array(scratch, real, block * (size_t)widest(arch))}};
    if (arch->gru) {
        buffers.gx = arena_array(scratch, real, block * 3 * (size_t)arch->hidden);
        buffers.gh = arena_array(scratch, real, block * 3 * (size_t)arch->hidden);
    }
    for (int r = 0; r < rows; r += ACT_ROWS) {
        int n = rows - r < ACT_ROWS ? rows - r : ACT_ROWS;
        act_block(weights, n, x + (size_t)r * (size_t)arch->in, h ? h + (size_t)r * (size_t)arch->hidden : NULL,
                  out + (size_t)r * (size_t)arch->out, &buffers);
    }
    arena_release(scratch, mark);
}

/* ---- gradient with respect to the input ---- */

/* What forward leaves for backward, for one block. */
struct act_trace {
    real *input;                  /* [block,in] normalised input, with input_norm */
    real *active[NET_DEPTH_MAX];  /* [block,hidden] after each activation */
    real *normed;                 /* [block,hidden] after the last LayerNorm */
    real *moments[NET_DEPTH_MAX]; /* [block,2] */
    real *input_moments;          /* [block,2] */
    real *turn[2];                /* [block,widest] gradients */
    real *sums;                   /* [2,widest] for norm_backward */
};

static size_t trace_take(const struct net_arch *arch, size_t block, struct arena *scratch, struct act_trace *t)
{
    size_t bytes = 0;
#define TRACE(pointer, numbers)                              \
    do {                                                     \
        bytes += piece_bytes(numbers);                       \
        if (t)                                               \
            (pointer) = arena_array(scratch, real, numbers); \
    } while (0)
    TRACE(t->input, block * (size_t)arch->in);
    TRACE(t->normed, block * (size_t)arch->hidden);
    TRACE(t->input_moments, block * 2);
    TRACE(t->turn[0], block * (size_t)widest(arch));
    TRACE(t->turn[1], block * (size_t)widest(arch));
    TRACE(t->sums, 2 * (size_t)widest(arch));
    for (int l = 0; l < arch->depth; l++) {
        TRACE(t->active[l], block * (size_t)arch->hidden);
        TRACE(t->moments[l], block * 2);
    }
#undef TRACE
    return bytes;
}

size_t net_act_input_gradient_scratch(const struct net_arch *arch, int rows)
{
    return trace_take(arch, block_rows(rows), NULL, NULL);
}

static void trace_forward(const struct net_weights *w, int rows, const real *x, const struct act_trace *t)
{
    const struct net_arch *arch = &w->arch;
    if (arch->input_norm) {
        act_norm(w, w->layout.input_norm, rows, x, t->input, t->input_moments);
        x = t->input;
    }
    for (int l = 0; l < arch->depth; l++) {
        act_linear(w, w->layout.trunk[l], rows, x, product_behind(arch, l - 1), (enum activation)arch->activation, t->active[l]);
        x = t->active[l];
        if (arch->layer_norm) {
            act_norm(w, w->layout.trunk[l].norm, rows, x, t->normed, t->moments[l]);
            x = t->normed;
        }
    }
}

/* d_x [rows,in of the layer] = d_y W^T */
static void linear_input_gradient(const struct net_weights *w, struct net_layer_at at, int rows, const real *d_y,
                                  product_nn *product, real *d_x)
{
    const struct net_parameter *p = &w->layout.table[at.weight];
    product(rows, p->rows, p->cols, d_y, w->prepared[at.weight].transposed, NULL, PRODUCT_SET, d_x);
}

static void norm_input_gradient(const struct net_weights *w, struct net_norm_at at, int rows, const real *x, const real *moments,
                                const real *d_y, real *d_x, const struct act_trace *t)
{
    layer_ops()->norm_backward(rows, w->layout.table[at.gain].cols, x, net_piece(w, at.gain), moments, d_y, PRODUCT_SET, d_x, NULL,
                               NULL, t->sums);
}

static void trace_backward(const struct net_weights *w, int rows, const real *x, const real *d_out, real *d_x,
                           const struct act_trace *t)
{
    const struct net_arch *arch = &w->arch;
    bool is_last = arch->depth == 0 && !arch->input_norm;
    real *d = is_last ? d_x : t->turn[0], *other = t->turn[1];
    linear_input_gradient(w, w->layout.head, rows, d_out, product_own.nn, d);
    for (int l = arch->depth - 1; l >= 0; l--) {
        if (arch->layer_norm) {
            norm_input_gradient(w, w->layout.trunk[l].norm, rows, t->active[l], t->moments[l], d, other, t);
            real *swap = d;
            d = other;
            other = swap;
        }
        layer_ops()->activation_backward((enum activation)arch->activation, rows, arch->hidden, t->active[l], d, NULL);
        is_last = l == 0 && !arch->input_norm;
        linear_input_gradient(w, w->layout.trunk[l], rows, d, product_behind(arch, l), is_last ? d_x : other);
        real *swap = d;
        d = other;
        other = swap;
    }
    if (arch->input_norm)
        norm_input_gradient(w, w->layout.input_norm, rows, x, t->input_moments, d, d_x, t);
}

void net_act_input_gradient(const struct net_weights *weights, int rows, const real *x, const real *d_out, real *d_x,
                            struct arena *scratch)
{
    const struct net_arch *arch = &weights->arch;
    ASSERT(!arch->gru);
    size_t mark = arena_mark(scratch);
    struct act_trace trace;
    trace_take(arch, block_rows(rows), scratch, &trace);
    for (int r = 0; r < rows; r += ACT_ROWS) {
        int n = rows - r < ACT_ROWS ? rows - r : ACT_ROWS;
        const real *block = x + (size_t)r * (size_t)arch->in;
        trace_forward(weights, n, block, &trace);
        trace_backward(weights, n, block, d_out + (size_t)r * (size_t)arch->out, d_x + (size_t)r * (size_t)arch->in, &trace);
    }
    arena_release(scratch, mark);
}
