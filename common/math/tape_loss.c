/* Losses. Each computes value and gradient in one pass when it is recorded: a loss is an end of the graph, so nothing that comes
 * later can change its gradient. Losses and diagnostics are summed in double in row order.
 *
 * A row of weight 0 adds nothing, whatever it holds. A NaN in any other row reaches both the loss and the gradient. */
#include <math.h>
#include <string.h>

#include "math/tape_internal.h"
#include "math/vmath.h"

#define MASKED_LOGIT ((real)-1e10)

static inline real real_abs(real x)
{
    return x < 0 ? -x : x;
}

/* NaN passes. */
static inline real clamp(real x, real low, real high)
{
    return x < low ? low : x > high ? high : x;
}

/* log_p, p [R,A] of softmax over each row of logits [R,A], unavailable ones masked (available may be NULL). sum [R]: scratch. */
static void log_softmax(int R, int A, const real *logits, const uint8_t *available, real *log_p, real *p, real *sum)
{
    for (int r = 0; r < R; r++) {
        real *row = log_p + (size_t)r * (size_t)A, highest = -INFINITY;
        for (int a = 0; a < A; a++) {
            size_t i = (size_t)r * (size_t)A + (size_t)a;
            row[a] = !available || available[i] ? logits[i] : MASKED_LOGIT;
            highest = row[a] > highest ? row[a] : highest;
        }
        for (int a = 0; a < A; a++)
            row[a] -= highest;
    }
    vmath()->exp((size_t)R * (size_t)A, log_p, p);
    for (int r = 0; r < R; r++) {
        real total = 0;
        for (int a = 0; a < A; a++)
            total += p[(size_t)r * (size_t)A + (size_t)a];
        for (int a = 0; a < A; a++)
            p[(size_t)r * (size_t)A + (size_t)a] /= total;
        sum[r] = total;
    }
    vmath()->log((size_t)R, sum, sum);
    for (int r = 0; r < R; r++)
        for (int a = 0; a < A; a++)
            log_p[(size_t)r * (size_t)A + (size_t)a] -= sum[r];
}

/* ---- PPO ---- */

/* H = -sum p log p; masked entries have p = 0 and a finite log p. */
static real row_entropy(int A, const real *log_p, const real *p)
{
    real h = 0;
    for (int a = 0; a < A; a++)
        h -= p[a] * log_p[a];
    return h;
}

/* d [A] += slope * d(log p[action])/d(logits) + entropy_slope * dH/d(logits)
 *   d(log p_a)/dz_j = [j = a] - p_j        dH/dz_j = -p_j (log p_j + H) */
static void row_gradient(int A, const real *log_p, const real *p, int action, real slope, real entropy, real entropy_slope, real *d)
{
    for (int j = 0; j < A; j++)
        d[j] += slope * ((j == action ? 1 : 0) - p[j]) - entropy_slope * p[j] * (log_p[j] + entropy);
}

/* Eq. (7): -min(ratio A, clip(ratio) A); *slope is its derivative by the log-probability. */
static real surrogate(real ratio, real advantage, real clip, real *slope)
{
    real free = ratio * advantage;
    real clipped = clamp(ratio, 1 - clip, 1 + clip) * advantage;
    *slope = clipped < free ? 0 : -free;
    return clipped < free ? -clipped : -free;
}

struct ppo_row {
    real log_ratio, ratio, weight, advantage;
};

static void ppo_count(struct ppo_stats *stats, const struct ppo_row *row, real clip, real loss, real entropy)
{
    stats->policy_loss += (double)(row->weight * loss);
    stats->entropy += (double)(row->weight * entropy);
    if (real_abs(row->ratio - 1) > clip)
        stats->clip_fraction += (double)row->weight;
    stats->kl += (double)(row->weight * (row->ratio - 1 - row->log_ratio));
    if (!((double)row->ratio <= stats->ratio_max))
        stats->ratio_max = (double)row->ratio;
}

void tape_ppo_loss(struct tape *tape, struct node *logits, const struct ppo_rows *rows, struct ppo_stats *stats)
{
    int R = logits->rows, A = logits->cols;
    real *d = logits->gradient ? tape_gradient_to_add(logits) : NULL;
    size_t mark = arena_mark(&tape->arena);
    real *log_p = arena_array(&tape->arena, real, node_count(logits));
    real *p = arena_array(&tape->arena, real, node_count(logits));
    real *log_ratio = arena_array(&tape->arena, real, R), *ratio = arena_array(&tape->arena, real, R);

    log_softmax(R, A, logits->value, rows->available, log_p, p, ratio);
    for (int r = 0; r < R; r++) {
        ASSERT(rows->weight[r] == 0 || (rows->action[r] >= 0 && rows->action[r] < A));
        log_ratio[r] = rows->weight[r] == 0 ? 0 : log_p[(size_t)r * (size_t)A + (size_t)rows->action[r]] - rows->old_logp[r];
    }
    vmath()->exp((size_t)R, log_ratio, ratio);
    for (int r = 0; r < R; r++) {
        struct ppo_row row = {log_ratio[r], ratio[r], rows->weight[r], rows->advantage[r]};
        if (row.weight == 0)
            continue;
        const real *row_log_p = log_p + (size_t)r * (size_t)A, *row_p = p + (size_t)r * (size_t)A;
        real slope, entropy = row_entropy(A, row_log_p, row_p);
        real loss = surrogate(row.ratio, row.advantage, rows->clip, &slope);
        tape->loss += (double)(row.weight * (loss - rows->entropy_coef * entropy));
        ppo_count(stats, &row, rows->clip, loss, entropy);
        if (d)
            row_gradient(A, row_log_p, row_p, rows->action[r], row.weight * slope, entropy, -row.weight * rows->entropy_coef,
                         d + (size_t)r * (size_t)A);
    }
    arena_release(&tape->arena, mark);
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

void tape_cross_entropy_loss(struct tape *tape, struct node *logits, const int32_t *label, const real *weight, int groups)
{
    ASSERT(groups >= 1 && logits->cols % groups == 0);
    int R = logits->rows * groups, A = logits->cols / groups;
    real *d = logits->gradient ? tape_gradient_to_add(logits) : NULL;
    size_t mark = arena_mark(&tape->arena);
    real *log_p = arena_array(&tape->arena, real, node_count(logits));
    real *p = arena_array(&tape->arena, real, node_count(logits));
    log_softmax(R, A, logits->value, NULL, log_p, p, arena_array(&tape->arena, real, R));
    for (int r = 0; r < R; r++) {
        real w = weight[r / groups];
        if (w == 0)
            continue;
        ASSERT(label[r] >= 0 && label[r] < A);
        size_t row = (size_t)r * (size_t)A;
        tape->loss -= (double)(w * log_p[row + (size_t)label[r]]);
        if (d)
            row_gradient(A, log_p + row, p + row, label[r], -w, 0, 0, d + row);
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
