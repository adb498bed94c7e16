/* health: is this process of a cluster well? For health checks of containers and schedulers: asks the broker's monitor, prints a line,
 * leaves with 0 or 1. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/json.h"
#include "deploy/observer.h"
#include "deploy/verb.h"

#define ANSWER_MAX (2 << 20)
#define SILENT_SECONDS 5 /* PROTOCOL_MISSED heartbeats */

/* "host:port" -> a connected socket, or -1 with the reason. */
static int connect_to(const char *address, int timeout_s, struct err *err)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    size_t length = colon ? (size_t)(colon - address) : 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    const struct timeval limit = {timeout_s, 0};
    if (!length || length >= sizeof host)
        return err_set(err, ERR_INVALID, "bad address \"%.200s\": expected host:port", address), -1;
    snprintf(host, sizeof host, "%.*s", (int)length, address);
    int r = getaddrinfo(host, colon + 1, &hints, &found), fd = -1;
    if (r)
        return err_set(err, ERR_IO, "cannot find \"%.200s\": %s", address, gai_strerror(r)), -1;
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* of connect, too */
        if (connect(fd, a->ai_addr, a->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd < 0)
        err_set(err, ERR_IO, "no monitor at %.200s: %s", address, strerror(errno));
    return fd;
}

/* The whole answer, terminated, into body; its length or -1. */
static ssize_t fetch(int fd, const char *path, char *answer, size_t size)
{
    char request[256];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        return -1;
    size_t used = 0;
    for (ssize_t got = 1; got > 0 && used + 1 < size; used += got > 0 ? (size_t)got : 0)
        if ((got = recv(fd, answer + used, size - 1 - used, 0)) < 0)
            return -1;
    answer[used] = 0;
    return (ssize_t)used;
}

/* GET: status code (0: no answer) and body. */
static int get(const char *address, const char *path, int timeout_s, char *answer, const char **body, struct err *err)
{
    int fd = connect_to(address, timeout_s, err), code = 0;
    if (fd < 0)
        return 0;
    if (fetch(fd, path, answer, ANSWER_MAX) < 0 || sscanf(answer, "HTTP/1.%*c %d", &code) != 1)
        err_set(err, ERR_AGAIN, "no answer from the monitor at %.200s", address);
    close(fd);
    const char *end = strstr(answer, "\r\n\r\n");
    *body = end ? end + 4 : "";
    return code;
}

/* An actor of this host is known to the broker and speaks. */
static bool host_has_actor(const char *body, const char *host)
{
    struct err err;
    json_t *tree = json_parse("connz", body, strlen(body), &err), *row;
    bool found = false;
    size_t i;
    json_array_foreach(json_object_get(tree, "actors"), i, row)
    {
        found |= !strcmp(observed_text(row, "host"), host) && strcmp(observed_text(row, "state"), "gone") != 0 &&
                 observed(row, "silent_seconds") < SILENT_SECONDS;
    }
    json_decref(tree);
    return found;
}

static int check(const struct verb *verb, const char *address, const char *role, int timeout_s, char *answer)
{
    struct err err = {""};
    const char *body = "";
    char host[256] = "";
    bool is_actor = !strcmp(role, "actor"), is_learner = !strcmp(role, "learner");
    if (!is_actor && !is_learner && strcmp(role, "broker") != 0)
        return verb_misused(verb, "--role is \"%s\", expected broker, learner or actor", role);
    int code = get(address, is_actor ? "/connz" : is_learner ? "/readyz" : "/healthz", timeout_s, answer, &body, &err);
    if (!code)
        return verb_failed(verb, "%s", err.text);
    if (code != 200)
        return verb_failed(verb, "%s is not well: %s", role, is_learner ? "the broker has no learner" : "the monitor refuses");
    gethostname(host, sizeof host - 1);
    if (is_actor && !host_has_actor(body, host))
        return verb_failed(verb, "the broker knows no live actor on %s", host);
    printf("ok\n");
    return EXIT_DONE;
}

static int run_health(const struct verb *verb, int argc, char **argv)
{
    const char *monitor = MONITOR_ADDRESS, *role = "broker";
    int64_t timeout = 2;
    const struct option_row rows[] = {
        {"monitor", OPTION_TEXT, &monitor, 0, 0, "ADDRESS", "the broker's monitor", MONITOR_ADDRESS},
        {"role", OPTION_TEXT, &role, 0, 0, "ROLE", "broker: it answers; learner: it has one; actor: it hears one of this host",
         "broker"},
        {"timeout", OPTION_INT, &timeout, 1, 60, "S", "seconds to wait for an answer", "2"},
    };
    struct words words;
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (words.count)
        return verb_misused(verb, "unexpected argument \"%s\"", words.word[0]);
    char *answer = calloc(1, ANSWER_MAX);
    r = answer ? check(verb, monitor, role, (int)timeout, answer) : verb_failed(verb, "out of memory");
    free(answer);
    return r;
}

const struct verb verb_health = {
    .name = "health",
    .summary = "ask a broker's monitor whether a process of the cluster is well; 0 or 1",
    .arguments = "[--monitor ADDRESS] [--role ROLE]",
    .example = "testudo health --monitor 127.0.0.1:5556 --role learner",
    .run = run_health,
};
