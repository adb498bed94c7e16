/* Keys that all PPO-based methods share. Defaults are EIR-MAPPO's published ones (Li et al. 2024, tables 1, 4, 7). */
#ifndef TESTUDO_LEARNER_PPO_CONFIG_H
#define TESTUDO_LEARNER_PPO_CONFIG_H

#include <stdbool.h>

#include "base/config.h"
#include "learner/algorithm.h"

struct ppo_config {
    int64_t hidden, depth, block_rows, epochs, critic_epochs, n_threads;
    int activation;
    bool input_norm, layer_norm;
    double head_gain, lr, critic_lr, lr_hold, gamma, lambda, clip, value_clip, huber_delta, entropy, max_norm, norm_beta;
    int lr_decay;
    double rho_bar, c_bar;
};

extern const struct config_table ppo_table;
MUST_USE int ppo_config_bind(struct ppo_config *config, const struct recipe *recipe, struct err *err);

struct net_arch ppo_arch(const struct ppo_config *config, int in, int out);
/* The same for a policy: A outputs, and log standard deviations where actions are a box. */
struct net_arch ppo_policy_arch(const struct ppo_config *config, int in, const struct action_head *head);

/* lr after decay: constant for the first lr_hold of the run, then linear to 0 at its end. */
double ppo_lr(const struct ppo_config *config, double lr, const struct progress *progress);

#endif
