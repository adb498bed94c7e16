/* A work order: what an actor shall roll out next, and with which weights. Orders bound the policy lag, hand lanes to
 * newcomers, take them back from the dead, and let a second actor repeat a slice. */
#ifndef TESTUDO_WIRE_ORDER_H
#define TESTUDO_WIRE_ORDER_H

#include <stdint.h>

#include "wire/weights.h"

#define ORDER_SNAPSHOT_MAX (1u << 20)
#define ORDER_LANES_MAX 4096

enum order_purpose {
    ORDER_TRAIN,    /* one slice of T steps of a training lane */
    ORDER_EVALUATE, /* `episodes` whole episodes under a threat; answered with episode records only (steps = 0) */
    ORDER_AUDIT,    /* as ORDER_TRAIN, repeated by another actor; compared, never trained on */
};

struct order {
    uint64_t number; /* counts the orders given to this incarnation of this actor, from 1, without gaps */
    enum order_purpose purpose;
    int32_t lane;
    uint64_t slice; /* TRAIN, AUDIT: place in the lane's history. EVALUATE: the asker's tag, returned with the answer; the episodes
                      * are always the lane's first, so that every threat is tried on the same ones */
    struct weights_version version;
    int64_t lease_ms;
    int32_t episodes;              /* EVALUATE */
    char threat[32];               /* EVALUATE: "clean", "random", "pgd:0.5", "noise:0.3@all"; "" otherwise */
    int32_t victim;                /* EVALUATE: the attacked agent, -1 for none */
    uint32_t snapshot_bytes;       /* 0: the actor still holds the lane as its previous slice left it (or the lane is new) */
    const unsigned char *snapshot; /* borrowed */
};

#endif
