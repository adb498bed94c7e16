/* Content-addressed bytes of any kind, fetched in chunks and checked against their hash: recipes, manifests, descriptions, and nets
 * on their way (a finished net moves on to a blob_store, see blob.h).
 *
 * A store has a ceiling in bytes and in entries; making room drops complete blobs, least recently used first, never
 * one that is marked as kept and never one in the middle of a fetch. No input or output: the owner sends what
 * fetcher_request says and hands in what arrives. */
#ifndef TESTUDO_WIRE_FETCH_H
#define TESTUDO_WIRE_FETCH_H

#include "wire/envelope.h"

struct fetcher;
MUST_USE int fetcher_create(struct fetcher **fetcher, size_t limit_bytes, int limit_entries);
void fetcher_destroy(struct fetcher **fetcher);

/* Complete bytes, borrowed until the next call that may drop them; NULL when absent or incomplete. */
const unsigned char *fetcher_find(struct fetcher *fetcher, struct hash hash, uint32_t *bytes);
/* Adds complete bytes (copied, hash computed). */
MUST_USE int fetcher_add(struct fetcher *fetcher, const void *data, uint32_t bytes, struct hash *hash);
/* Starts a fetch unless it is there or under way. ERR_LIMIT when there is no room or bytes is 0 or above WEIGHTS_BLOB_MAX. */
MUST_USE int fetcher_want(struct fetcher *fetcher, struct blob_name name);
/* Takes a chunk. 1 when this completed its blob, 0 when more is missing or nobody wanted it; ERR_FORMAT when it does not
 * fit, ERR_MISMATCH when the finished bytes have another hash (the fetch starts anew), ERR_UNKNOWN when the peer lacks it
 * (total 0; asked again after a second). */
int fetcher_chunk(struct fetcher *fetcher, monotonic_us now, const struct message_chunk *chunk, const void *data, size_t length);
/* Next FETCH to send now (at most 4 blobs under way, each with one chunk asked for, asked again after a second); false: none. */
bool fetcher_request(struct fetcher *fetcher, monotonic_us now, struct message_fetch *fetch);
void fetcher_drop(struct fetcher *fetcher, struct hash hash); /* complete or not; absent is fine */
void fetcher_forget_requests(struct fetcher *fetcher);        /* the peer changed: ask again at once */
/* Marks: what is not kept between two sweeps may be dropped: incomplete fetches at fetcher_sweep, complete blobs when room is needed. */
void fetcher_unkeep_all(struct fetcher *fetcher);
void fetcher_keep(struct fetcher *fetcher, struct hash hash);
void fetcher_sweep(struct fetcher *fetcher);

size_t fetcher_bytes(const struct fetcher *fetcher);
int fetcher_count(const struct fetcher *fetcher);

/* Answers a FETCH from complete bytes: fills chunk and says which of them to send. */
void fetch_slice(const struct message_fetch *fetch, const unsigned char *data, uint32_t bytes, struct message_chunk *chunk,
                 const unsigned char **part, size_t *part_bytes);

#endif
