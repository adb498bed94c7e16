#include "broker/stats.h"

#include <stdlib.h>
#include <string.h>

#include "broker/monitor.h"
#include "broker/text.h"

#define N(value) ((unsigned long long)(value))

static void add_traffic(struct text *text, const struct broker_counts *counts)
{
    text_add(text, "\"traffic\":{");
    for (int k = 0; k < MESSAGE_KINDS; k++)
        text_add(text, "%s\"%s\":{\"messages_in\":%llu,\"messages_out\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu}", k ? "," : "",
                 message_kind_name((enum message_kind)k), N(counts->messages_in[k]), N(counts->messages_out[k]),
                 N(counts->bytes_in[k]), N(counts->bytes_out[k]));
    text_add(text, "},");
}

static void add_deliveries(struct text *text, const struct broker_counts *c)
{
    text_add(text,
             "\"deliveries\":{\"received\":%llu,\"distinct\":%llu,\"duplicate\":%llu,\"gap\":%llu,\"unknown\":%llu,"
             "\"over_grant\":%llu,\"unrouted\":%llu},",
             N(c->received), N(c->distinct), N(c->duplicate), N(c->gap), N(c->unknown), N(c->over_grant), N(c->unrouted));
    text_add(text,
             "\"stray\":%llu,\"malformed\":%llu,\"dropped\":%llu,\"refused\":%llu,\"actors_gone\":%llu,\"reconnects\":%llu,"
             "\"learners\":%llu,",
             N(c->stray), N(c->malformed), N(c->dropped), N(c->refused), N(c->actors_gone), N(c->reconnects), N(c->learners));
}

static void add_security(struct text *text, const struct broker_view *view)
{
    const struct broker_security *s = view->security;
    text_add(text, "\"security\":{\"mode\":\"%s\",\"keys\":%d,\"admitted\":%llu,\"refused\":{", s->has_keys ? "curve" : "plain",
             s->keys, N(s->admitted));
    for (int i = 0; i < LOOP_FAILURES; i++)
        text_add(text, "%s\"%s\":%llu", i ? "," : "", loop_failure_name((enum loop_failure)i), N(s->refused[i]));
    text_add(text,
             "},\"denied_messages\":{\"role\":%llu,\"actor\":%llu,\"revoked\":%llu},\"reloads\":%llu,\"failed_reloads\":%llu},",
             N(view->counts->denied_role), N(view->counts->denied_actor), N(s->revoked), N(s->reloads), N(s->failed_reloads));
}

/* Versions behind the newest; what was acted with under an earlier learner counts as all of them. */
static uint64_t lag_of(const struct broker_view *view, const struct broker_actor *actor)
{
    bool is_same = actor->acted.generation == view->newest.generation && actor->acted.number <= view->newest.number;
    return is_same ? view->newest.number - actor->acted.number : view->newest.number;
}

static void add_actor(struct text *text, const struct broker_view *view, const struct broker_actor *a)
{
    static const char *const presences[] = {"joining", "ready", "draining", "gone"};
    const struct broker_actor_rates *rates = &a->rates;
    bool is_gone = a->presence == ROSTER_GONE;
    uint64_t announced = a->next_sequence ? a->next_sequence - 1 : 0;
    char weights[HASH_TEXT_SIZE];
    hash_text(a->weights, weights);
    text_add(text, "{\"actor\":%u,\"incarnation\":%llu,\"host\":", a->actor, N(a->incarnation));
    text_string(text, a->host, strnlen(a->host, sizeof a->host));
    bool is_quarantined = !is_gone && monitor_is_quarantined(view->monitor, a->actor);
    text_add(text, ",\"key\":\"%s\",\"relayed\":%s", a->owner,
             a->peer.length > 6 && !memcmp(a->peer.id, "relay-", 6) ? "true" : "false");
    text_add(text, ",\"state\":\"%s\",\"lanes\":%u,\"silent_seconds\":%.3f,",
             is_quarantined ? "quarantined" : presences[a->presence], a->lanes, (double)(view->now - a->heard_at) * 1e-6);
    text_add(text, "\"announced\":%llu,\"forwarded\":%llu,\"received\":%llu,\"acked\":%llu,\"may_send\":%llu,\"orders\":%llu,",
             N(announced), N(a->forwarded), N(a->received), N(a->acked), N(a->may_send), N(a->orders_upto));
    text_add(text, "\"pending\":%llu,\"unsent\":%llu,\"credits\":%llu,\"trajectories\":%llu,\"bytes\":%llu,\"gaps\":%llu,",
             N(announced - a->acked), N(a->load.unsent), N(a->may_send > announced ? a->may_send - announced : 0),
             N(a->trajectories), N(a->bytes), N(a->gaps));
    text_add(text, "\"repeats\":%llu,\"resent\":%llu,\"rejected\":%llu,\"steps\":%llu,", N(a->repeats), N(a->load.resent),
             N(a->fates[FATE_REJECTED]), N(a->load.steps));
    text_add(text, "\"steps_per_s\":%.9g,\"bytes_per_s\":%.9g,\"busy\":%.4f,\"idle\":%.4f,\"blocked\":%.4f,\"rtt_seconds\":%.6f,",
             is_gone ? 0 : rates->steps_per_s, is_gone ? 0 : rates->bytes_per_s, rates->busy, rates->idle, rates->blocked,
             (double)a->rtt_us * 1e-6);
    text_add(text, "\"version\":[%u,%llu],\"lag\":%llu,\"weights\":\"%s\"}", a->acted.generation, N(a->acted.number),
             N(lag_of(view, a)), weights);
}

static void add_actors(struct text *text, const struct broker_view *view)
{
    text_add(text, "\"actors\":[");
    for (int i = 0; i < view->n_actors; i++) {
        text_add(text, i ? "," : "");
        add_actor(text, view, &view->actors[i]);
    }
    text_add(text, "]");
}

static void add_learner(struct text *text, const struct broker_view *view)
{
    const struct broker_learner *learner = view->learner;
    const char *state = !learner->incarnation ? "none" : learner->is_silent ? "silent" : learner->is_finished ? "finished" : "here";
    text_add(text, "\"run\":");
    text_string(text, learner->run, strlen(learner->run));
    text_add(text, ",\"learner\":{\"state\":\"%s\",\"generation\":%u,\"incarnation\":%llu},", state, learner->generation,
             N(learner->incarnation));
}

static void add_peers(struct text *text, const struct broker_view *view)
{
    int count[ROSTER_GONE + 1] = {0};
    for (int i = 0; i < view->n_actors; i++)
        count[view->actors[i].presence]++;
    text_add(text, "\"peers\":{\"joining\":%d,\"ready\":%d,\"draining\":%d,\"gone\":%d},", count[ROSTER_JOINING],
             count[ROSTER_READY], count[ROSTER_DRAINING], count[ROSTER_GONE]);
}

static void add_rates(struct text *text, const struct monitor *monitor)
{
    const struct monitor_rates *r = &monitor->rates;
    const struct {
        const char *key;
        double value;
    } rows[] = {
        {"env_steps_per_s", r->steps},       {"trajectories_per_s", r->trajectories}, {"bytes_in_per_s", r->bytes_in},
        {"bytes_out_per_s", r->bytes_out},   {"updates_per_s", r->updates},           {"learner_steps_per_s", r->learner_steps},
        {"learner_busy", r->learner_busy},   {"actor_busy", r->actor_busy},           {"actor_idle", r->actor_idle},
        {"actor_blocked", r->actor_blocked}, {"age_p50_seconds", r->age_p50},         {"age_p99_seconds", r->age_p99},
        {"lag_mean", r->lag_mean},           {"actor_rtt_seconds", r->actor_rtt},     {"learner_rtt_seconds", r->learner_rtt}};
    text_add(text, "\"rates\":{\"seconds\":%.1f", r->seconds);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        text_add(text, ",\"%s\":", rows[i].key);
        text_number(text, rows[i].value);
    }
    text_add(text, "},\"verdict\":{\"limit\":\"%s\",\"actors\":%d,\"network\":", limit_name(monitor->verdict.limit),
             monitor->verdict.actors);
    text_number(text, monitor->verdict.network); /* not finite before there is anything to judge by */
    text_add(text, ",\"text\":\"%s\"},", monitor->verdict.text);
}

static void add_status(struct text *text, const struct monitor *monitor)
{
    char *status = monitor->status ? json_dumps(monitor->status, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    text_add(text, "\"learner_status\":%s", status ? status : "null");
    free(status);
}

/* Everything but the actors, without the closing brace. */
static void add_server(struct text *text, const struct broker_view *view)
{
    uint64_t queued = 0;
    for (int i = 0; i < view->n_actors; i++)
        queued += view->actors[i].forwarded - view->actors[i].received;
    text_add(text, "{\"schema\":2,\"protocol\":\"%d.%d\",\"epoch\":%llu,\"uptime_seconds\":%.3f,", PROTOCOL_MAJOR, PROTOCOL_MINOR,
             N(view->epoch), (double)(view->now - view->started_at) * 1e-6);
    add_learner(text, view);
    add_peers(text, view);
    text_add(text, "\"version\":[%u,%llu],\"on_way_to_learner\":%llu,\"cache\":{\"bytes\":%zu,\"blobs\":%d,\"waiters\":%d},",
             view->newest.generation, N(view->newest.number), N(queued), view->cache_bytes, view->cache_blobs, view->waiters);
    text_add(text, "\"work\":{\"env_steps\":%llu,\"resent\":%llu,\"weights_taken\":%llu},", N(view->work->steps),
             N(view->work->resent), N(view->work->weights_taken));
    add_rates(text, view->monitor);
    add_traffic(text, view->counts);
    add_deliveries(text, view->counts);
    add_security(text, view);
    add_status(text, view->monitor);
}

int broker_stats_json(const struct broker_view *view, char *json, size_t size)
{
    struct text text = {json, size, 0};
    add_server(&text, view);
    text_add(&text, ",");
    add_actors(&text, view);
    text_add(&text, "}");
    return text_end(&text);
}

int broker_varz_json(const struct broker_view *view, char *json, size_t size)
{
    struct text text = {json, size, 0};
    add_server(&text, view);
    text_add(&text, "}");
    return text_end(&text);
}

int broker_connz_json(const struct broker_view *view, char *json, size_t size)
{
    struct text text = {json, size, 0};
    text_add(&text, "{\"schema\":2,");
    add_peers(&text, view);
    add_actors(&text, view);
    text_add(&text, "}");
    return text_end(&text);
}
