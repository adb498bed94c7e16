/* What value-decomposition methods (VDN, QMIX, QPLEX) are made of: agent nets with memory, replayed episodes, double Q-learning on a mixed
 * value. A method brings its mixer. Keys `q.*`, defaults PyMARL's (Samvelyan et al. 2019, arXiv:1902.04043, and its published settings).
 *
 *   Q_i(h_i, .)    defender            [O+K(+A) -> A]   GRU, shared by the agents; its state begins at 0 and runs over the whole episode
 *   y_t = r_t + gamma (1 - terminated) Q'_tot(s_t+1, argmax_a Q_i)     argmax by the live net (q.double), values by the target nets
 *   L   = sum over real steps of (Q_tot(s_t, a_t) - y_t)^2 / number of real steps
 * With mi.lambda above 0 MIR3's penalty is taken off r_t (regularisers/mi_replay.h).
 * With smoothness.weight ERNIE's term is added to L, on the agent net's values (regularisers/smoothness.h).
 * With romq.hidden ROM-Q's adversary is trained beside the team, which learns from what was executed (regularisers/value_adversary.h).
 * Where episodes are drawn by priority (priority.h), an episode's squares have its importance weight.
 * Episodes that the time limit cuts bootstrap from their last observation, as published; nothing then speaks against putting a win off, and
 * on combat teams learn to flee (q.bootstraps_limits=false: they end there). Reward: mean over agents; where the reward is common, that reward. */
#ifndef TESTUDO_LEARNER_Q_LEARNING_H
#define TESTUDO_LEARNER_Q_LEARNING_H

#include "learner/regularisers/mi_replay.h"
#include "learner/regularisers/smoothness.h"
#include "learner/regularisers/value_adversary.h"

struct q_config {
    int64_t hidden, batch, target_every, epsilon_steps;
    double lr, alpha, eps, max_norm, gamma, target_share, epsilon_start, epsilon_finish, updates_per_episode;
    int optimiser;
    bool is_double, bootstraps_limits;
};
extern const struct config_table q_table;

enum { Q_NETS_MAX = UPDATER_MODELS_MAX }; /* of one side: the agent net and the mixer's */

/* What a mixer is given: R steps of a block, live or target. Rows behind an episode's end are zeroes and count nowhere. */
struct q_mixing {
    struct tape *tape;
    struct arena *scratch; /* for what a tape borrows */
    int R, N, A, Z;
    struct node *chosen;                   /* [R,N] values of the actions that count */
    const int32_t *action;                 /* [R,N] these actions */
    const real *best;                      /* [R,N] the same net's values of its best available actions */
    const real *state;                     /* [R,Z] */
    const struct net_weights *const *nets; /* the mixer's, in the order in which they were added */
    real *const *gradients;                /* one for each; NULL for a target */
};
/* Q_tot [R,1]. */
typedef struct node *q_mixer(const struct q_mixing *mixing);

struct q_team {
    struct q_config config;
    struct acting_config acting;
    struct batch_shape shape;
    uint64_t seed;
    int64_t steps_per_update; /* of the run: lanes times slice */
    struct models models;     /* live nets, the agent's first; then their targets in the same order */
    int n_live;
    struct updater updater;
    struct replay *replay;
    struct sample sample;
    struct mi_replay mi; /* MIR3: shapes the sample's rewards */
    struct smoothness smoothness;
    struct value_adversary adversary; /* ROM-Q: who plays the adversary in training */
    int64_t episode;                  /* that an optimiser step is for, and which of its steps */
    int which;
    q_mixer *mix;
};

/* Binds keys and adds the agent net. The caller adds its mixer's nets (q_add), then q_ready adds targets and allocates.
 * ERR_INVALID when recipe or task do not fit: actions that are not discrete, act.behaviour other than epsilon. */
MUST_USE int q_begin(struct q_team *team, const struct algorithm_context *context, q_mixer *mix, struct err *err);
MUST_USE int q_add(struct q_team *team, const char *id, const struct net_arch *arch, struct err *err);
MUST_USE int q_ready(struct q_team *team, const struct algorithm_context *context, struct err *err);
void q_deinit(struct q_team *team); /* safe on a zeroed struct */

/* Takes in the slices; then q.updates_per_episode optimiser steps for each episode that ended, once the replay holds q.batch of them, and
 * targets follow. */
void q_update(struct q_team *team, const struct batch *batch, const struct progress *progress, struct report *report);

/* Linear from start to finish over the first q.epsilon_steps environment steps of the run. */
double q_epsilon(const struct q_team *team, const struct progress *progress);

/* What algorithm_ops wants. */
extern const char *const q_reports[]; /* NULL-terminated */
MUST_USE int q_tables(const struct q_team *team, const struct progress *progress, struct weights *weights, struct err *err);

/* Width of the joint state that mixers read. */
int q_state_width(const struct batch_shape *shape);

#endif
