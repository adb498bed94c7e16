/* The broker's memory of how the run goes: once a second it notes where all counters stand, so that rates over the last seconds, the
 * verdict on what limits the run, and curves of the whole run can be told to whoever asks. No socket and no clock: part of the core. */
#ifndef TESTUDO_BROKER_MONITOR_H
#define TESTUDO_BROKER_MONITOR_H

#include "base/json.h"
#include "broker/history.h"
#include "broker/verdict.h"
#include "broker/view.h"

#define MONITOR_SECONDS 10 /* rates are over so long */

struct monitor_sample {
    monotonic_us at;
    uint64_t steps, received, bytes_in, bytes_out;
    struct histogram ages, lags;
    /* Of the learner's status; negative: none. */
    double updates, learner_steps, uptime, busy;
};

struct monitor_rates { /* per second over the last `seconds`; shares are 0..1; NaN: nothing to tell it from */
    double seconds;
    double steps, trajectories, bytes_in, bytes_out, updates, learner_steps;
    double learner_busy, actor_busy, actor_busy_max, actor_idle, actor_blocked;
    double age_p50, age_p99, lag_mean; /* seconds; versions */
    double actor_rtt, learner_rtt;     /* seconds, mean over actors */
};

/* What a learner that goes back to a checkpoint takes back, but what happened all the same: here it only grows. path, name */
/* clang-format off */
#define MONITOR_TOTALS(X) \
    X("update", UPDATES) \
    X("steps", STEPS) \
    X("book.trained", TRAINED) \
    X("book.evaluated", EVALUATED) \
    X("book.stale", STALE) \
    X("book.rejected", REJECTED) \
    X("book.rolled_back", ROLLED_BACK) \
    X("book.lost", LOST) \
    X("book.announced", ANNOUNCED)
/* clang-format on */
#define MONITOR_TOTAL_NAME(path, name) TOTAL_##name,
enum monitor_total { MONITOR_TOTALS(MONITOR_TOTAL_NAME) TOTALS };

struct monitor {
    monotonic_us sampled_at;
    struct monitor_sample samples[MONITOR_SECONDS + 1]; /* ring; samples[at - 1] is the newest */
    int at, n;
    struct monitor_rates rates;
    struct verdict verdict;
    struct history history;
    uint64_t totals[TOTALS], seen[TOTALS];
    bool has_seen;
    json_t *status; /* what the learner said last, an object; NULL: nothing */
};

/* The learner's words. False when they are no JSON object, or too long: then what it said before stands. */
bool monitor_status(struct monitor *monitor, const void *json, size_t length);
void monitor_forget_status(struct monitor *monitor);

bool monitor_is_due(const struct monitor *monitor, monotonic_us now);
void monitor_sample(struct monitor *monitor, const struct broker_view *view);

/* A number of the learner's status, by its path ("book.trained"); NaN when there is none. */
double monitor_number(const struct monitor *monitor, const char *path);
/* One of its histograms, empty when there is none. */
struct histogram monitor_histogram(const struct monitor *monitor, const char *key);
/* Whether the learner says that it gives this actor no orders any more. */
bool monitor_is_quarantined(const struct monitor *monitor, uint32_t actor);
/* "train"; "" when there is none. */
const char *monitor_phase(const struct monitor *monitor);

#endif
