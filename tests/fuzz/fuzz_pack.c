/* The reader: a program of calls (first byte: how many; then one byte each) over the rest as the frame. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/pack.h"

static const char *const names[] = {"a", "b", "steps"};

static void call(struct unpack *unpack, uint8_t op)
{
    char text[16];
    size_t length = 0;
    uint64_t seen = op >> 4;
    const void *bytes;
    switch (op % 12) {
    case 0: ASSERT(unpack_map(unpack, op) <= op); break;
    case 1: ASSERT(unpack_array(unpack, op) <= op); break;
    case 2:
        unpack_key(unpack, &length);
        ASSERT(length <= 32);
        break;
    case 3:
        unpack_text(unpack, text, sizeof text);
        ASSERT(memchr(text, 0, sizeof text));
        break;
    case 4: ASSERT(unpack_u64(unpack, op) <= op); break;
    case 5: ASSERT(unpack_i64(unpack, -op, op) <= op); break;
    case 6: {
        double value = unpack_f64(unpack);
        ASSERT(value == value); /* never NaN */
        break;
    }
    case 7: unpack_bool(unpack); break;
    case 8:
        bytes = unpack_bytes(unpack, op, &length);
        ASSERT(length <= op && (bytes || length == 0));
        break;
    case 9: unpack_hash(unpack); break;
    case 10: unpack_skip(unpack); break;
    case 11: ASSERT(unpack_field(unpack, names, ARRAY_LEN(names), &seen) < (int)ARRAY_LEN(names)); break;
    }
    ASSERT(unpack->at <= unpack->length);
}

void fuzz_pack(const uint8_t *data, size_t size)
{
    size_t n_ops = size > 0 ? data[0] : 0;
    if (size < 1 + n_ops)
        return;
    struct unpack unpack;
    struct err err;
    unpack_begin(&unpack, data + 1 + n_ops, size - 1 - n_ops);
    for (size_t i = 0; i < n_ops; i++)
        call(&unpack, data[1 + i]);
    while (!unpack.error && unpack.at < unpack.length)
        unpack_skip(&unpack);
    int code = unpack_end(&unpack, "fuzz", &err);
    ASSERT(code == unpack.error);
}
