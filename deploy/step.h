/* A step: this program started again with another verb, so that what a larger verb does is what a user would type. */
#ifndef TESTUDO_DEPLOY_STEP_H
#define TESTUDO_DEPLOY_STEP_H

#include "base/err.h"

#define STEP_WORDS_MAX 300

/* Prints the command in a dim style on stderr, runs it with stdout thrown away and waits for it. words: the verb and its arguments,
 * NULL-terminated; actors: value of --actors, or "" for the verb's default. Ctrl-C is the child's to handle: it gets the
 * signal, too, saves and leaves with 1 (the caller ignores SIGINT meanwhile). Returns the child's exit code, or a negative error when
 * it cannot be started. */
int step_run(const char *const *words, const char *actors, struct err *err);

#endif
