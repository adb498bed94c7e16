/* Multi-agent MuJoCo: rows, names of scenarios ("HalfCheetah-2x3", with -v2 in the middle if one likes), and what follows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/mujoco.h"

#define MODEL_TEXT_MAX 32768

#define KEY(key, kind, field, fallback, low, high, unit, choices, help)                                   \
    {                                                                                                     \
        "env." key, kind, offsetof(struct mujoco_params, field), fallback, low, high, unit, choices, help \
    }
const struct config_row mujoco_rows[MUJOCO_ROWS] = {
    KEY("robot", CONFIG_CHOICE, robot, "half_cheetah", 0, 0, "", "half_cheetah|ant|hopper|walker2d|manyagent_swimmer",
        "which body"),
    KEY("partition", CONFIG_TEXT, partition_text, "2x3", 0, 0, "", NULL,
        "who moves which joints, agents x joints: half_cheetah 2x3, 6x1, 3x2; ant 2x4, 2x4d, 4x2; hopper 3x1; walker2d 2x3; the "
        "swimmer any AxB and as many links as that takes"),
    KEY("k", CONFIG_INT, k, "1", -1, MUJOCO_K_MAX, "joints", NULL,
        "how far along the body an agent sees; -1: all, as the single robot"),
    KEY("horizon", CONFIG_INT, horizon, "1000", 1, 1000000, "steps", NULL, "time limit of an episode; it truncates"),
    KEY("agent_id", CONFIG_BOOL, has_agent_id, "true", 0, 0, "", NULL,
        "append the agent's index one-hot to observation and state, as the papers' wrapper does"),
    KEY("state", CONFIG_CHOICE, state, "robot", 0, 0, "", "robot|observation",
        "what the critic sees: the single robot's observation, or the agent's own"),
    KEY("contact_forces", CONFIG_BOOL, has_contact_forces, "true", 0, 0, "", NULL,
        "fill the ant's contact forces, and with them its contact cost; false: zeros, as older installations of the reference had"),
    KEY("timestep", CONFIG_REAL, timestep, "0", 0, 0.1, "s", NULL,
        "of a substep; 0: the robot's own. The released many-agent swimmer has 0.005, its earlier form and Gym's swimmer 0.01"),
    KEY("control_cost", CONFIG_REAL, control_cost, "-1", -1, 100, "", NULL, "weight of the squared actions; -1: the robot's own"),
};
#undef KEY

const char *const mujoco_scenarios[] = {"HalfCheetah-2x3", "HalfCheetah-6x1",       "Ant-2x4", "Ant-4x2", "Hopper-3x1",
                                        "Walker2d-2x3",    "manyagent_swimmer-4x2", NULL};

static int unknown_scenario(const char *scenario, struct err *err)
{
    return err_set(err, ERR_UNKNOWN,
                   "unknown scenario \"%s\" of mujoco: expected HalfCheetah, Ant, Hopper, Walker2d or manyagent_swimmer, '-', and "
                   "a partition like 2x3",
                   scenario);
}

int mujoco_scenario(const char *scenario, struct recipe *defaults, struct err *err)
{
    for (int i = 0; i < ROBOT_HUMANOID; i++) {
        const char *name = mujoco_robots[i].scenario, *rest = scenario + strlen(name);
        if (strncmp(scenario, name, strlen(name)))
            continue;
        if (!strncmp(rest, "-v2", 3))
            rest += 3;
        if (*rest != '-' || !rest[1] || strlen(rest) >= CONFIG_TEXT_MAX)
            return unknown_scenario(scenario, err);
        int r = recipe_set(defaults, "env.robot", mujoco_robots[i].name, scenario, err);
        return r ? r : recipe_set(defaults, "env.partition", rest + 1, scenario, err);
    }
    return unknown_scenario(scenario, err);
}

/* Preparing */

static const char *find_model(const char *name)
{
    for (const struct mujoco_model_text *model = mujoco_model_texts; model->name; model++)
        if (!strcmp(model->name, name))
            return model->xml;
    return NULL;
}

static int load(struct mujoco_params *p, int links, struct err *err)
{
    const struct mujoco_robot *robot = &mujoco_robots[p->robot];
    char swimmer[MODEL_TEXT_MAX];
    const char *xml = robot->model ? find_model(robot->model) : swimmer;
    int r = robot->model ? 0 : mujoco_write_swimmer(links, swimmer, sizeof swimmer, err);
    ASSERT(xml);
    if (p->timestep == 0)
        p->timestep = robot->timestep;
    return r ? r : mujoco_load(robot->name, xml, p->timestep, &p->model, &p->sizes, err);
}

static void derive(struct mujoco_params *p, const struct mujoco_graph *graph)
{
    int longest = 0, N = p->partition.n_agents, id = p->has_agent_id ? N : 0;
    for (int j = 0; j < graph->n_joints; j++)
        p->actuator[j] = (int8_t)graph->joint[j].actuator;
    for (int n = 0; n < N; n++) {
        int length = p->layout.start[n + 1] - p->layout.start[n];
        longest = length > longest ? length : longest;
    }
    p->has_force = p->robot == ROBOT_ANT && p->has_contact_forces;
    p->n_numbers = p->sizes.nq + 2 * p->sizes.nv + (p->has_force ? 6 * p->sizes.nbody : 0);
    p->full = mujoco_whole(p->robot, &p->sizes, p->whole);
    p->O = (p->k < 0 ? p->full : longest) + id;
    p->S = p->state == STATE_ROBOT ? p->full + id : p->O;
    p->step_seconds = p->timestep * mujoco_robots[p->robot].substeps;
    if (p->control_cost < 0)
        p->control_cost = mujoco_robots[p->robot].control_cost;
}

int mujoco_prepare(void *params, struct err *err)
{
    struct mujoco_params *p = params;
    struct mujoco_graph graph;
    int r = mujoco_partition(p->robot, p->partition_text, &p->partition, &graph, err);
    if (!r)
        r = load(p, graph.n_joints, err);
    if (!r)
        r = mujoco_lay_out(p->robot, &graph, &p->partition, &p->sizes, p->k < 0 ? 0 : (int)p->k, &p->layout, err);
    if (r)
        return r;
    derive(p, &graph);
    ASSERT(p->sizes.nu == graph.n_joints && p->n_numbers <= MUJOCO_NUMBERS_MAX);
    ASSERT(p->sizes.nq + 2 * p->sizes.nv + (p->robot == ROBOT_ANT ? 6 * p->sizes.nbody : 0) <= MUJOCO_READINGS_MAX);
    return 0;
}

/* Describing */

static int add_block(struct spec *spec, int start, int width, const char *name)
{
    if (width <= 0 || spec->n_blocks == SPEC_BLOCKS_MAX)
        return start;
    struct spec_block *block = &spec->blocks[spec->n_blocks++];
    snprintf(block->name, sizeof block->name, "%s", name);
    block->start = start;
    block->width = width;
    return start + width;
}

/* Agents' rows differ in their joints, so the blocks say what is where by distance, as far as it is the same for all. */
static void describe_layout(const struct mujoco_params *p, int length, struct spec *spec)
{
    struct mujoco_layout own = {.start = {0}};
    struct mujoco_partition deal;
    struct mujoco_graph graph;
    struct err err;
    int first = INT32_MAX;
    if (mujoco_partition(p->robot, p->partition_text, &deal, &graph, &err) ||
        mujoco_lay_out(p->robot, &graph, &deal, &p->sizes, 0, &own, &err))
        return;
    for (int n = 0; n < deal.n_agents; n++)
        first = own.start[n + 1] - own.start[n] < first ? own.start[n + 1] - own.start[n] : first;
    add_block(spec, add_block(spec, 0, first, "own joints"), length - first, "farther joints");
}

static void describe_whole(const struct mujoco_params *p, struct spec *spec)
{
    int at = add_block(spec, 0, p->sizes.nq - mujoco_robots[p->robot].hidden, "qpos");
    at = add_block(spec, at, p->sizes.nv, "qvel");
    add_block(spec, at, p->full - at, "contact forces");
}

void mujoco_spec(const void *params, struct spec *spec)
{
    const struct mujoco_params *p = params;
    int N = p->partition.n_agents, id = p->has_agent_id ? N : 0;
    *spec = (struct spec){.N = N,
                          .O = p->O,
                          .S = p->S,
                          .A = p->partition.widest,
                          .horizon = (int32_t)p->horizon,
                          .action = ACTION_BOX,
                          .state_is_observation = p->state == STATE_OBSERVATION,
                          .return_min = -INFINITY,
                          .return_max = INFINITY};
    for (int i = 0; i < spec->A; i++)
        spec->components[i] = (struct spec_component){.low = -1, .high = 1};
    if (p->k < 0)
        describe_whole(p, spec);
    else
        describe_layout(p, p->O - id, spec);
    add_block(spec, p->O - id, id, "id");
}
