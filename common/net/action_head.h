/* What a policy's A numbers mean: the distribution over one agent's action of C components (base/spec.h).
 *
 *   discrete, multi-discrete   masked categoricals, one a component, independent given the observation
 *   box                        a diagonal Gaussian around the A means, its log standard deviations free parameters of the net
 *                              ("log_std"), not of the observation: Schulman et al. 2017, arXiv:1707.06347, section 6.1
 *
 * A box action is in policy units: -1 and 1 stand for the component's bounds; what lies outside is clipped by whoever executes
 * it, and the log-probability is that of the number as drawn. Row-invariant. */
#ifndef TESTUDO_NET_ACTION_HEAD_H
#define TESTUDO_NET_ACTION_HEAD_H

#include "base/rng.h"
#include "base/spec.h"
#include "math/real.h"

#define LOG_STD_MIN ((real)-10) /* a net's log_std counts as clamped to these */
#define LOG_STD_MAX ((real)4)

struct action_head {
    enum action_kind kind;
    int C, A;
    int32_t choices[SPEC_COMPONENTS_MAX];
};

struct action_head action_head_of(const struct spec *spec);
struct action_head action_head_discrete(int A);

/* The noise of one agent's draw, [C]: uniform in [0,1) for choices, standard normal for a box; a pure function of the name. */
void action_head_noise(const struct action_head *head, uint64_t seed, enum rng_purpose purpose, uint64_t episode, uint32_t step,
                       uint32_t agent, float *noise);

/* One row of an action is C cells of 4 bytes: int32_t choices or floats of a box.
 *   output [rows,A] of the policy; log_std [C] of a box, else NULL; available [rows,A] as in categorical.h, not read for a box;
 *   noise [rows,C] -> action [rows,C], logp [rows] of the whole action, probability [rows,A] of every choice (a box: its means;
 *   may be NULL). */
void action_head_sample(const struct action_head *head, int rows, const real *output, const real *log_std, const uint8_t *available,
                        const float *noise, void *action, float *logp, float *probability);

void action_head_logp(const struct action_head *head, int rows, const real *output, const real *log_std, const uint8_t *available,
                      const void *action, float *logp);

/* One agent's action drawn uniformly: over the available choices, component by component; of a box between its bounds. available [A] ->
 * action [C], logp [1]. */
void action_head_uniform(const struct action_head *head, struct rng *rng, const uint8_t *available, void *action, float *logp);

/* The action in the environment's units: box components moved from [-1,1] to their bounds, without clipping. [C] each. */
void action_head_execute(const struct spec *spec, const float *action, float *executed);
/* And back, from an environment's own policy (a script) to policy units. */
void action_head_from_executed(const struct spec *spec, const float *executed, float *action);

#endif
