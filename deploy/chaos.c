#include "deploy/chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "deploy/observer.h"
#include "deploy/terminal.h"

#define HELD_MAX 16
#define FULL_DISK_BYTES 4096 /* of one file: small enough for any checkpoint to fail */
#define LOOK_US 500000
#define NAP_MS 20

struct held { /* a fault that lasts: frozen, or with a full disk */
    struct chaos_member member;
    enum chaos_fault fault;
    monotonic_us until;
};

struct chaos {
    const struct chaos_ops *ops;
    void *target;
    const struct chaos_options *options;
    struct chaos_report *report;
    bool is_quiet;
    struct rng rng;
    monotonic_us start, next_fault, next_look;
    int n_held;
    struct held held[HELD_MAX];
    double generation, version; /* newest seen */
};

static volatile sig_atomic_t asked_to_leave; /* a signal handler can reach nothing else; what is frozen must be let go first */

static void on_signal(int number)
{
    (void)number;
    asked_to_leave = 1;
}

const char *chaos_fault_name(enum chaos_fault fault)
{
    static const char *const names[CHAOS_FAULTS] = {"kill", "freeze", "restart", "disk"};
    return names[fault];
}

static void nap(void)
{
    nanosleep(&(struct timespec){0, NAP_MS * 1000000L}, NULL);
}

/* --- faults --- */

static void note(const struct chaos *chaos, const char *what, const struct chaos_member *member, const char *more)
{
    if (!chaos->is_quiet)
        printf("%7.1f s  %-7s %s%s\n", clock_seconds_since(chaos->start), what, member->name, more);
    fflush(stdout);
}

static int apply(struct chaos *chaos, enum chaos_fault fault, const struct chaos_member *member, bool is_on)
{
    return fault == CHAOS_DISK ? chaos->ops->fill_disk(chaos->target, member, is_on)
                               : chaos->ops->freeze(chaos->target, member, is_on);
}

static void release(struct chaos *chaos, bool all)
{
    for (int i = chaos->n_held - 1; i >= 0; i--)
        if (all || clock_us() >= chaos->held[i].until) {
            const struct held held = chaos->held[i];
            chaos->held[i] = chaos->held[--chaos->n_held];
            (void)apply(chaos, held.fault, &held.member, false); /* it may be gone */
            note(chaos, held.fault == CHAOS_DISK ? "room" : "thaw", &held.member, "");
        }
}

static bool is_held(const struct chaos *chaos, const struct chaos_member *member)
{
    for (int i = 0; i < chaos->n_held; i++)
        if (!strcmp(chaos->held[i].member.id, member->id))
            return true;
    return false;
}

static int hold(struct chaos *chaos, enum chaos_fault fault, const struct chaos_member *member)
{
    int64_t ms = 200 + rng_below(&chaos->rng, (uint32_t)(chaos->options->freeze_ms > 200 ? chaos->options->freeze_ms - 200 : 1));
    if (chaos->n_held == HELD_MAX)
        return ERR_LIMIT;
    int r = apply(chaos, fault, member, true);
    if (!r)
        chaos->held[chaos->n_held++] = (struct held){*member, fault, clock_us() + ms * 1000};
    return r;
}

int chaos_limit_files(int64_t pid, bool is_limited)
{
    struct rlimit limit;
    if (pid <= 1 || prlimit((pid_t)pid, RLIMIT_FSIZE, NULL, &limit))
        return ERR_UNKNOWN;
    limit.rlim_cur = is_limited && limit.rlim_max > FULL_DISK_BYTES ? FULL_DISK_BYTES : limit.rlim_max;
    return prlimit((pid_t)pid, RLIMIT_FSIZE, &limit, NULL) ? ERR_UNKNOWN : 0;
}

static bool draw_fault(struct chaos *chaos, enum chaos_fault *fault)
{
    enum chaos_fault allowed[CHAOS_FAULTS];
    uint32_t n = 0;
    for (enum chaos_fault f = 0; f < CHAOS_FAULTS; f++)
        if (chaos->options->allowed[f])
            allowed[n++] = f;
    if (n)
        *fault = allowed[rng_below(&chaos->rng, n)];
    return n > 0;
}

/* Whom it hits; NULL: nobody just now. A disk is the learner's, whoever was drawn. */
static const struct chaos_member *draw_member(struct chaos *chaos, enum chaos_fault fault, const struct chaos_member *members,
                                              int n)
{
    const struct chaos_member *member = &members[rng_below(&chaos->rng, (uint32_t)n)];
    for (int i = 0; fault == CHAOS_DISK && strstr(member->name, "learner") == NULL; i++) {
        if (i == n)
            return NULL;
        member = &members[i];
    }
    return is_held(chaos, member) ? NULL : member;
}

static void strike(struct chaos *chaos)
{
    struct chaos_member members[CHAOS_MEMBERS_MAX];
    enum chaos_fault fault;
    int n = chaos->ops->members(chaos->target, members, CHAOS_MEMBERS_MAX);
    if (n <= 0 || !draw_fault(chaos, &fault))
        return;
    const struct chaos_member *member = draw_member(chaos, fault, members, n);
    if (!member)
        return;
    int r = fault == CHAOS_KILL      ? chaos->ops->kill(chaos->target, member)
            : fault == CHAOS_RESTART ? chaos->ops->restart(chaos->target, member)
                                     : hold(chaos, fault, member);
    note(chaos, chaos_fault_name(fault), member, r ? " (gone already)" : "");
    chaos->report->faults[fault] += r == 0;
}

static int faults_done(const struct chaos_report *report)
{
    int n = 0;
    for (int f = 0; f < CHAOS_FAULTS; f++)
        n += report->faults[f];
    return n;
}

/* --- looking --- */

static void look(struct chaos *chaos)
{
    struct chaos_report *report = chaos->report;
    json_t *tree = chaos->ops->stats(chaos->target);
    chaos->next_look = clock_us() + LOOK_US;
    if (!tree)
        return;
    double generation = json_number_value(json_array_get(observed_at(tree, "version"), 0)),
           version = json_number_value(json_array_get(observed_at(tree, "version"), 1)), lag = observed(tree, "learner_status.lag"),
           bound = observed(tree, "learner_status.max_lag"), updates = observed(tree, "learner_status.update"),
           steps = observed(tree, "learner_status.steps"), lanes = observed(tree, "learner_status.lanes"),
           unexplained = fabs(observed(tree, "learner_status.book.unexplained"));
    report->looks++;
    /* A broker that was just started knows no version yet: 0. */
    if (generation > 0) {
        report->went_back |= generation < chaos->generation || (generation == chaos->generation && version < chaos->version);
        report->generations += generation > chaos->generation;
        chaos->generation = generation;
        chaos->version = version;
    }
    if (isfinite(bound))
        report->lag_bound = bound;
    if (lag > report->worst_lag)
        report->worst_lag = lag;
    if (unexplained > report->unexplained_seen)
        report->unexplained_seen = unexplained;
    if (updates > 0 && steps > 0)
        report->trained_per_step = lanes * updates / steps;
    json_decref(tree);
}

static double word(const char *line, const char *key)
{
    char start[32];
    snprintf(start, sizeof start, " %s=", key);
    const char *at = strstr(line, start);
    return at ? strtod(at + strlen(start), NULL) : NAN;
}

static int read_last_words(struct chaos *chaos, struct err *err)
{
    char line[1024];
    struct chaos_report *r = chaos->report;
    if (chaos->ops->last_words(chaos->target, line, sizeof line))
        return err_set(err, ERR_STATE, "the run ended without a final book");
    const struct {
        const char *key;
        double *value;
    } rows[] = {{"steps", &r->steps}, {"announced", &r->announced}, {"trained", &r->trained}, {"rolled_back", &r->rolled_back},
                {"lost", &r->lost},   {"away", &r->away},           {"held", &r->held},       {"unexplained", &r->unexplained}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (isnan(*rows[i].value = word(line, rows[i].key)))
            return err_set(err, ERR_FORMAT, "the final book lacks %s: %.200s", rows[i].key, line);
    return 0;
}

/* --- the run --- */

static void draw_next(struct chaos *chaos)
{
    chaos->next_fault = clock_us() + chaos->options->every_ms * 10 * (50 + rng_below(&chaos->rng, 101)); /* 0.5 to 1.5 of it */
}

static void turn(struct chaos *chaos, bool may_strike)
{
    monotonic_us now = clock_us();
    release(chaos, false);
    if (may_strike && now >= chaos->next_fault) {
        strike(chaos);
        draw_next(chaos);
    }
    if (now >= chaos->next_look)
        look(chaos);
    nap();
}

static int watch(struct chaos *chaos, struct err *err)
{
    const struct chaos_options *options = chaos->options;
    for (;;) {
        double seconds = clock_seconds_since(chaos->start);
        enum chaos_state state = chaos->ops->state(chaos->target, err);
        bool may_strike = seconds < (double)options->seconds && (!options->faults || faults_done(chaos->report) < options->faults);
        if (state == CHAOS_OVER)
            return 0;
        if (state == CHAOS_FAILED)
            return ERR_STATE;
        if (asked_to_leave)
            return err_set(err, ERR_CLOSED, "stopped");
        if (seconds > (double)(options->seconds + options->wait))
            return err_set(err, ERR_STATE, "the run did not end by itself within %lld s after the last fault",
                           (long long)options->wait);
        turn(chaos, may_strike);
    }
}

int chaos_run(const struct chaos_ops *ops, void *target, const struct chaos_options *options, bool is_quiet,
              struct chaos_report *report, struct err *err)
{
    struct chaos chaos = {.ops = ops, .target = target, .options = options, .report = report, .is_quiet = is_quiet};
    struct sigaction action = {.sa_handler = on_signal};
    *report = (struct chaos_report){.trained_per_step = NAN};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    chaos.rng = rng_stream(options->seed, RNG_TEST, 0, 0, 0);
    chaos.start = clock_us();
    draw_next(&chaos);
    int r = watch(&chaos, err);
    release(&chaos, true);
    report->seconds = clock_seconds_since(chaos.start);
    report->has_ended = !r;
    return r ? r : read_last_words(&chaos, err);
}

/* --- the verdict --- */

static bool sentence(int number, bool held, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool sentence(int number, bool held, const char *format, ...)
{
    va_list args;
    printf("%8d  %s%-4s%s  ", number, terminal_style(stdout, held ? STYLE_GOOD : STYLE_ERROR), held ? "yes" : "NO",
           terminal_style(stdout, STYLE_OFF));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    return held;
}

bool chaos_verdict(const struct chaos_report *r, const char *calm_hash, const char *hash)
{
    bool is_same = !calm_hash || (hash && *hash && !strcmp(calm_hash, hash));
    double due = r->steps * r->trained_per_step; /* each update trains on one trajectory of each lane */
    bool is_counted = isfinite(due), held = true;
    printf("\nfaults    kill %d, freeze %d, restart %d, disk %d in %.0f s; looked %d times\nsentence  held\n",
           r->faults[CHAOS_KILL], r->faults[CHAOS_FREEZE], r->faults[CHAOS_RESTART], r->faults[CHAOS_DISK], r->seconds, r->looks);
    held &= sentence(1, is_same && (!is_counted || r->trained < due + 0.5), "trained on %.0f trajectories, due %.0f%s", r->trained,
                     is_counted ? due : r->trained,
                     !calm_hash ? ""
                     : is_same  ? "; same learning state as undisturbed"
                                : "; ANOTHER learning state than undisturbed");
    held &= sentence(2, r->has_ended && (!is_counted || r->trained > due - 0.5),
                     "no update lacked one; lost with its process %.0f, still on the way when the run was complete %.0f", r->lost,
                     r->away + r->held);
    held &= sentence(3, r->unexplained == 0, "announced %.0f, unexplained %.0f", r->announced, r->unexplained);
    held &= sentence(4, !r->went_back, "versions only grew, over %d generation%s", r->generations, r->generations == 1 ? "" : "s");
    held &= sentence(6, r->has_ended, "ended by itself; %.0f trajectories were rolled back to a checkpoint", r->rolled_back);
    held &= sentence(7, r->worst_lag <= r->lag_bound, "lag at most %.0f, bound %.0f", r->worst_lag, r->lag_bound);
    printf("verdict   %s\n", held ? "the contract held" : "THE CONTRACT WAS BROKEN");
    return held;
}

/* --- programs --- */

int chaos_capture(const char *const *argv, bool is_quiet, char *out, int size)
{
    extern char **environ;
    int pipes[2], status, used = 0;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(pipes, O_CLOEXEC))
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (is_quiet)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    for (ssize_t got = 1; !r && got; used += got > 0 ? (int)got : 0) {
        char rest[512];
        bool has_room = used + 1 < size;
        got = read(pipes[0], has_room ? out + used : rest, has_room ? (size_t)(size - 1 - used) : sizeof rest);
        if (got < 0 && errno != EINTR)
            break;
        if (!has_room)
            used -= got > 0 ? (int)got : 0; /* read on, so that the program ends, and forget */
    }
    out[used] = 0;
    close(pipes[0]);
    if (r)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
