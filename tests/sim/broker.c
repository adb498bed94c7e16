/* The simulated world's broker process: the real core on the simulated network. See world.h. */
#include "tests/sim/parts.h"

static int sim_broker_send(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes,
                           const void *payload, size_t payload_bytes)
{
    int link = link_of(peer);
    return link < 0 ? ERR_CLOSED /* the stranger does not listen */
                    : network_send(context, link, false, envelope, envelope_bytes, payload, payload_bytes);
}

monotonic_us broker_clock(const struct world *world)
{
    return world->now + world->broker_clock_offset;
}

void broker_start(struct world *world)
{
    static const struct broker_core_ops ops = {sim_broker_send};
    const struct broker_core_options options = {
        .epoch = new_id(world, -1), .cache_bytes = BROKER_CACHE, .ops = &ops, .context = world};
    world->broker_clock_offset = between(world, 0, 1000 * (monotonic_us)SECOND_US);
    world->broker_frozen_until = 0;
    ASSERT(!broker_core_create(&world->broker, &options));
}

void broker_kill(struct world *world)
{
    if (!world->broker)
        return;
    broker_core_destroy(&world->broker);
    for (int link = 0; link < LINKS; link++)
        if (relay_of(world, link) < 0)
            disconnect(world, link);
    world->broker_start_at = world->now + between(world, 100000, 4 * SECOND_US);
}

void broker_hears(struct world *world, const struct wire_peer *peer, const void *envelope, size_t bytes)
{
    if (world->broker && world->now >= world->broker_frozen_until)
        broker_core_message(world->broker, broker_clock(world), peer, envelope, bytes, NULL, 0);
}
