/* Figures that `testudo bench` collects: printed one by one for people, or at the end as one JSON object. */
#ifndef TESTUDO_DEPLOY_BENCH_H
#define TESTUDO_DEPLOY_BENCH_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct figure {
    const char *part, *name, *unit;
    double value;
    double must, aim; /* bars; 0 where there is none */
};

struct figures {
    json_t *list; /* of {"part", "name", "value", "unit"[, "must", "aim"]} */
    bool as_json;
};

/* Copies the figure's texts. */
void figures_add(struct figures *figures, const struct figure *figure);

/* Environment steps per second, for every environment with the scenarios it lists and for those that the reference implementations
 * were timed with. words [n]: which ("smac", "smac:3m"); n = 0: all. seconds: for each. */
MUST_USE int bench_envs(struct figures *figures, const char *const *words, int n, double seconds, struct err *err);

/* Training through broker, learner and actors on this machine, EIR-MAPPO with its published nets and numbers, 20 environments x 200
 * steps, synchronous: environment steps a second, and what the time of a cycle goes to. Runs in a folder of its own below TMPDIR,
 * which it removes. */
MUST_USE int bench_train(struct figures *figures, struct err *err);

#endif
