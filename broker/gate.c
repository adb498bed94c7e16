#include "broker/gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "wire/zap.h"

#define LOOK_MS 1000         /* at the file of the list */
#define QUIET_US (60000000u) /* between two lines about the same kind of refusal: whoever knocks for hours fills no disk */

struct gate {
    struct allow_list list;
    struct zap *zap;
    uv_fs_poll_t look;
    struct broker_security security;
    monotonic_us told_at[LOOP_FAILURES + 1]; /* the last is that of revoked keys */
    char path[4096];
};

/* The first of its kind at once, later ones with their number, not more often than once a minute. */
static void tell(struct gate *gate, int kind, const char *name, const char *from, uint64_t total)
{
    monotonic_us now = clock_us();
    if (gate->told_at[kind] && now - gate->told_at[kind] < QUIET_US)
        return;
    gate->told_at[kind] = now;
    log_warning("peer refused reason=%s from=%s total=%llu", name, from, (unsigned long long)total);
}

static void count(struct gate *gate, enum loop_failure failure, const char *from)
{
    uint64_t total = ++gate->security.refused[failure];
    tell(gate, (int)failure, loop_failure_name(failure), from, total);
}

void gate_failed(struct gate *gate, enum loop_failure failure)
{
    if (failure != LOOP_FAILURE_DENIED) /* counted where it was decided */
        count(gate, failure, "?");
}

static bool admit(void *context, const char key[LOOP_ZMQ_KEY_SIZE], const char *address)
{
    struct gate *gate = context;
    bool is_in = allow_list_find(&gate->list, key) != NULL;
    if (is_in)
        gate->security.admitted++;
    else
        count(gate, LOOP_FAILURE_DENIED, address);
    return is_in;
}

const struct allowed *gate_sender(struct gate *gate, const char *user)
{
    const struct allowed *allowed = user ? allow_list_find(&gate->list, user) : NULL;
    if (!allowed)
        tell(gate, LOOP_FAILURES, "revoked", "?", ++gate->security.revoked);
    return allowed;
}

struct broker_security gate_security(const struct gate *gate)
{
    struct broker_security security = gate->security;
    security.has_keys = true;
    security.keys = gate->list.count;
    return security;
}

/* --- the list --- */

void gate_reload(struct gate *gate)
{
    struct err err = {""};
    if (allow_list_read(&gate->list, gate->path, &err)) {
        gate->security.failed_reloads++;
        log_error("list of keys not read again, the old one stays reason=\"%s\"", err.text);
        return;
    }
    gate->security.reloads++;
    log_notice("list of keys read again keys=%d", gate->list.count);
}

static void on_look(uv_fs_poll_t *look, int status, const uv_stat_t *before, const uv_stat_t *now)
{
    (void)status, (void)before, (void)now; /* a file that is gone is told by reading it */
    gate_reload(look->data);
}

/* --- open and close --- */

static void on_closed(uv_handle_t *handle)
{
    struct gate *gate = handle->data;
    allow_list_free(&gate->list);
    free(gate);
}

void gate_close(struct gate **out)
{
    struct gate *gate = *out;
    *out = NULL;
    if (!gate)
        return;
    zap_close(&gate->zap);
    uv_close((uv_handle_t *)&gate->look, on_closed);
}

int gate_open(struct gate **out, uv_loop_t *loop, void *zmq_context, const char *allowed_path, struct err *err)
{
    struct gate *gate = calloc(1, sizeof *gate);
    *out = NULL;
    if (!gate)
        return err_set(err, ERR_NOMEM, "no memory for the list of keys");
    const struct zap_callbacks callbacks = {gate, admit};
    size_t length = strlen(allowed_path);
    int r = length < sizeof gate->path ? 0 : err_set(err, ERR_LIMIT, "path of the list of keys is too long");
    if (!r) {
        memcpy(gate->path, allowed_path, length + 1);
        r = allow_list_read(&gate->list, gate->path, err);
    }
    if (!r)
        r = zap_open(&gate->zap, loop, zmq_context, &callbacks, err);
    if (r) {
        allow_list_free(&gate->list);
        free(gate);
        return r;
    }
    uv_fs_poll_init(loop, &gate->look);
    gate->look.data = gate;
    uv_fs_poll_start(&gate->look, on_look, gate->path, LOOK_MS);
    *out = gate;
    return 0;
}
