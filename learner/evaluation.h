/* Evaluations: which threats to look at, the tasks that ask for their episodes, and the returns that come back. Keys `eval.*`.
 *
 * Every threat and victim sees the same episodes (episode ids, hence resets and the team's random numbers are paired). */
#ifndef TESTUDO_LEARNER_EVALUATION_H
#define TESTUDO_LEARNER_EVALUATION_H

#include "base/config.h"
#include "learner/batch.h"
#include "learner/results.h"

struct evaluation_config {
    int64_t episodes, per_task;
    char threats[CONFIG_TEXT_MAX], training_threats[CONFIG_TEXT_MAX];
};
extern const struct config_table evaluation_table;
MUST_USE int evaluation_config_bind(struct evaluation_config *config, const struct recipe *recipe, struct err *err);

struct evaluation; /* one pass over a list of threats with one version */

/* id: tells evaluations apart that are under way at once. threats: "clean,random,learned,pgd:0.5"; each but clean is
 * played with each of the V victims (net/partition.h), or, with "@all" behind it, once on all agents (victim -1). */
MUST_USE int evaluation_create(struct evaluation **evaluation, const char *threats, int64_t episodes, int64_t per_task, int V,
                               uint32_t id, struct err *err);
void evaluation_destroy(struct evaluation **evaluation);

/* Whether any of its threats is played by a trained adversary, or steers towards one. */
bool evaluation_needs_adversary(const struct evaluation *evaluation);
int evaluation_tasks(const struct evaluation *evaluation);
void evaluation_task(const struct evaluation *evaluation, int index,
                     struct order *order); /* purpose, lane, slice, episodes, threat, victim */
/* Takes in an answer; returns false when it answers no open task of this evaluation. */
bool evaluation_take(struct evaluation *evaluation, const struct trajectory *trajectory, const struct batch_view *view);
bool evaluation_is_done(const struct evaluation *evaluation);
int evaluation_left(const struct evaluation *evaluation); /* tasks */

/* Mean over clean rows, mean and lowest over victims (or @all rows) of everything else; NaN when there is none. */
void evaluation_summary(const struct evaluation *evaluation, double *clean, double *attacked_mean, double *attacked_lowest);
MUST_USE int evaluation_results(const struct evaluation *evaluation, struct results *results, int64_t attack_steps,
                                struct err *err);

#endif
