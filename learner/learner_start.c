/* Start and end of the learner process: see learner_internal.h. */
#include "learner/learner_internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

int learner_load_checkpoint(struct learner *learner)
{
    char path[PATH_MAX];
    struct err *err = learner->err;
    const struct learner_options *options = learner->options;
    if (options->mode != LEARNER_TRAIN) {
        struct safetensors *file = NULL;
        int r = options->source ? (snprintf(path, sizeof path, "%s", options->source), 0)
                                : checkpoint_newest(path, sizeof path, options->run, err);
        if (!r)
            r = safetensors_load(&file, path, err);
        if (!r && options->mode == LEARNER_EVAL) {
            learner->restored = file; /* the whole team, without the books of its run */
            return 0;
        }
        if (!r && !(learner->source = calloc(1, sizeof *learner->source)))
            r = err_set(err, ERR_NOMEM, "no memory for the attacked nets");
        if (!r)
            r = trainer_load_source(learner->source, file, err);
        if (!r) {
            const char *steps = safetensors_metadata(file, "steps");
            learner->source_steps = steps ? strtoll(steps, NULL, 10) : 0;
        }
        safetensors_destroy(&file);
        if (r)
            return err_prefix(err, r, "cannot use checkpoint");
    }
    if (checkpoint_newest(path, sizeof path, options->run, NULL))
        return 0;
    int r = safetensors_load(&learner->restored, path, err);
    if (!r)
        r = checkpoint_load_books(learner->restored, learner->ledger, learner->orders, &learner->convergence, err);
    if (!r)
        log_notice("resuming checkpoint=%s", path);
    return r ? err_prefix(err, r, "cannot resume from \"%s\"", path) : 0;
}

int learner_load_recipe(struct learner *learner)
{
    char path[PATH_MAX];
    unsigned char *text = NULL;
    size_t length = 0;
    struct err *err = learner->err;
    if (!(learner->recipe = recipe_create()))
        return err_set(err, ERR_NOMEM, "no memory for the recipe");
    if (file_join(path, sizeof path, learner->options->run, "recipe.yaml"))
        return err_set(err, ERR_LIMIT, "path of run folder \"%.200s\" is too long", learner->options->run);
    int r = file_read(path, RECIPE_BYTES_MAX, &text, &length, err);
    if (r)
        return r;
    r = recipe_parse(learner->recipe, path, (const char *)text, length, err);
    free(text);
    struct trainer_config config;
    if (r || (r = run_config_bind(&learner->run, learner->recipe, err)) ||
        (r = config_bind(trainer_table.rows, trainer_table.count, learner->recipe, &config, err)) ||
        (r = evaluation_config_bind(&learner->evaluation_config, learner->recipe, err)) ||
        (r = convergence_config_bind(&learner->convergence_config, learner->recipe, err)) ||
        (r = admission_init(&learner->admitting.admission, learner->recipe, err)))
        return r;
    learner->checkpoint_every = config.checkpoint_every;
    learner->eval_every = config.eval_every;
    return 0;
}

/* The words come from a recipe: whatever would end a JSON string does not get in. */
void learner_name_task(struct learner *learner)
{
    static const char *const keys[] = {"env.name", "env.scenario", "method", "run.name", "run.seed"};
    char *task = learner->status.task;
    size_t used = 0, size = sizeof learner->status.task;
    for (size_t i = 0; i < ARRAY_LEN(keys) && used < size; i++)
        used += (size_t)snprintf(task + used, size - used, "%s%s", i ? "/" : "", recipe_value(learner->recipe, keys[i], ""));
    for (char *p = task; *p; p++)
        if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\')
            *p = '?';
}

int learner_open_books(struct learner *learner)
{
    /* With lanes * depth <= lanes * (max_lag + 1) nothing that was rolled out can grow too old to be trained on. */
    int depth = learner->run.mode == RUN_SYNC || learner->run.max_lag == 0 ? 1 : 2;
    struct orders_options orders = {.lanes = (int)learner->run.lanes,
                                    .depth = depth,
                                    .max_lag = learner->run.mode == RUN_SYNC ? 0 : (uint64_t)learner->run.max_lag,
                                    .lease_ms = learner->run.lease_ms};
    learner->waiting_size = (int)learner->run.lanes * (depth + 1);
    learner->waiting = calloc((size_t)learner->waiting_size, sizeof *learner->waiting);
    learner->job.arrivals = calloc((size_t)learner->run.lanes, sizeof *learner->job.arrivals);
    if (!learner->waiting || !learner->job.arrivals || ledger_create(&learner->ledger) ||
        orders_create(&learner->orders, &orders) || conduct_create(&learner->admitting.conduct))
        return err_set(learner->err, ERR_NOMEM, "no memory for the books");
    return 0;
}

void learner_release(struct learner *learner)
{
    for (int i = 0; learner->waiting && i < learner->waiting_size; i++)
        if (learner->waiting[i])
            intake_release(learner->intake, &learner->waiting[i]);
    for (int i = 0; learner->job.arrivals && i < learner->run.lanes; i++)
        if (learner->job.arrivals[i])
            intake_release(learner->intake, &learner->job.arrivals[i]);
    learner_end_admission(learner);
    learner_link_destroy(&learner->link);
    weights_unref(&learner->version);
    intake_destroy(&learner->intake);
    orders_destroy(&learner->orders);
    ledger_destroy(&learner->ledger);
    evaluation_destroy(&learner->evaluation);
    evaluation_destroy(&learner->training_evaluation);
    metrics_close(&learner->metrics);
    trainer_destroy(&learner->trainer);
    safetensors_destroy(&learner->restored);
    safetensors_destroy(&learner->job.checkpoint);
    convergence_deinit(&learner->convergence);
    if (learner->source)
        models_deinit(learner->source);
    free(learner->source);
    recipe_destroy(&learner->recipe);
    free(learner->waiting);
    free(learner->job.arrivals);
}
