#include "learner/regularisers/romax.h"

#include <string.h>

enum { CHUNK = 256 }; /* rows that are bounded at a time: a row's bits do not depend on the others */

#define OFF(field) offsetof(struct romax_config, field)

static const struct config_row rows_of_keys[] = {
    {"romax.epsilon", CONFIG_REAL, OFF(epsilon), "0.003", 0, 1e6, "action units", NULL,
     "how far each number of the other agents' actions may lie from what it is (ROMAX, on maddpg)"},
    {"romax.share", CONFIG_REAL, OFF(share), "0", 0, 1, "", NULL,
     "of the value's lower bound over that ball in target and objective; 0: none"},
};

const struct config_table romax_table = {"romax", rows_of_keys, ARRAY_LEN(rows_of_keys)};

int romax_init(struct romax *romax, const struct recipe *recipe, const struct net_arch *critic, struct err *err)
{
    *romax = (struct romax){0};
    int r = config_bind(rows_of_keys, ARRAY_LEN(rows_of_keys), recipe, &romax->config, err);
    if (!r && romax_is_on(romax) && (r = net_weights_create(&romax->absolute, critic)))
        err_set(err, r, "no memory for the bounds of the critic");
    return r;
}

void romax_deinit(struct romax *romax)
{
    net_weights_destroy(&romax->absolute);
}

void romax_prepare(struct romax *romax, const struct net_weights *critic)
{
    if (romax_is_on(romax))
        net_weights_set_absolute(romax->absolute, critic);
}

size_t romax_scratch(const struct net_arch *critic)
{
    return (size_t)CHUNK * (2 * (size_t)critic->in + 2) * sizeof(real) + net_act_low_scratch(critic, CHUNK) + 4 * ARENA_ALIGN;
}

struct bounds {         /* of up to CHUNK rows */
    real *radius, *d_x; /* [CHUNK,width] */
    real *low, *d_low;  /* [CHUNK] */
};

static struct bounds take_bounds(const struct joint_rows *rows, struct arena *scratch)
{
    size_t numbers = (size_t)CHUNK * (size_t)rows->width;
    return (struct bounds){.radius = arena_array(scratch, real, numbers),
                           .d_x = arena_array(scratch, real, numbers),
                           .low = arena_array(scratch, real, CHUNK),
                           .d_low = arena_array(scratch, real, CHUNK)};
}

/* epsilon where the actions of all agents but the row's own stand, 0 elsewhere. */
static void put_radius(const struct joint_rows *rows, int own, real epsilon, real *radius)
{
    memset(radius, 0, (size_t)rows->width * sizeof *radius);
    for (int j = 0; j < rows->N; j++)
        for (int a = 0; a < rows->A && j != own; a++)
            radius[rows->at + j * rows->A + a] = epsilon;
}

/* Bounds rows first..first+n-1, with d_low the gradient as well. */
static void bound(const struct romax *romax, const struct net_weights *critic, const struct joint_rows *rows, const real *x,
                  int first, int n, bool has_gradient, const struct bounds *b, struct arena *scratch)
{
    size_t width = (size_t)rows->width;
    for (int r = 0; r < n; r++)
        put_radius(rows, rows->own[first + r], (real)romax->config.epsilon, b->radius + (size_t)r * width);
    struct net_low low = {critic, romax->absolute, n, x + (size_t)first * width, b->radius};
    net_act_low(&low, b->low, has_gradient ? b->d_low : NULL, has_gradient ? b->d_x : NULL, scratch);
}

static int chunk_at(const struct joint_rows *rows, int first)
{
    return rows->n - first < CHUNK ? rows->n - first : CHUNK;
}

void romax_mix(const struct romax *romax, const struct net_weights *critic, const struct joint_rows *rows, const real *x,
               real *value, struct arena *scratch)
{
    const real share = (real)romax->config.share;
    size_t mark = arena_mark(scratch);
    struct bounds b = take_bounds(rows, scratch);
    for (int first = 0; first < rows->n; first += CHUNK) {
        int n = chunk_at(rows, first);
        bound(romax, critic, rows, x, first, n, false, &b, scratch);
        for (int r = 0; r < n; r++)
            value[first + r] = (1 - share) * value[first + r] + share * b.low[r];
    }
    arena_release(scratch, mark);
}

double romax_objective(const struct romax *romax, const struct net_weights *critic, const struct joint_rows *rows, const real *x,
                       const real *d_value, real *d_action, struct arena *scratch)
{
    double sum = 0;
    size_t mark = arena_mark(scratch), A = (size_t)rows->A;
    struct bounds b = take_bounds(rows, scratch);
    for (int first = 0; first < rows->n; first += CHUNK) {
        int n = chunk_at(rows, first);
        for (int r = 0; r < n; r++)
            b.d_low[r] = (real)romax->config.share * d_value[first + r];
        bound(romax, critic, rows, x, first, n, true, &b, scratch);
        for (int r = 0; r < n; r++) {
            const real *from = b.d_x + (size_t)r * (size_t)rows->width + (size_t)rows->at + (size_t)rows->own[first + r] * A;
            real *to = d_action + (size_t)rows->from[first + r] * A;
            sum += (double)b.d_low[r] * (double)b.low[r];
            for (size_t a = 0; a < A; a++)
                to[a] += from[a];
        }
    }
    arena_release(scratch, mark);
    return sum;
}
