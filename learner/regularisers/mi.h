/* MIR3's penalty: rewards are lowered by lambda times an upper bound on the information that actions carry about the state.
 * Li et al. 2025, arXiv:2310.09833: r^MI = r - lambda I(s; a), bound CLUB (Cheng et al. 2020, arXiv:2006.12013). Keys `mi.*`. */
#ifndef TESTUDO_LEARNER_REGULARISERS_MI_H
#define TESTUDO_LEARNER_REGULARISERS_MI_H

#include "learner/algorithm.h"

struct mi_config {
    double lambda, lr;
    int64_t hidden, fit_steps, fit_rows;
};

struct mi {
    struct mi_config config;
    struct models *models; /* borrowed; the net "mi/action" lies there */
    uint64_t seed;
    real *logq;       /* [L*T, N*A] log q of every class */
    int32_t *samples; /* [fit_rows] steps drawn for a fit */
};

extern const struct config_table mi_table;

/* With mi.lambda 0 nothing is made and nothing is done. */
MUST_USE int mi_init(struct mi *mi, const struct algorithm_context *context, struct models *models, struct err *err);
void mi_deinit(struct mi *mi); /* safe on a zeroed struct */

/* Fits q on this batch (real steps, executed actions), then subtracts lambda * I_t from every agent's reward of step t. Reports
 * mi/mean, mi/max, mi/nll and the penalty's share of the mean absolute reward. */
void mi_shape_rewards(struct mi *mi, struct updater *updater, struct batch *batch, const struct progress *progress,
                      struct report *report);

/* CLUB for G categoricals of A classes each, per row i over n rows:
 *   I_i = sum_g log q_g(y_ig | x_i) - (1/n) sum_j sum_g log q_g(y_jg | x_i)
 * in O(nGA): the mean over j is the batch's label histogram times log q. logq [n,G*A], label [n,G], out [n].
 * Source: Cheng et al. 2020, eq. (9); negatives over all rows, the own row included. */
void club_categorical(int n, int G, int A, const real *logq, const int32_t *label, double *histogram /* [G*A] scratch */,
                      double *out);

/* CLUB for a diagonal Gaussian q: mean, logvar [n,D], y [n,D], out [n]; moments [2*D] is scratch. The log-variance cancels:
 *   I_i = sum_d ( -(mu_id - y_id)^2 + (mu_id - ybar_d)^2 + var_d ) / (2 sigma_id^2). */
void club_gaussian(int n, int D, const real *mean, const real *logvar, const real *y, double *moments, double *out);

#endif
