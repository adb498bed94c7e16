#include "learner/regularisers/minimax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OFF(field) offsetof(struct minimax_config, field)

static const struct config_row m3ddpg_rows[] = {
    {"m3ddpg.epsilon", CONFIG_REAL, OFF(m3ddpg_epsilon), "0", 0, 1000, "action units", NULL,
     "how far each team-mate's action is moved against agent i's value (M3DDPG); 0: none"},
    {"m3ddpg.rule", CONFIG_CHOICE, OFF(m3ddpg_rule), "original", 0, 0, "", "original|released",
     "released: as in MIR3's released code, which moves agent i's own target action, and by the gradient as it is"},
};
enum { RULE_ORIGINAL, RULE_RELEASED };
static const struct config_row romax_rows[] = {
    {"romax.k", CONFIG_REAL, OFF(romax_k), "0", 0, 1, "", NULL,
     "share of the value's lower bound over team-mates' actions in target and objective (ROMAX); 0: none"},
    {"romax.epsilon", CONFIG_REAL, OFF(romax_epsilon), "0.003", 0, 1000, "action units", NULL,
     "half width of the interval of each number of a team-mate's action"},
};

const struct config_table minimax_tables[2] = {{"m3ddpg", m3ddpg_rows, ARRAY_LEN(m3ddpg_rows)},
                                               {"romax", romax_rows, ARRAY_LEN(romax_rows)}};

enum { MOVE_ROWS = 128 }; /* rows whose gradients are kept at a time */

static int width_of(const struct minimax *minimax)
{
    return minimax->Z + minimax->N + minimax->N * minimax->A;
}

/* ---- create ---- */

/* Matrices and biases in layer order: trunk, then head. */
static int init_net(struct interval_net *net, const struct net_arch *critic, int N)
{
    ASSERT(critic->depth > 0 && critic->depth < (int)ARRAY_LEN(net->layers) && !critic->gru && !critic->input_norm &&
           !critic->layer_norm);
    /* each parameter is kept four times at most */
    net->memory = calloc(4 * net_parameter_count(critic) + (size_t)N * (size_t)critic->hidden, sizeof *net->memory);
    if (!net->memory)
        return ERR_NOMEM;
    net->n_layers = critic->depth + 1;
    real *next = net->memory;
    for (int l = 0; l < net->n_layers; l++) {
        struct interval_layer *layer = &net->layers[l];
        layer->in = l == 0 ? critic->in : critic->hidden;
        layer->out = l == critic->depth ? critic->out : critic->hidden;
        real **const pieces[] = {&layer->w, &layer->w_across, &layer->size, &layer->size_across};
        for (size_t i = 0; i < ARRAY_LEN(pieces); i++, next += layer->in * layer->out)
            *pieces[i] = next;
        layer->bias = next;
        next += layer->out;
    }
    net->radius = next;
    return 0;
}

int minimax_init(struct minimax *minimax, const struct recipe *recipe, const struct net_arch *critic, int Z, int N, int A,
                 struct err *err)
{
    *minimax = (struct minimax){.Z = Z, .N = N, .A = A};
    int r;
    if ((r = config_bind(m3ddpg_rows, ARRAY_LEN(m3ddpg_rows), recipe, &minimax->config, err)) ||
        (r = config_bind(romax_rows, ARRAY_LEN(romax_rows), recipe, &minimax->config, err)))
        return r;
    if (minimax_moves(minimax) && minimax_bounds(minimax))
        return err_set(err, ERR_INVALID, "m3ddpg.epsilon and romax.k are both above 0: expected one worst case");
    if (minimax_bounds(minimax) && (init_net(&minimax->live, critic, N) || init_net(&minimax->late, critic, N))) {
        minimax_deinit(minimax);
        return err_set(err, ERR_NOMEM, "no memory for bounds of the critic");
    }
    return 0;
}

void minimax_deinit(struct minimax *minimax)
{
    free(minimax->live.memory);
    free(minimax->late.memory);
    *minimax = (struct minimax){0};
}

void minimax_need(const struct minimax *minimax, const struct net_arch *critic, int rows, size_t *tape_bytes, size_t *scratch_bytes)
{
    size_t n = (size_t)rows;
    if (minimax_moves(minimax))
        *scratch_bytes += (n + MOVE_ROWS * (size_t)(2 * critic->in + 1)) * sizeof(real) +
                          net_act_input_gradient_scratch(critic, MOVE_ROWS) + 8 * ARENA_ALIGN;
    if (minimax_bounds(minimax)) {
        *tape_bytes += n * (size_t)critic->hidden * (size_t)(24 * critic->depth) * sizeof(real) + ((size_t)1 << 20);
        *scratch_bytes += n * (size_t)(critic->hidden + 2) * sizeof(real) + 8 * ARENA_ALIGN;
    }
}

/* ---- M3DDPG ---- */

/* a_j - eps g_j / |g_j| of one agent; by the released rule a_j - eps g_j. */
static void move_piece(const struct minimax *minimax, const real *gradient, real *action)
{
    double square = 0;
    for (int a = 0; a < minimax->A; a++)
        square += (double)gradient[a] * (double)gradient[a];
    if (square == 0)
        return;
    bool is_normalised = minimax->config.m3ddpg_rule == RULE_ORIGINAL;
    real step = (real)(minimax->config.m3ddpg_epsilon / (is_normalised ? sqrt(square) : 1));
    for (int a = 0; a < minimax->A; a++)
        action[a] -= step * gradient[a];
}

/* Where gradients of rows first..first+count-1 are taken: at the rows, by the released rule with everybody's fresh action. */
static const real *places(const struct minimax *minimax, int first, int count, const real *fresh, const real *x, real *out)
{
    const size_t width = (size_t)width_of(minimax), joint = (size_t)(minimax->N * minimax->A);
    if (minimax->config.m3ddpg_rule == RULE_ORIGINAL || !fresh)
        return x + (size_t)first * width;
    memcpy(out, x + (size_t)first * width, (size_t)count * width * sizeof *out);
    for (int i = 0; i < count; i++)
        memcpy(out + (size_t)(i + 1) * width - joint, fresh + (size_t)((first + i) / (minimax->N * minimax->N)) * joint,
               joint * sizeof *out);
    return out;
}

void minimax_move(const struct minimax *minimax, const struct net_weights *critic, int n, const int32_t *own, const real *fresh,
                  real *x, struct arena *scratch)
{
    const size_t width = (size_t)width_of(minimax), mark = arena_mark(scratch);
    const bool moves_own = minimax->config.m3ddpg_rule == RULE_RELEASED && !fresh;
    real *one = arena_array(scratch, real, MOVE_ROWS), *gradient = arena_array(scratch, real, MOVE_ROWS * width);
    real *place = arena_array(scratch, real, MOVE_ROWS * width);
    for (int i = 0; i < MOVE_ROWS; i++)
        one[i] = 1;
    for (int first = 0; first < n; first += MOVE_ROWS) {
        int count = n - first < MOVE_ROWS ? n - first : MOVE_ROWS;
        net_act_input_gradient(critic, count, places(minimax, first, count, fresh, x, place), one, gradient, scratch);
        for (int i = 0; i < count; i++)
            for (int j = 0; j < minimax->N; j++) {
                size_t at = (size_t)(minimax->Z + minimax->N + j * minimax->A);
                if ((j == own[first + i]) == moves_own)
                    move_piece(minimax, gradient + (size_t)i * width + at, x + (size_t)(first + i) * width + at);
            }
    }
    arena_release(scratch, mark);
}

/* ---- ROMAX ---- */

static void set_layer(struct interval_layer *layer, const real *w)
{
    for (int i = 0; i < layer->in; i++)
        for (int o = 0; o < layer->out; o++) {
            size_t at = (size_t)i * (size_t)layer->out + (size_t)o, across = (size_t)o * (size_t)layer->in + (size_t)i;
            real size = w[at] < 0 ? -w[at] : w[at];
            layer->w[at] = layer->w_across[across] = w[at];
            layer->size[at] = layer->size_across[across] = size;
        }
}

/* Radius behind the first layer for agent i: eps times the sum of |W| over the others' numbers. */
static void set_radius(const struct minimax *minimax, struct interval_net *net)
{
    const struct interval_layer *first = &net->layers[0];
    for (int i = 0; i < minimax->N; i++)
        for (int o = 0; o < first->out; o++) {
            double sum = 0;
            for (int k = 0; k < minimax->N * minimax->A; k++)
                if (k / minimax->A != i)
                    sum += (double)first->size[(size_t)(minimax->Z + minimax->N + k) * (size_t)first->out + (size_t)o];
            net->radius[(size_t)i * (size_t)first->out + (size_t)o] = (real)(minimax->config.romax_epsilon * sum);
        }
}

void minimax_set(struct minimax *minimax, struct interval_net *net, const struct model *critic)
{
    struct net_parameter table[NET_PARAMETERS_MAX];
    int n = net_parameters(&critic->arch, table);
    ASSERT(n == 2 * net->n_layers); /* weight and bias of each layer, in layer order */
    for (int l = 0; l < net->n_layers; l++) {
        set_layer(&net->layers[l], critic->w + table[2 * l].start);
        memcpy(net->layers[l].bias, critic->w + table[2 * l + 1].start, (size_t)net->layers[l].out * sizeof(real));
    }
    set_radius(minimax, net);
}

/* x W + b, or with |W| and without b: what a layer does to a centre and to a radius. */
static struct node *through(struct tape *tape, const struct interval_layer *layer, bool is_radius, struct node *x)
{
    struct node *w = tape_parameter(tape, layer->in, layer->out, is_radius ? layer->size : layer->w,
                                    is_radius ? layer->size_across : layer->w_across, NULL);
    struct node *b = is_radius ? NULL : tape_parameter(tape, 1, layer->out, layer->bias, NULL, NULL);
    return tape_linear(tape, x, w, b, ACTIVATION_NONE);
}

struct node *minimax_low(const struct minimax *minimax, const struct interval_net *net, struct tape *tape, struct arena *scratch,
                         const int32_t *own, struct node *x)
{
    const size_t H = (size_t)net->layers[0].out;
    real *radius = arena_array(scratch, real, (size_t)x->rows * H);
    ASSERT(x->cols == width_of(minimax));
    for (size_t i = 0; i < (size_t)x->rows; i++)
        memcpy(radius + i * H, net->radius + (size_t)own[i] * H, H * sizeof *radius);
    struct node *c = through(tape, &net->layers[0], false, x), *r = tape_input(tape, x->rows, (int)H, radius, false);
    for (int l = 1; l < net->n_layers; l++) {
        struct node *low = tape_activation(tape, tape_add(tape, c, tape_scale(tape, r, -1)), ACTIVATION_RELU);
        struct node *high = tape_activation(tape, tape_add(tape, c, r), ACTIVATION_RELU);
        c = through(tape, &net->layers[l], false, tape_scale(tape, tape_add(tape, low, high), (real)0.5));
        r = through(tape, &net->layers[l], true, tape_scale(tape, tape_add(tape, high, tape_scale(tape, low, -1)), (real)0.5));
    }
    return tape_add(tape, c, tape_scale(tape, r, -1));
}
