/* What goes wrong in the simulated world. See world.h. */
#include "tests/sim/parts.h"

const char *world_fault_name(enum world_fault fault)
{
    static const char *const names[WORLD_FAULTS] = {"kill actor", "leave",      "kill broker", "kill learner", "kill both",
                                                    "kill relay", "pause",      "disconnect",  "half-open",    "slow reader",
                                                    "full disk",  "clock jump", "stranger"};
    return names[fault];
}

/* --- the course --- */

/* Each world has its own worries: some faults come often, some never. */
static void draw_odds(struct world *world)
{
    struct course *course = &world->course;
    double sum = 0;
    for (int f = 0; f < WORLD_FAULTS; f++) {
        double odds = rng_double(&world->rng);
        sum += course->odds[f] = chance(world, 0.25) ? 0 : odds * odds;
    }
    for (int f = 0; f < WORLD_FAULTS; f++)
        course->odds[f] = sum > 0 ? course->odds[f] / sum : 1.0 / WORLD_FAULTS;
}

void course_draw(struct world *world)
{
    struct course *course = &world->course;
    course->actors = 1 + (int)rng_below(&world->rng, WORLD_ACTORS_MAX);
    course->lanes = 1 + (int)rng_below(&world->rng, LANES_MAX);
    if (world->options.lanes)
        course->lanes = world->options.lanes;
    int least = (course->lanes + course->actors - 1) / course->actors;
    course->room = least + (int)rng_below(&world->rng, 12);
    course->fault_rate = 0.003 + 0.037 * rng_double(&world->rng);
    course->liars = chance(world, 0.5) ? 0 : (int)rng_below(&world->rng, (uint32_t)course->actors / 4 + 1);
    course->relays = chance(world, 0.5) ? 0 : 1 + (int)rng_below(&world->rng, RELAYS_MAX);
    draw_odds(world);
}

/* --- lies --- */

/* Damages what an actor ships, or what it says of it. A forged state is not among them: only a second opinion could tell. */
void trajectory_damage(struct world *world, struct trajectory *t)
{
    if (t->status || t->steps == 0)
        return;
    world->result->lies++;
    switch (rng_below(&world->rng, 12)) {
    case 0: ((float *)t->frame)[1] = NAN; break;
    case 1: ((float *)t->frame)[0] = 1e9f; break;
    case 2: t->schema.low ^= 1; break;
    case 3: t->bytes -= 8; break;
    case 4: t->weights.high ^= 1; break;
    case 5: t->version.number++; break;
    case 6: t->version.number--; break;
    case 7: t->slice++; break;
    case 8: t->lane = (int)rng_below(&world->rng, LANES_MAX); break;
    case 9: t->order += 1 + rng_below(&world->rng, 3); break;
    case 10: t->episodes++; break;
    default: t->purpose = ORDER_EVALUATE; break;
    }
}

/* --- the faults --- */

static void stranger(struct world *world)
{
    unsigned char bytes[512];
    struct wire_peer peer = wire_peer_of("stranger", 8);
    struct envelope *e = world->envelope;
    size_t length = 1 + rng_below(&world->rng, sizeof bytes - 1);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)rng_next(&world->rng);
    if (chance(world, 0.7)) { /* well-formed, but wrong: an unknown blob, somebody else's sequence, another protocol */
        memset(e, 0, sizeof *e);
        e->kind = (enum message_kind)rng_below(&world->rng, MESSAGE_KINDS);
        if (e->kind == MESSAGE_FETCH)
            e->fetch = (struct message_fetch){.hash = {rng_next(&world->rng), 1}, .bytes = 1u << 20};
        if (e->kind == MESSAGE_TRAJECTORY && world->n_incarnations)
            e->trajectory = (struct message_trajectory){
                .actor = 3, .incarnation = world->incarnations[world->n_incarnations - 1].id, .body = {.sequence = 5}};
        int encoded = envelope_encode(e, bytes, sizeof bytes);
        length = encoded > 0 ? (size_t)encoded : length;
        if (chance(world, 0.3))
            bytes[rng_below(&world->rng, (uint32_t)length)] ^= (unsigned char)(1 << rng_below(&world->rng, 8));
    }
    broker_hears(world, &peer, bytes, length);
}

/* Asks for many large contents that nobody has: each would be fetched on, if there were room. */
static void flood(struct world *world)
{
    struct wire_peer peer = wire_peer_of("stranger", 8);
    for (int i = 0; i < 20; i++) {
        world->envelope->kind = MESSAGE_FETCH;
        world->envelope->fetch = (struct message_fetch){.hash = {rng_next(&world->rng), 2}, .bytes = 1u << 20};
        int length = envelope_encode(world->envelope, world->bytes, PROTOCOL_ENVELOPE_BYTES);
        broker_hears(world, &peer, world->bytes, (size_t)length);
    }
    check_cache(world);
}

/* Half of the pauses are short, a few last the full 30 s. */
static void pause_someone(struct world *world)
{
    monotonic_us until = world->now + (chance(world, 0.2) ? PAUSE_US : between(world, SECOND_US, 9 * SECOND_US));
    int who = (int)rng_below(&world->rng, (uint32_t)(world->course.actors + world->course.relays) + 4) - world->course.relays;
    if (who < 0)
        world->relays[-1 - who].frozen_until = until;
    else if (who < world->course.actors)
        world->actors[who].frozen_until = until;
    else if (who < world->course.actors + 2)
        world->broker_frozen_until = until;
    else
        world->learner.frozen_until = until;
}

/* A connection of the run: in one of four cases the learner's, in another one a relay's. */
static int some_link(struct world *world)
{
    if (world->course.relays && chance(world, 0.25))
        return RELAY_LINK + (int)rng_below(&world->rng, (uint32_t)world->course.relays);
    return chance(world, 0.25) ? LEARNER_LINK : (int)rng_below(&world->rng, (uint32_t)world->course.actors);
}

static void half_open(struct world *world)
{
    struct connection *connection = &world->connections[some_link(world)];
    monotonic_us until = world->now + between(world, SECOND_US, 25 * SECOND_US);
    uint32_t which = 1 + rng_below(&world->rng, 3);
    for (int d = 0; d < 2; d++)
        if (which >> d & 1)
            connection->hole_until[d] = until;
    connection->reset_at = chance(world, 0.6) ? until : 0;
}

static void slow_reader(struct world *world)
{
    struct connection *connection = &world->connections[some_link(world)];
    connection->slow_until[rng_below(&world->rng, 2)] = world->now + between(world, SECOND_US, 20 * SECOND_US);
}

static void clock_jump(struct world *world)
{
    const int64_t day = 86400 * (int64_t)SECOND_US;
    monotonic_us forward = between(world, SECOND_US, 3600 * (monotonic_us)SECOND_US);
    world->wall_offset += between(world, -day, day);
    int who = (int)rng_below(&world->rng, (uint32_t)(world->course.actors + world->course.relays) + 2) - world->course.relays;
    if (who < 0)
        world->relays[-1 - who].clock_offset += forward;
    else if (who < world->course.actors)
        world->actors[who].clock_offset += forward;
    else if (who == world->course.actors)
        world->broker_clock_offset += forward;
    else
        world->learner.clock_offset += forward;
}

static enum world_fault draw_fault(struct world *world)
{
    double at = rng_double(&world->rng);
    int f = 0;
    for (; f < WORLD_FAULTS - 1 && at >= world->course.odds[f]; f++)
        at -= world->course.odds[f];
    return f == WORLD_KILL_RELAY && !world->course.relays ? WORLD_DISCONNECT : (enum world_fault)f;
}

void inject_fault(struct world *world)
{
    enum world_fault fault = draw_fault(world);
    int actor = (int)rng_below(&world->rng, (uint32_t)world->course.actors);
    world->result->faults[fault]++;
    switch (fault) {
    case WORLD_KILL_ACTOR: actor_kill(world, actor); break;
    case WORLD_LEAVE: actor_leave(world, actor); break;
    case WORLD_KILL_BROKER: broker_kill(world); break;
    case WORLD_KILL_LEARNER: learner_kill(world); break;
    case WORLD_KILL_BOTH:
        broker_kill(world);
        learner_kill(world);
        break;
    case WORLD_KILL_RELAY: relay_kill(world, (int)rng_below(&world->rng, (uint32_t)world->course.relays)); break;
    case WORLD_PAUSE: pause_someone(world); break;
    case WORLD_DISCONNECT: disconnect(world, some_link(world)); break;
    case WORLD_HALF_OPEN: half_open(world); break;
    case WORLD_SLOW_READER: slow_reader(world); break;
    case WORLD_FULL_DISK: world->disk.full_until = world->now + between(world, SECOND_US, 30 * SECOND_US); break;
    case WORLD_CLOCK_JUMP: clock_jump(world); break;
    default:
        for (int i = 0; i < 20; i++)
            stranger(world);
        flood(world);
        break;
    }
}
