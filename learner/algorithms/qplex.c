/* QPLEX. Wang et al. 2021, arXiv:2008.01062: duplex dueling (section 3.2, figure 1). Agents and team have both a value and an advantage, and
 * Q_tot may be any function whose best joint action is made of the agents' best actions; everything else is q_learning.h.
 *   theirs              ours            shape             meaning
 *   Q_i(tau_i,a_i)      chosen          [R,N]             the agent net's value of the action that was done
 *   V_i(tau_i)          best            [R,N]             of its best available action; A_i = Q_i - V_i, never above 0
 *   w_i(tau)            mixer/weight    [Z -> N]          two layers; its absolute value scales
 *   b_i(tau)            mixer/bias      [Z -> N]          two layers
 *   v_k(tau)            mixer/key       [Z -> K]          absolute value
 *   phi_i,k(tau)        mixer/agents    [Z -> K*N]        sigmoid
 *   lambda_i,k(tau,a)   mixer/action    [Z+N*A -> K*N]    sigmoid; state and joint action, one-hot
 *   Q_i(tau,a_i) = w_i Q_i(tau_i,a_i) + b_i       V_i(tau) = w_i V_i(tau_i) + b_i       A_i(tau,a_i) = w_i A_i(tau_i,a_i)
 *   lambda_i(tau,a) = sum_k lambda_i,k phi_i,k v_k > 0
 *   Q_tot = sum_i V_i(tau) + sum_i lambda_i(tau,a) A_i(tau,a_i) = sum_i Q_i(tau,a_i) + sum_i (lambda_i(tau,a) - 1) A_i(tau,a_i)
 * The second form is what is computed; as published, no gradient passes through its A_i, so that agents learn through their Q_i alone.
 * Departures: 1. heads share the hidden layers of the three attention nets, where these have any (the published code: nets of each head; with
 * qplex.layers = 1, as published for SMAC, both are the same). 2. the joint state stands for tau, as in the published code: agent 0's row of
 * the task's state, all observations side by side where the task has none. */
#include <string.h>

#include "learner/q_method.h"

#define OFF(field) offsetof(struct qplex_config, field)

struct qplex_config {
    int64_t hypernet, heads, layers, attention;
    bool state_norm;
};

static const struct config_row rows[] = {
    {"qplex.hypernet", CONFIG_INT, OFF(hypernet), "64", 1, 4096, "", NULL,
     "width of the nets that put agents' values on the team's scale"},
    {"qplex.heads", CONFIG_INT, OFF(heads), "4", 1, 64, "", NULL, "attention heads that make the weights of advantages"},
    {"qplex.layers", CONFIG_INT, OFF(layers), "1", 1, 4, "", NULL, "of the attention nets; 1: linear"},
    {"qplex.attention", CONFIG_INT, OFF(attention), "64", 1, 4096, "", NULL, "width of the attention nets' hidden layers"},
    {"qplex.state_norm", CONFIG_BOOL, OFF(state_norm), "false", 0, 0, "", NULL,
     "LayerNorm over what the mixer's nets read; not published: weights grow with the state, so for tasks whose numbers are not of "
     "size 1"},
};

enum { WEIGHT, BIAS, KEY, AGENTS, ACTION };

static struct node *sigmoid(const struct q_mixing *mixing, int which, struct node *input)
{
    return tape_activation(mixing->tape, q_mixer_net(mixing, which, input), ACTIVATION_SIGMOID);
}

/* State, then the one-hot actions of all agents: [R, Z+N*A]. */
static struct node *state_and_action(const struct q_mixing *mixing)
{
    const size_t Z = (size_t)mixing->Z, N = (size_t)mixing->N, A = (size_t)mixing->A, width = Z + N * A;
    real *all = arena_zero_array(mixing->scratch, real, (size_t)mixing->R * width);
    for (size_t r = 0; r < (size_t)mixing->R; r++) {
        real *to = all + r * width;
        memcpy(to, mixing->state + r * Z, Z * sizeof *to);
        for (size_t n = 0; n < N; n++)
            to[Z + n * A + (size_t)mixing->action[r * N + n]] = 1;
    }
    return tape_input(mixing->tape, mixing->R, (int)width, all, false);
}

/* A_i(tau,a_i) = w_i (Q_i - V_i) [R,N], a constant: 0 where the action is the best one, otherwise below. */
static struct node *advantage(const struct q_mixing *mixing, const struct node *w)
{
    struct tape *tape = mixing->tape;
    const size_t count = (size_t)mixing->R * (size_t)mixing->N;
    real *gap = arena_array(mixing->scratch, real, count);
    for (size_t i = 0; i < count; i++)
        gap[i] = mixing->chosen->value[i] - mixing->best[i];
    return tape_transform(tape, tape_input(tape, mixing->R, mixing->N, gap, false),
                          tape_input(tape, mixing->R, mixing->N, w->value, false), NULL);
}

/* lambda_i(tau,a) = sum_k lambda_i,k phi_i,k v_k */
static struct node *credit(const struct q_mixing *mixing, struct node *state)
{
    return tape_credit(mixing->tape, q_mixer_net(mixing, KEY, state), sigmoid(mixing, AGENTS, state),
                       sigmoid(mixing, ACTION, state_and_action(mixing)));
}

/* Q_tot = sum_i Q_i(tau,a_i) + lambda_i(tau,a) A_i(tau,a_i) - A_i(tau,a_i) */
static struct node *mix(const struct q_mixing *mixing)
{
    struct tape *tape = mixing->tape;
    struct node *state = tape_input(tape, mixing->R, mixing->Z, mixing->state, false);
    struct node *w = q_mixer_net(mixing, WEIGHT, state), *b = q_mixer_net(mixing, BIAS, state);
    struct node *q = tape_transform(tape, mixing->chosen, w, b), *a = advantage(mixing, w);
    struct node *weighted = tape_multiply(tape, credit(mixing, state), a);
    return tape_sum_columns(tape, tape_add(tape, tape_add(tape, q, weighted), tape_scale(tape, a, -1)));
}

static int add_nets(struct q_team *team, const struct recipe *recipe, struct err *err)
{
    struct qplex_config config;
    int r = config_bind(rows, ARRAY_LEN(rows), recipe, &config, err);
    if (r)
        return r;
    const int32_t Z = q_state_width(&team->shape), N = team->shape.N, K = (int32_t)config.heads;
    struct net_arch scale = {.in = Z,
                             .hidden = (int32_t)config.hypernet,
                             .depth = 1,
                             .out = N,
                             .activation = ACTIVATION_RELU,
                             .input_norm = config.state_norm};
    struct net_arch key = scale;
    key.depth = (int32_t)config.layers - 1;
    key.hidden = key.depth ? (int32_t)config.attention : 1;
    key.out = K;
    struct net_arch agents = key, action = key;
    agents.out = action.out = K * N;
    action.in = Z + N * team->shape.A;
    if ((r = q_add(team, "mixer/weight", &scale, err)) || (r = q_add(team, "mixer/bias", &scale, err)) ||
        (r = q_add(team, "mixer/key", &key, err)) || (r = q_add(team, "mixer/agents", &agents, err)))
        return r;
    return q_add(team, "mixer/action", &action, err);
}

static int create(struct algorithm **out, const struct algorithm_context *context, struct err *err)
{
    return q_method_create(out, context, mix, add_nets, err);
}

const struct algorithm_ops algorithm_qplex = {
    .name = "qplex",
    .summary = "QPLEX: values and weighted advantages of the agents add up, so that their best actions are the team's",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .create = create,
    Q_METHOD_OPS,
};
