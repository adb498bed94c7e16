/* The fetcher: see fetch.h. A plain array searched from the front; it holds the blobs of two or three versions. */
#include "wire/fetch.h"

#include <stdlib.h>
#include <string.h>

#define UNDER_WAY 4 /* blobs asked for at a time */
#define ASK_AGAIN_US 1000000

struct fetched {
    struct hash hash;
    uint32_t bytes, have;
    unsigned char *data;
    bool is_kept, is_asked;
    monotonic_us asked_at;
    uint64_t used_at; /* turn of the store */
};

struct fetcher {
    size_t limit_bytes, used_bytes;
    int limit, count, n_incomplete;
    uint64_t turn;
    struct fetched entries[];
};

int fetcher_create(struct fetcher **fetcher, size_t limit_bytes, int limit_entries)
{
    ASSERT(limit_entries > 0);
    *fetcher = calloc(1, sizeof **fetcher + (size_t)limit_entries * sizeof(struct fetched));
    if (!*fetcher)
        return ERR_NOMEM;
    (*fetcher)->limit_bytes = limit_bytes;
    (*fetcher)->limit = limit_entries;
    return 0;
}

void fetcher_destroy(struct fetcher **fetcher)
{
    if (!*fetcher)
        return;
    for (int i = 0; i < (*fetcher)->count; i++)
        free((*fetcher)->entries[i].data);
    free(*fetcher);
    *fetcher = NULL;
}

static struct fetched *find(struct fetcher *fetcher, struct hash hash)
{
    for (int i = 0; i < fetcher->count; i++)
        if (hash_equal(fetcher->entries[i].hash, hash))
            return &fetcher->entries[i];
    return NULL;
}

static bool is_complete(const struct fetched *entry)
{
    return entry->have == entry->bytes;
}

static void drop(struct fetcher *fetcher, struct fetched *entry)
{
    fetcher->used_bytes -= entry->bytes;
    fetcher->n_incomplete -= !is_complete(entry);
    free(entry->data);
    *entry = fetcher->entries[--fetcher->count];
}

static bool has_room(const struct fetcher *fetcher, uint32_t bytes)
{
    return fetcher->count < fetcher->limit && fetcher->used_bytes <= fetcher->limit_bytes &&
           bytes <= fetcher->limit_bytes - fetcher->used_bytes;
}

static bool make_room(struct fetcher *fetcher, uint32_t bytes)
{
    while (!has_room(fetcher, bytes)) {
        struct fetched *oldest = NULL;
        for (int i = 0; i < fetcher->count; i++) {
            struct fetched *entry = &fetcher->entries[i];
            if (!entry->is_kept && is_complete(entry) && (!oldest || entry->used_at < oldest->used_at))
                oldest = entry;
        }
        if (!oldest)
            return false;
        drop(fetcher, oldest);
    }
    return true;
}

static struct fetched *add(struct fetcher *fetcher, struct hash hash, uint32_t bytes)
{
    if (bytes == 0 || bytes > WEIGHTS_BLOB_MAX || !make_room(fetcher, bytes))
        return NULL;
    unsigned char *data = malloc(bytes);
    if (!data)
        return NULL;
    struct fetched *entry = &fetcher->entries[fetcher->count++];
    *entry = (struct fetched){.hash = hash, .bytes = bytes, .data = data, .used_at = ++fetcher->turn, .is_kept = true};
    fetcher->used_bytes += bytes;
    fetcher->n_incomplete++;
    return entry;
}

const unsigned char *fetcher_find(struct fetcher *fetcher, struct hash hash, uint32_t *bytes)
{
    struct fetched *entry = find(fetcher, hash);
    if (!entry || !is_complete(entry))
        return NULL;
    entry->used_at = ++fetcher->turn;
    *bytes = entry->bytes;
    return entry->data;
}

int fetcher_add(struct fetcher *fetcher, const void *data, uint32_t bytes, struct hash *hash)
{
    *hash = hash_bytes(data, bytes);
    struct fetched *entry = find(fetcher, *hash);
    if (!entry)
        entry = add(fetcher, *hash, bytes);
    if (!entry || entry->bytes != bytes)
        return ERR_LIMIT;
    memcpy(entry->data, data, bytes);
    fetcher->n_incomplete -= !is_complete(entry);
    entry->have = bytes;
    return 0;
}

int fetcher_want(struct fetcher *fetcher, struct blob_name name)
{
    struct fetched *entry = find(fetcher, name.hash);
    if (!entry)
        entry = add(fetcher, name.hash, name.bytes);
    if (!entry)
        return ERR_LIMIT;
    entry->is_kept = true;
    return entry->bytes == name.bytes ? 0 : ERR_MISMATCH;
}

int fetcher_chunk(struct fetcher *fetcher, monotonic_us now, const struct message_chunk *chunk, const void *data, size_t length)
{
    struct fetched *entry = find(fetcher, chunk->hash);
    if (!entry || is_complete(entry))
        return 0;
    if (chunk->total == 0) {
        entry->asked_at = now; /* the pause before the next question counts from here */
        return ERR_UNKNOWN;
    }
    if (chunk->offset < entry->have)
        return 0; /* an answer to a question that was asked twice */
    if (chunk->total != entry->bytes || chunk->offset != entry->have || length == 0 || length > PROTOCOL_CHUNK_BYTES ||
        length > entry->bytes - entry->have)
        return ERR_FORMAT;
    memcpy(entry->data + entry->have, data, length);
    entry->have += (uint32_t)length;
    entry->is_asked = false;
    if (!is_complete(entry))
        return 0;
    if (hash_equal(hash_bytes(entry->data, entry->bytes), entry->hash)) {
        fetcher->n_incomplete--;
        return 1;
    }
    entry->have = 0;
    return ERR_MISMATCH;
}

bool fetcher_request(struct fetcher *fetcher, monotonic_us now, struct message_fetch *fetch)
{
    int under_way = 0;
    for (int i = 0; fetcher->n_incomplete && i < fetcher->count && under_way < UNDER_WAY; i++) {
        struct fetched *entry = &fetcher->entries[i];
        if (is_complete(entry))
            continue;
        under_way++;
        if (entry->is_asked && now - entry->asked_at < ASK_AGAIN_US)
            continue;
        entry->is_asked = true;
        entry->asked_at = now;
        *fetch = (struct message_fetch){.hash = entry->hash, .bytes = entry->bytes, .offset = entry->have};
        return true;
    }
    return false;
}

void fetcher_drop(struct fetcher *fetcher, struct hash hash)
{
    struct fetched *entry = find(fetcher, hash);
    if (entry)
        drop(fetcher, entry);
}

void fetcher_forget_requests(struct fetcher *fetcher)
{
    for (int i = 0; i < fetcher->count; i++)
        fetcher->entries[i].is_asked = false;
}

void fetcher_unkeep_all(struct fetcher *fetcher)
{
    for (int i = 0; i < fetcher->count; i++)
        fetcher->entries[i].is_kept = false;
}

void fetcher_keep(struct fetcher *fetcher, struct hash hash)
{
    struct fetched *entry = find(fetcher, hash);
    if (entry)
        entry->is_kept = true;
}

void fetcher_sweep(struct fetcher *fetcher)
{
    for (int i = fetcher->count - 1; i >= 0; i--)
        if (!fetcher->entries[i].is_kept && !is_complete(&fetcher->entries[i]))
            drop(fetcher, &fetcher->entries[i]);
}

size_t fetcher_bytes(const struct fetcher *fetcher)
{
    return fetcher->used_bytes;
}

int fetcher_count(const struct fetcher *fetcher)
{
    return fetcher->count;
}

void fetch_slice(const struct message_fetch *fetch, const unsigned char *data, uint32_t bytes, struct message_chunk *chunk,
                 const unsigned char **part, size_t *part_bytes)
{
    *chunk = (struct message_chunk){.hash = fetch->hash, .offset = fetch->offset};
    *part = NULL;
    *part_bytes = 0;
    if (!data || fetch->offset >= bytes)
        return;
    uint32_t left = bytes - fetch->offset;
    chunk->total = bytes;
    *part = data + fetch->offset;
    *part_bytes = left < PROTOCOL_CHUNK_BYTES ? left : PROTOCOL_CHUNK_BYTES;
}
