/* Multi-agent MuJoCo: one robot, its joints dealt out among several agents, who are paid as one.
 *
 * Sources: Peng et al. 2021, "FACMAC: factored multi-agent centralised policy gradients", arXiv:2003.06709, and its code for the
 * partitions and the agents' observations (mujoco_robots.c, mujoco_observe.c); Gym's single robots, version 2, for the rest;
 * Todorov, Erez, Tassa 2012, doi 10.1109/IROS.2012.6386109, for the physics, which is the packaged library. The models are our own
 * MJCF with the published bodies' numbers: half_cheetah, ant and the swimmer move bit for bit as the published files do, hopper and
 * walker2d to rounding (1e-15 a step), since their frames lie in the joints.
 *
 *   robot               nq/nv/nu      substeps x dt   reward a step                           terminated when
 *   half_cheetah        9/9/6         5 x 0.01        dx/dt - 0.1 sum a^2                     -
 *   ant                 15/14/8       5 x 0.01        dx/dt + 1 - 0.5 sum a^2                 z outside [0.2, 1]
 *                                                     - 0.0005 sum f^2
 *   hopper              6/6/3         4 x 0.002       dx/dt + 1 - 0.001 sum a^2               z <= 0.7, |angle| >= 0.2, or
 *                                                                                             an angle or speed >= 100
 *   walker2d            9/9/6         4 x 0.002       the same                                z outside (0.8, 2), |angle| >= 1
 *   manyagent_swimmer   3+n/3+n/n     4 x 0.01        dx/dt - 0.0001 sum a^2                  -
 *
 * x: of the root; in the ant, as in its code, of the torso's frame as the last substep left it, which lags one substep behind.
 * f: the contact forces on all bodies, clipped to +-1. a: actions of all joints, after clipping. dt: of the whole step. Everybody
 * gets the same reward. The time limit (1000) truncates.
 *
 *   action component i of an agent: torque on its i-th joint, in [-1,1] of the actuator's range; numbers outside are clipped, what
 *   is not finite counts as 0.
 *
 * Reset: the model's initial pose, qpos and qvel with uniform noise of 0.1 (swimmer), 0.005 (hopper, walker) or, for cheetah and
 * ant, qpos uniform 0.1 and qvel normal 0.1. The critic's state is the single robot's observation and the agent's index one-hot.
 *
 * A simulation that blows up (a number not finite or beyond 1e6) ends the episode as terminated, with reward 0 and the numbers
 * of the step before. Older installations of the reference never filled the ant's contact forces: env.contact_forces=false. */
#include "envs/mujoco.h"

#include <math.h>
#include <string.h>

static size_t mujoco_state_bytes(const void *params)
{
    const struct mujoco_params *p = params;
    return sizeof(struct mujoco_state) + (size_t)p->n_numbers * sizeof(double);
}

static int mujoco_check_state(const void *params, const void *state, struct err *err)
{
    const struct mujoco_params *p = params;
    const struct mujoco_state *g = state;
    bool is_good = g->step >= 0 && g->step <= p->horizon && (g->is_broken & ~1) == 0 && fabs(g->torso_x) <= 1e6 &&
                   (p->robot == ROBOT_ANT || g->torso_x == 0) && mujoco_is_sane(&p->sizes, g->number, p->has_force);
    if (!is_good)
        return err_set(err, ERR_FORMAT, "bad mujoco state at step %d of %lld: a number is out of range", g->step,
                       (long long)p->horizon);
    return 0;
}

static double uniform(struct rng *rng, double bound)
{
    return (2 * rng_double(rng) - 1) * bound;
}

static void mujoco_reset(const void *params, void *state, struct rng *rng)
{
    const struct mujoco_params *p = params;
    const struct mujoco_robot *robot = &mujoco_robots[p->robot];
    struct mujoco_state *g = state;
    memset(g, 0, mujoco_state_bytes(p));
    mujoco_initial(p->model, g->number);
    for (int i = 0; i < p->sizes.nq; i++)
        g->number[i] += uniform(rng, robot->position_noise);
    for (int i = 0; i < p->sizes.nv; i++)
        g->number[p->sizes.nq + i] =
            robot->is_normal ? robot->velocity_noise * rng_normal(rng) : uniform(rng, robot->velocity_noise);
    mujoco_settle(p->model, g->number, p->has_force, p->robot == ROBOT_ANT ? &g->torso_x : NULL);
}

/* Rewards and endings */

static double squares(const double *numbers, int count, double bound)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        double x = fmax(-bound, fmin(bound, numbers[i]));
        sum += x * x;
    }
    return sum;
}

static double place(const struct mujoco_params *p, const struct mujoco_state *g)
{
    return p->robot == ROBOT_ANT ? g->torso_x : g->number[0];
}

static double reward_of(const struct mujoco_params *p, const struct mujoco_state *g, double x_before, const double *control)
{
    const struct mujoco_robot *robot = &mujoco_robots[p->robot];
    double reward = (place(p, g) - x_before) / p->step_seconds + robot->alive_bonus;
    reward -= p->control_cost * squares(control, p->sizes.nu, 1);
    if (p->has_force)
        reward -= robot->contact_cost * squares(g->number + p->sizes.nq + 2 * p->sizes.nv, 6 * p->sizes.nbody, 1);
    return reward;
}

static bool ant_fell(const double *qpos)
{
    return qpos[2] < 0.2 || qpos[2] > 1;
}

static bool hopper_fell(const struct mujoco_params *p, const double *number)
{
    bool is_wild = false;
    for (int i = 2; i < p->sizes.nq + p->sizes.nv; i++)
        is_wild |= fabs(number[i]) >= 100;
    return number[1] <= 0.7 || fabs(number[2]) >= 0.2 || is_wild;
}

static bool walker_fell(const double *qpos)
{
    return qpos[1] <= 0.8 || qpos[1] >= 2 || fabs(qpos[2]) >= 1;
}

static bool has_ended(const struct mujoco_params *p, const struct mujoco_state *g)
{
    return g->is_broken || (p->robot == ROBOT_ANT && ant_fell(g->number)) ||
           (p->robot == ROBOT_HOPPER && hopper_fell(p, g->number)) || (p->robot == ROBOT_WALKER && walker_fell(g->number));
}

/* Step */

static double clipped(float number)
{
    return !isfinite(number) ? 0 : fmax(-1, fmin(1, (double)number));
}

/* control [nu], by actuator. */
static void read_control(const struct mujoco_params *p, const float *action, double *control)
{
    const struct mujoco_partition *deal = &p->partition;
    for (int n = 0; n < deal->n_agents; n++)
        for (int i = 0; i < deal->count[n]; i++)
            control[p->actuator[deal->joint[n][i]]] = clipped(action[n * deal->widest + i]);
}

static void mujoco_step(const void *params, void *state, const struct env_action *action, struct rng *rng,
                        const struct env_result *result)
{
    (void)rng;
    const struct mujoco_params *p = params;
    struct mujoco_state *g = state;
    double control[MUJOCO_JOINTS_MAX] = {0}, x_before = place(p, g);
    read_control(p, action->real, control);
    g->step++;
    g->is_broken = !mujoco_advance(p->model, g->number, control, mujoco_robots[p->robot].substeps, p->has_force,
                                   p->robot == ROBOT_ANT ? &g->torso_x : NULL);
    float reward = g->is_broken ? 0 : (float)reward_of(p, g, x_before, control);
    for (int n = 0; n < p->partition.n_agents; n++)
        result->reward[n] = reward;
    *result->terminated = has_ended(p, g);
    *result->truncated = !*result->terminated && g->step >= p->horizon;
}

static void mujoco_outcome(const void *params, const void *state, struct env_outcome *outcome)
{
    const struct mujoco_params *p = params;
    const struct mujoco_state *g = state;
    *outcome = (struct env_outcome){.has_success = false};
    outcome->info[0] = (float)place(p, g);
    outcome->info[1] = (float)g->is_broken;
}

static const char *const info[] = {"distance forward", "blew up", NULL};

const struct env_ops env_mujoco = {
    .name = "mujoco",
    .summary = "multi-agent MuJoCo: the joints of one robot dealt out among agents (needs libmujoco-dev when built)",
    .needs = &mujoco_needs,
    .rows = mujoco_rows,
    .n_rows = MUJOCO_ROWS,
    .params_bytes = sizeof(struct mujoco_params),
    .scenario = mujoco_scenario,
    .scenarios = mujoco_scenarios,
    .prepare = mujoco_prepare,
    .spec = mujoco_spec,
    .state_bytes = mujoco_state_bytes,
    .check_state = mujoco_check_state,
    .reset = mujoco_reset,
    .observe = mujoco_observe,
    .step = mujoco_step,
    .outcome = mujoco_outcome,
    .info = info,
    .render = mujoco_render,
    .draw = mujoco_draw,
    .trace = &mujoco_trace,
    .scripts = mujoco_scripts,
    .n_scripts = MUJOCO_SCRIPTS,
};
