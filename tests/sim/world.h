/* A deterministic world for the delivery protocol: the real broker core, learner link with its books, and actor links, in one process
 * under a virtual clock and a seeded network. Environments and trainer are models; everything between them is the real code.
 *
 *   network: first in, first out within a connection, delays, full queues, repeated and lost messages; when a connection breaks, some of
 *            what was under way is lost, some arrives late, after messages of the next connection
 *   faults:  kills and restarts of any process (the learner from its last checkpoint), frozen actors, broken connections, actors that ship
 *            damaged trajectories, a stranger who sends garbage
 *
 * After every event the seven sentences of the contract are checked against what really happened; the first one that does not hold ends the
 * world with its number. A lane's state is a chain of hashes over (lane, slice, version), so that the trainer sees at once whether a slice
 * starts where the history left it, whoever rolled it out. */
#ifndef TESTUDO_TESTS_SIM_WORLD_H
#define TESTUDO_TESTS_SIM_WORLD_H

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/actor_link.h"
#include "base/rng.h"
#include "broker/core.h"
#include "broker/stats.h"
#include "learner/learner_link.h"

#define ACTORS 16
#define INCARNATIONS 256 /* of all actors in one world */
#define LANES 20
#define SEQUENCES 16384 /* of one incarnation */
#define CHECKPOINT_UPDATES 5
#define TICK_US 50000
#define SECOND_US 1000000
#define FAULTS_US (40 * SECOND_US)
#define LIMIT_US (600 * SECOND_US)
#define LEASE_MS 6000
#define WINDOW 256
#define BROKER_CACHE (8u << 20)
#define ASYNC_LAG 2
#define ASYNC_DEPTH 3 /* lanes * depth <= batch * (lag + 1), the batch being as many as there are lanes */
#define POOL_BYTES (1u << 20)

/* What is broken on purpose (test_sim_catches.c). */
enum mutation {
    MUTATE_NOTHING,
    MUTATE_SKIP_DEDUPLICATION,
    MUTATE_ACK_BEFORE_FATE,
    MUTATE_NO_RESEND,
    MUTATE_DROP_LOST,
    MUTATE_SAME_GENERATION,
    MUTATE_ACCEPT_ANYTHING,
    MUTATE_NO_CEILING,
    MUTATE_OLD_CHECKPOINT,
    MUTATE_IGNORE_LAG,
    MUTATE_FORGET_ROLLBACK,
};

struct world_options {
    uint64_t seed;
    bool is_async, is_quiet; /* quiet: no faults at all */
    int updates;             /* to reach */
    enum mutation mutation;
};

struct world_result {
    int sentence; /* that was broken, 0 when all hold */
    char text[400];
    uint64_t events, state; /* state: hash over all lanes' states at the end */
    struct book book;
    int kills, restores;
};

/* --- the world --- */

struct message {
    monotonic_us time;
    uint64_t id;
    int link, connection;
    bool is_to_broker;
    unsigned char *envelope, *payload;
    size_t envelope_bytes, payload_bytes;
};

struct connection {
    bool is_up;
    int number;
    monotonic_us up_at, last[2]; /* delivery time of the last message, by direction */
    int under_way[2];
};

struct incarnation { /* what really happened to one actor process */
    uint64_t id;
    int actor;
    bool is_alive;
    uint64_t announced, released, noted_upto;
    unsigned char decided[SEQUENCES]; /* by any learner */
    unsigned char trained[SEQUENCES]; /* in the present history */
    unsigned char copies[SEQUENCES];  /* that reached a learner; kept for MUTATE_SKIP_DEDUPLICATION only */
};

struct sim_lane { /* as an actor holds it */
    bool is_held;
    uint64_t slice, state;
};

struct sim_actor {
    struct actor_link *link;
    int incarnation; /* index, -1 when dead */
    monotonic_us start_at, frozen_until, busy_until;
    struct work *queue[4096];
    int start, count;
    struct sim_lane lanes[LANES];
    struct schema schema;
    bool wants_describe, is_over;
    struct weights_version acted, known;
    uint64_t high; /* sequence sent at least once, for MUTATE_NO_RESEND */
};

struct sim_checkpoint {
    unsigned char *ledger, *orders;
    size_t ledger_bytes, orders_bytes;
    int updates, history;
    uint64_t states[LANES];
};

struct sim_learner {
    struct learner_link *link;
    struct ledger *ledger;
    struct orders *orders;
    struct intake *intake;
    monotonic_us start_at, busy_until, publish_at;
    bool is_alive, is_over, has_published, publish_due, is_training;
    struct arrival *first; /* delivered, undecided */
    int n_arrivals, updates;
    uint64_t version;
    uint64_t states[LANES]; /* of the history */
    uint32_t generation;
    uint64_t incarnation;
    int snapshot_column, origin_column, x_column;
};

struct history_item {
    int incarnation;
    uint64_t sequence;
};

struct world {
    struct world_options options;
    struct rng rng;
    monotonic_us now;
    uint64_t next_id, events;
    struct message *heap;
    int n_heap, heap_capacity;
    struct connection connections[ACTORS + 1];
    struct sim_actor actors[ACTORS];
    struct incarnation *incarnations;
    int n_incarnations;
    struct broker_core *broker;
    monotonic_us broker_start_at;
    uint64_t broker_epoch;
    struct weights_version broker_version;
    struct sim_learner learner;
    struct sim_checkpoint checkpoints[2]; /* [0] newest */
    uint32_t disk_generation;
    struct history_item *history;
    int n_history, history_capacity, best_updates;
    struct weights_version published; /* highest ever */
    int bad_sent, tasks_added, kills, restores;
    uint64_t clock_ids;
    int index_of_id[4096]; /* incarnation id to its index + 1 */
    struct envelope *envelope;
    unsigned char *bytes;
    struct world_result *result;
};

static void violated(struct world *world, int sentence, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void violated(struct world *world, int sentence, const char *format, ...)
{
    if (world->result->sentence)
        return; /* the first one counts */
    world->result->sentence = sentence;
    int used = snprintf(world->result->text, sizeof world->result->text,
                        "seed %llu at %.3f s: sentence %d: ", (unsigned long long)world->options.seed, (double)world->now * 1e-6,
                        sentence);
    va_list args;
    va_start(args, format);
    vsnprintf(world->result->text + used, sizeof world->result->text - (size_t)used, format, args);
    va_end(args);
}

static bool chance(struct world *world, double p)
{
    return rng_double(&world->rng) < p;
}

static monotonic_us between(struct world *world, monotonic_us low, monotonic_us high)
{
    return low + (monotonic_us)(rng_double(&world->rng) * (double)(high - low));
}

static bool faults_on(const struct world *world)
{
    return !world->options.is_quiet && world->now < FAULTS_US;
}

static uint64_t chain(uint64_t state, int lane, uint64_t slice, uint64_t version)
{
    return rng_bits(state, RNG_SIMULATION, (uint64_t)lane << 32 | slice, (uint32_t)version, 7);
}

/* --- network: a heap of messages by time --- */

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

static struct message heap_pop(struct world *world)
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

static void message_free(struct message *message)
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

/* A send through a socket: refused when unconnected or full; rarely lost or repeated. */
static int network_send(struct world *world, int link, bool to_broker, const void *envelope, size_t envelope_bytes,
                        const void *payload, size_t payload_bytes)
{
    struct connection *connection = &world->connections[link];
    if (!connection->is_up)
        return ERR_AGAIN;
    if (faults_on(world) && (chance(world, 0.002) || connection->under_way[to_broker] > 400))
        return ERR_AGAIN;
    if (faults_on(world) && chance(world, 0.002))
        return 0; /* lost, for instance between envelope and payload */
    post(world, link, to_broker, envelope, envelope_bytes, payload, payload_bytes);
    if (faults_on(world) && chance(world, 0.005))
        post(world, link, to_broker, envelope, envelope_bytes, payload, payload_bytes);
    return 0;
}

/* Breaks a connection: of what was under way most is lost, some arrives in spite of it. */
static void disconnect(struct world *world, int link)
{
    struct connection *connection = &world->connections[link];
    int kept = 0;
    for (int i = 0; i < world->n_heap; i++) {
        struct message *message = &world->heap[i];
        if (message->link == link && message->connection == connection->number && !chance(world, 0.3))
            message->connection = -1;
        kept += message->link == link;
    }
    connection->is_up = false;
    connection->number++;
    connection->last[0] = connection->last[1] = 0;
    connection->under_way[0] = connection->under_way[1] = 0;
    connection->up_at = world->now + between(world, 50000, 600000);
}

/* --- actors: model environments on a real link --- */

static void work_drop_all(struct sim_actor *actor)
{
    for (; actor->count > 0; actor->count--) {
        work_destroy(&actor->queue[actor->start]);
        actor->start = (actor->start + 1) % (int)ARRAY_LEN(actor->queue);
    }
}

struct actor_context { /* the link's context: which actor of which world */
    struct world *world;
    int index;
};
static struct actor_context actor_contexts[ACTORS];

static int sim_actor_send(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    struct actor_context *at = context;
    struct world *world = at->world;
    struct sim_actor *actor = &world->actors[at->index];
    if (world->options.mutation == MUTATE_NO_RESEND || chance(world, 0.02)) {
        struct err err;
        if (!envelope_decode(world->envelope, envelope, envelope_bytes, &err) && world->envelope->kind == MESSAGE_TRAJECTORY) {
            uint64_t sequence = world->envelope->trajectory.body.sequence;
            if (world->options.mutation == MUTATE_NO_RESEND && sequence <= actor->high)
                return 0; /* the ring was "lost": nothing is ever sent twice */
            if (sequence > actor->high)
                actor->high = sequence;
        }
    }
    return network_send(world, at->index, true, envelope, envelope_bytes, payload, payload_bytes);
}

static void sim_actor_recipe(void *context, const char *run, const char *text, size_t length)
{
    struct actor_context *at = context;
    if (strcmp(run, "sim") || length != 6 || memcmp(text, "recipe", 6))
        violated(at->world, 5, "actor %d was given another recipe", at->index);
    at->world->actors[at->index].wants_describe = true;
}

static void sim_actor_work(void *context, struct work *work)
{
    struct actor_context *at = context;
    struct sim_actor *actor = &at->world->actors[at->index];
    const struct weights *weights = work->weights;
    if (weights_version_compare(weights->manifest.version, work->order.version) ||
        weights->blobs[0][0] != (float)work->order.version.number)
        violated(at->world, 4, "actor %d got an order for version %llu with other weights", at->index,
                 (unsigned long long)work->order.version.number);
    if (actor->count == (int)ARRAY_LEN(actor->queue)) {
        violated(at->world, 5, "actor %d has more than %zu orders waiting", at->index, ARRAY_LEN(actor->queue));
        work_destroy(&work);
        return;
    }
    actor->queue[(actor->start + actor->count++) % (int)ARRAY_LEN(actor->queue)] = work;
}

static void sim_actor_generation(void *context, uint32_t generation)
{
    struct actor_context *at = context;
    (void)generation;
    work_drop_all(&at->world->actors[at->index]);
}

static void buffer_free(struct trajectory *buffer)
{
    free(buffer->frame);
    free(buffer);
}

static bool ending; /* the world is being taken down: rings are emptied without fate */

static void sim_actor_release(void *context, struct trajectory *trajectory)
{
    struct actor_context *at = context;
    struct world *world = at->world;
    struct sim_actor *actor = &world->actors[at->index];
    if (!ending && actor->incarnation >= 0) {
        struct incarnation *real = &world->incarnations[actor->incarnation];
        if (!real->decided[trajectory->sequence])
            violated(world, 2, "actor %d was told to forget %llu, whose fate nobody decided", at->index,
                     (unsigned long long)trajectory->sequence);
        real->released = trajectory->sequence;
    }
    buffer_free(trajectory);
}

static void sim_actor_refused(void *context, int code, const char *text)
{
    struct actor_context *at = context;
    (void)code;
    (void)text;
    at->world->actors[at->index].is_over = true;
}

static const struct actor_link_ops sim_actor_ops = {sim_actor_send,       sim_actor_recipe,  sim_actor_work,
                                                    sim_actor_generation, sim_actor_release, sim_actor_refused};

static void actor_start(struct world *world, int index)
{
    struct sim_actor *actor = &world->actors[index];
    ASSERT(world->n_incarnations < INCARNATIONS);
    struct incarnation *real = &world->incarnations[world->n_incarnations];
    *real = (struct incarnation){.id = ++world->clock_ids, .actor = index, .is_alive = true};
    actor->incarnation = world->n_incarnations++;
    ASSERT(real->id < ARRAY_LEN(world->index_of_id));
    world->index_of_id[real->id] = world->n_incarnations;
    actor_contexts[index] = (struct actor_context){world, index};
    const struct actor_link_options options = {.actor = (uint32_t)index,
                                               .incarnation = real->id,
                                               .window = WINDOW,
                                               .window_bytes = 1 << 20,
                                               .cache_bytes = 4 << 20,
                                               .ops = &sim_actor_ops,
                                               .context = &actor_contexts[index]};
    ASSERT(!actor_link_create(&actor->link, &options));
    memset(actor->lanes, 0, sizeof actor->lanes);
    actor->acted = actor->known = (struct weights_version){0};
    actor->busy_until = actor->frozen_until = 0;
    actor->wants_describe = actor->is_over = false;
    actor->high = 0;
}

static void actor_kill(struct world *world, int index)
{
    struct sim_actor *actor = &world->actors[index];
    if (!actor->link)
        return;
    world->incarnations[actor->incarnation].announced = actor_link_stats(actor->link).next_sequence - 1;
    world->incarnations[actor->incarnation].is_alive = false;
    ending = true;
    actor_link_destroy(&actor->link);
    ending = false;
    work_drop_all(actor);
    actor->incarnation = -1;
    disconnect(world, index);
    actor->start_at = world->now + between(world, 200000, 8 * SECOND_US);
    world->kills++;
}

static void sim_schema(struct schema *schema)
{
    struct err err;
    schema_init(schema, 4, 2);
    ASSERT(schema_add(schema, "base", "x", COLUMN_F32, SPAN_STEP, 2, -1e6, 1e6, &err) >= 0);
    ASSERT(schema_add(schema, "base", "origin", COLUMN_I64, SPAN_SLICE, 3, 0, 9e15, &err) >= 0);
    ASSERT(schema_add(schema, "base", "snapshot", COLUMN_U8, SPAN_SLICE, 16, 0, 255, &err) >= 0);
    ASSERT(!schema_finish(schema, &err));
}

static void actor_describe(struct world *world, struct sim_actor *actor)
{
    const struct spec spec = {.env = "model",
                              .scenario = "chain",
                              .N = 2,
                              .O = 4,
                              .S = 4,
                              .A = 3,
                              .C = 1,
                              .components = {{.choices = 3}},
                              .horizon = 100,
                              .state_bytes = 16,
                              .state_is_observation = true,
                              .return_min = -1,
                              .return_max = 1};
    sim_schema(&actor->schema);
    actor->wants_describe = false;
    ASSERT(!actor_link_describe(actor->link, world->now, &spec, &actor->schema, 12));
}

/* Steps the model lane; 0, or ERR_STATE when it is not held here. */
static int lane_run(struct sim_actor *actor, const struct order *order, uint64_t *state)
{
    if (order->purpose == ORDER_EVALUATE)
        return 0;
    struct sim_lane *lane = &actor->lanes[order->lane];
    if (order->snapshot_bytes == 16) {
        memcpy(&lane->slice, order->snapshot, 8);
        memcpy(&lane->state, order->snapshot + 8, 8);
        lane->is_held = true;
    } else if (order->slice == 0)
        *lane = (struct sim_lane){.is_held = true};
    if (!lane->is_held || lane->slice != order->slice)
        return ERR_STATE;
    lane->state = chain(lane->state, order->lane, order->slice, order->version.number);
    lane->slice++;
    *state = lane->state;
    return 0;
}

static struct trajectory *trajectory_make(struct sim_actor *actor, const struct work *work)
{
    const struct order *order = &work->order;
    struct trajectory *t = calloc(1, sizeof *t);
    struct schema_layout layout;
    uint64_t state = 0;
    *t = (struct trajectory){.order = order->number,
                             .purpose = order->purpose,
                             .lane = order->lane,
                             .slice = order->slice,
                             .version = order->version,
                             .weights = weights_hash(&work->weights->manifest),
                             .schema = actor->schema.hash};
    t->status = lane_run(actor, order, &state);
    if (t->status)
        return t;
    t->steps = order->purpose == ORDER_EVALUATE ? 0 : 4;
    t->episodes = order->purpose == ORDER_EVALUATE ? 1 : 0;
    schema_layout(&actor->schema, t->steps, t->episodes, &layout);
    t->bytes = t->capacity = layout.bytes;
    t->frame = aligned_alloc(64, (layout.bytes + 63) / 64 * 64);
    memset(t->frame, 0, layout.bytes);
    float *x = (float *)(t->frame + layout.start[0]);
    for (int i = 0; i < layout.rows[0] * 2; i++)
        x[i] = (float)(state >> 48);
    int64_t origin[3] = {order->lane, (int64_t)order->slice, (int64_t)order->version.number};
    memcpy(t->frame + layout.start[1], origin, sizeof origin);
    uint64_t snapshot[2] = {order->slice + 1, state};
    memcpy(t->frame + layout.start[2], snapshot, sizeof snapshot);
    return t;
}

/* Some actors lie about, or damage, what they ship. */
static void trajectory_damage(struct world *world, struct trajectory *t)
{
    if (t->status || t->steps == 0)
        return;
    world->bad_sent++;
    switch (rng_below(&world->rng, 5)) {
    case 0: ((float *)t->frame)[1] = NAN; break;
    case 1: ((float *)t->frame)[0] = 1e9f; break;
    case 2: t->schema.low ^= 1; break;
    case 3: t->bytes -= 8; break;
    default: t->weights.high ^= 1; break;
    }
}

static void actor_work(struct world *world, struct sim_actor *actor)
{
    if (actor->count == 0 || world->now < actor->busy_until || !actor->link)
        return;
    struct work *work = actor->queue[actor->start];
    actor->start = (actor->start + 1) % (int)ARRAY_LEN(actor->queue);
    actor->count--;
    struct trajectory *t = trajectory_make(actor, work);
    if (faults_on(world) && chance(world, 0.01))
        trajectory_damage(world, t);
    if (work->order.purpose == ORDER_TRAIN && weights_version_compare(work->order.version, actor->acted) < 0)
        violated(world, 4, "actor %d acts with version %llu after %llu", (int)(actor - world->actors),
                 (unsigned long long)work->order.version.number, (unsigned long long)actor->acted.number);
    if (work->order.purpose == ORDER_TRAIN)
        actor->acted = work->order.version;
    work_destroy(&work);
    if (actor_link_submit(actor->link, world->now, t))
        buffer_free(t);
    /* Every second actor is slow, so that lag and leases have something to do. */
    bool is_slow = (actor - world->actors) % 4 == 3;
    actor->busy_until = world->now + between(world, 2000, is_slow ? 700000 : 60000);
}

static void actor_tick(struct world *world, int index)
{
    struct sim_actor *actor = &world->actors[index];
    if (!actor->link && world->now >= actor->start_at)
        actor_start(world, index);
    if (!actor->link || world->now < actor->frozen_until)
        return;
    actor_link_tick(actor->link, world->now);
    if (actor->wants_describe)
        actor_describe(world, actor);
    actor_work(world, actor);
    if (actor->is_over)
        actor_kill(world, index);
}

/* --- broker --- */

static struct wire_peer peer_of(int link)
{
    char name[16];
    int length = link == ACTORS ? snprintf(name, sizeof name, "learner") : snprintf(name, sizeof name, "actor-%d", link);
    return wire_peer_of(name, (size_t)length);
}

static int sim_broker_send(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes,
                           const void *payload, size_t payload_bytes)
{
    struct world *world = context;
    for (int link = 0; link <= ACTORS; link++) {
        struct wire_peer known = peer_of(link);
        if (wire_peer_equal(&known, peer))
            return network_send(world, link, false, envelope, envelope_bytes, payload, payload_bytes);
    }
    return ERR_CLOSED; /* the stranger does not listen */
}

static const struct broker_core_ops sim_broker_ops = {sim_broker_send};

static void broker_start(struct world *world)
{
    world->broker_epoch = ++world->clock_ids;
    const struct broker_core_options options = {
        .epoch = world->broker_epoch, .cache_bytes = BROKER_CACHE, .ops = &sim_broker_ops, .context = world};
    ASSERT(!broker_core_create(&world->broker, &options));
    world->broker_version = (struct weights_version){0};
}

static void broker_kill(struct world *world)
{
    if (!world->broker)
        return;
    broker_core_destroy(&world->broker);
    for (int link = 0; link <= ACTORS; link++)
        disconnect(world, link);
    world->broker_start_at = world->now + between(world, 100000, 4 * SECOND_US);
    world->kills++;
}

/* --- learner: a model trainer on the real link and books --- */

static struct incarnation *incarnation_of(struct world *world, uint64_t id, int *index)
{
    if (id >= ARRAY_LEN(world->index_of_id) || !world->index_of_id[id])
        return NULL;
    *index = world->index_of_id[id] - 1;
    return &world->incarnations[*index];
}

static int sim_learner_send(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    struct world *world = context;
    struct err err;
    if (world->options.mutation == MUTATE_ACK_BEFORE_FATE && !envelope_decode(world->envelope, envelope, envelope_bytes, &err) &&
        world->envelope->kind == MESSAGE_FATES) {
        for (uint32_t i = 0; i < world->envelope->fates.count; i++)
            world->envelope->fates.rows[i].acked_upto = world->envelope->fates.rows[i].received_upto;
        int length = envelope_encode(world->envelope, world->bytes, PROTOCOL_ENVELOPE_BYTES);
        return network_send(world, ACTORS, true, world->bytes, (size_t)length, payload, payload_bytes);
    }
    return network_send(world, ACTORS, true, envelope, envelope_bytes, payload, payload_bytes);
}

/* Slices of each lane that the run consists of. */
static uint64_t slice_goal(const struct world *world)
{
    return (uint64_t)world->options.updates;
}

static bool reached(const struct world *world)
{
    if (!world->learner.is_alive)
        return false;
    for (int l = 0; l < LANES; l++)
        if (orders_lane_slice(world->learner.orders, l) < slice_goal(world))
            return false;
    return true;
}

static void learner_publish(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    struct weights *weights;
    struct err err;
    const int32_t arch[WEIGHTS_ARCH_NUMBERS] = {1, 1, 1, 1};
    struct weights_version version = {learner->generation, (uint64_t)learner->version + 1};
    if (weights_version_compare(version, world->published) <= 0)
        violated(world, 4, "published %u.%llu after %u.%llu", version.generation, (unsigned long long)version.number,
                 world->published.generation, (unsigned long long)world->published.number);
    world->published = version;
    float values[64] = {(float)version.number};
    ASSERT(!weights_create(&weights, version));
    ASSERT(!weights_add_net(weights, "defender", arch, values, 64, &err));
    learner->version++;
    learner->publish_due = false;
    uint64_t slice_end = world->options.is_async ? slice_goal(world) : (uint64_t)learner->updates + 1;
    if (slice_end > slice_goal(world))
        slice_end = slice_goal(world);
    ASSERT(!learner_link_publish(learner->link, world->now, weights, slice_end));
    weights_unref(&weights);
}

static int sim_learner_described(void *context, const struct spec *spec, const struct schema *schema)
{
    struct world *world = context;
    struct sim_learner *learner = &world->learner;
    if (spec->N != 2 || spec->A != 3)
        return ERR_MISMATCH;
    learner->x_column = schema_find(schema, "x");
    learner->origin_column = schema_find(schema, "origin");
    learner->snapshot_column = schema_find(schema, "snapshot");
    intake_set_schema(learner->intake, schema);
    learner->publish_due = true;
    return 0;
}

static void sim_learner_deliver(void *context, struct arrival *arrival)
{
    struct sim_learner *learner = &((struct world *)context)->learner;
    struct arrival **at = &learner->first; /* the oldest version first, then the order of arrival */
    while (*at && (*at)->t.version.number <= arrival->t.version.number)
        at = &(*at)->next;
    arrival->next = *at;
    *at = arrival;
    learner->n_arrivals++;
}

static void sim_learner_refused(void *context, int code, const char *text)
{
    (void)code;
    (void)text;
    ((struct world *)context)->learner.is_over = true;
}

static int sim_learner_status(void *context, char *json, size_t size)
{
    return ledger_json(((struct world *)context)->learner.ledger, json, size);
}

static const struct learner_link_ops sim_learner_ops = {sim_learner_send, sim_learner_described, sim_learner_deliver,
                                                        sim_learner_refused, sim_learner_status};

static const void *sim_snapshot(void *context, const struct arrival *arrival, uint32_t *bytes)
{
    *bytes = 16;
    return arrival->t.frame + arrival->layout.start[((struct world *)context)->learner.snapshot_column];
}

static int sim_check(void *context, const struct arrival *arrival, struct err *err)
{
    int64_t origin[3];
    memcpy(origin, arrival->t.frame + arrival->layout.start[((struct world *)context)->learner.origin_column], sizeof origin);
    if (origin[0] != arrival->t.lane || origin[1] != (int64_t)arrival->t.slice)
        return err_set(err, ERR_MISMATCH, "frame and envelope disagree");
    return 0;
}

static const struct intake_ops sim_intake_ops = {sim_check, sim_snapshot};

static void history_truncate(struct world *world, int length)
{
    while (world->n_history > length) {
        const struct history_item *item = &world->history[--world->n_history];
        world->incarnations[item->incarnation].trained[item->sequence] = 0;
    }
}

static void history_append(struct world *world, int incarnation, uint64_t sequence)
{
    struct incarnation *real = &world->incarnations[incarnation];
    if (real->trained[sequence]++)
        violated(world, 1, "sequence %llu of incarnation %d was trained on twice", (unsigned long long)sequence, incarnation);
    if (world->n_history == world->history_capacity) {
        world->history_capacity = world->history_capacity ? 2 * world->history_capacity : 1024;
        world->history = realloc(world->history, (size_t)world->history_capacity * sizeof *world->history);
    }
    world->history[world->n_history++] = (struct history_item){incarnation, sequence};
}

static void learner_load(struct world *world, const struct sim_checkpoint *checkpoint)
{
    struct sim_learner *learner = &world->learner;
    struct err err;
    int lost = world->best_updates - checkpoint->updates;
    if (lost > CHECKPOINT_UPDATES)
        violated(world, 6, "a kill cost %d updates, checkpoints come every %d", lost, CHECKPOINT_UPDATES);
    ASSERT(!ledger_load(learner->ledger, checkpoint->ledger, checkpoint->ledger_bytes, &err));
    ASSERT(!orders_load(learner->orders, checkpoint->orders, checkpoint->orders_bytes, &err));
    learner->updates = checkpoint->updates;
    memcpy(learner->states, checkpoint->states, sizeof learner->states);
    history_truncate(world, checkpoint->history);
    world->restores++;
}

static void learner_start(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    *learner = (struct sim_learner){.is_alive = true};
    if (world->options.mutation != MUTATE_SAME_GENERATION || !world->disk_generation)
        world->disk_generation++;
    learner->generation = world->disk_generation;
    learner->incarnation = ++world->clock_ids;
    const struct orders_options orders = {.lanes = LANES,
                                          .depth = world->options.is_async ? ASYNC_DEPTH : 1,
                                          .max_lag = world->options.is_async ? ASYNC_LAG : 0,
                                          .lease_ms = LEASE_MS};
    const struct intake_options intake = {
        .run = "sim", .generation = learner->generation, .pool_bytes = POOL_BYTES, .ops = &sim_intake_ops, .context = world};
    ASSERT(!ledger_create(&learner->ledger) && !orders_create(&learner->orders, &orders) &&
           !intake_create(&learner->intake, &intake));
    const struct sim_checkpoint *checkpoint = &world->checkpoints[world->options.mutation == MUTATE_OLD_CHECKPOINT];
    if (checkpoint->ledger)
        learner_load(world, checkpoint);
    else if (world->best_updates > CHECKPOINT_UPDATES)
        violated(world, 6, "%d updates were lost: there was no checkpoint", world->best_updates);
    else
        history_truncate(world, 0);
    learner->version = (uint64_t)learner->updates;
    struct learner_link_options options = {.run = "sim",
                                           .generation = learner->generation,
                                           .incarnation = learner->incarnation,
                                           .recipe = "recipe",
                                           .recipe_bytes = 6,
                                           .ledger = learner->ledger,
                                           .orders = learner->orders,
                                           .intake = learner->intake,
                                           .ops = &sim_learner_ops,
                                           .context = world};
    ASSERT(!learner_link_create(&learner->link, &options));
}

static void learner_destroy(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    while (learner->first) {
        struct arrival *arrival = learner->first;
        learner->first = arrival->next;
        intake_release(learner->intake, &arrival);
    }
    learner_link_destroy(&learner->link);
    intake_destroy(&learner->intake);
    orders_destroy(&learner->orders);
    ledger_destroy(&learner->ledger);
    learner->is_alive = false;
}

static void learner_kill(struct world *world)
{
    if (!world->learner.is_alive)
        return;
    learner_destroy(world);
    disconnect(world, ACTORS);
    world->learner.start_at = world->now + between(world, 200000, 6 * SECOND_US);
    world->kills++;
}

static void checkpoint_free(struct sim_checkpoint *checkpoint)
{
    free(checkpoint->ledger);
    free(checkpoint->orders);
    *checkpoint = (struct sim_checkpoint){0};
}

static void checkpoint_save(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    struct sim_checkpoint new = {.updates = learner->updates, .history = world->n_history};
    ASSERT(!ledger_save(learner->ledger, &new.ledger, &new.ledger_bytes));
    ASSERT(!orders_save(learner->orders, &new.orders, &new.orders_bytes));
    memcpy(new.states, learner->states, sizeof new.states);
    checkpoint_free(&world->checkpoints[1]);
    world->checkpoints[1] = world->checkpoints[0];
    world->checkpoints[0] = new;
}

static void check_contents(struct world *world, const struct arrival *a)
{
    struct sim_learner *learner = &world->learner;
    const float *x = (const float *)(a->t.frame + a->layout.start[learner->x_column]);
    uint64_t state = chain(learner->states[a->t.lane], a->t.lane, a->t.slice, a->t.version.number), snapshot[2];
    for (int i = 0; i < a->layout.rows[learner->x_column] * 2; i++)
        if (!(x[i] >= -1e6f && x[i] <= 1e6f)) /* NaN fails, too */
            violated(world, 5, "a number outside its range was trained on: %g", (double)x[i]);
    memcpy(snapshot, a->t.frame + a->layout.start[learner->snapshot_column], sizeof snapshot);
    if (snapshot[1] != state)
        violated(world, 1, "lane %d slice %llu does not continue the history", a->t.lane, (unsigned long long)a->t.slice);
    learner->states[a->t.lane] = state;
}

static void train_one(struct world *world, struct arrival *a)
{
    struct sim_learner *learner = &world->learner;
    int index;
    struct incarnation *real = incarnation_of(world, a->incarnation, &index);
    ASSERT(real);
    uint64_t lag = learner->version - a->t.version.number;
    if (lag > (uint64_t)(world->options.is_async ? ASYNC_LAG : 0))
        violated(world, 7, "lag %llu at lane %d", (unsigned long long)lag, a->t.lane);
    if (a->t.slice != orders_lane_slice(learner->orders, a->t.lane))
        violated(world, 1, "lane %d slice %llu trained out of order", a->t.lane, (unsigned long long)a->t.slice);
    check_contents(world, a);
    history_append(world, index, a->t.sequence);
    for (int copy = 1; copy < real->copies[a->t.sequence]; copy++)
        history_append(world, index, a->t.sequence); /* a learner that does not know a copy when it sees one */
    real->decided[a->t.sequence] = 1;
    learner_link_decide(learner->link, &a, FATE_TRAINED);
}

/* Takes the first arrival that answers `lane` (-1: any training one; -2: an evaluation) out of the list. */
static struct arrival *take_arrival(struct sim_learner *learner, int lane)
{
    struct arrival **at = &learner->first;
    for (struct arrival *a = learner->first; a; at = &a->next, a = a->next) {
        bool is_train = a->t.purpose == ORDER_TRAIN;
        if (lane == -2 ? is_train : !is_train || (lane >= 0 && a->t.lane != lane))
            continue;
        *at = a->next;
        learner->n_arrivals--;
        return a;
    }
    return NULL;
}

static int training_arrivals(const struct sim_learner *learner)
{
    int n = 0;
    for (const struct arrival *a = learner->first; a; a = a->next)
        n += a->t.purpose == ORDER_TRAIN;
    return n;
}

static void add_evaluations(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    for (int i = 0; i < 3; i++) {
        const struct order task = {.purpose = ORDER_EVALUATE,
                                   .lane = 5000 + i,
                                   .slice = (uint64_t)learner->updates,
                                   .episodes = 1,
                                   .threat = "clean",
                                   .victim = -1};
        world->tasks_added += orders_add_task(learner->orders, &task, UINT32_MAX) == 0;
    }
}

static void after_update(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    learner->updates++;
    if (learner->updates > world->best_updates)
        world->best_updates = learner->updates;
    if (learner->updates % CHECKPOINT_UPDATES == 0)
        checkpoint_save(world);
    if (learner->updates % 8 == 0)
        add_evaluations(world);
    learner->publish_due = true;
    learner->publish_at = world->now + between(world, 0, 300000); /* a checkpoint is being written, messages come and go */
}

/* Async: the oldest versions first, and only when publishing the next version after it keeps the lag bound. */
static bool has_batch(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    const struct trajectory *batch[LANES];
    int n = 0, ready = training_arrivals(learner);
    bool is_end = world->options.is_async && orders_stats(learner->orders).outstanding == 0; /* the last lanes fill no batch */
    if (ready == 0 || (ready < LANES && !is_end))
        return false;
    for (const struct arrival *a = learner->first; a && n < LANES; a = a->next)
        if (a->t.purpose == ORDER_TRAIN)
            batch[n++] = &a->t;
    return !world->options.is_async || orders_may_publish_after(learner->orders, learner->version + 1, batch, n);
}

static void learner_train(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    if (learner->publish_due || world->now < learner->busy_until || !has_batch(world))
        return;
    int n = training_arrivals(learner);
    for (int i = 0; i < LANES && i < n; i++) {
        struct arrival *a = take_arrival(learner, world->options.is_async ? -1 : i);
        if (!a) {
            violated(world, 7, "sync batch lacks lane %d", i);
            return;
        }
        train_one(world, a);
    }
    after_update(world);
    learner->busy_until = world->now + between(world, 10000, 150000);
}

static void learner_evaluate(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    struct arrival *a;
    while ((a = take_arrival(learner, -2))) {
        int index;
        struct incarnation *real = incarnation_of(world, a->incarnation, &index);
        real->decided[a->t.sequence] = 1;
        learner_link_decide(learner->link, &a, FATE_EVALUATED);
    }
}

static void learner_tick(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    if (!learner->is_alive && world->now >= learner->start_at)
        learner_start(world);
    if (!learner->is_alive)
        return;
    learner_link_tick(learner->link, world->now);
    learner_train(world);
    learner_evaluate(world);
    if (learner->publish_due && world->now >= learner->publish_at) {
        if (world->options.mutation != MUTATE_IGNORE_LAG && !orders_may_publish(learner->orders, learner->version + 1))
            violated(world, 7, "version %llu would put a slice beyond the lag bound", (unsigned long long)learner->version + 1);
        learner_publish(world);
    }
    learner_link_pump(learner->link, world->now);
    if (learner->is_over)
        learner_kill(world);
}

/* What the learner decided by itself (stale, rejected) shows in its bitmap and marks: note it as decided in the world. */
static void note_decisions(struct world *world)
{
    struct ledger *ledger = world->learner.ledger;
    for (int i = 0; i < ledger_count(ledger); i++) {
        const struct ledger_entry *entry = ledger_at(ledger, i);
        int index;
        struct incarnation *real = incarnation_of(world, entry->incarnation, &index);
        while (real && real->noted_upto < entry->decided_upto)
            real->decided[++real->noted_upto] = 1;
    }
}

/* --- the seven sentences --- */

static void check_book(struct world *world, bool with_actors)
{
    struct sim_learner *learner = &world->learner;
    struct book book = ledger_book(learner->ledger);
    uint64_t held = (uint64_t)learner->n_arrivals;
    if (book.unexplained)
        violated(world, 3, "%lld of %llu announced trajectories are unexplained", (long long)book.unexplained,
                 (unsigned long long)book.announced);
    if (book.held != held)
        violated(world, 3, "the book says %llu held, the trainer has %llu", (unsigned long long)book.held,
                 (unsigned long long)held);
    if (book.fates[FATE_TRAINED] != (uint64_t)world->n_history)
        violated(world, 3, "the book says %llu trained, the history has %d", (unsigned long long)book.fates[FATE_TRAINED],
                 world->n_history);
    if (book.received != book.distinct + book.duplicate + book.gap)
        violated(world, 3, "deliveries do not add up");
    for (int i = 0; with_actors && i < ledger_count(learner->ledger); i++) {
        const struct ledger_entry *entry = ledger_at(learner->ledger, i);
        int index;
        const struct incarnation *real = incarnation_of(world, entry->incarnation, &index);
        uint64_t announced = !real            ? 0
                             : real->is_alive ? actor_link_stats(world->actors[real->actor].link).next_sequence - 1
                                              : real->announced;
        if (entry->announced > announced)
            violated(world, 3, "the book knows %llu announced by actor %u, it announced %llu", (unsigned long long)entry->announced,
                     entry->actor, (unsigned long long)announced);
    }
}

/* Of actors first..last: an event changes one of them. */
static void check_versions(struct world *world, int first, int last)
{
    for (int i = first; i <= last && i < ACTORS; i++) {
        struct sim_actor *actor = &world->actors[i];
        if (!actor->link)
            continue;
        struct actor_link_stats stats = actor_link_stats(actor->link);
        if (weights_version_compare(stats.version, actor->known) < 0)
            violated(world, 4, "actor %d knew version %llu, now %llu", i, (unsigned long long)actor->known.number,
                     (unsigned long long)stats.version.number);
        actor->known = stats.version;
        if (stats.ring > WINDOW)
            violated(world, 5, "actor %d holds %llu trajectories, window %d", i, (unsigned long long)stats.ring, WINDOW);
    }
}

static void check_deliveries(struct world *world)
{
    struct broker_counts c = broker_core_counts(world->broker);
    if (c.received != c.distinct + c.duplicate + c.gap + c.unknown + c.over_grant + c.unrouted)
        violated(world, 3, "the broker's deliveries do not add up");
}

static void check_world(struct world *world, int first_actor, int last_actor)
{
    if (world->learner.is_alive) {
        note_decisions(world);
        check_book(world, first_actor < last_actor);
        if (intake_bytes(world->learner.intake) > POOL_BYTES)
            violated(world, 5, "the intake holds %zu bytes", intake_bytes(world->learner.intake));
    }
    if (world->broker)
        check_deliveries(world);
    check_versions(world, first_actor, last_actor);
}

static void check_cache(struct world *world)
{
    static char json[BROKER_STATS_BYTES];
    if (!world->broker)
        return;
    int length = broker_core_stats(world->broker, world->now, json, sizeof json);
    const char *at = length > 0 ? strstr(json, "\"cache\":{\"bytes\":") : NULL;
    if (!at || strtoull(at + 17, NULL, 10) > BROKER_CACHE)
        violated(world, 5, "the broker's cache holds more than %u bytes", BROKER_CACHE);
}

/* --- faults --- */

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
        if (e->kind == MESSAGE_TRAJECTORY)
            e->trajectory = (struct message_trajectory){.actor = 3, .incarnation = world->clock_ids, .body = {.sequence = 5}};
        int encoded = envelope_encode(e, bytes, sizeof bytes);
        length = encoded > 0 ? (size_t)encoded : length;
        if (chance(world, 0.3))
            bytes[rng_below(&world->rng, (uint32_t)length)] ^= (unsigned char)(1 << rng_below(&world->rng, 8));
    }
    if (world->broker)
        broker_core_message(world->broker, world->now, &peer, bytes, length, NULL, 0);
}

/* Asks for many large contents that nobody has: each would be fetched on, if there were room. */
static void flood(struct world *world)
{
    struct wire_peer peer = wire_peer_of("stranger", 8);
    for (int i = 0; i < 20 && world->broker; i++) {
        world->envelope->kind = MESSAGE_FETCH;
        world->envelope->fetch = (struct message_fetch){.hash = {rng_next(&world->rng), 2}, .bytes = 1u << 20};
        int length = envelope_encode(world->envelope, world->bytes, PROTOCOL_ENVELOPE_BYTES);
        broker_core_message(world->broker, world->now, &peer, world->bytes, (size_t)length, NULL, 0);
    }
    check_cache(world);
}

static void inject_fault(struct world *world)
{
    int index = (int)rng_below(&world->rng, ACTORS);
    switch (rng_below(&world->rng, 8)) {
    case 0:
    case 1: actor_kill(world, index); break;
    case 2: broker_kill(world); break;
    case 3: learner_kill(world); break;
    case 4: world->actors[index].frozen_until = world->now + between(world, SECOND_US, 9 * SECOND_US); break;
    case 5: disconnect(world, (int)rng_below(&world->rng, ACTORS + 1)); break;
    case 6:
        if (chance(world, 0.3)) {
            broker_kill(world);
            learner_kill(world);
        }
        break;
    default:
        for (int i = 0; i < 20; i++)
            stranger(world);
        flood(world);
        break;
    }
}

/* --- running --- */

static void deliver(struct world *world, struct message *message)
{
    struct connection *connection = &world->connections[message->link];
    if (message->connection == connection->number && connection->under_way[message->is_to_broker] > 0)
        connection->under_way[message->is_to_broker]--;
    if (message->connection < 0)
        return; /* lost with its connection */
    if (message->is_to_broker) {
        struct wire_peer peer = peer_of(message->link);
        if (world->broker)
            broker_core_message(world->broker, world->now, &peer, message->envelope, message->envelope_bytes, message->payload,
                                message->payload_bytes);
    } else if (message->link == ACTORS) {
        struct err err;
        struct sim_learner *learner = &world->learner;
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
        learner_link_message(learner->link, world->now, message->envelope, message->envelope_bytes, message->payload,
                             message->payload_bytes);
    } else if (world->actors[message->link].link)
        actor_link_message(world->actors[message->link].link, world->now, message->envelope, message->envelope_bytes,
                           message->payload, message->payload_bytes);
}

static bool deliver_next(struct world *world, monotonic_us until)
{
    if (world->n_heap == 0 || world->heap[0].time > until)
        return false;
    struct message message = heap_pop(world);
    world->now = message.time;
    world->events++;
    struct sim_actor *actor = !message.is_to_broker && message.link < ACTORS ? &world->actors[message.link] : NULL;
    if (actor && actor->link && world->now < actor->frozen_until) {
        message.time = actor->frozen_until; /* waits in the frozen process's socket */
        heap_push(world, message);
        return true;
    }
    deliver(world, &message);
    message_free(&message);
    check_world(world, message.link, message.link);
    return true;
}

static void reconnect(struct world *world)
{
    for (int link = 0; link <= ACTORS; link++) {
        struct connection *connection = &world->connections[link];
        bool has_end = link == ACTORS ? world->learner.is_alive : world->actors[link].link != NULL;
        if (!connection->is_up && world->now >= connection->up_at && world->broker && has_end)
            connection->is_up = true;
    }
}

static void tick_all(struct world *world)
{
    if (!world->broker && world->now >= world->broker_start_at)
        broker_start(world);
    reconnect(world);
    if (world->broker)
        broker_core_tick(world->broker, world->now);
    check_world(world, 0, ACTORS - 1);
    learner_tick(world);
    check_world(world, 0, ACTORS - 1);
    for (int i = 0; i < ACTORS; i++)
        actor_tick(world, i);
    check_world(world, 0, ACTORS - 1);
    if (world->events % 16 == 0)
        check_cache(world);
    world->events++;
    if (faults_on(world) && chance(world, 0.04))
        inject_fault(world);
}

/* All that live actors announced has a fate and is acknowledged, and every evaluation came back. */
static bool is_at_rest(struct world *world)
{
    if (!world->learner.is_alive || orders_tasks(world->learner.orders) || world->learner.n_arrivals)
        return false;
    struct book book = ledger_book(world->learner.ledger);
    for (int i = 0; i < ACTORS; i++)
        if (!world->actors[i].link || actor_link_stats(world->actors[i].link).ring)
            return false;
    return book.away == 0 && book.held == 0;
}

static void world_end(struct world *world)
{
    struct world_result *result = world->result;
    result->events = world->events;
    result->kills = world->kills;
    result->restores = world->restores;
    for (int l = 0; world->learner.is_alive && l < LANES; l++)
        result->state = rng_bits(result->state ^ world->learner.states[l], RNG_SIMULATION, (uint64_t)l, 1, 1);
    if (world->learner.is_alive) {
        result->book = ledger_book(world->learner.ledger);
        learner_destroy(world);
    }
    ending = true;
    for (int i = 0; i < ACTORS; i++)
        if (world->actors[i].link) {
            actor_link_destroy(&world->actors[i].link);
            work_drop_all(&world->actors[i]);
        }
    ending = false;
    broker_core_destroy(&world->broker);
    for (int i = 0; i < world->n_heap; i++)
        message_free(&world->heap[i]);
    checkpoint_free(&world->checkpoints[0]);
    checkpoint_free(&world->checkpoints[1]);
    free(world->heap);
    free(world->history);
    free(world->incarnations);
    free(world->envelope);
    free(world->bytes);
    free(world);
}

/* The state of all parties on stderr, for someone who hunts a failing seed (SIM_DUMP=1). */
static void world_dump(struct world *world)
{
    static char json[BROKER_STATS_BYTES];
    if (world->learner.is_alive) {
        struct orders_stats o = orders_stats(world->learner.orders);
        struct learner_link_stats l = learner_link_stats(world->learner.link);
        (void)!ledger_json(world->learner.ledger, json, sizeof json);
        fprintf(stderr,
                "learner state %d updates %d arrivals %d live %d malformed %llu unknown %llu dropped %llu publish_due %d\n%s\n",
                learner_link_state(world->learner.link), world->learner.updates, world->learner.n_arrivals, l.actors_live,
                (unsigned long long)l.malformed, (unsigned long long)l.unknown, (unsigned long long)l.dropped,
                world->learner.publish_due, json);
        fprintf(stderr,
                "orders issued %llu reissued %llu leases %llu outstanding %d idle %d actors %d tasks %d unplaced %d oldest %llu\n",
                (unsigned long long)o.issued, (unsigned long long)o.reissued, (unsigned long long)o.leases_over, o.outstanding,
                o.idle, o.actors, o.tasks, o.unplaced, (unsigned long long)o.oldest_version);
    }
    for (int i = 0; i < ACTORS; i++)
        if (world->actors[i].link) {
            struct actor_link_stats a = actor_link_stats(world->actors[i].link);
            fprintf(
                stderr,
                "actor %d state %d next %llu acked %llu may %llu resent %llu orders %llu queue %d malformed %llu version %llu\n", i,
                actor_link_state(world->actors[i].link), (unsigned long long)a.next_sequence, (unsigned long long)a.acked_upto,
                (unsigned long long)a.may_send_upto, (unsigned long long)a.resent, (unsigned long long)a.orders,
                world->actors[i].count, (unsigned long long)a.malformed, (unsigned long long)a.version.number);
        }
    if (world->broker && broker_core_stats(world->broker, world->now, json, sizeof json) > 0)
        fprintf(stderr, "%s\n", json);
}

static enum mutation current_mutation; /* read by the wrapped functions of test_sim_catches.c */

static struct world_result world_run(struct world_options options)
{
    struct world_result result = {0};
    struct world *world = calloc(1, sizeof *world);
    world->options = options;
    world->result = &result;
    world->rng = rng_stream(options.seed, RNG_SIMULATION, 0, 0, 0);
    world->incarnations = calloc(INCARNATIONS, sizeof *world->incarnations);
    world->envelope = calloc(1, sizeof *world->envelope);
    world->bytes = malloc(PROTOCOL_ENVELOPE_BYTES);
    world->now = SECOND_US;
    current_mutation = options.mutation;
    for (int i = 0; i < ACTORS; i++) {
        world->actors[i].incarnation = -1;
        world->actors[i].start_at = world->now + (i < 4 ? 0 : between(world, 0, 20 * SECOND_US));
    }
    bool is_done = false;
    while (!result.sentence && !is_done && world->now < LIMIT_US) {
        monotonic_us next = world->now + TICK_US;
        while (!result.sentence && deliver_next(world, next))
            ;
        world->now = next;
        tick_all(world);
        is_done = reached(world) && is_at_rest(world) && (world->options.is_quiet || world->now > FAULTS_US);
    }
    if (!is_done)
        violated(world, 2, "the run did not go on: %d of %d updates, learner %s", world->learner.updates, options.updates,
                 world->learner.is_alive ? "alive" : "dead");
    if (result.sentence && getenv("SIM_DUMP"))
        world_dump(world);
    world_end(world);
    return result;
}

#endif
