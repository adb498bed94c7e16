/* The same numbers for Prometheus, in its text format 0.0.4. Names begin with testudo_, units end them, counters end in _total and only
 * grow (the book of trajectories, which a learner that went back to a checkpoint rewrites, is told as gauges beside them). */
#ifndef TESTUDO_BROKER_METRICS_H
#define TESTUDO_BROKER_METRICS_H

#include "broker/view.h"

#define METRICS_ACTORS_MAX 200 /* beyond, no series per actor */

/* Writes and terminates; length, or ERR_LIMIT. */
MUST_USE int broker_metrics(const struct broker_view *view, const char *version, char *out, size_t size);

#endif
