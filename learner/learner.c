/* The learner process. See learner.h.
 *
 *   WAIT_TASK -first actor describes the task-> TRAIN -budget reached-> EVALUATE -all answered-> DONE
 *                                                 ^ '- (attack) not converged: the budget grows
 *
 * One libuv loop owns link, order book, ledger and intake. An update, and the writing of a checkpoint, run on libuv's worker
 * threads, one job at a time; the loop goes on with heartbeats meanwhile. Order of things in sync mode, for update u:
 *   slices u of all lanes arrive -> update on a worker -> fates TRAINED, slices committed -> checkpoint if due -> version u+1
 *   published, lanes may run slice u+1.
 * A checkpoint is taken between the fates and the publication, so what it says of trajectories, lanes and nets belongs
 * together. The generation is raised on disk before anything is sent, so no version is ever used twice. */
#include "learner/learner_internal.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "wire/routing_id.h"

#define HINT_FIRST 3   /* handshakes broken off until it is said what may be wrong, */
#define HINT_EVERY 100 /* and then once in so many */

static void start_update(struct learner *learner);

/* ---- tables ---- */

const struct config_table *learner_tables(int *count)
{
    static struct config_table tables[64]; /* the same at every call: made of constants and the registry */
    int n = 0;
    tables[n++] = run_table;
    tables[n++] = knowledge_table;
    tables[n++] = trainer_table;
    tables[n++] = ppo_table;
    tables[n++] = mi_table;
    tables[n++] = q_table;
    tables[n++] = replay_table;
    tables[n++] = smoothness_table;
    tables[n++] = m3ddpg_table;
    tables[n++] = romax_table;
    tables[n++] = value_adversary_table;
    tables[n++] = evaluation_table;
    tables[n++] = convergence_table;
    tables[n++] = admission_table;
    for (int i = 0; algorithm_registry[i] && n < (int)ARRAY_LEN(tables); i++)
        if (algorithm_registry[i]->n_rows)
            tables[n++] =
                (struct config_table){algorithm_registry[i]->name, algorithm_registry[i]->rows, algorithm_registry[i]->n_rows};
    *count = n;
    return tables;
}

/* ---- versions and evaluations ---- */

int64_t learner_steps_done(const struct learner *learner)
{
    return (int64_t)learner->updates * trainer_steps_per_update(learner->trainer);
}

static int publish(struct learner *learner)
{
    struct weights *weights = NULL;
    struct weights_version version = {learner->generation, learner->version_number.number + 1};
    int r = trainer_weights(learner->trainer, version, &weights, learner->err);
    if (r)
        return r;
    weights_unref(&learner->version);
    learner->version = weights_ref(weights);
    learner->version_number = version;
    learner->published_us = clock_us();
    uint64_t updates = learner->updates, total = trainer_total(learner->trainer);
    uint64_t slice_end = learner->options->mode == LEARNER_EVAL ? 0 /* its order book begins empty, and no lane shall run */
                         : learner->stage != STAGE_TRAIN        ? updates
                         : learner->run.mode == RUN_SYNC        ? updates + 1
                                                                : total + ORDERS_DEPTH_MAX;
    r = learner_link_publish(learner->link, learner->now, weights, slice_end);
    weights_unref(&weights);
    return r;
}

/* ---- jobs ---- */

void learner_begin_job(struct learner *learner, uv_work_cb work, uv_after_work_cb done)
{
    learner->job.is_running = true;
    learner->job.since = clock_us();
    uv_queue_work(&learner->loop, &learner->job.work, work, done);
}

void learner_end_job(struct learner *learner)
{
    learner->job.is_running = false;
    learner->busy_seconds += clock_seconds_since(learner->job.since);
}

/* ---- training ---- */

static bool is_budget_reached(const struct learner *learner)
{
    return learner->updates >= trainer_total(learner->trainer);
}

static void update_work(uv_work_t *work)
{
    struct learner *learner = work->data;
    struct job *job = &learner->job;
    const struct trajectory *trajectories[ORDER_LANES_MAX];
    monotonic_us start = clock_us();
    for (int l = 0; l < learner->run.lanes; l++)
        trajectories[l] = &job->arrivals[l]->t;
    job->report.count = 0;
    trainer_update(learner->trainer, trajectories, &job->report);
    job->seconds = clock_seconds_since(start);
}

/* Episode records of a trajectory: the partitions' shares and returns, and what convergence looks at. */
static void take_records(struct learner *learner, const struct arrival *arrival)
{
    struct batch_view view;
    batch_map(trainer_batch(learner->trainer), &arrival->t, &view);
    for (int e = 0; e < view.episodes; e++)
        partitions_count(&learner->partitions, (uint64_t)view.record_partition[e], view.record_return[e]);
}

static void write_metrics(struct learner *learner)
{
    double values[STATUS_COLUMNS_MAX];
    struct err err;
    status_fill(&learner->status, &learner->job.report, &learner->partitions, values);
    bool has_failed = learner->metrics && metrics_write(learner->metrics, learner_steps_done(learner),
                                                        clock_seconds_since(learner->start), values, &err);
    if (has_failed && !learner->metrics_fail)
        log_warning("metrics not written, rows are missing until it is said otherwise: %s", err.text);
    else if (!has_failed && learner->metrics_fail)
        log_notice("metrics are written again updates=%" PRIu64, learner->updates);
    learner->metrics_fail = has_failed;
}

static void update_done(uv_work_t *work, int status)
{
    struct learner *learner = work->data;
    struct job *job = &learner->job;
    (void)status;
    learner_end_job(learner);
    learner->now = clock_us();
    learner->status.update_seconds = job->seconds;
    histogram_add(&learner->status.update_times, HISTOGRAM_SECONDS, job->seconds);
    learner_note_stopped(learner);
    status_note_report(&learner->status, &job->report);
    partitions_begin_update(&learner->partitions);
    learner->status.lag = 0;
    for (int l = 0; l < learner->run.lanes; l++) {
        double lag = (double)(learner->version_number.number - job->arrivals[l]->t.version.number);
        learner->status.lag = lag > learner->status.lag ? lag : learner->status.lag;
        histogram_add(&learner->status.lags, HISTOGRAM_LAG, lag);
        take_records(learner, job->arrivals[l]);
        learner_link_decide(learner->link, &job->arrivals[l], FATE_TRAINED);
    }
    learner->updates++;
    for (int i = 0; i < job->report.count; i++)
        if (!strcmp(job->report.entries[i].name, "skipped") && (int64_t)job->report.entries[i].value != learner->status.skipped) {
            learner->status.skipped = (int64_t)job->report.entries[i].value;
            log_warning("optimiser step skipped, a loss or gradient was not finite skipped_total=%" PRId64,
                        learner->status.skipped);
        }
    convergence_count(&learner->convergence, &learner->partitions);
    learner->status.updates = learner->updates;
    learner->status.steps = learner_steps_done(learner);
    write_metrics(learner);
    bool is_last = is_budget_reached(learner) || learner->is_draining;
    if (is_last || save_schedule_is_due(&learner->save, learner->now, learner->updates))
        learner_save(learner);
    else
        learner_go_on(learner);
}

/* After an update and its checkpoint, or after the first version: what comes next. */
void learner_go_on(struct learner *learner)
{
    learner->now = clock_us();
    if (learner->is_draining) {
        learner_end_training(learner);
        learner_stop(learner, learner_saved_all(learner));
        return;
    }
    if (learner->stage != STAGE_TRAIN)
        return;
    if (is_budget_reached(learner) && save_schedule_at_stake(&learner->save, learner->updates)) {
        learner->save_waits = true; /* the last one failed: nothing is told to be complete before it is on disk */
        return;
    }
    if (is_budget_reached(learner) && learner->options->mode == LEARNER_ATTACK) {
        uint64_t total =
            convergence_next_total(&learner->convergence, learner->updates, trainer_steps_per_update(learner->trainer));
        trainer_extend(learner->trainer, total);
    }
    if (is_budget_reached(learner)) {
        learner->stage = STAGE_EVALUATE;
        learner_end_training(learner);
    }
    int r = publish(learner);
    if (!r && learner->stage == STAGE_TRAIN && learner->eval_every && !learner->training_evaluation &&
        learner->updates % (uint64_t)learner->eval_every == 0)
        r = learner_make_evaluation(learner, learner->evaluation_config.training_threats, &learner->training_evaluation);
    if (r) {
        learner_stop(learner, r);
        return;
    }
    if (learner->stage == STAGE_EVALUATE)
        learner_begin_evaluation(learner);
    else
        start_update(learner); /* async: the next batch may be here already */
    learner_link_pump(learner->link, learner->now);
}

/* sync: all lanes are here. async: enough trajectories are, and those that stay undecided may see one more version. */
static bool has_batch(const struct learner *learner)
{
    const struct trajectory *batch[ORDER_LANES_MAX];
    if (learner->n_waiting < learner->run.lanes)
        return false;
    if (learner->run.mode == RUN_SYNC)
        return true;
    for (int i = 0; i < learner->run.lanes; i++)
        batch[i] = &learner->waiting[i]->t;
    return orders_may_publish_after(learner->orders, learner->version_number.number + 1, batch, (int)learner->run.lanes);
}

/* Moves a batch from the waiting ones to a worker, if one is complete and nothing else is under way. */
static void start_update(struct learner *learner)
{
    struct job *job = &learner->job;
    int L = (int)learner->run.lanes;
    if (job->is_running || learner->stage != STAGE_TRAIN || !has_batch(learner))
        return;
    memcpy(job->arrivals, learner->waiting, (size_t)L * sizeof *job->arrivals);
    memmove(learner->waiting, learner->waiting + L, (size_t)(learner->waiting_size - L) * sizeof *learner->waiting);
    memset(learner->waiting + learner->waiting_size - L, 0, (size_t)L * sizeof *learner->waiting);
    learner->n_waiting -= L;
    learner->status.wait_seconds = clock_seconds_since(learner->published_us);
    learner->status.waited_seconds += learner->status.wait_seconds;
    learner_begin_job(learner, update_work, update_done);
}

/* ---- what the link says ---- */

static int send_message(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    struct learner *learner = context;
    struct loop_zmq_outgoing message = {
        .envelope = envelope, .envelope_bytes = envelope_bytes, .payload = payload, .payload_bytes = payload_bytes};
    return loop_zmq_send(learner->socket, &message);
}

static void deliver(void *context, struct arrival *arrival)
{
    struct learner *learner = context;
    if (arrival->t.purpose != ORDER_TRAIN) {
        (arrival->t.purpose == ORDER_AUDIT ? learner_take_audited : learner_take_evaluated)(learner, arrival);
        return;
    }
    if (learner->stage != STAGE_TRAIN) {
        learner_link_decide(learner->link, &arrival, FATE_STALE);
        return;
    }
    learner_consider_audit(learner, arrival);
    if (learner->run.mode == RUN_SYNC) {
        bool fits = arrival->t.slice == learner->updates && !learner->waiting[arrival->t.lane];
        ASSERT(fits); /* the order book hands out slice u of a lane once, and only while update u waits for it */
        learner->waiting[arrival->t.lane] = arrival;
    } else {
        ASSERT(learner->n_waiting < learner->waiting_size); /* depth bounds what a lane may have under way */
        int at = learner->n_waiting; /* oldest versions first: what waits behind a batch is never older than the batch */
        for (; at > 0 && learner->waiting[at - 1]->t.version.number > arrival->t.version.number; at--)
            learner->waiting[at] = learner->waiting[at - 1];
        learner->waiting[at] = arrival;
    }
    learner->n_waiting++;
    start_update(learner);
}

static int open_metrics(struct learner *learner)
{
    if (learner->options->mode == LEARNER_EVAL)
        return 0;
    int64_t resume = learner->restored ? learner_steps_done(learner) : -1;
    status_set_columns(&learner->status, trainer_reports(learner->trainer));
    return metrics_open(&learner->metrics, learner->options->run, learner->status.columns, learner->status.n_columns, resume,
                        learner->err);
}

static int list_victims(struct learner *learner, int N)
{
    struct partition_config partition;
    int r = partition_config_bind(&partition, learner->recipe, learner->err);
    return r ? r : victims_init(&learner->victims, &partition, N, learner->err);
}

/* The first description of the task: build the nets, go on from the checkpoint, publish. */
static int begin_task(struct learner *learner, const struct spec *spec, const struct schema *schema)
{
    int r = list_victims(learner, spec->N);
    if (!r)
        r = trainer_create(&learner->trainer, learner->recipe, spec, schema, learner->source, learner->err);
    if (!r && learner->options->mode == LEARNER_EVAL)
        trainer_forgo_replay(learner->trainer);
    else if (!r)
        r = trainer_keep_replay(learner->trainer, learner->options->run, learner->err);
    if (!r && learner->restored)
        r = trainer_load(learner->trainer, learner->restored, learner->err);
    if (!r)
        learner->updates = trainer_updates(learner->trainer);
    if (!r)
        r = learner_check_threats(learner, learner->evaluation_config.threats);
    if (!r && learner->eval_every)
        r = learner_check_threats(learner, learner->evaluation_config.training_threats);
    if (!r)
        r = open_metrics(learner);
    if (!r)
        r = learner_begin_admission(learner, spec);
    if (r)
        return r;
    learner->version_number.number = learner->updates;
    intake_set_schema(learner->intake, schema);
    convergence_begin(&learner->convergence, &learner->convergence_config, spec, &learner->victims,
                      trainer_total(learner->trainer));
    learner->status.budget_updates = trainer_total(learner->trainer);
    learner->status.steps_per_update = trainer_steps_per_update(learner->trainer);
    learner->status.updates = learner->updates;
    learner->status.steps = learner->status.start_steps = learner_steps_done(learner);
    save_schedule_begin(&learner->save, (uint64_t)learner->checkpoint_every, learner->updates);
    learner_prune_segments(learner);
    bool is_fresh = !learner->restored && learner->options->mode != LEARNER_EVAL;
    safetensors_destroy(&learner->restored);
    learner->stage = learner->options->mode == LEARNER_EVAL ? STAGE_EVALUATE : STAGE_TRAIN;
    learner->status.began_us = clock_us();
    log_notice("task known env=%s scenario=%s agents=%d updates=%" PRIu64 "/%" PRIu64, spec->env, spec->scenario, spec->N,
               learner->updates, trainer_total(learner->trainer));
    if (learner->stage == STAGE_EVALUATE) {
        if (!(r = publish(learner)))
            learner_begin_evaluation(learner);
    } else if (is_fresh) {
        learner_save(learner); /* the untrained team; learner_go_on publishes when it is on disk */
    } else {
        learner_go_on(learner);
    }
    return r;
}

static int described(void *context, const struct spec *spec, const struct schema *schema)
{
    struct learner *learner = context;
    if (learner->is_complete)
        return ERR_STATE; /* nobody is needed any more */
    if (learner->trainer)
        return hash_equal(trainer_batch(learner->trainer)->schema->hash, schema->hash) ? 0 : ERR_MISMATCH;
    int r = begin_task(learner, spec, schema);
    if (r)
        learner_stop(learner, r);
    return r;
}

static void refused(void *context, int code, const char *text)
{
    struct learner *learner = context;
    learner_stop(learner, err_set(learner->err, code, "refused by the broker: %s", text));
}

static int write_status(void *context, char *json, size_t size)
{
    struct learner *learner = context;
    uint64_t rtt_us = learner_link_stats(learner->link).rtt_us;
    struct status *status = &learner->status;
    status->mode = learner->run.mode == RUN_SYNC ? "sync" : "async";
    status->max_lag = learner->run.mode == RUN_SYNC ? 0 : learner->run.max_lag;
    status->lanes = learner->run.lanes;
    status->uptime_seconds = clock_seconds_since(learner->start);
    status->busy_seconds = learner->busy_seconds + (learner->job.is_running ? clock_seconds_since(learner->job.since) : 0);
    status->rtt_seconds = rtt_us ? (double)rtt_us * 1e-6 : NAN;
    return status_json(&learner->status, learner->ledger, &learner->partitions, json, size);
}

static void rejected(void *context, uint32_t actor, enum reject_reason reason, const char *text)
{
    learner_note_rejected(context, actor, reason, text);
}

static const struct learner_link_ops link_ops = {
    .send = send_message,
    .described = described,
    .deliver = deliver,
    .refused = refused,
    .status = write_status,
    .rejected = rejected,
};

static const void *snapshot_of(void *context, const struct arrival *arrival, uint32_t *bytes)
{
    struct learner *learner = context;
    struct batch_view view;
    if (!learner->trainer)
        return NULL;
    const struct schema *schema = trainer_batch(learner->trainer)->schema;
    int column = schema_find(schema, "snapshot");
    if (column < 0)
        return NULL;
    batch_map(trainer_batch(learner->trainer), &arrival->t, &view);
    *bytes = (uint32_t)schema->columns[column].width;
    return view.snapshot;
}

static int check_content(void *context, const struct arrival *arrival, struct err *err)
{
    struct learner *learner = context;
    return learner->trainer ? batch_check(trainer_batch(learner->trainer), &arrival->t, err) : ERR_STATE;
}

static bool examine(void *context, struct arrival *arrival)
{
    return learner_examine(context, arrival);
}

static const struct intake_ops intake_ops = {.check = check_content, .snapshot = snapshot_of, .examine = examine};

/* ---- loop ---- */

static void on_message(void *context, const struct loop_zmq_message *message)
{
    struct learner *learner = context;
    learner->now = clock_us();
    learner_link_message(learner->link, learner->now, message->envelope, message->envelope_bytes, message->payload,
                         message->payload_bytes);
    learner_link_pump(learner->link, learner->now);
}

/* Not let in: ZeroMQ would never try again, so it is for whoever started us to do. */
static void on_failed(void *context, enum loop_failure failure)
{
    struct learner *learner = context;
    struct err err;
    int code = loop_failure_explain(failure, learner->options->connect, learner->options->keys != NULL, &err);
    if (code)
        refused(learner, code, err.text);
    else if (++learner->failures % HINT_EVERY == HINT_FIRST) /* once or twice is a broker that restarts */
        log_warning("%s %s", learner->options->connect, loop_failure_hint(learner->options->keys != NULL));
}

static void on_tick(uv_timer_t *timer)
{
    struct learner *learner = timer->data;
    learner->now = clock_us();
    learner_link_tick(learner->link, learner->now);
    learner_link_pump(learner->link, learner->now);
    if (learner->save_waits && !learner->job.is_running && learner->now >= learner->save.retry_at)
        learner_save(learner);
    learner_tend_finish(learner);
}

static void on_status(uv_timer_t *timer)
{
    learner_tell_status(timer->data);
    learner_try_finish(timer->data);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct learner *learner = handle->data;
    if (learner->is_draining || learner->stage != STAGE_TRAIN || !learner->trainer) {
        learner_stop(learner, 0);
        return;
    }
    log_notice("draining signal=%d", number);
    learner->is_draining = true;
    if (!learner->job.is_running)
        learner_save(learner);
}

void learner_stop(struct learner *learner, int result)
{
    if (learner->result == 0)
        learner->result = result;
    uv_stop(&learner->loop);
}

/* ---- start ---- */

static int open_link(struct learner *learner)
{
    char *text = recipe_text(learner->recipe);
    if (!text)
        return err_set(learner->err, ERR_NOMEM, "no memory for the recipe");
    int r = checkpoint_run_name(learner->run_name, sizeof learner->run_name, learner->options->run, learner->err);
    struct intake_options intake = {.run = learner->run_name,
                                    .generation = learner->generation,
                                    .pool_bytes = (size_t)4 << 30,
                                    .ops = &intake_ops,
                                    .context = learner};
    if (!r && (r = intake_create(&learner->intake, &intake)))
        err_set(learner->err, r, "no memory for the intake");
    struct learner_link_options link = {.generation = learner->generation,
                                        .incarnation = checkpoint_incarnation(),
                                        .recipe = text,
                                        .recipe_bytes = strlen(text),
                                        .ledger = learner->ledger,
                                        .orders = learner->orders,
                                        .intake = learner->intake,
                                        .ops = &link_ops,
                                        .context = learner};
    snprintf(link.run, sizeof link.run, "%s", learner->run_name);
    if (!r && (r = learner_link_create(&learner->link, &link)))
        err_set(learner->err, r, "cannot create the link");
    free(text);
    return r;
}

static int open_loop(struct learner *learner)
{
    struct loop_zmq_options socket = loop_zmq_defaults();
    struct loop_zmq_callbacks callbacks = {.context = learner, .receive = on_message, .failed = on_failed};
    char id[ROUTING_ID_SIZE];
    routing_id(id, "learner");
    socket.routing_id = id;
    socket.keys = learner->options->keys;
    socket.is_insecure = learner->options->is_insecure;
    socket.max_frame_bytes = PROTOCOL_PAYLOAD_BYTES;
    uv_loop_init(&learner->loop);
    uv_timer_init(&learner->loop, &learner->tick);
    uv_timer_init(&learner->loop, &learner->status_timer);
    uv_signal_init(&learner->loop, &learner->terminate);
    uv_signal_init(&learner->loop, &learner->interrupt);
    learner->tick.data = learner->status_timer.data = learner->terminate.data = learner->interrupt.data = learner;
    learner->job.work.data = learner->admitting.work.data = learner;
    uv_timer_start(&learner->tick, on_tick, 1, TICK_MS);
    uv_timer_start(&learner->status_timer, on_status, STATUS_MS, STATUS_MS);
    uv_signal_start(&learner->terminate, on_signal, SIGTERM);
    uv_signal_start(&learner->interrupt, on_signal, SIGINT);
    if (!(learner->context = zmq_ctx_new()))
        return err_set(learner->err, ERR_NOMEM, "cannot create a ZeroMQ context");
    return loop_zmq_open(&learner->socket, &learner->loop, learner->context, LOOP_ZMQ_DEALER, LOOP_ZMQ_CONNECT,
                         learner->options->connect, &socket, &callbacks, learner->err);
}

/* Waits for a worker that is still busy, then closes every handle and runs the loop dry. */
static void close_loop(struct learner *learner)
{
    if (learner->link)
        learner_link_bye(learner->link);
    uv_close((uv_handle_t *)&learner->tick, NULL);
    uv_close((uv_handle_t *)&learner->status_timer, NULL);
    uv_close((uv_handle_t *)&learner->terminate, NULL);
    uv_close((uv_handle_t *)&learner->interrupt, NULL);
    if (learner->socket)
        loop_zmq_close(&learner->socket);
    learner->is_draining = learner->admitting.is_closing = true; /* a worker's end must not start anything new */
    uv_run(&learner->loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&learner->loop) == 0);
    if (learner->context)
        zmq_ctx_term(learner->context);
}

int learner_run(const struct learner_options *options, struct err *err)
{
    struct err own = {""};
    struct learner *learner = calloc(1, sizeof *learner);
    if (!learner)
        return err_set(err, ERR_NOMEM, "no memory for the learner");
    learner->options = options;
    learner->err = err ? err : &own;
    learner->start = learner->now = clock_us();
    status_init(&learner->status);
    int r = learner_load_recipe(learner);
    if (!r)
        learner_name_task(learner);
    if (!r)
        r = learner_open_books(learner);
    if (!r)
        r = learner_load_checkpoint(learner);
    if (!r)
        r = learner_restore_quarantine(learner);
    if (!r)
        r = checkpoint_next_generation(options->run, &learner->generation, err);
    if (!r)
        orders_set_generation(learner->orders, learner->generation);
    if (!r)
        r = open_link(learner);
    if (!r) {
        r = open_loop(learner);
        if (!r && learner_was_complete(learner))
            learner_finish(learner);
        if (!r)
            uv_run(&learner->loop, UV_RUN_DEFAULT);
        close_loop(learner);
        r = r ? r : learner->result;
        learner_tell_status(learner);
    }
    learner_release(learner);
    free(learner);
    return r;
}
