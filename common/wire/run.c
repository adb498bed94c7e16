#include "wire/run.h"

#define OFF(field) offsetof(struct run_config, field)

static const struct config_row rows[] = {
    {"run.seed", CONFIG_INT, OFF(seed), "1", 0, 9007199254740992.0, "", NULL, "seed of everything that is drawn in the run"},
    {"run.steps", CONFIG_INT, OFF(budget_steps), "1M", 1, 1e15, "environment steps", NULL, "budget of training"},
    {"rollout.lanes", CONFIG_INT, OFF(lanes), "20", 1, 4096, "environments", NULL,
     "environments of the run, over all actors together; fixed for the run"},
    {"rollout.steps", CONFIG_INT, OFF(T), "200", 1, 4096, "steps", NULL, "steps of one environment in a trajectory"},
    {"rollout.chunk", CONFIG_INT, OFF(chunk), "10", 1, 4096, "steps", NULL,
     "steps between stored recurrent states; gradients through time stop there"},
    {"run.mode", CONFIG_CHOICE, OFF(mode), "sync", 0, 0, "", "sync|async",
     "sync: every update waits for one slice of every lane, lag 0, same weights for any number of actors; async: lag up to "
     "run.max_lag"},
    {"run.max_lag", CONFIG_INT, OFF(max_lag), "4", 0, 1000000, "versions", NULL, "hard bound on the policy lag in async mode"},
    {"run.lease_ms", CONFIG_INT, OFF(lease_ms), "60000", 100, 86400000, "ms", NULL,
     "time an actor has for an order before it goes to another actor"},
};

const struct config_table run_table = {"run", rows, ARRAY_LEN(rows)};

int run_config_bind(struct run_config *config, const struct recipe *recipe, struct err *err)
{
    int r = config_bind(rows, ARRAY_LEN(rows), recipe, config, err);
    if (r)
        return r;
    if (config->T % config->chunk)
        return err_set(err, ERR_INVALID, "bad recipe: rollout.steps is %lld, expected a multiple of rollout.chunk %lld",
                       (long long)config->T, (long long)config->chunk);
    return 0;
}
