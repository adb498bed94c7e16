/* The learner process from inside: what learner.c (loop, updates), learner_save.c, learner_evaluate.c and learner_start.c share.
 * Everything runs on the loop's thread, except the two worker functions of learner.c. */
#ifndef TESTUDO_LEARNER_LEARNER_INTERNAL_H
#define TESTUDO_LEARNER_LEARNER_INTERNAL_H

#include <limits.h>

#include <uv.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "learner/admission.h"
#include "learner/advantages.h"
#include "learner/audit.h"
#include "learner/checkpoint.h"
#include "learner/conduct.h"
#include "learner/convergence.h"
#include "learner/evaluation.h"
#include "learner/learner.h"
#include "learner/learner_link.h"
#include "learner/metrics.h"
#include "learner/partitions.h"
#include "learner/q_learning.h"
#include "learner/quarantine.h"
#include "learner/regularisers/m3ddpg.h"
#include "learner/regularisers/mi.h"
#include "learner/regularisers/romax.h"
#include "learner/regularisers/smoothness.h"
#include "learner/replay.h"
#include "learner/rescore.h"
#include "learner/save_schedule.h"
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

/* Closer looks at what actors say they did (admission.h): a thread of libuv's scores, one slice or dispute at a time. */
struct admitting {
    struct admission admission;
    struct rescore *rescore; /* NULL before the task is known, and when the share is 0 */
    struct audits *audits;   /* the same */
    uv_work_t work;
    bool is_running, is_closing, has_warned;
    struct arrival *first, *last;  /* that wait to be scored */
    struct arrival *arrival;       /* in hand, or */
    struct audit *dispute;         /* both answers to one order */
    struct weights *weights;       /* a reference while in hand */
    bool chosen[SCHEMA_STEPS_MAX]; /* chunks of it */
    struct misfit misfit[2];       /* a slice's, or both answers' */
    int result[2];
    struct err err;
    double seconds;
    struct conduct *conduct;                            /* of each actor */
    struct quarantined_actor kept[PROTOCOL_ACTORS_MAX]; /* of the run: what lies on disk */
    int n_kept;
    monotonic_us evaluated_us; /* when only audits were left; 0: not yet */
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
    unsigned failures; /* handshakes that were broken off */
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
    bool is_complete;                 /* it was before this process began: nothing is left but to say so */
    monotonic_us finish_us, heard_us; /* heard: by a broker, when the run was complete before */
    struct models *source;            /* nets of the attacked or evaluated checkpoint */
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
    struct save_schedule save;
    bool save_waits;    /* training is over, its last checkpoint is not on disk: the tick tries again */
    uint64_t kept_seen; /* by the intake, when the quarantine was written last */
    bool is_failing;    /* an alarm was given */
    int unplaced;       /* lanes, when last looked */

    struct admitting admitting;

    struct evaluation *evaluation; /* final */
    struct evaluation *training_evaluation;
    uint32_t evaluations;
    struct partitions partitions;
    struct victims victims; /* of evaluations and attacks */
    struct convergence convergence;
    struct metrics *metrics;
    bool metrics_fail; /* the last row did not go out */
    struct status status;
    monotonic_us published_us;
    double busy_seconds; /* of jobs that are done */
};

/* learner.c */
void learner_stop(struct learner *learner, int result); /* ends the loop; the first result that is not 0 counts */
int64_t learner_steps_done(const struct learner *learner);
void learner_go_on(struct learner *learner); /* after an update and its checkpoint, or after the first version: what comes next */
/* One job at a time is with a worker. */
void learner_begin_job(struct learner *learner, uv_work_cb work, uv_after_work_cb done);
void learner_end_job(struct learner *learner);

/* learner_save.c */
void learner_save(
    struct learner *learner); /* starts writing a checkpoint of this moment; then learner_go_on, whatever came of it */
void learner_prune_segments(struct learner *learner); /* of the replay; what fails is tried again after a later checkpoint */
void learner_note_stopped(struct learner *learner);   /* after a job: how long learning has stood still so far */
void learner_end_training(struct learner *learner);   /* and logs it */
int learner_saved_all(struct learner *learner);       /* 0, or how many updates are not on disk, and why */

/* learner_evaluate.c: evaluations that are asked for, answered, and written down. */
MUST_USE int learner_check_threats(struct learner *learner, const char *threats);
MUST_USE int learner_make_evaluation(struct learner *learner, const char *threats, struct evaluation **evaluation);
void learner_begin_evaluation(struct learner *learner); /* the final one; stops the learner when it cannot be asked for */
void learner_take_evaluated(struct learner *learner, struct arrival *arrival); /* decides the arrival's fate */
const char *learner_results_name(const struct learner *learner);               /* of the file under results/ */
void learner_try_finish(struct learner *learner); /* when the evaluation is done and no audit is under way */

/* learner_tell.c: what is said of the run, to whoever watches and to the log. */
void learner_tell_status(struct learner *learner);

/* learner_finish.c: the end of a run. */
void learner_finish(struct learner *learner);        /* told to all; the loop ends when they had a moment to hear it */
void learner_tend_finish(struct learner *learner);   /* at each tick */
void learner_note_complete(struct learner *learner); /* results and last checkpoint are on disk: remembered there */
bool learner_was_complete(struct learner *learner);  /* by a process before this one */

/* learner_admission.c: re-scoring, audits, and what follows for actors. */
MUST_USE int learner_begin_admission(struct learner *learner, const struct spec *spec); /* the task is known */
bool learner_examine(struct learner *learner, struct arrival *arrival); /* intake's examine op: true when it takes the arrival */
void learner_consider_audit(struct learner *learner, const struct arrival *arrival); /* of an accepted training slice */
void learner_take_audited(struct learner *learner, struct arrival *arrival);         /* decides the arrival's fate */
void learner_tend_audits(struct learner *learner); /* now and then: those that nobody can answer any more */
bool learner_audits_are_done(struct learner *learner);
/* An actor too many of whose trajectories are rejected on arrival (NaN, versions, ranges; conduct.h) is quarantined, too. */
void learner_note_rejected(struct learner *learner, uint32_t actor, enum reject_reason reason, const char *text);
MUST_USE int learner_restore_quarantine(struct learner *learner); /* once there is an order book: actors of a run that goes on */
void learner_log_admission(const struct learner *learner);
void learner_end_admission(struct learner *learner); /* after the loop: gives everything back */

/* learner_start.c: what there is before the loop, and what is left after it. */
MUST_USE int learner_load_recipe(struct learner *learner);
void learner_name_task(struct learner *learner); /* for statistics */
MUST_USE int learner_open_books(struct learner *learner);
MUST_USE int learner_load_checkpoint(struct learner *learner);
void learner_release(struct learner *learner);

#endif
