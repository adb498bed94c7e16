/* The drone swarm: who touches whom, and the pushes that follow. Rules and sources: quads.c. */
#include <math.h>
#include <string.h>

#include "envs/quads.h"

#define TOUCH_M (2 * QUADS_ARM)
#define NEAR_M (4 * QUADS_ARM)
#define PROXIMITY_S 0.01 /* per step, in the reward */

#define COMMON_PUSH 0.8 /* m/s, standard deviation of what both get with opposite signs */
#define OWN_PUSH 0.15   /* m/s, of what each gets alone */
#define PUSH_TRIES 3
#define KEPT_LOW 0.2 /* share of the speed that a push leaves */
#define KEPT_HIGH 0.8
#define WALL_SPEED_LOW 0.1 /* m/s after a wall */
#define WALL_SPEED_HIGH 6.0
#define TUMBLE (20 * QUADS_PI) /* rad/s at most, and half of it at least */
#define GUARD 1e-5             /* upstream's, in divisions by a length */

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* The square is compared first: nearly all pairs are far apart. */
static void find_contact(struct quads_state *g, int i, int j, double weight, double *proximity)
{
    const double *a = g->drone[i].position, *b = g->drone[j].position;
    double dx = a[0] - b[0], dy = a[1] - b[1], dz = a[2] - b[2], d2 = dx * dx + dy * dy + dz * dz;
    if (d2 > NEAR_M * NEAR_M * 1.000001)
        return;
    double distance = sqrt(d2);
    if (distance <= TOUCH_M) {
        g->drone[i].touching |= 1u << j;
        g->drone[j].touching |= 1u << i;
    }
    if (distance <= NEAR_M) {
        double cost = PROXIMITY_S * weight * (1 - distance / NEAR_M);
        proximity[i] -= cost;
        proximity[j] -= cost;
    }
}

void quads_find_contacts(const struct quads_params *p, struct quads_state *g, uint32_t *new_pairs, double *proximity)
{
    uint32_t before[QUADS_DRONES_MAX];
    for (int n = 0; n < p->N; n++) {
        before[n] = g->drone[n].touching;
        g->drone[n].touching = 0;
        g->drone[n].flags &= ~(uint32_t)QUADS_BUMPED;
        proximity[n] = 0;
    }
    for (int i = 0; i < p->N; i++)
        for (int j = i + 1; j < p->N; j++)
            find_contact(g, i, j, p->proximity_weight, proximity);
    for (int n = 0; n < p->N; n++) {
        if (g->drone[n].touching && !before[n])
            g->drone[n].flags |= QUADS_BUMPED;
        new_pairs[n] = g->drone[n].touching & ~before[n] & ~((2u << n) - 1);
    }
}

static void draw_tumble(struct rng *rng, double guard, double *spin)
{
    double length = 0;
    for (int i = 0; i < 3; i++)
        spin[i] = quads_uniform(rng, -1, 1);
    length = sqrt(dot(spin, spin)) + guard;
    double scale = length > 0 ? quads_uniform(rng, 0.5 * TUMBLE, TUMBLE) / length : 0;
    for (int i = 0; i < 3; i++)
        spin[i] *= scale;
}

/* A push slows: some of the new speed is lost, and none is won beyond the faster of the two. */
static void slow(struct rng *rng, double fastest, double *velocity)
{
    double speed = sqrt(dot(velocity, velocity)), kept = speed * quads_uniform(rng, KEPT_LOW, KEPT_HIGH);
    double scale = speed > 0 ? fmin(kept, fastest) / speed : 0;
    for (int i = 0; i < 3; i++)
        velocity[i] *= scale;
}

/* New velocities of a pair: the normal components change places, noise is added until the two part (three tries). */
static void draw_bounce(struct rng *rng, const struct quads_drone *a, const struct quads_drone *b, double *va, double *vb)
{
    double normal[3], length, noise[10];
    for (int i = 0; i < 3; i++)
        normal[i] = a->position[i] - b->position[i];
    length = sqrt(dot(normal, normal));
    for (int i = 0; i < 3; i++)
        normal[i] /= length > 0 ? length : 1;
    double change = dot(b->velocity, normal) - dot(a->velocity, normal);
    for (int tries = 0; tries < PUSH_TRIES; tries++) {
        quads_normals(rng, 1, 10, noise);
        for (int i = 0; i < 3; i++) {
            double common = change * normal[i] + COMMON_PUSH * noise[i];
            va[i] = a->velocity[i] + common + OWN_PUSH * noise[3 + i];
            vb[i] = b->velocity[i] - common + OWN_PUSH * noise[6 + i];
        }
        if (dot(va, normal) > 0 && dot(vb, normal) < 0)
            return;
    }
}

static void push_pair(struct quads_drone *a, struct quads_drone *b, struct rng *rng)
{
    double va[3], vb[3], tumble[3];
    double fastest = sqrt(fmax(dot(a->velocity, a->velocity), dot(b->velocity, b->velocity)));
    draw_bounce(rng, a, b, va, vb);
    slow(rng, fastest, va);
    slow(rng, fastest, vb);
    draw_tumble(rng, 0, tumble);
    for (int i = 0; i < 3; i++) {
        a->velocity[i] = va[i];
        b->velocity[i] = vb[i];
        a->spin[i] += tumble[i];
        b->spin[i] -= tumble[i];
    }
}

bool quads_push_apart(const struct quads_params *p, struct quads_state *g, const uint32_t *new_pairs, struct rng *rng)
{
    bool is_pushed = false;
    for (int i = 0; i < p->N; i++)
        for (int j = i + 1; j < p->N && new_pairs[i]; j++)
            if (new_pairs[i] >> j & 1) {
                push_pair(&g->drone[i], &g->drone[j], rng);
                is_pushed = true;
            }
    return is_pushed;
}

/* Away from the wall whose coordinate it has, downwards, at some of its speed. */
static void push_back(struct quads_drone *d, bool is_wall, struct rng *rng)
{
    double way[3], tumble[3], speed = sqrt(dot(d->velocity, d->velocity));
    speed = fmin(fmax(quads_uniform(rng, KEPT_LOW, KEPT_HIGH) * speed, WALL_SPEED_LOW), WALL_SPEED_HIGH);
    for (int i = 0; i < 2; i++) {
        bool is_low = is_wall && d->position[i] == -QUADS_ROOM_XY, is_high = is_wall && d->position[i] == QUADS_ROOM_XY;
        way[i] = quads_uniform(rng, is_low ? 0.1 : -1, is_high ? -0.1 : 1);
    }
    way[2] = quads_uniform(rng, -1, -0.5);
    double length = sqrt(dot(way, way)) + GUARD;
    draw_tumble(rng, GUARD, tumble);
    for (int i = 0; i < 3; i++) {
        d->velocity[i] = speed * way[i] / length;
        d->spin[i] += tumble[i];
    }
}

/* Who was pushed in the last step is spared, so that one who stays at a wall is pushed every second step. */
static bool push_if_hit(struct quads_drone *d, uint32_t at, uint32_t hit, struct rng *rng)
{
    bool is_hit = (d->flags & at) && !(d->flags & hit);
    d->flags = is_hit ? d->flags | hit : d->flags & ~hit;
    if (is_hit)
        push_back(d, at == QUADS_AT_WALL, rng);
    return is_hit;
}

bool quads_push_off_walls(const struct quads_params *p, struct quads_state *g, struct rng *rng)
{
    bool is_pushed = false;
    for (int n = 0; n < p->N; n++)
        is_pushed |= push_if_hit(&g->drone[n], QUADS_AT_WALL, QUADS_HIT_WALL, rng);
    for (int n = 0; n < p->N; n++)
        is_pushed |= push_if_hit(&g->drone[n], QUADS_AT_CEILING, QUADS_HIT_CEILING, rng);
    return is_pushed;
}
