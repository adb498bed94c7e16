/* Rollouts: many environments in lanes, stepped together, acted in by defenders and adversaries.
 *
 * A lane is one environment with its episode, partition, recurrent states and attack state. Every random draw is a pure
 * function of (run seed, purpose, episode id, step, agent), episode id = (lane, count of the episode in the lane), so what an
 * order yields does not depend on the actor, nor on which lanes are stepped together. One thread calls these functions. */
#ifndef TESTUDO_ACTOR_ROLLOUT_H
#define TESTUDO_ACTOR_ROLLOUT_H

#include <stdatomic.h>

#include "base/recipe.h"
#include "base/spec.h"
#include "envs/vec.h"
#include "wire/trajectory.h"

struct rollout;

/* Opens the recipe's environment and builds the trajectory schema. Error text for a person. */
MUST_USE int rollout_create(struct rollout **rollout, const struct recipe *recipe, struct err *err);
void rollout_destroy(struct rollout **rollout);
const struct spec *rollout_spec(const struct rollout *rollout);
const struct schema *rollout_schema(const struct rollout *rollout);

/* Carries out n orders that agree in purpose, version, threat and victim (a group; rollout_same_group says so), all lanes different.
 * weights: the version that the orders name. out[i] answers orders[i]: frame is filled (capacity >= schema_bytes_max), with
 * steps, episodes, bytes, lane, slice, version, weights hash, schema hash. Blocks for as long as it takes; `stop` (may be NULL) is
 * polled once a step: when it becomes non-zero the call gives up with ERR_CLOSED.
 * ERR_STATE: an order without snapshot names a lane that is not held here as its previous slice left it (ask again with one).
 * ERR_MISMATCH: the weights lack a net, or a net does not fit the spec. */
MUST_USE int rollout_run(struct rollout *rollout, const struct weights *weights, const struct order *const *orders, int n,
                         struct trajectory *const *out, const atomic_int *stop, struct err *err);
int rollout_same_group(const struct order *a, const struct order *b);

/* What a watcher is shown of an order's lane: the state after a reset (action NULL) and after every step, before a finished episode
 * gives way to the next. All borrowed for the call. */
struct rollout_moment {
    const struct env_instance *env;
    const void *state;
    const void *action;   /* [N,C] executed, as vec_step takes them */
    const float *reward;  /* [N] */
    uint64_t adversaries; /* mask of agents */
    bool is_terminated, is_truncated;
};

/* Calls `watch` for the first order of every group that is carried out from now on; NULL: nobody watches. */
void rollout_watch(struct rollout *rollout, void (*watch)(void *context, const struct rollout_moment *moment), void *context);

/* Seconds spent so far in acting, environment steps, and recording and building trajectories. */
struct rollout_times {
    double acting, stepping, building;
};
struct rollout_times rollout_times(const struct rollout *rollout);

#endif
