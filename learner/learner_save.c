/* The learner's checkpoints: written by a worker, tried again when the disk refuses one. See learner_internal.h and save_schedule.h. */
#include "learner/learner_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define STOPPED_SHARE_MAX 0.01 /* of the time of training; beyond it there is a hint */

/* The replay's own time is of a worker's thread: read between jobs. */
void learner_note_stopped(struct learner *learner)
{
    struct replay *replay = trainer_replay(learner->trainer);
    learner->status.ahead_seconds = replay ? replay_ahead_seconds(replay) : 0;
}

void learner_end_training(struct learner *learner)
{
    struct status *status = &learner->status;
    status->ended_us = learner->now;
    if (learner->options->mode == LEARNER_EVAL)
        return;
    double share = status_stopped_share(status, learner->now);
    log_notice("learning stood still for checkpoints seconds=%.2f percent=%.2g ahead_seconds=%.2f%s",
               status->saving_seconds + status->ahead_seconds, 100 * share, status->ahead_seconds,
               share > STOPPED_SHARE_MAX ? " hint=\"raise run.checkpoint_every\"" : "");
}

static struct segments *segments_of(const struct learner *learner)
{
    struct replay *replay = trainer_replay(learner->trainer);
    return replay ? replay_segments(replay) : NULL;
}

void learner_prune_segments(struct learner *learner)
{
    struct segments *segments = segments_of(learner);
    struct err err;
    if (segments && checkpoint_prune_segments(learner->options->run, segments, &err))
        log_warning("old segments of the replay stay: %s", err.text);
}

/* At the replay's ceiling the older of the two newest checkpoints has to go before its time. */
static int write_replay(struct learner *learner)
{
    struct job *job = &learner->job;
    struct replay *replay = trainer_replay(learner->trainer);
    int r = replay ? replay_write(replay, &job->err) : 0;
    if (r != ERR_LIMIT)
        return r;
    log_notice("replay.disk_bytes is reached: only the newest checkpoint is kept beside the one being written");
    r = checkpoint_make_room(learner->options->run, replay_segments(replay), &job->err);
    return r ? r : replay_write(replay, &job->err);
}

static void checkpoint_work(uv_work_t *work)
{
    struct learner *learner = work->data;
    struct job *job = &learner->job;
    job->result = write_replay(learner);
    if (!job->result)
        job->result = trainer_save(learner->trainer, job->checkpoint, &job->err);
    if (!job->result)
        job->result = checkpoint_write(job->checkpoint, job->path, learner->options->run, &job->err);
    if (!job->result && segments_of(learner) && segments_have_old(segments_of(learner)))
        learner_prune_segments(learner);
}

/* Says when the alarm begins, at each failure after it, and when it ends. */
static void note_attempt(struct learner *learner, bool is_written)
{
    struct save_schedule *save = &learner->save;
    bool has_changed = save_schedule_done(save, learner->now, learner->updates, is_written);
    learner->status.checkpoints_failed = (int64_t)save->failed;
    learner->status.updates_at_stake = save->failing ? (int64_t)save_schedule_at_stake(save, learner->updates) : 0;
    if (!is_written)
        log_error("checkpoint failed: %s failed_total=%" PRIu64 " updates_at_stake=%" PRId64 " retry_seconds=%" PRId64
                  " hint=\"training goes on, but a crash now would cost these updates\"",
                  learner->job.err.text, save->failed, learner->status.updates_at_stake,
                  (save->retry_at - learner->now + 500000) / 1000000);
    else if (has_changed)
        log_notice("checkpoint written again updates=%" PRIu64, learner->updates);
}

static void checkpoint_done(uv_work_t *work, int status)
{
    struct learner *learner = work->data;
    (void)status;
    learner_end_job(learner);
    learner->now = clock_us();
    learner->status.saving_seconds += clock_seconds_since(learner->job.since);
    safetensors_destroy(&learner->job.checkpoint);
    note_attempt(learner, learner->job.result == 0);
    if (!learner->job.result) {
        learner->status.checkpoint_seconds = clock_seconds_since(learner->job.since);
        learner->status.checkpoint_unix_seconds = (double)time(NULL);
        log_detail("checkpoint written path=%s", learner->job.path);
    }
    learner_go_on(learner);
}

/* What belongs to the loop's thread; the trainer is the worker's until the job is done. */
static int collect_books(struct learner *learner, struct safetensors *file)
{
    char steps[32];
    snprintf(steps, sizeof steps, "%" PRId64, learner_steps_done(learner));
    int r = safetensors_set_metadata(file, "steps", steps, &learner->job.err);
    return r ? r : checkpoint_add_books(file, learner->ledger, learner->orders, &learner->convergence, &learner->job.err);
}

void learner_save(struct learner *learner)
{
    struct job *job = &learner->job;
    learner->save_waits = false;
    int r = safetensors_create(&job->checkpoint);
    if (!r)
        r = collect_books(learner, job->checkpoint);
    if (r) {
        safetensors_destroy(&job->checkpoint);
        note_attempt(learner, false);
        learner_go_on(learner);
        return;
    }
    checkpoint_path(job->path, sizeof job->path, learner->options->run, learner->updates);
    learner_begin_job(learner, checkpoint_work, checkpoint_done);
}

int learner_saved_all(struct learner *learner)
{
    uint64_t lost = save_schedule_at_stake(&learner->save, learner->updates);
    return lost ? err_set(learner->err, ERR_IO, "the last %" PRIu64 " updates could not be saved: %s", lost, learner->job.err.text)
                : 0;
}
