/* keygen: the keys of a cluster, one file per role, and the list of those that its broker admits. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "deploy/security.h"
#include "deploy/verb.h"
#include "wire/allow_list.h"

struct keygen {
    const struct verb *verb;
    char folder[PATH_MAX];
    const char *name, *role;
    bool keeps;
};

static int path_of(const struct keygen *keygen, char path[PATH_MAX], const char *name, const char *suffix, struct err *err)
{
    char file[64];
    snprintf(file, sizeof file, "%.40s%s", name, suffix);
    return file_join(path, PATH_MAX, keygen->folder, file) ? err_set(err, ERR_LIMIT, "path of the folder is too long") : 0;
}

/* Makes NAME.key and, unless it is the broker's, a line of the list. *made gets the key. */
static int make_key(const struct keygen *keygen, const char *name, enum role role, const char *server_key, struct key_file *made,
                    struct err *err)
{
    char path[PATH_MAX], list[PATH_MAX];
    int r;
    if ((r = key_file_make(made, name, role, server_key, err)) || (r = path_of(keygen, path, name, ".key", err)) ||
        (r = path_of(keygen, list, "allowed", "", err)) || (r = key_file_write(made, path, err)))
        return r;
    if (role != ROLE_BROKER && (r = allow_list_append(list, made, err))) {
        unlink(path);
        return r;
    }
    printf("%s\n", path);
    return 0;
}

static int read_broker(const struct keygen *keygen, struct key_file *broker, struct err *err)
{
    char path[PATH_MAX];
    int r = path_of(keygen, path, role_name(ROLE_BROKER), ".key", err);
    return r ? r : key_file_read(broker, path, err);
}

static bool has_broker(const struct keygen *keygen)
{
    char path[PATH_MAX];
    return !path_of(keygen, path, role_name(ROLE_BROKER), ".key", NULL) && !access(path, F_OK);
}

/* One key for the broker and one for each role. Those that are there stay. */
static int make_all(const struct keygen *keygen, struct err *err)
{
    struct key_file broker, client;
    int r;
    if (has_broker(keygen)) {
        if (!keygen->keeps)
            return err_set(err, ERR_DUPLICATE, "\"%s\" has keys already, and a key is never overwritten; --name NAME adds one",
                           keygen->folder);
        r = read_broker(keygen, &broker, err);
    } else
        r = make_key(keygen, role_name(ROLE_BROKER), ROLE_BROKER, NULL, &broker, err);
    for (int role = 0; role < ROLE_CLIENTS && !r; role++) {
        char path[PATH_MAX];
        const char *name = role_name((enum role)role);
        if ((r = path_of(keygen, path, name, ".key", err)) || !access(path, F_OK))
            continue;
        r = make_key(keygen, name, (enum role)role, broker.keys.public_key, &client, err);
    }
    return r;
}

/* One more key for a cluster that has keys. */
static int add(const struct keygen *keygen, struct err *err)
{
    struct key_file broker, client;
    enum role role;
    if (role_parse(keygen->role, &role) || role >= ROLE_CLIENTS)
        return err_set(err, ERR_INVALID, "--role is \"%s\", expected learner, actor or observer", keygen->role);
    int r = read_broker(keygen, &broker, err);
    return r ? r : make_key(keygen, keygen->name, role, broker.keys.public_key, &client, err);
}

static int run_keygen(const struct verb *verb, int argc, char **argv)
{
    struct keygen keygen = {.verb = verb, .role = "actor"};
    const struct option_row rows[] = {
        {"name", OPTION_TEXT, &keygen.name, 0, 0, "NAME", "add one key of this name to those that are there", "gpu7"},
        {"role", OPTION_TEXT, &keygen.role, 0, 0, "ROLE", "of that key: learner, actor or observer", "actor"},
        {"keep", OPTION_FLAG, &keygen.keeps, 0, 0, "", "make only what is missing, and say nothing about what is there", NULL},
    };
    struct words words;
    struct err err = {""};
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (words.count > 1)
        return verb_misused(verb, "unexpected argument \"%s\"", words.word[1]);
    if (words.count)
        r = snprintf(keygen.folder, sizeof keygen.folder, "%s", words.word[0]) < PATH_MAX
                ? 0
                : err_set(&err, ERR_LIMIT, "path of the folder is too long");
    else
        r = security_folder(keygen.folder, &err);
    mode_t before = umask(077); /* the folder is its owner's alone, too */
    if (!r)
        r = file_make_folder(keygen.folder, &err);
    if (!r)
        r = keygen.name ? add(&keygen, &err) : make_all(&keygen, &err);
    umask(before);
    return r ? (verb_failed(verb, "%s", err.text), verb_exit_code(r)) : EXIT_DONE;
}

const struct verb verb_keygen = {
    .name = "keygen",
    .summary = "make the keys of a cluster: one file per role, and the list of those admitted",
    .arguments = "[DIR] [--name NAME --role ROLE]",
    .example = "testudo keygen",
    .more = "DIR is ~/.testudo/keys unless TESTUDO_KEYS names another. broker.key stays where the broker runs, with the list "
            "`allowed`;\n"
            "copy actor.key to machines with actors (same folder), learner.key and observer.key to where those run. To shut a key "
            "out,\n"
            "delete its line in `allowed`: a running broker sees it within a second.\n",
    .run = run_keygen,
};
