/* The trainer: an algorithm with its models, the batch, and how far the run is. It knows nothing of processes: trajectories in,
 * weights and checkpoints out. trainer_update may run on any one thread at a time.
 *
 * Learning state in a checkpoint (what its hash covers): nets/<id>/<parameter>, adam/<id>/{m,v,step}, norms/<id>, state/<id> (other
 * bytes of a method), lanes (the newest snapshot of each lane), progress (updates done), replay/ where there is one (replay.h). */
#ifndef TESTUDO_LEARNER_TRAINER_H
#define TESTUDO_LEARNER_TRAINER_H

#include "learner/algorithm.h"
#include "net/safetensors.h"
#include "wire/run.h"

struct trainer;

struct trainer_config {
    char algorithm[CONFIG_TEXT_MAX];
    int64_t checkpoint_every, eval_every;
};
extern const struct config_table trainer_table;

/* source: nets of the attacked run (borrowed during the call), NULL when there is none. */
MUST_USE int trainer_create(struct trainer **trainer, const struct recipe *recipe, const struct spec *spec,
                            const struct schema *schema, const struct models *source, struct err *err);
void trainer_destroy(struct trainer **trainer);

/* One update on run.lanes trajectories in lane order (sync) or in order of arrival (async). */
void trainer_update(struct trainer *trainer, const struct trajectory *const *trajectories, struct report *report);

uint64_t trainer_updates(const struct trainer *trainer); /* done so far */
uint64_t trainer_total(const struct trainer *trainer);   /* that the budget amounts to */
int64_t trainer_steps(const struct trainer *trainer);    /* environment steps trained on so far */
int64_t trainer_steps_per_update(const struct trainer *trainer);
void trainer_extend(struct trainer *trainer, uint64_t total); /* a new total (attacks that have not converged) */

/* A new version with all published nets and tables, one reference. */
MUST_USE int trainer_weights(struct trainer *trainer, struct weights_version version, struct weights **weights, struct err *err);

/* Whether it has nets that play adversaries: "adversary", or one for each agent. */
bool trainer_has_adversary(const struct trainer *trainer);

/* Names of the algorithm's own numbers (algorithm_ops.reports); may be NULL. */
const char *const *trainer_reports(const struct trainer *trainer);

/* A trajectory's columns, for its records. */
const struct batch *trainer_batch(const struct trainer *trainer);

/* The method's replay lies in this run folder from now on (replay.h); before trainer_load. Nothing for a method without one. */
MUST_USE int trainer_keep_replay(struct trainer *trainer, const char *run, struct err *err);
/* For what does not learn: trainer_load leaves the replay alone. */
void trainer_forgo_replay(struct trainer *trainer);
struct replay *trainer_replay(const struct trainer *trainer); /* NULL: the method has none */

MUST_USE int trainer_save(const struct trainer *trainer, struct safetensors *file, struct err *err);
/* ERR_MISMATCH naming tensor, shape found and shape expected; then the trainer is as it was created. */
MUST_USE int trainer_load(struct trainer *trainer, const struct safetensors *file, struct err *err);

/* The nets of a checkpoint by themselves, architectures from its metadata; for attacks and evaluations. Caller: models_deinit. */
MUST_USE int trainer_load_source(struct models *models, const struct safetensors *file, struct err *err);
/* The same with the adversaries that an attack trained, one per victim ("adversary/3"): all that can act. */
MUST_USE int trainer_load_team(struct models *models, const struct safetensors *file, struct err *err);

/* Hash over the learning state of a checkpoint, of whatever process and number of actors made it. */
struct hash checkpoint_hash(const struct safetensors *file);

#endif
