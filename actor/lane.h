/* Lanes: everything that one environment slot of a run carries from slice to slice. A lane's snapshot is a plain copy of it; the
 * learner keeps the newest one of each lane with its checkpoint, and an order carries it when the lane changes hands.
 *
 * Snapshot layout: struct lane_head, environment state [state_bytes], belief state [N,H], script memory [N,64], recurrent state of the
 * defender's net [N,P], last actions as it reads them [N,M]; each part at a multiple of 16 bytes. It travels between our own processes on one kind of machine, so numbers are in host order
 * (little-endian); a length or range that does not fit is refused. */
#ifndef TESTUDO_ACTOR_LANE_H
#define TESTUDO_ACTOR_LANE_H

#include "envs/vec.h"

#define SCRIPT_MEMORY_MAX 64 /* bytes per agent */

struct lane_head {
    uint64_t episode;    /* id: lane << 32 | count of the episode in the lane */
    uint64_t partition;  /* mask of adversaries */
    uint64_t next_slice; /* the slice that continues this state */
    int32_t episode_step;
    float episode_return; /* team return so far: mean over agents of their rewards */
};

struct lane_widths { /* numbers per agent; 0 where a recipe has no such part */
    int H, P, M;     /* belief state, state of the defender's GRU, last action */
};

struct lanes { /* structs of arrays over `count` places; a place holds one lane */
    int count, N;
    struct lane_widths widths;
    size_t state_bytes;
    struct lane_head *head; /* [count] */
    float *belief_state;    /* [count,N,H] */
    float *policy_state;    /* [count,N,P] */
    float *last_action;     /* [count,N,M] */
    unsigned char *memory;  /* [count,N,SCRIPT_MEMORY_MAX] */
};

MUST_USE int lanes_init(struct lanes *lanes, int count, const struct env_instance *env, const struct lane_widths *widths);
void lanes_deinit(struct lanes *lanes); /* safe on a zeroed struct */

size_t lane_snapshot_bytes(const struct env_instance *env, const struct lane_widths *widths);
void lane_save(const struct lanes *lanes, const struct vec *vec, int place, unsigned char *bytes);
/* ERR_MISMATCH, ERR_RANGE, ERR_FORMAT or ERR_NOT_FINITE when the bytes, which may come from the network, are no snapshot. */
MUST_USE int lane_load(struct lanes *lanes, struct vec *vec, int place, const unsigned char *bytes, size_t length, struct err *err);
/* Copies what a place of lanes and of their environments holds to another; the environments are not observed again. */
void lane_copy(struct lanes *to, struct vec *to_vec, int to_place, const struct lanes *from, const struct vec *from_vec,
               int from_place);

#endif
