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
    spec->return_min = -(double)p->horizon * (1 + 0.001 * p->action_cap * p->action_cap);
    spec->return_max = 0;
}

/* Observations */

struct bearings { /* of robot i towards j = i + 1 .. N - 1, and theirs towards i */
    float distance[RENDEZVOUS_ROBOTS_MAX], cos_ij[RENDEZVOUS_ROBOTS_MAX], sin_ij[RENDEZVOUS_ROBOTS_MAX],
        cos_ji[RENDEZVOUS_ROBOTS_MAX], sin_ji[RENDEZVOUS_ROBOTS_MAX];
};

struct headings {
    double c[RENDEZVOUS_ROBOTS_MAX], s[RENDEZVOUS_ROBOTS_MAX];
};

static void find_headings(const struct rendezvous_params *p, const struct rendezvous_view *at, struct headings *heading)
{
    for (int n = 0; n < p->N; n++)
        sincos(at->heading[n], &heading->s[n], &heading->c[n]);
}

/* No branches, so that the loop runs several robots at a time. On one spot both see the other to the east, so the way back is
 * not the opposite: there `back` is 1 instead of -1. */
static void find_bearings(int N, const struct rendezvous_view *at, const struct headings *heading, int i, struct bearings *out)
{
    double x = at->x[i], y = at->y[i], c = heading->c[i], s = heading->s[i];
    for (int j = i + 1; j < N; j++) {
        double dx = at->x[j] - x, dy = at->y[j] - y, d2 = dx * dx + dy * dy;
        double scale = 1 / sqrt(d2 > 0 ? d2 : 1), back = d2 > 0 ? -1 : 1;
        double ux = d2 > 0 ? dx * scale : 1, uy = dy * scale;
        out->distance[j] = (float)(d2 * scale * (1 / RENDEZVOUS_REACH));
        out->cos_ij[j] = (float)(c * ux + s * uy);
        out->sin_ij[j] = (float)(s * ux - c * uy);
        out->cos_ji[j] = (float)(back * (heading->c[j] * ux + heading->s[j] * uy));
        out->sin_ji[j] = (float)(back * (heading->s[j] * ux - heading->c[j] * uy));
    }
}

/* Robot j stands at place j - 1 of i's row, i at place i of j's. */
static void put_mutual(const struct bearings *b, int i, int j, int O, float *observation)
{
    float *row_i = observation + (size_t)i * (size_t)O + 5 * (j - 1), *row_j = observation + (size_t)j * (size_t)O + 5 * i;
    row_i[0] = row_j[0] = b->distance[j];
    row_i[1] = row_j[3] = b->cos_ij[j];
    row_i[2] = row_j[4] = b->sin_ij[j];
    row_i[3] = row_j[1] = b->cos_ji[j];
    row_i[4] = row_j[2] = b->sin_ji[j];
}

static void put_own(const struct bearings *b, int i, int j, int O, float *observation)
{
    float *row_i = observation + (size_t)i * (size_t)O + 3 * (j - 1), *row_j = observation + (size_t)j * (size_t)O + 3 * i;
    row_i[0] = row_j[0] = b->distance[j];
    row_i[1] = b->cos_ij[j];
    row_i[2] = b->sin_ij[j];
    row_j[1] = b->cos_ji[j];
    row_j[2] = b->sin_ji[j];
}

static void put_wall(const struct rendezvous_view *at, const struct headings *heading, int n, float *out)
{
    double x = at->x[n], y = at->y[n], c = heading->c[n], s = heading->s[n];
    const double gap[4] = {RENDEZVOUS_SIDE - x, RENDEZVOUS_SIDE - y, x, y};
    const double cosine[4] = {c, s, -c, -s}, sine[4] = {-s, c, s, -c};
    int nearest = 0;
    for (int wall = 1; wall < 4; wall++)
        nearest = gap[wall] < gap[nearest] ? wall : nearest;
    memset(out, 0, 5 * sizeof *out);
    out[0] = 1;
    if (gap[nearest] > NEAR_WALL_CM)
        return;
    out[0] = (float)gap[nearest];
    out[1] = (float)cosine[nearest];
    out[2] = (float)sine[nearest];
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

/* Angles differ by less than a turn from the range. */
static double wrap(double angle)
{
    angle = angle > PI ? angle - 2 * PI : angle;
    return angle <= -PI ? angle + 2 * PI : angle;
}

static void put_angles(const struct rendezvous_params *p, const struct rendezvous_view *at, float *angle)
{
    int N = p->N;
    for (int i = 0; i < N; i++) {
        angle[i * N + i] = (float)(wrap(at->heading[i]) / PI);
        for (int j = i + 1; j < N; j++) {
            double dx = at->x[j] - at->x[i], dy = at->y[j] - at->y[i], there = atan2(dy, dx);
            double back = dx == 0 && dy == 0 ? there : there > 0 ? there - PI : there + PI;
            angle[i * N + j] = (float)(wrap(at->heading[i] - there) / PI);
            angle[j * N + i] = (float)(wrap(at->heading[j] - back) / PI);
        }
    }
}

/* Everybody's row is the first one's, but for the id. */
static void copy_state(const struct rendezvous_params *p, size_t width, float *state)
{
    for (int n = 1; n < p->N; n++)
        memcpy(state + (size_t)n * (size_t)p->S, state, width * sizeof *state);
    for (int n = 0; n < p->N && width < (size_t)p->S; n++)
        put_id(p->N, n, state + (size_t)n * (size_t)p->S + width);
}

void rendezvous_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct rendezvous_params *p = params;
    const struct rendezvous_view at = rendezvous_view(p, state);
    struct headings heading;
    struct bearings bearings;
    bool is_mutual = p->view == VIEW_MUTUAL, has_geometry = p->state == STATE_GEOMETRY;
    float *distance = view->state;
    int N = p->N, O = p->O, after = (is_mutual ? 5 : 3) * (N - 1);
    find_headings(p, &at, &heading);
    for (int i = 0; i < N; i++) {
        float *own = view->observation + (size_t)i * (size_t)O + after;
        find_bearings(N, &at, &heading, i, &bearings);
        for (int j = i + 1; j < N; j++)
            if (is_mutual)
                put_mutual(&bearings, i, j, O, view->observation);
            else
                put_own(&bearings, i, j, O, view->observation);
        if (has_geometry)
            memcpy(distance, bearings.distance + i + 1, (size_t)(N - 1 - i) * sizeof(float));
        distance += N - 1 - i;
        if (is_mutual)
            put_wall(&at, &heading, i, own);
        else
            put_place(&at, i, own);
        if (p->agent_id == SWITCH_TRUE)
            put_id(N, i, own + (is_mutual ? 5 : 4));
    }
    if (has_geometry) {
        put_angles(p, &at, view->state + N * (N - 1) / 2);
        copy_state(p, (size_t)(N * (N - 1) / 2 + N * N), view->state);
    } else if (p->state == STATE_JOINT) {
        memcpy(view->state, view->observation, (size_t)(N * O) * sizeof(float));
        copy_state(p, (size_t)p->S, view->state);
    }
    memset(view->available, 1, (size_t)(RENDEZVOUS_ACTIONS * N));
    memset(view->alive, 1, (size_t)N);
}
