/* The learner, and what it says of actors: fates and orders. See core_parts.h. */
#include <string.h>

#include "base/log.h"
#include "broker/core_parts.h"

bool core_is_from_learner(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, uint64_t incarnation)
{
    if (core->learner.incarnation == incarnation && wire_peer_equal(&core->learner.peer, peer))
        return true;
    core->counts.stray++;
    if (core->learner.incarnation && core->learner.incarnation != incarnation && core_has_learner(core))
        core_refuse(core, now, peer, incarnation, ERR_STATE, "replaced by another learner");
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
            core_actor_gone(core, &core->actors[i], now, "of another run");
        core_forget_actors(core); /* each is refused at its next HELLO */
    }
    for (int i = 0; i < core->n_actors; i++) {
        struct broker_actor *actor = &core->actors[i];
        actor->received = actor->forwarded = actor->may_send = actor->acked;
        actor->is_told = false;
    }
    fetcher_forget_requests(core->cache);
    waiters_forget(core->waiters);
    core_states_due(core);
}

/* Returns why this learner is not accepted, or NULL. */
static const char *learner_objection(const struct broker_core *core, const struct message_learner_hello *hello)
{
    const struct broker_learner *now = &core->learner;
    if (!now->incarnation || now->incarnation == hello->incarnation)
        return NULL;
    bool is_live = core_has_learner(core) && !now->is_finished;
    if (strcmp(now->run, hello->run))
        return is_live ? "another run is served here by a live learner" : NULL;
    if (hello->generation < now->generation)
        return "a learner of a later generation has been here";
    if (hello->generation == now->generation)
        return "another learner of this generation has been here: raise the generation";
    return NULL;
}

void core_on_learner_hello(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, const void *payload,
                           size_t payload_bytes)
{
    const struct message_learner_hello *hello = &core->in->learner_hello;
    struct err err;
    if (!protocol_understands(PROTOCOL_MAJOR, PROTOCOL_MINOR, hello->major, hello->minor)) {
        core_refuse(core, now, peer, hello->incarnation, protocol_refusal(hello->major, hello->minor, &err), err.text);
        return;
    }
    const char *objection = hello->run[0] ? learner_objection(core, hello) : "a run needs a name";
    if (objection) {
        core_refuse(core, now, peer, hello->incarnation, ERR_STATE, objection);
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
        core_states_due(core);
    learner->is_finished = hello->is_finished;
    if (payload && !monitor_status(&core->monitor, payload, payload_bytes))
        core->counts.malformed++;
    if (fetcher_want(core->cache, hello->recipe))
        core->counts.malformed++;
    (void)core_send_roster(core, now);
}

void core_on_fates(struct broker_core *core)
{
    for (uint32_t i = 0; i < core->in->fates.count; i++) {
        const struct fates_row *row = &core->in->fates.rows[i];
        struct broker_actor *actor = core_actor_find(core, row->actor, row->incarnation);
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
        core_state_due(core, actor);
    }
}

void core_on_orders(struct broker_core *core, const void *envelope, size_t envelope_bytes, const void *payload,
                    size_t payload_bytes)
{
    const struct message_orders *orders = &core->in->orders;
    struct broker_actor *actor = core_actor_find(core, orders->actor, orders->incarnation);
    if (!actor || actor->presence == ROSTER_GONE) {
        core->counts.stray++;
        return;
    }
    (void)core_send(core, MESSAGE_ORDERS, &actor->peer, envelope, envelope_bytes, payload, payload_bytes);
}
