/* Evaluations of the learner process: see learner_internal.h. */
#include "learner/learner_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

static int add_tasks(struct learner *learner, const struct evaluation *evaluation)
{
    for (int i = 0; i < evaluation_tasks(evaluation); i++) {
        struct order order;
        evaluation_task(evaluation, i, &order);
        order.version = learner->version_number;
        int r = orders_add_task(learner->orders, &order, UINT32_MAX);
        if (r)
            return err_set(learner->err, r, "cannot ask for %d evaluation tasks: fewer episodes or more eval.per_task",
                           evaluation_tasks(evaluation));
    }
    return 0;
}

int learner_make_evaluation(struct learner *learner, const char *threats, struct evaluation **evaluation)
{
    const struct evaluation_config *config = &learner->evaluation_config;
    const struct batch_shape *shape = &trainer_batch(learner->trainer)->shape;
    int64_t per_task = config->per_task < shape->T ? config->per_task : shape->T; /* a frame has room for T episodes */
    int r = evaluation_create(evaluation, threats, config->episodes, per_task, learner->victims.n, ++learner->evaluations,
                              learner->err);
    return r ? r : add_tasks(learner, *evaluation);
}

/* async: what arrived for updates that will not be made. */
static void drop_waiting(struct learner *learner)
{
    for (int i = 0; i < learner->n_waiting; i++)
        learner_link_decide(learner->link, &learner->waiting[i], FATE_STALE);
    learner->n_waiting = 0;
}

void learner_begin_evaluation(struct learner *learner)
{
    drop_waiting(learner);
    int r = learner_make_evaluation(learner, learner->evaluation_config.threats, &learner->evaluation);
    if (r)
        learner_stop(learner, r);
}

static void finish_training_evaluation(struct learner *learner)
{
    evaluation_summary(learner->training_evaluation, &learner->status.eval_clean, &learner->status.eval_attacked,
                       &learner->status.eval_lowest);
    log_notice("evaluated steps=%" PRId64 " clean=%.4g attacked_mean=%.4g attacked_lowest=%.4g", learner->status.steps,
               learner->status.eval_clean, learner->status.eval_attacked, learner->status.eval_lowest);
    evaluation_destroy(&learner->training_evaluation);
}

const char *learner_results_name(const struct learner *learner)
{
    static const char *const names[] = {
        [LEARNER_TRAIN] = "train.json", [LEARNER_EVAL] = "eval.json", [LEARNER_ATTACK] = "attack.json"};
    return learner->options->results ? learner->options->results : names[learner->options->mode];
}

static int write_results(struct learner *learner)
{
    const char *name = learner_results_name(learner);
    struct results *results = NULL;
    char folder[512], path[1024];
    int r = results_create(&results);
    if (r)
        return err_set(learner->err, r, "no memory for results");
    bool is_attack = learner->options->mode == LEARNER_ATTACK;
    snprintf(results->method, sizeof results->method, "%s", recipe_value(learner->recipe, "method", "custom"));
    snprintf(results->env, sizeof results->env, "%s", recipe_value(learner->recipe, "env.name", ""));
    snprintf(results->scenario, sizeof results->scenario, "%s", recipe_value(learner->recipe, "env.scenario", ""));
    results->seed = learner->run.seed;
    results->victims = learner->victims;
    results->steps = is_attack || learner->source ? learner->source_steps : learner_steps_done(learner);
    results->wall_seconds = clock_seconds_since(learner->start);
    r = evaluation_results(learner->evaluation, results, is_attack ? learner_steps_done(learner) : 0, learner->err);
    if (!r)
        r = file_join(folder, sizeof folder, learner->options->run, "results");
    if (!r)
        r = file_make_folder(folder, learner->err);
    if (!r && !(r = file_join(path, sizeof path, folder, name)))
        r = results_write(results, path, learner->err);
    results_destroy(&results);
    return r;
}

static void finish_evaluation(struct learner *learner)
{
    int r = write_results(learner);
    if (!r)
        learner_note_complete(learner);
    struct book book = ledger_book(learner->ledger);
    evaluation_summary(learner->evaluation, &learner->status.eval_clean, &learner->status.eval_attacked,
                       &learner->status.eval_lowest);
    log_notice(
        "run complete steps=%" PRId64 " announced=%" PRIu64 " trained=%" PRIu64 " evaluated=%" PRIu64 " stale=%" PRIu64
        " rejected=%" PRIu64 " rolled_back=%" PRIu64 " lost=%" PRIu64 " away=%" PRIu64 " held=%" PRIu64 " unexplained=%" PRId64,
        learner->status.steps, book.announced, book.fates[FATE_TRAINED], book.fates[FATE_EVALUATED], book.fates[FATE_STALE],
        book.fates[FATE_REJECTED], book.fates[FATE_ROLLED_BACK], book.fates[FATE_LOST], book.away, book.held, book.unexplained);
    learner_log_admission(learner);
    if (r)
        learner_stop(learner, r);
    else
        learner_finish(learner);
}

void learner_try_finish(struct learner *learner)
{
    bool is_done = learner->stage == STAGE_EVALUATE && learner->evaluation && evaluation_is_done(learner->evaluation);
    if (is_done && learner_audits_are_done(learner))
        finish_evaluation(learner);
}

void learner_take_evaluated(struct learner *learner, struct arrival *arrival)
{
    struct batch_view view;
    batch_map(trainer_batch(learner->trainer), &arrival->t, &view);
    if (!(learner->evaluation && evaluation_take(learner->evaluation, &arrival->t, &view)) && learner->training_evaluation)
        (void)evaluation_take(learner->training_evaluation, &arrival->t, &view);
    learner_link_decide(learner->link, &arrival, FATE_EVALUATED);
    if (learner->training_evaluation && evaluation_is_done(learner->training_evaluation))
        finish_training_evaluation(learner);
    learner_try_finish(learner);
}

/* Before any training: a list of threats that the end of the run could not be evaluated under. */
int learner_check_threats(struct learner *learner, const char *threats)
{
    struct evaluation *evaluation = NULL;
    int r = evaluation_create(&evaluation, threats, 1, 1, learner->victims.n, 0, learner->err);
    if (!r && evaluation_needs_adversary(evaluation) && !trainer_has_adversary(learner->trainer))
        r = err_set(learner->err, ERR_MISMATCH,
                    "cannot evaluate under \"%s\": this team has no trained adversary; `testudo attack` trains one", threats);
    evaluation_destroy(&evaluation);
    return r;
}
