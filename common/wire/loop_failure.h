/* Why a handshake between two ZeroMQ sockets failed. */
#ifndef TESTUDO_WIRE_LOOP_FAILURE_H
#define TESTUDO_WIRE_LOOP_FAILURE_H

#include <stdbool.h>

#include "base/err.h"

enum loop_failure {
    LOOP_FAILURE_DENIED,   /* the server's ZAP handler does not admit the key. A client's connection has ended for good */
    LOOP_FAILURE_PLAIN,    /* one side speaks CURVE and the other does not. Ended for good, too */
    LOOP_FAILURE_KEY,      /* a box that cannot be opened: made for another server's key, or tampered with */
    LOOP_FAILURE_REPLAY,   /* a frame with a number that was used before */
    LOOP_FAILURE_PROTOCOL, /* anything else that is not the protocol */
    LOOP_FAILURE_BROKEN,   /* the other side left, or was silent for too long, before the handshake was done */
    LOOP_FAILURES,
};
const char *loop_failure_name(enum loop_failure failure); /* "denied" */
/* For a client: ERR_DENIED with what to do about it when the failure is final; else 0. */
int loop_failure_explain(enum loop_failure failure, const char *endpoint, bool has_keys, struct err *err);
/* For a client: what a handshake that was broken off may mean. Whoever notices first that one side speaks CURVE and the other does not hangs
 * up, and then the other side cannot tell why; nor can it from a broker that is being restarted. So it is no more than a hint. */
const char *loop_failure_hint(bool has_keys);

#endif
