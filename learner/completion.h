/* A run that is complete: its last checkpoint and the results of its final evaluation are on disk, and `complete.json` in the run folder says
 * for which of them, and under which recipe, that is true:
 *
 *   {"checkpoint": "00000050.safetensors", "content": "<hash of its bytes>", "results": "train.json", "recipe": "<hash>", "source_steps": n}
 *
 * A learner that is started again after that finds nothing left to do; where the checkpoint is another one by now, it looks at it as ever. Whoever takes the results away has the team evaluated again. */
#ifndef TESTUDO_LEARNER_COMPLETION_H
#define TESTUDO_LEARNER_COMPLETION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

struct completion {
    const char *results;  /* file under results/ */
    struct hash recipe;   /* of its resolved text */
    int64_t source_steps; /* that an attacked team was trained for; 0 when none is */
};

/* After checkpoint and results. ERR_UNKNOWN: there is no checkpoint; ERR_IO. */
MUST_USE int completion_write(const char *run, const struct completion *completion, struct err *err);
/* Whether exactly this is complete, with the newest checkpoint, and the results are there. */
bool completion_holds(const char *run, const struct completion *completion);

#endif
