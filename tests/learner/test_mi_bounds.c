/* Bounds on information: the cheap formulas against their definitions over all pairs, and against what they must be for known
 * distributions with the exact q. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"
#include "learner/regularisers/mi_bounds.h"

enum { BATCH = 4096 }; /* at which the analytic cases are held to 10 per cent */

static void close_to(const char *what, double got, double expected, double limit)
{
    if (!(fabs(got - expected) <= limit))
        fail_msg("%s: got %.6f, expected %.6f within %.2g", what, got, expected, limit);
}

static double average(int n, const double *x)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum / n;
}

static void shuffle(int n, int32_t *permutation, uint64_t seed)
{
    struct rng rng = rng_stream(seed, RNG_TEST, 0, 0, 9);
    for (int i = 0; i < n; i++) {
        int j = (int)rng_below(&rng, (uint32_t)i + 1);
        permutation[i] = permutation[j];
        permutation[j] = i;
    }
}

/* ---- definitions ---- */

enum { ROWS = 60, PARTS = 3, WIDTH = 9 };
static const int32_t choices[PARTS] = {4, 2, 3}, starts[PARTS] = {0, 4, 6};

static void make_choices(real *logq, int32_t *label, double sharpness)
{
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < ROWS; i++)
        for (int g = 0; g < PARTS; g++) {
            real *row = logq + i * WIDTH + starts[g];
            double sum = 0;
            for (int a = 0; a < choices[g]; a++)
                sum += exp((double)(row[a] = (real)(sharpness * rng_normal(&rng))));
            for (int a = 0; a < choices[g]; a++)
                row[a] -= (real)log(sum);
            label[i * PARTS + g] = (int32_t)rng_below(&rng, (uint32_t)choices[g]);
        }
}

static double log_choice(const real *logq, const int32_t *label, int x, int y, int g)
{
    return (double)logq[x * WIDTH + starts[g] + label[y * PARTS + g]];
}

static void check_choices(double sharpness)
{
    real logq[ROWS * WIDTH];
    int32_t label[ROWS * PARTS], permutation[ROWS];
    double work[WIDTH], club[ROWS], sampled[ROWS], vub[ROWS], l1out[ROWS];
    make_choices(logq, label, sharpness);
    shuffle(ROWS, permutation, 2);
    const struct mi_choices sample = {ROWS, PARTS, WIDTH, choices, logq, label};
    mi_club_choices(&sample, work, club);
    mi_club_sample_choices(&sample, permutation, sampled);
    mi_vub_choices(&sample, vub);
    mi_l1out_choices(&sample, work, l1out);
    for (int i = 0; i < ROWS; i++) {
        double club_i = 0, sampled_i = 0, vub_i = 0, l1out_i = 0;
        for (int g = 0; g < PARTS; g++) {
            double own = log_choice(logq, label, i, i, g), others = 0;
            club_i += own;
            sampled_i += own - log_choice(logq, label, i, permutation[i], g);
            l1out_i += own;
            for (int j = 0; j < ROWS; j++) {
                club_i -= log_choice(logq, label, i, j, g) / ROWS;
                others += j == i ? 0 : exp(log_choice(logq, label, j, i, g)) / (ROWS - 1);
            }
            l1out_i -= log(others);
            for (int a = 0; a < choices[g]; a++) { /* KL from the uniform distribution */
                double log_q = (double)logq[i * WIDTH + starts[g] + a];
                vub_i += exp(log_q) * (log_q - log(1.0 / choices[g]));
            }
        }
        close_to("club", club[i], club_i, 1e-5 * (1 + fabs(club_i)));
        close_to("club-sample", sampled[i], sampled_i, 1e-5 * (1 + fabs(sampled_i)));
        close_to("vub", vub[i], vub_i, 1e-5);
        close_to("l1out", l1out[i], l1out_i, 1e-5 * (1 + fabs(l1out_i)));
    }
}

static void test_choices_equal_the_definitions_over_all_pairs(void **state)
{
    (void)state;
    check_choices(1);
    check_choices(12); /* so sure of themselves that a class may belong to a single row */
}

/* ---- rows that do not have every choice ---- */

/* Which choices each row has, its own label among them; every seventh row's first part has that one only. */
static void make_masks(const int32_t *label, uint8_t *available)
{
    struct rng rng = rng_stream(6, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < ROWS; i++)
        for (int g = 0; g < PARTS; g++)
            for (int a = 0; a < choices[g]; a++)
                available[i * WIDTH + starts[g] + a] =
                    a == label[i * PARTS + g] || (rng_double(&rng) < 0.6 && !(g == 0 && i % 7 == 0));
}

/* q without what a row does not have, which is filled with what must not be looked at. */
static void mask_q(real *logq, const uint8_t *available)
{
    for (int i = 0; i < ROWS; i++)
        for (int g = 0; g < PARTS; g++) {
            double sum = 0;
            int at = i * WIDTH + starts[g];
            for (int c = at; c < at + choices[g]; c++)
                sum += available[c] ? exp((double)logq[c]) : 0;
            for (int c = at; c < at + choices[g]; c++)
                logq[c] = available[c] ? logq[c] - (real)log(sum) : (real)NAN;
        }
}

static void test_choices_that_a_row_does_not_have_take_no_part(void **state)
{
    (void)state;
    real logq[ROWS * WIDTH];
    uint8_t available[ROWS * WIDTH];
    int32_t label[ROWS * PARTS], permutation[ROWS];
    double work[WIDTH], club[ROWS], sampled[ROWS], vub[ROWS], l1out[ROWS];
    make_choices(logq, label, 2);
    make_masks(label, available);
    mask_q(logq, available);
    shuffle(ROWS, permutation, 2);
    const struct mi_choices sample = {ROWS, PARTS, WIDTH, choices, logq, label, available};
    mi_club_choices(&sample, work, club);
    mi_club_sample_choices(&sample, permutation, sampled);
    mi_vub_choices(&sample, vub);
    mi_l1out_choices(&sample, work, l1out);
    for (int i = 0; i < ROWS; i++) {
        double club_i = 0, sampled_i = 0, vub_i = 0, l1out_i = 0;
        for (int g = 0; g < PARTS; g++) {
            double own = log_choice(logq, label, i, i, g), negatives = 0, others = 0, of_all = 0, prior = 0;
            int n_negatives = 0, j = permutation[i];
            for (int k = 0; k < ROWS; k++) {
                if (available[i * WIDTH + starts[g] + label[k * PARTS + g]])
                    negatives += log_choice(logq, label, i, k, g), n_negatives++;
                for (int a = 0; a < choices[g]; a++) {
                    int class = starts[g] + a;
                    if (k == i || !available[i * WIDTH + class] || !available[k * WIDTH + class])
                        continue;
                    of_all += exp((double)logq[k * WIDTH + class]);
                    others += a == label[i * PARTS + g] ? exp((double)logq[k * WIDTH + class]) : 0;
                }
            }
            while (!available[i * WIDTH + starts[g] + label[j * PARTS + g]])
                j = permutation[j];
            club_i += own - negatives / n_negatives;
            sampled_i += own - log_choice(logq, label, i, j, g);
            l1out_i += others > 0 ? own - log(others / of_all) : 0;
            for (int a = 0; a < choices[g]; a++)
                prior += available[i * WIDTH + starts[g] + a];
            for (int a = 0; a < choices[g]; a++)
                if (available[i * WIDTH + starts[g] + a])
                    vub_i += exp((double)logq[i * WIDTH + starts[g] + a]) * ((double)logq[i * WIDTH + starts[g] + a] + log(prior));
        }
        close_to("club", club[i], club_i, 1e-5 * (1 + fabs(club_i)));
        close_to("club-sample", sampled[i], sampled_i, 1e-5 * (1 + fabs(sampled_i)));
        close_to("vub", vub[i], vub_i, 1e-5);
        close_to("l1out", l1out[i], l1out_i, 1e-5 * (1 + fabs(l1out_i)));
    }
}

static double log_normal(double y, double mean, double logvar)
{
    return -0.5 * (log(2 * M_PI) + logvar + (y - mean) * (y - mean) / exp(logvar));
}

enum { D = 4 };

static double log_part(const real *q, const float *y, int x, int y_row, int first, int count)
{
    double sum = 0;
    for (int d = first; d < first + count; d++)
        sum += log_normal((double)y[y_row * D + d], (double)q[x * 2 * D + d], (double)q[x * 2 * D + D + d]);
    return sum;
}

static void make_gaussian(real *q, float *y)
{
    struct rng rng = rng_stream(2, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < ROWS; i++)
        for (int d = 0; d < D; d++) {
            q[i * 2 * D + d] = (real)rng_normal(&rng);
            q[i * 2 * D + D + d] = (real)(2 * rng_double(&rng) - 1);
            y[i * D + d] = (float)(2 * rng_normal(&rng) + 1);
        }
}

static void test_boxes_equal_the_definitions_over_all_pairs(void **state)
{
    (void)state;
    real q[ROWS * 2 * D];
    float y[ROWS * D];
    int32_t permutation[ROWS];
    double work[2 * D], club[ROWS], sampled[ROWS], vub[ROWS], l1out[ROWS], asked_for_more[ROWS];
    make_gaussian(q, y);
    shuffle(ROWS, permutation, 3);
    const struct mi_gaussian sample = {ROWS, 2, D, q, y}; /* two parts of two numbers */
    mi_club_gaussian(&sample, work, club);
    mi_club_sample_gaussian(&sample, permutation, sampled);
    mi_vub_gaussian(&sample, vub);
    mi_l1out_gaussian(&sample, 0, l1out);
    mi_l1out_gaussian(&sample, 1000, asked_for_more);
    for (int i = 0; i < ROWS; i++) {
        double own = log_part(q, y, i, i, 0, D), club_i = own, l1out_i = own, vub_i = 0;
        for (int j = 0; j < ROWS; j++)
            club_i -= log_part(q, y, i, j, 0, D) / ROWS;
        for (int g = 0; g < 2; g++) {
            double others = 0;
            for (int j = 0; j < ROWS; j++)
                others += j == i ? 0 : exp(log_part(q, y, j, i, 2 * g, 2)) / (ROWS - 1);
            l1out_i -= log(others);
        }
        for (int d = 0; d < D; d++) { /* KL from N(0,1) by a sum over a fine grid */
            double mu = (double)q[i * 2 * D + d], v = (double)q[i * 2 * D + D + d], h = 1e-3;
            for (double z = mu - 9 * exp(v / 2); z < mu + 9 * exp(v / 2); z += h)
                vub_i += h * exp(log_normal(z, mu, v)) * (log_normal(z, mu, v) - log_normal(z, 0, 0));
        }
        close_to("club", club[i], club_i, 1e-5 * (1 + fabs(club_i)));
        double sampled_i = own - log_part(q, y, i, permutation[i], 0, D);
        close_to("club-sample", sampled[i], sampled_i, 1e-5 * (1 + fabs(sampled_i)));
        close_to("vub", vub[i], vub_i, 1e-5 * (1 + vub_i));
        close_to("l1out", l1out[i], l1out_i, 1e-5 * (1 + fabs(l1out_i)));
        assert_true(asked_for_more[i] == l1out[i]);
    }
}

/* A row is never among its own others, and each of the others stands for as many rows. */
static void test_l1out_of_a_box_samples_the_others_evenly(void **state)
{
    (void)state;
    real q[ROWS * 2 * D];
    float y[ROWS * D];
    double few[ROWS];
    enum { OTHERS = 7 };
    make_gaussian(q, y);
    const struct mi_gaussian sample = {ROWS, 1, D, q, y};
    mi_l1out_gaussian(&sample, OTHERS, few);
    for (int i = 0; i < ROWS; i++) {
        double others = 0;
        for (int m = 0; m < OTHERS; m++) {
            int j = (i + 1 + m * (ROWS - 1) / OTHERS) % ROWS;
            assert_int_not_equal(j, i);
            others += exp(log_part(q, y, j, i, 0, D)) / OTHERS;
        }
        double expected = log_part(q, y, i, i, 0, D) - log(others);
        close_to("row", few[i], expected, 1e-5 * (1 + fabs(expected)));
    }
}

static void test_one_row_alone_has_no_information(void **state)
{
    (void)state;
    const int32_t two = 2, label = 1, self = 0;
    const real logq[2] = {(real)log(0.3), (real)log(0.7)}, q[2] = {(real)0.2, (real)-0.3};
    const float y = 0.9f;
    double work[2], out;
    const struct mi_choices one = {1, 1, 2, &two, logq, &label};
    const struct mi_gaussian box = {1, 1, 1, q, &y};
    mi_club_choices(&one, work, &out), close_to("club", out, 0, 1e-12);
    mi_club_sample_choices(&one, &self, &out), close_to("club-sample", out, 0, 0);
    mi_l1out_choices(&one, work, &out), close_to("l1out", out, 0, 0);
    mi_club_gaussian(&box, work, &out), close_to("club of a box", out, 0, 1e-7);
    mi_l1out_gaussian(&box, 0, &out), close_to("l1out of a box", out, 0, 0);
}

/* ---- known distributions, exact q ---- */

struct bounds {
    double club, sampled, vub, l1out;
};

static void compare(const struct bounds *got, const struct bounds *expected, double share)
{
    close_to("club", got->club, expected->club, share * expected->club);
    close_to("club-sample", got->sampled, expected->sampled, share * expected->sampled);
    close_to("vub", got->vub, expected->vub, share * expected->vub);
    close_to("l1out", got->l1out, expected->l1out, share * expected->l1out);
}

/* y_d = rho x_d + sqrt(1 - rho^2) e_d for each of `dims` numbers. */
static struct bounds gaussian_bounds(double rho, int dims)
{
    real *q = malloc(BATCH * 2 * (size_t)dims * sizeof *q);
    float *y = malloc(BATCH * (size_t)dims * sizeof *y);
    double *out = malloc(BATCH * sizeof *out), work[16];
    int32_t *permutation = malloc(BATCH * sizeof *permutation);
    struct rng rng = rng_stream(3, RNG_TEST, (uint64_t)(1000 * rho), 0, 0);
    struct bounds bounds;
    for (int i = 0; i < BATCH; i++)
        for (int d = 0; d < dims; d++) {
            double x = rng_normal(&rng);
            q[i * 2 * dims + d] = (real)(rho * x);
            q[i * 2 * dims + dims + d] = (real)log(1 - rho * rho);
            y[i * dims + d] = (float)(rho * x + sqrt(1 - rho * rho) * rng_normal(&rng));
        }
    shuffle(BATCH, permutation, 4);
    const struct mi_gaussian sample = {BATCH, dims, dims, q, y};
    mi_club_gaussian(&sample, work, out), bounds.club = average(BATCH, out);
    mi_club_sample_gaussian(&sample, permutation, out), bounds.sampled = average(BATCH, out);
    mi_vub_gaussian(&sample, out), bounds.vub = average(BATCH, out);
    mi_l1out_gaussian(&sample, 500, out), bounds.l1out = average(BATCH, out);
    free(q), free(y), free(out), free(permutation);
    return bounds;
}

static void test_gaussian_pairs_have_their_analytic_bounds(void **state)
{
    (void)state;
    static const double rhos[] = {0.5, 0.65, 0.79};
    for (size_t r = 0; r < ARRAY_LEN(rhos); r++) {
        double square = rhos[r] * rhos[r], information = -1.5 * log(1 - square); /* of 3 numbers */
        struct bounds got = gaussian_bounds(rhos[r], 3),
                      expected = {3 * square / (1 - square), 3 * square / (1 - square), information, information};
        compare(&got, &expected, 0.1);
        assert_true(got.l1out > information * 0.97); /* a bound from above, but for noise */
    }
    struct bounds none = gaussian_bounds(0, 3);
    close_to("independent, club", none.club, 0, 0.02);
    close_to("independent, club-sample", none.sampled, 0, 0.05);
    close_to("independent, vub", none.vub, 0, 0.02);
    close_to("independent, l1out", none.l1out, 0, 0.02);
}

/* x uniform over A symbols, y = x with probability p, else one of the others. */
static struct bounds discrete_bounds(int A, double p)
{
    real *logq = malloc((size_t)(BATCH * A) * sizeof *logq);
    int32_t *label = malloc(BATCH * sizeof *label), *permutation = malloc(BATCH * sizeof *permutation), all = A;
    double *out = malloc(BATCH * sizeof *out), work[16];
    struct rng rng = rng_stream(4, RNG_TEST, 0, 0, 0);
    struct bounds bounds;
    for (int i = 0; i < BATCH; i++) {
        int x = (int)rng_below(&rng, (uint32_t)A), other = (x + 1 + (int)rng_below(&rng, (uint32_t)A - 1)) % A;
        label[i] = rng_double(&rng) < p ? x : other;
        for (int a = 0; a < A; a++)
            logq[i * A + a] = (real)log(a == x ? p : (1 - p) / (A - 1));
    }
    shuffle(BATCH, permutation, 5);
    const struct mi_choices sample = {BATCH, 1, A, &all, logq, label};
    mi_club_choices(&sample, work, out), bounds.club = average(BATCH, out);
    mi_club_sample_choices(&sample, permutation, out), bounds.sampled = average(BATCH, out);
    mi_vub_choices(&sample, out), bounds.vub = average(BATCH, out);
    mi_l1out_choices(&sample, work, out), bounds.l1out = average(BATCH, out);
    free(logq), free(label), free(out), free(permutation);
    return bounds;
}

static void test_discrete_symbols_have_their_analytic_bounds(void **state)
{
    (void)state;
    static const struct {
        int A;
        double p;
    } cases[] = {{5, 0.7}, {3, 0.6}, {9, 0.5}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int A = cases[i].A;
        double p = cases[i].p, information = log(A) + p * log(p) + (1 - p) * log((1 - p) / (A - 1));
        double club = (p - 1.0 / A) * (log(p) - log((1 - p) / (A - 1)));
        struct bounds got = discrete_bounds(A, p), expected = {club, club, information, information};
        if (i == 0) {
            close_to("I, by hand", information, 0.583, 5e-4);
            close_to("club, by hand", club, 1.117, 5e-4);
        }
        compare(&got, &expected, 0.1);
    }
    struct bounds none = discrete_bounds(5, 0.2);
    close_to("independent, club", none.club, 0, 1e-6);
    close_to("independent, l1out", none.l1out, 0, 1e-6);
    close_to("independent, vub", none.vub, 0, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices_equal_the_definitions_over_all_pairs),
        cmocka_unit_test(test_choices_that_a_row_does_not_have_take_no_part),
        cmocka_unit_test(test_boxes_equal_the_definitions_over_all_pairs),
        cmocka_unit_test(test_l1out_of_a_box_samples_the_others_evenly),
        cmocka_unit_test(test_one_row_alone_has_no_information),
        cmocka_unit_test(test_gaussian_pairs_have_their_analytic_bounds),
        cmocka_unit_test(test_discrete_symbols_have_their_analytic_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
