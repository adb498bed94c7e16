/* Upper bounds on the information I(x; y), one number per row of a sample, from a fitted q(y | x). Their mean is the bound.
 *
 *   CLUB         log q(y_i|x_i) - (1/n) sum_j log q(y_j|x_i)          Cheng et al. 2020, arXiv:2006.12013
 *   CLUB-Sample  log q(y_i|x_i) - log q(y_pi(i)|x_i)                  the same paper; pi a permutation
 *   VUB          KL(q(y|x_i) || r(y))                                 Alemi et al. 2017, arXiv:1612.00410
 *   L1Out        log q(y_i|x_i) - log (1/(n-1)) sum_{j != i} q(y_i|x_j)   Poole et al. 2019, arXiv:1905.06922
 *
 * y is made of independent parts: G categoricals (agents' choices), or G Gaussians of D/G numbers each. CLUB, CLUB-Sample and VUB
 * of the whole are sums over parts. L1Out is taken part by part and summed: also an upper bound, as the parts are independent given
 * x (I(x;y) <= sum_g I(x;y_g)), and the only one of the two that has a closed form.
 *
 * Rows may not have every choice (struct mi_choices, available). Then q has mass on the choices that a row has alone, and what stands for the
 * marginal of y (labels in CLUB, q of the other rows in L1Out, the uniform distribution in VUB) is restricted to these choices and sums to 1
 * over them: information given what can be chosen. What a mask says about x is no doing of the policy's, and without this CLUB has no bound:
 * a class that a row cannot choose has ever smaller q there, and the negatives count it. A part with one choice (a dead agent's) gives 0.
 *
 * Negatives are over all rows, the own one included, except in L1Out. No row is padding. Sums in double, in row order.
 * A sample of one row gives 0 everywhere but in VUB. */
#ifndef TESTUDO_LEARNER_REGULARISERS_MI_BOUNDS_H
#define TESTUDO_LEARNER_REGULARISERS_MI_BOUNDS_H

#include <stdint.h>

#include "math/real.h"

struct mi_choices {         /* n rows of G categoricals */
    int n, G, W;            /* W: sum of choices */
    const int32_t *choices; /* [G] */
    const real *logq;       /* [n,W] log-probabilities, category after category */
    const int32_t *label;   /* [n,G]; of a choice that the row has */
    /* [n,W] 0: not a choice of this row, its logq is not looked at. NULL: all are. */
    const uint8_t *available;
};

struct mi_gaussian { /* n rows of D numbers in G parts */
    int n, G, D;
    const real *q;  /* [n,2D] means, then log-variances */
    const float *y; /* [n,D] */
};

/* out [n] everywhere. work: [W] or [2D] numbers of scratch. */

/* O(nW): the mean over j is the labels' histogram times log q. */
void mi_club_choices(const struct mi_choices *sample, double *work, double *out);
/* O(nD): the mean over j of (y_j - mu_i)^2 is (mu_i - ybar)^2 + var(y); the log-variance cancels. */
void mi_club_gaussian(const struct mi_gaussian *sample, double *work, double *out);

/* permutation [n]. The negative of a choice that the row does not have is passed over for the next on the permutation's cycle. */
void mi_club_sample_choices(const struct mi_choices *sample, const int32_t *permutation, double *out);
void mi_club_sample_gaussian(const struct mi_gaussian *sample, const int32_t *permutation, double *out);

/* r uniform over each part's choices, for which the paper names no prior: log of their number - H(q). Does not look at y. */
void mi_vub_choices(const struct mi_choices *sample, double *out);
/* r standard normal, summed over numbers (the reference implementation averages): 1/2 sum (mu^2 + s^2 - 1 - log s^2). */
void mi_vub_gaussian(const struct mi_gaussian *sample, double *out);

/* O(nW): sum_j q(c|x_j) is kept for every class c, and a row's own share is taken off. A part is 0 where no other row has the class. */
void mi_l1out_choices(const struct mi_choices *sample, double *work, double *out);
/* No closed form: `others` rows, evenly spaced behind the own one, stand for the n-1 (all of them when others is 0 or at least n-1).
 * O(n others D). The bound of a smaller sample: looser, never wrong. */
void mi_l1out_gaussian(const struct mi_gaussian *sample, int others, double *out);

#endif
