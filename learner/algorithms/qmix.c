/* QMIX. Rashid et al. 2018, arXiv:1803.11485: Q_tot is a mixture of the agents' values that rises in each of them, with weights that
 * hypernetworks make of the state (section 4.1, figure 2); everything else is q_learning.h.
 *   theirs           ours         shape         meaning
 *   Q_a(tau_a,u_a)   chosen       [R,N]         the agent net's value of the action that was done
 *   W_1(s)           mixer/w1     [Z -> N*E]    two layers; its absolute value mixes
 *   b_1(s)           mixer/b1     [Z -> E]      one layer
 *   W_2(s)           mixer/w2     [Z -> E]      two layers; its absolute value mixes
 *   b_2(s)           mixer/v      [Z -> 1]      two layers
 *   Q_tot = elu(Q |W_1| + b_1) |W_2| + b_2
 * Departures: 1. hypernetworks of two layers for W_1 and W_2, as PyMARL's settings have them (the paper: one). 2. the joint state is agent 0's
 * row of the task's state, all observations side by side where the task has none. */
#include "learner/q_method.h"

struct qmix_config {
    int64_t embed, hypernet;
    bool state_norm;
};

static const struct config_row rows[] = {
    {"qmix.embed", CONFIG_INT, offsetof(struct qmix_config, embed), "32", 1, 1024, "", NULL, "width of the mixing layer"},
    {"qmix.hypernet", CONFIG_INT, offsetof(struct qmix_config, hypernet), "64", 1, 4096, "", NULL,
     "width of the hypernetworks of both weights"},
    {"qmix.state_norm", CONFIG_BOOL, offsetof(struct qmix_config, state_norm), "false", 0, 0, "", NULL,
     "LayerNorm over the state; not published: mixing weights grow with the state, so for tasks whose numbers are not of size 1"},
};

enum { W1, B1, W2, V };

static struct node *mix(const struct q_mixing *mixing)
{
    struct node *state = tape_input(mixing->tape, mixing->R, mixing->Z, mixing->state, false);
    return tape_mix(mixing->tape, mixing->chosen, q_mixer_net(mixing, W1, state), q_mixer_net(mixing, B1, state),
                    q_mixer_net(mixing, W2, state), q_mixer_net(mixing, V, state));
}

static int add_hypernets(struct q_team *team, const struct recipe *recipe, struct err *err)
{
    struct qmix_config config;
    int r = config_bind(rows, ARRAY_LEN(rows), recipe, &config, err);
    if (r)
        return r;
    const int32_t Z = q_state_width(&team->shape), E = (int32_t)config.embed, H = (int32_t)config.hypernet;
    const int32_t norm = config.state_norm;
    const struct net_arch w1 = {
        .in = Z, .hidden = H, .depth = 1, .out = team->shape.N * E, .activation = ACTIVATION_RELU, .input_norm = norm};
    const struct net_arch b1 = {.in = Z, .hidden = 1, .depth = 0, .out = E, .activation = ACTIVATION_RELU, .input_norm = norm};
    const struct net_arch w2 = {.in = Z, .hidden = H, .depth = 1, .out = E, .activation = ACTIVATION_RELU, .input_norm = norm};
    const struct net_arch v = {.in = Z, .hidden = E, .depth = 1, .out = 1, .activation = ACTIVATION_RELU, .input_norm = norm};
    if ((r = q_add(team, "mixer/w1", &w1, err)) || (r = q_add(team, "mixer/b1", &b1, err)) ||
        (r = q_add(team, "mixer/w2", &w2, err)))
        return r;
    return q_add(team, "mixer/v", &v, err);
}

static int create(struct algorithm **out, const struct algorithm_context *context, struct err *err)
{
    return q_method_create(out, context, mix, add_hypernets, err);
}

const struct algorithm_ops algorithm_qmix = {
    .name = "qmix",
    .summary = "QMIX: agents' action values are mixed monotonically, by weights that depend on the state",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .create = create,
    Q_METHOD_OPS,
};
