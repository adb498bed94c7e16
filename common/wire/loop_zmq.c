/* ZeroMQ sockets in a libuv loop: see loop_zmq.h.
 * How a socket is watched without losing a wake-up is loop_watch.c's business; this file reads, sends and sets options.
 * Invariants: the socket is used on the loop's thread only; parts[0..n_parts-1] are open messages; after loop_zmq_close no callback
 * but `closed` runs. */
#include "wire/loop_zmq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/blob.h"
#include "wire/loop_endpoint.h"
#include "wire/loop_watch.h"

#define PARTS_MAX 3 /* routing id, envelope, payload */
#define ZAP_DOMAIN "testudo"
#define ZAP_ENFORCE_DOMAIN 93 /* ZMQ_ZAP_ENFORCE_DOMAIN: zmq.h hides it among the drafts, the library knows it */

struct loop_zmq {
    void *zmq;
    enum loop_zmq_kind kind;
    bool has_keys, is_closing, wants_writable;
    bool is_skipping; /* within a message of too many frames */
    int quota;
    int n_parts;
    zmq_msg_t parts[PARTS_MAX];
    struct loop_zmq_callbacks callbacks;
    struct loop_zmq_counters counters;
    char endpoint[LOOP_ZMQ_ENDPOINT_MAX];
    struct loop_watch watch;
    struct loop_monitor *monitor;
};

/* --- receiving --- */

static int max_parts(const struct loop_zmq *socket)
{
    return socket->kind == LOOP_ZMQ_ROUTER ? 3 : 2;
}

static void close_parts(struct loop_zmq *socket)
{
    while (socket->n_parts > 0)
        zmq_msg_close(&socket->parts[--socket->n_parts]);
}

static void drop_message(struct loop_zmq *socket)
{
    socket->counters.dropped_messages++;
    socket->counters.dropped_frames += (uint64_t)socket->n_parts;
    close_parts(socket);
}

static void deliver(struct loop_zmq *socket)
{
    int first = socket->kind == LOOP_ZMQ_ROUTER ? 1 : 0;
    if (socket->n_parts <= first) {
        drop_message(socket);
        return;
    }
    zmq_msg_t *envelope = &socket->parts[first], *payload = socket->n_parts > first + 1 ? &socket->parts[first + 1] : NULL;
    struct loop_zmq_message message = {
        .peer = first ? zmq_msg_data(&socket->parts[0]) : NULL,
        .peer_bytes = first ? zmq_msg_size(&socket->parts[0]) : 0,
        .envelope = zmq_msg_data(envelope),
        .envelope_bytes = zmq_msg_size(envelope),
        .payload = payload ? zmq_msg_data(payload) : NULL,
        .payload_bytes = payload ? zmq_msg_size(payload) : 0,
        .user = socket->has_keys ? zmq_msg_gets(envelope, "User-Id") : NULL, /* right on body frames, not on the routing id's */
        .payload_frame = payload,
    };
    socket->counters.received++;
    socket->counters.received_bytes += message.envelope_bytes + message.payload_bytes;
    socket->callbacks.receive(socket->callbacks.context, &message);
    close_parts(socket);
}

/* One frame of a message that is too long. */
static void skip_frame(struct loop_zmq *socket, zmq_msg_t *frame)
{
    socket->is_skipping = zmq_msg_more(frame);
    socket->counters.dropped_frames++;
    zmq_msg_close(frame);
}

/* Reads one frame and acts when it completes a message. False when nothing (more) is there. */
static bool receive_frame(struct loop_zmq *socket)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, socket->zmq, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&frame);
        return false; /* EAGAIN: empty; EINTR: prepare asks again; ETERM: the owner is about to close */
    }
    if (socket->is_skipping) {
        skip_frame(socket, &frame);
    } else if (socket->n_parts == max_parts(socket)) {
        drop_message(socket);
        skip_frame(socket, &frame);
    } else {
        bool is_last = !zmq_msg_more(&frame);
        zmq_msg_t *part = &socket->parts[socket->n_parts++];
        zmq_msg_init(part);
        zmq_msg_move(part, &frame);
        zmq_msg_close(&frame);
        if (is_last)
            deliver(socket);
    }
    return true;
}

void loop_zmq_keep(const struct loop_zmq_message *message, struct loop_zmq_frame *frame)
{
    ASSERT(message->payload_frame);
    zmq_msg_init(&frame->message);
    zmq_msg_move(&frame->message, message->payload_frame);
}

const unsigned char *loop_zmq_frame_data(struct loop_zmq_frame *frame, size_t *bytes)
{
    *bytes = zmq_msg_size(&frame->message);
    return zmq_msg_data(&frame->message);
}

void loop_zmq_frame_free(struct loop_zmq_frame *frame)
{
    zmq_msg_close(&frame->message);
}

void loop_zmq_pass_begin(struct loop_zmq_passing *passing, const struct loop_zmq_message *message)
{
    passing->payload = NULL;
    passing->payload_bytes = 0;
    if (!message->payload)
        return;
    loop_zmq_keep(message, &passing->frame);
    passing->payload = loop_zmq_frame_data(&passing->frame, &passing->payload_bytes);
}

void loop_zmq_pass_end(struct loop_zmq_passing *passing)
{
    if (passing->payload)
        loop_zmq_frame_free(&passing->frame);
    passing->payload = NULL;
}

/* --- the loop --- */

static int pending_events(const struct loop_zmq *socket)
{
    return loop_watch_events(socket->zmq) & (ZMQ_POLLIN | (socket->wants_writable ? ZMQ_POLLOUT : 0));
}

static bool is_pending(void *context)
{
    return pending_events(context) != 0;
}

static void work(void *context)
{
    struct loop_zmq *socket = context;
    for (int i = 0; i < socket->quota && !socket->is_closing && receive_frame(socket); i++) {
    }
    if (!socket->is_closing && socket->wants_writable && pending_events(socket) & ZMQ_POLLOUT) {
        socket->wants_writable = false;
        socket->callbacks.writable(socket->callbacks.context);
    }
}

static void release(void *context)
{
    struct loop_zmq *socket = context;
    struct loop_zmq_callbacks callbacks = socket->callbacks;
    close_parts(socket);
    zmq_close(socket->zmq); /* after the watch and the monitor let go of it */
    free(socket);
    if (callbacks.closed)
        callbacks.closed(callbacks.context);
}

static void on_watch_closed(void *context)
{
    struct loop_zmq *socket = context;
    if (socket->monitor)
        loop_monitor_close(&socket->monitor); /* goes on in release */
    else
        release(socket);
}

static const struct loop_watch_ops watch_ops = {is_pending, work, on_watch_closed};

static void close_handles(struct loop_zmq *socket)
{
    socket->is_closing = true;
    loop_watch_close(&socket->watch);
}

static void on_failure(void *context, enum loop_failure failure)
{
    struct loop_zmq *socket = context;
    socket->counters.failures[failure]++;
    if (!socket->is_closing)
        socket->callbacks.failed(socket->callbacks.context, failure);
}

/* --- options --- */

struct loop_zmq_options loop_zmq_defaults(void)
{
    return (struct loop_zmq_options){
        .max_frame_bytes = 1 << 20,
        .send_max = 256,
        .receive_max = 16384,
        .quota = 64,
        .linger_ms = 500,
        .handshake_ms = 4000,
        .reconnect_ms = 200,
        .reconnect_max_ms = 5000,
        .connect_timeout_ms = 3000,
        .backlog = 1024,
    };
}

struct option_row {
    int option;
    int value;
};

static int set_ints(void *zmq, const struct option_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (zmq_setsockopt(zmq, rows[i].option, &rows[i].value, sizeof rows[i].value))
            return -1;
    return 0;
}

static int set_common(void *zmq, const struct loop_zmq_options *options)
{
    const struct option_row rows[] = {
        {ZMQ_LINGER, options->linger_ms},
        {ZMQ_SNDHWM, options->send_max},
        {ZMQ_RCVHWM, options->receive_max},
        {ZMQ_HANDSHAKE_IVL, options->handshake_ms},
        /* Half-open links: idle ones after a minute, those with data under way after 20 s. */
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 30},
        {ZMQ_TCP_KEEPALIVE_INTVL, 10},
        {ZMQ_TCP_KEEPALIVE_CNT, 3},
        {ZMQ_TCP_MAXRT, 20000},
    };
    return zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &options->max_frame_bytes, sizeof options->max_frame_bytes)
               ? -1
               : set_ints(zmq, rows, ARRAY_LEN(rows));
}

static int set_router(void *zmq, const struct loop_zmq_options *options)
{
    const struct option_row rows[] = {
        {ZMQ_ROUTER_MANDATORY, 1}, /* a send that cannot go says so */
        {ZMQ_ROUTER_HANDOVER, 1},  /* a restarted peer replaces its frozen predecessor at once */
        {ZMQ_BACKLOG, options->backlog},
    };
    return set_ints(zmq, rows, ARRAY_LEN(rows));
}

static int set_dealer(void *zmq, const struct loop_zmq_options *options)
{
    const struct option_row rows[] = {
        {ZMQ_IMMEDIATE, 1}, /* no queue without a connection: the sender's window resends */
        {ZMQ_RECONNECT_IVL, options->reconnect_ms},
        {ZMQ_RECONNECT_IVL_MAX, options->reconnect_max_ms},
        {ZMQ_CONNECT_TIMEOUT, options->connect_timeout_ms},
    };
    if (options->routing_id && zmq_setsockopt(zmq, ZMQ_ROUTING_ID, options->routing_id, strlen(options->routing_id)))
        return -1;
    return set_ints(zmq, rows, ARRAY_LEN(rows));
}

/* The domain alone is not enough: without enforcing it, a server that finds no ZAP handler admits everybody who knows its public
 * key (tested with 4.3.4). A library that does not know the option opens no socket with keys. */
int loop_zmq_set_keys(void *zmq, const struct loop_zmq_keys *keys, enum loop_zmq_mode mode)
{
    const int is_server = mode == LOOP_ZMQ_BIND;
    if (zmq_setsockopt(zmq, ZMQ_CURVE_SERVER, &is_server, sizeof is_server) ||
        zmq_setsockopt(zmq, ZMQ_CURVE_PUBLICKEY, keys->public_key, LOOP_ZMQ_KEY_SIZE) ||
        zmq_setsockopt(zmq, ZMQ_CURVE_SECRETKEY, keys->secret_key, LOOP_ZMQ_KEY_SIZE))
        return -1;
    if (is_server)
        return zmq_setsockopt(zmq, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) ||
                       zmq_setsockopt(zmq, ZAP_ENFORCE_DOMAIN, &is_server, sizeof is_server)
                   ? -1
                   : 0;
    return zmq_setsockopt(zmq, ZMQ_CURVE_SERVERKEY, keys->server_key, LOOP_ZMQ_KEY_SIZE);
}

static int set_options(struct loop_zmq *socket, enum loop_zmq_mode mode, const char *endpoint,
                       const struct loop_zmq_options *options, struct err *err)
{
    const struct option_row ipv6 = {ZMQ_IPV6, strchr(endpoint, '[') != NULL}; /* else 127.0.0.1 would become ::ffff:127.0.0.1 */
    int failed = set_common(socket->zmq, options) || set_ints(socket->zmq, &ipv6, 1) ||
                 (socket->kind == LOOP_ZMQ_ROUTER ? set_router(socket->zmq, options) : set_dealer(socket->zmq, options));
    if (failed)
        return err_set(err, ERR_IO, "cannot set options of a ZeroMQ socket: %s", zmq_strerror(errno));
    if (options->keys && loop_zmq_set_keys(socket->zmq, options->keys, mode))
        return err_set(err, ERR_INVALID, "cannot use the CURVE keys: %s",
                       zmq_has("curve") ? "a key is not 40 characters of Z85" : "this ZeroMQ has no CURVE");
    return 0;
}

/* --- open and close --- */

static int check_arguments(enum loop_zmq_mode mode, const char *endpoint, const struct loop_zmq_options *options,
                           const struct loop_zmq_callbacks *callbacks, struct err *err)
{
    size_t length = options->routing_id ? strlen(options->routing_id) : 1;
    ASSERT(callbacks->receive && options->quota > 0);
    ASSERT(options->send_max > 0 && options->receive_max > 0 && options->max_frame_bytes > 0); /* 0 would mean "no bound" */
    if (length < 1 || length > LOOP_ZMQ_PEER_MAX)
        return err_set(err, ERR_INVALID, "refused routing id: %zu bytes, allowed 1 to %d", length, LOOP_ZMQ_PEER_MAX);
    return loop_endpoint_check(endpoint, mode == LOOP_ZMQ_BIND, options->keys || options->is_insecure, err);
}

static int attach(struct loop_zmq *socket, enum loop_zmq_mode mode, const char *endpoint, struct err *err)
{
    size_t size = sizeof socket->endpoint;
    if (mode == LOOP_ZMQ_BIND ? zmq_bind(socket->zmq, endpoint) : zmq_connect(socket->zmq, endpoint))
        return err_set(err, ERR_IO, "cannot %s %s: %s", mode == LOOP_ZMQ_BIND ? "bind to" : "connect to", endpoint,
                       zmq_strerror(errno));
    if (zmq_getsockopt(socket->zmq, ZMQ_LAST_ENDPOINT, socket->endpoint, &size))
        return err_set(err, ERR_IO, "cannot read back endpoint %s: %s", endpoint, zmq_strerror(errno));
    return 0;
}

/* The monitor is there before the first connection. */
static int watch_handshakes(struct loop_zmq *socket, uv_loop_t *loop, void *zmq_context, struct err *err)
{
    const struct loop_monitor_callbacks callbacks = {socket, on_failure, release};
    return socket->callbacks.failed ? loop_monitor_open(&socket->monitor, loop, zmq_context, socket->zmq, &callbacks, err) : 0;
}

/* Undoes an open that failed: handles that live already are closed by the loop, silently. */
static int abandon(struct loop_zmq *socket, int code)
{
    socket->callbacks.closed = NULL;
    socket->is_closing = true;
    if (socket->watch.open_handles > 0) {
        close_handles(socket);
        return code;
    }
    if (socket->monitor) {
        loop_monitor_close(&socket->monitor);
        return code;
    }
    if (socket->zmq)
        zmq_close(socket->zmq);
    free(socket);
    return code;
}

int loop_zmq_open(struct loop_zmq **out, uv_loop_t *loop, void *zmq_context, enum loop_zmq_kind kind, enum loop_zmq_mode mode,
                  const char *endpoint, const struct loop_zmq_options *options, const struct loop_zmq_callbacks *callbacks,
                  struct err *err)
{
    *out = NULL;
    int code = check_arguments(mode, endpoint, options, callbacks, err);
    if (code)
        return code;
    struct loop_zmq *socket = calloc(1, sizeof *socket);
    if (!socket)
        return err_set(err, ERR_NOMEM, "no memory for a socket");
    socket->kind = kind;
    socket->quota = options->quota;
    socket->has_keys = options->keys != NULL;
    socket->callbacks = *callbacks;
    socket->zmq = zmq_socket(zmq_context, kind == LOOP_ZMQ_ROUTER ? ZMQ_ROUTER : ZMQ_DEALER);
    if (!socket->zmq)
        return abandon(socket, err_set(err, ERR_IO, "cannot open a ZeroMQ socket: %s", zmq_strerror(errno)));
    code = set_options(socket, mode, endpoint, options, err);
    if (!code)
        code = watch_handshakes(socket, loop, zmq_context, err);
    if (!code)
        code = attach(socket, mode, endpoint, err);
    if (!code)
        code = loop_watch_start(&socket->watch, loop, socket->zmq, &watch_ops, socket, err);
    if (code)
        return abandon(socket, code);
    *out = socket;
    return 0;
}

const char *loop_zmq_endpoint(const struct loop_zmq *socket)
{
    return socket->endpoint;
}

const struct loop_zmq_counters *loop_zmq_counters(const struct loop_zmq *socket)
{
    return &socket->counters;
}

void loop_zmq_close(struct loop_zmq **socket)
{
    if (*socket)
        close_handles(*socket);
    *socket = NULL;
}

/* --- sending --- */

void loop_zmq_drop_blob(void *data, void *owner)
{
    struct blob *blob = owner;
    (void)data;
    blob_unref(&blob);
}

void loop_zmq_set_payload(struct loop_zmq_outgoing *message, struct loop_zmq_passing *passing, const void *payload,
                          size_t payload_bytes)
{
    bool is_in_hand = payload && payload == passing->payload && payload_bytes == passing->payload_bytes;
    message->frame = is_in_hand ? &passing->frame : NULL;
    message->payload = is_in_hand ? NULL : payload;
    message->payload_bytes = is_in_hand ? 0 : payload_bytes;
}

static int send_frame(struct loop_zmq *socket, zmq_msg_t *frame, bool has_more)
{
    int sent;
    do
        sent = zmq_msg_send(frame, socket->zmq, ZMQ_DONTWAIT | (has_more ? ZMQ_SNDMORE : 0));
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

static int init_copied(zmq_msg_t *frame, const void *bytes, size_t count)
{
    if (zmq_msg_init_size(frame, count)) {
        zmq_msg_init(frame); /* a failed one must not be closed */
        return ERR_NOMEM;
    }
    if (count > 0)
        memcpy(zmq_msg_data(frame), bytes, count);
    return 0;
}

static int init_payload(zmq_msg_t *frame, const struct loop_zmq_outgoing *message)
{
    if (message->frame) {
        zmq_msg_init(frame);
        return zmq_msg_copy(frame, &message->frame->message) ? ERR_NOMEM : 0;
    }
    if (!message->drop)
        return init_copied(frame, message->payload, message->payload_bytes);
    if (!zmq_msg_init_data(frame, (void *)message->payload, message->payload_bytes, message->drop, message->owner))
        return 0;
    zmq_msg_init(frame);
    message->drop((void *)message->payload, message->owner);
    return ERR_NOMEM;
}

static void close_frames(zmq_msg_t *frames, int count)
{
    for (int i = 0; i < count; i++)
        zmq_msg_close(&frames[i]); /* calls a lent payload's drop */
}

/* Opens all frames before the first is sent, so that running out of memory leaves no half message. Returns their number. The
 * payload comes first: whatever fails after it, its drop is called. */
static int init_frames(const struct loop_zmq *socket, const struct loop_zmq_outgoing *message, zmq_msg_t frames[PARTS_MAX])
{
    bool has_id = socket->kind == LOOP_ZMQ_ROUTER, has_payload = message->frame || message->drop || message->payload;
    int count = 1 + has_id + has_payload, code = 0;
    for (int i = 0; i < count; i++)
        zmq_msg_init(&frames[i]);
    if (has_payload)
        code = init_payload(&frames[count - 1], message);
    if (!code)
        code = init_copied(&frames[has_id], message->envelope, message->envelope_bytes);
    if (!code && has_id)
        code = init_copied(&frames[0], message->peer, message->peer_bytes);
    if (!code)
        return count;
    close_frames(frames, count);
    return code;
}

static int refuse(struct loop_zmq *socket, int system_code)
{
    switch (system_code) {
    case EAGAIN:
        socket->counters.refused_full++;
        socket->wants_writable = socket->kind == LOOP_ZMQ_DEALER && socket->callbacks.writable;
        return ERR_AGAIN;
    case EHOSTUNREACH: socket->counters.refused_unknown++; return ERR_CLOSED;
    case ETERM: return ERR_CLOSED;
    default: return ERR_IO;
    }
}

int loop_zmq_send(struct loop_zmq *socket, const struct loop_zmq_outgoing *message)
{
    zmq_msg_t frames[PARTS_MAX];
    ASSERT(!socket->is_closing);
    int count = init_frames(socket, message, frames), failed = 0, done = 0;
    if (count < 0)
        return count;
    size_t bytes = message->envelope_bytes + (count > 1 + (socket->kind == LOOP_ZMQ_ROUTER) ? zmq_msg_size(&frames[count - 1]) : 0);
    while (done < count && !(failed = send_frame(socket, &frames[done], done + 1 < count)))
        done++;
    close_frames(frames + done, count - done);
    if (failed && done == 0)
        return refuse(socket, failed);
    socket->counters.cut += failed != 0; /* after the first frame it is as lost as anything in a dying connection */
    socket->counters.sent++;
    socket->counters.sent_bytes += bytes;
    return 0;
}
