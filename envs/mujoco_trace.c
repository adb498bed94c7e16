/* Multi-agent MuJoCo: single recorded cases of the reference's observations. There is no physics in them: qpos, qvel and forces are
 * arbitrary numbers, so they are checked with or without the library, and for the humanoid, whose body is not here, as well.
 *
 *   case   scenario, conf (partition), k, qpos, qvel, cfrc_ext [body][6], qfrc_actuator; and what came of them: act_ids
 *          [agent][actuator], labels [agent][distance][joint name], used_len [agent], obs [agent][obs_len] */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/mujoco.h"
#include "envs/trace.h"

struct recorded { /* a case, read */
    int robot, k, obs_len;
    struct mujoco_graph graph;
    struct mujoco_partition partition;
    struct mujoco_sizes sizes;
    double qpos[MUJOCO_NUMBERS_MAX], qvel[MUJOCO_NUMBERS_MAX], force[MUJOCO_NUMBERS_MAX], torque[MUJOCO_NUMBERS_MAX];
};

static int find_robot(const char *scenario, struct err *err)
{
    for (int i = 0; i < MUJOCO_ROBOTS && scenario; i++) {
        size_t length = strlen(mujoco_robots[i].scenario);
        if (!strncmp(scenario, mujoco_robots[i].scenario, length) && (!scenario[length] || !strcmp(scenario + length, "-v2")))
            return i;
    }
    return err_set(err, ERR_UNKNOWN, "unknown scenario \"%s\"", scenario ? scenario : "");
}

/* Gym's swimmer is the chain of two with other names for its joints. */
static int find_partition(struct recorded *c, const char *scenario, const char *conf, struct err *err)
{
    bool is_gyms = scenario && !strcmp(scenario, "Swimmer-v2");
    c->robot = is_gyms ? ROBOT_SWIMMER : find_robot(scenario, err);
    if (c->robot < 0)
        return c->robot;
    int r = mujoco_partition(c->robot, conf ? conf : "", &c->partition, &c->graph, err);
    for (int j = 0; j < c->graph.n_joints && is_gyms && !r; j++)
        snprintf(c->graph.joint[j].name, sizeof c->graph.joint[j].name, "rot%d", j + 2);
    return r;
}

/* A list of numbers, or of lists of numbers, one after the other. Returns how many; 0 for none, or more than fit. */
static int read_numbers(const json_t *list, double *out)
{
    int count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        size_t inner = json_is_array(item) ? json_array_size(item) : 1;
        for (size_t j = 0; j < inner; j++) {
            if (count == MUJOCO_NUMBERS_MAX)
                return 0;
            out[count++] = json_number_value(json_is_array(item) ? json_array_get(item, j) : item);
        }
    }
    return count;
}

static int read_case(const json_t *line, struct recorded *c, struct err *err)
{
    int r = find_partition(c, json_string_value(json_object_get(line, "scenario")),
                           json_string_value(json_object_get(line, "conf")), err);
    if (r)
        return r;
    c->k = (int)json_integer_value(json_object_get(line, "k"));
    c->obs_len = (int)json_integer_value(json_object_get(line, "obs_len"));
    c->sizes.nq = read_numbers(json_object_get(line, "qpos"), c->qpos);
    c->sizes.nv = read_numbers(json_object_get(line, "qvel"), c->qvel);
    int forces = read_numbers(json_object_get(line, "cfrc_ext"), c->force);
    int torques = read_numbers(json_object_get(line, "qfrc_actuator"), c->torque);
    bool has_force = mujoco_robots[c->robot].reads & READ_FORCE, has_torque = mujoco_robots[c->robot].reads & READ_TORQUE;
    c->sizes.nbody = has_force ? forces / 6 : 0;
    if (c->k < 0 || c->k > MUJOCO_K_MAX || c->sizes.nq < c->graph.n_joints || c->sizes.nv < c->graph.n_joints ||
        (has_force && (forces % 6 || c->sizes.nbody < 14)) || (has_torque && torques != c->sizes.nv) ||
        c->sizes.nq + 3 * c->sizes.nv + 6 * c->sizes.nbody > MUJOCO_READINGS_MAX)
        return err_set(err, ERR_FORMAT, "bad case: k %d, %d numbers of qpos, %d of qvel, %d of forces, %d of torques", c->k,
                       c->sizes.nq, c->sizes.nv, forces, torques);
    return 0;
}

static bool same_actuators(const struct recorded *c, int n, const json_t *ids, char *text, size_t size)
{
    bool is_same = json_array_size(ids) == (size_t)c->partition.count[n];
    for (int i = 0; i < c->partition.count[n] && is_same; i++)
        is_same = json_integer_value(json_array_get(ids, (size_t)i)) == c->graph.joint[c->partition.joint[n][i]].actuator;
    snprintf(text, size, "agent %d moves other actuators", n);
    return is_same;
}

/* labels [distance][joint name] */
static bool same_labels(const struct recorded *c, int n, const json_t *labels, char *text, size_t size)
{
    joint_set at[MUJOCO_K_MAX + 1];
    int8_t order[MUJOCO_JOINTS_MAX];
    mujoco_sort(&c->graph, order);
    mujoco_distances(&c->graph, &c->partition, n, c->k, at);
    for (int m = 0; m <= c->k; m++) {
        const json_t *names = json_array_get(labels, (size_t)m);
        size_t used = 0;
        for (int i = 0; i < c->graph.n_joints; i++) {
            const char *theirs = json_string_value(json_array_get(names, used)), *ours = c->graph.joint[order[i]].name;
            if (!(at[m] >> order[i] & 1))
                continue;
            used++;
            snprintf(text, size, "agent %d at distance %d: got joint %s, recorded %s", n, m, ours, theirs ? theirs : "none");
            if (!theirs || strcmp(theirs, ours))
                return false;
        }
        snprintf(text, size, "agent %d at distance %d: got %zu joints, recorded %zu", n, m, used, json_array_size(names));
        if (used != json_array_size(names))
            return false;
    }
    return true;
}

static bool same_observation(const struct recorded *c, int n, const struct mujoco_layout *layout, const double *readings,
                             const json_t *obs, double tolerance, double *largest, char *text, size_t size)
{
    int length = layout->start[n + 1] - layout->start[n];
    snprintf(text, size, "observation of agent %d: got %d of %d numbers, recorded %zu", n, length, c->obs_len,
             json_array_size(obs));
    if (json_array_size(obs) != (size_t)c->obs_len || length > c->obs_len)
        return false;
    for (int i = 0; i < c->obs_len; i++) {
        double ours = i < length ? readings[layout->gather[layout->start[n] + i]] : 0;
        double theirs = json_number_value(json_array_get(obs, (size_t)i)), difference = fabs(ours - theirs);
        *largest = fmax(*largest, difference);
        snprintf(text, size, "observation of agent %d, number %d: got %.17g, recorded %.17g", n, i, ours, theirs);
        if (!(difference <= tolerance))
            return false;
    }
    return true;
}

static int compare_case(const json_t *line, const struct trace_rule *rule, double *largest, char *text, size_t size,
                        struct err *err)
{
    struct recorded c = {.robot = 0};
    struct mujoco_layout layout;
    double readings[MUJOCO_READINGS_MAX];
    int longest = 0, r = read_case(line, &c, err);
    if (!r)
        r = mujoco_lay_out(c.robot, &c.graph, &c.partition, &c.sizes, c.k, &layout, err);
    if (r)
        return r;
    mujoco_read(c.robot, &c.sizes, c.qpos, c.qvel, c.force, c.torque, readings);
    for (int n = 0; n < c.partition.n_agents; n++) {
        size_t at = (size_t)n;
        int used = layout.start[n + 1] - layout.start[n];
        longest = used > longest ? used : longest;
        if (!same_actuators(&c, n, json_array_get(json_object_get(line, "act_ids"), at), text, size) ||
            !same_labels(&c, n, json_array_get(json_object_get(line, "labels"), at), text, size) ||
            !same_observation(&c, n, &layout, readings, json_array_get(json_object_get(line, "obs"), at),
                              rule->observation_tolerance, largest, text, size))
            return 0;
        snprintf(text, size, "agent %d: got %d numbers before padding", n, used);
        if (json_integer_value(json_array_get(json_object_get(line, "used_len"), at)) != used)
            return 0;
    }
    snprintf(text, size, "got observations of length %d, recorded %d", longest, c.obs_len);
    return longest == c.obs_len && json_array_size(json_object_get(line, "obs")) == (size_t)c.partition.n_agents;
}

const struct env_trace_ops mujoco_trace = {
    .env = "mamujoco_obs",
    .rule = {.share = 1, .observation_tolerance = 1e-12},
    .compare_case = compare_case,
};
