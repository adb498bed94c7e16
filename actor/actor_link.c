/* The actor's end of the delivery protocol: see actor_link.h and common/wire/PROTOCOL.
 *
 * The ring holds sequences acked_upto+1 .. next-1; slot = sequence % window. `sent_upto` is how far this connection's stream went; a
 * new broker epoch, a new learner or a second without progress sets it back to what the learner has received, and everything
 * after that goes out again. Orders wait in a queue in the order of their numbers; the head goes out when its weights are
 * here. Two or three versions are kept: those that queued orders name, and the newest. */
#include "actor/actor_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/link_parts.h"
#include "base/log.h"
#include "wire/description.h"

/* --- state and sending --- */

static void set_state(struct actor_link *link, enum actor_link_state state)
{
    static const char *const names[] = {"new",   "wait-state", "wait-run", "wait-description",
                                        "ready", "draining",   "done",     "refused"};
    if (link->state == state)
        return;
    ASSERT(link->state < LINK_DONE); /* DONE and REFUSED are final */
    log_detail("link state from=%s to=%s", names[link->state], names[state]);
    link->state = state;
}

int link_emit(struct actor_link *link, const void *payload, size_t payload_bytes)
{
    int length = envelope_encode(link->out, link->bytes, PROTOCOL_ENVELOPE_BYTES);
    ASSERT(length > 0);
    return link->options.ops->send(link->options.context, link->bytes, (size_t)length, payload, payload_bytes);
}

static void send_hello(struct actor_link *link, monotonic_us now)
{
    bool with_description = link->description && link->wants_description;
    link->out->kind = MESSAGE_ACTOR_HELLO;
    link->out->actor_hello = (struct message_actor_hello){.major = PROTOCOL_MAJOR,
                                                          .minor = PROTOCOL_MINOR,
                                                          .actor = link->options.actor,
                                                          .incarnation = link->options.incarnation,
                                                          .description = link->description_name,
                                                          .lanes = (uint32_t)link->lanes,
                                                          .orders_generation = link->generation,
                                                          .orders_upto = link->orders_upto,
                                                          .next_sequence = link->next,
                                                          .acked_upto = link->acked_upto,
                                                          .version = link->acted_version,
                                                          .weights = link->acted_weights,
                                                          .is_draining = link->state == LINK_DRAINING,
                                                          .clock_us = (uint64_t)now,
                                                          .rtt_us = link->rtt_us,
                                                          .load = link->load};
    memcpy(link->out->actor_hello.host, link->options.host, sizeof link->options.host);
    memcpy(link->out->actor_hello.load.ages, link->ages.counts, sizeof link->ages.counts);
    link->out->actor_hello.load.ages_us = (uint64_t)(link->ages.sum * 1e6);
    link->out->actor_hello.load.resent = link->resent;
    link->out->actor_hello.load.unsent = link->next - 1 - link->sent_upto;
    memcpy(link->out->actor_hello.run, link->run, sizeof link->run);
    link->hello_at = now;
    link->hello_due =
        link_emit(link, with_description ? link->description : NULL, with_description ? link->description_name.bytes : 0) != 0;
    if (link->state == LINK_NEW)
        set_state(link, LINK_WAIT_STATE);
}

static void refuse(struct actor_link *link, int code, const char *text)
{
    set_state(link, LINK_REFUSED);
    link->options.ops->refused(link->options.context, code, text);
}

/* --- STATE --- */

/* Whether the actor belongs to the run that the broker serves. One without a run does not join a finished one: whoever starts a cluster
 * anew on a living broker may start actors before the learner, and so may whoever restarts a learner that died just before its end. */
static bool check_run(struct actor_link *link, monotonic_us now, const struct message_state *state)
{
    bool is_idle = state->run[0] && state->is_finished && !link->run[0];
    if (is_idle && !link->idle_since)
        log_notice("the run here is finished, waiting for another run=%s seconds=%d", state->run, PATIENCE_US / 1000000);
    if (!is_idle)
        link->idle_since = 0;
    else if (!link->idle_since)
        link->idle_since = now;
    if (!state->run[0] || is_idle)
        return false;
    if (link->run[0] && strcmp(link->run, state->run)) {
        char text[PROTOCOL_TEXT_SIZE];
        snprintf(text, sizeof text, "the broker serves run \"%.48s\" now, this actor belongs to \"%.48s\"", state->run, link->run);
        refuse(link, ERR_MISMATCH, text);
        return false;
    }
    memcpy(link->run, state->run, sizeof link->run);
    return true;
}

static void follow_recipe(struct actor_link *link, const struct message_state *state)
{
    uint32_t bytes;
    if (link->has_recipe || state->recipe.bytes == 0)
        return;
    link->recipe = state->recipe;
    if (link->state == LINK_WAIT_STATE)
        set_state(link, LINK_WAIT_RUN);
    const unsigned char *text = fetcher_find(link->fetcher, link->recipe.hash, &bytes);
    if (!text) {
        if (fetcher_want(link->fetcher, link->recipe))
            link->malformed++;
        return;
    }
    link->has_recipe = true;
    if (link->state == LINK_WAIT_RUN)
        set_state(link, LINK_WAIT_DESCRIPTION);
    link->options.ops->recipe(link->options.context, link->run, (const char *)text, bytes);
}

static void follow_acks(struct actor_link *link, monotonic_us now, const struct message_state *state)
{
    uint64_t before = link->acked_upto + link->received_upto, had = link_there_upto(link);
    if (state->acked_upto >= link->next) {
        link->malformed++; /* nobody can know the fate of what was never announced */
        return;
    }
    if (state->epoch != link->epoch || state->learner != link->learner) {
        link->epochs += state->epoch != link->epoch;
        link->epoch = state->epoch;
        link->learner = state->learner;
        link->received_upto = state->received_upto;
        link->may_send_upto = state->may_send_upto;
        link->resend_us = RESEND_US;
        fetcher_forget_requests(link->fetcher);
        link_acknowledge(link, state->acked_upto);
        link_note_ages(link, now, had, link_there_upto(link));
        link_send_again(link);
        return;
    }
    link_acknowledge(link, state->acked_upto);
    if (state->received_upto > link->received_upto && state->received_upto < link->next)
        link->received_upto = state->received_upto;
    link_note_ages(link, now, had, link_there_upto(link));
    if (link->sent_upto < link->received_upto)
        link->sent_upto = link->received_upto;
    if (state->may_send_upto > link->may_send_upto)
        link->may_send_upto = state->may_send_upto;
    for (int f = 0; f < FATES_TOLD; f++)
        link->fates[f] = state->fates[f];
    if (link->acked_upto + link->received_upto > before) {
        link->progress_at = now;
        link->resend_us = RESEND_US;
    }
}

static void on_state(struct actor_link *link, monotonic_us now)
{
    const struct message_state *state = &link->in->state;
    struct err err;
    if (state->incarnation != link->options.incarnation)
        return; /* meant for the process that had this id before */
    if (!protocol_understands(PROTOCOL_MAJOR, PROTOCOL_MINOR, state->major, state->minor)) {
        refuse(link, protocol_refusal(state->major, state->minor, &err), err.text);
        return;
    }
    link->heard_at = now;
    link->is_heard = true;
    if (state->echo_us > link->echo_us && state->echo_us <= (uint64_t)now) {
        link->echo_us = state->echo_us;
        link->rtt_us = (uint64_t)now - state->echo_us;
    }
    bool newly_wanted = state->wants_description && !link->wants_description;
    link->wants_description = state->wants_description;
    if (!check_run(link, now, state))
        return;
    link->is_finished |= state->is_finished;
    follow_acks(link, now, state);
    if (weights_version_compare(state->version, link->newest) > 0) {
        link->newest = state->version;
        link->newest_manifest = state->manifest;
    }
    follow_recipe(link, state);
    if (link->description && newly_wanted)
        link->hello_due = true;
    link_versions_advance(link);
    link_hand_out(link);
}

static void on_chunk(struct actor_link *link, monotonic_us now, const void *payload, size_t payload_bytes)
{
    int r = fetcher_chunk(link->fetcher, now, &link->in->chunk, payload, payload_bytes);
    if (r == ERR_FORMAT || r == ERR_MISMATCH)
        link->malformed++;
    if (r == ERR_UNKNOWN)
        link_content_is_unknown(link, link->in->chunk.hash);
    if (r != 1)
        return;
    struct message_state again = {.recipe = link->recipe};
    follow_recipe(link, &again);
    link_versions_advance(link);
    link_hand_out(link);
}

static void on_refused(struct actor_link *link)
{
    const struct message_refused *refused = &link->in->refused;
    if (refused->incarnation && refused->incarnation != link->options.incarnation)
        return;
    refuse(link, refused->code, refused->text);
}

/* --- public --- */

int actor_link_create(struct actor_link **link, const struct actor_link_options *options)
{
    ASSERT(options->window >= 1 && options->window <= PROTOCOL_WINDOW_MAX);
    struct actor_link *new = calloc(1, sizeof *new);
    *link = new;
    if (!new)
        return ERR_NOMEM;
    new->options = *options;
    new->next = 1;
    new->resend_us = RESEND_US;
    new->ring = calloc((size_t)options->window, sizeof *new->ring);
    new->ended_at = calloc((size_t)options->window, sizeof *new->ended_at);
    new->in = calloc(1, sizeof *new->in);
    new->out = calloc(1, sizeof *new->out);
    new->bytes = malloc(PROTOCOL_ENVELOPE_BYTES);
    new->items = calloc(PROTOCOL_ORDERS_MAX, sizeof *new->items);
    if (!new->ring || !new->ended_at || !new->in || !new->out || !new->bytes || !new->items ||
        fetcher_create(&new->fetcher, options->cache_bytes, FETCH_ENTRIES) ||
        blob_store_create(&new->nets, options->cache_bytes, FETCH_ENTRIES)) {
        actor_link_destroy(link);
        return ERR_NOMEM;
    }
    return 0;
}

void actor_link_destroy(struct actor_link **link)
{
    struct actor_link *old = *link;
    if (!old)
        return;
    for (int i = 0; old->ring && i < old->options.window; i++)
        if (old->ring[i])
            old->options.ops->release(old->options.context, old->ring[i]);
    link_queue_clear(old);
    for (int i = 0; i < VERSIONS_MAX; i++)
        link_version_drop(&old->versions[i]);
    fetcher_destroy(&old->fetcher);
    blob_store_destroy(&old->nets);
    free(old->ring);
    free(old->ended_at);
    free(old->in);
    free(old->out);
    free(old->bytes);
    free(old->items);
    free(old->description);
    free(old);
    *link = NULL;
}

static bool is_over(const struct actor_link *link)
{
    return link->state == LINK_DONE || link->state == LINK_REFUSED;
}

static void send_fetches(struct actor_link *link, monotonic_us now)
{
    link->out->kind = MESSAGE_FETCH;
    while (fetcher_request(link->fetcher, now, &link->out->fetch))
        if (link_emit(link, NULL, 0))
            return; /* asked again after a second */
}

/* What follows every event: send what may be sent now. */
static void pump(struct actor_link *link, monotonic_us now)
{
    if (is_over(link))
        return;
    if (link->hello_due)
        send_hello(link, now);
    link_send_ring(link);
    if (link->is_heard)
        send_fetches(link, now);
    if (link->state == LINK_DRAINING && link->acked_upto + 1 == link->next)
        actor_link_bye(link);
}

void actor_link_tick(struct actor_link *link, monotonic_us now)
{
    if (is_over(link))
        return;
    if (link->state == LINK_NEW || now - link->hello_at >= PROTOCOL_HEARTBEAT_US)
        send_hello(link, now);
    if (link->idle_since && now - link->idle_since > PATIENCE_US)
        link->is_finished = true;
    link_versions_advance(link);
    link_hand_out(link);
    link_check_progress(link, now);
    pump(link, now);
}

void actor_link_message(struct actor_link *link, monotonic_us now, const void *envelope, size_t envelope_bytes, const void *payload,
                        size_t payload_bytes)
{
    struct err err;
    if (is_over(link))
        return;
    if (envelope_decode(link->in, envelope, envelope_bytes, &err)) {
        link->malformed++;
        return;
    }
    switch (link->in->kind) {
    case MESSAGE_STATE: on_state(link, now); break;
    case MESSAGE_ORDERS: link_on_orders(link, now, payload, payload_bytes); break;
    case MESSAGE_CHUNK: on_chunk(link, now, payload, payload_bytes); break;
    case MESSAGE_REFUSED: on_refused(link); break;
    default: link->malformed++; break;
    }
    pump(link, now);
}

int actor_link_describe(struct actor_link *link, monotonic_us now, const struct spec *spec, const struct schema *schema, int lanes)
{
    if (link->state != LINK_WAIT_DESCRIPTION || lanes < 1 || lanes > PROTOCOL_LANES_MAX)
        return ERR_STATE;
    unsigned char *bytes = malloc(DESCRIPTION_BYTES_MAX);
    if (!bytes)
        return ERR_NOMEM;
    int length = description_encode(spec, schema, bytes, DESCRIPTION_BYTES_MAX);
    if (length < 0) {
        free(bytes);
        return length;
    }
    link->description = bytes;
    link->description_name = (struct blob_name){hash_bytes(bytes, (size_t)length), (uint32_t)length};
    link->lanes = lanes;
    link->wants_description = true; /* the first HELLO that names it carries it */
    set_state(link, LINK_READY);
    send_hello(link, now);
    return 0;
}

int actor_link_submit(struct actor_link *link, monotonic_us now, struct trajectory *trajectory)
{
    if (is_over(link) || trajectory->version.generation < link->generation)
        return ERR_STATE;
    if (link->next - link->acked_upto > (uint64_t)link->options.window ||
        (link->ring_bytes > 0 && link->ring_bytes + trajectory->bytes > link->options.window_bytes))
        return ERR_LIMIT;
    trajectory->sequence = link->next++;
    *link_ring_slot(link, trajectory->sequence) = trajectory;
    link->ended_at[trajectory->sequence % (uint64_t)link->options.window] = now;
    link->ring_bytes += trajectory->bytes;
    pump(link, now);
    return 0;
}

void actor_link_load(struct actor_link *link, const struct actor_load *load)
{
    link->load = *load;
}

void actor_link_drain(struct actor_link *link, monotonic_us now)
{
    if (is_over(link) || link->state == LINK_DRAINING)
        return;
    link_queue_clear(link);
    set_state(link, LINK_DRAINING);
    send_hello(link, now);
    pump(link, now);
}

void actor_link_bye(struct actor_link *link)
{
    if (is_over(link))
        return;
    link->out->kind = MESSAGE_BYE;
    link->out->bye = (struct message_bye){.incarnation = link->options.incarnation};
    (void)link_emit(link, NULL, 0); /* when it is lost, silence says the same a few seconds later */
    set_state(link, LINK_DONE);
}

enum actor_link_state actor_link_state(const struct actor_link *link)
{
    return link->state;
}

bool actor_link_broker_alive(const struct actor_link *link, monotonic_us now)
{
    return link->is_heard && now - link->heard_at < PROTOCOL_MISSED * PROTOCOL_HEARTBEAT_US;
}

bool actor_link_finished(const struct actor_link *link)
{
    return link->is_finished;
}

struct actor_link_stats actor_link_stats(const struct actor_link *link)
{
    struct actor_link_stats stats = {.next_sequence = link->next,
                                     .acked_upto = link->acked_upto,
                                     .may_send_upto = link->may_send_upto,
                                     .sent = link->sent,
                                     .resent = link->resent,
                                     .malformed = link->malformed,
                                     .epochs = link->epochs,
                                     .orders = link->orders,
                                     .ring = link->next - 1 - link->acked_upto,
                                     .ring_bytes = link->ring_bytes,
                                     .version = link->newest};
    memcpy(stats.fates, link->fates, sizeof stats.fates);
    return stats;
}
