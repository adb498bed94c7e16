/* How a film comes about: an episode played by a script or at random, by a run's trained team, or replayed from a recorded trace. */
#ifndef TESTUDO_DEPLOY_SHOOT_H
#define TESTUDO_DEPLOY_SHOOT_H

#include "deploy/pictures/film.h"

struct shot {
    int64_t seed;    /* of an episode played here */
    int64_t episode; /* which one: of a trace from 0; of a run the lane of its evaluation */
    int64_t steps;   /* at most so many; 0: the whole episode */
    /* env */
    const char *script; /* name, "random", or NULL: the first script, or at random where there is none */
    /* run */
    const char *checkpoint;       /* NULL: the newest */
    const char *threat;           /* as eval's: "clean", "random", "learned", "pgd:0.5"; NULL: clean */
    int64_t victim;               /* who is under the threat; -1: nobody */
    const char *const *arguments; /* [n_arguments] "key=value" over the run's recipe */
    int n_arguments;
};

/* Each initialises the film; on error there is nothing to deinit. */
MUST_USE int shoot_env(struct film *film, const struct recipe *recipe, const struct shot *shot, struct err *err);
/* folder: a run's, or RUN/attack, whose checkpoints hold the adversaries that were trained against the team. */
MUST_USE int shoot_run(struct film *film, const char *folder, const struct shot *shot, struct err *err);
MUST_USE int shoot_trace(struct film *film, const char *path, const struct shot *shot, struct err *err);

#endif
