/* When an attack has been trained long enough: until the last quarter of its training improves by less than a tolerance of the
 * return's range for every victim. Keys `attack.*`. The history is part of a checkpoint, so that a resumed attack ends where an
 * undisturbed one would. */
#ifndef TESTUDO_LEARNER_CONVERGENCE_H
#define TESTUDO_LEARNER_CONVERGENCE_H

#include "base/config.h"
#include "base/spec.h"
#include "learner/partitions.h"
#include "net/partition.h"

struct convergence_config {
    double tolerance;
    int64_t max_steps;
};
extern const struct config_table convergence_table;
MUST_USE int convergence_config_bind(struct convergence_config *config, const struct recipe *recipe, struct err *err);

struct convergence {
    struct convergence_config config;
    struct victims victims; /* V of them */
    double range;           /* of the return; 0: take the observed one */
    int64_t updates, capacity;
    double *sums, *counts; /* [updates,V] attacked episodes that ended in each update; owned */
};

void convergence_begin(struct convergence *convergence, const struct convergence_config *config, const struct spec *spec,
                       const struct victims *victims, uint64_t total);
void convergence_deinit(struct convergence *convergence); /* safe on a zeroed struct */
/* Takes in one update's episodes under the victims' partitions. */
void convergence_count(struct convergence *convergence, const struct partitions *partitions);
/* The total of updates to train to now that `updates` are done: `updates` itself when converged or at the ceiling, a third more
 * otherwise (then the last quarter is new). */
uint64_t convergence_next_total(const struct convergence *convergence, uint64_t updates, int64_t steps_per_update);
/* By how much the last quarter lowered the return, as a part of the range, for the victim where it was most; NaN while any victim
 * lacks episodes in the last two quarters: then an attack goes on. */
double convergence_improvement(const struct convergence *convergence);

/* For the checkpoint: `updates` rows. restore copies; convergence_begin comes after it and keeps the history of
 * as many victims. ERR_RANGE when V is none that can be, or updates < 0. */
MUST_USE int convergence_restore(struct convergence *convergence, int V, int64_t updates, const double *sums, const double *counts);

#endif
