/* The drone swarm: where drones start and where they are to go. Rules and sources: quads.c.
 *
 * swarm_vs_swarm: two halves, each with a formation around its centre. Upstream has layers for more than eight drones in a
 * circle; a half never has more. Its sphere needs three points, and a half of two gets the first two of them here (upstream's goals
 * run over into the other half's). */
#include <math.h>
#include <string.h>

#include "envs/quads.h"

#define SAME_GOAL_M \
    {               \
        0, 0, 2     \
    }
#define SPAWN_BOX_M 2.0 /* half a side of the cube around the goal */
#define SPAWN_HEIGHT_M 0.75
#define HEADING_SPREAD (QUADS_PI / 3) /* to either side of the way to the room's middle */
#define DISTANCE_LOW_M 0.25           /* between neighbours of a formation */
#define DISTANCE_HIGH_M 0.5
#define CENTRE_HEIGHT_M 2.0
#define CLEARANCE_M 0.25 /* below a formation */
#define SWAP_LOW_S 4.0
#define SWAP_HIGH_S 6.0

/* Formations */

/* Upstream's fit of how many times the distance between n points spread over a sphere goes into its radius. */
static double sphere_radius(int count, double distance)
{
    return distance /
           ((1.75388487222762 - 0.0920858134405214) / (1 + pow(count / 10.3632729642351, 0.860487305801679)) + 0.0920858134405214);
}

double quads_formation_size(int shape, int count, double distance)
{
    if (shape <= QUADS_CIRCLE_YZ)
        return 0.5 * distance / sin(QUADS_PI / 8); /* as for a full circle of eight */
    return shape == QUADS_SPHERE ? sphere_radius(count, distance) : distance;
}

/* Puts the plane's two coordinates where the orientation says: horizontal, xz, yz, in the order of the shapes' names. */
static void put_plane(int orientation, double first, double second, double *at)
{
    at[0] = orientation == 2 ? 0 : first;
    at[1] = orientation == 0 ? second : orientation == 1 ? 0 : first;
    at[2] = orientation == 0 ? 0 : second;
}

static void place_circle(int orientation, double radius, int count, double (*at)[3])
{
    for (int i = 0; i < count; i++)
        put_plane(orientation, radius * cos(2 * QUADS_PI * i / count), radius * sin(2 * QUADS_PI * i / count), at[i]);
}

/* Rows of a grid: the largest divisor up to the square root. */
static int grid_rows(int count)
{
    int rows = (int)sqrt(count);
    while (rows > 1 && count % rows)
        rows--;
    return rows < 1 ? 1 : rows;
}

static void place_grid(int orientation, double step, int count, double (*at)[3])
{
    int cols = count / grid_rows(count);
    for (int i = 0; i < count; i++)
        put_plane(orientation, step * (i % cols), step * (i / cols), at[i]);
}

/* A spiral from pole to pole. */
static void place_sphere(double radius, int count, double (*at)[3])
{
    int n = count < 3 ? 3 : count;
    double turns = 0.1 + 1.2 * n, first = -1 + 1 / (n - 1.0), step = (2 - 2 / (n - 1.0)) / (n - 1.0);
    for (int i = 0; i < count; i++) {
        double s = first + i * step, longitude = s * turns;
        double latitude = 0.5 * QUADS_PI * copysign(1 - sqrt(1 - fabs(s)), s);
        at[i][0] = radius * cos(longitude) * cos(latitude);
        at[i][1] = radius * sin(longitude) * cos(latitude);
        at[i][2] = radius * sin(latitude);
    }
}

/* As upstream fills it: x grows slowest; below eight drones a line. */
static void place_cube(double step, int count, double (*at)[3])
{
    int side = count < 8 ? 1 : 2;
    for (int i = 0; i < count; i++) {
        at[i][0] = step * (i / (side * side));
        at[i][1] = step * (i / side % side);
        at[i][2] = step * (i % side);
    }
}

static void move_mean_to(const double *centre, int count, double (*at)[3])
{
    for (int k = 0; k < 3; k++) {
        double mean = 0;
        for (int i = 0; i < count; i++)
            mean += at[i][k] / count;
        for (int i = 0; i < count; i++)
            at[i][k] += centre[k] - mean;
    }
}

/* Circle and sphere lie around the centre as they are; grid and cube are moved there. */
void quads_place_formation(struct quads_formation formation, int count, const double *centre, double (*goal)[3])
{
    int shape = formation.shape;
    if (shape == QUADS_SPHERE)
        place_sphere(formation.size, count, goal);
    else if (shape == QUADS_CUBE)
        place_cube(formation.size, count, goal);
    else if (shape >= QUADS_GRID)
        place_grid(shape - QUADS_GRID, formation.size, count, goal);
    else
        place_circle(shape - QUADS_CIRCLE, formation.size, count, goal);
    if (shape >= QUADS_GRID) {
        move_mean_to(centre, count, goal);
        return;
    }
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 3; k++)
            goal[i][k] += centre[k];
}

static struct quads_formation draw_formation(const struct quads_params *p, struct rng *rng)
{
    struct quads_formation formation = {.shape = (int)rng_below(rng, QUADS_SHAPES)};
    double low = quads_formation_size(formation.shape, p->N / 2, DISTANCE_LOW_M);
    formation.size = quads_uniform(rng, low, quads_formation_size(formation.shape, p->N / 2, DISTANCE_HIGH_M));
    return formation;
}

/* Swarm against swarm */

static int orientation_of(int shape)
{
    return shape == QUADS_SPHERE || shape == QUADS_CUBE ? -1 : shape >= QUADS_GRID ? shape - QUADS_GRID : shape;
}

static double lowest_centre(const struct quads_params *p, struct quads_formation formation)
{
    int shape = formation.shape;
    if (shape == QUADS_SPHERE || shape == QUADS_CIRCLE_XZ || shape == QUADS_CIRCLE_YZ)
        return CLEARANCE_M + formation.size;
    if (shape == QUADS_GRID_XZ || shape == QUADS_GRID_YZ)
        return CLEARANCE_M + grid_rows(p->N) * formation.size;
    return CLEARANCE_M;
}

/* The second centre is at least a formation's lower size away along the normal of a flat one. */
static void draw_centres(const struct quads_params *p, struct quads_formation formation, struct rng *rng, double (*centre)[3])
{
    double *first = centre[0], *second = centre[1];
    first[0] = quads_uniform(rng, -SPAWN_BOX_M, SPAWN_BOX_M);
    first[1] = quads_uniform(rng, -SPAWN_BOX_M, SPAWN_BOX_M);
    first[2] = fmax(lowest_centre(p, formation), CENTRE_HEIGHT_M + quads_uniform(rng, -0.5 * SPAWN_BOX_M, 0.5 * SPAWN_BOX_M));
    double distance = quads_uniform(rng, 0.25 * SPAWN_BOX_M, SPAWN_BOX_M);
    double phi = quads_uniform(rng, -QUADS_PI, QUADS_PI), theta = quads_uniform(rng, -0.5 * QUADS_PI, 0.5 * QUADS_PI);
    const double way[3] = {sin(theta) * cos(phi), sin(theta) * sin(phi), cos(theta)};
    for (int k = 0; k < 3; k++)
        second[k] = first[k] + distance * way[k];
    int normal = 2 - orientation_of(formation.shape); /* z of a horizontal one, y of xz, x of yz */
    double least = quads_formation_size(formation.shape, p->N / 2, DISTANCE_LOW_M);
    if (normal < 3 && fabs(second[normal] - first[normal]) < least)
        second[normal] = first[normal] + copysign(least, way[normal]);
}

static void shuffle(struct rng *rng, int count, double (*at)[3])
{
    for (int i = count - 1; i > 0; i--) {
        int j = (int)rng_below(rng, (uint32_t)i + 1);
        double kept[3];
        memcpy(kept, at[i], sizeof kept);
        memcpy(at[i], at[j], sizeof kept);
        memcpy(at[j], kept, sizeof kept);
    }
}

/* The first half of the drones around the first centre. */
static void set_formations(const struct quads_params *p, struct quads_state *g, struct quads_formation formation,
                           struct rng *shuffler)
{
    double goal[QUADS_DRONES_MAX][3];
    int half = p->N / 2, rest = p->N - half;
    quads_place_formation(formation, half, g->centre[0], goal);
    quads_place_formation(formation, rest, g->centre[1], goal + half);
    if (shuffler) {
        shuffle(shuffler, half, goal);
        shuffle(shuffler, rest, goal + half);
    }
    for (int n = 0; n < p->N; n++)
        memcpy(g->drone[n].goal, goal[n], sizeof goal[n]);
}

void quads_reset_goals(const struct quads_params *p, struct quads_state *g, struct rng *rng)
{
    const double same[3] = SAME_GOAL_M;
    g->swap_every = 1;
    memset(g->centre, 0, sizeof g->centre);
    for (int n = 0; n < p->N && p->mode == MODE_SAME_GOAL; n++)
        memcpy(g->drone[n].goal, same, sizeof same);
    if (p->mode == MODE_SWARM_VS_SWARM) {
        struct quads_formation formation;
        g->swap_every = (int64_t)(QUADS_STEPS_PER_S * quads_uniform(rng, SWAP_LOW_S, SWAP_HIGH_S));
        formation = draw_formation(p, rng);
        draw_centres(p, formation, rng, g->centre);
        set_formations(p, g, formation, NULL);
    }
}

bool quads_step_goals(const struct quads_params *p, struct quads_state *g, struct rng *rng)
{
    double kept[3];
    if (p->mode != MODE_SWARM_VS_SWARM || g->step % g->swap_every)
        return false;
    memcpy(kept, g->centre[0], sizeof kept);
    memcpy(g->centre[0], g->centre[1], sizeof kept);
    memcpy(g->centre[1], kept, sizeof kept);
    set_formations(p, g, draw_formation(p, rng), rng);
    return true;
}

/* Around its goal, level and still, looking roughly to the middle of the room. */
static void place_drone(struct quads_drone *d, struct rng *rng)
{
    for (int k = 0; k < 3; k++)
        d->position[k] = d->goal[k] + quads_uniform(rng, -SPAWN_BOX_M, SPAWN_BOX_M);
    d->position[0] = fmin(fmax(d->position[0], -QUADS_ROOM_XY), QUADS_ROOM_XY);
    d->position[1] = fmin(fmax(d->position[1], -QUADS_ROOM_XY), QUADS_ROOM_XY);
    d->position[2] = fmin(fmax(d->position[2], SPAWN_HEIGHT_M), QUADS_ROOM_Z);
    double yaw = atan2(-d->position[1], -d->position[0]) + quads_uniform(rng, -HEADING_SPREAD, HEADING_SPREAD), s, c;
    sincos(yaw, &s, &c);
    quads_set_heading(d->R, c, s);
}

void quads_place_drones(const struct quads_params *p, struct quads_state *g, struct rng *rng)
{
    for (int n = 0; n < p->N; n++)
        place_drone(&g->drone[n], rng);
}
