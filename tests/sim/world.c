/* The simulated world: its clock, and what happens next. See world.h. */
#include "tests/sim/parts.h"

#include <stdarg.h>

static enum mutation current_mutation; /* for functions that the linker wraps, which know no world */

enum mutation world_mutation(void)
{
    return current_mutation;
}

void violated(struct world *world, int sentence, const char *format, ...)
{
    if (world->result->sentence)
        return; /* the first one counts */
    world->result->sentence = sentence;
    int used = snprintf(world->result->text, sizeof world->result->text,
                        "seed %llu (%s) at %.3f s: sentence %d: ", (unsigned long long)world->options.seed,
                        world->options.is_async ? "async" : "sync", (double)world->now * 1e-6, sentence);
    va_list args;
    va_start(args, format);
    vsnprintf(world->result->text + used, sizeof world->result->text - (size_t)used, format, args);
    va_end(args);
}

bool chance(struct world *world, double p)
{
    return rng_double(&world->rng) < p;
}

monotonic_us between(struct world *world, monotonic_us low, monotonic_us high)
{
    return low + (monotonic_us)(rng_double(&world->rng) * (double)(high - low));
}

bool faults_on(const struct world *world)
{
    return !world->options.is_quiet && world->now < FAULTS_US;
}

uint64_t chain(uint64_t state, int lane, uint64_t slice, uint64_t version)
{
    return rng_bits(state, RNG_SIMULATION, (uint64_t)lane << 32 | slice, (uint32_t)version, 7);
}

/* --- ids --- */

static int id_place(const struct world *world, uint64_t id)
{
    int at = (int)(id * 0x9e3779b97f4a7c15u >> 32) & (IDS - 1);
    while (world->ids[at].id && world->ids[at].id != id)
        at = (at + 1) & (IDS - 1);
    return at;
}

uint64_t new_id(struct world *world, int index)
{
    uint64_t id = (uint64_t)(1700000000000000 + world->now + world->wall_offset);
    while (world->ids[id_place(world, id)].id)
        id++;
    int at = id_place(world, id);
    world->ids[at].id = id;
    world->ids[at].index = index;
    return id;
}

struct incarnation *incarnation_of(struct world *world, uint64_t id, int *index)
{
    int at = id_place(world, id);
    if (!world->ids[at].id || world->ids[at].index < 0)
        return NULL;
    *index = world->ids[at].index;
    return &world->incarnations[*index];
}

/* --- events --- */

static void to_learner(struct world *world, const struct message *message)
{
    struct sim_learner *learner = &world->learner;
    struct err err;
    if (!learner->is_alive)
        return;
    if (world->options.mutation == MUTATE_SKIP_DEDUPLICATION &&
        !envelope_decode(world->envelope, message->envelope, message->envelope_bytes, &err) &&
        world->envelope->kind == MESSAGE_TRAJECTORY && !world->envelope->trajectory.body.status) {
        const struct message_trajectory *copy = &world->envelope->trajectory;
        int index;
        struct incarnation *real = incarnation_of(world, copy->incarnation, &index);
        if (real)
            real->copies[copy->body.sequence % SEQUENCES]++;
    }
    learner_link_message(learner->link, learner_clock(world), message->envelope, message->envelope_bytes, message->payload,
                         message->payload_bytes);
    check_learner(world);
}

static void to_broker(struct world *world, const struct message *message)
{
    struct wire_peer peer = peer_of(message->link);
    if (!world->broker)
        return;
    broker_core_message(world->broker, broker_clock(world), &peer, message->envelope, message->envelope_bytes, message->payload,
                        message->payload_bytes);
    check_broker(world);
}

static void to_actor(struct world *world, const struct message *message)
{
    struct sim_actor *actor = &world->actors[message->link];
    if (!actor->link)
        return;
    actor_link_message(actor->link, actor_clock(world, actor), message->envelope, message->envelope_bytes, message->payload,
                       message->payload_bytes);
    check_actors(world, message->link, message->link);
}

/* Until when the process that a message goes to stands still. */
static monotonic_us frozen_until(const struct world *world, const struct message *message)
{
    int relay = relay_of(world, message->link);
    return message->is_to_broker           ? relay < 0 ? world->broker_frozen_until : world->relays[relay].frozen_until
           : message->link == LEARNER_LINK ? world->learner.frozen_until
           : message->link >= RELAY_LINK   ? world->relays[message->link - RELAY_LINK].frozen_until
                                           : world->actors[message->link].frozen_until;
}

static bool deliver_next(struct world *world, monotonic_us until)
{
    if (world->n_heap == 0 || world->heap[0].time > until)
        return false;
    struct message message = network_take(world);
    struct connection *connection = &world->connections[message.link];
    world->now = message.time;
    world->events++;
    if (message.connection >= 0 && world->now < frozen_until(world, &message)) {
        message.time = frozen_until(world, &message); /* waits in the frozen process's socket */
        network_requeue(world, message);
        return true;
    }
    if (message.connection == connection->number && connection->under_way[message.is_to_broker] > 0)
        connection->under_way[message.is_to_broker]--;
    if (message.connection < 0)
        ; /* lost with its connection */
    else if (message.is_to_broker ? relay_of(world, message.link) >= 0 : message.link >= RELAY_LINK)
        relay_hears(world, &message);
    else if (message.is_to_broker)
        to_broker(world, &message);
    else if (message.link == LEARNER_LINK)
        to_learner(world, &message);
    else
        to_actor(world, &message);
    message_free(&message);
    return true;
}

static void tick_all(struct world *world)
{
    if (!world->broker && world->now >= world->broker_start_at)
        broker_start(world);
    network_tick(world);
    if (world->broker && world->now >= world->broker_frozen_until)
        broker_core_tick(world->broker, broker_clock(world));
    check_broker(world);
    for (int r = 0; r < world->course.relays; r++)
        relay_tick(world, r);
    learner_tick(world);
    check_learner(world);
    for (int i = 0; i < world->course.actors; i++)
        actor_tick(world, i);
    check_actors(world, 0, world->course.actors - 1);
    if (world->events % 8 == 0) {
        check_announced(world);
        check_cache(world);
    }
    world->events++;
    if (faults_on(world) && chance(world, world->course.fault_rate))
        inject_fault(world);
}

/* All that live actors announced has a fate and is acknowledged, and every evaluation came back. */
static bool is_at_rest(struct world *world)
{
    if (!world->learner.is_alive || orders_tasks(world->learner.orders) || world->learner.n_arrivals)
        return false;
    struct book book = ledger_book(world->learner.ledger);
    for (int i = 0; i < world->course.actors; i++)
        if (!world->actors[i].link || actor_link_stats(world->actors[i].link).ring)
            return false;
    return book.away == 0 && book.held == 0;
}

/* --- begin and end --- */

static struct world *world_begin(struct world_options options, struct world_result *result)
{
    struct world *world = calloc(1, sizeof *world);
    world->options = options;
    world->result = result;
    world->rng = rng_stream(options.seed, RNG_SIMULATION, 0, 0, options.is_async);
    world->incarnations = calloc(INCARNATIONS, sizeof *world->incarnations);
    world->envelope = calloc(1, sizeof *world->envelope);
    world->bytes = malloc(PROTOCOL_ENVELOPE_BYTES);
    world->now = SECOND_US;
    current_mutation = options.mutation;
    course_draw(world);
    for (int i = 0; i < world->course.actors; i++) {
        world->actors[i].incarnation = -1;
        world->actors[i].start_at = world->now + (i < 4 ? 0 : between(world, 0, 20 * SECOND_US));
    }
    return world;
}

static void tell_result(struct world *world)
{
    struct world_result *result = world->result;
    result->events = world->events;
    result->actors = world->course.actors;
    result->relays = world->course.relays;
    result->seconds = (double)world->now * 1e-6;
    for (int l = 0; world->learner.is_alive && l < world->course.lanes; l++)
        result->state = rng_bits(result->state ^ world->learner.states[l], RNG_SIMULATION, (uint64_t)l, 1, 1);
    if (world->learner.is_alive)
        result->book = ledger_book(world->learner.ledger);
}

static void world_end(struct world *world)
{
    if (world->learner.is_alive)
        learner_destroy(world);
    world->is_ending = true;
    for (int i = 0; i < world->course.actors; i++)
        if (world->actors[i].link) {
            actor_link_destroy(&world->actors[i].link);
            actor_drop_work(&world->actors[i]);
        }
    for (int r = 0; r < world->course.relays; r++)
        relay_core_destroy(&world->relays[r].core);
    broker_core_destroy(&world->broker);
    for (int i = 0; i < world->n_heap; i++)
        message_free(&world->heap[i]);
    disk_free(&world->disk);
    free(world->heap);
    free(world->history);
    free(world->incarnations);
    free(world->envelope);
    free(world->bytes);
    free(world);
}

struct world_result world_run(struct world_options options)
{
    struct world_result result = {0};
    struct world *world = world_begin(options, &result);
    bool is_done = false;
    while (!result.sentence && !is_done && world->now < LIMIT_US) {
        monotonic_us next = world->now + TICK_US;
        while (!result.sentence && deliver_next(world, next))
            ;
        world->now = next;
        tick_all(world);
        is_done = learner_reached(world) && is_at_rest(world) && (options.is_quiet || world->now > FAULTS_US);
    }
    if (!is_done)
        violated(world, 2, "the run did not go on: %d of %d updates, learner %s", world->learner.updates, options.updates,
                 world->learner.is_alive ? "alive" : "dead");
    if (result.sentence && getenv("SIM_DUMP"))
        world_dump(world);
    tell_result(world);
    world_end(world);
    return result;
}
