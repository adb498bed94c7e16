/* Rendezvous: a script that drives to the middle of the team, read from the observation alone. If all follow it they meet; an
 * adversary who walks away drags the middle along. */
#include <math.h>
#include <string.h>

#include "envs/rendezvous.h"

#define STEP_S 0.1

struct vector {
    double ahead, left; /* or east, north */
};

/* From oneself to the mean of all robots, oneself included, in one's own frame; cm. Bearings count clockwise. */
static struct vector middle(const struct rendezvous_params *p, const float *observation)
{
    int width = p->view == VIEW_MUTUAL ? 5 : 3;
    struct vector sum = {0, 0};
    for (int j = 0; j < p->N - 1; j++) {
        const float *other = observation + width * j;
        sum.ahead += RENDEZVOUS_REACH * other[0] * other[1];
        sum.left -= RENDEZVOUS_REACH * other[0] * other[2];
    }
    return (struct vector){sum.ahead / p->N, sum.left / p->N};
}

static float clip(double value)
{
    return (float)(value < -1 ? -1 : value > 1 ? 1 : value);
}

#define FULL_SPEED 15.07 /* cm/s of a robot with both wheels at 1 */
#define FULL_TURN 5.3    /* rad/s with the wheels at -1 and 1 */

/* Forwards or backwards, whichever is ahead, while turning; no faster than reaches the middle in one step. */
static void drive(struct vector to, float *action)
{
    double distance = sqrt(to.ahead * to.ahead + to.left * to.left), way = to.ahead < 0 ? -1 : 1;
    double bearing = distance > 0 ? atan2(way * to.left, way * to.ahead) : 0;
    double speed = way * cos(bearing) * fmin(1, distance / (FULL_SPEED * STEP_S));
    double turn = distance > 0.5 ? bearing / (FULL_TURN * STEP_S) : 0;
    turn = turn < -0.5 ? -0.5 : turn > 0.5 ? 0.5 : turn;
    action[WHEEL_LEFT] = clip(speed - turn);
    action[WHEEL_RIGHT] = clip(speed + turn);
}

#define FULL_PUSH 10.0 /* cm/s^2 */
#define POINT_SPEED 10.0

/* The velocity from which the middle can still be stopped at, reached in as few steps as the push allows. A point's heading is
 * its velocity's, but for the first step, when it is unknown; under any view but `own` the velocity is unknown too. */
static void push(const struct rendezvous_params *p, int step, struct vector to, const float *observation, float *action)
{
    const float *place = observation + 3 * (p->N - 1);
    action[0] = action[1] = 0;
    if (p->view != VIEW_OWN || step == 0)
        return;
    double vx = POINT_SPEED * place[2], vy = POINT_SPEED * place[3], speed = sqrt(vx * vx + vy * vy);
    double c = speed > 0 ? vx / speed : 1, s = speed > 0 ? vy / speed : 0;
    double east = c * to.ahead - s * to.left, north = s * to.ahead + c * to.left, distance = sqrt(east * east + north * north);
    double wanted = fmin(POINT_SPEED, fmin(sqrt(1.6 * FULL_PUSH * distance), distance / (2 * STEP_S)));
    double scale = distance > 0 ? wanted / distance : 0;
    action[0] = clip((scale * east - vx) / (FULL_PUSH * STEP_S));
    action[1] = clip((scale * north - vy) / (FULL_PUSH * STEP_S));
}

static void act_middle(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                       float *probability)
{
    (void)agent, (void)available, (void)memory;
    const struct rendezvous_params *p = params;
    struct vector to = middle(p, observation);
    if (p->motion == MOTION_WHEELS)
        drive(to, probability);
    else
        push(p, step, to, observation, probability);
}

const struct env_script rendezvous_scripts[RENDEZVOUS_SCRIPTS] = {
    {"middle", "drives to the mean position of the team and stops there", 0, act_middle},
};
