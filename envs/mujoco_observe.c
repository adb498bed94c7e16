/* Multi-agent MuJoCo: what the agents see.
 *
 * Joints at distance 0 are the agent's own; at distance m + 1 the neighbours, through edges, of those at m, if not seen before. An
 * observation goes through the distances 0..k, at each through the joints sorted by name (not in the order of the action):
 *
 *   distance 0      qpos, qvel of the joint (hopper: qvel clipped to +-10); ant also the contact forces on its bodies, 6 numbers
 *                   each clipped to +-1, a body once per observation; humanoid also the actuator's torque
 *   distance >= 1   qpos
 *
 * The root is not observed. Shorter rows are padded with zeros. env.k = -1: everybody sees what the single robot sees: qpos without
 * the first entries (place on the ground), qvel (hopper, walker: clipped to +-10), ant also all contact forces.
 *
 * All of this is decided once: an observation is a list of indices into a row of readings. */
#include <stdlib.h>
#include <string.h>

#include "envs/mujoco.h"

#define VELOCITY_CLIP 10.0
#define FORCE_CLIP 1.0
#define FORCE_NUMBERS 6

/* Joints and graphs */

static joint_set neighbours(const struct mujoco_graph *graph, joint_set of)
{
    joint_set found = 0;
    for (int e = 0; e < graph->n_edges; e++) {
        joint_set touched = graph->edge[e] & of;
        /* Every joint of the edge but the one that looks; two that look see each other, too. */
        if (touched)
            found |= touched & (touched - 1) ? graph->edge[e] : graph->edge[e] & ~touched;
    }
    return found;
}

void mujoco_distances(const struct mujoco_graph *graph, const struct mujoco_partition *partition, int n, int k, joint_set *at)
{
    joint_set seen = 0;
    at[0] = 0;
    for (int i = 0; i < partition->count[n]; i++)
        at[0] |= (joint_set)1 << partition->joint[n][i];
    for (int m = 1; m <= k; m++) {
        seen |= at[m - 1];
        at[m] = neighbours(graph, at[m - 1]) & ~seen;
    }
}

/* Insertion sort; the lists are short. "rot10" comes before "rot2", as in the reference. */
void mujoco_sort(const struct mujoco_graph *graph, int8_t *order)
{
    for (int j = 0; j < graph->n_joints; j++) {
        int at = j;
        for (; at > 0 && strcmp(graph->joint[order[at - 1]].name, graph->joint[j].name) > 0; at--)
            order[at] = order[at - 1];
        order[at] = (int8_t)j;
    }
}

/* Readings */

static int qvel_at(const struct mujoco_sizes *sizes)
{
    return sizes->nq;
}
static int clipped_qvel_at(const struct mujoco_sizes *sizes)
{
    return sizes->nq + sizes->nv;
}
static int force_at(const struct mujoco_sizes *sizes)
{
    return sizes->nq + 2 * sizes->nv;
}
static int torque_at(const struct mujoco_sizes *sizes)
{
    return force_at(sizes) + FORCE_NUMBERS * sizes->nbody;
}

static double clip(double x, double bound)
{
    return x < -bound ? -bound : x > bound ? bound : x;
}

void mujoco_read(int robot, const struct mujoco_sizes *sizes, const double *qpos, const double *qvel, const double *force,
                 const double *torque, double *readings)
{
    bool has_force = mujoco_robots[robot].reads & READ_FORCE;
    memcpy(readings, qpos, (size_t)sizes->nq * sizeof *qpos);
    for (int i = 0; i < sizes->nv; i++) {
        readings[qvel_at(sizes) + i] = qvel[i];
        readings[clipped_qvel_at(sizes) + i] = clip(qvel[i], VELOCITY_CLIP);
    }
    for (int i = 0; i < FORCE_NUMBERS * sizes->nbody && has_force; i++)
        readings[force_at(sizes) + i] = force ? clip(force[i], FORCE_CLIP) : 0;
    for (int i = 0; i < sizes->nv && mujoco_robots[robot].reads & READ_TORQUE; i++)
        readings[torque_at(sizes) + i] = torque ? torque[i] : 0;
}

/* Layout */

struct writer {
    struct mujoco_layout *layout;
    int count;
    uint64_t has_body; /* bit b: body b's forces are in the observation already */
};

static void put(struct writer *writer, int reading)
{
    if (writer->count < MUJOCO_GATHER_MAX)
        writer->layout->gather[writer->count] = (int16_t)reading;
    writer->count++;
}

static void put_forces(const struct mujoco_joint *joint, const struct mujoco_sizes *sizes, struct writer *writer)
{
    for (int i = 0; i < 3 && joint->bodies[i]; i++) {
        uint64_t bit = (uint64_t)1 << joint->bodies[i];
        for (int c = 0; c < FORCE_NUMBERS && !(writer->has_body & bit); c++)
            put(writer, force_at(sizes) + FORCE_NUMBERS * joint->bodies[i] + c);
        writer->has_body |= bit;
    }
}

static void put_joint(int robot, const struct mujoco_graph *graph, const struct mujoco_sizes *sizes, int j, bool is_own,
                      struct writer *writer)
{
    unsigned reads = is_own ? mujoco_robots[robot].reads : READ_QPOS;
    int from_end = graph->n_joints - j, velocity = sizes->nv - from_end;
    put(writer, sizes->nq - from_end);
    if (reads & READ_QVEL)
        put(writer, (robot == ROBOT_HOPPER ? clipped_qvel_at(sizes) : qvel_at(sizes)) + velocity);
    if (reads & READ_FORCE)
        put_forces(&graph->joint[j], sizes, writer);
    if (reads & READ_TORQUE)
        put(writer, torque_at(sizes) + velocity);
}

int mujoco_lay_out(int robot, const struct mujoco_graph *graph, const struct mujoco_partition *partition,
                   const struct mujoco_sizes *sizes, int k, struct mujoco_layout *layout, struct err *err)
{
    struct writer writer = {.layout = layout};
    int8_t order[MUJOCO_JOINTS_MAX];
    joint_set at[MUJOCO_K_MAX + 1];
    k = k < MUJOCO_K_MAX ? k : MUJOCO_K_MAX;
    mujoco_sort(graph, order);
    for (int n = 0; n < partition->n_agents; n++) {
        layout->start[n] = writer.count;
        writer.has_body = 0;
        mujoco_distances(graph, partition, n, k, at);
        for (int m = 0; m <= k; m++)
            for (int i = 0; i < graph->n_joints; i++)
                if (at[m] >> order[i] & 1)
                    put_joint(robot, graph, sizes, order[i], m == 0, &writer);
    }
    layout->start[partition->n_agents] = writer.count;
    if (writer.count > MUJOCO_GATHER_MAX)
        return err_set(err, ERR_LIMIT, "observations of %d agents are too long: %d numbers, expected at most %d",
                       partition->n_agents, writer.count, MUJOCO_GATHER_MAX);
    return 0;
}

int mujoco_whole(int robot, const struct mujoco_sizes *sizes, int16_t *gather)
{
    const struct mujoco_robot *type = &mujoco_robots[robot];
    int count = 0;
    for (int i = type->hidden; i < sizes->nq; i++)
        gather[count++] = (int16_t)i;
    for (int i = 0; i < sizes->nv; i++)
        gather[count++] = (int16_t)((type->clips_velocity ? clipped_qvel_at(sizes) : qvel_at(sizes)) + i);
    for (int i = 0; i < FORCE_NUMBERS * sizes->nbody && type->reads & READ_FORCE; i++)
        gather[count++] = (int16_t)(force_at(sizes) + i);
    return count;
}

/* A row of `width`: the readings listed, the agent's index one-hot if asked for, zeros. */
static void put_row(const struct mujoco_params *p, const double *readings, const int16_t *gather, int count, int agent, int width,
                    float *row)
{
    int N = p->partition.n_agents, id = width - (p->has_agent_id ? N : 0);
    for (int i = 0; i < count; i++)
        row[i] = (float)readings[gather[i]];
    memset(row + count, 0, (size_t)(width - count) * sizeof *row);
    if (p->has_agent_id)
        row[id + agent] = 1;
}

void mujoco_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct mujoco_params *p = params;
    const struct mujoco_state *g = state;
    double readings[MUJOCO_READINGS_MAX];
    const double *qvel = g->number + p->sizes.nq, *force = p->has_force ? qvel + 2 * p->sizes.nv : NULL;
    mujoco_read(p->robot, &p->sizes, g->number, qvel, force, NULL, readings);
    for (int n = 0; n < p->partition.n_agents; n++) {
        const int16_t *gather = p->k < 0 ? p->whole : p->layout.gather + p->layout.start[n];
        int count = p->k < 0 ? p->full : p->layout.start[n + 1] - p->layout.start[n];
        put_row(p, readings, gather, count, n, p->O, view->observation + n * p->O);
        if (p->state == STATE_ROBOT)
            put_row(p, readings, p->whole, p->full, n, p->S, view->state + n * p->S);
    }
    memset(view->available, 1, (size_t)(p->partition.n_agents * p->partition.widest));
    memset(view->alive, 1, (size_t)p->partition.n_agents);
}
