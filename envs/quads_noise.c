/* The drone swarm: random numbers. Motor noise is an Ornstein-Uhlenbeck process with one draw per control step; sensor errors
 * are drawn with the step, not with the observation, so that observing is a function of the state. */
#include <math.h>

#include "envs/quads.h"

#define OU_PULL 0.15         /* towards 0, per control step */
#define OU_SCALE 0.01        /* of a draw: 0.2 times a thrust noise ratio of 0.05 */
#define POSITION_ERROR 0.005 /* m */
#define VELOCITY_ERROR 0.01  /* m/s */
#define SPIN_ERROR 0.000175  /* rad/s */

double quads_uniform(struct rng *rng, double low, double high)
{
    return low + (high - low) * rng_double(rng);
}

/* Box-Muller, both halves. */
void quads_normals(struct rng *rng, double scale, int count, double *out)
{
    for (int i = 0; i + 1 < count; i += 2) {
        double s, c, radius = scale * sqrt(-2 * log(1 - rng_double(rng)));
        sincos(2 * QUADS_PI * rng_double(rng), &s, &c);
        out[i] = radius * c;
        out[i + 1] = radius * s;
    }
}

/* From the distribution that the process settles in. Upstream lets it run on from the last episode; a reset here depends on its
 * own random numbers alone. */
void quads_start_motor_noise(struct quads_drone *drone, struct rng *rng)
{
    quads_normals(rng, OU_SCALE / sqrt(1 - (1 - OU_PULL) * (1 - OU_PULL)), QUADS_MOTORS, drone->motor_noise);
}

void quads_step_motor_noise(struct quads_drone *drone, struct rng *rng)
{
    double draw[QUADS_MOTORS];
    quads_normals(rng, OU_SCALE, QUADS_MOTORS, draw);
    for (int i = 0; i < QUADS_MOTORS; i++)
        drone->motor_noise[i] += draw[i] - OU_PULL * drone->motor_noise[i];
}

void quads_draw_sensor_error(struct quads_drone *drone, struct rng *rng)
{
    double draw[10];
    quads_normals(rng, 1, 10, draw);
    for (int i = 0; i < 3; i++) {
        drone->sensor_error[i] = POSITION_ERROR * draw[i];
        drone->sensor_error[3 + i] = VELOCITY_ERROR * draw[3 + i];
        drone->sensor_error[6 + i] = SPIN_ERROR * draw[6 + i];
    }
}
