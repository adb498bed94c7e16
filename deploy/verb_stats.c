/* stats: how a run is going, one row an interval, in the habit of redis-cli --stat. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deploy/observer.h"
#include "deploy/security.h"
#include "deploy/terminal.h"
#include "deploy/verb.h"

#define HEADER_EVERY 20

struct stats {
    const struct verb *verb;
    struct security_client client;
    const char *connect, *key, *interval;
    bool as_json, is_long, is_insecure;
    int64_t count, timeout;
    double interval_seconds;
    json_t *before; /* the last answer, for differences */
    int rows;       /* since the last header */
};

static void print_clock(void)
{
    char clock[16];
    time_t now = time(NULL);
    struct tm local;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
    printf("%s ", clock);
}

/* -- a row of the table ----------------------------------------------------------------------------------------------------- */

enum form { FORM_TEXT, FORM_COUNT, FORM_HUMAN, FORM_GROWING, FORM_MS, FORM_PERCENT };
static const struct stats_column {
    const char *title, *path;
    enum form form;
    int width;
} columns[] = {
    {"phase", "learner_status.phase", FORM_TEXT, 8},
    {"actors", "peers.ready", FORM_COUNT, 6},
    {"update", "learner_status.update", FORM_GROWING, 14},
    {"steps", "learner_status.steps", FORM_HUMAN, 7},
    {"steps/s", "rates.env_steps_per_s", FORM_HUMAN, 7},
    {"trained", "learner_status.book.trained", FORM_GROWING, 16},
    {"stale", "learner_status.book.stale", FORM_COUNT, 6},
    {"reject", "learner_status.book.rejected", FORM_COUNT, 6},
    {"quar", "learner_status.admission.quarantined", FORM_COUNT, 5},
    {"lost", "learner_status.book.lost", FORM_COUNT, 6},
    {"open", "learner_status.book.unexplained", FORM_COUNT, 5},
    {"lag", "rates.lag_mean", FORM_HUMAN, 5},
    {"age p50", "rates.age_p50_seconds", FORM_MS, 7},
    {"p99 ms", "rates.age_p99_seconds", FORM_MS, 7},
    {"in B/s", "rates.bytes_in_per_s", FORM_HUMAN, 7},
    {"clean", "learner_status.return_clean", FORM_HUMAN, 7},
    {"attacked", "learner_status.return_attacked", FORM_HUMAN, 8},
    {"limit", "verdict.limit", FORM_TEXT, 8},
};

static void print_header(void)
{
    printf("%s%-8s", terminal_style(stdout, STYLE_DIM), "time");
    for (size_t c = 0; c < ARRAY_LEN(columns); c++)
        printf(" %*s", columns[c].width, columns[c].title);
    printf("%s\n", terminal_style(stdout, STYLE_OFF));
}

static void print_cell(const struct stats_column *column, const json_t *tree, const json_t *before)
{
    char cell[64], human[OBSERVED_SIZE];
    double value = observed(tree, column->path), old = observed(before, column->path);
    if (column->form == FORM_TEXT)
        snprintf(cell, sizeof cell, "%s", *observed_text(tree, column->path) ? observed_text(tree, column->path) : "-");
    else if (!isfinite(value))
        snprintf(cell, sizeof cell, "-");
    else if (column->form == FORM_GROWING)
        snprintf(cell, sizeof cell, "%.0f (%+.0f)", value, isfinite(old) ? value - old : 0);
    else if (column->form == FORM_COUNT)
        snprintf(cell, sizeof cell, "%.0f", value);
    else if (column->form == FORM_MS)
        snprintf(cell, sizeof cell, "%.3g", 1000 * value);
    else
        snprintf(cell, sizeof cell, "%s", observed_human(value, human));
    printf(" %*s", column->width, cell);
}

static void print_row(struct stats *stats, const json_t *tree)
{
    if (stats->rows++ % HEADER_EVERY == 0)
        print_header();
    print_clock();
    for (size_t c = 0; c < ARRAY_LEN(columns); c++)
        print_cell(&columns[c], tree, stats->before);
}

/* -- the long line: books and partitions ------------------------------------------------------------------------------------ */

static double count(const json_t *object, const char *key)
{
    double value = observed(object, key);
    return isfinite(value) ? value : 0;
}

/* The learner's rates, when a learner has told any. */
static void print_rates(const json_t *status)
{
    const char *phase = observed_text(status, "phase");
    printf("%s update %.0f steps %.0f/%.0f", *phase ? phase : "no learner", count(status, "update"), count(status, "steps"),
           count(status, "budget"));
    printf(" %.0f steps/s lag %.0f", count(status, "steps_per_s"), count(status, "lag"));
}

static void print_books(const json_t *deliveries, const json_t *book)
{
    static const char *const fates[] = {"trained", "evaluated", "stale", "rejected", "rolled_back", "lost"};
    printf(" | received %.0f distinct %.0f duplicate %.0f", count(deliveries, "received"), count(deliveries, "distinct"),
           count(deliveries, "duplicate"));
    printf(" | announced %.0f", count(book, "announced"));
    for (size_t i = 0; i < ARRAY_LEN(fates); i++)
        printf(" %s %.0f", fates[i], count(book, fates[i]));
    printf(" in_flight %.0f unexplained %.0f", count(book, "in_flight.actors") + count(book, "in_flight.learner"),
           count(book, "unexplained"));
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
        printf(" %.1f%% %.4g (%.0f)", 100 * count(row, "share"), count(row, "return"), count(row, "episodes"));
    }
}

static void print_long(const json_t *tree)
{
    const json_t *status = json_object_get(tree, "learner_status");
    print_clock();
    printf("actors %.0f ", count(tree, "peers.ready"));
    print_rates(status);
    print_books(json_object_get(tree, "deliveries"), json_object_get(status, "book"));
    print_partitions(json_object_get(status, "partitions"));
}

/* -- the verb --------------------------------------------------------------------------------------------------------------- */

static void show(struct stats *stats, json_t *tree)
{
    if (stats->as_json)
        json_dumpf(tree, stdout, JSON_COMPACT);
    else if (stats->is_long)
        print_long(tree);
    else
        print_row(stats, tree);
    putchar('\n');
    fflush(stdout);
    json_decref(stats->before);
    stats->before = tree;
}

static void pause_between(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL); /* Ctrl-C ends the process: nothing is held */
}

/* Whoever never answered is not there; whoever did comes back: a broker may be started anew at any time. */
static int watch(struct stats *stats, struct observer *observer, struct err *err)
{
    bool is_away = false;
    for (int64_t i = 0; !stats->count || i < stats->count; i++) {
        if (i)
            pause_between(stats->interval_seconds);
        json_t *tree = observer_ask(observer, (int)(stats->timeout * 1000), err);
        if (!tree && !stats->before)
            return ERR_AGAIN;
        if (!tree && !is_away)
            fprintf(stderr, "testudo stats: %s; asking again\n", err->text);
        is_away = !tree;
        if (tree)
            show(stats, tree);
        else
            i--; /* counts answers */
    }
    return 0;
}

static int parse_interval(struct stats *stats)
{
    char *end;
    stats->interval_seconds = strtod(stats->interval, &end);
    if (end == stats->interval || *end || !(stats->interval_seconds >= 0.05 && stats->interval_seconds <= 86400))
        return verb_misused(stats->verb, "--interval is \"%s\", expected seconds from 0.05 to 86400", stats->interval);
    return 0;
}

static int run_stats(const struct verb *verb, int argc, char **argv)
{
    struct stats stats = {.verb = verb, .connect = "tcp://127.0.0.1:5555", .interval = "1", .timeout = 5};
    struct observer *observer = NULL;
    struct err err = {""};
    struct words words;
    const struct option_row rows[] = {
        {"connect", OPTION_TEXT, &stats.connect, 0, 0, "ENDPOINT", "the broker", "tcp://127.0.0.1:5555"},
        {"interval", OPTION_TEXT, &stats.interval, 0, 0, "S", "seconds between two questions", "0.5", 'i'},
        {"count", OPTION_INT, &stats.count, 0, 1e9, "N", "how many answers; default 0: until Ctrl-C", "1", 'n'},
        {"json", OPTION_FLAG, &stats.as_json, 0, 0, "", "one JSON object per line: everything that the broker knows", NULL},
        {"long", OPTION_FLAG, &stats.is_long, 0, 0, "", "one long line instead of a row: both books, and every partition", NULL},
        {"timeout", OPTION_INT, &stats.timeout, 1, 3600, "S", "seconds to wait for an answer", "5"},
        OPTION_KEY(&stats.key),
        OPTION_INSECURE(&stats.is_insecure),
    };
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r < 0 && words.count)
        r = verb_misused(verb, "unexpected argument \"%s\"", words.word[0]);
    if (r < 0)
        r = parse_interval(&stats) ? EXIT_MISUSED : -1;
    if (r < 0) {
        r = security_client(&stats.client, stats.connect, stats.key, stats.is_insecure, ROLE_OBSERVER, &err);
        if (!r)
            r = observer_open(&observer, stats.client.endpoint, security_keys(&stats.client), stats.is_insecure, &err);
        if (!r)
            r = watch(&stats, observer, &err);
        r = r ? (verb_failed(verb, "%s", err.text), verb_exit_code(r)) : EXIT_DONE;
    }
    json_decref(stats.before);
    observer_close(&observer);
    return r;
}

const struct verb verb_stats = {
    .name = "stats",
    .summary = "how a run is going: one row an interval, or everything as JSON",
    .arguments = "[--connect ENDPOINT] [-i S] [-n N] [--json]",
    .example = "testudo stats --connect tcp://127.0.0.1:5555 -i 5",
    .more = "In brackets: how much more than in the row before. open: trajectories that the book cannot account for (0 at rest).\n"
            "A run started by `testudo train` writes its broker's endpoint into its log.txt.\n",
    .run = run_stats,
};
