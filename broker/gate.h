/* The broker's door where keys are needed: whom the list of keys admits, and how many were not let in.
 *
 * The list is read again when its file changes (looked at once a second) and when it is asked to (SIGHUP); a list that cannot be read is reported, and the one
 * before stays. A key that is taken off the list is refused from then on, in the middle of its connection, too. */
#ifndef TESTUDO_BROKER_GATE_H
#define TESTUDO_BROKER_GATE_H

#include <uv.h>

#include "broker/core.h"
#include "wire/allow_list.h"

struct gate;
/* Before the sockets bind. ERR_IO, ERR_FORMAT, ...: the list cannot be read; ERR_IO: ZeroMQ refused. */
MUST_USE int gate_open(struct gate **gate, uv_loop_t *loop, void *zmq_context, const char *allowed_path, struct err *err);
void gate_close(struct gate **gate); /* nulls; the loop must run on */

void gate_reload(struct gate *gate);

/* Whose key a message came with (loop_zmq_message.user); NULL when it is not on the list any more, which is counted. Borrowed until the
 * loop goes on. */
const struct allowed *gate_sender(struct gate *gate, const char *user);
/* A handshake failed on one of the broker's sockets. */
void gate_failed(struct gate *gate, enum loop_failure failure);
struct broker_security gate_security(const struct gate *gate);

#endif
