/* The drone swarm: a scripted pilot that flies to its goal by the observation alone and keeps away from those it sees.
 *
 * A cascade: the acceleration wanted from distance and velocity, and a push away from every neighbour nearer than a comfortable
 * distance; thrust along the body's axis as far as that goes; the axis turned to where the acceleration points; the four motors
 * from thrust and torques. Gains: the motors lag by about 40 ms, so the tilt is asked to settle no faster than in 0.2 s. */
#include <math.h>
#include <string.h>

#include "envs/quads.h"

#define PULL 3.0     /* 1/s^2, to the goal */
#define DAMP 3.2     /* 1/s */
#define PULL_MAX 2.5 /* m/s^2 */
#define COMFORT_M 0.35
#define REPEL 14.0        /* 1/s^2, per metre that a neighbour is nearer than that */
#define APPROACH_DAMP 3.0 /* 1/s, on closing speed towards such a neighbour */
#define TILT_PULL 90.0    /* 1/s^2 */
#define TILT_DAMP 16.0    /* 1/s */
#define YAW_DAMP 4.0      /* 1/s */

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void shorten(double *v, double longest)
{
    double length = sqrt(dot(v, v)), scale = length > longest ? longest / length : 1;
    for (int i = 0; i < 3; i++)
        v[i] *= scale;
}

static void add_repulsion(const float *neighbour, double *wanted)
{
    double away[3] = {-(double)neighbour[0], -(double)neighbour[1], -(double)neighbour[2]};
    double distance = sqrt(dot(away, away));
    if (distance >= COMFORT_M || distance <= 0)
        return;
    double parting = 0;
    for (int i = 0; i < 3; i++)
        parting -= neighbour[3 + i] * away[i] / distance;
    double push = REPEL * (COMFORT_M - distance) - APPROACH_DAMP * fmin(parting, 0);
    for (int i = 0; i < 3; i++)
        wanted[i] += push * away[i] / distance;
}

/* Acceleration that thrust has to give, gravity included. */
static void want_acceleration(const struct quads_params *p, const float *o, double *wanted)
{
    int width = 18 + (p->self == SELF_FLOOR ? 1 : p->self == SELF_WALLS ? 6 : 0);
    for (int i = 0; i < 3; i++)
        wanted[i] = -PULL * o[i];
    shorten(wanted, PULL_MAX);
    for (int i = 0; i < 3; i++)
        wanted[i] -= DAMP * o[3 + i];
    for (int k = 0; k < p->K; k++)
        add_repulsion(o + width + 6 * k, wanted);
    shorten(wanted, 5);
    wanted[2] += QUADS_GRAVITY;
}

/* Motors from the thrust of all (N) and the torques (N m): the inverse of the propellers' arrangement. */
static void mix(double lift, const double *torque, float *action)
{
    static const double roll[] = {-1, -1, 1, 1}, pitch[] = {-1, 1, 1, -1}, yaw[] = {-1, 1, -1, 1};
    for (int i = 0; i < QUADS_MOTORS; i++) {
        double f = 0.25 * (lift + roll[i] * torque[0] / QUADS_PROPELLER + pitch[i] * torque[1] / QUADS_PROPELLER +
                           yaw[i] * torque[2] / (QUADS_DRAG_TORQUE / QUADS_THRUST));
        action[i] = (float)fmin(fmax(2 * f / QUADS_THRUST - 1, -1), 1);
    }
}

static void act_pilot(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                      float *probability)
{
    (void)agent, (void)step, (void)available, (void)memory;
    double wanted[3], body[3];
    const float *R = observation + 6, *spin = observation + 15;
    want_acceleration(params, observation, wanted);
    for (int i = 0; i < 3; i++) /* in the body's axes */
        body[i] = R[i] * wanted[0] + R[3 + i] * wanted[1] + R[6 + i] * wanted[2];
    double length = sqrt(dot(body, body)), scale = length > 0 ? 1 / length : 0;
    const double torque[3] = {QUADS_INERTIA_X * (-TILT_PULL * body[1] * scale - TILT_DAMP * spin[0]),
                              QUADS_INERTIA_Y * (TILT_PULL * body[0] * scale - TILT_DAMP * spin[1]),
                              QUADS_INERTIA_Z * -YAW_DAMP * spin[2]};
    mix(QUADS_MASS * fmax(body[2], 0), torque, probability);
}

const struct env_script quads_scripts[QUADS_SCRIPTS] = {
    {"pilot", "flies to its goal and away from drones nearer than 35 cm", 0, act_pilot},
};
