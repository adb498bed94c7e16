#include "learner/ppo_config.h"

#define OFF(field) offsetof(struct ppo_config, field)

enum { DECAY_NONE, DECAY_LINEAR };

static const struct config_row rows[] = {
    {"learner.hidden", CONFIG_INT, OFF(hidden), "128", 1, 4096, "", NULL, "width of actor, adversary and critic"},
    {"learner.depth", CONFIG_INT, OFF(depth), "3", 0, 8, "layers", NULL,
     "hidden layers; the released code of EIR-MAPPO has 3, the paper gives only the width"},
    {"learner.activation", CONFIG_CHOICE, OFF(activation), "relu", 0, 0, "", "none|relu|tanh|elu|sigmoid", "between layers"},
    {"learner.input_norm", CONFIG_BOOL, OFF(input_norm), "true", 0, 0, "", NULL,
     "LayerNorm over the whole input, knowledge slots included"},
    {"learner.layer_norm", CONFIG_BOOL, OFF(layer_norm), "true", 0, 0, "", NULL, "LayerNorm after every activation"},
    {"learner.head_gain", CONFIG_REAL, OFF(head_gain), "0.01", 0, 100, "", NULL,
     "orthogonal gain of the action head; the critic's is 1"},
    {"learner.lr", CONFIG_REAL, OFF(lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of the team's policy"},
    {"learner.critic_lr", CONFIG_REAL, OFF(critic_lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of the critic"},
    {"learner.lr_decay", CONFIG_CHOICE, OFF(lr_decay), "none", 0, 0, "", "none|linear",
     "none as published; linear to 0 ends the cycling that matching-pennies play falls into"},
    {"learner.lr_hold", CONFIG_REAL, OFF(lr_hold), "0.3", 0, 1, "share of the run", NULL,
     "constant step size before a linear decay"},
    {"learner.gamma", CONFIG_REAL, OFF(gamma), "0.99", 0, 1, "per step", NULL, "discount"},
    {"learner.lambda", CONFIG_REAL, OFF(lambda), "0.95", 0, 1, "per step", NULL, "of generalised advantage estimation"},
    {"learner.clip", CONFIG_REAL, OFF(clip), "0.05", 0, 10, "", NULL, "bound on the probability ratio's distance from 1"},
    {"learner.value_clip", CONFIG_REAL, OFF(value_clip), "0.05", 0, 1000, "", NULL,
     "bound on the value's move from the collecting critic's, in normalised units; 0 switches it off"},
    {"learner.huber_delta", CONFIG_REAL, OFF(huber_delta), "10", 0, 1e6, "", NULL,
     "where the value loss turns linear, on both sides (the released code has one side only); 0: squared error"},
    {"learner.entropy", CONFIG_REAL, OFF(entropy), "0.01", 0, 10, "", NULL, "weight of the team's entropy"},
    {"learner.epochs", CONFIG_INT, OFF(epochs), "5", 1, 1000, "", NULL, "passes over a batch for the policy"},
    {"learner.critic_epochs", CONFIG_INT, OFF(critic_epochs), "5", 1, 1000, "", NULL, "passes over a batch for the critic"},
    {"learner.max_norm", CONFIG_REAL, OFF(max_norm), "10", 0, 1e9, "", NULL, "ceiling on each net's gradient norm; 0: none"},
    {"learner.norm_beta", CONFIG_REAL, OFF(norm_beta), "0.99999", 0, 1, "", NULL,
     "memory of the value normaliser, updated once per critic pass (the released code updates it twice)"},
    {"learner.rho_bar", CONFIG_REAL, OFF(rho_bar), "1", 0.001, 1000, "", NULL, "V-trace ceiling on the value's ratio (async)"},
    {"learner.c_bar", CONFIG_REAL, OFF(c_bar), "1", 0.001, 1000, "", NULL, "V-trace ceiling on the trace's ratio (async)"},
    {"learner.block_rows", CONFIG_INT, OFF(block_rows), "256", 16, 65536, "rows", NULL,
     "rows that are differentiated together; part of what a checkpoint hash means"},
    {"learner.threads", CONFIG_INT, OFF(n_threads), "0", 0, 64, "threads", NULL,
     "cores for updates; 0: all; does not change results"},
};

const struct config_table ppo_table = {"learner", rows, ARRAY_LEN(rows)};

int ppo_config_bind(struct ppo_config *config, const struct recipe *recipe, struct err *err)
{
    return config_bind(rows, ARRAY_LEN(rows), recipe, config, err);
}

struct net_arch ppo_arch(const struct ppo_config *config, int in, int out)
{
    return (struct net_arch){.in = in,
                             .hidden = (int32_t)config->hidden,
                             .depth = (int32_t)config->depth,
                             .out = out,
                             .activation = config->activation,
                             .input_norm = config->input_norm,
                             .layer_norm = config->layer_norm};
}

struct net_arch ppo_policy_arch(const struct ppo_config *config, int in, const struct action_head *head)
{
    struct net_arch arch = ppo_arch(config, in, head->A);
    arch.log_std = head->kind == ACTION_BOX;
    return arch;
}

double ppo_lr(const struct ppo_config *config, double lr, const struct progress *progress)
{
    double done = progress->total ? (double)progress->update / (double)progress->total : 0.0;
    if (config->lr_decay == DECAY_NONE || done <= config->lr_hold)
        return lr;
    double left = (1.0 - done) / (1.0 - config->lr_hold);
    return left > 0 ? lr * left : 0.0;
}
