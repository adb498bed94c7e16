/* Interval bound propagation: what a net answers at least when its input may lie anywhere in a box. See net_act_low in net.h.
 *
 * Works on blocks of a few rows, as net_act.c does. Both ends of every layer's interval are kept, which is all that the way back needs:
 *   forward    c = (high + low) / 2,  r = (high - low) / 2;   low' = act(W c + b - |W| r),  high' = act(W c + b + |W| r)
 *   backward   d_centre = d_low' act'(low') + d_high' act'(high'),  d_radius = d_high' act'(high') - d_low' act'(low')
 *              d_c = d_centre W^T,  d_r = d_radius |W|^T;   d_low = (d_c - d_r) / 2,  d_high = (d_c + d_r) / 2 */
#include "math/layers.h"
#include "net/net_internal.h"

#define LOW_ROWS 128 /* rows of a block */

struct interval_trace {                             /* of one block */
    real *low[NET_DEPTH_MAX], *high[NET_DEPTH_MAX]; /* [block,hidden] after each activation */
    real *centre, *radius;                          /* [block,widest] */
    real *other_centre, *other_radius;              /* [block,widest] */
};

static size_t widest(const struct net_arch *arch)
{
    size_t width = (size_t)(arch->in > arch->hidden ? arch->in : arch->hidden);
    return width > (size_t)arch->out ? width : (size_t)arch->out;
}

static int block_rows(int rows)
{
    return rows < LOW_ROWS ? rows : LOW_ROWS;
}

size_t net_act_low_scratch(const struct net_arch *arch, int rows)
{
    size_t numbers = (size_t)block_rows(rows) * (2 * (size_t)arch->depth * (size_t)arch->hidden + 4 * widest(arch));
    return numbers * sizeof(real) + (2 * (size_t)arch->depth + 4) * ARENA_ALIGN;
}

static struct interval_trace take_trace(const struct net_arch *arch, int rows, struct arena *scratch)
{
    struct interval_trace t = {{NULL}};
    size_t block = (size_t)block_rows(rows);
    for (int l = 0; l < arch->depth; l++) {
        t.low[l] = arena_array(scratch, real, block * (size_t)arch->hidden);
        t.high[l] = arena_array(scratch, real, block * (size_t)arch->hidden);
    }
    t.centre = arena_array(scratch, real, block * widest(arch));
    t.radius = arena_array(scratch, real, block * widest(arch));
    t.other_centre = arena_array(scratch, real, block * widest(arch));
    t.other_radius = arena_array(scratch, real, block * widest(arch));
    return t;
}

/* centre = W c + b, radius = |W| r */
static void through_linear(const struct net_low *in, struct net_layer_at at, int rows, const real *c, const real *r, real *centre,
                           real *radius)
{
    const struct net_parameter *p = &in->weights->layout.table[at.weight];
    product_own.nn(rows, p->cols, p->rows, c, in->weights->prepared[at.weight].value, net_piece(in->weights, at.bias), PRODUCT_SET,
                   centre);
    product_own.nn(rows, p->cols, p->rows, r, in->absolute->prepared[at.weight].value, NULL, PRODUCT_SET, radius);
}

static void block_forward(const struct net_low *in, int rows, const real *x, const real *radius, real *low,
                          const struct interval_trace *t)
{
    const struct net_arch *arch = &in->weights->arch;
    const enum activation act = (enum activation)arch->activation;
    const real *c = x, *r = radius;
    size_t count = (size_t)rows * (size_t)arch->hidden;
    for (int l = 0; l < arch->depth; l++) {
        through_linear(in, in->weights->layout.trunk[l], rows, c, r, t->other_centre, t->other_radius);
        for (size_t i = 0; i < count; i++) {
            t->low[l][i] = t->other_centre[i] - t->other_radius[i];
            t->high[l][i] = t->other_centre[i] + t->other_radius[i];
        }
        activation_forward(act, count, t->low[l]);
        activation_forward(act, count, t->high[l]);
        for (size_t i = 0; i < count; i++) {
            t->centre[i] = (t->high[l][i] + t->low[l][i]) / 2;
            t->radius[i] = (t->high[l][i] - t->low[l][i]) / 2;
        }
        c = t->centre;
        r = t->radius;
    }
    through_linear(in, in->weights->layout.head, rows, c, r, t->other_centre, t->other_radius);
    for (size_t i = 0; i < (size_t)rows * (size_t)arch->out; i++)
        low[i] = t->other_centre[i] - t->other_radius[i];
}

/* d_c = d_centre W^T, d_r = d_radius |W|^T */
static void back_through_linear(const struct net_low *in, struct net_layer_at at, int rows, const real *d_centre,
                                const real *d_radius, real *d_c, real *d_r)
{
    const struct net_parameter *p = &in->weights->layout.table[at.weight];
    product_own.nn(rows, p->rows, p->cols, d_centre, in->weights->prepared[at.weight].transposed, NULL, PRODUCT_SET, d_c);
    if (d_r)
        product_own.nn(rows, p->rows, p->cols, d_radius, in->absolute->prepared[at.weight].transposed, NULL, PRODUCT_SET, d_r);
}

/* d_low is the gradient of the low ends that leave; the radius of the input has none. */
static void block_backward(const struct net_low *in, int rows, const real *d_low, real *d_x, const struct interval_trace *t)
{
    const struct net_arch *arch = &in->weights->arch;
    const enum activation act = (enum activation)arch->activation;
    size_t count = (size_t)rows * (size_t)arch->hidden, last = (size_t)rows * (size_t)arch->out;
    for (size_t i = 0; i < last; i++)
        t->other_radius[i] = -d_low[i];
    bool is_first = arch->depth == 0;
    back_through_linear(in, in->weights->layout.head, rows, d_low, t->other_radius, is_first ? d_x : t->centre,
                        is_first ? NULL : t->radius);
    for (int l = arch->depth - 1; l >= 0; l--) {
        for (size_t i = 0; i < count; i++) {
            real d_c = t->centre[i], d_r = t->radius[i];
            t->other_centre[i] = (d_c - d_r) / 2; /* of the low end */
            t->other_radius[i] = (d_c + d_r) / 2; /* of the high end */
        }
        layer_ops()->activation_backward(act, rows, arch->hidden, t->low[l], t->other_centre, NULL);
        layer_ops()->activation_backward(act, rows, arch->hidden, t->high[l], t->other_radius, NULL);
        for (size_t i = 0; i < count; i++) {
            real low = t->other_centre[i], high = t->other_radius[i];
            t->other_centre[i] = low + high;
            t->other_radius[i] = high - low;
        }
        back_through_linear(in, in->weights->layout.trunk[l], rows, t->other_centre, t->other_radius, l ? t->centre : d_x,
                            l ? t->radius : NULL);
    }
}

void net_act_low(const struct net_low *in, real *low, const real *d_low, real *d_x, struct arena *scratch)
{
    const struct net_arch *arch = &in->weights->arch;
    ASSERT(!arch->gru && !arch->input_norm && !arch->layer_norm && !d_low == !d_x);
    size_t mark = arena_mark(scratch), width = (size_t)arch->in, out = (size_t)arch->out;
    struct interval_trace trace = take_trace(arch, in->rows, scratch);
    for (int first = 0; first < in->rows; first += LOW_ROWS) {
        int n = in->rows - first < LOW_ROWS ? in->rows - first : LOW_ROWS;
        size_t at = (size_t)first;
        block_forward(in, n, in->x + at * width, in->radius + at * width, low + at * out, &trace);
        if (d_low)
            block_backward(in, n, d_low + at * out, d_x + at * width, &trace);
    }
    arena_release(scratch, mark);
}
