/* The learner's numbers of the moment, for three readers: progress.csv and TensorBoard (status_fill), the launcher's progress line
 * (status_write_line, one JSON object a line), and `stats` (status_json, with books and partitions). */
#ifndef TESTUDO_LEARNER_STATUS_H
#define TESTUDO_LEARNER_STATUS_H

#include "base/clock.h"
#include "base/histogram.h"
#include "learner/algorithm.h"
#include "learner/ledger.h"
#include "learner/partitions.h"

/* Columns of progress.csv that every run has; those that an algorithm does not report stay empty. Its own come behind. */
enum { STATUS_NAMES = 35 };
extern const char *const status_names[STATUS_NAMES];
enum { STATUS_COLUMNS_MAX = STATUS_NAMES + REPORT_MAX };

/* What became of closer looks (admission.h), since this process started. */
struct admission_counts {
    uint64_t rescored, unfit, unjudged; /* slices scored again; of these rejected; could not be judged, and were let in */
    uint64_t audited, same, different, undecided, skipped; /* slices repeated: compared; skipped: nobody was free to repeat it */
    int audits_open;
    uint64_t delay_max;     /* trajectories that an actor sent between one and a second actor's answer to the same order */
    double rescore_seconds; /* of the thread that scores */
    int n_quarantined;
    uint32_t quarantined[PROTOCOL_ACTORS_MAX]; /* actors that get no orders any more */
};

struct status {
    const char *columns[STATUS_COLUMNS_MAX]; /* [n_columns] borrowed: status_names, then the algorithm's reports */
    int n_columns;
    const char *phase;
    uint64_t updates, budget_updates;
    int64_t steps_per_update, steps, start_steps;
    double lag, steps_per_s, return_clean, return_attacked, return_lowest;
    double eval_clean, eval_attacked, eval_lowest;
    int tasks_left;
    int64_t skipped, checkpoints_failed; /* since this process started; anything but 0 is an alarm */
    int64_t updates_at_stake;            /* not on disk although a checkpoint was due: what a crash would cost; 0: no alarm */
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
    monotonic_us began_us, ended_us;                    /* of training in this process; 0: not yet */
    double saving_seconds, ahead_seconds;       /* that learning stood still: for checkpoints; for writing episodes ahead of them */
    double belief_accuracy, mutual_information; /* of the last update; NaN where the method has none */
    struct admission_counts admission;
    struct histogram update_times, lags; /* HISTOGRAM_SECONDS, HISTOGRAM_LAG: of each update; of each trajectory trained on */
};

void status_init(struct status *status);
/* The columns of this run. own: as algorithm_ops.reports says; a name that there is already is not added again. */
void status_set_columns(struct status *status, const char *const *own);
/* values [n_columns]; NaN for what is unknown. */
void status_fill(const struct status *status, const struct report *report, const struct partitions *partitions, double *values);
void status_note_report(struct status *status, const struct report *report);
void status_tick(struct status *status, const struct partitions *partitions, monotonic_us now); /* rates and recent returns */
/* Share of the time of training that learning stood still for checkpoints and what they refer to; NaN before it began. */
double status_stopped_share(const struct status *status, monotonic_us now);
void status_write_line(const struct status *status, int fd); /* a reader that is gone is no error */
int status_json(const struct status *status, const struct ledger *ledger, const struct partitions *partitions, char *out,
                size_t size);

#endif
