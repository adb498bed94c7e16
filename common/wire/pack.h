/* MessagePack in and out, without surprises.
 *
 * Writing uses msgpack-c's packer over a caller's buffer. Reading is our own cursor over one frame, because msgpack-c's unpacker
 * reserves gigabytes for a five-byte header: the cursor allocates nothing, knows how many bytes are left, and never goes deeper
 * than the caller asks. The first error sticks: later calls return zeroes, and unpack_end reports it, so that a decoder reads
 * as a list of fields. */
#ifndef TESTUDO_WIRE_PACK_H
#define TESTUDO_WIRE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msgpack.h>

#include "base/err.h"
#include "base/hash.h"

/* The packer keeps a pointer to its struct: do not copy or move a struct pack between pack_begin and pack_end. */
struct pack {
    unsigned char *data;
    size_t size, used;
    bool is_full; /* sticky: something did not fit */
    msgpack_packer packer;
};
void pack_begin(struct pack *pack, void *data, size_t size);
void pack_map(struct pack *pack, uint32_t count);
void pack_array(struct pack *pack, uint32_t count);
void pack_key(struct pack *pack, const char *key);
void pack_text(struct pack *pack, const char *text);
void pack_u64(struct pack *pack, uint64_t value);
void pack_i64(struct pack *pack, int64_t value);
void pack_f64(struct pack *pack, double value);
void pack_bool(struct pack *pack, bool value);
void pack_bytes(struct pack *pack, const void *bytes, size_t length); /* bin */
void pack_hash(struct pack *pack, struct hash hash);                  /* bin of 16 bytes, high word first */
int pack_end(const struct pack *pack);                                /* bytes used, or ERR_LIMIT */

struct unpack {
    const unsigned char *data;
    size_t length, at;
    int error; /* first failure, 0 while fine */
    char what[96];
};
void unpack_begin(struct unpack *unpack, const void *data, size_t length);
uint32_t unpack_map(struct unpack *unpack, uint32_t max); /* number of pairs; more than max fails */
uint32_t unpack_array(struct unpack *unpack, uint32_t max);
const char *unpack_key(struct unpack *unpack, size_t *length);   /* borrowed, not terminated; keys of at most 32 bytes */
bool unpack_text(struct unpack *unpack, char *out, size_t size); /* must fit with its final 0 and hold no 0 byte */
uint64_t unpack_u64(struct unpack *unpack, uint64_t max);
int64_t unpack_i64(struct unpack *unpack, int64_t min, int64_t max);
double unpack_f64(struct unpack *unpack); /* also reads integers and float32; NaN fails, infinities pass */
bool unpack_bool(struct unpack *unpack);
const unsigned char *unpack_bytes(struct unpack *unpack, size_t max, size_t *length); /* borrowed */
struct hash unpack_hash(struct unpack *unpack);
void unpack_skip(struct unpack *unpack); /* one value of any type, depth at most 8, without recursion */

/* Maps with named fields, in any order. Reads one key and returns its index in names[0..count-1] (count <= 64). The value of an
 * unknown key is skipped and -1 returned, so that a newer peer's additions pass. A known key that comes twice fails.
 *
 *     uint64_t seen = 0;
 *     for (uint32_t left = unpack_map(&u, 16); left > 0; left--)
 *         switch (unpack_field(&u, names, FIELD_COUNT, &seen)) { case FIELD_STEPS: ... }
 *     unpack_require(&u, names, FIELD_COUNT, seen, all_bits & ~optional_bits);
 *
 * unpack_require fails with the name of the first required field (bit i for names[i]) that was not seen. */
int unpack_field(struct unpack *unpack, const char *const *names, int count, uint64_t *seen);
void unpack_require(struct unpack *unpack, const char *const *names, int count, uint64_t seen, uint64_t required);

/* Records a failure found by the decoder itself; ignored when something failed before. */
void unpack_fail(struct unpack *unpack, int code, const char *what);
/* 0 when everything was read without error and nothing is left over; else the code, with "<name>: <what>" in err. */
MUST_USE int unpack_end(const struct unpack *unpack, const char *name, struct err *err);

#endif
