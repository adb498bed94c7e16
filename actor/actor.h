/* The actor process: one loop thread with the link and its socket, one rollout thread. */
#ifndef TESTUDO_ACTOR_ACTOR_H
#define TESTUDO_ACTOR_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/loop_zmq.h"

struct actor_options {
    const char *connect; /* "ipc:///run/x/broker", "tcp://host:port" */
    uint32_t actor;
    int lanes;                        /* that it is willing to hold; 0: as many as its memory allows */
    size_t memory_bytes;              /* for trajectories on their way; 0: 512 MiB. Fewer lanes are offered when frames are large */
    int exit_when_finished;           /* leave when the learner says that the run is complete */
    const struct loop_zmq_keys *keys; /* CURVE; NULL: plain text. Borrowed while it runs */
    bool is_insecure;                 /* the broker may be on another machine, in plain text */
};

/* Runs until SIGTERM or SIGINT (drains, at most 2 s; a second signal ends at once), until it is refused, or until the run is complete.
 * 0; ERR_MISMATCH: the broker serves another run now (call again); ERR_VERSION, ERR_STATE: refused; ERR_DENIED: not admitted. */
MUST_USE int actor_run(const struct actor_options *options, struct err *err);

#endif
