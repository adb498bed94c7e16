/* The learner's end of the delivery protocol: see learner_link.h and common/wire/PROTOCOL.
 *
 * Everything it says is absolute: HELLO with the status, PUBLISH of the newest version, for each actor how far its trajectories are known
 * (FATES) and the orders that it is not known to have. A roster with another epoch means a broker without memory: all is told again. */
#include "learner/learner_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "wire/description.h"
#include "wire/fetch.h"

#define HELLO_RETRY_US 50000
#define SILENCE_US (PROTOCOL_MISSED * PROTOCOL_HEARTBEAT_US)
#define ABSENT_US (2 * SILENCE_US) /* not in any roster for so long: gone (after a broker's restart actors need a moment) */
#define FATES_LAZY_US 200000       /* "received" alone is told with this delay; decided fates at once */
#define VERSIONS_KEPT 64
#define DESCRIPTIONS_MAX 8

struct published {
    struct weights *weights;
    unsigned char *manifest; /* encoded, allocated */
    struct blob_name name;
};

struct peer { /* an incarnation that a roster named */
    uint32_t actor;
    uint64_t incarnation;
    bool is_live, fates_due, fates_lazy;
    monotonic_us seen_at;
};

struct description {
    struct hash hash;
    bool is_accepted;
};

struct learner_link {
    struct learner_link_options options;
    enum learner_link_state state;
    unsigned char *recipe;
    struct blob_name recipe_name;
    uint64_t epoch;
    monotonic_us heard_at, hello_at, epoch_at, lazy_at;
    bool is_finished, publish_due;
    struct published published[VERSIONS_KEPT];
    int n_published;
    struct peer peers[2 * PROTOCOL_ACTORS_MAX];
    int n_peers;
    struct description descriptions[DESCRIPTIONS_MAX];
    int n_descriptions;
    struct fetcher *fetcher; /* descriptions on their way */
    struct learner_link_stats stats;
    uint64_t echo_us; /* of the last HELLO that was echoed */
    struct envelope *in, *out;
    unsigned char *bytes, *payload; /* PROTOCOL_ENVELOPE_BYTES; for orders: PROTOCOL_ORDERS_BYTES + one snapshot */
    char *status;
    struct order_item *items;
};

#define ORDERS_PAYLOAD (PROTOCOL_ORDERS_BYTES + ORDER_SNAPSHOT_MAX + 4096)

/* --- sending --- */

static int emit(struct learner_link *link, const void *payload, size_t payload_bytes)
{
    int length = envelope_encode(link->out, link->bytes, PROTOCOL_ENVELOPE_BYTES);
    ASSERT(length > 0);
    return link->options.ops->send(link->options.context, link->bytes, (size_t)length, payload, payload_bytes);
}

static void send_hello(struct learner_link *link, monotonic_us now)
{
    int bytes =
        link->options.ops->status ? link->options.ops->status(link->options.context, link->status, PROTOCOL_STATUS_BYTES) : 0;
    link->out->kind = MESSAGE_LEARNER_HELLO;
    link->out->learner_hello = (struct message_learner_hello){.major = PROTOCOL_MAJOR,
                                                              .minor = PROTOCOL_MINOR,
                                                              .generation = link->options.generation,
                                                              .incarnation = link->options.incarnation,
                                                              .recipe = link->recipe_name,
                                                              .is_finished = link->is_finished,
                                                              .clock_us = (uint64_t)now};
    memcpy(link->out->learner_hello.run, link->options.run, sizeof link->options.run);
    link->hello_at = now;
    bool is_lost = emit(link, bytes > 0 ? link->status : NULL, bytes > 0 ? (size_t)bytes : 0) != 0;
    if (is_lost && link->state == LEARNER_WAIT_ROSTER)
        link->hello_at =
            now - PROTOCOL_HEARTBEAT_US + HELLO_RETRY_US; /* the broker is just starting: nobody wants to wait a second */
}

static void send_publish(struct learner_link *link)
{
    if (!link->publish_due || !link->n_published)
        return;
    const struct published *newest = &link->published[link->n_published - 1];
    link->out->kind = MESSAGE_PUBLISH;
    link->out->publish = (struct message_publish){
        .learner = link->options.incarnation, .version = newest->weights->manifest.version, .manifest = newest->name};
    link->publish_due = emit(link, NULL, 0) != 0;
}

/* What one incarnation may have under way: twice what it can hold, and room for tasks. Orders bound it long before. */
static uint64_t window_of(const struct ledger_entry *entry)
{
    return entry->decided_upto + PROTOCOL_WINDOW_MAX / 2;
}

static void send_fates(struct learner_link *link, monotonic_us now)
{
    bool lazy = now - link->lazy_at >= FATES_LAZY_US;
    link->out->kind = MESSAGE_FATES;
    struct message_fates *fates = &link->out->fates;
    fates->learner = link->options.incarnation;
    fates->count = 0;
    for (int p = 0; p < link->n_peers && fates->count < PROTOCOL_ACTORS_MAX; p++) {
        struct peer *peer = &link->peers[p];
        const struct ledger_entry *entry;
        if (!peer->fates_due && !(lazy && peer->fates_lazy))
            continue;
        peer->fates_due = peer->fates_lazy = false;
        if (!(entry = ledger_find(link->options.ledger, peer->actor, peer->incarnation)))
            continue;
        struct fates_row *row = &fates->rows[fates->count++];
        *row = (struct fates_row){.actor = peer->actor,
                                  .incarnation = peer->incarnation,
                                  .acked_upto = entry->decided_upto,
                                  .received_upto = entry->received_upto,
                                  .may_send_upto = window_of(entry)};
        memcpy(row->fates, entry->count, sizeof row->fates);
    }
    if (lazy)
        link->lazy_at = now;
    if (fates->count)
        (void)emit(link, NULL, 0); /* lost: told again with the next heartbeat */
}

static void send_orders_to(struct learner_link *link, const struct peer *peer, monotonic_us now)
{
    struct orders *orders = link->options.orders;
    for (;;) {
        int packed, n = orders_to_send(orders, peer->actor, peer->incarnation, now, link->items, PROTOCOL_ORDERS_MAX);
        int bytes = n ? orders_encode(link->items, n, link->payload, ORDERS_PAYLOAD, &packed) : 0;
        if (bytes <= 0)
            return;
        link->out->kind = MESSAGE_ORDERS;
        link->out->orders = (struct message_orders){.learner = link->options.incarnation,
                                                    .actor = peer->actor,
                                                    .incarnation = peer->incarnation,
                                                    .generation = link->options.generation,
                                                    .first = link->items[0].order.number,
                                                    .count = (uint32_t)packed};
        if (emit(link, link->payload, (size_t)bytes))
            return; /* the tick tries again */
        orders_sent(orders, peer->actor, peer->incarnation, packed, now);
    }
}

static void send_orders(struct learner_link *link, monotonic_us now)
{
    for (int p = 0; p < link->n_peers; p++)
        if (link->peers[p].is_live)
            send_orders_to(link, &link->peers[p], now);
}

void learner_link_pump(struct learner_link *link, monotonic_us now)
{
    if (link->state != LEARNER_READY)
        return;
    send_publish(link);
    send_fates(link, now);
    orders_issue(link->options.orders, now);
    send_orders(link, now);
    link->out->kind = MESSAGE_FETCH;
    while (fetcher_request(link->fetcher, now, &link->out->fetch))
        if (emit(link, NULL, 0))
            return;
}

/* --- actors --- */

static struct peer *peer_find(struct learner_link *link, uint32_t actor, uint64_t incarnation)
{
    for (int p = 0; p < link->n_peers; p++)
        if (link->peers[p].actor == actor && link->peers[p].incarnation == incarnation)
            return &link->peers[p];
    return NULL;
}

static struct peer *peer_add(struct learner_link *link, uint32_t actor, uint64_t incarnation)
{
    struct peer *row = NULL;
    if (link->n_peers < (int)ARRAY_LEN(link->peers))
        row = &link->peers[link->n_peers++];
    for (int p = 0; !row && p < link->n_peers; p++)
        if (!link->peers[p].is_live)
            row = &link->peers[p];
    if (row)
        *row = (struct peer){.actor = actor, .incarnation = incarnation};
    return row;
}

static void peer_gone(struct learner_link *link, struct peer *peer)
{
    struct ledger_entry *entry = ledger_find(link->options.ledger, peer->actor, peer->incarnation);
    if (entry)
        ledger_gone(link->options.ledger, entry);
    orders_actor_gone(link->options.orders, peer->actor, peer->incarnation);
    peer->is_live = false;
}

static bool description_read(struct learner_link *link, struct blob_name name)
{
    struct spec spec;
    struct schema *schema = malloc(sizeof *schema);
    struct err err = {.text = "out of memory"};
    uint32_t bytes;
    const unsigned char *data = fetcher_find(link->fetcher, name.hash, &bytes);
    bool is_accepted = schema && data && !description_decode(&spec, schema, data, bytes, &err);
    if (!is_accepted) {
        log_warning("description refused reason=\"%s\"", err.text);
        link->stats.malformed++;
    } else
        is_accepted = link->options.ops->described(link->options.context, &spec, schema) == 0;
    free(schema);
    fetcher_drop(link->fetcher, name.hash);
    return is_accepted;
}

/* Whether actors with this description may work; fetches it when it is new. */
static bool description_accepted(struct learner_link *link, struct blob_name name)
{
    uint32_t bytes;
    if (name.bytes == 0 || name.bytes > DESCRIPTION_BYTES_MAX)
        return false;
    for (int d = 0; d < link->n_descriptions; d++)
        if (hash_equal(link->descriptions[d].hash, name.hash))
            return link->descriptions[d].is_accepted;
    if (link->n_descriptions == DESCRIPTIONS_MAX)
        return false;
    if (!fetcher_find(link->fetcher, name.hash, &bytes)) {
        if (fetcher_want(link->fetcher, name))
            link->stats.malformed++;
        return false;
    }
    struct description *description = &link->descriptions[link->n_descriptions++];
    description->hash = name.hash;
    description->is_accepted = description_read(link, name);
    return description->is_accepted;
}

static void follow_row(struct learner_link *link, monotonic_us now, const struct roster_row *row)
{
    struct peer *peer = peer_find(link, row->actor, row->incarnation);
    uint64_t announced = row->next_sequence ? row->next_sequence - 1 : 0;
    if (row->presence == ROSTER_GONE) {
        if (peer && peer->is_live)
            peer_gone(link, peer);
        else if (!peer && ledger_find(link->options.ledger, row->actor, row->incarnation) &&
                 (peer = peer_add(link, row->actor, row->incarnation)))
            peer_gone(link, peer);
        return;
    }
    if (!peer && !(peer = peer_add(link, row->actor, row->incarnation)))
        return;
    struct ledger_entry *entry = ledger_seen(link->options.ledger, row->actor, row->incarnation, announced, row->acked_upto);
    if (!entry)
        return;
    peer->fates_due |= !peer->is_live;
    peer->is_live = true;
    peer->seen_at = now;
    if (row->presence == ROSTER_JOINING || !description_accepted(link, row->description))
        return;
    orders_actor_live(link->options.orders, row->actor, row->incarnation, row->presence == ROSTER_DRAINING ? 0 : (int)row->lanes);
    orders_actor_has(link->options.orders, row->actor, row->incarnation, row->orders_generation, row->orders_upto);
}

/* Incarnations that the ledger or we believe alive but no roster names any more. */
static void notice_absent(struct learner_link *link, monotonic_us now)
{
    if (now - link->epoch_at < ABSENT_US)
        return;
    for (int p = 0; p < link->n_peers; p++)
        if (link->peers[p].is_live && now - link->peers[p].seen_at > ABSENT_US)
            peer_gone(link, &link->peers[p]);
    for (int i = 0; i < ledger_count(link->options.ledger); i++) {
        struct ledger_entry *entry = ledger_at(link->options.ledger, i);
        struct peer *peer = entry->is_gone ? NULL : peer_find(link, entry->actor, entry->incarnation);
        if (!entry->is_gone && (!peer || !peer->is_live))
            ledger_gone(link->options.ledger, entry); /* it died while this learner was away */
    }
}

static void tell_everything(struct learner_link *link)
{
    link->publish_due = true;
    for (int p = 0; p < link->n_peers; p++)
        link->peers[p].fates_due = true;
    orders_resend_all(link->options.orders);
    fetcher_forget_requests(link->fetcher);
}

static void on_roster(struct learner_link *link, monotonic_us now)
{
    const struct message_roster *roster = &link->in->roster;
    struct err err;
    if (!protocol_understands(PROTOCOL_MAJOR, PROTOCOL_MINOR, roster->major, roster->minor)) {
        link->state = LEARNER_REFUSED;
        link->options.ops->refused(link->options.context, protocol_refusal(roster->major, roster->minor, &err), err.text);
        return;
    }
    if (roster->learner != link->options.incarnation)
        return;
    link->heard_at = now;
    if (roster->echo_us > link->echo_us && roster->echo_us <= (uint64_t)now) {
        link->echo_us = roster->echo_us;
        link->stats.rtt_us = (uint64_t)now - roster->echo_us;
    }
    if (roster->epoch != link->epoch || link->state == LEARNER_WAIT_ROSTER) {
        link->stats.epochs += roster->epoch != link->epoch;
        link->epoch = roster->epoch;
        link->epoch_at = now;
        link->state = LEARNER_READY;
        tell_everything(link);
    }
    if (link->n_published &&
        weights_version_compare(roster->version, link->published[link->n_published - 1].weights->manifest.version) < 0 &&
        now - link->hello_at > PROTOCOL_HEARTBEAT_US / 2)
        link->publish_due = true; /* the broker has not completed the newest version: say it again */
    for (uint32_t i = 0; i < roster->count; i++)
        follow_row(link, now, &roster->rows[i]);
    notice_absent(link, now);
}

/* --- trajectories --- */

static void decide(struct learner_link *link, uint32_t actor, uint64_t incarnation, uint64_t sequence, enum fate fate,
                   enum reject_reason reason)
{
    struct peer *peer = peer_find(link, actor, incarnation);
    ledger_decide(link->options.ledger, actor, incarnation, sequence, fate, reason);
    if (peer)
        peer->fates_due = true;
}

static void follow_verdict(struct learner_link *link, const struct verdict *verdict, uint32_t actor, uint64_t incarnation,
                           uint64_t sequence)
{
    if (verdict->is_pending)
        return;
    if (verdict->is_accepted) {
        link->options.ops->deliver(link->options.context, verdict->arrival);
        return;
    }
    link->stats.stale_late += verdict->fate == FATE_STALE;
    decide(link, actor, incarnation, sequence, verdict->fate, verdict->reason);
    if (verdict->fate == FATE_REJECTED && link->options.ops->rejected)
        link->options.ops->rejected(link->options.context, actor, verdict->reason, verdict->text);
}

static void on_trajectory(struct learner_link *link, const void *payload, size_t payload_bytes)
{
    const struct message_trajectory *message = &link->in->trajectory;
    struct ledger_entry *entry = ledger_find(link->options.ledger, message->actor, message->incarnation);
    struct peer *peer = peer_find(link, message->actor, message->incarnation);
    if (!entry || !peer) {
        link->stats.unknown++; /* no roster named it yet; it is sent again */
        return;
    }
    if (!intake_has_room(link->options.intake)) {
        link->stats.dropped++;
        return;
    }
    int r = ledger_receive(link->options.ledger, entry, message->body.sequence);
    peer->fates_lazy = true;
    if (r)
        return;
    struct verdict verdict;
    intake_judge(link->options.intake, link->options.orders, message, payload, payload_bytes, &verdict);
    follow_verdict(link, &verdict, message->actor, message->incarnation, message->body.sequence);
}

void learner_link_examined(struct learner_link *link, struct arrival **arrival, const struct misfit *misfit)
{
    struct verdict verdict;
    uint32_t actor = (*arrival)->actor;
    uint64_t incarnation = (*arrival)->incarnation, sequence = (*arrival)->t.sequence;
    intake_examined(link->options.intake, link->options.orders, arrival, misfit, &verdict);
    follow_verdict(link, &verdict, actor, incarnation, sequence);
}

struct weights *learner_link_weights(const struct learner_link *link, struct weights_version version)
{
    for (int i = 0; i < link->n_published; i++)
        if (!weights_version_compare(link->published[i].weights->manifest.version, version))
            return link->published[i].weights;
    return NULL;
}

void learner_link_decide(struct learner_link *link, struct arrival **arrival, enum fate fate)
{
    const struct arrival *a = *arrival;
    if (a->t.purpose == ORDER_TRAIN)
        orders_committed(link->options.orders, a->t.lane, a->t.slice);
    decide(link, a->actor, a->incarnation, a->t.sequence, fate, REJECT_CONTENT);
    intake_release(link->options.intake, arrival);
}

/* --- weights --- */

static bool is_named(const struct weights_version *versions, int n, struct weights_version version)
{
    for (int i = 0; i < n; i++)
        if (!weights_version_compare(versions[i], version))
            return true;
    return false;
}

static void published_drop(struct learner_link *link, int index)
{
    weights_unref(&link->published[index].weights);
    free(link->published[index].manifest);
    memmove(&link->published[index], &link->published[index + 1],
            (size_t)(--link->n_published - index) * sizeof link->published[0]);
}

/* Keeps the newest and what orders name; with all places taken the oldest goes (its orders are given back and issued anew). */
static void published_trim(struct learner_link *link)
{
    struct weights_version named[VERSIONS_KEPT];
    int n = orders_versions(link->options.orders, named, VERSIONS_KEPT);
    for (int i = link->n_published - 2; i >= 0; i--)
        if (!is_named(named, n, link->published[i].weights->manifest.version))
            published_drop(link, i);
    if (link->n_published == VERSIONS_KEPT)
        published_drop(link, 0);
}

int learner_link_publish(struct learner_link *link, monotonic_us now, struct weights *weights, uint64_t slice_end)
{
    const struct manifest *manifest = &weights->manifest;
    ASSERT(manifest->version.generation == link->options.generation);
    if (link->n_published &&
        weights_version_compare(manifest->version, link->published[link->n_published - 1].weights->manifest.version) <= 0)
        return ERR_STATE;
    unsigned char *bytes = malloc(MANIFEST_BYTES_MAX);
    int length = bytes ? manifest_encode(manifest, bytes, MANIFEST_BYTES_MAX) : ERR_NOMEM;
    if (length < 0) {
        free(bytes);
        return length;
    }
    published_trim(link);
    struct blob_name name = {hash_bytes(bytes, (size_t)length), (uint32_t)length};
    link->published[link->n_published++] = (struct published){weights_ref(weights), bytes, name};
    link->stats.published++;
    intake_published(link->options.intake, manifest->version, weights_hash(manifest));
    orders_allow(link->options.orders, manifest->version, name, slice_end);
    link->publish_due = true;
    learner_link_pump(link, now);
    return 0;
}

void learner_link_allow(struct learner_link *link, monotonic_us now, uint64_t slice_end)
{
    orders_allow(link->options.orders, (struct weights_version){0}, (struct blob_name){0}, slice_end);
    learner_link_pump(link, now);
}

static const unsigned char *find_content(const struct learner_link *link, struct hash hash, uint32_t *bytes)
{
    *bytes = link->recipe_name.bytes;
    if (hash_equal(hash, link->recipe_name.hash))
        return link->recipe;
    for (int i = link->n_published - 1; i >= 0; i--) {
        const struct published *version = &link->published[i];
        *bytes = version->name.bytes;
        if (hash_equal(hash, version->name.hash))
            return version->manifest;
        for (int n = 0; n < version->weights->manifest.n_nets; n++) {
            *bytes = version->weights->manifest.nets[n].bytes;
            if (hash_equal(hash, version->weights->manifest.nets[n].content))
                return (const unsigned char *)version->weights->blobs[n];
        }
    }
    return NULL;
}

static void on_fetch(struct learner_link *link)
{
    const struct message_fetch fetch = link->in->fetch;
    uint32_t bytes;
    const unsigned char *part, *data = find_content(link, fetch.hash, &bytes);
    size_t part_bytes;
    link->stats.fetches++;
    link->out->kind = MESSAGE_CHUNK;
    fetch_slice(&fetch, data, bytes, &link->out->chunk, &part, &part_bytes);
    (void)emit(link, part, part_bytes); /* lost: asked again after a second */
}

static void on_chunk(struct learner_link *link, monotonic_us now, const void *payload, size_t payload_bytes)
{
    int r = fetcher_chunk(link->fetcher, now, &link->in->chunk, payload, payload_bytes);
    link->stats.malformed += r == ERR_FORMAT || r == ERR_MISMATCH;
    if (r == 1)
        description_accepted(link, (struct blob_name){link->in->chunk.hash, link->in->chunk.total});
}

static void on_refused(struct learner_link *link)
{
    const struct message_refused *refused = &link->in->refused;
    if (refused->incarnation && refused->incarnation != link->options.incarnation)
        return;
    link->state = LEARNER_REFUSED;
    link->options.ops->refused(link->options.context, refused->code, refused->text);
}

/* --- public --- */

int learner_link_create(struct learner_link **link, const struct learner_link_options *options)
{
    ASSERT(options->generation > 0 && options->incarnation > 0 && options->run[0]);
    struct learner_link *new = calloc(1, sizeof *new);
    *link = new;
    if (!new)
        return ERR_NOMEM;
    new->options = *options;
    new->recipe = malloc(options->recipe_bytes + 1);
    new->in = calloc(1, sizeof *new->in);
    new->out = calloc(1, sizeof *new->out);
    new->bytes = malloc(PROTOCOL_ENVELOPE_BYTES);
    new->payload = malloc(ORDERS_PAYLOAD);
    new->status = malloc(PROTOCOL_STATUS_BYTES);
    new->items = calloc(PROTOCOL_ORDERS_MAX, sizeof *new->items);
    if (!new->recipe || !new->in || !new->out || !new->bytes || !new->payload || !new->status || !new->items ||
        fetcher_create(&new->fetcher, DESCRIPTIONS_MAX * DESCRIPTION_BYTES_MAX, DESCRIPTIONS_MAX)) {
        learner_link_destroy(link);
        return ERR_NOMEM;
    }
    memcpy(new->recipe, options->recipe, options->recipe_bytes);
    new->recipe_name = (struct blob_name){hash_bytes(new->recipe, options->recipe_bytes), (uint32_t)options->recipe_bytes};
    orders_set_generation(options->orders, options->generation);
    return 0;
}

void learner_link_destroy(struct learner_link **link)
{
    struct learner_link *old = *link;
    if (!old)
        return;
    while (old->n_published)
        published_drop(old, old->n_published - 1);
    fetcher_destroy(&old->fetcher);
    free(old->recipe);
    free(old->in);
    free(old->out);
    free(old->bytes);
    free(old->payload);
    free(old->status);
    free(old->items);
    free(old);
    *link = NULL;
}

void learner_link_tick(struct learner_link *link, monotonic_us now)
{
    if (link->state == LEARNER_REFUSED)
        return;
    if (!link->hello_at || now - link->hello_at >= PROTOCOL_HEARTBEAT_US) {
        send_hello(link, now);
        for (int p = 0; p < link->n_peers; p++)
            link->peers[p].fates_due |= link->peers[p].is_live; /* a grant that was lost would otherwise never be told again */
    }
    if (link->state == LEARNER_READY && now - link->heard_at > SILENCE_US) {
        log_warning("broker silent");
        link->state = LEARNER_WAIT_ROSTER;
    }
    learner_link_pump(link, now);
}

void learner_link_message(struct learner_link *link, monotonic_us now, const void *envelope, size_t envelope_bytes,
                          const void *payload, size_t payload_bytes)
{
    struct err err;
    if (link->state == LEARNER_REFUSED)
        return;
    if (envelope_bytes > PROTOCOL_ENVELOPE_BYTES || envelope_decode(link->in, envelope, envelope_bytes, &err)) {
        link->stats.malformed++;
        return;
    }
    switch (link->in->kind) {
    case MESSAGE_ROSTER: on_roster(link, now); break;
    case MESSAGE_TRAJECTORY: on_trajectory(link, payload, payload_bytes); break;
    case MESSAGE_FETCH: on_fetch(link); break;
    case MESSAGE_CHUNK: on_chunk(link, now, payload, payload_bytes); break;
    case MESSAGE_REFUSED: on_refused(link); break;
    default: link->stats.malformed++; break;
    }
    learner_link_pump(link, now);
}

void learner_link_finish(struct learner_link *link, monotonic_us now)
{
    link->is_finished = true;
    send_hello(link, now);
}

void learner_link_bye(struct learner_link *link)
{
    link->out->kind = MESSAGE_BYE;
    link->out->bye = (struct message_bye){.incarnation = link->options.incarnation};
    (void)emit(link, NULL, 0);
}

enum learner_link_state learner_link_state(const struct learner_link *link)
{
    return link->state;
}

struct learner_link_stats learner_link_stats(const struct learner_link *link)
{
    struct learner_link_stats stats = link->stats;
    for (int p = 0; p < link->n_peers; p++)
        stats.actors_live += link->peers[p].is_live;
    return stats;
}
