/* What a manifest's decoder accepts passes its own checks and survives another trip unchanged. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/weights.h"

void fuzz_manifest(const uint8_t *data, size_t size)
{
    static struct manifest first, second;
    static unsigned char wire[MANIFEST_BYTES_MAX];
    struct err err;
    if (manifest_decode(&first, data, size, &err))
        return;
    ASSERT(manifest_check(&first, &err) == 0);
    int length = manifest_encode(&first, wire, sizeof wire);
    ASSERT(length > 0 && manifest_decode(&second, wire, (size_t)length, &err) == 0);
    ASSERT(memcmp(&first, &second, sizeof first) == 0);
}
