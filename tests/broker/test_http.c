/* The monitor's server on a real socket: what is served, what is refused, and that a flood or a silent crowd finds a bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "broker/http.h"

#define DEADLINE_S 20

static uv_loop_t loop;
static struct http *http;
static int made; /* how often the page was written */

static int write_page(void *context, char *body, size_t size, int *status)
{
    (void)context, (void)status;
    made++;
    return snprintf(body, size, "page %d", made);
}

static int write_busy(void *context, char *body, size_t size, int *status)
{
    (void)context;
    *status = 503;
    return snprintf(body, size, "busy");
}

static int write_nothing(void *context, char *body, size_t size, int *status)
{
    (void)context, (void)body, (void)size, (void)status;
    return ERR_LIMIT;
}

static const struct http_page pages[] = {
    {"/page", "text/plain", write_page}, {"/busy", "text/plain", write_busy}, {"/nothing", "text/plain", write_nothing}, {0}};

static int set_up(void **state)
{
    (void)state;
    made = 0;
    uv_loop_init(&loop);
    return http_open(&http, &loop, "127.0.0.1:0", false, pages, NULL, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    http_close(&http);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static int client(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(http_address(http), ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0); /* the kernel's backlog takes it */
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Sends the request, runs the loop until the server closes; the answer, or what there is of it at the deadline. */
static const char *ask(const char *request, size_t length)
{
    static char answer[65536];
    size_t used = 0, sent = 0;
    int fd = client();
    monotonic_us start = clock_us();
    for (;;) {
        assert_true(clock_seconds_since(start) < DEADLINE_S);
        uv_run(&loop, UV_RUN_NOWAIT);
        if (sent < length) {
            ssize_t n = send(fd, request + sent, length - sent, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        }
        ssize_t n = recv(fd, answer + used, sizeof answer - 1 - used, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        used += n > 0 ? (size_t)n : 0;
    }
    answer[used] = 0;
    close(fd);
    return answer;
}

static int status_of(const char *request)
{
    int status = 0;
    sscanf(ask(request, strlen(request)), "HTTP/1.%*c %d", &status);
    return status;
}

static void test_http_serves_pages_and_refuses_the_rest(void **state)
{
    (void)state;
    const char *answer = ask("GET /page HTTP/1.0\r\n\r\n", 22);
    assert_non_null(strstr(answer, " 200 "));
    assert_non_null(strstr(answer, "\r\n\r\npage 1"));
    assert_non_null(strstr(answer, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'none'"));
    assert_null(strstr(answer, "Access-Control-Allow"));
    answer = ask("HEAD /page HTTP/1.0\r\n\r\n", 23);
    assert_non_null(strstr(answer, " 200 "));
    assert_null(strstr(answer, "page 1"));
    assert_int_equal(status_of("GET /busy HTTP/1.0\r\n\r\n"), 503);
    assert_int_equal(status_of("GET /nothing HTTP/1.0\r\n\r\n"), 503);
    assert_int_equal(status_of("GET /else HTTP/1.0\r\n\r\n"), 404);
    assert_int_equal(status_of("GET /../etc/passwd HTTP/1.0\r\n\r\n"), 404);
    assert_int_equal(status_of("POST /page HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"), 405);
    assert_int_equal(status_of("DELETE /page HTTP/1.0\r\n\r\n"), 405);
}

static void test_http_serves_only_hosts_that_no_stranger_can_name(void **state)
{
    (void)state;
    static const char *const ours[] = {"127.0.0.1:5556", "localhost:1", "broker:5556", "[::1]:5556"};
    static const char *const foreign[] = {"evil.example", "127.0.0.1.evil.example:5556", "a.b"};
    char request[128];
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        snprintf(request, sizeof request, "GET /page HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", ours[i]);
        assert_int_equal(status_of(request), 200);
    }
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        snprintf(request, sizeof request, "GET /page HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", foreign[i]);
        assert_int_equal(status_of(request), 403);
    }
}

static void test_http_pages_are_not_made_for_every_question(void **state)
{
    (void)state;
    monotonic_us start = clock_us();
    for (int i = 0; i < 50; i++)
        assert_int_equal(status_of("GET /page HTTP/1.0\r\n\r\n"), 200);
    assert_true(made <= 2 + (clock_us() - start) / (HTTP_FRESH_MS * 1000));
}

static void test_http_refuses_long_and_broken_requests(void **state)
{
    (void)state;
    size_t size = 4 * HTTP_BYTES;
    char *request = malloc(size + 64);
    memset(request, 'a', size);
    memcpy(request, "GET /", 5);
    memcpy(request + size, " HTTP/1.0\r\n\r\n", 14);
    int status = 0;
    sscanf(ask(request, size + 13), "HTTP/1.%*c %d", &status);
    assert_true(status == 414 || status == 431 || status == 0); /* 0: cut off while we were still sending */
    memcpy(request, "GET /page HTTP/1.0\r\nX: ", 23);
    sscanf(ask(request, size + 13), "HTTP/1.%*c %d", &status);
    assert_true(status == 414 || status == 431 || status == 0);
    for (size_t i = 0; i < 4096; i++)
        request[i] = (char)(i * 37 + 11);
    request[4096] = '\n';
    (void)ask(request, 4097);
    free(request);
    assert_int_equal(status_of("GET /page HTTP/1.0\r\n\r\n"), 200);
}

/* Connections that say nothing take places, and only so many: further ones wait or are turned away, and once the silent ones are gone we
 * are served again. */
static void test_http_bounds_its_connections(void **state)
{
    (void)state;
    int fds[HTTP_CONNECTIONS + 20], open = 0;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = client();
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        char byte;
        open += recv(fds[i], &byte, 1, 0) < 0 && errno == EAGAIN;
        close(fds[i]);
    }
    assert_true(open <= HTTP_CONNECTIONS / 2); /* all from one address */
    monotonic_us start = clock_us();
    while (status_of("GET /page HTTP/1.0\r\n\r\n") != 200)
        assert_true(clock_seconds_since(start) < DEADLINE_S); /* turned away until the server has seen them go */
}

static void test_http_address_is_loopback_or_said_out_loud(void **state)
{
    (void)state;
    struct http *other = NULL;
    struct err err;
    static const char *const bad[] = {"",         "5556",  "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
                                      "nobody:1", "[::1:1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(http_open(&other, &loop, bad[i], true, pages, NULL, &err), ERR_INVALID);
    assert_int_equal(http_open(&other, &loop, "0.0.0.0:0", false, pages, NULL, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "--insecure"));
    assert_int_equal(http_open(&other, &loop, "0.0.0.0:0", true, pages, NULL, &err), 0);
    http_close(&other);
    assert_int_equal(http_open(&other, &loop, http_address(http), false, pages, NULL, &err), ERR_IO); /* taken */
    assert_null(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_http_serves_pages_and_refuses_the_rest),
        TEST(test_http_serves_only_hosts_that_no_stranger_can_name),
        TEST(test_http_pages_are_not_made_for_every_question),
        TEST(test_http_refuses_long_and_broken_requests),
        TEST(test_http_bounds_its_connections),
        TEST(test_http_address_is_loopback_or_said_out_loud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
