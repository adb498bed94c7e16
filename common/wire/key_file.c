#include "wire/key_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define FILE_BYTES_MAX 8192
#define SECRETS_FOLDER "/run/secrets/"

bool key_is_z85(const char *text)
{
    unsigned char bytes[32];
    return strlen(text) == LOOP_ZMQ_KEY_SIZE - 1 && zmq_z85_decode(bytes, text);
}

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strlen(name);
    return length > 0 && length < KEY_NAME_SIZE && name[0] != '.' && strspn(name, allowed) == length;
}

/* --- reading --- */

struct entry { /* what a file must say, and where it goes */
    const char *key;
    char *out;
    size_t size;
    bool is_there;
};

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        text[--length] = 0;
    return text;
}

/* `key = "value"`, split in place; NULL for a line without '='. */
static char *split(char *line, char **value)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return NULL;
    *equals = 0;
    *value = trim(equals + 1);
    size_t length = strlen(*value);
    if (length >= 2 && (*value)[0] == '"' && (*value)[length - 1] == '"') {
        (*value)[length - 1] = 0;
        (*value)++;
    }
    return trim(line);
}

static int read_line(struct entry *entries, int n, char *line, const char *path, int number, struct err *err)
{
    char *value, *key = split(line, &value);
    for (int i = 0; key && i < n; i++) {
        struct entry *entry = &entries[i];
        if (strcmp(entry->key, key))
            continue;
        if (entry->is_there)
            return err_set(err, ERR_FORMAT, "%s:%d: %s for the second time", path, number, key);
        if (strlen(value) >= entry->size)
            return err_set(err, ERR_FORMAT, "%s:%d: %s has %zu characters, allowed are %zu", path, number, key, strlen(value),
                           entry->size - 1);
        memcpy(entry->out, value, strlen(value) + 1);
        entry->is_there = true;
    }
    return 0; /* sections and what other programs note stay unread */
}

/* Sentences that must hold once everything is read. */
static int check(struct key_file *file, const char *role, const char *path, struct err *err)
{
    char public_key[LOOP_ZMQ_KEY_SIZE];
    const struct {
        const char *key, *value;
    } keys[] = {
        {"public-key", file->keys.public_key}, {"secret-key", file->keys.secret_key}, {"server-key", file->keys.server_key}};
    if (!is_name(file->name))
        return err_set(err, ERR_FORMAT, "%s: name is \"%s\", expected 1 to %d letters, digits, '.', '_' or '-'", path, file->name,
                       KEY_NAME_SIZE - 1);
    if (role_parse(role, &file->role))
        return err_set(err, ERR_FORMAT, "%s: role is \"%s\", expected broker, learner, actor or observer", path, role);
    for (size_t i = 0; i < ARRAY_LEN(keys) - (file->role == ROLE_BROKER); i++)
        if (!key_is_z85(keys[i].value))
            return err_set(err, ERR_FORMAT, "%s: %s is %s, expected 40 characters of Z85", path, keys[i].key,
                           keys[i].value[0] ? "none" : "missing");
    if (zmq_curve_public(public_key, file->keys.secret_key))
        return err_set(err, ERR_IO, "cannot use keys: this ZeroMQ has no CURVE");
    if (strcmp(public_key, file->keys.public_key) != 0)
        return err_set(err, ERR_MISMATCH, "%s: the public key is not that of the secret key", path);
    return 0;
}

static int parse(struct key_file *file, char *text, const char *path, struct err *err)
{
    char role[KEY_NAME_SIZE] = "";
    struct entry entries[] = {{"name", file->name, sizeof file->name, false},
                              {"role", role, sizeof role, false},
                              {"public-key", file->keys.public_key, LOOP_ZMQ_KEY_SIZE, false},
                              {"secret-key", file->keys.secret_key, LOOP_ZMQ_KEY_SIZE, false},
                              {"server-key", file->keys.server_key, LOOP_ZMQ_KEY_SIZE, false}};
    char *save = text;
    for (int number = 1; save; number++) {
        char *line = trim(strsep(&save, "\n"));
        int r = line[0] == '#' ? 0 : read_line(entries, ARRAY_LEN(entries), line, path, number, err);
        if (r)
            return r;
    }
    return check(file, role, path, err);
}

int key_file_read(struct key_file *file, const char *path, struct err *err)
{
    struct stat status;
    unsigned char *text;
    size_t length;
    *file = (struct key_file){.name = ""};
    if (stat(path, &status))
        return err_set(err, ERR_IO, "cannot read key \"%s\": %s", path, strerror(errno));
    if (status.st_mode & (S_IRWXG | S_IRWXO) && strncmp(path, SECRETS_FOLDER, strlen(SECRETS_FOLDER)) != 0)
        return err_set(err, ERR_DENIED, "refused key \"%s\": its mode is %04o, so others can read it; chmod 600 it", path,
                       (unsigned)status.st_mode & 07777);
    int r = file_read(path, FILE_BYTES_MAX, &text, &length, err);
    if (r)
        return r;
    r = strlen((char *)text) == length ? parse(file, (char *)text, path, err)
                                       : err_set(err, ERR_FORMAT, "%s: not a text file", path);
    explicit_bzero(text, length);
    free(text);
    return r;
}

/* --- writing --- */

static int write_text(int fd, const struct key_file *file)
{
    char text[1024];
    int length =
        snprintf(text, sizeof text,
                 "# A key of testudo, role %s. Whoever has this file has the key: mode 0600, and send it over safe ways only.\n"
                 "metadata\n    name = \"%s\"\n    role = \"%s\"\n"
                 "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
                 role_name(file->role), file->name, role_name(file->role), file->keys.public_key, file->keys.secret_key);
    if (file->keys.server_key[0])
        length += snprintf(text + length, sizeof text - (size_t)length, "    server-key = \"%s\"\n", file->keys.server_key);
    bool is_written = write(fd, text, (size_t)length) == length && !fsync(fd);
    explicit_bzero(text, sizeof text);
    return is_written ? 0 : ERR_IO;
}

int key_file_write(const struct key_file *file, const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? err_set(err, ERR_DUPLICATE, "\"%s\" is there already, and a key is never overwritten", path)
                               : err_set(err, ERR_IO, "cannot make key \"%s\": %s", path, strerror(errno));
    int r = write_text(fd, file);
    close(fd);
    if (r) {
        unlink(path);
        return err_set(err, r, "cannot write key \"%s\": %s", path, strerror(errno));
    }
    return 0;
}

int key_file_make(struct key_file *file, const char *name, enum role role, const char *server_key, struct err *err)
{
    *file = (struct key_file){.role = role};
    if (!is_name(name))
        return err_set(err, ERR_INVALID, "refused name \"%s\" of a key: expected 1 to %d letters, digits, '.', '_' or '-'", name,
                       KEY_NAME_SIZE - 1);
    memcpy(file->name, name, strlen(name) + 1);
    if (server_key)
        memcpy(file->keys.server_key, server_key, LOOP_ZMQ_KEY_SIZE);
    if (zmq_curve_keypair(file->keys.public_key, file->keys.secret_key))
        return err_set(err, ERR_IO, "cannot make keys: this ZeroMQ has no CURVE");
    return 0;
}
