/* Parameters, state and tasks of the particle worlds, shared by the rules that all tasks have in common (mpe.c), their physics,
 * actions and names, and by the tasks, one file each.
 *
 * A body is what the reference calls an agent: it moves or speaks. The first N bodies are agents; prey that flees by itself comes
 * after them. The state is one run of plain bytes: the head, the bodies' motion, the landmarks' places, and (where anybody
 * speaks) what each body said last. */
#ifndef TESTUDO_ENVS_MPE_H
#define TESTUDO_ENVS_MPE_H

#include "envs/env.h"

#define MPE_BODIES_MAX 32
#define MPE_LANDMARKS_MAX 32
#define MPE_WORDS_MAX 10
#define MPE_GOALS 2

#define MPE_DT 0.1               /* seconds */
#define MPE_DAMPING 0.25         /* share of the velocity lost a step */
#define MPE_ACCEL 5.0            /* force of a full move where a task does not say otherwise; all masses are 1 */
#define MPE_CONTACT_FORCE 100.0  /* force per unit of penetration */
#define MPE_CONTACT_MARGIN 0.001 /* softness of the contact */
#define MPE_COVER_RADIUS 0.1     /* nearer than this, a landmark counts as reached */

enum { MOVE_NONE, MOVE_LEFT, MOVE_RIGHT, MOVE_DOWN, MOVE_UP, MPE_MOVES };

/* Indices into the rows' choices. */
enum { TASK_SPREAD, TASK_TAG, TASK_SPEAKER_LISTENER, TASK_REFERENCE, MPE_TASKS };
enum { RULES_MPE2, RULES_OPENAI };
enum { ACT_PARTS, ACT_FLAT, ACT_CONTINUOUS };
enum { PREY_FLEES, PREY_STANDS, PREY_IS_AGENTS };
enum { STATE_JOINT, STATE_OBSERVATION };

struct mpe_body {
    double size;        /* radius */
    double accel;       /* force of a full move; 0: does not move */
    double max_speed;   /* 0: any */
    int32_t is_speaker; /* chooses a word each step */
    int32_t is_prey;    /* simple_tag */
};

struct mpe_task;

struct mpe_params {
    /* bound from rows */
    int64_t agents, landmarks, prey_count, horizon;
    double local_ratio;
    int task_index, rules, action, prey, state;
    bool terminates_on_success, has_agent_id;

    /* derived by prepare */
    int32_t N, B, L;                /* agents, bodies, landmarks */
    int32_t words;                  /* that can be said; 0: nobody speaks */
    int32_t O, S, A, C;             /* struct spec */
    int32_t widths[MPE_BODIES_MAX]; /* of each agent's observation */
    int32_t has_contacts;           /* bodies push each other away */
    int32_t is_shared;              /* openai: everybody gets the sum of all rewards */
    double landmark_size;
    double spawn; /* landmarks are drawn within +- this in x and y */
    double sign;  /* of move 1 along its axis */
    struct mpe_body body[MPE_BODIES_MAX];
};

struct mpe_motion {
    double at[2], velocity[2];
};

struct mpe_state {
    int32_t step;
    int32_t touches;            /* pairs of agents (tag: of agent and prey) that touched, summed over the steps so far */
    int32_t goal[MPE_GOALS];    /* goal[n]: the landmark that agent n wants its partner to reach; 0 where there is none */
    struct mpe_motion motion[]; /* [B], then places [L][2], then words [B][words] */
};

static inline const double *mpe_landmark(const struct mpe_params *p, const struct mpe_state *g, int i)
{
    return (const double *)(g->motion + p->B) + 2 * i;
}

static inline const double *mpe_speech(const struct mpe_params *p, const struct mpe_state *g, int body)
{
    return mpe_landmark(p, g, p->L) + body * p->words;
}

/* The same to be written. */
static inline double *mpe_numbers(const struct mpe_params *p, struct mpe_state *g)
{
    return (double *)(g->motion + p->B);
}

/* What all bodies do in a step. */
struct mpe_control {
    double force[MPE_BODIES_MAX][2];
    double speech[MPE_BODIES_MAX][MPE_WORDS_MAX];
};

/* What differs between tasks. */
struct mpe_task {
    const char *name;
    /* Bodies, landmarks and words for the counts in params; refuses counts that the task does not have. */
    int (*set_up)(struct mpe_params *p, struct err *err);
    void (*draw_goals)(struct mpe_state *g, struct rng *rng);                  /* may be NULL */
    int (*describe)(const struct mpe_params *p, int agent, struct spec *spec); /* adds its blocks (spec may be NULL); its width */
    float *(*observe)(const struct mpe_params *p, const struct mpe_state *g, int agent, float *out); /* returns the end */
    void (*reward)(const struct mpe_params *p, const struct mpe_state *g, double *reward);           /* [N] */
    int (*count_touches)(const struct mpe_params *p, const struct mpe_state *g); /* pairs that touch now; may be NULL */
    double (*distance)(const struct mpe_params *p, const struct mpe_state *g);   /* what is left to do, for the outcome */
    bool (*is_success)(const struct mpe_params *p, const struct mpe_state *g);
    /* The reference policy: a move and a word from what the agent sees. */
    void (*greedy)(const struct mpe_params *p, int agent, const float *observation, int *move, int *word);
};
extern const struct mpe_task *const mpe_tasks[MPE_TASKS];
extern const struct mpe_task mpe_spread, mpe_tag, mpe_speaker_listener, mpe_reference;

static inline const struct mpe_task *mpe_task_of(const struct mpe_params *p)
{
    return mpe_tasks[p->task_index];
}

/* mpe.c: one step with rewards in double, [N]; the environment's float rewards are these, rounded once. */
void mpe_advance(const struct mpe_params *p, struct mpe_state *g, struct mpe_control *control, double *reward);
bool mpe_is_over(const struct mpe_params *p, const struct mpe_state *g);

/* mpe_physics.c */
double mpe_distance(const double *a, const double *b);
bool mpe_touch(const struct mpe_params *p, const struct mpe_state *g, int a, int b); /* bodies nearer than their sizes */
void mpe_integrate(const struct mpe_params *p, struct mpe_state *g, double force[][2]);
/* The move that brings a body of velocity v nearest to the place at `way` from it, on the first step on which it shows. */
int mpe_steer(const struct mpe_params *p, double accel, const double *v, const double *way);

/* mpe_actions.c: agents' actions into control (bodies that are no agents: nothing). numbers [N,C] for a box, choice [N,C] else. */
void mpe_read_choices(const struct mpe_params *p, const int32_t *choice, struct mpe_control *control);
void mpe_read_numbers(const struct mpe_params *p, const double *numbers, struct mpe_control *control);
void mpe_set_move(const struct mpe_params *p, int body, int move, struct mpe_control *control);
void mpe_available(const struct mpe_params *p, uint8_t *available); /* [N,A] */
void mpe_action_spec(const struct mpe_params *p, struct spec *spec);
void mpe_write_action(const struct mpe_params *p, int agent, int move, int word, float *probability); /* a script's [A] */

/* mpe_tag.c: how prey that is no agent moves. */
void mpe_move_prey(const struct mpe_params *p, const struct mpe_state *g, struct mpe_control *control);

/* mpe_config.c: rows, names of scenarios, what follows from them. */
#define MPE_ROWS 12
extern const struct config_row mpe_rows[MPE_ROWS];
extern const char *const mpe_scenarios[];
int mpe_scenario(const char *scenario, struct recipe *defaults, struct err *err);
int mpe_prepare(void *params, struct err *err);
void mpe_spec(const void *params, struct spec *spec);
/* For the tasks' describe: adds a block (when spec is not NULL), returns its width. "name index", or "name" for index -1. */
int mpe_block(struct spec *spec, int start, int width, const char *name, int index);

/* mpe_draw.c */
void mpe_render(const void *params, const void *state, char *text, size_t size);
void mpe_draw(const void *params, const void *state, struct scene *scene);

extern const struct env_ops env_mpe;
extern const struct env_trace_ops mpe_trace;

#endif
