/* Drawing episodes by how much is still to be learned from them. Schaul et al. 2016, arXiv:1511.05952, section 3.3, the proportional variant;
 * their transition is a whole episode here.
 *
 *   p_i = error_i + eps     mean |TD error| over the episode's real steps when it was replayed last; of a new one the largest error so far,
 *                           which begins as 1
 *   P_i = p_i^alpha / sum over the episodes held of p_k^alpha                                    eq. 1
 *   w_i = (n P_i)^-beta / the largest of these in the sample      n episodes held; it weighs the episode's squared loss      section 3.4
 *
 * A sample of n cuts the sum into n ranges of one width and draws one point of each (appendix B.2.1), so an episode may come twice.
 *
 * The sum tree has an episode at its number modulo the tree's width. Numbers count episodes ever taken in, and every inner node is the sum of
 * its two children, never a sum that was corrected: so the tree, and what is drawn, follows from the errors of the episodes held and their
 * numbers, whatever happened before. */
#ifndef TESTUDO_LEARNER_PRIORITY_H
#define TESTUDO_LEARNER_PRIORITY_H

#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

struct priority; /* opaque */

/* Room for `capacity` episodes of consecutive numbers. ERR_NOMEM. */
MUST_USE int priority_create(struct priority **priority, int64_t capacity, double alpha, double eps);
void priority_destroy(struct priority **priority); /* nulls */
void priority_clear(struct priority *priority);    /* as created */

void priority_add(struct priority *priority, int64_t number); /* with the largest error so far */
void priority_drop(struct priority *priority, int64_t number);
/* error: finite, not negative. Raises the largest where it is larger. O(log capacity), as are the two above. */
void priority_set(struct priority *priority, int64_t number, double error);
double priority_error(const struct priority *priority, int64_t number);

double priority_largest(const struct priority *priority);
void priority_set_largest(struct priority *priority, double error);

double priority_share(const struct priority *priority, int64_t number); /* P_i; 0 of one that is not held */

/* n of the episodes held, at least one, as ages: number - first. O(n log capacity), allocates nothing. */
void priority_draw(const struct priority *priority, struct rng *rng, int n, int64_t first, int32_t *age);

/* Importance weights of a sample with these shares, all above 0; weight [n] may be share. */
void priority_weights(int n, const double *share, double beta, double *weight);

/* beta when `done`, from 0, of the schedule has passed: linear to 1, which it keeps. */
double priority_beta(double start, double done);

#endif
