/* The simulated world's learner process: a model trainer and a disk on the real link and books. See world.h. */
#include "tests/sim/parts.h"

monotonic_us learner_clock(const struct world *world)
{
    return world->now + world->learner.clock_offset;
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
        return network_send(world, LEARNER_LINK, true, world->bytes, (size_t)length, payload, payload_bytes);
    }
    return network_send(world, LEARNER_LINK, true, envelope, envelope_bytes, payload, payload_bytes);
}

/* Slices of each lane that the run consists of. */
static uint64_t slice_goal(const struct world *world)
{
    return (uint64_t)world->options.updates;
}

bool learner_reached(const struct world *world)
{
    if (!world->learner.is_alive)
        return false;
    for (int l = 0; l < world->course.lanes; l++)
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
    ASSERT(!learner_link_publish(learner->link, learner_clock(world), weights, slice_end));
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
    ASSERT(!ledger_load(learner->ledger, checkpoint->ledger, checkpoint->ledger_bytes, &err));
    ASSERT(!orders_load(learner->orders, checkpoint->orders, checkpoint->orders_bytes, &err));
    learner->updates = checkpoint->updates;
    memcpy(learner->states, checkpoint->states, sizeof learner->states);
    history_truncate(world, checkpoint->history);
    world->result->restores++;
}

/* What the kill cost. More than an interval only while a failing disk was known and told. */
static void learner_resume(struct world *world)
{
    struct sim_disk *disk = &world->disk;
    const struct sim_checkpoint *checkpoint = &disk->checkpoints[world->options.mutation == MUTATE_OLD_CHECKPOINT];
    int lost = world->best_updates - checkpoint->updates;
    if (lost > CHECKPOINT_UPDATES && !disk->had_alarm)
        violated(world, 6, "a kill cost %d updates without an alarm, checkpoints come every %d", lost, CHECKPOINT_UPDATES);
    world->best_updates = checkpoint->updates;
    if (checkpoint->ledger)
        learner_load(world, checkpoint);
    else
        history_truncate(world, 0);
}

static void learner_start(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    *learner = (struct sim_learner){.is_alive = true, .clock_offset = between(world, 0, 1000 * (monotonic_us)SECOND_US)};
    if (world->options.mutation != MUTATE_SAME_GENERATION || !world->disk.generation)
        world->disk.generation++;
    learner->generation = world->disk.generation;
    learner->incarnation = new_id(world, -1);
    const struct orders_options orders = {.lanes = world->course.lanes,
                                          .depth = world->options.is_async ? ASYNC_DEPTH : 1,
                                          .max_lag = world->options.is_async ? ASYNC_LAG : 0,
                                          .lease_ms = LEASE_MS};
    const struct intake_options intake = {
        .run = "sim", .generation = learner->generation, .pool_bytes = POOL_BYTES, .ops = &sim_intake_ops, .context = world};
    ASSERT(!ledger_create(&learner->ledger) && !orders_create(&learner->orders, &orders) &&
           !intake_create(&learner->intake, &intake));
    learner_resume(world);
    learner->version = (uint64_t)learner->updates;
    save_schedule_begin(&learner->save, CHECKPOINT_UPDATES, learner->version);
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

void learner_destroy(struct world *world)
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

void learner_kill(struct world *world)
{
    if (!world->learner.is_alive)
        return;
    world->disk.had_alarm = world->learner.save.failing > 0;
    learner_destroy(world);
    disconnect(world, LEARNER_LINK);
    world->learner.start_at = world->now + between(world, 200000, 6 * SECOND_US);
}

static void checkpoint_free(struct sim_checkpoint *checkpoint)
{
    free(checkpoint->ledger);
    free(checkpoint->orders);
    *checkpoint = (struct sim_checkpoint){0};
}

void disk_free(struct sim_disk *disk)
{
    checkpoint_free(&disk->checkpoints[0]);
    checkpoint_free(&disk->checkpoints[1]);
}

static void checkpoint_write(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    struct sim_disk *disk = &world->disk;
    struct sim_checkpoint new = {.updates = learner->updates, .history = world->n_history};
    ASSERT(!ledger_save(learner->ledger, &new.ledger, &new.ledger_bytes));
    ASSERT(!orders_save(learner->orders, &new.orders, &new.orders_bytes));
    memcpy(new.states, learner->states, sizeof new.states);
    checkpoint_free(&disk->checkpoints[1]);
    disk->checkpoints[1] = disk->checkpoints[0];
    disk->checkpoints[0] = new;
}

static void checkpoint_save(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    bool is_full = world->now < world->disk.full_until, is_told = is_full && world->options.mutation != MUTATE_SILENT_DISK;
    if (!is_full)
        checkpoint_write(world);
    world->result->saves_failed += is_full;
    save_schedule_done(&learner->save, learner_clock(world), (uint64_t)learner->updates, !is_told);
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
        if (orders_add_task(learner->orders, &task, UINT32_MAX))
            return; /* as many as there may be wait already */
    }
}

static void after_update(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    learner->updates++;
    if (learner->updates > world->best_updates)
        world->best_updates = learner->updates;
    if (save_schedule_is_due(&learner->save, learner_clock(world), (uint64_t)learner->updates))
        checkpoint_save(world);
    check_disk(world);
    if (learner->updates % 8 == 0)
        add_evaluations(world);
    learner->publish_due = true;
    learner->publish_at = world->now + between(world, 0, 300000); /* a checkpoint is being written, messages come and go */
}

/* Async: the oldest versions first, and only when publishing the next version after it keeps the lag bound. */
static bool has_batch(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    const struct trajectory *batch[LANES_MAX];
    int n = 0, ready = training_arrivals(learner);
    bool is_end = world->options.is_async && orders_stats(learner->orders).outstanding == 0; /* the last lanes fill no batch */
    if (ready == 0 || (ready < world->course.lanes && !is_end))
        return false;
    for (const struct arrival *a = learner->first; a && n < world->course.lanes; a = a->next)
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
    for (int i = 0; i < world->course.lanes && i < n; i++) {
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

void learner_tick(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    if (!learner->is_alive && world->now >= learner->start_at)
        learner_start(world);
    if (!learner->is_alive || world->now < learner->frozen_until)
        return;
    learner_link_tick(learner->link, learner_clock(world));
    learner_train(world);
    learner_evaluate(world);
    if (learner->publish_due && world->now >= learner->publish_at) {
        if (world->options.mutation != MUTATE_IGNORE_LAG && !orders_may_publish(learner->orders, learner->version + 1))
            violated(world, 7, "version %llu would put a slice beyond the lag bound", (unsigned long long)learner->version + 1);
        learner_publish(world);
    }
    learner_link_pump(learner->link, learner_clock(world));
    if (learner->is_over)
        learner_kill(world);
}
