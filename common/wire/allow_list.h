/* The keys that a broker admits, as lines of a text file that may change while it runs:
 *
 *     # role     name      public key                                 numbers of its actors
 *     learner    learner   <40 characters of Z85>
 *     actor      gpu7      <40 characters of Z85>                     100-199
 *
 * The last column is optional and for actors only: the numbers (`actor --id`) that this key may use; without it any. A line that begins
 * with '#' is a comment. A key or a name that stands there twice is refused. */
#ifndef TESTUDO_WIRE_ALLOW_LIST_H
#define TESTUDO_WIRE_ALLOW_LIST_H

#include "wire/key_file.h"

#define ALLOW_LIST_MAX 4096

struct allowed {
    char key[LOOP_ZMQ_KEY_SIZE];
    char name[KEY_NAME_SIZE];
    enum role role;
    uint32_t first_actor, last_actor;
};

struct allow_list {
    int count;
    struct allowed *entries; /* by key */
};

/* Reads a file into *list, whose old content is released. On error (ERR_IO, ERR_FORMAT with file:line, ERR_DUPLICATE, ERR_LIMIT)
 * the list stays as it was. */
MUST_USE int allow_list_read(struct allow_list *list, const char *path, struct err *err);
void allow_list_free(struct allow_list *list); /* safe on a zeroed one */
/* Borrowed until the next read; NULL when the key is not listed. */
const struct allowed *allow_list_find(const struct allow_list *list, const char *key);
/* Adds a line at the end of the file, which is made when there is none. */
MUST_USE int allow_list_append(const char *path, const struct key_file *file, struct err *err);

#endif
