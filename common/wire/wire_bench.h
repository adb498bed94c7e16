/* How fast a trajectory's bytes go into a frame, row by row as a rollout writes them, and out of it through schema_copy_checked,
 * against memcpy of the same bytes. */
#ifndef TESTUDO_WIRE_WIRE_BENCH_H
#define TESTUDO_WIRE_WIRE_BENCH_H

#include <stddef.h>

#include "base/err.h"

struct wire_bench {
    size_t frame_bytes;  /* of one frame: near what was asked for */
    int n_frames;        /* frames in rotation */
    double memcpy_gb_s;  /* 1e9 bytes copied per second, median of the rounds */
    double encode_ratio; /* speed of gathering rows of single steps into the frame, over memcpy's speed */
    double decode_ratio; /* speed of copying with checks out of a received frame (8-byte aligned), over memcpy's speed */
};

/* Frames of about `frame_bytes` with the columns of a four-agent task, `n_frames` of them in rotation (1: everything stays in
 * the cache, 32: it does not, which is what an actor and a learner see), `rounds` (at most 1000) rounds of the three in turn;
 * figures are medians over rounds. One thread, a few milliseconds per round. ERR_NOMEM, ERR_RANGE. */
MUST_USE int wire_bench_run(size_t frame_bytes, int n_frames, int rounds, struct wire_bench *out);

#endif
