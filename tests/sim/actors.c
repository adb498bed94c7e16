/* Actors of the simulated world: model environments on real links. See world.h. */
#include "tests/sim/parts.h"

#define LEAVE_US (15 * SECOND_US) /* a draining actor waits so long for the fates of what it holds */

void actor_drop_work(struct sim_actor *actor)
{
    for (; actor->count > 0; actor->count--) {
        work_destroy(&actor->queue[actor->start]);
        actor->start = (actor->start + 1) % (int)ARRAY_LEN(actor->queue);
    }
}

monotonic_us actor_clock(const struct world *world, const struct sim_actor *actor)
{
    return world->now + actor->clock_offset;
}

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
    actor_drop_work(&at->world->actors[at->index]);
}

static void buffer_free(struct trajectory *buffer)
{
    free(buffer->frame);
    free(buffer);
}

static void sim_actor_release(void *context, struct trajectory *trajectory)
{
    struct actor_context *at = context;
    struct world *world = at->world;
    struct sim_actor *actor = &world->actors[at->index];
    if (!world->is_ending && actor->incarnation >= 0) {
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
    *real = (struct incarnation){.id = new_id(world, world->n_incarnations), .actor = index, .is_alive = true};
    *actor = (struct sim_actor){.context = {world, index},
                                .incarnation = world->n_incarnations++,
                                .clock_offset = between(world, 0, 1000 * (monotonic_us)SECOND_US)};
    const struct actor_link_options options = {.actor = (uint32_t)index,
                                               .incarnation = real->id,
                                               .window = WINDOW,
                                               .window_bytes = 1 << 20,
                                               .cache_bytes = 4 << 20,
                                               .ops = &sim_actor_ops,
                                               .context = &actor->context};
    ASSERT(!actor_link_create(&actor->link, &options));
}

/* The process is gone, whatever it still held. */
static void actor_remove(struct world *world, int index, monotonic_us back_at)
{
    struct sim_actor *actor = &world->actors[index];
    world->incarnations[actor->incarnation].announced = actor_link_stats(actor->link).next_sequence - 1;
    world->incarnations[actor->incarnation].is_alive = false;
    world->is_ending = true;
    actor_link_destroy(&actor->link);
    world->is_ending = false;
    actor_drop_work(actor);
    actor->incarnation = -1;
    disconnect(world, index);
    actor->start_at = back_at;
}

void actor_kill(struct world *world, int index)
{
    if (world->actors[index].link)
        actor_remove(world, index, world->now + between(world, 200000, 8 * SECOND_US));
}

void actor_leave(struct world *world, int index)
{
    struct sim_actor *actor = &world->actors[index];
    if (!actor->link || actor->leave_until || actor_link_state(actor->link) == LINK_NEW)
        return;
    actor->leave_until = world->now + LEAVE_US;
    actor_drop_work(actor);
    actor_link_drain(actor->link, actor_clock(world, actor));
}

/* A draining actor goes when all that it announced has a fate, or when it was told to wait no longer. */
static void actor_finish_leave(struct world *world, int index)
{
    struct sim_actor *actor = &world->actors[index];
    bool is_done = actor_link_state(actor->link) == LINK_DONE;
    if (!is_done && world->now < actor->leave_until)
        return;
    if (is_done && actor_link_stats(actor->link).ring)
        violated(world, 2, "actor %d left with %llu trajectories without a fate", index,
                 (unsigned long long)actor_link_stats(actor->link).ring);
    actor_remove(world, index, world->now + between(world, SECOND_US, 20 * SECOND_US));
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
    ASSERT(!actor_link_describe(actor->link, actor_clock(world, actor), &spec, &actor->schema, world->course.room));
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

static void actor_work(struct world *world, struct sim_actor *actor)
{
    if (actor->count == 0 || world->now < actor->busy_until || !actor->link)
        return;
    struct work *work = actor->queue[actor->start];
    actor->start = (actor->start + 1) % (int)ARRAY_LEN(actor->queue);
    actor->count--;
    struct trajectory *t = trajectory_make(actor, work);
    bool is_liar = actor - world->actors < world->course.liars;
    if (faults_on(world) && chance(world, is_liar ? 0.3 : 0.002))
        trajectory_damage(world, t);
    if (work->order.purpose == ORDER_TRAIN && weights_version_compare(work->order.version, actor->acted) < 0)
        violated(world, 4, "actor %d acts with version %llu after %llu", (int)(actor - world->actors),
                 (unsigned long long)work->order.version.number, (unsigned long long)actor->acted.number);
    if (work->order.purpose == ORDER_TRAIN)
        actor->acted = work->order.version;
    work_destroy(&work);
    if (actor_link_submit(actor->link, actor_clock(world, actor), t))
        buffer_free(t);
    /* Every fourth actor is slow, so that lag and leases have something to do. */
    bool is_slow = (actor - world->actors) % 4 == 3;
    actor->busy_until = world->now + between(world, 2000, is_slow ? 700000 : 60000);
}

void actor_tick(struct world *world, int index)
{
    struct sim_actor *actor = &world->actors[index];
    if (!actor->link && world->now >= actor->start_at)
        actor_start(world, index);
    if (!actor->link || world->now < actor->frozen_until)
        return;
    actor_link_tick(actor->link, actor_clock(world, actor));
    if (actor->wants_describe)
        actor_describe(world, actor);
    if (!actor->leave_until)
        actor_work(world, actor);
    if (actor->is_over)
        actor_kill(world, index);
    else if (actor->leave_until)
        actor_finish_leave(world, index);
}
