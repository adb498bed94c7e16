#include "broker/stats.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *at;
    size_t size, used;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *text, const char *format, ...)
{
    if (text->used >= text->size)
        return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->at + text->used, text->size - text->used, format, args);
    va_end(args);
    text->used += n > 0 ? (size_t)n : 0;
}

/* Names come from the network: anything that could end a JSON string is shown as '?'. */
static void add_string(struct text *text, const char *string, size_t length)
{
    add(text, "\"");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)string[i];
        add(text, "%c", c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? '?' : c);
    }
    add(text, "\"");
}

#define N(value) ((unsigned long long)(value))

static void add_traffic(struct text *text, const struct broker_counts *counts)
{
    add(text, "\"traffic\":{");
    for (int k = 0; k < MESSAGE_KINDS; k++)
        add(text, "%s\"%s\":{\"messages_in\":%llu,\"messages_out\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu}", k ? "," : "",
            message_kind_name((enum message_kind)k), N(counts->messages_in[k]), N(counts->messages_out[k]), N(counts->bytes_in[k]),
            N(counts->bytes_out[k]));
    add(text, "},");
}

static void add_deliveries(struct text *text, const struct broker_counts *c)
{
    add(text,
        "\"deliveries\":{\"received\":%llu,\"distinct\":%llu,\"duplicate\":%llu,\"gap\":%llu,\"unknown\":%llu,\"over_grant\":%llu,"
        "\"unrouted\":%llu},",
        N(c->received), N(c->distinct), N(c->duplicate), N(c->gap), N(c->unknown), N(c->over_grant), N(c->unrouted));
    add(text,
        "\"stray\":%llu,\"malformed\":%llu,\"dropped\":%llu,\"refused\":%llu,\"actors_gone\":%llu,\"reconnects\":%llu,\"learners\":"
        "%llu,",
        N(c->stray), N(c->malformed), N(c->dropped), N(c->refused), N(c->actors_gone), N(c->reconnects), N(c->learners));
}

static void add_actor(struct text *text, const struct broker_view *view, const struct broker_actor *a)
{
    static const char *const presences[] = {"joining", "ready", "draining", "gone"};
    char weights[HASH_TEXT_SIZE];
    hash_text(a->weights, weights);
    add(text, "{\"actor\":%u,\"incarnation\":%llu,\"state\":\"%s\",\"lanes\":%u,\"silent_seconds\":%.3f,", a->actor,
        N(a->incarnation), presences[a->presence], a->lanes, (double)(view->now - a->heard_at) * 1e-6);
    add(text, "\"announced\":%llu,\"forwarded\":%llu,\"received\":%llu,\"acked\":%llu,\"may_send\":%llu,\"orders\":%llu,",
        N(a->next_sequence ? a->next_sequence - 1 : 0), N(a->forwarded), N(a->received), N(a->acked), N(a->may_send),
        N(a->orders_upto));
    add(text, "\"trajectories\":%llu,\"gaps\":%llu,\"repeats\":%llu,\"version\":[%u,%llu],\"weights\":\"%s\"}", N(a->trajectories),
        N(a->gaps), N(a->repeats), a->version.generation, N(a->version.number), weights);
}

static void add_learner(struct text *text, const struct broker_view *view)
{
    const struct broker_learner *learner = view->learner;
    const char *state = !learner->incarnation ? "none" : learner->is_silent ? "silent" : learner->is_finished ? "finished" : "here";
    add(text, "\"run\":");
    add_string(text, learner->run, strlen(learner->run));
    add(text, ",\"learner\":{\"state\":\"%s\",\"generation\":%u,\"incarnation\":%llu},", state, learner->generation,
        N(learner->incarnation));
}

int broker_stats_json(const struct broker_view *view, char *json, size_t size)
{
    struct text text = {json, size, 0};
    uint64_t queued = 0;
    for (int i = 0; i < view->n_actors; i++)
        queued += view->actors[i].forwarded - view->actors[i].received;
    add(&text, "{\"schema\":1,\"protocol\":\"%d.%d\",\"epoch\":%llu,\"uptime_seconds\":%.3f,", PROTOCOL_MAJOR, PROTOCOL_MINOR,
        N(view->epoch), (double)(view->now - view->started_at) * 1e-6);
    add_learner(&text, view);
    add(&text, "\"version\":[%u,%llu],\"on_way_to_learner\":%llu,\"cache\":{\"bytes\":%zu,\"blobs\":%d,\"waiters\":%d},",
        view->newest.generation, N(view->newest.number), N(queued), view->cache_bytes, view->cache_blobs, view->waiters);
    add_traffic(&text, view->counts);
    add_deliveries(&text, view->counts);
    add(&text, "\"actors\":[");
    for (int i = 0; i < view->n_actors; i++) {
        add(&text, i ? "," : "");
        add_actor(&text, view, &view->actors[i]);
    }
    add(&text, "],\"learner_status\":%.*s}", view->learner->status_bytes ? (int)view->learner->status_bytes : 4,
        view->learner->status_bytes ? (const char *)view->learner->status : "null");
    return text.used < size ? (int)text.used : ERR_LIMIT;
}
