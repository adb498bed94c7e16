/* Multi-agent MuJoCo: open-loop reference policies, which show that a body moves and how far rhythm alone gets. The numbers of the
 * gaits are the outcome of a random search over amplitude, phase and offset of each joint at one common frequency (means of 20
 * episodes: half_cheetah 3068, walker2d 474 against 96 without torque), those of the swimmer's wave of one over amplitude, pace
 * and phase lag of 8 links (118). The same search found nothing for the ant and the hopper that pays more than no torque at all. */
#include <math.h>

#include "envs/mujoco.h"

struct gait {
    double pace; /* radians a step */
    struct {
        double amplitude, phase, offset;
    } joint[6]; /* in the order of qpos */
};

static const struct gait cheetah = {0.88,
                                    {{0.90, -1.62, -0.45},
                                     {0.77, -2.69, -0.03},
                                     {0.56, -2.21, -0.70},
                                     {0.34, 1.09, -0.23},
                                     {0.52, 1.19, -0.19},
                                     {0.30, -2.49, 0.01}}};
static const struct gait walker = {
    0.75,
    {{0.77, -1.41, 0.09}, {0.42, 0.02, 0.20}, {0.70, -0.30, 0.15}, {0.58, -0.62, 0.29}, {0.56, 1.34, 0.20}, {0.13, -0.11, 0.15}}};

static double step_out(const struct gait *gait, int joint, int step)
{
    return gait->joint[joint].amplitude * sin(gait->pace * step + gait->joint[joint].phase) + gait->joint[joint].offset;
}

static double rhythm(int robot, int joint, int step)
{
    double torque = robot == ROBOT_CHEETAH   ? step_out(&cheetah, joint, step)
                    : robot == ROBOT_WALKER  ? step_out(&walker, joint, step)
                    : robot == ROBOT_SWIMMER ? 1.28 * sin(0.13 * step + 1.42 * joint)
                                             : 0;
    return fmax(-1, fmin(1, torque));
}

static void act_still(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                      float *probability)
{
    (void)agent, (void)step, (void)observation, (void)available, (void)memory;
    const struct mujoco_params *p = params;
    for (int i = 0; i < p->partition.widest; i++)
        probability[i] = 0;
}

static void act_rhythm(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                       float *probability)
{
    (void)observation, (void)available, (void)memory;
    const struct mujoco_params *p = params;
    for (int i = 0; i < p->partition.widest; i++)
        probability[i] = i < p->partition.count[agent] ? (float)rhythm(p->robot, p->partition.joint[agent][i], step) : 0;
}

const struct env_script mujoco_scripts[MUJOCO_SCRIPTS] = {
    {"still", "no torque: the ant stands and earns about 1 a step, hopper and walker fall", 0, act_still},
    {"rhythm",
     "sines of the time: half_cheetah runs (about 3000 in 1000 steps), walker2d and the swimmer get on, the others as still", 0,
     act_rhythm},
};
