/* MIR3's penalty: rewards are lowered by lambda times an upper bound on the information that actions carry about the past.
 * Li et al. 2025, arXiv:2310.09833: r^MI = r - lambda I(h; a). Keys `mi.*`.
 *
 * An estimator q(y | x) is fitted by likelihood on the newest real steps, and a bound made of it (mi_bounds.h) is taken on the
 * rows that the backbone is about to learn from: with the estimator of now, whenever the rows were made. No gradient passes
 * through the bound. What x is:
 *
 *   mi.x          rows of a step   x                                           y
 *   state         1                the state; where an environment has none    all agents' actions
 *                                  of its own, all agents' observations
 *   observation   N                the agent's observation                     its action; the step's bound is the sum over agents,
 *   hidden        N                the agent's recurrent state                 each against its own other steps
 *
 * With mi.masks the information is that of the policy, I(x; y | what is available): see mi_bounds.h. Without, as the paper has it, what masks
 * give away counts too. CLUB of one team on 4m_vs_3m, whose actions can carry 8.8 nats: 16.3; 15.3 without the dead; 4.2 without the choices
 * that the living do not have (enemies out of range, mostly), which a confident q makes ever less likely and CLUB's negatives ever larger.
 *
 * The interface is rows of numbers, so that rollouts and replayed episodes use it alike. A backbone does, once an update:
 *   mi_remember   for every new real step, oldest first (the ring lies in `models`: a checkpoint brings it back)
 *   mi_fit        likelihood steps on the ring
 *   mi_information on the rows of its batch; then r - lambda * out
 * mi_shape_rewards is these three for a batch of rollouts, mi_replay.h for replayed episodes. One thread. */
#ifndef TESTUDO_LEARNER_REGULARISERS_MI_H
#define TESTUDO_LEARNER_REGULARISERS_MI_H

#include "learner/algorithm.h"

enum mi_estimator { MI_CLUB, MI_CLUB_SAMPLE, MI_VUB, MI_L1OUT };
enum mi_input { MI_STATE, MI_OBSERVATION, MI_HIDDEN };

struct mi_config {
    double lambda, lr;
    int64_t hidden, fit_steps, fit_rows, ring, others;
    int estimator, input;
    bool measure, masks;
};

struct mi_widths { /* numbers of each input as this backbone has it: a row of mi.x; 0: it has none */
    int state, observation, hidden;
};

struct mi_estimate {                  /* over the real steps of a call */
    double mean, low, high, min, max; /* nats a step; low, high: 95 % interval of the mean, NaN with one cluster */
};

struct mi {
    struct mi_config config;
    struct models *models; /* borrowed; the net "mi/action" and the state "mi/ring" lie there */
    uint64_t seed;
    struct action_head head; /* of one agent */
    int N, R, X, Y, G, W;    /* agents; rows a step, numbers in, cells of y, parts of y, numbers out */
    int max_steps;
    int32_t *choices;    /* [G] of discrete kinds */
    struct mi_ring {     /* views of the state: the newest rows, in no order that matters */
        int64_t *cursor; /* [2] next place, rows held */
        float *x;        /* [capacity,X] */
        int32_t *y;      /* [capacity,Y] choices, or floats of a box */
        uint8_t *mask;   /* [capacity,W]; NULL without masks */
        int capacity;
    } ring;
    int32_t *samples;     /* [fit_rows] places in the ring drawn for a fit */
    int32_t *index;       /* [max_steps*R] rows that are real, row 0 of all steps first */
    int32_t *permutation; /* [max_steps*R] */
    int32_t *label;       /* [max_steps*R,Y] of the real rows */
    uint8_t *mask;        /* [max_steps*R,W] of the real rows; NULL without masks */
    real *q;              /* [max_steps*R,W] */
    double *bound, *work; /* [max_steps*R], [W] */
    float *batch_x;       /* [max_steps*R,X], and the rest of mi_shape_rewards' steps: */
    int32_t *batch_y;     /* [max_steps*R,Y] */
    uint8_t *batch_real;  /* [max_steps*R] */
    uint8_t *batch_mask;  /* [max_steps*R,W]; NULL without masks */
    double *batch_bound;  /* [max_steps] */
};

extern const struct config_table mi_table;

enum { MI_BLOCK = 64 }; /* rows of an updater's block; its tapes and scratch must take this many (team_ready sees to it) */

/* With mi.lambda 0 and without mi.measure nothing is made and nothing is done. max_steps: of one call of mi_information.
 * ERR_INVALID when mi.x names what the backbone does not have. */
MUST_USE int mi_init(struct mi *mi, const struct algorithm_context *context, struct models *models, const struct mi_widths *widths,
                     int max_steps, struct err *err);
void mi_deinit(struct mi *mi); /* safe on a zeroed struct */
bool mi_is_on(const struct mi *mi);

/* Bytes of each thread's scratch in the updater. */
size_t mi_scratch(const struct mi *mi);

struct mi_steps { /* n steps; borrowed for a call */
    int n;
    const float *x;         /* [n,R,X] */
    const int32_t *y;       /* [n,R,Y] executed actions: cells of batch_choices, agent after agent */
    const uint8_t *is_real; /* [n,R] 0: padding, or the row of a dead agent; takes no part anywhere. NULL: all real */
    const uint8_t *mask;    /* [n,R,W] as mi_put_mask makes it; looked at with masks only, and not NULL then */
    int cluster;            /* that many consecutive steps (a trajectory) depend on each other; for the interval. 0: none do */
};

/* Whether choices count only where they are available (mi.masks, and actions are choices): rows then bring masks. */
bool mi_has_masks(const struct mi *mi);
/* The mask [W] of one row: available [n,A] of its n = N/R agents, alive [n], y [Y]. Of a dead agent, and where the choice made is not
 * available, the choice made is the only one. */
void mi_put_mask(const struct mi *mi, const uint8_t *available, const uint8_t *alive, const int32_t *y, uint8_t *mask);

/* Adds the real rows of one step: x [R,X], y [R,Y], is_real [R] or NULL; mask [R,W] as in struct mi_steps. */
void mi_remember(struct mi *mi, const float *x, const int32_t *y, const uint8_t *is_real, const uint8_t *mask);

/* fit_steps steps of Adam on fit_rows rows drawn with replacement; draws are a function of (seed, update). Returns the negative
 * log-likelihood of the last step's rows in nats a row; NaN while the ring is empty. */
double mi_fit(struct mi *mi, struct updater *updater, uint64_t update);

/* out [n]: the bound of each step in nats, 0 where no row is real. It may be negative and is not clipped. *estimate sums them up. */
void mi_information(struct mi *mi, struct updater *updater, const struct mi_steps *steps, uint64_t update, double *out,
                    struct mi_estimate *estimate);

/* Adds mi/mean, low, high, min, max, nll and share: of the penalty's mean in `reward`, the mean absolute reward. */
void mi_report(const struct mi *mi, const struct mi_estimate *estimate, double nll, double reward, struct report *report);

/* Remembers and fits on this batch (executed actions), then subtracts lambda * I_t from every agent's reward of step t. Reports
 * (mi_report). */
void mi_shape_rewards(struct mi *mi, struct updater *updater, struct batch *batch, const struct progress *progress,
                      struct report *report);

/* What a batch of rollouts has for each mi.x. */
struct mi_widths mi_batch_widths(const struct batch_shape *shape);

#endif
