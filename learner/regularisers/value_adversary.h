/* ROM-Q: teams that learn beside an adversary who plays the action that it values lowest. Nisioti et al. 2021, as MIR3's released code has it (Li
 * et al. 2025, arXiv:2310.09833). Keys `romq.*`. minq says what an agent's action is worth to the team; nets are shared by the agents, and all
 * data are everybody's.
 *
 *   choices: plain independent Q-learning
 *     adversary   minq(o) [O -> A]
 *     L = mean over real steps and agents of 1/2 (minq(o_t)[a_t] - r_t - gamma max_a minq'(o_t+1)[a])^2       the maximum over all actions
 *   real numbers: DDPG with the actor's sign turned (Lillicrap et al. 2016, arXiv:1509.02971, section 3)
 *     adversary   mu(o) = tanh(u) [O -> A]
 *     minq        [O+A -> 1]
 *     L(minq) = mean over real steps and agents of 1/2 (minq(o_t, a_t) - r_t - gamma minq'(o_t+1, mu'(o_t+1)))^2
 *     L(mu)   = mean over the same of minq(o_t, mu(o_t))                                                      through the new minq
 *   Departure: for real numbers the released code trains no adversary; one takes ten signed steps down the sum of the team's critics, for which
 *   it must know the joint state and everybody's actions before anybody acts.
 *
 * Where episodes are drawn by priority (priority.h), the squares have importance weights; L(mu) has no square and none.
 *
 * Who attacks, and how often, is the recipe's: partition.kind k-of-n with partition.probability 0.3, attack.threat lowest-value, which plays the
 * lowest available one, or mu, of the net "adversary" that is published here (actor/attacks/lowest_value.c). The team learns from executed
 * actions. */
#ifndef TESTUDO_LEARNER_REGULARISERS_VALUE_ADVERSARY_H
#define TESTUDO_LEARNER_REGULARISERS_VALUE_ADVERSARY_H

#include "learner/sample.h"

struct value_adversary_config {
    int64_t hidden;
    double lr, target_share;
};

struct value_adversary {
    struct value_adversary_config config;
    struct model *values, *late_values; /* minq; borrowed from models; NULL when off */
    struct model *actor, *late_actor;   /* mu of real numbers; NULL for choices */
    const struct sample *sample;
    double gamma;
    bool bootstraps_limits;
};

extern const struct config_table value_adversary_table;

/* gamma and bootstraps_limits: the backbone's. ERR_INVALID for actions of several choices. */
MUST_USE int value_adversary_init(struct value_adversary *va, const struct algorithm_context *context, struct models *models,
                                  double gamma, bool bootstraps_limits, struct err *err);

/* Raises parameters of a net, bytes of a tape and of scratch to what a block of `rows` rows (steps times agents) takes. */
void value_adversary_need(const struct value_adversary *va, int rows, size_t *capacity, size_t *tape_bytes, size_t *scratch_bytes);

/* One step of each net on the sample, and the targets follow. Reports adversary/loss, which is L of the values. Nothing when romq.hidden is 0. */
void value_adversary_step(struct value_adversary *va, struct updater *updater, const struct sample *sample, int block_episodes,
                          struct report *report);

#endif
