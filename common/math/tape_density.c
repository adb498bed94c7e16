/* Losses about distributions: the likelihood of a Gaussian, the divergence of two sets of categoricals.
 *
 * As in tape_loss.c: value and gradient in one pass when recorded, sums in double in row order, rows of weight 0 add nothing. */
#include <math.h>

#include "math/tape_internal.h"
#include "math/vmath.h"

/* v = tanh(raw), a part exp(-v) (y - m)^2 + v:   d/dm = -2 exp(-v) (y - m)   d/draw = (1 - v^2) (1 - exp(-v) (y - m)^2) */
void tape_gaussian_loss(struct tape *tape, struct node *q, const float *y, const real *weight)
{
    ASSERT(q->cols % 2 == 0);
    size_t D = (size_t)q->cols / 2, mark = arena_mark(&tape->arena);
    real *d = q->gradient ? tape_gradient_to_add(q) : NULL;
    real *v = arena_array(&tape->arena, real, D), *precision = arena_array(&tape->arena, real, D);
    for (size_t r = 0; r < (size_t)q->rows; r++) {
        const real *mean = q->value + 2 * r * D, w = weight[r];
        if (w == 0)
            continue;
        vmath()->tanh(D, mean + D, v);
        for (size_t i = 0; i < D; i++)
            precision[i] = -v[i];
        vmath()->exp(D, precision, precision);
        for (size_t i = 0; i < D; i++) {
            real e = (real)y[r * D + i] - mean[i], part = e * e * precision[i];
            tape->loss += (double)(w * (part + v[i]));
            if (d) {
                d[2 * r * D + i] -= w * 2 * e * precision[i];
                d[2 * r * D + D + i] += w * (1 - v[i] * v[i]) * (1 - part);
            }
        }
    }
    arena_release(&tape->arena, mark);
}

/* KL = sum p (log p - log q):   d/dz^q_j = q_j - p_j   d/dz^p_j = p_j (log p_j - log q_j - KL). A masked choice has p = q = 0 and
 * finite logarithms. */
static real kl_group(int A, const real *log_p, const real *p, const real *log_q, const real *q, real weight, real *d_p, real *d_q)
{
    real kl = 0;
    for (int a = 0; a < A; a++)
        kl += p[a] * (log_p[a] - log_q[a]);
    for (int a = 0; d_q && a < A; a++)
        d_q[a] += weight * (q[a] - p[a]);
    for (int a = 0; d_p && a < A; a++)
        d_p[a] += weight * p[a] * (log_p[a] - log_q[a] - kl);
    return kl;
}

void tape_kl_loss(struct tape *tape, struct node *p_logits, struct node *q_logits, const uint8_t *available, const real *weight,
                  int groups, const int32_t *choices)
{
    ASSERT(p_logits->rows == q_logits->rows && p_logits->cols == q_logits->cols);
    int R = p_logits->rows, W = p_logits->cols;
    size_t count = node_count(p_logits), mark = arena_mark(&tape->arena);
    real *d_p = p_logits->gradient ? tape_gradient_to_add(p_logits) : NULL;
    real *d_q = q_logits->gradient ? tape_gradient_to_add(q_logits) : NULL;
    real *log_p = arena_array(&tape->arena, real, count), *p = arena_array(&tape->arena, real, count);
    real *log_q = arena_array(&tape->arena, real, count), *q = arena_array(&tape->arena, real, count);
    real *sum = arena_array(&tape->arena, real, R * groups);
    tape_log_softmax(R, W, groups, choices, p_logits->value, available, log_p, p, sum);
    tape_log_softmax(R, W, groups, choices, q_logits->value, available, log_q, q, sum);
    for (int r = 0; r < R; r++) {
        size_t at = (size_t)r * (size_t)W;
        for (int g = 0; weight[r] != 0 && g < groups; at += (size_t)choices[g], g++)
            tape->loss += (double)(weight[r] * kl_group(choices[g], log_p + at, p + at, log_q + at, q + at, weight[r],
                                                        d_p ? d_p + at : NULL, d_q ? d_q + at : NULL));
    }
    arena_release(&tape->arena, mark);
}
