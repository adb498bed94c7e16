/* The progress line of a cluster: one line that is redrawn on a terminal, a plain line now and then in a pipe or file. */
#ifndef TESTUDO_DEPLOY_PROGRESS_H
#define TESTUDO_DEPLOY_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

#define PROGRESS_LINE_MAX 256

/* What the learner says about itself, as JSON objects, one per line:
 * {"phase", "steps", "budget", "steps_per_s", "return_clean", "return_attacked", "lag", "update", "done"}; unknown numbers are NaN. */
struct progress_status {
    char phase[32];
    int64_t steps, budget, update;
    double steps_per_s, return_clean, return_attacked, lag;
    bool is_done;
};

/* Reads one line; fields that are absent keep their old value. ERR_FORMAT when it is no JSON object (status untouched). */
MUST_USE int progress_read(struct progress_status *status, const char *line, size_t length);

/* "train  12.3 %  1.2M of 10M steps  54.2k steps/s  return 0.82  attacked 0.41  lag 0  left 3:10", without a newline. */
void progress_format(const struct progress_status *status, char line[PROGRESS_LINE_MAX]);

struct progress {
    bool is_terminal, is_quiet, is_drawn;
    monotonic_us last;
    char label[64]; /* "seed 3: " in front of each line; may be "" */
};
void progress_init(struct progress *progress, const char *label, bool is_quiet);
/* Draws when the last drawing is old enough: 0.2 s on a terminal, 10 s elsewhere. */
void progress_draw(struct progress *progress, const struct progress_status *status);
/* A line of its own, such as "learner died, starting it again". */
void progress_note(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The last state, on a line that stays. */
void progress_end(struct progress *progress, const struct progress_status *status);

#endif
