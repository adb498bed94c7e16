#include "learner/regularisers/mi_bounds.h"

#include <math.h>
#include <string.h>

static const double LOG_2PI = 1.8378770664093454835606594728112;

static const real *logq_of(const struct mi_choices *s, int i)
{
    return s->logq + (size_t)i * (size_t)s->W;
}

/* sum over parts of log q(label | x_i), with the labels of row j */
static double logq_of_labels(const struct mi_choices *s, int i, int j)
{
    const real *row = logq_of(s, i);
    double sum = 0;
    for (int g = 0; g < s->G; row += s->choices[g], g++)
        sum += (double)row[s->label[(size_t)j * (size_t)s->G + (size_t)g]];
    return sum;
}

static const uint8_t *available_of(const struct mi_choices *s, int i)
{
    return s->available ? s->available + (size_t)i * (size_t)s->W : NULL;
}

/* The labels' mean of log q(. | x_i) over the classes from..from+count-1 that row i has; its own is one of them. */
static double mean_of_part(const real *row, const double *histogram, const uint8_t *available, int from, int count)
{
    double sum = 0, mass = 0;
    for (int c = from; c < from + count; c++) {
        if (available && !available[c])
            continue;
        sum += histogram[c] * (double)row[c];
        mass += histogram[c];
    }
    return available ? sum / mass : sum; /* all classes together have mass 1 */
}

void mi_club_choices(const struct mi_choices *s, double *histogram, double *out)
{
    memset(histogram, 0, (size_t)s->W * sizeof *histogram);
    for (int i = 0; i < s->n; i++)
        for (int g = 0, at = 0; g < s->G; at += s->choices[g], g++)
            histogram[at + s->label[(size_t)i * (size_t)s->G + (size_t)g]] += 1.0 / s->n;
    for (int i = 0; i < s->n; i++) {
        out[i] = logq_of_labels(s, i, i);
        for (int g = 0, at = 0; g < s->G; at += s->choices[g], g++)
            out[i] -= mean_of_part(logq_of(s, i), histogram, available_of(s, i), at, s->choices[g]);
    }
}

/* The next row on the permutation's cycle through i whose choice in part g, classes from `at` on, row i has, too; at last i itself. */
static int negative_of(const struct mi_choices *s, const int32_t *permutation, int i, int g, int at)
{
    const uint8_t *available = available_of(s, i);
    int j = permutation[i];
    while (available && j != i && !available[at + s->label[(size_t)j * (size_t)s->G + (size_t)g]])
        j = permutation[j];
    return j;
}

void mi_club_sample_choices(const struct mi_choices *s, const int32_t *permutation, double *out)
{
    for (int i = 0; i < s->n; i++) {
        out[i] = logq_of_labels(s, i, i);
        for (int g = 0, at = 0; g < s->G; at += s->choices[g], g++) {
            int j = negative_of(s, permutation, i, g, at);
            out[i] -= (double)logq_of(s, i)[at + s->label[(size_t)j * (size_t)s->G + (size_t)g]];
        }
    }
}

void mi_vub_choices(const struct mi_choices *s, double *out)
{
    for (int i = 0; i < s->n; i++) {
        const real *row = logq_of(s, i);
        const uint8_t *available = available_of(s, i);
        out[i] = 0;
        for (int g = 0, c = 0; g < s->G; g++) {
            int end = c + s->choices[g], n = 0;
            for (; c < end; c++) {
                if (available && !available[c])
                    continue;
                out[i] += exp((double)row[c]) * (double)row[c];
                n++;
            }
            out[i] += log((double)n);
        }
    }
}

static double q_of(const struct mi_choices *s, int j, int class)
{
    return s->available && !available_of(s, j)[class] ? 0 : exp((double)logq_of(s, j)[class]);
}

/* sum over j != i of q(class | x_j), from the sum over all; where the difference would be nothing but rounding, anew. */
static double mass_of_others(const struct mi_choices *s, const double *mass, int i, int class)
{
    double sum = mass[class] - q_of(s, i, class);
    if (sum >= 1e-6 * mass[class])
        return sum;
    sum = 0;
    for (int j = 0; j < s->n; j++)
        sum += j == i ? 0 : q_of(s, j, class);
    return sum;
}

void mi_l1out_choices(const struct mi_choices *s, double *mass, double *out)
{
    memset(mass, 0, (size_t)s->W * sizeof *mass);
    for (int i = 0; i < s->n; i++)
        for (int c = 0; c < s->W; c++)
            mass[c] += q_of(s, i, c);
    for (int i = 0; i < s->n; i++) {
        const uint8_t *available = available_of(s, i);
        out[i] = 0;
        for (int g = 0, at = 0; s->n > 1 && g < s->G; at += s->choices[g], g++) {
            int class = at + s->label[(size_t)i * (size_t)s->G + (size_t)g];
            double of_class = mass_of_others(s, mass, i, class), of_all = available ? 0 : s->n - 1;
            for (int c = at; available && c < at + s->choices[g]; c++)
                of_all += available[c] ? mass_of_others(s, mass, i, c) : 0;
            if (of_class > 0)
                out[i] += (double)logq_of(s, i)[class] - log(of_class / of_all);
        }
    }
}

/* ---- Gaussians ---- */

static const real *mean_of(const struct mi_gaussian *s, int i)
{
    return s->q + 2 * (size_t)i * (size_t)s->D;
}

void mi_club_gaussian(const struct mi_gaussian *s, double *moments, double *out)
{
    size_t D = (size_t)s->D;
    double *average = moments, *variance = moments + D;
    memset(moments, 0, 2 * D * sizeof *moments);
    for (size_t i = 0; i < (size_t)s->n; i++)
        for (size_t d = 0; d < D; d++)
            average[d] += (double)s->y[i * D + d] / s->n;
    for (size_t i = 0; i < (size_t)s->n; i++)
        for (size_t d = 0; d < D; d++)
            variance[d] += ((double)s->y[i * D + d] - average[d]) * ((double)s->y[i * D + d] - average[d]) / s->n;
    for (int i = 0; i < s->n; i++) {
        const real *mean = mean_of(s, i), *logvar = mean + D;
        out[i] = 0;
        for (size_t d = 0; d < D; d++) {
            double mu = (double)mean[d], own = mu - (double)s->y[(size_t)i * D + d], others = mu - average[d];
            out[i] += (others * others + variance[d] - own * own) / (2 * exp((double)logvar[d]));
        }
    }
}

void mi_club_sample_gaussian(const struct mi_gaussian *s, const int32_t *permutation, double *out)
{
    size_t D = (size_t)s->D;
    for (int i = 0; i < s->n; i++) {
        const real *mean = mean_of(s, i), *logvar = mean + D;
        const float *y = s->y + (size_t)i * D, *other_y = s->y + (size_t)permutation[i] * D;
        out[i] = 0;
        for (size_t d = 0; d < D; d++) {
            double own = (double)mean[d] - (double)y[d], other = (double)mean[d] - (double)other_y[d];
            out[i] += (other * other - own * own) / (2 * exp((double)logvar[d]));
        }
    }
}

void mi_vub_gaussian(const struct mi_gaussian *s, double *out)
{
    for (int i = 0; i < s->n; i++) {
        const real *mean = mean_of(s, i), *logvar = mean + s->D;
        out[i] = 0;
        for (int d = 0; d < s->D; d++)
            out[i] += ((double)mean[d] * (double)mean[d] + exp((double)logvar[d]) - 1 - (double)logvar[d]) / 2;
    }
}

/* log q(y | x_j) of one part: C numbers from d on. */
static double logq_of_part(const struct mi_gaussian *s, int j, int d, int C, const float *y)
{
    const real *mean = mean_of(s, j), *logvar = mean + s->D;
    double sum = 0;
    for (int k = d; k < d + C; k++) {
        double e = (double)y[k] - (double)mean[k], v = (double)logvar[k];
        sum -= (LOG_2PI + v + e * e / exp(v)) / 2;
    }
    return sum;
}

/* log of the mean over `others` rows of exp(log q), in one pass: the largest so far is kept outside of the sum. */
static double log_mean_of_others(const struct mi_gaussian *s, int i, int others, int d, int C)
{
    const float *y = s->y + (size_t)i * (size_t)s->D;
    double most = -INFINITY, sum = 0;
    for (int m = 0; m < others; m++) {
        int j = (int)((i + 1 + (int64_t)m * (s->n - 1) / others) % s->n);
        double logq = logq_of_part(s, j, d, C, y);
        if (logq > most) {
            sum = sum * exp(most - logq) + 1;
            most = logq;
        } else {
            sum += exp(logq - most);
        }
    }
    return most + log(sum / others);
}

void mi_l1out_gaussian(const struct mi_gaussian *s, int others, double *out)
{
    int C = s->D / s->G;
    if (others == 0 || others > s->n - 1)
        others = s->n - 1;
    for (int i = 0; i < s->n; i++) {
        out[i] = 0;
        for (int g = 0; others > 0 && g < s->G; g++)
            out[i] += logq_of_part(s, i, g * C, C, s->y + (size_t)i * (size_t)s->D) - log_mean_of_others(s, i, others, g * C, C);
    }
}
