/* The broker's protocol: see core.h and common/wire/PROTOCOL.
 *
 * Per actor three marks, acked <= received <= forwarded: fate known at the learner; held or decided by the learner; sent on to it. A
 * trajectory is forwarded when it is forwarded + 1, forwarded again when it lies in (received, forwarded] (the actor repeats only
 * what stands still, so it was lost between us and the learner), dropped as a duplicate below, as a gap above. */
#include "broker/core.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/core_parts.h"
#include "broker/stats.h"

#define GONE_LISTED_US 60000000
#define ROSTER_GAP_US 20000 /* changes within are told together */
#define FROZEN_US 2000000   /* a longer pause between ticks is ours, not the peers' silence */
#define CACHE_ENTRIES 1024

/* --- actors --- */

static int forward(struct broker_core *core, monotonic_us now, struct broker_actor *actor, const void *envelope,
                   size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    if (!actor->is_told && core_send_roster(core, now))
        return ERR_AGAIN; /* the learner must know whose this is */
    return core_send(core, MESSAGE_TRAJECTORY, &core->learner.peer, envelope, envelope_bytes, payload, payload_bytes);
}

static void on_trajectory(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *envelope,
                          size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    const struct message_trajectory *message = &core->in->trajectory;
    uint64_t sequence = message->body.sequence;
    struct broker_actor *actor = core_actor_find(core, message->actor, message->incarnation);
    core->counts.received++;
    if (!actor || actor->presence == ROSTER_GONE || !wire_peer_equal(&actor->peer, peer)) {
        core->counts.unknown++; /* its HELLO comes within a second and the trajectory again after it */
        return;
    }
    if (!core_owns(core, actor)) { /* a routing id can be taken over, a key cannot */
        core->counts.unknown++;
        core->counts.denied_actor++;
        return;
    }
    actor->trajectories++;
    actor->bytes += payload_bytes;
    if (weights_version_compare(message->body.version, actor->acted) > 0)
        actor->acted = message->body.version;
    if (sequence >= actor->next_sequence)
        actor->next_sequence = sequence + 1;
    if (!core_has_learner(core))
        core->counts.unrouted++;
    else if (sequence > actor->may_send)
        core->counts.over_grant++;
    else if (sequence <= actor->received)
        core->counts.duplicate++;
    else if (sequence > actor->forwarded + 1) {
        core->counts.gap++;
        actor->gaps++;
        core_state_due(core, actor);
    } else if (forward(core, now, actor, envelope, envelope_bytes, payload, payload_bytes))
        core->counts.unrouted++;
    else if (sequence == actor->forwarded + 1) {
        core->counts.distinct++;
        actor->forwarded = sequence;
    } else {
        core->counts.duplicate++;
        actor->repeats++;
    }
}

static void on_bye(struct broker_core *core, monotonic_us now, const struct wire_peer *peer)
{
    uint64_t incarnation = core->in->bye.incarnation;
    if (core->learner.incarnation == incarnation && wire_peer_equal(&core->learner.peer, peer)) {
        log_notice("learner left");
        core->learner.is_silent = true;
        core_states_due(core);
    }
    for (int i = 0; i < core->n_actors; i++)
        if (core->actors[i].incarnation == incarnation && wire_peer_equal(&core->actors[i].peer, peer) &&
            core_owns(core, &core->actors[i]))
            core_actor_gone(core, &core->actors[i], now, "it left");
}

static void on_stats(struct broker_core *core, monotonic_us now, const struct wire_peer *peer)
{
    char *json = malloc(BROKER_STATS_BYTES);
    int length = json ? broker_core_stats(core, now, json, BROKER_STATS_BYTES) : ERR_NOMEM;
    core->out->kind = MESSAGE_STATS_REPLY;
    if (length > 0)
        (void)core_emit(core, peer, json, (size_t)length);
    free(json);
}

/* --- public --- */

int broker_core_create(struct broker_core **core, const struct broker_core_options *options)
{
    struct broker_core *new = calloc(1, sizeof *new);
    *core = new;
    if (!new)
        return ERR_NOMEM;
    new->options = *options;
    new->in = calloc(1, sizeof *new->in);
    new->out = calloc(1, sizeof *new->out);
    new->bytes = malloc(PROTOCOL_ENVELOPE_BYTES);
    if (!new->in || !new->out || !new->bytes || fetcher_create(&new->cache, options->cache_bytes, CACHE_ENTRIES) ||
        waiters_create(&new->waiters) || row_index_create(&new->by_number, PROTOCOL_ACTORS_MAX)) {
        broker_core_destroy(core);
        return ERR_NOMEM;
    }
    return 0;
}

void broker_core_destroy(struct broker_core **core)
{
    struct broker_core *old = *core;
    if (!old)
        return;
    fetcher_destroy(&old->cache);
    waiters_destroy(&old->waiters);
    row_index_destroy(&old->by_number);
    free(old->in);
    free(old->out);
    free(old->bytes);
    monitor_forget_status(&old->monitor);
    free(old);
    *core = NULL;
}

/* If this process stood still, everybody seems silent: forgive the pause. */
static void forgive_pause(struct broker_core *core, monotonic_us now)
{
    monotonic_us pause = now - core->ticked_at;
    if (core->ticked_at && pause > FROZEN_US) {
        core->learner.heard_at += pause;
        for (int i = 0; i < core->n_actors; i++)
            core->actors[i].heard_at += pause;
    }
    if (!core->ticked_at)
        core->started_at = now;
    core->ticked_at = now;
}

static void notice_silence(struct broker_core *core, monotonic_us now)
{
    if (core_has_learner(core) && now - core->learner.heard_at > SILENCE_US) {
        log_warning("learner silent seconds=%d", (int)((now - core->learner.heard_at) / 1000000));
        core->learner.is_silent = true;
        core_states_due(core);
    }
    for (int i = core->n_actors - 1; i >= 0; i--) {
        struct broker_actor *actor = &core->actors[i];
        if (actor->presence != ROSTER_GONE && now - actor->heard_at > SILENCE_US)
            core_actor_gone(core, actor, now, "silent");
        else if (actor->presence == ROSTER_GONE && now - actor->gone_at > GONE_LISTED_US)
            core_actor_forget(core, actor);
    }
}

static void pump(struct broker_core *core, monotonic_us now)
{
    if (core->roster_dirty && now - core->roster_at >= ROSTER_GAP_US)
        (void)core_send_roster(core, now);
    core_send_states(core);
    core_request_blobs(core, now);
}

void broker_core_tick(struct broker_core *core, monotonic_us now)
{
    forgive_pause(core, now);
    notice_silence(core, now);
    core_retry_states(core);
    core_advance_publication(core);
    if (now - core->roster_at >= PROTOCOL_HEARTBEAT_US)
        (void)core_send_roster(core, now);
    pump(core, now);
    if (monitor_is_due(&core->monitor, now)) {
        struct broker_view view;
        broker_core_view(core, now, &view);
        monitor_sample(&core->monitor, &view);
    }
}

void broker_core_malformed(struct broker_core *core, monotonic_us now, const struct wire_peer *peer)
{
    core->counts.malformed++;
    core_refuse(core, now, peer, 0, ERR_FORMAT, "malformed message");
}

void broker_core_message(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *envelope,
                         size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    broker_core_receive(core, now, peer, NULL, envelope, envelope_bytes, payload, payload_bytes);
}

void broker_core_security(struct broker_core *core, const struct broker_security *security)
{
    core->security = *security;
}

static void handle(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *envelope,
                   size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    switch (core->in->kind) {
    case MESSAGE_ACTOR_HELLO: core_on_actor_hello(core, now, peer, payload, payload_bytes); break;
    case MESSAGE_TRAJECTORY: on_trajectory(core, now, peer, envelope, envelope_bytes, payload, payload_bytes); break;
    case MESSAGE_FETCH: core_on_fetch(core, peer); break;
    case MESSAGE_CHUNK:
        if (core_has_learner(core) && wire_peer_equal(peer, &core->learner.peer))
            core_on_chunk(core, now, payload, payload_bytes);
        break;
    case MESSAGE_LEARNER_HELLO: core_on_learner_hello(core, now, peer, payload, payload_bytes); break;
    case MESSAGE_ORDERS:
        if (core_is_from_learner(core, now, peer, core->in->orders.learner))
            core_on_orders(core, envelope, envelope_bytes, payload, payload_bytes);
        break;
    case MESSAGE_PUBLISH:
        if (core_is_from_learner(core, now, peer, core->in->publish.learner))
            core_on_publish(core);
        break;
    case MESSAGE_FATES:
        if (core_is_from_learner(core, now, peer, core->in->fates.learner))
            core_on_fates(core);
        break;
    case MESSAGE_STATS: on_stats(core, now, peer); break;
    case MESSAGE_BYE: on_bye(core, now, peer); break;
    default: core->counts.malformed++; break;
    }
}

void broker_core_receive(struct broker_core *core, monotonic_us now, const struct wire_peer *peer,
                         const struct broker_sender *sender, const void *envelope, size_t envelope_bytes, const void *payload,
                         size_t payload_bytes)
{
    struct err err;
    if (envelope_bytes > PROTOCOL_ENVELOPE_BYTES || envelope_decode(core->in, envelope, envelope_bytes, &err)) {
        core->counts.malformed++;
        log_detail("message malformed peer=%.*s reason=\"%s\"", (int)peer->length, (const char *)peer->id, err.text);
        return; /* not answered: the sender may be a later release whose new kinds we may ignore */
    }
    core->counts.messages_in[core->in->kind]++;
    core->counts.bytes_in[core->in->kind] += envelope_bytes + payload_bytes;
    core->sender = sender;
    if (core_may_say(core, now, peer))
        handle(core, now, peer, envelope, envelope_bytes, payload, payload_bytes);
    core->sender = NULL;
    pump(core, now);
}

struct broker_counts broker_core_counts(const struct broker_core *core)
{
    return core->counts;
}

void broker_core_view(const struct broker_core *core, monotonic_us now, struct broker_view *view)
{
    *view = (struct broker_view){.now = now,
                                 .started_at = core->started_at,
                                 .epoch = core->options.epoch,
                                 .counts = &core->counts,
                                 .work = &core->work,
                                 .actors = core->actors,
                                 .n_actors = core->n_actors,
                                 .security = &core->security,
                                 .learner = &core->learner,
                                 .newest = core->newest,
                                 .cache_bytes = fetcher_bytes(core->cache),
                                 .cache_blobs = fetcher_count(core->cache),
                                 .waiters = waiters_count(core->waiters),
                                 .monitor = &core->monitor};
}

int broker_core_stats(struct broker_core *core, monotonic_us now, char *json, size_t size)
{
    struct broker_view view;
    broker_core_view(core, now, &view);
    return broker_stats_json(&view, json, size);
}
