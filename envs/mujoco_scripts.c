/* Multi-agent MuJoCo: open-loop reference policies, which show that a body moves and how far rhythm alone gets. The numbers of the
 * cheetah's gait are the outcome of a random search over amplitude, phase and offset of each joint at one common frequency (3068 in
 * 1000 steps, mean of 20 episodes), those of the swimmer's wave of one over amplitude, frequency and phase lag of 8 links (118).
 * The same search found nothing for the ant and the hopper that pays more than no torque at all. */
#include <math.h>

#include "envs/mujoco.h"

#define GAIT_SPEED 0.88 /* radians a step */

static const struct {
    double amplitude, phase, offset;
} gait[] = {{0.90, -1.62, -0.45}, {0.77, -2.69, -0.03}, {0.56, -2.21, -0.70},
            {0.34, 1.09, -0.23},  {0.52, 1.19, -0.19},  {0.30, -2.49, 0.01}}; /* joints in the order of qpos */

static double cheetah_torque(int joint, int step)
{
    return gait[joint].amplitude * sin(GAIT_SPEED * step + gait[joint].phase) + gait[joint].offset;
}

static double swimmer_torque(int joint, int step)
{
    return 1.28 * sin(0.13 * step + 1.42 * joint);
}

static double rhythm(int robot, int joint, int step)
{
    double torque = robot == ROBOT_CHEETAH ? cheetah_torque(joint, step) : robot == ROBOT_SWIMMER ? swimmer_torque(joint, step) : 0;
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
    {"rhythm", "sines of the time: half_cheetah runs (about 3000 in 1000 steps), the swimmer swims, the others as still", 0,
     act_rhythm},
};
