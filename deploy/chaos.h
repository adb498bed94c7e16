/* Faults on a running cluster, and the verdict on what the system promises (README): a target says how to reach its processes (a run of
 * this machine's launcher, or containers), the engine draws who is hit when and how, looks at the statistics meanwhile, leaves the
 * run alone in time, and judges when it is over. The draws depend on the seed alone; when they strike depends on the machine. */
#ifndef TESTUDO_DEPLOY_CHAOS_H
#define TESTUDO_DEPLOY_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define CHAOS_MEMBERS_MAX 256

enum chaos_fault {
    CHAOS_KILL,    /* SIGKILL; whoever looks after the process starts it again */
    CHAOS_FREEZE,  /* SIGSTOP, and SIGCONT a while later */
    CHAOS_RESTART, /* asked to leave, and started again */
    CHAOS_DISK,    /* the learner cannot write files beyond a few bytes, as on a full disk, for a while */
    CHAOS_FAULTS
};
const char *chaos_fault_name(enum chaos_fault fault);

struct chaos_member {
    char name[64]; /* "actor/1" */
    char id[80];   /* what the target knows it by */
    int64_t pid;   /* 0: the target must look */
};

enum chaos_state { CHAOS_RUNS, CHAOS_OVER, CHAOS_FAILED };

struct chaos_ops {
    int (*members)(void *target, struct chaos_member *members, int max); /* live ones */
    /* 0, or an error when it was gone already: then nothing counts. */
    int (*kill)(void *target, const struct chaos_member *member);
    int (*freeze)(void *target, const struct chaos_member *member, bool is_frozen);
    int (*restart)(void *target, const struct chaos_member *member);
    int (*fill_disk)(void *target, const struct chaos_member *member, bool is_full);
    enum chaos_state (*state)(void *target, struct err *err);
    json_t *(*stats)(void *target);                        /* the broker's answer, the caller's; NULL: none just now */
    int (*last_words)(void *target, char *line, int size); /* the learner's line "run complete ..."; 0 when there is one */
};

struct chaos_options {
    uint64_t seed;
    int64_t every_ms;      /* between two faults, on average */
    int64_t freeze_ms;     /* longest, of a full disk too */
    int64_t faults;        /* at most; 0: as many as fit */
    int64_t seconds, wait; /* inject for so long; then wait for the end at most so long */
    bool allowed[CHAOS_FAULTS];
};

struct chaos_report {
    int faults[CHAOS_FAULTS];
    int looks;       /* answers of the broker */
    bool went_back;  /* a version or generation did */
    int generations; /* seen */
    double worst_lag, lag_bound, unexplained_seen;
    double trained_per_step; /* trajectories; NaN: not seen */
    double seconds;
    bool has_ended;
    double steps, announced, trained, rolled_back, lost, away, held, unexplained; /* the last words */
};

/* 0 when the run came to its end (the report says how); else why not. Prints a line for each fault unless is_quiet. */
MUST_USE int chaos_run(const struct chaos_ops *ops, void *target, const struct chaos_options *options, bool is_quiet,
                       struct chaos_report *report, struct err *err);

/* Limits what a process of this machine may write to a file, or lifts that; 0, or ERR_UNKNOWN when it is not there. Linux only. */
int chaos_limit_files(int64_t pid, bool is_limited);

/* Prints which sentences held and returns whether all did. calm_hash, hash: the learning state of an undisturbed run and of this one;
 * NULL: not compared. */
bool chaos_verdict(const struct chaos_report *report, const char *calm_hash, const char *hash);

/* Runs a program and takes what it writes to stdout, cut at size; its exit code, or -1. quiet: its stderr is dropped. */
int chaos_capture(const char *const *argv, bool is_quiet, char *out, int size);

/* --- targets --- */

/* A run of the launcher, in a folder of its own. */
struct chaos_local;
MUST_USE int chaos_local_create(struct chaos_local **local, const char *root, const char *const *arguments, int n, int actors,
                                struct err *err);
void chaos_local_destroy(struct chaos_local **local);            /* ends what still runs */
const char *chaos_local_folder(const struct chaos_local *local); /* of the run; "" before there is one */
extern const struct chaos_ops chaos_local_ops;

/* The containers of a compose project. */
struct chaos_compose {
    char project[64];
    int64_t failed_at; /* monotonic, since when the learner's container lies with an error; 0: it does not */
};
extern const struct chaos_ops chaos_compose_ops;

#endif
