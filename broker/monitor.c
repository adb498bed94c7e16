#include "broker/monitor.h"

#include <math.h>
#include <string.h>

#define SAMPLE_US 1000000
#define FRESH_US 3000000 /* an actor's rates are those of its last HELLOs */

/* --- the learner's status --- */

static void add_totals(struct monitor *monitor)
{
#define MONITOR_TOTAL_PATH(path, name) path,
    static const char *const paths[TOTALS] = {MONITOR_TOTALS(MONITOR_TOTAL_PATH)};
    for (int t = 0; t < TOTALS; t++) {
        double value = monitor_number(monitor, paths[t]);
        uint64_t now = value >= 0 && value < 1e18 ? (uint64_t)value : 0, before = monitor->has_seen ? monitor->seen[t] : 0;
        monitor->totals[t] += now > before ? now - before : 0;
        monitor->seen[t] = now;
    }
    monitor->has_seen = true;
}

bool monitor_status(struct monitor *monitor, const void *json, size_t length)
{
    struct err err;
    json_t *status = length <= PROTOCOL_STATUS_BYTES ? json_parse("status", json, length, &err) : NULL;
    if (!json_is_object(status)) {
        json_decref(status);
        return false;
    }
    json_decref(monitor->status);
    monitor->status = status;
    add_totals(monitor);
    return true;
}

void monitor_forget_status(struct monitor *monitor)
{
    json_decref(monitor->status);
    monitor->status = NULL;
}

double monitor_number(const struct monitor *monitor, const char *path)
{
    char key[64];
    const json_t *at = monitor->status;
    for (const char *p = path; *p; p += *p == '.') {
        size_t length = strcspn(p, ".");
        ASSERT(length < sizeof key);
        memcpy(key, p, length);
        key[length] = 0;
        at = json_object_get(at, key);
        p += length;
    }
    return json_is_number(at) ? json_number_value(at) : NAN;
}

struct histogram monitor_histogram(const struct monitor *monitor, const char *key)
{
    struct histogram histogram = {0};
    const json_t *object = json_object_get(monitor->status, key), *counts = json_object_get(object, "counts");
    if (json_array_size(counts) != HISTOGRAM_BUCKETS)
        return histogram;
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++) {
        json_int_t count = json_integer_value(json_array_get(counts, (size_t)b));
        histogram.counts[b] = count > 0 ? (uint64_t)count : 0;
    }
    histogram.sum = json_number_value(json_object_get(object, "sum"));
    return histogram;
}

bool monitor_is_quarantined(const struct monitor *monitor, uint32_t actor)
{
    const json_t *ids = monitor->status ? json_object_get(json_object_get(monitor->status, "admission"), "actors") : NULL;
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (json_integer_value(json_array_get(ids, i)) == (json_int_t)actor)
            return true;
    return false;
}

const char *monitor_phase(const struct monitor *monitor)
{
    const char *phase = json_string_value(json_object_get(monitor->status, "phase"));
    return phase ? phase : "";
}

/* --- rates --- */

static struct monitor_sample take(const struct monitor *monitor, const struct broker_view *view)
{
    struct monitor_sample sample = {.at = view->now,
                                    .steps = view->work->steps,
                                    .received = view->counts->distinct,
                                    .ages = view->work->ages,
                                    .lags = monitor_histogram(monitor, "lags"),
                                    .updates = monitor_number(monitor, "update"),
                                    .learner_steps = monitor_number(monitor, "steps"),
                                    .uptime = monitor_number(monitor, "uptime_seconds"),
                                    .busy = monitor_number(monitor, "busy_seconds")};
    for (int k = 0; k < MESSAGE_KINDS; k++) {
        sample.bytes_in += view->counts->bytes_in[k];
        sample.bytes_out += view->counts->bytes_out[k];
    }
    return sample;
}

/* Negative where a learner went back to a checkpoint: no rate then. */
static double per_second(double now, double before, double seconds)
{
    return seconds > 0 && now >= before ? (now - before) / seconds : NAN;
}

static void rate_actors(struct monitor_rates *rates, const struct broker_view *view)
{
    int n = 0, n_rtt = 0;
    double rtt = 0;
    rates->actor_busy = rates->actor_busy_max = rates->actor_idle = rates->actor_blocked = 0;
    for (int i = 0; i < view->n_actors; i++) {
        const struct broker_actor *actor = &view->actors[i];
        if (actor->presence != ROSTER_READY || view->now - actor->heard_at > FRESH_US)
            continue;
        n++;
        rates->actor_busy += actor->rates.busy;
        rates->actor_idle += actor->rates.idle;
        rates->actor_blocked += actor->rates.blocked;
        rates->actor_busy_max = fmax(rates->actor_busy_max, actor->rates.busy);
        n_rtt += actor->rtt_us > 0;
        rtt += (double)actor->rtt_us * 1e-6;
    }
    rates->actor_busy /= n ? n : 1;
    rates->actor_idle /= n ? n : 1;
    rates->actor_blocked /= n ? n : 1;
    rates->actor_rtt = n_rtt ? rtt / n_rtt : NAN;
}

enum { ROOM = MONITOR_SECONDS + 1 };

/* The oldest sample that lies in the life of the learner process that is here; the newest itself when there is none. */
static const struct monitor_sample *oldest_of_learner(const struct monitor *monitor, const struct monitor_sample *now)
{
    for (int i = monitor->n; i > 1; i--) {
        const struct monitor_sample *sample = &monitor->samples[(monitor->at + ROOM - i) % ROOM];
        if (sample->uptime <= now->uptime)
            return sample;
    }
    return now;
}

static void rate(struct monitor *monitor, const struct monitor_sample *now, const struct monitor_sample *before,
                 const struct broker_view *view)
{
    struct monitor_rates *rates = &monitor->rates;
    const struct monitor_sample *learner = oldest_of_learner(monitor, now);
    double seconds = (double)(now->at - before->at) * 1e-6, uptime = now->uptime - learner->uptime;
    struct histogram ages = histogram_since(&now->ages, &before->ages), lags = histogram_since(&now->lags, &learner->lags);
    rates->seconds = seconds;
    rates->steps = per_second((double)now->steps, (double)before->steps, seconds);
    rates->trajectories = per_second((double)now->received, (double)before->received, seconds);
    rates->bytes_in = per_second((double)now->bytes_in, (double)before->bytes_in, seconds);
    rates->bytes_out = per_second((double)now->bytes_out, (double)before->bytes_out, seconds);
    /* What the learner says is as old as its last HELLO: its own clock tells over how long. */
    rates->updates = per_second(now->updates, learner->updates, uptime);
    rates->learner_steps = per_second(now->learner_steps, learner->learner_steps, uptime);
    rates->learner_busy = per_second(now->busy, learner->busy, uptime);
    if (rates->learner_busy > 1)
        rates->learner_busy = 1;
    rates->age_p50 = histogram_quantile(&ages, HISTOGRAM_SECONDS, 0.5);
    rates->age_p99 = histogram_quantile(&ages, HISTOGRAM_SECONDS, 0.99);
    rates->lag_mean = histogram_total(&lags) ? lags.sum / (double)histogram_total(&lags) : NAN;
    rates->learner_rtt = monitor_number(monitor, "rtt_seconds");
    rate_actors(rates, view);
}

/* --- verdict and history --- */

static int actors_ready(const struct broker_view *view)
{
    int n = 0;
    for (int i = 0; i < view->n_actors; i++)
        n += view->actors[i].presence == ROSTER_READY;
    return n;
}

static double or_zero(double value)
{
    return isfinite(value) ? value : 0;
}

static void judge(struct monitor *monitor, const struct broker_view *view)
{
    const struct monitor_rates *rates = &monitor->rates;
    const char *mode = json_string_value(json_object_get(monitor->status, "mode"));
    const struct verdict_in in = {.is_training = view->learner->incarnation && !view->learner->is_silent &&
                                                 !strcmp(monitor_phase(monitor), "train"),
                                  .is_sync = mode && !strcmp(mode, "sync"),
                                  .actors = actors_ready(view),
                                  .lanes = (int)or_zero(monitor_number(monitor, "lanes")),
                                  .learner_busy = rates->learner_busy,
                                  .actor_busy = rates->actor_busy,
                                  .actor_busy_max = rates->actor_busy_max,
                                  .actor_blocked = rates->actor_blocked,
                                  .update_seconds = rates->updates > 0 ? 1 / rates->updates : 0,
                                  .transit_seconds = or_zero(rates->actor_rtt) + or_zero(rates->learner_rtt)};
    monitor->verdict = verdict_of(&in);
}

static void remember(struct monitor *monitor, const struct broker_view *view)
{
    const struct monitor_rates *rates = &monitor->rates;
    const double values[HISTORY_WIDTH] = {[HISTORY_STEPS] = rates->steps,
                                          [HISTORY_UPDATES] = rates->updates,
                                          [HISTORY_LAG] = rates->lag_mean,
                                          [HISTORY_AGE_P50] = rates->age_p50,
                                          [HISTORY_AGE_P99] = rates->age_p99,
                                          [HISTORY_CLEAN] = monitor_number(monitor, "return_clean"),
                                          [HISTORY_ATTACKED] = monitor_number(monitor, "return_attacked"),
                                          [HISTORY_LOWEST] = monitor_number(monitor, "return_lowest"),
                                          [HISTORY_TRAINED] = monitor_number(monitor, "book.trained"),
                                          [HISTORY_EVALUATED] = monitor_number(monitor, "book.evaluated"),
                                          [HISTORY_STALE] = monitor_number(monitor, "book.stale"),
                                          [HISTORY_REJECTED] = monitor_number(monitor, "book.rejected"),
                                          [HISTORY_LOST] = monitor_number(monitor, "book.lost"),
                                          [HISTORY_ROLLED_BACK] = monitor_number(monitor, "book.rolled_back"),
                                          [HISTORY_ACTORS] = actors_ready(view),
                                          [HISTORY_LEARNER_BUSY] = rates->learner_busy,
                                          [HISTORY_ACTOR_BUSY] = rates->actor_busy,
                                          [HISTORY_BYTES_IN] = rates->bytes_in};
    struct history_row row = {.seconds = (double)(view->now - view->started_at) * 1e-6};
    for (int c = 0; c < HISTORY_WIDTH; c++)
        row.values[c] = (float)values[c];
    history_add(&monitor->history, &row);
}

/* --- public --- */

bool monitor_is_due(const struct monitor *monitor, monotonic_us now)
{
    return !monitor->sampled_at || now - monitor->sampled_at >= SAMPLE_US;
}

void monitor_sample(struct monitor *monitor, const struct broker_view *view)
{
    const struct monitor_sample sample = take(monitor, view);
    monitor->sampled_at = view->now;
    monitor->samples[monitor->at] = sample;
    monitor->at = (monitor->at + 1) % ROOM;
    monitor->n += monitor->n < ROOM;
    rate(monitor, &sample, &monitor->samples[monitor->n < ROOM ? 0 : monitor->at], view);
    judge(monitor, view);
    remember(monitor, view);
}
