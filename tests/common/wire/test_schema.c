/* Schemas and frames: both ends agree on the layout, and no bad number passes the copy, wherever it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "base/rng.h"
#include "wire/pack.h"
#include "wire/schema.h"
#include "wire/wire_bench.h"

enum { OBSERVATION, ACTION, EPISODE, FLAG, HIDDEN, FINAL, SNAPSHOT, ANYTHING };

static void make_schema(struct schema *schema)
{
    schema_init(schema, 100, 10);
    assert_int_equal(schema_add(schema, "base", "observation", COLUMN_F32, SPAN_STEP_NEXT, 37, -10, 10, NULL), OBSERVATION);
    assert_int_equal(schema_add(schema, "base", "action", COLUMN_I32, SPAN_STEP, 3, 0, 5, NULL), ACTION);
    assert_int_equal(schema_add(schema, "base", "episode", COLUMN_I64, SPAN_STEP, 1, -9e15, 9e15, NULL), EPISODE);
    assert_int_equal(schema_add(schema, "base", "flag", COLUMN_U8, SPAN_STEP, 1, 0, 1, NULL), FLAG);
    assert_int_equal(schema_add(schema, "belief", "hidden", COLUMN_F32, SPAN_CHUNK, 64, -INFINITY, INFINITY, NULL), HIDDEN);
    assert_int_equal(schema_add(schema, "base", "final", COLUMN_F32, SPAN_EPISODE, 37, -10, 10, NULL), FINAL);
    assert_int_equal(schema_add(schema, "attack/learned", "snapshot", COLUMN_U8, SPAN_SLICE, 5, 0, 255, NULL), SNAPSHOT);
    assert_int_equal(schema_add(schema, "base", "anything", COLUMN_I64, SPAN_STEP, 1, -9.3e18, INFINITY, NULL), ANYTHING);
    assert_int_equal(schema_finish(schema, NULL), 0);
}

static void test_schema_layout_follows_spans_and_alignment(void **state)
{
    (void)state;
    struct schema schema;
    struct schema_layout layout;
    make_schema(&schema);
    schema_layout(&schema, 95, 2, &layout);
    assert_int_equal(layout.rows[OBSERVATION], 96);
    assert_int_equal(layout.rows[ACTION], 95);
    assert_int_equal(layout.rows[HIDDEN], 10);
    assert_int_equal(layout.rows[FINAL], 2);
    assert_int_equal(layout.rows[SNAPSHOT], 1);
    for (int i = 0; i < schema.n_columns; i++)
        assert_int_equal(layout.start[i] % SCHEMA_ALIGN, 0);
    assert_int_equal(layout.start[ACTION], (96 * 37 * 4 + 63) / 64 * 64);
    schema_layout(&schema, 0, 3, &layout); /* evaluation: records only */
    assert_int_equal(layout.rows[OBSERVATION], 0);
    assert_int_equal(layout.rows[HIDDEN], 0);
    assert_int_equal(layout.rows[FINAL], 3);
    assert_true(schema_bytes_max(&schema) >= layout.bytes);
}

static void test_schema_layout_refuses_a_strangers_numbers(void **state)
{
    (void)state;
    struct schema schema;
    struct schema_layout layout;
    make_schema(&schema);
    schema_layout(&schema, 95, 2, &layout);
    size_t bytes = layout.bytes;
    assert_int_equal(schema_layout_checked(&schema, 95, 2, bytes, &layout, NULL), 0);
    assert_int_equal(schema_layout_checked(&schema, 95, 2, bytes - 1, &layout, NULL), ERR_MISMATCH);
    assert_int_equal(schema_layout_checked(&schema, 101, 2, bytes, &layout, NULL), ERR_RANGE);
    assert_int_equal(schema_layout_checked(&schema, -1, 2, bytes, &layout, NULL), ERR_RANGE);
    assert_int_equal(schema_layout_checked(&schema, 95, INT64_MAX, bytes, &layout, NULL), ERR_RANGE);
}

static void test_schema_travels_with_its_hash(void **state)
{
    (void)state;
    struct schema sent, got, other;
    unsigned char wire[SCHEMA_BYTES_MAX];
    make_schema(&sent);
    int length = schema_encode(&sent, wire, sizeof wire);
    assert_true(length > 0);
    assert_int_equal(schema_decode(&got, wire, (size_t)length, NULL), 0);
    assert_memory_equal(&got, &sent, sizeof got);
    make_schema(&other);
    other.columns[ACTION].max = 6;
    assert_int_equal(schema_finish(&other, NULL), 0);
    assert_false(hash_equal(other.hash, sent.hash));
    for (int cut = 0; cut < length; cut++)
        assert_true(schema_decode(&got, wire, (size_t)cut, NULL) < 0);
}

static void test_schema_of_full_size_fits_its_ceiling(void **state)
{
    (void)state;
    struct schema schema;
    unsigned char wire[SCHEMA_BYTES_MAX];
    schema_init(&schema, SCHEMA_STEPS_MAX, SCHEMA_STEPS_MAX);
    for (int i = 0; i < SCHEMA_COLUMNS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "a_column_of_long_name_%09d", i % 1000);
        assert_int_equal(schema_add(&schema, "an_owner_of_long_name_x", name, COLUMN_I64, SPAN_EPISODE, 1, -9e15, 9e15, NULL), i);
    }
    assert_int_equal(schema_add(&schema, "base", "more", COLUMN_U8, SPAN_STEP, 1, 0, 1, NULL), ERR_LIMIT);
    assert_int_equal(schema_finish(&schema, NULL), 0);
    assert_true(schema_encode(&schema, wire, sizeof wire) > 0);
}

static void test_schema_add_refuses_bad_columns(void **state)
{
    (void)state;
    struct schema schema;
    struct err err;
    make_schema(&schema);
    assert_int_equal(schema_add(&schema, "mine", "action", COLUMN_F32, SPAN_STEP, 1, 0, 1, &err), ERR_DUPLICATE);
    assert_string_equal(err.text, "cannot add column action of mine: base has declared it");
    assert_int_equal(schema_add(&schema, "mine", "a b", COLUMN_F32, SPAN_STEP, 1, 0, 1, NULL), ERR_INVALID);
    assert_int_equal(schema_add(&schema, "mine", "w", COLUMN_F32, SPAN_STEP, 0, 0, 1, NULL), ERR_RANGE);
    assert_int_equal(schema_add(&schema, "mine", "w", COLUMN_F32, SPAN_STEP, 1, 1, 0, NULL), ERR_RANGE);
    assert_int_equal(schema_add(&schema, "mine", "w", COLUMN_F32, SPAN_STEP, 1, NAN, 0, NULL), ERR_RANGE);
    assert_int_equal(schema_add(&schema, "mine", "w", COLUMN_I32, SPAN_STEP, 1, 0.5, 1, NULL), ERR_RANGE);
    assert_int_equal(schema_add(&schema, "mine", "w", COLUMN_U8, SPAN_STEP, 1, 256, 300, NULL), ERR_RANGE);
    assert_int_equal(schema_add(&schema, "mine", "w", COLUMN_F32, SPAN_STEP, 1, INFINITY, INFINITY, NULL), ERR_RANGE);
    assert_true(schema_add(&schema, "mine", "w", COLUMN_F32, SPAN_STEP, SCHEMA_WIDTH_MAX, 0, 1, NULL) >= 0);
    assert_int_equal(schema_finish(&schema, NULL), ERR_LIMIT); /* 100 rows of 16 MB */
}

/* Every decoded schema satisfies what schema_layout relies on, whatever bytes came in. */
static void test_schema_decode_survives_noise(void **state)
{
    (void)state;
    struct schema schema, got;
    unsigned char wire[SCHEMA_BYTES_MAX];
    make_schema(&schema);
    int length = schema_encode(&schema, wire, sizeof wire), accepted = 0;
    struct rng rng = rng_stream(1, RNG_TEST, 2, 0, 0);
    for (int round = 0; round < 20000; round++) {
        unsigned char *noisy = malloc((size_t)length);
        memcpy(noisy, wire, (size_t)length);
        for (int flips = 0; flips < 3; flips++)
            noisy[rng_below(&rng, (uint32_t)length)] = (unsigned char)rng_next(&rng);
        if (schema_decode(&got, noisy, (size_t)length, NULL) == 0) {
            accepted++;
            assert_true(schema_bytes_max(&got) <= SCHEMA_FRAME_MAX);
        }
        free(noisy);
    }
    assert_true(accepted > 0);
}

/* A good random frame at an odd address. */
static unsigned char *make_frame(const struct schema *schema, const struct schema_layout *layout, uint32_t seed)
{
    unsigned char *frame = malloc(layout->bytes + 1), *at = frame + 1;
    struct rng rng = rng_stream(seed, RNG_TEST, 3, 0, 0);
    memset(frame, 0xee, layout->bytes + 1); /* gaps hold rubbish */
    for (int c = 0; c < schema->n_columns; c++) {
        const struct column *column = &schema->columns[c];
        for (size_t i = 0; i < (size_t)layout->rows[c] * (size_t)column->width; i++) {
            float real = (float)(rng_double(&rng) * 20 - 10);
            int32_t small = (int32_t)rng_below(&rng, 6);
            int64_t large = (int64_t)(rng_double(&rng) * 1.8e16 - 9e15);
            unsigned char *to = at + layout->start[c];
            switch (column->type) {
            case COLUMN_F32: memcpy(to + i * 4, &real, 4); break;
            case COLUMN_I32: memcpy(to + i * 4, &small, 4); break;
            case COLUMN_I64: memcpy(to + i * 8, &large, 8); break;
            case COLUMN_U8: to[i] = (unsigned char)(small & 1); break;
            }
        }
    }
    return frame;
}

static void test_schema_copy_is_exact_and_zeroes_gaps(void **state)
{
    (void)state;
    struct schema schema;
    struct schema_layout layout;
    make_schema(&schema);
    schema_layout(&schema, 95, 2, &layout);
    unsigned char *frame = make_frame(&schema, &layout, 1), *out = aligned_alloc(64, layout.bytes), *expected = frame + 1;
    memset(out, 0xdd, layout.bytes);
    assert_int_equal(schema_copy_checked(&schema, &layout, expected, out, NULL), 0);
    schema_zero_gaps(&schema, &layout, expected);
    assert_memory_equal(out, expected, layout.bytes);
    assert_int_equal(out[layout.bytes - 1], 0); /* the last gap, too */
    free(frame);
    free(out);
}

/* Puts `bytes` at number `index` of the column, expects the code, and puts the old ones back. */
static void expect_refused(const struct schema *schema, const struct schema_layout *layout, unsigned char *frame,
                           unsigned char *out, int column, size_t index, const void *bytes, int code)
{
    struct err err = {""};
    char where[96], old[8];
    size_t size = column_row_bytes(&schema->columns[column]) / (size_t)schema->columns[column].width;
    unsigned char *to = frame + layout->start[column] + index * size;
    memcpy(old, to, size);
    memcpy(to, bytes, size);
    int got = schema_copy_checked(schema, layout, frame, out, &err);
    memcpy(to, old, size);
    snprintf(where, sizeof where, "column %s, row %zu", schema->columns[column].name,
             index / (size_t)schema->columns[column].width);
    if (got != code || (code && !strstr(err.text, where)))
        print_error("expected %s at %s, got %s: %s\n", err_name(code), where, err_name(got), err.text);
    assert_int_equal(got, code);
    assert_true(!code || strstr(err.text, where));
}

static void test_schema_copy_refuses_every_bad_number_wherever_it_stands(void **state)
{
    (void)state;
    static const float bad_reals[] = {NAN, -NAN, INFINITY, -INFINITY}, outside[] = {10.000001f, -10.000001f, FLT_MAX};
    static const int32_t bad_small[] = {-1, 6, INT32_MIN, INT32_MAX};
    static const int64_t bad_large[] = {9000000000000001, -9000000000000001, INT64_MIN, INT64_MAX};
    struct schema schema;
    struct schema_layout layout;
    make_schema(&schema);
    schema_layout(&schema, 95, 2, &layout);
    unsigned char *block = make_frame(&schema, &layout, 2), *frame = block + 1, *out = aligned_alloc(64, layout.bytes);
    for (size_t i = 0; i < 96 * 37; i += 5)
        for (size_t k = 0; k < ARRAY_LEN(bad_reals); k++)
            expect_refused(&schema, &layout, frame, out, OBSERVATION, i, &bad_reals[k], ERR_NOT_FINITE);
    for (size_t k = 0; k < ARRAY_LEN(outside); k++)
        expect_refused(&schema, &layout, frame, out, FINAL, 2 * 37 - 1, &outside[k], ERR_RANGE);
    for (size_t i = 0; i < 95 * 3; i++)
        for (size_t k = 0; k < ARRAY_LEN(bad_small); k++)
            expect_refused(&schema, &layout, frame, out, ACTION, i, &bad_small[k], ERR_RANGE);
    for (size_t i = 0; i < 95; i++) {
        for (size_t k = 0; k < ARRAY_LEN(bad_large); k++)
            expect_refused(&schema, &layout, frame, out, EPISODE, i, &bad_large[k], ERR_RANGE);
        for (size_t k = 0; k < ARRAY_LEN(bad_large); k++)
            expect_refused(&schema, &layout, frame, out, ANYTHING, i, &bad_large[k], 0);
        expect_refused(&schema, &layout, frame, out, FLAG, i, "\x02", ERR_RANGE);
    }
    expect_refused(&schema, &layout, frame, out, HIDDEN, 639, &bad_reals[0], ERR_NOT_FINITE); /* unbounded is still finite */
    expect_refused(&schema, &layout, frame, out, HIDDEN, 639, &outside[2], 0);
    expect_refused(&schema, &layout, frame, out, OBSERVATION, 0, &(float){10}, 0); /* bounds are included */
    expect_refused(&schema, &layout, frame, out, OBSERVATION, 0, &(float){-0.0f}, 0);
    free(block);
    free(out);
}

static void test_wire_bench_measures(void **state)
{
    (void)state;
    struct wire_bench bench;
    assert_int_equal(wire_bench_run(1 << 16, 2, 3, &bench), 0);
    assert_true(bench.frame_bytes > 50000 && bench.memcpy_gb_s > 0 && bench.encode_ratio > 0 && bench.decode_ratio > 0);
    assert_int_equal(wire_bench_run(1 << 16, 0, 3, &bench), ERR_RANGE);
    assert_int_equal(wire_bench_run(1 << 30, 1, 3, &bench), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_layout_follows_spans_and_alignment),
        cmocka_unit_test(test_schema_layout_refuses_a_strangers_numbers),
        cmocka_unit_test(test_schema_travels_with_its_hash),
        cmocka_unit_test(test_schema_of_full_size_fits_its_ceiling),
        cmocka_unit_test(test_schema_add_refuses_bad_columns),
        cmocka_unit_test(test_schema_decode_survives_noise),
        cmocka_unit_test(test_schema_copy_is_exact_and_zeroes_gaps),
        cmocka_unit_test(test_schema_copy_refuses_every_bad_number_wherever_it_stands),
        cmocka_unit_test(test_wire_bench_measures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
