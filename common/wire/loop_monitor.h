/* Handshakes that failed on a ZeroMQ socket, told in the loop (zmq_socket_monitor). ZeroMQ itself says nothing to anybody: a client that is
 * refused just never tries again, and a server shows no sign of who knocked. */
#ifndef TESTUDO_WIRE_LOOP_MONITOR_H
#define TESTUDO_WIRE_LOOP_MONITOR_H

#include <stdbool.h>

#include <uv.h>
#include <zmq.h>

#include "base/err.h"
#include "wire/loop_failure.h"

/* For who has no loop: the events to ask zmq_socket_monitor for, and the reading end's next one; false when none is there. */
#define LOOP_MONITOR_EVENTS \
    (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
bool loop_monitor_read(void *pair, enum loop_failure *failure);

struct loop_monitor;
struct loop_monitor_callbacks {
    void *context;
    void (*failed)(void *context, enum loop_failure failure);
    void (*closed)(void *context); /* last call */
};
MUST_USE int loop_monitor_open(struct loop_monitor **monitor, uv_loop_t *loop, void *zmq_context, void *watched,
                               const struct loop_monitor_callbacks *callbacks, struct err *err);
/* Nulls. The watched socket must live until `closed`. */
void loop_monitor_close(struct loop_monitor **monitor);

#endif
