/* Architecture, parameter table, weights made ready, and the net on a tape. */
#include "net/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_internal.h"

/* ---- architecture ---- */

static int check_range(const char *what, int32_t value, int32_t low, int32_t high, struct err *err)
{
    if (value < low || value > high)
        return err_set(err, ERR_RANGE, "bad network architecture: %s is %d, expected %d..%d", what, (int)value, (int)low,
                       (int)high);
    return 0;
}

int net_arch_check(const struct net_arch *arch, struct err *err)
{
    const struct {
        const char *what;
        int32_t value, low, high;
    } rows[] = {
        {"in", arch->in, 1, NET_WIDTH_MAX},
        {"hidden", arch->hidden, 1, NET_HIDDEN_MAX},
        {"depth", arch->depth, 0, NET_DEPTH_MAX},
        {"out", arch->out, 1, NET_WIDTH_MAX},
        {"activation", arch->activation, ACTIVATION_NONE, ACTIVATION_SIGMOID},
        {"input_norm", arch->input_norm, 0, 1},
        {"layer_norm", arch->layer_norm, 0, 1},
        {"gru", arch->gru, NET_NO_GRU, NET_GRU},
        {"log_std", arch->log_std, 0, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int code = check_range(rows[i].what, rows[i].value, rows[i].low, rows[i].high, err);
        if (code)
            return code;
    }
    return 0;
}

static int layout_add(struct net_layout *layout, int rows, int cols, const char *name)
{
    ASSERT(layout->count < NET_PARAMETERS_MAX);
    struct net_parameter *p = &layout->table[layout->count];
    *p = (struct net_parameter){.rows = rows, .cols = cols, .start = layout->numbers};
    snprintf(p->name, sizeof(p->name), "%s", name);
    layout->numbers += (size_t)rows * (size_t)cols;
    return layout->count++;
}

static struct net_norm_at layout_norm(struct net_layout *layout, int cols, const char *prefix)
{
    char name[32];
    struct net_norm_at at;
    snprintf(name, sizeof(name), "%s.gain", prefix);
    at.gain = layout_add(layout, 1, cols, name);
    snprintf(name, sizeof(name), "%s.bias", prefix);
    at.bias = layout_add(layout, 1, cols, name);
    return at;
}

static struct net_layer_at layout_linear(struct net_layout *layout, int in, int out, const char *prefix)
{
    char name[32];
    struct net_layer_at at = {0};
    snprintf(name, sizeof(name), "%s.weight", prefix);
    at.weight = layout_add(layout, in, out, name);
    snprintf(name, sizeof(name), "%s.bias", prefix);
    at.bias = layout_add(layout, 1, out, name);
    return at;
}

static void layout_gru(struct net_layout *layout, int in, int H, enum net_recurrence kind)
{
    layout->gru_weight_x = layout_add(layout, in, 3 * H, "gru.weight_x");
    layout->gru_weight_h = layout_add(layout, H, 3 * H, "gru.weight_h");
    layout->gru_bias_x = layout_add(layout, 1, 3 * H, "gru.bias_x");
    layout->gru_bias_h = layout_add(layout, 1, 3 * H, "gru.bias_h");
    if (kind == NET_GRU_NORM)
        layout->gru_norm = layout_norm(layout, H, "gru.norm");
}

void net_layout(const struct net_arch *arch, struct net_layout *layout)
{
    memset(layout, 0, sizeof(*layout));
    int width = arch->in;
    if (arch->input_norm)
        layout->input_norm = layout_norm(layout, width, "input_norm");
    for (int l = 0; l < arch->depth; l++) {
        char prefix[24];
        snprintf(prefix, sizeof(prefix), "trunk.%d", l);
        layout->trunk[l] = layout_linear(layout, width, arch->hidden, prefix);
        width = arch->hidden;
        snprintf(prefix, sizeof(prefix), "trunk.%d.norm", l);
        if (arch->layer_norm)
            layout->trunk[l].norm = layout_norm(layout, width, prefix);
    }
    if (arch->gru) {
        layout_gru(layout, width, arch->hidden, (enum net_recurrence)arch->gru);
        width = arch->hidden;
    }
    layout->head = layout_linear(layout, width, arch->out, "head");
    if (arch->log_std)
        layout->log_std = layout_add(layout, 1, arch->out, "log_std");
}

size_t net_parameter_count(const struct net_arch *arch)
{
    struct net_layout layout;
    net_layout(arch, &layout);
    return layout.numbers;
}

int net_parameters(const struct net_arch *arch, struct net_parameter table[NET_PARAMETERS_MAX])
{
    struct net_layout layout;
    net_layout(arch, &layout);
    memcpy(table, layout.table, sizeof(*table) * (size_t)layout.count);
    return layout.count;
}

/* ---- weights ---- */

static bool is_matrix(const struct net_parameter *p)
{
    return p->rows > 1 || strstr(p->name, "weight"); /* an input of width 1 has a matrix of one row */
}

static size_t pad(size_t numbers) /* to whole cache lines */
{
    return (numbers + 15) & ~(size_t)15;
}

/* Numbers needed for a matrix in both prepared forms. */
static size_t prepared_room(const struct net_parameter *p)
{
    return is_matrix(p) ? pad(product_room(p->rows, p->cols)) + pad(product_room(p->cols, p->rows)) : 0;
}

int net_weights_create(struct net_weights **weights, const struct net_arch *arch)
{
    struct net_weights *w = calloc(1, sizeof(*w));
    if (!w)
        return ERR_NOMEM;
    w->arch = *arch;
    net_layout(arch, &w->layout);
    size_t numbers = 2 * pad(w->layout.numbers);
    for (int i = 0; i < w->layout.count; i++)
        numbers += prepared_room(&w->layout.table[i]);
    w->memory = aligned_alloc(ARENA_ALIGN, pad(numbers) * sizeof(real));
    if (!w->memory) {
        free(w);
        return ERR_NOMEM;
    }
    memset(w->memory, 0, numbers * sizeof(real));
    w->flat = w->memory;
    w->transposed = w->flat + pad(w->layout.numbers);
    real *room = w->transposed + pad(w->layout.numbers);
    for (int i = 0; i < w->layout.count; room += prepared_room(&w->layout.table[i]), i++) {
        const struct net_parameter *p = &w->layout.table[i];
        if (is_matrix(p))
            w->prepared[i] = (struct prepared){room, room + pad(product_room(p->rows, p->cols))};
    }
    *weights = w;
    return 0;
}

void net_weights_destroy(struct net_weights **weights)
{
    if (!*weights)
        return;
    free((*weights)->memory);
    free(*weights);
    *weights = NULL;
}

static void weights_prepare(struct net_weights *weights)
{
    for (int i = 0; i < weights->layout.count; i++) {
        const struct net_parameter *p = &weights->layout.table[i];
        if (!is_matrix(p))
            continue;
        const real *w = weights->flat + p->start;
        real *turned = weights->transposed + p->start;
        product_transpose(p->rows, p->cols, w, turned);
        product_own.prepare(p->rows, p->cols, w, (real *)weights->prepared[i].value);
        product_own.prepare(p->cols, p->rows, turned, (real *)weights->prepared[i].transposed);
    }
}

void net_weights_set(struct net_weights *weights, const real *w)
{
    memcpy(weights->flat, w, sizeof(real) * weights->layout.numbers);
    weights_prepare(weights);
}

void net_weights_set_float(struct net_weights *weights, const float *w)
{
    for (size_t i = 0; i < weights->layout.numbers; i++)
        weights->flat[i] = (real)w[i];
    weights_prepare(weights);
}

void net_weights_set_absolute(struct net_weights *absolute, const struct net_weights *of)
{
    ASSERT(absolute->layout.numbers == of->layout.numbers);
    for (size_t i = 0; i < of->layout.numbers; i++)
        absolute->flat[i] = of->flat[i] < 0 ? -of->flat[i] : of->flat[i];
    weights_prepare(absolute);
}

const struct net_arch *net_weights_arch(const struct net_weights *weights)
{
    return &weights->arch;
}

const real *net_weights_flat(const struct net_weights *weights)
{
    return weights->flat;
}

const real *net_weights_log_std(const struct net_weights *weights)
{
    return weights->arch.log_std ? net_piece(weights, weights->layout.log_std) : NULL;
}

/* ---- on a tape ---- */

/* What a net on a tape is made of; passed through the steps below. */
struct recording {
    struct tape *tape;
    const struct net_weights *weights;
    real *gradient; /* flat, or NULL */
};

static struct node *parameter(const struct recording *r, int index)
{
    const struct net_parameter *p = &r->weights->layout.table[index];
    return tape_prepared_parameter(r->tape, p->rows, p->cols, r->weights->flat + p->start, r->weights->transposed + p->start,
                                   &r->weights->prepared[index], r->gradient ? r->gradient + p->start : NULL);
}

static struct node *record_norm(const struct recording *r, struct net_norm_at at, struct node *x)
{
    return tape_layer_norm(r->tape, x, parameter(r, at.gain), parameter(r, at.bias));
}

static struct node *record_linear(const struct recording *r, struct net_layer_at at, struct node *x, enum activation act)
{
    return tape_linear(r->tape, x, parameter(r, at.weight), parameter(r, at.bias), act);
}

static struct node *record_gru(const struct recording *r, struct node *x, int T, int B, const real *h0, const real *keep)
{
    const struct net_layout *at = &r->weights->layout;
    struct node *start = h0 ? tape_input(r->tape, B, r->weights->arch.hidden, h0, false) : NULL;
    return tape_gru(r->tape, x, start, keep, T, B, parameter(r, at->gru_weight_x), parameter(r, at->gru_weight_h),
                    parameter(r, at->gru_bias_x), parameter(r, at->gru_bias_h));
}

struct node *net_forward(struct tape *tape, const struct net_weights *weights, real *gradient, struct node *x, int T, int B,
                         const real *h0, const real *keep, struct node **h_out)
{
    const struct recording r = {tape, weights, gradient};
    const struct net_arch *arch = &weights->arch;
    const struct net_layout *at = &weights->layout;
    ASSERT(x->cols == arch->in);
    if (arch->input_norm)
        x = record_norm(&r, at->input_norm, x);
    for (int l = 0; l < arch->depth; l++) {
        x = record_linear(&r, at->trunk[l], x, (enum activation)arch->activation);
        if (arch->layer_norm)
            x = record_norm(&r, at->trunk[l].norm, x);
    }
    if (arch->gru) {
        x = record_gru(&r, x, T, B, h0, keep);
        if (h_out)
            *h_out = x;
        if (arch->gru == NET_GRU_NORM)
            x = record_norm(&r, at->gru_norm, x);
    }
    return record_linear(&r, at->head, x, ACTIVATION_NONE);
}

struct node *net_log_std(struct tape *tape, const struct net_weights *weights, real *gradient)
{
    const struct recording r = {tape, weights, gradient};
    return parameter(&r, weights->layout.log_std);
}
