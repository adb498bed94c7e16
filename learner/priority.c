#include "learner/priority.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ERROR 1.0 /* their p_1 */

struct priority {
    double alpha, eps, largest;
    size_t width;  /* a power of 2 */
    double *error; /* [width] */
    double *sum;   /* [2*width] of p^alpha: node k has the children 2k and 2k+1, the root is 1, leaves begin at width; 0: nobody */
};

int priority_create(struct priority **out, int64_t capacity, double alpha, double eps)
{
    struct priority *priority = calloc(1, sizeof *priority);
    if (!priority)
        return ERR_NOMEM;
    *priority = (struct priority){.alpha = alpha, .eps = eps, .largest = FIRST_ERROR, .width = 1};
    while (priority->width < (size_t)capacity)
        priority->width *= 2;
    priority->error = calloc(priority->width, sizeof *priority->error);
    priority->sum = calloc(2 * priority->width, sizeof *priority->sum);
    if (!priority->error || !priority->sum) {
        priority_destroy(&priority);
        return ERR_NOMEM;
    }
    *out = priority;
    return 0;
}

void priority_destroy(struct priority **priority_at)
{
    struct priority *priority = *priority_at;
    if (!priority)
        return;
    free(priority->error);
    free(priority->sum);
    free(priority);
    *priority_at = NULL;
}

void priority_clear(struct priority *priority)
{
    memset(priority->error, 0, priority->width * sizeof *priority->error);
    memset(priority->sum, 0, 2 * priority->width * sizeof *priority->sum);
    priority->largest = FIRST_ERROR;
}

/* ---- the tree ---- */

static size_t place_of(const struct priority *priority, int64_t number)
{
    return (size_t)number & (priority->width - 1);
}

static void put(struct priority *priority, size_t place, double error, double leaf)
{
    size_t k = priority->width + place;
    priority->error[place] = error;
    priority->sum[k] = leaf;
    for (k /= 2; k; k /= 2)
        priority->sum[k] = priority->sum[2 * k] + priority->sum[2 * k + 1];
}

void priority_set(struct priority *priority, int64_t number, double error)
{
    ASSERT(isfinite(error) && error >= 0);
    if (error > priority->largest)
        priority->largest = error;
    put(priority, place_of(priority, number), error, pow(error + priority->eps, priority->alpha));
}

void priority_add(struct priority *priority, int64_t number)
{
    priority_set(priority, number, priority->largest);
}

void priority_drop(struct priority *priority, int64_t number)
{
    put(priority, place_of(priority, number), 0, 0);
}

double priority_error(const struct priority *priority, int64_t number)
{
    return priority->error[place_of(priority, number)];
}

double priority_largest(const struct priority *priority)
{
    return priority->largest;
}

void priority_set_largest(struct priority *priority, double error)
{
    ASSERT(isfinite(error) && error > 0);
    priority->largest = error;
}

double priority_share(const struct priority *priority, int64_t number)
{
    double leaf = priority->sum[priority->width + place_of(priority, number)];
    return leaf > 0 ? leaf / priority->sum[1] : 0;
}

/* ---- drawing ---- */

/* The leaf in whose stretch of the sum the point lies. Rounding may carry a point past the last leaf: an empty child is never entered. */
static size_t leaf_at(const struct priority *priority, double point)
{
    size_t k = 1;
    while (k < priority->width) {
        double left = priority->sum[2 * k];
        k *= 2;
        if (point >= left && priority->sum[k + 1] > 0) {
            point -= left;
            k++;
        }
    }
    return k - priority->width;
}

void priority_draw(const struct priority *priority, struct rng *rng, int n, int64_t first, int32_t *age)
{
    ASSERT(priority->sum[1] > 0);
    for (int i = 0; i < n; i++) {
        double point = priority->sum[1] * ((i + rng_double(rng)) / n);
        age[i] = (int32_t)((leaf_at(priority, point) - (size_t)first) & (priority->width - 1));
    }
}

/* n and the sum cancel: (n P_i)^-beta over its largest is (least P / P_i)^beta. */
void priority_weights(int n, const double *share, double beta, double *weight)
{
    double least = share[0];
    for (int i = 1; i < n; i++)
        least = share[i] < least ? share[i] : least;
    for (int i = 0; i < n; i++)
        weight[i] = pow(least / share[i], beta);
}

double priority_beta(double start, double done)
{
    return done >= 1 ? 1 : start + (1 - start) * done;
}
