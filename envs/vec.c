/* Batches of environments. Arrays and states are one allocation each, made at the start. */
#include "envs/vec.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN 64 /* a cache line; two environments never share one of states */

static size_t padded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static void *zeroes(size_t bytes)
{
    void *memory = aligned_alloc(ALIGN, padded(bytes));
    return memory ? memset(memory, 0, padded(bytes)) : NULL;
}

int vec_init(struct vec *vec, const struct env_instance *instance, int B)
{
    const struct spec *spec = &instance->spec;
    size_t batch = (size_t)B, agents = batch * (size_t)spec->N;
    ASSERT(B > 0);
    *vec = (struct vec){.instance = instance, .B = B, .state_stride = padded(instance->state_bytes)};
    vec->states = zeroes((batch + 1) * vec->state_stride);
    vec->observation = zeroes(agents * (size_t)spec->O * sizeof(float));
    vec->state = spec->state_is_observation ? NULL : zeroes(agents * (size_t)spec->S * sizeof(float));
    vec->reward = zeroes(agents * sizeof(float));
    vec->available = zeroes(agents * (size_t)spec->A);
    vec->alive = zeroes(agents);
    vec->terminated = zeroes(batch);
    vec->truncated = zeroes(batch);
    if (vec->states && vec->observation && (vec->state || spec->state_is_observation) && vec->reward && vec->available &&
        vec->alive && vec->terminated && vec->truncated)
        return 0;
    vec_deinit(vec);
    return ERR_NOMEM;
}

void vec_deinit(struct vec *vec)
{
    free(vec->states);
    free(vec->observation);
    free(vec->state);
    free(vec->reward);
    free(vec->available);
    free(vec->alive);
    free(vec->terminated);
    free(vec->truncated);
    *vec = (struct vec){0};
}

static unsigned char *state_of(const struct vec *vec, int b)
{
    return vec->states + (size_t)b * vec->state_stride;
}

void vec_observe(struct vec *vec, int b)
{
    const struct env_instance *instance = vec->instance;
    const struct spec *spec = &instance->spec;
    size_t agents = (size_t)b * (size_t)spec->N;
    struct env_view view = {
        .observation = vec->observation + agents * (size_t)spec->O,
        .state = vec->state ? vec->state + agents * (size_t)spec->S : NULL,
        .available = vec->available + agents * (size_t)spec->A,
        .alive = vec->alive + agents,
    };
    instance->ops->observe(instance->params, state_of(vec, b), &view);
}

void vec_reset(struct vec *vec, int b, struct rng *rng)
{
    vec->instance->ops->reset(vec->instance->params, state_of(vec, b), rng);
    vec_observe(vec, b);
}

void vec_step(struct vec *vec, const void *action, struct rng *rngs)
{
    const struct env_instance *instance = vec->instance;
    size_t N = (size_t)instance->spec.N, joint = N * (size_t)instance->spec.C;
    bool is_box = instance->spec.action == ACTION_BOX;
    for (int b = 0; b < vec->B; b++) {
        const struct env_action taken = {.choice = is_box ? NULL : (const int32_t *)action + (size_t)b * joint,
                                         .real = is_box ? (const float *)action + (size_t)b * joint : NULL};
        struct env_result result = {
            .reward = vec->reward + (size_t)b * N, .terminated = &vec->terminated[b], .truncated = &vec->truncated[b]};
        instance->ops->step(instance->params, state_of(vec, b), &taken, rngs ? &rngs[b] : NULL, &result);
        vec_observe(vec, b);
    }
}

void vec_save(const struct vec *vec, int b, void *bytes)
{
    memcpy(bytes, state_of(vec, b), vec->instance->state_bytes);
}

int vec_load(struct vec *vec, int b, const void *bytes, size_t length, struct err *err)
{
    const struct env_instance *instance = vec->instance;
    if (length != instance->state_bytes)
        return err_set(err, ERR_MISMATCH, "cannot load a state of %s: got %zu bytes, expected %zu", instance->spec.env, length,
                       instance->state_bytes);
    unsigned char *landing = state_of(vec, vec->B); /* aligned, which the bytes need not be */
    memcpy(landing, bytes, length);
    int r = instance->ops->check_state(instance->params, landing, err);
    if (r)
        return r;
    memcpy(state_of(vec, b), landing, length);
    vec_observe(vec, b);
    return 0;
}
