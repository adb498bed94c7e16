/* Blobs and the store of blobs: see blob.h. The store is a plain array searched from the front: it holds the nets of two or
 * three versions (at most a few hundred entries) and is asked a few times per version. */
#include "wire/blob.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BLOB_ALIGN 64

struct blob_owned {
    struct blob blob; /* first: a struct blob * is a struct blob_owned * */
    atomic_int refs;
};

struct blob_entry {
    struct blob *blob;
    uint32_t received; /* bytes; complete when equal to blob->bytes */
};

struct blob_store {
    size_t limit_bytes, used_bytes;
    int count, max;
    struct blob_entry entries[];
};

/* --- one blob --- */

struct blob *blob_create(uint32_t bytes)
{
    ASSERT(bytes > 0 && bytes % sizeof(float) == 0);
    size_t padded = ((size_t)bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
    struct blob_owned *owned = calloc(1, sizeof *owned);
    float *values = aligned_alloc(BLOB_ALIGN, padded);
    if (!owned || !values) {
        free(owned);
        free(values);
        return NULL;
    }
    owned->blob = (struct blob){.bytes = bytes, .values = values};
    atomic_init(&owned->refs, 1);
    return &owned->blob;
}

struct blob *blob_ref(struct blob *blob)
{
    atomic_fetch_add_explicit(&((struct blob_owned *)blob)->refs, 1, memory_order_relaxed);
    return blob;
}

void blob_unref(struct blob **blob)
{
    struct blob_owned *owned = (struct blob_owned *)*blob;
    *blob = NULL;
    if (!owned)
        return;
    int before = atomic_fetch_sub_explicit(&owned->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1)
        return;
    free(owned->blob.values);
    free(owned);
}

bool blob_is_shared(const struct blob *blob)
{
    return atomic_load_explicit(&((const struct blob_owned *)blob)->refs, memory_order_acquire) > 1;
}

/* --- the store --- */

int blob_store_create(struct blob_store **store, size_t limit_bytes, int max_blobs)
{
    ASSERT(max_blobs > 0);
    *store = calloc(1, sizeof **store + (size_t)max_blobs * sizeof(struct blob_entry));
    if (!*store)
        return ERR_NOMEM;
    (*store)->limit_bytes = limit_bytes;
    (*store)->max = max_blobs;
    return 0;
}

void blob_store_destroy(struct blob_store **store)
{
    if (!*store)
        return;
    for (int i = 0; i < (*store)->count; i++)
        blob_unref(&(*store)->entries[i].blob);
    free(*store);
    *store = NULL;
}

static struct blob_entry *find_entry(const struct blob_store *store, struct hash content)
{
    for (int i = 0; i < store->count; i++)
        if (hash_equal(store->entries[i].blob->content, content))
            return (struct blob_entry *)&store->entries[i];
    return NULL;
}

static bool is_complete(const struct blob_entry *entry)
{
    return entry->received == entry->blob->bytes;
}

static bool has_room(const struct blob_store *store, uint32_t bytes)
{
    return store->count < store->max && bytes <= store->limit_bytes - store->used_bytes;
}

/* Takes over the caller's reference. */
static struct blob_entry *add_entry(struct blob_store *store, struct blob *blob, uint32_t received)
{
    struct blob_entry *entry = &store->entries[store->count++];
    *entry = (struct blob_entry){blob, received};
    store->used_bytes += blob->bytes;
    return entry;
}

static void drop_entry(struct blob_store *store, struct blob_entry *entry)
{
    store->used_bytes -= entry->blob->bytes;
    blob_unref(&entry->blob);
    *entry = store->entries[--store->count];
}

struct blob *blob_store_find(struct blob_store *store, struct hash content)
{
    struct blob_entry *entry = find_entry(store, content);
    return entry && is_complete(entry) ? entry->blob : NULL;
}

size_t blob_store_bytes(const struct blob_store *store)
{
    return store->used_bytes;
}

int blob_store_count(const struct blob_store *store)
{
    return store->count;
}

int blob_store_put(struct blob_store *store, struct blob *blob)
{
    struct blob_entry *entry = find_entry(store, blob->content);
    if (entry && is_complete(entry))
        return 0;
    if (entry) /* the fetch that was under way is not needed any more */
        drop_entry(store, entry);
    if (!has_room(store, blob->bytes))
        return ERR_LIMIT;
    add_entry(store, blob_ref(blob), blob->bytes);
    return 0;
}

static bool all_finite(const float *values, size_t count)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u; /* exponent all ones: infinity or NaN */
    }
    return !bad;
}

/* A finished content must be what its name says. Returns 1, or drops the entry and returns the reason. */
static int finish_entry(struct blob_store *store, struct blob_entry *entry, struct err *err)
{
    const struct blob *blob = entry->blob;
    struct hash got = hash_bytes(blob->values, blob->bytes);
    char expected_text[HASH_TEXT_SIZE], got_text[HASH_TEXT_SIZE];
    int code = 1;
    hash_text(blob->content, expected_text);
    hash_text(got, got_text);
    if (!hash_equal(got, blob->content))
        code = err_set(err, ERR_MISMATCH, "damaged blob: hash is %s, expected %s", got_text, expected_text);
    else if (!all_finite(blob->values, blob->bytes / sizeof(float)))
        code = err_set(err, ERR_NOT_FINITE, "refused blob %s: holds a number that is not finite", expected_text);
    if (code < 0)
        drop_entry(store, entry);
    return code;
}

int blob_store_write(struct blob_store *store, struct hash content, uint32_t total, uint32_t offset, const void *chunk,
                     uint32_t length, struct err *err)
{
    if (total == 0 || total % sizeof(float) != 0 || length == 0 || offset >= total || length > total - offset)
        return err_set(err, ERR_RANGE, "refused chunk: bytes %u+%u of %u", offset, length, total);
    struct blob_entry *entry = find_entry(store, content);
    if (!entry) {
        if (offset != 0)
            return err_set(err, ERR_STATE, "refused chunk: first one starts at byte %u", offset);
        if (!has_room(store, total))
            return err_set(err, ERR_LIMIT, "no room for a blob of %u bytes: %zu of %zu bytes in use, %d of %d blobs", total,
                           store->used_bytes, store->limit_bytes, store->count, store->max);
        struct blob *blob = blob_create(total);
        if (!blob)
            return err_set(err, ERR_NOMEM, "no memory for a blob of %u bytes", total);
        blob->content = content;
        entry = add_entry(store, blob, 0);
    }
    if (entry->blob->bytes != total)
        return err_set(err, ERR_MISMATCH, "refused chunk: blob has %u bytes, chunk says %u", entry->blob->bytes, total);
    if (offset > entry->received)
        return err_set(err, ERR_STATE, "refused chunk: starts at byte %u, expected %u", offset, entry->received);
    if (offset < entry->received)
        return is_complete(entry);
    memcpy((unsigned char *)entry->blob->values + offset, chunk, length);
    entry->received += length;
    return is_complete(entry) ? finish_entry(store, entry, err) : 0;
}

uint32_t blob_store_wanted(const struct blob_store *store, struct hash content)
{
    const struct blob_entry *entry = find_entry(store, content);
    return entry ? entry->received : 0;
}

static bool is_kept(const struct hash *keep, int n_keep, struct hash content)
{
    for (int i = 0; i < n_keep; i++)
        if (hash_equal(keep[i], content))
            return true;
    return false;
}

int blob_store_trim(struct blob_store *store, const struct hash *keep, int n_keep)
{
    int before = store->count;
    for (int i = store->count - 1; i >= 0; i--) {
        struct blob_entry *entry = &store->entries[i];
        if (!blob_is_shared(entry->blob) && !is_kept(keep, n_keep, entry->blob->content))
            drop_entry(store, entry);
    }
    return before - store->count;
}
