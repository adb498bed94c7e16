#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    int fd;
    enum log_level level;
    char role[64];
} sink = {.fd = STDERR_FILENO, .level = LOG_NOTICE, .role = "testudo"};

int log_open(const char *role, enum log_level level, const char *path, struct err *err)
{
    int fd = STDERR_FILENO;
    if (path) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
            return err_set(err, ERR_IO, "cannot open log \"%s\": %s", path, strerror(errno));
    }
    sink.fd = fd;
    sink.level = level;
    snprintf(sink.role, sizeof sink.role, "%s", role);
    return 0;
}

void log_close(void)
{
    if (sink.fd != STDERR_FILENO)
        close(sink.fd);
    sink.fd = STDERR_FILENO;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level > sink.level)
        return;
    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    char line[1024];
    int used = snprintf(line, sizeof line, "%02d:%02d:%02d.%03ld %c %s ", local.tm_hour, local.tm_min, local.tm_sec,
                        now.tv_nsec / 1000000, "EWND"[level], sink.role);
    va_list args;
    va_start(args, format);
    int text = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, args);
    va_end(args);
    size_t length = (size_t)used + (size_t)(text > 0 ? text : 0);
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    ssize_t written = write(sink.fd, line, length); /* a full disk must not stop the program: the line is lost */
    (void)written;
}
