/* The columns of a trajectory: declared once from spec and recipe, then reached by handle. Rows of [N,...] are agents in order. */
#ifndef TESTUDO_ACTOR_COLUMNS_H
#define TESTUDO_ACTOR_COLUMNS_H

#include "base/spec.h"
#include "wire/schema.h"

/* clang-format off: it takes a product of widths for a pointer. */
/* name, type, span, width, min, max. K knowledge slots, H belief width; a width of 0 leaves the column out. */
#define COLUMN_MAP(X)                                                                                 \
    X(observation, COLUMN_F32, SPAN_STEP_NEXT, N *O, -1e6, 1e6)                                       \
    X(state, COLUMN_F32, SPAN_STEP_NEXT, spec->state_is_observation ? 0 : N * spec->S, -1e6, 1e6)     \
    X(knowledge, COLUMN_F32, SPAN_STEP_NEXT, N *K, -20, 20)                                           \
    X(belief_state, COLUMN_F32, SPAN_CHUNK, N *H, -2, 2)                                              \
    X(available, COLUMN_U8, SPAN_STEP, N *A, 0, 1)                                                    \
    X(alive, COLUMN_U8, SPAN_STEP, N, 0, 1)                                                           \
    X(intended, action_type, SPAN_STEP, N *C, action_min, action_max)                                 \
    X(intended_logp, COLUMN_F32, SPAN_STEP, N, -1e6, logp_max)                                        \
    X(action, action_type, SPAN_STEP, N *C, action_min, action_max)                                   \
    X(action_logp, COLUMN_F32, SPAN_STEP, N, -1e6, logp_max)                                          \
    X(slot, COLUMN_U8, SPAN_STEP, N, 0, 1)                                                            \
    X(channels, COLUMN_U8, SPAN_STEP, N, 0, 7)                                                        \
    X(reward, COLUMN_F32, SPAN_STEP, N, -1e6, 1e6)                                                    \
    X(terminated, COLUMN_U8, SPAN_STEP, 1, 0, 1)                                                      \
    X(truncated, COLUMN_U8, SPAN_STEP, 1, 0, 1)                                                       \
    X(episode, COLUMN_I64, SPAN_STEP, 1, 0, 9e18)                                                     \
    X(episode_step, COLUMN_I32, SPAN_STEP, 1, 0, 1e9)                                                 \
    X(final_observation, COLUMN_F32, SPAN_EPISODE, N *O, -1e6, 1e6)                                   \
    X(final_state, COLUMN_F32, SPAN_EPISODE, spec->state_is_observation ? 0 : N * spec->S, -1e6, 1e6) \
    X(final_knowledge, COLUMN_F32, SPAN_EPISODE, N *K, -20, 20)                                       \
    X(final_available, COLUMN_U8, SPAN_EPISODE, N *A, 0, 1)                                           \
    X(record_episode, COLUMN_I64, SPAN_EPISODE, 1, 0, 9e18)                                           \
    X(record_partition, COLUMN_I64, SPAN_EPISODE, 1, -9.3e18, 9.3e18)                                 \
    X(record_return, COLUMN_F32, SPAN_EPISODE, 1, -1e9, 1e9)                                          \
    X(record_length, COLUMN_I32, SPAN_EPISODE, 1, 0, 1e9)                                             \
    X(record_success, COLUMN_U8, SPAN_EPISODE, 1, 0, 2) /* 2: the task defines none */                \
    X(snapshot, COLUMN_U8, SPAN_SLICE, snapshot_bytes, 0, 255)
/* clang-format on */

enum column_id {
#define COLUMN_ID(name, type, span, width, min, max) COL_##name,
    COLUMN_MAP(COLUMN_ID)
#undef COLUMN_ID
        COLUMNS
};

struct columns {
    int index[COLUMNS]; /* in the schema, -1 when left out */
};

/* Declares the columns that this run needs and finishes the schema. */
MUST_USE int columns_declare(struct columns *columns, struct schema *schema, const struct spec *spec, int K, int H,
                             int snapshot_bytes, struct err *err);

/* A frame under construction. `at` points to a column's first number, or is NULL when the column was left out. */
struct frame {
    void *at[COLUMNS];
};
void frame_map(struct frame *frame, const struct columns *columns, const struct schema_layout *layout, unsigned char *bytes);

#endif
