/* Replay: whole episodes with raw rewards, for methods that learn from more than the newest slices. Keys `replay.*`.
 *
 * Slices are stitched to episodes lane by lane; a finished episode goes into a ring that is bounded in episodes and in bytes, the oldest
 * ones giving way. Episodes enter in order of (lane of the batch, end), so in sync mode the ring's contents are the same for any number of
 * actors; what is drawn depends on ages only, never on where in the ring an episode lies.
 *
 * replay.priority: drawn uniformly without replacement, or by the errors of their last replay (priority.h). These belong to the learning state.
 *
 * In async mode a slice may be lost: then the lane's episode that it belongs to is left out, and counted.
 *
 * With a run folder (replay_keep_in) each episode is written once, to append-only segment files (segments.h): whole segments while the run
 * goes on, the rest before a checkpoint, which refers to them. Without one a checkpoint holds the episodes themselves.
 *
 *   checkpoint, learning state (hashed): replay/counts [4] episodes and steps ever taken in, episodes left out, episodes held
 *               replay/content [2] hash over the episodes held, oldest first
 *               replay/priorities [1+held] f64, only if proportional: the largest error so far, then the episodes' errors, oldest first
 *               replay/staged [lanes,3] steps so far, next slice, whether it may be continued;  replay/staged_data their bytes
 *   where the episodes are (not hashed): episodes/segments [n,7] id, bytes, records, first, last, hash (SEGMENT_COLUMNS)
 *               or episodes/lengths [held,2] steps and whether terminated, oldest first;  episodes/data their bytes in that order */
#ifndef TESTUDO_LEARNER_REPLAY_H
#define TESTUDO_LEARNER_REPLAY_H

#include "base/config.h"
#include "base/rng.h"
#include "learner/batch.h"
#include "learner/priority.h"
#include "learner/segments.h"
#include "net/safetensors.h"

struct replay_config {
    int64_t episodes, bytes, disk_bytes, beta_steps;
    double alpha, beta, priority_eps;
    int priority;
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

/* n of them, n <= count, in drawing order: uniformly different ones, or one from each nth of the priorities' sum. */
void replay_draw(const struct replay *replay, struct rng *rng, int n, int32_t *picked);

/* With replay.priority=proportional, else NULL; numbers of episodes are replay_number. */
struct priority *replay_priority(const struct replay *replay);
int64_t replay_number(const struct replay *replay, int i); /* of episodes taken in before the i-th oldest that is held */
/* beta before an update of `total` that the run has. */
double replay_beta(const struct replay *replay, uint64_t update, uint64_t total);

/* The joint state [Z] at step t. */
void replay_state(const struct replay_shape *shape, const struct episode *episode, int t, real *out);

/* Keeps the episodes in segments of this run folder from now on; before the first replay_add, and before replay_load. Checks
 * replay.disk_bytes (ERR_INVALID). */
MUST_USE int replay_keep_in(struct replay *replay, const char *run, struct err *err);
struct segments *replay_segments(const struct replay *replay); /* NULL when there is no run folder */
double replay_ahead_seconds(const struct replay *replay);      /* that replay_add has spent on writing, ever */

/* Makes the episodes held durable in their segments, which replay_save does, too; nothing without a run folder. */
MUST_USE int replay_write(struct replay *replay, struct err *err);

/* Writes and syncs segments first. ERR_LIMIT: replay.disk_bytes; ERR_IO: the disk. The replay goes on in any case. */
MUST_USE int replay_save(struct replay *replay, struct safetensors *file, struct err *err);
/* Reads all segments, with only_looks too. ERR_MISMATCH: the recipe is another one; or the line says which segment is missing, torn or
 * altered, where, and what was expected. */
MUST_USE int replay_load(struct replay *replay, const struct safetensors *file, bool only_looks, struct err *err);

/* A checkpoint's references to segments; returns how many, 0 when it has none. ERR_FORMAT. */
enum { SEGMENT_COLUMNS = 7 };
MUST_USE int replay_references(const struct safetensors *file, struct segment_reference **references, struct err *err); /* free */

#endif
