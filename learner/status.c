#include "learner/status.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const status_names[STATUS_NAMES] = {
    "update",
    "lag",
    "return/clean",
    "return/attacked",
    "return/lowest",
    "eval/clean",
    "eval/attacked",
    "eval/lowest",
    "steps_per_s",
    "policy/loss",
    "policy/entropy",
    "policy/clip",
    "policy/kl",
    "policy/norm",
    "adversary/loss",
    "adversary/entropy",
    "adversary/clip",
    "adversary/kl",
    "adversary/norm",
    "critic/loss",
    "belief/loss",
    "belief/accuracy",
    "mi/mean",
    "mi/max",
    "mi/low",
    "mi/high",
    "mi/min",
    "mi/nll",
    "mi/share",
    "smoothness",
    "skipped",
    "episodes/clean",
    "episodes/attacked",
    "seconds/update",
    "seconds/wait",
};

void status_init(struct status *status)
{
    *status = (struct status){.phase = "wait",
                              .lag = NAN,
                              .steps_per_s = NAN,
                              .return_clean = NAN,
                              .return_attacked = NAN,
                              .return_lowest = NAN,
                              .eval_clean = NAN,
                              .eval_attacked = NAN,
                              .eval_lowest = NAN,
                              .mode = "sync",
                              .rtt_seconds = NAN,
                              .checkpoint_unix_seconds = NAN,
                              .checkpoint_seconds = NAN,
                              .belief_accuracy = NAN,
                              .mutual_information = NAN};
}

static int column_of(const struct status *status, const char *name)
{
    int i = 0;
    while (i < status->n_columns && strcmp(status->columns[i], name))
        i++;
    return i;
}

void status_set_columns(struct status *status, const char *const *own)
{
    memcpy(status->columns, status_names, sizeof status_names);
    status->n_columns = STATUS_NAMES;
    for (; own && *own && status->n_columns < STATUS_COLUMNS_MAX; own++)
        if (column_of(status, *own) == status->n_columns)
            status->columns[status->n_columns++] = *own;
}

static void put(const struct status *status, double *values, const char *name, double value)
{
    int i = column_of(status, name);
    if (i < status->n_columns)
        values[i] = value;
}

void status_fill(const struct status *status, const struct report *report, const struct partitions *partitions, double *values)
{
    double clean, attacked, lowest, n_clean = 0, n_attacked = 0;
    for (int i = 0; i < status->n_columns; i++)
        values[i] = NAN;
    for (int i = 0; i < report->count; i++)
        put(status, values, report->entries[i].name, report->entries[i].value);
    for (int i = 0; i < partitions->count; i++)
        *(partitions->rows[i].mask ? &n_attacked : &n_clean) += (double)partitions->rows[i].episodes;
    partitions_returns(partitions, &clean, &attacked, &lowest);
    const struct {
        const char *name;
        double value;
    } own[] = {{"update", (double)status->updates},
               {"lag", status->lag},
               {"return/clean", clean},
               {"return/attacked", attacked},
               {"return/lowest", lowest},
               {"eval/clean", status->eval_clean},
               {"eval/attacked", status->eval_attacked},
               {"eval/lowest", status->eval_lowest},
               {"steps_per_s", status->steps_per_s},
               {"episodes/clean", n_clean},
               {"episodes/attacked", n_attacked},
               {"seconds/update", status->update_seconds},
               {"seconds/wait", status->wait_seconds}};
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        put(status, values, own[i].name, own[i].value);
}

void status_note_report(struct status *status, const struct report *report)
{
    for (int i = 0; i < report->count; i++)
        if (!strcmp(report->entries[i].name, "belief/accuracy"))
            status->belief_accuracy = report->entries[i].value;
        else if (!strcmp(report->entries[i].name, "mi/mean"))
            status->mutual_information = report->entries[i].value;
}

void status_tick(struct status *status, const struct partitions *partitions, monotonic_us now)
{
    partitions_returns(partitions, &status->return_clean, &status->return_attacked, &status->return_lowest);
    if (status->last_us && now > status->last_us) {
        double rate = (double)(status->steps - status->last_steps) / ((double)(now - status->last_us) * 1e-6);
        status->steps_per_s = isnan(status->steps_per_s) ? rate : status->steps_per_s + 0.3 * (rate - status->steps_per_s);
    }
    status->last_us = now;
    status->last_steps = status->steps;
}

static int number(char *out, size_t size, const char *key, double value)
{
    return isfinite(value) ? snprintf(out, size, ",\"%s\":%.9g", key, value) : snprintf(out, size, ",\"%s\":null", key);
}

double status_stopped_share(const struct status *status, monotonic_us now)
{
    monotonic_us end = status->ended_us ? status->ended_us : now;
    return status->began_us && end > status->began_us
               ? (status->saving_seconds + status->ahead_seconds) * 1e6 / (double)(end - status->began_us)
               : NAN;
}

/* The object without its closing brace. */
static int open_object(const struct status *status, char *out, size_t size)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"steps_per_s", status->steps_per_s},
                   {"return_clean", status->return_clean},
                   {"return_attacked", status->return_attacked},
                   {"return_lowest", status->return_lowest},
                   {"lag", status->lag},
                   {"eval_clean", status->eval_clean},
                   {"eval_attacked", status->eval_attacked},
                   {"eval_lowest", status->eval_lowest}};
    int used = snprintf(out, size,
                        "{\"phase\":\"%s\",\"steps\":%" PRId64 ",\"budget\":%" PRIu64 ",\"update\":%" PRIu64
                        ",\"tasks_left\":%d,\"skipped\":%" PRId64 ",\"checkpoints_failed\":%" PRId64
                        ",\"updates_at_stake\":%" PRId64 ",\"done\":%s",
                        status->phase, status->steps, status->budget_updates * (uint64_t)status->steps_per_update, status->updates,
                        status->tasks_left, status->skipped, status->checkpoints_failed, status->updates_at_stake,
                        !strcmp(status->phase, "done") ? "true" : "false");
    for (size_t i = 0; i < ARRAY_LEN(numbers) && (size_t)used < size; i++)
        used += number(out + used, size - (size_t)used, numbers[i].key, numbers[i].value);
    return (size_t)used < size ? used : ERR_LIMIT;
}

void status_write_line(const struct status *status, int fd)
{
    char line[1024];
    int used = open_object(status, line, sizeof line - 3);
    if (used < 0)
        return;
    memcpy(line + used, "}\n", 2);
    ssize_t written = write(fd, line, (size_t)used + 2);
    (void)written;
}

static int add_histogram(char *out, size_t size, const char *key, const struct histogram *histogram)
{
    int used = snprintf(out, size, ",\"%s\":{\"sum\":%.9g,\"counts\":", key, histogram->sum);
    for (int b = 0; b < HISTOGRAM_BUCKETS && (size_t)used < size; b++)
        used += snprintf(out + used, size - (size_t)used, "%c%" PRIu64, b ? ',' : '[', histogram->counts[b]);
    return used + ((size_t)used < size ? snprintf(out + used, size - (size_t)used, "]}") : 0);
}

static int add_admission(const struct admission_counts *a, char *out, size_t size)
{
    int used = snprintf(out, size,
                        ",\"admission\":{\"rescored\":%" PRIu64 ",\"unfit\":%" PRIu64 ",\"unjudged\":%" PRIu64
                        ",\"rescore_seconds\":%.6f,\"audited\":%" PRIu64 ",\"same\":%" PRIu64 ",\"different\":%" PRIu64
                        ",\"undecided\":%" PRIu64 ",\"skipped\":%" PRIu64 ",\"delay_max\":%" PRIu64
                        ",\"open\":%d,\"quarantined\":%d,\"actors\":[",
                        a->rescored, a->unfit, a->unjudged, a->rescore_seconds, a->audited, a->same, a->different, a->undecided,
                        a->skipped, a->delay_max, a->audits_open, a->n_quarantined);
    for (int i = 0; i < a->n_quarantined && (size_t)used < size; i++)
        used += snprintf(out + used, size - (size_t)used, "%s%" PRIu32, i ? "," : "", a->quarantined[i]);
    return used + ((size_t)used < size ? snprintf(out + used, size - (size_t)used, "]}") : 0);
}

/* What only statistics want to know. */
static int add_process(const struct status *status, char *out, size_t size)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"uptime_seconds", status->uptime_seconds},
                   {"busy_seconds", status->busy_seconds},
                   {"wait_seconds", status->waited_seconds},
                   {"rtt_seconds", status->rtt_seconds},
                   {"checkpoint_unix_seconds", status->checkpoint_unix_seconds},
                   {"checkpoint_seconds", status->checkpoint_seconds},
                   {"stopped_seconds", status->saving_seconds + status->ahead_seconds},
                   {"stopped_share", status_stopped_share(status, clock_us())},
                   {"belief_accuracy", status->belief_accuracy},
                   {"mutual_information", status->mutual_information}};
    int used = snprintf(out, size, ",\"task\":\"%s\",\"mode\":\"%s\",\"max_lag\":%" PRId64 ",\"lanes\":%" PRId64, status->task,
                        status->mode, status->max_lag, status->lanes);
    for (size_t i = 0; i < ARRAY_LEN(numbers) && (size_t)used < size; i++)
        used += number(out + used, size - (size_t)used, numbers[i].key, numbers[i].value);
    if ((size_t)used < size)
        used += add_admission(&status->admission, out + used, size - (size_t)used);
    if ((size_t)used < size)
        used += add_histogram(out + used, size - (size_t)used, "update_times", &status->update_times);
    if ((size_t)used < size)
        used += add_histogram(out + used, size - (size_t)used, "lags", &status->lags);
    return (size_t)used < size ? used : ERR_LIMIT;
}

int status_json(const struct status *status, const struct ledger *ledger, const struct partitions *partitions, char *out,
                size_t size)
{
    int used = open_object(status, out, size), n;
    if (used < 0)
        return used;
    if ((n = add_process(status, out + used, size - (size_t)used)) < 0)
        return n;
    used += n;
    used += snprintf(out + used, size - (size_t)used, ",\"book\":");
    if ((size_t)used >= size || (n = ledger_json(ledger, out + used, size - (size_t)used)) < 0)
        return ERR_LIMIT;
    used += n;
    used += snprintf(out + used, size - (size_t)used, ",\"partitions\":");
    if ((size_t)used >= size || (n = partitions_json(partitions, out + used, size - (size_t)used)) < 0)
        return ERR_LIMIT;
    used += n;
    if ((size_t)used + 2 > size)
        return ERR_LIMIT;
    memcpy(out + used, "}", 2);
    return used + 1;
}
