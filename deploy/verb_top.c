/* top: a live screen of a cluster, with a verdict on what limits it. Plain ANSI: the alternate screen, home, erase to the end of each line;
 * the terminal is put back however we leave. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "deploy/observer.h"
#include "deploy/security.h"
#include "deploy/terminal.h"
#include "deploy/top.h"
#include "deploy/verb.h"

struct top {
    const struct verb *verb;
    struct security_client client;
    const char *connect, *key, *sort;
    bool is_insecure, is_once, as_json, is_screen, wants_help;
    int64_t interval, timeout, count;
    struct top_look look;
    struct termios before;
    json_t *tree; /* last answer */
    char note[128];
};

static volatile sig_atomic_t asked_to_leave; /* a signal handler can reach nothing else */

static void on_signal(int number)
{
    (void)number;
    asked_to_leave = 1;
}

/* -- the terminal ----------------------------------------------------------------------------------------------------------- */

static void enter_screen(struct top *top)
{
    struct termios raw;
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: poll returns */
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGTSTP, &action, NULL); /* stopping would leave the shell in the alternate screen */
    if (isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &top->before)) {
        raw = top->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    fputs("\033[?1049h\033[?25l", stdout);
}

static void leave_screen(struct top *top)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    if (isatty(STDIN_FILENO))
        tcsetattr(STDIN_FILENO, TCSANOW, &top->before);
}

static void screen_line(void *context, const char *text)
{
    (void)context;
    printf("%s\033[K\r\n", text);
}

static void plain_line(void *context, const char *text)
{
    (void)context;
    puts(text);
}

static void draw_screen(struct top *top)
{
    int columns = 80, rows = 24;
    terminal_size(&columns, &rows);
    top->look.columns = columns;
    top->look.rows = rows - 1;
    fputs("\033[H", stdout);
    if (top->tree)
        top_draw(top->tree, &top->look, screen_line, top);
    fputs("\033[J", stdout);
    /* The last line: keys, or what is wrong. */
    printf("\033[%d;1H%s%.*s%s\033[K", rows, top->look.dim, columns - 1,
           *top->note        ? top->note
           : top->wants_help ? top_sorts()
                             : "q quit  r reverse  ? letters to sort by",
           top->look.off);
    fflush(stdout);
}

/* -- keys ------------------------------------------------------------------------------------------------------------------- */

static void on_key(struct top *top, char key)
{
    if (key == 'q' || key == 3)
        asked_to_leave = 1;
    else if (key == 'r')
        top->look.is_reversed = !top->look.is_reversed;
    else if (key == '?')
        top->wants_help = !top->wants_help;
    else if (top_can_sort(key)) {
        top->look.is_reversed = false;
        top->look.sort = key;
    }
    draw_screen(top);
}

/* Until the interval is over, or we are to leave. */
static void wait_for_keys(struct top *top, monotonic_us end)
{
    bool reads_keys = top->is_screen && isatty(STDIN_FILENO);
    for (monotonic_us now = clock_us(); now < end && !asked_to_leave; now = clock_us()) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&in, reads_keys ? 1 : 0, (int)((end - now + 999) / 1000));
        char key;
        if (ready > 0 && read(STDIN_FILENO, &key, 1) == 1)
            on_key(top, key);
        else if (ready > 0)
            reads_keys = false;
        else if (ready < 0 && errno == EINTR && top->is_screen && !asked_to_leave)
            draw_screen(top); /* another size */
    }
}

/* -- the verb --------------------------------------------------------------------------------------------------------------- */

static void show(struct top *top)
{
    if (top->as_json) {
        json_dumpf(top->tree, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (top->is_screen) {
        draw_screen(top);
    } else {
        top_draw(top->tree, &top->look, plain_line, top);
        putchar('\n');
    }
    fflush(stdout);
}

static int watch(struct top *top, struct observer *observer, struct err *err)
{
    int64_t shown = 0;
    while (!asked_to_leave && (!top->count || shown < top->count)) {
        monotonic_us next = clock_us() + top->interval * 1000000;
        json_t *tree = observer_ask(observer, (int)(top->timeout * 1000), err);
        if (!tree && !top->tree)
            return ERR_AGAIN;
        snprintf(top->note, sizeof top->note, "%.100s", tree ? "" : err->text);
        if (tree) {
            json_decref(top->tree);
            top->tree = tree;
            shown++;
            show(top);
        } else if (top->is_screen)
            draw_screen(top);
        if (!top->count || shown < top->count)
            wait_for_keys(top, next);
    }
    return 0;
}

static int run(struct top *top, struct err *err)
{
    struct observer *observer = NULL;
    int r = security_client(&top->client, top->connect, top->key, top->is_insecure, ROLE_OBSERVER, err);
    if (!r)
        r = observer_open(&observer, top->client.endpoint, security_keys(&top->client), top->is_insecure, err);
    if (r)
        return r;
    if (top->is_screen)
        enter_screen(top);
    r = watch(top, observer, err);
    if (top->is_screen)
        leave_screen(top);
    observer_close(&observer);
    json_decref(top->tree);
    return r;
}

static int run_top(const struct verb *verb, int argc, char **argv)
{
    struct top top = {.verb = verb, .connect = "tcp://127.0.0.1:5555", .sort = "h", .interval = 1, .timeout = 5};
    struct err err = {""};
    struct words words;
    const struct option_row rows[] = {
        {"connect", OPTION_TEXT, &top.connect, 0, 0, "ENDPOINT", "the broker", "tcp://127.0.0.1:5555"},
        {"interval", OPTION_INT, &top.interval, 1, 86400, "S", "seconds between two questions", "2", 'i'},
        {"sort", OPTION_TEXT, &top.sort, 0, 0, "LETTER", "column that actors are sorted by", "s", 's'},
        {"once", OPTION_FLAG, &top.is_once, 0, 0, "", "one screen as plain text", NULL, 'o'},
        {"count", OPTION_INT, &top.count, 0, 1e9, "N", "how many screens; default 0: until q", "10", 'n'},
        {"json", OPTION_FLAG, &top.as_json, 0, 0, "", "one JSON object per line: what the screen is made of", NULL},
        {"timeout", OPTION_INT, &top.timeout, 1, 3600, "S", "seconds to wait for an answer", "5"},
        OPTION_KEY(&top.key),
        OPTION_INSECURE(&top.is_insecure),
    };
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (words.count)
        return verb_misused(verb, "unexpected argument \"%s\"", words.word[0]);
    if (!top_can_sort(top.sort[0]) || top.sort[1])
        return verb_misused(verb, "--sort is \"%s\", expected one of: %s", top.sort, top_sorts());
    top.is_screen = terminal_is(stdout) && !top.is_once && !top.as_json;
    top.count = top.is_once ? 1 : top.count;
    top.look = (struct top_look){.sort = top.sort[0],
                                 .bold = terminal_style(stdout, STYLE_BOLD),
                                 .dim = terminal_style(stdout, STYLE_DIM),
                                 .off = terminal_style(stdout, STYLE_OFF)};
    r = run(&top, &err);
    return r ? (verb_failed(verb, "%s", err.text), verb_exit_code(r)) : EXIT_DONE;
}

const struct verb verb_top = {
    .name = "top",
    .summary = "a live screen of a cluster, and what limits it",
    .arguments = "[--connect ENDPOINT] [-s LETTER] [-i S] [--once]",
    .example = "testudo top --connect tcp://127.0.0.1:5555 -s l",
    .more = "Letters to sort by, on the screen, too: h host, a actor, w state, v version, l lag, s steps/s, c busy, b bytes/s,\n"
            "p pending, k credits, n lanes, e steps, x rejected, t last seen; r reverses, q leaves.\n",
    .run = run_top,
};
