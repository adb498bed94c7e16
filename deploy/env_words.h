/* Environments as they are named on the command line: "foraging", "foraging:8x8-4p-2f-c", and keys behind it. */
#ifndef TESTUDO_DEPLOY_ENV_WORDS_H
#define TESTUDO_DEPLOY_ENV_WORDS_H

#include "envs/registry.h"
#include "envs/vec.h"

/* Whether the word, up to its colon, names an environment that exists. */
bool env_word_is_known(const char *word);

/* The recipe that the words stand for; the caller destroys it. arguments [n]: "env.key=value", or "key=value" for short. Errors of
 * misuse: unknown names with the nearest. */
MUST_USE int env_words_recipe(struct recipe **recipe, const char *word, const char *const *arguments, int n, struct err *err);

/* The same, opened: a new instance that the caller frees. */
MUST_USE int env_words_open(struct env_instance **instance, const char *word, const char *const *arguments, int n, struct err *err);

#endif
