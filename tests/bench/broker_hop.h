/* What tests/bench/broker_hop.c is made of: the bench, and the ends of its connections (broker_hop_ends.c). */
#ifndef TESTUDO_BENCH_BROKER_HOP_H
#define TESTUDO_BENCH_BROKER_HOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <zmq.h>

#include "base/clock.h"
#include "wire/envelope.h"
#include "wire/key_file.h"

#define ACTORS_MAX 1024
#define RELAYS 3
#define WINDOW 256 /* of one actor: what lies in the four queues around a proxy; with many of them less, see window_of */
#define HWM 64
#define ACK_EVERY 32
#define ROUNDS_MAX 25
#define LEARNER 50 /* its incarnation; actor i is 1000 + i */
#define AGES_MAX (1 << 20)

enum way { WAY_NONE, WAY_PROXY, WAY_BROKER };

struct shared { /* between the processes */
    _Atomic int way;
    _Atomic int64_t per_second; /* of all actors together; 0: as fast as it goes */
    _Atomic bool is_over;
};

struct bench {
    struct shared *shared;
    size_t bytes;
    int n_actors, first_actor; /* first: of the next round over all */
    bool has_keys, has_relays; /* CURVE; three relays between actors and broker */
    struct key_file actor_key, learner_key;
    char broker_at[128], proxy_in[128], proxy_out[128], relay_at[RELAYS][128];
    pid_t broker, proxy, sender, relay[RELAYS];
    void *context, *learner, *sink;
    struct envelope *in, *out;
    unsigned char *buffer;
    uint64_t received[ACTORS_MAX], acked[ACTORS_MAX];
    monotonic_us hello_at, lazy_at;
    uint64_t messages;
    float *ages; /* seconds, of messages since they were last forgotten */
    int n_ages;
};

_Noreturn void die(const char *what);
int window_of(const struct bench *bench);
/* A DEALER; binds or connects, under these keys (NULL: none). */
void *open_socket(void *context, const char *id, const char *endpoint, bool binds, int hwm, const struct key_file *key);
/* Sends bench->out with a payload (or NULL), now or not at all. */
bool say(struct bench *bench, void *socket, const void *payload, size_t payload_bytes);
/* One whole message, if there is one: its envelope is decoded into bench->in, and the start of its payload copied. */
bool hear(struct bench *bench, void *socket, void *head, size_t head_bytes);

_Noreturn void run_sender(struct bench *bench); /* all actors */
_Noreturn void run_proxy(struct bench *bench);

#endif
