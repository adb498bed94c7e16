/* ROM-Q: teams that learn beside an adversary who plays the action that it values lowest. Nisioti et al. 2021, as MIR3's released code has it (Li
 * et al. 2025, arXiv:2310.09833). Keys `romq.*`; discrete actions.
 *
 *   adversary   minq(o) -> A    what an action is worth to the team, by plain independent Q-learning on the data of all agents:
 *     L = mean over real steps and agents of 1/2 (minq(o_t)[a_t] - r_t - gamma max_a minq'(o_t+1)[a])^2       the maximum over all actions
 *
 * Who attacks, and how often, is the recipe's: partition.kind k-of-n with partition.probability 0.3, attack.threat lowest-value, which plays the
 * lowest available one of the net "adversary" that is published here (actor/attacks/lowest_value.c). The team learns from executed actions. */
#ifndef TESTUDO_LEARNER_REGULARISERS_VALUE_ADVERSARY_H
#define TESTUDO_LEARNER_REGULARISERS_VALUE_ADVERSARY_H

#include "learner/sample.h"

struct value_adversary_config {
    int64_t hidden;
    double lr, target_share;
};

struct value_adversary {
    struct value_adversary_config config;
    struct model *live, *late; /* borrowed from models; NULL when off */
    const struct sample *sample;
    double gamma;
    bool bootstraps_limits;
};

extern const struct config_table value_adversary_table;

/* gamma and bootstraps_limits: the backbone's. ERR_INVALID for actions that are not discrete. */
MUST_USE int value_adversary_init(struct value_adversary *va, const struct algorithm_context *context, struct models *models,
                                  double gamma, bool bootstraps_limits, struct err *err);

/* Raises parameters of a net, bytes of a tape and of scratch to what a block of `rows` rows (steps times agents) takes. */
void value_adversary_need(const struct value_adversary *va, int rows, size_t *capacity, size_t *tape_bytes, size_t *scratch_bytes);

/* One step on the sample, and its target follows. Reports adversary/loss. Nothing when romq.hidden is 0. */
void value_adversary_step(struct value_adversary *va, struct updater *updater, const struct sample *sample, int block_episodes,
                          struct report *report);

#endif
