/* Connections that a broker must turn away, at a steady rate, from three kinds of clients in turn: plain text, a key of another cluster, a key
 * that is not listed.
 *
 *   refused PORT PER_S SECONDS SERVER_KEY     prints how many were opened */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zmq.h>

#define OPEN_MAX 256 /* sockets that are kept open, the oldest closed first */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *knock(void *context, const char *endpoint, const char *server, int kind)
{
    static char public_key[41], secret_key[41], foreign[41], unused[41];
    const int zero = 0, never = -1;
    if (!public_key[0] && (zmq_curve_keypair(public_key, secret_key) || zmq_curve_keypair(foreign, unused)))
        exit(1);
    void *socket = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &never, sizeof never);
    if (kind) {
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, 41);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_key, 41);
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, kind == 1 ? foreign : server, 41);
    }
    zmq_connect(socket, endpoint);
    return socket;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    void *context = zmq_ctx_new(), *sockets[OPEN_MAX] = {NULL};
    char endpoint[64];
    double rate = atof(argv[2]), start = seconds(), end = start + atof(argv[3]);
    long opened = 0;
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", atoi(argv[1]));
    for (double now = start; now < end; now = seconds()) {
        for (; (double)opened < (now - start) * rate; opened++) {
            void **slot = &sockets[opened % OPEN_MAX];
            if (*slot)
                zmq_close(*slot);
            *slot = knock(context, endpoint, argv[4], (int)(opened % 3));
        }
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    for (int i = 0; i < OPEN_MAX; i++)
        if (sockets[i])
            zmq_close(sockets[i]);
    zmq_ctx_term(context);
    printf("%ld\n", opened);
    return 0;
}
