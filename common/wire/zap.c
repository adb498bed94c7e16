/* Admission of keys: see zap.h. A question has seven frames: version "1.0", request id, domain, address, routing id, mechanism, key (32
 * bytes); an answer six: version, the id, status, text, user id, metadata. */
#include "wire/zap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/loop_watch.h"

#define QUOTA 64
#define FRAMES 7
#define FRAME_MAX 256
#define KEY_BYTES 32

struct zap {
    void *reply;
    struct zap_callbacks callbacks;
    struct loop_watch watch;
};

struct question {
    int n;
    size_t length[FRAMES];
    char frame[FRAMES][FRAME_MAX + 1];
};

/* A whole question; false when none is there. Frames beyond the seventh are counted and dropped, long ones cut with their length kept. */
static bool read_question(struct zap *zap, struct question *question)
{
    int more = 1;
    size_t size = sizeof more;
    for (question->n = 0; more; question->n++) {
        char spare[FRAME_MAX + 1], *frame = question->n < FRAMES ? question->frame[question->n] : spare;
        int length = zmq_recv(zap->reply, frame, FRAME_MAX, ZMQ_DONTWAIT);
        if (length < 0)
            return false;
        frame[length < FRAME_MAX ? length : FRAME_MAX] = 0;
        if (question->n < FRAMES)
            question->length[question->n] = (size_t)length;
        if (zmq_getsockopt(zap->reply, ZMQ_RCVMORE, &more, &size))
            return false;
    }
    return true;
}

static bool is_admitted(struct zap *zap, const struct question *question, char key[LOOP_ZMQ_KEY_SIZE])
{
    if (question->n != FRAMES || strcmp(question->frame[0], "1.0") != 0 || strcmp(question->frame[5], "CURVE") != 0 ||
        question->length[6] != KEY_BYTES || !zmq_z85_encode(key, (const uint8_t *)question->frame[6], KEY_BYTES))
        return false;
    return zap->callbacks.admit(zap->callbacks.context, key, question->frame[3]);
}

static void answer(struct zap *zap, const struct question *question)
{
    char key[LOOP_ZMQ_KEY_SIZE] = "";
    bool is_in = is_admitted(zap, question, key);
    const char *frames[] = {is_in ? "200" : "400", is_in ? "OK" : "this key is not admitted", is_in ? key : "", ""};
    zmq_send(zap->reply, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(zap->reply, question->frame[1], question->n > 1 && question->length[1] <= FRAME_MAX ? question->length[1] : 0,
             ZMQ_SNDMORE);
    for (size_t i = 0; i < ARRAY_LEN(frames); i++)
        zmq_send(zap->reply, frames[i], strlen(frames[i]), i + 1 < ARRAY_LEN(frames) ? ZMQ_SNDMORE : 0);
}

static bool is_pending(void *context)
{
    const struct zap *zap = context;
    return loop_watch_events(zap->reply) & ZMQ_POLLIN;
}

static void work(void *context)
{
    struct zap *zap = context;
    struct question question;
    for (int i = 0; i < QUOTA && !zap->watch.is_closing && read_question(zap, &question); i++)
        answer(zap, &question);
}

static void release(void *context)
{
    struct zap *zap = context;
    zmq_close(zap->reply);
    free(zap);
}

static const struct loop_watch_ops watch_ops = {is_pending, work, release};

int zap_open(struct zap **out, uv_loop_t *loop, void *zmq_context, const struct zap_callbacks *callbacks, struct err *err)
{
    const int zero = 0;
    struct zap *zap = calloc(1, sizeof *zap);
    *out = NULL;
    if (!zap)
        return err_set(err, ERR_NOMEM, "no memory for the admission of keys");
    zap->callbacks = *callbacks;
    zap->reply = zmq_socket(zmq_context, ZMQ_REP);
    bool is_open = zap->reply && !zmq_setsockopt(zap->reply, ZMQ_LINGER, &zero, sizeof zero) &&
                   !zmq_bind(zap->reply, "inproc://zeromq.zap.01");
    int r = is_open ? loop_watch_start(&zap->watch, loop, zap->reply, &watch_ops, zap, err)
                    : err_set(err, ERR_IO, "cannot open the admission of keys: %s", zmq_strerror(errno));
    if (!r)
        *out = zap;
    else if (zap->watch.open_handles)
        loop_watch_close(&zap->watch);
    else {
        if (zap->reply)
            zmq_close(zap->reply);
        free(zap);
    }
    return r;
}

void zap_close(struct zap **zap)
{
    if (*zap)
        loop_watch_close(&(*zap)->watch);
    *zap = NULL;
}
