/* A narrow link: passes every connection on to another port at so many bytes a second each way.
 *
 *   relay PORT_FILE TARGET_PORT BYTES_PER_S     listens on a free port of 127.0.0.1 and writes its number into PORT_FILE */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16
#define TICK_MS 5
#define PIECE_MAX 65536

struct link { /* both ways of one connection: fd[0] came to us, fd[1] we opened */
    int fd[2];
    double allowance[2]; /* bytes that may pass now, from fd[i] */
};

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)port);
    return address;
}

static int listen_and_tell(const char *path)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), little = 16384;
    char temporary[4096];
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little); /* what waits in the kernel is no narrow link */
    snprintf(temporary, sizeof temporary, "%s.new", path);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 16) || getsockname(fd, (struct sockaddr *)&address, &size))
        return -1;
    FILE *file = fopen(temporary, "w");
    if (!file || fprintf(file, "%d\n", ntohs(address.sin_port)) < 0 || fclose(file) || rename(temporary, path))
        return -1;
    return fd;
}

static int open_link(struct link *link, int listener, int target)
{
    struct sockaddr_in address = loopback(target);
    *link = (struct link){.fd = {accept(listener, NULL, NULL), socket(AF_INET, SOCK_STREAM, 0)}};
    if (link->fd[0] >= 0 && !connect(link->fd[1], (struct sockaddr *)&address, sizeof address))
        return 0;
    close(link->fd[0]);
    close(link->fd[1]);
    return -1;
}

/* Passes on what is there and allowed. 0, or -1 when the connection is over. */
static int pass(struct link *link, int from)
{
    char piece[PIECE_MAX];
    size_t most = link->allowance[from] < PIECE_MAX ? (size_t)link->allowance[from] : PIECE_MAX;
    ssize_t got = most ? recv(link->fd[from], piece, most, MSG_DONTWAIT) : -1;
    if (got == 0)
        return -1;
    for (ssize_t sent = 0; got > 0 && sent < got;) {
        ssize_t n = send(link->fd[1 - from], piece + sent, (size_t)(got - sent), MSG_NOSIGNAL);
        if (n < 0)
            return -1;
        sent += n;
    }
    link->allowance[from] -= got > 0 ? (double)got : 0;
    return 0;
}

int main(int argc, char **argv)
{
    struct link links[CONNECTIONS_MAX];
    int n = 0, listener = argc == 4 ? listen_and_tell(argv[1]) : -1;
    if (listener < 0)
        return 2;
    double share = atof(argv[3]) * TICK_MS / 1000;
    for (;;) {
        struct pollfd waiting = {.fd = listener, .events = POLLIN};
        if (poll(&waiting, 1, TICK_MS) > 0 && n < CONNECTIONS_MAX && !open_link(&links[n], listener, atoi(argv[2])))
            n++;
        for (int i = n - 1; i >= 0; i--) {
            int is_over = 0;
            for (int from = 0; from < 2; from++) {
                links[i].allowance[from] += share;
                if (links[i].allowance[from] > 4 * share + 1)
                    links[i].allowance[from] = 4 * share + 1;
                is_over |= pass(&links[i], from);
            }
            if (is_over) {
                close(links[i].fd[0]);
                close(links[i].fd[1]);
                links[i] = links[--n];
            }
        }
    }
}
