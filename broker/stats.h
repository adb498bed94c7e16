/* What the broker knows, as JSON for `stats`, `top`, /varz and /connz. Keys are stable; numbers are counted since the broker's start;
 * "learner_status" is what the learner said of itself (it holds the book of trajectories and the table of partitions), null when it
 * has said nothing that is JSON. */
#ifndef TESTUDO_BROKER_STATS_H
#define TESTUDO_BROKER_STATS_H

#include "broker/view.h"

#define BROKER_STATS_BYTES (1024u * 1024)

/* Writes and terminates; length, or ERR_LIMIT. With the rows of the actors: what `stats` is answered. */
MUST_USE int broker_stats_json(const struct broker_view *view, char *json, size_t size);
/* The same without the actors (/varz), and the actors alone (/connz). */
MUST_USE int broker_varz_json(const struct broker_view *view, char *json, size_t size);
MUST_USE int broker_connz_json(const struct broker_view *view, char *json, size_t size);

#endif
