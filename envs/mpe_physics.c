/* Particle worlds: contacts and motion, in the reference's order of operations, so that doubles agree to the last digits.
 *
 * Contact of two bodies (or of a body and a landmark in simple_tag) at distance d with sizes a and b: a force along the line
 * between them of contact_force x margin x log(1 + exp(-(d - a - b) / margin)), which is soft around touching and then grows
 * linearly. Motion: v <- 0.75 v + force dt, cut to the body's top speed; x <- x + v dt, by the old v (mpe2) or the new (openai). */
#include <math.h>

#include "envs/mpe.h"

#define FAR 746.0 /* exp(-this) is 0 in double */

double mpe_distance(const double *a, const double *b)
{
    double dx = a[0] - b[0], dy = a[1] - b[1];
    return sqrt(dx * dx + dy * dy);
}

bool mpe_touch(const struct mpe_params *p, const struct mpe_state *g, int a, int b)
{
    return mpe_distance(g->motion[a].at, g->motion[b].at) < p->body[a].size + p->body[b].size;
}

/* log(1 + exp(x)) without overflow. */
static double soft_plus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* The force on what is at `a`, pushed by what is at `b`; false and none when they are too far apart, or in one place. */
static bool contact(const double *a, const double *b, double reach, double force[2])
{
    double distance = mpe_distance(a, b), depth = -(distance - reach) / MPE_CONTACT_MARGIN;
    if (depth < -FAR || distance == 0)
        return false;
    double penetration = soft_plus(depth) * MPE_CONTACT_MARGIN;
    for (int i = 0; i < 2; i++)
        force[i] = MPE_CONTACT_FORCE * (a[i] - b[i]) / distance * penetration;
    return true;
}

static void add_contacts(const struct mpe_params *p, const struct mpe_state *g, double force[][2])
{
    double push[2];
    for (int a = 0; a < p->B; a++) {
        for (int b = a + 1; b < p->B; b++)
            if (contact(g->motion[a].at, g->motion[b].at, p->body[a].size + p->body[b].size, push))
                for (int i = 0; i < 2; i++) {
                    force[a][i] += push[i];
                    force[b][i] -= push[i];
                }
        for (int l = 0; l < p->L && p->task_index == TASK_TAG; l++)
            if (contact(g->motion[a].at, mpe_landmark(p, g, l), p->body[a].size + p->landmark_size, push))
                for (int i = 0; i < 2; i++)
                    force[a][i] += push[i];
    }
}

static void move(const struct mpe_params *p, const struct mpe_body *body, struct mpe_motion *motion, const double *force)
{
    double *at = motion->at, *v = motion->velocity;
    bool is_late = p->rules == RULES_OPENAI;
    for (int i = 0; i < 2; i++) {
        if (!is_late)
            at[i] += v[i] * MPE_DT;
        v[i] = v[i] * (1 - MPE_DAMPING) + force[i] * MPE_DT;
    }
    double speed = sqrt(v[0] * v[0] + v[1] * v[1]);
    for (int i = 0; i < 2; i++) {
        if (body->max_speed > 0 && speed > body->max_speed)
            v[i] = v[i] / speed * body->max_speed;
        if (is_late)
            at[i] += v[i] * MPE_DT;
    }
}

void mpe_integrate(const struct mpe_params *p, struct mpe_state *g, double force[][2])
{
    if (p->has_contacts)
        add_contacts(p, g, force);
    for (int b = 0; b < p->B; b++)
        if (p->body[b].accel > 0)
            move(p, &p->body[b], &g->motion[b], force[b]);
}

/* Tried against looking 2, 3, 4, 6 and many steps ahead: the shortest look comes nearest, since moves of 0.5 leave a coarse grid of
 * places to rest in, and one that is never at rest can hover between them. */
int mpe_steer(const struct mpe_params *p, double accel, const double *v, const double *way)
{
    const double now = p->rules == RULES_OPENAI ? 0 : MPE_DT; /* mpe2 first moves by the velocity that it has */
    double best = INFINITY;
    int choice = MOVE_NONE;
    for (int m = 0; m < MPE_MOVES; m++) {
        double miss[2];
        for (int i = 0; i < 2; i++) {
            double push = m == 1 + 2 * i ? -p->sign : m == 2 + 2 * i ? p->sign : 0;
            miss[i] = way[i] - now * v[i] - MPE_DT * ((1 - MPE_DAMPING) * v[i] + push * accel * MPE_DT);
        }
        double square = miss[0] * miss[0] + miss[1] * miss[1];
        if (square < best) {
            best = square;
            choice = m;
        }
    }
    return choice;
}
