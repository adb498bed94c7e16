#include "broker/metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "broker/monitor.h"
#include "broker/text.h"

#define N(value) ((unsigned long long)(value))

static const char *const gauge = "gauge", *const counter = "counter";

static void family(struct text *text, const char *name, const char *type, const char *help)
{
    text_add(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void value_line(struct text *text, const char *name, double value)
{
    if (isfinite(value))
        text_add(text, "%s %.17g\n", name, value);
}

/* A family of one sample; left out where there is nothing to tell. */
static void single(struct text *text, const char *name, const char *type, const char *help, double value)
{
    family(text, name, type, help); /* a series that has no value yet is announced, too */
    if (isfinite(value))
        value_line(text, name, value);
}

static void histogram_lines(struct text *text, const char *name, const char *help, const struct histogram *histogram, double first)
{
    uint64_t below = 0;
    family(text, name, "histogram", help);
    for (int b = 0; b < HISTOGRAM_BUCKETS - 1; b++) {
        below += histogram->counts[b];
        text_add(text, "%s_bucket{le=\"%g\"} %llu\n", name, histogram_bound(first, b), N(below));
    }
    text_add(text, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name, N(histogram_total(histogram)), name,
             histogram->sum, name, N(histogram_total(histogram)));
}

/* --- families, by subject --- */

static void add_peers(struct text *text, const struct broker_view *view)
{
    static const char *const states[] = {"joining", "ready", "draining", "gone", "quarantined"};
    int count[ARRAY_LEN(states)] = {0}, quarantined = ARRAY_LEN(states) - 1;
    bool is_here = view->learner->incarnation && !view->learner->is_silent;
    for (int i = 0; i < view->n_actors; i++) {
        const struct broker_actor *actor = &view->actors[i];
        bool is_held = actor->presence != ROSTER_GONE && monitor_is_quarantined(view->monitor, actor->actor);
        count[is_held ? quarantined : (int)actor->presence]++;
    }
    family(text, "testudo_peers", gauge, "Processes of the cluster that are here, by role.");
    text_add(text, "testudo_peers{role=\"actor\"} %d\ntestudo_peers{role=\"learner\"} %d\n",
             count[ROSTER_JOINING] + count[ROSTER_READY] + count[ROSTER_DRAINING] + count[quarantined], is_here);
    family(text, "testudo_actors", gauge, "Actors by state; gone ones for a minute, quarantined ones get no orders.");
    for (size_t s = 0; s < ARRAY_LEN(states); s++)
        text_add(text, "testudo_actors{state=\"%s\"} %d\n", states[s], count[s]);
}

static void add_admission(struct text *text, const struct monitor *m)
{
    static const char *const results[] = {"rescored", "unfit", "unjudged", "audited", "different", "undecided", "skipped"};
    if (!isfinite(monitor_number(m, "admission.rescored")))
        return;
    family(text, "testudo_admission_slices_total", counter,
           "Training slices that this learner looked at more closely: scored again, repeated by a second actor.");
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        char path[64];
        snprintf(path, sizeof path, "admission.%s", results[i]);
        text_add(text, "testudo_admission_slices_total{result=\"%s\"} %.0f\n", results[i], monitor_number(m, path));
    }
}

static void add_book(struct text *text, const struct monitor *m)
{
    static const enum monitor_total totals[FATES] = {
        [FATE_TRAINED] = TOTAL_TRAINED,   [FATE_EVALUATED] = TOTAL_EVALUATED,     [FATE_STALE] = TOTAL_STALE,
        [FATE_REJECTED] = TOTAL_REJECTED, [FATE_ROLLED_BACK] = TOTAL_ROLLED_BACK, [FATE_LOST] = TOTAL_LOST};
    char path[64];
    family(text, "testudo_trajectories_total", counter, "Trajectories whose fate was decided, by fate.");
    for (int f = 0; f < FATES; f++)
        text_add(text, "testudo_trajectories_total{fate=\"%s\"} %llu\n", fate_name((enum fate)f), N(m->totals[totals[f]]));
    single(text, "testudo_trajectories_announced_total", counter, "Trajectories that actors announced.",
           (double)m->totals[TOTAL_ANNOUNCED]);
    if (!m->status)
        return;
    family(text, "testudo_book_trajectories", gauge, "The learner's book: announced is the sum of all others.");
    value_line(text, "testudo_book_trajectories{place=\"announced\"}", monitor_number(m, "book.announced"));
    for (int f = 0; f < FATES; f++) {
        snprintf(path, sizeof path, "book.%s", fate_name((enum fate)f));
        text_add(text, "testudo_book_trajectories{place=\"%s\"} %.17g\n", fate_name((enum fate)f), monitor_number(m, path));
    }
    value_line(text, "testudo_book_trajectories{place=\"in_flight_actors\"}", monitor_number(m, "book.in_flight.actors"));
    value_line(text, "testudo_book_trajectories{place=\"in_flight_learner\"}", monitor_number(m, "book.in_flight.learner"));
    single(text, "testudo_book_unexplained", gauge, "What the book cannot account for; 0 at rest.",
           monitor_number(m, "book.unexplained"));
}

static void add_rejects(struct text *text, const struct monitor *m)
{
    const char *reason;
    json_t *count;
    family(text, "testudo_rejects_total", counter, "Trajectories that the learner refused, by reason.");
    json_object_foreach(json_object_get(json_object_get(m->status, "book"), "rejected_by"), reason, count)
    {
        text_add(text, "testudo_rejects_total{reason=");
        text_string(text, reason, strlen(reason));
        text_add(text, "} %.17g\n", json_number_value(count));
    }
}

static void add_deliveries(struct text *text, const struct broker_counts *c)
{
    const struct {
        const char *result;
        uint64_t count;
    } rows[] = {{"distinct", c->distinct}, {"duplicate", c->duplicate},   {"gap", c->gap},
                {"unknown", c->unknown},   {"over_grant", c->over_grant}, {"unrouted", c->unrouted}};
    family(text, "testudo_deliveries_total", counter, "Trajectories that came to the broker, by what became of the delivery.");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        text_add(text, "testudo_deliveries_total{result=\"%s\"} %llu\n", rows[i].result, N(rows[i].count));
    single(text, "testudo_trajectory_bytes_total", counter, "Bytes of trajectories received, envelopes included.",
           (double)c->bytes_in[MESSAGE_TRAJECTORY]);
    single(text, "testudo_weights_bytes_total", counter, "Bytes of weights and descriptions sent.",
           (double)c->bytes_out[MESSAGE_CHUNK]);
    single(text, "testudo_malformed_total", counter, "Messages that could not be read.", (double)c->malformed);
    single(text, "testudo_refused_total", counter, "Messages of peers that are not served.", (double)c->refused);
    single(text, "testudo_stray_total", counter, "Messages to or from peers that are not here any more.", (double)c->stray);
    single(text, "testudo_send_failures_total", counter, "Messages that could not be handed to a connection.", (double)c->dropped);
    single(text, "testudo_actors_gone_total", counter, "Actors that left or fell silent.", (double)c->actors_gone);
    single(text, "testudo_reconnects_total", counter, "Actors that came back.", (double)c->reconnects);
    single(text, "testudo_learners_total", counter, "Learner processes that were here.", (double)c->learners);
}

static void add_security(struct text *text, const struct broker_view *view)
{
    const struct broker_security *s = view->security;
    family(text, "testudo_auth_failures_total", counter, "Connections that were not let in, by reason.");
    for (int i = 0; i < LOOP_FAILURES; i++)
        text_add(text, "testudo_auth_failures_total{reason=\"%s\"} %llu\n", loop_failure_name((enum loop_failure)i),
                 N(s->refused[i]));
    family(text, "testudo_denied_messages_total", counter,
           "Messages that a role may not send, for an actor of another key, or under a key that was taken off the list.");
    text_add(text, "testudo_denied_messages_total{reason=\"role\"} %llu\ntestudo_denied_messages_total{reason=\"actor\"} %llu\n",
             N(view->counts->denied_role), N(view->counts->denied_actor));
    text_add(text, "testudo_denied_messages_total{reason=\"revoked\"} %llu\n", N(s->revoked));
    single(text, "testudo_admitted_total", counter, "Connections that were let in with a key.", (double)s->admitted);
    single(text, "testudo_keys", gauge, "Keys on the list; 0 without keys.", s->keys);
}

static void add_messages(struct text *text, const struct broker_counts *c)
{
    static const char *const names[] = {"testudo_broker_messages_total", "testudo_broker_bytes_total"};
    static const char *const helps[] = {"Messages through the broker.", "Bytes of envelopes and payloads through the broker."};
    for (int i = 0; i < 2; i++) {
        family(text, names[i], counter, helps[i]);
        for (int k = 0; k < MESSAGE_KINDS; k++)
            text_add(text, "%s{direction=\"in\",kind=\"%s\"} %llu\n%s{direction=\"out\",kind=\"%s\"} %llu\n", names[i],
                     message_kind_name((enum message_kind)k), N(i ? c->bytes_in[k] : c->messages_in[k]), names[i],
                     message_kind_name((enum message_kind)k), N(i ? c->bytes_out[k] : c->messages_out[k]));
    }
}

/* On the way from the broker to the learner, and what actors may still send. */
static void add_queue(struct text *text, const struct broker_view *view)
{
    uint64_t on_way = 0, pending = 0, credits = 0, blocked = 0;
    for (int i = 0; i < view->n_actors; i++) {
        const struct broker_actor *a = &view->actors[i];
        uint64_t announced = a->next_sequence ? a->next_sequence - 1 : 0;
        if (a->presence == ROSTER_GONE)
            continue;
        on_way += a->forwarded - a->received;
        pending += announced - a->acked;
        credits += a->may_send > announced ? a->may_send - announced : 0;
        blocked += a->may_send <= announced;
    }
    single(text, "testudo_queue_messages", gauge, "Trajectories forwarded that the learner has not confirmed.", (double)on_way);
    single(text, "testudo_pending_trajectories", gauge, "Trajectories announced by actors that are here, fate not yet known.",
           (double)pending);
    single(text, "testudo_credits", gauge, "Trajectories that actors may announce before they must wait.", (double)credits);
    single(text, "testudo_credits_blocked", gauge, "Actors without credit.", (double)blocked);
    single(text, "testudo_cache_bytes", gauge, "Weights, manifests, recipe and descriptions held by the broker.",
           (double)view->cache_bytes);
    single(text, "testudo_weights_acks_total", counter, "Times that an actor began to act with a newer version.",
           (double)view->work->weights_taken);
    single(text, "testudo_resends_total", counter, "Trajectories that actors sent again.", (double)view->work->resent);
    histogram_lines(text, "testudo_trajectory_age_seconds",
                    "From the end of a trajectory to its actor's word that the learner has it.", &view->work->ages,
                    HISTOGRAM_SECONDS);
}

static void add_learner(struct text *text, const struct broker_view *view)
{
    const struct monitor *m = view->monitor;
    const struct histogram updates = monitor_histogram(m, "update_times"), lags = monitor_histogram(m, "lags");
    family(text, "testudo_env_steps_total", counter, "Environment steps: rolled out by actors, and trained on by the learner.");
    text_add(text, "testudo_env_steps_total{role=\"actor\"} %llu\ntestudo_env_steps_total{role=\"learner\"} %llu\n",
             N(view->work->steps), N(m->totals[TOTAL_STEPS]));
    single(text, "testudo_updates_total", counter, "Updates made by learners.", (double)m->totals[TOTAL_UPDATES]);
    single(text, "testudo_policy_version", gauge, "Newest weights version that actors can have.", (double)view->newest.number);
    single(text, "testudo_policy_generation", gauge, "Generation of the newest weights.", (double)view->newest.generation);
    single(text, "testudo_policy_lag_bound_versions", gauge, "What run.max_lag allows (0 in sync mode).",
           monitor_number(m, "max_lag"));
    if (!m->status)
        return;
    single(text, "testudo_learner_update", gauge, "Update that the run stands at.", monitor_number(m, "update"));
    single(text, "testudo_learner_steps", gauge, "Environment steps that the run stands at.", monitor_number(m, "steps"));
    single(text, "testudo_learner_budget_steps", gauge, "Environment steps that the run is for.", monitor_number(m, "budget"));
    histogram_lines(text, "testudo_learner_update_seconds", "Computing time of an update, this learner process.", &updates,
                    HISTOGRAM_SECONDS);
    histogram_lines(text, "testudo_policy_lag_versions", "Lag of each trajectory trained on, this learner process.", &lags,
                    HISTOGRAM_LAG);
    single(text, "testudo_learner_busy_seconds_total", counter, "Time in updates and checkpoints, this learner process.",
           monitor_number(m, "busy_seconds"));
    single(text, "testudo_learner_wait_seconds_total", counter,
           "Time from published versions to full batches, this learner process.", monitor_number(m, "wait_seconds"));
    single(text, "testudo_checkpoint_timestamp_seconds", gauge, "When the last checkpoint was written.",
           monitor_number(m, "checkpoint_unix_seconds"));
    single(text, "testudo_checkpoint_write_seconds", gauge, "How long writing it took.", monitor_number(m, "checkpoint_seconds"));
    single(text, "testudo_checkpoint_stopped_seconds_total", counter,
           "Time that learning stood still for checkpoints and the replay's files, this learner process.",
           monitor_number(m, "stopped_seconds"));
    single(text, "testudo_checkpoint_failures_total", counter, "Checkpoints that failed, this learner process.",
           monitor_number(m, "checkpoints_failed"));
    single(text, "testudo_checkpoint_at_stake_updates", gauge, "Updates that a crash would cost while checkpoints fail.",
           monitor_number(m, "updates_at_stake"));
    single(text, "testudo_skipped_steps_total", counter, "Optimiser steps skipped because something was not finite.",
           monitor_number(m, "skipped"));
    single(text, "testudo_mutual_information_nats", gauge, "Estimate of the last update.", monitor_number(m, "mutual_information"));
    single(text, "testudo_belief_accuracy_ratio", gauge, "Share of types that beliefs had right in the last update.",
           monitor_number(m, "belief_accuracy"));
}

/* Classes: nobody attacked, somebody attacked, and the worst single partition. */
static void add_partitions(struct text *text, const struct monitor *m)
{
    const json_t *partitions = json_object_get(m->status, "partitions");
    double episodes[2] = {0, 0};
    for (size_t i = 0; i < json_array_size(partitions); i++) {
        const json_t *row = json_array_get(partitions, i);
        episodes[json_array_size(json_object_get(row, "partition")) > 0] += json_number_value(json_object_get(row, "episodes"));
    }
    if (!m->status)
        return;
    family(text, "testudo_partition_episodes_total", counter, "Episodes finished in training, by class, this learner process.");
    text_add(
        text,
        "testudo_partition_episodes_total{class=\"clean\"} %.17g\ntestudo_partition_episodes_total{class=\"attacked\"} %.17g\n",
        episodes[0], episodes[1]);
    family(text, "testudo_partition_return", gauge, "Return of late episodes, by class; lowest: the worst single partition.");
    value_line(text, "testudo_partition_return{class=\"clean\"}", monitor_number(m, "return_clean"));
    value_line(text, "testudo_partition_return{class=\"attacked\"}", monitor_number(m, "return_attacked"));
    value_line(text, "testudo_partition_return{class=\"lowest\"}", monitor_number(m, "return_lowest"));
    family(text, "testudo_evaluation_return", gauge, "Return in the last evaluation, by class.");
    value_line(text, "testudo_evaluation_return{class=\"clean\"}", monitor_number(m, "eval_clean"));
    value_line(text, "testudo_evaluation_return{class=\"attacked\"}", monitor_number(m, "eval_attacked"));
    value_line(text, "testudo_evaluation_return{class=\"lowest\"}", monitor_number(m, "eval_lowest"));
}

static void add_verdict(struct text *text, const struct monitor *m)
{
    family(text, "testudo_limit", gauge, "1 for what limits the run over the last seconds.");
    for (enum limit l = LIMIT_NONE; l <= LIMIT_LAG; l++)
        text_add(text, "testudo_limit{limit=\"%s\"} %d\n", limit_name(l), m->verdict.limit == l);
    single(text, "testudo_learner_busy_ratio", gauge, "Share of the last seconds that the learner computed.",
           m->rates.learner_busy);
    single(text, "testudo_actor_busy_ratio", gauge, "Share of the last seconds that actors rolled out, mean.", m->rates.actor_busy);
}

static void add_actors(struct text *text, const struct broker_view *view)
{
    if (view->n_actors > METRICS_ACTORS_MAX)
        return;
    family(text, "testudo_actor_env_steps_total", counter, "Environment steps of one actor process.");
    for (int i = 0; i < view->n_actors; i++) {
        const struct broker_actor *a = &view->actors[i];
        if (a->presence == ROSTER_GONE)
            continue;
        text_add(text, "testudo_actor_env_steps_total{actor=\"%u\",host=", a->actor);
        text_string(text, a->host, strnlen(a->host, sizeof a->host));
        text_add(text, "} %llu\n", N(a->load.steps));
    }
}

/* --- this process --- */

static double open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    double n = 0;
    if (!folder)
        return NAN;
    while (readdir(folder))
        n++;
    closedir(folder);
    return n - 3; /* ., .. and the folder itself */
}

static double resident_bytes(void)
{
    long pages;
    FILE *file = fopen("/proc/self/statm", "re");
    int n = file ? fscanf(file, "%*d %ld", &pages) : 0;
    if (file)
        fclose(file);
    return n == 1 ? (double)pages * (double)sysconf(_SC_PAGESIZE) : NAN;
}

static void add_process(struct text *text, const struct broker_view *view)
{
    struct rusage usage;
    double cpu = getrusage(RUSAGE_SELF, &usage) ? NAN
                                                : (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6 +
                                                      (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6;
    single(text, "process_resident_memory_bytes", gauge, "Memory of the broker.", resident_bytes());
    single(text, "process_cpu_seconds_total", counter, "Processor time of the broker.", cpu);
    single(text, "process_open_fds", gauge, "Open descriptors of the broker.", open_descriptors());
    single(text, "process_start_time_seconds", gauge, "When the broker started.", (double)view->epoch * 1e-6);
}

int broker_metrics(const struct broker_view *view, const char *version, char *out, size_t size)
{
    struct text text = {out, size, 0};
    family(&text, "testudo_build_info", gauge, "1, with the program's version and the protocol's.");
    text_add(&text, "testudo_build_info{version=\"%s\",protocol=\"%d.%d\"} 1\n", version, PROTOCOL_MAJOR, PROTOCOL_MINOR);
    add_peers(&text, view);
    add_learner(&text, view);
    add_book(&text, view->monitor);
    add_admission(&text, view->monitor);
    add_rejects(&text, view->monitor);
    add_deliveries(&text, view->counts);
    add_security(&text, view);
    add_messages(&text, view->counts);
    add_queue(&text, view);
    add_partitions(&text, view->monitor);
    add_verdict(&text, view->monitor);
    add_actors(&text, view);
    add_process(&text, view);
    return text_end(&text);
}
