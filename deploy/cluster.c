/* The local launcher. One libuv loop; every child is a small machine:
 *
 *   NEW -start-> RUNNING -died-> WAIT_RESTART -pause over-> RUNNING
 *                    '-expected, or the cluster closes-> GONE
 *
 * Children lead process groups of their own, so that Ctrl-C reaches this process only and the order of leaving stays ours: the learner
 * saves first, while actors still answer. They learn our process id and ask the kernel to be told when we die (process.c). */
#include "deploy/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include <uv.h>

#include "base/log.h"
#include "deploy/verb.h"

#define ARGUMENTS_MAX 24
#define STATUS_LINE_MAX 8192
#define STATUS_FD 3
#define CLOSING_MS 10000
#define DRAW_MS 200
#define FIRST_PAUSE_MS 200
#define PAUSE_DOUBLINGS 4   /* at most 3.2 s */
#define LIVED_WELL_MS 30000 /* a child that lived this long starts counting restarts anew */

enum role { ROLE_BROKER, ROLE_LEARNER, ROLE_ACTOR };
enum child_state { CHILD_NEW, CHILD_RUNNING, CHILD_WAIT_RESTART, CHILD_GONE };
enum stage { STAGE_RUNNING, STAGE_SAVING, STAGE_CLOSING, STAGE_KILLING };

struct child {
    struct cluster *cluster;
    enum role role;
    enum child_state state;
    int index, restarts;
    uint64_t started_ms;
    int64_t update_seen; /* of the run, when it was last restarted */
    uv_process_t process;
    uv_timer_t pause;
};

struct cluster {
    const struct cluster_options *options;
    uv_loop_t loop;
    uv_signal_t signals[3];
    uv_timer_t draw, closing;
    uv_pipe_t status_pipe;
    bool has_status_pipe;
    char folder[64], endpoint[96], log_path[PATH_MAX], program[PATH_MAX];
    int log_fd;
    enum stage stage;
    int result; /* of cluster_run, once the stage is past RUNNING */
    struct err *err;
    struct progress progress;
    struct progress_status *status;
    char line[STATUS_LINE_MAX]; /* a status line on its way in */
    size_t line_used;
    int n_children;
    struct child children[2 + CLUSTER_ACTORS_MAX];
};

static const char *const role_names[] = {[ROLE_BROKER] = "broker", [ROLE_LEARNER] = "learner", [ROLE_ACTOR] = "actor"};

static void start_child(struct child *child);

/* -- private folder --------------------------------------------------------------------------------------------------------- */

/* The endpoint is the path of a UNIX socket, which sockaddr_un limits to 107 bytes, so a long XDG_RUNTIME_DIR is not used. */
static int make_folder(struct cluster *c)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    static const char name[] = "/testudo-XXXXXX";
    bool fits = runtime && *runtime == '/' && strlen(runtime) + sizeof name <= sizeof c->folder;
    for (int i = fits ? 0 : 1; i < 2; i++) {
        snprintf(c->folder, sizeof c->folder, "%s%s", i ? "/tmp" : runtime, name);
        if (mkdtemp(c->folder)) {
            snprintf(c->endpoint, sizeof c->endpoint, "ipc://%s/broker", c->folder);
            ASSERT(strlen(c->folder) + sizeof "/broker" <= sizeof((struct sockaddr_un *)0)->sun_path);
            return 0;
        }
    }
    return err_set(c->err, ERR_IO, "cannot create a folder in /tmp: %s", strerror(errno));
}

static void remove_folder(struct cluster *c)
{
    char socket_path[96];
    snprintf(socket_path, sizeof socket_path, "%s/broker", c->folder);
    unlink(socket_path);
    rmdir(c->folder);
}

/* -- stages ----------------------------------------------------------------------------------------------------------------- */

static void signal_child(struct child *child, int signum)
{
    if (child->state == CHILD_RUNNING)
        uv_process_kill(&child->process, signum);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void leave_when_empty(struct cluster *c)
{
    for (int i = 0; i < c->n_children; i++)
        if (c->children[i].state == CHILD_RUNNING)
            return;
    uv_walk(&c->loop, close_handle, NULL);
}

static void kill_all(struct cluster *c)
{
    c->stage = STAGE_KILLING;
    for (int i = 0; i < c->n_children; i++)
        signal_child(&c->children[i], SIGKILL);
}

static void on_closing_timeout(uv_timer_t *timer)
{
    kill_all(timer->data);
}

/* Everybody leaves; the first reason given stands. */
static void close_cluster(struct cluster *c, int result)
{
    if (c->stage >= STAGE_CLOSING)
        return;
    c->stage = STAGE_CLOSING;
    c->result = c->result ? c->result : result;
    for (int i = 0; i < c->n_children; i++) {
        uv_timer_stop(&c->children[i].pause);
        if (c->children[i].state == CHILD_WAIT_RESTART)
            c->children[i].state = CHILD_GONE;
        signal_child(&c->children[i], SIGTERM);
    }
    uv_timer_start(&c->closing, on_closing_timeout, CLOSING_MS, 0);
    leave_when_empty(c);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct cluster *c = handle->data;
    log_notice("signal received number=%d stage=%d", signum, (int)c->stage);
    if (c->stage != STAGE_RUNNING) {
        if (c->stage == STAGE_SAVING)
            c->result = err_set(c->err, ERR_STATE, "killed by a second signal; what was learned since the last checkpoint is lost");
        kill_all(c);
        leave_when_empty(c);
        return;
    }
    struct child *learner = &c->children[ROLE_LEARNER];
    c->result = err_set(c->err, ERR_CLOSED, "stopped");
    if (learner->state != CHILD_RUNNING) {
        close_cluster(c, c->result);
        return;
    }
    c->stage = STAGE_SAVING;
    progress_note(&c->progress, "stopping: the learner saves a checkpoint (once more to kill)");
    signal_child(learner, SIGTERM);
}

/* -- children --------------------------------------------------------------------------------------------------------------- */

/* The last line of the log that a verb of this role wrote as its reason to leave; "" when there is none. */
static void last_words(const struct cluster *c, enum role role, char out[256])
{
    char tail[16384], start[32];
    out[0] = 0;
    int fd = open(c->log_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END), from = end > (off_t)sizeof tail - 1 ? end - (off_t)sizeof tail + 1 : 0;
    ssize_t got = pread(fd, tail, sizeof tail - 1, from);
    close(fd);
    tail[got > 0 ? got : 0] = 0;
    snprintf(start, sizeof start, "testudo %s: ", role_names[role]);
    for (char *p = tail; (p = strstr(p, start)); p++)
        snprintf(out, 256, "%.*s", (int)strcspn(p + strlen(start), "\n"), p + strlen(start));
}

/* On a full disk the log says nothing more, so its last words are missing or old. */
static bool disk_is_full(const struct cluster *c)
{
    struct statvfs disk;
    return !statvfs(c->options->run_folder, &disk) && disk.f_blocks && disk.f_bavail == 0;
}

static void fail(struct child *child, const char *how)
{
    struct cluster *c = child->cluster;
    char words[256];
    last_words(c, child->role, words);
    if (disk_is_full(c))
        snprintf(words, sizeof words, "the disk that holds the run folder is full");
    if (!c->result)
        c->result = err_set(c->err, ERR_STATE, "%s/%d %s%s%s (log: %.150s)", role_names[child->role], child->index, how,
                            words[0] ? ": " : "", words, c->log_path);
    close_cluster(c, c->result);
}

/* Actors leave by themselves when the learner says that the run is complete; one that comes back after that needs them again. */
static void on_pause_over(uv_timer_t *timer)
{
    struct child *child = timer->data;
    struct cluster *c = child->cluster;
    start_child(child);
    for (int i = ROLE_ACTOR; child->role == ROLE_LEARNER && i < c->n_children; i++)
        if (c->children[i].state == CHILD_GONE)
            start_child(&c->children[i]);
}

static void restart_later(struct child *child)
{
    struct cluster *c = child->cluster;
    /* A run that moves on between two deaths is no crash loop, however often somebody kills. */
    if (uv_now(&c->loop) - child->started_ms > LIVED_WELL_MS || c->status->update > child->update_seen)
        child->restarts = 0;
    child->update_seen = c->status->update;
    if (child->restarts == CLUSTER_RESTARTS) {
        fail(child, "died too often");
        return;
    }
    uint64_t pause_ms = (uint64_t)FIRST_PAUSE_MS << (child->restarts < PAUSE_DOUBLINGS ? child->restarts : PAUSE_DOUBLINGS);
    child->restarts++;
    child->state = CHILD_WAIT_RESTART;
    log_warning("child restarts name=%s/%d pause_ms=%llu restarts=%d", role_names[child->role], child->index,
                (unsigned long long)pause_ms, child->restarts);
    uv_timer_start(&child->pause, on_pause_over, pause_ms, 0);
}

/* What the end of a child means depends on who it was and on the stage. */
static void judge_exit(struct child *child, int64_t code, int signum)
{
    struct cluster *c = child->cluster;
    bool is_learner = child->role == ROLE_LEARNER;
    child->state = CHILD_GONE;
    if (c->stage >= STAGE_CLOSING)
        return;
    if (c->stage == STAGE_SAVING) {
        if (is_learner && (code || signum)) {
            c->result = 0; /* worse than "stopped" */
            fail(child, "could not save");
        } else if (is_learner)
            close_cluster(c, c->result);
        return; /* others may go: nothing new is learned any more */
    }
    if (is_learner && !code && !signum)
        close_cluster(c, 0);
    else if (code == EXIT_MISUSED)
        fail(child, "refused to start");
    else if (child->role != ROLE_ACTOR || code || signum) {
        progress_note(&c->progress, "%s/%d %s %d, starting it again", role_names[child->role], child->index,
                      signum ? "was killed by signal" : "left with exit code", signum ? signum : (int)code);
        restart_later(child);
    }
}

static void on_child_exit(uv_process_t *process, int64_t code, int signum)
{
    struct child *child = process->data;
    struct cluster *c = child->cluster;
    log_notice("child ended name=%s/%d code=%d signal=%d", role_names[child->role], child->index, (int)code, signum);
    uv_close((uv_handle_t *)process, NULL); /* before anything that may close all handles */
    judge_exit(child, code, signum);
    if (c->stage >= STAGE_CLOSING)
        leave_when_empty(c);
}

/* -- status of the learner -------------------------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct cluster *c = handle->data;
    if (c->line_used == sizeof c->line)
        c->line_used = 0; /* a line beyond the ceiling is dropped */
    *buf = uv_buf_init(c->line + c->line_used, (unsigned)(sizeof c->line - c->line_used));
}

static void on_status(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    (void)buf;
    struct cluster *c = stream->data;
    if (got < 0) {
        uv_read_stop(stream);
        return;
    }
    c->line_used += (size_t)got;
    char *start = c->line, *end;
    while ((end = memchr(start, '\n', c->line_used - (size_t)(start - c->line)))) {
        if (progress_read(c->status, start, (size_t)(end - start)))
            log_warning("status line malformed bytes=%d", (int)(end - start));
        start = end + 1;
    }
    c->line_used -= (size_t)(start - c->line);
    memmove(c->line, start, c->line_used);
}

static void on_pipe_closed(uv_handle_t *handle)
{
    struct child *learner = handle->data;
    learner->cluster->has_status_pipe = false;
    start_child(learner);
}

/* -- starting --------------------------------------------------------------------------------------------------------------- */

/* Puts copies of the texts behind each other into `text`; argv points there. */
static void make_arguments(struct child *child, char *text, size_t size, char *argv[ARGUMENTS_MAX])
{
    struct cluster *c = child->cluster;
    char parent[16], number[16], endpoints[512];
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    snprintf(number, sizeof number, "%d", child->index);
    /* Our own last: whoever reads the log for an endpoint takes the last one. */
    snprintf(endpoints, sizeof endpoints, "%s%s%s", c->options->listen ? c->options->listen : "", c->options->listen ? "," : "",
             c->endpoint);
    const char *words[ARGUMENTS_MAX] = {c->program, role_names[child->role], "--parent", parent};
    int n = 4;
    if (child->role == ROLE_BROKER) {
        words[n++] = "--listen", words[n++] = endpoints;
    } else {
        words[n++] = "--connect", words[n++] = c->endpoint;
    }
    if (child->role == ROLE_ACTOR) {
        words[n++] = "--id", words[n++] = number;
    } else if (child->role == ROLE_LEARNER) {
        words[n++] = "--run", words[n++] = c->options->run_folder;
        words[n++] = "--task", words[n++] = c->options->task;
        words[n++] = "--status-fd", words[n++] = "3";
        if (c->options->source)
            words[n++] = "--source", words[n++] = c->options->source;
        if (c->options->results)
            words[n++] = "--results", words[n++] = c->options->results;
    }
    ASSERT(n < ARGUMENTS_MAX);
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        argv[i] = text + used;
        used += (size_t)snprintf(text + used, size - used, "%s", words[i]) + 1;
        ASSERT(used < size);
    }
    argv[n] = NULL;
}

static int spawn(struct child *child)
{
    struct cluster *c = child->cluster;
    char text[3 * PATH_MAX], *argv[ARGUMENTS_MAX];
    make_arguments(child, text, sizeof text, argv);
    uv_stdio_container_t stdio[STATUS_FD + 1] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = c->log_fd},
        {.flags = UV_INHERIT_FD, .data.fd = c->log_fd},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&c->status_pipe},
    };
    uv_process_options_t options = {
        .file = c->program,
        .args = argv,
        .flags = UV_PROCESS_DETACHED,
        .stdio = stdio,
        .stdio_count = child->role == ROLE_LEARNER ? STATUS_FD + 1 : STATUS_FD,
        .exit_cb = on_child_exit,
    };
    child->process.data = child;
    return uv_spawn(&c->loop, &child->process, &options);
}

static void start_child(struct child *child)
{
    struct cluster *c = child->cluster;
    if (c->stage != STAGE_RUNNING)
        return;
    if (child->role == ROLE_LEARNER) {
        if (c->has_status_pipe) { /* of the one that died: closed first, then this function again */
            c->status_pipe.data = child;
            uv_close((uv_handle_t *)&c->status_pipe, on_pipe_closed);
            return;
        }
        uv_pipe_init(&c->loop, &c->status_pipe, 0);
        c->status_pipe.data = c;
        c->has_status_pipe = true;
        c->line_used = 0;
    }
    int r = spawn(child);
    child->state = r ? CHILD_GONE : CHILD_RUNNING;
    child->started_ms = uv_now(&c->loop);
    if (r) {
        uv_close((uv_handle_t *)&child->process, NULL);
        fail(child, uv_strerror(r));
        return;
    }
    if (child->role == ROLE_LEARNER)
        uv_read_start((uv_stream_t *)&c->status_pipe, on_alloc, on_status);
    log_notice("child started name=%s/%d pid=%d", role_names[child->role], child->index, child->process.pid);
}

static void on_draw(uv_timer_t *timer)
{
    struct cluster *c = timer->data;
    progress_draw(&c->progress, c->status);
}

static void start_watching(struct cluster *c)
{
    static const int signums[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(signums); i++) {
        uv_signal_init(&c->loop, &c->signals[i]);
        c->signals[i].data = c;
        uv_signal_start(&c->signals[i], on_signal, signums[i]);
    }
    uv_timer_init(&c->loop, &c->draw);
    uv_timer_init(&c->loop, &c->closing);
    c->draw.data = c->closing.data = c;
    uv_timer_start(&c->draw, on_draw, DRAW_MS, DRAW_MS);
}

/* The broker and the learner come first: children[role]. */
static void start_children(struct cluster *c)
{
    int actors = c->options->actors ? c->options->actors : (int)sysconf(_SC_NPROCESSORS_ONLN);
    actors = actors < 1 ? 1 : actors > CLUSTER_ACTORS_MAX ? CLUSTER_ACTORS_MAX : actors;
    c->n_children = 2 + actors;
    for (int i = 0; i < c->n_children; i++) {
        struct child *child = &c->children[i];
        *child = (struct child){
            .cluster = c, .role = i < ROLE_ACTOR ? (enum role)i : ROLE_ACTOR, .index = i < ROLE_ACTOR ? 0 : i - ROLE_ACTOR};
        uv_timer_init(&c->loop, &child->pause);
        child->pause.data = child;
    }
    for (int i = 0; i < c->n_children && c->stage == STAGE_RUNNING; i++)
        start_child(&c->children[i]);
}

static int open_log(struct cluster *c)
{
    if (snprintf(c->log_path, sizeof c->log_path, "%s/log.txt", c->options->run_folder) >= (int)sizeof c->log_path)
        return err_set(c->err, ERR_LIMIT, "path of the run folder too long");
    c->log_fd = open(c->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (c->log_fd < 0)
        return err_set(c->err, ERR_IO, "cannot open \"%.200s\": %s", c->log_path, strerror(errno));
    return log_open("cluster", LOG_NOTICE, c->log_path, c->err);
}

static int run(struct cluster *c)
{
    int r;
    if (!realpath("/proc/self/exe", c->program))
        return err_set(c->err, ERR_IO, "cannot find this program's file: %s", strerror(errno));
    if ((r = open_log(c)) || (r = make_folder(c)))
        return r;
    if (uv_loop_init(&c->loop)) {
        remove_folder(c);
        return err_set(c->err, ERR_NOMEM, "cannot start an event loop");
    }
    start_watching(c);
    start_children(c);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&c->loop) == 0);
    remove_folder(c);
    progress_end(&c->progress, c->status);
    return c->result;
}

int cluster_run(const struct cluster_options *options, struct progress_status *status, struct err *err)
{
    struct cluster *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(err, ERR_NOMEM, "cannot start a cluster: out of memory");
    *status = (struct progress_status){.return_clean = NAN, .return_attacked = NAN, .lag = NAN};
    c->options = options;
    c->status = status;
    c->err = err;
    c->log_fd = -1;
    progress_init(&c->progress, options->label, options->is_quiet);
    int r = run(c);
    log_close();
    if (c->log_fd >= 0)
        close(c->log_fd);
    free(c);
    return r;
}
