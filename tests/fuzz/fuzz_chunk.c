/* Chunks of blobs in any order and size, six bytes each: which content, total, offset, length, trim, byte. The store stays within its
 * ceiling and never shows content whose hash is wrong. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/blob.h"

#define LIMIT 600

void fuzz_chunk(const uint8_t *data, size_t size)
{
    static const float zeroes[64];
    struct blob_store *store;
    struct err err;
    ASSERT(blob_store_create(&store, LIMIT, 4) == 0);
    for (; size >= 6; data += 6, size -= 6) {
        uint8_t chunk[256];
        uint32_t true_bytes = 4u * (data[0] % 8 + 1);
        struct hash content = data[0] & 0x80 ? (struct hash){data[0], 1} : hash_bytes(zeroes, true_bytes);
        memset(chunk, data[5] & 1, sizeof chunk);
        int code = blob_store_write(store, content, data[1] & 0x80 ? true_bytes : 4u * data[1], data[2], chunk, data[3], &err);
        const struct blob *blob = blob_store_find(store, content);
        ASSERT((code == 1) == (blob != NULL) || code < 0);
        ASSERT(!blob || hash_equal(hash_bytes(blob->values, blob->bytes), content));
        ASSERT(blob_store_bytes(store) <= LIMIT && blob_store_count(store) <= 4);
        if (data[4] % 16 == 0)
            blob_store_trim(store, &content, data[4] / 128);
    }
    blob_store_destroy(&store);
}
