#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, unsigned char *data, size_t length)
{
    errno = 0; /* of the caller: a file that became shorter sets none */
    for (size_t done = 0; done < length;) {
        ssize_t got = read(fd, data + done, length - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ERR_IO;
        done += (size_t)got;
    }
    return 0;
}

static int write_all(int fd, const unsigned char *data, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t put = write(fd, data + done, length - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return ERR_IO;
        done += (size_t)put;
    }
    return 0;
}

static int read_file(const char *path, size_t limit, bool may_be_longer, unsigned char **data, size_t *length, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hold us up */
    if (fd < 0)
        return err_set(err, ERR_IO, "cannot open \"%s\": %s", path, strerror(errno));
    struct stat info;
    int result = 0;
    unsigned char *buffer = NULL;
    bool is_file = !fstat(fd, &info) && S_ISREG(info.st_mode);
    size_t size = is_file ? (size_t)info.st_size : 0, wanted = size > limit && may_be_longer ? limit : size;
    if (!is_file)
        result = err_set(err, ERR_IO, "cannot read \"%s\": not a regular file", path);
    else if (wanted > limit)
        result = err_set(err, ERR_LIMIT, "cannot read \"%s\": %zu bytes, at most %zu allowed", path, size, limit);
    else if (!(buffer = malloc(wanted + 1)))
        result = err_set(err, ERR_NOMEM, "cannot read \"%s\": out of memory", path);
    else if (read_all(fd, buffer, wanted))
        result = err_set(err, ERR_IO, "cannot read \"%s\": %s", path, errno ? strerror(errno) : "it became shorter");
    close(fd);
    if (result) {
        free(buffer);
        return result;
    }
    buffer[wanted] = 0;
    *data = buffer;
    *length = wanted;
    return 0;
}

int file_read(const char *path, size_t limit, unsigned char **data, size_t *length, struct err *err)
{
    return read_file(path, limit, false, data, length, err);
}

int file_read_first(const char *path, size_t limit, unsigned char **data, size_t *length, struct err *err)
{
    return read_file(path, limit, true, data, length, err);
}

static void sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = open(folder[0] ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

int file_write(const char *path, const void *data, size_t length, struct err *err)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.tmp%ld", path, (long)getpid()) >= (int)sizeof temporary)
        return err_set(err, ERR_LIMIT, "cannot write \"%s\": path too long", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set(err, ERR_IO, "cannot create \"%s\": %s", temporary, strerror(errno));
    int failed = write_all(fd, data, length) || fsync(fd);
    int reason = errno;
    if (close(fd) && !failed) {
        failed = 1;
        reason = errno;
    }
    if (!failed && rename(temporary, path)) {
        failed = 1;
        reason = errno;
    }
    if (failed) {
        unlink(temporary);
        return err_set(err, ERR_IO, "cannot write \"%s\": %s", path, strerror(reason));
    }
    sync_folder_of(path);
    return 0;
}

int file_make_folder(const char *path, struct err *err)
{
    char partial[PATH_MAX];
    if (snprintf(partial, sizeof partial, "%s", path) >= (int)sizeof partial)
        return err_set(err, ERR_LIMIT, "cannot create folder \"%s\": path too long", path);
    for (char *p = partial + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char kept = *p;
        *p = 0;
        if (mkdir(partial, 0755) && errno != EEXIST)
            return err_set(err, ERR_IO, "cannot create folder \"%s\": %s", partial, strerror(errno));
        *p = kept;
        if (!kept)
            return 0;
    }
}

int file_join(char *out, size_t size, const char *folder, const char *name)
{
    int n = snprintf(out, size, "%s/%s", folder, name);
    return n < 0 || (size_t)n >= size ? ERR_LIMIT : 0;
}
