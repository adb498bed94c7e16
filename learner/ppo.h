/* The pieces that PPO-based methods are made of: policy passes, critic passes, values, belief passes. Each works on a filled
 * batch; each pass is one optimiser step over all its rows (one minibatch, as published). */
#ifndef TESTUDO_LEARNER_PPO_H
#define TESTUDO_LEARNER_PPO_H

#include "learner/ppo_config.h"

struct smoothness; /* regularisers/smoothness.h */

struct policy_step { /* which rows, whose actions, which sign */
    const struct batch *batch;
    const int32_t *rows;
    int n_rows;
    bool is_adversary;     /* adversary's input and executed action; else policy input and intended action */
    const real *advantage; /* [L,T,N] indexed by row */
    double sign;           /* +1 for the team, -1 for an adversary (zero-sum) */
    double clip, entropy;
    const struct smoothness *smoothness; /* a term added to the loss; NULL: none */
    uint64_t update;                     /* that its draws are named after */
};

struct policy_result {
    double loss, entropy, clip_fraction, kl, norm;
    double smoothness; /* the term without its weight */
    int skipped;
};

/* `epochs` passes; result is the last pass's. With n_rows 0 nothing happens. */
void ppo_policy(struct updater *updater, struct model *model, const struct policy_step *step, double lr, double max_norm,
                int epochs, int block_rows, struct policy_result *result);

/* log-probabilities of the same actions under the model as it is: logp [L,T,N], written at the rows. For ratios. */
void ppo_policy_logp(struct updater *updater, const struct model *model, const struct policy_step *step, int block_rows,
                     real *logp);

/* Critic values of all places, denormalised into batch->value and batch->final_value; batch->old_value in normalised units. */
void ppo_values(struct updater *updater, const struct model *critic, const struct value_norm *norm, struct batch *batch,
                int block_rows);

/* The same for one agent's rows in n of the trajectories (their indices); other places keep what they hold. */
void ppo_values_of_agent(struct updater *updater, const struct model *critic, const struct value_norm *norm, struct batch *batch,
                         int agent, const int32_t *trajectories, int n, int block_rows);

struct critic_result {
    double loss, norm;
    int skipped;
};
/* The normaliser takes in batch->target once per pass, before the pass. rows NULL: all rows of the batch (agents' own rows are
 * neither masked by type nor by death, as published). */
void ppo_critic(struct updater *updater, struct model *critic, struct value_norm *norm, const struct batch *batch,
                const int32_t *rows, int n_rows, const struct ppo_config *config, double lr, struct critic_result *result);

struct belief_result {
    double loss, accuracy, norm;
    int skipped;
};
/* Binary cross-entropy of the belief net with theta, all observers' rows, chunks of batch->shape.chunk steps from the stored
 * recurrent states (Li et al. 2024, eq. for p(theta | H)). */
void ppo_belief(struct updater *updater, struct model *belief, const struct batch *batch, double lr, double max_norm, int epochs,
                int block_rows, struct belief_result *result);

#endif
