/* Frames in and out of memory: the two passes that every trajectory's bytes go through, written to run near memcpy's speed.
 *
 * The check needs no reduction of floats: a number is good when lo <= x and x <= hi with lo and hi finite, which is false for
 * NaN and both infinities, and the verdicts of a block are joined by OR of integers, which a compiler may reorder freely.
 * Blocks are small enough that a wrong block is found early and large enough that the branch costs nothing. On x86 the
 * kernels are compiled for several instruction sets and chosen when the program is loaded; whole lines of memory and unrolling keep
 * the instructions per line few, and so more lines under way. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "wire/schema.h"

/* Cloning needs the loader's indirect functions, which sanitizers and other compilers do not all support. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define CLONED __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define CLONED
#endif

#define BLOCK 4096 /* numbers */

/* Received frames lie at any address: these types tell the compiler so. */
typedef float unaligned_f32 __attribute__((aligned(1), may_alias));
typedef int32_t unaligned_i32 __attribute__((aligned(1), may_alias));
typedef int64_t unaligned_i64 __attribute__((aligned(1), may_alias));

/* Each kernel copies `count` numbers and returns the index of the first block that holds a bad one, or -1. */
#define COPY_KERNEL(name, in_type, out_type, bound_type, bad_type, is_bad)                                               \
    CLONED static int64_t name(const unsigned char *from, unsigned char *to, size_t count, bound_type lo, bound_type hi) \
    {                                                                                                                    \
        const in_type *restrict in = (const in_type *)from;                                                              \
        out_type *restrict out = (out_type *)__builtin_assume_aligned(to, SCHEMA_ALIGN);                                 \
        for (size_t start = 0; start < count; start += BLOCK) {                                                          \
            size_t end = count - start < BLOCK ? count : start + BLOCK;                                                  \
            bad_type bad = 0;                                                                                            \
            _Pragma("GCC unroll 4") for (size_t i = start; i < end; i++)                                                 \
            {                                                                                                            \
                out_type x = in[i];                                                                                      \
                out[i] = x;                                                                                              \
                bad |= (bad_type)(is_bad);                                                                               \
            }                                                                                                            \
            if (bad)                                                                                                     \
                return (int64_t)start;                                                                                   \
        }                                                                                                                \
        return -1;                                                                                                       \
    }
COPY_KERNEL(copy_f32, unaligned_f32, float, float, int32_t, !((x >= lo) & (x <= hi)))
COPY_KERNEL(copy_i32, unaligned_i32, int32_t, int32_t, int32_t, (x < lo) | (x > hi))
COPY_KERNEL(copy_i64, unaligned_i64, int64_t, int64_t, int64_t, (x < lo) | (x > hi))
COPY_KERNEL(copy_u8, uint8_t, uint8_t, uint8_t, uint8_t, (uint8_t)((x < lo) | (x > hi)))

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* Bounds of a float column rounded to float (a bound of 0.1 admits 0.1f) and never infinite. */
static float bound_f32(double bound)
{
    return (float)clamp(bound, -(double)FLT_MAX, (double)FLT_MAX);
}

/* Beyond 64 bits a bound means "all that the type holds"; the conversion of anything else is exact. */
static int64_t bound_i64(double bound)
{
    return bound < -0x1p63 ? INT64_MIN : bound >= 0x1p63 ? INT64_MAX : (int64_t)bound;
}

static int64_t copy_column(const struct column *column, const unsigned char *from, unsigned char *to, size_t count)
{
    double min = column->min, max = column->max;
    switch (column->type) {
    case COLUMN_F32: return copy_f32(from, to, count, bound_f32(min), bound_f32(max));
    case COLUMN_I32:
        return copy_i32(from, to, count, (int32_t)clamp(min, INT32_MIN, INT32_MAX), (int32_t)clamp(max, INT32_MIN, INT32_MAX));
    case COLUMN_I64: return copy_i64(from, to, count, bound_i64(min), bound_i64(max));
    case COLUMN_U8: return copy_u8(from, to, count, (uint8_t)clamp(min, 0, UINT8_MAX), (uint8_t)clamp(max, 0, UINT8_MAX));
    }
    return 0;
}

/* One number of the copy, as a double (exact enough to report), and whether it is acceptable. */
static bool is_good(const struct column *column, const unsigned char *data, size_t index, double *value)
{
    switch (column->type) {
    case COLUMN_F32: {
        float x = ((const float *)data)[index];
        *value = (double)x;
        return x >= bound_f32(column->min) && x <= bound_f32(column->max);
    }
    case COLUMN_I32: *value = (double)((const int32_t *)data)[index]; break;
    case COLUMN_I64: {
        int64_t x = ((const int64_t *)data)[index];
        *value = (double)x;
        return x >= bound_i64(column->min) && x <= bound_i64(column->max);
    }
    case COLUMN_U8: *value = data[index]; break;
    }
    return *value >= column->min && *value <= column->max;
}

/* Slow path: names the first bad number of a block that the kernel refused. */
static int report(const struct column *column, const unsigned char *data, size_t start, size_t count, struct err *err)
{
    double value = 0;
    size_t i = start;
    while (i < count && is_good(column, data, i, &value))
        i++;
    ASSERT(i < count); /* kernel and slow path disagree */
    size_t row = i / (size_t)column->width;
    if (!isfinite(value))
        return err_set(err, ERR_NOT_FINITE, "refused frame: column %s, row %zu is %g", column->name, row, value);
    return err_set(err, ERR_RANGE, "refused frame: column %s, row %zu is %g, allowed %g to %g", column->name, row, value,
                   column->min, column->max);
}

/* Where the column's bytes end and where the next one starts. */
static size_t column_end(const struct schema *schema, const struct schema_layout *layout, int column)
{
    return layout->start[column] + (size_t)layout->rows[column] * column_row_bytes(&schema->columns[column]);
}

static void zero_gap(const struct schema *schema, const struct schema_layout *layout, int column, unsigned char *frame)
{
    size_t end = column_end(schema, layout, column);
    size_t next = column + 1 < schema->n_columns ? layout->start[column + 1] : layout->bytes;
    memset(frame + end, 0, next - end);
}

int schema_copy_checked(const struct schema *schema, const struct schema_layout *layout, const void *frame, void *out,
                        struct err *err)
{
    ASSERT((uintptr_t)out % SCHEMA_ALIGN == 0);
    for (int i = 0; i < schema->n_columns; i++) {
        const struct column *column = &schema->columns[i];
        size_t start = layout->start[i], count = (size_t)layout->rows[i] * (size_t)column->width;
        unsigned char *to = (unsigned char *)out + start;
        int64_t bad = copy_column(column, (const unsigned char *)frame + start, to, count);
        if (bad >= 0)
            return report(column, to, (size_t)bad, count, err);
        zero_gap(schema, layout, i, out);
    }
    return 0;
}

void schema_zero_gaps(const struct schema *schema, const struct schema_layout *layout, void *frame)
{
    for (int i = 0; i < schema->n_columns; i++)
        zero_gap(schema, layout, i, frame);
}
