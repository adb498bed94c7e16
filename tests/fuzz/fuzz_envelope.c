/* What the envelope's decoder accepts can be encoded again, and that form is a fixed point. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/envelope.h"

void fuzz_envelope(const uint8_t *data, size_t size)
{
    static struct envelope envelope;
    static unsigned char first[PROTOCOL_ENVELOPE_BYTES], second[PROTOCOL_ENVELOPE_BYTES];
    struct err err;
    if (envelope_decode(&envelope, data, size, &err))
        return;
    ASSERT(envelope.kind < MESSAGE_KINDS);
    int length = envelope_encode(&envelope, first, sizeof first);
    ASSERT(length > 0 && envelope_decode(&envelope, first, (size_t)length, &err) == 0);
    ASSERT(envelope_encode(&envelope, second, sizeof second) == length && memcmp(first, second, (size_t)length) == 0);
}
