/* The messages between actors, broker, learner and observers. The grammar (who sends what, when) is the page PROTOCOL.
 *
 * A message is one envelope, a MessagePack map that every hop reads, and at most one payload frame, which only its addressee
 * reads. Decoding is strict: ceilings, types, required keys; a key twice is refused, an unknown key is skipped (a newer minor
 * version may send it). All numbers of the delivery protocol are absolute, so that losing or repeating any message does no
 * harm. Nothing here allocates. */
#ifndef TESTUDO_WIRE_ENVELOPE_H
#define TESTUDO_WIRE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/histogram.h"
#include "wire/trajectory.h"

#define PROTOCOL_MAJOR 1
#define PROTOCOL_MINOR 1

#define PROTOCOL_HEARTBEAT_US 1000000 /* HELLO, STATE and ROSTER at least this often */
#define PROTOCOL_MISSED 5             /* silent heartbeats until a peer counts as gone */
#define PROTOCOL_ACTORS_MAX 1024
#define PROTOCOL_LANES_MAX 1024  /* of one actor */
#define PROTOCOL_WINDOW_MAX 4096 /* unacknowledged trajectories of one actor */
#define PROTOCOL_ORDERS_MAX 256  /* in one message */
#define PROTOCOL_CHUNK_BYTES (1u << 20)
#define PROTOCOL_ENVELOPE_BYTES (256u * 1024)
#define PROTOCOL_ORDERS_BYTES (4u << 20) /* payload of ORDERS, unless one order alone is larger */
#define PROTOCOL_STATUS_BYTES (128u * 1024)
#define PROTOCOL_PAYLOAD_BYTES (SCHEMA_FRAME_MAX + (1u << 20)) /* largest legal frame: what maximum message sizes are set to */
#define PROTOCOL_RUN_SIZE 64
#define PROTOCOL_TEXT_SIZE 160
#define PROTOCOL_HOST_SIZE 64

enum message_kind {
    MESSAGE_ACTOR_HELLO,   /* actor -> broker: who I am and how far I am; each heartbeat. Payload: description, when asked for */
    MESSAGE_STATE,         /* broker -> actor: answer to each HELLO, and whenever it changes */
    MESSAGE_TRAJECTORY,    /* actor -> broker -> learner. Payload: the frame */
    MESSAGE_ORDERS,        /* learner -> broker -> actor. Payload: orders_encode */
    MESSAGE_FETCH,         /* anybody -> whoever holds blobs: one chunk, please */
    MESSAGE_CHUNK,         /* the answer; total 0 says "not held here". Payload: the bytes */
    MESSAGE_LEARNER_HELLO, /* learner -> broker, each heartbeat. Payload: status as JSON, for `stats` */
    MESSAGE_PUBLISH,       /* learner -> broker: a version's manifest is this blob */
    MESSAGE_FATES,         /* learner -> broker: how far each actor's trajectories are known, and what became of them */
    MESSAGE_ROSTER,        /* broker -> learner, each heartbeat and at changes: all actors */
    MESSAGE_STATS,         /* observer -> broker */
    MESSAGE_STATS_REPLY,   /* Payload: JSON */
    MESSAGE_REFUSED,       /* to whoever sent what cannot be served: told why, once per heartbeat at most */
    MESSAGE_BYE,           /* actor or learner -> broker: I leave */
    MESSAGE_KINDS,
};
const char *message_kind_name(enum message_kind kind); /* "trajectory" */

/* What becomes of a trajectory. ROLLED_BACK and LOST are columns of the book, too: nobody is told them. */
enum fate { FATE_TRAINED, FATE_EVALUATED, FATE_STALE, FATE_REJECTED, FATE_ROLLED_BACK, FATE_LOST, FATES };
const char *fate_name(enum fate fate);
#define FATES_TOLD 4 /* the first four travel in messages */

struct blob_name { /* content-addressed bytes: recipe, manifest, net, description */
    struct hash hash;
    uint32_t bytes; /* 0: none */
};

/* What an actor's process did so far, for statistics; all zero from a peer of protocol 1.0. Times of its rollout thread. */
struct actor_load {
    uint64_t steps;                   /* of environments, whatever for */
    uint64_t busy_us;                 /* rolling out */
    uint64_t idle_us;                 /* no order at hand */
    uint64_t blocked_us;              /* orders at hand, but all buffers wait for their fates */
    uint64_t ages[HISTOGRAM_BUCKETS]; /* HISTOGRAM_SECONDS from a trajectory's end to the word that the learner has it */
    uint64_t ages_us;                 /* their sum */
    uint64_t resent;                  /* trajectories */
    uint64_t unsent;                  /* trajectories that wait for room on the connection, now */
};

struct message_actor_hello {
    uint32_t major, minor;
    char run[PROTOCOL_RUN_SIZE]; /* "" before one is known */
    uint32_t actor;
    uint64_t incarnation;         /* start time of the process in us: of two live ones the later wins */
    struct blob_name description; /* spec and schema (description.h); bytes 0 while the recipe is still missing */
    uint32_t lanes;               /* that it can hold */
    uint32_t orders_generation;   /* which learner generation's orders it follows, */
    uint64_t orders_upto;         /* and up to which number it has them */
    uint64_t next_sequence;       /* everything below has been announced */
    uint64_t acked_upto;
    struct weights_version version; /* acted with last, and the hash over its nets */
    struct hash weights;
    bool is_draining;
    char host[PROTOCOL_HOST_SIZE]; /* where it runs, as it says itself */
    uint64_t clock_us;             /* the sender's own, echoed by STATE */
    uint64_t rtt_us;               /* last HELLO to the STATE that echoed it; 0: none yet */
    struct actor_load load;
};

struct message_state {
    uint32_t major, minor;
    uint64_t incarnation; /* whom this is for: a routing id may have passed on to the next process meanwhile */
    uint64_t epoch;       /* of the broker process */
    char run[PROTOCOL_RUN_SIZE];
    struct blob_name recipe;
    uint64_t learner; /* incarnation of the learner, 0 without one: a new one has received nothing yet */
    uint64_t acked_upto, received_upto, may_send_upto;
    uint64_t fates[FATES_TOLD];     /* of this incarnation so far */
    struct weights_version version; /* newest */
    struct blob_name manifest;      /* of the newest version */
    bool wants_description;
    bool is_finished; /* the learner said that the run is complete */
    uint64_t echo_us; /* clock_us of the last HELLO */
};

struct message_trajectory {
    char run[PROTOCOL_RUN_SIZE];
    uint32_t actor;
    uint64_t incarnation;
    struct trajectory body; /* frame, capacity: not on the wire */
};

struct message_orders {
    uint64_t learner; /* incarnation of the sender */
    uint32_t actor;
    uint64_t incarnation;
    uint32_t generation; /* numbers count from 1 within (incarnation, generation) */
    uint64_t first;      /* number of the first order in the payload */
    uint32_t count;
};

struct message_fetch {
    struct hash hash;
    uint32_t bytes; /* of the whole blob, so that a hop that lacks it can fetch it on */
    uint32_t offset;
};

struct message_chunk {
    struct hash hash;
    uint32_t offset, total;
};

struct message_learner_hello {
    uint32_t major, minor;
    char run[PROTOCOL_RUN_SIZE];
    uint32_t generation;
    uint64_t incarnation;
    struct blob_name recipe;
    bool is_finished;
    uint64_t clock_us; /* echoed by ROSTER */
};

struct message_publish {
    uint64_t learner;
    struct weights_version version;
    struct blob_name manifest;
};

struct fates_row {
    uint32_t actor;
    uint64_t incarnation;
    uint64_t acked_upto;    /* the fate of everything up to here is known and saved in the book */
    uint64_t received_upto; /* the learner holds or has decided everything up to here */
    uint64_t may_send_upto;
    uint64_t fates[FATES_TOLD];
};
struct message_fates {
    uint64_t learner;
    uint32_t count;
    struct fates_row rows[PROTOCOL_ACTORS_MAX];
};

enum roster_presence { ROSTER_JOINING, ROSTER_READY, ROSTER_DRAINING, ROSTER_GONE };
struct roster_row {
    uint32_t actor;
    uint64_t incarnation;
    uint32_t presence; /* enum roster_presence; GONE is listed for a minute */
    struct blob_name description;
    uint32_t lanes;
    uint32_t orders_generation;
    uint64_t orders_upto, next_sequence;
    uint64_t acked_upto; /* the larger of what the actor and the broker know */
    struct weights_version version;
    struct hash weights;
};
struct message_roster {
    uint32_t major, minor;
    uint64_t epoch;
    uint64_t learner;               /* incarnation that the broker accepted */
    struct weights_version version; /* newest whose blobs the broker holds completely */
    uint64_t echo_us;               /* clock_us of the last LEARNER-HELLO */
    uint32_t count;
    struct roster_row rows[PROTOCOL_ACTORS_MAX];
};

struct message_stats {
    uint32_t major, minor;
};

struct message_refused {
    uint32_t major, minor;
    int32_t code;         /* enum err_code */
    uint64_t incarnation; /* whom this is for; 0: whoever gets it */
    char text[PROTOCOL_TEXT_SIZE];
};

struct message_bye {
    uint64_t incarnation;
};

struct envelope {
    enum message_kind kind;
    union {
        struct message_actor_hello actor_hello;
        struct message_state state;
        struct message_trajectory trajectory;
        struct message_orders orders;
        struct message_fetch fetch;
        struct message_chunk chunk;
        struct message_learner_hello learner_hello;
        struct message_publish publish;
        struct message_fates fates;
        struct message_roster roster;
        struct message_stats stats;
        struct message_refused refused;
        struct message_bye bye;
    };
};

/* Writes the envelope; bytes used, or ERR_LIMIT when `size` is too small (PROTOCOL_ENVELOPE_BYTES always suffices). */
MUST_USE int envelope_encode(const struct envelope *envelope, void *out, size_t size);
/* Reads one frame. On error *envelope holds whatever was read; err says which key. Large: keep one per state machine. */
MUST_USE int envelope_decode(struct envelope *envelope, const void *data, size_t length, struct err *err);
/* Whether a peer of this protocol number is understood: same major, at most one minor release behind (newer minors are). */
bool protocol_understands(uint32_t our_major, uint32_t our_minor, uint32_t major, uint32_t minor);
int protocol_refusal(uint32_t major, uint32_t minor, struct err *err); /* text with both numbers; returns ERR_VERSION */

/* A slot of a list of orders as it travels. A cancelled order keeps its number (numbers have no gaps) and is not worked on. */
struct order_item {
    struct order order;        /* snapshot borrowed */
    struct blob_name manifest; /* of order.version */
    bool is_cancelled;
};
/* Payload of ORDERS: encode packs items[0..n) until one does not fit any more, sets *packed, returns bytes. Decode reads up to
 * max items whose snapshots point into data. */
MUST_USE int orders_encode(const struct order_item *items, int n, void *out, size_t size, int *packed);
MUST_USE int orders_decode(struct order_item *items, int max, int *n, const void *data, size_t length, struct err *err);

/* Who a message came from or goes to: a ZeroMQ routing id ("actor-3", "learner"). */
struct wire_peer {
    uint8_t length;
    unsigned char id[32];
};
struct wire_peer wire_peer_of(const void *id, size_t length); /* longer ids are cut: callers refuse them before */
bool wire_peer_equal(const struct wire_peer *a, const struct wire_peer *b);

#endif
