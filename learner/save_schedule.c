/* When a checkpoint is due. See save_schedule.h. */
#include "learner/save_schedule.h"

void save_schedule_begin(struct save_schedule *schedule, uint64_t every, uint64_t saved)
{
    *schedule = (struct save_schedule){.every = every, .saved = saved};
}

bool save_schedule_is_due(const struct save_schedule *schedule, monotonic_us now, uint64_t updates)
{
    return updates / schedule->every > schedule->saved / schedule->every && (!schedule->failing || now >= schedule->retry_at);
}

static monotonic_us pause_after(uint64_t failing)
{
    monotonic_us pause = SAVE_RETRY_US;
    for (uint64_t i = 1; i < failing && pause < SAVE_RETRY_MAX_US; i++)
        pause *= 2;
    return pause < SAVE_RETRY_MAX_US ? pause : SAVE_RETRY_MAX_US;
}

bool save_schedule_done(struct save_schedule *schedule, monotonic_us now, uint64_t updates, bool is_written)
{
    bool was_failing = schedule->failing > 0;
    if (is_written) {
        schedule->saved = updates;
        schedule->failing = 0;
    } else {
        schedule->failed++;
        schedule->failing++;
        schedule->retry_at = now + pause_after(schedule->failing);
    }
    return was_failing != (schedule->failing > 0);
}

uint64_t save_schedule_at_stake(const struct save_schedule *schedule, uint64_t updates)
{
    return updates > schedule->saved ? updates - schedule->saved : 0;
}
