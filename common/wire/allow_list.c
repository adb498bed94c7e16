#include "wire/allow_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define FILE_BYTES_MAX (1u << 20)
#define COLUMNS 4

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct allowed *)a)->key, ((const struct allowed *)b)->key);
}

void allow_list_free(struct allow_list *list)
{
    free(list->entries);
    *list = (struct allow_list){0};
}

const struct allowed *allow_list_find(const struct allow_list *list, const char *key)
{
    struct allowed wanted;
    if (strlen(key) >= sizeof wanted.key || !list->count)
        return NULL;
    memcpy(wanted.key, key, strlen(key) + 1);
    return bsearch(&wanted, list->entries, (size_t)list->count, sizeof wanted, compare);
}

static bool read_range(const char *text, struct allowed *entry)
{
    unsigned first, last;
    int used = 0;
    if (sscanf(text, "%9u-%9u%n", &first, &last, &used) == 2 && !text[used]) {
        entry->first_actor = first;
        entry->last_actor = last;
    } else if (sscanf(text, "%9u%n", &first, &used) == 1 && !text[used])
        entry->first_actor = entry->last_actor = first;
    else
        return false;
    return entry->first_actor <= entry->last_actor;
}

static int read_entry(char *line, struct allowed *entry, const char *path, int number, struct err *err)
{
    char *words[COLUMNS + 1] = {NULL}, *save = NULL;
    int n = 0;
    for (char *word = strtok_r(line, " \t\r", &save); word && n <= COLUMNS; word = strtok_r(NULL, " \t\r", &save))
        words[n++] = word;
    *entry = (struct allowed){.last_actor = UINT32_MAX};
    if (n < 3 || n > COLUMNS)
        return err_set(err, ERR_FORMAT, "%s:%d: %d words, expected: role, name, key, and for actors perhaps their numbers", path,
                       number, n);
    if (role_parse(words[0], &entry->role) || entry->role >= ROLE_CLIENTS)
        return err_set(err, ERR_FORMAT, "%s:%d: role is \"%s\", expected learner, actor or observer", path, number, words[0]);
    if (strlen(words[1]) >= sizeof entry->name)
        return err_set(err, ERR_FORMAT, "%s:%d: name has %zu characters, allowed are %zu", path, number, strlen(words[1]),
                       sizeof entry->name - 1);
    if (!key_is_z85(words[2]))
        return err_set(err, ERR_FORMAT, "%s:%d: the key of %s is not 40 characters of Z85", path, number, words[1]);
    if (words[3] && (entry->role != ROLE_ACTOR || !read_range(words[3], entry)))
        return err_set(err, ERR_FORMAT, "%s:%d: \"%s\" at the end, expected numbers of actors like 100-199", path, number,
                       words[3]);
    memcpy(entry->name, words[1], strlen(words[1]) + 1);
    memcpy(entry->key, words[2], LOOP_ZMQ_KEY_SIZE);
    return 0;
}

/* All lines into entries[ALLOW_LIST_MAX]. */
static int parse(char *text, const char *path, struct allowed *entries, int *count, struct err *err)
{
    char *save = text;
    for (int number = 1; save; number++) {
        char *line = strsep(&save, "\n");
        line += strspn(line, " \t\r");
        if (!*line || *line == '#')
            continue;
        if (*count == ALLOW_LIST_MAX)
            return err_set(err, ERR_LIMIT, "%s:%d: more than %d keys", path, number, ALLOW_LIST_MAX);
        struct allowed *entry = &entries[*count];
        int r = read_entry(line, entry, path, number, err);
        if (r)
            return r;
        for (int i = 0; i < *count; i++)
            if (!strcmp(entries[i].key, entry->key) || !strcmp(entries[i].name, entry->name))
                return err_set(err, ERR_DUPLICATE, "%s:%d: %s, or its key, for the second time", path, number, entry->name);
        (*count)++;
    }
    return 0;
}

int allow_list_read(struct allow_list *list, const char *path, struct err *err)
{
    unsigned char *text;
    size_t length;
    int count = 0, r = file_read(path, FILE_BYTES_MAX, &text, &length, err);
    if (r)
        return r;
    struct allowed *entries = calloc(ALLOW_LIST_MAX, sizeof *entries);
    r = !entries                         ? err_set(err, ERR_NOMEM, "no memory for the list of keys")
        : strlen((char *)text) != length ? err_set(err, ERR_FORMAT, "%s: not a text file", path)
                                         : parse((char *)text, path, entries, &count, err);
    free(text);
    if (r) {
        free(entries);
        return r;
    }
    qsort(entries, (size_t)count, sizeof *entries, compare);
    allow_list_free(list);
    *list = (struct allow_list){count, entries};
    return 0;
}

int allow_list_append(const char *path, const struct key_file *file, struct err *err)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%-9s %-15s %s\n", role_name(file->role), file->name, file->keys.public_key);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, line, (size_t)length) == length && !fsync(fd);
    if (!is_written)
        err_set(err, ERR_IO, "cannot write list of keys \"%s\": %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return is_written ? 0 : ERR_IO;
}
