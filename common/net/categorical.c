/* Rows are independent and worked on one by one: A is small, and a row's bits must not depend on its neighbours. */
#include "net/categorical.h"

#include <math.h>

#include "base/err.h"
#include "math/vmath.h"

#define MASKED_LOGIT ((real)-1e10)
#define PIECE 64 /* actions handled at a time, so that no scratch is needed whatever A is */

static inline real masked(const real *logits, const uint8_t *available, int a)
{
    return available[a] ? logits[a] : MASKED_LOGIT;
}

/* NaN if any available logit is NaN. */
static real highest_logit(int A, const real *logits, const uint8_t *available)
{
    real highest = -INFINITY;
    for (int a = 0; a < A; a++) {
        real z = masked(logits, available, a);
        highest = z > highest || z != z ? z : highest;
        if (highest != highest)
            break;
    }
    return highest;
}

/* e [n] = exp(logits a..a+n-1 minus the highest), 0 where unavailable; n <= PIECE. */
static void exp_piece(int n, const real *logits, const uint8_t *available, real highest, real *e)
{
    for (int i = 0; i < n; i++)
        e[i] = masked(logits, available, i) - highest;
    vmath()->exp((size_t)n, e, e);
    for (int i = 0; i < n; i++)
        e[i] = available[i] ? e[i] : 0;
}

static int piece_at(int A, int a)
{
    return A - a < PIECE ? A - a : PIECE;
}

static real exp_total(int A, const real *logits, const uint8_t *available, real highest)
{
    real e[PIECE], total = 0;
    for (int a = 0; a < A; a += PIECE) {
        exp_piece(piece_at(A, a), logits + a, available + a, highest, e);
        for (int i = 0; i < piece_at(A, a); i++)
            total += e[i];
    }
    return total;
}

/* The first available action whose cumulative sum exceeds unit * total, the last available one if rounding leaves none. Fills
 * probability [A] if not NULL. */
static int32_t pick(int A, const real *logits, const uint8_t *available, real highest, real total, real unit, float *probability)
{
    real e[PIECE], sum = 0, bound = unit * total;
    int32_t picked = -1, last = -1;
    for (int a = 0; a < A && (picked < 0 || probability); a += PIECE) {
        int n = piece_at(A, a);
        exp_piece(n, logits + a, available + a, highest, e);
        for (int i = 0; i < n; i++) {
            sum += e[i];
            if (available[a + i])
                last = a + i;
            if (picked < 0 && available[a + i] && sum > bound)
                picked = a + i;
            if (probability)
                probability[a + i] = (float)(e[i] / total);
        }
    }
    return picked >= 0 ? picked : last;
}

static real log_one(real x)
{
    vmath()->log(1, &x, &x);
    return x;
}

void categorical_sample(int rows, int A, const real *logits, const uint8_t *available, const float *unit, int32_t *action,
                        float *logp, float *probability)
{
    for (int r = 0; r < rows; r++, logits += A, available += A) {
        real highest = highest_logit(A, logits, available);
        real total = exp_total(A, logits, available, highest);
        action[r] = pick(A, logits, available, highest, total, (real)unit[r], probability ? probability + (size_t)r * (size_t)A : 0);
        ASSERT(action[r] >= 0);
        logp[r] = (float)(masked(logits, available, action[r]) - highest - log_one(total));
    }
}

void categorical_logp(int rows, int A, const real *logits, const uint8_t *available, const int32_t *action, float *logp)
{
    for (int r = 0; r < rows; r++, logits += A, available += A) {
        real highest = highest_logit(A, logits, available);
        real total = exp_total(A, logits, available, highest);
        logp[r] = (float)(masked(logits, available, action[r]) - highest - log_one(total));
    }
}
