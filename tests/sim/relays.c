/* Relays of the simulated world: the real core between actors and broker. See world.h. */
#include "tests/sim/parts.h"

int relay_of(const struct world *world, int link)
{
    int relay = link < WORLD_ACTORS_MAX ? link % (world->course.relays + 1) : world->course.relays;
    return relay < world->course.relays ? relay : -1;
}

monotonic_us relay_clock(const struct world *world, const struct sim_relay *relay)
{
    return world->now + relay->clock_offset;
}

static int sim_relay_down(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes,
                          const void *payload, size_t payload_bytes)
{
    struct actor_context *at = context;
    return network_send(at->world, link_of(peer), false, envelope, envelope_bytes, payload, payload_bytes);
}

static int sim_relay_up(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    struct actor_context *at = context;
    at->world->result->relayed++;
    return network_send(at->world, RELAY_LINK + at->index, true, envelope, envelope_bytes, payload, payload_bytes);
}

static void sim_relay_refused(void *context, int code, const char *text)
{
    struct actor_context *at = context;
    (void)code;
    (void)text;
    at->world->relays[at->index].is_over = true;
}

static void relay_start(struct world *world, int index)
{
    static const struct relay_core_ops ops = {sim_relay_down, sim_relay_up, sim_relay_refused};
    struct sim_relay *relay = &world->relays[index];
    *relay = (struct sim_relay){.context = {world, index}, .clock_offset = between(world, 0, 1000 * (monotonic_us)SECOND_US)};
    const struct relay_core_options options = {.cache_bytes = RELAY_CACHE, .ops = &ops, .context = &relay->context};
    ASSERT(!relay_core_create(&relay->core, &options));
}

/* Its actors hear nothing until it is back. */
void relay_kill(struct world *world, int index)
{
    struct sim_relay *relay = &world->relays[index];
    if (!relay->core)
        return;
    relay_core_destroy(&relay->core);
    for (int link = 0; link < LINKS; link++)
        if (relay_of(world, link) == index)
            disconnect(world, link);
    disconnect(world, RELAY_LINK + index);
    relay->start_at = world->now + between(world, 100000, 4 * SECOND_US);
}

void relay_tick(struct world *world, int index)
{
    struct sim_relay *relay = &world->relays[index];
    if (!relay->core && world->now >= relay->start_at)
        relay_start(world, index);
    if (!relay->core || world->now < relay->frozen_until)
        return;
    relay_core_tick(relay->core, relay_clock(world, relay));
    if (relay->is_over)
        relay_kill(world, index);
}

void relay_hears(struct world *world, const struct message *message)
{
    struct sim_relay *relay = &world->relays[message->is_to_broker ? relay_of(world, message->link) : message->link - RELAY_LINK];
    if (!relay->core)
        return;
    const struct wire_peer peer = peer_of(message->link);
    if (message->is_to_broker)
        relay_core_from_actor(relay->core, relay_clock(world, relay), &peer, message->envelope, message->envelope_bytes,
                              message->payload, message->payload_bytes);
    else
        relay_core_from_broker(relay->core, relay_clock(world, relay), message->envelope, message->envelope_bytes, message->payload,
                               message->payload_bytes);
}
