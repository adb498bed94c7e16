/* Reports over seeds: what the results files of run folders say, as a table for people and as JSON in the layout of marl-eval
 * (Gorsane et al. 2022, arXiv:2209.10485, appendix on the JSON format). */
#ifndef TESTUDO_DEPLOY_SUMMARY_H
#define TESTUDO_DEPLOY_SUMMARY_H

#include <stdio.h>

#include <jansson.h>

#include "base/bootstrap.h"
#include "learner/results.h"

#define SUMMARY_SAMPLES_MAX 4096

/* One seed of one method under one threat. */
struct summary_sample {
    char env[32], scenario[64], method[64], threat[32];
    int64_t seed, steps, attack_steps, episodes;
    double mean;    /* over victims, of their mean returns */
    double lowest;  /* the lowest victim's mean return; NaN without victims */
    double success; /* mean over victims; NaN where undefined */
};

struct summary {
    int count;
    struct summary_sample sample[SUMMARY_SAMPLES_MAX];
    json_t *tree; /* marl-eval: environment -> task -> algorithm -> seed_<n> -> step_<k>, absolute_metrics */
};

MUST_USE int summary_create(struct summary **summary);
void summary_destroy(struct summary **summary);

/* Adds what a run folder holds: results/ of training, then of eval/ and attack/, of which a later one replaces the same threat. ERR_STATE
 * when the run has no results yet. */
MUST_USE int summary_add_run(struct summary *summary, const char *folder, struct err *err);
/* Adds one results file that was read. */
MUST_USE int summary_add(struct summary *summary, const struct results *results, struct err *err);

/* One line per method and threat: mean over seeds with its 95 % bootstrap interval. */
MUST_USE int summary_print(const struct summary *summary, FILE *out, struct err *err);

/* A threat's rows boiled down: mean over victims, lowest victim. */
void summary_boil_down(const struct results *results, const char *threat, struct summary_sample *sample);

#endif
