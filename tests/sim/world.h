/* A deterministic world for the delivery protocol: the real broker core, learner link with its books, up to 64 actor links and 4 relays, in
 * one process under a virtual clock and a seeded network. Environments and trainer are models; everything between them is the real code.
 *
 *   course:   a seed draws once how many actors and lanes there are, how often what goes wrong, and how many actors lie
 *   network:  first in, first out within a connection, delays, full queues, repeated and lost messages; when a connection breaks, some of
 *             what was under way is lost, some arrives late, after messages of the next connection; half-open links; slow readers
 *   faults:   enum world_fault
 *
 * After every event the seven sentences of the contract are checked against what really happened; the first one that does not hold ends the
 * world with its number. A lane's state is a chain of hashes over (lane, slice, version), so that the trainer sees at once whether a slice
 * starts where the history left it, whoever rolled it out. Clocks of processes differ, and no id is a time that the world trusts. */
#ifndef TESTUDO_TESTS_SIM_WORLD_H
#define TESTUDO_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "learner/ledger.h"

#define WORLD_ACTORS_MAX 64

/* What is broken on purpose (test_sim_catches.c). */
enum mutation {
    MUTATE_NOTHING,
    MUTATE_SKIP_DEDUPLICATION,
    MUTATE_ACK_BEFORE_FATE,
    MUTATE_NO_RESEND,
    MUTATE_LEAVE_AT_ONCE,
    MUTATE_DROP_LOST,
    MUTATE_SAME_GENERATION,
    MUTATE_ACCEPT_ANYTHING,
    MUTATE_NO_CEILING,
    MUTATE_OLD_CHECKPOINT,
    MUTATE_SILENT_DISK,
    MUTATE_NO_RETRY,
    MUTATE_IGNORE_LAG,
    MUTATE_FORGET_ROLLBACK,
};

enum world_fault {
    WORLD_KILL_ACTOR,
    WORLD_LEAVE, /* an actor is asked to go, and comes back some time later as a new process */
    WORLD_KILL_BROKER,
    WORLD_KILL_LEARNER,
    WORLD_KILL_BOTH, /* broker and learner */
    WORLD_KILL_RELAY,
    WORLD_PAUSE, /* any process stands still for up to 30 s, as with SIGSTOP */
    WORLD_DISCONNECT,
    WORLD_HALF_OPEN,   /* one or both directions of a connection carry nothing for a while, and nobody is told */
    WORLD_SLOW_READER, /* somebody reads slowly, so that queues fill up */
    WORLD_FULL_DISK,   /* no checkpoint can be written for a while */
    WORLD_CLOCK_JUMP,  /* the wall clock jumps in either direction, a process's own clock forward */
    WORLD_STRANGER,    /* garbage, and well-formed messages that are wrong */
    WORLD_FAULTS
};
const char *world_fault_name(enum world_fault fault);

struct world_options {
    uint64_t seed;
    bool is_async, is_quiet; /* quiet: no faults at all */
    int updates;             /* to reach */
    int lanes;               /* 0: the seed draws them */
    enum mutation mutation;
};

struct world_result {
    int sentence; /* that was broken, 0 when all hold */
    char text[400];
    uint64_t events, state; /* state: hash over all lanes' states at the end */
    double seconds;         /* of the virtual clock */
    struct book book;
    int actors, relays, restores, saves_failed, lies;
    uint64_t relayed; /* messages of actors that relays passed on */
    int faults[WORLD_FAULTS];
};

/* Runs one world to its end. Linear in its events; 1-200 ms. */
struct world_result world_run(struct world_options options);

/* The mutation of the world that runs, for functions that the linker wraps. */
enum mutation world_mutation(void);

#endif
