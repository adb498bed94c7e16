/* Rows are gathered into pieces of up to PIECE numbers, so that exp and log run over long arrays whatever A is. A row's numbers
 * are summed by themselves in action order, as the losses on a tape do: its bits do not depend on its neighbours, and a ratio of
 * new over old probability is exactly 1 before the first update. */
#include "net/categorical.h"

#include <math.h>

#include "base/err.h"
#include "math/vmath.h"

#define MASKED_LOGIT ((real)-1e10)
#define PIECE 1024 /* numbers on the stack */
#define ACTIONS_MAX PIECE

struct piece {
    real shifted[PIECE]; /* [rows,A] masked logits minus the row's highest */
    real e[PIECE];       /* [rows,A] their exponentials; 0 where unavailable, since -1e10 is far below what exp can hold */
    real total[PIECE];   /* [rows] */
    real log_total[PIECE];
};

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
        highest = !(z <= highest) && highest == highest ? z : highest;
    }
    return highest;
}

static void piece_fill(struct piece *p, int rows, int A, const real *logits, const uint8_t *available)
{
    for (int r = 0; r < rows; r++) {
        const real *z = logits + (size_t)r * (size_t)A;
        const uint8_t *mask = available + (size_t)r * (size_t)A;
        real highest = highest_logit(A, z, mask);
        for (int a = 0; a < A; a++)
            p->shifted[r * A + a] = masked(z, mask, a) - highest;
    }
    vmath()->exp((size_t)rows * (size_t)A, p->shifted, p->e);
    for (int r = 0; r < rows; r++) {
        real total = 0;
        for (int a = 0; a < A; a++)
            total += p->e[r * A + a];
        p->total[r] = total;
    }
    vmath()->log((size_t)rows, p->total, p->log_total);
}

/* The first available action whose cumulative sum exceeds bound, or the last available one if rounding leaves none. */
static int32_t pick(int A, const real *e, const uint8_t *available, real bound)
{
    real sum = 0;
    int32_t last = -1;
    for (int a = 0; a < A; a++) {
        if (!available[a])
            continue;
        sum += e[a];
        last = a;
        if (sum > bound)
            break;
    }
    return last;
}

static int piece_rows(int A)
{
    ASSERT(A >= 1 && A <= ACTIONS_MAX);
    return PIECE / A;
}

void categorical_sample(int rows, int A, const real *logits, const uint8_t *available, const float *unit, int32_t *action,
                        float *logp, float *probability)
{
    struct piece p;
    int most = piece_rows(A);
    for (int first = 0; first < rows; first += most) {
        int n = rows - first < most ? rows - first : most;
        size_t start = (size_t)first * (size_t)A;
        piece_fill(&p, n, A, logits + start, available + start);
        for (int r = 0; r < n; r++) {
            int32_t chosen = pick(A, p.e + r * A, available + start + (size_t)r * (size_t)A, (real)unit[first + r] * p.total[r]);
            ASSERT(chosen >= 0);
            action[first + r] = chosen;
            logp[first + r] = (float)(p.shifted[r * A + chosen] - p.log_total[r]);
            for (int a = 0; probability && a < A; a++)
                probability[start + (size_t)(r * A + a)] = (float)(p.e[r * A + a] / p.total[r]);
        }
    }
}

void categorical_logp(int rows, int A, const real *logits, const uint8_t *available, const int32_t *action, float *logp)
{
    struct piece p;
    int most = piece_rows(A);
    for (int first = 0; first < rows; first += most) {
        int n = rows - first < most ? rows - first : most;
        size_t start = (size_t)first * (size_t)A;
        piece_fill(&p, n, A, logits + start, available + start);
        for (int r = 0; r < n; r++) {
            ASSERT(action[first + r] >= 0 && action[first + r] < A);
            logp[first + r] = (float)(p.shifted[r * A + action[first + r]] - p.log_total[r]);
        }
    }
}
