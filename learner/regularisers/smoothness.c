#include "learner/regularisers/smoothness.h"

#include <string.h>

#include "base/rng.h"
#include "math/vmath.h"

#define OFF(field) offsetof(struct smoothness_config, field)

static const struct config_row rows[] = {
    {"smoothness.weight", CONFIG_REAL, OFF(weight), "0", 0, 1e6, "", NULL,
     "of the policy's change under a perturbed observation, in the loss (ERNIE); 0: none"},
    {"smoothness.radius", CONFIG_REAL, OFF(radius), "0.1", 0, 1e6, "observation units", NULL, "how far a number may be moved"},
    {"smoothness.step", CONFIG_REAL, OFF(step), "0.1", 0, 1e6, "observation units", NULL, "length of an ascent's step"},
    {"smoothness.steps", CONFIG_INT, OFF(steps), "1", 1, 100, "", NULL, "ascents before the term is taken"},
    {"smoothness.noise", CONFIG_REAL, OFF(noise), "1e-3", 1e-9, 1e6, "observation units", NULL,
     "deviation of the normal start; the released code has 1e-3"},
};

const struct config_table smoothness_table = {"smoothness", rows, ARRAY_LEN(rows)};

int smoothness_init(struct smoothness *smoothness, const struct algorithm_context *context, enum smoothness_distance distance,
                    struct err *err)
{
    *smoothness =
        (struct smoothness){.distance = distance, .head = context->shape->head, .O = context->shape->O, .seed = context->seed};
    return config_bind(rows, ARRAY_LEN(rows), context->recipe, &smoothness->config, err);
}

size_t smoothness_scratch(const struct net_arch *arch, int n)
{
    return (size_t)n * (2 * (size_t)arch->in + 2 * (size_t)arch->out + 1) * sizeof(real) + 8 * ARENA_ALIGN;
}

static struct node *record_net(struct block *block, real *gradient, const struct smoothness_rows *r, struct node *input)
{
    return net_forward(block->tape, block->weights, gradient, input, r->T, r->B, r->h0, r->keep, NULL);
}

/* [n,A] factors of an output's difference: 1/sigma of a box, 0 where a choice is unavailable. */
static real *difference_factors(const struct smoothness *smoothness, struct block *block, const struct smoothness_rows *r, int A)
{
    real *factor = arena_array(block->scratch, real, (size_t)r->n * (size_t)A), *one = arena_array(block->scratch, real, A);
    const real *log_std = smoothness->distance == SMOOTHNESS_POLICY ? net_weights_log_std(block->weights) : NULL;
    for (int a = 0; a < A; a++) {
        real clamped = log_std ? log_std[a] : 0;
        clamped = clamped < LOG_STD_MIN ? LOG_STD_MIN : clamped > LOG_STD_MAX ? LOG_STD_MAX : clamped;
        one[a] = -clamped;
    }
    vmath()->exp((size_t)A, one, one);
    for (int i = 0; i < r->n * A; i++)
        factor[i] = !r->available || log_std || r->available[i] ? one[i % A] : 0;
    return factor;
}

/* sum of weight * 1/2 |factor (a - b)|^2 */
static void record_squared(const struct smoothness *smoothness, struct block *block, const struct smoothness_rows *r,
                           const real *weight, struct node *a, struct node *b)
{
    const real *factor = difference_factors(smoothness, block, r, a->cols);
    real *zero = arena_zero_array(block->scratch, real, (size_t)r->n * (size_t)a->cols);
    struct node *difference = tape_add(block->tape, a, tape_scale(block->tape, b, -1));
    struct node *scaled = tape_multiply(block->tape, difference, tape_input(block->tape, r->n, a->cols, factor, false));
    tape_squared_loss(block->tape, scaled, zero, weight);
}

static void record_distance(const struct smoothness *smoothness, struct block *block, const struct smoothness_rows *r,
                            const real *weight, struct node *clean, struct node *there)
{
    const struct action_head *head = &smoothness->head;
    if (smoothness->distance == SMOOTHNESS_TANH)
        record_squared(smoothness, block, r, weight, tape_activation(block->tape, clean, ACTIVATION_TANH),
                       tape_activation(block->tape, there, ACTIVATION_TANH));
    else if (smoothness->distance == SMOOTHNESS_SQUARED || head->kind == ACTION_BOX)
        record_squared(smoothness, block, r, weight, clean, there);
    else
        tape_kl_loss(block->tape, clean, there, r->available, weight, head->C, head->choices);
}

void smoothness_gradient(const struct smoothness *smoothness, struct block *block, const struct smoothness_rows *r,
                         const real *nearby, real *gradient)
{
    size_t mark = arena_mark(block->scratch);
    int in = net_weights_arch(block->weights)->in;
    real *weight = arena_array(block->scratch, real, r->n);
    for (int i = 0; i < r->n; i++)
        weight[i] = r->weight[i] != 0;
    tape_begin(block->tape);
    struct node *clean = record_net(block, NULL, r, tape_input(block->tape, r->n, in, r->x, false));
    struct node *input = tape_input(block->tape, r->n, in, nearby, true);
    record_distance(smoothness, block, r, weight, clean, record_net(block, NULL, r, input));
    tape_backward(block->tape);
    memcpy(gradient, input->gradient, (size_t)r->n * (size_t)in * sizeof *gradient);
    tape_begin(block->tape);
    arena_release(block->scratch, mark);
}

/* delta_0 on the observation of each row. */
static void draw_start(const struct smoothness *smoothness, const struct smoothness_rows *r, int in, real *x)
{
    memcpy(x, r->x, (size_t)r->n * (size_t)in * sizeof *x);
    for (int i = 0; i < r->n; i++) {
        struct rng rng = rng_stream(smoothness->seed, RNG_NOISE, r->update, r->pass, (uint32_t)r->names[i]);
        for (int o = 0; o < r->O; o++)
            x[(size_t)i * (size_t)in + (size_t)o] += (real)(smoothness->config.noise * rng_normal(&rng));
    }
}

real *smoothness_perturb(const struct smoothness *smoothness, struct block *block, const struct smoothness_rows *r)
{
    int in = net_weights_arch(block->weights)->in;
    size_t count = (size_t)r->n * (size_t)in;
    real *x = arena_array(block->scratch, real, count), step = (real)smoothness->config.step;
    size_t mark = arena_mark(block->scratch);
    real *gradient = arena_array(block->scratch, real, count), radius = (real)smoothness->config.radius;
    draw_start(smoothness, r, in, x);
    for (int k = 0; k < smoothness->config.steps; k++) {
        smoothness_gradient(smoothness, block, r, x, gradient);
        for (size_t i = 0; i < count; i++) {
            if (i % (size_t)in >= (size_t)r->O)
                continue;
            real delta = x[i] - r->x[i] + step * (real)((gradient[i] > 0) - (gradient[i] < 0));
            delta = delta < -radius ? -radius : delta > radius ? radius : delta;
            x[i] = r->x[i] + delta;
        }
    }
    arena_release(block->scratch, mark);
    return x;
}

double smoothness_record(const struct smoothness *smoothness, struct block *block, const struct smoothness_rows *r,
                         struct node *clean, const real *perturbed)
{
    double before = tape_loss(block->tape);
    real *weight = arena_array(block->scratch, real, r->n);
    for (int i = 0; i < r->n; i++)
        weight[i] = (real)smoothness->config.weight * r->weight[i];
    struct node *input = tape_input(block->tape, r->n, net_weights_arch(block->weights)->in, perturbed, false);
    record_distance(smoothness, block, r, weight, clean, record_net(block, block->gradient, r, input));
    return (tape_loss(block->tape) - before) / smoothness->config.weight;
}
