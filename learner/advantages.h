/* From rewards and values to normalised advantages, for data of this version (sync: GAE) or of older ones (async: V-trace). */
#ifndef TESTUDO_LEARNER_ADVANTAGES_H
#define TESTUDO_LEARNER_ADVANTAGES_H

#include "learner/ppo.h"

struct advantages {     /* scratch for ratios; sized at create */
    real *ratio, *logp; /* [L,T,N] */
    bool is_async;
};
MUST_USE int advantages_init(struct advantages *advantages, const struct batch_shape *shape, bool is_async);
void advantages_deinit(struct advantages *advantages); /* safe on a zeroed struct */

/* Fills batch->advantage (normalised over `counts_in`, [L,T,N], NULL: not normalised) and batch->target from batch->value.
 * async: each row's ratio is that of the policy that acted in it, the defender's for defenders' rows, the adversary's for
 * adversaries' (either may be NULL, a script or none: then its rows count with ratio 1). */
void advantages_compute(struct advantages *advantages, struct updater *updater, struct batch *batch,
                        const struct ppo_config *config, const struct model *defender, const struct model *adversary,
                        const uint8_t *counts_in);

#endif
