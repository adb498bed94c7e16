/* The drone swarm: how one drone flies. Rules and sources: quads.c.
 *
 * A substep, in this order: motors, rotation with the old spin, spin with the torque, position with the old velocity, room,
 * floor, velocity. Nothing but gravity, thrust and the floor acts: the model has no drag. */
#include <math.h>
#include <string.h>

#include "envs/quads.h"

#define H QUADS_SUBSTEP_S
#define MOTOR_LAG (4 * QUADS_SUBSTEP_S / (0.15 + 1e-6)) /* share of the way per substep: settles in 0.15 s */
#define SQUARE_EVERY_S 0.5
#define FRICTION 0.6
#define STILL 1e-6 /* m/s below which friction holds a drone; also upstream's guard of the heading */

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* Motors */

/* Thrust follows the demand with a lag in the rotors' speed, its square root. */
static void spin_motors(struct quads_drone *d, const double *demand, const double *demanded_rotor)
{
    for (int i = 0; i < QUADS_MOTORS; i++) {
        d->rotor[i] += MOTOR_LAG * (demanded_rotor[i] - d->rotor[i]);
        d->thrust[i] = clamp(d->rotor[i] * d->rotor[i] + demand[i] * d->motor_noise[i], 0, 1);
    }
}

/* Propellers stand at (+,-) (-,-) (-,+) (+,+) and turn (-,+,-,+). */
static void find_torque(const double *t, double *torque)
{
    torque[0] = QUADS_PROPELLER * QUADS_THRUST * (t[2] + t[3] - t[0] - t[1]);
    torque[1] = QUADS_PROPELLER * QUADS_THRUST * (t[1] + t[2] - t[0] - t[3]);
    torque[2] = QUADS_DRAG_TORQUE * (t[1] + t[3] - t[0] - t[2]);
}

/* Rotation */

/* sin(a)/a and (1 - cos a)/a^2 by their series: at 0.39 rad, the turn of the fastest free spin, the first term left out is below
 * 1e-17. Pushes spin faster for one substep. */
static void rotation_factors(double a2, double *sine, double *cosine)
{
    if (a2 > 0.15) {
        double a = sqrt(a2);
        *sine = sin(a) / a;
        *cosine = (1 - cos(a)) / a2;
        return;
    }
    *sine = 1 - a2 / 6 * (1 - a2 / 20 * (1 - a2 / 42 * (1 - a2 / 72 * (1 - a2 / 110 * (1 - a2 / 156)))));
    *cosine = 0.5 - a2 / 24 * (1 - a2 / 30 * (1 - a2 / 56 * (1 - a2 / 90 * (1 - a2 / 132 * (1 - a2 / 182)))));
}

static void cross(const double *a, const double *b, double *out)
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

/* R <- R exp([turn]x), Rodrigues in the body frame; row r becomes r + s (r x turn) + c ((r x turn) x turn). The same matrix as
 * upstream's rotation about the world's axis R turn from the left. */
static void rotate(double *R, const double *spin)
{
    const double turn[3] = {H * spin[0], H * spin[1], H * spin[2]};
    double s, c;
    rotation_factors(turn[0] * turn[0] + turn[1] * turn[1] + turn[2] * turn[2], &s, &c);
    for (int row = 0; row < 3; row++) {
        double once[3], twice[3];
        cross(R + 3 * row, turn, once);
        cross(once, turn, twice);
        for (int i = 0; i < 3; i++)
            R[3 * row + i] += s * once[i] + c * twice[i];
    }
}

/* Newton's iteration for the polar factor (Higham 1986, doi 10.1137/0907079): m <- (m + m^-T) / 2 doubles the correct digits per
 * round; the determinant's cube root brings the scale of a matrix far from orthogonal in range first. m^-T has the cross
 * products of m's rows as rows, divided by the determinant. */
void quads_nearest_rotation(double *m)
{
    for (int round = 0; round < 30; round++) {
        double inverse[9], change = 0;
        cross(m + 3, m + 6, inverse);
        cross(m + 6, m, inverse + 3);
        cross(m, m + 3, inverse + 6);
        double det = m[0] * inverse[0] + m[1] * inverse[1] + m[2] * inverse[2], scale = 1;
        if (fabs(det * det - 1) > 0.1)
            scale = 1 / cbrt(fabs(det));
        for (int i = 0; i < 9; i++) {
            double next = 0.5 * (scale * m[i] + inverse[i] / (scale * det));
            change = fmax(change, fabs(next - m[i]));
            m[i] = next;
        }
        if (change < 1e-9) /* the next one would be below rounding */
            return;
    }
}

/* Euler's equations, with the inertia's three axes. */
static void turn_faster(double *spin, const double *torque)
{
    const double J[3] = {QUADS_INERTIA_X, QUADS_INERTIA_Y, QUADS_INERTIA_Z};
    const double momentum[3] = {J[0] * spin[0], J[1] * spin[1], J[2] * spin[2]};
    double gyroscopic[3];
    cross(spin, momentum, gyroscopic);
    for (int i = 0; i < 3; i++)
        spin[i] = clamp(spin[i] + H * (1 / J[i]) * (torque[i] - gyroscopic[i]), -QUADS_SPIN_MAX, QUADS_SPIN_MAX);
}

static void turn(struct quads_drone *d)
{
    double torque[3];
    find_torque(d->thrust, torque);
    rotate(d->R, d->spin);
    d->unsquared_s += H;
    if (d->unsquared_s > SQUARE_EVERY_S) {
        quads_nearest_rotation(d->R);
        d->unsquared_s = 0;
    }
    turn_faster(d->spin, torque);
}

/* Room and floor */

static void move(struct quads_drone *d)
{
    double *at = d->position, before[3];
    for (int i = 0; i < 3; i++)
        before[i] = at[i] + H * d->velocity[i];
    at[0] = clamp(before[0], -QUADS_ROOM_XY, QUADS_ROOM_XY);
    at[1] = clamp(before[1], -QUADS_ROOM_XY, QUADS_ROOM_XY);
    at[2] = clamp(before[2], 0, QUADS_ROOM_Z);
    if (at[0] != before[0] || at[1] != before[1])
        d->flags |= QUADS_AT_WALL;
    if (before[2] > at[2])
        d->flags |= QUADS_AT_CEILING;
}

void quads_set_heading(double *R, double c, double s)
{
    const double upright[9] = {c, -s, 0, s, c, 0, 0, 0, 1};
    memcpy(R, upright, sizeof upright);
}

/* Keeps the yaw, with upstream's guard of 1e-6 in it, and drops the rest of the rotation. */
static void stand_up(double *R)
{
    double c = R[0] + STILL, s = R[3], norm = sqrt(c * c + s * s);
    quads_set_heading(R, norm > 0 ? c / norm : 1, norm > 0 ? s / norm : 0);
}

/* All motion ends; the motors have to start anew. */
static void land(struct quads_drone *d, struct rng *rng)
{
    bool is_upside_down = d->R[8] < 0;
    d->flags |= QUADS_ON_FLOOR | QUADS_LANDED;
    memset(d->velocity, 0, sizeof d->velocity);
    memset(d->spin, 0, sizeof d->spin);
    memset(d->rotor, 0, sizeof d->rotor);
    memset(d->thrust, 0, sizeof d->thrust);
    if (is_upside_down) {
        double s, c;
        d->flags |= QUADS_GOT_UP;
        sincos(quads_uniform(rng, -QUADS_PI, QUADS_PI), &s, &c);
        quads_set_heading(d->R, c, s);
    } else {
        stand_up(d->R);
    }
}

/* Friction of a drone on the floor, on the horizontal part of its thrust. Its size is taken with its sign: a thrust that could
 * lift the drone makes it push. */
static void rub(const double *velocity, double *force)
{
    double friction = FRICTION * (QUADS_MASS * QUADS_GRAVITY - force[2]), vx = velocity[0], vy = velocity[1];
    if (sqrt(vx * vx + vy * vy + velocity[2] * velocity[2]) < STILL) {
        double push = sqrt(force[0] * force[0] + force[1] * force[1]), left = fmax(push - friction, 0);
        double scale = push > 0 ? left / push : 0;
        force[0] = push > 0 ? scale * force[0] : left;
        force[1] *= scale;
        return;
    }
    double speed = sqrt(vx * vx + vy * vy);
    force[0] -= friction * (speed > 0 ? vx / speed : 1);
    force[1] -= friction * (speed > 0 ? vy / speed : 0);
}

/* What the floor leaves of the thrust `force` (world). */
static void touch_floor(struct quads_drone *d, double *force, struct rng *rng)
{
    d->position[2] = QUADS_ARM;
    if (!(d->flags & QUADS_ON_FLOOR)) {
        land(d, rng);
        return;
    }
    stand_up(d->R);
    rub(d->velocity, force);
}

static void substep(struct quads_drone *d, const double *demand, const double *demanded_rotor, struct rng *rng)
{
    spin_motors(d, demand, demanded_rotor);
    double lift = QUADS_THRUST * (d->thrust[0] + d->thrust[1] + d->thrust[2] + d->thrust[3]);
    turn(d);
    double force[3] = {lift * d->R[2], lift * d->R[5], lift * d->R[8]};
    d->flags &= ~(uint32_t)(QUADS_LANDED | QUADS_AT_WALL | QUADS_AT_CEILING);
    move(d);
    bool is_low = d->position[2] <= QUADS_ARM;
    if (is_low)
        touch_floor(d, force, rng);
    else
        d->flags &= ~(uint32_t)QUADS_ON_FLOOR;
    double up = force[2] / QUADS_MASS - QUADS_GRAVITY;
    d->velocity[0] += H * (force[0] / QUADS_MASS);
    d->velocity[1] += H * (force[1] / QUADS_MASS);
    d->velocity[2] += H * (is_low && up < 0 ? 0 : up);
}

void quads_fly(struct quads_drone *drone, const double *demand, struct rng *rng)
{
    double demanded_rotor[QUADS_MOTORS];
    for (int i = 0; i < QUADS_MOTORS; i++)
        demanded_rotor[i] = sqrt(demand[i]);
    drone->flags &= ~(uint32_t)QUADS_GOT_UP;
    for (int i = 0; i < QUADS_SUBSTEPS; i++)
        substep(drone, demand, demanded_rotor, rng);
}
