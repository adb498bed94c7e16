/* What the broker costs. One sender and one learner, real processes, with a broker between them or a bare ZeroMQ proxy:
 *
 *   broker_hop hop BYTES tcp|ipc [SECONDS [ROUNDS]]    messages a second through both in turn, medians, and their ratio
 *   broker_hop actors N BYTES [SECONDS [plain|curve|relays]]    N actors on one broker: peak rate, then age at 70 % of it, three times,
 *                                                      medians, and the broker's memory; under the keys in TESTUDO_KEYS; behind three relays
 *   broker_hop stall BYTES [SECONDS]                   the learner stops reading: the broker's memory stays where it is
 *   broker_hop statistics BYTES [SECONDS [ROUNDS]]     the broker's processor time a message, with and without statistics asked each second
 *
 * TESTUDO names the program (bin/testudo). The learner acknowledges in batches; the proxy joins two DEALER sockets and carries the same two
 * frames. Sockets have room for 64 messages, a sender's window is 256, as many as a full proxy holds up. Rates on a busy machine vary;
 * ratios and processor time less so. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker_hop.h"

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

#define AGE_ROUNDS 3

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

/* The program with these arguments; it says nothing. */
static pid_t start(const char *const *arguments)
{
    const char *program = getenv("TESTUDO") ? getenv("TESTUDO") : "bin/testudo";
    pid_t pid = fork();
    if (pid)
        return pid;
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
        _exit(1);
    execv(program, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static pid_t start_broker(const struct bench *bench)
{
    char key[4096] = "";
    if (bench->has_keys)
        snprintf(key, sizeof key, "%s/broker.key", getenv("TESTUDO_KEYS"));
    const char *const arguments[] = {
        "testudo", "broker", "--listen", bench->broker_at, "--monitor", "127.0.0.1:0", key[0] ? "--key" : NULL, key, NULL};
    return start(arguments);
}

static void start_relays(struct bench *bench)
{
    for (int i = 0; i < RELAYS; i++) {
        const char *const arguments[] = {"testudo", "broker", "--relay", bench->broker_at, "--listen", bench->relay_at[i], NULL};
        bench->relay[i] = start(arguments);
    }
}

static void read_key(struct key_file *key, const char *name)
{
    char path[4096];
    struct err err;
    const char *folder = getenv("TESTUDO_KEYS");
    snprintf(path, sizeof path, "%s/%s.key", folder ? folder : ".", name);
    if (key_file_read(key, path, &err))
        die(err.text);
}

static void name_endpoints(struct bench *bench, const char *transport, bool has_proxy)
{
    int id = (int)getpid();
    if (!strcmp(transport, "tcp")) {
        int port = 20000 + id % 20000;
        snprintf(bench->broker_at, sizeof bench->broker_at, "tcp://127.0.0.1:%d", port);
        snprintf(bench->proxy_in, sizeof bench->proxy_in, "tcp://127.0.0.1:%d", port + 1);
        snprintf(bench->proxy_out, sizeof bench->proxy_out, "tcp://127.0.0.1:%d", port + 2);
        for (int i = 0; i < RELAYS; i++)
            snprintf(bench->relay_at[i], sizeof bench->relay_at[i], "tcp://127.0.0.1:%d", port + 3 + i);
    } else {
        snprintf(bench->broker_at, sizeof bench->broker_at, "ipc:///tmp/testudo-hop-%d-b", id);
        snprintf(bench->proxy_in, sizeof bench->proxy_in, "ipc:///tmp/testudo-hop-%d-i", id);
        snprintf(bench->proxy_out, sizeof bench->proxy_out, "ipc:///tmp/testudo-hop-%d-o", id);
    }
    if (!has_proxy)
        bench->proxy_in[0] = 0;
}

/* how: "plain", "curve", "relays", or "proxy" beside a broker. */
static void set_up(struct bench *bench, size_t bytes, int actors, const char *transport, const char *how)
{
    struct rlimit files;
    bool has_proxy = !strcmp(how, "proxy");
    *bench = (struct bench){.bytes = bytes < 64 ? 64 : bytes,
                            .n_actors = actors,
                            .has_keys = !strcmp(how, "curve"),
                            .has_relays = !strcmp(how, "relays")};
    if (bench->has_keys) {
        read_key(&bench->actor_key, "actor");
        read_key(&bench->learner_key, "learner");
    }
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
    if (bench->has_relays)
        start_relays(bench);
    if (has_proxy && !(bench->proxy = fork()))
        run_proxy(bench);
    if (!(bench->sender = fork()))
        run_sender(bench);
    bench->context = zmq_ctx_new();
    bench->learner = open_socket(bench->context, "learner", bench->broker_at, false, actors > 8 ? 16384 : HWM,
                                 bench->has_keys ? &bench->learner_key : NULL);
    bench->sink = has_proxy ? open_socket(bench->context, NULL, bench->proxy_out, false, HWM, NULL) : NULL;
    for (monotonic_us start = clock_us(); clock_seconds_since(start) < (actors > 8 ? 6 : 2.5);)
        learner_turn(bench);
}

static void tear_down(struct bench *bench)
{
    const pid_t pids[] = {bench->sender, bench->proxy, bench->broker, bench->relay[0], bench->relay[1], bench->relay[2]};
    atomic_store(&bench->shared->is_over, true);
    for (size_t i = 0; i < sizeof pids / sizeof *pids; i++)
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
    set_up(&bench, bytes, 1, transport, "proxy");
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

/* The largest of broker and relays. */
static double memory_of(const struct bench *bench)
{
    double most = megabytes_of(bench->broker, "VmHWM");
    for (int i = 0; i < RELAYS; i++)
        if (bench->relay[i])
            most = fmax(most, megabytes_of(bench->relay[i], "VmHWM"));
    return most;
}

static int run_actors(int actors, size_t bytes, double seconds, const char *how)
{
    struct bench bench;
    double peak[AGE_ROUNDS], rate[AGE_ROUNDS], p50[AGE_ROUNDS], p99[AGE_ROUNDS], cpu[AGE_ROUNDS], unused;
    int silent = 0;
    set_up(&bench, bytes, actors, "tcp", how);
    for (int r = 0; r < AGE_ROUNDS; r++) {
        atomic_store(&bench.shared->per_second, 0);
        peak[r] = rate_of(&bench, WAY_BROKER, seconds, &cpu[r]);
        atomic_store(&bench.shared->per_second, (int64_t)(0.7 * peak[r]));
        rate[r] = rate_of(&bench, WAY_BROKER, seconds, &unused);
        p50[r] = age_ms(&bench, 0.5);
        p99[r] = age_ms(&bench, 0.99);
    }
    for (int i = 0; i < actors; i++)
        silent += bench.received[i] == 0;
    double memory = memory_of(&bench), worst = median(p99, AGE_ROUNDS);
    tear_down(&bench);
    printf("%d actors, %s, %zu B: peak %.0f/s, broker's processor us a message %.0f; at %.0f/s age p50 %.1f ms, p99 %.1f ms (%.1f "
           "to %.1f); "
           "at most %.0f MB; %d actors never heard\n",
           actors, how, bytes, median(peak, AGE_ROUNDS), 1e6 * median(cpu, AGE_ROUNDS), median(rate, AGE_ROUNDS),
           median(p50, AGE_ROUNDS), worst, p99[0], p99[AGE_ROUNDS - 1], memory, silent);
    return memory < 1024 && worst < 250 && silent == 0 ? 0 : 1;
}

static int run_stall(size_t bytes, double seconds)
{
    struct bench bench;
    double cpu, most = 0;
    set_up(&bench, bytes, 16, "tcp", "plain");
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
    const char *const arguments[] = {"testudo", "stats", "--connect", bench->broker_at, "--json", "-i", "1", NULL};
    return start(arguments);
}

static int run_statistics(size_t bytes, double seconds, int rounds)
{
    struct bench bench;
    double plain[ROUNDS_MAX], asked[ROUNDS_MAX], ratio[ROUNDS_MAX];
    set_up(&bench, bytes, 1, "tcp", "plain");
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
        return run_actors((int)number[0], (size_t)number[1], number[2] > 0 ? number[2] : 5, argc >= 6 ? argv[5] : "plain");
    if (!strcmp(what, "stall") && argc >= 3)
        return run_stall((size_t)number[0], number[1] > 0 ? number[1] : 4);
    if (!strcmp(what, "statistics") && argc >= 3) {
        int rounds = number[2] > 0 && number[2] <= ROUNDS_MAX ? (int)number[2] : 7;
        return run_statistics((size_t)number[0], number[1] > 0 ? number[1] : 3, rounds);
    }
    fprintf(stderr, "usage: see the head of tests/bench/broker_hop.c\n");
    return 2;
}
