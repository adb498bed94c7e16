/* The ring is one block of bytes; an episode lies in it in one piece, so a piece at the end may stay unused: the block is longer by one
 * longest episode than what may be held, and so there is always room. Invariants: entries first..first+count-1 (modulo capacity) are in
 * order of age and do not overlap; an entry's bytes follow from its length alone. */
#include "learner/replay_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OFF(field) offsetof(struct replay_config, field)

static const struct config_row rows[] = {
    {"replay.episodes", CONFIG_INT, OFF(episodes), "5000", 1, 10000000, "episodes", NULL, "held at most"},
    {"replay.bytes", CONFIG_INT, OFF(bytes), "1000M", 1000000, 1e12, "bytes", NULL,
     "of the episodes held at most; the oldest give way"},
    {"replay.disk_bytes", CONFIG_INT, OFF(disk_bytes), "0", 0, 1e13, "bytes", NULL,
     "of the run's replay/ folder at most; 0: three times what the replay can hold, and never less than about twice"},
    {"replay.priority", CONFIG_CHOICE, OFF(priority), "uniform", 0, 0, "", "uniform|proportional",
     "how episodes are drawn: all alike, or by the TD error of their last replay"},
    {"replay.alpha", CONFIG_REAL, OFF(alpha), "0.6", 0, 1, "", NULL, "proportional: power of the priorities; 0 draws all alike"},
    {"replay.beta", CONFIG_REAL, OFF(beta), "0.4", 0, 1, "", NULL,
     "proportional: power of the importance weights at the start; it rises to 1"},
    {"replay.beta_steps", CONFIG_INT, OFF(beta_steps), "0", 0, 1e12, "environment steps", NULL,
     "over which beta rises, counted over the whole run; 0: those of the run"},
    {"replay.priority_eps", CONFIG_REAL, OFF(priority_eps), "1e-6", 1e-12, 1, "", NULL,
     "proportional: added to an error, so that an episode without one is drawn, too"},
};

const struct config_table replay_table = {"replay", rows, ARRAY_LEN(rows)};

enum { CONFIG_UNIFORM, CONFIG_PROPORTIONAL }; /* replay.priority */

static size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

bool replay_part_has_next(int part)
{
    return part == PART_INPUT || part == PART_STATE || part == PART_AVAILABLE;
}

static size_t part_bytes(const struct replay *replay, int part, int length)
{
    return padded(replay->row[part] * (size_t)(length + replay_part_has_next(part)));
}

size_t replay_episode_bytes(const struct replay *replay, int length)
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

void replay_part_starts(const struct replay *replay, int length, unsigned char *at, unsigned char *parts[PARTS])
{
    for (int p = 0; p < PARTS; at += part_bytes(replay, p, length), p++)
        parts[p] = at;
}

static int allocate(struct replay *replay)
{
    size_t longest = replay_episode_bytes(replay, replay->shape.horizon), lanes = (size_t)replay->shape.lanes;
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
    if (replay->config.priority == CONFIG_PROPORTIONAL &&
        priority_create(&replay->priority, replay->capacity, replay->config.alpha, replay->config.priority_eps))
        return ERR_NOMEM;
    for (size_t l = 0; l < lanes; l++) {
        replay->staged[l].is_good = true;
        replay_part_starts(replay, replay->shape.horizon, replay->staging + l * longest, replay->staged[l].parts);
    }
    return 0;
}

int replay_create(struct replay **out, const struct recipe *recipe, const struct batch_shape *shape, int horizon, struct err *err)
{
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return err_set(err, ERR_NOMEM, "no memory for the replay");
    replay->shape = shape_of(shape, horizon);
    replay->steps_per_update = (int64_t)shape->L * shape->T;
    size_rows(replay);
    int r = config_bind(rows, ARRAY_LEN(rows), recipe, &replay->config, err);
    if (!r && (r = allocate(replay)))
        err_set(err, r,
                r == ERR_LIMIT ? "replay.bytes is %" PRId64 ", but one episode of %d steps has %zu" : "no memory for the replay",
                replay->config.bytes, horizon, replay_episode_bytes(replay, horizon));
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
    segments_close(&replay->segments);
    priority_destroy(&replay->priority);
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

struct entry *replay_entry(const struct replay *replay, int i)
{
    return &replay->entries[(replay->first + i) % replay->capacity];
}

static void drop_oldest(struct replay *replay)
{
    if (replay->priority)
        priority_drop(replay->priority, replay_number(replay, 0));
    replay->held_bytes -= replay_episode_bytes(replay, replay_entry(replay, 0)->length);
    replay->first = (replay->first + 1) % replay->capacity;
    replay->count--;
}

/* Who goes depends on what is held, never on where it lies, so that a ring restored from a checkpoint goes on the same. */
struct entry *replay_push(struct replay *replay, int length, bool is_terminated)
{
    size_t need = replay_episode_bytes(replay, length);
    while (replay->count && (replay->count == replay->capacity || replay->held_bytes + need > replay->most_bytes))
        drop_oldest(replay);
    size_t start = replay->end + need > replay->size ? 0 : replay->end;
    ASSERT(!replay->count || replay_entry(replay, 0)->start < start || replay_entry(replay, 0)->start >= start + need);
    struct entry *entry = replay_entry(replay, replay->count++);
    *entry = (struct entry){.start = start, .length = length, .is_terminated = is_terminated};
    replay->end = start + need;
    replay->held_bytes += need;
    return entry;
}

struct episode replay_at(const struct replay *replay, int i)
{
    ASSERT(i >= 0 && i < replay->count);
    const struct entry *entry = replay_entry(replay, i);
    unsigned char *parts[PARTS];
    replay_part_starts(replay, entry->length, replay->bytes + entry->start, parts);
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
static void draw_uniformly(const struct replay *replay, struct rng *rng, int n, int32_t *picked)
{
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

void replay_draw(const struct replay *replay, struct rng *rng, int n, int32_t *picked)
{
    ASSERT(n <= replay->count);
    if (replay->priority)
        priority_draw(replay->priority, rng, n, replay_number(replay, 0), picked);
    else
        draw_uniformly(replay, rng, n, picked);
}

struct priority *replay_priority(const struct replay *replay)
{
    return replay->priority;
}

int64_t replay_number(const struct replay *replay, int i)
{
    return replay->total - replay->count + i;
}

double replay_beta(const struct replay *replay, uint64_t update, uint64_t total)
{
    double steps = replay->config.beta_steps ? (double)replay->config.beta_steps : (double)total * (double)replay->steps_per_update;
    return priority_beta(replay->config.beta, steps > 0 ? (double)update * (double)replay->steps_per_update / steps : 1);
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
    struct entry *entry = replay_push(replay, staged->length, is_terminated);
    unsigned char *parts[PARTS];
    replay_part_starts(replay, entry->length, replay->bytes + entry->start, parts);
    for (int p = 0; p < PARTS; p++) {
        size_t bytes = replay->row[p] * (size_t)(entry->length + replay_part_has_next(p));
        memcpy(parts[p], staged->parts[p], bytes);
        memset(parts[p] + bytes, 0, part_bytes(replay, p, entry->length) - bytes);
    }
    struct segment_record record = replay_record(replay, replay->count - 1);
    record.number = replay->total++;
    if (replay->priority)
        priority_add(replay->priority, record.number);
    entry->hash = segment_hash(&record);
    replay->total_steps += staged->length;
    replay->unwritten_bytes += (int64_t)record.bytes;
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
    replay_write_ahead(replay);
    return kept;
}
