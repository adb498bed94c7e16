/* What the broker costs. One sender and one learner, real processes, with a broker between them or a bare ZeroMQ proxy:
 *
 *   broker_hop hop BYTES tcp|ipc [SECONDS [ROUNDS]]    messages a second through both in turn, medians, and their ratio
 *   broker_hop actors N BYTES [SECONDS]                N actors on one broker: peak rate, then age at 70 % of it, and the broker's memory
 *   broker_hop stall BYTES [SECONDS]                   the learner stops reading: the broker's memory stays where it is
 *   broker_hop statistics BYTES [SECONDS [ROUNDS]]     the broker's processor time a message, with and without statistics asked each second
 *
 * TESTUDO names the program (bin/testudo). The learner acknowledges in batches; the proxy joins two DEALER sockets and carries the same two
 * frames. Sockets have room for 64 messages, a sender's window is 128. Rates on a busy machine vary; ratios and processor time less so. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include "base/clock.h"
#include "wire/envelope.h"

#define ACTORS_MAX 1024
#define WINDOW 128 /* of one actor; with many of them less, see window_of */
#define HWM 64
#define ACK_EVERY 32
#define ROUNDS_MAX 25
#define LEARNER 50 /* its incarnation; actor i is 1000 + i */
#define AGES_MAX (1 << 20)

enum way { WAY_NONE, WAY_PROXY, WAY_BROKER };

struct shared { /* between the processes */
    _Atomic int way;
    _Atomic int64_t per_second; /* of all actors together; 0: as fast as it goes */
    _Atomic bool is_over;
};

struct bench {
    struct shared *shared;
    size_t bytes;
    int n_actors;
    char broker_at[128], proxy_in[128], proxy_out[128];
    pid_t broker, proxy, sender;
    void *context, *learner, *sink;
    struct envelope *in, *out;
    unsigned char *buffer;
    uint64_t received[ACTORS_MAX], acked[ACTORS_MAX];
    monotonic_us hello_at, lazy_at;
    uint64_t messages;
    float *ages; /* seconds, of messages since they were last forgotten */
    int n_ages;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "broker_hop: %s: %s\n", what, errno ? zmq_strerror(errno) : "failed");
    exit(1);
}

static int window_of(const struct bench *bench)
{
    return bench->n_actors > 100 ? 1 : bench->n_actors > 8 ? 4 : WINDOW;
}

static void *open_socket(void *context, int type, const char *id, const char *endpoint, bool binds, int hwm)
{
    void *socket = zmq_socket(context, type);
    int linger = 0;
    if (!socket)
        die("socket");
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    if (id)
        zmq_setsockopt(socket, ZMQ_ROUTING_ID, id, strlen(id));
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

static bool say(struct bench *bench, void *socket, const void *payload, size_t payload_bytes)
{
    return say_how(bench, socket, payload, payload_bytes, ZMQ_DONTWAIT);
}

/* One whole message, if there is one: its envelope is decoded into bench->in, and the start of its payload copied. */
static bool hear(struct bench *bench, void *socket, void *head, size_t head_bytes)
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
    for (int i = 0; i < bench->n_actors; i++) {
        actor_listen(bench, &actors[i]);
        if (clock_us() - actors[i].hello_at > PROTOCOL_HEARTBEAT_US)
            actor_hello(bench, &actors[i], i);
        for (int burst = 0; may_send && sent < most && burst < 4 && actors[i].next <= actors[i].may_send; burst++) {
            if (!actor_send(bench, &actors[i], i, payload))
                break;
            sent++;
        }
    }
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
    void *socket = open_socket(context, ZMQ_DEALER, NULL, endpoint, false, HWM);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &limit_ms, sizeof limit_ms);
    return socket;
}

static _Noreturn void run_sender(struct bench *bench)
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
        actors[i].socket = open_socket(context, ZMQ_DEALER, id, bench->broker_at, false, HWM);
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
        else if (!sent)
            nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    _exit(0);
}

static _Noreturn void run_proxy(struct bench *bench)
{
    void *context = zmq_ctx_new();
    zmq_proxy(open_socket(context, ZMQ_DEALER, NULL, bench->proxy_in, true, HWM),
              open_socket(context, ZMQ_DEALER, NULL, bench->proxy_out, true, HWM), NULL);
    _exit(0);
}

/* --- the learner: this process --- */

static void learner_hello(struct bench *bench)
{
    bench->hello_at = clock_us();
    bench->out->kind = MESSAGE_LEARNER_HELLO;
    bench->out->learner_hello = (struct message_learner_hello){.major = PROTOCOL_MAJOR,
                                                               .minor = PROTOCOL_MINOR,
                                                               .run = "bench",
                                                               .generation = 1,
                                                               .incarnation = LEARNER,
                                                               .recipe = {hash_bytes("recipe", 6), 6}};
    (void)say(bench, bench->learner, NULL, 0);
}

/* Fates of all whose batch is full, or of all at all. */
static void acknowledge(struct bench *bench, bool all)
{
    struct message_fates *fates = &bench->out->fates;
    uint64_t batch = bench->n_actors > 8 ? 1 : ACK_EVERY;
    fates->learner = LEARNER;
    fates->count = 0;
    for (int i = 0; i < bench->n_actors; i++)
        if (all || bench->received[i] >= bench->acked[i] + batch) {
            bench->acked[i] = bench->received[i];
            fates->rows[fates->count++] = (struct fates_row){.actor = (uint32_t)i,
                                                             .incarnation = 1000 + (uint64_t)i,
                                                             .acked_upto = bench->acked[i],
                                                             .received_upto = bench->received[i],
                                                             .may_send_upto = bench->acked[i] + (uint64_t)window_of(bench)};
        }
    bench->out->kind = MESSAGE_FATES;
    if (fates->count)
        (void)say(bench, bench->learner, NULL, 0);
}

static void learner_take(struct bench *bench)
{
    monotonic_us sent_at;
    for (int n = 0; n < 64 && hear(bench, bench->learner, &sent_at, sizeof sent_at); n++) {
        const struct message_trajectory *t = &bench->in->trajectory;
        if (bench->in->kind != MESSAGE_TRAJECTORY)
            continue;
        if (t->actor >= (uint32_t)bench->n_actors || t->body.sequence > bench->received[t->actor] + 1)
            die("a trajectory out of order");
        if (t->body.sequence <= bench->received[t->actor])
            continue; /* again */
        bench->received[t->actor]++;
        bench->messages++;
        if (bench->n_ages < AGES_MAX)
            bench->ages[bench->n_ages++] = (float)clock_seconds_since(sent_at);
    }
}

static void learner_turn(struct bench *bench)
{
    monotonic_us now = clock_us();
    zmq_pollitem_t items[] = {{bench->learner, 0, ZMQ_POLLIN, 0}, {bench->sink, 0, ZMQ_POLLIN, 0}};
    (void)zmq_poll(items, bench->sink ? 2 : 1, 2);
    learner_take(bench);
    for (int n = 0; n < 64 && bench->sink && hear(bench, bench->sink, NULL, 0); n++)
        bench->messages++;
    bool all = now - bench->lazy_at > 1000000;
    if (all)
        bench->lazy_at = now;
    acknowledge(bench, all);
    if (now - bench->hello_at > PROTOCOL_HEARTBEAT_US)
        learner_hello(bench);
}

/* --- measuring --- */

static double seconds_of(pid_t pid) /* of processor */
{
    char path[64], text[1024] = "";
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    char *at = length ? strrchr(text, ')') : NULL;
    if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return NAN;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double megabytes_of(pid_t pid, const char *key)
{
    char path[64], line[256];
    double kb = NAN;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, key, strlen(key)))
            kb = strtod(line + strlen(key) + 1, NULL);
    if (file)
        fclose(file);
    return kb / 1024;
}

/* Messages a second on this way for so long, after a moment to get going; cpu: of the middle, per message. */
static double rate_of(struct bench *bench, enum way way, double seconds, double *cpu)
{
    pid_t middle = way == WAY_PROXY ? bench->proxy : bench->broker;
    atomic_store(&bench->shared->way, way);
    for (monotonic_us start = clock_us(); clock_seconds_since(start) < (bench->n_actors > 100 ? 2 : 0.3);)
        learner_turn(bench);
    uint64_t before = bench->messages;
    double busy = seconds_of(middle);
    monotonic_us start = clock_us();
    bench->n_ages = 0;
    while (clock_seconds_since(start) < seconds)
        learner_turn(bench);
    double rate = (double)(bench->messages - before) / clock_seconds_since(start);
    *cpu = (seconds_of(middle) - busy) / (double)(bench->messages - before);
    atomic_store(&bench->shared->way, WAY_NONE);
    for (monotonic_us quiet = clock_us(); clock_seconds_since(quiet) < 0.1;) {
        before = bench->messages;
        learner_turn(bench);
        if (bench->messages != before)
            quiet = clock_us();
    }
    return rate;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static int by_age(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double age_ms(struct bench *bench, double quantile)
{
    qsort(bench->ages, (size_t)bench->n_ages, sizeof *bench->ages, by_age);
    return bench->n_ages ? 1e3 * (double)bench->ages[(int)(quantile * (bench->n_ages - 1))] : NAN;
}

/* --- start and end --- */

static pid_t start_broker(const struct bench *bench)
{
    const char *program = getenv("TESTUDO") ? getenv("TESTUDO") : "bin/testudo";
    pid_t pid = fork();
    if (pid)
        return pid;
    if (!freopen("/dev/null", "w", stderr))
        _exit(1);
    execl(program, "testudo", "broker", "--listen", bench->broker_at, "--monitor", "127.0.0.1:0", (char *)NULL);
    _exit(127);
}

static void name_endpoints(struct bench *bench, const char *transport, bool has_proxy)
{
    int id = (int)getpid();
    if (!strcmp(transport, "tcp")) {
        int port = 20000 + id % 20000;
        snprintf(bench->broker_at, sizeof bench->broker_at, "tcp://127.0.0.1:%d", port);
        snprintf(bench->proxy_in, sizeof bench->proxy_in, "tcp://127.0.0.1:%d", port + 1);
        snprintf(bench->proxy_out, sizeof bench->proxy_out, "tcp://127.0.0.1:%d", port + 2);
    } else {
        snprintf(bench->broker_at, sizeof bench->broker_at, "ipc:///tmp/testudo-hop-%d-b", id);
        snprintf(bench->proxy_in, sizeof bench->proxy_in, "ipc:///tmp/testudo-hop-%d-i", id);
        snprintf(bench->proxy_out, sizeof bench->proxy_out, "ipc:///tmp/testudo-hop-%d-o", id);
    }
    if (!has_proxy)
        bench->proxy_in[0] = 0;
}

static void set_up(struct bench *bench, size_t bytes, int actors, const char *transport, bool has_proxy)
{
    struct rlimit files;
    *bench = (struct bench){.bytes = bytes < 64 ? 64 : bytes, .n_actors = actors};
    if (!getrlimit(RLIMIT_NOFILE, &files)) { /* a socket needs one of each process */
        files.rlim_cur = files.rlim_max;
        (void)!setrlimit(RLIMIT_NOFILE, &files);
    }
    bench->shared = mmap(NULL, sizeof *bench->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bench->in = calloc(1, sizeof *bench->in);
    bench->out = calloc(1, sizeof *bench->out);
    bench->buffer = malloc(PROTOCOL_ENVELOPE_BYTES);
    bench->ages = malloc(AGES_MAX * sizeof *bench->ages);
    name_endpoints(bench, transport, has_proxy);
    bench->broker = start_broker(bench);
    if (has_proxy && !(bench->proxy = fork()))
        run_proxy(bench);
    if (!(bench->sender = fork()))
        run_sender(bench);
    bench->context = zmq_ctx_new();
    bench->learner = open_socket(bench->context, ZMQ_DEALER, "learner", bench->broker_at, false, actors > 8 ? 16384 : HWM);
    bench->sink = has_proxy ? open_socket(bench->context, ZMQ_DEALER, NULL, bench->proxy_out, false, HWM) : NULL;
    for (monotonic_us start = clock_us(); clock_seconds_since(start) < (actors > 8 ? 6 : 2.5);)
        learner_turn(bench);
}

static void tear_down(struct bench *bench)
{
    const pid_t pids[] = {bench->sender, bench->proxy, bench->broker};
    atomic_store(&bench->shared->is_over, true);
    for (int i = 0; i < 3; i++)
        if (pids[i]) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
        }
    zmq_close(bench->learner);
    if (bench->sink)
        zmq_close(bench->sink);
    zmq_ctx_term(bench->context);
}

/* --- what is asked --- */

static int run_hop(size_t bytes, const char *transport, double seconds, int rounds)
{
    struct bench bench;
    double raw[ROUNDS_MAX], own[ROUNDS_MAX], ratio[ROUNDS_MAX], raw_cpu[ROUNDS_MAX], own_cpu[ROUNDS_MAX];
    set_up(&bench, bytes, 1, transport, true);
    for (int r = 0; r < rounds; r++) {
        raw[r] = rate_of(&bench, WAY_PROXY, seconds, &raw_cpu[r]);
        own[r] = rate_of(&bench, WAY_BROKER, seconds, &own_cpu[r]);
        ratio[r] = own[r] / raw[r];
    }
    tear_down(&bench);
    printf("%7zu B  %s  proxy %6.0f/s  broker %6.0f/s  ratio %.2f  processor us a message: proxy %.0f, broker %.0f\n", bytes,
           transport, median(raw, rounds), median(own, rounds), median(ratio, rounds), 1e6 * median(raw_cpu, rounds),
           1e6 * median(own_cpu, rounds));
    return 0;
}

static int run_actors(int actors, size_t bytes, double seconds)
{
    struct bench bench;
    double cpu;
    int silent = 0;
    set_up(&bench, bytes, actors, "tcp", false);
    double peak = rate_of(&bench, WAY_BROKER, seconds, &cpu);
    for (int i = 0; i < actors; i++)
        silent += bench.received[i] == 0;
    atomic_store(&bench.shared->per_second, (int64_t)(0.7 * peak));
    double rate = rate_of(&bench, WAY_BROKER, seconds, &cpu), p50 = age_ms(&bench, 0.5), p99 = age_ms(&bench, 0.99);
    double memory = megabytes_of(bench.broker, "VmHWM");
    tear_down(&bench);
    printf("%d actors, %zu B: peak %.0f/s; at %.0f/s age p50 %.1f ms, p99 %.1f ms; broker at most %.0f MB; %d actors never heard\n",
           actors, bytes, peak, rate, p50, p99, memory, silent);
    return memory < 1024 && p99 < 250 && silent == 0 ? 0 : 1;
}

static int run_stall(size_t bytes, double seconds)
{
    struct bench bench;
    double cpu, most = 0;
    set_up(&bench, bytes, 16, "tcp", false);
    (void)rate_of(&bench, WAY_BROKER, 1, &cpu);
    double before = megabytes_of(bench.broker, "VmRSS"), bound = before + 16 * 4 * (double)bytes / (1 << 20) + 32;
    atomic_store(&bench.shared->way, WAY_BROKER);
    for (monotonic_us start = clock_us(); clock_seconds_since(start) < seconds;) {
        double now = megabytes_of(bench.broker, "VmRSS");
        most = now > most ? now : most;
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    tear_down(&bench);
    printf(
        "learner stalled for %.0f s, 16 actors, %zu B: broker %.0f MB before, at most %.0f MB, bound %.0f MB (windows and 32 MB)\n",
        seconds, bytes, before, most, bound);
    return most <= bound ? 0 : 1;
}

/* Asks for statistics once a second, as `testudo top` does; until it is killed. */
static pid_t start_observer(const struct bench *bench)
{
    const char *program = getenv("TESTUDO") ? getenv("TESTUDO") : "bin/testudo";
    pid_t pid = fork();
    if (pid)
        return pid;
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
        _exit(1);
    execl(program, "testudo", "stats", "--connect", bench->broker_at, "--json", "-i", "1", (char *)NULL);
    _exit(127);
}

static int run_statistics(size_t bytes, double seconds, int rounds)
{
    struct bench bench;
    double plain[ROUNDS_MAX], asked[ROUNDS_MAX], ratio[ROUNDS_MAX];
    set_up(&bench, bytes, 1, "tcp", false);
    for (int r = 0; r < rounds; r++) {
        (void)rate_of(&bench, WAY_BROKER, seconds, &plain[r]);
        pid_t observer = start_observer(&bench);
        (void)rate_of(&bench, WAY_BROKER, seconds, &asked[r]);
        kill(observer, SIGKILL);
        waitpid(observer, NULL, 0);
        ratio[r] = asked[r] / plain[r];
    }
    tear_down(&bench);
    double cost = 100 * (median(ratio, rounds) - 1);
    printf("%zu B: processor us a message %.1f, with statistics each second %.1f; cost %.2f %%\n", bytes,
           1e6 * median(plain, rounds), 1e6 * median(asked, rounds), cost);
    return cost <= 1 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    double number[5] = {0};
    for (int i = 2; i < argc && i < 7; i++)
        number[i - 2] = strtod(argv[i], NULL);
    if (!strcmp(what, "hop") && argc >= 4) {
        int rounds = number[3] > 0 && number[3] <= ROUNDS_MAX ? (int)number[3] : 7;
        return run_hop((size_t)number[0], argv[3], number[2] > 0 ? number[2] : 1, rounds);
    }
    if (!strcmp(what, "actors") && argc >= 4 && number[0] >= 1 && number[0] <= ACTORS_MAX)
        return run_actors((int)number[0], (size_t)number[1], number[2] > 0 ? number[2] : 5);
    if (!strcmp(what, "stall") && argc >= 3)
        return run_stall((size_t)number[0], number[1] > 0 ? number[1] : 4);
    if (!strcmp(what, "statistics") && argc >= 3) {
        int rounds = number[2] > 0 && number[2] <= ROUNDS_MAX ? (int)number[2] : 7;
        return run_statistics((size_t)number[0], number[1] > 0 ? number[1] : 3, rounds);
    }
    fprintf(stderr, "usage: see the head of tests/bench/broker_hop.c\n");
    return 2;
}
