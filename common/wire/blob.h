/* Blobs: immutable arrays of float32 named by the hash of their bytes, shared by reference count between the versions of
 * weights that use them and the messages that carry them.
 *
 * A store keeps each content once, within a ceiling of bytes, and takes contents that arrive in chunks. It holds one reference
 * per blob; a blob that no version uses any more goes at the next trim. The store belongs to one thread; references to its
 * blobs may be dropped on any thread (ZeroMQ drops them on its own). */
#ifndef TESTUDO_WIRE_BLOB_H
#define TESTUDO_WIRE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

struct blob {
    struct hash content;
    uint32_t bytes;
    float *values; /* [bytes/4], 64-byte aligned; written only before the blob is shared */
};

/* A blob with one reference and unset contents (bytes > 0, a multiple of 4), or NULL when out of memory. */
struct blob *blob_create(uint32_t bytes);
struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob **blob);          /* nulls; NULL inside is fine */
bool blob_is_shared(const struct blob *blob); /* somebody else holds a reference, too */

struct blob_store;
/* 0 or ERR_NOMEM. Ceilings: max_blobs contents, limit_bytes of all of them together, those under way included. */
MUST_USE int blob_store_create(struct blob_store **store, size_t limit_bytes, int max_blobs);
void blob_store_destroy(struct blob_store **store);

struct blob *blob_store_find(struct blob_store *store, struct hash content); /* borrowed; NULL unless complete */
size_t blob_store_bytes(const struct blob_store *store);
int blob_store_count(const struct blob_store *store);

/* Shares a finished blob with the store. A content that the store has already is left as it is. ERR_LIMIT when full. */
MUST_USE int blob_store_put(struct blob_store *store, struct blob *blob);

/* Takes the chunk [offset, offset + length) of a content of `total` bytes. Chunks of one content come in order; one that was
 * seen before changes nothing. Returns 1 when the content is now complete (and its hash was right), 0 when more is wanted.
 * ERR_STATE: a gap (ask again from blob_store_wanted). ERR_MISMATCH: another total than before, or the finished bytes
 * have another hash or hold a number that is not finite (ERR_NOT_FINITE); they are dropped and the fetch starts anew.
 * ERR_LIMIT: no room; ERR_RANGE: impossible sizes. */
MUST_USE int blob_store_write(struct blob_store *store, struct hash content, uint32_t total, uint32_t offset, const void *chunk,
                              uint32_t length, struct err *err);
uint32_t blob_store_wanted(const struct blob_store *store, struct hash content); /* next offset to ask for; 0 when unknown */

/* Drops every content that nobody else uses and that is not in keep[0..n_keep-1] (the version being fetched). Returns how many. */
int blob_store_trim(struct blob_store *store, const struct hash *keep, int n_keep);

#endif
