#include "deploy/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "deploy/terminal.h"

#define TERMINAL_US 200000
#define PIPE_US 10000000

static void read_number(const json_t *tree, const char *key, double *out)
{
    const json_t *value = json_object_get(tree, key);
    if (json_is_number(value))
        *out = json_number_value(value);
    else if (json_is_null(value))
        *out = NAN;
}

static void read_count(const json_t *tree, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(tree, key);
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        *out = json_integer_value(value);
}

int progress_read(struct progress_status *status, const char *line, size_t length)
{
    json_t *tree = json_parse("status line", line, length, NULL);
    const char *phase = json_string_value(json_object_get(tree, "phase"));
    int r = json_is_object(tree) ? 0 : ERR_FORMAT;
    if (!r) {
        if (phase)
            snprintf(status->phase, sizeof status->phase, "%s", phase);
        read_count(tree, "steps", &status->steps);
        read_count(tree, "budget", &status->budget);
        read_count(tree, "update", &status->update);
        read_number(tree, "steps_per_s", &status->steps_per_s);
        read_number(tree, "return_clean", &status->return_clean);
        read_number(tree, "return_attacked", &status->return_attacked);
        read_number(tree, "lag", &status->lag);
        status->is_done |= json_is_true(json_object_get(tree, "done"));
    }
    json_decref(tree);
    return r;
}

/* 950, 12.3k, 4M: three digits are enough to see it move. */
static void human(double value, char out[16])
{
    static const char suffixes[] = " kMGT";
    int i = 0;
    for (; value >= 999.5 && suffixes[i + 1]; i++)
        value /= 1000;
    if (!i)
        snprintf(out, 16, "%.0f", value);
    else
        snprintf(out, 16, "%.*f%c", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, suffixes[i]);
}

static void append(char *line, const char *format, ...)
{
    size_t used = strlen(line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + used, PROGRESS_LINE_MAX - used, format, args);
    va_end(args);
}

static void append_time(char *line, double seconds)
{
    long s = lround(seconds);
    if (s >= 3600)
        append(line, "  left %ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        append(line, "  left %ld:%02ld", s / 60, s % 60);
}

void progress_format(const struct progress_status *status, char line[PROGRESS_LINE_MAX])
{
    char steps[16], budget[16], rate[16];
    human((double)status->steps, steps);
    human((double)status->budget, budget);
    snprintf(line, PROGRESS_LINE_MAX, "%s", status->phase[0] ? status->phase : "starting");
    if (!status->budget)
        return;
    append(line, "  %.1f %%  %s of %s steps", 100.0 * (double)status->steps / (double)status->budget, steps, budget);
    if (status->steps_per_s > 0) {
        human(status->steps_per_s, rate);
        append(line, "  %s steps/s", rate);
    }
    if (!isnan(status->return_clean))
        append(line, "  return %.3g", status->return_clean);
    if (!isnan(status->return_attacked))
        append(line, "  attacked %.3g", status->return_attacked);
    if (!isnan(status->lag))
        append(line, "  lag %.3g", status->lag);
    double left = (double)(status->budget - status->steps) / status->steps_per_s;
    if (status->steps_per_s > 0 && left > 0 && left < 1e7)
        append_time(line, left);
}

void progress_init(struct progress *progress, const char *label, bool is_quiet)
{
    *progress = (struct progress){.is_terminal = terminal_is(stderr), .is_quiet = is_quiet, .last = clock_us() - PIPE_US + 1000000};
    snprintf(progress->label, sizeof progress->label, "%s", label);
}

static void clear_line(struct progress *progress)
{
    if (progress->is_drawn)
        fputs("\r\033[K", stderr);
    progress->is_drawn = false;
}

void progress_draw(struct progress *progress, const struct progress_status *status)
{
    char line[PROGRESS_LINE_MAX];
    monotonic_us now = clock_us();
    if (progress->is_quiet || now - progress->last < (progress->is_terminal ? TERMINAL_US : PIPE_US))
        return;
    progress->last = now;
    progress_format(status, line);
    if (!progress->is_terminal) {
        fprintf(stderr, "%s%s\n", progress->label, line);
        return;
    }
    clear_line(progress);
    int room = terminal_columns() - 1 - (int)strlen(progress->label);
    fprintf(stderr, "%s%.*s", progress->label, room > 0 ? room : 0, line);
    fflush(stderr);
    progress->is_drawn = true;
}

void progress_note(struct progress *progress, const char *format, ...)
{
    if (progress->is_quiet)
        return;
    clear_line(progress);
    fputs(progress->label, stderr);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void progress_end(struct progress *progress, const struct progress_status *status)
{
    char line[PROGRESS_LINE_MAX];
    if (!status->phase[0])
        return;
    progress_format(status, line);
    progress_note(progress, "%s", line);
}
