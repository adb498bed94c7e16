/* A run in the test's own process: rollouts and trainer called in turn, as the learner does in sync mode. */
#ifndef TESTUDO_TESTS_LEARNER_LOCAL_LEARNER_H
#define TESTUDO_TESTS_LEARNER_LOCAL_LEARNER_H

#include "learner/trainer.h"
#include "tests/local.h"

struct local_run {
    struct rollout *rollout;
    struct trainer *trainer;
    struct orders_group *group;
    int lanes;
    struct report report; /* of the newest update */
};

static inline int try_local_run(struct local_run *run, const char *const *arguments, const struct models *source, struct err *err)
{
    struct recipe *recipe = must_recipe(arguments);
    struct run_config config;
    *run = (struct local_run){0};
    int r;
    if (!(r = run_config_bind(&config, recipe, err)) && !(r = rollout_create(&run->rollout, recipe, err)))
        r = trainer_create(&run->trainer, recipe, rollout_spec(run->rollout), rollout_schema(run->rollout), source, err);
    recipe_destroy(&recipe);
    if (r) {
        rollout_destroy(&run->rollout);
        return r;
    }
    run->lanes = (int)config.lanes;
    run->group = new_group(run->rollout, run->lanes);
    return 0;
}

static inline void open_run(struct local_run *run, const char *const *arguments, const struct models *source)
{
    struct err err = {""};
    if (try_local_run(run, arguments, source, &err))
        fail_msg("%s", err.text);
}

static inline void close_run(struct local_run *run)
{
    free_group(&run->group);
    trainer_destroy(&run->trainer);
    rollout_destroy(&run->rollout);
}

static inline void roll_out(struct local_run *run)
{
    struct weights *weights;
    struct err err = {""};
    uint64_t update = trainer_updates(run->trainer);
    if (trainer_weights(run->trainer, (struct weights_version){1, update + 1}, &weights, &err))
        fail_msg("%s", err.text);
    set_slice(run->group, update);
    must_run(run->rollout, weights, run->group, 0, run->lanes);
    weights_unref(&weights);
}

static inline void learn(struct local_run *run)
{
    const struct trajectory *batch[LOCAL_ORDERS_MAX];
    struct err err = {""};
    for (int l = 0; l < run->lanes; l++) {
        batch[l] = &run->group->t[l];
        if (batch_check(trainer_batch(run->trainer), batch[l], &err))
            fail_msg("lane %d: %s", l, err.text);
    }
    run->report.count = 0;
    trainer_update(run->trainer, batch, &run->report);
}

/* An update of what is rolled out, without looking at it first: for tests that count what it allocates. */
static inline void update_unchecked(struct local_run *run)
{
    const struct trajectory *batch[LOCAL_ORDERS_MAX];
    for (int l = 0; l < run->lanes; l++)
        batch[l] = &run->group->t[l];
    run->report.count = 0;
    trainer_update(run->trainer, batch, &run->report);
}

static inline void train(struct local_run *run, int updates)
{
    for (int u = 0; u < updates; u++) {
        roll_out(run);
        learn(run);
    }
}

static inline struct safetensors *saved(const struct local_run *run)
{
    struct safetensors *file;
    struct err err = {""};
    assert_int_equal(safetensors_create(&file), 0);
    if (trainer_save(run->trainer, file, &err))
        fail_msg("%s", err.text);
    return file;
}

static inline struct hash state_hash(const struct local_run *run)
{
    struct safetensors *file = saved(run);
    struct hash hash = checkpoint_hash(file);
    safetensors_destroy(&file);
    return hash;
}

static inline double reported(const struct local_run *run, const char *name)
{
    for (int i = 0; i < run->report.count; i++)
        if (!strcmp(run->report.entries[i].name, name))
            return run->report.entries[i].value;
    fail_msg("%s is not reported", name);
    return 0;
}

/* Nets of another run, as an attack or an evaluation takes them. The caller: models_deinit, free. */
static inline struct models *source_of(const struct local_run *run)
{
    struct safetensors *file = saved(run);
    struct models *models = calloc(1, sizeof *models);
    struct err err = {""};
    if (trainer_load_source(models, file, &err))
        fail_msg("%s", err.text);
    safetensors_destroy(&file);
    return models;
}

static inline void assert_same_hash(struct hash a, struct hash b)
{
    char text_a[HASH_TEXT_SIZE], text_b[HASH_TEXT_SIZE];
    hash_text(a, text_a);
    hash_text(b, text_b);
    assert_string_equal(text_a, text_b);
}

#define SMALL_NETS                                                                                                            \
    "learner.hidden=12", "learner.depth=1", "belief.hidden=8", "belief.depth=1", "learner.block_rows=32", "learner.epochs=2", \
        "learner.critic_epochs=2", "eir.interval=1", "eir.belief_epochs=2"
#define SMALL_EIR                                                                                                         \
    "env.name=foraging", "env.scenario=8x8-4p-2f-c", "env.horizon=15", "env.time_limit=truncate", "rollout.lanes=6",      \
        "rollout.steps=20", "rollout.chunk=5", "knowledge.kind=belief", "partition.kind=k-of-n", "attack.threat=learned", \
        "learner.algorithm=eir-mappo", SMALL_NETS

#endif
