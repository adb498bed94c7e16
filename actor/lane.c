#include "actor/lane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t padded(size_t bytes)
{
    return (bytes + 15) & ~(size_t)15;
}

/* What a place holds beside head and environment, in the order of the snapshot. */
enum { PART_BELIEF, PART_MEMORY, PART_POLICY, PART_ACTION, PARTS };
enum { MEMORY_FLOATS = SCRIPT_MEMORY_MAX / sizeof(float) };

static void part_sizes(int N, const struct lane_widths *widths, size_t bytes[PARTS])
{
    const size_t numbers[PARTS] = {[PART_BELIEF] = (size_t)widths->H,
                                   [PART_MEMORY] = MEMORY_FLOATS,
                                   [PART_POLICY] = (size_t)widths->P,
                                   [PART_ACTION] = (size_t)widths->M};
    for (int i = 0; i < PARTS; i++)
        bytes[i] = numbers[i] * (size_t)N * sizeof(float);
}

static unsigned char *part_of(const struct lanes *lanes, int part, int place, size_t bytes)
{
    unsigned char *const starts[PARTS] = {[PART_BELIEF] = (unsigned char *)lanes->belief_state,
                                          [PART_MEMORY] = lanes->memory,
                                          [PART_POLICY] = (unsigned char *)lanes->policy_state,
                                          [PART_ACTION] = (unsigned char *)lanes->last_action};
    return starts[part] + (size_t)place * bytes;
}

int lanes_init(struct lanes *lanes, int count, const struct env_instance *env, const struct lane_widths *widths)
{
    size_t bytes[PARTS], n = (size_t)count;
    *lanes = (struct lanes){.count = count, .N = env->spec.N, .widths = *widths, .state_bytes = env->state_bytes};
    part_sizes(lanes->N, widths, bytes);
    lanes->head = calloc(n, sizeof *lanes->head);
    lanes->belief_state = calloc(n, bytes[PART_BELIEF] + 1);
    lanes->memory = calloc(n, bytes[PART_MEMORY]);
    lanes->policy_state = calloc(n, bytes[PART_POLICY] + 1);
    lanes->last_action = calloc(n, bytes[PART_ACTION] + 1);
    if (lanes->head && lanes->belief_state && lanes->memory && lanes->policy_state && lanes->last_action)
        return 0;
    lanes_deinit(lanes);
    return ERR_NOMEM;
}

void lanes_deinit(struct lanes *lanes)
{
    free(lanes->head);
    free(lanes->belief_state);
    free(lanes->memory);
    free(lanes->policy_state);
    free(lanes->last_action);
    *lanes = (struct lanes){0};
}

size_t lane_snapshot_bytes(const struct env_instance *env, const struct lane_widths *widths)
{
    size_t bytes[PARTS], sum = padded(sizeof(struct lane_head)) + padded(env->state_bytes);
    part_sizes(env->spec.N, widths, bytes);
    for (int i = 0; i < PARTS; i++)
        sum += padded(bytes[i]);
    return sum;
}

void lane_save(const struct lanes *lanes, const struct vec *vec, int place, unsigned char *bytes)
{
    size_t sizes[PARTS];
    part_sizes(lanes->N, &lanes->widths, sizes);
    memset(bytes, 0, lane_snapshot_bytes(vec->instance, &lanes->widths)); /* padding must not carry old bytes into a hash */
    memcpy(bytes, &lanes->head[place], sizeof(struct lane_head));
    bytes += padded(sizeof(struct lane_head));
    vec_save(vec, place, bytes);
    bytes += padded(lanes->state_bytes);
    for (int i = 0; i < PARTS; bytes += padded(sizes[i]), i++)
        memcpy(bytes, part_of(lanes, i, place, sizes[i]), sizes[i]);
}

#define EPISODE_STEPS_MAX 1000000000 /* as the column episode_step allows */

static int check_head(const struct lanes *lanes, const struct lane_head *head, struct err *err)
{
    uint64_t agents = lanes->N == 64 ? ~0ull : (1ull << lanes->N) - 1;
    if (head->episode_step < 0 || head->episode_step >= EPISODE_STEPS_MAX || (head->partition & ~agents) ||
        !isfinite(head->episode_return))
        return err_set(err, ERR_RANGE, "snapshot head is out of range: step %d, partition %llx", head->episode_step,
                       (unsigned long long)head->partition);
    return 0;
}

/* States are outputs of a GRU, hence inside [-1,1] but for rounding; actions are what the columns allow. */
static int check_numbers(const char *what, const unsigned char *bytes, size_t length, float most, struct err *err)
{
    for (size_t i = 0; i < length / sizeof(float); i++) {
        float x;
        memcpy(&x, bytes + i * sizeof x, sizeof x);
        if (!(x >= -most && x <= most))
            return err_set(err, isfinite(x) ? ERR_RANGE : ERR_NOT_FINITE, "snapshot's %s %zu is %g", what, i, (double)x);
    }
    return 0;
}

static int check_parts(const unsigned char *const parts[PARTS], const size_t sizes[PARTS], struct err *err)
{
    int r = check_numbers("belief state", parts[PART_BELIEF], sizes[PART_BELIEF], 2.0f, err);
    if (!r)
        r = check_numbers("recurrent state", parts[PART_POLICY], sizes[PART_POLICY], 2.0f, err);
    return r ? r : check_numbers("last action", parts[PART_ACTION], sizes[PART_ACTION], 1e6f, err);
}

int lane_load(struct lanes *lanes, struct vec *vec, int place, const unsigned char *bytes, size_t length, struct err *err)
{
    if (length != lane_snapshot_bytes(vec->instance, &lanes->widths))
        return err_set(err, ERR_MISMATCH, "snapshot has %zu bytes, expected %zu", length,
                       lane_snapshot_bytes(vec->instance, &lanes->widths));
    struct lane_head head;
    const unsigned char *state = bytes + padded(sizeof head), *parts[PARTS], *next = state + padded(lanes->state_bytes);
    size_t sizes[PARTS];
    part_sizes(lanes->N, &lanes->widths, sizes);
    for (int i = 0; i < PARTS; next += padded(sizes[i]), i++)
        parts[i] = next;
    memcpy(&head, bytes, sizeof head);
    int r = check_head(lanes, &head, err);
    if (r || (r = check_parts(parts, sizes, err)) || (r = vec_load(vec, place, state, lanes->state_bytes, err)))
        return r;
    lanes->head[place] = head;
    for (int i = 0; i < PARTS; i++)
        memcpy(part_of(lanes, i, place, sizes[i]), parts[i], sizes[i]);
    return 0;
}

void lane_copy(struct lanes *to, struct vec *to_vec, int to_place, const struct lanes *from, const struct vec *from_vec,
               int from_place)
{
    size_t sizes[PARTS];
    part_sizes(to->N, &to->widths, sizes);
    to->head[to_place] = from->head[from_place];
    for (int i = 0; i < PARTS; i++)
        memcpy(part_of(to, i, to_place, sizes[i]), part_of(from, i, from_place, sizes[i]), sizes[i]);
    memcpy(to_vec->states + (size_t)to_place * to_vec->state_stride, from_vec->states + (size_t)from_place * from_vec->state_stride,
           to->state_bytes);
}
