/* A key pair in a file, and the list of keys that a broker admits.
 *
 * A key file is ZPL as CZMQ and PyZMQ write and read it, with two entries of ours, and mode 0600:
 *
 *     metadata
 *         name = "actor"
 *         role = "actor"
 *     curve
 *         public-key = "<40 characters of Z85>"
 *         secret-key = "<40 characters of Z85>"
 *         server-key = "<40 characters of Z85>"      the broker's public key; not in the broker's own file
 *
 * Z85 contains '#', so only a line that begins with it is a comment. */
#ifndef TESTUDO_WIRE_KEY_FILE_H
#define TESTUDO_WIRE_KEY_FILE_H

#include "base/err.h"
#include "wire/loop_zmq.h"
#include "wire/role.h"

#define KEY_NAME_SIZE 33

struct key_file {
    char name[KEY_NAME_SIZE]; /* letters, digits, '.', '_', '-' */
    enum role role;
    struct loop_zmq_keys keys; /* server_key "" in a broker's file */
};

/* ERR_IO: cannot be read; ERR_DENIED: others than its owner may read it (a secret mounted below /run/secrets is its mounter's business);
 * ERR_FORMAT: something is missing, twice there or not what it should be; ERR_MISMATCH: the public key is not that of the secret one. */
MUST_USE int key_file_read(struct key_file *file, const char *path, struct err *err);
/* Makes the file, mode 0600. ERR_DUPLICATE: one is there, and stays as it is; ERR_IO. */
MUST_USE int key_file_write(const struct key_file *file, const char *path, struct err *err);
/* A new pair. ERR_INVALID: the name is none; ERR_IO: this ZeroMQ has no CURVE. */
MUST_USE int key_file_make(struct key_file *file, const char *name, enum role role, const char *server_key, struct err *err);
bool key_is_z85(const char *text); /* 40 characters that stand for 32 bytes */

#endif
