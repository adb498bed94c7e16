/* One trajectory: a slice of T steps of one lane, all agents, one weights version; or the records of evaluated episodes. */
#ifndef TESTUDO_WIRE_TRAJECTORY_H
#define TESTUDO_WIRE_TRAJECTORY_H

#include "wire/order.h"
#include "wire/schema.h"

struct trajectory {
    /* Delivery key, filled by the actor's link: run, actor and incarnation stand in its HELLO. */
    uint64_t sequence;
    /* Work key and origin. */
    uint64_t order; /* number of the order that it answers */
    enum order_purpose purpose;
    int32_t lane;
    uint64_t slice;
    struct weights_version version; /* acted with */
    struct hash weights;            /* hash over the content hashes of the nets acted with */
    int32_t steps, episodes;
    struct hash schema;
    int32_t status;       /* 0, or the enum err_code for which the actor gave the order back: then there is no frame */
    size_t bytes;         /* of the frame */
    unsigned char *frame; /* 64-byte aligned */
    size_t capacity;      /* allocated bytes of frame */
};

#endif
