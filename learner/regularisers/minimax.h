/* Worst cases among team-mates, for teams with a central critic Q(s, i, a_1..a_N): M3DDPG and ROMAX. Both look at agent i's value where the
 * others' actions a_j, j != i, are moved a little; a choice's one-hot is moved as numbers are. Weight 0: off; both at once is refused.
 *
 * M3DDPG. Li et al. 2019, AAAI conference: one step against the gradient, by L2-normalised pieces, in the target and in the actor's objective.
 *   delta_j = -eps g_j / |g_j|,  g_j = d Q_i / d a_j       m3ddpg.epsilon
 * The perturbation is held: no gradient passes through it. In the target i's own action is mu'(o_i), in the actor's objective the fresh one.
 * Departures: 1. eps is MIR3's released code's (0.003; the original has 1e-3 for opponents and 1e-5 for team-mates). 2. the original's code builds
 * the actor's worst case and then does not use it; here it is used. 3. a piece whose gradient is 0 stays.
 * With m3ddpg.rule released, what MIR3's released code does instead: delta = -eps g, not normalised; in the target of agent i's own action only;
 * in the objective of the others', with g taken where all agents act anew.
 *
 * ROMAX. Sun, Kim, How 2022, ICRA, in idea: a certified lower bound of the critic in place of a search. Here interval arithmetic on
 * the critic's own layers, as its released relaxation is not public:
 *   every a_j in a_j +- eps;  a layer takes centre c and radius r to c W + b and r |W|, a ReLU both ends         romax.epsilon
 *   Q -> (1 - k) Q + k Q_low in the target and in the actor's objective                                          romax.k
 * Departure: one critic, trained on the plain value against that target, where MIR3's released code trains a second, relaxed one. */
#ifndef TESTUDO_LEARNER_REGULARISERS_MINIMAX_H
#define TESTUDO_LEARNER_REGULARISERS_MINIMAX_H

#include "learner/algorithm.h"

struct minimax_config {
    double m3ddpg_epsilon, romax_k, romax_epsilon;
    int m3ddpg_rule;
};

/* A critic's layers as interval arithmetic wants them; a copy that minimax_set renews. */
struct interval_net {
    int n_layers;
    struct interval_layer {
        int in, out;
        real *w, *w_across, *size, *size_across; /* W and |W| [in,out], and their transposes; owned by the net */
        real *bias;                              /* [1,out] */
    } layers[10];
    real *radius; /* [N,out of the first layer] of agent i's first radius */
    real *memory; /* owned */
};

struct minimax {
    struct minimax_config config;
    int Z, N, A;
    struct interval_net live, late; /* of the critic and of its target; ROMAX only */
};

extern const struct config_table minimax_tables[2];

/* critic: Z + N + N*A numbers in, no memory, no LayerNorm. ERR_INVALID when both are on. */
MUST_USE int minimax_init(struct minimax *minimax, const struct recipe *recipe, const struct net_arch *critic, int Z, int N, int A,
                          struct err *err);
void minimax_deinit(struct minimax *minimax); /* safe on a zeroed struct */
/* Raises bytes of tape and scratch by what blocks of `rows` critic rows take. */
void minimax_need(const struct minimax *minimax, const struct net_arch *critic, int rows, size_t *tape_bytes,
                  size_t *scratch_bytes);

static inline bool minimax_moves(const struct minimax *minimax)
{
    return minimax->config.m3ddpg_epsilon > 0;
}
static inline bool minimax_bounds(const struct minimax *minimax)
{
    return minimax->config.romax_k > 0;
}

/* M3DDPG: moves actions in the n inputs x [n, Z+N+N*A] of the critic, of which row k is about agent own[k]. fresh: NULL in the target; in the
 * objective, whose rows come N*N a step, the agents' fresh actions [n/(N*N), N*A]. */
void minimax_move(const struct minimax *minimax, const struct net_weights *critic, int n, const int32_t *own, const real *fresh,
                  real *x, struct arena *scratch);

/* ROMAX: takes over the weights of a critic, before blocks run. */
void minimax_set(struct minimax *minimax, struct interval_net *net, const struct model *critic);
/* ROMAX: Q_low [n,1] of inputs x; gradients reach x, not the critic. own [n] as above. */
struct node *minimax_low(const struct minimax *minimax, const struct interval_net *net, struct tape *tape, struct arena *scratch,
                         const int32_t *own, struct node *x);

#endif
