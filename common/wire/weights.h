/* One published version of everything that actors need: named nets and named tables. Immutable after publish, shared by
 * reference count (weights_ref, weights_unref are safe from any thread).
 *
 * On the wire a version is a manifest; the nets' contents are blobs of float32 numbers, fetched by content hash in chunks, so
 * an actor asks only for what it lacks and a blob that did not change is never sent again. The architecture travels as plain
 * numbers that common/net understands; this room does not. */
#ifndef TESTUDO_WIRE_WEIGHTS_H
#define TESTUDO_WIRE_WEIGHTS_H

#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "wire/blob.h"

#define WEIGHTS_NETS_MAX 96
#define WEIGHTS_TABLES_MAX 32
#define WEIGHTS_TABLE_VALUES_MAX 64
#define WEIGHTS_ARCH_NUMBERS 9
#define WEIGHTS_BLOB_MAX (64u << 20)

struct weights_version { /* ordered by generation, then number; number is raised by one at each publish */
    uint32_t generation;
    uint64_t number;
};
int weights_version_compare(struct weights_version a, struct weights_version b);

struct manifest_net {
    char id[32];                        /* "defender", "adversary", "adversary/2", "belief" */
    int32_t arch[WEIGHTS_ARCH_NUMBERS]; /* struct net_arch, field by field */
    uint32_t bytes;                     /* of the blob */
    struct hash content;
};

struct manifest_table { /* "attack_probability": scalars that schedules set */
    char name[32];
    int32_t count;
    float values[WEIGHTS_TABLE_VALUES_MAX];
};

struct manifest {
    struct weights_version version;
    int32_t n_nets, n_tables;
    struct manifest_net nets[WEIGHTS_NETS_MAX];
    struct manifest_table tables[WEIGHTS_TABLES_MAX];
};

/* Hostile-safe wire form (MessagePack). encode returns bytes written or ERR_LIMIT. */
#define MANIFEST_BYTES_MAX (64 * 1024)
MUST_USE int manifest_encode(const struct manifest *manifest, void *out, size_t size);
MUST_USE int manifest_decode(struct manifest *manifest, const void *data, size_t length, struct err *err);

/* Refuses what a stranger could have put in: counts, names (wire/name.h), names twice, sizes, numbers that are not finite.
 * Both directions call it. */
MUST_USE int manifest_check(const struct manifest *manifest, struct err *err);

/* Which blobs the store lacks: their net indices go to nets[WEIGHTS_NETS_MAX], each content once; returns how many. */
int manifest_missing(const struct manifest *manifest, struct blob_store *store, int *nets);
/* Makes room for this version: drops what neither it nor any living version uses. Returns how many blobs went. */
int manifest_trim(const struct manifest *manifest, struct blob_store *store);

struct weights {
    struct manifest manifest;
    const float *blobs[WEIGHTS_NETS_MAX]; /* [bytes/4], 64-byte aligned, owned */
};

/* A new version in the making: add nets (copied and hashed) and tables, then share it. Errors of the add functions leave it
 * as it was: ERR_LIMIT, ERR_DUPLICATE, ERR_INVALID (name), ERR_NOT_FINITE, ERR_NOMEM. */
MUST_USE int weights_create(struct weights **weights, struct weights_version version);
MUST_USE int weights_add_net(struct weights *weights, const char *id, const int32_t arch[WEIGHTS_ARCH_NUMBERS], const float *values,
                             size_t count, struct err *err);
MUST_USE int weights_add_table(struct weights *weights, const char *name, const float *values, int count, struct err *err);
struct weights *weights_ref(struct weights *weights);
void weights_unref(struct weights **weights);

/* The version that a manifest describes, out of blobs that were fetched; they are shared, not copied. ERR_AGAIN when some
 * are still missing, ERR_MISMATCH when a blob's size is not what the manifest says. */
MUST_USE int weights_from_manifest(struct weights **weights, const struct manifest *manifest, struct blob_store *store,
                                   struct err *err);

/* The blob behind blobs[net], to be sent or put into a store: borrowed, take a reference to keep it. */
struct blob *weights_blob(const struct weights *weights, int net);
/* Shares all blobs with the store, so that it can serve them. 0 or ERR_LIMIT. */
MUST_USE int weights_put(const struct weights *weights, struct blob_store *store);

/* Hash over version-independent content: the content hashes of all nets, in order. What trajectories name in `weights`. */
struct hash weights_hash(const struct manifest *manifest);

int weights_find(const struct weights *weights, const char *id); /* index or -1 */
/* values[0] of a table, or the fallback when there is no such table. */
float weights_scalar(const struct weights *weights, const char *name, float fallback);

#endif
