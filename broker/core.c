/* The broker's protocol: see core.h and common/wire/PROTOCOL.
 *
 * Per actor three marks, acked <= received <= forwarded: fate known at the learner; held or decided by the learner; sent on to it. A
 * trajectory is forwarded when it is forwarded + 1, forwarded again when it lies in (received, forwarded] (the actor repeats only
 * what stands still, so it was lost between us and the learner), dropped as a duplicate below, as a gap above. */
#include "broker/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/monitor.h"
#include "broker/stats.h"
#include "wire/fetch.h"

#define SILENCE_US (PROTOCOL_MISSED * PROTOCOL_HEARTBEAT_US)
#define GONE_LISTED_US 60000000
#define ROSTER_GAP_US 20000 /* changes within are told together */
#define RATES_SECONDS 0.8   /* between two HELLOs that rates are taken from */
#define FROZEN_US 2000000   /* a longer pause between ticks is ours, not the peers' silence */
#define WAITERS_MAX 2048
#define REFUSALS_MAX 64
#define REFUSAL_LINES 20 /* of the log, a second */
#define CACHE_ENTRIES 1024
#define STORED_VERSIONS 4

struct waiter { /* somebody asked for a chunk of a blob that is still on its way */
    struct wire_peer peer;
    struct message_fetch fetch;
};

struct publication {
    struct weights_version version;
    struct blob_name name;
    bool is_pending;
    bool has_manifest;
    struct manifest manifest;
};

struct broker_core {
    struct broker_core_options options;
    monotonic_us started_at, ticked_at;

    struct broker_actor actors[PROTOCOL_ACTORS_MAX];
    int n_actors;
    bool roster_dirty;
    monotonic_us roster_at;

    struct broker_learner learner;

    struct weights_version newest;
    struct blob_name newest_manifest;
    struct publication next;
    struct hash kept[STORED_VERSIONS][WEIGHTS_NETS_MAX + 1]; /* contents of the last versions, so that slow actors finish */
    int n_kept[STORED_VERSIONS], kept_at;

    struct fetcher *cache;
    struct waiter waiters[WAITERS_MAX];
    int n_waiters;

    struct {
        struct wire_peer peer;
        monotonic_us at;
    } refusals[REFUSALS_MAX];
    int refusals_at, refusal_lines;
    monotonic_us refusal_second; /* when the second began that refusal_lines counts in */

    const struct broker_sender *sender; /* of the message in hand */
    struct broker_security security;
    struct broker_counts counts;
    struct broker_work work;
    struct monitor monitor;
    struct envelope *in, *out;
    unsigned char *bytes;
};

/* --- sending --- */

static int send_bytes(struct broker_core *core, enum message_kind kind, const struct wire_peer *peer, const void *envelope,
                      size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    int r = core->options.ops->send(core->options.context, peer, envelope, envelope_bytes, payload, payload_bytes);
    if (r) {
        core->counts.dropped++;
        return r;
    }
    core->counts.messages_out[kind]++;
    core->counts.bytes_out[kind] += envelope_bytes + payload_bytes;
    return 0;
}

static int emit(struct broker_core *core, const struct wire_peer *peer, const void *payload, size_t payload_bytes)
{
    int length = envelope_encode(core->out, core->bytes, PROTOCOL_ENVELOPE_BYTES);
    ASSERT(length > 0);
    return send_bytes(core, core->out->kind, peer, core->bytes, (size_t)length, payload, payload_bytes);
}

/* Tells a peer why it is not served, at most once a heartbeat. */
static void refuse(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, uint64_t incarnation, int code,
                   const char *text)
{
    core->counts.refused++;
    for (int i = 0; i < REFUSALS_MAX; i++)
        if (wire_peer_equal(&core->refusals[i].peer, peer) && core->refusals[i].at &&
            now - core->refusals[i].at < PROTOCOL_HEARTBEAT_US)
            return;
    core->refusals[core->refusals_at].peer = *peer;
    core->refusals[core->refusals_at].at = now;
    core->refusals_at = (core->refusals_at + 1) % REFUSALS_MAX;
    core->out->kind = MESSAGE_REFUSED;
    core->out->refused =
        (struct message_refused){.major = PROTOCOL_MAJOR, .minor = PROTOCOL_MINOR, .code = code, .incarnation = incarnation};
    snprintf(core->out->refused.text, sizeof core->out->refused.text, "%s", text);
    if (now - core->refusal_second >= 1000000) {
        core->refusal_second = now;
        core->refusal_lines = 0;
    }
    if (core->refusal_lines++ < REFUSAL_LINES) /* under ever new routing ids one peer could fill the log */
        log_warning("peer refused peer=%.*s reason=\"%s\"", (int)peer->length, (const char *)peer->id, text);
    (void)emit(core, peer, NULL, 0);
}

static bool learner_is_here(const struct broker_core *core)
{
    return core->learner.incarnation && !core->learner.is_silent;
}

static void send_state(struct broker_core *core, struct broker_actor *actor)
{
    core->out->kind = MESSAGE_STATE;
    core->out->state = (struct message_state){.major = PROTOCOL_MAJOR,
                                              .minor = PROTOCOL_MINOR,
                                              .incarnation = actor->incarnation,
                                              .epoch = core->options.epoch,
                                              .recipe = core->learner.recipe,
                                              .learner = learner_is_here(core) ? core->learner.incarnation : 0,
                                              .acked_upto = actor->acked,
                                              .received_upto = actor->received,
                                              .may_send_upto = actor->may_send,
                                              .version = core->newest,
                                              .manifest = core->newest_manifest,
                                              .wants_description = actor->wants_description,
                                              .echo_us = actor->clock_us,
                                              .is_finished = core->learner.is_finished};
    memcpy(core->out->state.run, core->learner.run, sizeof core->learner.run);
    memcpy(core->out->state.fates, actor->fates, sizeof actor->fates);
    actor->state_due = emit(core, &actor->peer, NULL, 0) != 0;
}

static void states_due(struct broker_core *core)
{
    for (int i = 0; i < core->n_actors; i++)
        core->actors[i].state_due = core->actors[i].presence != ROSTER_GONE;
}

static void send_states(struct broker_core *core)
{
    for (int i = 0; i < core->n_actors; i++)
        if (core->actors[i].state_due)
            send_state(core, &core->actors[i]);
}

static int send_roster(struct broker_core *core, monotonic_us now)
{
    if (!learner_is_here(core))
        return ERR_CLOSED;
    core->out->kind = MESSAGE_ROSTER;
    struct message_roster *roster = &core->out->roster;
    roster->major = PROTOCOL_MAJOR;
    roster->minor = PROTOCOL_MINOR;
    roster->epoch = core->options.epoch;
    roster->learner = core->learner.incarnation;
    roster->version = core->newest;
    roster->echo_us = core->learner.clock_us;
    roster->count = (uint32_t)core->n_actors;
    for (int i = 0; i < core->n_actors; i++) {
        const struct broker_actor *a = &core->actors[i];
        roster->rows[i] = (struct roster_row){.actor = a->actor,
                                              .incarnation = a->incarnation,
                                              .presence = a->presence,
                                              .lanes = a->lanes,
                                              .orders_generation = a->orders_generation,
                                              .orders_upto = a->orders_upto,
                                              .next_sequence = a->next_sequence,
                                              .acked_upto = a->acked,
                                              .version = a->version,
                                              .weights = a->weights};
        if (!a->wants_description)
            roster->rows[i].description = a->description;
    }
    int r = emit(core, &core->learner.peer, NULL, 0);
    if (r)
        return r;
    for (int i = 0; i < core->n_actors; i++)
        core->actors[i].is_told = true;
    core->roster_dirty = false;
    core->roster_at = now;
    return 0;
}

/* --- blobs --- */

static void send_chunk(struct broker_core *core, const struct wire_peer *peer, const struct message_fetch *fetch)
{
    uint32_t bytes = 0;
    const unsigned char *part, *data = fetcher_find(core->cache, fetch->hash, &bytes);
    size_t part_bytes;
    core->out->kind = MESSAGE_CHUNK;
    fetch_slice(fetch, data, bytes, &core->out->chunk, &part, &part_bytes);
    (void)emit(core, peer, part, part_bytes); /* lost: asked again after a second */
}

static void add_waiter(struct broker_core *core, const struct wire_peer *peer, const struct message_fetch *fetch)
{
    for (int i = 0; i < core->n_waiters; i++)
        if (wire_peer_equal(&core->waiters[i].peer, peer) && hash_equal(core->waiters[i].fetch.hash, fetch->hash))
            return;
    if (core->n_waiters < WAITERS_MAX)
        core->waiters[core->n_waiters++] = (struct waiter){*peer, *fetch};
}

static void serve_waiters(struct broker_core *core, struct hash hash)
{
    for (int i = core->n_waiters - 1; i >= 0; i--) {
        struct waiter waiter = core->waiters[i];
        if (!hash_equal(waiter.fetch.hash, hash))
            continue;
        core->waiters[i] = core->waiters[--core->n_waiters];
        send_chunk(core, &waiter.peer, &waiter.fetch);
    }
}

static void on_fetch(struct broker_core *core, const struct wire_peer *peer)
{
    const struct message_fetch fetch = core->in->fetch;
    uint32_t bytes;
    bool is_learner = core->learner.incarnation && wire_peer_equal(peer, &core->learner.peer);
    if (is_learner || fetcher_find(core->cache, fetch.hash, &bytes))
        send_chunk(core, peer, &fetch);
    else if (learner_is_here(core) && !fetcher_want(core->cache, (struct blob_name){fetch.hash, fetch.bytes}))
        add_waiter(core, peer, &fetch);
    /* Else no answer, and the question comes again: "unknown" is for the learner to say. */
}

static void request_blobs(struct broker_core *core, monotonic_us now)
{
    if (!learner_is_here(core))
        return;
    core->out->kind = MESSAGE_FETCH;
    while (fetcher_request(core->cache, now, &core->out->fetch))
        if (emit(core, &core->learner.peer, NULL, 0))
            return;
}

/* The contents of the last few versions stay in the cache; older ones may go when room is needed. */
static void keep_contents(struct broker_core *core, const struct publication *publication)
{
    struct hash *kept = core->kept[core->kept_at];
    int n = 0;
    kept[n++] = publication->name.hash;
    for (int i = 0; i < publication->manifest.n_nets; i++)
        kept[n++] = publication->manifest.nets[i].content;
    core->n_kept[core->kept_at] = n;
    core->kept_at = (core->kept_at + 1) % STORED_VERSIONS;
    fetcher_unkeep_all(core->cache);
    fetcher_keep(core->cache, core->learner.recipe.hash);
    for (int v = 0; v < STORED_VERSIONS; v++)
        for (int i = 0; i < core->n_kept[v]; i++)
            fetcher_keep(core->cache, core->kept[v][i]);
    for (int i = 0; i < core->n_actors; i++)
        fetcher_keep(core->cache, core->actors[i].description.hash);
}

static bool read_publication(struct broker_core *core)
{
    struct publication *next = &core->next;
    struct err err;
    uint32_t bytes;
    const unsigned char *data = fetcher_find(core->cache, next->name.hash, &bytes);
    if (!data)
        return false;
    if (manifest_decode(&next->manifest, data, bytes, &err) || weights_version_compare(next->manifest.version, next->version)) {
        log_warning("manifest refused reason=\"%s\"", err.text);
        core->counts.malformed++;
        next->is_pending = false;
        return false;
    }
    next->has_manifest = true;
    return true;
}

/* A version becomes the newest when everything it needs is here. */
static void advance_publication(struct broker_core *core)
{
    struct publication *next = &core->next;
    if (!next->is_pending || (!next->has_manifest && !read_publication(core)))
        return;
    int missing = 0;
    for (int i = 0; i < next->manifest.n_nets; i++) {
        const struct manifest_net *net = &next->manifest.nets[i];
        uint32_t bytes;
        if (fetcher_find(core->cache, net->content, &bytes))
            continue;
        missing++;
        if (fetcher_want(core->cache, (struct blob_name){net->content, net->bytes}))
            log_detail("version waits reason=\"cache full\"");
    }
    if (missing)
        return;
    keep_contents(core, next);
    next->is_pending = false;
    core->newest = next->version;
    core->newest_manifest = next->name;
    core->roster_dirty = true;
    states_due(core);
}

static void on_chunk(struct broker_core *core, monotonic_us now, const void *payload, size_t payload_bytes)
{
    struct hash hash = core->in->chunk.hash;
    int r = fetcher_chunk(core->cache, now, &core->in->chunk, payload, payload_bytes);
    if (r == 1) {
        advance_publication(core);
        serve_waiters(core, hash);
    } else if (r == ERR_UNKNOWN) {
        fetcher_drop(core->cache, hash);
        serve_waiters(core, hash);
    } else if (r < 0)
        core->counts.malformed++;
}

/* --- actors --- */

static struct broker_actor *actor_find(struct broker_core *core, uint32_t actor, uint64_t incarnation)
{
    for (int i = 0; i < core->n_actors; i++)
        if (core->actors[i].actor == actor && core->actors[i].incarnation == incarnation)
            return &core->actors[i];
    return NULL;
}

static void actor_gone(struct broker_core *core, struct broker_actor *actor, monotonic_us now, const char *reason)
{
    if (actor->presence == ROSTER_GONE)
        return;
    log_notice("actor gone actor=%u incarnation=%llu reason=\"%s\"", actor->actor, (unsigned long long)actor->incarnation, reason);
    actor->presence = ROSTER_GONE;
    actor->gone_at = now;
    actor->state_due = false;
    core->roster_dirty = true;
    core->counts.actors_gone++;
}

/* A free row, or that of the actor that has been gone for longest; NULL when all are alive. */
static struct broker_actor *actor_row(struct broker_core *core)
{
    struct broker_actor *oldest = NULL;
    if (core->n_actors < PROTOCOL_ACTORS_MAX)
        return &core->actors[core->n_actors++];
    for (int i = 0; i < core->n_actors; i++)
        if (core->actors[i].presence == ROSTER_GONE && (!oldest || core->actors[i].gone_at < oldest->gone_at))
            oldest = &core->actors[i];
    return oldest;
}

/* --- keys --- */

/* What a role may not send is not looked at any further. */
static bool may_say(struct broker_core *core, monotonic_us now, const struct wire_peer *peer)
{
    char text[PROTOCOL_TEXT_SIZE];
    const struct broker_sender *sender = core->sender;
    if (!sender || role_may_send(sender->role, core->in->kind))
        return true;
    core->counts.denied_role++;
    snprintf(text, sizeof text, "key %s is of role %s, which may not send %s", sender->name, role_name(sender->role),
             message_kind_name(core->in->kind));
    refuse(core, now, peer, 0, ERR_DENIED, text);
    return false;
}

static bool owns(const struct broker_core *core, const struct broker_actor *actor)
{
    return !strcmp(actor->owner, core->sender ? core->sender->name : "");
}

/* The number of an actor belongs to the key that it came with first, for as long as anything is known of it. */
static bool may_be(struct broker_core *core, monotonic_us now, const struct wire_peer *peer,
                   const struct message_actor_hello *hello)
{
    char text[PROTOCOL_TEXT_SIZE];
    const struct broker_sender *sender = core->sender;
    bool is_own = !sender || (hello->actor >= sender->first_actor && hello->actor <= sender->last_actor);
    for (int i = 0; i < core->n_actors && is_own; i++)
        is_own = core->actors[i].actor != hello->actor || owns(core, &core->actors[i]);
    if (is_own)
        return true;
    core->counts.denied_actor++;
    snprintf(text, sizeof text, "key %s may not be actor %u: that number is another key's", sender ? sender->name : "(none)",
             hello->actor);
    refuse(core, now, peer, hello->incarnation, ERR_DENIED, text);
    return false;
}

/* Of two incarnations of one actor the later one stays. NULL when this one is refused. */
static struct broker_actor *actor_admit(struct broker_core *core, monotonic_us now, const struct wire_peer *peer,
                                        const struct message_actor_hello *hello)
{
    for (int i = 0; i < core->n_actors; i++) {
        struct broker_actor *other = &core->actors[i];
        if (other->actor != hello->actor || other->incarnation == hello->incarnation || other->presence == ROSTER_GONE)
            continue;
        if (other->incarnation > hello->incarnation) {
            refuse(core, now, peer, hello->incarnation, ERR_STATE, "replaced by a later process of this actor");
            return NULL;
        }
        actor_gone(core, other, now, "replaced");
    }
    struct broker_actor *actor = actor_find(core, hello->actor, hello->incarnation);
    if (actor)
        return actor;
    if (!(actor = actor_row(core))) {
        refuse(core, now, peer, hello->incarnation, ERR_LIMIT, "too many actors");
        return NULL;
    }
    /* Without state of ours the sequence begins where the actor says; what it may send, the learner says. */
    *actor = (struct broker_actor){.actor = hello->actor,
                                   .incarnation = hello->incarnation,
                                   .presence = ROSTER_GONE,
                                   .acked = hello->acked_upto,
                                   .received = hello->acked_upto,
                                   .forwarded = hello->acked_upto};
    snprintf(actor->owner, sizeof actor->owner, "%s", core->sender ? core->sender->name : "");
    return actor;
}

static void actor_update(struct broker_core *core, struct broker_actor *actor, const struct message_actor_hello *hello)
{
    enum roster_presence presence = hello->is_draining ? ROSTER_DRAINING : hello->description.bytes ? ROSTER_READY : ROSTER_JOINING;
    core->roster_dirty |= actor->presence != presence || actor->lanes != hello->lanes || actor->orders_upto != hello->orders_upto ||
                          !hash_equal(actor->description.hash, hello->description.hash);
    actor->presence = presence;
    actor->description = hello->description;
    actor->lanes = hello->lanes;
    actor->orders_generation = hello->orders_generation;
    actor->orders_upto = hello->orders_upto;
    actor->version = hello->version;
    actor->weights = hello->weights;
    if (hello->next_sequence > actor->next_sequence)
        actor->next_sequence = hello->next_sequence;
    if (hello->acked_upto > actor->acked)
        actor->acked = hello->acked_upto;
    if (actor->received < actor->acked)
        actor->received = actor->acked;
    if (actor->forwarded < actor->received)
        actor->forwarded = actor->received;
}

static uint64_t grown(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

/* Rates between two HELLOs that lie far enough apart to mean something. */
static void note_rates(struct broker_actor *actor, monotonic_us now)
{
    struct broker_actor_rates *rates = &actor->rates;
    const struct actor_load *load = &actor->load, *before = &rates->load;
    double seconds = (double)(now - rates->at) * 1e-6;
    if (rates->at && seconds < RATES_SECONDS)
        return;
    double busy = (double)grown(load->busy_us, before->busy_us), idle = (double)grown(load->idle_us, before->idle_us),
           blocked = (double)grown(load->blocked_us, before->blocked_us), all = busy + idle + blocked;
    if (rates->at) {
        rates->steps_per_s = (double)grown(load->steps, before->steps) / seconds;
        rates->bytes_per_s = (double)grown(actor->bytes, rates->bytes) / seconds;
        rates->busy = all > 0 ? busy / all : 0;
        rates->idle = all > 0 ? idle / all : 0;
        rates->blocked = all > 0 ? blocked / all : 0;
    }
    rates->at = now;
    rates->load = *load;
    rates->bytes = actor->bytes;
}

/* The first HELLO that this process gets of an incarnation is where counting begins: what it did before belongs to another broker. */
static void note_load(struct broker_core *core, struct broker_actor *actor, monotonic_us now,
                      const struct message_actor_hello *hello)
{
    struct histogram ages = {.sum = (double)hello->load.ages_us * 1e-6}, before = {.sum = (double)actor->load.ages_us * 1e-6};
    memcpy(ages.counts, hello->load.ages, sizeof ages.counts);
    memcpy(before.counts, actor->load.ages, sizeof before.counts);
    if (actor->clock_us) {
        ages = histogram_since(&ages, &before);
        histogram_join(&core->work.ages, &ages);
        core->work.steps += grown(hello->load.steps, actor->load.steps);
        core->work.resent += grown(hello->load.resent, actor->load.resent);
    }
    core->work.weights_taken += weights_version_compare(hello->version, actor->version) > 0;
    memcpy(actor->host, hello->host, sizeof actor->host);
    actor->load = hello->load;
    if (weights_version_compare(hello->version, actor->acted) > 0)
        actor->acted = hello->version;
    actor->clock_us = hello->clock_us;
    actor->rtt_us = hello->rtt_us;
    note_rates(actor, now);
}

static void take_description(struct broker_core *core, struct broker_actor *actor, const void *payload, size_t payload_bytes)
{
    uint32_t bytes;
    struct hash hash;
    bool was_wanted = actor->wants_description;
    if (actor->description.bytes && payload && payload_bytes == actor->description.bytes &&
        hash_equal(hash_bytes(payload, payload_bytes), actor->description.hash) &&
        fetcher_add(core->cache, payload, (uint32_t)payload_bytes, &hash))
        log_warning("description not kept actor=%u reason=\"cache full\"", actor->actor);
    actor->wants_description = actor->description.bytes && !fetcher_find(core->cache, actor->description.hash, &bytes);
    core->roster_dirty |= was_wanted != actor->wants_description;
}

static void on_actor_hello(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *payload,
                           size_t payload_bytes)
{
    const struct message_actor_hello *hello = &core->in->actor_hello;
    struct err err;
    if (!protocol_understands(PROTOCOL_MAJOR, PROTOCOL_MINOR, hello->major, hello->minor)) {
        refuse(core, now, peer, hello->incarnation, protocol_refusal(hello->major, hello->minor, &err), err.text);
        return;
    }
    if (hello->run[0] && core->learner.run[0] && strcmp(hello->run, core->learner.run)) {
        refuse(core, now, peer, hello->incarnation, ERR_MISMATCH, "another run is served here now");
        return;
    }
    struct broker_actor *actor = may_be(core, now, peer, hello) ? actor_admit(core, now, peer, hello) : NULL;
    if (!actor)
        return;
    if (actor->presence == ROSTER_GONE)
        log_notice("actor here actor=%u incarnation=%llu", actor->actor, (unsigned long long)actor->incarnation);
    core->counts.reconnects += actor->presence == ROSTER_GONE && actor->heard_at;
    actor->peer = *peer;
    actor->heard_at = now;
    note_load(core, actor, now, hello);
    actor_update(core, actor, hello);
    take_description(core, actor, payload, payload_bytes);
    send_state(core, actor);
}

static int forward(struct broker_core *core, monotonic_us now, struct broker_actor *actor, const void *envelope,
                   size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    if (!actor->is_told && send_roster(core, now))
        return ERR_AGAIN; /* the learner must know whose this is */
    return send_bytes(core, MESSAGE_TRAJECTORY, &core->learner.peer, envelope, envelope_bytes, payload, payload_bytes);
}

static void on_trajectory(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *envelope,
                          size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    const struct message_trajectory *message = &core->in->trajectory;
    uint64_t sequence = message->body.sequence;
    struct broker_actor *actor = actor_find(core, message->actor, message->incarnation);
    core->counts.received++;
    if (!actor || actor->presence == ROSTER_GONE || !wire_peer_equal(&actor->peer, peer)) {
        core->counts.unknown++; /* its HELLO comes within a second and the trajectory again after it */
        return;
    }
    if (!owns(core, actor)) { /* a routing id can be taken over, a key cannot */
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
    if (!learner_is_here(core))
        core->counts.unrouted++;
    else if (sequence > actor->may_send)
        core->counts.over_grant++;
    else if (sequence <= actor->received)
        core->counts.duplicate++;
    else if (sequence > actor->forwarded + 1) {
        core->counts.gap++;
        actor->gaps++;
        actor->state_due = true;
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

static void on_orders(struct broker_core *core, const void *envelope, size_t envelope_bytes, const void *payload,
                      size_t payload_bytes)
{
    const struct message_orders *orders = &core->in->orders;
    struct broker_actor *actor = actor_find(core, orders->actor, orders->incarnation);
    if (!actor || actor->presence == ROSTER_GONE) {
        core->counts.stray++;
        return;
    }
    (void)send_bytes(core, MESSAGE_ORDERS, &actor->peer, envelope, envelope_bytes, payload, payload_bytes);
}

/* --- the learner --- */

static bool is_from_learner(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, uint64_t incarnation)
{
    if (core->learner.incarnation == incarnation && wire_peer_equal(&core->learner.peer, peer))
        return true;
    core->counts.stray++;
    if (core->learner.incarnation && core->learner.incarnation != incarnation && learner_is_here(core))
        refuse(core, now, peer, incarnation, ERR_STATE, "replaced by another learner");
    return false;
}

/* A new learner process has received nothing: marks fall back to what actors were told. */
static void learner_replace(struct broker_core *core, monotonic_us now, const struct message_learner_hello *hello)
{
    bool is_new_run = core->learner.run[0] && strcmp(core->learner.run, hello->run) != 0;
    log_notice("learner here run=%s generation=%u", hello->run, hello->generation);
    core->learner = (struct broker_learner){.incarnation = hello->incarnation, .generation = hello->generation};
    monitor_forget_status(&core->monitor);
    memcpy(core->learner.run, hello->run, sizeof hello->run);
    core->counts.learners++;
    core->next.is_pending = false;
    if (is_new_run) {
        core->newest = (struct weights_version){0};
        core->newest_manifest = (struct blob_name){0};
        for (int i = 0; i < core->n_actors; i++)
            actor_gone(core, &core->actors[i], now, "of another run");
        core->n_actors = 0; /* each is refused at its next HELLO */
    }
    for (int i = 0; i < core->n_actors; i++) {
        struct broker_actor *actor = &core->actors[i];
        actor->received = actor->forwarded = actor->may_send = actor->acked;
        actor->is_told = false;
    }
    fetcher_forget_requests(core->cache);
    core->n_waiters = 0;
    states_due(core);
}

/* Returns why this learner is not accepted, or NULL. */
static const char *learner_objection(const struct broker_core *core, const struct message_learner_hello *hello)
{
    const struct broker_learner *now = &core->learner;
    if (!now->incarnation || now->incarnation == hello->incarnation)
        return NULL;
    bool is_live = learner_is_here(core) && !now->is_finished;
    if (strcmp(now->run, hello->run))
        return is_live ? "another run is served here by a live learner" : NULL;
    if (hello->generation < now->generation)
        return "a learner of a later generation has been here";
    if (hello->generation == now->generation)
        return "another learner of this generation has been here: raise the generation";
    return NULL;
}

static void on_learner_hello(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *payload,
                             size_t payload_bytes)
{
    const struct message_learner_hello *hello = &core->in->learner_hello;
    struct err err;
    if (!protocol_understands(PROTOCOL_MAJOR, PROTOCOL_MINOR, hello->major, hello->minor)) {
        refuse(core, now, peer, hello->incarnation, protocol_refusal(hello->major, hello->minor, &err), err.text);
        return;
    }
    const char *objection = hello->run[0] ? learner_objection(core, hello) : "a run needs a name";
    if (objection) {
        refuse(core, now, peer, hello->incarnation, ERR_STATE, objection);
        return;
    }
    struct broker_learner *learner = &core->learner;
    bool is_back = learner->is_silent;
    if (learner->incarnation != hello->incarnation)
        learner_replace(core, now, hello);
    learner->peer = *peer;
    learner->heard_at = now;
    learner->is_silent = false;
    learner->recipe = hello->recipe;
    learner->clock_us = hello->clock_us;
    if (is_back || hello->is_finished != learner->is_finished)
        states_due(core);
    learner->is_finished = hello->is_finished;
    if (payload && !monitor_status(&core->monitor, payload, payload_bytes))
        core->counts.malformed++;
    if (fetcher_want(core->cache, hello->recipe))
        core->counts.malformed++;
    (void)send_roster(core, now);
}

static void on_publish(struct broker_core *core)
{
    const struct message_publish *publish = &core->in->publish;
    struct publication *next = &core->next;
    if (weights_version_compare(publish->version, core->newest) <= 0 ||
        (next->is_pending && weights_version_compare(publish->version, next->version) <= 0))
        return;
    if (publish->manifest.bytes > MANIFEST_BYTES_MAX || fetcher_want(core->cache, publish->manifest)) {
        core->counts.malformed++;
        return;
    }
    next->version = publish->version;
    next->name = publish->manifest;
    next->is_pending = true;
    next->has_manifest = false;
    advance_publication(core);
}

static void on_fates(struct broker_core *core)
{
    for (uint32_t i = 0; i < core->in->fates.count; i++) {
        const struct fates_row *row = &core->in->fates.rows[i];
        struct broker_actor *actor = actor_find(core, row->actor, row->incarnation);
        if (!actor)
            continue;
        if (row->acked_upto > actor->acked)
            actor->acked = row->acked_upto;
        if (row->received_upto > actor->received)
            actor->received = row->received_upto;
        if (actor->received < actor->acked)
            actor->received = actor->acked;
        if (actor->forwarded < actor->received)
            actor->forwarded = actor->received;
        if (row->may_send_upto > actor->may_send)
            actor->may_send = row->may_send_upto;
        memcpy(actor->fates, row->fates, sizeof actor->fates);
        actor->state_due = actor->presence != ROSTER_GONE;
    }
}

static void on_bye(struct broker_core *core, monotonic_us now, const struct wire_peer *peer)
{
    uint64_t incarnation = core->in->bye.incarnation;
    if (core->learner.incarnation == incarnation && wire_peer_equal(&core->learner.peer, peer)) {
        log_notice("learner left");
        core->learner.is_silent = true;
        states_due(core);
    }
    for (int i = 0; i < core->n_actors; i++)
        if (core->actors[i].incarnation == incarnation && wire_peer_equal(&core->actors[i].peer, peer) &&
            owns(core, &core->actors[i]))
            actor_gone(core, &core->actors[i], now, "it left");
}

static void on_stats(struct broker_core *core, monotonic_us now, const struct wire_peer *peer)
{
    char *json = malloc(BROKER_STATS_BYTES);
    int length = json ? broker_core_stats(core, now, json, BROKER_STATS_BYTES) : ERR_NOMEM;
    core->out->kind = MESSAGE_STATS_REPLY;
    if (length > 0)
        (void)emit(core, peer, json, (size_t)length);
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
    if (!new->in || !new->out || !new->bytes || fetcher_create(&new->cache, options->cache_bytes, CACHE_ENTRIES)) {
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
    if (learner_is_here(core) && now - core->learner.heard_at > SILENCE_US) {
        log_warning("learner silent seconds=%d", (int)((now - core->learner.heard_at) / 1000000));
        core->learner.is_silent = true;
        states_due(core);
    }
    for (int i = core->n_actors - 1; i >= 0; i--) {
        struct broker_actor *actor = &core->actors[i];
        if (actor->presence != ROSTER_GONE && now - actor->heard_at > SILENCE_US)
            actor_gone(core, actor, now, "silent");
        else if (actor->presence == ROSTER_GONE && now - actor->gone_at > GONE_LISTED_US)
            *actor = core->actors[--core->n_actors];
    }
}

static void pump(struct broker_core *core, monotonic_us now)
{
    if (core->roster_dirty && now - core->roster_at >= ROSTER_GAP_US)
        (void)send_roster(core, now);
    send_states(core);
    request_blobs(core, now);
}

void broker_core_tick(struct broker_core *core, monotonic_us now)
{
    forgive_pause(core, now);
    notice_silence(core, now);
    advance_publication(core);
    if (now - core->roster_at >= PROTOCOL_HEARTBEAT_US)
        (void)send_roster(core, now);
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
    refuse(core, now, peer, 0, ERR_FORMAT, "malformed message");
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
    case MESSAGE_ACTOR_HELLO: on_actor_hello(core, now, peer, payload, payload_bytes); break;
    case MESSAGE_TRAJECTORY: on_trajectory(core, now, peer, envelope, envelope_bytes, payload, payload_bytes); break;
    case MESSAGE_FETCH: on_fetch(core, peer); break;
    case MESSAGE_CHUNK:
        if (learner_is_here(core) && wire_peer_equal(peer, &core->learner.peer))
            on_chunk(core, now, payload, payload_bytes);
        break;
    case MESSAGE_LEARNER_HELLO: on_learner_hello(core, now, peer, payload, payload_bytes); break;
    case MESSAGE_ORDERS:
        if (is_from_learner(core, now, peer, core->in->orders.learner))
            on_orders(core, envelope, envelope_bytes, payload, payload_bytes);
        break;
    case MESSAGE_PUBLISH:
        if (is_from_learner(core, now, peer, core->in->publish.learner))
            on_publish(core);
        break;
    case MESSAGE_FATES:
        if (is_from_learner(core, now, peer, core->in->fates.learner))
            on_fates(core);
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
    if (may_say(core, now, peer))
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
                                 .waiters = core->n_waiters,
                                 .monitor = &core->monitor};
}

int broker_core_stats(struct broker_core *core, monotonic_us now, char *json, size_t size)
{
    struct broker_view view;
    broker_core_view(core, now, &view);
    return broker_stats_json(&view, json, size);
}
