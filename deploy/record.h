/* Records: what is kept of a learning result when its run folder is not. One JSON object per run: method, task, seed, steps, wall time,
 * hashes of recipe and checkpoint, and for every threat and victim the mean return with its interval (without the single
 * episodes). tests/bench/results/ holds those behind the figures that are claimed. */
#ifndef TESTUDO_DEPLOY_RECORD_H
#define TESTUDO_DEPLOY_RECORD_H

#include <jansson.h>

#include "base/err.h"

/* Appends the record of one run folder to an array. Suits runs_visit with `records` as context. */
MUST_USE int record_add_run(void *records, const char *folder, struct err *err);

#endif
