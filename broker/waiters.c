/* Those who wait for blobs: see waiters.h.
 * Rows lie without gaps. Two indices: by the blob, to answer all who wait for it, and by blob and peer, to know a question again. */
#include "broker/waiters.h"

#include <stdlib.h>

#include "base/row_index.h"

#define WAITERS_MAX 2048

struct waiters {
    int n;
    struct waiter rows[WAITERS_MAX];
    struct row_index *by_blob, *by_question;
};

int waiters_create(struct waiters **out)
{
    struct waiters *waiters = calloc(1, sizeof *waiters);
    *out = waiters;
    if (waiters && !row_index_create(&waiters->by_blob, WAITERS_MAX) && !row_index_create(&waiters->by_question, WAITERS_MAX))
        return 0;
    waiters_destroy(out);
    return ERR_NOMEM;
}

void waiters_destroy(struct waiters **out)
{
    struct waiters *waiters = *out;
    *out = NULL;
    if (!waiters)
        return;
    row_index_destroy(&waiters->by_blob);
    row_index_destroy(&waiters->by_question);
    free(waiters);
}

static uint64_t question(const struct wire_peer *peer, struct hash hash)
{
    return hash_bytes(peer->id, peer->length).low ^ hash.low;
}

void waiters_add(struct waiters *waiters, const struct wire_peer *peer, const struct message_fetch *fetch)
{
    uint64_t key = question(peer, fetch->hash);
    for (int i = row_index_first(waiters->by_question, key); i >= 0; i = row_index_next(waiters->by_question, i))
        if (wire_peer_equal(&waiters->rows[i].peer, peer) && hash_equal(waiters->rows[i].fetch.hash, fetch->hash))
            return;
    if (waiters->n == WAITERS_MAX)
        return;
    waiters->rows[waiters->n] = (struct waiter){*peer, *fetch};
    row_index_put(waiters->by_blob, waiters->n, fetch->hash.low);
    row_index_put(waiters->by_question, waiters->n, key);
    waiters->n++;
}

static void close_gap(struct waiters *waiters, int row)
{
    int last = --waiters->n;
    row_index_drop(waiters->by_blob, row);
    row_index_drop(waiters->by_question, row);
    if (row == last)
        return;
    waiters->rows[row] = waiters->rows[last];
    row_index_move(waiters->by_blob, last, row);
    row_index_move(waiters->by_question, last, row);
}

bool waiters_take(struct waiters *waiters, struct hash hash, struct waiter *waiter)
{
    int i = row_index_first(waiters->by_blob, hash.low);
    while (i >= 0 && !hash_equal(waiters->rows[i].fetch.hash, hash))
        i = row_index_next(waiters->by_blob, i);
    if (i < 0)
        return false;
    *waiter = waiters->rows[i];
    close_gap(waiters, i);
    return true;
}

void waiters_forget(struct waiters *waiters)
{
    waiters->n = 0;
    row_index_clear(waiters->by_blob);
    row_index_clear(waiters->by_question);
}

int waiters_count(const struct waiters *waiters)
{
    return waiters->n;
}
