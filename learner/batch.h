/* A batch: the trajectories of one update, seen as rows.
 *
 * Row r = (l*T + t)*N + n is agent n at step t of trajectory l; a "next-inclusive" place q = (l*(T+1) + t)*N + n also has
 * t = T, what follows the slice. Inputs are gathered from the trajectories' frames when a block needs them; only what is derived
 * (values, advantages, row lists) is stored here, in arrays sized at create. */
#ifndef TESTUDO_LEARNER_BATCH_H
#define TESTUDO_LEARNER_BATCH_H

#include "base/spec.h"
#include "math/real.h"
#include "net/action_head.h"
#include "wire/trajectory.h"

/* The columns that learning reads; the actor declares them under the same names. type, field, column type, span */
#define BATCH_COLUMNS(X)                                                       \
    X(float, observation, COLUMN_F32, SPAN_STEP_NEXT)                          \
    X(float, state, COLUMN_F32, SPAN_STEP_NEXT)                                \
    X(float, knowledge, COLUMN_F32, SPAN_STEP_NEXT)                            \
    X(float, belief_state, COLUMN_F32, SPAN_CHUNK)                             \
    X(uint8_t, available, COLUMN_U8, SPAN_STEP)                                \
    X(uint8_t, alive, COLUMN_U8, SPAN_STEP)                                    \
    X(void, intended, COLUMN_I32, SPAN_STEP) /* floats of a box: COLUMN_F32 */ \
    X(float, intended_logp, COLUMN_F32, SPAN_STEP)                             \
    X(void, action, COLUMN_I32, SPAN_STEP) /* the same */                      \
    X(float, action_logp, COLUMN_F32, SPAN_STEP)                               \
    X(uint8_t, slot, COLUMN_U8, SPAN_STEP)                                     \
    X(float, reward, COLUMN_F32, SPAN_STEP)                                    \
    X(uint8_t, terminated, COLUMN_U8, SPAN_STEP)                               \
    X(uint8_t, truncated, COLUMN_U8, SPAN_STEP)                                \
    X(int32_t, episode_step, COLUMN_I32, SPAN_STEP)                            \
    X(float, final_observation, COLUMN_F32, SPAN_EPISODE)                      \
    X(float, final_state, COLUMN_F32, SPAN_EPISODE)                            \
    X(float, final_knowledge, COLUMN_F32, SPAN_EPISODE)                        \
    X(uint8_t, final_available, COLUMN_U8, SPAN_EPISODE)                       \
    X(int64_t, record_episode, COLUMN_I64, SPAN_EPISODE)                       \
    X(int64_t, record_partition, COLUMN_I64, SPAN_EPISODE)                     \
    X(float, record_return, COLUMN_F32, SPAN_EPISODE)                          \
    X(int32_t, record_length, COLUMN_I32, SPAN_EPISODE)                        \
    X(uint8_t, record_success, COLUMN_U8, SPAN_EPISODE)                        \
    X(uint8_t, snapshot, COLUMN_U8, SPAN_SLICE)

struct batch_view { /* one trajectory's columns; NULL where the schema has none */
#define BATCH_FIELD(type, name, column_type, span) const type *name;
    BATCH_COLUMNS(BATCH_FIELD)
#undef BATCH_FIELD
    int32_t episodes, lane;
    uint64_t slice;
};

struct batch_shape {
    int L, T, N, O, S, A, K, H, chunk; /* K knowledge slots, H belief width */
    struct action_head head;           /* head.C cells per agent's action */
    bool state_is_observation;
};

struct batch {
    struct batch_shape shape;
    int index[28];                           /* column of each field in the schema, -1 when absent */
    const struct schema *schema;             /* borrowed */
    struct batch_view *view;                 /* [L] */
    real *reward;                            /* [L,T,N] may be shaped by a regulariser */
    uint8_t *terminated, *truncated;         /* [L,T] */
    real *value;                             /* [L,T+1,N] reward units; old_value in the critic's normalised units */
    real *old_value;                         /* [L,T,N] */
    real *final_value;                       /* [L,T,N] where truncated */
    real *advantage, *target;                /* [L,T,N] */
    uint8_t *is_defender;                    /* [L,T,N] alive and not an adversary */
    int32_t *defender_rows, *adversary_rows; /* r of alive defenders, of alive adversaries; ascending */
    int n_defender_rows, n_adversary_rows;
    int32_t *final_row; /* [L,T]: l * T + e of the episode that was truncated here, -1 elsewhere */
};

/* Sizes and column handles. The schema may come from the network: ERR_MISMATCH naming the column when it lacks one, or has one of
 * another type, span or width, or lets numbers through that could not be an index here (an action beyond A, a flag beyond 1). */
MUST_USE int batch_init(struct batch *batch, const struct batch_shape *shape, const struct schema *schema, struct err *err);
void batch_deinit(struct batch *batch);

/* Points the batch at L checked trajectories (borrowed until the next fill) in lane order, and derives rows and rewards. */
void batch_fill(struct batch *batch, const struct trajectory *const *trajectories);

/* One trajectory's columns, e.g. to read its episode records. */
void batch_map(const struct batch *batch, const struct trajectory *trajectory, struct batch_view *view);

/* Whether a checked frame agrees with itself: intended and executed actions of living agents are available, no step both
 * terminates and truncates, steps of an episode count up and begin anew after its end, as many episodes end as there are
 * records. ERR_MISMATCH with step and agent. */
MUST_USE int batch_check(const struct batch *batch, const struct trajectory *trajectory, struct err *err);

/* Gathers, each into out [n, width]:
 *   policy input [O+K] of rows r; adversary input [O, or O + one-hot agent]; critic input [S+K] of places q. */
void batch_gather_policy(const struct batch *batch, const int32_t *rows, int n, real *out);
void batch_gather_adversary(const struct batch *batch, const int32_t *rows, int n, int width, real *out);
void batch_gather_critic(const struct batch *batch, int first_place, int n, real *out);
void batch_gather_critic_rows(const struct batch *batch, const int32_t *rows, int n, real *out); /* rows r, not places */
void batch_gather_final(const struct batch *batch, int l, int e, real *out);                     /* [N,S+K] */

/* Row r of the columns intended or action: its C cells, choices or a box's numbers. */
static inline const int32_t *batch_choices(const struct batch_shape *shape, const void *column, int row)
{
    return (const int32_t *)column + (size_t)row * (size_t)shape->head.C;
}

static inline int batch_rows(const struct batch *batch)
{
    return batch->shape.L * batch->shape.T * batch->shape.N;
}

#endif
