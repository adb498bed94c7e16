/* The ring is one block of bytes; an episode lies in it in one piece, so a piece at the end may stay unused: the block is longer by one
 * longest episode than what may be held, and so there is always room. Invariants: entries first..first+count-1 (modulo capacity) are in
 * order of age and do not overlap; an entry's bytes follow from its length alone. */
#include "learner/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OFF(field) offsetof(struct replay_config, field)

static const struct config_row rows[] = {
    {"replay.episodes", CONFIG_INT, OFF(episodes), "5000", 1, 10000000, "episodes", NULL, "held at most"},
    {"replay.bytes", CONFIG_INT, OFF(bytes), "1000M", 1000000, 1e12, "bytes", NULL,
     "of the episodes held at most; the oldest give way"},
};

const struct config_table replay_table = {"replay", rows, ARRAY_LEN(rows)};

struct entry {
    size_t start;
    int32_t length;
    bool is_terminated;
};

/* An episode's columns, in the order in which they lie behind each other. */
enum { PART_INPUT, PART_STATE, PART_REWARD, PART_ACTION, PART_AVAILABLE, PART_ALIVE, PART_SLOT, PARTS };

struct staged { /* the episode that a lane is in */
    int32_t length;
    uint64_t next_slice;
    bool is_good; /* it has all its steps from 0 on */
    unsigned char *parts[PARTS];
};

struct replay {
    struct replay_config config;
    struct replay_shape shape;
    size_t row[PARTS]; /* bytes of a step */
    unsigned char *bytes;
    size_t size, most_bytes, held_bytes;
    struct entry *entries; /* [capacity] */
    int capacity, first, count;
    size_t end;            /* behind the newest */
    struct staged *staged; /* [lanes] */
    unsigned char *staging;
    int64_t total, total_steps, left_out;
};

static size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

static bool has_next(int part) /* length + 1 rows */
{
    return part == PART_INPUT || part == PART_STATE || part == PART_AVAILABLE;
}

static size_t part_bytes(const struct replay *replay, int part, int length)
{
    return padded(replay->row[part] * (size_t)(length + has_next(part)));
}

static size_t episode_bytes(const struct replay *replay, int length)
{
    size_t sum = 0;
    for (int p = 0; p < PARTS; p++)
        sum += part_bytes(replay, p, length);
    return sum;
}

static struct replay_shape shape_of(const struct batch_shape *s, int horizon)
{
    return (struct replay_shape){.N = s->N,
                                 .I = s->O + s->K,
                                 .Z = s->state_is_observation ? s->N * s->O : s->S,
                                 .A = s->A,
                                 .C = s->head.C,
                                 .lanes = s->L,
                                 .horizon = horizon,
                                 .state_is_observation = s->state_is_observation};
}

static void size_rows(struct replay *replay)
{
    const struct replay_shape *s = &replay->shape;
    size_t N = (size_t)s->N;
    replay->row[PART_INPUT] = N * (size_t)s->I * sizeof(float);
    replay->row[PART_STATE] = s->state_is_observation ? 0 : (size_t)s->Z * sizeof(float);
    replay->row[PART_REWARD] = N * sizeof(float);
    replay->row[PART_ACTION] = N * (size_t)s->C * sizeof(int32_t);
    replay->row[PART_AVAILABLE] = N * (size_t)s->A;
    replay->row[PART_ALIVE] = replay->row[PART_SLOT] = N;
}

static void part_starts(const struct replay *replay, int length, unsigned char *at, unsigned char *parts[PARTS])
{
    for (int p = 0; p < PARTS; at += part_bytes(replay, p, length), p++)
        parts[p] = at;
}

static int allocate(struct replay *replay)
{
    size_t longest = episode_bytes(replay, replay->shape.horizon), lanes = (size_t)replay->shape.lanes;
    replay->most_bytes = (size_t)replay->config.bytes;
    if (replay->most_bytes / longest > (size_t)replay->config.episodes)
        replay->most_bytes = (size_t)replay->config.episodes * longest;
    if (replay->most_bytes < longest)
        return ERR_LIMIT;
    replay->size = replay->most_bytes + longest;
    replay->capacity = (int)replay->config.episodes;
    replay->bytes = malloc(replay->size); /* the system gives pages when they are written */
    replay->entries = calloc((size_t)replay->capacity, sizeof *replay->entries);
    replay->staged = calloc(lanes, sizeof *replay->staged);
    replay->staging = calloc(lanes, longest);
    if (!replay->bytes || !replay->entries || !replay->staged || !replay->staging)
        return ERR_NOMEM;
    for (size_t l = 0; l < lanes; l++) {
        replay->staged[l].is_good = true;
        part_starts(replay, replay->shape.horizon, replay->staging + l * longest, replay->staged[l].parts);
    }
    return 0;
}

int replay_create(struct replay **out, const struct recipe *recipe, const struct batch_shape *shape, int horizon, struct err *err)
{
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return err_set(err, ERR_NOMEM, "no memory for the replay");
    replay->shape = shape_of(shape, horizon);
    size_rows(replay);
    int r = config_bind(rows, ARRAY_LEN(rows), recipe, &replay->config, err);
    if (!r && (r = allocate(replay)))
        err_set(err, r,
                r == ERR_LIMIT ? "replay.bytes is %" PRId64 ", but one episode of %d steps has %zu" : "no memory for the replay",
                replay->config.bytes, horizon, episode_bytes(replay, horizon));
    if (r) {
        replay_destroy(&replay);
        return r;
    }
    *out = replay;
    return 0;
}

void replay_destroy(struct replay **replay_at)
{
    struct replay *replay = *replay_at;
    if (!replay)
        return;
    free(replay->bytes);
    free(replay->entries);
    free(replay->staged);
    free(replay->staging);
    free(replay);
    *replay_at = NULL;
}

const struct replay_shape *replay_shape(const struct replay *replay)
{
    return &replay->shape;
}

int replay_count(const struct replay *replay)
{
    return replay->count;
}

int64_t replay_total(const struct replay *replay)
{
    return replay->total;
}

int64_t replay_left_out(const struct replay *replay)
{
    return replay->left_out;
}

/* ---- the ring ---- */

static struct entry *entry_at(const struct replay *replay, int i)
{
    return &replay->entries[(replay->first + i) % replay->capacity];
}

static void drop_oldest(struct replay *replay)
{
    replay->held_bytes -= episode_bytes(replay, entry_at(replay, 0)->length);
    replay->first = (replay->first + 1) % replay->capacity;
    replay->count--;
}

/* Who goes depends on what is held, never on where it lies, so that a ring restored from a checkpoint goes on the same. */
static struct entry *push(struct replay *replay, int length, bool is_terminated)
{
    size_t need = episode_bytes(replay, length);
    while (replay->count && (replay->count == replay->capacity || replay->held_bytes + need > replay->most_bytes))
        drop_oldest(replay);
    size_t start = replay->end + need > replay->size ? 0 : replay->end;
    ASSERT(!replay->count || entry_at(replay, 0)->start < start || entry_at(replay, 0)->start >= start + need);
    struct entry *entry = entry_at(replay, replay->count++);
    *entry = (struct entry){.start = start, .length = length, .is_terminated = is_terminated};
    replay->end = start + need;
    replay->held_bytes += need;
    return entry;
}

struct episode replay_at(const struct replay *replay, int i)
{
    ASSERT(i >= 0 && i < replay->count);
    const struct entry *entry = entry_at(replay, i);
    unsigned char *parts[PARTS];
    part_starts(replay, entry->length, replay->bytes + entry->start, parts);
    return (struct episode){.index = i,
                            .length = entry->length,
                            .is_terminated = entry->is_terminated,
                            .input = (const float *)parts[PART_INPUT],
                            .state = replay->shape.state_is_observation ? NULL : (const float *)parts[PART_STATE],
                            .reward = (const float *)parts[PART_REWARD],
                            .action = (const int32_t *)parts[PART_ACTION],
                            .available = parts[PART_AVAILABLE],
                            .alive = parts[PART_ALIVE],
                            .slot = parts[PART_SLOT]};
}

void replay_state(const struct replay_shape *shape, const struct episode *episode, int t, real *out)
{
    if (!shape->state_is_observation) {
        for (int z = 0; z < shape->Z; z++)
            out[z] = (real)episode->state[(size_t)t * (size_t)shape->Z + (size_t)z];
        return;
    }
    int O = shape->Z / shape->N;
    for (int n = 0; n < shape->N; n++)
        for (int o = 0; o < O; o++)
            *out++ = (real)episode->input[((size_t)t * (size_t)shape->N + (size_t)n) * (size_t)shape->I + (size_t)o];
}

/* Floyd's sampling without replacement (Bentley, Floyd 1987, doi 10.1145/30401.315746); n is small, so looking through it is cheap. */
void replay_draw(const struct replay *replay, struct rng *rng, int n, int32_t *picked)
{
    ASSERT(n <= replay->count);
    for (int k = 0; k < n; k++) {
        int last = replay->count - n + k, choice = (int)rng_below(rng, (uint32_t)last + 1);
        for (int i = 0; i < k; i++)
            if (picked[i] == choice) {
                choice = last;
                break;
            }
        picked[k] = choice;
    }
}

/* ---- stitching ---- */

static void put_row(const struct replay *replay, struct staged *staged, int part, int row, const void *from)
{
    memcpy(staged->parts[part] + (size_t)row * replay->row[part], from, replay->row[part]);
}

static void put_input(const struct replay *replay, struct staged *staged, int row, const float *observation, const float *knowledge,
                      int O, int K)
{
    float *to = (float *)(staged->parts[PART_INPUT] + (size_t)row * replay->row[PART_INPUT]);
    for (int n = 0; n < replay->shape.N; n++, to += O + K) {
        memcpy(to, observation + (size_t)n * (size_t)O, (size_t)O * sizeof *to);
        if (K)
            memcpy(to + O, knowledge + (size_t)n * (size_t)K, (size_t)K * sizeof *to);
    }
}

static void stage_step(const struct replay *replay, struct staged *staged, const struct batch_shape *s,
                       const struct batch_view *view, int t)
{
    size_t N = (size_t)s->N, at = (size_t)t * N;
    int row = staged->length;
    put_input(replay, staged, row, view->observation + at * (size_t)s->O, s->K ? view->knowledge + at * (size_t)s->K : NULL, s->O,
              s->K);
    if (!s->state_is_observation)
        put_row(replay, staged, PART_STATE, row, view->state + at * (size_t)s->S); /* agent 0's row */
    put_row(replay, staged, PART_REWARD, row, view->reward + at);
    put_row(replay, staged, PART_ACTION, row, batch_choices(s, view->action, t * s->N));
    put_row(replay, staged, PART_AVAILABLE, row, view->available + at * (size_t)s->A);
    put_row(replay, staged, PART_ALIVE, row, view->alive + at);
    put_row(replay, staged, PART_SLOT, row, view->slot + at);
    staged->length++;
}

static void stage_final(const struct replay *replay, struct staged *staged, const struct batch_shape *s,
                        const struct batch_view *view, int e)
{
    size_t N = (size_t)s->N, at = (size_t)e * N;
    put_input(replay, staged, staged->length, view->final_observation + at * (size_t)s->O,
              s->K ? view->final_knowledge + at * (size_t)s->K : NULL, s->O, s->K);
    if (!s->state_is_observation)
        put_row(replay, staged, PART_STATE, staged->length, view->final_state + at * (size_t)s->S);
    put_row(replay, staged, PART_AVAILABLE, staged->length, view->final_available + at * (size_t)s->A);
}

static void keep_episode(struct replay *replay, const struct staged *staged, bool is_terminated)
{
    const struct entry *entry = push(replay, staged->length, is_terminated);
    unsigned char *parts[PARTS];
    part_starts(replay, entry->length, replay->bytes + entry->start, parts);
    for (int p = 0; p < PARTS; p++) {
        size_t bytes = replay->row[p] * (size_t)(entry->length + has_next(p));
        memcpy(parts[p], staged->parts[p], bytes);
        memset(parts[p] + bytes, 0, part_bytes(replay, p, entry->length) - bytes);
    }
    replay->total++;
    replay->total_steps += staged->length;
}

/* A step of a lane: staged, unless its episode has lost one. Returns whether an episode was kept. */
static bool take_step(struct replay *replay, struct staged *staged, const struct batch_shape *s, const struct batch_view *view,
                      int t, int *e)
{
    if (view->episode_step[t] == 0) {
        staged->length = 0;
        staged->is_good = true;
    }
    if (staged->length == replay->shape.horizon || view->episode_step[t] != staged->length)
        staged->is_good = false;
    if (staged->is_good)
        stage_step(replay, staged, s, view, t);
    if (!view->terminated[t] && !view->truncated[t])
        return false;
    if (staged->is_good) {
        stage_final(replay, staged, s, view, *e);
        keep_episode(replay, staged, view->terminated[t]);
    } else {
        replay->left_out++;
    }
    ++*e;
    bool is_kept = staged->is_good;
    staged->length = 0;
    return is_kept;
}

int replay_add(struct replay *replay, const struct batch *batch)
{
    int kept = 0;
    for (int l = 0; l < batch->shape.L; l++) {
        const struct batch_view *view = &batch->view[l];
        if (view->lane < 0 || view->lane >= replay->shape.lanes)
            continue;
        struct staged *staged = &replay->staged[view->lane];
        int e = 0;
        if (view->slice != staged->next_slice)
            staged->is_good = false; /* until the next episode begins */
        for (int t = 0; t < batch->shape.T; t++)
            kept += take_step(replay, staged, &batch->shape, view, t, &e);
        staged->next_slice = view->slice + 1;
    }
    return kept;
}

/* ---- checkpoints ---- */

enum { COUNTS = 4 };

static int save_staged(const struct replay *replay, struct safetensors *file, struct err *err)
{
    size_t lanes = (size_t)replay->shape.lanes, longest = episode_bytes(replay, replay->shape.horizon);
    int64_t *numbers = calloc(lanes, 3 * sizeof *numbers), shape[2] = {replay->shape.lanes, 3};
    int64_t data_shape[2] = {replay->shape.lanes, (int64_t)longest};
    unsigned char *data = calloc(lanes, longest);
    int r = numbers && data ? 0 : err_set(err, ERR_NOMEM, "no memory to save the replay");
    for (size_t l = 0; l < lanes && !r; l++) {
        const struct staged *staged = &replay->staged[l];
        numbers[3 * l] = staged->length;
        numbers[3 * l + 1] = (int64_t)staged->next_slice;
        numbers[3 * l + 2] = staged->is_good;
        unsigned char *parts[PARTS];
        part_starts(replay, replay->shape.horizon, data + l * longest, parts);
        for (int p = 0; p < PARTS; p++) /* what an earlier episode left behind is not part of the state */
            memcpy(parts[p], staged->parts[p], replay->row[p] * (size_t)staged->length);
    }
    if (!r)
        r = safetensors_add(file, "replay/staged", TENSOR_I64, 2, shape, numbers, err);
    if (!r)
        r = safetensors_add(file, "replay/staged_data", TENSOR_U8, 2, data_shape, data, err);
    free(numbers);
    free(data);
    return r;
}

static int save_episodes(const struct replay *replay, struct safetensors *file, struct err *err)
{
    size_t bytes = 0;
    for (int i = 0; i < replay->count; i++)
        bytes += episode_bytes(replay, entry_at(replay, i)->length);
    unsigned char *data = malloc(bytes + 1), *to = data;
    int64_t *lengths = calloc((size_t)replay->count + 1, 2 * sizeof *lengths), shape[2] = {replay->count, 2}, size = (int64_t)bytes;
    int r = data && lengths ? 0 : err_set(err, ERR_NOMEM, "no memory to save the replay");
    for (int i = 0; i < replay->count && !r; i++) {
        const struct entry *entry = entry_at(replay, i);
        size_t length = episode_bytes(replay, entry->length);
        lengths[2 * i] = entry->length;
        lengths[2 * i + 1] = entry->is_terminated;
        memcpy(to, replay->bytes + entry->start, length);
        to += length;
    }
    if (!r && replay->count)
        r = safetensors_add(file, "replay/lengths", TENSOR_I64, 2, shape, lengths, err);
    if (!r && replay->count)
        r = safetensors_add(file, "replay/data", TENSOR_U8, 1, &size, data, err);
    free(data);
    free(lengths);
    return r;
}

int replay_save(const struct replay *replay, struct safetensors *file, struct err *err)
{
    int64_t counts[COUNTS] = {replay->total, replay->total_steps, replay->left_out, replay->count}, four = COUNTS;
    int r = safetensors_add(file, "replay/counts", TENSOR_I64, 1, &four, counts, err);
    if (!r)
        r = save_episodes(replay, file, err);
    return r ? r : save_staged(replay, file, err);
}

static int find(const struct safetensors *file, const char *name, enum tensor_type type, size_t bytes, const void **data,
                struct err *err)
{
    const struct tensor *tensor = safetensors_find(file, name);
    if (!tensor || tensor->type != type || tensor->bytes != bytes)
        return err_set(err, ERR_MISMATCH, "tensor %s has %zu bytes, expected %zu: the recipe's lanes, task or replay are others",
                       name, tensor ? tensor->bytes : 0, bytes);
    *data = tensor->data;
    return 0;
}

struct stored { /* a checkpoint's tensors, looked over */
    const int64_t *counts, *lengths, *staged;
    const unsigned char *data, *staged_data;
};

static int find_episodes(const struct replay *replay, const struct safetensors *file, struct stored *stored, struct err *err)
{
    size_t held = (size_t)stored->counts[3], bytes = 0;
    int r = find(file, "replay/lengths", TENSOR_I64, held * 2 * sizeof(int64_t), (const void **)&stored->lengths, err);
    if (r)
        return r;
    for (size_t i = 0; i < held; i++) {
        int64_t length = stored->lengths[2 * i];
        if (length < 1 || length > replay->shape.horizon)
            return err_set(err, ERR_MISMATCH, "tensor replay/lengths has an episode of %" PRId64 " steps, the task at most %d",
                           length, replay->shape.horizon);
        bytes += episode_bytes(replay, (int)length);
    }
    return find(file, "replay/data", TENSOR_U8, bytes, (const void **)&stored->data, err);
}

static int find_stored(const struct replay *replay, const struct safetensors *file, struct stored *stored, struct err *err)
{
    size_t lanes = (size_t)replay->shape.lanes;
    int r = find(file, "replay/counts", TENSOR_I64, COUNTS * sizeof(int64_t), (const void **)&stored->counts, err);
    if (!r && (stored->counts[3] < 0 || stored->counts[3] > 100000000))
        return err_set(err, ERR_MISMATCH, "tensor replay/counts says %" PRId64 " episodes", stored->counts[3]);
    if (!r && stored->counts[3])
        r = find_episodes(replay, file, stored, err);
    if (!r)
        r = find(file, "replay/staged", TENSOR_I64, lanes * 3 * sizeof(int64_t), (const void **)&stored->staged, err);
    if (!r)
        r = find(file, "replay/staged_data", TENSOR_U8, lanes * episode_bytes(replay, replay->shape.horizon),
                 (const void **)&stored->staged_data, err);
    for (size_t l = 0; l < lanes && !r; l++)
        if (stored->staged[3 * l] < 0 || stored->staged[3 * l] > replay->shape.horizon)
            return err_set(err, ERR_MISMATCH, "tensor replay/staged has %" PRId64 " steps of lane %zu", stored->staged[3 * l], l);
    return r;
}

int replay_load(struct replay *replay, const struct safetensors *file, bool only_looks, struct err *err)
{
    struct stored stored = {0};
    int r = find_stored(replay, file, &stored, err);
    if (r || only_looks)
        return r;
    replay->first = replay->count = 0;
    replay->end = replay->held_bytes = 0;
    const unsigned char *from = stored.data;
    for (int64_t i = 0; i < stored.counts[3]; i++) {
        int length = (int)stored.lengths[2 * i];
        const struct entry *entry = push(replay, length, stored.lengths[2 * i + 1] != 0);
        memcpy(replay->bytes + entry->start, from, episode_bytes(replay, length));
        from += episode_bytes(replay, length);
    }
    for (int l = 0; l < replay->shape.lanes; l++) {
        struct staged *staged = &replay->staged[l];
        staged->length = (int32_t)stored.staged[3 * l];
        staged->next_slice = (uint64_t)stored.staged[3 * l + 1];
        staged->is_good = stored.staged[3 * l + 2] != 0;
    }
    memcpy(replay->staging, stored.staged_data, (size_t)replay->shape.lanes * episode_bytes(replay, replay->shape.horizon));
    replay->total = stored.counts[0];
    replay->total_steps = stored.counts[1];
    replay->left_out = stored.counts[2];
    return 0;
}
