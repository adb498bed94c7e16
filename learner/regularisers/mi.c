/* CLUB penalty. q(a | s) is a product of N categoricals, log q = sum_i log q_i(a_i | s) (the released code fits one softmax over
 * all agents' classes and labels it with agent 0's action, which is I(s; a_0)). s is all agents' state rows side by side. */
#include "learner/regularisers/mi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define OFF(field) offsetof(struct mi_config, field)

static const struct config_row rows[] = {
    {"mi.lambda", CONFIG_REAL, OFF(lambda), "0", 0, 1000, "", NULL,
     "weight of the information penalty; 0: none; the paper chose 5e-4 for rewards where a win is worth about 20"},
    {"mi.hidden", CONFIG_INT, OFF(hidden), "128", 1, 4096, "", NULL, "width of the estimator's hidden layer"},
    {"mi.lr", CONFIG_REAL, OFF(lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of the estimator"},
    {"mi.fit_steps", CONFIG_INT, OFF(fit_steps), "1", 1, 10000, "per update", NULL, "likelihood steps before the penalty is taken"},
    {"mi.fit_rows", CONFIG_INT, OFF(fit_rows), "64", 2, 65536, "steps", NULL, "rows drawn with replacement for a likelihood step"},
};

const struct config_table mi_table = {"mi", rows, ARRAY_LEN(rows)};

void club_categorical(int n, int G, int A, const real *logq, const int32_t *label, double *histogram, double *out)
{
    size_t width = (size_t)G * (size_t)A;
    memset(histogram, 0, width * sizeof *histogram);
    for (int i = 0; i < n; i++)
        for (int g = 0; g < G; g++)
            histogram[g * A + label[i * G + g]] += 1.0 / n;
    for (int i = 0; i < n; i++) {
        const real *row = logq + (size_t)i * width;
        double positive = 0.0, negative = 0.0;
        for (int g = 0; g < G; g++)
            positive += row[g * A + label[i * G + g]];
        for (size_t c = 0; c < width; c++)
            negative += histogram[c] * row[c];
        out[i] = positive - negative;
    }
}

void club_gaussian(int n, int D, const real *mean, const real *logvar, const real *y, double *moments, double *out)
{
    double *average = moments, *variance = moments + D;
    memset(moments, 0, 2 * (size_t)D * sizeof *moments);
    for (int i = 0; i < n; i++)
        for (int d = 0; d < D; d++)
            average[d] += y[i * D + d] / (double)n;
    for (int i = 0; i < n; i++)
        for (int d = 0; d < D; d++)
            variance[d] += (y[i * D + d] - average[d]) * (y[i * D + d] - average[d]) / n;
    for (int i = 0; i < n; i++) {
        out[i] = 0.0;
        for (int d = 0; d < D; d++) {
            double mu = mean[i * D + d], own = mu - y[i * D + d], others = mu - average[d];
            out[i] += (others * others + variance[d] - own * own) / (2.0 * exp((double)logvar[i * D + d]));
        }
    }
}

int mi_init(struct mi *mi, const struct algorithm_context *context, struct models *models, struct err *err)
{
    *mi = (struct mi){.models = models, .seed = context->seed};
    int r = config_bind(rows, ARRAY_LEN(rows), context->recipe, &mi->config, err);
    if (r || mi->config.lambda == 0)
        return r;
    const struct batch_shape *s = context->shape;
    if (s->head.kind != ACTION_DISCRETE)
        return err_set(err, ERR_INVALID,
                       "mi.lambda is %g, but the estimator reads one discrete action an agent, and %s has others: set it to 0",
                       mi->config.lambda, context->spec->env);
    struct net_arch arch = {
        .in = s->N * s->S, .hidden = (int32_t)mi->config.hidden, .depth = 1, .out = s->N * s->A, .activation = ACTIVATION_RELU};
    if (!models_add(models, "mi/action", &arch, context->seed, 1.0, false, err))
        return ERR_INVALID;
    mi->logq = calloc((size_t)s->L * (size_t)s->T * (size_t)arch.out, sizeof *mi->logq);
    mi->samples = calloc((size_t)mi->config.fit_rows, sizeof *mi->samples);
    if (mi->logq && mi->samples)
        return 0;
    mi_deinit(mi);
    return err_set(err, ERR_NOMEM, "no memory for the information penalty");
}

void mi_deinit(struct mi *mi)
{
    free(mi->logq);
    free(mi->samples);
    *mi = (struct mi){0};
}

/* All agents' state rows of step (l,t) side by side. */
static void gather_joint_state(const struct batch *batch, int step, real *out)
{
    const struct batch_shape *s = &batch->shape;
    const struct batch_view *view = &batch->view[step / s->T];
    const float *from = s->state_is_observation ? view->observation : view->state;
    size_t width = (size_t)s->N * (size_t)s->S;
    for (size_t i = 0; i < width; i++)
        out[i] = (real)from[(size_t)(step % s->T) * width + i];
}

static const int32_t *joint_action(const struct batch *batch, int step)
{
    const struct batch_shape *s = &batch->shape;
    return batch_choices(s, batch->view[step / s->T].action, step % s->T * s->N);
}

struct fit {
    struct mi *mi;
    const struct batch *batch;
};

static void fit_block(void *context, struct block *block)
{
    const struct fit *fit = context;
    const struct batch_shape *s = &fit->batch->shape;
    int n = block->count;
    size_t width = (size_t)s->N * (size_t)s->S;
    real *x = arena_array(block->scratch, real, (size_t)n * width), *weight = arena_array(block->scratch, real, n);
    int32_t *label = arena_array(block->scratch, int32_t, (size_t)n * (size_t)s->N);
    for (int i = 0; i < n; i++) {
        int step = fit->mi->samples[block->first + i];
        gather_joint_state(fit->batch, step, x + (size_t)i * width);
        memcpy(label + (size_t)i * (size_t)s->N, joint_action(fit->batch, step), (size_t)s->N * sizeof *label);
        weight[i] = (real)(1.0 / (double)fit->mi->config.fit_rows);
    }
    struct node *input = tape_input(block->tape, n, (int)width, x, false);
    struct node *logits = net_forward(block->tape, block->weights, block->gradient, input, 1, n, NULL, NULL, NULL);
    tape_cross_entropy_loss(block->tape, logits, label, weight, s->N);
}

static void logq_block(void *context, struct block *block)
{
    const struct fit *fit = context;
    const struct batch_shape *s = &fit->batch->shape;
    size_t width = (size_t)s->N * (size_t)s->S, out = (size_t)s->N * (size_t)s->A;
    real *x = arena_array(block->scratch, real, (size_t)block->count * width);
    real *logq = fit->mi->logq + (size_t)block->first * out;
    for (int i = 0; i < block->count; i++)
        gather_joint_state(fit->batch, block->first + i, x + (size_t)i * width);
    net_act(block->weights, block->count, x, NULL, logq, block->scratch);
    for (int g = 0; g < block->count * s->N; g++) { /* logits to log-probabilities, group by group */
        real *row = logq + (size_t)g * (size_t)s->A, most = row[0];
        double sum = 0.0;
        for (int a = 1; a < s->A; a++)
            most = row[a] > most ? row[a] : most;
        for (int a = 0; a < s->A; a++)
            sum += exp((double)row[a] - (double)most);
        real log_sum = (real)((double)most + log(sum));
        for (int a = 0; a < s->A; a++)
            row[a] -= log_sum;
    }
}

static double fit_estimator(struct mi *mi, struct updater *updater, const struct batch *batch, const struct progress *progress,
                            struct model *model)
{
    struct fit fit = {mi, batch};
    struct updater_result result = {0};
    int steps = batch->shape.L * batch->shape.T, n = (int)mi->config.fit_rows;
    for (int k = 0; k < mi->config.fit_steps; k++) {
        struct rng rng = rng_stream(mi->seed, RNG_BATCH, progress->update, (uint32_t)k, 0);
        for (int i = 0; i < n; i++)
            mi->samples[i] = (int32_t)rng_below(&rng, (uint32_t)steps);
        updater_step(updater, model, mi->config.lr, 0, n, 64, fit_block, &fit, &result);
    }
    return result.loss;
}

void mi_shape_rewards(struct mi *mi, struct updater *updater, struct batch *batch, const struct progress *progress,
                      struct report *report)
{
    if (mi->config.lambda == 0)
        return;
    const struct batch_shape *s = &batch->shape;
    struct model *model = models_find(mi->models, "mi/action");
    struct arena *scratch = &updater->scratch[0];
    size_t steps = (size_t)s->L * (size_t)s->T, mark = arena_mark(scratch);
    double nll = fit_estimator(mi, updater, batch, progress, model);
    struct fit fit = {mi, batch};
    updater_forward(updater, model, (int)steps, 64, logq_block, &fit);

    int32_t *label = arena_array(scratch, int32_t, steps * (size_t)s->N);
    double *histogram = arena_array(scratch, double, s->N * s->A), *information = arena_array(scratch, double, steps);
    for (size_t i = 0; i < steps; i++)
        memcpy(label + i * (size_t)s->N, joint_action(batch, (int)i), (size_t)s->N * sizeof *label);
    club_categorical((int)steps, s->N, s->A, mi->logq, label, histogram, information);
    double mean = 0.0, most = -INFINITY, reward = 0.0;
    for (size_t i = 0; i < steps; i++) {
        mean += information[i] / (double)steps;
        most = information[i] > most ? information[i] : most;
        for (int n = 0; n < s->N; n++) {
            real *r = &batch->reward[i * (size_t)s->N + (size_t)n];
            reward += fabs((double)*r) / (double)(steps * (size_t)s->N);
            *r -= (real)(mi->config.lambda * information[i]);
        }
    }
    arena_release(scratch, mark);
    report_add(report, "mi/mean", mean);
    report_add(report, "mi/max", most);
    report_add(report, "mi/nll", nll);
    report_add(report, "mi/share", reward > 0 ? mi->config.lambda * fabs(mean) / reward : 0.0);
}
