/* The relay process: one connection to a broker for all actors of a host. */
#ifndef TESTUDO_BROKER_RELAY_H
#define TESTUDO_BROKER_RELAY_H

#include "broker/broker.h"

struct relay_options {
    const char *upstream;                      /* the broker, or another relay */
    const struct loop_zmq_keys *upstream_keys; /* NULL: plain text */
    bool is_insecure;                          /* upstream may be beyond this machine in plain text */
    /* Where actors connect; ended by NULL. On this machine only: who is behind a relay is trusted as the relay is. */
    const char *listen[4];
    size_t cache_bytes; /* blobs; 0: 512 MiB */
};

/* Runs until SIGTERM or SIGINT. 0 or an error of the start; ERR_DENIED: the broker does not let it in. */
MUST_USE int relay_run(const struct relay_options *options, struct err *err);

#endif
