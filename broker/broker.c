/* The broker process: the core on ROUTER sockets in a libuv loop, one per endpoint. A peer is known by its routing id on whichever
 * socket it came through. */
#include "broker/broker.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uv.h>
#include <zmq.h>

#include "base/log.h"
#include "base/row_index.h"
#include "broker/core.h"
#include "broker/dashboard.h"
#include "broker/gate.h"
#include "broker/http.h"
#include "broker/metrics.h"
#include "broker/monitor.h"
#include "broker/stats.h"
#include "wire/loop_endpoint.h"
#include "wire/loop_zmq.h"

#define TICK_MS 20
#define CACHE_BYTES (512u << 20)
#define SEND_MAX 4096 /* messages per peer: the learner's window of all actors fits many times over */
#define RECEIVE_MAX 8192
#define ROUTES_MAX 4096
#define KEPT_BLOCK (32 << 20) /* bytes; the largest that the C library takes */
#define KEPT_FREE (64 << 20)

struct route { /* through which socket a peer came last */
    struct wire_peer peer;
    int socket;
};

struct broker {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t term, interrupt, hangup;
    void *context;
    struct broker_listener {
        struct broker *broker;
        int index;
        bool has_keys;
        struct loop_zmq *socket;
    } listeners[4];
    int n_sockets;
    struct route routes[ROUTES_MAX];
    int routes_at, n_routes;
    struct row_index *by_peer; /* of routes */
    struct broker_core *core;
    struct gate *gate; /* NULL: no endpoint needs keys */
    struct http *http;
    const char *version;
    struct loop_zmq_passing passing;
    bool is_closing;
};

/* --- routes: most peers use socket 0, so only the others are remembered --- */

static struct route *route_find(struct broker *broker, const struct wire_peer *peer, uint64_t key)
{
    int i = row_index_first(broker->by_peer, key);
    while (i >= 0 && !wire_peer_equal(&broker->routes[i].peer, peer))
        i = row_index_next(broker->by_peer, i);
    return i < 0 ? NULL : &broker->routes[i];
}

static uint64_t route_key(const struct wire_peer *peer)
{
    return hash_bytes(peer->id, peer->length).low;
}

static int route_of(struct broker *broker, const struct wire_peer *peer)
{
    const struct route *route = broker->n_routes ? route_find(broker, peer, route_key(peer)) : NULL;
    return route ? route->socket : 0;
}

static void route_learn(struct broker *broker, const struct wire_peer *peer, int socket)
{
    if (socket == 0 && !broker->n_routes)
        return;
    uint64_t key = route_key(peer);
    struct route *route = route_find(broker, peer, key);
    if (route) {
        route->socket = socket;
        return;
    }
    if (socket == 0)
        return;
    int at = broker->routes_at;
    if (broker->n_routes == ROUTES_MAX)
        row_index_drop(broker->by_peer, at);
    else
        broker->n_routes++;
    broker->routes[at] = (struct route){*peer, socket};
    row_index_put(broker->by_peer, at, key);
    broker->routes_at = (at + 1) % ROUTES_MAX;
}

static int on_send(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes, const void *payload,
                   size_t payload_bytes)
{
    struct broker *broker = context;
    struct loop_zmq_outgoing message = {
        .peer = peer->id, .peer_bytes = peer->length, .envelope = envelope, .envelope_bytes = envelope_bytes};
    loop_zmq_set_payload(&message, &broker->passing, payload, payload_bytes);
    struct loop_zmq *socket = broker->listeners[route_of(broker, peer)].socket;
    return socket ? loop_zmq_send(socket, &message) : ERR_CLOSED;
}

static void on_receive(void *context, const struct loop_zmq_message *message)
{
    struct broker_listener *listener = context;
    struct broker *broker = listener->broker;
    struct wire_peer peer = wire_peer_of(message->peer, message->peer_bytes);
    if (broker->is_closing)
        return;
    if (message->peer_bytes > sizeof peer.id) { /* cannot be answered under a cut id */
        log_detail("peer ignored reason=\"routing id too long\"");
        return;
    }
    const struct allowed *allowed = listener->has_keys ? gate_sender(broker->gate, message->user) : NULL;
    if (listener->has_keys && !allowed)
        return;
    struct broker_sender sender = {.role = ROLE_OBSERVER};
    if (allowed)
        sender = (struct broker_sender){allowed->name, allowed->role, allowed->first_actor, allowed->last_actor};
    route_learn(broker, &peer, listener->index);
    loop_zmq_pass_begin(&broker->passing, message);
    broker_core_receive(broker->core, clock_us(), &peer, allowed ? &sender : NULL, message->envelope, message->envelope_bytes,
                        broker->passing.payload, broker->passing.payload_bytes);
    loop_zmq_pass_end(&broker->passing);
}

static void on_failed(void *context, enum loop_failure failure)
{
    const struct broker_listener *listener = context;
    gate_failed(listener->broker->gate, failure);
}

static void note_security(const struct broker *broker)
{
    if (broker->gate) {
        struct broker_security security = gate_security(broker->gate);
        broker_core_security(broker->core, &security);
    }
}

/* --- pages: what is told over HTTP --- */

static struct broker_view view_of(const struct broker *broker)
{
    struct broker_view view;
    note_security(broker);
    broker_core_view(broker->core, clock_us(), &view);
    return view;
}

static int write_varz(void *context, char *body, size_t size, int *status)
{
    struct broker_view view = view_of(context);
    (void)status;
    return broker_varz_json(&view, body, size);
}

static int write_connz(void *context, char *body, size_t size, int *status)
{
    struct broker_view view = view_of(context);
    (void)status;
    return broker_connz_json(&view, body, size);
}

static int write_metrics(void *context, char *body, size_t size, int *status)
{
    const struct broker *broker = context;
    struct broker_view view = view_of(broker);
    (void)status;
    return broker_metrics(&view, broker->version, body, size);
}

static int write_history(void *context, char *body, size_t size, int *status)
{
    struct broker_view view = view_of(context);
    (void)status;
    return history_json(&view.monitor->history, body, size);
}

/* The process answers: it is alive. */
static int write_health(void *context, char *body, size_t size, int *status)
{
    (void)context, (void)status;
    return snprintf(body, size, "{\"status\":\"ok\"}\n");
}

/* A run is served: its learner is here. */
static int write_ready(void *context, char *body, size_t size, int *status)
{
    struct broker_view view = view_of(context);
    bool is_ready = view.learner->incarnation && !view.learner->is_silent;
    *status = is_ready ? 200 : 503;
    return snprintf(body, size, "{\"status\":\"%s\"}\n", is_ready ? "ok" : "no learner");
}

static int write_dashboard(void *context, char *body, size_t size, int *status)
{
    (void)context, (void)status;
    int length = snprintf(body, size, "%s", dashboard_page);
    return (size_t)length < size ? length : ERR_LIMIT;
}

static const char type_json[] = "application/json";
static const struct http_page pages[] = {
    {"/", "text/html; charset=utf-8", write_dashboard},
    {"/healthz", type_json, write_health},
    {"/readyz", type_json, write_ready},
    {"/varz", type_json, write_varz},
    {"/connz", type_json, write_connz},
    {"/history", type_json, write_history},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics},
    {NULL, NULL, NULL},
};

static void on_tick(uv_timer_t *timer)
{
    struct broker *broker = timer->data;
    note_security(broker);
    broker_core_tick(broker->core, clock_us());
}

static void shut(struct broker *broker)
{
    if (broker->is_closing)
        return;
    broker->is_closing = true;
    for (int i = 0; i < broker->n_sockets; i++)
        if (broker->listeners[i].socket)
            loop_zmq_close(&broker->listeners[i].socket);
    http_close(&broker->http);
    gate_close(&broker->gate);
    uv_close((uv_handle_t *)&broker->tick, NULL);
    uv_close((uv_handle_t *)&broker->term, NULL);
    uv_close((uv_handle_t *)&broker->interrupt, NULL);
    uv_close((uv_handle_t *)&broker->hangup, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct broker *broker = signal->data;
    log_notice("broker stops signal=%d", number);
    shut(broker);
}

/* Whoever manages many brokers sends it to all of them, also to those without keys. */
static void on_hangup(uv_signal_t *signal, int number)
{
    struct broker *broker = signal->data;
    if (broker->is_closing)
        return;
    if (broker->gate)
        gate_reload(broker->gate);
    else
        log_notice("nothing to read again signal=%d reason=\"no endpoint needs keys\"", number);
}

static bool needs_keys(const struct broker_options *options, const char *endpoint)
{
    bool is_local = !loop_endpoint_check(endpoint, true, false, NULL);
    return options->keys && !options->is_insecure && strncmp(endpoint, "ipc://", 6) != 0 && (!is_local || options->keys_everywhere);
}

/* Before any socket that would ask. */
static int open_gate(struct broker *broker, const struct broker_options *options, struct err *err)
{
    bool is_needed = false;
    for (int i = 0; i < 4 && options->listen[i]; i++)
        is_needed |= needs_keys(options, options->listen[i]);
    return is_needed ? gate_open(&broker->gate, &broker->loop, broker->context, options->allowed, err) : 0;
}

static int open_sockets(struct broker *broker, const struct broker_options *options, struct err *err)
{
    struct loop_zmq_options socket = loop_zmq_defaults();
    socket.max_frame_bytes = (int64_t)(options->frame_bytes ? options->frame_bytes : PROTOCOL_PAYLOAD_BYTES);
    socket.is_insecure = options->is_insecure;
    socket.send_max = SEND_MAX;
    socket.receive_max = RECEIVE_MAX;
    for (int i = 0; i < 4 && options->listen[i]; i++) {
        struct broker_listener *listener = &broker->listeners[i];
        *listener = (struct broker_listener){.broker = broker, .index = i, .has_keys = needs_keys(options, options->listen[i])};
        const struct loop_zmq_callbacks callbacks = {
            .context = listener, .receive = on_receive, .failed = listener->has_keys ? on_failed : NULL};
        socket.keys = listener->has_keys ? options->keys : NULL;
        int r = loop_zmq_open(&listener->socket, &broker->loop, broker->context, LOOP_ZMQ_ROUTER, LOOP_ZMQ_BIND, options->listen[i],
                              &socket, &callbacks, err);
        if (r)
            return r;
        broker->n_sockets++;
        log_notice("broker listens endpoint=%s security=%s", loop_zmq_endpoint(listener->socket),
                   listener->has_keys ? "curve" : "plain");
    }
    return broker->n_sockets ? 0 : err_set(err, ERR_INVALID, "cannot start broker: no endpoint to listen on");
}

static int open_monitor(struct broker *broker, const struct broker_options *options, struct err *err)
{
    if (!options->monitor)
        return 0;
    broker->version = options->version;
    int r = http_open(&broker->http, &broker->loop, options->monitor, options->is_insecure || options->is_monitor_public, pages,
                      broker, err);
    if (!r)
        log_notice("monitor serves http://%s/", http_address(broker->http));
    return r;
}

static void start_handles(struct broker *broker)
{
    ASSERT(!uv_loop_init(&broker->loop));
    ASSERT(!uv_timer_init(&broker->loop, &broker->tick));
    ASSERT(!uv_signal_init(&broker->loop, &broker->term));
    ASSERT(!uv_signal_init(&broker->loop, &broker->interrupt));
    ASSERT(!uv_signal_init(&broker->loop, &broker->hangup));
    broker->tick.data = broker->term.data = broker->interrupt.data = broker->hangup.data = broker;
    uv_timer_start(&broker->tick, on_tick, 0, TICK_MS);
    uv_signal_start(&broker->term, on_signal, SIGTERM);
    uv_signal_start(&broker->interrupt, on_signal, SIGINT);
    uv_signal_start(&broker->hangup, on_hangup, SIGHUP);
}

static uint64_t process_epoch(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Trajectories come and go by the hundred: without this the C library gives the memory of each that was sent on back to the kernel, and has
 * every page of the next one cleared again. What is kept was in use before, so it is bounded by the actors' windows. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_FREE);
}

int broker_run(const struct broker_options *options, struct err *err)
{
    static const struct broker_core_ops ops = {.send = on_send};
    struct broker *broker = calloc(1, sizeof *broker);
    if (!broker)
        return err_set(err, ERR_NOMEM, "cannot start broker: out of memory");
    keep_memory();
    const struct broker_core_options core = {.epoch = process_epoch(),
                                             .cache_bytes = options->cache_bytes ? options->cache_bytes : CACHE_BYTES,
                                             .ops = &ops,
                                             .context = broker};
    int r = row_index_create(&broker->by_peer, ROUTES_MAX);
    if (!r)
        r = broker_core_create(&broker->core, &core);
    if (r) {
        row_index_destroy(&broker->by_peer);
        free(broker);
        return err_set(err, r, "cannot start broker: out of memory");
    }
    broker->context = zmq_ctx_new();
    start_handles(broker);
    r = broker->context ? open_gate(broker, options, err) : err_set(err, ERR_NOMEM, "cannot start broker: no ZeroMQ context");
    if (!r)
        r = open_sockets(broker, options, err);
    if (!r)
        r = open_monitor(broker, options, err);
    if (r)
        shut(broker);
    uv_run(&broker->loop, UV_RUN_DEFAULT);
    ASSERT(!uv_loop_close(&broker->loop));
    if (broker->context)
        zmq_ctx_term(broker->context);
    broker_core_destroy(&broker->core);
    row_index_destroy(&broker->by_peer);
    free(broker);
    return r;
}
