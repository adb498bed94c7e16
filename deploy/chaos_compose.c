/* Chaos in a compose project, through the docker command. A container is killed as its process, from outside: what `docker kill` stops
 * counts as stopped on purpose and is not started again by the engine. Where we may not kill, it is restarted without grace. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "deploy/chaos.h"

#define FAILED_SECONDS 30 /* a container that lies with an error for so long is not started again */

static int docker(const char *a, const char *b, const char *c, const char *d)
{
    char out[1024];
    const char *const argv[] = {"docker", a, b, c, d, NULL};
    return chaos_capture(argv, true, out, sizeof out) ? ERR_STATE : 0;
}

/* "ID SERVICE NAME" a line, of running containers or of all. */
static int list(const struct chaos_compose *compose, bool all, char *out, int size)
{
    char filter[128];
    snprintf(filter, sizeof filter, "label=com.docker.compose.project=%s", compose->project);
    const char *const argv[] = {"docker",
                                "ps",
                                all ? "-a" : "--no-trunc",
                                "--no-trunc",
                                "--filter",
                                filter,
                                "--filter",
                                "label=com.docker.compose.oneoff=False",
                                "--format",
                                "{{.ID}} {{.Label \"com.docker.compose.service\"}} {{.Names}}",
                                NULL};
    return chaos_capture(argv, true, out, size);
}

/* The first container of a service, running or not. */
static int find(const struct chaos_compose *compose, const char *service, char id[80])
{
    char out[32768], name[64], found[80], *save = NULL;
    if (list(compose, true, out, sizeof out))
        return ERR_STATE;
    for (char *line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (sscanf(line, "%79s %63s", found, name) == 2 && !strcmp(name, service)) {
            memcpy(id, found, sizeof found);
            return 0;
        }
    return ERR_UNKNOWN;
}

static int compose_members(void *target, struct chaos_member *members, int max)
{
    char out[65536], service[64], *save = NULL;
    int n = 0;
    if (list(target, false, out, sizeof out))
        return 0;
    for (char *line = strtok_r(out, "\n", &save); line && n < max; line = strtok_r(NULL, "\n", &save)) {
        struct chaos_member *member = &members[n];
        member->pid = 0;
        if (sscanf(line, "%79s %63s %63s", member->id, service, member->name) == 3 &&
            (!strcmp(service, "broker") || !strcmp(service, "learner") || !strcmp(service, "actor")))
            n++;
    }
    return n;
}

/* On this machine; 0: it does not run. */
static long pid_of(const struct chaos_member *member)
{
    char out[64];
    const char *const argv[] = {"docker", "inspect", "-f", "{{.State.Pid}}", member->id, NULL};
    return chaos_capture(argv, true, out, sizeof out) ? 0 : strtol(out, NULL, 10);
}

static int compose_kill(void *target, const struct chaos_member *member)
{
    long pid = pid_of(member);
    (void)target;
    if (pid <= 1)
        return ERR_UNKNOWN;
    if (!kill((pid_t)pid, SIGKILL))
        return 0;
    return errno == EPERM || errno == ESRCH ? docker("restart", "-t", "0", member->id) : ERR_UNKNOWN; /* not our namespace */
}

static int compose_freeze(void *target, const struct chaos_member *member, bool is_frozen)
{
    (void)target;
    return docker(is_frozen ? "pause" : "unpause", member->id, NULL, NULL);
}

static int compose_restart(void *target, const struct chaos_member *member)
{
    (void)target;
    return docker("restart", member->id, NULL, NULL);
}

static int compose_fill_disk(void *target, const struct chaos_member *member, bool is_full)
{
    (void)target;
    return chaos_limit_files(pid_of(member), is_full);
}

static enum chaos_state compose_state(void *target, struct err *err)
{
    struct chaos_compose *compose = target;
    char out[128], id[80], status[32];
    int code;
    if (find(compose, "learner", id))
        return err_set(err, ERR_UNKNOWN, "project %s has no container of the service learner", compose->project), CHAOS_FAILED;
    const char *const argv[] = {"docker", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id, NULL};
    if (chaos_capture(argv, true, out, sizeof out) || sscanf(out, "%31s %d", status, &code) != 2)
        return CHAOS_RUNS; /* the engine is busy: asked again */
    bool has_left = !strcmp(status, "exited") || !strcmp(status, "dead");
    if (has_left && code == 0)
        return CHAOS_OVER;
    if (!has_left)
        compose->failed_at = 0;
    else if (!compose->failed_at)
        compose->failed_at = clock_us();
    if (!has_left || clock_seconds_since(compose->failed_at) < FAILED_SECONDS)
        return CHAOS_RUNS;
    return err_set(err, ERR_STATE, "the learner's container lies with exit code %d and nobody starts it", code), CHAOS_FAILED;
}

static json_t *compose_stats(void *target)
{
    enum { SIZE = 2 << 20 };
    char id[80], *out = NULL;
    json_t *tree = NULL;
    struct err err;
    if (!find(target, "broker", id) && (out = malloc(SIZE))) {
        const char *const argv[] = {"docker", "exec", id, "testudo", "stats", "--json", "--count", "1", "--timeout", "1", NULL};
        if (!chaos_capture(argv, true, out, SIZE))
            tree = json_parse("stats", out, strlen(out), &err);
    }
    free(out);
    return tree;
}

static int compose_last_words(void *target, char *line, int size)
{
    enum { SIZE = 8 << 20 };
    char id[80], *log = malloc(SIZE), *last = NULL;
    int r = log ? find(target, "learner", id) : ERR_NOMEM;
    if (!r) {
        const char *const argv[] = {"sh", "-c", "exec docker logs --tail 2000 \"$0\" 2>&1", id, NULL};
        r = chaos_capture(argv, true, log, SIZE);
        for (char *p = log; (p = strstr(p, "run complete")); p++)
            last = p;
    }
    if (last)
        snprintf(line, (size_t)size, "%.*s", (int)strcspn(last, "\n"), last);
    free(log);
    return last ? 0 : ERR_UNKNOWN;
}

const struct chaos_ops chaos_compose_ops = {.members = compose_members,
                                            .kill = compose_kill,
                                            .freeze = compose_freeze,
                                            .restart = compose_restart,
                                            .fill_disk = compose_fill_disk,
                                            .state = compose_state,
                                            .stats = compose_stats,
                                            .last_words = compose_last_words};
