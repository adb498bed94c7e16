/* Who acts in training rollouts. Keys `rollout.defender` and `attack.*`. */
#ifndef TESTUDO_ACTOR_ROLLOUT_CONFIG_H
#define TESTUDO_ACTOR_ROLLOUT_CONFIG_H

#include "base/config.h"

struct rollout_config {
    char defender[CONFIG_TEXT_MAX]; /* "net", or the name of a script of the environment */
    char threat[CONFIG_TEXT_MAX];
};

extern const struct config_table rollout_table;
MUST_USE int rollout_config_bind(struct rollout_config *config, const struct recipe *recipe, struct err *err);

#endif
