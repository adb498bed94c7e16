/* The relay process: its core on a DEALER to the broker and one ROUTER per local endpoint, in a libuv loop. */
#include "broker/relay.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/relay_core.h"
#include "wire/loop_zmq.h"
#include "wire/routing_id.h"

#define TICK_MS 20
#define CACHE_BYTES (512u << 20)
#define SEND_MAX 4096
#define RECEIVE_MAX 8192

struct relay {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t term, interrupt, hangup;
    void *zmq;
    const struct relay_options *options;
    struct loop_zmq *upstream;
    struct relay_listener {
        struct relay *relay;
        struct loop_zmq *socket;
    } listeners[4];
    int n_listeners;
    struct relay_core *core;
    struct loop_zmq_passing passing;
    bool is_closing;
    int result;
    struct err *err;
};

/* A peer's routing id is looked for on every socket: there are few, and an id is on one of them. */
static int on_down(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes, const void *payload,
                   size_t payload_bytes)
{
    struct relay *relay = context;
    struct loop_zmq_outgoing message = {
        .peer = peer->id, .peer_bytes = peer->length, .envelope = envelope, .envelope_bytes = envelope_bytes};
    loop_zmq_set_payload(&message, &relay->passing, payload, payload_bytes);
    int r = ERR_CLOSED;
    for (int i = 0; i < relay->n_listeners && r == ERR_CLOSED; i++)
        if (relay->listeners[i].socket)
            r = loop_zmq_send(relay->listeners[i].socket, &message);
    return r;
}

static int on_up(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    struct relay *relay = context;
    struct loop_zmq_outgoing message = {.envelope = envelope, .envelope_bytes = envelope_bytes};
    loop_zmq_set_payload(&message, &relay->passing, payload, payload_bytes);
    return relay->upstream ? loop_zmq_send(relay->upstream, &message) : ERR_CLOSED;
}

static void shut(struct relay *relay)
{
    if (relay->is_closing)
        return;
    relay->is_closing = true;
    if (relay->upstream)
        loop_zmq_close(&relay->upstream);
    for (int i = 0; i < relay->n_listeners; i++)
        if (relay->listeners[i].socket)
            loop_zmq_close(&relay->listeners[i].socket);
    uv_close((uv_handle_t *)&relay->tick, NULL);
    uv_close((uv_handle_t *)&relay->term, NULL);
    uv_close((uv_handle_t *)&relay->interrupt, NULL);
    uv_close((uv_handle_t *)&relay->hangup, NULL);
}

/* Of the relay as a whole. Unless it is final, the actors behind it hear of it themselves. */
static void on_refused(void *context, int code, const char *text)
{
    struct relay *relay = context;
    log_error("relay refused reason=\"%s\"", text);
    if (code != ERR_DENIED && code != ERR_VERSION)
        return;
    relay->result = err_set(relay->err, code, "relay refused: %s", text);
    shut(relay);
}

static void on_failed(void *context, enum loop_failure failure)
{
    struct relay *relay = context;
    struct err err;
    int code = loop_failure_explain(failure, relay->options->upstream, relay->options->upstream_keys != NULL, &err);
    if (code)
        on_refused(relay, code, err.text);
}

static void on_actor(void *context, const struct loop_zmq_message *message)
{
    struct relay *relay = ((struct relay_listener *)context)->relay;
    struct wire_peer peer = wire_peer_of(message->peer, message->peer_bytes);
    if (relay->is_closing || message->peer_bytes > sizeof peer.id)
        return;
    loop_zmq_pass_begin(&relay->passing, message);
    relay_core_from_actor(relay->core, clock_us(), &peer, message->envelope, message->envelope_bytes, relay->passing.payload,
                          relay->passing.payload_bytes);
    loop_zmq_pass_end(&relay->passing);
}

static void on_broker(void *context, const struct loop_zmq_message *message)
{
    struct relay *relay = context;
    if (relay->is_closing)
        return;
    loop_zmq_pass_begin(&relay->passing, message);
    relay_core_from_broker(relay->core, clock_us(), message->envelope, message->envelope_bytes, relay->passing.payload,
                           relay->passing.payload_bytes);
    loop_zmq_pass_end(&relay->passing);
}

static void on_tick(uv_timer_t *timer)
{
    struct relay *relay = timer->data;
    relay_core_tick(relay->core, clock_us());
}

static void on_signal(uv_signal_t *signal, int number)
{
    log_notice("relay stops signal=%d", number);
    shut(signal->data);
}

/* The list of keys is the broker's. */
static void on_hangup(uv_signal_t *signal, int number)
{
    (void)signal;
    log_notice("nothing to read again signal=%d reason=\"a relay has no list of keys\"", number);
}

static int open_upstream(struct relay *relay)
{
    char id[ROUTING_ID_SIZE];
    struct loop_zmq_options socket = loop_zmq_defaults();
    const struct loop_zmq_callbacks callbacks = {.context = relay, .receive = on_broker, .failed = on_failed};
    routing_id(id, "relay");
    socket.routing_id = id;
    socket.keys = relay->options->upstream_keys;
    socket.is_insecure = relay->options->is_insecure;
    socket.max_frame_bytes = PROTOCOL_PAYLOAD_BYTES;
    socket.send_max = SEND_MAX;
    socket.receive_max = RECEIVE_MAX;
    return loop_zmq_open(&relay->upstream, &relay->loop, relay->zmq, LOOP_ZMQ_DEALER, LOOP_ZMQ_CONNECT, relay->options->upstream,
                         &socket, &callbacks, relay->err);
}

static int open_listeners(struct relay *relay)
{
    struct loop_zmq_options socket = loop_zmq_defaults();
    socket.max_frame_bytes = PROTOCOL_PAYLOAD_BYTES;
    socket.send_max = SEND_MAX;
    socket.receive_max = RECEIVE_MAX;
    for (int i = 0; i < 4 && relay->options->listen[i]; i++) {
        struct relay_listener *listener = &relay->listeners[i];
        listener->relay = relay;
        const struct loop_zmq_callbacks callbacks = {.context = listener, .receive = on_actor};
        int r = loop_zmq_open(&listener->socket, &relay->loop, relay->zmq, LOOP_ZMQ_ROUTER, LOOP_ZMQ_BIND,
                              relay->options->listen[i], &socket, &callbacks, relay->err);
        if (r)
            return r;
        relay->n_listeners++;
        log_notice("relay listens endpoint=%s upstream=%s", loop_zmq_endpoint(listener->socket), relay->options->upstream);
    }
    return 0;
}

static void start_handles(struct relay *relay)
{
    ASSERT(!uv_loop_init(&relay->loop));
    ASSERT(!uv_timer_init(&relay->loop, &relay->tick));
    ASSERT(!uv_signal_init(&relay->loop, &relay->term));
    ASSERT(!uv_signal_init(&relay->loop, &relay->interrupt));
    ASSERT(!uv_signal_init(&relay->loop, &relay->hangup));
    relay->tick.data = relay->term.data = relay->interrupt.data = relay->hangup.data = relay;
    uv_timer_start(&relay->tick, on_tick, 0, TICK_MS);
    uv_signal_start(&relay->term, on_signal, SIGTERM);
    uv_signal_start(&relay->interrupt, on_signal, SIGINT);
    uv_signal_start(&relay->hangup, on_hangup, SIGHUP);
}

int relay_run(const struct relay_options *options, struct err *err)
{
    static const struct relay_core_ops ops = {on_down, on_up, on_refused};
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        return err_set(err, ERR_NOMEM, "cannot start relay: out of memory");
    relay->options = options;
    relay->err = err;
    const struct relay_core_options core = {options->cache_bytes ? options->cache_bytes : CACHE_BYTES, &ops, relay};
    if (relay_core_create(&relay->core, &core) || !(relay->zmq = zmq_ctx_new())) {
        relay_core_destroy(&relay->core);
        free(relay);
        return err_set(err, ERR_NOMEM, "cannot start relay: out of memory");
    }
    start_handles(relay);
    int r = open_upstream(relay);
    if (!r)
        r = open_listeners(relay);
    if (r) {
        relay->result = r;
        shut(relay);
    }
    uv_run(&relay->loop, UV_RUN_DEFAULT);
    ASSERT(!uv_loop_close(&relay->loop));
    zmq_ctx_term(relay->zmq);
    r = relay->result;
    relay_core_destroy(&relay->core);
    free(relay);
    return r;
}
