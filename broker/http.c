/* See http.h. libmicrohttpd does not own the thread: its epoll descriptor is watched by the loop, and its own timeouts by a timer. */
#include "broker/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"

#define PAGES_MAX 16
#define ADDRESS_SIZE 80

struct kept { /* the last answer of a page */
    struct MHD_Response *response;
    int status;
    monotonic_us at;
};

struct http {
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    int open_handles;
    const struct http_page *pages;
    void *context;
    struct kept kept[PAGES_MAX];
    char address[ADDRESS_SIZE], host[256];
};

/* --- answers --- */

static struct MHD_Response *respond(void *body, size_t length, enum MHD_ResponseMemoryMode mode, const char *type)
{
    static const char *const headers[][2] = {
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
         "img-src data:"},
    };
    struct MHD_Response *response = MHD_create_response_from_buffer(length, body, mode);
    if (!response) {
        if (mode == MHD_RESPMEM_MUST_FREE)
            free(body);
        return NULL;
    }
    MHD_add_response_header(response, "Content-Type", type);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
    return response;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response =
        respond((void *)(uintptr_t)text, strlen(text), MHD_RESPMEM_PERSISTENT, "text/plain; charset=utf-8");
    if (!response)
        return MHD_NO;
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result r = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return r;
}

/* Makes the page anew when it is older than HTTP_FRESH_MS. */
static struct kept *fresh(struct http *http, int page)
{
    struct kept *kept = &http->kept[page];
    monotonic_us now = clock_us();
    if (kept->response && now - kept->at < HTTP_FRESH_MS * 1000)
        return kept;
    char *body = malloc(HTTP_BODY_MAX);
    int status = MHD_HTTP_OK, length = body ? http->pages[page].write(http->context, body, HTTP_BODY_MAX, &status) : ERR_NOMEM;
    if (length < 0) {
        free(body);
        return NULL;
    }
    char *exact = realloc(body, (size_t)length + 1);
    struct MHD_Response *response = respond(exact ? exact : body, (size_t)length, MHD_RESPMEM_MUST_FREE, http->pages[page].type);
    if (!response)
        return NULL;
    if (kept->response)
        MHD_destroy_response(kept->response);
    *kept = (struct kept){response, status, now};
    return kept;
}

/* An address, a name without a dot (localhost, the name of a service in its network) or this machine's own name. */
static bool host_is_ours(const struct http *http, const char *header)
{
    char name[256];
    struct in_addr v4;
    size_t length = header ? strlen(header) : 0;
    if (!length)
        return true; /* HTTP/1.0; a browser always says it */
    if (header[0] == '[')
        return true; /* an address: no name can stand in brackets */
    length = strcspn(header, ":");
    if (length >= sizeof name)
        return false;
    memcpy(name, header, length);
    name[length] = 0;
    return !strchr(name, '.') || inet_pton(AF_INET, name, &v4) == 1 || !strcasecmp(name, http->host);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **request)
{
    struct http *http = context;
    (void)version, (void)upload, (void)upload_bytes, (void)request;
    if (strcmp(method, "GET") && strcmp(method, "HEAD"))
        return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    if (!host_is_ours(http, MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host")))
        return say(connection, MHD_HTTP_FORBIDDEN, "this host name is not served; use the address\n");
    for (int p = 0; http->pages[p].path; p++)
        if (!strcmp(http->pages[p].path, url)) {
            struct kept *kept = fresh(http, p);
            return kept ? MHD_queue_response(connection, (unsigned)kept->status, kept->response)
                        : say(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "cannot be told now\n");
        }
    return say(connection, MHD_HTTP_NOT_FOUND, "no such page\n");
}

/* --- loop --- */

static void on_timer(uv_timer_t *timer);

static void run(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    MHD_run(http->daemon);
    if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES)
        uv_timer_start(&http->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&http->timer);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    run(poll->data);
}

static void release(struct http *http)
{
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    for (int p = 0; p < PAGES_MAX; p++)
        if (http->kept[p].response)
            MHD_destroy_response(http->kept[p].response);
    free(http);
}

static void on_closed(uv_handle_t *handle)
{
    struct http *http = handle->data;
    if (--http->open_handles == 0)
        release(http);
}

/* --- open and close --- */

/* "host:port" with an address as host. */
static int parse_address(const char *text, bool is_insecure, struct sockaddr_storage *address, struct err *err)
{
    char host[ADDRESS_SIZE];
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    bool is_bad = !length || length >= sizeof host || end == colon + 1 || *end || port < 0 || port > 65535;
    snprintf(host, sizeof host, "%.*s", (int)length, text);
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    bool is_loopback = false;
    memset(address, 0, sizeof *address);
    if (!is_bad && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = 0;
        is_bad = inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        is_loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    } else if (!is_bad) {
        is_bad = inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1", &v4->sin_addr) != 1;
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        is_loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (is_bad)
        return err_set(err, ERR_INVALID, "refused monitor address \"%.100s\": expected something like 127.0.0.1:5556", text);
    if (!is_loopback && !is_insecure)
        return err_set(err, ERR_INVALID,
                       "refused monitor address %.100s: it is not this machine's loopback, and --insecure was not given", text);
    return 0;
}

static void note_address(struct http *http, const char *text)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    size_t length = (size_t)(strrchr(text, ':') - text);
    snprintf(http->address, sizeof http->address, "%.*s:%u", (int)length, text, info ? (unsigned)info->port : 0);
}

static int start(struct http *http, const struct sockaddr_storage *address)
{
    const union MHD_DaemonInfo *info;
    unsigned flags = MHD_USE_EPOLL | (address->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR, address,
                                    MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                                    (unsigned)HTTP_CONNECTIONS / 2, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_SECONDS,
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_BYTES, MHD_OPTION_END);
    info = http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    return info ? info->epoll_fd : -1;
}

int http_open(struct http **out, uv_loop_t *loop, const char *address, bool is_insecure, const struct http_page *pages,
              void *context, struct err *err)
{
    struct sockaddr_storage where;
    *out = NULL;
    int r = parse_address(address, is_insecure, &where, err);
    if (r)
        return r;
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        return err_set(err, ERR_NOMEM, "no memory for the monitor");
    http->pages = pages;
    http->context = context;
    if (gethostname(http->host, sizeof http->host - 1))
        http->host[0] = 0;
    errno = 0;
    int fd = start(http, &where);
    if (fd < 0 || uv_poll_init(loop, &http->poll, fd)) {
        r = err_set(err, ERR_IO, "cannot serve the monitor at %s: %s", address, errno ? strerror(errno) : "no epoll");
        release(http);
        return r;
    }
    note_address(http, address);
    uv_timer_init(loop, &http->timer);
    http->poll.data = http->timer.data = http;
    http->open_handles = 2;
    uv_poll_start(&http->poll, UV_READABLE, on_poll);
    *out = http;
    return 0;
}

const char *http_address(const struct http *http)
{
    return http->address;
}

void http_close(struct http **http)
{
    if (!*http)
        return;
    uv_poll_stop(&(*http)->poll);
    uv_close((uv_handle_t *)&(*http)->poll, on_closed);
    uv_close((uv_handle_t *)&(*http)->timer, on_closed);
    *http = NULL;
}
