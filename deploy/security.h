/* Which keys a process uses, and where it connects to. The rules are the same for both sides of a connection:
 *
 *   ipc                        never keys: whoever may open the socket's file is on this machine
 *   tcp, --insecure            plain text
 *   tcp, --key FILE            these
 *   tcp, TESTUDO_KEYS is set   ROLE.key in that folder
 *   tcp to this machine        plain text
 *   tcp beyond it              ROLE.key in ~/.testudo/keys; without one nothing starts */
#ifndef TESTUDO_DEPLOY_SECURITY_H
#define TESTUDO_DEPLOY_SECURITY_H

#include <limits.h>
#include <stdbool.h>

#include "deploy/verb.h"
#include "wire/key_file.h"

#define SECURITY_PORT 5555
#define ENDPOINT_SIZE 256

#define OPTION_KEY(value)                                                                                                       \
    {                                                                                                                           \
        "key", OPTION_TEXT, value, 0, 0, "FILE", "key to show (testudo keygen); default beyond this machine: ~/.testudo/keys/", \
            "actor.key"                                                                                                         \
    }

/* What a client needs to connect. */
struct security_client {
    char endpoint[ENDPOINT_SIZE]; /* resolved: "host" and "host:port" are tcp */
    bool has_keys;
    struct key_file key;
    char path[PATH_MAX]; /* of the key, "" without */
};
/* ERR_INVALID: no endpoint, or keys are needed and there are none; what key_file_read says. `key` may be NULL. */
MUST_USE int security_client(struct security_client *client, const char *connect, const char *key, bool is_insecure, enum role role,
                             struct err *err);
/* The keys, or NULL. */
const struct loop_zmq_keys *security_keys(const struct security_client *client);

/* A broker's keys and its list. */
struct security_broker {
    bool has_keys, everywhere;
    struct key_file key;
    char path[PATH_MAX], allowed[PATH_MAX];
};
/* listen: endpoints, ended by NULL. `key`, `allowed` may be NULL; the list is "allowed" beside the key unless it is named. */
MUST_USE int security_broker(struct security_broker *broker, const char *const *listen, const char *key, const char *allowed,
                             bool is_insecure, struct err *err);

/* TESTUDO_KEYS, else ~/.testudo/keys, else "keys". */
MUST_USE int security_folder(char out[PATH_MAX], struct err *err);

#endif
