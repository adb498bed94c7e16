/* The run folder: runs/<env>/<scenario>/<method>/<name>/seed-<n>/ with recipe.yaml (resolved), meta.json, log.txt, progress.csv,
 * tb/, checkpoints/, results/. runs/latest points to the run that was opened last. */
#ifndef TESTUDO_DEPLOY_RUNS_H
#define TESTUDO_DEPLOY_RUNS_H

#include <limits.h>
#include <stdbool.h>

#include "base/recipe.h"

struct run {
    char folder[PATH_MAX];
    int lock;        /* descriptor that holds the folder; -1 when closed */
    bool is_resumed; /* the folder was there with an equal recipe */
};

/* Creates or resumes the folder that belongs to the resolved recipe, and locks it. root: "runs". command: for meta.json.
 * ERR_MISMATCH: it is there with another recipe; err names the first key that differs. ERR_STATE: another process works in it. */
MUST_USE int run_open(struct run *run, const char *root, const struct recipe *recipe, const char *command, struct err *err);

/* The folder that run_open would use. */
MUST_USE int run_path(char path[PATH_MAX], const char *root, const struct recipe *recipe, struct err *err);

/* The run's first (untrained) or last checkpoint, by the numbers in their names. ERR_STATE when it has none. */
enum run_checkpoint { RUN_FIRST, RUN_LAST };
MUST_USE int run_checkpoint(const char *folder, enum run_checkpoint which, char path[PATH_MAX], struct err *err);

/* Locks an existing run folder for evaluation. `path` may also be any folder above exactly one run. */
MUST_USE int run_open_existing(struct run *run, const char *path, struct err *err);
void run_close(struct run *run);

/* Removes checkpoints and progress.csv: what was learned there cannot be continued. */
void run_forget(const char *folder);

/* Calls `each` for every run folder at or below `path`, in the order of their names; stops at the first error. ERR_UNKNOWN when there is none. */
MUST_USE int runs_visit(const char *path, int (*each)(void *context, const char *folder, struct err *err), void *context,
                        struct err *err);

#endif
