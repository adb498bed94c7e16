/* The replay in checkpoints and on disk. Episodes are numbered from 0 in the order in which they were taken in; the ring holds the newest
 * ones, total - count .. total - 1. Those that the ring has dropped before they were written never are. */
#include "learner/replay_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SEGMENT_BYTES_MAX ((int64_t)4 << 20)
#define SEGMENT_BYTES_MIN ((int64_t)64 << 10)

enum { COUNTS = 4, HELD_MAX = 100000000 };

/* ---- segments ---- */

/* What one checkpoint's segments can have: the episodes, and beside them parts of segments whose other episodes are gone. */
static int64_t checkpoint_bytes(const struct replay *replay)
{
    int64_t longest = (int64_t)replay_episode_bytes(replay, replay->shape.horizon) + SEGMENT_RECORD_BYTES;
    return (int64_t)replay->most_bytes + (int64_t)replay->capacity * SEGMENT_RECORD_BYTES +
           3 * (replay->segment_bytes + SEGMENT_HEADER_BYTES + longest);
}

int replay_keep_in(struct replay *replay, const char *run, struct err *err)
{
    int64_t sixteenth = (int64_t)replay->most_bytes / 16, ceiling = replay->config.disk_bytes;
    replay->segment_bytes = sixteenth > SEGMENT_BYTES_MAX   ? SEGMENT_BYTES_MAX
                            : sixteenth < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN
                                                            : sixteenth;
    int64_t least = 2 * checkpoint_bytes(replay); /* the newest checkpoint stays until the next one is on disk */
    if (ceiling && ceiling < least)
        return err_set(err, ERR_INVALID,
                       "replay.disk_bytes is %" PRId64 ", but two checkpoints of a replay of %zu bytes need up to %" PRId64
                       ": allow more, or lower replay.bytes",
                       ceiling, replay->most_bytes, least);
    return segments_open(&replay->segments, run, replay->segment_bytes, ceiling ? ceiling : least / 2 * 3, err);
}

struct segments *replay_segments(const struct replay *replay)
{
    return replay->segments;
}

double replay_ahead_seconds(const struct replay *replay)
{
    return replay->ahead_seconds;
}

struct segment_record replay_record(const struct replay *replay, int i)
{
    const struct entry *entry = replay_entry(replay, i);
    return (struct segment_record){.number = replay->total - replay->count + i,
                                   .length = (uint32_t)entry->length,
                                   .is_terminated = entry->is_terminated,
                                   .data = replay->bytes + entry->start,
                                   .bytes = replay_episode_bytes(replay, entry->length),
                                   .hash = entry->hash};
}

static int write_episodes(struct replay *replay, struct err *err)
{
    int64_t first = replay->total - replay->count, next = segments_next(replay->segments);
    int r = 0;
    replay->unwritten_bytes = 0; /* when it fails, too: the next attempt comes after as many again */
    segments_forget(replay->segments, first);
    for (int i = next > first ? (int)(next - first) : 0; i < replay->count && !r; i++) {
        struct segment_record record = replay_record(replay, i);
        r = segments_append(replay->segments, &record, err);
    }
    return r;
}

void replay_write_ahead(struct replay *replay)
{
    if (!replay->segments || replay->unwritten_bytes < replay->segment_bytes)
        return;
    monotonic_us start = clock_us();
    int r = write_episodes(replay, NULL);
    (void)r; /* the checkpoint tries again, and says what is wrong */
    replay->ahead_seconds += clock_seconds_since(start);
}

/* ---- saving ---- */

static int save_staged(const struct replay *replay, struct safetensors *file, struct err *err)
{
    size_t lanes = (size_t)replay->shape.lanes, longest = replay_episode_bytes(replay, replay->shape.horizon);
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
        replay_part_starts(replay, replay->shape.horizon, data + l * longest, parts);
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
        bytes += replay_episode_bytes(replay, replay_entry(replay, i)->length);
    unsigned char *data = malloc(bytes + 1), *to = data;
    int64_t *lengths = calloc((size_t)replay->count + 1, 2 * sizeof *lengths), shape[2] = {replay->count, 2}, size = (int64_t)bytes;
    int r = data && lengths ? 0 : err_set(err, ERR_NOMEM, "no memory to save the replay");
    for (int i = 0; i < replay->count && !r; i++) {
        struct segment_record record = replay_record(replay, i);
        lengths[2 * i] = record.length;
        lengths[2 * i + 1] = record.is_terminated;
        memcpy(to, record.data, record.bytes);
        to += record.bytes;
    }
    if (!r && replay->count)
        r = safetensors_add(file, "episodes/lengths", TENSOR_I64, 2, shape, lengths, err);
    if (!r && replay->count)
        r = safetensors_add(file, "episodes/data", TENSOR_U8, 1, &size, data, err);
    free(data);
    free(lengths);
    return r;
}

int replay_write(struct replay *replay, struct err *err)
{
    if (!replay->segments)
        return 0;
    int r = write_episodes(replay, err);
    return r ? r : segments_sync(replay->segments, err);
}

static int save_references(struct replay *replay, struct safetensors *file, struct err *err)
{
    int r = replay_write(replay, err);
    if (r)
        return r;
    int n = segments_count(replay->segments);
    int64_t *numbers = calloc((size_t)n + 1, SEGMENT_COLUMNS * sizeof *numbers), shape[2] = {n, SEGMENT_COLUMNS};
    if (!numbers)
        return err_set(err, ERR_NOMEM, "no memory to save the replay");
    for (int i = 0; i < n; i++) {
        const struct segment_reference *at = segments_at(replay->segments, i);
        const int64_t row[SEGMENT_COLUMNS] = {
            at->id, at->bytes, at->records, at->first, at->last, (int64_t)at->hash.high, (int64_t)at->hash.low};
        memcpy(numbers + (size_t)i * SEGMENT_COLUMNS, row, sizeof row);
    }
    r = safetensors_add(file, "episodes/segments", TENSOR_I64, 2, shape, numbers, err);
    free(numbers);
    return r;
}

static int save_priorities(const struct replay *replay, struct safetensors *file, struct err *err)
{
    if (!replay->priority)
        return 0;
    int64_t size = 1 + (int64_t)replay->count;
    double *numbers = calloc((size_t)size, sizeof *numbers);
    if (!numbers)
        return err_set(err, ERR_NOMEM, "no memory to save the replay");
    numbers[0] = priority_largest(replay->priority);
    for (int i = 0; i < replay->count; i++)
        numbers[1 + i] = priority_error(replay->priority, replay_number(replay, i));
    int r = safetensors_add(file, "replay/priorities", TENSOR_F64, 1, &size, numbers, err);
    free(numbers);
    return r;
}

int replay_save(struct replay *replay, struct safetensors *file, struct err *err)
{
    int64_t counts[COUNTS] = {replay->total, replay->total_steps, replay->left_out, replay->count}, four = COUNTS, two = 2;
    struct hash content = {0, 0};
    for (int i = 0; i < replay->count; i++)
        content = hash_combine(content, replay_entry(replay, i)->hash);
    int64_t numbers[2] = {(int64_t)content.high, (int64_t)content.low};
    int r = safetensors_add(file, "replay/counts", TENSOR_I64, 1, &four, counts, err);
    if (!r)
        r = safetensors_add(file, "replay/content", TENSOR_I64, 1, &two, numbers, err);
    if (!r)
        r = save_priorities(replay, file, err);
    if (!r)
        r = replay->segments ? save_references(replay, file, err) : save_episodes(replay, file, err);
    return r ? r : save_staged(replay, file, err);
}

/* ---- loading ---- */

static int find(const struct safetensors *file, const char *name, enum tensor_type type, size_t bytes, const void **data,
                struct err *err)
{
    const struct tensor *tensor = safetensors_find(file, name);
    if (!tensor)
        return err_set(err, ERR_MISMATCH, "tensor %s is missing: no checkpoint of a replay, or one of an older version", name);
    if (tensor->type != type || tensor->bytes != bytes)
        return err_set(err, ERR_MISMATCH, "tensor %s has %zu bytes, expected %zu: the recipe's lanes, task or replay are others",
                       name, tensor->bytes, bytes);
    *data = tensor->data;
    return 0;
}

static bool is_reference(const struct segment_reference *at)
{
    return at->id >= 0 && at->bytes > SEGMENT_HEADER_BYTES && at->records > 0 && at->first >= 0 && at->first <= at->last &&
           at->last < INT64_MAX;
}

int replay_references(const struct safetensors *file, struct segment_reference **out, struct err *err)
{
    const struct tensor *tensor = safetensors_find(file, "episodes/segments");
    *out = NULL;
    if (!tensor)
        return 0;
    if (tensor->type != TENSOR_I64 || tensor->n_dims != 2 || tensor->shape[1] != SEGMENT_COLUMNS || tensor->shape[0] > INT32_MAX)
        return err_set(err, ERR_FORMAT, "tensor episodes/segments is no list of %d numbers a segment", SEGMENT_COLUMNS);
    int n = (int)tensor->shape[0];
    struct segment_reference *references = calloc((size_t)n + 1, sizeof *references);
    if (!references)
        return err_set(err, ERR_NOMEM, "no memory for %d segments", n);
    for (int i = 0; i < n; i++) {
        const int64_t *row = (const int64_t *)tensor->data + (size_t)i * SEGMENT_COLUMNS;
        references[i] = (struct segment_reference){.id = row[0],
                                                   .bytes = row[1],
                                                   .records = row[2],
                                                   .first = row[3],
                                                   .last = row[4],
                                                   .hash = {(uint64_t)row[5], (uint64_t)row[6]}};
        if (!is_reference(&references[i])) {
            free(references);
            return err_set(err, ERR_FORMAT, "tensor episodes/segments: row %d is no segment", i);
        }
    }
    *out = references;
    return n;
}

struct taking { /* episodes on their way into the ring */
    struct replay *replay;
    int64_t first, next, total; /* numbers: of the oldest that is held, of the one expected, behind the newest */
    struct hash content;
    bool only_looks;
};

static int take_record(void *context, const struct segment_record *record, struct err *err)
{
    struct taking *taking = context;
    struct replay *replay = taking->replay;
    if (record->number < taking->first)
        return 0; /* was dropped from the ring, its segment has others */
    if (record->number != taking->next || record->number >= taking->total)
        return err_set(err, ERR_MISMATCH, "the replay's episode %" PRId64 " is missing, %" PRId64 " follows", taking->next,
                       record->number);
    if (record->length < 1 || record->length > (uint32_t)replay->shape.horizon ||
        record->bytes != replay_episode_bytes(replay, (int)record->length))
        return err_set(err, ERR_MISMATCH,
                       "episode %" PRId64 " has %" PRIu32 " steps and %zu bytes, the task at most %d steps and %zu bytes",
                       record->number, record->length, record->bytes, replay->shape.horizon,
                       replay_episode_bytes(replay, replay->shape.horizon));
    taking->content = hash_combine(taking->content, record->hash);
    taking->next++;
    if (taking->only_looks)
        return 0;
    struct entry *entry = replay_push(replay, (int)record->length, record->is_terminated);
    memcpy(replay->bytes + entry->start, record->data, record->bytes);
    entry->hash = record->hash;
    return 0;
}

static int take_segments(struct taking *taking, const struct safetensors *file, struct err *err)
{
    struct replay *replay = taking->replay;
    struct segment_reference *references;
    int n = replay_references(file, &references, err);
    if (n < 0)
        return n;
    int r = replay->segments ? 0 : err_set(err, ERR_STATE, "the checkpoint refers to segments of its run's folder");
    for (int i = 0; i < n && !r; i++)
        r = segments_read(replay->segments, &references[i], take_record, taking, err);
    if (!r && !taking->only_looks)
        r = segments_resume(replay->segments, references, n, err);
    free(references);
    return r;
}

static int take_held(struct taking *taking, const struct safetensors *file, struct err *err)
{
    struct replay *replay = taking->replay;
    size_t held = (size_t)(taking->total - taking->first), bytes = 0;
    const int64_t *lengths = NULL;
    const unsigned char *data = NULL;
    int r = held ? find(file, "episodes/lengths", TENSOR_I64, held * 2 * sizeof *lengths, (const void **)&lengths, err) : 0;
    for (size_t i = 0; i < held && !r; i++) {
        if (lengths[2 * i] < 1 || lengths[2 * i] > replay->shape.horizon)
            r = err_set(err, ERR_MISMATCH, "tensor episodes/lengths has an episode of %" PRId64 " steps, the task at most %d",
                        lengths[2 * i], replay->shape.horizon);
        else
            bytes += replay_episode_bytes(replay, (int)lengths[2 * i]);
    }
    if (held && !r)
        r = find(file, "episodes/data", TENSOR_U8, bytes, (const void **)&data, err);
    for (size_t i = 0; i < held && !r; i++) {
        struct segment_record record = {.number = taking->first + (int64_t)i,
                                        .length = (uint32_t)lengths[2 * i],
                                        .is_terminated = lengths[2 * i + 1] != 0,
                                        .data = data,
                                        .bytes = replay_episode_bytes(replay, (int)lengths[2 * i])};
        record.hash = segment_hash(&record);
        data += record.bytes;
        r = take_record(taking, &record, err);
    }
    return r;
}

struct stored { /* a checkpoint's tensors, looked over */
    const int64_t *counts, *content, *staged;
    const double *priorities; /* NULL: drawn uniformly */
    const unsigned char *staged_data;
};

static int find_priorities(const struct replay *replay, const struct safetensors *file, struct stored *stored, struct err *err)
{
    size_t held = (size_t)stored->counts[3];
    if (!replay->priority)
        return safetensors_find(file, "replay/priorities")
                   ? err_set(err, ERR_MISMATCH, "tensor replay/priorities is there, but replay.priority is uniform")
                   : 0;
    int r = find(file, "replay/priorities", TENSOR_F64, (1 + held) * sizeof(double), (const void **)&stored->priorities, err);
    for (size_t i = 0; i <= held && !r; i++)
        if (!(stored->priorities[i] >= 0 && stored->priorities[i] <= stored->priorities[0] && isfinite(stored->priorities[0])))
            r = err_set(err, ERR_MISMATCH, "tensor replay/priorities: number %zu is %g, expected 0 to the largest, %g", i,
                        stored->priorities[i], stored->priorities[0]);
    return r ? r : stored->priorities[0] > 0 ? 0 : err_set(err, ERR_MISMATCH, "tensor replay/priorities: the largest is 0");
}

static int find_stored(const struct replay *replay, const struct safetensors *file, struct stored *stored, struct err *err)
{
    size_t lanes = (size_t)replay->shape.lanes;
    int r = find(file, "replay/counts", TENSOR_I64, COUNTS * sizeof(int64_t), (const void **)&stored->counts, err);
    if (!r && (stored->counts[3] < 0 || stored->counts[3] > HELD_MAX || stored->counts[0] < stored->counts[3]))
        return err_set(err, ERR_MISMATCH, "tensor replay/counts says %" PRId64 " episodes of %" PRId64, stored->counts[3],
                       stored->counts[0]);
    if (!r)
        r = find(file, "replay/content", TENSOR_I64, 2 * sizeof(int64_t), (const void **)&stored->content, err);
    if (!r)
        r = find_priorities(replay, file, stored, err);
    if (!r)
        r = find(file, "replay/staged", TENSOR_I64, lanes * 3 * sizeof(int64_t), (const void **)&stored->staged, err);
    if (!r)
        r = find(file, "replay/staged_data", TENSOR_U8, lanes * replay_episode_bytes(replay, replay->shape.horizon),
                 (const void **)&stored->staged_data, err);
    for (size_t l = 0; l < lanes && !r; l++)
        if (stored->staged[3 * l] < 0 || stored->staged[3 * l] > replay->shape.horizon)
            return err_set(err, ERR_MISMATCH, "tensor replay/staged has %" PRId64 " steps of lane %zu", stored->staged[3 * l], l);
    return r;
}

static int take_episodes(struct replay *replay, const struct safetensors *file, const struct stored *stored, bool only_looks,
                         struct err *err)
{
    const int64_t total = stored->counts[0], held = stored->counts[3];
    struct taking taking = {
        .replay = replay, .first = total - held, .next = total - held, .total = total, .only_looks = only_looks};
    const struct hash content = {(uint64_t)stored->content[0], (uint64_t)stored->content[1]};
    int r = (safetensors_find(file, "episodes/segments") ? take_segments : take_held)(&taking, file, err);
    if (r)
        return r;
    if (taking.next != total)
        return err_set(err, ERR_MISMATCH, "the replay has %" PRId64 " episodes, expected %" PRId64, held - (total - taking.next),
                       held);
    return hash_equal(taking.content, content)
               ? 0
               : err_set(err, ERR_MISMATCH, "the replay's episodes are not those that tensor replay/content says");
}

/* Of the newest episodes, where the ring has room for fewer. */
static void take_priorities(struct replay *replay, const struct stored *stored)
{
    if (!replay->priority)
        return;
    const double *newest = stored->priorities + 1 + (stored->counts[3] - replay->count);
    priority_clear(replay->priority);
    priority_set_largest(replay->priority, stored->priorities[0]);
    for (int i = 0; i < replay->count; i++)
        priority_set(replay->priority, replay_number(replay, i), newest[i]);
}

int replay_load(struct replay *replay, const struct safetensors *file, bool only_looks, struct err *err)
{
    struct stored stored = {0};
    int r = find_stored(replay, file, &stored, err);
    if (r)
        return r;
    if (!only_looks) {
        replay->first = replay->count = 0;
        replay->end = replay->held_bytes = 0;
    }
    if ((r = take_episodes(replay, file, &stored, only_looks, err)) || only_looks)
        return r;
    for (int l = 0; l < replay->shape.lanes; l++) {
        struct staged *staged = &replay->staged[l];
        staged->length = (int32_t)stored.staged[3 * l];
        staged->next_slice = (uint64_t)stored.staged[3 * l + 1];
        staged->is_good = stored.staged[3 * l + 2] != 0;
    }
    memcpy(replay->staging, stored.staged_data, (size_t)replay->shape.lanes * replay_episode_bytes(replay, replay->shape.horizon));
    replay->total = stored.counts[0];
    replay->total_steps = stored.counts[1];
    replay->left_out = stored.counts[2];
    take_priorities(replay, &stored);
    return 0;
}
