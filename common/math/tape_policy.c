/* Losses of policies: the PPO surrogate with an entropy bonus, for categoricals (one or several a row) and diagonal Gaussians.
 *
 * As in tape_loss.c: value and gradient in one pass when recorded, sums in double in row order, rows of weight 0 add nothing, a
 * NaN in any other row reaches both the loss and the gradient. */
#include <math.h>

#include "math/tape_internal.h"
#include "math/vmath.h"

#define MASKED_LOGIT ((real)-1e10)
#define HALF_LOG_2PI ((real)0.918938533204672741780329736406)

static inline real real_abs(real x)
{
    return x < 0 ? -x : x;
}

/* NaN passes. */
static inline real clamp(real x, real low, real high)
{
    return x < low ? low : x > high ? high : x;
}

/* One row's softmax by segments of choices[0..C-1] logits. */
static void shift_row(int C, const int32_t *choices, const real *logits, const uint8_t *available, real *row)
{
    for (int c = 0, at = 0; c < C; at += choices[c], c++) {
        real highest = -INFINITY;
        for (int a = at; a < at + choices[c]; a++) {
            row[a] = !available || available[a] ? logits[a] : MASKED_LOGIT;
            highest = row[a] > highest ? row[a] : highest;
        }
        for (int a = at; a < at + choices[c]; a++)
            row[a] -= highest;
    }
}

void tape_log_softmax(int R, int A, int C, const int32_t *choices, const real *logits, const uint8_t *available, real *log_p,
                      real *p, real *sum)
{
    for (int r = 0; r < R; r++) {
        size_t row = (size_t)r * (size_t)A;
        shift_row(C, choices, logits + row, available ? available + row : NULL, log_p + row);
    }
    vmath()->exp((size_t)R * (size_t)A, log_p, p);
    for (int r = 0; r < R; r++) {
        real *row = p + (size_t)r * (size_t)A;
        for (int c = 0, at = 0; c < C; at += choices[c], c++) {
            real total = 0;
            for (int a = at; a < at + choices[c]; a++)
                total += row[a];
            for (int a = at; a < at + choices[c]; a++)
                row[a] /= total;
            sum[r * C + c] = total;
        }
    }
    vmath()->log((size_t)R * (size_t)C, sum, sum);
    for (int r = 0; r < R; r++) {
        real *row = log_p + (size_t)r * (size_t)A;
        for (int c = 0, at = 0; c < C; at += choices[c], c++)
            for (int a = at; a < at + choices[c]; a++)
                row[a] -= sum[r * C + c];
    }
}

/* ---- categoricals ---- */

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

/* Sum over a row's components of log p[action]; of the entropies, each also to entropy [C]. */
static real row_logp(int C, const int32_t *choices, const real *log_p, const int32_t *action)
{
    real sum = 0;
    for (int c = 0, at = 0; c < C; at += choices[c], c++) {
        ASSERT(action[c] >= 0 && action[c] < choices[c]);
        sum += log_p[at + action[c]];
    }
    return sum;
}

/* Loss and gradient of row r, given its ratio. */
static void ppo_row_loss(struct tape *tape, const struct ppo_rows *rows, const struct ppo_row *row, int C, const int32_t *choices,
                         const real *log_p, const real *p, const int32_t *action, real *d, struct ppo_stats *stats)
{
    real slope, entropy = 0, loss = surrogate(row->ratio, row->advantage, rows->clip, &slope);
    for (int c = 0, at = 0; c < C; at += choices[c], c++) {
        real own = row_entropy(choices[c], log_p + at, p + at);
        entropy += own;
        if (d)
            row_gradient(choices[c], log_p + at, p + at, action[c], row->weight * slope, own, -row->weight * rows->entropy_coef,
                         d + at);
    }
    tape->loss += (double)(row->weight * (loss - rows->entropy_coef * entropy));
    ppo_count(stats, row, rows->clip, loss, entropy);
}

void tape_ppo_loss(struct tape *tape, struct node *logits, const struct ppo_rows *rows, struct ppo_stats *stats)
{
    int R = logits->rows, A = logits->cols, C = rows->components ? rows->components : 1;
    const int32_t whole = A, *choices = rows->components ? rows->choices : &whole;
    real *d = logits->gradient ? tape_gradient_to_add(logits) : NULL;
    size_t mark = arena_mark(&tape->arena);
    real *log_p = arena_array(&tape->arena, real, node_count(logits));
    real *p = arena_array(&tape->arena, real, node_count(logits));
    real *log_ratio = arena_array(&tape->arena, real, R), *ratio = arena_array(&tape->arena, real, R);

    tape_log_softmax(R, A, C, choices, logits->value, rows->available, log_p, p, arena_array(&tape->arena, real, R * C));
    for (int r = 0; r < R; r++)
        log_ratio[r] = rows->weight[r] == 0
                           ? 0
                           : row_logp(C, choices, log_p + (size_t)r * (size_t)A, rows->action + r * C) - rows->old_logp[r];
    vmath()->exp((size_t)R, log_ratio, ratio);
    for (int r = 0; r < R; r++) {
        const struct ppo_row row = {log_ratio[r], ratio[r], rows->weight[r], rows->advantage[r]};
        size_t at = (size_t)r * (size_t)A;
        if (row.weight != 0)
            ppo_row_loss(tape, rows, &row, C, choices, log_p + at, p + at, rows->action + r * C, d ? d + at : NULL, stats);
    }
    arena_release(&tape->arena, mark);
}

/* ---- Gaussians ---- */

struct gaussian { /* deviations of the C components, and where their gradient goes */
    real *log_std, *std, *d_log_std;
    bool *is_free; /* not at a bound, where log_std moves nothing */
};

static struct gaussian gaussian_begin(struct tape *tape, struct node *log_std, real low, real high)
{
    int C = log_std->cols;
    struct gaussian g = {.log_std = arena_array(&tape->arena, real, C),
                         .std = arena_array(&tape->arena, real, C),
                         .is_free = arena_array(&tape->arena, bool, C)};
    for (int c = 0; c < C; c++) {
        g.log_std[c] = clamp(log_std->value[c], low, high);
        g.is_free[c] = !(log_std->value[c] < low || log_std->value[c] > high);
    }
    vmath()->exp((size_t)C, g.log_std, g.std);
    g.d_log_std = log_std->gradient ? tape_gradient_to_add(log_std) : NULL;
    return g;
}

/* log N(a; m, s) = sum over components of -z^2/2 - log s - 1/2 log 2 pi, z = (a - m)/s
 *   d/dm = z/s    d/dlog s = z^2 - 1    dH/dlog s = 1 */
static real gaussian_logp(const struct gaussian *g, int C, const real *mean, const float *action)
{
    real sum = 0;
    for (int c = 0; c < C; c++) {
        real z = ((real)action[c] - mean[c]) / g->std[c];
        sum += -z * z / 2 - g->log_std[c] - HALF_LOG_2PI;
    }
    return sum;
}

static void gaussian_gradient(const struct gaussian *g, int C, const real *mean, const float *action, real slope,
                              real entropy_slope, real *d_mean)
{
    for (int c = 0; c < C; c++) {
        real z = ((real)action[c] - mean[c]) / g->std[c];
        if (d_mean)
            d_mean[c] += slope * z / g->std[c];
        if (g->d_log_std && g->is_free[c])
            g->d_log_std[c] += slope * (z * z - 1) + entropy_slope;
    }
}

void tape_gaussian_ppo_loss(struct tape *tape, struct node *mean, struct node *log_std, const struct gaussian_rows *rows,
                            struct ppo_stats *stats)
{
    int R = mean->rows, C = mean->cols;
    ASSERT(log_std->rows == 1 && log_std->cols == C);
    real *d = mean->gradient ? tape_gradient_to_add(mean) : NULL;
    size_t mark = arena_mark(&tape->arena);
    struct gaussian g = gaussian_begin(tape, log_std, rows->log_std_min, rows->log_std_max);
    real *log_ratio = arena_array(&tape->arena, real, R), *ratio = arena_array(&tape->arena, real, R), entropy = 0;
    for (int c = 0; c < C; c++)
        entropy += g.log_std[c] + (real)0.5 + HALF_LOG_2PI;
    for (int r = 0; r < R; r++)
        log_ratio[r] =
            rows->weight[r] == 0 ? 0 : gaussian_logp(&g, C, mean->value + r * C, rows->action + r * C) - rows->old_logp[r];
    vmath()->exp((size_t)R, log_ratio, ratio);
    for (int r = 0; r < R; r++) {
        const struct ppo_row row = {log_ratio[r], ratio[r], rows->weight[r], rows->advantage[r]};
        if (row.weight == 0)
            continue;
        real slope, loss = surrogate(row.ratio, row.advantage, rows->clip, &slope);
        tape->loss += (double)(row.weight * (loss - rows->entropy_coef * entropy));
        ppo_count(stats, &row, rows->clip, loss, entropy);
        gaussian_gradient(&g, C, mean->value + r * C, rows->action + r * C, row.weight * slope, -row.weight * rows->entropy_coef,
                          d ? d + r * C : NULL);
    }
    arena_release(&tape->arena, mark);
}
