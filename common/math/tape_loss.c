/* Losses but those of policies (tape_policy.c) and between distributions (tape_density.c). Each computes value and gradient in one pass when it is recorded: a loss is an end of the graph, so nothing that comes
 * later can change its gradient. Losses and diagnostics are summed in double in row order.
 *
 * A row of weight 0 adds nothing, whatever it holds. A NaN in any other row reaches both the loss and the gradient. */
#include <math.h>
#include <string.h>

#include "math/tape_internal.h"
#include "math/vmath.h"

static inline real real_abs(real x)
{
    return x < 0 ? -x : x;
}

/* NaN passes. */
static inline real clamp(real x, real low, real high)
{
    return x < low ? low : x > high ? high : x;
}

/* ---- value ---- */

/* H(e), Huber's loss with 1/2 e^2 inside delta; *slope = H'(e). delta <= 0: 1/2 e^2 everywhere. */
static real huber(real e, real delta, real *slope)
{
    if (delta > 0 && real_abs(e) > delta) {
        *slope = e < 0 ? -delta : delta;
        return delta * (real_abs(e) - delta / 2);
    }
    *slope = e;
    return e * e / 2;
}

void tape_value_loss(struct tape *tape, struct node *value, const struct value_rows *rows)
{
    ASSERT(value->cols == 1);
    real *d = value->gradient ? tape_gradient_to_add(value) : NULL;
    for (int r = 0; r < value->rows; r++) {
        if (rows->weight[r] == 0)
            continue;
        real v = value->value[r], slope, clipped_slope;
        real loss = huber(v - rows->target[r], rows->huber_delta, &slope);
        if (rows->clip > 0) {
            real near = rows->old_value[r] + clamp(v - rows->old_value[r], -rows->clip, rows->clip);
            real clipped = huber(near - rows->target[r], rows->huber_delta, &clipped_slope);
            if (clipped > loss) { /* then v is outside the clip range, where `near` does not move with it */
                loss = clipped;
                slope = real_abs(v - rows->old_value[r]) > rows->clip ? 0 : clipped_slope;
            }
        }
        tape->loss += (double)(rows->weight[r] * loss);
        if (d)
            d[r] += rows->weight[r] * slope;
    }
}

/* ---- classification and regression ---- */

/* -t log s(z) - (1-t) log(1 - s(z)) = max(z,0) - z t + log(1 + e^-|z|);  derivative s(z) - t */
void tape_bce_loss(struct tape *tape, struct node *logits, const real *target, const real *weight)
{
    size_t count = node_count(logits);
    real *d = logits->gradient ? tape_gradient_to_add(logits) : NULL;
    size_t mark = arena_mark(&tape->arena);
    real *soft = arena_array(&tape->arena, real, count), *s = arena_array(&tape->arena, real, count);
    for (size_t i = 0; i < count; i++)
        soft[i] = -real_abs(logits->value[i]);
    vmath()->exp(count, soft, soft);
    for (size_t i = 0; i < count; i++)
        soft[i] += 1;
    vmath()->log(count, soft, soft);
    vmath()->sigmoid(count, logits->value, s);
    for (int r = 0; r < logits->rows; r++) {
        real w = weight[r] / (real)logits->cols;
        for (int j = 0; w != 0 && j < logits->cols; j++) {
            size_t i = (size_t)r * (size_t)logits->cols + (size_t)j;
            real z = logits->value[i];
            tape->loss += (double)(w * ((z < 0 ? 0 : z) - z * target[i] + soft[i]));
            if (d)
                d[i] += w * (s[i] - target[i]);
        }
    }
    arena_release(&tape->arena, mark);
}

void tape_cross_entropy_loss(struct tape *tape, struct node *logits, const int32_t *label, const real *weight, int groups,
                             const int32_t *choices)
{
    real *d = logits->gradient ? tape_gradient_to_add(logits) : NULL;
    size_t mark = arena_mark(&tape->arena), A = (size_t)logits->cols;
    real *log_p = arena_array(&tape->arena, real, node_count(logits));
    real *p = arena_array(&tape->arena, real, node_count(logits));
    tape_log_softmax(logits->rows, logits->cols, groups, choices, logits->value, NULL, log_p, p,
                     arena_array(&tape->arena, real, logits->rows * groups));
    for (int r = 0; r < logits->rows; r++) {
        real w = weight[r];
        size_t at = (size_t)r * A;
        for (int g = 0; w != 0 && g < groups; at += (size_t)choices[g], g++) {
            int own = label[r * groups + g];
            ASSERT(own >= 0 && own < choices[g]);
            tape->loss -= (double)(w * log_p[at + (size_t)own]);
            for (int a = 0; d && a < choices[g]; a++)
                d[at + (size_t)a] -= w * ((a == own ? 1 : 0) - p[at + (size_t)a]);
        }
        ASSERT(w == 0 || at == (size_t)(r + 1) * A);
    }
    arena_release(&tape->arena, mark);
}

void tape_squared_loss(struct tape *tape, struct node *x, const real *target, const real *weight)
{
    real *d = x->gradient ? tape_gradient_to_add(x) : NULL;
    for (int r = 0; r < x->rows; r++) {
        for (int j = 0; weight[r] != 0 && j < x->cols; j++) {
            size_t i = (size_t)r * (size_t)x->cols + (size_t)j;
            real e = x->value[i] - target[i];
            tape->loss += (double)(weight[r] * (e * e / 2));
            if (d)
                d[i] += weight[r] * e;
        }
    }
}
