/* stats: asks a broker how the run is going. One request, one reply; the observer is no peer of the run and holds nothing. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include "base/json.h"
#include "deploy/verb.h"
#include "wire/envelope.h"

struct stats {
    const struct verb *verb;
    void *context, *socket;
    bool as_json;
    struct envelope *envelope; /* large */
    unsigned char buffer[PROTOCOL_ENVELOPE_BYTES];
};

static int ask(struct stats *stats, struct err *err)
{
    *stats->envelope = (struct envelope){.kind = MESSAGE_STATS, .stats = {PROTOCOL_MAJOR, PROTOCOL_MINOR}};
    int length = envelope_encode(stats->envelope, stats->buffer, sizeof stats->buffer);
    ASSERT(length > 0);
    if (zmq_send(stats->socket, stats->buffer, (size_t)length, 0) < 0)
        return err_set(err, ERR_IO, "cannot send the question: %s", zmq_strerror(errno));
    return 0;
}

/* One message of at most two frames; *payload is closed by the caller. */
static int receive(struct stats *stats, zmq_msg_t *payload, struct err *err)
{
    int length = zmq_recv(stats->socket, stats->buffer, sizeof stats->buffer, 0), more = 0;
    size_t size = sizeof more;
    if (length < 0 || length > (int)sizeof stats->buffer)
        return err_set(err, ERR_IO, "cannot read the answer");
    zmq_getsockopt(stats->socket, ZMQ_RCVMORE, &more, &size);
    for (int i = 0; more; i++) {
        if (i || zmq_msg_recv(payload, stats->socket, 0) < 0)
            return err_set(err, ERR_FORMAT, "the answer has more than two frames");
        zmq_getsockopt(stats->socket, ZMQ_RCVMORE, &more, &size);
    }
    return envelope_decode(stats->envelope, stats->buffer, (size_t)length, err);
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : 0.0;
}

/* The learner's rates, when a learner has told any. */
static void print_rates(const json_t *status)
{
    const char *phase = json_string_value(json_object_get(status, "phase"));
    printf("%s update %.0f steps %.0f/%.0f", phase ? phase : "no learner", number(status, "update"), number(status, "steps"),
           number(status, "budget"));
    printf(" %.0f steps/s lag %.0f", number(status, "steps_per_s"), number(status, "lag"));
}

static void print_books(const json_t *deliveries, const json_t *book)
{
    static const char *const fates[] = {"trained", "evaluated", "stale", "rejected", "rolled_back", "lost"};
    const json_t *in_flight = json_object_get(book, "in_flight");
    printf(" | received %.0f distinct %.0f duplicate %.0f", number(deliveries, "received"), number(deliveries, "distinct"),
           number(deliveries, "duplicate"));
    printf(" | announced %.0f", number(book, "announced"));
    for (size_t i = 0; i < ARRAY_LEN(fates); i++)
        printf(" %s %.0f", fates[i], number(book, fates[i]));
    printf(" in_flight %.0f unexplained %.0f", number(in_flight, "actors") + number(in_flight, "learner"),
           number(book, "unexplained"));
}

/* Share, return and count of each partition, by its adversaries: "none 54.1% 0.333 (971)  {2} 11.8% 0.191 (212)". */
static void print_partitions(const json_t *partitions)
{
    for (size_t i = 0; i < json_array_size(partitions); i++) {
        const json_t *row = json_array_get(partitions, i), *agents = json_object_get(row, "partition");
        printf(i ? "  " : " | partitions ");
        if (!json_array_size(agents))
            printf("none");
        for (size_t n = 0; n < json_array_size(agents); n++)
            printf("%s%lld%s", n ? "," : "{", (long long)json_integer_value(json_array_get(agents, n)),
                   n + 1 == json_array_size(agents) ? "}" : "");
        printf(" %.1f%% %.4g (%.0f)", 100 * number(row, "share"), number(row, "return"), number(row, "episodes"));
    }
}

/* One line an interval, readable alone. */
static void print_line(const json_t *tree)
{
    const json_t *status = json_object_get(tree, "learner_status");
    char clock[16];
    time_t now = time(NULL);
    struct tm local;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
    printf("%s actors %zu ", clock, json_array_size(json_object_get(tree, "actors")));
    print_rates(status);
    print_books(json_object_get(tree, "deliveries"), json_object_get(status, "book"));
    print_partitions(json_object_get(status, "partitions"));
}

static int show(struct stats *stats, zmq_msg_t *payload, struct err *err)
{
    json_t *tree = json_parse("stats", zmq_msg_data(payload), zmq_msg_size(payload), err);
    if (!tree)
        return ERR_FORMAT;
    if (stats->as_json)
        json_dumpf(tree, stdout, JSON_COMPACT);
    else
        print_line(tree);
    putchar('\n');
    fflush(stdout);
    json_decref(tree);
    return 0;
}

/* Waits for the answer; a refusal is one, too. */
static int answer(struct stats *stats, int64_t timeout_ms, struct err *err)
{
    zmq_pollitem_t item = {.socket = stats->socket, .events = ZMQ_POLLIN};
    int ready = zmq_poll(&item, 1, (long)timeout_ms);
    if (ready <= 0)
        return err_set(err, ERR_AGAIN, "no answer within %.1f s; is a broker there?", (double)timeout_ms / 1000);
    zmq_msg_t payload;
    zmq_msg_init(&payload);
    int r = receive(stats, &payload, err);
    if (!r && stats->envelope->kind == MESSAGE_REFUSED)
        r = err_set(err, ERR_STATE, "refused: %.*s", PROTOCOL_TEXT_SIZE, stats->envelope->refused.text);
    else if (!r && stats->envelope->kind != MESSAGE_STATS_REPLY)
        r = err_set(err, ERR_FORMAT, "the answer is a %s", message_kind_name(stats->envelope->kind));
    if (!r)
        r = show(stats, &payload, err);
    zmq_msg_close(&payload);
    return r;
}

static int open_socket(struct stats *stats, const char *endpoint, struct err *err)
{
    int zero = 0, two = 2;
    int64_t largest = (int64_t)PROTOCOL_STATUS_BYTES * 8;
    stats->context = zmq_ctx_new();
    stats->socket = stats->context ? zmq_socket(stats->context, ZMQ_DEALER) : NULL;
    if (!stats->socket)
        return err_set(err, ERR_NOMEM, "cannot open a socket");
    zmq_setsockopt(stats->socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(stats->socket, ZMQ_SNDHWM, &two, sizeof two);
    zmq_setsockopt(stats->socket, ZMQ_RCVHWM, &two, sizeof two);
    zmq_setsockopt(stats->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    if (zmq_connect(stats->socket, endpoint))
        return err_set(err, ERR_INVALID, "bad endpoint \"%.200s\": %s", endpoint, zmq_strerror(errno));
    return 0;
}

static void pause_between(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL); /* Ctrl-C ends the process: nothing is held */
}

static int run_stats(const struct verb *verb, int argc, char **argv)
{
    const char *connect = "tcp://127.0.0.1:5555";
    int64_t interval = 1, count = 0, timeout = 5;
    struct stats *stats = calloc(1, sizeof *stats);
    struct err err = {""};
    struct words words;
    if (!stats || !(stats->envelope = calloc(1, sizeof *stats->envelope))) {
        free(stats);
        return verb_failed(verb, "out of memory");
    }
    stats->verb = verb;
    const struct option_row rows[] = {
        {"connect", OPTION_TEXT, &connect, 0, 0, "ENDPOINT", "the broker", "tcp://127.0.0.1:5555"},
        {"json", OPTION_FLAG, &stats->as_json, 0, 0, "", "one JSON object per line", NULL},
        {"interval", OPTION_INT, &interval, 1, 86400, "S", "seconds between two questions", "5"},
        {"count", OPTION_INT, &count, 0, 1e9, "N", "how often to ask; default 0: until Ctrl-C", "1"},
        {"timeout", OPTION_INT, &timeout, 1, 3600, "S", "seconds to wait for an answer", "5"},
    };
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r < 0 && words.count)
        r = verb_misused(verb, "unexpected argument \"%s\"", words.word[0]);
    if (r < 0) {
        r = open_socket(stats, connect, &err);
        for (int64_t i = 0; !r && (!count || i < count); i++) {
            if (i)
                pause_between((double)interval);
            if (!(r = ask(stats, &err)))
                r = answer(stats, timeout * 1000, &err);
        }
        r = r ? (verb_failed(verb, "%s", err.text), verb_exit_code(r)) : EXIT_DONE;
    }
    if (stats->socket)
        zmq_close(stats->socket);
    if (stats->context)
        zmq_ctx_term(stats->context);
    free(stats->envelope);
    free(stats);
    return r;
}

const struct verb verb_stats = {
    .name = "stats",
    .summary = "ask a broker for the books, the partitions and the rates of its run",
    .arguments = "[--connect ENDPOINT] [--json] [--interval S] [--count N]",
    .example = "testudo stats --connect tcp://127.0.0.1:5555 --interval 5",
    .more = "A run started by `testudo train` writes its broker's endpoint into its log.txt.\n",
    .run = run_stats,
};
