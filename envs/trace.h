/* Replay of recorded episodes of the reference implementations.
 *
 * A trace is a gzip file of JSON lines: a header with the configuration, then per episode a reset line with the whole initial
 * state and a line per step with the joint action and everything that came of it. No random generator has to match. Our rules
 * are set to the reset line, apply the recorded actions, and must give the recorded state, observations, masks, rewards and
 * endings. Free run: set once per episode. Re-synchronised: where small rounding differences grow, the state is set from the line
 * before each step, so that every step is a test of its own.
 *
 * Rewards are compared in double, before the rounding to the float that training sees. */
#ifndef TESTUDO_ENVS_TRACE_H
#define TESTUDO_ENVS_TRACE_H

#include <jansson.h>

#include "envs/env.h"
#include "envs/vec.h"

struct trace_report {
    char env[32], name[64];
    int64_t episodes, steps; /* steps: those compared */
    int64_t mismatches;      /* steps or resets that differed; in a free run the rest of such an episode is left out */
    double largest;          /* absolute difference of any number compared */
    char first[256];         /* the first mismatch in words, empty when there was none */
};

/* Replays a whole file. Returns 0 when as many agreed as the rule asks (all, mostly); ERR_MISMATCH when not (err holds the first); ERR_IO, ERR_FORMAT,
 * ERR_UNKNOWN (an environment or configuration key that is not known here) when it could not be replayed. The report is filled
 * as far as it went. */
MUST_USE int trace_check(const char *path, struct trace_report *report, struct err *err);

/* As trace_check, and calls `watch` with the state after every reset (choice NULL) and every step that is replayed, borrowed for the
 * call. choice: [N,C] as recorded, NULL for a box. The watcher ends the replay by returning true; then the result is 0. */
struct trace_moment {
    const struct env_instance *env;
    const void *state;
    const int32_t *choice;
    const double *reward; /* [N] */
    bool is_reset, is_over;
};
struct trace_watcher {
    bool (*watch)(void *context, const struct trace_moment *moment);
    void *context;
};
MUST_USE int trace_watch(const char *path, const struct trace_watcher *watcher, struct trace_report *report, struct err *err);

enum trace_part { /* what may be left out of a comparison */
                  TRACE_STATE = 1,
                  TRACE_REWARD = 2,
                  TRACE_ENDING = 4,
                  TRACE_OBSERVATION = 8,
                  TRACE_AVAILABLE = 16,
                  TRACE_CRITIC = 32, /* the critic's state */
};

struct trace_rule {               /* how strictly a file is compared */
    bool resync;                  /* re-synchronised, else a free run */
    double share;                 /* of all steps and resets that must agree; 1: all */
    double observation_tolerance; /* absolute; of observations and the critic's state */
    double reward_tolerance;      /* absolute */
    double state_tolerance;       /* for same_state to use */
    unsigned left_out;            /* parts that these lines do not settle, bits of enum trace_part */
};

/* The trace part of an environment. */
struct env_trace_ops {
    const char *env;                                                /* the header's "env" */
    struct trace_rule rule;                                         /* for all files... */
    void (*rule_of)(const json_t *header, struct trace_rule *rule); /* ... unless this changes it; may be NULL */

    /* Turns the header into env.* keys. */
    int (*configure)(const json_t *header, struct recipe *recipe, struct err *err);
    /* Reads the state that a reset line gives; re-synchronised, that of a step line too, which leaves what it does not record. */
    int (*set_state)(const void *params, void *state, const json_t *line, struct err *err);
    /* One step with the actions of the line: choice [N,C], or NULL for a box, whose doubles this reads itself; other recorded
     * random input stands in the line too. */
    void (*step)(const void *params, void *state, const json_t *line, const int32_t *choice, double *reward /* [N] */,
                 bool *is_over);
    /* Is the state what the line says? If not, writes the difference in words. */
    bool (*same_state)(const void *params, const void *state, const json_t *line, const struct trace_rule *rule, char *text,
                       size_t size);
    /* For files of single cases instead of episodes ("type":"case" lines); then the other functions may be NULL, and no
     * environment is opened. 1 agrees, 0 differs (written in words), or an error; raises *largest to the largest difference. */
    int (*compare_case)(const json_t *line, const struct trace_rule *rule, double *largest, char *text, size_t size,
                        struct err *err);
};

/* Helpers for these parts: row, integer i of an array, ERR_FORMAT when it is absent or no number in [low, high]. */
MUST_USE int trace_int(const json_t *array, size_t i, int64_t low, int64_t high, int64_t *value, struct err *err);
/* Sets env.<key> from a JSON value: true, false, numbers, null as `null_text`, lists of numbers joined by commas. */
MUST_USE int trace_set(struct recipe *recipe, const char *key, const json_t *value, const char *null_text, struct err *err);

#endif
