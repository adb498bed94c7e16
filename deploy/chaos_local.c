/* Chaos in a run of this machine's launcher: `train` is a child, its children are found in its log. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "deploy/chaos.h"
#include "deploy/observer.h"
#include "deploy/runs.h"

#define ARGUMENTS_MAX 128
#define LOG_MAX (64u << 20)
#define ANSWER_MS 500

struct chaos_local {
    char root[PATH_MAX], folder[PATH_MAX], program[PATH_MAX], output[PATH_MAX], actors[16];
    const char *arguments[ARGUMENTS_MAX]; /* of train, NULL at the end; borrowed */
    pid_t launcher;                       /* 0: none runs */
    bool is_restarting;                   /* it was asked to leave, and will be started again */
    char endpoint[256];
    struct observer *observer;
};

static int start(struct chaos_local *local)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, local->output, O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    int r = posix_spawn(&local->launcher, local->program, &actions, NULL, (char *const *)(uintptr_t)local->arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r)
        local->launcher = 0;
    return r;
}

int chaos_local_create(struct chaos_local **out, const char *root, const char *const *arguments, int n, int actors, struct err *err)
{
    struct chaos_local *local = calloc(1, sizeof *local);
    *out = local;
    if (!local)
        return err_set(err, ERR_NOMEM, "out of memory");
    const char *fixed[] = {"testudo", "train", "--quiet", "--actors", local->actors, "--runs", local->root};
    int used = (int)ARRAY_LEN(fixed), r = file_make_folder(root, err);
    if (r)
        return r;
    if (used + n + 1 > ARGUMENTS_MAX || snprintf(local->root, sizeof local->root, "%s", root) >= (int)sizeof local->root ||
        file_join(local->output, sizeof local->output, local->root, "output.txt") || !realpath("/proc/self/exe", local->program))
        return err_set(err, ERR_LIMIT, "too many arguments, or a path is too long");
    snprintf(local->actors, sizeof local->actors, "%d", actors);
    memcpy(local->arguments, fixed, sizeof fixed);
    memcpy(local->arguments + used, arguments, (size_t)n * sizeof *arguments);
    return start(local) ? err_set(err, ERR_IO, "cannot start `train`: %s", strerror(errno)) : 0;
}

void chaos_local_destroy(struct chaos_local **out)
{
    struct chaos_local *local = *out;
    if (!local)
        return;
    if (local->launcher) {
        kill(local->launcher, SIGKILL); /* its children follow */
        waitpid(local->launcher, NULL, 0);
    }
    observer_close(&local->observer);
    free(local);
    *out = NULL;
}

static int take_folder(void *context, const char *folder, struct err *err)
{
    struct chaos_local *local = context;
    (void)err;
    snprintf(local->folder, sizeof local->folder, "%s", folder);
    return 0;
}

const char *chaos_local_folder(const struct chaos_local *local)
{
    if (!local->folder[0] && runs_visit(local->root, take_folder, (void *)(uintptr_t)local, NULL))
        return "";
    return local->folder;
}

/* The launcher's log, the caller's; NULL when there is none yet. */
static char *read_log(const struct chaos_local *local)
{
    char path[PATH_MAX];
    unsigned char *text;
    size_t length;
    if (!*chaos_local_folder(local) || file_join(path, sizeof path, local->folder, "log.txt") ||
        file_read(path, LOG_MAX, &text, &length, NULL))
        return NULL;
    return (char *)text;
}

/* Children that were started last under their names and have not ended. */
static int local_members(void *target, struct chaos_member *members, int max)
{
    struct chaos_local *local = target;
    char *log = local->launcher && !local->is_restarting ? read_log(local) : NULL, name[64];
    long long pid;
    int n = 0;
    for (char *p = log; p && (p = strstr(p, "child started name=")); p++) {
        if (sscanf(p, "child started name=%63s pid=%lld", name, &pid) != 2)
            continue;
        int i = 0;
        while (i < n && strcmp(members[i].name, name) != 0)
            i++;
        if (i == max)
            continue;
        n += i == n;
        members[i].pid = pid;
        memcpy(members[i].name, name, sizeof name);
        snprintf(members[i].id, sizeof members[i].id, "%s/%lld", name, pid);
    }
    free(log);
    for (int i = n - 1; i >= 0; i--)
        if (kill((pid_t)members[i].pid, 0))
            members[i] = members[--n];
    return n;
}

static int local_kill(void *target, const struct chaos_member *member)
{
    (void)target;
    return kill((pid_t)member->pid, SIGKILL) ? ERR_UNKNOWN : 0;
}

static int local_freeze(void *target, const struct chaos_member *member, bool is_frozen)
{
    (void)target;
    return kill((pid_t)member->pid, is_frozen ? SIGSTOP : SIGCONT) ? ERR_UNKNOWN : 0;
}

/* The broker alone, or the whole run: Ctrl-C, and the same command again (an actor that is asked to leave would stay away). */
static int local_restart(void *target, const struct chaos_member *member)
{
    struct chaos_local *local = target;
    if (!strncmp(member->name, "broker/", 7))
        return kill((pid_t)member->pid, SIGTERM) ? ERR_UNKNOWN : 0;
    if (!local->launcher || kill(local->launcher, SIGINT))
        return ERR_UNKNOWN;
    local->is_restarting = true;
    return 0;
}

static int local_fill_disk(void *target, const struct chaos_member *member, bool is_full)
{
    (void)target;
    return chaos_limit_files(member->pid, is_full);
}

static enum chaos_state local_state(void *target, struct err *err)
{
    struct chaos_local *local = target;
    int status;
    if (!local->launcher)
        return CHAOS_OVER;
    if (waitpid(local->launcher, &status, WNOHANG) != local->launcher)
        return CHAOS_RUNS;
    local->launcher = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CHAOS_OVER;
    if (local->is_restarting) {
        local->is_restarting = false;
        local->endpoint[0] = 0;
        return start(local) ? (err_set(err, ERR_IO, "cannot start `train` again"), CHAOS_FAILED) : CHAOS_RUNS;
    }
    err_set(err, ERR_STATE, "the launcher gave up (%s)", local->output);
    return CHAOS_FAILED;
}

/* The endpoint is in the log; each start of the launcher has another. */
static json_t *local_stats(void *target)
{
    struct chaos_local *local = target;
    char *log = read_log(local), *last = NULL, endpoint[256] = "";
    struct err err;
    for (char *p = log; p && (p = strstr(p, "broker listens endpoint=")); p++)
        last = p;
    if (last)
        sscanf(last, "broker listens endpoint=%255s", endpoint);
    free(log);
    if (!endpoint[0])
        return NULL;
    if (strcmp(endpoint, local->endpoint) != 0) {
        observer_close(&local->observer);
        memcpy(local->endpoint, endpoint, sizeof endpoint);
    }
    if (!local->observer && observer_open(&local->observer, endpoint, NULL, false, &err))
        return NULL;
    return observer_ask(local->observer, ANSWER_MS, &err);
}

static int local_last_words(void *target, char *line, int size)
{
    char *log = read_log(target), *last = NULL;
    for (char *p = log; p && (p = strstr(p, "run complete")); p++)
        last = p;
    if (last)
        snprintf(line, (size_t)size, "%.*s", (int)strcspn(last, "\n"), last);
    free(log);
    return last ? 0 : ERR_UNKNOWN;
}

const struct chaos_ops chaos_local_ops = {.members = local_members,
                                          .kill = local_kill,
                                          .freeze = local_freeze,
                                          .restart = local_restart,
                                          .fill_disk = local_fill_disk,
                                          .state = local_state,
                                          .stats = local_stats,
                                          .last_words = local_last_words};
