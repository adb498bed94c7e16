#include "deploy/observer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "base/clock.h"
#include "wire/envelope.h"
#include "wire/loop_endpoint.h"
#include "wire/loop_monitor.h"

#define ANSWER_BYTES_MAX (4 << 20)

struct observer {
    char endpoint[256];
    const struct loop_zmq_keys *keys;
    void *context, *socket, *monitor; /* monitor: handshakes that failed */
    unsigned connections;
    struct envelope *envelope; /* large */
    unsigned char buffer[PROTOCOL_ENVELOPE_BYTES];
};

static void disconnect(struct observer *observer)
{
    if (observer->socket)
        zmq_close(observer->socket); /* ends its monitor, too */
    if (observer->monitor)
        zmq_close(observer->monitor);
    observer->socket = observer->monitor = NULL;
}

static int watch_handshakes(struct observer *observer)
{
    char address[48]; /* ever new: ZeroMQ lets go of the one before later */
    const int zero = 0;
    snprintf(address, sizeof address, "inproc://observer-%u", observer->connections++);
    observer->monitor = zmq_socket(observer->context, ZMQ_PAIR);
    return !observer->monitor || zmq_setsockopt(observer->monitor, ZMQ_LINGER, &zero, sizeof zero) ||
           zmq_socket_monitor(observer->socket, address, LOOP_MONITOR_EVENTS) || zmq_connect(observer->monitor, address);
}

static int connect_anew(struct observer *observer, struct err *err)
{
    int zero = 0, two = 2;
    int64_t largest = ANSWER_BYTES_MAX;
    disconnect(observer);
    observer->socket = zmq_socket(observer->context, ZMQ_DEALER);
    if (!observer->socket)
        return err_set(err, ERR_NOMEM, "cannot open a socket");
    zmq_setsockopt(observer->socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(observer->socket, ZMQ_SNDHWM, &two, sizeof two);
    zmq_setsockopt(observer->socket, ZMQ_RCVHWM, &two, sizeof two);
    zmq_setsockopt(observer->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    if (observer->keys && loop_zmq_set_keys(observer->socket, observer->keys, LOOP_ZMQ_CONNECT))
        return err_set(err, ERR_INVALID, "cannot use the keys");
    if (watch_handshakes(observer))
        return err_set(err, ERR_IO, "cannot watch the connection: %s", zmq_strerror(errno));
    if (zmq_connect(observer->socket, observer->endpoint))
        return err_set(err, ERR_INVALID, "bad endpoint \"%.200s\": %s", observer->endpoint, zmq_strerror(errno));
    return 0;
}

int observer_open(struct observer **observer, const char *endpoint, const struct loop_zmq_keys *keys, bool is_insecure,
                  struct err *err)
{
    *observer = NULL;
    int r = loop_endpoint_check(endpoint, false, keys || is_insecure, err);
    if (r)
        return r;
    struct observer *new = calloc(1, sizeof *new);
    if (!new || !(new->envelope = calloc(1, sizeof *new->envelope)) || !(new->context = zmq_ctx_new()))
        r = err_set(err, ERR_NOMEM, "out of memory");
    else if (snprintf(new->endpoint, sizeof new->endpoint, "%s", endpoint) >= (int)sizeof new->endpoint)
        r = err_set(err, ERR_INVALID, "endpoint too long");
    else {
        new->keys = keys;
        r = connect_anew(new, err);
    }
    *observer = new;
    if (r)
        observer_close(observer);
    return r;
}

void observer_close(struct observer **observer)
{
    struct observer *old = *observer;
    if (!old)
        return;
    disconnect(old);
    if (old->context)
        zmq_ctx_term(old->context);
    free(old->envelope);
    free(old);
    *observer = NULL;
}

/* --- question and answer --- */

static int ask(struct observer *observer, struct err *err)
{
    *observer->envelope = (struct envelope){.kind = MESSAGE_STATS, .stats = {PROTOCOL_MAJOR, PROTOCOL_MINOR}};
    int length = envelope_encode(observer->envelope, observer->buffer, sizeof observer->buffer);
    ASSERT(length > 0);
    if (zmq_send(observer->socket, observer->buffer, (size_t)length, 0) < 0)
        return err_set(err, ERR_IO, "cannot send the question: %s", zmq_strerror(errno));
    return 0;
}

/* One message of at most two frames. */
static int receive(struct observer *observer, zmq_msg_t *payload, struct err *err)
{
    int length = zmq_recv(observer->socket, observer->buffer, sizeof observer->buffer, 0), more = 0;
    size_t size = sizeof more;
    if (length < 0 || length > (int)sizeof observer->buffer)
        return err_set(err, ERR_IO, "cannot read the answer");
    zmq_getsockopt(observer->socket, ZMQ_RCVMORE, &more, &size);
    for (int i = 0; more; i++) {
        if (i || zmq_msg_recv(payload, observer->socket, 0) < 0)
            return err_set(err, ERR_FORMAT, "the answer has more than two frames");
        zmq_getsockopt(observer->socket, ZMQ_RCVMORE, &more, &size);
    }
    return envelope_decode(observer->envelope, observer->buffer, (size_t)length, err);
}

static json_t *read_answer(struct observer *observer, struct err *err)
{
    json_t *tree = NULL;
    zmq_msg_t payload;
    zmq_msg_init(&payload);
    int r = receive(observer, &payload, err);
    if (!r && observer->envelope->kind == MESSAGE_REFUSED)
        err_set(err, ERR_STATE, "refused: %.*s", PROTOCOL_TEXT_SIZE, observer->envelope->refused.text);
    else if (!r && observer->envelope->kind != MESSAGE_STATS_REPLY)
        err_set(err, ERR_FORMAT, "the answer is a %s", message_kind_name(observer->envelope->kind));
    else if (!r && !(tree = json_parse("stats", zmq_msg_data(&payload), zmq_msg_size(&payload), err)))
        ; /* err says why */
    else if (!r && !json_is_object(tree)) {
        json_decref(tree);
        tree = NULL;
        err_set(err, ERR_FORMAT, "the answer is no JSON object");
    }
    zmq_msg_close(&payload);
    return tree;
}

/* Waits for the event on the socket. 1: there; 0: not in time; or why we are not let in. */
static int wait_for(struct observer *observer, short event, int timeout_ms, enum loop_failure *last, struct err *err)
{
    zmq_pollitem_t items[] = {{.socket = observer->socket, .events = event}, {.socket = observer->monitor, .events = ZMQ_POLLIN}};
    monotonic_us end = clock_us() + (monotonic_us)timeout_ms * 1000;
    for (monotonic_us now = clock_us(); now < end; now = clock_us()) {
        if (zmq_poll(items, ARRAY_LEN(items), (long)((end - now) / 1000 + 1)) < 0)
            continue;
        if (items[0].revents & event)
            return 1;
        while (loop_monitor_read(observer->monitor, last))
            if (loop_failure_explain(*last, observer->endpoint, observer->keys != NULL, err))
                return ERR_DENIED;
    }
    return 0;
}

json_t *observer_ask(struct observer *observer, int timeout_ms, struct err *err)
{
    enum loop_failure last = LOOP_FAILURES;
    int r = wait_for(observer, ZMQ_POLLOUT, timeout_ms, &last, err);
    if (r == 1) {
        if (ask(observer, err))
            return NULL;
        if ((r = wait_for(observer, ZMQ_POLLIN, timeout_ms, &last, err)) == 1)
            return read_answer(observer, err);
    }
    struct err reason = *err;
    if (connect_anew(observer, err)) /* a late answer must not be taken for that of the next question */
        return NULL;
    if (r == ERR_DENIED)
        *err = reason;
    else if (last == LOOP_FAILURE_BROKEN)
        err_set(err, ERR_AGAIN, "%s %s", observer->endpoint, loop_failure_hint(observer->keys != NULL));
    else
        err_set(err, ERR_AGAIN, "no answer within %.1f s; is a broker there?", timeout_ms / 1000.0);
    return NULL;
}

/* --- looking into answers --- */

const json_t *observed_at(const json_t *tree, const char *path)
{
    char key[64];
    for (const char *p = path; *p; p += *p == '.') {
        size_t length = strcspn(p, ".");
        ASSERT(length < sizeof key);
        memcpy(key, p, length);
        key[length] = 0;
        tree = json_object_get(tree, key);
        p += length;
    }
    return tree;
}

double observed(const json_t *tree, const char *path)
{
    const json_t *value = observed_at(tree, path);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *observed_text(const json_t *tree, const char *path)
{
    const char *text = json_string_value(observed_at(tree, path));
    return text ? text : "";
}

const char *observed_human(double value, char out[OBSERVED_SIZE])
{
    static const char suffixes[] = {0, 'k', 'M', 'G', 'T', 'P'};
    size_t i = 0;
    double size = fabs(value);
    if (!isfinite(value))
        return "-";
    for (; size >= 999.5 && i + 1 < sizeof suffixes; i++)
        size /= 1000;
    if (!i && (size == floor(size) || size >= 99.95))
        snprintf(out, OBSERVED_SIZE, "%.0f", value);
    else
        snprintf(out, OBSERVED_SIZE, "%s%.*f%c", value < 0 ? "-" : "", size < 9.995 ? 2 : size < 99.95 ? 1 : 0, size, suffixes[i]);
    return out;
}
