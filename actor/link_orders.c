/* Orders: taken up in the order of their numbers, handed out when their weights are here. See link_parts.h. */
#include "actor/link_parts.h"

#include <stdlib.h>
#include <string.h>

void work_destroy(struct work **work)
{
    if (*work)
        weights_unref(&(*work)->weights);
    free(*work);
    *work = NULL;
}

/* --- orders --- */

void link_queue_clear(struct actor_link *link)
{
    for (; link->queue_count > 0; link->queue_count--) {
        work_destroy(&link->queue[link->queue_start].work);
        link->queue_start = (link->queue_start + 1) % QUEUE_MAX;
    }
}

void link_hand_out(struct actor_link *link)
{
    while (link->queue_count > 0) {
        struct queued *head = &link->queue[link->queue_start];
        struct version_slot *slot = link_version_find(link, head->work->order.version);
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

void link_content_is_unknown(struct actor_link *link, struct hash hash)
{
    for (int i = 0; i < VERSIONS_MAX; i++) {
        struct version_slot *slot = &link->versions[i];
        bool is_part = slot->is_used && !slot->weights && hash_equal(slot->name.hash, hash);
        for (int n = 0; !is_part && slot->is_used && !slot->weights && slot->has_manifest && n < slot->manifest->n_nets; n++)
            is_part = hash_equal(slot->manifest->nets[n].content, hash);
        if (is_part)
            drop_version_orders(link, slot->version);
    }
    link_versions_trim(link);
    link_hand_out(link);
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
    link_queue_clear(link);
    link->options.ops->generation(link->options.context, generation);
}

void link_on_orders(struct actor_link *link, monotonic_us now, const void *payload, size_t payload_bytes)
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
    link_versions_advance(link);
    link_hand_out(link);
    (void)now;
}
