/* What an actor tells about its task: accepted ones are checked, and have one encoding. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/description.h"

void fuzz_description(const uint8_t *data, size_t size)
{
    static struct spec spec, spec_again;
    static struct schema schema, schema_again;
    static unsigned char wire[DESCRIPTION_BYTES_MAX];
    struct err err;
    if (description_decode(&spec, &schema, data, size, &err))
        return;
    ASSERT(spec_check(&spec, &err) == 0 && schema_bytes_max(&schema) <= SCHEMA_FRAME_MAX);
    int length = description_encode(&spec, &schema, wire, sizeof wire);
    ASSERT(length > 0 && description_decode(&spec_again, &schema_again, wire, (size_t)length, &err) == 0);
    ASSERT(spec_equal(&spec, &spec_again) && hash_equal(schema.hash, schema_again.hash));
}
