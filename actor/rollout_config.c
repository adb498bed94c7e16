#include "actor/rollout_config.h"

#define OFF(field) offsetof(struct rollout_config, field)

static const struct config_row rows[] = {
    {"rollout.defender", CONFIG_TEXT, OFF(defender), "net", 0, 0, "", NULL,
     "who plays the team: net, or a script that the environment brings along"},
    {"attack.threat", CONFIG_TEXT, OFF(threat), "clean", 0, 0, "", NULL,
     "what the adversaries of a training partition do: clean, learned, random, greedy, pgd:0.5"},
};

const struct config_table rollout_table = {"rollout", rows, ARRAY_LEN(rows)};

int rollout_config_bind(struct rollout_config *config, const struct recipe *recipe, struct err *err)
{
    return config_bind(rows, ARRAY_LEN(rows), recipe, config, err);
}
