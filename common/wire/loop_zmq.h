/* ZeroMQ sockets in a libuv loop: the one place where the two meet.
 *
 * A message on the wire is one envelope frame and at most one payload frame. A ROUTER (broker) names its peers by routing id; a
 * DEALER (actor, learner, observer) has one peer. A socket belongs to its loop's thread; every function here is called there.
 *
 *   receiving: whole messages, up to a quota per turn of the loop, so that timers and other sockets live through a flood; a
 *     message of more frames than allowed is read frame by frame and dropped, with a counter
 *   sending: never blocks. What ZeroMQ cannot take is refused with a code and counted, nothing is queued here: the bound per peer is
 *     the send high-water mark. Accepted means "handed over", not "delivered": a dying connection loses what is in it
 *   refusing: endpoints beyond this machine need keys, or `is_insecure` said out loud
 *
 * ZMTP heartbeats stay off on purpose: with a receive queue at its mark they abort the process (libzmq issue 3937). Liveness is the
 * protocol's own business (PROTOCOL). */
#ifndef TESTUDO_WIRE_LOOP_ZMQ_H
#define TESTUDO_WIRE_LOOP_ZMQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>
#include <zmq.h>

#include "base/err.h"
#include "wire/loop_monitor.h"

#define LOOP_ZMQ_PEER_MAX 255 /* bytes of a routing id */
#define LOOP_ZMQ_ENDPOINT_MAX 256
#define LOOP_ZMQ_KEY_SIZE 41 /* Z85 with its final 0 */

struct loop_zmq;

enum loop_zmq_kind { LOOP_ZMQ_DEALER, LOOP_ZMQ_ROUTER };
enum loop_zmq_mode { LOOP_ZMQ_CONNECT, LOOP_ZMQ_BIND };

struct
    loop_zmq_keys { /* CURVE. A binding socket is the server; admission is then the ZAP handler's, and without one all are refused */
    char public_key[LOOP_ZMQ_KEY_SIZE], secret_key[LOOP_ZMQ_KEY_SIZE];
    char server_key[LOOP_ZMQ_KEY_SIZE]; /* connecting only */
};

struct loop_zmq_options {
    const char *routing_id;           /* DEALER: text of 1..255 bytes, NULL for one that the ROUTER makes up */
    const struct loop_zmq_keys *keys; /* NULL: no encryption, loopback and ipc only unless is_insecure */
    bool is_insecure;
    int64_t max_frame_bytes;   /* larger frames end the connection */
    int send_max, receive_max; /* messages per peer; receive_max is a fuse that honest peers never reach */
    int quota;                 /* frames read per turn of the loop */
    int linger_ms, handshake_ms, reconnect_ms, reconnect_max_ms, connect_timeout_ms, backlog;
};
struct loop_zmq_options loop_zmq_defaults(void);

/* A received message. All views are valid during the callback only. */
struct loop_zmq_message {
    const unsigned char *peer; /* ROUTER: routing id; else NULL */
    size_t peer_bytes;
    const unsigned char *envelope;
    size_t envelope_bytes;
    const unsigned char *payload; /* NULL when the message has none */
    size_t payload_bytes;
    const char *user;         /* the name that the ZAP handler gave the sender's key; NULL without keys */
    zmq_msg_t *payload_frame; /* for loop_zmq_keep */
};

/* A payload taken out of a callback without copying. */
struct loop_zmq_frame {
    zmq_msg_t message;
};
/* Moves the payload into *frame (the message's payload view ends with it). The caller frees it. The message must have one. */
void loop_zmq_keep(const struct loop_zmq_message *message, struct loop_zmq_frame *frame);
const unsigned char *loop_zmq_frame_data(struct loop_zmq_frame *frame, size_t *bytes);
void loop_zmq_frame_free(struct loop_zmq_frame *frame);

/* The payload of the message in hand, for whoever only passes it on: it is shared with what is sent, not copied. */
struct loop_zmq_passing {
    struct loop_zmq_frame frame;
    const unsigned char *payload; /* NULL: the message has none, or none is in hand */
    size_t payload_bytes;
};
/* Takes the payload out of a received message; at the end of its callback, gives it back. */
void loop_zmq_pass_begin(struct loop_zmq_passing *passing, const struct loop_zmq_message *message);
void loop_zmq_pass_end(struct loop_zmq_passing *passing);

struct loop_zmq_callbacks {
    void *context;
    void (*receive)(void *context, const struct loop_zmq_message *message); /* may send, and may close */
    void (*writable)(void *context); /* DEALER: after a send was refused with ERR_AGAIN, once there is room; may be NULL */
    void (*closed)(void *context);   /* last call of all; may be NULL */
    /* A handshake failed: on a server somebody was not let in, on a client the server did not let us in; after DENIED and PLAIN a client's
     * connection is over for good, and only a new socket tries again. May close. NULL: nobody wants to know, and none is counted. */
    void (*failed)(void *context, enum loop_failure failure);
};

/* Opens a socket on the loop. The text of *options is copied. ERR_INVALID: endpoint, routing id or key is malformed, or the endpoint
 * is not on this machine and neither keys nor is_insecure were given; ERR_IO: ZeroMQ or the system refused; ERR_NOMEM. */
MUST_USE int loop_zmq_open(struct loop_zmq **socket, uv_loop_t *loop, void *zmq_context, enum loop_zmq_kind kind,
                           enum loop_zmq_mode mode, const char *endpoint, const struct loop_zmq_options *options,
                           const struct loop_zmq_callbacks *callbacks, struct err *err);

/* For who has no loop: sets the keys on a ZeroMQ socket. 0, or ZeroMQ's -1 with errno. */
MUST_USE int loop_zmq_set_keys(void *zmq, const struct loop_zmq_keys *keys, enum loop_zmq_mode mode);

/* The endpoint with wildcards resolved ("tcp://127.0.0.1:41233"); borrowed. */
const char *loop_zmq_endpoint(const struct loop_zmq *socket);

struct loop_zmq_outgoing {
    const void *peer; /* ROUTER */
    size_t peer_bytes;
    const void *envelope;
    size_t envelope_bytes;
    /* At most one payload: bytes that are copied; or bytes lent until `drop` is called; or a kept frame, which is shared
     * and stays the caller's. */
    const void *payload;
    size_t payload_bytes;
    void (*drop)(void *data, void *owner); /* called exactly once whatever the send returns: at once when it is refused, else later
                                              on ZeroMQ's thread, so it may only drop an atomic count */
    void *owner;
    struct loop_zmq_frame *frame;
};
/* The payload of a message: the one in hand itself when it is that, else a copy. */
void loop_zmq_set_payload(struct loop_zmq_outgoing *message, struct loop_zmq_passing *passing, const void *payload,
                          size_t payload_bytes);
/* 0, or ERR_AGAIN: no room or not connected; ERR_CLOSED: the ROUTER has no such peer; ERR_NOMEM; ERR_IO. */
MUST_USE int loop_zmq_send(struct loop_zmq *socket, const struct loop_zmq_outgoing *message);

/* A `drop` for payloads that lie in a blob: owner is a struct blob whose reference it drops. */
void loop_zmq_drop_blob(void *data, void *owner);

struct loop_zmq_counters {
    uint64_t received, received_bytes, sent, sent_bytes; /* whole messages; bytes of envelopes and payloads */
    uint64_t dropped_messages, dropped_frames;           /* more frames than a message has, or no envelope */
    uint64_t refused_full, refused_unknown;              /* sends: ERR_AGAIN, ERR_CLOSED */
    uint64_t failures[LOOP_FAILURES];                    /* handshakes, by reason */
    uint64_t cut;                                        /* sends: the connection died between envelope and payload */
};
const struct loop_zmq_counters *loop_zmq_counters(const struct loop_zmq *socket);

/* Closes and nulls. The loop must run on until `closed` was called; then the ZeroMQ socket is closed, too. */
void loop_zmq_close(struct loop_zmq **socket);

#endif
