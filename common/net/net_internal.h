/* How a net's parameters are named and laid out; shared by the net_*.c files. */
#ifndef TESTUDO_NET_NET_INTERNAL_H
#define TESTUDO_NET_NET_INTERNAL_H

#include "net/net.h"

#define NET_DEPTH_MAX 8
#define NET_WIDTH_MAX 16384
#define NET_HIDDEN_MAX 4096

struct net_norm_at {
    int gain, bias; /* indices into the parameter table */
};

struct net_layer_at {
    int weight, bias;
    struct net_norm_at norm; /* only with arch.layer_norm */
};

/* The parameter table and where each piece of the net stands in it. */
struct net_layout {
    struct net_parameter table[NET_PARAMETERS_MAX];
    int count;
    size_t numbers; /* in the flat array */
    struct net_norm_at input_norm;
    struct net_layer_at trunk[NET_DEPTH_MAX], head;
    int gru_weight_x, gru_weight_h, gru_bias_x, gru_bias_h;
    struct net_norm_at gru_norm; /* only with NET_GRU_NORM */
    int log_std;                 /* only with arch.log_std */
};

void net_layout(const struct net_arch *arch, struct net_layout *layout);

struct net_weights {
    struct net_arch arch;
    struct net_layout layout;
    real *memory;                                 /* owned; the pieces below lie in it */
    real *flat, *transposed;                      /* [numbers]; transposed holds matrices only, at the same starts */
    struct prepared prepared[NET_PARAMETERS_MAX]; /* matrices only */
};

/* Width of what enters the GRU or the head. */
static inline int net_trunk_width(const struct net_arch *arch)
{
    return arch->depth > 0 ? arch->hidden : arch->in;
}

static inline const real *net_piece(const struct net_weights *weights, int index)
{
    return weights->flat + weights->layout.table[index].start;
}

#endif
