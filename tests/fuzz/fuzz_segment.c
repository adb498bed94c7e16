/* Segments of the replay. First byte: whether the records' hashes are put right first, so that what is behind them is reached; the rest is
 * the file. Records that are shown lie inside, in ascending order, and a reference made of what was shown is accepted. */
#include <stdlib.h>
#include <string.h>

#include "learner/segments.h"
#include "tests/fuzz/fuzz.h"

struct seen {
    const uint8_t *data;
    size_t size, end; /* end: of the last record shown */
    struct segment_reference reference;
};

static int see(void *context, const struct segment_record *record, struct err *err)
{
    struct seen *seen = context;
    const uint8_t *data = record->data;
    size_t sum = 0;
    (void)err;
    ASSERT(data >= seen->data + SEGMENT_HEADER_BYTES + SEGMENT_RECORD_BYTES && record->bytes <= seen->size);
    ASSERT((size_t)(data - seen->data) <= seen->size - record->bytes);
    for (size_t i = 0; i < record->bytes; i++) /* every byte is readable */
        sum += data[i];
    ASSERT(sum <= 255 * record->bytes);
    ASSERT(record->number > seen->reference.last);
    ASSERT(hash_equal(record->hash, segment_hash(record)));
    seen->reference.last = record->number;
    seen->reference.records++;
    seen->reference.hash = hash_combine(seen->reference.hash, record->hash);
    seen->end = (size_t)(data - seen->data) + record->bytes;
    return 0;
}

/* As segments.h draws a record. */
static void put_hashes_right(uint8_t *data, size_t size)
{
    for (size_t at = SEGMENT_HEADER_BYTES; at + SEGMENT_RECORD_BYTES <= size;) {
        uint64_t number, bytes;
        uint32_t length, is_terminated;
        memcpy(&number, data + at, 8);
        memcpy(&length, data + at + 8, 4);
        memcpy(&is_terminated, data + at + 12, 4);
        memcpy(&bytes, data + at + 16, 8);
        if (bytes > size - at - SEGMENT_RECORD_BYTES)
            return;
        struct segment_record record = {(int64_t)number, length, is_terminated, data + at + SEGMENT_RECORD_BYTES,
                                        (size_t)bytes,   {0}};
        struct hash hash = segment_hash(&record);
        memcpy(data + at + 32, &hash.high, 8);
        memcpy(data + at + 40, &hash.low, 8);
        at += SEGMENT_RECORD_BYTES + (size_t)bytes;
    }
}

void fuzz_segment(const uint8_t *input, size_t size)
{
    struct err err;
    if (size < 1)
        return;
    size--;
    uint8_t *data = malloc(size + !size);
    ASSERT(data != NULL);
    memcpy(data, input + 1, size);
    if (input[0])
        put_hashes_right(data, size);
    struct segment_reference reference = {.bytes = (int64_t)size, .records = -1};
    if (size >= SEGMENT_HEADER_BYTES)
        memcpy(&reference.id, data + 8, 8);
    struct seen seen = {.data = data, .size = size, .reference = {.last = -1}};
    ASSERT(segment_parse(&reference, data, size, "fuzz", see, &seen, &err) != 0); /* no file has -1 records */
    if (seen.reference.records && seen.end == size) {
        struct seen again = {.data = data, .size = size, .reference = {.last = -1}};
        reference.records = seen.reference.records;
        reference.hash = seen.reference.hash;
        ASSERT(segment_parse(&reference, data, size, "fuzz", see, &again, &err) == 0);
    }
    free(data);
}
