/* The learner process: one loop that speaks with the broker, updates on a worker thread, checkpoints, evaluation, attacks. */
#ifndef TESTUDO_LEARNER_LEARNER_H
#define TESTUDO_LEARNER_LEARNER_H

#include "base/config.h"
#include "wire/loop_zmq.h"

enum learner_mode {
    LEARNER_TRAIN,  /* train to the budget (resuming from the newest checkpoint), then evaluate: results/train.json */
    LEARNER_EVAL,   /* evaluate `source` (or the newest checkpoint) under eval.threats: results/eval.json */
    LEARNER_ATTACK, /* train worst-case adversaries against `source`, then evaluate under eval.threats: results/attack.json */
};

struct learner_options {
    const char *connect; /* endpoint of the broker */
    const char *run;     /* folder of the run, with recipe.yaml (resolved); checkpoints/, results/, progress.csv, tb/ lie there */
    const char *source;  /* a checkpoint file: the frozen team of ATTACK, what EVAL looks at; NULL: the newest of the run */
    const char *results; /* file name under results/, NULL: as above */
    enum learner_mode mode;
    const struct loop_zmq_keys *keys; /* CURVE; NULL: plain text. Borrowed while it runs */
    bool is_insecure;                 /* the broker may be on another machine, in plain text */
    int status_fd;                    /* JSON lines for the launcher, about two a second; -1: none */
};

/* Tables of all keys that the learner reads, algorithms' included; *count of them. */
const struct config_table *learner_tables(int *count);

/* Runs until the work is done, the broker refuses us, or SIGTERM (drain: the update in hand is finished, a checkpoint written).
 * 0 when done or drained. */
MUST_USE int learner_run(const struct learner_options *options, struct err *err);

#endif
