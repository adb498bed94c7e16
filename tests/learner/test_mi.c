/* CLUB: the O(n) formulas against the definition over all pairs, and against what it must be for known distributions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "learner/regularisers/mi.h"

static void close_to(const char *what, double got, double expected, double limit)
{
    if (!(fabs(got - expected) <= limit))
        fail_msg("%s: got %.6f, expected %.6f", what, got, expected);
}

static void test_categorical_equals_the_sum_over_pairs(void **state)
{
    (void)state;
    enum { n = 60, G = 3, A = 4 };
    real logq[n * G * A];
    int32_t label[n * G];
    double histogram[G * A], fast[n];
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    for (int g = 0; g < n * G; g++) {
        double sum = 0;
        for (int a = 0; a < A; a++)
            sum += exp((double)(logq[g * A + a] = (real)rng_normal(&rng)));
        for (int a = 0; a < A; a++)
            logq[g * A + a] -= (real)log(sum);
        label[g] = (int32_t)rng_below(&rng, A);
    }
    club_categorical(n, G, A, logq, label, histogram, fast);
    for (int i = 0; i < n; i++) {
        double positive = 0, negative = 0;
        for (int g = 0; g < G; g++) {
            positive += (double)logq[(i * G + g) * A + label[i * G + g]];
            for (int j = 0; j < n; j++)
                negative += (double)logq[(i * G + g) * A + label[j * G + g]] / n;
        }
        close_to("row", fast[i], positive - negative, 1e-5);
    }
}

static double log_normal(double y, double mean, double logvar)
{
    return -0.5 * (log(2 * M_PI) + logvar + (y - mean) * (y - mean) / exp(logvar));
}

static void test_gaussian_equals_the_sum_over_pairs(void **state)
{
    (void)state;
    enum { n = 60, D = 3 };
    real mean[n * D], logvar[n * D], y[n * D];
    double moments[2 * D], fast[n];
    struct rng rng = rng_stream(2, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < n * D; i++) {
        mean[i] = (real)rng_normal(&rng);
        logvar[i] = (real)(2 * rng_double(&rng) - 1);
        y[i] = (real)(2 * rng_normal(&rng) + 1);
    }
    club_gaussian(n, D, mean, logvar, y, moments, fast);
    for (int i = 0; i < n; i++) {
        double slow = 0;
        for (int d = 0; d < D; d++) {
            int at = i * D + d;
            slow += log_normal((double)y[at], (double)mean[at], (double)logvar[at]);
            for (int j = 0; j < n; j++)
                slow -= log_normal((double)y[j * D + d], (double)mean[at], (double)logvar[at]) / n;
        }
        close_to("row", fast[i], slow, 1e-5 * (1 + fabs(slow)));
    }
}

static double average(int n, const double *x)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum / n;
}

/* y = rho x + sqrt(1 - rho^2) e with the exact q: rho^2 / (1 - rho^2). */
static void test_gaussian_pair_has_its_analytic_bound(void **state)
{
    (void)state;
    enum { n = 200000 };
    real *mean = malloc(n * sizeof *mean), *logvar = malloc(n * sizeof *logvar), *y = malloc(n * sizeof *y);
    double *out = malloc(n * sizeof *out), moments[2];
    const double rhos[] = {0, 0.3, 0.6, 0.79};
    for (size_t r = 0; r < 4; r++) {
        double rho = rhos[r];
        struct rng rng = rng_stream(3, RNG_TEST, r, 0, 0);
        for (int i = 0; i < n; i++) {
            double x = rng_normal(&rng);
            mean[i] = (real)(rho * x);
            logvar[i] = (real)log(1 - rho * rho);
            y[i] = (real)(rho * x + sqrt(1 - rho * rho) * rng_normal(&rng));
        }
        club_gaussian(n, 1, mean, logvar, y, moments, out);
        close_to("rho", average(n, out), rho * rho / (1 - rho * rho), 0.03);
    }
    free(mean), free(logvar), free(y), free(out);
}

/* x uniform over A symbols, y = x with probability p, else one of the others; q exact. */
static double discrete_bound(int A, double p, int n)
{
    real *logq = malloc((size_t)(n * A) * sizeof *logq);
    int32_t *label = malloc((size_t)n * sizeof *label);
    double *out = malloc((size_t)n * sizeof *out), histogram[16];
    struct rng rng = rng_stream(4, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < n; i++) {
        int x = (int)rng_below(&rng, (uint32_t)A), other = (x + 1 + (int)rng_below(&rng, (uint32_t)A - 1)) % A;
        label[i] = rng_double(&rng) < p ? x : other;
        for (int a = 0; a < A; a++)
            logq[i * A + a] = (real)log(a == x ? p : (1 - p) / (A - 1));
    }
    club_categorical(n, 1, A, logq, label, histogram, out);
    double mean = average(n, out);
    free(logq), free(label), free(out);
    return mean;
}

static void test_discrete_symbols_have_their_analytic_bound(void **state)
{
    (void)state;
    close_to("A 5, p 0.7", discrete_bound(5, 0.7, 200000), 1.117, 0.01);
    close_to("A 5, independent", discrete_bound(5, 0.2, 200000), 0, 0.01);
    close_to("A 3, p 0.5", discrete_bound(3, 0.5, 200000), (0.5 - 1.0 / 3) * (log(0.5) - log(0.25)), 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_categorical_equals_the_sum_over_pairs),
        cmocka_unit_test(test_gaussian_equals_the_sum_over_pairs),
        cmocka_unit_test(test_gaussian_pair_has_its_analytic_bound),
        cmocka_unit_test(test_discrete_symbols_have_their_analytic_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
