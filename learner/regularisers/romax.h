/* ROMAX: values that hold wherever the other agents' actions lie in a small ball around what they are. Sun, Kim and How 2022, arXiv:2109.06795.
 * Keys `romax.*`.
 *
 *   theirs      ours       meaning
 *   epsilon     epsilon    radius of the l-inf ball around each a_j, j != i
 *   kappa       share      of the bound in what critic and policy are taught
 *   Q_low,i(s, a) <= min over |a'_j - a_j| <= epsilon, j != i, of Q_i(s, a_i, a'_j)
 * in the target, y_i = r + gamma ((1 - share) Q'_i + share Q'_low,i), and in the policy's objective, (1 - share) Q + share Q_low.
 * Departures: 1. the bound is interval bound propagation through the critic (net_act_low), the cheapest convex relaxation. 2. of one-hot
 * choices the ball lies in the space of real numbers, and of real-numbered actions it is not cut at the action's bounds. 3. MIR3's released
 * code trains a second, relaxed critic, whose layers it does not contain; here the one critic is bounded. */
#ifndef TESTUDO_LEARNER_REGULARISERS_ROMAX_H
#define TESTUDO_LEARNER_REGULARISERS_ROMAX_H

#include "base/config.h"
#include "learner/regularisers/joint_rows.h"

struct romax_config {
    double epsilon, share;
};

struct romax {
    struct romax_config config;
    struct net_weights *absolute; /* of the critic that romax_prepare named last; owned, NULL when the method is off */
};

extern const struct config_table romax_table;

/* After the critic's architecture is known. ERR_NOMEM. */
MUST_USE int romax_init(struct romax *romax, const struct recipe *recipe, const struct net_arch *critic, struct err *err);
void romax_deinit(struct romax *romax); /* safe on a zeroed struct */

static inline bool romax_is_on(const struct romax *romax)
{
    return romax->config.share > 0 && romax->config.epsilon > 0;
}

/* Before an optimiser step that bounds this critic; nothing when the method is off. */
void romax_prepare(struct romax *romax, const struct net_weights *critic);

/* value [n] <- (1 - share) value + share Q_low of rows x [n,width]. */
void romax_mix(const struct romax *romax, const struct net_weights *critic, const struct joint_rows *rows, const real *x,
               real *value, struct arena *scratch);

/* Returns the sum of share * d_value * Q_low over rows, d_value [n], and adds its gradient with respect to each row's own action to row
 * rows->from[r] of d_action [.,A]. */
double romax_objective(const struct romax *romax, const struct net_weights *critic, const struct joint_rows *rows, const real *x,
                       const real *d_value, real *d_action, struct arena *scratch);

size_t romax_scratch(const struct net_arch *critic); /* bytes, for any number of rows */

#endif
