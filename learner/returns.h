/* Advantages and value targets from rewards and values. */
#ifndef TESTUDO_LEARNER_RETURNS_H
#define TESTUDO_LEARNER_RETURNS_H

#include <stdint.h>

#include "base/err.h"
#include "math/real.h"

struct returns_in { /* borrowed; B trajectories, T steps, N agents */
    int B, T, N;
    const real *reward;                    /* [B,T,N] */
    const real *value;                     /* [B,T+1,N] in reward units */
    const real *final_value;               /* [B,T,N] of the observation before the reset; read where truncated */
    const uint8_t *terminated, *truncated; /* [B,T] */
};

/* Generalised advantage estimation by the backward recursion over t:
 *   delta_t = r_t + gamma V_next - V_t     A_t = delta_t + gamma lambda (1 - end_t) A_{t+1}     target_t = A_t + V_t
 * V_next is 0 after a terminated step, final_value after a truncated one, V_{t+1} otherwise. adv, target [B,T,N] must not overlap
 * the inputs. gamma, lambda: per step, in [0,1].
 * Source: Schulman et al. 2016, arXiv:1506.02438, eq. (16). Cost O(BTN), allocates nothing.
 * Returns 0, or ERR_RANGE when gamma or lambda is out of range (outputs untouched). */
MUST_USE int gae_compute(const struct returns_in *in, double gamma, double lambda, real *adv, real *target);

/* V-trace targets and policy-gradient advantages for data of an older policy:
 *   rho_t = min(rho_bar, ratio_t)   c_t = lambda min(c_bar, ratio_t)
 *   delta_t = rho_t (r_t + gamma V_next - V_t)
 *   v_t - V_t = delta_t + gamma c_t (1 - end_t) (v_{t+1} - V_{t+1})
 *   adv_t = rho_t (r_t + gamma v_next - V_t), v_next the target at t+1 (bootstrap as above at ends)
 * ratio [B,T,N]: new over collecting probability of the action. With ratio 1 everywhere the targets are those of GAE.
 * Source: Espeholt et al. 2018, arXiv:1802.01561, eq. (1) and section 4.2. ERR_RANGE as above, or when a ceiling is not positive. */
MUST_USE int vtrace_compute(const struct returns_in *in, const real *ratio, double gamma, double lambda, double rho_bar,
                            double c_bar, real *adv, real *target);

/* adv <- (adv - mean) / (std + 1e-5), mean and population deviation over the entries with weight != 0, applied to all `count`.
 * One mean for all agents (EIR-MAPPO: over the defenders' rows, applied to the adversary's rows as well). Sums in double. */
void advantage_normalise(int count, const uint8_t *counts_in, real *adv);

#endif
