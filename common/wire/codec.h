/* Structs in and out of MessagePack maps by tables: one row per field gives key, type, place and ceiling, so that writing and
 * strict reading cannot disagree. Unknown keys are skipped, keys that come twice refused, keys without CODEC_OPTIONAL required.
 *
 * A list field is an array of rows, each row an array of the row's fields in their order; a row may be longer than we know (a
 * newer peer adds at its end), never shorter. */
#ifndef TESTUDO_WIRE_CODEC_H
#define TESTUDO_WIRE_CODEC_H

#include "wire/pack.h"

enum codec_type {
    CODEC_U32,
    CODEC_I32,
    CODEC_U64,
    CODEC_SIZE,
    CODEC_BOOL,
    CODEC_F64,
    CODEC_TEXT,    /* char[size] */
    CODEC_HASH,    /* struct hash */
    CODEC_VERSION, /* struct weights_version, as [generation, number] */
    CODEC_BLOB,    /* struct blob_name, as [hash, bytes] */
    CODEC_U64S,    /* uint64_t[size], as an array of exactly that many */
    CODEC_LIST,    /* count (int32 or uint32) at `offset`, rows at `rows_offset` */
};

#define CODEC_OPTIONAL 1u

struct codec_field {
    const char *key;
    enum codec_type type;
    size_t offset;
    uint32_t size; /* TEXT: bytes with the final 0; U64S: numbers; LIST: most rows */
    uint64_t max;  /* of numbers; 0: whatever the type holds */
    uint32_t flags;
    size_t rows_offset, row_bytes; /* LIST */
    const struct codec_field *row_fields;
    int n_row_fields;
};

#define CODEC_FIELDS_MAX 32

/* Writes the pairs of one map, `extra` more pairs being written by the caller before it. */
void codec_pack_map(struct pack *pack, const struct codec_field *fields, int n, const void *object, uint32_t extra);
void codec_pack_fields(struct pack *pack, const struct codec_field *fields, int n, const void *object);
/* Reads `pairs` pairs into an object that the caller zeroed. Errors stick in *unpack. */
void codec_unpack_fields(struct unpack *unpack, const struct codec_field *fields, int n, void *object, uint32_t pairs);

#endif
