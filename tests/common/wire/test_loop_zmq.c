/* ZeroMQ in the loop: no wake-up is lost, nothing is unbounded, everything closes. Peers that misbehave are plain ZeroMQ sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/blob.h"
#include "wire/loop_endpoint.h"
#include "wire/loop_zmq.h"

#define DEADLINE_S 20.0

static void *context; /* one per process, as in the program */

/* A loop with a timer that keeps it turning, so that conditions are looked at. */
struct bed {
    uv_loop_t loop;
    uv_timer_t tick;
    struct loop_zmq *server, *client;
    /* what the server saw */
    int received, closed, writable;
    char peer[LOOP_ZMQ_PEER_MAX + 1], envelope[64];
    size_t payload_bytes;
    bool is_echo, is_closing_in_callback, keeps;
    struct loop_zmq_frame kept;
    int client_received;
    size_t client_payload_bytes;
};

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void bed_init(struct bed *bed)
{
    memset(bed, 0, sizeof *bed);
    assert_int_equal(uv_loop_init(&bed->loop), 0);
    uv_timer_init(&bed->loop, &bed->tick);
    uv_timer_start(&bed->tick, on_tick, 1, 1);
}

/* The order of a daemon's end: close all, run dry, the loop closes. */
static void bed_deinit(struct bed *bed)
{
    loop_zmq_close(&bed->server);
    loop_zmq_close(&bed->client);
    assert_null(bed->server);
    uv_close((uv_handle_t *)&bed->tick, NULL);
    assert_int_equal(uv_run(&bed->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&bed->loop), 0);
}

/* The condition may do something: it is evaluated once per turn, and not again after it was true. */
#define RUN_UNTIL(bed, condition)                                                    \
    do {                                                                             \
        monotonic_us start_ = clock_us();                                            \
        bool is_met_;                                                                \
        while (!(is_met_ = (condition)) && clock_seconds_since(start_) < DEADLINE_S) \
            uv_run(&(bed)->loop, UV_RUN_ONCE);                                       \
        assert_true(is_met_);                                                        \
    } while (0)

static void on_receive(void *of, const struct loop_zmq_message *message)
{
    struct bed *bed = of;
    bed->received++;
    snprintf(bed->peer, sizeof bed->peer, "%.*s", (int)message->peer_bytes, (const char *)message->peer);
    snprintf(bed->envelope, sizeof bed->envelope, "%.*s", (int)message->envelope_bytes, (const char *)message->envelope);
    bed->payload_bytes = message->payload_bytes;
    struct loop_zmq_outgoing reply = {
        .peer = message->peer, .peer_bytes = message->peer_bytes, .envelope = "re", .envelope_bytes = 2};
    if (bed->is_echo)
        assert_int_equal(loop_zmq_send(bed->server, &reply), 0);
    if (bed->keeps)
        loop_zmq_keep(message, &bed->kept);
    if (bed->is_closing_in_callback)
        loop_zmq_close(&bed->server);
}

static void on_client_receive(void *of, const struct loop_zmq_message *message)
{
    struct bed *bed = of;
    assert_null(message->peer);
    bed->client_received++;
    bed->client_payload_bytes = message->payload_bytes;
}

static void on_closed(void *of)
{
    ((struct bed *)of)->closed++;
}

static void on_writable(void *of)
{
    ((struct bed *)of)->writable++;
}

static void open_server(struct bed *bed, const char *endpoint, const struct loop_zmq_options *options)
{
    struct err err = {""};
    struct loop_zmq_callbacks callbacks = {.context = bed, .receive = on_receive, .closed = on_closed};
    int code =
        loop_zmq_open(&bed->server, &bed->loop, context, LOOP_ZMQ_ROUTER, LOOP_ZMQ_BIND, endpoint, options, &callbacks, &err);
    if (code)
        print_error("%s\n", err.text);
    assert_int_equal(code, 0);
}

static void open_client(struct bed *bed, const char *endpoint, const struct loop_zmq_options *options)
{
    struct loop_zmq_callbacks callbacks = {
        .context = bed, .receive = on_client_receive, .writable = on_writable, .closed = on_closed};
    assert_int_equal(
        loop_zmq_open(&bed->client, &bed->loop, context, LOOP_ZMQ_DEALER, LOOP_ZMQ_CONNECT, endpoint, options, &callbacks, NULL),
        0);
}

static struct loop_zmq_options options_of(const char *routing_id)
{
    struct loop_zmq_options options = loop_zmq_defaults();
    options.routing_id = routing_id;
    options.linger_ms = 0;
    return options;
}

/* A plain socket that does what ours would not. */
static void *raw_dealer(const char *id, const char *endpoint)
{
    void *zmq = zmq_socket(context, ZMQ_DEALER);
    int none = 0, timeout_ms = 5000;
    zmq_setsockopt(zmq, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(zmq, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(zmq, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms);
    if (id)
        zmq_setsockopt(zmq, ZMQ_ROUTING_ID, id, strlen(id));
    assert_int_equal(zmq_connect(zmq, endpoint), 0);
    return zmq;
}

static struct loop_zmq_outgoing text_message(const char *text)
{
    return (struct loop_zmq_outgoing){.envelope = text, .envelope_bytes = strlen(text)};
}

/* --- no wake-up is lost --- */

enum { REQUESTS = 200000 };

struct asker {
    const char *endpoint;
    atomic_int done, ticks, is_finished;
};

/* One request outstanding at a time; whatever begins with 't' came from the server's timer. */
static void *ask(void *of)
{
    struct asker *asker = of;
    void *zmq = raw_dealer("asker", asker->endpoint);
    char reply[8];
    for (int i = 0; i < REQUESTS; i++) {
        if (zmq_send(zmq, "rq", 2, 0) != 2)
            break;
        int got;
        while ((got = zmq_recv(zmq, reply, sizeof reply, 0)) == 1 && reply[0] == 't')
            asker->ticks++;
        if (got != 2)
            break; /* five seconds of silence: a stall */
        asker->done++;
    }
    zmq_close(zmq);
    asker->is_finished = 1;
    return NULL;
}

static void on_sending_tick(uv_timer_t *timer)
{
    struct bed *bed = timer->data;
    struct loop_zmq_outgoing message = {.peer = "asker", .peer_bytes = 5, .envelope = "t", .envelope_bytes = 1};
    int code = loop_zmq_send(bed->server, &message);
    assert_true(code == 0 || code == ERR_CLOSED || code == ERR_AGAIN);
}

static void on_sending_idle(uv_idle_t *idle)
{
    static int turn; /* a second sender that comes around between poll and check */
    uv_timer_t as_timer = {.data = idle->data};
    if (turn++ % 64 == 0)
        on_sending_tick(&as_timer);
}

static void test_loop_does_not_stall_when_a_timer_sends_on_the_same_socket(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of(NULL);
    bed_init(&bed);
    bed.is_echo = true;
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    uv_timer_t sender;
    uv_timer_init(&bed.loop, &sender);
    sender.data = &bed;
    uv_timer_start(&sender, on_sending_tick, 1, 1);
    uv_timer_stop(&bed.tick); /* nothing else may turn the loop */
    struct asker asker = {.endpoint = loop_zmq_endpoint(bed.server)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
    while (!asker.is_finished)
        uv_run(&bed.loop, UV_RUN_ONCE);
    pthread_join(thread, NULL);
    assert_int_equal(asker.done, REQUESTS);
    assert_true(asker.ticks > 0);
    assert_int_equal(bed.received, REQUESTS);
    uv_close((uv_handle_t *)&sender, NULL);
    bed_deinit(&bed);
}

static void test_loop_does_not_stall_when_another_callback_sends(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of(NULL);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/test_loop_zmq.%d", (int)getpid());
    bed_init(&bed);
    open_server(&bed, endpoint, &options);
    bed.is_echo = true;
    uv_idle_t sender;
    uv_idle_init(&bed.loop, &sender);
    sender.data = &bed;
    uv_idle_start(&sender, on_sending_idle);
    void *peer = raw_dealer("asker", endpoint);
    for (int i = 0; i < 2000; i++) {
        char reply[8];
        assert_int_equal(zmq_send(peer, "rq", 2, 0), 2);
        int got = 0;
        RUN_UNTIL(&bed, (got = zmq_recv(peer, reply, sizeof reply, ZMQ_DONTWAIT)) == 2);
    }
    zmq_close(peer);
    uv_close((uv_handle_t *)&sender, NULL);
    bed_deinit(&bed);
}

/* --- both directions, with and without payload --- */

static void test_messages_travel_whole_and_payloads_can_be_kept(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of("actor-7");
    size_t bytes;
    bed_init(&bed);
    bed.keeps = true;
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    open_client(&bed, loop_zmq_endpoint(bed.server), &options);
    unsigned char *payload = malloc(100000);
    memset(payload, 9, 100000);
    struct loop_zmq_outgoing message = text_message("hello");
    message.payload = payload;
    message.payload_bytes = 100000;
    RUN_UNTIL(&bed, loop_zmq_send(bed.client, &message) == 0);
    RUN_UNTIL(&bed, bed.received == 1);
    assert_string_equal(bed.peer, "actor-7");
    assert_string_equal(bed.envelope, "hello");
    assert_memory_equal(loop_zmq_frame_data(&bed.kept, &bytes), payload, 100000);
    assert_int_equal(bytes, 100000);
    /* The kept frame goes back twice, as a broker would send it on, and is still ours. */
    struct loop_zmq_outgoing back = {.peer = "actor-7", .peer_bytes = 7, .envelope = "b", .envelope_bytes = 1, .frame = &bed.kept};
    assert_int_equal(loop_zmq_send(bed.server, &back), 0);
    assert_int_equal(loop_zmq_send(bed.server, &back), 0);
    assert_memory_equal(loop_zmq_frame_data(&bed.kept, &bytes), payload, 100000);
    loop_zmq_frame_free(&bed.kept);
    RUN_UNTIL(&bed, bed.client_received == 2);
    assert_int_equal(bed.client_payload_bytes, 100000);
    assert_int_equal(loop_zmq_counters(bed.server)->received, 1);
    assert_int_equal(loop_zmq_counters(bed.server)->received_bytes, 100005);
    assert_int_equal(loop_zmq_counters(bed.server)->sent_bytes, 200002);
    free(payload);
    bed_deinit(&bed);
    assert_int_equal(bed.closed, 2);
}

static atomic_int n_drops;
static void count_drop(void *data, void *owner)
{
    (void)data, (void)owner;
    n_drops++;
}

static void test_lent_payloads_are_dropped_exactly_once_sent_or_refused(void **state)
{
    (void)state;
    static unsigned char lent[50000];
    struct bed bed;
    struct loop_zmq_options options = options_of("actor-7");
    n_drops = 0;
    bed_init(&bed);
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    struct loop_zmq_outgoing message = {.peer = "nobody",
                                        .peer_bytes = 6,
                                        .envelope = "e",
                                        .envelope_bytes = 1,
                                        .payload = lent,
                                        .payload_bytes = sizeof lent,
                                        .drop = count_drop};
    assert_int_equal(loop_zmq_send(bed.server, &message), ERR_CLOSED);
    assert_int_equal(n_drops, 1);
    assert_int_equal(loop_zmq_counters(bed.server)->refused_unknown, 1);
    open_client(&bed, loop_zmq_endpoint(bed.server), &options);
    struct loop_zmq_outgoing hello = text_message("hello");
    RUN_UNTIL(&bed, loop_zmq_send(bed.client, &hello) == 0);
    RUN_UNTIL(&bed, bed.received == 1);
    message.peer = "actor-7";
    message.peer_bytes = 7;
    assert_int_equal(loop_zmq_send(bed.server, &message), 0);
    RUN_UNTIL(&bed, bed.client_received == 1 && n_drops == 2);
    struct blob *blob = blob_create(40000), *mine = blob_ref(blob);
    memset(blob->values, 0, blob->bytes);
    message.payload = blob->values;
    message.payload_bytes = blob->bytes;
    message.drop = loop_zmq_drop_blob;
    message.owner = blob;
    assert_int_equal(loop_zmq_send(bed.server, &message), 0);
    RUN_UNTIL(&bed, bed.client_received == 2 && !blob_is_shared(mine));
    blob_unref(&mine);
    bed_deinit(&bed);
}

/* --- nothing is unbounded --- */

static void test_frames_beyond_the_ceiling_cut_the_connection_and_others_live(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of(NULL);
    options.max_frame_bytes = 10000;
    bed_init(&bed);
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    void *bad = raw_dealer("bad", loop_zmq_endpoint(bed.server)), *good = raw_dealer("good", loop_zmq_endpoint(bed.server));
    char *large = calloc(1, 10001);
    assert_int_equal(zmq_send(good, "one", 3, 0), 3);
    RUN_UNTIL(&bed, bed.received == 1);
    assert_int_equal(zmq_send(bad, large, 10001, 0), 10001);
    assert_int_equal(zmq_send(good, large, 10000, 0), 10000);
    RUN_UNTIL(&bed, bed.received == 2);
    assert_string_equal(bed.peer, "good");
    assert_int_equal(zmq_send(bad, "sorry", 5, 0), 5); /* it reconnects and is served again */
    RUN_UNTIL(&bed, bed.received == 3);
    assert_string_equal(bed.peer, "bad");
    free(large);
    zmq_close(bad);
    zmq_close(good);
    bed_deinit(&bed);
}

static void send_many(void *zmq, int count, size_t bytes)
{
    char *frame = calloc(1, bytes + 1);
    for (int i = 0; i < count; i++)
        assert_int_equal(zmq_send(zmq, frame, bytes, i + 1 < count ? ZMQ_SNDMORE : 0), (int)bytes);
    free(frame);
}

static void test_messages_of_600_frames_are_dropped_and_counted(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of(NULL);
    bed_init(&bed);
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    void *zmq = raw_dealer("many", loop_zmq_endpoint(bed.server));
    send_many(zmq, 600, 1000);
    send_many(zmq, 3, 0);
    send_many(zmq, 2, 5);
    RUN_UNTIL(&bed, bed.received == 1);
    assert_int_equal(bed.payload_bytes, 5);
    assert_int_equal(loop_zmq_counters(bed.server)->dropped_messages, 2);
    assert_int_equal(loop_zmq_counters(bed.server)->dropped_frames, 601 + 4); /* each with its routing id */
    zmq_close(zmq);
    bed_deinit(&bed);
}

static void test_sends_to_a_peer_that_does_not_read_are_refused_and_counted(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of(NULL);
    options.send_max = 8;
    bed_init(&bed);
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    void *zmq = zmq_socket(context, ZMQ_DEALER);
    int small = 2, none = 0;
    zmq_setsockopt(zmq, ZMQ_RCVHWM, &small, sizeof small);
    zmq_setsockopt(zmq, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(zmq, ZMQ_ROUTING_ID, "slow", 4);
    assert_int_equal(zmq_connect(zmq, loop_zmq_endpoint(bed.server)), 0);
    assert_int_equal(zmq_send(zmq, "hi", 2, 0), 2);
    RUN_UNTIL(&bed, bed.received == 1);
    static char payload[500000];
    struct loop_zmq_outgoing message = {
        .peer = "slow", .peer_bytes = 4, .envelope = "e", .envelope_bytes = 1, .payload = payload, .payload_bytes = sizeof payload};
    int sent = 0, refused = 0;
    while (refused < 5 && sent < 10000) {
        int code = loop_zmq_send(bed.server, &message);
        sent += code == 0;
        refused += code == ERR_AGAIN;
        if (code)
            uv_run(&bed.loop, UV_RUN_ONCE);
    }
    assert_true(sent < 100);
    assert_int_equal(refused, 5);
    assert_int_equal(loop_zmq_counters(bed.server)->refused_full, 5);
    zmq_close(zmq);
    bed_deinit(&bed);
}

static void test_flood_leaves_room_for_timers(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of(NULL);
    options.quota = 32;
    bed_init(&bed);
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    void *zmq = raw_dealer("flood", loop_zmq_endpoint(bed.server));
    for (int i = 0; i < 1000; i++)
        zmq_send(zmq, "x", 1, 0);
    int turns = 0;
    monotonic_us start = clock_us();
    while (bed.received < 1000 && clock_seconds_since(start) < DEADLINE_S) {
        int before = bed.received;
        uv_run(&bed.loop, UV_RUN_ONCE);
        assert_true(bed.received - before <= 32);
        turns++;
    }
    assert_int_equal(bed.received, 1000);
    assert_true(turns >= 1000 / 32);
    zmq_close(zmq);
    bed_deinit(&bed);
}

/* --- life and death --- */

static void test_restarted_peer_takes_over_its_routing_id(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of(NULL);
    char reply[8];
    bed_init(&bed);
    bed.is_echo = true;
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    void *old = raw_dealer("actor-1", loop_zmq_endpoint(bed.server)); /* stays connected, as a frozen process would */
    zmq_send(old, "old", 3, 0);
    RUN_UNTIL(&bed, bed.received == 1);
    assert_int_equal(zmq_recv(old, reply, sizeof reply, 0), 2);
    void *replacement = raw_dealer("actor-1", loop_zmq_endpoint(bed.server));
    zmq_send(replacement, "new", 3, 0);
    RUN_UNTIL(&bed, bed.received == 2);
    assert_string_equal(bed.envelope, "new");
    assert_int_equal(zmq_recv(replacement, reply, sizeof reply, 0), 2);
    zmq_close(old);
    zmq_close(replacement);
    bed_deinit(&bed);
}

static void test_client_waits_for_its_server_and_is_told_when_it_can_send(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of("actor-2");
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/test_loop_zmq_late.%d", (int)getpid());
    bed_init(&bed);
    open_client(&bed, endpoint, &options);
    struct loop_zmq_outgoing message = text_message("hello");
    assert_int_equal(loop_zmq_send(bed.client, &message), ERR_AGAIN);
    assert_int_equal(loop_zmq_counters(bed.client)->refused_full, 1);
    open_server(&bed, endpoint, &options);
    RUN_UNTIL(&bed, bed.writable == 1);
    assert_int_equal(loop_zmq_send(bed.client, &message), 0);
    RUN_UNTIL(&bed, bed.received == 1);
    for (int i = 0; i < 50; i++)
        uv_run(&bed.loop, UV_RUN_ONCE);
    assert_int_equal(bed.writable, 1); /* told once, not for ever */
    bed_deinit(&bed);
}

static void test_socket_can_be_closed_in_its_own_callback(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of(NULL);
    bed_init(&bed);
    bed.is_closing_in_callback = true;
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    void *zmq = raw_dealer("a", loop_zmq_endpoint(bed.server));
    send_many(zmq, 2, 100);
    zmq_send(zmq, "two", 3, 0);
    RUN_UNTIL(&bed, bed.closed == 1);
    assert_int_equal(bed.received, 1);
    zmq_close(zmq);
    bed_deinit(&bed);
}

static void test_idle_socket_does_not_spin(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_options options = options_of("a");
    bed_init(&bed);
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    open_client(&bed, loop_zmq_endpoint(bed.server), &options);
    struct loop_zmq_outgoing message = text_message("hello");
    RUN_UNTIL(&bed, loop_zmq_send(bed.client, &message) == 0);
    RUN_UNTIL(&bed, bed.received == 1);
    uv_timer_start(&bed.tick, on_tick, 100, 0);
    int turns = 0;
    while (uv_is_active((uv_handle_t *)&bed.tick)) {
        uv_run(&bed.loop, UV_RUN_ONCE);
        turns++;
    }
    assert_true(turns < 20);
    uv_timer_start(&bed.tick, on_tick, 1, 1);
    bed_deinit(&bed);
}

/* --- what is refused at the start --- */

static void test_endpoints_beyond_this_machine_need_keys_or_a_word(void **state)
{
    (void)state;
    static const char *const inside[] = {"tcp://127.0.0.1:5555", "tcp://localhost:5555", "tcp://[::1]:5555", "tcp://127.8.8.8:*",
                                         "ipc:///tmp/x"};
    static const char *const outside[] = {
        "tcp://0.0.0.0:5555", "tcp://*:5555",    "tcp://10.0.0.1:5555",          "tcp://127.0.0.1.example.org:5555",
        "tcp://eth0:5555",    "tcp://[::]:5555", "tcp://127.0.0.1;10.0.0.1:5555"};
    static const char *const broken[] = {
        "",           "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:",  "tcp://127.0.0.1:70000", "udp://127.0.0.1:1",
        "inproc://x", "ipc://", "tcp://:5",        "tcp://127.0.0.1:5x"};
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        assert_int_equal(loop_endpoint_check(inside[i], true, false, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        assert_int_equal(loop_endpoint_check(outside[i], true, false, &err), ERR_INVALID);
        assert_int_equal(loop_endpoint_check(outside[i], true, true, &err), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        assert_int_equal(loop_endpoint_check(broken[i], true, true, &err), ERR_INVALID);
    assert_int_equal(loop_endpoint_check("tcp://127.0.0.1:*", false, false, &err), ERR_INVALID);
    struct bed bed;
    struct loop_zmq_options options = options_of(NULL);
    struct loop_zmq_callbacks callbacks = {.context = &bed, .receive = on_receive, .closed = on_closed};
    bed_init(&bed);
    assert_int_equal(loop_zmq_open(&bed.server, &bed.loop, context, LOOP_ZMQ_ROUTER, LOOP_ZMQ_BIND, "tcp://0.0.0.0:*", &options,
                                   &callbacks, &err),
                     ERR_INVALID);
    assert_string_equal(err.text, "refused endpoint tcp://0.0.0.0:*: 0.0.0.0 is not this machine's loopback, and neither keys nor "
                                  "--insecure were given");
    assert_null(bed.server);
    bed_deinit(&bed);
    assert_int_equal(bed.closed, 0);
}

static void test_taken_port_is_reported_and_leaves_nothing_behind(void **state)
{
    (void)state;
    struct bed bed;
    struct err err;
    struct loop_zmq *second;
    struct loop_zmq_options options = options_of(NULL);
    struct loop_zmq_callbacks callbacks = {.context = &bed, .receive = on_receive};
    bed_init(&bed);
    open_server(&bed, "tcp://127.0.0.1:*", &options);
    assert_int_equal(loop_zmq_open(&second, &bed.loop, context, LOOP_ZMQ_ROUTER, LOOP_ZMQ_BIND, loop_zmq_endpoint(bed.server),
                                   &options, &callbacks, &err),
                     ERR_IO);
    assert_non_null(strstr(err.text, "Address already in use"));
    bed_deinit(&bed);
}

static void test_server_with_keys_and_no_admission_refuses_everybody(void **state)
{
    (void)state;
    struct bed bed;
    struct loop_zmq_keys server_keys = {""}, client_keys = {""};
    struct loop_zmq_options options = options_of("a");
    if (!zmq_has("curve")) {
        print_message("SKIPPED: this ZeroMQ has no CURVE\n");
        skip();
    }
    zmq_curve_keypair(server_keys.public_key, server_keys.secret_key);
    zmq_curve_keypair(client_keys.public_key, client_keys.secret_key);
    memcpy(client_keys.server_key, server_keys.public_key, sizeof client_keys.server_key);
    bed_init(&bed);
    options.keys = &server_keys;
    open_server(&bed, "tcp://0.0.0.0:*", &options); /* keys open the door to the outside */
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%s", strrchr(loop_zmq_endpoint(bed.server), ':') + 1);
    options.keys = &client_keys;
    open_client(&bed, endpoint, &options);
    struct loop_zmq_outgoing message = text_message("hello");
    monotonic_us start = clock_us(); /* a refusal can only be seen as nothing happening */
    while (clock_seconds_since(start) < 0.5) {
        int code = loop_zmq_send(bed.client, &message);
        assert_true(code == 0 || code == ERR_AGAIN); /* a send between connect and handshake is accepted, and lost */
        uv_run(&bed.loop, UV_RUN_ONCE);
    }
    assert_int_equal(bed.received, 0);
    bed_deinit(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_does_not_stall_when_a_timer_sends_on_the_same_socket),
        cmocka_unit_test(test_loop_does_not_stall_when_another_callback_sends),
        cmocka_unit_test(test_messages_travel_whole_and_payloads_can_be_kept),
        cmocka_unit_test(test_lent_payloads_are_dropped_exactly_once_sent_or_refused),
        cmocka_unit_test(test_frames_beyond_the_ceiling_cut_the_connection_and_others_live),
        cmocka_unit_test(test_messages_of_600_frames_are_dropped_and_counted),
        cmocka_unit_test(test_sends_to_a_peer_that_does_not_read_are_refused_and_counted),
        cmocka_unit_test(test_flood_leaves_room_for_timers),
        cmocka_unit_test(test_restarted_peer_takes_over_its_routing_id),
        cmocka_unit_test(test_client_waits_for_its_server_and_is_told_when_it_can_send),
        cmocka_unit_test(test_socket_can_be_closed_in_its_own_callback),
        cmocka_unit_test(test_idle_socket_does_not_spin),
        cmocka_unit_test(test_endpoints_beyond_this_machine_need_keys_or_a_word),
        cmocka_unit_test(test_taken_port_is_reported_and_leaves_nothing_behind),
        cmocka_unit_test(test_server_with_keys_and_no_admission_refuses_everybody),
    };
    context = zmq_ctx_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    zmq_ctx_term(context);
    return failed;
}
