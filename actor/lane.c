#include "actor/lane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t padded(size_t bytes)
{
    return (bytes + 15) & ~(size_t)15;
}

static size_t belief_floats(const struct lanes *lanes)
{
    return (size_t)lanes->N * (size_t)lanes->H;
}

static size_t memory_bytes(const struct lanes *lanes)
{
    return (size_t)lanes->N * SCRIPT_MEMORY_MAX;
}

int lanes_init(struct lanes *lanes, int count, const struct env_instance *env, int H)
{
    *lanes = (struct lanes){.count = count, .N = env->spec.N, .H = H, .state_bytes = env->state_bytes};
    lanes->head = calloc((size_t)count, sizeof *lanes->head);
    lanes->belief_state = calloc((size_t)count * belief_floats(lanes) + 1, sizeof *lanes->belief_state);
    lanes->memory = calloc((size_t)count, memory_bytes(lanes));
    if (lanes->head && lanes->belief_state && lanes->memory)
        return 0;
    lanes_deinit(lanes);
    return ERR_NOMEM;
}

void lanes_deinit(struct lanes *lanes)
{
    free(lanes->head);
    free(lanes->belief_state);
    free(lanes->memory);
    *lanes = (struct lanes){0};
}

size_t lane_snapshot_bytes(const struct env_instance *env, int H)
{
    size_t N = (size_t)env->spec.N;
    return padded(sizeof(struct lane_head)) + padded(env->state_bytes) + padded(N * (size_t)H * sizeof(float)) +
           padded(N * SCRIPT_MEMORY_MAX);
}

void lane_save(const struct lanes *lanes, const struct vec *vec, int place, unsigned char *bytes)
{
    memset(bytes, 0, lane_snapshot_bytes(vec->instance, lanes->H)); /* padding must not carry old bytes into a hash */
    memcpy(bytes, &lanes->head[place], sizeof(struct lane_head));
    bytes += padded(sizeof(struct lane_head));
    vec_save(vec, place, bytes);
    bytes += padded(lanes->state_bytes);
    memcpy(bytes, lanes->belief_state + (size_t)place * belief_floats(lanes), belief_floats(lanes) * sizeof(float));
    bytes += padded(belief_floats(lanes) * sizeof(float));
    memcpy(bytes, lanes->memory + (size_t)place * memory_bytes(lanes), memory_bytes(lanes));
}

#define EPISODE_STEPS_MAX 1000000000 /* as the column episode_step allows */

/* Beliefs are outputs of a GRU, hence inside [-1,1] but for rounding. */
static int check_parts(const struct lanes *lanes, const struct lane_head *head, const unsigned char *belief, struct err *err)
{
    uint64_t agents = lanes->N == 64 ? ~0ull : (1ull << lanes->N) - 1;
    if (head->episode_step < 0 || head->episode_step >= EPISODE_STEPS_MAX || (head->partition & ~agents) ||
        !isfinite(head->episode_return))
        return err_set(err, ERR_RANGE, "snapshot head is out of range: step %d, partition %llx", head->episode_step,
                       (unsigned long long)head->partition);
    for (size_t i = 0; i < belief_floats(lanes); i++) {
        float h;
        memcpy(&h, belief + i * sizeof h, sizeof h);
        if (!(h >= -2.0f && h <= 2.0f))
            return err_set(err, isfinite(h) ? ERR_RANGE : ERR_NOT_FINITE, "snapshot's belief state %zu is %g", i, (double)h);
    }
    return 0;
}

int lane_load(struct lanes *lanes, struct vec *vec, int place, const unsigned char *bytes, size_t length, struct err *err)
{
    if (length != lane_snapshot_bytes(vec->instance, lanes->H))
        return err_set(err, ERR_MISMATCH, "snapshot has %zu bytes, expected %zu", length,
                       lane_snapshot_bytes(vec->instance, lanes->H));
    struct lane_head head;
    const unsigned char *state = bytes + padded(sizeof head), *belief = state + padded(lanes->state_bytes);
    memcpy(&head, bytes, sizeof head);
    int r = check_parts(lanes, &head, belief, err);
    if (r || (r = vec_load(vec, place, state, lanes->state_bytes, err)))
        return r;
    lanes->head[place] = head;
    memcpy(lanes->belief_state + (size_t)place * belief_floats(lanes), belief, belief_floats(lanes) * sizeof(float));
    memcpy(lanes->memory + (size_t)place * memory_bytes(lanes), belief + padded(belief_floats(lanes) * sizeof(float)),
           memory_bytes(lanes));
    return 0;
}

void lane_copy(struct lanes *to, struct vec *to_vec, int to_place, const struct lanes *from, const struct vec *from_vec,
               int from_place)
{
    to->head[to_place] = from->head[from_place];
    memcpy(to->belief_state + (size_t)to_place * belief_floats(to), from->belief_state + (size_t)from_place * belief_floats(from),
           belief_floats(to) * sizeof(float));
    memcpy(to->memory + (size_t)to_place * memory_bytes(to), from->memory + (size_t)from_place * memory_bytes(from),
           memory_bytes(to));
    memcpy(to_vec->states + (size_t)to_place * to_vec->state_stride, from_vec->states + (size_t)from_place * from_vec->state_stride,
           to->state_bytes);
}
