/* Table-driven MessagePack: see codec.h. */
#include "wire/codec.h"

#include <string.h>

#include "wire/envelope.h"

static void *place(const void *object, size_t offset)
{
    return (unsigned char *)(uintptr_t)object + offset;
}

static uint64_t ceiling(const struct codec_field *field, uint64_t widest)
{
    return field->max ? field->max : widest;
}

/* --- writing --- */

static void pack_value(struct pack *pack, const struct codec_field *field, const void *object);

static void pack_rows(struct pack *pack, const struct codec_field *field, const void *object)
{
    uint32_t count = *(const uint32_t *)place(object, field->offset);
    pack_array(pack, count);
    for (uint32_t i = 0; i < count; i++) {
        const void *row = place(object, field->rows_offset + i * field->row_bytes);
        pack_array(pack, (uint32_t)field->n_row_fields);
        for (int f = 0; f < field->n_row_fields; f++)
            pack_value(pack, &field->row_fields[f], row);
    }
}

static void pack_value(struct pack *pack, const struct codec_field *field, const void *object)
{
    const void *at = place(object, field->offset);
    switch (field->type) {
    case CODEC_U32: pack_u64(pack, *(const uint32_t *)at); break;
    case CODEC_I32: pack_i64(pack, *(const int32_t *)at); break;
    case CODEC_U64: pack_u64(pack, *(const uint64_t *)at); break;
    case CODEC_SIZE: pack_u64(pack, *(const size_t *)at); break;
    case CODEC_BOOL: pack_bool(pack, *(const bool *)at); break;
    case CODEC_F64: pack_f64(pack, *(const double *)at); break;
    case CODEC_TEXT: pack_text(pack, at); break;
    case CODEC_HASH: pack_hash(pack, *(const struct hash *)at); break;
    case CODEC_VERSION:
        pack_array(pack, 2);
        pack_u64(pack, ((const struct weights_version *)at)->generation);
        pack_u64(pack, ((const struct weights_version *)at)->number);
        break;
    case CODEC_BLOB:
        pack_array(pack, 2);
        pack_hash(pack, ((const struct blob_name *)at)->hash);
        pack_u64(pack, ((const struct blob_name *)at)->bytes);
        break;
    case CODEC_U64S:
        pack_array(pack, field->size);
        for (uint32_t i = 0; i < field->size; i++)
            pack_u64(pack, ((const uint64_t *)at)[i]);
        break;
    case CODEC_LIST: pack_rows(pack, field, object); break;
    }
}

void codec_pack_fields(struct pack *pack, const struct codec_field *fields, int n, const void *object)
{
    for (int i = 0; i < n; i++) {
        pack_key(pack, fields[i].key);
        pack_value(pack, &fields[i], object);
    }
}

void codec_pack_map(struct pack *pack, const struct codec_field *fields, int n, const void *object, uint32_t extra)
{
    pack_map(pack, (uint32_t)n + extra);
    codec_pack_fields(pack, fields, n, object);
}

/* --- reading --- */

static void unpack_value(struct unpack *unpack, const struct codec_field *field, void *object);

static void expect_array(struct unpack *unpack, uint32_t count)
{
    if (unpack_array(unpack, count) != count)
        unpack_fail(unpack, ERR_FORMAT, "array of another length");
}

static void unpack_rows(struct unpack *unpack, const struct codec_field *field, void *object)
{
    uint32_t count = unpack_array(unpack, field->size);
    for (uint32_t i = 0; i < count && !unpack->error; i++) {
        void *row = place(object, field->rows_offset + i * field->row_bytes);
        uint32_t length = unpack_array(unpack, CODEC_FIELDS_MAX);
        if (length < (uint32_t)field->n_row_fields)
            unpack_fail(unpack, ERR_FORMAT, "row too short");
        for (int f = 0; f < field->n_row_fields && !unpack->error; f++)
            unpack_value(unpack, &field->row_fields[f], row);
        for (uint32_t f = (uint32_t)field->n_row_fields; f < length && !unpack->error; f++)
            unpack_skip(unpack);
    }
    *(uint32_t *)place(object, field->offset) = unpack->error ? 0 : count;
}

static void unpack_value(struct unpack *unpack, const struct codec_field *field, void *object)
{
    void *at = place(object, field->offset);
    switch (field->type) {
    case CODEC_U32: *(uint32_t *)at = (uint32_t)unpack_u64(unpack, ceiling(field, UINT32_MAX)); break;
    case CODEC_I32: *(int32_t *)at = (int32_t)unpack_i64(unpack, INT32_MIN, (int64_t)ceiling(field, INT32_MAX)); break;
    case CODEC_U64: *(uint64_t *)at = unpack_u64(unpack, ceiling(field, UINT64_MAX)); break;
    case CODEC_SIZE: *(size_t *)at = (size_t)unpack_u64(unpack, ceiling(field, SIZE_MAX)); break;
    case CODEC_BOOL: *(bool *)at = unpack_bool(unpack); break;
    case CODEC_F64: *(double *)at = unpack_f64(unpack); break;
    case CODEC_TEXT:
        if (!unpack_text(unpack, at, field->size))
            *(char *)at = 0;
        break;
    case CODEC_HASH: *(struct hash *)at = unpack_hash(unpack); break;
    case CODEC_VERSION:
        expect_array(unpack, 2);
        ((struct weights_version *)at)->generation = (uint32_t)unpack_u64(unpack, UINT32_MAX);
        ((struct weights_version *)at)->number = unpack_u64(unpack, UINT64_MAX);
        break;
    case CODEC_BLOB:
        expect_array(unpack, 2);
        ((struct blob_name *)at)->hash = unpack_hash(unpack);
        ((struct blob_name *)at)->bytes = (uint32_t)unpack_u64(unpack, ceiling(field, WEIGHTS_BLOB_MAX));
        break;
    case CODEC_U64S:
        expect_array(unpack, field->size);
        for (uint32_t i = 0; i < field->size && !unpack->error; i++)
            ((uint64_t *)at)[i] = unpack_u64(unpack, UINT64_MAX);
        break;
    case CODEC_LIST: unpack_rows(unpack, field, object); break;
    }
}

void codec_unpack_fields(struct unpack *unpack, const struct codec_field *fields, int n, void *object, uint32_t pairs)
{
    const char *names[CODEC_FIELDS_MAX];
    uint64_t seen = 0, required = 0;
    ASSERT(n <= CODEC_FIELDS_MAX);
    for (int i = 0; i < n; i++) {
        names[i] = fields[i].key;
        required |= fields[i].flags & CODEC_OPTIONAL ? 0 : (uint64_t)1 << i;
    }
    for (; pairs > 0 && !unpack->error; pairs--) {
        int i = unpack_field(unpack, names, n, &seen);
        if (i >= 0)
            unpack_value(unpack, &fields[i], object);
    }
    unpack_require(unpack, names, n, seen, required);
}
