/* A ZeroMQ socket's place in a libuv loop: four handles that see to it that no wake-up is lost (why four: loop_watch.c).
 *
 * Used by loop_zmq (messages), loop_monitor (events of connections) and zap (admission). One thread, that of the loop. */
#ifndef TESTUDO_WIRE_LOOP_WATCH_H
#define TESTUDO_WIRE_LOOP_WATCH_H

#include <stdbool.h>

#include <uv.h>

#include "base/err.h"

struct loop_watch_ops {
    bool (*is_pending)(void *context); /* is there anything to do? Asks the socket itself (ZMQ_EVENTS) */
    void (*work)(void *context);       /* does a bounded part of it; may close the watch */
    void (*closed)(void *context);     /* last call: the handles are gone, the socket may be closed */
};

struct loop_watch {
    const struct loop_watch_ops *ops;
    void *context;
    int open_handles; /* 0: nothing to close */
    bool is_closing;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
};

/* Starts watching a ZeroMQ socket. On error handles may be open already: close the watch when open_handles is not 0. */
MUST_USE int loop_watch_start(struct loop_watch *watch, uv_loop_t *loop, void *zmq, const struct loop_watch_ops *ops, void *context,
                              struct err *err);
/* `closed` is called once the loop has let go of all handles. */
void loop_watch_close(struct loop_watch *watch);

/* The ZMQ_EVENTS of a socket; 0 when they cannot be had. */
int loop_watch_events(void *zmq);

#endif
