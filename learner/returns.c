#include "learner/returns.h"

#include <math.h>
#include <stddef.h>

static int check_rates(double gamma, double lambda)
{
    return gamma >= 0 && gamma <= 1 && lambda >= 0 && lambda <= 1 ? 0 : ERR_RANGE;
}

/* Value after step (b,t) for agent n; *goes_on is 0 where an episode ended. */
static double next_value(const struct returns_in *in, size_t bt, size_t b, size_t t, size_t n, double *goes_on)
{
    size_t N = (size_t)in->N;
    *goes_on = 0.0;
    if (in->terminated[bt])
        return 0.0;
    if (in->truncated[bt])
        return in->final_value[bt * N + n];
    *goes_on = 1.0;
    return in->value[(b * ((size_t)in->T + 1) + t + 1) * N + n];
}

int gae_compute(const struct returns_in *in, double gamma, double lambda, real *adv, real *target)
{
    if (check_rates(gamma, lambda))
        return ERR_RANGE;
    size_t N = (size_t)in->N, T = (size_t)in->T;
    for (size_t b = 0; b < (size_t)in->B; b++) {
        for (size_t n = 0; n < N; n++) {
            double next_adv = 0.0;
            for (size_t t = T; t-- > 0;) {
                size_t bt = b * T + t, at = bt * N + n;
                double goes_on, after = next_value(in, bt, b, t, n, &goes_on);
                double value = in->value[(b * (T + 1) + t) * N + n];
                double delta = in->reward[at] + gamma * after - value;
                next_adv = delta + gamma * lambda * goes_on * next_adv;
                adv[at] = (real)next_adv;
                target[at] = (real)(next_adv + value);
            }
        }
    }
    return 0;
}

int vtrace_compute(const struct returns_in *in, const real *ratio, double gamma, double lambda, double rho_bar, double c_bar,
                   real *adv, real *target)
{
    if (check_rates(gamma, lambda) || !(rho_bar > 0) || !(c_bar > 0))
        return ERR_RANGE;
    size_t N = (size_t)in->N, T = (size_t)in->T;
    for (size_t b = 0; b < (size_t)in->B; b++) {
        for (size_t n = 0; n < N; n++) {
            double correction = 0.0; /* v_{t+1} - V_{t+1} */
            for (size_t t = T; t-- > 0;) {
                size_t bt = b * T + t, at = bt * N + n;
                double goes_on, after = next_value(in, bt, b, t, n, &goes_on);
                double value = in->value[(b * (T + 1) + t) * N + n];
                double rho = fmin(rho_bar, ratio[at]), c = lambda * fmin(c_bar, ratio[at]);
                double target_after = after + goes_on * correction;
                adv[at] = (real)(rho * (in->reward[at] + gamma * target_after - value));
                correction = rho * (in->reward[at] + gamma * after - value) + gamma * c * goes_on * correction;
                target[at] = (real)(value + correction);
            }
        }
    }
    return 0;
}

void advantage_normalise(int count, const uint8_t *counts_in, real *adv)
{
    double sum = 0.0, squares = 0.0, weight = 0.0;
    for (int i = 0; i < count; i++)
        if (counts_in[i]) {
            sum += adv[i];
            weight += 1.0;
        }
    if (weight == 0.0)
        return;
    double mean = sum / weight;
    for (int i = 0; i < count; i++)
        if (counts_in[i])
            squares += ((double)adv[i] - mean) * ((double)adv[i] - mean);
    double scale = 1.0 / (sqrt(squares / weight) + 1e-5);
    for (int i = 0; i < count; i++)
        adv[i] = (real)(((double)adv[i] - mean) * scale);
}
