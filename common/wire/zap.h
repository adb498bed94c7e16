/* Admission of keys, in the loop: the answering side of ZAP (RFC 27) for every CURVE server of a ZeroMQ context.
 *
 * Open it before the first server binds: a server that finds nobody to ask refuses everybody. */
#ifndef TESTUDO_WIRE_ZAP_H
#define TESTUDO_WIRE_ZAP_H

#include <uv.h>

#include "wire/loop_zmq.h"

struct zap;
struct zap_callbacks {
    void *context;
    /* Whether whoever proved to have this key (text) may come in. Its messages then carry the key as loop_zmq_message.user. */
    bool (*admit)(void *context, const char key[LOOP_ZMQ_KEY_SIZE], const char *address);
};
/* ERR_IO: another handler lives in this context, or ZeroMQ refused. */
MUST_USE int zap_open(struct zap **zap, uv_loop_t *loop, void *zmq_context, const struct zap_callbacks *callbacks, struct err *err);
void zap_close(struct zap **zap); /* nulls; the loop must run on */

#endif
