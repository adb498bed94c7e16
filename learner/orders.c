/* The order book: see orders.h.
 *
 * Each incarnation of an actor has a numbered record of orders that it is not known to have; a record is sent, sent again after two seconds
 * or at once for a new broker, and forgotten when the actor names a number at or above it. An order that is taken back before it was
 * delivered stays in the record as cancelled, since numbers have no gaps. */
#include "learner/orders.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "wire/codec.h"

#define SNAPSHOTS (ORDERS_DEPTH_MAX + 1)
#define WORKERS_MAX (2 * PROTOCOL_ACTORS_MAX)
#define RESEND_US 2000000
#define TASKS_PER_ACTOR 4
#define HISTORY 16
#define RETRY_US 1000000
#define NOBODY (-1)

struct snapshot {
    unsigned char *data;
    uint32_t bytes, capacity;
};

struct assignment { /* who does it, under which number, until when */
    bool is_ordered;
    int worker; /* index */
    uint64_t number;
    struct weights_version version;
    monotonic_us deadline, retry_at;
    int failures;
    uint32_t avoid; /* actor that failed or let the lease run out; UINT32_MAX: nobody */
};

struct lane {
    uint64_t next, committed; /* first slice not arrived; first slice not decided */
    struct assignment assignment;
    int holder;                           /* worker that holds the lane's state at the start of `next`, or NOBODY */
    int target;                           /* worker by fair share, or NOBODY */
    uint64_t versions[ORDERS_DEPTH_MAX];  /* of arrived, undecided slices: at slice % depth */
    struct snapshot snapshots[SNAPSHOTS]; /* start state of a slice: at slice % SNAPSHOTS; slice 0 has none */
};

struct task {
    struct order order;
    struct blob_name manifest;
    uint32_t not_actors[ORDERS_NOT_MAX]; /* UINT32_MAX: nobody */
    struct assignment assignment;
    unsigned char *snapshot; /* owned */
};

struct record {
    struct order_item item; /* snapshot: resolved when sent */
    bool is_lane;
    int lane;
    struct task *task;
};

struct worker {
    uint32_t actor;
    uint64_t incarnation;
    bool is_used, is_live;
    int lanes, outstanding, tasks;
    uint64_t has_upto, sent_upto, next_number;
    monotonic_us sent_at;
    struct record *records; /* numbers has_upto+1 .. next_number-1, at number % capacity */
    uint64_t capacity;      /* a power of two */
};

struct orders {
    struct orders_options options;
    uint32_t generation;
    struct weights_version version;
    struct blob_name manifest;
    uint64_t slice_end;
    bool has_decided; /* a slice was committed since the last orders_allow: the next version is on its way */
    struct {
        struct weights_version version;
        struct blob_name manifest;
    } history[HISTORY];
    int history_at;
    struct lane *lanes;
    struct worker workers[WORKERS_MAX];
    int n_workers;
    bool targets_dirty;
    struct task **tasks;
    int n_tasks;
    uint32_t quarantined[PROTOCOL_ACTORS_MAX];
    int n_quarantined;
    struct orders_stats stats;
};

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

static void task_destroy(struct task *task)
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
        task_destroy(old->tasks[t]);
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

static int worker_find(const struct orders *orders, uint32_t actor, uint64_t incarnation)
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

static void worker_has(struct worker *worker, uint64_t upto)
{
    if (upto >= worker->next_number)
        upto = worker->next_number - 1; /* it cannot have what was never given: of another learner's numbering */
    if (upto > worker->has_upto)
        worker->has_upto = upto;
    if (worker->sent_upto < worker->has_upto)
        worker->sent_upto = worker->has_upto;
}

/* Takes an order back: the work is idle again; an undelivered record is voided. */
static void take_back(struct orders *orders, struct assignment *assignment, bool is_lane)
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
    int w = worker_find(orders, actor, incarnation);
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
    int w = worker_find(orders, actor, incarnation);
    if (w < 0 || !orders->workers[w].is_live)
        return;
    orders->workers[w].is_live = false;
    orders->targets_dirty = true;
    for (int l = 0; l < orders->options.lanes; l++) {
        struct lane *lane = &orders->lanes[l];
        if (lane->holder == w)
            lane->holder = NOBODY;
        if (lane->assignment.is_ordered && lane->assignment.worker == w) {
            take_back(orders, &lane->assignment, true);
            orders->stats.reissued++;
        }
    }
    for (int t = 0; t < orders->n_tasks; t++)
        if (orders->tasks[t]->assignment.is_ordered && orders->tasks[t]->assignment.worker == w)
            take_back(orders, &orders->tasks[t]->assignment, false);
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
    int w = worker_find(orders, actor, incarnation);
    if (w >= 0 && generation == orders->generation)
        worker_has(&orders->workers[w], upto);
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
    take_back(orders, assignment, is_lane);
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
    int w = worker_find(orders, actor, incarnation), n = 0;
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
    int w = worker_find(orders, actor, incarnation);
    ASSERT(w >= 0);
    orders->workers[w].sent_upto += (uint64_t)n;
    orders->workers[w].sent_at = now;
}

void orders_resend_all(struct orders *orders)
{
    for (int w = 0; w < orders->n_workers; w++)
        orders->workers[w].sent_upto = orders->workers[w].has_upto;
}

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
    int w = worker_find(orders, actor, incarnation);
    if (w < 0 || trajectory->version.generation != orders->generation)
        return ERR_DUPLICATE;
    worker_has(&orders->workers[w], trajectory->order); /* it answers it, so it has it */
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
    task_destroy(task);
}

/* The one assignment that a matched trajectory answers. */
static struct assignment *assignment_of(struct orders *orders, uint32_t actor, uint64_t incarnation,
                                        const struct trajectory *trajectory, struct task **task)
{
    int w = worker_find(orders, actor, incarnation);
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
    take_back(orders, assignment, !task);
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
        task_destroy(task);
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
            take_back(orders, &task->assignment, false);
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
