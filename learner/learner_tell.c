/* What the learner process says of its run: see learner_internal.h. */
#include <inttypes.h>

#include "learner/learner_internal.h"

/* Lanes that no live actor has room for stop a sync run: say so, when it begins and when it ends. */
static void warn_unplaced(struct learner *learner)
{
    struct orders_stats stats = orders_stats(learner->orders);
    int unplaced = stats.actors ? stats.unplaced : 0;
    if (unplaced && unplaced != learner->unplaced)
        log_warning("lanes without a place lanes=%d of=%" PRId64
                    " actors=%d hint=\"start more actors, or give them more --lanes or memory\"",
                    unplaced, learner->run.lanes, stats.actors);
    learner->unplaced = unplaced;
}

/* Work that comes back again and again stops the run's end, but what comes from the network must not stop the learner: an alarm. */
static void warn_failing(struct learner *learner)
{
    bool is_failing = orders_stats(learner->orders).most_failures >= FAILURES_MAX;
    if (is_failing && !learner->is_failing)
        log_error("an order came back %d times, refused or as impossible; quarantine/ in the run folder says why", FAILURES_MAX);
    learner->is_failing = is_failing;
}

/* The last refused trajectories, for a look: quarantine/<place>.json says who and why, <place>.frame is how it began. */
static void keep_quarantine(struct learner *learner)
{
    struct quarantined kept[QUARANTINE_ENTRIES];
    uint64_t kept_ever = intake_kept(learner->intake);
    if (kept_ever == learner->kept_seen)
        return;
    learner->kept_seen = kept_ever;
    int n = intake_quarantine(learner->intake, kept), r = quarantine_write(learner->options->run, kept, n, learner->err);
    if (r)
        log_warning("quarantine not written: %s", learner->err->text);
}

void learner_tell_status(struct learner *learner)
{
    static const char *const phases[] = {"wait", "train", "evaluate", "done"};
    learner->status.phase = phases[learner->stage];
    learner->status.budget_updates = learner->trainer ? trainer_total(learner->trainer) : 0;
    learner->status.updates_at_stake =
        learner->save.failing ? (int64_t)save_schedule_at_stake(&learner->save, learner->updates) : 0;
    learner->status.tasks_left = learner->evaluation ? evaluation_left(learner->evaluation) : 0;
    status_tick(&learner->status, &learner->partitions, clock_us());
    warn_unplaced(learner);
    learner_tend_audits(learner);
    keep_quarantine(learner);
    warn_failing(learner);
    if (learner->options->status_fd >= 0)
        status_write_line(&learner->status, learner->options->status_fd);
}
