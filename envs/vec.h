/* Many environments of one kind stepped as a batch over contiguous arrays. No allocation after create.
 *   B environments; observation [B,N,O], state [B,N,S], available [B,N,A], alive [B,N], reward [B,N], terminated, truncated
 * [B]. */
#ifndef TESTUDO_ENVS_VEC_H
#define TESTUDO_ENVS_VEC_H

#include "envs/env.h"

struct env_instance { /* an environment with bound parameters */
    const struct env_ops *ops;
    struct spec spec;
    size_t state_bytes;
    _Alignas(16) unsigned char params[ENV_PARAMS_MAX];
};

/* Binds env.name, env.scenario and the env.* keys of a recipe: explicit keys, around them what the scenario decides, then the
 * rows' defaults. Refuses unknown names and env.* keys, suggesting the nearest. */
MUST_USE int env_open(struct env_instance *instance, const struct recipe *recipe, struct err *err);

struct vec {
    const struct env_instance *instance; /* borrowed */
    int B;
    unsigned char *states; /* [B + 1, state_stride]; the last one is where loaded bytes are checked */
    size_t state_stride;
    float *observation, *state, *reward;
    uint8_t *available, *alive, *terminated, *truncated;
};

MUST_USE int vec_init(struct vec *vec, const struct env_instance *instance, int B);
void vec_deinit(struct vec *vec);
void vec_reset(struct vec *vec, int b, struct rng *rng); /* resets environment b and observes it */
/* action [B,N,C]: int32_t choices, or floats of a box, as spec.action says. rngs [B], or NULL if the environment draws nothing. */
void vec_step(struct vec *vec, const void *action, struct rng *rngs);
void vec_observe(struct vec *vec, int b);                 /* after load */
void vec_save(const struct vec *vec, int b, void *bytes); /* spec.state_bytes */
/* Loads and observes. ERR_MISMATCH or ERR_FORMAT, and nothing changes, when the bytes are no state of this environment: they
 * may come from the network. */
MUST_USE int vec_load(struct vec *vec, int b, const void *bytes, size_t length, struct err *err);

#endif
