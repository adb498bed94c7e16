/* Actors: the table of them, whose they are, and what they say of themselves. See core_parts.h. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "broker/core_parts.h"

#define RATES_SECONDS 0.8 /* between two HELLOs that rates are taken from */

/* --- the table: by number, since whoever asks for an incarnation names the actor, too --- */

static struct broker_actor *actor_at(struct broker_core *core, int row)
{
    return row < 0 ? NULL : &core->actors[row];
}

static struct broker_actor *first_of(struct broker_core *core, uint32_t actor)
{
    return actor_at(core, row_index_first(core->by_number, actor));
}

static struct broker_actor *next_of(struct broker_core *core, const struct broker_actor *actor)
{
    return actor_at(core, row_index_next(core->by_number, (int)(actor - core->actors)));
}

struct broker_actor *core_actor_find(struct broker_core *core, uint32_t actor, uint64_t incarnation)
{
    struct broker_actor *at = first_of(core, actor);
    while (at && at->incarnation != incarnation)
        at = next_of(core, at);
    return at;
}

void core_actor_gone(struct broker_core *core, struct broker_actor *actor, monotonic_us now, const char *reason)
{
    if (actor->presence == ROSTER_GONE)
        return;
    log_notice("actor gone actor=%u incarnation=%llu reason=\"%s\"", actor->actor, (unsigned long long)actor->incarnation, reason);
    actor->presence = ROSTER_GONE;
    actor->gone_at = now;
    core_state_not_due(core, actor);
    core->roster_dirty = true;
    core->counts.actors_gone++;
}

void core_actor_forget(struct broker_core *core, struct broker_actor *actor)
{
    int row = (int)(actor - core->actors), last = --core->n_actors;
    bool is_due = core_state_is_due(core, &core->actors[last]);
    core_state_not_due(core, actor);
    core_state_not_due(core, &core->actors[last]);
    row_index_drop(core->by_number, row);
    if (row == last)
        return;
    *actor = core->actors[last];
    row_index_move(core->by_number, last, row);
    if (is_due)
        core_state_due(core, actor);
}

void core_forget_actors(struct broker_core *core)
{
    for (int i = 0; i < core->n_actors; i++)
        core_state_not_due(core, &core->actors[i]);
    core->n_actors = 0;
    row_index_clear(core->by_number);
}

/* Makes room in a full table: the actor that has been gone for longest is forgotten. False when all are alive. */
static bool make_room(struct broker_core *core)
{
    struct broker_actor *oldest = NULL;
    if (core->n_actors < PROTOCOL_ACTORS_MAX)
        return true;
    for (int i = 0; i < core->n_actors; i++)
        if (core->actors[i].presence == ROSTER_GONE && (!oldest || core->actors[i].gone_at < oldest->gone_at))
            oldest = &core->actors[i];
    if (oldest)
        core_actor_forget(core, oldest);
    return oldest != NULL;
}

/* --- keys --- */

bool core_may_say(struct broker_core *core, monotonic_us now, const struct wire_peer *peer)
{
    char text[PROTOCOL_TEXT_SIZE];
    const struct broker_sender *sender = core->sender;
    if (!sender || role_may_send(sender->role, core->in->kind))
        return true;
    core->counts.denied_role++;
    snprintf(text, sizeof text, "key %s is of role %s, which may not send %s", sender->name, role_name(sender->role),
             message_kind_name(core->in->kind));
    core_refuse(core, now, peer, 0, ERR_DENIED, text);
    return false;
}

bool core_owns(const struct broker_core *core, const struct broker_actor *actor)
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
    for (const struct broker_actor *at = first_of(core, hello->actor); at && is_own; at = next_of(core, at))
        is_own = core_owns(core, at);
    if (is_own)
        return true;
    core->counts.denied_actor++;
    snprintf(text, sizeof text, "key %s may not be actor %u: that number is another key's", sender ? sender->name : "(none)",
             hello->actor);
    core_refuse(core, now, peer, hello->incarnation, ERR_DENIED, text);
    return false;
}

/* --- HELLO --- */

/* Of two incarnations of one actor the later one stays. NULL when this one is refused. */
static struct broker_actor *actor_admit(struct broker_core *core, monotonic_us now, const struct wire_peer *peer,
                                        const struct message_actor_hello *hello)
{
    for (struct broker_actor *other = first_of(core, hello->actor); other; other = next_of(core, other)) {
        if (other->incarnation == hello->incarnation || other->presence == ROSTER_GONE)
            continue;
        if (other->incarnation > hello->incarnation) {
            core_refuse(core, now, peer, hello->incarnation, ERR_STATE, "replaced by a later process of this actor");
            return NULL;
        }
        core_actor_gone(core, other, now, "replaced");
    }
    struct broker_actor *actor = core_actor_find(core, hello->actor, hello->incarnation);
    if (actor)
        return actor;
    if (!make_room(core)) {
        core_refuse(core, now, peer, hello->incarnation, ERR_LIMIT, "too many actors");
        return NULL;
    }
    /* Without state of ours the sequence begins where the actor says; what it may send, the learner says. */
    actor = &core->actors[core->n_actors];
    row_index_put(core->by_number, core->n_actors++, hello->actor);
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

void core_on_actor_hello(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *payload,
                         size_t payload_bytes)
{
    const struct message_actor_hello *hello = &core->in->actor_hello;
    struct err err;
    if (!protocol_understands(PROTOCOL_MAJOR, PROTOCOL_MINOR, hello->major, hello->minor)) {
        core_refuse(core, now, peer, hello->incarnation, protocol_refusal(hello->major, hello->minor, &err), err.text);
        return;
    }
    if (hello->run[0] && core->learner.run[0] && strcmp(hello->run, core->learner.run)) {
        core_refuse(core, now, peer, hello->incarnation, ERR_MISMATCH, "another run is served here now");
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
    core_send_state(core, actor);
}
