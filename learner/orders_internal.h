/* The inside of the order book, shared by its parts: orders.c (actors, shares, giving out) and orders_answers.c (what comes back, tasks, lag,
 * views, checkpoint). */
#ifndef TESTUDO_LEARNER_ORDERS_INTERNAL_H
#define TESTUDO_LEARNER_ORDERS_INTERNAL_H

#include "learner/orders.h"

#define SNAPSHOTS (ORDERS_DEPTH_MAX + 1)
#define WORKERS_MAX (2 * PROTOCOL_ACTORS_MAX)
#define HISTORY 64 /* as many versions as the link keeps: an audit may name any that an order named */
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

/* orders.c */
int orders_worker(const struct orders *orders, uint32_t actor, uint64_t incarnation); /* its row, or NOBODY */
void orders_worker_has(struct worker *worker, uint64_t upto);                         /* all orders up to this number */
/* Takes an order back: the work is idle again; an undelivered record is voided. */
void orders_take_back(struct orders *orders, struct assignment *assignment, bool is_lane);
void orders_task_free(struct task *task);

#endif
