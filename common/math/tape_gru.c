/* The GRU over a sequence; equations and shapes in tape.h.
 *
 * Products with Wx do not depend on the state, so they are done for all steps at once; those with Wh go step by step. Backward
 * likewise: only the way from a step to the one before is sequential, all weight gradients are products over T*B rows. */
#include <string.h>

#include "math/layers.h"
#include "math/tape_internal.h"

enum { IN_X, IN_H0, IN_WX, IN_WH, IN_BX, IN_BH };
enum { SAVED_GATES, SAVED_STATE }; /* [T*B,4H] of gru_forward; [T*B,H] states that went into the steps, after keep */

/* out [B,H] = keep [B] * h; NULL keep: all 1, NULL h: zeros. A row that is kept or dropped whole is copied or cleared (a product with 1
 * is exact, and a dropped NaN is gone); out may be h, and then most rows cost nothing. */
static void keep_state(int B, int H, const real *keep, const real *h, real *out)
{
    for (int b = 0; b < B; b++, out += H) {
        const real *from = h ? h + (size_t)b * (size_t)H : NULL;
        if (!from || (keep && keep[b] == 0))
            memset(out, 0, sizeof(real) * (size_t)H);
        else if (keep && keep[b] != 1)
            for (int j = 0; j < H; j++)
                out[j] = from[j] * keep[b];
        else if (from != out)
            memcpy(out, from, sizeof(real) * (size_t)H);
    }
}

/* Walks back over the steps: fills d_gx, d_gh [T*B,3H] and leaves in `carry` [B,H] the gradient of h0. */
static void steps_backward(struct tape *tape, const struct operation *op, real *d_gx, real *d_gh, real *carry)
{
    int T = op->as.sequence.T, B = op->as.sequence.B, H = op->out->cols;
    const real *keep = op->as.sequence.keep;
    const real *right = tape_right_transposed(tape, op->in[IN_WH]);
    size_t step = (size_t)B * (size_t)H;
    real *d_h = op->out->gradient;

    for (int t = T - 1; t >= 0; t--) {
        size_t at = (size_t)t * step;
        for (size_t i = 0; t < T - 1 && i < step; i++)
            d_h[at + i] += carry[i];
        layer_ops()->gru_backward(B, H, op->saved[SAVED_GATES] + 4 * at, op->saved[SAVED_STATE] + at, d_h + at, d_gx + 3 * at,
                                  d_gh + 3 * at, carry);
        tape->products->nn(B, H, 3 * H, d_gh + 3 * at, right, NULL, PRODUCT_ADD, carry);
        if (keep)
            keep_state(B, H, keep + (size_t)t * (size_t)B, carry, carry);
    }
}

static void gru_backward(struct tape *tape, const struct operation *op)
{
    struct node *x = op->in[IN_X], *h0 = op->in[IN_H0], *Wx = op->in[IN_WX], *Wh = op->in[IN_WH];
    struct node *bx = op->in[IN_BX], *bh = op->in[IN_BH];
    int B = op->as.sequence.B, H = op->out->cols, rows = op->out->rows;
    const real *right = x->gradient ? tape_right_transposed(tape, Wx) : NULL;
    tape_right_transposed(tape, Wh); /* prepared before the mark, so that it stays */
    size_t mark = arena_mark(&tape->arena);
    real *d_gx = arena_array(&tape->arena, real, (size_t)rows * 3 * (size_t)H);
    real *d_gh = arena_array(&tape->arena, real, (size_t)rows * 3 * (size_t)H);
    real *carry = arena_array(&tape->arena, real, (size_t)B * (size_t)H);

    steps_backward(tape, op, d_gx, d_gh, carry);
    if (h0 && h0->gradient) {
        real *d = tape_gradient_to_add(h0);
        for (size_t i = 0; i < node_count(h0); i++)
            d[i] += carry[i];
    }
    if (Wx->gradient)
        tape->products->tn(x->cols, 3 * H, rows, x->value, d_gx, Wx->gradient);
    if (Wh->gradient)
        tape->products->tn(H, 3 * H, rows, op->saved[SAVED_STATE], d_gh, Wh->gradient);
    layer_ops()->activation_backward(ACTIVATION_NONE, rows, 3 * H, d_gx, d_gx, bx->gradient);
    layer_ops()->activation_backward(ACTIVATION_NONE, rows, 3 * H, d_gh, d_gh, bh->gradient);
    if (x->gradient)
        tape->products->nn(rows, x->cols, 3 * H, d_gx, right, NULL, tape_touch(x), x->gradient);
    arena_release(&tape->arena, mark);
}

static void gru_check(const struct node *x, const struct node *h0, int T, int B, const struct node *Wx, const struct node *Wh,
                      const struct node *bx, const struct node *bh)
{
    int H = Wh->rows;
    ASSERT(x->rows == T * B && x->cols == Wx->rows && Wx->cols == 3 * H && Wh->cols == 3 * H);
    ASSERT(bx->cols == 3 * H && bh->cols == 3 * H && (!h0 || (h0->rows == B && h0->cols == H)));
}

struct node *tape_gru(struct tape *tape, struct node *x, struct node *h0, const real *keep, int T, int B, struct node *Wx,
                      struct node *Wh, struct node *bx, struct node *bh)
{
    gru_check(x, h0, T, B, Wx, Wh, bx, bh);
    int H = Wh->rows;
    size_t step = (size_t)B * (size_t)H;
    struct operation *op;
    struct node *y = tape_result(tape, T * B, H, gru_backward, 6, (struct node *[]){x, h0, Wx, Wh, bx, bh}, &op);
    real *state = arena_array(&tape->arena, real, (op ? (size_t)T : 1) * step);
    real *gates = op ? arena_array(&tape->arena, real, 4 * (size_t)T * step) : NULL;
    if (op) {
        op->as.sequence.T = T, op->as.sequence.B = B, op->as.sequence.keep = keep;
        op->saved[SAVED_GATES] = gates, op->saved[SAVED_STATE] = state;
    }
    const real *right_x = tape_right(tape, Wx), *right_h = tape_right(tape, Wh);

    size_t mark = arena_mark(&tape->arena);
    real *gx = arena_array(&tape->arena, real, 3 * (size_t)T * step);
    real *gh = arena_array(&tape->arena, real, 3 * step);
    tape->products->nn(T * B, 3 * H, x->cols, x->value, right_x, bx->value, PRODUCT_SET, gx);
    const real *h = h0 ? h0->value : NULL;
    for (int t = 0; t < T; t++) {
        real *s = op ? state + (size_t)t * step : state;
        keep_state(B, H, keep ? keep + (size_t)t * (size_t)B : NULL, h, s);
        tape->products->nn(B, 3 * H, H, s, right_h, bh->value, PRODUCT_SET, gh);
        layer_ops()->gru_forward(B, H, gx + 3 * (size_t)t * step, gh, s, y->value + (size_t)t * step,
                                 gates ? gates + 4 * (size_t)t * step : NULL);
        h = y->value + (size_t)t * step;
    }
    arena_release(&tape->arena, mark);
    return y;
}
