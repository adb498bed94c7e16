/* The estimator: ring, fit, bound.
 *
 * q(y | x) is a product over the parts of y, log q = sum_g log q_g. Choices: one softmax a component of an agent's action (the
 * released code fits one softmax over all agents' classes and labels it with agent 0's action, which is I(s; a_0)). A box: a
 * diagonal Gaussian whose log-variance is a tanh, so within [-1,1].
 * Departures from the released code: 1. the label, see above; 2. the ring holds the newest real steps (there, copies of one old
 * episode with its padding); 3. padding is left out of the negatives; 4. mean and log-variance share one hidden layer of mi.hidden
 * units, where it has two nets of half the width; 5. the state's constant tail is dropped; 6. with mi.masks choices that are not available
 * have no part in q and in the negatives. */
#include "learner/regularisers/mi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "learner/regularisers/mi_bounds.h"
#include "math/vmath.h"

#define OFF(field) offsetof(struct mi_config, field)
#define LOG_2PI 1.8378770664093454835606594728112
#define MASKED ((real)-1e10)

static const struct config_row rows[] = {
    {"mi.lambda", CONFIG_REAL, OFF(lambda), "0", 0, 1000, "", NULL,
     "weight of the information penalty; 0: none; the paper chose 5e-4 for rewards where a win is worth about 20"},
    {"mi.measure", CONFIG_BOOL, OFF(measure), "false", 0, 0, "", NULL,
     "fit and report the estimator with mi.lambda 0 too; the team then learns as without it, bit for bit"},
    {"mi.estimator", CONFIG_CHOICE, OFF(estimator), "club", 0, 0, "", "club|club-sample|vub|l1out",
     "upper bound on the information; the paper finds club best, and each wants a lambda of its own"},
    {"mi.x", CONFIG_CHOICE, OFF(input), "state", 0, 0, "", "state|observation|hidden",
     "what actions may tell about: the state jointly (as the released code), or each agent's observation or recurrent state, "
     "summed "
     "over agents (the paper's algorithm 1)"},
    {"mi.masks", CONFIG_BOOL, OFF(masks), "true", 0, 0, "", NULL,
     "what masks give away (a dead agent can do one thing only) is no information of the policy's; false: it counts, as in the "
     "paper"},
    {"mi.hidden", CONFIG_INT, OFF(hidden), "128", 1, 4096, "", NULL,
     "width of the estimator's hidden layer; released code: that of the policy"},
    {"mi.lr", CONFIG_REAL, OFF(lr), "5e-4", 0, 1, "per step", NULL, "Adam step size of the estimator"},
    {"mi.fit_steps", CONFIG_INT, OFF(fit_steps), "1", 1, 10000, "per update", NULL, "likelihood steps before the penalty is taken"},
    {"mi.fit_rows", CONFIG_INT, OFF(fit_rows), "64", 2, 65536, "rows", NULL, "rows drawn with replacement for a likelihood step"},
    {"mi.ring", CONFIG_INT, OFF(ring), "3000", 2, 1000000, "steps", NULL, "newest real steps that the estimator is fitted on"},
    {"mi.others", CONFIG_INT, OFF(others), "128", 0, 1000000, "rows", NULL,
     "l1out of a box: rows that stand for all others, as it has no closed form; 0: all, at a cost that grows with the square"},
};

const struct config_table mi_table = {"mi", rows, ARRAY_LEN(rows)};

bool mi_is_on(const struct mi *mi)
{
    return mi->config.lambda > 0 || mi->config.measure;
}

static bool is_box(const struct mi *mi)
{
    return mi->head.kind == ACTION_BOX;
}

bool mi_has_masks(const struct mi *mi)
{
    return mi->config.masks && !is_box(mi);
}

static struct model *net_of(const struct mi *mi)
{
    return models_find(mi->models, "mi/action");
}

/* ---- create ---- */

static int set_sizes(struct mi *mi, const struct mi_widths *widths, struct err *err)
{
    static const char *const names[] = {"state", "observation", "hidden"};
    const int width[] = {widths->state, widths->observation, widths->hidden};
    mi->X = width[mi->config.input];
    if (mi->X <= 0)
        return err_set(err, ERR_INVALID, "mi.x is %s, which this backbone does not have: expected one of%s%s%s",
                       names[mi->config.input], width[0] > 0 ? " state" : "", width[1] > 0 ? " observation" : "",
                       width[2] > 0 ? " hidden" : "");
    mi->R = mi->config.input == MI_STATE ? 1 : mi->N;
    int agents = mi->N / mi->R;
    mi->Y = agents * mi->head.C;
    mi->G = is_box(mi) ? agents : mi->Y;
    mi->W = is_box(mi) ? 2 * mi->Y : agents * mi->head.A;
    return 0;
}

/* A ring from a file: its labels index arrays. */
static int check_ring(const void *context, const void *data, struct err *err)
{
    const struct mi *mi = context;
    const int64_t *cursor = data;
    const unsigned char *y = (const unsigned char *)data + ((unsigned char *)mi->ring.y - (unsigned char *)mi->ring.cursor);
    if (cursor[0] < 0 || cursor[0] >= mi->ring.capacity || cursor[1] < 0 || cursor[1] > mi->ring.capacity)
        return err_set(err, ERR_MISMATCH, "a ring of %d rows cannot hold %lld with the next at %lld", mi->ring.capacity,
                       (long long)cursor[1], (long long)cursor[0]);
    for (int64_t i = 0; !is_box(mi) && i < cursor[1] * mi->Y; i++) {
        int32_t label;
        memcpy(&label, y + (size_t)i * sizeof label, sizeof label);
        if (label < 0 || label >= mi->choices[i % mi->Y])
            return err_set(err, ERR_MISMATCH, "choice %d in row %lld, expected below %d", label, (long long)(i / mi->Y),
                           mi->choices[i % mi->Y]);
    }
    return 0;
}

static int add_ring(struct mi *mi, struct err *err)
{
    struct mi_ring *ring = &mi->ring;
    size_t capacity = (size_t)mi->config.ring * (size_t)mi->R, head = 2 * sizeof *ring->cursor;
    size_t x = capacity * (size_t)mi->X * sizeof *ring->x, y = capacity * (size_t)mi->Y * sizeof *ring->y;
    struct model_state *state = models_add_state(mi->models, "mi/ring", head + x + y, err);
    if (!state)
        return ERR_NOMEM;
    unsigned char *at = state->data;
    *ring = (struct mi_ring){
        .cursor = state->data, .x = (float *)(at + head), .y = (int32_t *)(at + head + x), .capacity = (int)capacity};
    state->check = check_ring;
    state->context = mi;
    if (!mi_has_masks(mi))
        return 0;
    state = models_add_state(mi->models, "mi/masks", capacity * (size_t)mi->W, err);
    if (!state)
        return ERR_NOMEM;
    ring->mask = state->data;
    return 0;
}

static int allocate(struct mi *mi, struct err *err)
{
    size_t max = (size_t)mi->max_steps * (size_t)mi->R, X = (size_t)mi->X, Y = (size_t)mi->Y, W = (size_t)mi->W;
    mi->choices = calloc((size_t)mi->G, sizeof *mi->choices);
    mi->samples = calloc((size_t)mi->config.fit_rows, sizeof *mi->samples);
    mi->index = calloc(max, sizeof *mi->index);
    mi->permutation = calloc(max, sizeof *mi->permutation);
    mi->label = calloc(max * Y, sizeof *mi->label);
    mi->q = calloc(max * W, sizeof *mi->q);
    mi->bound = calloc(max, sizeof *mi->bound);
    mi->work = calloc(W, sizeof *mi->work);
    mi->batch_x = calloc(max * X, sizeof *mi->batch_x);
    mi->batch_y = calloc(max * Y, sizeof *mi->batch_y);
    mi->batch_real = calloc(max, 1);
    mi->batch_bound = calloc((size_t)mi->max_steps, sizeof *mi->batch_bound);
    if (mi_has_masks(mi)) {
        mi->mask = calloc(max * W, 1);
        mi->batch_mask = calloc(max * W, 1);
    }
    if (!mi->choices || !mi->samples || !mi->index || !mi->permutation || !mi->label || !mi->q || !mi->bound || !mi->work ||
        !mi->batch_x || !mi->batch_y || !mi->batch_real || !mi->batch_bound || !mi->mask != !mi->batch_mask ||
        (mi_has_masks(mi) && !mi->mask))
        return err_set(err, ERR_NOMEM, "no memory for the information penalty");
    for (int g = 0; !is_box(mi) && g < mi->G; g++)
        mi->choices[g] = mi->head.choices[g % mi->head.C];
    return 0;
}

int mi_init(struct mi *mi, const struct algorithm_context *context, struct models *models, const struct mi_widths *widths,
            int max_steps, struct err *err)
{
    *mi = (struct mi){
        .models = models, .seed = context->seed, .head = context->shape->head, .N = context->shape->N, .max_steps = max_steps};
    int r = config_bind(rows, ARRAY_LEN(rows), context->recipe, &mi->config, err);
    if (r || !mi_is_on(mi) || (r = set_sizes(mi, widths, err)))
        return r;
    struct net_arch arch = {
        .in = mi->X, .hidden = (int32_t)mi->config.hidden, .depth = 1, .out = mi->W, .activation = ACTIVATION_RELU};
    if (!models_add(models, "mi/action", &arch, context->seed, 1.0, false, err))
        return ERR_INVALID;
    if ((r = add_ring(mi, err)) || (r = allocate(mi, err)))
        mi_deinit(mi);
    return r;
}

void mi_deinit(struct mi *mi)
{
    free(mi->choices);
    free(mi->samples);
    free(mi->index);
    free(mi->permutation);
    free(mi->label);
    free(mi->q);
    free(mi->bound);
    free(mi->work);
    free(mi->batch_x);
    free(mi->batch_y);
    free(mi->batch_real);
    free(mi->batch_bound);
    free(mi->mask);
    free(mi->batch_mask);
    *mi = (struct mi){0};
}

size_t mi_scratch(const struct mi *mi)
{
    size_t cells = (size_t)MI_BLOCK * (size_t)(mi->X + mi->Y + mi->W + 1);
    return mi_is_on(mi) ? net_act_scratch(&net_of(mi)->arch, MI_BLOCK) + cells * sizeof(real) + 5 * ARENA_ALIGN : 0;
}

/* ---- ring and fit ---- */

void mi_put_mask(const struct mi *mi, const uint8_t *available, const uint8_t *alive, const int32_t *y, uint8_t *mask)
{
    for (int g = 0; g < mi->G; available += mi->choices[g], mask += mi->choices[g], g++)
        for (int a = 0; a < mi->choices[g]; a++)
            mask[a] = a == y[g] || (alive[g / mi->head.C] && available[y[g]] && available[a]);
}

void mi_remember(struct mi *mi, const float *x, const int32_t *y, const uint8_t *is_real, const uint8_t *mask)
{
    struct mi_ring *ring = &mi->ring;
    size_t X = (size_t)mi->X, Y = (size_t)mi->Y, W = (size_t)mi->W;
    for (size_t r = 0; r < (size_t)mi->R; r++) {
        if (is_real && !is_real[r])
            continue;
        size_t at = (size_t)ring->cursor[0];
        memcpy(ring->x + at * X, x + r * X, X * sizeof *x);
        memcpy(ring->y + at * Y, y + r * Y, Y * sizeof *y);
        if (ring->mask)
            memcpy(ring->mask + at * W, mask + r * W, W);
        ring->cursor[0] = (ring->cursor[0] + 1) % ring->capacity;
        ring->cursor[1] += ring->cursor[1] < ring->capacity;
    }
}

static void widen(size_t n, const float *from, real *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (real)from[i];
}

/* Logits of choices that are not available, lowered until nothing of them is left. */
static struct node *mask_logits(const struct mi *mi, struct block *block, struct node *logits)
{
    size_t W = (size_t)mi->W;
    real *low = arena_array(block->scratch, real, (size_t)block->count * W);
    for (int i = 0; i < block->count; i++)
        for (size_t c = 0; c < W; c++)
            low[(size_t)i * W + c] = mi->ring.mask[(size_t)mi->samples[block->first + i] * W + c] ? 0 : MASKED;
    return tape_add(block->tape, logits, tape_input(block->tape, block->count, mi->W, low, false));
}

static void fit_block(void *context, struct block *block)
{
    const struct mi *mi = context;
    int n = block->count;
    size_t X = (size_t)mi->X, Y = (size_t)mi->Y;
    real *x = arena_array(block->scratch, real, (size_t)n * X), *weight = arena_array(block->scratch, real, n);
    int32_t *y = arena_array(block->scratch, int32_t, (size_t)n * Y);
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)mi->samples[block->first + i];
        widen(X, mi->ring.x + at * X, x + (size_t)i * X);
        memcpy(y + (size_t)i * Y, mi->ring.y + at * Y, Y * sizeof *y);
        weight[i] = (real)(1.0 / (double)mi->config.fit_rows);
    }
    struct node *input = tape_input(block->tape, n, (int)X, x, false);
    struct node *output = net_forward(block->tape, block->weights, block->gradient, input, 1, n, NULL, NULL, NULL);
    if (mi->ring.mask)
        output = mask_logits(mi, block, output);
    if (is_box(mi))
        tape_gaussian_loss(block->tape, output, (const float *)y, weight);
    else
        tape_cross_entropy_loss(block->tape, output, y, weight, mi->G, mi->choices);
}

double mi_fit(struct mi *mi, struct updater *updater, uint64_t update)
{
    struct updater_result result = {.loss = NAN};
    int n = (int)mi->config.fit_rows;
    for (int k = 0; k < mi->config.fit_steps && mi->ring.cursor[1]; k++) {
        struct rng rng = rng_stream(mi->seed, RNG_BATCH, update, (uint32_t)k, 0);
        for (int i = 0; i < n; i++)
            mi->samples[i] = (int32_t)rng_below(&rng, (uint32_t)mi->ring.cursor[1]);
        updater_step(updater, net_of(mi), mi->config.lr, 0, n, MI_BLOCK, fit_block, mi, &result);
    }
    return is_box(mi) ? (result.loss + mi->Y * LOG_2PI) / 2 : result.loss; /* the Gaussian's loss is twice, without its constant */
}

/* ---- bound ---- */

struct look { /* the rows that a bound is taken on */
    const struct mi *mi;
    const struct mi_steps *steps;
};

/* Outputs to log-probabilities, part by part; of a box, to means and log-variances. mask [W] or NULL. */
static void finish_outputs(const struct mi *mi, const uint8_t *mask, real *out)
{
    for (int c = 0; mask && c < mi->W; c++)
        out[c] = mask[c] ? out[c] : MASKED;
    if (is_box(mi)) {
        vmath()->tanh((size_t)mi->Y, out + mi->Y, out + mi->Y);
        return;
    }
    for (int g = 0; g < mi->G; out += mi->choices[g], g++) {
        real most = out[0];
        double sum = 0;
        for (int a = 1; a < mi->choices[g]; a++)
            most = out[a] > most ? out[a] : most;
        for (int a = 0; a < mi->choices[g]; a++)
            sum += exp((double)out[a] - (double)most);
        real log_sum = (real)((double)most + log(sum));
        for (int a = 0; a < mi->choices[g]; a++)
            out[a] -= log_sum;
    }
}

static void output_block(void *context, struct block *block)
{
    const struct look *look = context;
    const struct mi *mi = look->mi;
    size_t X = (size_t)mi->X, W = (size_t)mi->W;
    real *x = arena_array(block->scratch, real, (size_t)block->count * X), *out = mi->q + (size_t)block->first * W;
    for (int i = 0; i < block->count; i++)
        widen(X, look->steps->x + (size_t)mi->index[block->first + i] * X, x + (size_t)i * X);
    net_act(block->weights, block->count, x, NULL, out, block->scratch);
    for (int i = 0; i < block->count; i++)
        finish_outputs(mi, mi->mask ? mi->mask + (size_t)(block->first + i) * W : NULL, out + (size_t)i * W);
}

/* Real rows r of all steps from place `first` on; returns where they end. */
static int list_rows(struct mi *mi, const struct mi_steps *steps, int r, int first)
{
    size_t Y = (size_t)mi->Y, W = (size_t)mi->W;
    for (int t = 0; t < steps->n; t++) {
        int row = t * mi->R + r;
        if (steps->is_real && !steps->is_real[row])
            continue;
        memcpy(mi->label + (size_t)first * Y, steps->y + (size_t)row * Y, Y * sizeof *mi->label);
        if (mi->mask)
            memcpy(mi->mask + (size_t)first * W, steps->mask + (size_t)row * W, W);
        mi->index[first++] = row;
    }
    return first;
}

/* A permutation of 0..n-1 by exchanges, for the rows r. */
static void draw_permutation(struct mi *mi, uint64_t update, int r, int n)
{
    struct rng rng = rng_stream(mi->seed, RNG_BATCH, update, UINT32_MAX, (uint32_t)r);
    for (int i = 0; i < n; i++) {
        int j = (int)rng_below(&rng, (uint32_t)i + 1);
        mi->permutation[i] = mi->permutation[j];
        mi->permutation[j] = i;
    }
}

static void bound_of_choices(struct mi *mi, int first, int n, double *out)
{
    const struct mi_choices sample = {.n = n,
                                      .G = mi->G,
                                      .W = mi->W,
                                      .choices = mi->choices,
                                      .logq = mi->q + (size_t)first * (size_t)mi->W,
                                      .label = mi->label + (size_t)first * (size_t)mi->Y,
                                      .available = mi->mask ? mi->mask + (size_t)first * (size_t)mi->W : NULL};
    switch ((enum mi_estimator)mi->config.estimator) {
    case MI_CLUB: mi_club_choices(&sample, mi->work, out); break;
    case MI_CLUB_SAMPLE: mi_club_sample_choices(&sample, mi->permutation, out); break;
    case MI_VUB: mi_vub_choices(&sample, out); break;
    case MI_L1OUT: mi_l1out_choices(&sample, mi->work, out); break;
    }
}

static void bound_of_box(struct mi *mi, int first, int n, double *out)
{
    const struct mi_gaussian sample = {.n = n,
                                       .G = mi->G,
                                       .D = mi->Y,
                                       .q = mi->q + (size_t)first * (size_t)mi->W,
                                       .y = (const float *)mi->label + (size_t)first * (size_t)mi->Y};
    switch ((enum mi_estimator)mi->config.estimator) {
    case MI_CLUB: mi_club_gaussian(&sample, mi->work, out); break;
    case MI_CLUB_SAMPLE: mi_club_sample_gaussian(&sample, mi->permutation, out); break;
    case MI_VUB: mi_vub_gaussian(&sample, out); break;
    case MI_L1OUT: mi_l1out_gaussian(&sample, (int)mi->config.others, out); break;
    }
}

/* 97.5 per cent point of Student's t: the first three by heart, then Abramowitz, Stegun 1964, 26.7.5, within 0.1 per cent. */
static double student_975(int freedom)
{
    static const double few[] = {12.706, 4.303, 3.182};
    const double z = 1.959963984540054, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z, f = freedom;
    if (freedom <= 3)
        return few[freedom - 1];
    return z + (z3 + z) / (4 * f) + (5 * z5 + 16 * z3 + 3 * z) / (96 * f * f) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * f * f * f);
}

static bool is_real_step(const struct mi *mi, const struct mi_steps *steps, int t)
{
    bool is_real = !steps->is_real;
    for (int r = 0; !is_real && r < mi->R; r++)
        is_real = steps->is_real[t * mi->R + r];
    return is_real;
}

static void sum_up(const struct mi *mi, const struct mi_steps *steps, const double *out, struct mi_estimate *estimate)
{
    int per_cluster = steps->cluster > 0 ? steps->cluster : 1, count = 0, clusters = 0;
    double sum = 0, spread = 0;
    *estimate = (struct mi_estimate){NAN, NAN, NAN, NAN, NAN};
    for (int t = 0; t < steps->n; t++) {
        if (!is_real_step(mi, steps, t))
            continue;
        sum += out[t];
        count++;
        estimate->min = estimate->min < out[t] ? estimate->min : out[t];
        estimate->max = estimate->max > out[t] ? estimate->max : out[t];
    }
    if (count == 0)
        return;
    estimate->mean = sum / count;
    for (int first = 0; first < steps->n; first += per_cluster) { /* var of a mean of clusters of unequal size */
        double residual = 0;
        int in_cluster = 0;
        for (int t = first; t < first + per_cluster && t < steps->n; t++)
            if (is_real_step(mi, steps, t)) {
                residual += out[t] - estimate->mean;
                in_cluster++;
            }
        clusters += in_cluster > 0;
        spread += residual * residual;
    }
    if (clusters < 2)
        return;
    double half = student_975(clusters - 1) * sqrt(spread * clusters / (clusters - 1)) / count;
    estimate->low = estimate->mean - half;
    estimate->high = estimate->mean + half;
}

void mi_information(struct mi *mi, struct updater *updater, const struct mi_steps *steps, uint64_t update, double *out,
                    struct mi_estimate *estimate)
{
    ASSERT(steps->n <= mi->max_steps);
    int end[SPEC_AGENTS_MAX + 1] = {0};
    for (int r = 0; r < mi->R; r++)
        end[r + 1] = list_rows(mi, steps, r, end[r]);
    struct look look = {mi, steps};
    updater_forward(updater, net_of(mi), end[mi->R], MI_BLOCK, output_block, &look);
    memset(out, 0, (size_t)steps->n * sizeof *out);
    for (int r = 0; r < mi->R; r++) {
        int first = end[r], n = end[r + 1] - end[r];
        if (mi->config.estimator == MI_CLUB_SAMPLE)
            draw_permutation(mi, update, r, n);
        if (is_box(mi))
            bound_of_box(mi, first, n, mi->bound);
        else
            bound_of_choices(mi, first, n, mi->bound);
        for (int i = 0; i < n; i++)
            out[mi->index[first + i] / mi->R] += mi->bound[i];
    }
    sum_up(mi, steps, out, estimate);
}

void mi_report(const struct mi *mi, const struct mi_estimate *estimate, double nll, double reward, struct report *report)
{
    report_add(report, "mi/mean", estimate->mean);
    report_add(report, "mi/low", estimate->low);
    report_add(report, "mi/high", estimate->high);
    report_add(report, "mi/min", estimate->min);
    report_add(report, "mi/max", estimate->max);
    report_add(report, "mi/nll", nll);
    report_add(report, "mi/share", reward > 0 ? mi->config.lambda * fabs(estimate->mean) / reward : 0.0);
}
