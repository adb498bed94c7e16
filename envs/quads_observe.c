/* The drone swarm: what drones see.
 *
 *   block         numbers   meaning
 *   to goal       3         position minus goal, m
 *   velocity      3         m/s
 *   rotation      9         body to world, row by row
 *   spin          3         rad/s about the body's axes
 *   height        1         env.self=floor
 *   walls         6         env.self=walls: position minus the low corner, then the high corner minus position, each within 0..5 m
 *   neighbour k   6         position relative to oneself within +-10 m, velocity likewise within +-6 m/s
 *   id            N         one-hot, env.agent_id
 *
 * One's own position, velocity and spin carry the sensors' errors, others are seen as they are. If not all others are seen, those
 * come first for whom distance + closing speed (the relative velocity along the line between) is smallest. */
#include <math.h>
#include <string.h>

#include "envs/quads.h"

#define SEEN_XYZ_M 10.0
#define SEEN_SPEED 6.0
#define SEEN_WALL_M 5.0
#define URGENCY_FLOOR_M 0.01

static double clamp(double value, double low, double high)
{
    value = value < low ? low : value;
    return value > high ? high : value;
}

static float *put_self(const struct quads_params *p, const struct quads_drone *d, float *out)
{
    const double *error = d->sensor_error, room[3] = {QUADS_ROOM_XY, QUADS_ROOM_XY, QUADS_ROOM_Z};
    double at[3];
    for (int i = 0; i < 3; i++) {
        at[i] = d->position[i] + error[i];
        out[i] = (float)(at[i] - d->seen_goal[i]);
        out[3 + i] = (float)(d->velocity[i] + error[3 + i]);
        out[15 + i] = (float)(d->spin[i] + error[6 + i]);
    }
    for (int i = 0; i < 9; i++)
        out[6 + i] = (float)d->R[i];
    out += 18;
    if (p->self == SELF_FLOOR)
        *out++ = (float)at[2];
    for (int i = 0; i < 3 && p->self == SELF_WALLS; i++) {
        double low = i < 2 ? -QUADS_ROOM_XY : 0;
        out[i] = (float)clamp(at[i] - low, 0, SEEN_WALL_M);
        out[3 + i] = (float)clamp(room[i] - at[i], 0, SEEN_WALL_M);
    }
    return p->self == SELF_WALLS ? out + 6 : out;
}

static float *put_neighbour(const struct quads_drone *self, const struct quads_drone *other, float *out)
{
    for (int i = 0; i < 3; i++) {
        out[i] = (float)clamp(other->position[i] - self->position[i], -SEEN_XYZ_M, SEEN_XYZ_M);
        out[3 + i] = (float)clamp(other->velocity[i] - self->velocity[i], -SEEN_SPEED, SEEN_SPEED);
    }
    return out + 6;
}

/* Lower is more urgent; the same for both of a pair. */
static double urgency_of(const struct quads_drone *a, const struct quads_drone *b)
{
    double d2 = 0, closing = 0;
    for (int i = 0; i < 3; i++) {
        double gap = b->position[i] - a->position[i];
        d2 += gap * gap;
        closing += gap * (b->velocity[i] - a->velocity[i]);
    }
    double distance = fmax(sqrt(d2), URGENCY_FLOOR_M);
    return distance + closing / distance;
}

struct urgencies {
    double of[QUADS_DRONES_MAX][QUADS_DRONES_MAX];
};

static void find_urgencies(const struct quads_params *p, const struct quads_state *g, struct urgencies *urgency)
{
    for (int i = 0; i < p->N; i++)
        for (int j = i + 1; j < p->N; j++)
            urgency->of[i][j] = urgency->of[j][i] = urgency_of(&g->drone[i], &g->drone[j]);
}

/* order[K]: the most urgent others, by insertion; the lower index first of equals. */
static void find_order(const struct quads_params *p, const double *urgency, int self, int *order)
{
    int count = 0, K = p->K;
    for (int j = 0; j < p->N; j++) {
        if (j == self || (count == K && urgency[j] >= urgency[order[K - 1]]))
            continue;
        int at = count < K ? count++ : K - 1;
        for (; at > 0 && urgency[j] < urgency[order[at - 1]]; at--)
            order[at] = order[at - 1];
        order[at] = j;
    }
}

static float *put_all(const struct quads_params *p, const struct quads_state *g, int self, float *out)
{
    for (int j = 0; j < p->N; j++)
        if (j != self)
            out = put_neighbour(&g->drone[self], &g->drone[j], out);
    return out;
}

static float *put_urgent(const struct quads_params *p, const struct quads_state *g, const double *urgency, int self, float *out)
{
    int order[QUADS_DRONES_MAX];
    find_order(p, urgency, self, order);
    for (int k = 0; k < p->K; k++)
        out = put_neighbour(&g->drone[self], &g->drone[order[k]], out);
    return out;
}

void quads_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct quads_params *p = params;
    const struct quads_state *g = state;
    struct urgencies urgency;
    float *out = view->observation;
    bool sees_all = p->K == p->N - 1, sees_some = !sees_all && p->K > 0;
    size_t N = (size_t)p->N, joint = N * (size_t)p->O;
    if (sees_some)
        find_urgencies(p, g, &urgency);
    for (int n = 0; n < p->N; n++) {
        out = put_self(p, &g->drone[n], out);
        out = sees_all ? put_all(p, g, n, out) : sees_some ? put_urgent(p, g, urgency.of[n], n, out) : out;
        for (int i = 0; i < p->N && p->has_agent_id; i++)
            *out++ = i == n;
    }
    for (size_t n = 0; n < N && p->state == STATE_JOINT; n++)
        memcpy(view->state + n * joint, view->observation, joint * sizeof(float));
    memset(view->available, 1, QUADS_MOTORS * N);
    memset(view->alive, 1, N);
}
