/* Read-only pages over HTTP in a libuv loop, on the packaged libmicrohttpd: it parses, we hand out bodies.
 *
 * Only GET and HEAD. Ceilings: HTTP_CONNECTIONS at once, half of them from one address, HTTP_BYTES of memory each for a request (a
 * longer one is answered by 414 or 431), HTTP_SECONDS of silence. A page is made anew at most every HTTP_FRESH_MS, so that a flood of
 * questions costs no more than a few a second. A request whose Host names a domain is refused: a page of somebody else's whose name was
 * pointed at this machine must not read it. */
#ifndef TESTUDO_BROKER_HTTP_H
#define TESTUDO_BROKER_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include "base/err.h"

#define HTTP_CONNECTIONS 64
#define HTTP_BYTES 16384
#define HTTP_SECONDS 10
#define HTTP_FRESH_MS 200
#define HTTP_BODY_MAX (2u << 20)

struct http_page {
    const char *path, *type;
    /* Writes the body; its length, or a negative code (answered by 503). *status is 200 and may be changed. */
    int (*write)(void *context, char *body, size_t size, int *status);
};

struct http;
/* Serves the pages (borrowed, the last one's path is NULL) at "127.0.0.1:5556" or "[::1]:5556"; port 0: any. ERR_INVALID: the address is malformed,
 * or beyond this machine and is_insecure was not said; ERR_IO: it cannot be had. */
MUST_USE int http_open(struct http **http, uv_loop_t *loop, const char *address, bool is_insecure, const struct http_page *pages,
                       void *context, struct err *err);
const char *http_address(const struct http *http); /* with the port that it got; borrowed */
void http_close(struct http **http);               /* the loop must run on until its handles are closed */

#endif
