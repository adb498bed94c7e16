/* Environments in words, for `testudo envs`: out of their ops, their spec and the rules at the head of their source. */
#ifndef TESTUDO_DEPLOY_DESCRIBE_H
#define TESTUDO_DEPLOY_DESCRIBE_H

#include <stdio.h>

#include "envs/registry.h"
#include "envs/vec.h"

/* Everything about one environment as it is set: rules, observation, actions, reward, keys, scripts. */
void describe_environment(FILE *out, const struct env_instance *env);

/* A few lines: summary, scenarios, sizes of the first, references. */
MUST_USE int describe_overview(FILE *out, const struct env_ops *ops, struct err *err);

/* One line per scenario with its sizes. */
void describe_scenarios_head(FILE *out);
MUST_USE int describe_scenarios(FILE *out, const struct env_ops *ops, struct err *err);

/* "4 agents, 22 observation numbers, 6 actions, at most 50 steps" */
void describe_sizes(const struct spec *spec, char *text, size_t size);
/* "discrete, 6 choices", "box of 2" */
void describe_action(const struct spec *spec, char *text, size_t size);
/* "arXiv:2006.07869, arXiv:2305.12872": what the rules cite, each once; "" when they cite nothing that way. */
void describe_references(const char *name, char *text, size_t size);

/* The paragraph of the rules that says where they are from and what was changed: the one that says "Source", else the first that
 * cites. Returns its start within the rules and its length; NULL when there is none. */
const char *describe_origin(const char *name, size_t *length);

#endif
