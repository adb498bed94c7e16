#include "learner/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum batch_column {
#define BATCH_ID(type, name, column_type, span) BATCH_##name,
    BATCH_COLUMNS(BATCH_ID)
#undef BATCH_ID
        BATCH_COLUMN_COUNT
};
_Static_assert(BATCH_COLUMN_COUNT <= ARRAY_LEN(((struct batch *)0)->index), "every field has a handle");

static const struct {
    const char *name;
    enum column_type type;
    enum column_span span;
} wanted[] = {
#define BATCH_WANT(type, name, column_type, span) {#name, column_type, span},
    BATCH_COLUMNS(BATCH_WANT)
#undef BATCH_WANT
};

/* Numbers per row that the shape asks of a column; 0: it must be absent, -1: any. */
static int wanted_width(const struct batch_shape *s, enum batch_column column)
{
    switch (column) {
    case BATCH_observation:
    case BATCH_final_observation: return s->N * s->O;
    case BATCH_state:
    case BATCH_final_state: return s->state_is_observation ? 0 : s->N * s->S;
    case BATCH_knowledge:
    case BATCH_final_knowledge: return s->N * s->K;
    case BATCH_belief_state: return s->N * s->H;
    case BATCH_available:
    case BATCH_final_available: return s->N * s->A;
    case BATCH_intended:
    case BATCH_action: return s->N * s->head.C;
    case BATCH_terminated:
    case BATCH_truncated:
    case BATCH_episode_step: return 1;
    case BATCH_record_episode:
    case BATCH_record_partition:
    case BATCH_record_return: return 1;
    case BATCH_record_length:
    case BATCH_record_success: return 1;
    case BATCH_snapshot: return -1;
    default: return s->N;
    }
}

/* The highest number that an index or flag may take; INFINITY: the column's numbers are only computed with. */
static double wanted_max(const struct batch_shape *s, enum batch_column column)
{
    int most = 0;
    for (int c = 0; c < s->head.C; c++)
        most = s->head.choices[c] > most ? s->head.choices[c] : most;
    switch (column) {
    case BATCH_intended:
    case BATCH_action: return s->head.kind == ACTION_BOX ? INFINITY : most - 1;
    case BATCH_available:
    case BATCH_final_available:
    case BATCH_alive:
    case BATCH_slot:
    case BATCH_terminated:
    case BATCH_truncated: return 1;
    case BATCH_record_success: return 2;
    default: return INFINITY;
    }
}

static enum column_type wanted_type(const struct batch_shape *s, enum batch_column column)
{
    bool is_action = column == BATCH_intended || column == BATCH_action;
    return is_action && s->head.kind == ACTION_BOX ? COLUMN_F32 : wanted[column].type;
}

static int check_column(const struct batch_shape *s, const struct column *column, int i, int width, double max, struct err *err)
{
    enum column_type type = wanted_type(s, (enum batch_column)i);
    if (column->type != type || column->span != wanted[i].span || (width >= 0 && column->width != width))
        return err_set(err, ERR_MISMATCH, "column \"%s\" has width %d, type %d and span %d, expected %d, %d and %d", wanted[i].name,
                       column->width, (int)column->type, (int)column->span, width, (int)type, (int)wanted[i].span);
    if (isfinite(max) && !(column->min >= 0 && column->max <= max))
        return err_set(err, ERR_MISMATCH, "column \"%s\" allows %g to %g, expected 0 to %g", wanted[i].name, column->min,
                       column->max, max);
    return 0;
}

static int find_columns(struct batch *batch, struct err *err)
{
    for (int i = 0; i < BATCH_COLUMN_COUNT; i++) {
        int width = wanted_width(&batch->shape, (enum batch_column)i), index = schema_find(batch->schema, wanted[i].name);
        batch->index[i] = index;
        if (width == 0 && index < 0)
            continue;
        if (index < 0)
            return err_set(err, ERR_MISMATCH, "trajectories have no column \"%s\"", wanted[i].name);
        double max = wanted_max(&batch->shape, (enum batch_column)i);
        int r = check_column(&batch->shape, &batch->schema->columns[index], i, width, max, err);
        if (r)
            return r;
    }
    return 0;
}

int batch_init(struct batch *batch, const struct batch_shape *shape, const struct schema *schema, struct err *err)
{
    *batch = (struct batch){.shape = *shape, .schema = schema};
    if (schema->T != shape->T || schema->chunk != shape->chunk)
        return err_set(err, ERR_MISMATCH, "trajectories have %d steps in chunks of %d, expected %d and %d", schema->T,
                       schema->chunk, shape->T, shape->chunk);
    int r = find_columns(batch, err);
    if (r)
        return r;
    size_t steps = (size_t)shape->L * (size_t)shape->T, rows = steps * (size_t)shape->N;
    size_t places = (size_t)shape->L * ((size_t)shape->T + 1) * (size_t)shape->N;
    batch->view = calloc((size_t)shape->L, sizeof *batch->view);
    batch->reward = calloc(rows, sizeof *batch->reward);
    batch->terminated = calloc(steps, 1);
    batch->truncated = calloc(steps, 1);
    batch->value = calloc(places, sizeof *batch->value);
    batch->old_value = calloc(rows, sizeof *batch->old_value);
    batch->final_value = calloc(rows, sizeof *batch->final_value);
    batch->advantage = calloc(rows, sizeof *batch->advantage);
    batch->target = calloc(rows, sizeof *batch->target);
    batch->is_defender = calloc(rows, 1);
    batch->defender_rows = calloc(rows, sizeof *batch->defender_rows);
    batch->adversary_rows = calloc(rows, sizeof *batch->adversary_rows);
    batch->final_row = calloc(steps, sizeof *batch->final_row);
    if (batch->view && batch->reward && batch->terminated && batch->truncated && batch->value && batch->old_value &&
        batch->final_value && batch->advantage && batch->target && batch->is_defender && batch->defender_rows &&
        batch->adversary_rows && batch->final_row)
        return 0;
    batch_deinit(batch);
    return err_set(err, ERR_NOMEM, "no memory for a batch of %zu rows", rows);
}

void batch_deinit(struct batch *batch)
{
    free(batch->view);
    free(batch->reward);
    free(batch->terminated);
    free(batch->truncated);
    free(batch->value);
    free(batch->old_value);
    free(batch->final_value);
    free(batch->advantage);
    free(batch->target);
    free(batch->is_defender);
    free(batch->defender_rows);
    free(batch->adversary_rows);
    free(batch->final_row);
    *batch = (struct batch){0};
}

void batch_map(const struct batch *batch, const struct trajectory *trajectory, struct batch_view *view)
{
    struct schema_layout layout;
    schema_layout(batch->schema, trajectory->steps, trajectory->episodes, &layout);
#define BATCH_POINT(type, name, column_type, span) \
    view->name =                                   \
        batch->index[BATCH_##name] < 0 ? NULL : (const type *)(trajectory->frame + layout.start[batch->index[BATCH_##name]]);
    BATCH_COLUMNS(BATCH_POINT)
#undef BATCH_POINT
    view->episodes = trajectory->episodes;
    view->lane = trajectory->lane;
    view->slice = trajectory->slice;
}

/* action [C], available [A] */
static bool is_available(const struct action_head *head, const int32_t *action, const uint8_t *available)
{
    for (int c = 0; c < head->C; available += head->choices[c], c++)
        if (action[c] < 0 || action[c] >= head->choices[c] || !available[action[c]])
            return false;
    return true;
}

static int check_actions(const struct batch *batch, const struct batch_view *view, int t, struct err *err)
{
    const struct batch_shape *s = &batch->shape;
    for (int n = 0; n < s->N && s->head.kind != ACTION_BOX; n++) {
        int at = t * s->N + n;
        const uint8_t *available = view->available + (size_t)at * (size_t)s->A;
        const int32_t *intended = batch_choices(&batch->shape, view->intended, at),
                      *action = batch_choices(&batch->shape, view->action, at);
        bool is_good =
            view->alive[at] ? is_available(&s->head, intended, available) && is_available(&s->head, action, available) : true;
        if (!is_good)
            return err_set(err, ERR_MISMATCH, "step %d agent %d: action is not available", t, n);
    }
    return 0;
}

static bool ends_at(const struct batch_view *view, int t)
{
    return view->terminated[t] || view->truncated[t];
}

static int check_episode(const struct batch_view *view, int t, struct err *err)
{
    if (view->terminated[t] && view->truncated[t])
        return err_set(err, ERR_MISMATCH, "step %d is both terminated and truncated", t);
    if (t > 0 && view->episode_step[t] != (ends_at(view, t - 1) ? 0 : view->episode_step[t - 1] + 1))
        return err_set(err, ERR_MISMATCH, "step %d is step %d of its episode, after step %d%s", t, view->episode_step[t],
                       view->episode_step[t - 1], ends_at(view, t - 1) ? ", which ended one" : "");
    return 0;
}

int batch_check(const struct batch *batch, const struct trajectory *trajectory, struct err *err)
{
    int expected = trajectory->purpose == ORDER_EVALUATE ? 0 : batch->shape.T, ends = 0, r;
    struct batch_view view;
    if (trajectory->steps != expected)
        return err_set(err, ERR_MISMATCH, "%d steps, expected %d", trajectory->steps, expected);
    batch_map(batch, trajectory, &view);
    for (int t = 0; t < trajectory->steps; t++) {
        if ((r = check_episode(&view, t, err)) || (r = check_actions(batch, &view, t, err)))
            return r;
        ends += ends_at(&view, t);
    }
    if (trajectory->steps && ends != trajectory->episodes)
        return err_set(err, ERR_MISMATCH, "%d episodes end in the columns, %d in the envelope", ends, trajectory->episodes);
    return 0;
}

/* Who acted in a row, and which truncated episode a step ends. */
static void derive_rows(struct batch *batch, int l)
{
    const struct batch_shape *s = &batch->shape;
    const struct batch_view *view = &batch->view[l];
    int e = 0;
    for (int t = 0; t < s->T; t++) {
        int step = l * s->T + t;
        bool ended = ends_at(view, t);
        batch->final_row[step] = view->truncated[t] && e < view->episodes ? l * s->T + e : -1;
        e += ended;
        for (int n = 0; n < s->N; n++) {
            int r = step * s->N + n;
            bool is_alive = view->alive[t * s->N + n], is_adversary = view->slot[t * s->N + n];
            batch->is_defender[r] = is_alive && !is_adversary;
            batch->reward[r] = view->reward[t * s->N + n];
            if (is_alive && is_adversary)
                batch->adversary_rows[batch->n_adversary_rows++] = r;
            else if (is_alive)
                batch->defender_rows[batch->n_defender_rows++] = r;
        }
    }
    memcpy(batch->terminated + (size_t)l * (size_t)s->T, view->terminated, (size_t)s->T);
    memcpy(batch->truncated + (size_t)l * (size_t)s->T, view->truncated, (size_t)s->T);
}

void batch_fill(struct batch *batch, const struct trajectory *const *trajectories)
{
    batch->n_defender_rows = batch->n_adversary_rows = 0;
    for (int l = 0; l < batch->shape.L; l++) {
        batch_map(batch, trajectories[l], &batch->view[l]);
        derive_rows(batch, l);
    }
}

/* ---- gathering ---- */

static real *copy_numbers(real *out, const float *from, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (real)from[i];
    return out + n;
}

/* Row index of a column with N rows a step, for place q of a trajectory. */
struct place {
    const struct batch_view *view;
    int row; /* t * N + n */
};

static struct place place_of_row(const struct batch *batch, int r)
{
    int rows = batch->shape.T * batch->shape.N;
    return (struct place){&batch->view[r / rows], r % rows};
}

static struct place place_of(const struct batch *batch, int q)
{
    int rows = (batch->shape.T + 1) * batch->shape.N;
    return (struct place){&batch->view[q / rows], q % rows};
}

void batch_gather_policy(const struct batch *batch, const int32_t *rows, int n, real *out)
{
    const struct batch_shape *s = &batch->shape;
    for (int i = 0; i < n; i++) {
        struct place p = place_of_row(batch, rows[i]);
        out = copy_numbers(out, p.view->observation + (size_t)p.row * (size_t)s->O, s->O);
        if (s->K)
            out = copy_numbers(out, p.view->knowledge + (size_t)p.row * (size_t)s->K, s->K);
    }
}

void batch_gather_adversary(const struct batch *batch, const int32_t *rows, int n, int width, real *out)
{
    const struct batch_shape *s = &batch->shape;
    for (int i = 0; i < n; i++) {
        struct place p = place_of_row(batch, rows[i]);
        out = copy_numbers(out, p.view->observation + (size_t)p.row * (size_t)s->O, s->O);
        for (int k = s->O; k < width; k++)
            *out++ = k - s->O == p.row % s->N;
    }
}

static real *gather_critic_place(const struct batch *batch, struct place p, real *out)
{
    const struct batch_shape *s = &batch->shape;
    if (s->state_is_observation)
        out = copy_numbers(out, p.view->observation + (size_t)p.row * (size_t)s->O, s->O);
    else
        out = copy_numbers(out, p.view->state + (size_t)p.row * (size_t)s->S, s->S);
    if (s->K)
        out = copy_numbers(out, p.view->knowledge + (size_t)p.row * (size_t)s->K, s->K);
    return out;
}

void batch_gather_critic(const struct batch *batch, int first_place, int n, real *out)
{
    for (int i = 0; i < n; i++)
        out = gather_critic_place(batch, place_of(batch, first_place + i), out);
}

void batch_gather_critic_rows(const struct batch *batch, const int32_t *rows, int n, real *out)
{
    for (int i = 0; i < n; i++)
        out = gather_critic_place(batch, place_of_row(batch, rows[i]), out);
}

void batch_gather_final(const struct batch *batch, int l, int e, real *out)
{
    const struct batch_shape *s = &batch->shape;
    const struct batch_view *view = &batch->view[l];
    for (int n = 0; n < s->N; n++) {
        size_t row = (size_t)(e * s->N + n);
        if (s->state_is_observation)
            out = copy_numbers(out, view->final_observation + row * (size_t)s->O, s->O);
        else
            out = copy_numbers(out, view->final_state + row * (size_t)s->S, s->S);
        if (s->K)
            out = copy_numbers(out, view->final_knowledge + row * (size_t)s->K, s->K);
    }
}
