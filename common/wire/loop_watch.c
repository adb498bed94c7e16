/* A ZeroMQ socket's place in a libuv loop: see loop_watch.h.
 *
 * Why four handles. ZMQ_FD becomes readable when the socket's mailbox goes from empty to not empty, and every call on the socket
 * empties the mailbox: whoever sends in a timer has eaten the wake-up of a message that then waits for ever. So the descriptor only
 * wakes the loop, and the truth is asked for (ZMQ_EVENTS) at a place that no callback can get behind:
 *
 *     timers ... -> prepare: something to do? then start idle -> poll (timeout 0 while idle is active) -> check: stop idle, work
 *
 * libuv computes the poll's timeout after prepare; hence idle is started there, and stopped in check. */
#include "wire/loop_watch.h"

#include <errno.h>

#include <zmq.h>

int loop_watch_events(void *zmq)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(zmq, ZMQ_EVENTS, &events, &size) ? 0 : events;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events; /* only wakes the loop; check does the work */
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle; /* only makes the poll's timeout 0 */
}

static void on_prepare(uv_prepare_t *handle)
{
    struct loop_watch *watch = handle->data;
    if (watch->ops->is_pending(watch->context))
        uv_idle_start(&watch->idle, on_idle);
}

static void on_check(uv_check_t *handle)
{
    struct loop_watch *watch = handle->data;
    uv_idle_stop(&watch->idle);
    watch->ops->work(watch->context);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct loop_watch *watch = handle->data;
    if (--watch->open_handles == 0)
        watch->ops->closed(watch->context);
}

void loop_watch_close(struct loop_watch *watch)
{
    ASSERT(watch->open_handles && !watch->is_closing);
    watch->is_closing = true;
    uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, on_handle_closed);
    uv_close((uv_handle_t *)&watch->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&watch->check, on_handle_closed);
    uv_close((uv_handle_t *)&watch->idle, on_handle_closed);
}

int loop_watch_start(struct loop_watch *watch, uv_loop_t *loop, void *zmq, const struct loop_watch_ops *ops, void *context,
                     struct err *err)
{
    int fd;
    size_t size = sizeof fd;
    *watch = (struct loop_watch){.ops = ops, .context = context};
    if (zmq_getsockopt(zmq, ZMQ_FD, &fd, &size))
        return err_set(err, ERR_IO, "cannot watch a ZeroMQ socket: %s", zmq_strerror(errno));
    int code = uv_poll_init_socket(loop, &watch->poll, fd);
    if (code)
        return err_set(err, ERR_IO, "cannot watch a ZeroMQ socket: %s", uv_strerror(code));
    uv_prepare_init(loop, &watch->prepare);
    uv_check_init(loop, &watch->check);
    uv_idle_init(loop, &watch->idle);
    watch->poll.data = watch->prepare.data = watch->check.data = watch->idle.data = watch;
    watch->open_handles = 4;
    uv_prepare_start(&watch->prepare, on_prepare);
    uv_check_start(&watch->check, on_check);
    code = uv_poll_start(&watch->poll, UV_READABLE, on_poll); /* readable for sending, too: ZMQ_FD is never anything else */
    return code ? err_set(err, ERR_IO, "cannot watch a ZeroMQ socket: %s", uv_strerror(code)) : 0;
}
