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
#include <stdlib.h>

#include "learner/q_learning.h"

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

struct algorithm {
    struct q_team team;
    struct qmix_config config;
};

enum { W1, B1, W2, V };

static struct node *hyper(const struct q_mixing *mixing, int which, struct node *state)
{
    return net_forward(mixing->tape, mixing->nets[which], mixing->gradients ? mixing->gradients[which] : NULL, state, 1, mixing->R,
                       NULL, NULL, NULL);
}

static struct node *mix(const struct q_mixing *mixing)
{
    struct node *state = tape_input(mixing->tape, mixing->R, mixing->Z, mixing->state, false);
    return tape_mix(mixing->tape, mixing->chosen, hyper(mixing, W1, state), hyper(mixing, B1, state), hyper(mixing, W2, state),
                    hyper(mixing, V, state));
}

static int add_hypernets(struct q_team *team, const struct qmix_config *config, struct err *err)
{
    const int32_t Z = q_state_width(&team->shape), E = (int32_t)config->embed, H = (int32_t)config->hypernet;
    const int32_t norm = config->state_norm;
    const struct net_arch w1 = {
        .in = Z, .hidden = H, .depth = 1, .out = team->shape.N * E, .activation = ACTIVATION_RELU, .input_norm = norm};
    const struct net_arch b1 = {.in = Z, .hidden = 1, .depth = 0, .out = E, .activation = ACTIVATION_RELU, .input_norm = norm};
    const struct net_arch w2 = {.in = Z, .hidden = H, .depth = 1, .out = E, .activation = ACTIVATION_RELU, .input_norm = norm};
    const struct net_arch v = {.in = Z, .hidden = E, .depth = 1, .out = 1, .activation = ACTIVATION_RELU, .input_norm = norm};
    int r;
    if ((r = q_add(team, "mixer/w1", &w1, err)) || (r = q_add(team, "mixer/b1", &b1, err)) ||
        (r = q_add(team, "mixer/w2", &w2, err)))
        return r;
    return q_add(team, "mixer/v", &v, err);
}

static void destroy(struct algorithm **algorithm_at)
{
    struct algorithm *algorithm = *algorithm_at;
    if (!algorithm)
        return;
    q_deinit(&algorithm->team);
    free(algorithm);
    *algorithm_at = NULL;
}

static int create(struct algorithm **out, const struct algorithm_context *context, struct err *err)
{
    struct algorithm *algorithm = calloc(1, sizeof *algorithm);
    if (!algorithm)
        return err_set(err, ERR_NOMEM, "no memory for the algorithm");
    int r = config_bind(rows, ARRAY_LEN(rows), context->recipe, &algorithm->config, err);
    if (!r)
        r = q_begin(&algorithm->team, context, mix, err);
    if (!r)
        r = add_hypernets(&algorithm->team, &algorithm->config, err);
    if (!r)
        r = q_ready(&algorithm->team, context, err);
    if (r) {
        destroy(&algorithm);
        return r;
    }
    *out = algorithm;
    return 0;
}

static void update(struct algorithm *algorithm, struct batch *batch, const struct progress *progress, struct report *report)
{
    q_update(&algorithm->team, batch, progress, report);
}

static struct models *models(struct algorithm *algorithm)
{
    return &algorithm->team.models;
}

static int tables(const struct algorithm *algorithm, const struct progress *progress, struct weights *weights, struct err *err)
{
    return q_tables(&algorithm->team, progress, weights, err);
}

static int save(const struct algorithm *algorithm, struct safetensors *file, struct err *err)
{
    return replay_save(algorithm->team.replay, file, err);
}

static int load(struct algorithm *algorithm, const struct safetensors *file, bool only_looks, struct err *err)
{
    return replay_load(algorithm->team.replay, file, only_looks, err);
}

static struct replay *replay(const struct algorithm *algorithm)
{
    return algorithm->team.replay;
}

const struct algorithm_ops algorithm_qmix = {
    .name = "qmix",
    .summary = "QMIX: agents' action values are mixed monotonically, by weights that depend on the state",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .create = create,
    .destroy = destroy,
    .update = update,
    .models = models,
    .reports = q_reports,
    .tables = tables,
    .save = save,
    .load = load,
    .replay = replay,
};
