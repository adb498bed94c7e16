/* Somebody on the wire who repeats what was said: passes one connection on to another port of this machine, and
 *
 *   replay PORT_FILE TARGET_PORT twice     sends what the client says 0.5 s after its first word and later a second time, at once
 *   replay PORT_FILE TARGET_PORT again     after the connection's end opens one of its own, says all of it again, and waits to be cut off */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECORD_MAX (1 << 20)
#define PIECE_MAX 65536

static char record[RECORD_MAX];
static size_t recorded;

static int target(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((unsigned short)port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&address, sizeof address) ? -1 : fd;
}

static int listen_and_tell(const char *path)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char temporary[4096];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 16) || getsockname(fd, (struct sockaddr *)&address, &size))
        return -1;
    FILE *file = fopen(temporary, "w");
    return !file || fprintf(file, "%d\n", ntohs(address.sin_port)) < 0 || fclose(file) || rename(temporary, path) ? -1 : fd;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Until either side is gone. */
static void pass(int client, int server, int is_twice)
{
    struct pollfd both[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    double start = seconds();
    char piece[PIECE_MAX];
    while (poll(both, 2, -1) >= 0) {
        for (int i = 0; i < 2; i++) {
            if (!both[i].revents)
                continue;
            ssize_t n = read(both[i].fd, piece, sizeof piece);
            if (n <= 0 || write(both[!i].fd, piece, (size_t)n) != n)
                return;
            if (i == 0 && recorded + (size_t)n <= sizeof record) {
                memcpy(record + recorded, piece, (size_t)n);
                recorded += (size_t)n;
            }
            if (i == 0 && is_twice && seconds() - start > 0.5 && write(server, piece, (size_t)n) != n)
                return;
        }
    }
}

int main(int argc, char **argv)
{
    int listener = argc == 4 ? listen_and_tell(argv[1]) : -1, client = listener < 0 ? -1 : accept(listener, NULL, NULL);
    int server = client < 0 ? -1 : target(atoi(argv[2]));
    char answer[PIECE_MAX];
    if (server < 0)
        return 1;
    int is_twice = !strcmp(argv[3], "twice");
    pass(client, server, is_twice);
    close(client);
    close(server);
    if (is_twice)
        return 0;
    if ((server = target(atoi(argv[2]))) < 0 || write(server, record, recorded) != (ssize_t)recorded)
        return 1;
    while (read(server, answer, sizeof answer) > 0) {
    }
    return 0;
}
