/* What a schema's decoder accepts survives another trip with its hash, and lays out frames below the ceiling. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/schema.h"

void fuzz_schema(const uint8_t *data, size_t size)
{
    static struct schema first, second;
    unsigned char wire[SCHEMA_BYTES_MAX];
    struct schema_layout layout;
    struct err err;
    if (schema_decode(&first, data, size, &err))
        return;
    ASSERT(schema_bytes_max(&first) <= SCHEMA_FRAME_MAX);
    schema_layout(&first, first.T, 0, &layout);
    ASSERT(layout.bytes <= schema_bytes_max(&first));
    int length = schema_encode(&first, wire, sizeof wire);
    ASSERT(length > 0 && schema_decode(&second, wire, (size_t)length, &err) == 0);
    ASSERT(hash_equal(first.hash, second.hash));
}
