/* What an algorithm is: a file in algorithms/ (or threats/) that exports `algorithm_<name>` and is found by the build.
 *
 * It sees a batch, its models and an updater: no socket, no environment, no file, no clock. What it needs to survive a restart
 * lies in its models and value normalisers, which the checkpoint saves, or is saved and loaded by the two functions at the end. */
#ifndef TESTUDO_LEARNER_ALGORITHM_H
#define TESTUDO_LEARNER_ALGORITHM_H

#include "base/config.h"
#include "learner/batch.h"
#include "learner/updater.h"
#include "net/knowledge.h"
#include "net/safetensors.h"

struct progress {    /* where in the run an update stands; counts updates, never seconds */
    uint64_t update; /* updates done before this one */
    uint64_t total;  /* updates that the budget amounts to */
    uint64_t seed;
};

#define REPORT_MAX 48
struct report { /* named numbers of one update, for progress.csv and TensorBoard */
    int count;
    struct {
        char name[32];
        double value;
    } entries[REPORT_MAX];
};
void report_add(struct report *report, const char *name, double value);

struct algorithm_context { /* borrowed */
    const struct recipe *recipe;
    const struct spec *spec;
    const struct batch_shape *shape;
    const struct knowledge_config *knowledge;
    uint64_t seed;
    bool is_async;               /* run.mode */
    const struct models *source; /* nets of another run that is attacked or evaluated; NULL when there is none */
};

struct algorithm;
struct replay;

struct algorithm_ops {
    const char *name, *summary;    /* recipe key learner.algorithm */
    const struct config_row *rows; /* its own keys beside those of learner/ppo_config.h */
    int n_rows;
    int (*create)(struct algorithm **algorithm, const struct algorithm_context *context, struct err *err);
    void (*destroy)(struct algorithm **algorithm);
    /* One update on a filled batch. Non-finite steps are skipped and reported as "skipped". */
    void (*update)(struct algorithm *algorithm, struct batch *batch, const struct progress *progress, struct report *report);
    struct models *(*models)(struct algorithm *algorithm);
    /* Values of named tables that travel with the weights of the NEXT rollout (attack_probability); may be NULL. */
    int (*tables)(const struct algorithm *algorithm, const struct progress *progress, struct weights *weights, struct err *err);
    /* What else must survive a restart (a replay); both NULL when nothing. load with only_looks changes nothing: ERR_MISMATCH when the file
     * does not fit. */
    int (*save)(const struct algorithm *algorithm, struct safetensors *file, struct err *err);
    int (*load)(struct algorithm *algorithm, const struct safetensors *file, bool only_looks, struct err *err);
    /* Its replay, so that the run folder can be told to it (replay_keep_in); NULL when it has none. */
    struct replay *(*replay)(const struct algorithm *algorithm);
    /* Names of numbers that its updates report beside those of learner/status.c: columns of progress.csv. NULL-terminated, at most
     * REPORT_MAX; NULL: none. */
    const char *const *reports;
};

extern const struct algorithm_ops *const algorithm_registry[]; /* NULL-terminated, generated */
/* ERR_UNKNOWN with the nearest name when there is none of this name. */
MUST_USE int algorithm_find(const char *name, const struct algorithm_ops **ops, struct err *err);

#endif
