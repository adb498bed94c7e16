/* What every PPO team has: policy, critic, normaliser, updater, advantages. Algorithms embed it and add their own nets. */
#ifndef TESTUDO_LEARNER_TEAM_H
#define TESTUDO_LEARNER_TEAM_H

#include "learner/advantages.h"

struct team {
    struct ppo_config config;
    struct models models;
    struct updater updater;
    struct advantages advantages;
    uint64_t seed;
    struct batch_shape shape;
    int recordings; /* nets recorded in one block; set before team_ready where it is more than 1 */
};

/* Binds the keys. Nets are added by the caller with models_add, then team_ready sizes the updater for the largest. */
MUST_USE int team_begin(struct team *team, const struct algorithm_context *context, struct err *err);
MUST_USE int team_ready(struct team *team, struct err *err);
void team_deinit(struct team *team); /* safe on a zeroed struct */

/* Adds "defender" [O+K -> A] and "critic" [S+K -> 1] with the normaliser "value". */
MUST_USE int team_add_defender(struct team *team, struct err *err);
MUST_USE int team_add_critic(struct team *team, const char *id, const char *norm_id, struct err *err);

/* Adds <prefix>loss, entropy, clip, kl, norm to a report. */
void team_report_policy(struct report *report, const char *prefix, const struct policy_result *result);

#endif
