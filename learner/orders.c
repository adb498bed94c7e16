/* The order book: see orders.h.
 *
 * Each incarnation of an actor has a numbered record of orders that it is not known to have; a record is sent, sent again after two seconds
 * or at once for a new broker, and forgotten when the actor names a number at or above it. An order that is taken back before it was
 * delivered stays in the record as cancelled, since numbers have no gaps. */
#include "learner/orders_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define RESEND_US 2000000
#define TASKS_PER_ACTOR 4
#define RETRY_US 1000000

/* --- create, destroy --- */

int orders_create(struct orders **orders, const struct orders_options *options)
{
    ASSERT(options->lanes >= 1 && options->lanes <= ORDER_LANES_MAX && options->depth >= 1 && options->depth <= ORDERS_DEPTH_MAX);
    struct orders *new = calloc(1, sizeof *new);
    *orders = new;
    if (!new)
        return ERR_NOMEM;
    new->options = *options;
    new->lanes = calloc((size_t)options->lanes, sizeof *new->lanes);
    new->tasks = calloc(ORDERS_TASKS_MAX, sizeof *new->tasks);
    if (!new->lanes || !new->tasks) {
        orders_destroy(orders);
        return ERR_NOMEM;
    }
    for (int l = 0; l < options->lanes; l++) {
        new->lanes[l].holder = new->lanes[l].target = NOBODY;
        new->lanes[l].assignment.avoid = UINT32_MAX;
    }
    return 0;
}

void orders_task_free(struct task *task)
{
    free(task->snapshot);
    free(task);
}

void orders_destroy(struct orders **orders)
{
    struct orders *old = *orders;
    if (!old)
        return;
    for (int l = 0; old->lanes && l < old->options.lanes; l++)
        for (int s = 0; s < SNAPSHOTS; s++)
            free(old->lanes[l].snapshots[s].data);
    for (int t = 0; t < old->n_tasks; t++)
        orders_task_free(old->tasks[t]);
    for (int w = 0; w < old->n_workers; w++)
        free(old->workers[w].records);
    free(old->lanes);
    free(old->tasks);
    free(old);
    *orders = NULL;
}

void orders_set_generation(struct orders *orders, uint32_t generation)
{
    ASSERT(orders->stats.issued == 0);
    orders->generation = generation;
}

void orders_allow(struct orders *orders, struct weights_version version, struct blob_name manifest, uint64_t slice_end)
{
    if (weights_version_compare(version, orders->version) > 0) {
        orders->version = version;
        orders->manifest = manifest;
        orders->history[orders->history_at].version = version;
        orders->history[orders->history_at].manifest = manifest;
        orders->history_at = (orders->history_at + 1) % HISTORY;
    }
    if (slice_end > orders->slice_end)
        orders->slice_end = slice_end;
    orders->has_decided = false;
}

/* --- workers and their records --- */

int orders_worker(const struct orders *orders, uint32_t actor, uint64_t incarnation)
{
    for (int w = 0; w < orders->n_workers; w++)
        if (orders->workers[w].is_used && orders->workers[w].actor == actor && orders->workers[w].incarnation == incarnation)
            return w;
    return NOBODY;
}

/* A new row; else that of the gone incarnation that came first. Its late trajectories match no order any more. */
static int worker_row(struct orders *orders)
{
    if (orders->n_workers < WORKERS_MAX)
        return orders->n_workers++;
    int oldest = NOBODY;
    for (int w = 0; w < WORKERS_MAX; w++)
        if (!orders->workers[w].is_live && (oldest < 0 || orders->workers[w].incarnation < orders->workers[oldest].incarnation))
            oldest = w;
    for (int l = 0; oldest >= 0 && l < orders->options.lanes; l++)
        if (orders->lanes[l].holder == oldest)
            orders->lanes[l].holder = NOBODY;
    if (oldest >= 0)
        free(orders->workers[oldest].records);
    return oldest;
}

static struct record *record_at(const struct worker *worker, uint64_t number)
{
    return &worker->records[number & (worker->capacity - 1)];
}

static struct record *record_add(struct worker *worker)
{
    uint64_t waiting = worker->next_number - 1 - worker->has_upto;
    if (waiting == worker->capacity) {
        uint64_t capacity = worker->capacity ? 2 * worker->capacity : 64;
        struct record *grown = calloc(capacity, sizeof *grown);
        if (!grown)
            return NULL;
        for (uint64_t n = worker->has_upto + 1; n < worker->next_number; n++)
            grown[n & (capacity - 1)] = *record_at(worker, n);
        free(worker->records);
        worker->records = grown;
        worker->capacity = capacity;
    }
    struct record *record = record_at(worker, worker->next_number);
    memset(record, 0, sizeof *record);
    record->item.order.number = worker->next_number++;
    return record;
}

void orders_worker_has(struct worker *worker, uint64_t upto)
{
    if (upto >= worker->next_number)
        upto = worker->next_number - 1; /* it cannot have what was never given: of another learner's numbering */
    if (upto > worker->has_upto)
        worker->has_upto = upto;
    if (worker->sent_upto < worker->has_upto)
        worker->sent_upto = worker->has_upto;
}

void orders_take_back(struct orders *orders, struct assignment *assignment, bool is_lane)
{
    struct worker *worker = &orders->workers[assignment->worker];
    ASSERT(assignment->is_ordered);
    if (assignment->number > worker->has_upto) {
        record_at(worker, assignment->number)->item.is_cancelled = true;
        orders->stats.cancelled++;
    }
    assignment->is_ordered = false;
    worker->outstanding--;
    worker->tasks -= !is_lane;
}

void orders_actor_live(struct orders *orders, uint32_t actor, uint64_t incarnation, int lanes)
{
    if (orders_is_quarantined(orders, actor))
        return;
    int w = orders_worker(orders, actor, incarnation);
    if (w < 0) {
        if ((w = worker_row(orders)) < 0)
            return;
        orders->workers[w] = (struct worker){.actor = actor, .incarnation = incarnation, .is_used = true, .next_number = 1};
        orders->targets_dirty = true;
    }
    struct worker *worker = &orders->workers[w];
    orders->targets_dirty |= !worker->is_live || worker->lanes != lanes;
    worker->is_live = true;
    worker->lanes = lanes;
}

void orders_actor_gone(struct orders *orders, uint32_t actor, uint64_t incarnation)
{
    int w = orders_worker(orders, actor, incarnation);
    if (w < 0 || !orders->workers[w].is_live)
        return;
    orders->workers[w].is_live = false;
    orders->targets_dirty = true;
    for (int l = 0; l < orders->options.lanes; l++) {
        struct lane *lane = &orders->lanes[l];
        if (lane->holder == w)
            lane->holder = NOBODY;
        if (lane->assignment.is_ordered && lane->assignment.worker == w) {
            orders_take_back(orders, &lane->assignment, true);
            orders->stats.reissued++;
        }
    }
    for (int t = 0; t < orders->n_tasks; t++)
        if (orders->tasks[t]->assignment.is_ordered && orders->tasks[t]->assignment.worker == w)
            orders_take_back(orders, &orders->tasks[t]->assignment, false);
}

bool orders_is_quarantined(const struct orders *orders, uint32_t actor)
{
    for (int i = 0; i < orders->n_quarantined; i++)
        if (orders->quarantined[i] == actor)
            return true;
    return false;
}

void orders_quarantine(struct orders *orders, uint32_t actor)
{
    if (orders_is_quarantined(orders, actor))
        return;
    if (orders->n_quarantined < PROTOCOL_ACTORS_MAX)
        orders->quarantined[orders->n_quarantined++] = actor;
    for (int w = 0; w < orders->n_workers; w++)
        if (orders->workers[w].is_used && orders->workers[w].actor == actor)
            orders_actor_gone(orders, actor, orders->workers[w].incarnation);
}

void orders_actor_has(struct orders *orders, uint32_t actor, uint64_t incarnation, uint32_t generation, uint64_t upto)
{
    int w = orders_worker(orders, actor, incarnation);
    if (w >= 0 && generation == orders->generation)
        orders_worker_has(&orders->workers[w], upto);
}

/* --- fair shares --- */

static int compare_workers(const void *a, const void *b, void *context)
{
    const struct orders *orders = context;
    uint32_t left = orders->workers[*(const int *)a].actor, right = orders->workers[*(const int *)b].actor;
    return left < right ? -1 : left > right;
}

/* Contiguous runs of lanes over the live actors in the order of their ids: equal shares, capped by what each can hold. */
static void place_lanes(struct orders *orders)
{
    int live[WORKERS_MAX], n = 0, lane = 0, room = 0;
    for (int w = 0; w < orders->n_workers; w++)
        if (orders->workers[w].is_used && orders->workers[w].is_live && orders->workers[w].lanes > 0) {
            room += orders->workers[w].lanes;
            live[n++] = w;
        }
    qsort_r(live, (size_t)n, sizeof *live, compare_workers, orders);
    for (int i = 0; i < n; i++) {
        int left = orders->options.lanes - lane, own = orders->workers[live[i]].lanes;
        int share = (left + n - i - 1) / (n - i);
        room -= own;
        if (share < left - room)
            share = left - room; /* those after it cannot hold more */
        for (share = share < own ? share : own; share > 0; share--)
            orders->lanes[lane++].target = live[i];
    }
    orders->stats.unplaced = orders->options.lanes - lane;
    while (lane < orders->options.lanes)
        orders->lanes[lane++].target = NOBODY;
    orders->targets_dirty = false;
}

static bool is_among(uint32_t actor, const uint32_t *actors, int n)
{
    for (int i = 0; i < n; i++)
        if (actors[i] == actor)
            return true;
    return false;
}

static bool takes_orders(const struct worker *worker, const uint32_t *avoid, int n)
{
    return worker->is_used && worker->is_live && worker->lanes > 0 && !is_among(worker->actor, avoid, n);
}

/* The live actor with least to do that is none of `avoid`; NOBODY when there is none. */
static int idlest_beside(const struct orders *orders, const uint32_t *avoid, int n)
{
    int best = NOBODY;
    for (int w = 0; w < orders->n_workers; w++) {
        const struct worker *worker = &orders->workers[w];
        if (!takes_orders(worker, avoid, n))
            continue;
        const struct worker *than = best < 0 ? NULL : &orders->workers[best];
        if (!than || worker->outstanding < than->outstanding ||
            (worker->outstanding == than->outstanding && worker->actor < than->actor))
            best = w;
    }
    return best;
}

static int idlest(const struct orders *orders, uint32_t avoid)
{
    return idlest_beside(orders, &avoid, 1);
}

int orders_others(const struct orders *orders, const uint32_t *not_actors, int n)
{
    int others = 0;
    for (int w = 0; w < orders->n_workers; w++)
        others += takes_orders(&orders->workers[w], not_actors, n);
    return others;
}

/* --- giving out --- */

static void assign(struct orders *orders, struct assignment *assignment, int w, const struct order *order, monotonic_us now)
{
    struct worker *worker = &orders->workers[w];
    assignment->is_ordered = true;
    assignment->worker = w;
    assignment->number = order->number;
    assignment->version = order->version;
    assignment->deadline = now + order->lease_ms * 1000;
    worker->outstanding++;
    orders->stats.issued++;
}

static void order_lane(struct orders *orders, int l, int w, monotonic_us now)
{
    struct lane *lane = &orders->lanes[l];
    struct record *record = record_add(&orders->workers[w]);
    if (!record)
        return;
    const struct snapshot *snapshot = &lane->snapshots[lane->next % SNAPSHOTS];
    struct order *order = &record->item.order;
    record->is_lane = true;
    record->lane = l;
    record->item.manifest = orders->manifest;
    order->purpose = ORDER_TRAIN;
    order->lane = l;
    order->slice = lane->next;
    order->version = orders->version;
    order->lease_ms = orders->options.lease_ms;
    order->victim = -1;
    if (lane->holder != w && lane->next > 0) {
        order->snapshot_bytes = snapshot->bytes;
        orders->stats.moved++;
    }
    assign(orders, &lane->assignment, w, order, now);
}

static void order_task(struct orders *orders, struct task *task, int w, monotonic_us now)
{
    struct record *record = record_add(&orders->workers[w]);
    if (!record)
        return;
    uint64_t number = record->item.order.number;
    record->task = task;
    record->item.order = task->order;
    record->item.order.number = number;
    record->item.order.lease_ms = orders->options.lease_ms;
    record->item.manifest = task->manifest;
    orders->workers[w].tasks++;
    assign(orders, &task->assignment, w, &record->item.order, now);
}

static bool may_order(const struct orders *orders, const struct lane *lane, monotonic_us now)
{
    return !lane->assignment.is_ordered && lane->next < orders->slice_end && now >= lane->assignment.retry_at &&
           lane->next < lane->committed + (uint64_t)orders->options.depth;
}

/* A lease that ran out goes to another actor, if there is one; otherwise the holder gets more time. */
static void check_lease(struct orders *orders, struct assignment *assignment, bool is_lane, const uint32_t also_not[ORDERS_NOT_MAX],
                        monotonic_us now)
{
    if (!assignment->is_ordered || now < assignment->deadline)
        return;
    uint32_t late = orders->workers[assignment->worker].actor;
    const uint32_t avoid[] = {late, also_not[0], also_not[1]};
    if (idlest_beside(orders, avoid, 3) < 0) {
        assignment->deadline = now + orders->options.lease_ms * 1000;
        return;
    }
    orders_take_back(orders, assignment, is_lane);
    assignment->avoid = late;
    orders->stats.leases_over++;
    orders->stats.reissued++;
}

static int worker_for_lane(const struct orders *orders, const struct lane *lane)
{
    int target = lane->target;
    if (target >= 0 && orders->workers[target].actor != lane->assignment.avoid)
        return target;
    int other = target < 0 ? NOBODY : idlest(orders, lane->assignment.avoid);
    return other >= 0 ? other : target;
}

/* The first failure is tried again at once (with the snapshot); after that once a second. */
static void hold_retry(struct assignment *assignment, monotonic_us now)
{
    if (assignment->failures > 1 && !assignment->is_ordered && !assignment->retry_at)
        assignment->retry_at = now + RETRY_US;
}

static void issue_tasks(struct orders *orders, monotonic_us now)
{
    for (int t = 0; t < orders->n_tasks; t++) {
        struct task *task = orders->tasks[t];
        check_lease(orders, &task->assignment, false, task->not_actors, now);
        hold_retry(&task->assignment, now);
        if (task->assignment.is_ordered || now < task->assignment.retry_at)
            continue;
        const uint32_t avoid[] = {task->not_actors[0], task->not_actors[1], task->assignment.avoid};
        int w = idlest_beside(orders, avoid, 3);
        if (w < 0)
            w = idlest_beside(orders, avoid, ORDERS_NOT_MAX); /* who failed once may try again; who must not, must not */
        if (w >= 0 && orders->workers[w].tasks < TASKS_PER_ACTOR)
            order_task(orders, task, w, now);
    }
}

static int undecided_slices(const struct orders *orders)
{
    int n = 0;
    for (int l = 0; l < orders->options.lanes; l++)
        n += (int)(orders->lanes[l].next - orders->lanes[l].committed) + orders->lanes[l].assignment.is_ordered;
    return n;
}

/* After a batch was decided, the present version is about to be replaced, and max_lag more batches may still be trained on it. What lies
 * undecided already fills them when it is max_lag times all lanes; more orders under this version could never be trained in time. */
static bool version_has_room(const struct orders *orders, int undecided)
{
    return !orders->has_decided || (uint64_t)undecided < orders->options.max_lag * (uint64_t)orders->options.lanes;
}

void orders_issue(struct orders *orders, monotonic_us now)
{
    static const uint32_t nobody[ORDERS_NOT_MAX] = {UINT32_MAX, UINT32_MAX};
    int undecided = undecided_slices(orders);
    if (orders->targets_dirty)
        place_lanes(orders);
    for (int l = 0; l < orders->options.lanes; l++) {
        struct lane *lane = &orders->lanes[l];
        check_lease(orders, &lane->assignment, true, nobody, now);
        hold_retry(&lane->assignment, now);
        bool is_free = may_order(orders, lane, now) && version_has_room(orders, undecided);
        int w = is_free ? worker_for_lane(orders, lane) : NOBODY;
        if (w >= 0 && orders->version.generation == orders->generation) {
            order_lane(orders, l, w, now);
            undecided += lane->assignment.is_ordered;
        }
    }
    issue_tasks(orders, now);
}

static void resolve_snapshot(const struct orders *orders, const struct record *record, struct order_item *item)
{
    *item = record->item;
    if (item->is_cancelled || !item->order.snapshot_bytes)
        item->order.snapshot = NULL;
    else if (record->is_lane)
        item->order.snapshot = orders->lanes[record->lane].snapshots[item->order.slice % SNAPSHOTS].data;
    else
        item->order.snapshot = record->task->snapshot;
    if (!item->order.snapshot)
        item->order.snapshot_bytes = 0;
}

int orders_to_send(struct orders *orders, uint32_t actor, uint64_t incarnation, monotonic_us now, struct order_item *items, int max)
{
    int w = orders_worker(orders, actor, incarnation), n = 0;
    if (w < 0 || !orders->workers[w].is_live)
        return 0;
    struct worker *worker = &orders->workers[w];
    if (worker->has_upto < worker->sent_upto && now - worker->sent_at > RESEND_US)
        worker->sent_upto = worker->has_upto;
    for (uint64_t number = worker->sent_upto + 1; number < worker->next_number && n < max; number++)
        resolve_snapshot(orders, record_at(worker, number), &items[n++]);
    return n;
}

void orders_sent(struct orders *orders, uint32_t actor, uint64_t incarnation, int n, monotonic_us now)
{
    int w = orders_worker(orders, actor, incarnation);
    ASSERT(w >= 0);
    orders->workers[w].sent_upto += (uint64_t)n;
    orders->workers[w].sent_at = now;
}

void orders_resend_all(struct orders *orders)
{
    for (int w = 0; w < orders->n_workers; w++)
        orders->workers[w].sent_upto = orders->workers[w].has_upto;
}
