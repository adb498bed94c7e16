/* Rendezvous: what robots and critic see.
 *
 * For a pair, d is the distance and A_ij the bearing of j as i sees it, counted clockwise from i's heading:
 * A_ij = heading_i - atan2(p_j - p_i), so that cos A_ij = cos(heading_i) ux + sin(heading_i) uy with u the unit vector from i to
 * j: the observation needs no arc tangent. Two robots on one spot count as lying to the east of each other, as atan2(0, 0) = 0.
 *
 *   mutual view (mir3)              numbers      meaning
 *   robot j, every other in order   5            d/282, cos A_ij, sin A_ij, cos A_ji, sin A_ji
 *   wall                            5            1, 0, 0, 0, 0 away from walls; when a coordinate is <= 1 or >= 199 cm: distance to
 *                                                the nearest of east, north, west, south (the first of equals) in cm, cosine and
 *                                                sine of its direction minus the heading, 0, 0
 *   own view (eir)
 *   robot j                         3            d/282, cos A_ij, sin A_ij
 *   place                           4            x/200, y/200, vx/10, vy/10
 *   both
 *   id                              N            one-hot, env.agent_id
 *
 * Critic's state: geometry, d/282 of all pairs i < j row by row, then all A_ij/pi wrapped to (-1, 1] row by row (A_ii is the
 * heading's); joint, all observations; or the agent's own observation. Geometry carries the id as well. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/rendezvous.h"

#define PI RENDEZVOUS_PI
#define SPEED_SCALE 10.0
#define NEAR_WALL_CM 1.0

/* Widths */

static void add_block(struct spec *spec, int width, const char *format, int index)
{
    struct spec_block *block = &spec->blocks[spec->n_blocks++];
    snprintf(block->name, sizeof block->name, format, index);
    block->start = spec->O;
    block->width = width;
    spec->O += width;
}

static int32_t state_width(const struct rendezvous_params *p, int32_t O)
{
    if (p->state == STATE_OBSERVATION)
        return O;
    if (p->state == STATE_JOINT)
        return O * p->N;
    return p->N * (p->N - 1) / 2 + p->N * p->N + (p->agent_id == SWITCH_TRUE ? p->N : 0);
}

void rendezvous_spec(const void *params, struct spec *spec)
{
    const struct rendezvous_params *p = params;
    bool is_mutual = p->view == VIEW_MUTUAL;
    *spec = (struct spec){.N = p->N, .A = RENDEZVOUS_ACTIONS, .horizon = (int32_t)p->horizon, .action = ACTION_BOX};
    for (int c = 0; c < RENDEZVOUS_ACTIONS; c++)
        spec->components[c] = (struct spec_component){.low = -1, .high = 1};
    for (int j = 0; j < p->N - 1; j++)
        add_block(spec, is_mutual ? 5 : 3, "other %d", j);
    add_block(spec, is_mutual ? 5 : 4, is_mutual ? "wall" : "place", 0);
    if (p->agent_id == SWITCH_TRUE)
        add_block(spec, p->N, "id", 0);
    spec->state_is_observation = p->state == STATE_OBSERVATION;
    spec->S = state_width(p, spec->O);
    spec->return_min = -(double)p->horizon * (1 + RENDEZVOUS_ACTION_PRICE * p->action_cap * p->action_cap);
    spec->return_max = 0;
}

/* Observations */

struct bearings { /* of all others as one robot sees them; of itself as if it lay to the east */
    float distance[RENDEZVOUS_ROBOTS_MAX], c[RENDEZVOUS_ROBOTS_MAX], s[RENDEZVOUS_ROBOTS_MAX];
    float is_negative[RENDEZVOUS_ROBOTS_MAX], half_turns[RENDEZVOUS_ROBOTS_MAX];
};

struct headings {
    double c[RENDEZVOUS_ROBOTS_MAX], s[RENDEZVOUS_ROBOTS_MAX];
};

static void find_headings(const struct rendezvous_params *p, const struct rendezvous_view *at, struct headings *heading)
{
    for (int n = 0; n < p->N; n++)
        sincos(at->heading[n], &heading->s[n], &heading->c[n]);
}

/* Single precision once the places are subtracted, but for the sign of the angle: straight behind, where it jumps, rounding must
 * not decide it. Comparisons are taken as 0 or 1 and no value is chosen by a branch: so the compiler runs this loop, and the
 * next, four robots at a time. */
static void find_bearings(int N, const struct rendezvous_view *at, const struct headings *heading, int i,
                          struct bearings *restrict out)
{
    double x = at->x[i], y = at->y[i], exact_c = heading->c[i], exact_s = heading->s[i];
    float c = (float)exact_c, s = (float)exact_s;
    for (int j = 0; j < N; j++) {
        double gap_x = at->x[j] - x, gap_y = at->y[j] - y;
        float dx = (float)gap_x, dy = (float)gap_y, d2 = dx * dx + dy * dy;
        float on_spot = (float)(d2 == 0), scale = 1 / sqrtf(d2 + on_spot), ux = dx * scale + on_spot, uy = dy * scale;
        out->distance[j] = d2 * scale * (float)(1 / RENDEZVOUS_REACH);
        out->c[j] = c * ux + s * uy;
        out->s[j] = s * ux - c * uy;
        out->is_negative[j] = (float)(exact_s * (gap_x + (double)on_spot) < exact_c * gap_y);
    }
}

/* The angle in (-pi, pi] of a unit vector, divided by pi. With t the smaller over the larger component, atan(t) / (pi t) is a
 * polynomial in t^2, interpolated at the nine Chebyshev nodes of [0,1] (error below 4e-9). */
static void find_half_turns(int N, struct bearings *b)
{
    for (int j = 0; j < N; j++) {
        float ac = fabsf(b->c[j]), as = fabsf(b->s[j]), gap = fabsf(ac - as), t = (ac + as - gap) / (ac + as + gap), x = t * t;
        float f = 0.000880535387f;
        f = f * x - 0.00500741212f;
        f = f * x + 0.0134128222f;
        f = f * x - 0.0237359061f;
        f = f * x + 0.0337993235f;
        f = f * x - 0.045192994f;
        f = f * x + 0.0636361051f;
        f = f * x - 0.106102351f;
        f = (f * x + 0.31830988f) * t;
        float is_steep = (float)(as > ac), is_behind = (float)(b->c[j] < 0);
        f = is_steep * 0.5f + (1 - 2 * is_steep) * f;
        f = is_behind + (1 - 2 * is_behind) * f;
        b->half_turns[j] = (1 - 2 * b->is_negative[j]) * f;
    }
}

/* Place of robot j among the others of i. */
static int place_of(int j, int i)
{
    return j - (j > i);
}

/* What i sees of the others goes into its own row and, in the mutual view, into theirs. */
static void put_bearings(const struct rendezvous_params *p, const struct bearings *b, int i, float *observation)
{
    bool is_mutual = p->view == VIEW_MUTUAL;
    int width = is_mutual ? 5 : 3, O = p->O;
    for (int j = 0; j < p->N; j++) {
        float *mine = observation + i * O + width * place_of(j, i), *theirs = observation + j * O + width * place_of(i, j);
        if (j == i)
            continue;
        mine[0] = b->distance[j];
        mine[1] = b->c[j];
        mine[2] = b->s[j];
        if (!is_mutual)
            continue;
        theirs[3] = b->c[j];
        theirs[4] = b->s[j];
    }
}

static void put_wall(const struct rendezvous_view *at, const struct headings *heading, int n, float *out)
{
    double x = at->x[n], y = at->y[n];
    float c = (float)heading->c[n], s = (float)heading->s[n];
    const double gap[4] = {RENDEZVOUS_SIDE - x, RENDEZVOUS_SIDE - y, x, y};
    const float cosine[4] = {c, s, -c, -s}, sine[4] = {-s, c, s, -c};
    int nearest = 0;
    for (int wall = 1; wall < 4; wall++)
        nearest = gap[wall] < gap[nearest] ? wall : nearest;
    memset(out, 0, 5 * sizeof *out);
    out[0] = 1;
    if (gap[nearest] > NEAR_WALL_CM)
        return;
    out[0] = (float)gap[nearest];
    out[1] = cosine[nearest];
    out[2] = sine[nearest];
}

static void put_place(const struct rendezvous_view *at, int n, float *out)
{
    out[0] = (float)(at->x[n] / RENDEZVOUS_SIDE);
    out[1] = (float)(at->y[n] / RENDEZVOUS_SIDE);
    out[2] = (float)(at->vx[n] / SPEED_SCALE);
    out[3] = (float)(at->vy[n] / SPEED_SCALE);
}

static void put_id(int N, int n, float *out)
{
    memset(out, 0, (size_t)N * sizeof *out);
    out[n] = 1;
}

/* Critic */

static void put_geometry(const struct rendezvous_params *p, const struct rendezvous_view *at, struct bearings *b, int i,
                         float *state)
{
    int N = p->N, pairs_before = i * N - i * (i + 1) / 2;
    double own = at->heading[i];
    find_half_turns(N, b);
    b->half_turns[i] = (float)((own > PI ? own - 2 * PI : own <= -PI ? own + 2 * PI : own) / PI);
    memcpy(state + pairs_before, b->distance + i + 1, (size_t)(N - 1 - i) * sizeof(float));
    memcpy(state + N * (N - 1) / 2 + i * N, b->half_turns, (size_t)N * sizeof(float));
}

/* Everybody's row is the first one's, but for the id. */
static void copy_state(const struct rendezvous_params *p, size_t width, float *state)
{
    for (int n = 1; n < p->N; n++)
        memcpy(state + (size_t)n * (size_t)p->S, state, width * sizeof *state);
    for (int n = 0; n < p->N && width < (size_t)p->S; n++)
        put_id(p->N, n, state + (size_t)n * (size_t)p->S + width);
}

static void put_own_part(const struct rendezvous_params *p, const struct rendezvous_view *at, const struct headings *heading, int n,
                         float *out)
{
    if (p->view == VIEW_MUTUAL)
        put_wall(at, heading, n, out);
    else
        put_place(at, n, out);
    if (p->agent_id == SWITCH_TRUE)
        put_id(p->N, n, out + (p->view == VIEW_MUTUAL ? 5 : 4));
}

void rendezvous_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct rendezvous_params *p = params;
    const struct rendezvous_view at = rendezvous_view(p, state);
    struct headings heading;
    struct bearings bearings;
    size_t N = (size_t)p->N, joint = N * (size_t)p->O;
    int own_part = (p->view == VIEW_MUTUAL ? 5 : 3) * (p->N - 1);
    find_headings(p, &at, &heading);
    for (int i = 0; i < p->N; i++) {
        find_bearings(p->N, &at, &heading, i, &bearings);
        put_bearings(p, &bearings, i, view->observation);
        put_own_part(p, &at, &heading, i, view->observation + i * p->O + own_part);
        if (p->state == STATE_GEOMETRY)
            put_geometry(p, &at, &bearings, i, view->state);
    }
    if (p->state == STATE_JOINT)
        memcpy(view->state, view->observation, joint * sizeof(float));
    if (p->state != STATE_OBSERVATION)
        copy_state(p, p->state == STATE_JOINT ? joint : N * (N - 1) / 2 + N * N, view->state);
    memset(view->available, 1, RENDEZVOUS_ACTIONS * N);
    memset(view->alive, 1, N);
}
