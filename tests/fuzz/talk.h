/* A fuzzer's input as a conversation: records of one byte (who speaks, or that time passes), two lengths of two bytes each, little-endian,
 * an envelope and a payload. What does not fit ends it. */
#ifndef TESTUDO_TESTS_FUZZ_TALK_H
#define TESTUDO_TESTS_FUZZ_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALK_HEAD 5
#define TALK_RECORDS_MAX 64

struct talk {
    const uint8_t *at, *end;
    uint8_t who;
    const uint8_t *envelope, *payload; /* payload: NULL when it has no bytes */
    size_t envelope_bytes, payload_bytes;
    int records;
};

static inline bool talk_next(struct talk *talk)
{
    if (talk->end - talk->at < TALK_HEAD || ++talk->records > TALK_RECORDS_MAX)
        return false;
    size_t left = (size_t)(talk->end - talk->at) - TALK_HEAD;
    talk->who = talk->at[0];
    talk->envelope_bytes = talk->at[1] | (size_t)talk->at[2] << 8;
    talk->payload_bytes = talk->at[3] | (size_t)talk->at[4] << 8;
    if (talk->envelope_bytes > left || talk->payload_bytes > left - talk->envelope_bytes)
        return false;
    talk->envelope = talk->at + TALK_HEAD;
    talk->payload = talk->payload_bytes ? talk->envelope + talk->envelope_bytes : NULL;
    talk->at = talk->envelope + talk->envelope_bytes + talk->payload_bytes;
    return true;
}

#endif
