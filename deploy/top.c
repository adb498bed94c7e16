#include "deploy/top.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/observer.h"

#define ACTORS_MAX 512

struct screen {
    const json_t *tree;
    const struct top_look *look;
    void (*line)(void *context, const char *text);
    void *context;
    int lines;
};

/* -- lines ------------------------------------------------------------------------------------------------------------------ */

/* Cut at the terminal's width; a style goes around the whole line. */
static void put(struct screen *screen, const char *style, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put(struct screen *screen, const char *style, const char *format, ...)
{
    char text[TOP_LINE_MAX], styled[TOP_LINE_MAX + 32];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (screen->look->columns > 0 && (size_t)screen->look->columns < sizeof text)
        text[screen->look->columns] = 0;
    snprintf(styled, sizeof styled, "%s%s%s", style, text, *style ? screen->look->off : "");
    screen->line(screen->context, styled);
    screen->lines++;
}

static const char *human(const struct screen *screen, const char *path, char out[OBSERVED_SIZE])
{
    return observed_human(observed(screen->tree, path), out);
}

static double number(const struct screen *screen, const char *path)
{
    double value = observed(screen->tree, path);
    return isfinite(value) ? value : 0;
}

static void percent(const struct screen *screen, const char *path, char out[OBSERVED_SIZE])
{
    double value = observed(screen->tree, path);
    if (isfinite(value))
        snprintf(out, OBSERVED_SIZE, "%.0f%%", 100 * value);
    else
        snprintf(out, OBSERVED_SIZE, "-");
}

static void milliseconds(const struct screen *screen, const char *path, char out[OBSERVED_SIZE])
{
    double value = observed(screen->tree, path);
    if (isfinite(value))
        snprintf(out, OBSERVED_SIZE, "%.3g ms", 1000 * value);
    else
        snprintf(out, OBSERVED_SIZE, "-");
}

/* 59 s, 3:07, 2:03:07 */
static void duration(double seconds, char out[OBSERVED_SIZE])
{
    unsigned s = isfinite(seconds) && seconds > 0 && seconds < 1e9 ? (unsigned)seconds : 0;
    if (s < 60)
        snprintf(out, OBSERVED_SIZE, "%u s", s);
    else if (s < 3600)
        snprintf(out, OBSERVED_SIZE, "%u:%02u", s / 60, s % 60);
    else
        snprintf(out, OBSERVED_SIZE, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
}

/* -- the head, in the order of the questions that it answers ---------------------------------------------------------------- */

static void draw_server(struct screen *s)
{
    char up[OBSERVED_SIZE], cache[OBSERVED_SIZE];
    duration(observed(s->tree, "uptime_seconds"), up);
    put(s, s->look->bold, "testudo top  %s  broker up %s  protocol %s  learner %s, generation %.0f  actors %.0f ready, %.0f gone",
        *observed_text(s->tree, "learner_status.task") ? observed_text(s->tree, "learner_status.task") : "no run", up,
        observed_text(s->tree, "protocol"), observed_text(s->tree, "learner.state"), number(s, "learner.generation"),
        number(s, "peers.ready"), number(s, "peers.gone"));
    put(s, s->look->bold, "verdict   %s: %s", observed_text(s->tree, "verdict.limit"), observed_text(s->tree, "verdict.text"));
    put(s, "",
        "run       %s  update %.0f  steps %.0f of %.0f  skipped %.0f  checkpoints failed %.0f, stop learning %.2g%%  cache %s",
        *observed_text(s->tree, "learner_status.phase") ? observed_text(s->tree, "learner_status.phase") : "-",
        number(s, "learner_status.update"), number(s, "learner_status.steps"), number(s, "learner_status.budget"),
        number(s, "learner_status.skipped"), number(s, "learner_status.checkpoints_failed"),
        100 * number(s, "learner_status.stopped_share"), human(s, "cache.bytes", cache));
}

static void draw_speed(struct screen *s)
{
    char steps[OBSERVED_SIZE], trajectories[OBSERVED_SIZE], in[OBSERVED_SIZE], out[OBSERVED_SIZE], updates[OBSERVED_SIZE],
        learner[OBSERVED_SIZE], busy[OBSERVED_SIZE], idle[OBSERVED_SIZE], blocked[OBSERVED_SIZE];
    percent(s, "rates.learner_busy", learner);
    percent(s, "rates.actor_busy", busy);
    percent(s, "rates.actor_idle", idle);
    percent(s, "rates.actor_blocked", blocked);
    put(s, "", "speed     %s steps/s  %s trajectories/s  %s updates/s  in %sB/s  out %sB/s",
        human(s, "rates.env_steps_per_s", steps), human(s, "rates.trajectories_per_s", trajectories),
        human(s, "rates.updates_per_s", updates), human(s, "rates.bytes_in_per_s", in), human(s, "rates.bytes_out_per_s", out));
    put(s, "", "busy      learner %s  actors %s (idle %s, blocked %s)", learner, busy, idle, blocked);
}

static void draw_age(struct screen *s)
{
    char p50[OBSERVED_SIZE], p99[OBSERVED_SIZE], actor[OBSERVED_SIZE], learner[OBSERVED_SIZE], lag[OBSERVED_SIZE];
    milliseconds(s, "rates.age_p50_seconds", p50);
    milliseconds(s, "rates.age_p99_seconds", p99);
    milliseconds(s, "rates.actor_rtt_seconds", actor);
    milliseconds(s, "rates.learner_rtt_seconds", learner);
    put(s, "", "age       p50 %s  p99 %s  on way to learner %.0f  round trip actors %s  learner %s", p50, p99,
        number(s, "on_way_to_learner"), actor, learner);
    put(s, "", "lag       mean %s versions, bound %.0f  newest version %.0f.%.0f", human(s, "rates.lag_mean", lag),
        number(s, "learner_status.max_lag"), json_number_value(json_array_get(observed_at(s->tree, "version"), 0)),
        json_number_value(json_array_get(observed_at(s->tree, "version"), 1)));
}

static void draw_books(struct screen *s)
{
    put(s, "",
        "fates     announced %.0f = trained %.0f + evaluated %.0f + stale %.0f + rejected %.0f + rolled back %.0f + lost %.0f"
        " + in flight %.0f, unexplained %.0f",
        number(s, "learner_status.book.announced"), number(s, "learner_status.book.trained"),
        number(s, "learner_status.book.evaluated"), number(s, "learner_status.book.stale"),
        number(s, "learner_status.book.rejected"), number(s, "learner_status.book.rolled_back"),
        number(s, "learner_status.book.lost"),
        number(s, "learner_status.book.in_flight.actors") + number(s, "learner_status.book.in_flight.learner"),
        number(s, "learner_status.book.unexplained"));
    put(s, "",
        "delivery  received %.0f = distinct %.0f + duplicate %.0f + gap %.0f + unknown %.0f + over grant %.0f + unrouted %.0f",
        number(s, "deliveries.received"), number(s, "deliveries.distinct"), number(s, "deliveries.duplicate"),
        number(s, "deliveries.gap"), number(s, "deliveries.unknown"), number(s, "deliveries.over_grant"),
        number(s, "deliveries.unrouted"));
    put(s, "",
        "faults    malformed %.0f  refused %.0f  stray %.0f  not sent %.0f  resent %.0f  actors gone %.0f  came back %.0f  "
        "learners %.0f",
        number(s, "malformed"), number(s, "refused"), number(s, "stray"), number(s, "dropped"), number(s, "work.resent"),
        number(s, "actors_gone"), number(s, "reconnects"), number(s, "learners"));
    put(s, number(s, "learner_status.admission.quarantined") > 0 ? s->look->bold : "",
        "admission scored again %.0f  unfit %.0f  audited %.0f  different %.0f  undecided %.0f  skipped %.0f  open %.0f  "
        "actors quarantined %.0f",
        number(s, "learner_status.admission.rescored"), number(s, "learner_status.admission.unfit"),
        number(s, "learner_status.admission.audited"), number(s, "learner_status.admission.different"),
        number(s, "learner_status.admission.undecided"), number(s, "learner_status.admission.skipped"),
        number(s, "learner_status.admission.open"), number(s, "learner_status.admission.quarantined"));
}

static void draw_training(struct screen *s)
{
    char clean[OBSERVED_SIZE], attacked[OBSERVED_SIZE], lowest[OBSERVED_SIZE], eval_clean[OBSERVED_SIZE],
        eval_attacked[OBSERVED_SIZE], eval_lowest[OBSERVED_SIZE];
    put(s, "", "return    clean %s  attacked %s  lowest %s   evaluated: clean %s  attacked %s  lowest %s   partitions %zu",
        human(s, "learner_status.return_clean", clean), human(s, "learner_status.return_attacked", attacked),
        human(s, "learner_status.return_lowest", lowest), human(s, "learner_status.eval_clean", eval_clean),
        human(s, "learner_status.eval_attacked", eval_attacked), human(s, "learner_status.eval_lowest", eval_lowest),
        json_array_size(observed_at(s->tree, "learner_status.partitions")));
}

/* -- actors ----------------------------------------------------------------------------------------------------------------- */

static const struct sort {
    char letter;
    const char *title, *path;
    int width; /* negative: left */
    enum { AS_TEXT, AS_COUNT, AS_HUMAN, AS_PERCENT, AS_SECONDS } as;
    bool is_descending; /* what is wanted first */
} sorts[] = {
    {'h', "HOST", "host", -16, AS_TEXT, false},       {'a', "ACTOR", "actor", 10, AS_COUNT, false},
    {'w', "STATE", "state", -11, AS_TEXT, false},     {'v', "VERSION", "version", 9, AS_COUNT, true},
    {'l', "LAG", "lag", 5, AS_COUNT, true},           {'s', "STEPS/S", "steps_per_s", 8, AS_HUMAN, true},
    {'c', "BUSY", "busy", 5, AS_PERCENT, true},       {'b', "B/S", "bytes_per_s", 7, AS_HUMAN, true},
    {'p', "PENDING", "pending", 7, AS_COUNT, true},   {'k', "CREDITS", "credits", 7, AS_COUNT, false},
    {'n', "LANES", "lanes", 6, AS_COUNT, true},       {'e', "STEPS", "steps", 8, AS_HUMAN, true},
    {'x', "REJECTED", "rejected", 8, AS_COUNT, true}, {'t', "SEEN", "silent_seconds", 7, AS_SECONDS, true},
};

const char *top_sorts(void)
{
    return "h host  a actor  w state  v version  l lag  s steps/s  c busy  b bytes/s  p pending  k credits  n lanes  e steps  "
           "x rejected  t last seen";
}

bool top_can_sort(char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(sorts); i++)
        if (sorts[i].letter == letter)
            return true;
    return false;
}

struct order {
    const struct sort *by;
    bool is_reversed;
};

/* The version is [generation, number]. */
static double key_of(const json_t *row, const struct sort *by)
{
    const json_t *value = json_object_get(row, by->path);
    if (json_is_array(value))
        return json_number_value(json_array_get(value, 0)) * 1e12 + json_number_value(json_array_get(value, 1));
    return json_number_value(value);
}

static int compare(const void *a, const void *b, void *context)
{
    const struct order *order = context;
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    double u = key_of(x, order->by), v = key_of(y, order->by);
    int result =
        order->by->as == AS_TEXT ? strcmp(observed_text(x, order->by->path), observed_text(y, order->by->path)) : (u > v) - (u < v);
    if (order->by->is_descending != order->is_reversed)
        result = -result;
    if (result)
        return result;
    double i = observed(x, "actor"), j = observed(y, "actor");
    return (i > j) - (i < j);
}

static void cell(const json_t *row, const struct sort *column, char out[40])
{
    char text[OBSERVED_SIZE];
    double value = observed(row, column->path);
    const json_t *array = json_object_get(row, column->path);
    if (column->as == AS_TEXT)
        snprintf(out, 40, "%.39s", observed_text(row, column->path));
    else if (json_is_array(array))
        snprintf(out, 40, "%.0f.%.0f", json_number_value(json_array_get(array, 0)), json_number_value(json_array_get(array, 1)));
    else if (column->as == AS_COUNT)
        snprintf(out, 40, "%.0f", value);
    else if (column->as == AS_PERCENT)
        snprintf(out, 40, "%.0f%%", 100 * value);
    else if (column->as == AS_SECONDS)
        snprintf(out, 40, "%.1f s", value);
    else
        snprintf(out, 40, "%s", observed_human(value, text));
}

static void draw_row(struct screen *screen, const json_t *row)
{
    char line[TOP_LINE_MAX], text[40];
    size_t used = 0;
    for (size_t c = 0; c < ARRAY_LEN(sorts) && used < sizeof line; c++) {
        if (row)
            cell(row, &sorts[c], text);
        else
            snprintf(text, sizeof text, "%s%s", sorts[c].title, sorts[c].letter == screen->look->sort ? "*" : "");
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%*s", c ? " " : "", sorts[c].width, text);
    }
    bool is_gone = row && !strcmp(observed_text(row, "state"), "gone");
    put(screen, !row ? screen->look->bold : is_gone ? screen->look->dim : "", "%s", line);
}

static void draw_actors(struct screen *screen)
{
    const json_t *rows[ACTORS_MAX], *actors = json_object_get(screen->tree, "actors");
    size_t n = json_array_size(actors) < ACTORS_MAX ? json_array_size(actors) : ACTORS_MAX;
    struct order order = {&sorts[0], screen->look->is_reversed};
    for (size_t i = 0; i < ARRAY_LEN(sorts); i++)
        if (sorts[i].letter == screen->look->sort)
            order.by = &sorts[i];
    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(actors, i);
    qsort_r(rows, n, sizeof *rows, compare, &order);
    draw_row(screen, NULL);
    for (size_t i = 0; i < n; i++) {
        bool is_last = screen->look->rows > 0 && screen->lines + 1 >= screen->look->rows;
        if (is_last && i + 1 < n) {
            put(screen, screen->look->dim, "... and %zu more", n - i);
            return;
        }
        draw_row(screen, rows[i]);
    }
}

void top_draw(const json_t *tree, const struct top_look *look, void (*line)(void *context, const char *text), void *context)
{
    struct screen screen = {.tree = tree, .look = look, .line = line, .context = context};
    draw_server(&screen);
    draw_speed(&screen);
    draw_age(&screen);
    draw_books(&screen);
    draw_training(&screen);
    put(&screen, "", "%s", "");
    draw_actors(&screen);
}
