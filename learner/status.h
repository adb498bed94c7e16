/* The learner's numbers of the moment, for three readers: progress.csv and TensorBoard (status_fill), the launcher's progress line
 * (status_write_line, one JSON object a line), and `stats` (status_json, with books and partitions). */
#ifndef TESTUDO_LEARNER_STATUS_H
#define TESTUDO_LEARNER_STATUS_H

#include "base/clock.h"
#include "base/histogram.h"
#include "learner/algorithm.h"
#include "learner/ledger.h"
#include "learner/partitions.h"

/* Columns of progress.csv; those that an algorithm does not report stay empty. */
enum { STATUS_NAMES = 44 };
extern const char *const status_names[STATUS_NAMES];

struct status {
    const char *phase;
    uint64_t updates, budget_updates;
    int64_t steps_per_update, steps, start_steps;
    double lag, steps_per_s, return_clean, return_attacked, return_lowest;
    double eval_clean, eval_attacked, eval_lowest;
    int tasks_left;
    int64_t skipped, checkpoints_failed; /* since this process started; anything but 0 is an alarm */
    monotonic_us last_us;
    int64_t last_steps;
    double update_seconds, wait_seconds; /* of the last update: computing; from the published version to the full batch */
    /* For statistics, of this process so far. */
    char task[96];    /* "matrix/iterated/eir-mappo/seed-1" */
    const char *mode; /* "sync", "async" */
    int64_t max_lag, lanes;
    double uptime_seconds, busy_seconds;                /* busy: a worker updates or writes a checkpoint */
    double waited_seconds;                              /* all of wait_seconds */
    double rtt_seconds;                                 /* a word to the broker and back */
    double checkpoint_unix_seconds, checkpoint_seconds; /* when the last one was written, and how long that took */
    double belief_accuracy, mutual_information;         /* of the last update; NaN where the method has none */
    struct histogram update_times, lags; /* HISTOGRAM_SECONDS, HISTOGRAM_LAG: of each update; of each trajectory trained on */
};

void status_init(struct status *status);
void status_fill(const struct status *status, const struct report *report, const struct partitions *partitions, double *values);
void status_note_report(struct status *status, const struct report *report);
void status_tick(struct status *status, const struct partitions *partitions, monotonic_us now); /* rates and recent returns */
void status_write_line(const struct status *status, int fd); /* a reader that is gone is no error */
int status_json(const struct status *status, const struct ledger *ledger, const struct partitions *partitions, char *out,
                size_t size);

#endif
