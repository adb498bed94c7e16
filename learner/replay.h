/* Replay: whole episodes with raw rewards, for methods that learn from more than the newest slices. Keys `replay.*`.
 *
 * Slices are stitched to episodes lane by lane; a finished episode goes into a ring that is bounded in episodes and in bytes, the oldest
 * ones giving way. Episodes enter in order of (lane of the batch, end), so in sync mode the ring's contents are the same for any number of
 * actors; what is drawn depends on ages only, never on where in the ring an episode lies.
 *
 * In async mode a slice may be lost: then the lane's episode that it belongs to is left out, and counted.
 *
 *   checkpoint: replay/counts [4] episodes and steps ever taken in, episodes left out, episodes held
 *               replay/lengths [held,2] steps and whether terminated, oldest first;  replay/data their bytes in that order
 *               replay/staged [lanes,3] steps so far, next slice, whether it may be continued;  replay/staged_data their bytes */
#ifndef TESTUDO_LEARNER_REPLAY_H
#define TESTUDO_LEARNER_REPLAY_H

#include "base/config.h"
#include "base/rng.h"
#include "learner/batch.h"
#include "net/safetensors.h"

struct replay_config {
    int64_t episodes, bytes;
};
extern const struct config_table replay_table;

struct replay_shape {
    int N, I, Z, A, C; /* I = O + K of an agent's input; Z of the joint state */
    int lanes, horizon;
    bool state_is_observation; /* then the joint state is all observations side by side, and is not stored */
};

/* One episode of `length` steps; borrowed until the next replay_add. */
struct episode {
    int index; /* by age: 0 is the oldest held */
    int length;
    bool is_terminated;       /* else it was cut by the time limit and bootstraps */
    const float *input;       /* [length+1,N,I] observation, knowledge */
    const float *state;       /* [length+1,Z]; NULL where the state is the observations */
    const float *reward;      /* [length,N] raw */
    const int32_t *action;    /* [length,N,C] executed; floats of a box */
    const uint8_t *available; /* [length+1,N,A] */
    const uint8_t *alive;     /* [length,N] */
    const uint8_t *slot;      /* [length,N] 1: played by an adversary */
};

struct replay; /* opaque */

MUST_USE int replay_create(struct replay **replay, const struct recipe *recipe, const struct batch_shape *shape, int horizon,
                           struct err *err);
void replay_destroy(struct replay **replay); /* nulls */
const struct replay_shape *replay_shape(const struct replay *replay);

/* Takes in a filled batch; returns how many episodes were completed and kept. Allocates nothing. */
int replay_add(struct replay *replay, const struct batch *batch);

int replay_count(const struct replay *replay);                /* episodes held */
int64_t replay_total(const struct replay *replay);            /* episodes ever taken in */
int64_t replay_left_out(const struct replay *replay);         /* episodes with a slice missing, or longer than the horizon */
struct episode replay_at(const struct replay *replay, int i); /* 0 is the oldest */

/* n different ones, n <= count, uniformly, in drawing order. */
void replay_draw(const struct replay *replay, struct rng *rng, int n, int32_t *picked);

/* The joint state [Z] at step t. */
void replay_state(const struct replay_shape *shape, const struct episode *episode, int t, real *out);

MUST_USE int replay_save(const struct replay *replay, struct safetensors *file, struct err *err);
MUST_USE int replay_load(struct replay *replay, const struct safetensors *file, bool only_looks, struct err *err);

#endif
