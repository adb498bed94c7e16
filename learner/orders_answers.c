/* The order book: what comes back, tasks, lag, views, checkpoint. See orders.h, orders_internal.h. */
#include "learner/orders_internal.h"

#include <stdlib.h>
#include <string.h>

#include "wire/codec.h"

/* --- what comes back --- */

static bool answers(const struct assignment *assignment, int w, const struct trajectory *trajectory)
{
    return assignment->is_ordered && assignment->worker == w && assignment->number == trajectory->order;
}

static struct task *task_find(const struct orders *orders, int w, const struct trajectory *trajectory)
{
    for (int t = 0; t < orders->n_tasks; t++)
        if (answers(&orders->tasks[t]->assignment, w, trajectory))
            return orders->tasks[t];
    return NULL;
}

static bool same_version(struct weights_version a, struct weights_version b)
{
    return weights_version_compare(a, b) == 0;
}

int orders_match(struct orders *orders, uint32_t actor, uint64_t incarnation, const struct trajectory *trajectory)
{
    int w = orders_worker(orders, actor, incarnation);
    if (w < 0 || trajectory->version.generation != orders->generation)
        return ERR_DUPLICATE;
    orders_worker_has(&orders->workers[w], trajectory->order); /* it answers it, so it has it */
    if (trajectory->purpose == ORDER_TRAIN) {
        if (trajectory->lane < 0 || trajectory->lane >= orders->options.lanes)
            return ERR_RANGE;
        const struct lane *lane = &orders->lanes[trajectory->lane];
        if (!answers(&lane->assignment, w, trajectory))
            return ERR_DUPLICATE;
        return trajectory->slice == lane->next && same_version(trajectory->version, lane->assignment.version) ? 0 : ERR_MISMATCH;
    }
    const struct task *task = task_find(orders, w, trajectory);
    if (!task)
        return ERR_DUPLICATE;
    return task->order.purpose == trajectory->purpose && task->order.lane == trajectory->lane &&
                   task->order.slice == trajectory->slice && same_version(task->order.version, trajectory->version)
               ? 0
               : ERR_MISMATCH;
}

static int snapshot_set(struct snapshot *snapshot, const void *data, uint32_t bytes)
{
    if (bytes > snapshot->capacity) {
        unsigned char *grown = realloc(snapshot->data, bytes);
        if (!grown)
            return ERR_NOMEM;
        snapshot->data = grown;
        snapshot->capacity = bytes;
    }
    if (bytes)
        memcpy(snapshot->data, data, bytes);
    snapshot->bytes = bytes;
    return 0;
}

static void finish(struct orders *orders, struct assignment *assignment, bool is_lane)
{
    orders->workers[assignment->worker].outstanding--;
    orders->workers[assignment->worker].tasks -= !is_lane;
    assignment->is_ordered = false;
    assignment->failures = 0;
    assignment->retry_at = 0;
    assignment->avoid = UINT32_MAX;
}

static void task_remove(struct orders *orders, struct task *task)
{
    for (int t = 0; t < orders->n_tasks; t++)
        if (orders->tasks[t] == task) {
            memmove(&orders->tasks[t], &orders->tasks[t + 1], (size_t)(--orders->n_tasks - t) * sizeof *orders->tasks);
            break;
        }
    orders_task_free(task);
}

/* The one assignment that a matched trajectory answers. */
static struct assignment *assignment_of(struct orders *orders, uint32_t actor, uint64_t incarnation,
                                        const struct trajectory *trajectory, struct task **task)
{
    int w = orders_worker(orders, actor, incarnation);
    *task = trajectory->purpose == ORDER_TRAIN ? NULL : task_find(orders, w, trajectory);
    struct assignment *assignment = *task ? &(*task)->assignment : &orders->lanes[trajectory->lane].assignment;
    ASSERT(answers(assignment, w, trajectory)); /* callers matched it */
    return assignment;
}

int orders_arrived(struct orders *orders, uint32_t actor, uint64_t incarnation, const struct trajectory *trajectory,
                   const void *snapshot, uint32_t snapshot_bytes)
{
    struct task *task;
    struct assignment *assignment = assignment_of(orders, actor, incarnation, trajectory, &task);
    if (task) {
        finish(orders, assignment, false);
        task_remove(orders, task);
        return 0;
    }
    struct lane *lane = &orders->lanes[trajectory->lane];
    if (snapshot_set(&lane->snapshots[(lane->next + 1) % SNAPSHOTS], snapshot, snapshot_bytes))
        return ERR_NOMEM;
    lane->versions[lane->next % ORDERS_DEPTH_MAX] = assignment->version.number;
    lane->holder = assignment->worker;
    lane->next++;
    finish(orders, assignment, true);
    return 0;
}

void orders_failed(struct orders *orders, uint32_t actor, uint64_t incarnation, const struct trajectory *trajectory)
{
    struct task *task;
    struct assignment *assignment = assignment_of(orders, actor, incarnation, trajectory, &task);
    orders_take_back(orders, assignment, !task);
    assignment->failures++;
    assignment->retry_at = 0;
    orders->stats.reissued++;
    if (assignment->failures > 1)
        assignment->avoid = actor; /* once may be a lost lane; twice looks like the actor */
    if (!task)
        orders->lanes[trajectory->lane].holder = NOBODY;
}

void orders_committed(struct orders *orders, int lane, uint64_t slice)
{
    struct lane *at = &orders->lanes[lane];
    ASSERT(slice == at->committed && slice < at->next);
    at->committed++;
    orders->has_decided = true;
}

uint64_t orders_lane_slice(const struct orders *orders, int lane)
{
    return orders->lanes[lane].committed;
}

static uint64_t oldest_of_lane(const struct lane *lane, int n_decided)
{
    uint64_t oldest = lane->assignment.is_ordered ? lane->assignment.version.number : UINT64_MAX;
    for (uint64_t s = lane->committed + (uint64_t)n_decided; s < lane->next; s++)
        if (lane->versions[s % ORDERS_DEPTH_MAX] < oldest)
            oldest = lane->versions[s % ORDERS_DEPTH_MAX];
    return oldest;
}

/* Of undecided slices, leaving out the first n_decided[lane] of each lane (NULL: none). */
static uint64_t oldest_version(const struct orders *orders, const int *n_decided)
{
    uint64_t oldest = UINT64_MAX;
    for (int l = 0; l < orders->options.lanes; l++) {
        uint64_t of_lane = oldest_of_lane(&orders->lanes[l], n_decided ? n_decided[l] : 0);
        oldest = of_lane < oldest ? of_lane : oldest;
    }
    return oldest;
}

static bool is_within_lag(const struct orders *orders, uint64_t oldest, uint64_t number)
{
    return oldest == UINT64_MAX || number <= oldest || number - oldest <= orders->options.max_lag;
}

bool orders_may_publish(const struct orders *orders, uint64_t number)
{
    return is_within_lag(orders, oldest_version(orders, NULL), number);
}

bool orders_may_publish_after(const struct orders *orders, uint64_t number, const struct trajectory *const *decided, int n)
{
    int n_decided[ORDER_LANES_MAX] = {0};
    for (int i = 0; i < n; i++)
        n_decided[decided[i]->lane]++;
    return is_within_lag(orders, oldest_version(orders, n_decided), number);
}

/* --- tasks --- */

static int task_version(const struct orders *orders, struct task *task)
{
    if (!task->order.version.generation) {
        task->order.version = orders->version;
        task->manifest = orders->manifest;
        return orders->version.generation ? 0 : ERR_UNKNOWN;
    }
    for (int i = 0; i < HISTORY; i++)
        if (same_version(orders->history[i].version, task->order.version)) {
            task->manifest = orders->history[i].manifest;
            return 0;
        }
    return ERR_UNKNOWN;
}

int orders_add_task(struct orders *orders, const struct order *order, uint32_t not_actor)
{
    return orders_add_task_beside(orders, order, &not_actor, 1);
}

int orders_add_task_beside(struct orders *orders, const struct order *order, const uint32_t *not_actors, int n)
{
    ASSERT(n <= ORDERS_NOT_MAX);
    if (orders->n_tasks == ORDERS_TASKS_MAX || order->snapshot_bytes > ORDER_SNAPSHOT_MAX)
        return ERR_LIMIT;
    struct task *task = calloc(1, sizeof *task);
    if (!task)
        return ERR_NOMEM;
    task->order = *order;
    for (int i = 0; i < ORDERS_NOT_MAX; i++)
        task->not_actors[i] = i < n ? not_actors[i] : UINT32_MAX;
    task->assignment.avoid = UINT32_MAX;
    int r = task_version(orders, task);
    if (!r && order->snapshot_bytes && !(task->snapshot = malloc(order->snapshot_bytes)))
        r = ERR_NOMEM;
    if (r) {
        orders_task_free(task);
        return r;
    }
    if (order->snapshot_bytes)
        memcpy(task->snapshot, order->snapshot, order->snapshot_bytes);
    orders->tasks[orders->n_tasks++] = task;
    return 0;
}

void orders_drop_task(struct orders *orders, enum order_purpose purpose, int lane, uint64_t slice)
{
    for (int t = orders->n_tasks - 1; t >= 0; t--) {
        struct task *task = orders->tasks[t];
        if (task->order.purpose != purpose || task->order.lane != lane || task->order.slice != slice)
            continue;
        if (task->assignment.is_ordered)
            orders_take_back(orders, &task->assignment, false);
        task_remove(orders, task);
    }
}

int orders_tasks(const struct orders *orders)
{
    return orders->n_tasks;
}

/* --- views --- */

struct orders_stats orders_stats(const struct orders *orders)
{
    struct orders_stats stats = orders->stats;
    for (int l = 0; l < orders->options.lanes; l++)
        *(orders->lanes[l].assignment.is_ordered ? &stats.outstanding : &stats.idle) += 1;
    for (int w = 0; w < orders->n_workers; w++)
        stats.actors += orders->workers[w].is_used && orders->workers[w].is_live;
    for (int l = 0; l < orders->options.lanes; l++)
        if (orders->lanes[l].assignment.failures > stats.most_failures)
            stats.most_failures = orders->lanes[l].assignment.failures;
    for (int i = 0; i < orders->n_tasks; i++)
        if (orders->tasks[i]->assignment.failures > stats.most_failures)
            stats.most_failures = orders->tasks[i]->assignment.failures;
    stats.tasks = orders->n_tasks;
    stats.oldest_version = oldest_version(orders, NULL);
    return stats;
}

int orders_holder(const struct orders *orders, int lane, uint32_t *actor)
{
    const struct assignment *assignment = &orders->lanes[lane].assignment;
    if (assignment->is_ordered)
        *actor = orders->workers[assignment->worker].actor;
    return assignment->is_ordered;
}

static int add_version(struct weights_version *versions, int n, int max, struct weights_version version)
{
    for (int i = 0; i < n; i++)
        if (same_version(versions[i], version))
            return n;
    if (n < max)
        versions[n++] = version;
    return n;
}

int orders_versions(const struct orders *orders, struct weights_version *versions, int max)
{
    int n = 0;
    for (int l = 0; l < orders->options.lanes; l++)
        if (orders->lanes[l].assignment.is_ordered)
            n = add_version(versions, n, max, orders->lanes[l].assignment.version);
    for (int t = 0; t < orders->n_tasks; t++)
        n = add_version(versions, n, max, orders->tasks[t]->order.version);
    return n;
}

const void *orders_snapshot(const struct orders *orders, int lane, uint64_t slice, uint32_t *bytes)
{
    const struct lane *at = &orders->lanes[lane];
    *bytes = 0;
    if (slice == 0 || slice < at->committed || slice > at->next)
        return NULL;
    *bytes = at->snapshots[slice % SNAPSHOTS].bytes;
    return at->snapshots[slice % SNAPSHOTS].data;
}

/* --- checkpoint --- */

#define LANE_BYTES_MAX 64

int orders_save(const struct orders *orders, unsigned char **data, size_t *length)
{
    size_t size = LANE_BYTES_MAX;
    for (int l = 0; l < orders->options.lanes; l++)
        size += LANE_BYTES_MAX + orders->lanes[l].snapshots[orders->lanes[l].committed % SNAPSHOTS].bytes;
    if (!(*data = malloc(size)))
        return ERR_NOMEM;
    struct pack pack;
    pack_begin(&pack, *data, size);
    pack_array(&pack, (uint32_t)orders->options.lanes);
    for (int l = 0; l < orders->options.lanes; l++) {
        const struct lane *lane = &orders->lanes[l];
        const struct snapshot *snapshot = &lane->snapshots[lane->committed % SNAPSHOTS];
        pack_array(&pack, 2);
        pack_u64(&pack, lane->committed);
        pack_bytes(&pack, snapshot->data, lane->committed ? snapshot->bytes : 0);
    }
    int used = pack_end(&pack);
    ASSERT(used > 0);
    *length = (size_t)used;
    return 0;
}

int orders_load(struct orders *orders, const void *data, size_t length, struct err *err)
{
    struct unpack unpack;
    unpack_begin(&unpack, data, length);
    uint32_t lanes = unpack_array(&unpack, ORDER_LANES_MAX);
    if (!unpack.error && lanes != (uint32_t)orders->options.lanes)
        return err_set(err, ERR_MISMATCH, "orders: saved with %u lanes, the recipe says %d", lanes, orders->options.lanes);
    for (uint32_t l = 0; l < lanes && !unpack.error; l++) {
        struct lane *lane = &orders->lanes[l];
        size_t bytes;
        if (unpack_array(&unpack, 2) != 2)
            unpack_fail(&unpack, ERR_FORMAT, "a lane has two parts");
        lane->committed = lane->next = unpack_u64(&unpack, UINT64_MAX / 2);
        const unsigned char *snapshot = unpack_bytes(&unpack, ORDER_SNAPSHOT_MAX, &bytes);
        if (!unpack.error && snapshot_set(&lane->snapshots[lane->next % SNAPSHOTS], snapshot, (uint32_t)bytes))
            return err_set(err, ERR_NOMEM, "no memory for a snapshot of %zu bytes", bytes);
    }
    return unpack_end(&unpack, "orders", err);
}
