/* Parameters and state of the drone swarm, shared by its files: rules (quads.c), rows (quads_config.c), flight of one drone
 * (quads_flight.c), random numbers (quads_noise.c), collisions (quads_collide.c), goals (quads_goals.c), observations
 * (quads_observe.c), the script and the trace part. */
#ifndef TESTUDO_ENVS_QUADS_H
#define TESTUDO_ENVS_QUADS_H

#include "envs/env.h"

#define QUADS_DRONES_MAX 16
#define QUADS_MOTORS 4
#define QUADS_PI 3.14159265358979323846

/* A Crazyflie and its room, in metres, kilograms, seconds, newtons. */
#define QUADS_SUBSTEP_S 0.005
#define QUADS_SUBSTEPS 2
#define QUADS_STEPS_PER_S 100
#define QUADS_GRAVITY 9.81
#define QUADS_MASS 0.028000000000000008 /* summed from parts upstream, hence the last digit */
#define QUADS_INERTIA_X 1.3669232142857143e-05
#define QUADS_INERTIA_Y 1.4356732142857143e-05
#define QUADS_INERTIA_Z 2.656158333333334e-05
#define QUADS_ARM 0.04596194077712559           /* centre to propeller in the plane: 0.0325 sqrt(2) */
#define QUADS_PROPELLER 0.0325                  /* its x and y */
#define QUADS_THRUST 0.13047300000000003        /* of one motor at most; thrust to weight 1.9 */
#define QUADS_DRAG_TORQUE 0.0007828380000000002 /* of one motor at most: 0.006 of its thrust */
#define QUADS_ROOM_XY 5.0                       /* walls at -5 and 5 */
#define QUADS_ROOM_Z 10.0                       /* floor at 0 */
#define QUADS_SPIN_MAX 40.0                     /* rad/s about each axis */

/* Indices into the rows' choices. */
enum { MODE_SAME_GOAL, MODE_SWARM_VS_SWARM };
enum { SELF_PLAIN, SELF_FLOOR, SELF_WALLS };
enum { STATE_OBSERVATION, STATE_JOINT };
enum { LIMIT_TRUNCATES, LIMIT_TERMINATES };

struct quads_params {
    /* bound from rows */
    int64_t drones, neighbours, horizon;
    double distance_weight, effort_weight, crash_weight, tilt_weight, spin_weight, collision_weight, proximity_weight, action_cap;
    int mode, self, state, time_limit;
    bool has_motor_noise, has_sensor_noise, has_impulses, has_wall_hits, has_stale_goal, has_agent_id;

    /* derived by prepare */
    int32_t N, K, O, S; /* K: neighbours that each drone sees */
};

enum quads_flag {
    QUADS_ON_FLOOR = 1,
    QUADS_LANDED = 2, /* in the last substep */
    QUADS_AT_WALL = 4,
    QUADS_AT_CEILING = 8,
    QUADS_HIT_WALL = 16, /* pushed off in the last step */
    QUADS_HIT_CEILING = 32,
    QUADS_BUMPED = 64,  /* into another drone, in the last step, having touched none before */
    QUADS_GOT_UP = 128, /* landed upside down in the last step and drew a heading */
    QUADS_FLAGS = 255
};

struct quads_drone {
    double position[3], velocity[3]; /* world */
    double R[9];                     /* body to world, row by row */
    double spin[3];                  /* rad/s, body */
    double rotor[QUADS_MOTORS];      /* lagging square root of thrust */
    double thrust[QUADS_MOTORS];     /* share of the largest */
    double unsquared_s;              /* time since R was made orthogonal */
    double motor_noise[QUADS_MOTORS];
    double sensor_error[9]; /* of position, velocity, spin in the observation */
    double goal[3];
    double seen_goal[3]; /* in the observation; the goal, but for the step in which it changes */
    uint32_t touching;   /* bit j: drone j */
    uint32_t flags;      /* of enum quads_flag */
};

struct quads_state {
    int64_t step;
    int64_t swap_every; /* steps; swarm against swarm */
    double centre[2][3];
    struct quads_drone drone[]; /* [N] */
};

/* The orientations of a circle and of a grid: horizontal, across y, across x. */
enum quads_shape {
    QUADS_CIRCLE,
    QUADS_CIRCLE_XZ,
    QUADS_CIRCLE_YZ,
    QUADS_SPHERE,
    QUADS_GRID,
    QUADS_GRID_XZ,
    QUADS_GRID_YZ,
    QUADS_CUBE,
    QUADS_SHAPES
};

struct quads_formation {
    int shape;   /* of enum quads_shape */
    double size; /* m: radius of circle and sphere, step of grid and cube */
};

/* quads_config.c */
#define QUADS_ROWS 21
extern const struct config_row quads_rows[QUADS_ROWS];
extern const char *const quads_scenarios[];
int quads_scenario(const char *scenario, struct recipe *defaults, struct err *err);
int quads_prepare(void *params, struct err *err);
void quads_spec(const void *params, struct spec *spec);

/* quads_flight.c: one control step of one drone; demand [4], thrust demanded of each motor, in [0,1]. A landing upside down
 * draws its heading. */
void quads_fly(struct quads_drone *drone, const double *demand, struct rng *rng);
/* The orthogonal matrix nearest to m [3,3] (U V^T of its singular value decomposition), in place; m is invertible. */
void quads_nearest_rotation(double *m);
void quads_set_heading(double *R, double c, double s); /* upright, cosine and sine of the yaw */

/* quads_noise.c. The two processes advance by one control step. */
double quads_uniform(struct rng *rng, double low, double high);
void quads_normals(struct rng *rng, double scale, int count, double *out); /* count even */
void quads_start_motor_noise(struct quads_drone *drone, struct rng *rng);
void quads_step_motor_noise(struct quads_drone *drone, struct rng *rng);
void quads_draw_sensor_error(struct quads_drone *drone, struct rng *rng);

/* quads_collide.c. Marks in the state who touches whom and who bumped; new_pairs [N], out: bit j > i of row i where a pair did not
 * touch before; proximity [N], out: the reward's part for nearness, 0 or less. The pushes return whether there were any. */
void quads_find_contacts(const struct quads_params *p, struct quads_state *g, uint32_t *new_pairs, double *proximity);
bool quads_push_apart(const struct quads_params *p, struct quads_state *g, const uint32_t *new_pairs, struct rng *rng);
bool quads_push_off_walls(const struct quads_params *p, struct quads_state *g, struct rng *rng);

/* quads_goals.c. Goals come first: drones start around them. quads_step_goals returns whether goals changed; goal [count,3], out. */
void quads_reset_goals(const struct quads_params *p, struct quads_state *g, struct rng *rng);
void quads_place_drones(const struct quads_params *p, struct quads_state *g, struct rng *rng);
bool quads_step_goals(const struct quads_params *p, struct quads_state *g, struct rng *rng);
void quads_place_formation(struct quads_formation formation, int count, const double *centre, double (*goal)[3]);
double quads_formation_size(int shape, int count, double distance); /* for that distance between neighbours */

/* quads.c: flight, contacts and reward [N] of one step, without pushes, goals and sensors: what a replay needs. action [N,4],
 * finite; new_pairs as above. */
void quads_advance(const struct quads_params *p, struct quads_state *g, const double *action, struct rng *rng, uint32_t *new_pairs,
                   double *reward);

/* quads_observe.c */
void quads_observe(const void *params, const void *state, const struct env_view *view);

/* quads_script.c */
#define QUADS_SCRIPTS 1
extern const struct env_script quads_scripts[QUADS_SCRIPTS];

extern const struct env_ops env_quads;
extern const struct env_trace_ops quads_trace;

#endif
