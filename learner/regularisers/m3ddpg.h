/* M3DDPG: the other agents' actions are moved to where the critic likes them less. Li et al. 2019, AAAI 33(01), "Robust multi-agent
 * reinforcement learning via minimax deep deterministic policy gradient". Keys `m3ddpg.*`.
 *
 *   theirs     ours      meaning
 *   epsilon    epsilon   length of the move of one agent's action
 *   delta_j = -epsilon grad_{a_j} Q_i / |grad_{a_j} Q_i|_2     for all j != i, held: no gradient passes through it
 * in the target, y_i = r + gamma Q'_i(s', a'_i, a'_j + delta_j), and in the policy's objective, Q_i(s, mu(o_i), a_j + delta_j). The gradient
 * is taken where the row stands, in the target with mu'(o'), in the objective with mu(o_i) in agent i's place.
 * Departures: 1. one epsilon for all, where the released code has 1e-3 for opponents and 1e-5 for team-mates. 2. a choice's one-hot is
 * moved as if it were real numbers, as MIR3's comparison does (Li et al. 2025, arXiv:2310.09833). 3. M3DDPG's released code builds the
 * moved objective but improves the unmoved one; here it is the moved one.
 *
 * With rule released, what MIR3's released code has in its place: delta = -epsilon grad, not normalised; in the target of agent i's own action alone;
 * in the objective of the others', with the gradient taken where all agents act anew. */
#ifndef TESTUDO_LEARNER_REGULARISERS_M3DDPG_H
#define TESTUDO_LEARNER_REGULARISERS_M3DDPG_H

#include "base/config.h"
#include "learner/regularisers/joint_rows.h"

struct m3ddpg {
    double epsilon;
    int rule;
};

extern const struct config_table m3ddpg_table;

static inline bool m3ddpg_is_on(const struct m3ddpg *m3ddpg)
{
    return m3ddpg->epsilon > 0;
}

/* Adds delta_j to the actions that move; x [n,width], in place. fresh: NULL in the target; in the objective, whose rows come N*N a step, what all
 * agents do anew [n/(N*N),N*A]. The critic has no GRU and one output. */
void m3ddpg_move(const struct m3ddpg *m3ddpg, const struct net_weights *critic, const struct joint_rows *rows, const real *fresh,
                 real *x, struct arena *scratch);
size_t m3ddpg_scratch(const struct net_arch *critic); /* bytes, for any number of rows */

#endif
