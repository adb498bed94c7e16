/* The ends of the bench's connections: actors, all in one process, and the bare proxy. */
#include "broker_hop.h"

#include <errno.h>
#include <unistd.h>

_Noreturn void die(const char *what)
{
    fprintf(stderr, "broker_hop: %s: %s\n", what, errno ? zmq_strerror(errno) : "failed");
    exit(1);
}

int window_of(const struct bench *bench)
{
    return bench->n_actors > 100 ? 1 : bench->n_actors > 8 ? 4 : WINDOW;
}

void *open_socket(void *context, const char *id, const char *endpoint, bool binds, int hwm, const struct key_file *key)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int linger = 0;
    if (!socket)
        die("socket");
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    if (id)
        zmq_setsockopt(socket, ZMQ_ROUTING_ID, id, strlen(id));
    if (key && loop_zmq_set_keys(socket, &key->keys, LOOP_ZMQ_CONNECT))
        die("keys");
    if (binds ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint))
        die(endpoint);
    return socket;
}

static bool say_how(struct bench *bench, void *socket, const void *payload, size_t payload_bytes, int how)
{
    int length = envelope_encode(bench->out, bench->buffer, PROTOCOL_ENVELOPE_BYTES);
    if (length <= 0)
        die("envelope");
    if (zmq_send(socket, bench->buffer, (size_t)length, how | (payload ? ZMQ_SNDMORE : 0)) < 0)
        return false;
    return !payload || zmq_send(socket, payload, payload_bytes, 0) >= 0;
}

bool say(struct bench *bench, void *socket, const void *payload, size_t payload_bytes)
{
    return say_how(bench, socket, payload, payload_bytes, ZMQ_DONTWAIT);
}

bool hear(struct bench *bench, void *socket, void *head, size_t head_bytes)
{
    zmq_msg_t frame;
    struct err err;
    int more = 0;
    size_t size = sizeof more;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0)
        return false;
    bool is_good = !envelope_decode(bench->in, zmq_msg_data(&frame), zmq_msg_size(&frame), &err);
    zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    if (more && zmq_msg_recv(&frame, socket, 0) >= 0 && head && zmq_msg_size(&frame) >= head_bytes)
        memcpy(head, zmq_msg_data(&frame), head_bytes);
    zmq_msg_close(&frame);
    if (!is_good)
        die("a message that cannot be read");
    return true;
}

/* --- senders: one process with all actors --- */

struct actor {
    void *socket;
    uint64_t next, acked, received, may_send;
    monotonic_us hello_at, progress_at;
};

static void actor_hello(struct bench *bench, struct actor *actor, int index)
{
    actor->hello_at = clock_us() + (index % 10) * 1000;
    bench->out->kind = MESSAGE_ACTOR_HELLO;
    bench->out->actor_hello = (struct message_actor_hello){.major = PROTOCOL_MAJOR,
                                                           .minor = PROTOCOL_MINOR,
                                                           .actor = (uint32_t)index,
                                                           .incarnation = 1000 + (uint64_t)index,
                                                           .next_sequence = actor->next,
                                                           .acked_upto = actor->acked,
                                                           .lanes = 1};
    (void)say(bench, actor->socket, NULL, 0);
}

static void actor_listen(struct bench *bench, struct actor *actor)
{
    while (hear(bench, actor->socket, NULL, 0))
        if (bench->in->kind == MESSAGE_STATE) {
            if (bench->in->state.received_upto > actor->received)
                actor->progress_at = clock_us();
            actor->acked = bench->in->state.acked_upto;
            actor->received = bench->in->state.received_upto;
            actor->may_send = bench->in->state.may_send_upto;
        }
    if (actor->next == actor->received + 1)
        actor->progress_at = clock_us();
    else if (clock_us() - actor->progress_at > 1000000) { /* what the broker could not pass on is sent again, as real actors do */
        actor->next = actor->received + 1;
        actor->progress_at = clock_us();
    }
}

static bool actor_send(struct bench *bench, struct actor *actor, int index, unsigned char *payload)
{
    monotonic_us now = clock_us();
    memcpy(payload, &now, sizeof now);
    bench->out->kind = MESSAGE_TRAJECTORY;
    bench->out->trajectory = (struct message_trajectory){.actor = (uint32_t)index,
                                                         .incarnation = 1000 + (uint64_t)index,
                                                         .run = "bench",
                                                         .body = {.sequence = actor->next, .bytes = bench->bytes, .steps = 1}};
    if (!say(bench, actor->socket, payload, bench->bytes))
        return false;
    actor->next++;
    return true;
}

/* One round over all actors; how many messages went out. */
static int sweep(struct bench *bench, struct actor *actors, unsigned char *payload, int64_t most)
{
    int sent = 0;
    bool may_send = atomic_load(&bench->shared->way) == WAY_BROKER;
    for (int n = 0; n < bench->n_actors; n++) {
        int i = (bench->first_actor + n) % bench->n_actors;
        actor_listen(bench, &actors[i]);
        if (clock_us() - actors[i].hello_at > PROTOCOL_HEARTBEAT_US)
            actor_hello(bench, &actors[i], i);
        for (int burst = 0; may_send && sent < most && burst < 4 && actors[i].next <= actors[i].may_send; burst++) {
            if (!actor_send(bench, &actors[i], i, payload))
                break;
            sent++;
        }
    }
    bench->first_actor = (bench->first_actor + 37) % bench->n_actors; /* nobody is always the first to be served */
    return sent;
}

/* Blocks while the proxy is full, as whoever pushes into one does; the socket's time limit ends that. */
static void push_raw(struct bench *bench, void *socket, unsigned char *payload)
{
    bench->out->kind = MESSAGE_TRAJECTORY;
    bench->out->trajectory = (struct message_trajectory){.run = "bench", .body = {.sequence = 1, .bytes = bench->bytes}};
    for (int i = 0; i < 64 && say_how(bench, socket, payload, bench->bytes, 0); i++)
        ;
}

static void *open_raw(void *context, const char *endpoint)
{
    int limit_ms = 20;
    void *socket = open_socket(context, NULL, endpoint, false, HWM, NULL);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &limit_ms, sizeof limit_ms);
    return socket;
}

_Noreturn void run_sender(struct bench *bench)
{
    struct actor *actors = calloc((size_t)bench->n_actors, sizeof *actors);
    unsigned char *payload = calloc(1, bench->bytes);
    void *context = zmq_ctx_new(), *raw = NULL;
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 2 * ACTORS_MAX);
    if (bench->proxy_in[0])
        raw = open_raw(context, bench->proxy_in);
    for (int i = 0; i < bench->n_actors; i++) {
        char id[32];
        snprintf(id, sizeof id, "actor-%d", i);
        actors[i].socket = open_socket(context, id, bench->has_relays ? bench->relay_at[i % RELAYS] : bench->broker_at, false, HWM,
                                       bench->has_keys ? &bench->actor_key : NULL);
        actors[i].next = 1;
    }
    monotonic_us since = clock_us();
    double due = 0;
    while (!atomic_load(&bench->shared->is_over)) {
        int64_t per_second = atomic_load(&bench->shared->per_second);
        monotonic_us now = clock_us();
        due = per_second ? due + (double)per_second * (double)(now - since) * 1e-6 : 1e9;
        due = per_second && due > 0.05 * (double)per_second ? 0.05 * (double)per_second : due;
        since = now;
        int sent = sweep(bench, actors, payload, (int64_t)due);
        due -= sent;
        if (raw && atomic_load(&bench->shared->way) == WAY_PROXY)
            push_raw(bench, raw, payload);
        else if (!sent ||
                 (per_second && bench->n_actors > 100)) /* looking at so many sockets all the time would take a processor */
            nanosleep(&(struct timespec){0, bench->n_actors > 100 ? 1000000 : 50000}, NULL);
    }
    _exit(0);
}

_Noreturn void run_proxy(struct bench *bench)
{
    void *context = zmq_ctx_new();
    zmq_proxy(open_socket(context, NULL, bench->proxy_in, true, HWM, NULL),
              open_socket(context, NULL, bench->proxy_out, true, HWM, NULL), NULL);
    _exit(0);
}
