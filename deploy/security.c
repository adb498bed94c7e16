#include "deploy/security.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "wire/loop_endpoint.h"

int security_folder(char out[PATH_MAX], struct err *err)
{
    const char *folder = getenv("TESTUDO_KEYS"), *home = getenv("HOME");
    int length = folder && *folder ? snprintf(out, PATH_MAX, "%s", folder)
                 : home && *home   ? snprintf(out, PATH_MAX, "%s/.testudo/keys", home)
                                   : snprintf(out, PATH_MAX, "keys");
    return length < PATH_MAX ? 0 : err_set(err, ERR_LIMIT, "path of the folder of keys is too long");
}

static bool is_set(void)
{
    const char *folder = getenv("TESTUDO_KEYS");
    return folder && *folder;
}

static bool is_tcp(const char *endpoint)
{
    return strncmp(endpoint, "ipc://", 6) != 0;
}

static bool is_local(const char *endpoint, bool is_bind)
{
    return !loop_endpoint_check(endpoint, is_bind, false, NULL);
}

/* "host", "host:port" and "[address]:port" are tcp; what says its transport stays. */
static int complete(char out[ENDPOINT_SIZE], const char *text, struct err *err)
{
    const char *last = strrchr(text, ':');
    bool has_port = last && last[1] && strspn(last + 1, "0123456789") == strlen(last + 1) && (text[0] != '[' || last[-1] == ']');
    int length = strstr(text, "://") || !*text ? snprintf(out, ENDPOINT_SIZE, "%s", text)
                 : has_port                    ? snprintf(out, ENDPOINT_SIZE, "tcp://%s", text)
                                               : snprintf(out, ENDPOINT_SIZE, "tcp://%s:%d", text, SECURITY_PORT);
    return length < ENDPOINT_SIZE
               ? loop_endpoint_check(out, false, true, err)
               : err_set(err, ERR_INVALID, "endpoint has %d characters, allowed are %d", length, ENDPOINT_SIZE - 1);
}

/* The path of the key to use; "" for none. needs: there has to be one. */
static int choose(char path[PATH_MAX], const char *key, enum role role, bool needs, bool may_default, struct err *err)
{
    char folder[PATH_MAX], name[32];
    path[0] = 0;
    if (key)
        return snprintf(path, PATH_MAX, "%s", key) < PATH_MAX ? 0 : err_set(err, ERR_LIMIT, "path of the key is too long");
    if (!may_default)
        return 0;
    int r = security_folder(folder, err);
    snprintf(name, sizeof name, "%s.key", role_name(role));
    if (!r && (r = file_join(path, PATH_MAX, folder, name)))
        err_set(err, r, "path of the key is too long");
    if (r || !access(path, F_OK))
        return r;
    if (needs || is_set())
        return err_set(err, ERR_INVALID,
                       "%s, and there is no \"%.300s\": make keys with `testudo keygen`, name one with --key, or say --insecure",
                       needs ? "beyond this machine a key is needed" : "TESTUDO_KEYS is set", path);
    path[0] = 0;
    return 0;
}

int security_client(struct security_client *client, const char *connect, const char *key, bool is_insecure, enum role role,
                    struct err *err)
{
    memset(client, 0, sizeof *client);
    int r = complete(client->endpoint, connect, err);
    if (r || !is_tcp(client->endpoint) || is_insecure)
        return r;
    bool needs = !is_local(client->endpoint, false);
    if ((r = choose(client->path, key, role, needs, needs || is_set(), err)) || !client->path[0])
        return r;
    if ((r = key_file_read(&client->key, client->path, err)))
        return r;
    if (client->key.role == ROLE_BROKER)
        return err_set(err, ERR_MISMATCH, "\"%s\" is a broker's own key, expected one of role %s", client->path, role_name(role));
    client->has_keys = true;
    return 0;
}

const struct loop_zmq_keys *security_keys(const struct security_client *client)
{
    return client->has_keys ? &client->key.keys : NULL;
}

/* "allowed" in the folder of the key. */
static int beside(char out[PATH_MAX], const char *key, struct err *err)
{
    const char *slash = strrchr(key, '/');
    int length = snprintf(out, PATH_MAX, "%.*sallowed", (int)(slash ? slash - key + 1 : 0), key);
    return length < PATH_MAX ? 0 : err_set(err, ERR_LIMIT, "path of the list of keys is too long");
}

int security_broker(struct security_broker *broker, const char *const *listen, const char *key, const char *allowed,
                    bool is_insecure, struct err *err)
{
    bool needs = false, has_tcp = false;
    memset(broker, 0, sizeof *broker);
    for (int i = 0; listen[i]; i++) {
        has_tcp |= is_tcp(listen[i]);
        needs |= is_tcp(listen[i]) && !is_local(listen[i], true) && !loop_endpoint_check(listen[i], true, true, NULL);
    }
    broker->everywhere = key || is_set();
    if (is_insecure || !has_tcp)
        return 0;
    int r = choose(broker->path, key, ROLE_BROKER, needs, needs || is_set(), err);
    if (r || !broker->path[0])
        return r;
    if ((r = key_file_read(&broker->key, broker->path, err)))
        return r;
    if (broker->key.role != ROLE_BROKER)
        return err_set(err, ERR_MISMATCH, "\"%s\" is the key of a %s, expected a broker's", broker->path,
                       role_name(broker->key.role));
    if (allowed)
        r = snprintf(broker->allowed, PATH_MAX, "%s", allowed) < PATH_MAX ? 0 : err_set(err, ERR_LIMIT, "--allowed is too long");
    else
        r = beside(broker->allowed, broker->path, err);
    broker->has_keys = !r;
    return r;
}
