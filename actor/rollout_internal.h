/* The inside of a rollout, shared by its parts:
 *
 *   rollout_create.c   recipe to lanes, buffers and schema
 *   rollout.c          orders to trajectories: places are filled, stepped together and put back
 *   rollout_act.c      what agents know and decide at a step
 *   rollout_record.c   what is written down of it */
#ifndef TESTUDO_ACTOR_ROLLOUT_INTERNAL_H
#define TESTUDO_ACTOR_ROLLOUT_INTERNAL_H

#include <string.h>

#include "actor/attack.h"
#include "actor/columns.h"
#include "actor/lane.h"
#include "actor/rollout.h"
#include "actor/rollout_config.h"
#include "net/acting.h"
#include "net/knowledge.h"
#include "net/partition.h"
#include "wire/run.h"

struct buffers {               /* one step of all places; R = places * N rows */
    float *input;              /* [R,O+K+M] */
    float *logits;             /* [R,max(A,N)] outputs of a net */
    float *probability;        /* [R,A] */
    float *logp, *action_logp; /* [R] */
    float *noise;              /* [R,C] */
    void *intended, *action;   /* [R,C] int32_t choices, or floats of a box in policy units */
    void *previous;            /* [R,C] action of the step before, of a group */
    float *executed;           /* [R,C] of a box, in the environment's units */
    int32_t *attacked;         /* [R] */
    int32_t *attacker;         /* [places] */
    uint8_t *channels;         /* [R] */
    uint64_t *episode;         /* [places] */
    int32_t *episode_step;     /* [places] */
    float *belief_copy;        /* [R,H] */
    struct rng *step_rng;      /* [places] */
};

struct place {            /* what a place of the running group writes to */
    struct frame frame;   /* columns of the order's frame that do not depend on the number of episodes */
    struct frame staging; /* episode columns, until their number is known */
    unsigned char *staging_bytes;
    int episodes;
    bool is_done; /* evaluation: has all its episodes */
};

struct rollout {
    struct run_config run;
    struct knowledge_config knowledge;
    struct partition_config partition;
    struct victims victims;
    struct rollout_config config;
    struct acting_config acting;
    struct env_instance env;
    struct schema schema;
    struct schema_layout step_layout, staging_layout;
    struct columns columns;
    const struct env_script *script; /* NULL: defenders are nets */
    struct threat training_threat;
    struct nets nets;
    struct action_head head;
    int K, M, n_places; /* knowledge slots, numbers of the last action */
    struct lane_widths widths;
    struct lanes held, work;
    struct vec held_vec, work_vec;
    bool *is_held; /* [run.lanes] */
    struct place *places;
    struct buffers buffers;
    struct arena memory, scratch;
    struct rollout_times times;
    void (*watch)(void *context, const struct rollout_moment *moment); /* or NULL */
    void *watch_context;
};

struct group { /* the orders in hand */
    const struct order *const *orders;
    struct trajectory *const *out;
    int B;
    bool is_evaluation;
    struct threat threat;
    uint64_t seed;
    double attack_probability;
    float epsilon; /* of the defender's behaviour; 0 in evaluations */
    struct hash weights_hash;
};

/* A column that the frame may lack. */
static inline void put_rows(void *to, const void *from, size_t bytes)
{
    if (to && bytes)
        memcpy(to, from, bytes);
}

static inline size_t row_floats(const struct rollout *rollout, int width)
{
    return (size_t)rollout->env.spec.N * (size_t)width;
}

/* rollout_act.c: one step of all places of a group. */
struct stage rollout_stage(struct rollout *rollout, const struct group *group);
void rollout_list_attacked(struct rollout *rollout, const struct group *group, struct stage *stage);
/* b_i or theta, for `B` observations [B,N,O]; belief states [B,N,H] are advanced in place. out: [B*N] rows of `stride` numbers. */
void rollout_know(struct rollout *rollout, int B, const float *observation, float *belief_state, const struct lane_head *heads,
                  float *out, size_t stride);
void rollout_fill_input(struct rollout *rollout, const struct stage *stage);
void rollout_decide(struct rollout *rollout, const struct stage *stage, const struct group *group);

/* rollout_record.c: place b's row t of the order's frame; episodes into the place's staging. */
#define PUT(frame, column, type, row, width) ((type *)(frame)->at[COL_##column] + (size_t)(row) * (size_t)(width))
void rollout_record_input(const struct rollout *rollout, const struct stage *stage, int b,
                          int t); /* observation as acted on, knowledge */
void rollout_record_belief_state(const struct rollout *rollout, int b, int t);
void rollout_record_decision(const struct rollout *rollout, const struct stage *stage, int b, int t);
void rollout_record_outcome(const struct rollout *rollout, int b, int t);
void rollout_record_episode(struct rollout *rollout, int b);

#endif
