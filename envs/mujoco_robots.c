/* Multi-agent MuJoCo: the robots, their joints and who moves what. Names, indices and partitions are those of Peng et al. 2021,
 * "FACMAC", arXiv:2003.06709, appendix, and its code; costs, noise and endings those of the single robots (version 2 of Gym's).
 *
 * Edges: a chain of neighbours for the flat robots; the two thighs of the walker, the two of the cheetah; in the ant each ankle
 * with its hip, and all four hips at once. An edge of more than two makes all of them neighbours of each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mujoco.h"

const struct mujoco_robot mujoco_robots[MUJOCO_ROBOTS] = {
    [ROBOT_CHEETAH] = {.name = "half_cheetah",
                       .scenario = "HalfCheetah",
                       .model = "half_cheetah",
                       .substeps = 5,
                       .timestep = 0.01,
                       .position_noise = 0.1,
                       .velocity_noise = 0.1,
                       .is_normal = true,
                       .control_cost = 0.1,
                       .hidden = 1,
                       .reads = READ_QPOS | READ_QVEL},
    [ROBOT_ANT] = {.name = "ant",
                   .scenario = "Ant",
                   .model = "ant",
                   .substeps = 5,
                   .timestep = 0.01,
                   .position_noise = 0.1,
                   .velocity_noise = 0.1,
                   .is_normal = true,
                   .alive_bonus = 1,
                   .control_cost = 0.5,
                   .contact_cost = 0.0005,
                   .hidden = 2,
                   .reads = READ_QPOS | READ_QVEL | READ_FORCE},
    [ROBOT_HOPPER] = {.name = "hopper",
                      .scenario = "Hopper",
                      .model = "hopper",
                      .substeps = 4,
                      .timestep = 0.002,
                      .position_noise = 0.005,
                      .velocity_noise = 0.005,
                      .alive_bonus = 1,
                      .control_cost = 0.001,
                      .hidden = 1,
                      .clips_velocity = true,
                      .reads = READ_QPOS | READ_QVEL},
    [ROBOT_WALKER] = {.name = "walker2d",
                      .scenario = "Walker2d",
                      .model = "walker2d",
                      .substeps = 4,
                      .timestep = 0.002,
                      .position_noise = 0.005,
                      .velocity_noise = 0.005,
                      .alive_bonus = 1,
                      .control_cost = 0.001,
                      .hidden = 1,
                      .clips_velocity = true,
                      .reads = READ_QPOS | READ_QVEL},
    [ROBOT_SWIMMER] = {.name = "manyagent_swimmer",
                       .scenario = "manyagent_swimmer",
                       .substeps = 4,
                       .timestep = 0.01,
                       .position_noise = 0.1,
                       .velocity_noise = 0.1,
                       .control_cost = 0.0001,
                       .hidden = 2,
                       .reads = READ_QPOS | READ_QVEL},
    [ROBOT_HUMANOID] = {.name = "humanoid", .scenario = "Humanoid", .hidden = 2, .reads = READ_QPOS | READ_QVEL | READ_TORQUE},
};

/* Joints in the order of qpos. */
struct joint_row {
    const char *name;
    int actuator;
    int bodies[3];
};

static const struct joint_row cheetah[] = {{"bthigh", 0}, {"bshin", 1}, {"bfoot", 2}, {"fthigh", 3}, {"fshin", 4}, {"ffoot", 5}};
static const struct joint_row hopper[] = {{"thigh_joint", 0}, {"leg_joint", 1}, {"foot_joint", 2}};
static const struct joint_row walker[] = {{"thigh_joint", 0},      {"leg_joint", 1},      {"foot_joint", 2},
                                          {"thigh_left_joint", 3}, {"leg_left_joint", 4}, {"foot_left_joint", 5}};
/* Bodies of leg l: the strut 3l - 1, upper 3l, lower 3l + 1; 1 is the torso. */
static const struct joint_row ant[] = {
    {"hip1", 2, {1, 2}}, {"ankle1", 3, {2, 3, 4}},  {"hip2", 4, {1, 5}},  {"ankle2", 5, {5, 6, 7}},
    {"hip3", 6, {1, 8}}, {"ankle3", 7, {8, 9, 10}}, {"hip4", 0, {1, 11}}, {"ankle4", 1, {11, 12, 13}},
};
static const struct joint_row humanoid[] = {
    {"abdomen_z", 1},       {"abdomen_y", 0},        {"abdomen_x", 2},        {"right_hip_x", 3},  {"right_hip_z", 4},
    {"right_hip_y", 5},     {"right_knee", 6},       {"left_hip_x", 7},       {"left_hip_z", 8},   {"left_hip_y", 9},
    {"left_knee", 10},      {"right_shoulder1", 11}, {"right_shoulder2", 12}, {"right_elbow", 13}, {"left_shoulder1", 14},
    {"left_shoulder2", 15}, {"left_elbow", 16},
};

/* Edges by joint names. */
static const char *const cheetah_edges[] = {"bfoot bshin", "bshin bthigh", "bthigh fthigh", "fthigh fshin", "fshin ffoot", NULL};
static const char *const ant_edges[] = {"ankle4 hip4", "ankle1 hip1", "ankle2 hip2", "ankle3 hip3", "hip4 hip1 hip2 hip3", NULL};
static const char *const hopper_edges[] = {"foot_joint leg_joint", "leg_joint thigh_joint", NULL};
static const char *const walker_edges[] = {"foot_joint leg_joint",           "leg_joint thigh_joint",
                                           "foot_left_joint leg_left_joint", "leg_left_joint thigh_left_joint",
                                           "thigh_joint thigh_left_joint",   NULL};
static const char *const humanoid_edges[] = {"abdomen_x abdomen_y abdomen_z",
                                             "right_hip_x right_hip_y right_hip_z right_knee",
                                             "left_hip_x left_hip_y left_hip_z left_knee",
                                             "left_elbow left_shoulder1 left_shoulder2",
                                             "right_elbow right_shoulder1 right_shoulder2",
                                             "left_shoulder1 left_shoulder2 abdomen_x abdomen_y abdomen_z",
                                             "right_shoulder1 right_shoulder2 abdomen_x abdomen_y abdomen_z",
                                             "abdomen_x abdomen_y abdomen_z left_hip_x left_hip_y left_hip_z",
                                             "abdomen_x abdomen_y abdomen_z right_hip_x right_hip_y right_hip_z",
                                             NULL};

static const struct {
    const struct joint_row *joints;
    int count;
    const char *const *edges;
} bodies[MUJOCO_ROBOTS] = {
    [ROBOT_CHEETAH] = {cheetah, ARRAY_LEN(cheetah), cheetah_edges},     [ROBOT_ANT] = {ant, ARRAY_LEN(ant), ant_edges},
    [ROBOT_HOPPER] = {hopper, ARRAY_LEN(hopper), hopper_edges},         [ROBOT_WALKER] = {walker, ARRAY_LEN(walker), walker_edges},
    [ROBOT_HUMANOID] = {humanoid, ARRAY_LEN(humanoid), humanoid_edges},
};

/* Agents by ';', each with its joints in the order of its action. The published code has the first two of the cheetah; 3x2 is a
 * variant of a later paper. */
static const struct {
    int robot;
    const char *name, *agents;
} partitions[] = {
    {ROBOT_CHEETAH, "2x3", "bfoot bshin bthigh;ffoot fshin fthigh"},
    {ROBOT_CHEETAH, "6x1", "bfoot;bshin;bthigh;ffoot;fshin;fthigh"},
    {ROBOT_CHEETAH, "3x2", "bfoot bshin;bthigh ffoot;fshin fthigh"},
    {ROBOT_ANT, "2x4", "hip1 ankle1 hip2 ankle2;hip3 ankle3 hip4 ankle4"},
    {ROBOT_ANT, "2x4d", "hip1 ankle1 hip3 ankle3;hip2 ankle2 hip4 ankle4"},
    {ROBOT_ANT, "4x2", "hip1 ankle1;hip2 ankle2;hip3 ankle3;hip4 ankle4"},
    {ROBOT_HOPPER, "3x1", "thigh_joint;leg_joint;foot_joint"},
    {ROBOT_WALKER, "2x3", "foot_joint leg_joint thigh_joint;foot_left_joint leg_left_joint thigh_left_joint"},
    {ROBOT_HUMANOID, "9|8",
     "left_shoulder1 left_shoulder2 abdomen_x abdomen_y abdomen_z right_shoulder1 right_shoulder2 right_elbow left_elbow;"
     "left_hip_x left_hip_y left_hip_z right_hip_x right_hip_y right_hip_z right_knee left_knee"},
};

static int find_joint(const struct mujoco_graph *graph, const char *name, size_t length)
{
    for (int j = 0; j < graph->n_joints; j++)
        if (strlen(graph->joint[j].name) == length && !strncmp(graph->joint[j].name, name, length))
            return j;
    ASSERT(!"a joint of the tables above");
    return -1;
}

/* The next word of a list that is separated by blanks and ends with a NUL or ';'. NULL when none is left. */
static const char *next_word(const char **at, size_t *length)
{
    while (**at == ' ')
        ++*at;
    const char *word = *at;
    *length = strcspn(word, " ;");
    *at += *length;
    return *length ? word : NULL;
}

static joint_set joints_of(const struct mujoco_graph *graph, const char *edge)
{
    joint_set set = 0;
    size_t length;
    for (const char *word; (word = next_word(&edge, &length));)
        set |= (joint_set)1 << find_joint(graph, word, length);
    return set;
}

static void make_chain(int links, struct mujoco_graph *graph)
{
    *graph = (struct mujoco_graph){.n_joints = links, .n_edges = links - 1};
    for (int j = 0; j < links; j++) {
        snprintf(graph->joint[j].name, sizeof graph->joint[j].name, "rot%d", j);
        graph->joint[j].actuator = j;
        if (j)
            graph->edge[j - 1] = (joint_set)3 << (j - 1);
    }
}

void mujoco_graph(int robot, int links, struct mujoco_graph *graph)
{
    if (robot == ROBOT_SWIMMER) {
        make_chain(links, graph);
        return;
    }
    *graph = (struct mujoco_graph){.n_joints = bodies[robot].count};
    for (int j = 0; j < graph->n_joints; j++) {
        const struct joint_row *row = &bodies[robot].joints[j];
        graph->joint[j].actuator = row->actuator;
        snprintf(graph->joint[j].name, sizeof graph->joint[j].name, "%s", row->name);
        memcpy(graph->joint[j].bodies, row->bodies, sizeof row->bodies);
    }
    for (const char *const *edge = bodies[robot].edges; *edge; edge++)
        graph->edge[graph->n_edges++] = joints_of(graph, *edge);
}

static void deal_out(const struct mujoco_graph *graph, const char *agents, struct mujoco_partition *partition)
{
    size_t length;
    for (bool is_first = true; is_first || *agents == ';'; is_first = false) {
        agents += *agents == ';';
        int n = partition->n_agents++;
        for (const char *word; (word = next_word(&agents, &length));)
            partition->joint[n][partition->count[n]++] = (int8_t)find_joint(graph, word, length);
    }
}

/* "AxB": A agents with B joints of the chain each. */
static int split_chain(const char *name, struct mujoco_partition *partition, struct mujoco_graph *graph, struct err *err)
{
    int agents, each, used = 0;
    if (sscanf(name, "%2dx%2d%n", &agents, &each, &used) != 2 || name[used] || agents < 1 || each < 1 || agents * each < 2 ||
        agents * each > MUJOCO_JOINTS_MAX || each > SPEC_COMPONENTS_MAX)
        return err_set(err, ERR_UNKNOWN, "unknown partition \"%s\" of manyagent_swimmer: expected AxB, A agents of B joints, %s%d",
                       name, "2 joints at least and at most ", MUJOCO_JOINTS_MAX);
    mujoco_graph(ROBOT_SWIMMER, agents * each, graph);
    partition->n_agents = agents;
    for (int j = 0; j < agents * each; j++)
        partition->joint[j / each][partition->count[j / each]++] = (int8_t)j;
    return 0;
}

static int unknown_partition(int robot, const char *name, struct err *err)
{
    char known[128] = "";
    for (size_t i = 0; i < ARRAY_LEN(partitions); i++)
        if (partitions[i].robot == robot)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", *known ? ", " : "", partitions[i].name);
    return err_set(err, ERR_UNKNOWN, "unknown partition \"%s\" of %s; known: %s", name, mujoco_robots[robot].name, known);
}

int mujoco_partition(int robot, const char *name, struct mujoco_partition *partition, struct mujoco_graph *graph, struct err *err)
{
    size_t i = 0;
    int r = 0;
    memset(partition, 0, sizeof *partition);
    while (i < ARRAY_LEN(partitions) && (partitions[i].robot != robot || strcmp(partitions[i].name, name)))
        i++;
    if (robot == ROBOT_SWIMMER) {
        r = split_chain(name, partition, graph, err);
    } else if (i == ARRAY_LEN(partitions)) {
        r = unknown_partition(robot, name, err);
    } else {
        mujoco_graph(robot, 0, graph);
        deal_out(graph, partitions[i].agents, partition);
    }
    for (int n = 0; n < partition->n_agents; n++)
        partition->widest = partition->count[n] > partition->widest ? partition->count[n] : partition->widest;
    return r;
}
