/* The networks of all methods: one family, described by a few numbers.
 *
 *   input [in] -> (input_norm: LayerNorm) -> depth x (Linear -> activation -> (layer_norm: LayerNorm)) -> (gru: GRU(hidden), with
 *   NET_GRU_NORM then LayerNorm on its output only, not fed back) -> Linear -> out; (log_std: [out] free parameters beside it)
 *
 * EIR-MAPPO's actor, adversary and critic are depth 3 without GRU, its belief depth 3 with GRU (Li et al. 2024, section on
 * implementation; LayerNorm after the activation). A net's parameters are one flat array; net_parameters names the pieces.
 * Weights are [in,out] row-major, so y = x W + b. */
#ifndef TESTUDO_NET_NET_H
#define TESTUDO_NET_NET_H

#include <stddef.h>

#include "base/arena.h"
#include "math/tape.h"

enum net_recurrence { NET_NO_GRU, NET_GRU_NORM, NET_GRU }; /* NET_GRU: as value-based methods have it, no LayerNorm behind it */

struct net_arch {
    int32_t in, hidden, depth, out;
    int32_t activation;             /* enum activation */
    int32_t input_norm, layer_norm; /* 0 or 1 */
    int32_t gru;                    /* enum net_recurrence */
    int32_t log_std;                /* 0 or 1: a Gaussian policy's log standard deviations */
};

#define NET_PARAMETERS_MAX 64
struct net_parameter {
    char name[32]; /* "trunk.0.weight", "gru.weight_x", "head.bias" */
    int32_t rows, cols;
    size_t start; /* index of its first number in the flat array */
};

/* Refuses sizes beyond ceilings (width 16384, hidden 4096, depth 8): an arch may come from the network. */
MUST_USE int net_arch_check(const struct net_arch *arch, struct err *err);
size_t net_parameter_count(const struct net_arch *arch);
int net_parameters(const struct net_arch *arch, struct net_parameter table[NET_PARAMETERS_MAX]); /* returns how many */

/* Orthogonal weights (gain sqrt(2) for ReLU, 1 otherwise; GRU matrices over the stacked [H,3H], gain 1; head: head_gain),
 * zero biases, unit LayerNorm gains, log_std -0.5. Pure function of (seed, which). w [net_parameter_count]. Saxe et al. 2014, arXiv:1312.6120. */
void net_init(const struct net_arch *arch, uint64_t seed, uint32_t which, real head_gain, real *w);
/* What value-based methods start from: weights and biases uniform in +-1/sqrt(inputs of the layer), of a GRU +-1/sqrt(hidden); LayerNorms and
 * log_std as above. The same purity. He et al. 2015, arXiv:1502.01852, with the slope that makes the bound this simple. */
void net_init_uniform(const struct net_arch *arch, uint64_t seed, uint32_t which, real *w);

/* Weights made ready for computing: the flat array and the transposes that input gradients need. Immutable between sets, so
 * any number of threads may compute with it. Until the first set all parameters are 0. */
struct net_weights;
MUST_USE int net_weights_create(struct net_weights **weights, const struct net_arch *arch);
void net_weights_destroy(struct net_weights **weights);
void net_weights_set(struct net_weights *weights, const real *w); /* copies */
void net_weights_set_float(struct net_weights *weights, const float *w);
const struct net_arch *net_weights_arch(const struct net_weights *weights);
const real *net_weights_flat(const struct net_weights *weights); /* borrowed */
/* [out], borrowed; NULL when the architecture has none. */
const real *net_weights_log_std(const struct net_weights *weights);
/* The same as a node [1,out] whose gradient goes where net_forward's do. */
struct node *net_log_std(struct tape *tape, const struct net_weights *weights, real *gradient);

/* Records the net on a tape. x [rows,in]. gradient: flat array to add parameter gradients to, NULL when frozen.
 * With gru: rows = T*B time-major, h0 [B,hidden] (NULL: zeros), keep [T,B] as tape_gru (NULL: all 1); without, T, B, h0 and keep are
 * not looked at.
 * Returns the head's output [rows,out]. *h_out (may be NULL) receives the GRU's node [T*B,hidden]. */
struct node *net_forward(struct tape *tape, const struct net_weights *weights, real *gradient, struct node *x, int T, int B,
                         const real *h0, const real *keep, struct node **h_out);

/* Acting: the same function without a tape, bit for bit. x [rows,in]; h [rows,hidden] is advanced in place (gru only, else NULL);
 * out [rows,out]. Scratch comes from the arena and is given back; net_act_scratch says how many bytes for how many rows. */
void net_act(const struct net_weights *weights, int rows, const real *x, real *h, real *out, struct arena *scratch);
size_t net_act_scratch(const struct net_arch *arch, int rows);

/* The gradient with respect to the input of sum(d_out * out), for nets without GRU: x [rows,in], d_out [rows,out] -> d_x [rows,in].
 * A row's bits do not depend on the batch and are those of tape_backward. For attacks on observations (PGD) inside an actor:
 * net_act for the outputs, the caller's d_out, then this. */
void net_act_input_gradient(const struct net_weights *weights, int rows, const real *x, const real *d_out, real *d_x,
                            struct arena *scratch);
size_t net_act_input_gradient_scratch(const struct net_arch *arch, int rows);

/* Lower bounds of a net's outputs over boxes around its inputs, by interval bound propagation (Gowal et al. 2018, arXiv:1810.12715, section
 * 3): a linear layer takes centre c and radius r to W c + b and |W| r, a monotone activation takes both ends along. For nets without GRU
 * and LayerNorms. The bound holds up to rounding; with radius 0 it is the output, up to rounding. */
struct net_low {
    const struct net_weights *weights, *absolute; /* absolute: net_weights_set_absolute of weights */
    int rows;
    const real *x, *radius; /* [rows,in]; radius >= 0 */
};
/* low [rows,out]. d_low [rows,out] and d_x [rows,in], both or neither: the gradient of sum(d_low * low) with respect to x. A row's bits do not
 * depend on the batch. */
void net_act_low(const struct net_low *in, real *low, const real *d_low, real *d_x, struct arena *scratch);
size_t net_act_low_scratch(const struct net_arch *arch, int rows);
/* |w| of all parameters; same architecture. */
void net_weights_set_absolute(struct net_weights *absolute, const struct net_weights *of);

#endif
