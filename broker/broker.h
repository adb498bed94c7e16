/* The broker process: routes between actors and learner, caches blobs, counts, answers `stats`. */
#ifndef TESTUDO_BROKER_BROKER_H
#define TESTUDO_BROKER_BROKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "wire/loop_zmq.h"

struct broker_options {
    const char *listen[4]; /* endpoints, NULL-terminated: "ipc://...", "tcp://127.0.0.1:5555" */
    size_t cache_bytes;    /* blobs; 0: 512 MiB */
    size_t frame_bytes;    /* largest frame; 0: PROTOCOL_PAYLOAD_BYTES */
    bool is_insecure;      /* may listen beyond this machine in plain text */
    /* CURVE, on tcp endpoints beyond this machine, and with keys_everywhere on those of this machine, too; ipc is this machine's own.
     * NULL: there are none. Borrowed while it runs, like `allowed`, the path of the list of keys. */
    const struct loop_zmq_keys *keys;
    const char *allowed;
    bool keys_everywhere;
    bool is_monitor_public; /* the monitor may be beyond this machine: whoever reaches it may read */
    const char *monitor;    /* "127.0.0.1:5556": statistics over HTTP; NULL: none */
    const char *version;    /* of the program, for them */
};

/* Runs until SIGTERM or SIGINT: then tells nobody and leaves, since peers hold everything. 0 or an error of the start. */
MUST_USE int broker_run(const struct broker_options *options, struct err *err);

#endif
