/* An observer of a cluster: asks a broker for its statistics, one question, one answer. It is no peer of the run and holds nothing. */
#ifndef TESTUDO_DEPLOY_OBSERVER_H
#define TESTUDO_DEPLOY_OBSERVER_H

#include <stdbool.h>

#include "base/json.h"
#include "wire/loop_zmq.h"

struct observer;
/* Connecting never fails because nobody is there. `keys` (borrowed while it is open) may be NULL: plain text. ERR_INVALID: bad endpoint,
 * or beyond this machine with neither keys nor is_insecure, or bad keys. */
MUST_USE int observer_open(struct observer **observer, const char *endpoint, const struct loop_zmq_keys *keys, bool is_insecure,
                           struct err *err);
void observer_close(struct observer **observer);

/* The broker's answer, the caller's to release; NULL: none in time (ERR_AGAIN; the next question goes through a new connection), refused,
 * or no JSON object, or not let in (ERR_DENIED). Blocks. */
json_t *observer_ask(struct observer *observer, int timeout_ms, struct err *err);

/* A value of the answer by its path ("learner_status.book.trained"); NaN, or "", when it is not there. */
double observed(const json_t *tree, const char *path);
const char *observed_text(const json_t *tree, const char *path);
const json_t *observed_at(const json_t *tree, const char *path);

/* 950, 12.3k, 4.10M; "-" when not finite. */
#define OBSERVED_SIZE 16
const char *observed_human(double value, char out[OBSERVED_SIZE]);

#endif
