/* VDN. Sunehag et al. 2018, arXiv:1706.05296: Q_tot is the sum of the agents' values (eq. 1); everything else is q_learning.h.
 *   theirs         ours      shape      meaning
 *   Q~_i(h_i,a_i)  chosen    [R,N]      the agent net's value of the action that was done
 * Departures: 1. PyMARL's nets and numbers (one GRU agent net for all, double Q, no dueling head, no messages), as QMIX is compared
 * with it. */
#include "learner/q_method.h"

static struct node *mix(const struct q_mixing *mixing)
{
    return tape_sum_columns(mixing->tape, mixing->chosen);
}

static int create(struct algorithm **out, const struct algorithm_context *context, struct err *err)
{
    return q_method_create(out, context, mix, NULL, err);
}

const struct algorithm_ops algorithm_vdn = {
    .name = "vdn",
    .summary = "VDN: agents' action values add up to the team's",
    .create = create,
    Q_METHOD_OPS,
};
