#include "base/hash.h"

#include <stdio.h>
#include <xxhash.h>

struct hash hash_bytes(const void *data, size_t length)
{
    XXH128_hash_t h = XXH3_128bits(data, length);
    return (struct hash){.high = h.high64, .low = h.low64};
}

struct hash hash_combine(struct hash a, struct hash b)
{
    struct hash both[2] = {a, b};
    return hash_bytes(both, sizeof both);
}

bool hash_equal(struct hash a, struct hash b)
{
    return a.high == b.high && a.low == b.low;
}

void hash_text(struct hash hash, char text[HASH_TEXT_SIZE])
{
    snprintf(text, HASH_TEXT_SIZE, "%016llx%016llx", (unsigned long long)hash.high, (unsigned long long)hash.low);
}
