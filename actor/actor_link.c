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

#include "base/log.h"
#include "wire/description.h"
#include "wire/fetch.h"

#define RESEND_US 1000000
#define RESEND_MAX_US 8000000
#define VERSIONS_MAX 8
#define QUEUE_MAX (2 * PROTOCOL_LANES_MAX)
#define FETCH_ENTRIES 512
#define PATIENCE_US 60000000 /* how long an actor without a run waits beside a finished one for another learner */

struct queued {
    struct work *work; /* weights are filled in at hand-over */
    struct blob_name manifest;
};

struct version_slot {
    struct weights_version version;
    struct blob_name name;
    bool is_used, has_manifest;
    struct manifest *manifest; /* allocated with the slot's first use */
    struct weights *weights;   /* NULL until complete */
};

struct actor_link {
    struct actor_link_options options;
    enum actor_link_state state;
    char run[PROTOCOL_RUN_SIZE];
    struct blob_name recipe;
    bool has_recipe;

    uint64_t epoch, learner;
    monotonic_us heard_at, hello_at;
    bool is_heard, hello_due, wants_description, is_finished;
    monotonic_us idle_since; /* beside a finished run, without one of its own; 0: not so */

    struct trajectory **ring;
    monotonic_us *ended_at; /* [window], when the trajectory in that slot came into the ring */
    size_t ring_bytes;
    uint64_t next, acked_upto, received_upto, may_send_upto, sent_upto, high_upto; /* high: sent at least once */
    uint64_t fates[FATES_TOLD];
    monotonic_us progress_at, resend_us;

    unsigned char *description;
    struct blob_name description_name;
    int lanes;

    uint32_t generation;
    uint64_t orders_upto;
    struct weights_version order_version; /* of the last training order: never goes back */
    struct queued queue[QUEUE_MAX];
    int queue_start, queue_count;

    struct weights_version newest;
    struct blob_name newest_manifest;
    struct version_slot versions[VERSIONS_MAX];
    struct fetcher *fetcher;
    struct blob_store *nets;

    struct weights_version acted_version;
    struct hash acted_weights;
    uint64_t sent, resent, malformed, epochs, orders;
    struct actor_load load;
    struct histogram ages;
    uint64_t rtt_us, echo_us; /* of the last HELLO that was echoed */

    struct envelope *in, *out;
    unsigned char *bytes;     /* PROTOCOL_ENVELOPE_BYTES, for encoding */
    struct order_item *items; /* PROTOCOL_ORDERS_MAX */
};

void work_destroy(struct work **work)
{
    if (*work)
        weights_unref(&(*work)->weights);
    free(*work);
    *work = NULL;
}

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

static int emit(struct actor_link *link, const void *payload, size_t payload_bytes)
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
        emit(link, with_description ? link->description : NULL, with_description ? link->description_name.bytes : 0) != 0;
    if (link->state == LINK_NEW)
        set_state(link, LINK_WAIT_STATE);
}

static void refuse(struct actor_link *link, int code, const char *text)
{
    set_state(link, LINK_REFUSED);
    link->options.ops->refused(link->options.context, code, text);
}

/* --- the ring --- */

static struct trajectory **ring_slot(struct actor_link *link, uint64_t sequence)
{
    return &link->ring[sequence % (uint64_t)link->options.window];
}

static int send_trajectory(struct actor_link *link, uint64_t sequence)
{
    const struct trajectory *trajectory = *ring_slot(link, sequence);
    link->out->kind = MESSAGE_TRAJECTORY;
    link->out->trajectory =
        (struct message_trajectory){.actor = link->options.actor, .incarnation = link->options.incarnation, .body = *trajectory};
    memcpy(link->out->trajectory.run, link->run, sizeof link->run);
    return emit(link, trajectory->frame, trajectory->bytes);
}

/* Sends what the grant allows and this stream has not carried yet. Without a learner nobody would take it. */
static void send_ring(struct actor_link *link)
{
    if (!link->epoch || !link->learner)
        return;
    while (link->sent_upto + 1 < link->next && link->sent_upto < link->may_send_upto) {
        uint64_t sequence = link->sent_upto + 1;
        if (send_trajectory(link, sequence))
            return; /* full or unconnected: the tick comes back to it */
        link->sent++;
        link->resent += sequence <= link->high_upto;
        link->sent_upto = sequence;
        if (sequence > link->high_upto)
            link->high_upto = sequence;
    }
}

/* The learner has everything up to here. */
static uint64_t there_upto(const struct actor_link *link)
{
    return link->received_upto > link->acked_upto ? link->received_upto : link->acked_upto;
}

static void send_again(struct actor_link *link)
{
    link->sent_upto = there_upto(link);
}

static void acknowledge(struct actor_link *link, uint64_t upto)
{
    while (link->acked_upto < upto) {
        struct trajectory **slot = ring_slot(link, ++link->acked_upto), *trajectory = *slot;
        link->ring_bytes -= trajectory->bytes;
        *slot = NULL;
        link->options.ops->release(link->options.context, trajectory);
    }
    if (link->sent_upto < link->acked_upto)
        link->sent_upto = link->acked_upto;
}

/* The learner has everything up to here: how long each of those that it did not have before was under way. */
static void note_ages(struct actor_link *link, monotonic_us now, uint64_t before, uint64_t upto)
{
    for (uint64_t s = before + 1; s <= upto && s < link->next; s++)
        histogram_add(&link->ages, HISTOGRAM_SECONDS, (double)(now - link->ended_at[s % (uint64_t)link->options.window]) * 1e-6);
}

static void check_progress(struct actor_link *link, monotonic_us now)
{
    uint64_t there = there_upto(link);
    if (link->sent_upto <= there) {
        link->progress_at = now;
        return;
    }
    if (now - link->progress_at < link->resend_us)
        return;
    link->progress_at = now;
    link->resend_us = link->resend_us * 2 < RESEND_MAX_US ? link->resend_us * 2 : RESEND_MAX_US;
    send_again(link);
}

/* --- weights --- */

static struct version_slot *version_find(struct actor_link *link, struct weights_version version)
{
    for (int i = 0; i < VERSIONS_MAX; i++)
        if (link->versions[i].is_used && !weights_version_compare(link->versions[i].version, version))
            return &link->versions[i];
    return NULL;
}

static void version_drop(struct version_slot *slot)
{
    weights_unref(&slot->weights);
    free(slot->manifest);
    *slot = (struct version_slot){0};
}

static bool version_is_needed(const struct actor_link *link, const struct version_slot *slot)
{
    if (!weights_version_compare(slot->version, link->newest))
        return true;
    for (int i = 0; i < link->queue_count; i++)
        if (!weights_version_compare(link->queue[(link->queue_start + i) % QUEUE_MAX].work->order.version, slot->version))
            return true;
    return false;
}

/* Drops versions that nothing names any more, with the blobs that were only theirs. */
static void versions_trim(struct actor_link *link)
{
    fetcher_unkeep_all(link->fetcher);
    fetcher_keep(link->fetcher, link->recipe.hash);
    for (int i = 0; i < VERSIONS_MAX; i++) {
        struct version_slot *slot = &link->versions[i];
        if (slot->is_used && !version_is_needed(link, slot))
            version_drop(slot);
        if (!slot->is_used || slot->weights)
            continue;
        fetcher_keep(link->fetcher, slot->name.hash);
        for (int n = 0; slot->has_manifest && n < slot->manifest->n_nets; n++)
            fetcher_keep(link->fetcher, slot->manifest->nets[n].content);
    }
    fetcher_sweep(link->fetcher);
}

/* Starts to fetch a version. All slots busy: tried again when a message or tick comes. */
static void version_want(struct actor_link *link, struct weights_version version, struct blob_name manifest)
{
    if (version_find(link, version) || manifest.bytes == 0 || manifest.bytes > MANIFEST_BYTES_MAX)
        return;
    versions_trim(link);
    for (int i = 0; i < VERSIONS_MAX; i++) {
        struct version_slot *slot = &link->versions[i];
        if (slot->is_used)
            continue;
        if (fetcher_want(link->fetcher, manifest))
            return;
        *slot = (struct version_slot){.version = version, .name = manifest, .is_used = true};
        return;
    }
}

static bool version_read_manifest(struct actor_link *link, struct version_slot *slot)
{
    struct err err;
    uint32_t bytes;
    const unsigned char *data = fetcher_find(link->fetcher, slot->name.hash, &bytes);
    if (!data) {
        if (fetcher_want(link->fetcher, slot->name)) /* no room now: the next tick tries again */
            log_detail("manifest waits reason=\"no room\"");
        return false;
    }
    if (!(slot->manifest = malloc(sizeof *slot->manifest)))
        return false;
    if (manifest_decode(slot->manifest, data, bytes, &err) || weights_version_compare(slot->manifest->version, slot->version)) {
        log_warning("manifest refused version=%u.%llu", slot->version.generation, (unsigned long long)slot->version.number);
        link->malformed++;
        version_drop(slot);
        return false;
    }
    slot->has_manifest = true;
    return true;
}

/* Moves finished nets into the store (which checks that all numbers are finite); true when none is missing. */
static bool version_collect(struct actor_link *link, struct version_slot *slot)
{
    int missing[WEIGHTS_NETS_MAX], left = 0;
    int n = manifest_missing(slot->manifest, link->nets, missing);
    for (int i = 0; i < n; i++) {
        const struct manifest_net *net = &slot->manifest->nets[missing[i]];
        struct err err;
        uint32_t bytes;
        const unsigned char *data = fetcher_find(link->fetcher, net->content, &bytes);
        if (data && blob_store_write(link->nets, net->content, bytes, 0, data, bytes, &err) == 1)
            continue;
        left++; /* whatever failed (most likely room) is tried again at the next tick */
        if (data)
            manifest_trim(slot->manifest, link->nets);
        else if (fetcher_want(link->fetcher, (struct blob_name){net->content, net->bytes}))
            versions_trim(link);
    }
    return left == 0;
}

static void versions_advance(struct actor_link *link)
{
    struct err err;
    version_want(link, link->newest, link->newest_manifest);
    for (int i = 0; i < link->queue_count; i++) {
        const struct queued *queued = &link->queue[(link->queue_start + i) % QUEUE_MAX];
        version_want(link, queued->work->order.version, queued->manifest);
    }
    for (int i = 0; i < VERSIONS_MAX; i++) {
        struct version_slot *slot = &link->versions[i];
        if (!slot->is_used || slot->weights || (!slot->has_manifest && !version_read_manifest(link, slot)))
            continue;
        if (!version_collect(link, slot))
            continue;
        if (weights_from_manifest(&slot->weights, slot->manifest, link->nets, &err)) {
            log_warning("weights refused reason=\"%s\"", err.text);
            link->malformed++;
            version_drop(slot);
            continue;
        }
        log_detail("weights complete version=%u.%llu", slot->version.generation, (unsigned long long)slot->version.number);
        manifest_trim(slot->manifest, link->nets);
    }
}

/* --- orders --- */

static void queue_clear(struct actor_link *link)
{
    for (; link->queue_count > 0; link->queue_count--) {
        work_destroy(&link->queue[link->queue_start].work);
        link->queue_start = (link->queue_start + 1) % QUEUE_MAX;
    }
}

static void hand_out(struct actor_link *link)
{
    while (link->queue_count > 0) {
        struct queued *head = &link->queue[link->queue_start];
        struct version_slot *slot = version_find(link, head->work->order.version);
        if (!slot || !slot->weights)
            return;
        head->work->weights = weights_ref(slot->weights);
        link->acted_version = slot->version;
        link->acted_weights = weights_hash(slot->manifest);
        struct work *work = head->work;
        head->work = NULL;
        link->queue_start = (link->queue_start + 1) % QUEUE_MAX;
        link->queue_count--;
        link->orders++;
        link->options.ops->work(link->options.context, work);
    }
}

/* Nobody has these weights any more, so no order that counts names them (the learner keeps what its orders name): the queue goes on. */
static void drop_version_orders(struct actor_link *link, struct weights_version version)
{
    int left = link->queue_count, start = link->queue_start;
    link->queue_count = 0;
    for (int i = 0; i < left; i++) {
        struct queued queued = link->queue[(start + i) % QUEUE_MAX];
        if (weights_version_compare(queued.work->order.version, version))
            link->queue[(start + link->queue_count++) % QUEUE_MAX] = queued;
        else
            work_destroy(&queued.work);
    }
}

static void content_is_unknown(struct actor_link *link, struct hash hash)
{
    for (int i = 0; i < VERSIONS_MAX; i++) {
        struct version_slot *slot = &link->versions[i];
        bool is_part = slot->is_used && !slot->weights && hash_equal(slot->name.hash, hash);
        for (int n = 0; !is_part && slot->is_used && !slot->weights && slot->has_manifest && n < slot->manifest->n_nets; n++)
            is_part = hash_equal(slot->manifest->nets[n].content, hash);
        if (is_part)
            drop_version_orders(link, slot->version);
    }
    versions_trim(link);
    hand_out(link);
}

static struct work *work_create(const struct order *order)
{
    struct work *work = calloc(1, sizeof *work + order->snapshot_bytes);
    if (!work)
        return NULL;
    work->order = *order;
    work->order.snapshot = NULL;
    if (order->snapshot_bytes) {
        unsigned char *copy = (unsigned char *)(work + 1);
        memcpy(copy, order->snapshot, order->snapshot_bytes);
        work->order.snapshot = copy;
    }
    return work;
}

/* Takes exactly the next number. True when it was taken (also: skipped because it was cancelled). */
static bool take_order(struct actor_link *link, const struct order_item *item)
{
    const struct order *order = &item->order;
    if (order->number != link->orders_upto + 1 || order->version.generation != link->generation)
        return false;
    if (!item->is_cancelled) {
        bool goes_back = order->purpose == ORDER_TRAIN && weights_version_compare(order->version, link->order_version) < 0;
        if (goes_back)
            link->malformed++; /* not carried out; the learner's lease gives the work to somebody else */
        else {
            struct work *work = link->queue_count < QUEUE_MAX ? work_create(order) : NULL;
            if (!work)
                return false;
            link->queue[(link->queue_start + link->queue_count++) % QUEUE_MAX] = (struct queued){work, item->manifest};
            if (order->purpose == ORDER_TRAIN)
                link->order_version = order->version;
        }
    }
    link->orders_upto++;
    return true;
}

static void follow_generation(struct actor_link *link, uint32_t generation)
{
    link->generation = generation;
    link->orders_upto = 0;
    link->order_version = (struct weights_version){0};
    queue_clear(link);
    link->options.ops->generation(link->options.context, generation);
}

static void on_orders(struct actor_link *link, monotonic_us now, const void *payload, size_t payload_bytes)
{
    const struct message_orders *message = &link->in->orders;
    struct err err;
    int n;
    if (message->actor != link->options.actor || message->incarnation != link->options.incarnation || link->state != LINK_READY)
        return;
    if (message->generation < link->generation)
        return; /* of a learner that has been replaced */
    if (orders_decode(link->items, PROTOCOL_ORDERS_MAX, &n, payload, payload_bytes, &err)) {
        link->malformed++;
        return;
    }
    if (message->generation > link->generation)
        follow_generation(link, message->generation);
    for (int i = 0; i < n; i++)
        if (link->items[i].order.number > link->orders_upto && !take_order(link, &link->items[i]))
            break;
    if (n && link->items[0].order.number > link->orders_upto + 1)
        link->hello_due = true; /* a gap: say at once how far we are */
    versions_advance(link);
    hand_out(link);
    (void)now;
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
    uint64_t before = link->acked_upto + link->received_upto, had = there_upto(link);
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
        acknowledge(link, state->acked_upto);
        note_ages(link, now, had, there_upto(link));
        send_again(link);
        return;
    }
    acknowledge(link, state->acked_upto);
    if (state->received_upto > link->received_upto && state->received_upto < link->next)
        link->received_upto = state->received_upto;
    note_ages(link, now, had, there_upto(link));
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
    versions_advance(link);
    hand_out(link);
}

static void on_chunk(struct actor_link *link, monotonic_us now, const void *payload, size_t payload_bytes)
{
    int r = fetcher_chunk(link->fetcher, now, &link->in->chunk, payload, payload_bytes);
    if (r == ERR_FORMAT || r == ERR_MISMATCH)
        link->malformed++;
    if (r == ERR_UNKNOWN)
        content_is_unknown(link, link->in->chunk.hash);
    if (r != 1)
        return;
    struct message_state again = {.recipe = link->recipe};
    follow_recipe(link, &again);
    versions_advance(link);
    hand_out(link);
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
    queue_clear(old);
    for (int i = 0; i < VERSIONS_MAX; i++)
        version_drop(&old->versions[i]);
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
        if (emit(link, NULL, 0))
            return; /* asked again after a second */
}

/* What follows every event: send what may be sent now. */
static void pump(struct actor_link *link, monotonic_us now)
{
    if (is_over(link))
        return;
    if (link->hello_due)
        send_hello(link, now);
    send_ring(link);
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
    versions_advance(link);
    hand_out(link);
    check_progress(link, now);
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
    case MESSAGE_ORDERS: on_orders(link, now, payload, payload_bytes); break;
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
    *ring_slot(link, trajectory->sequence) = trajectory;
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
    queue_clear(link);
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
    (void)emit(link, NULL, 0); /* when it is lost, silence says the same a few seconds later */
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
