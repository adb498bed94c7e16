/* What the broker sends of its own: see core_parts.h. A STATE that a peer cannot be sent now is sent at the next tick, not with each message
 * until then: a host that is cut off has many of them. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "broker/core_parts.h"

#define REFUSAL_LINES 20 /* of the log, a second */

int core_send(struct broker_core *core, enum message_kind kind, const struct wire_peer *peer, const void *envelope,
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

int core_emit(struct broker_core *core, const struct wire_peer *peer, const void *payload, size_t payload_bytes)
{
    int length = envelope_encode(core->out, core->bytes, PROTOCOL_ENVELOPE_BYTES);
    ASSERT(length > 0);
    return core_send(core, core->out->kind, peer, core->bytes, (size_t)length, payload, payload_bytes);
}

void core_refuse(struct broker_core *core, monotonic_us now, const struct wire_peer *peer, uint64_t incarnation, int code,
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
    (void)core_emit(core, peer, NULL, 0);
}

bool core_has_learner(const struct broker_core *core)
{
    return core->learner.incarnation && !core->learner.is_silent;
}

static int row_of(const struct broker_core *core, const struct broker_actor *actor)
{
    return (int)(actor - core->actors);
}

static void set_bit(uint64_t words[ROW_WORDS], int row, bool is_set)
{
    uint64_t bit = (uint64_t)1 << row % 64;
    words[row / 64] = is_set ? words[row / 64] | bit : words[row / 64] & ~bit;
}

void core_send_state(struct broker_core *core, struct broker_actor *actor)
{
    core->out->kind = MESSAGE_STATE;
    core->out->state = (struct message_state){.major = PROTOCOL_MAJOR,
                                              .minor = PROTOCOL_MINOR,
                                              .incarnation = actor->incarnation,
                                              .epoch = core->options.epoch,
                                              .recipe = core->learner.recipe,
                                              .learner = core_has_learner(core) ? core->learner.incarnation : 0,
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
    core_state_not_due(core, actor);
    if (core_emit(core, &actor->peer, NULL, 0))
        set_bit(core->due.unsent, row_of(core, actor), true);
}

void core_state_due(struct broker_core *core, const struct broker_actor *actor)
{
    if (actor->presence != ROSTER_GONE)
        set_bit(core->due.now, row_of(core, actor), true);
}

void core_states_due(struct broker_core *core)
{
    for (int i = 0; i < core->n_actors; i++)
        core_state_due(core, &core->actors[i]);
}

bool core_state_is_due(const struct broker_core *core, const struct broker_actor *actor)
{
    int row = row_of(core, actor);
    return (core->due.now[row / 64] | core->due.unsent[row / 64]) >> row % 64 & 1;
}

void core_state_not_due(struct broker_core *core, const struct broker_actor *actor)
{
    set_bit(core->due.now, row_of(core, actor), false);
    set_bit(core->due.unsent, row_of(core, actor), false);
}

void core_send_states(struct broker_core *core)
{
    for (int w = 0; w < ROW_WORDS; w++)
        while (core->due.now[w]) /* each send takes its bit out */
            core_send_state(core, &core->actors[64 * w + __builtin_ctzll(core->due.now[w])]);
}

void core_retry_states(struct broker_core *core)
{
    for (int w = 0; w < ROW_WORDS; w++) {
        core->due.now[w] |= core->due.unsent[w];
        core->due.unsent[w] = 0;
    }
}

int core_send_roster(struct broker_core *core, monotonic_us now)
{
    if (!core_has_learner(core))
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
    int r = core_emit(core, &core->learner.peer, NULL, 0);
    if (r)
        return r;
    for (int i = 0; i < core->n_actors; i++)
        core->actors[i].is_told = true;
    core->roster_dirty = false;
    core->roster_at = now;
    return 0;
}
