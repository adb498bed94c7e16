/* Curves of the whole run in bounded memory: rows at even distances; when there is no room for another, every second one goes and the
 * distance doubles. */
#ifndef TESTUDO_BROKER_HISTORY_H
#define TESTUDO_BROKER_HISTORY_H

#include "base/clock.h"
#include "base/err.h"

#define HISTORY_ROWS 600

/* column, key of the JSON */
/* clang-format off */
#define HISTORY_COLUMNS(X) \
    X(STEPS, "env_steps_per_s") \
    X(UPDATES, "updates_per_s") \
    X(LAG, "lag") \
    X(AGE_P50, "age_p50_seconds") \
    X(AGE_P99, "age_p99_seconds") \
    X(CLEAN, "return_clean") \
    X(ATTACKED, "return_attacked") \
    X(LOWEST, "return_lowest") \
    X(TRAINED, "trained") \
    X(EVALUATED, "evaluated") \
    X(STALE, "stale") \
    X(REJECTED, "rejected") \
    X(LOST, "lost") \
    X(ROLLED_BACK, "rolled_back") \
    X(ACTORS, "actors") \
    X(LEARNER_BUSY, "learner_busy") \
    X(ACTOR_BUSY, "actor_busy") \
    X(BYTES_IN, "bytes_in_per_s")
/* clang-format on */
#define HISTORY_NAME(name, key) HISTORY_##name,
enum history_column { HISTORY_COLUMNS(HISTORY_NAME) HISTORY_WIDTH };

struct history_row {
    double seconds;              /* since the broker's start */
    float values[HISTORY_WIDTH]; /* NaN: nothing to tell */
};

struct history {           /* zero is empty */
    int n, every, skipped; /* every: seconds between rows; 0 is 1 */
    struct history_row rows[HISTORY_ROWS];
};

void history_add(struct history *history, const struct history_row *row); /* once a second */

/* {"every", "columns": ["seconds", ...], "rows": [[...], ...]}, numbers that are not finite as null; length, or ERR_LIMIT. */
MUST_USE int history_json(const struct history *history, char *json, size_t size);

#endif
