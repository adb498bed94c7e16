/* Reverse-mode tape over row-major matrices.
 *
 * A tape records operations on a block of rows (a few hundred, so that all activations stay in the second-level cache), then
 * walks them backwards. Nodes, values, gradients and scratch come from the tape's arena: tape_begin gives everything back, and
 * after the first block of a size nothing is allocated. A node whose inputs need no gradient records no backward work.
 *
 * Each operation keeps forward and backward side by side in its file (tape.c: linear, norm, activations, elementwise;
 * tape_gru.c; tape_mix.c; tape_policy.c, tape_loss.c, tape_density.c). Losses do not divide by batch sizes: every row brings its weight (1/n, or active/sum(active)), so
 * that the gradient of a batch is the plain sum over its blocks, and a block of a batch never needs to know the others.
 *
 * Every product goes through math/product.h and is row-invariant: a row of a forward value or of an input gradient has the
 * same bits in any batch. */
#ifndef TESTUDO_MATH_TAPE_H
#define TESTUDO_MATH_TAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "math/layers.h"
#include "math/product.h"
#include "math/real.h"

struct node {
    int rows, cols;
    real *value;    /* [rows,cols] */
    real *gradient; /* [rows,cols]; NULL when nothing upstream needs it. Only leaves' gradients may be read after tape_backward:
                     * inner ones are worked on in place. */
};

struct tape;

MUST_USE int tape_create(struct tape **tape, size_t arena_bytes, int max_operations);
void tape_destroy(struct tape **tape);
void tape_begin(struct tape *tape);              /* forgets everything recorded */
size_t tape_high_water(const struct tape *tape); /* bytes */

/* Which products the tape uses; product_own unless said otherwise (benchmarks, tests). */
void tape_use_products(struct tape *tape, const struct product_ops *ops);

/* Leaves. Values are borrowed until the next tape_begin. With wants_gradient the gradient starts at 0 and is read from
 * node->gradient after tape_backward. */
struct node *tape_input(struct tape *tape, int rows, int cols, const real *value, bool wants_gradient);

/* A parameter matrix: value [rows,cols] and its transpose [cols,rows] are borrowed; gradient [rows,cols] is ADDED to by
 * tape_backward (the caller clears it once per batch); NULL when frozen. transposed may be NULL if no input gradient is asked. */
struct node *tape_parameter(struct tape *tape, int rows, int cols, const real *value, const real *transposed, real *gradient);

/* The same, already brought into product_own's layout (product.h): saves preparing it in every block. */
struct prepared {
    const real *value, *transposed; /* product_own.prepare of W and of its transpose */
};
struct node *tape_prepared_parameter(struct tape *tape, int rows, int cols, const real *value, const real *transposed,
                                     const struct prepared *prepared, real *gradient);

/* y = act(x W + b).  x [R,K], W [K,M] (in, out), b [1,M] or NULL. Bias and activation fused. */
struct node *tape_linear(struct tape *tape, struct node *x, struct node *W, struct node *b, enum activation act);

/* LayerNorm over the columns of each row, eps 1e-5: Ba, Kiros, Hinton 2016, arXiv:1607.06450. gain, bias [1,cols]. */
struct node *tape_layer_norm(struct tape *tape, struct node *x, struct node *gain, struct node *bias);

/* GRU over a sequence, PyTorch's gate order (reset, update, new) and two biases:
 *   x  [T*B, I] time-major (row t*B+b), products with Wx hoisted over time;  h0 [B,H];  keep [T,B]: h is multiplied by
 *   keep[t,b] before step t (0 where an episode starts); h0 NULL means zeros, keep NULL all 1;  Wx [I,3H], Wh [H,3H], bx, bh [1,3H];  result [T*B,H].
 *   r = s(x_r + h_r)  z = s(x_z + h_z)  n = tanh(x_n + r * h_n)  h' = (1 - z) n + z h */
struct node *tape_gru(struct tape *tape, struct node *x, struct node *h0, const real *keep, int T, int B, struct node *Wx,
                      struct node *Wh, struct node *bx, struct node *bh);

struct node *tape_activation(struct tape *tape, struct node *x, enum activation act);
struct node *tape_add(struct tape *tape, struct node *a, struct node *b);      /* same shape */
struct node *tape_multiply(struct tape *tape, struct node *a, struct node *b); /* same shape, elementwise */
struct node *tape_scale(struct tape *tape, struct node *a, real factor);
struct node *tape_concat(struct tape *tape, struct node *a, struct node *b); /* columns side by side */

/* Of each of the first R*N rows of x [.,A] the number in column choice[row], N rows side by side: [R,N]. */
struct node *tape_choose(struct tape *tape, struct node *x, const int32_t *choice, int R, int N);
struct node *tape_sum_columns(struct tape *tape, struct node *x); /* [R,N] -> [R,1] */

/* base [R,C] with columns at[r]..at[r]+A-1 of row r replaced by row from[r] of piece [.,A]; all but piece borrowed and constant. */
struct node *tape_insert(struct tape *tape, int R, int C, const real *base, struct node *piece, const int32_t *from,
                         const int32_t *at);
/* Straight-through Gumbel softmax at temperature 1: one-hot of the highest available logit + noise, with the gradient of the softmax over the
 * available ones (Jang et al. 2017, arXiv:1611.01144, eq. 2 and section 2.2). logits, noise [R,A], available [R,A]. */
struct node *tape_gumbel(struct tape *tape, struct node *logits, const uint8_t *available, const real *noise);

/* QMIX's monotonic mixing (Rashid et al. 2018, arXiv:1803.11485, section 4.1 and figure 2), one hypernetwork output a row:
 *   q [R,N], w1 [R,N*E], b1 [R,E], w2 [R,E], v [R,1] -> elu(q |w1| + b1) |w2| + v  [R,1] */
struct node *tape_mix(struct tape *tape, struct node *q, struct node *w1, struct node *b1, struct node *w2, struct node *v);

/* QPLEX (Wang et al. 2021, arXiv:2008.01062, section 3.2 and figure 1), one output of each net a row. The tiny number keeps weights positive.
 * The agents' values on the team's scale:  q, w, b [R,N] -> (|w| + 1e-10) q + b  [R,N]; b NULL: 0 */
struct node *tape_transform(struct tape *tape, struct node *q, struct node *w, struct node *b);
/* Positive credit of each agent, from K heads:  key [R,K], agents, action [R,K*N] -> sum over k of (|key_k| + 1e-10) agents_kn action_kn  [R,N] */
struct node *tape_credit(struct tape *tape, struct node *key, struct node *agents, struct node *action);

/* Losses: add the block's loss to the tape's scalar (tape_loss) and its diagnostics to *stats, both in double. */

struct ppo_rows {             /* arrays of R rows; Schulman et al. 2017, arXiv:1707.06347, eq. (7), with an entropy bonus */
    const uint8_t *available; /* [R,A]: masked logits count as -1e10 */
    const int32_t *action;    /* [R,C] */
    const real *old_logp;     /* [R] log-probability under the collecting policy */
    const real *advantage;    /* [R], already normalised, sign flipped for an adversary */
    const real *weight;       /* [R] active/sum(active); rows of weight 0 add nothing */
    real clip, entropy_coef;
    int components;         /* C; 0 counts as 1 choice among all A */
    const int32_t *choices; /* [C], summing to A: independent categoricals, whose log-probabilities and entropies add */
};
struct ppo_stats {
    double policy_loss, entropy, clip_fraction, kl, ratio_max; /* weighted sums; ratio_max a maximum */
};
void tape_ppo_loss(struct tape *tape, struct node *logits, const struct ppo_rows *rows, struct ppo_stats *stats);

struct gaussian_rows {   /* the same for diagonal Gaussians */
    const float *action; /* [R,C] as drawn */
    const real *old_logp, *advantage, *weight;
    real clip, entropy_coef;
    real log_std_min, log_std_max; /* log_std counts as clamped to these, and has no gradient beyond them */
};
/* mean [R,C], log_std [1,C]. */
void tape_gaussian_ppo_loss(struct tape *tape, struct node *mean, struct node *log_std, const struct gaussian_rows *rows,
                            struct ppo_stats *stats);

struct value_rows { /* clipped Huber value loss: sum w max(H(target - v), H(target - v_clip)); clip <= 0: unclipped */
    const real *old_value, *target, *weight; /* [R], normalised units */
    real clip, huber_delta;                  /* huber_delta <= 0: 1/2 e^2 */
};
void tape_value_loss(struct tape *tape, struct node *value, const struct value_rows *rows);

/* Binary cross-entropy of sigmoid(logits) with target, in the stable logit form: sum over rows and columns of weight[r]/cols * bce. */
void tape_bce_loss(struct tape *tape, struct node *logits, const real *target, const real *weight);

/* Cross-entropy of G independent categoricals: logits [R,W], label [R,G], choices [G] summing to W; sum over rows of weight[r] * sum
 * over groups. */
void tape_cross_entropy_loss(struct tape *tape, struct node *logits, const int32_t *label, const real *weight, int groups,
                             const int32_t *choices);

/* Twice the negative log-likelihood of a diagonal Gaussian, without its constant: q [R,2D] holds means, then numbers whose tanh is
 * the log-variance (so that it stays in [-1,1]); y [R,D].
 *   sum over rows of weight[r] * sum over d of (y - mean)^2 / exp(v) + v,  v = tanh(q_{D+d}) */
void tape_gaussian_loss(struct tape *tape, struct node *q, const float *y, const real *weight);

/* sum over rows of weight[r] * KL(p || q) of the softmax distributions of two nodes of logits [R,W], G independent categoricals of
 * choices [G] each; unavailable choices (available [R,W]; NULL: none) are masked in both. Gradients go to both nodes. */
void tape_kl_loss(struct tape *tape, struct node *p_logits, struct node *q_logits, const uint8_t *available, const real *weight,
                  int groups, const int32_t *choices);

/* 1/2 sum w (x - target)^2 over rows and columns. */
void tape_squared_loss(struct tape *tape, struct node *x, const real *target, const real *weight);

/* Sets the gradient of a node directly (PGD, tests): gradient [rows,cols] is copied, or added if the node has one. */
void tape_seed_gradient(struct tape *tape, struct node *x, const real *gradient);

double tape_loss(const struct tape *tape);
void tape_backward(struct tape *tape);

#endif
