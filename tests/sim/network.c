/* The simulated network: a heap of messages by time, and connections that break in several ways. See world.h. */
#include "tests/sim/parts.h"

#define SLOW_READ_US 30000 /* what a slow reader needs for one message */

struct wire_peer peer_of(int link)
{
    char name[16];
    int length = link == LEARNER_LINK ? snprintf(name, sizeof name, "learner")
                 : link >= RELAY_LINK ? snprintf(name, sizeof name, "relay-%d", link - RELAY_LINK)
                                      : snprintf(name, sizeof name, "actor-%d", link);
    return wire_peer_of(name, (size_t)length);
}

int link_of(const struct wire_peer *peer)
{
    int link = -1;
    char name[sizeof peer->id + 1];
    memcpy(name, peer->id, peer->length);
    name[peer->length] = 0;
    if (!strcmp(name, "learner"))
        return LEARNER_LINK;
    if (sscanf(name, "relay-%d", &link) == 1)
        return RELAY_LINK + link;
    return sscanf(name, "actor-%d", &link) == 1 && link < WORLD_ACTORS_MAX ? link : -1;
}

static bool is_before(const struct message *a, const struct message *b)
{
    return a->time < b->time || (a->time == b->time && a->id < b->id);
}

static void heap_push(struct world *world, struct message message)
{
    if (world->n_heap == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity ? 2 * world->heap_capacity : 256;
        world->heap = realloc(world->heap, (size_t)world->heap_capacity * sizeof *world->heap);
    }
    int i = world->n_heap++;
    for (; i > 0 && is_before(&message, &world->heap[(i - 1) / 2]); i = (i - 1) / 2)
        world->heap[i] = world->heap[(i - 1) / 2];
    world->heap[i] = message;
}

void network_requeue(struct world *world, struct message message)
{
    heap_push(world, message);
}

struct message network_take(struct world *world)
{
    struct message top = world->heap[0], last = world->heap[--world->n_heap];
    int i = 0;
    for (;;) {
        int child = 2 * i + 1;
        if (child >= world->n_heap)
            break;
        if (child + 1 < world->n_heap && is_before(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!is_before(&world->heap[child], &last))
            break;
        world->heap[i] = world->heap[child];
        i = child;
    }
    if (world->n_heap)
        world->heap[i] = last;
    return top;
}

void message_free(struct message *message)
{
    free(message->envelope);
    free(message->payload);
}

static unsigned char *copy_of(const void *data, size_t bytes)
{
    unsigned char *copy = malloc(bytes ? bytes : 1);
    if (bytes)
        memcpy(copy, data, bytes);
    return copy;
}

static void post(struct world *world, int link, bool to_broker, const void *envelope, size_t envelope_bytes, const void *payload,
                 size_t payload_bytes)
{
    struct connection *connection = &world->connections[link];
    monotonic_us time = world->now + between(world, 100, chance(world, 0.02) ? 300000 : 3000);
    if (time < connection->hole_until[to_broker])
        time = connection->hole_until[to_broker] + between(world, 0, 200000);
    if (world->now < connection->slow_until[to_broker] && time < connection->last[to_broker] + SLOW_READ_US)
        time = connection->last[to_broker] + SLOW_READ_US;
    if (time < connection->last[to_broker])
        time = connection->last[to_broker];
    connection->last[to_broker] = time;
    connection->under_way[to_broker]++;
    heap_push(world, (struct message){.time = time,
                                      .id = world->next_id++,
                                      .link = link,
                                      .connection = connection->number,
                                      .is_to_broker = to_broker,
                                      .envelope = copy_of(envelope, envelope_bytes),
                                      .payload = payload ? copy_of(payload, payload_bytes) : NULL,
                                      .envelope_bytes = envelope_bytes,
                                      .payload_bytes = payload_bytes});
}

int network_send(struct world *world, int link, bool to_broker, const void *envelope, size_t envelope_bytes, const void *payload,
                 size_t payload_bytes)
{
    struct connection *connection = &world->connections[link];
    if (!connection->is_up || connection->under_way[to_broker] > QUEUE_MESSAGES)
        return ERR_AGAIN;
    if (faults_on(world) && chance(world, 0.002))
        return ERR_AGAIN;
    if (faults_on(world) && chance(world, 0.002))
        return 0; /* lost, for instance between envelope and payload */
    post(world, link, to_broker, envelope, envelope_bytes, payload, payload_bytes);
    if (faults_on(world) && chance(world, 0.005))
        post(world, link, to_broker, envelope, envelope_bytes, payload, payload_bytes);
    return 0;
}

void disconnect(struct world *world, int link)
{
    struct connection *connection = &world->connections[link];
    for (int i = 0; i < world->n_heap; i++) {
        struct message *message = &world->heap[i];
        if (message->link == link && message->connection == connection->number && !chance(world, 0.3))
            message->connection = -1;
    }
    *connection = (struct connection){.number = connection->number + 1, .up_at = world->now + between(world, 50000, 600000)};
}

static bool has_both_ends(const struct world *world, int link)
{
    int relay = relay_of(world, link);
    if (relay >= 0 ? !world->relays[relay].core : !world->broker)
        return false;
    return link == LEARNER_LINK ? world->learner.is_alive
           : link >= RELAY_LINK ? world->relays[link - RELAY_LINK].core != NULL
                                : world->actors[link].link != NULL;
}

void network_tick(struct world *world)
{
    for (int link = 0; link < LINKS; link++) {
        struct connection *connection = &world->connections[link];
        if (connection->is_up && connection->reset_at && world->now >= connection->reset_at)
            disconnect(world, link);
        if (!connection->is_up && world->now >= connection->up_at && has_both_ends(world, link))
            connection->is_up = true;
    }
}
