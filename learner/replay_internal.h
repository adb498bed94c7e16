/* The replay from inside: what replay.c (the ring, stitching) and replay_checkpoint.c (segments, checkpoints) share. */
#ifndef TESTUDO_LEARNER_REPLAY_INTERNAL_H
#define TESTUDO_LEARNER_REPLAY_INTERNAL_H

#include "learner/replay.h"
#include "learner/segments.h"

struct entry {
    size_t start;
    int32_t length;
    bool is_terminated;
    struct hash hash; /* segment_hash of its record */
};

/* An episode's columns, in the order in which they lie behind each other. */
enum { PART_INPUT, PART_STATE, PART_REWARD, PART_ACTION, PART_AVAILABLE, PART_ALIVE, PART_SLOT, PARTS };

struct staged { /* the episode that a lane is in */
    int32_t length;
    uint64_t next_slice;
    bool is_good; /* it has all its steps from 0 on */
    unsigned char *parts[PARTS];
};

struct replay {
    struct replay_config config;
    struct replay_shape shape;
    size_t row[PARTS]; /* bytes of a step */
    unsigned char *bytes;
    size_t size, most_bytes, held_bytes;
    struct entry *entries; /* [capacity] */
    int capacity, first, count;
    size_t end;            /* behind the newest */
    struct staged *staged; /* [lanes] */
    unsigned char *staging;
    int64_t total, total_steps, left_out, steps_per_update;
    struct priority *priority; /* NULL: drawn uniformly */
    struct segments *segments; /* NULL: checkpoints hold the episodes themselves */
    int64_t segment_bytes, unwritten_bytes;
    double ahead_seconds;
};

size_t replay_episode_bytes(const struct replay *replay, int length);
bool replay_part_has_next(int part); /* length + 1 rows */
void replay_part_starts(const struct replay *replay, int length, unsigned char *at, unsigned char *parts[PARTS]);
struct entry *replay_entry(const struct replay *replay, int i); /* by age */
/* Makes room for an episode and returns its entry, whose bytes and hash are for the caller to fill in. */
struct entry *replay_push(struct replay *replay, int length, bool is_terminated);

/* The i-th oldest as segments keep it. */
struct segment_record replay_record(const struct replay *replay, int i);
/* After episodes came in: writes them to their segment once they make a whole one. What cannot be written waits for the checkpoint. */
void replay_write_ahead(struct replay *replay);

#endif
