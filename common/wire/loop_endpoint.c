/* Endpoints: see loop_endpoint.h. Whatever is not surely this machine counts as outside: a wildcard, an interface name, a host name
 * that starts like a loopback address, ZeroMQ's "source;destination" form. */
#include "wire/loop_endpoint.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define HOST_MAX 256

static bool is_port(const char *text, bool is_bind)
{
    size_t digits = strspn(text, "0123456789");
    if (is_bind && strcmp(text, "*") == 0)
        return true;
    return digits > 0 && digits <= 5 && text[digits] == 0 && atoi(text) >= 1 && atoi(text) <= 65535;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    size_t length = strlen(host);
    char inside[HOST_MAX];
    if (host[0] != '[' || host[length - 1] != ']')
        return false;
    memcpy(inside, host + 1, length - 2);
    inside[length - 2] = 0;
    return inet_pton(AF_INET6, inside, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int check_tcp(const char *endpoint, const char *address, bool is_bind, bool may_leave, struct err *err)
{
    char host[HOST_MAX];
    const char *colon = strrchr(address, ':');
    size_t length = colon ? (size_t)(colon - address) : 0;
    if (length == 0 || length >= sizeof host || !is_port(colon + 1, is_bind))
        return err_set(err, ERR_INVALID, "refused endpoint %s: expected tcp://host:port", endpoint);
    memcpy(host, address, length);
    host[length] = 0;
    if (!may_leave && !is_loopback(host))
        return err_set(err, ERR_INVALID,
                       "refused endpoint %s: %s is not this machine's loopback, and neither keys nor --insecure were given",
                       endpoint, host);
    return 0;
}

int loop_endpoint_check(const char *endpoint, bool is_bind, bool may_leave, struct err *err)
{
    size_t path_max = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    if (strncmp(endpoint, "tcp://", 6) == 0)
        return check_tcp(endpoint, endpoint + 6, is_bind, may_leave, err);
    if (strncmp(endpoint, "ipc://", 6) != 0)
        return err_set(err, ERR_INVALID, "refused endpoint %s: expected tcp://host:port or ipc://path", endpoint);
    if (endpoint[6] == 0 || strlen(endpoint + 6) > path_max)
        return err_set(err, ERR_INVALID, "refused endpoint %s: path has %zu bytes, allowed 1 to %zu", endpoint,
                       strlen(endpoint + 6), path_max);
    return 0;
}
