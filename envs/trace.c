/* Trace files: reading lines, comparing, keeping count. What only one environment knows is in its env_trace_ops. */
#include "envs/trace.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "envs/registry.h"
#include "envs/vec.h"

#define LINE_BYTES_MAX (16u << 20)
#define TRACE_FORMAT 1

struct reader {
    gzFile file;
    const char *path;
    char *line;
    size_t size;
    int64_t number; /* of the line in `line`, from 1 */
};

struct replay {
    struct reader reader;
    struct trace_report *report;
    struct env_instance instance;
    const struct env_trace_ops *ops;
    struct trace_rule rule;
    json_t *before; /* the line before; re-synchronised only */
    void *state;
    float *observation, *critic;
    uint8_t *available, *alive;
    int32_t *choice; /* [N,C]; NULL for a box */
    double *reward;
    bool is_over, is_lost;               /* lost: this episode differed, wait for the next */
    const struct trace_watcher *watcher; /* or NULL */
    bool is_seen;                        /* the watcher has enough */
};

/* Reading */

static int grow(struct reader *reader, struct err *err)
{
    size_t size = reader->size ? 2 * reader->size : 65536;
    char *line = size <= LINE_BYTES_MAX ? realloc(reader->line, size) : NULL;
    if (!line)
        return err_set(err, ERR_LIMIT, "cannot read trace %s: line %lld is longer than %zu bytes", reader->path,
                       (long long)reader->number, reader->size);
    reader->line = line;
    reader->size = size;
    return 0;
}

/* Returns 1 with the next line in reader->line, 0 at the end of the file. */
static int read_line(struct reader *reader, struct err *err)
{
    size_t used = 0;
    reader->number++;
    for (;;) {
        int r = used + 2 > reader->size ? grow(reader, err) : 0;
        if (r)
            return r;
        if (!gzgets(reader->file, reader->line + used, (int)(reader->size - used)))
            break;
        used += strlen(reader->line + used);
        if (used && reader->line[used - 1] == '\n')
            return 1;
    }
    int code;
    const char *reason = gzerror(reader->file, &code);
    if (code != Z_OK && code != Z_STREAM_END)
        return err_set(err, ERR_IO, "cannot read trace %s: line %lld: %s", reader->path, (long long)reader->number, reason);
    return used > 0;
}

/* Returns 1 with *line (the caller drops the reference), 0 at the end. */
static int read_json(struct reader *reader, json_t **line, struct err *err)
{
    json_error_t reason;
    int r = read_line(reader, err);
    *line = NULL;
    if (r <= 0)
        return r;
    *line = json_loads(reader->line, JSON_REJECT_DUPLICATES, &reason);
    if (!json_is_object(*line)) {
        json_decref(*line);
        *line = NULL;
        return err_set(err, ERR_FORMAT, "cannot read trace %s: line %lld is no JSON object: %s", reader->path,
                       (long long)reader->number, reason.text);
    }
    return 1;
}

int trace_int(const json_t *array, size_t i, int64_t low, int64_t high, int64_t *value, struct err *err)
{
    const json_t *item = json_array_get(array, i);
    *value = json_is_integer(item) ? (int64_t)json_integer_value(item) : (int64_t)json_number_value(item);
    if (!json_is_number(item) || *value < low || *value > high || (double)*value != json_number_value(item))
        return err_set(err, ERR_FORMAT, "bad number %zu of a list: expected a whole number from %lld to %lld", i, (long long)low,
                       (long long)high);
    return 0;
}

static bool append_value(char *text, size_t size, const json_t *value)
{
    size_t used = strlen(text);
    int n = -1;
    if (json_is_boolean(value))
        n = snprintf(text + used, size - used, "%s", json_is_true(value) ? "true" : "false");
    else if (json_is_integer(value))
        n = snprintf(text + used, size - used, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        n = snprintf(text + used, size - used, "%.17g", json_real_value(value));
    return n > 0 && (size_t)n < size - used;
}

int trace_set(struct recipe *recipe, const char *key, const json_t *value, const char *null_text, struct err *err)
{
    char name[RECIPE_KEY_MAX], text[RECIPE_VALUE_MAX] = "";
    bool is_good = true;
    snprintf(name, sizeof name, "env.%s", key);
    for (size_t i = 0; i < json_array_size(value) && is_good; i++)
        is_good = (i == 0 || strlen(text) + 2 < sizeof text) && (i == 0 || strcat(text, ",")) &&
                  append_value(text, sizeof text, json_array_get(value, i));
    if (json_is_null(value) && null_text)
        snprintf(text, sizeof text, "%s", null_text);
    else if (!json_is_array(value))
        is_good = append_value(text, sizeof text, value);
    if (!is_good || !*text)
        return err_set(err, ERR_FORMAT, "bad trace header: no usable value for %s", name);
    return recipe_set(recipe, name, text, "trace header", err);
}

/* Opening */

static const struct env_ops *find_by_header(const char *env)
{
    for (const struct env_ops *const *ops = env_registry; *ops && env; ops++)
        if ((*ops)->trace && !strcmp((*ops)->trace->env, env))
            return *ops;
    return NULL;
}

static int check_sizes(const struct replay *replay, const json_t *header, struct err *err)
{
    const struct spec *spec = &replay->instance.spec;
    const struct {
        const char *field;
        int32_t ours;
    } sizes[] = {{"n_agents", spec->N}, {"n_actions", spec->A}, {"act_len", spec->C}, {"obs_len", spec->O}, {"state_len", spec->S}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        const json_t *theirs = json_object_get(header, sizes[i].field);
        if (theirs && json_integer_value(theirs) != sizes[i].ours)
            return err_set(err, ERR_MISMATCH, "%s: header says %s %lld, our environment has %d", replay->reader.path,
                           sizes[i].field, (long long)json_integer_value(theirs), sizes[i].ours);
    }
    return 0;
}

static int open_env(struct replay *replay, const struct env_ops *ops, const json_t *header, struct err *err)
{
    struct recipe *recipe = recipe_create();
    if (!recipe)
        return err_set(err, ERR_NOMEM, "cannot replay %s: out of memory", replay->reader.path);
    int r = recipe_set(recipe, "env.name", ops->name, "trace header", err);
    if (!r)
        r = ops->trace->configure(header, recipe, err);
    if (!r)
        r = env_open(&replay->instance, recipe, err);
    recipe_destroy(&recipe);
    return r ? err_prefix(err, r, "cannot replay %s", replay->reader.path) : check_sizes(replay, header, err);
}

static int open_header(struct replay *replay, const json_t *header, struct err *err)
{
    struct trace_report *report = replay->report;
    const char *env = json_string_value(json_object_get(header, "env")), *name = json_string_value(json_object_get(header, "name"));
    if (json_integer_value(json_object_get(header, "format")) != TRACE_FORMAT)
        return err_set(err, ERR_VERSION, "cannot replay %s: its first line is no header of format %d", replay->reader.path,
                       TRACE_FORMAT);
    const struct env_ops *ops = find_by_header(env);
    if (!ops)
        return err_set(err, ERR_UNKNOWN, "cannot replay %s: no environment here has traces of \"%s\"", replay->reader.path,
                       env ? env : "");
    snprintf(report->env, sizeof report->env, "%s", ops->name);
    snprintf(report->name, sizeof report->name, "%s", name ? name : "");
    replay->ops = ops->trace;
    replay->rule = ops->trace->rule;
    if (ops->trace->rule_of)
        ops->trace->rule_of(header, &replay->rule);
    return ops->trace->compare_case ? 0 : open_env(replay, ops, header, err);
}

static int allocate(struct replay *replay, struct err *err)
{
    const struct spec *spec = &replay->instance.spec;
    size_t N = (size_t)spec->N;
    replay->state = calloc(1, replay->instance.state_bytes);
    replay->observation = calloc(N * (size_t)spec->O, sizeof(float));
    replay->critic = calloc(N * (size_t)spec->S, sizeof(float));
    replay->available = calloc(N, (size_t)spec->A);
    replay->alive = calloc(N, 1);
    replay->choice = spec->action == ACTION_BOX ? NULL : calloc(N * (size_t)spec->C, sizeof(int32_t));
    replay->reward = calloc(N, sizeof(double));
    if (!replay->state || !replay->observation || !replay->critic || !replay->available || !replay->alive ||
        (!replay->choice && spec->action != ACTION_BOX) || !replay->reward)
        return err_set(err, ERR_NOMEM, "cannot replay %s: out of memory", replay->reader.path);
    return 0;
}

static void replay_deinit(struct replay *replay)
{
    if (replay->reader.file)
        gzclose(replay->reader.file);
    free(replay->reader.line);
    free(replay->state);
    free(replay->observation);
    free(replay->critic);
    free(replay->available);
    free(replay->alive);
    free(replay->choice);
    json_decref(replay->before);
    free(replay->reward);
}

/* Comparing */

static bool is_left_out(const struct replay *replay, enum trace_part part)
{
    return replay->is_lost || (replay->rule.left_out & part);
}

/* Counts a differing step once. In a free run the rest of its episode is left out; re-synchronised, the next step starts afresh. */
static void mismatch(struct replay *replay, const json_t *line, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void mismatch(struct replay *replay, const json_t *line, const char *format, ...)
{
    struct trace_report *report = replay->report;
    if (replay->is_lost)
        return;
    replay->is_lost = true;
    if (report->mismatches++)
        return;
    va_list args;
    int n = snprintf(report->first, sizeof report->first, "line %lld, episode %lld, step %lld: ", (long long)replay->reader.number,
                     (long long)json_integer_value(json_object_get(line, "ep")),
                     (long long)json_integer_value(json_object_get(line, "t")));
    va_start(args, format);
    vsnprintf(report->first + n, sizeof report->first - (size_t)n, format, args);
    va_end(args);
}

static void compare_number(struct replay *replay, const json_t *line, const char *what, size_t n, size_t i, const json_t *theirs,
                           double ours, double tolerance)
{
    double difference = json_is_number(theirs) ? fabs(ours - json_number_value(theirs)) : INFINITY;
    if (!(difference <= replay->report->largest))
        replay->report->largest = difference;
    if (!(difference <= tolerance))
        mismatch(replay, line, "%s of agent %zu, number %zu: got %.17g, recorded %.17g", what, n, i, ours,
                 json_number_value(theirs));
}

static void compare_observations(struct replay *replay, const json_t *line)
{
    const json_t *rows = json_object_get(line, "obs");
    if (is_left_out(replay, TRACE_OBSERVATION))
        return;
    size_t N = (size_t)replay->instance.spec.N, O = (size_t)replay->instance.spec.O;
    for (size_t n = 0; n < N; n++) {
        const json_t *row = json_array_get(rows, n);
        if (json_array_size(row) != O)
            mismatch(replay, line, "observation of agent %zu: got %zu numbers, recorded %zu", n, O, json_array_size(row));
        for (size_t i = 0; i < O && !replay->is_lost; i++)
            compare_number(replay, line, "observation", n, i, json_array_get(row, i), replay->observation[n * O + i],
                           replay->rule.observation_tolerance);
    }
}

/* The critic's state, where it is recorded: every agent's row begins with it (an id may follow). */
static void compare_critic(struct replay *replay, const json_t *line)
{
    const json_t *recorded = json_object_get(line, "state");
    size_t N = (size_t)replay->instance.spec.N, S = (size_t)replay->instance.spec.S, length = json_array_size(recorded);
    if (!recorded || is_left_out(replay, TRACE_CRITIC))
        return;
    if (length > S || replay->instance.spec.state_is_observation)
        mismatch(replay, line, "critic's state: got %zu numbers, recorded %zu", S, length);
    for (size_t n = 0; n < N; n++)
        for (size_t i = 0; i < length && !replay->is_lost; i++)
            compare_number(replay, line, "critic's state", n, i, json_array_get(recorded, i), (double)replay->critic[n * S + i],
                           replay->rule.observation_tolerance);
}

/* A row is a list of 0 and 1 or a string of them. */
static double available_at(const json_t *row, size_t a)
{
    if (json_is_string(row))
        return a < json_string_length(row) ? json_string_value(row)[a] - '0' : -1;
    return json_is_number(json_array_get(row, a)) ? json_number_value(json_array_get(row, a)) : -1;
}

static void compare_available(struct replay *replay, const json_t *line)
{
    const json_t *rows = json_object_get(line, "avail");
    if (is_left_out(replay, TRACE_AVAILABLE) || replay->instance.spec.action == ACTION_BOX)
        return;
    size_t N = (size_t)replay->instance.spec.N, A = (size_t)replay->instance.spec.A;
    for (size_t n = 0; n < N; n++)
        for (size_t a = 0; a < A && !replay->is_lost; a++)
            if (available_at(json_array_get(rows, n), a) != replay->available[n * A + a])
                mismatch(replay, line, "availability of action %zu to agent %zu: got %d, recorded %g", a, n,
                         replay->available[n * A + a], available_at(json_array_get(rows, n), a));
}

static void compare_state(struct replay *replay, const json_t *line)
{
    char text[160];
    if (is_left_out(replay, TRACE_STATE))
        return;
    if (!replay->ops->same_state(replay->instance.params, replay->state, line, &replay->rule, text, sizeof text))
        mismatch(replay, line, "%s", text);
}

static void compare_result(struct replay *replay, const json_t *line)
{
    const json_t *rewards = json_object_get(line, "rew"); /* a list of one number, or the number, is everybody's */
    bool is_common = json_array_size(rewards) == 1;
    for (size_t n = 0; n < (size_t)replay->instance.spec.N && !is_left_out(replay, TRACE_REWARD); n++)
        compare_number(replay, line, "reward", n, 0, json_is_array(rewards) ? json_array_get(rewards, is_common ? 0 : n) : rewards,
                       replay->reward[n], replay->rule.reward_tolerance);
    const json_t *done = json_object_get(line, "done");
    if (!is_left_out(replay, TRACE_ENDING) && (!json_is_integer(done) || replay->is_over != (json_integer_value(done) == 1)))
        mismatch(replay, line, "ending: got %d, recorded the opposite", replay->is_over);
}

static void observe(struct replay *replay)
{
    const struct env_view view = {replay->observation, replay->critic, replay->available, replay->alive};
    replay->instance.ops->observe(replay->instance.params, replay->state, &view);
}

/* Replaying */

static void show(struct replay *replay, bool is_reset)
{
    if (replay->watcher && !replay->is_seen)
        replay->is_seen =
            replay->watcher->watch(replay->watcher->context, &(struct trace_moment){.env = &replay->instance,
                                                                                    .state = replay->state,
                                                                                    .choice = is_reset ? NULL : replay->choice,
                                                                                    .reward = replay->reward,
                                                                                    .is_reset = is_reset,
                                                                                    .is_over = replay->is_over});
}

static int replay_reset(struct replay *replay, const json_t *line, struct err *err)
{
    int r = replay->ops->set_state(replay->instance.params, replay->state, line, err);
    if (r)
        return r;
    replay->report->episodes++;
    replay->is_lost = replay->is_over = false;
    observe(replay);
    show(replay, true);
    compare_state(replay, line);
    compare_observations(replay, line);
    compare_critic(replay, line);
    compare_available(replay, line);
    return 0;
}

static int read_actions(struct replay *replay, const json_t *line, struct err *err)
{
    const json_t *act = json_object_get(line, "act");
    size_t N = (size_t)replay->instance.spec.N, C = (size_t)replay->instance.spec.C;
    int64_t choice;
    int r = 0;
    for (size_t i = 0; replay->choice && i < N * C && !r; i++) {
        r = C == 1 ? trace_int(act, i, INT32_MIN, INT32_MAX, &choice, err)
                   : trace_int(json_array_get(act, i / C), i % C, INT32_MIN, INT32_MAX, &choice, err);
        replay->choice[i] = (int32_t)choice;
    }
    return r ? err_prefix(err, r, "bad act") : 0;
}

static int replay_step(struct replay *replay, const json_t *line, struct err *err)
{
    int r = read_actions(replay, line, err);
    if (r || replay->is_lost)
        return r;
    if (replay->is_over || replay->report->episodes == 0)
        return err_set(err, ERR_FORMAT, "a step without a reset before it");
    if (replay->rule.resync && (r = replay->ops->set_state(replay->instance.params, replay->state, replay->before, err)))
        return err_prefix(err, r, "state of the line before");
    replay->ops->step(replay->instance.params, replay->state, line, replay->choice, replay->reward, &replay->is_over);
    replay->report->steps++;
    observe(replay);
    show(replay, false);
    compare_state(replay, line);
    compare_result(replay, line);
    compare_observations(replay, line);
    compare_critic(replay, line);
    compare_available(replay, line);
    return 0;
}

/* Keeps the line for the next step to start from. */
static void remember(struct replay *replay, json_t *line)
{
    if (!replay->rule.resync)
        return;
    json_decref(replay->before);
    replay->before = json_incref(line);
    replay->is_lost = false;
}

static int replay_case(struct replay *replay, const json_t *line, struct err *err)
{
    char text[160] = "";
    int r = replay->ops->compare_case(line, &replay->rule, &replay->report->largest, text, sizeof text, err);
    replay->report->steps++;
    replay->is_lost = false;
    if (r == 0)
        mismatch(replay, line, "%s", text);
    return r < 0 ? r : 0;
}

static int replay_line(struct replay *replay, const json_t *line, struct err *err)
{
    const char *type = json_string_value(json_object_get(line, "type"));
    int r;
    if (type && !strcmp(type, "case") && replay->ops->compare_case)
        r = replay_case(replay, line, err);
    else if (replay->ops->compare_case)
        r = err_set(err, ERR_FORMAT, "a line of type \"%s\", expected case", type ? type : "");
    else if (type && !strcmp(type, "reset"))
        r = replay_reset(replay, line, err);
    else if (type && !strcmp(type, "step"))
        r = replay_step(replay, line, err);
    else
        r = err_set(err, ERR_FORMAT, "a line of type \"%s\", expected reset or step", type ? type : "");
    return r ? err_prefix(err, r, "cannot replay %s: line %lld", replay->reader.path, (long long)replay->reader.number) : 0;
}

static int replay_header(struct replay *replay, struct err *err)
{
    json_t *header;
    int r = read_json(&replay->reader, &header, err);
    if (r <= 0)
        return r ? r : err_set(err, ERR_FORMAT, "cannot replay %s: it is empty", replay->reader.path);
    r = open_header(replay, header, err);
    json_decref(header);
    return r || replay->ops->compare_case ? r : allocate(replay, err);
}

static int replay_lines(struct replay *replay, struct err *err)
{
    json_t *line;
    int r = 0;
    while (!replay->is_seen && (r = read_json(&replay->reader, &line, err)) > 0) {
        r = replay_line(replay, line, err);
        remember(replay, line);
        json_decref(line);
        if (r)
            return r;
    }
    return r;
}

int trace_watch(const char *path, const struct trace_watcher *watcher, struct trace_report *report, struct err *err)
{
    struct replay replay = {.reader = {.path = path}, .report = report, .watcher = watcher};
    *report = (struct trace_report){0};
    replay.reader.file = gzopen(path, "rb");
    if (!replay.reader.file)
        return err_set(err, ERR_IO, "cannot open trace %s", path);
    int r = replay_header(&replay, err);
    if (!r)
        r = replay_lines(&replay, err);
    replay_deinit(&replay);
    if (!r && replay.is_seen)
        return 0;
    if (!r && !report->steps)
        r = err_set(err, ERR_FORMAT, "cannot replay %s: it holds no step", path);
    int64_t compared = report->steps + report->episodes;
    if (!r && (double)(compared - report->mismatches) < replay.rule.share * (double)compared)
        r = err_set(err, ERR_MISMATCH, "%s: %lld of %lld steps and resets differ, first at %s", path, (long long)report->mismatches,
                    (long long)compared, report->first);
    return r;
}

int trace_check(const char *path, struct trace_report *report, struct err *err)
{
    return trace_watch(path, NULL, report, err);
}
