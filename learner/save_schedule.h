/* When a checkpoint is due, and what happens after one that could not be written: no clock, no disk.
 *
 *   SAVED -crossed a multiple of `every`-> DUE -written-> SAVED
 *                                           '- failed -> FAILING (alarm) -after 1, 2, 4 ... 30 s: DUE again
 *
 * Training never waits for a disk: whoever trains asks after each update. A later checkpoint replaces one that failed, so nothing has to be
 * kept for it. Delivery contract, sentence 6: a kill costs at most `every` updates as long as no alarm is on. */
#ifndef TESTUDO_LEARNER_SAVE_SCHEDULE_H
#define TESTUDO_LEARNER_SAVE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define SAVE_RETRY_US 1000000
#define SAVE_RETRY_MAX_US 30000000

struct save_schedule {
    uint64_t every, saved; /* updates between two; of the newest one on disk */
    uint64_t failed;       /* attempts of this process */
    uint64_t failing;      /* attempts since the newest success; the alarm is on while it is not 0 */
    monotonic_us retry_at;
};

/* every >= 1; saved: updates of the checkpoint that this process started from. */
void save_schedule_begin(struct save_schedule *schedule, uint64_t every, uint64_t saved);
/* Whether to write now, with so many updates done. */
bool save_schedule_is_due(const struct save_schedule *schedule, monotonic_us now, uint64_t updates);
/* An attempt with so many updates is over. Returns whether the alarm changed. */
bool save_schedule_done(struct save_schedule *schedule, monotonic_us now, uint64_t updates, bool is_written);
/* Updates that a kill would cost now. */
uint64_t save_schedule_at_stake(const struct save_schedule *schedule, uint64_t updates);

#endif
