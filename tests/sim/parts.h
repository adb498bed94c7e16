/* The inside of the simulated world, shared by its parts: network.c, actors.c, broker.c, relays.c, learner.c, sentences.c, faults.c, world.c. */
#ifndef TESTUDO_TESTS_SIM_PARTS_H
#define TESTUDO_TESTS_SIM_PARTS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/actor_link.h"
#include "base/rng.h"
#include "broker/core.h"
#include "broker/relay_core.h"
#include "broker/view.h"
#include "learner/learner_link.h"
#include "learner/save_schedule.h"
#include "tests/sim/world.h"

#define LANES_MAX 24
#define RELAYS_MAX 4
#define LEARNER_LINK WORLD_ACTORS_MAX /* index of the learner's connection; actors' are their own */
#define RELAY_LINK (LEARNER_LINK + 1) /* the first relay's, to the broker */
#define LINKS (RELAY_LINK + RELAYS_MAX)
#define INCARNATIONS 2048 /* of all actors in one world */
#define IDS 8192          /* places in the table of incarnation ids */
#define SEQUENCES 16384   /* of one incarnation */
#define CHECKPOINT_UPDATES 5
#define TICK_US 50000
#define SECOND_US 1000000
#define FAULTS_US (40 * SECOND_US)
#define LIMIT_US (900 * SECOND_US)
#define PAUSE_US (30 * SECOND_US)
#define LEASE_MS 6000
#define WINDOW 256
#define QUEUE_MESSAGES 400 /* of one direction of a connection; then a send is refused */
#define BROKER_CACHE (8u << 20)
#define RELAY_CACHE (1u << 20)
#define ASYNC_LAG 2
#define ASYNC_DEPTH 3 /* lanes * depth <= batch * (lag + 1), the batch being as many as there are lanes */
#define POOL_BYTES (1u << 20)

/* --- what a seed draws once --- */

struct course {
    int actors, lanes, room; /* room: lanes that an actor can hold */
    double fault_rate;       /* faults per tick */
    double odds[WORLD_FAULTS];
    int liars;  /* the first so many actors damage every third trajectory */
    int relays; /* actor i reaches the broker through relay i % (relays + 1), or directly when that is `relays` */
};

/* --- network --- */

struct message {
    monotonic_us time;
    uint64_t id;
    int link, connection;
    bool is_to_broker; /* or to the relay that the link ends at */
    unsigned char *envelope, *payload;
    size_t envelope_bytes, payload_bytes;
};

struct connection {
    bool is_up;
    int number;
    monotonic_us up_at, last[2]; /* delivery time of the last message, by direction: [1] to the broker */
    monotonic_us hole_until[2];  /* half-open: what is sent until then arrives after it, or never */
    monotonic_us slow_until[2];  /* its reader takes one message at a time, with a pause after each */
    monotonic_us reset_at;       /* the half-open link is noticed and breaks; 0: it heals */
    int under_way[2];
};

/* --- processes --- */

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

struct actor_context { /* what callbacks are given: which actor, or relay, of which world */
    struct world *world;
    int index;
};

struct sim_actor {
    struct actor_link *link;
    struct actor_context context;
    int incarnation;                                              /* index, -1 when dead */
    monotonic_us clock_offset;                                    /* of this process's monotonic clock */
    monotonic_us start_at, frozen_until, busy_until, leave_until; /* leave_until: it drains, and no longer than this */
    struct work *queue[4096];
    int start, count;
    struct sim_lane lanes[LANES_MAX];
    struct schema schema;
    bool wants_describe, is_over;
    struct weights_version acted, known;
    uint64_t high; /* sequence sent at least once, for MUTATE_NO_RESEND */
};

struct sim_relay {
    struct relay_core *core;
    struct actor_context context; /* index: of the relay */
    bool is_over;                 /* the broker refused it */
    monotonic_us clock_offset, start_at, frozen_until;
};

struct sim_checkpoint {
    unsigned char *ledger, *orders;
    size_t ledger_bytes, orders_bytes;
    int updates, history;
    uint64_t states[LANES_MAX];
};

struct sim_learner {
    struct learner_link *link;
    struct ledger *ledger;
    struct orders *orders;
    struct intake *intake;
    monotonic_us clock_offset;
    monotonic_us start_at, busy_until, publish_at, frozen_until;
    bool is_alive, is_over, publish_due;
    struct arrival *first; /* delivered, undecided */
    int n_arrivals, updates;
    uint64_t version;
    uint64_t states[LANES_MAX]; /* of the history */
    uint32_t generation;
    uint64_t incarnation;
    int snapshot_column, origin_column, x_column;
    struct save_schedule save;
};

struct sim_disk {                         /* the learner's */
    struct sim_checkpoint checkpoints[2]; /* [0] newest */
    uint32_t generation;
    monotonic_us full_until;
    bool had_alarm; /* the last learner that died knew of it */
};

struct history_item {
    int incarnation;
    uint64_t sequence;
};

struct world {
    struct world_options options;
    struct course course;
    struct rng rng;
    monotonic_us now;
    int64_t wall_offset; /* of the wall clock that names incarnations: jumps */
    uint64_t next_id, events;
    struct message *heap;
    int n_heap, heap_capacity;
    struct connection connections[LINKS];
    struct sim_actor actors[WORLD_ACTORS_MAX];
    struct incarnation *incarnations;
    int n_incarnations;
    struct {
        uint64_t id;
        int index;
    } ids[IDS]; /* open addressing; index -1: of a learner or broker */
    struct broker_core *broker;
    monotonic_us broker_start_at, broker_frozen_until, broker_clock_offset;
    struct sim_relay relays[RELAYS_MAX];
    struct sim_learner learner;
    struct sim_disk disk;
    struct history_item *history;
    int n_history, history_capacity, best_updates;
    struct weights_version published; /* highest ever */
    bool is_ending;                   /* rings are emptied without fate */
    struct envelope *envelope;
    unsigned char *bytes;
    struct world_result *result;
};

/* world.c */
void violated(struct world *world, int sentence, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool chance(struct world *world, double p);
monotonic_us between(struct world *world, monotonic_us low, monotonic_us high);
bool faults_on(const struct world *world);
uint64_t chain(uint64_t state, int lane, uint64_t slice, uint64_t version); /* a lane's state after a slice */
/* A start time by the wall clock, never used before. index: of an actor's incarnation, or -1. */
uint64_t new_id(struct world *world, int index);
struct incarnation *incarnation_of(struct world *world, uint64_t id, int *index); /* NULL: of no actor */

/* network.c */
struct wire_peer peer_of(int link);
int link_of(const struct wire_peer *peer); /* -1: of nobody here */
/* A send through a socket: refused when unconnected or full; rarely lost or repeated. */
int network_send(struct world *world, int link, bool to_broker, const void *envelope, size_t envelope_bytes, const void *payload,
                 size_t payload_bytes);
void network_requeue(struct world *world, struct message message);
struct message network_take(struct world *world); /* the next one; there must be one */
void message_free(struct message *message);
/* Breaks a connection: of what was under way most is lost, some arrives in spite of it. */
void disconnect(struct world *world, int link);
void network_tick(struct world *world); /* resets and reconnections */

/* actors.c */
void actor_kill(struct world *world, int index);
void actor_leave(struct world *world, int index); /* asked to: it drains */
void actor_tick(struct world *world, int index);
void actor_drop_work(struct sim_actor *actor);
monotonic_us actor_clock(const struct world *world, const struct sim_actor *actor);

/* broker.c */
void broker_start(struct world *world);
void broker_kill(struct world *world);
monotonic_us broker_clock(const struct world *world);
void broker_hears(struct world *world, const struct wire_peer *peer, const void *envelope, size_t bytes); /* from outside */

/* relays.c */
int relay_of(const struct world *world, int link); /* that this end of a link leads to; -1: straight to the broker */
void relay_kill(struct world *world, int index);
void relay_tick(struct world *world, int index);
void relay_hears(struct world *world, const struct message *message); /* from an actor, or from the broker */
monotonic_us relay_clock(const struct world *world, const struct sim_relay *relay);

/* learner.c */
void learner_kill(struct world *world);
void learner_tick(struct world *world);
void learner_destroy(struct world *world);
monotonic_us learner_clock(const struct world *world);
bool learner_reached(const struct world *world); /* all lanes have all slices */
void disk_free(struct sim_disk *disk);

/* sentences.c */
void check_learner(struct world *world);
void check_actors(struct world *world, int first, int last);
void check_broker(struct world *world);
void check_cache(struct world *world);
void check_announced(struct world *world); /* the book against what actors announced */
void check_disk(struct world *world);

/* dump.c */
void world_dump(struct world *world); /* on stderr */

/* faults.c */
void course_draw(struct world *world);
void inject_fault(struct world *world);
void trajectory_damage(struct world *world, struct trajectory *trajectory);

#endif
