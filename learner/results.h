/* Results of an evaluation: one row per threat and victim, with the returns of its episodes. The learner writes them into the
 * run folder (results/eval.json, results/attack.json); reports read them back.
 *
 *   {"method", "env", "scenario", "seed", "steps", "wall_seconds", "victims": [agents of victim 0, of victim 1, ...],
 *    "rows": [{"threat": "clean", "victim": -1, "attack_steps": 0, "episodes": n, "mean": x, "low": x, "high": x,
 *              "success": x or null, "returns": [n numbers]}]}
 * low and high bound the mean over these episodes (95 % bootstrap); between seeds only reports decide. */
#ifndef TESTUDO_LEARNER_RESULTS_H
#define TESTUDO_LEARNER_RESULTS_H

#include <stdint.h>

#include "base/err.h"
#include "net/partition.h"

#define RESULTS_ROWS_MAX 1024
#define RESULTS_EPISODES_MAX 100000

struct result_row {
    char threat[32];      /* "clean", "random", "learned", ... */
    int32_t victim;       /* which of the victims was attacked (an agent, unless attack.adversaries says sets), -1 for none */
    int64_t attack_steps; /* environment steps that the attacker was trained for; 0 when nothing was trained */
    int64_t episodes;
    double mean, low, high; /* undiscounted episode return */
    double success;         /* part of the episodes that succeeded; NaN where the environment defines no success */
    double *returns;        /* [episodes], owned */
};

struct results {
    char method[64], env[32], scenario[64];
    int64_t seed, steps;    /* steps: the team was trained for */
    double wall_seconds;    /* of this evaluation */
    struct victims victims; /* who they are; n is 0 after results_read: only people read it */
    int count;
    struct result_row rows[RESULTS_ROWS_MAX];
};

MUST_USE int results_create(struct results **results);
void results_destroy(struct results **results);

/* Adds a row; returns [episodes] are copied, the other numbers follow from them. successes: episodes that succeeded, -1 where success
 * is not defined. ERR_LIMIT, ERR_NOT_FINITE. */
MUST_USE int results_add(struct results *results, const char *threat, int32_t victim, int64_t attack_steps, const double *returns,
                         int64_t episodes, int64_t successes, struct err *err);

MUST_USE int results_write(const struct results *results, const char *path, struct err *err);
MUST_USE int results_read(struct results **results, const char *path, struct err *err);

#endif
