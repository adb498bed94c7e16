/* How a defender's net is asked for actions: what it remembers, and what is done with its outputs. Keys `act.*`, which the actor that asks
 * and the learner that trains must read alike.
 *
 *   behaviour   net gives      training                                          evaluation, attacks
 *   sample      a policy       a sample of it                                    the same; with act.evaluation best, in evaluations the
 *                                                                                most likely action (a box: the mean)
 *   epsilon     action values  the best available one; with probability epsilon  the best
 *                              any available one
 *   gumbel      logits         a sample of the softmax if epsilon > 0            the best
 *   tanh        numbers u      clip(tanh(u) + epsilon * N(0,1), -1, 1)           tanh(u)
 * epsilon is the table "epsilon" of the weights, 0 where they have none. Mnih et al. 2015, doi 10.1038/nature14236 (epsilon-greedy); Lowe et
 * al. 2017, arXiv:1706.02275 (the two of MADDPG).
 *
 * Input of the net: observation [O], knowledge [K], with last_action the one-hot of the agent's last executed action [A] (a box: its
 * numbers), zeroes at the start of an episode. A recurrent net's state begins at zero, too. Both lie in the lane's snapshot. */
#ifndef TESTUDO_NET_ACTING_H
#define TESTUDO_NET_ACTING_H

#include "base/config.h"
#include "net/action_head.h"

enum behaviour { BEHAVIOUR_SAMPLE, BEHAVIOUR_EPSILON, BEHAVIOUR_GUMBEL, BEHAVIOUR_TANH };

struct acting_config {
    int64_t recurrent; /* width of the net's GRU; 0: it has none */
    bool has_last_action;
    int behaviour;
    int evaluation; /* 0: as in training, 1: the most likely action */
};

extern const struct config_table acting_table;
/* ERR_INVALID when the behaviour does not fit the task's kind of action. */
MUST_USE int acting_config_bind(struct acting_config *config, const struct recipe *recipe, const struct action_head *head,
                                struct err *err);

/* Numbers behind observation and knowledge: A with last_action, else 0. */
int acting_width(const struct acting_config *config, const struct action_head *head);
/* Whether the net has log standard deviations. */
bool acting_is_gaussian(const struct acting_config *config, const struct action_head *head);

/* The one-hot [A] of a row's executed action (its C cells), of a box its numbers. */
void acting_last_action(const struct action_head *head, const void *action, float *out);

/* One row by a behaviour other than sample. output [A]; explore: a stream of the row's own; action: its C cells; probability [A] of the choices
 * (of a box: the action without noise). Returns the log-probability under the behaviour (tanh: 0, it has no density at the clip). */
float acting_row(enum behaviour behaviour, const struct action_head *head, const real *output, const uint8_t *available,
                 float epsilon, struct rng *explore, void *action, float *probability);

/* The most likely action of a policy, component by component. output, available [R,A]; action [R,C] cells. Of a box the means as they are. */
void acting_most_likely(const struct action_head *head, int R, const real *output, const uint8_t *available, void *action);

/* The highest available output, the first of equals; NaN counts as lowest. -1 when nothing is available. */
int32_t acting_best(int A, const real *output, const uint8_t *available);

#endif
