/* Where checkpoints lie and what they hold beside the learning state (trainer.h): ledger, order book, an attack's history.
 *
 *   checkpoints/00000000.safetensors   the untrained team
 *   checkpoints/<updates>.safetensors  the two newest
 *   checkpoints/latest                 link to the newest
 *   replay/<id>.segment                episodes that these checkpoints refer to (replay.h)
 *   generation                         last generation that a learner of this run has used
 * Files are written whole, synced and renamed (base/file.h): a crash leaves the old ones. */
#ifndef TESTUDO_LEARNER_CHECKPOINT_H
#define TESTUDO_LEARNER_CHECKPOINT_H

#include "learner/convergence.h"
#include "learner/ledger.h"
#include "learner/orders.h"
#include "learner/segments.h"
#include "net/safetensors.h"

void checkpoint_path(char *path, size_t size, const char *run, uint64_t updates);

/* The newest checkpoint of a run folder; ERR_UNKNOWN when there is none. */
MUST_USE int checkpoint_newest(char *path, size_t size, const char *run, struct err *err);

MUST_USE int checkpoint_add_books(struct safetensors *file, const struct ledger *ledger, const struct orders *orders,
                                  const struct convergence *convergence, struct err *err);
MUST_USE int checkpoint_load_books(const struct safetensors *file, struct ledger *ledger, struct orders *orders,
                                   struct convergence *convergence, struct err *err);

/* Adds hash and core type to the metadata, writes the file, moves the link, removes what is older than the two newest. */
MUST_USE int checkpoint_write(struct safetensors *file, const char *path, const char *run, struct err *err);

/* Removes the segments that neither a checkpoint of the run nor `segments` itself refers to. When a checkpoint cannot be read, none. */
MUST_USE int checkpoint_prune_segments(const char *run, struct segments *segments, struct err *err);
/* The same after removing all checkpoints but the untrained and the newest: for when disk space is short. */
MUST_USE int checkpoint_make_room(const char *run, struct segments *segments, struct err *err);

/* Raises the generation on disk and returns it. ERR_IO: then nothing may be sent. */
MUST_USE int checkpoint_next_generation(const char *run, uint32_t *generation, struct err *err);

/* Name of the run on the wire: a hash of its folder's absolute path. */
MUST_USE int checkpoint_run_name(char *name, size_t size, const char *run, struct err *err);
uint64_t checkpoint_incarnation(void); /* start time in microseconds of the real clock */

#endif
