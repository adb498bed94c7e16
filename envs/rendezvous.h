/* Parameters and state of rendezvous, shared by the rules (rendezvous.c), what is observed (rendezvous_observe.c), the script
 * and the trace part. */
#ifndef TESTUDO_ENVS_RENDEZVOUS_H
#define TESTUDO_ENVS_RENDEZVOUS_H

#include "envs/env.h"

#define RENDEZVOUS_ROBOTS_MAX SPEC_AGENTS_MAX
#define RENDEZVOUS_SIDE 200.0         /* cm; the arena is a square */
#define RENDEZVOUS_REACH 282.0        /* cm, about the diagonal: distances are divided by it */
#define RENDEZVOUS_ACTION_PRICE 0.001 /* of the mean square of all numbers, in the reward */
#define RENDEZVOUS_PI 3.14159265358979323846

enum { WHEEL_LEFT, WHEEL_RIGHT, RENDEZVOUS_ACTIONS = 2 }; /* of a point: the acceleration to the east, to the north */

/* Indices into the rows' choices. The single switches follow env.rules unless set; prepare replaces AS_RULES. */
enum { RULES_MIR3, RULES_EIR };
enum { AS_RULES = 0 };
enum { MOTION_WHEELS = 1, MOTION_POINT };
enum { VIEW_MUTUAL = 1, VIEW_OWN };
enum { ENDING_GATHERED = 1, ENDING_NEVER };
enum { SWITCH_TRUE = 1, SWITCH_FALSE };
enum { STATE_GEOMETRY = 1, STATE_JOINT, STATE_OBSERVATION };
enum { LIMIT_TRUNCATES, LIMIT_TERMINATES };

struct rendezvous_params {
    /* bound from rows */
    int64_t robots, horizon;
    double action_cap;
    int rules, motion, view, ending, agent_id, state, time_limit;

    /* derived by prepare */
    int32_t N, O, S;
};

struct rendezvous_state {
    int64_t step;
    double number[]; /* [N] x, [N] y (cm), [N] heading (radians), [N] vx, [N] vy (cm/s) */
};

struct rendezvous_robots { /* the five runs of a state */
    double *x, *y, *heading, *vx, *vy;
};

static inline struct rendezvous_robots rendezvous_robots(const struct rendezvous_params *p, struct rendezvous_state *g)
{
    double *at = g->number;
    return (struct rendezvous_robots){at, at + p->N, at + 2 * p->N, at + 3 * p->N, at + 4 * p->N};
}

struct rendezvous_view { /* the same, to read */
    const double *x, *y, *heading, *vx, *vy;
};

static inline struct rendezvous_view rendezvous_view(const struct rendezvous_params *p, const struct rendezvous_state *g)
{
    const double *at = g->number;
    return (struct rendezvous_view){at, at + p->N, at + 2 * p->N, at + 3 * p->N, at + 4 * p->N};
}

/* rendezvous.c: one step with the actions [N,2] as doubles, any finite numbers. Returns the team's reward. */
double rendezvous_advance(const struct rendezvous_params *p, struct rendezvous_state *g, const double *action);
bool rendezvous_is_over(const struct rendezvous_params *p, const struct rendezvous_state *g);

/* rendezvous_observe.c: widths, and the view of a state. */
void rendezvous_spec(const void *params, struct spec *spec);
void rendezvous_observe(const void *params, const void *state, const struct env_view *view);

/* rendezvous_script.c */
#define RENDEZVOUS_SCRIPTS 1
extern const struct env_script rendezvous_scripts[RENDEZVOUS_SCRIPTS];

extern const struct env_ops env_rendezvous;
extern const struct env_trace_ops rendezvous_trace;

#endif
