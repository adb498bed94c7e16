/* The learner process from inside: what learner.c (loop, updates, checkpoints), learner_evaluate.c and learner_start.c share.
 * Everything runs on the loop's thread, except the two worker functions of learner.c. */
#ifndef TESTUDO_LEARNER_LEARNER_INTERNAL_H
#define TESTUDO_LEARNER_LEARNER_INTERNAL_H

#include <limits.h>

#include <uv.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "learner/advantages.h"
#include "learner/checkpoint.h"
#include "learner/convergence.h"
#include "learner/evaluation.h"
#include "learner/learner.h"
#include "learner/learner_link.h"
#include "learner/metrics.h"
#include "learner/partitions.h"
#include "learner/q_learning.h"
#include "learner/quarantine.h"
#include "learner/regularisers/mi.h"
#include "learner/regularisers/smoothness.h"
#include "learner/status.h"
#include "learner/trainer.h"
#include "wire/loop_zmq.h"

enum stage { STAGE_WAIT_TASK, STAGE_TRAIN, STAGE_EVALUATE, STAGE_DONE };

enum { TICK_MS = 20, STATUS_MS = 500, FAILURES_MAX = 5 };

struct job { /* what the worker has in hand */
    uv_work_t work;
    bool is_running;
    struct arrival **arrivals; /* [lanes] of the update */
    struct report report;
    struct safetensors *checkpoint; /* NULL: an update */
    char path[PATH_MAX];
    int result;
    struct err err;
    double seconds;
    monotonic_us since; /* while it is running */
};

struct learner {
    const struct learner_options *options;
    struct err *err;
    int result;

    uv_loop_t loop;
    uv_timer_t tick, status_timer;
    uv_signal_t terminate, interrupt;
    void *context;
    struct loop_zmq *socket;
    monotonic_us start, now;

    struct recipe *recipe;
    struct run_config run;
    struct evaluation_config evaluation_config;
    struct convergence_config convergence_config;
    uint32_t generation;
    char run_name[PROTOCOL_RUN_SIZE]; /* on the wire */
    struct ledger *ledger;
    struct orders *orders;
    struct intake *intake;
    struct learner_link *link;

    enum stage stage;
    bool is_draining, is_finish_told;
    monotonic_us finish_us;
    struct models *source; /* nets of the attacked or evaluated checkpoint */
    int64_t source_steps;
    struct safetensors *restored; /* checkpoint to resume from, until the task is known */
    struct trainer *trainer;
    uint64_t updates;        /* done; the trainer's own count moves on a worker's thread */
    struct weights *version; /* newest published */
    struct weights_version version_number;

    struct arrival **waiting; /* sync: [lanes] this update's slices; async: a queue, oldest versions first */
    int n_waiting, waiting_size;
    struct job job;
    int64_t checkpoint_every, eval_every;
    uint64_t rejected_seen; /* when the quarantine was written last */
    bool is_failing;        /* an alarm was given */
    int unplaced;           /* lanes, when last looked */

    struct evaluation *evaluation; /* final */
    struct evaluation *training_evaluation;
    uint32_t evaluations;
    struct partitions partitions;
    struct convergence convergence;
    struct metrics *metrics;
    struct status status;
    monotonic_us published_us;
    double busy_seconds; /* of jobs that are done */
};

/* learner.c */
void learner_stop(struct learner *learner, int result); /* ends the loop; the first result that is not 0 counts */
int64_t learner_steps_done(const struct learner *learner);

/* learner_evaluate.c: evaluations that are asked for, answered, and written down. */
MUST_USE int learner_check_threats(struct learner *learner, const char *threats);
MUST_USE int learner_make_evaluation(struct learner *learner, const char *threats, struct evaluation **evaluation);
void learner_begin_evaluation(struct learner *learner); /* the final one; stops the learner when it cannot be asked for */
void learner_take_evaluated(struct learner *learner, struct arrival *arrival); /* decides the arrival's fate */

/* learner_start.c: what there is before the loop, and what is left after it. */
MUST_USE int learner_load_recipe(struct learner *learner);
void learner_name_task(struct learner *learner); /* for statistics */
MUST_USE int learner_open_books(struct learner *learner);
MUST_USE int learner_load_checkpoint(struct learner *learner);
void learner_release(struct learner *learner);

#endif
