/* Multi-agent MuJoCo: parameters, state, robots, and the few calls of the physics library that are made (mujoco_library.c).
 *
 * The state is plain numbers; MuJoCo's own structures are scratch. A model is loaded once per process and robot and is constant
 * from then on; each thread has one mjData per model, which every step fills from the state and reads back. So environments of a
 * batch share scratch, a copy of the state is a save, and nothing is kept between steps but the state. */
#ifndef TESTUDO_ENVS_MUJOCO_H
#define TESTUDO_ENVS_MUJOCO_H

#include "envs/env.h"

#define MUJOCO_JOINTS_MAX 40   /* that actuators move */
#define MUJOCO_NUMBERS_MAX 512 /* of a state */
#define MUJOCO_EDGES_MAX 48
#define MUJOCO_GATHER_MAX 6144 /* numbers in all agents' observations together */
#define MUJOCO_K_MAX MUJOCO_JOINTS_MAX
#define MUJOCO_NAME_MAX 24

enum { ROBOT_CHEETAH, ROBOT_ANT, ROBOT_HOPPER, ROBOT_WALKER, ROBOT_SWIMMER, ROBOT_HUMANOID, MUJOCO_ROBOTS };
enum { STATE_ROBOT, STATE_OBSERVATION };

/* What a joint reads, at a distance from the agent (a set of bits). */
enum { READ_QPOS = 1, READ_QVEL = 2, READ_FORCE = 4, READ_TORQUE = 8 };

typedef uint64_t joint_set; /* bit j: joint j */

struct mujoco_joint {
    char name[MUJOCO_NAME_MAX];
    int32_t actuator;
    int32_t bodies[3]; /* whose contact forces it reads, 0 closes the list */
};

/* The graph of a robot: joints in the order of qpos, of which they are the last ones; edges join two joints or more. */
struct mujoco_graph {
    int32_t n_joints, n_edges;
    struct mujoco_joint joint[MUJOCO_JOINTS_MAX];
    joint_set edge[MUJOCO_EDGES_MAX];
};

/* How the joints are dealt out: the actuators of agent n, in the order of its action's components. */
struct mujoco_partition {
    int32_t n_agents, widest;
    int32_t count[SPEC_AGENTS_MAX];
    int8_t joint[SPEC_AGENTS_MAX][SPEC_COMPONENTS_MAX];
};

/* Where the numbers of observations come from: one row of readings, [qpos | qvel | clipped qvel | clipped forces | torques]. */
struct mujoco_sizes {
    int32_t nq, nv, nu, nbody;
};
#define MUJOCO_READINGS_MAX MUJOCO_NUMBERS_MAX

struct mujoco_layout {
    int32_t start[SPEC_AGENTS_MAX + 1]; /* agent n reads gather[start[n]] .. gather[start[n + 1] - 1] */
    int16_t gather[MUJOCO_GATHER_MAX];  /* indices into the readings */
};

struct mujoco_params {
    /* bound from rows */
    int64_t k, horizon;
    double timestep, control_cost;
    int robot, state;
    bool has_agent_id, has_contact_forces;
    char partition_text[CONFIG_TEXT_MAX];

    /* derived by prepare */
    int32_t model;       /* mujoco_library.c */
    int32_t n_numbers;   /* of a state: qpos, qvel, warm start [nv], contact forces [6 nbody] (ant) */
    int32_t O, S, full;  /* full: numbers of the single robot's observation */
    int32_t has_force;   /* the state holds contact forces */
    double step_seconds; /* of one environment step */
    struct mujoco_sizes sizes;
    struct mujoco_partition partition;
    int8_t actuator[MUJOCO_JOINTS_MAX]; /* of each joint */
    struct mujoco_layout layout;
    int16_t whole[MUJOCO_READINGS_MAX]; /* the single robot's observation, gathered likewise */
};

struct mujoco_state {
    int32_t step;
    int32_t is_broken; /* the simulation blew up on the last step; the numbers are those before it */
    double torso_x;    /* ant: of the torso's frame when the last substep began; else 0 */
    double number[];   /* [n_numbers] */
};

struct mujoco_robot {
    const char *name, *scenario; /* in the rows' choices; in the papers' names */
    const char *model;           /* in envs/models; NULL: written by mujoco_swimmer.c, or no model here */
    int substeps;
    double timestep;                       /* seconds, of a substep */
    double position_noise, velocity_noise; /* at the reset: uniform within +-; the latter normal where is_normal */
    bool is_normal;
    double alive_bonus, control_cost, contact_cost;
    int hidden;          /* leading entries of qpos that the single robot's observation leaves out */
    bool clips_velocity; /* qvel to +-10 in the single robot's observation */
    unsigned reads;      /* at distance 0; farther joints read qpos only */
};
extern const struct mujoco_robot mujoco_robots[MUJOCO_ROBOTS];

/* mujoco_robots.c: the graph of a robot (of `links` joints, for the swimmer), and a partition of it by name ("2x3"). ERR_UNKNOWN
 * lists the partitions that there are; *links is set from the name where the swimmer's length follows from it. */
void mujoco_graph(int robot, int links, struct mujoco_graph *graph);
int mujoco_partition(int robot, const char *name, struct mujoco_partition *partition, struct mujoco_graph *graph, struct err *err);

/* mujoco_observe.c: joints at distance 0..k of agent n: at[m]. */
void mujoco_distances(const struct mujoco_graph *graph, const struct mujoco_partition *partition, int n, int k, joint_set *at);
/* order [n_joints]: joints sorted by name. */
void mujoco_sort(const struct mujoco_graph *graph, int8_t *order);
/* Which readings make up the agents' observations; ERR_LIMIT when they are too many. Distances up to min(k, MUJOCO_K_MAX). */
int mujoco_lay_out(int robot, const struct mujoco_graph *graph, const struct mujoco_partition *partition,
                   const struct mujoco_sizes *sizes, int k, struct mujoco_layout *layout, struct err *err);
/* The readings of a state's numbers; force and torque may be NULL (zeros). */
void mujoco_read(int robot, const struct mujoco_sizes *sizes, const double *qpos, const double *qvel, const double *force,
                 const double *torque, double *readings);
/* The single robot's observation as a gather list; returns its length. */
int mujoco_whole(int robot, const struct mujoco_sizes *sizes, int16_t *gather);
void mujoco_observe(const void *params, const void *state, const struct env_view *view);

/* mujoco_config.c */
#define MUJOCO_ROWS 9
extern const struct config_row mujoco_rows[MUJOCO_ROWS];
extern const char *const mujoco_scenarios[];
int mujoco_scenario(const char *scenario, struct recipe *defaults, struct err *err);
int mujoco_prepare(void *params, struct err *err);
void mujoco_spec(const void *params, struct spec *spec);

/* mujoco_swimmer.c: the model of a chain of `links` driven joints as MJCF; ERR_LIMIT when size is too small. */
int mujoco_write_swimmer(int links, char *text, size_t size, struct err *err);

/* mujoco_library.c. Without MuJoCo at build time mujoco_needs is the package to install and mujoco_load fails with a line that
 * names it; nothing else is ever called then. */
extern const char *const mujoco_needs; /* NULL: nothing is missing */
/* Finds or loads a model by its text. Any thread; models live as long as the process. Also prepares this thread's scratch, so
 * that the thread that opens an environment allocates nothing when it steps; other threads do once, at their first call. */
int mujoco_load(const char *name, const char *xml, double timestep, int *model, struct mujoco_sizes *sizes, struct err *err);
void mujoco_initial(int model, double *qpos);
/* Completes a state of which qpos and qvel are set: norms, warm start, zero forces, the torso's x. */
void mujoco_settle(int model, double *number, bool has_force, double *torso_x);
/* Runs the substeps. False, and nothing changed, when the simulation blew up: a number not finite or absurd. */
bool mujoco_advance(int model, double *number, const double *control, int substeps, bool has_force, double *torso_x);
bool mujoco_is_sane(const struct mujoco_sizes *sizes, const double *number, bool has_force);
struct mujoco_limb { /* a capsule or a sphere of the robot */
    double from[3], to[3], radius;
};
int mujoco_pose(int model, const double *number, struct mujoco_limb *limbs, int max); /* returns how many */

/* A model's text by its file's name without ".xml"; generated from envs/models. NULL when there is none. */
struct mujoco_model_text {
    const char *name, *xml;
};
extern const struct mujoco_model_text mujoco_model_texts[]; /* ends with NULL */

void mujoco_render(const void *params, const void *state, char *text, size_t size); /* mujoco_draw.c */
void mujoco_draw(const void *params, const void *state, struct scene *scene);

#define MUJOCO_SCRIPTS 2
extern const struct env_script mujoco_scripts[MUJOCO_SCRIPTS]; /* mujoco_scripts.c */
extern const struct env_ops env_mujoco;
extern const struct env_trace_ops mujoco_trace;

#endif
