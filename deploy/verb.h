/* Verbs: what the program can do. A verb is one entry of a table; main.c looks it up, and its options and help come from the
 * same rows. Exit codes: 0 done, 1 failed, 2 misused. */
#ifndef TESTUDO_DEPLOY_VERB_H
#define TESTUDO_DEPLOY_VERB_H

#include <stdbool.h>

#include "base/err.h"

#define MONITOR_ADDRESS "127.0.0.1:5556" /* where a broker's statistics are looked for when nothing else is said */
#define TESTUDO_VERSION "0.1.0"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

enum option_type {
    OPTION_FLAG, /* bool; "--json" and "--json true" mean the same, "--json=false" the opposite */
    OPTION_TEXT, /* const char *, borrowed from argv */
    OPTION_INT,  /* int64_t, within min..max */
};

struct option_row {
    const char *name; /* "connect" for --connect */
    enum option_type type;
    void *value;     /* where it goes; keeps its content when the option is not given */
    double min, max; /* INT */
    const char *placeholder, *help, *example;
    char letter; /* 'i': -i is short for it; 0: none */
};

/* Beyond loopback, or nothing: a word that has to be said. */
#define OPTION_INSECURE(value)                                                                                          \
    {                                                                                                                   \
        "insecure", OPTION_FLAG, value, 0, 0, "", "plain text beyond this machine: only in a network of your own", NULL \
    }

#define WORDS_MAX 256
struct words { /* arguments that are no options */
    int count;
    const char *word[WORDS_MAX];
};

struct verb {
    const char *name, *summary;
    const char *arguments; /* "RECIPE [key=value ...]" */
    const char *example;
    const char *more; /* further lines of --help, or NULL */
    /* argv[0] is the verb's name. Returns an exit code. */
    int (*run)(const struct verb *verb, int argc, char **argv);
};

extern const struct verb verb_train, verb_broker, verb_learner, verb_actor, verb_eval, verb_attack, verb_report, verb_stats,
    verb_top, verb_health, verb_chaos, verb_envs, verb_render, verb_bench, verb_inspect, verb_demo, verb_keys, verb_keygen,
    verb_doctor, verb_reproduce;

/* Reads options and words. Returns -1 to go on, else the exit code to leave with: 0 after --help, 2 after a message about misuse. */
int verb_parse(const struct verb *verb, const struct option_row *rows, int n_rows, int argc, char **argv, struct words *words);

/* One line on stderr: "testudo train: <text>", with the way to the help when it was misuse. Return the exit code. */
int verb_misused(const struct verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));
int verb_failed(const struct verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "testudo train matrix seeds=1": what to type to get the same again, for meta.json; cut at the end of `out`. */
void verb_command_line(char *out, size_t size, int argc, char **argv);

/* The exit code for an error of loading, checking or starting something that the user named: 2 for what is wrong with the request,
 * 1 for what went wrong while carrying it out. */
int verb_exit_code(int result);

#endif
