/* Failed handshakes, told in the loop: see loop_monitor.h. An event is two frames: a 16-bit event with a 32-bit value, and the address. */
#include "wire/loop_monitor.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "wire/loop_watch.h"

#define QUOTA 256 /* events a turn: a flood of refused connections must not hold up the rest of the loop */

struct loop_monitor {
    void *watched, *pair;
    struct loop_monitor_callbacks callbacks;
    struct loop_watch watch;
};

static enum loop_failure failure_of(int event, int32_t value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return LOOP_FAILURE_DENIED;
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        return LOOP_FAILURE_BROKEN;
    switch (value) {
    case ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH: return LOOP_FAILURE_PLAIN;
    case ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
    case ZMQ_PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE: return LOOP_FAILURE_KEY;
    case ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE: return LOOP_FAILURE_REPLAY;
    default: return LOOP_FAILURE_PROTOCOL;
    }
}

bool loop_monitor_read(void *pair, enum loop_failure *failure)
{
    unsigned char head[6], address[512];
    uint16_t event = 0;
    int32_t value = 0;
    int more = 0, length = zmq_recv(pair, head, sizeof head, ZMQ_DONTWAIT);
    size_t size = sizeof more;
    if (length < 0)
        return false;
    while (!zmq_getsockopt(pair, ZMQ_RCVMORE, &more, &size) && more)
        if (zmq_recv(pair, address, sizeof address, ZMQ_DONTWAIT) < 0)
            break;
    if (length == sizeof head) {
        memcpy(&event, head, sizeof event);
        memcpy(&value, head + sizeof event, sizeof value);
    }
    if (!(event & LOOP_MONITOR_EVENTS)) /* the monitor's own end */
        return false;
    *failure = failure_of(event, value);
    return true;
}

static bool is_pending(void *context)
{
    const struct loop_monitor *monitor = context;
    return loop_watch_events(monitor->pair) & ZMQ_POLLIN;
}

static void work(void *context)
{
    struct loop_monitor *monitor = context;
    enum loop_failure failure;
    for (int i = 0; i < QUOTA && !monitor->watch.is_closing && loop_monitor_read(monitor->pair, &failure); i++)
        monitor->callbacks.failed(monitor->callbacks.context, failure);
}

static void release(void *context)
{
    struct loop_monitor *monitor = context;
    struct loop_monitor_callbacks callbacks = monitor->callbacks;
    zmq_close(monitor->pair);
    free(monitor);
    if (callbacks.closed)
        callbacks.closed(callbacks.context);
}

static const struct loop_watch_ops watch_ops = {is_pending, work, release};

int loop_monitor_open(struct loop_monitor **out, uv_loop_t *loop, void *zmq_context, void *watched,
                      const struct loop_monitor_callbacks *callbacks, struct err *err)
{
    char endpoint[64];
    const int zero = 0;
    struct loop_monitor *monitor = calloc(1, sizeof *monitor);
    *out = NULL;
    if (!monitor)
        return err_set(err, ERR_NOMEM, "no memory to watch connections");
    monitor->watched = watched;
    monitor->callbacks = *callbacks;
    snprintf(endpoint, sizeof endpoint, "inproc://monitor-%p", (void *)monitor);
    monitor->pair = zmq_socket(zmq_context, ZMQ_PAIR);
    /* The events come from ZeroMQ's own thread, which would wait for room in a bounded queue, and with it all connections. */
    bool is_open = monitor->pair && !zmq_setsockopt(monitor->pair, ZMQ_RCVHWM, &zero, sizeof zero) &&
                   !zmq_setsockopt(monitor->pair, ZMQ_LINGER, &zero, sizeof zero) &&
                   !zmq_socket_monitor(watched, endpoint, LOOP_MONITOR_EVENTS) && !zmq_connect(monitor->pair, endpoint);
    int r = is_open ? loop_watch_start(&monitor->watch, loop, monitor->pair, &watch_ops, monitor, err)
                    : err_set(err, ERR_IO, "cannot watch connections: %s", zmq_strerror(errno));
    if (!r) {
        *out = monitor;
        return 0;
    }
    monitor->callbacks.closed = NULL;
    zmq_socket_monitor(watched, NULL, 0);
    if (monitor->watch.open_handles) {
        loop_watch_close(&monitor->watch);
        return r;
    }
    if (monitor->pair)
        zmq_close(monitor->pair);
    free(monitor);
    return r;
}

void loop_monitor_close(struct loop_monitor **out)
{
    struct loop_monitor *monitor = *out;
    *out = NULL;
    if (!monitor)
        return;
    zmq_socket_monitor(monitor->watched, NULL, 0);
    loop_watch_close(&monitor->watch);
}
