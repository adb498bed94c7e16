/* The table of columns: see schema.h. The hash is taken over the wire form, so a schema that was received has the hash of the one
 * that was sent exactly when both say the same. Copying and gathering of frames is in schema_copy.c. */
#include "wire/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "wire/name.h"
#include "wire/pack.h"

#define KEYS_MAX 16

enum { TOP_T, TOP_CHUNK, TOP_COLUMNS, TOP_COUNT };
static const char *const top_names[TOP_COUNT] = {"T", "chunk", "columns"};
enum { COL_NAME, COL_OWNER, COL_TYPE, COL_SPAN, COL_WIDTH, COL_MIN, COL_MAX, COL_COUNT };
static const char *const col_names[COL_COUNT] = {"name", "owner", "type", "span", "width", "min", "max"};

static const size_t type_bytes[] = {[COLUMN_F32] = 4, [COLUMN_I32] = 4, [COLUMN_I64] = 8, [COLUMN_U8] = 1};
/* Open ends: every number of the type lies strictly between. */
static const double type_min[] = {[COLUMN_F32] = -INFINITY, [COLUMN_I32] = -2147483649.0, [COLUMN_I64] = -0x1p63, [COLUMN_U8] = -1};
static const double type_max[] = {[COLUMN_F32] = INFINITY, [COLUMN_I32] = 2147483648.0, [COLUMN_I64] = 0x1p63, [COLUMN_U8] = 256};

void schema_init(struct schema *schema, int32_t T, int32_t chunk)
{
    memset(schema, 0, sizeof *schema);
    schema->T = T;
    schema->chunk = chunk;
}

/* --- checks, for our own and for received schemas --- */

/* An interval that holds numbers of the type, with whole ends in integer columns. Ends beyond the type mean "all it holds". */
static bool bounds_are_usable(enum column_type type, double min, double max)
{
    bool is_whole = (isinf(min) || min == floor(min)) && (isinf(max) || max == floor(max));
    return min <= max && min < type_max[type] && max > type_min[type] && (type == COLUMN_F32 || is_whole);
}

static int check_column(const struct column *column, struct err *err)
{
    if (!name_is_valid(column->name, sizeof column->name) || !name_is_valid(column->owner, sizeof column->owner))
        return err_set(err, ERR_INVALID, "refused schema: a column's name or owner is invalid");
    if (column->type < COLUMN_F32 || column->type > COLUMN_U8 || column->span < SPAN_STEP || column->span > SPAN_SLICE)
        return err_set(err, ERR_RANGE, "refused schema: column %s has an unknown type or span", column->name);
    if (column->width < 1 || column->width > SCHEMA_WIDTH_MAX)
        return err_set(err, ERR_RANGE, "refused schema: column %s has width %d, at most %d", column->name, column->width,
                       SCHEMA_WIDTH_MAX);
    if (!bounds_are_usable(column->type, column->min, column->max))
        return err_set(err, ERR_RANGE, "refused schema: column %s has bounds %g to %g", column->name, column->min, column->max);
    return 0;
}

static int check_schema(const struct schema *schema, struct err *err)
{
    if (schema->T < 1 || schema->T > SCHEMA_STEPS_MAX || schema->chunk < 1 || schema->chunk > schema->T)
        return err_set(err, ERR_RANGE, "refused schema: T is %d, at most %d; chunk is %d", schema->T, SCHEMA_STEPS_MAX,
                       schema->chunk);
    if (schema->n_columns < 1 || schema->n_columns > SCHEMA_COLUMNS_MAX)
        return err_set(err, ERR_LIMIT, "refused schema: %d columns, at most %d", schema->n_columns, SCHEMA_COLUMNS_MAX);
    for (int i = 0; i < schema->n_columns; i++) {
        int code = check_column(&schema->columns[i], err);
        if (code)
            return code;
        if (schema_find(schema, schema->columns[i].name) != i)
            return err_set(err, ERR_DUPLICATE, "refused schema: column %s twice", schema->columns[i].name);
    }
    if (schema_bytes_max(schema) > SCHEMA_FRAME_MAX)
        return err_set(err, ERR_LIMIT, "refused schema: frames of up to %zu bytes, at most %u", schema_bytes_max(schema),
                       SCHEMA_FRAME_MAX);
    return 0;
}

int schema_find(const struct schema *schema, const char *name)
{
    for (int i = 0; i < schema->n_columns; i++)
        if (strncmp(schema->columns[i].name, name, sizeof schema->columns[i].name) == 0)
            return i;
    return -1;
}

int schema_add(struct schema *schema, const char *owner, const char *name, enum column_type type, enum column_span span,
               int32_t width, double min, double max, struct err *err)
{
    struct column column = {.type = type, .span = span, .width = width, .min = min, .max = max};
    if (schema->n_columns == SCHEMA_COLUMNS_MAX)
        return err_set(err, ERR_LIMIT, "cannot add column %s: there are %d already", name, SCHEMA_COLUMNS_MAX);
    if (strlen(name) >= sizeof column.name || strlen(owner) >= sizeof column.owner)
        return err_set(err, ERR_INVALID, "cannot add column %s of %s: name or owner is too long", name, owner);
    snprintf(column.name, sizeof column.name, "%s", name);
    snprintf(column.owner, sizeof column.owner, "%s", owner);
    int code = check_column(&column, err);
    if (code)
        return code;
    int before = schema_find(schema, name);
    if (before >= 0)
        return err_set(err, ERR_DUPLICATE, "cannot add column %s of %s: %s has declared it", name, owner,
                       schema->columns[before].owner);
    schema->columns[schema->n_columns] = column;
    return schema->n_columns++;
}

int schema_finish(struct schema *schema, struct err *err)
{
    unsigned char wire[SCHEMA_BYTES_MAX];
    int code = check_schema(schema, err);
    if (code)
        return code;
    int length = schema_encode(schema, wire, sizeof wire);
    ASSERT(length > 0); /* the longest of names fit */
    schema->hash = hash_bytes(wire, (size_t)length);
    return 0;
}

/* --- layout --- */

size_t column_row_bytes(const struct column *column)
{
    return (size_t)column->width * type_bytes[column->type];
}

static int32_t row_count(const struct schema *schema, enum column_span span, int32_t steps, int32_t episodes)
{
    switch (span) {
    case SPAN_STEP: return steps;
    case SPAN_STEP_NEXT: return steps > 0 ? steps + 1 : 0;
    case SPAN_CHUNK: return (steps + schema->chunk - 1) / schema->chunk;
    case SPAN_EPISODE: return episodes;
    case SPAN_SLICE: return 1;
    }
    return 0;
}

/* No sum overflows: 64 columns of at most 4097 rows of 32 MB are below 2^44. */
void schema_layout(const struct schema *schema, int32_t steps, int32_t episodes, struct schema_layout *layout)
{
    size_t at = 0;
    ASSERT(steps >= 0 && steps <= schema->T && episodes >= 0 && episodes <= schema->T);
    for (int i = 0; i < schema->n_columns; i++) {
        const struct column *column = &schema->columns[i];
        layout->rows[i] = row_count(schema, column->span, steps, episodes);
        layout->start[i] = at;
        at += (size_t)layout->rows[i] * column_row_bytes(column);
        at = (at + SCHEMA_ALIGN - 1) / SCHEMA_ALIGN * SCHEMA_ALIGN;
    }
    layout->bytes = at;
}

int schema_layout_checked(const struct schema *schema, int64_t steps, int64_t episodes, size_t frame_bytes,
                          struct schema_layout *layout, struct err *err)
{
    if (steps < 0 || steps > schema->T || episodes < 0 || episodes > schema->T)
        return err_set(err, ERR_RANGE, "refused frame: %lld steps and %lld episodes, at most %d", (long long)steps,
                       (long long)episodes, schema->T);
    schema_layout(schema, (int32_t)steps, (int32_t)episodes, layout);
    if (layout->bytes != frame_bytes)
        return err_set(err, ERR_MISMATCH, "refused frame: %zu bytes, expected %zu", frame_bytes, layout->bytes);
    return 0;
}

size_t schema_bytes_max(const struct schema *schema)
{
    struct schema_layout layout;
    schema_layout(schema, schema->T, schema->T, &layout);
    return layout.bytes;
}

/* --- wire form --- */

static void encode_column(struct pack *pack, const struct column *column)
{
    pack_map(pack, COL_COUNT);
    pack_key(pack, col_names[COL_NAME]);
    pack_text(pack, column->name);
    pack_key(pack, col_names[COL_OWNER]);
    pack_text(pack, column->owner);
    pack_key(pack, col_names[COL_TYPE]);
    pack_u64(pack, column->type);
    pack_key(pack, col_names[COL_SPAN]);
    pack_u64(pack, column->span);
    pack_key(pack, col_names[COL_WIDTH]);
    pack_i64(pack, column->width);
    pack_key(pack, col_names[COL_MIN]);
    pack_f64(pack, column->min);
    pack_key(pack, col_names[COL_MAX]);
    pack_f64(pack, column->max);
}

int schema_encode(const struct schema *schema, void *out, size_t size)
{
    struct pack pack;
    pack_begin(&pack, out, size);
    pack_map(&pack, TOP_COUNT);
    pack_key(&pack, top_names[TOP_T]);
    pack_i64(&pack, schema->T);
    pack_key(&pack, top_names[TOP_CHUNK]);
    pack_i64(&pack, schema->chunk);
    pack_key(&pack, top_names[TOP_COLUMNS]);
    pack_array(&pack, (uint32_t)schema->n_columns);
    for (int i = 0; i < schema->n_columns; i++)
        encode_column(&pack, &schema->columns[i]);
    return pack_end(&pack);
}

static void decode_column(struct unpack *unpack, struct column *column)
{
    uint64_t seen = 0;
    for (uint32_t left = unpack_map(unpack, KEYS_MAX); left > 0; left--)
        switch (unpack_field(unpack, col_names, COL_COUNT, &seen)) {
        case COL_NAME: unpack_text(unpack, column->name, sizeof column->name); break;
        case COL_OWNER: unpack_text(unpack, column->owner, sizeof column->owner); break;
        case COL_TYPE: column->type = (enum column_type)unpack_u64(unpack, COLUMN_U8); break;
        case COL_SPAN: column->span = (enum column_span)unpack_u64(unpack, SPAN_SLICE); break;
        case COL_WIDTH: column->width = (int32_t)unpack_i64(unpack, 1, SCHEMA_WIDTH_MAX); break;
        case COL_MIN: column->min = unpack_f64(unpack); break;
        case COL_MAX: column->max = unpack_f64(unpack); break;
        }
    unpack_require(unpack, col_names, COL_COUNT, seen, (1u << COL_COUNT) - 1);
}

static void decode_columns(struct unpack *unpack, struct schema *schema)
{
    schema->n_columns = (int32_t)unpack_array(unpack, SCHEMA_COLUMNS_MAX);
    for (int i = 0; i < schema->n_columns; i++)
        decode_column(unpack, &schema->columns[i]);
}

int schema_decode(struct schema *schema, const void *data, size_t length, struct err *err)
{
    struct unpack unpack;
    uint64_t seen = 0;
    memset(schema, 0, sizeof *schema);
    if (length > SCHEMA_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "refused schema: %zu bytes, at most %d", length, SCHEMA_BYTES_MAX);
    unpack_begin(&unpack, data, length);
    for (uint32_t left = unpack_map(&unpack, KEYS_MAX); left > 0; left--)
        switch (unpack_field(&unpack, top_names, TOP_COUNT, &seen)) {
        case TOP_T: schema->T = (int32_t)unpack_i64(&unpack, 1, SCHEMA_STEPS_MAX); break;
        case TOP_CHUNK: schema->chunk = (int32_t)unpack_i64(&unpack, 1, SCHEMA_STEPS_MAX); break;
        case TOP_COLUMNS: decode_columns(&unpack, schema); break;
        }
    unpack_require(&unpack, top_names, TOP_COUNT, seen, (1u << TOP_COUNT) - 1);
    int code = unpack_end(&unpack, "schema", err);
    return code ? code : schema_finish(schema, err);
}
