/* A cluster on this machine: broker, learner and actors as child processes of this program, over ipc in a private folder.
 *
 *   RUNNING -learner left with 0-> CLOSING -all gone-> over (done)
 *      | -first signal-> SAVING -learner gone-> CLOSING -all gone-> over (stopped)
 *      | -a child cannot go on-> CLOSING -> over (failed)
 *      any -second signal, or 10 s in CLOSING-> KILLING
 *
 * A child that dies otherwise is started again, after a pause that doubles, at most CLUSTER_RESTARTS times without an update in between; what
 * the others hold is enough to go on (README, "What the system promises"). Children leave when this process dies. */
#ifndef TESTUDO_DEPLOY_CLUSTER_H
#define TESTUDO_DEPLOY_CLUSTER_H

#include <stdbool.h>

#include "base/err.h"
#include "deploy/progress.h"

#define CLUSTER_RESTARTS 10
#define CLUSTER_ACTORS_MAX 256

struct cluster_options {
    const char *task;       /* "train", "eval", "attack": what the learner does */
    const char *run_folder; /* where the learner works, with recipe.yaml; children's lines go to its log.txt */
    const char *source;     /* checkpoint to look at or to attack; NULL: the run's newest */
    const char *results;    /* file name below results/; NULL: named after the task */
    const char *listen;     /* endpoint where processes of other machines may join, under keys; NULL: none */
    int actors;             /* 0: one per core */
    const char *label;      /* in front of progress lines, may be "" */
    bool is_quiet;
};

/* Runs until the task is done. *status gets what the learner said last. 0: done. ERR_CLOSED: stopped by a signal after saving.
 * ERR_STATE: a child failed for good, or was killed by the second signal; err says which and why. */
MUST_USE int cluster_run(const struct cluster_options *options, struct progress_status *status, struct err *err);

#endif
