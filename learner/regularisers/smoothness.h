/* Smooth policies: ERNIE's regulariser in the form of a loss. Bukharin et al. 2023, arXiv:2310.10810:
 *   R(theta) = E max over |delta| <= eps of D(pi(o + delta), pi(o)),   added to the loss with weight lambda.
 * Keys `smoothness.*`.
 *
 *   theirs   ours      meaning
 *   lambda   weight    of the term in the loss
 *   eps      radius    l-inf ball around the observation, in its own units
 *   delta_0  noise     start of the search, normal with this deviation; 1e-3 in the released code
 *   K, alpha steps, step   ascents delta <- clip(delta + alpha sign(grad D)), one as in the paper's comparison (MIR3, IBAL)
 *   D                  of policies over choices KL(pi(o) || pi(o')); over boxes the same, which is 1/2 |mu - mu'|^2 / sigma^2; of Q
 *                      values (for value-based backbones) 1/2 |Q - Q'|^2; of deterministic actions tanh(u) (MADDPG's)
 *                      1/2 |tanh(u) - tanh(u')|^2
 * Departures: 1. the step follows the gradient's sign and stays in the ball, where the released code takes the gradient as it is,
 * which at its start of 1e-3 is next to nothing; 2. of a box, the deviations sigma are held: they are no function of o.
 * 3. MIR3's released code turns the term into a penalty on the reward, which no gradient passes; this is the original's loss.
 *
 * Used inside a block function (learner/updater.h):
 *   1  smoothness_perturb   first: it uses the block's tape and leaves it begun anew
 *   2  the caller records its net on the clean rows, and its loss
 *   3  smoothness_record    records the net on the perturbed rows and adds the term
 * The tape must have room for two recorded nets, the scratch for smoothness_scratch bytes. */
#ifndef TESTUDO_LEARNER_REGULARISERS_SMOOTHNESS_H
#define TESTUDO_LEARNER_REGULARISERS_SMOOTHNESS_H

#include "learner/sample.h"

enum smoothness_distance { SMOOTHNESS_POLICY, SMOOTHNESS_SQUARED, SMOOTHNESS_TANH };

struct smoothness_config {
    double weight, radius, noise, step;
    int64_t steps;
};

struct smoothness {
    struct smoothness_config config;
    enum smoothness_distance distance;
    struct action_head head; /* POLICY: what the net's outputs mean */
    int O;                   /* numbers of an observation */
    uint64_t seed;
};

extern const struct config_table smoothness_table;
MUST_USE int smoothness_init(struct smoothness *smoothness, const struct algorithm_context *context,
                             enum smoothness_distance distance, struct err *err);

static inline bool smoothness_is_on(const struct smoothness *smoothness)
{
    return smoothness->config.weight > 0;
}

struct smoothness_rows { /* the rows of a block */
    int n, T, B;         /* T, B, h0, keep as net_forward; not looked at without a GRU */
    const real *h0, *keep;
    const real *x;            /* [n,in] clean inputs */
    int O;                    /* the first O numbers of an input are observation and may be moved; what follows stays */
    const uint8_t *available; /* [n,A] or NULL; unavailable choices take no part */
    const real *weight;       /* [n] as in the caller's loss; rows of weight 0 take no part in the search either */
    const int32_t *names;     /* [n] row numbers that draws are named after, */
    uint64_t update;          /* with the update */
    uint32_t pass;            /* and the pass within it */
};

/* The inputs [n,in] that the net answers most differently to, from the block's scratch. */
real *smoothness_perturb(const struct smoothness *smoothness, struct block *block, const struct smoothness_rows *rows);

/* clean: the net's output on rows->x as recorded by the caller. Adds weight * sum of rows->weight * D to the tape's loss, gradients
 * through both outputs, and returns that sum without `weight`. */
double smoothness_record(const struct smoothness *smoothness, struct block *block, const struct smoothness_rows *rows,
                         struct node *clean, const real *perturbed);

/* Of smoothness_perturb: the gradient [n,in] of the sum of D with respect to `nearby` [n,in]. Begins the tape anew, twice. */
void smoothness_gradient(const struct smoothness *smoothness, struct block *block, const struct smoothness_rows *rows,
                         const real *nearby, real *gradient);

/* Bytes of scratch for blocks of `rows` rows of a net. */
size_t smoothness_scratch(const struct net_arch *arch, int rows);

/* ---- replayed episodes (smoothness_sample.c) ---- */

/* smoothness_perturb of the first `steps` steps (at most T + 1) of a block of episodes, unrolled from a state of 0, in one call: NULL when the
 * term is off. x [steps*B*N, in]. rows, for smoothness_record, gets weights that make the mean over the sample's real steps and agents;
 * what lies behind an end has weight 0. */
const real *smoothness_perturb_sample(const struct smoothness *smoothness, struct block *block, const struct sample_block *episodes,
                                      int steps, const real *x, uint64_t update, int pass, struct smoothness_rows *rows);
/* smoothness_scratch of that. */
size_t smoothness_sample_scratch(const struct net_arch *arch, int rows);

#endif
