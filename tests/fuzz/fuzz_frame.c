/* A received frame: schema, steps and episodes from the input, and bytes repeated to the length they make.
 *   u16 length of the schema's wire form (0: the built-in one), the schema, i16 steps, i16 episodes, u8 alignment, bytes
 * Whatever the copy accepts is inside its column's bounds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/schema.h"

#define FRAME_MAX (1u << 18)

static void use_own_schema(struct schema *schema)
{
    schema_init(schema, 20, 5);
    int code = schema_add(schema, "base", "observation", COLUMN_F32, SPAN_STEP_NEXT, 7, -10, 10, NULL);
    code |= schema_add(schema, "base", "action", COLUMN_I32, SPAN_STEP, 3, 0, 4, NULL);
    code |= schema_add(schema, "base", "episode", COLUMN_I64, SPAN_EPISODE, 1, 0, 9e18, NULL);
    code |= schema_add(schema, "base", "done", COLUMN_U8, SPAN_STEP, 1, 0, 1, NULL);
    code |= schema_add(schema, "belief", "hidden", COLUMN_F32, SPAN_CHUNK, 4, -INFINITY, INFINITY, NULL);
    ASSERT(code >= 0 && schema_finish(schema, NULL) == 0);
}

static double number(const struct column *column, const unsigned char *data, size_t index)
{
    switch (column->type) {
    case COLUMN_F32: return (double)((const float *)data)[index];
    case COLUMN_I32: return (double)((const int32_t *)data)[index];
    case COLUMN_I64: return (double)((const int64_t *)data)[index];
    case COLUMN_U8: return data[index];
    }
    return NAN;
}

static void check_column(const struct column *column, const unsigned char *data, size_t count)
{
    /* Bounds of float columns count as floats. */
    double min = column->type == COLUMN_F32 ? (double)(float)column->min : column->min;
    double max = column->type == COLUMN_F32 ? (double)(float)column->max : column->max;
    for (size_t i = 0; i < count; i++) {
        double x = number(column, data, i);
        ASSERT(isfinite(x) && x >= min && x <= max);
    }
}

static void copy_frame(const struct schema *schema, const struct schema_layout *layout, const uint8_t *bytes, size_t size,
                       int shift)
{
    unsigned char *frame = malloc(layout->bytes + 64), *out = aligned_alloc(SCHEMA_ALIGN, layout->bytes + SCHEMA_ALIGN);
    struct err err;
    ASSERT(frame && out);
    for (size_t i = 0; i < layout->bytes; i++)
        frame[(size_t)shift + i] = size ? bytes[i % size] : 0;
    if (schema_copy_checked(schema, layout, frame + shift, out, &err) == 0)
        for (int c = 0; c < schema->n_columns; c++)
            check_column(&schema->columns[c], out + layout->start[c], (size_t)layout->rows[c] * (size_t)schema->columns[c].width);
    free(frame);
    free(out);
}

void fuzz_frame(const uint8_t *data, size_t size)
{
    static struct schema schema;
    struct schema_layout layout;
    struct err err;
    uint16_t length;
    int16_t numbers[2];
    if (size < sizeof length)
        return;
    memcpy(&length, data, sizeof length);
    data += sizeof length;
    size -= sizeof length;
    if (size < (size_t)length + 5)
        return;
    if (length == 0)
        use_own_schema(&schema);
    else if (schema_decode(&schema, data, length, &err))
        return;
    memcpy(numbers, data + length, sizeof numbers);
    int shift = data[length + 4] % 64;
    int code = schema_layout_checked(&schema, numbers[0], numbers[1], size, &layout, &err);
    bool is_inside = numbers[0] >= 0 && numbers[0] <= schema.T && numbers[1] >= 0 && numbers[1] <= schema.T;
    ASSERT(is_inside || code == ERR_RANGE);
    if (is_inside && layout.bytes <= FRAME_MAX)
        copy_frame(&schema, &layout, data + length + 5, size - length - 5, shift);
}
