/* The codec: what goes in comes out, and no frame, however crafted, is read beyond its end or costs more than its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "base/rng.h"
#include "wire/pack.h"

enum { FIELD_STEPS, FIELD_NAME, FIELD_COUNT };
static const char *const field_names[FIELD_COUNT] = {"steps", "name"};

static void test_pack_values_survive_the_round_trip(void **state)
{
    (void)state;
    static const int64_t integers[] = {0,         1,  127, 128, 255,  256,  65535,  65536,    INT32_MAX,
                                       INT64_MAX, -1, -32, -33, -128, -129, -32769, INT64_MIN};
    static const double reals[] = {0, -0.0, 1.5, -1e300, DBL_MIN, INFINITY, -INFINITY};
    unsigned char frame[1024], blob[300];
    struct hash hash = {0x0123456789abcdefu, 0xfedcba9876543210u};
    struct pack pack;
    memset(blob, 7, sizeof blob);
    pack_begin(&pack, frame, sizeof frame);
    for (size_t i = 0; i < ARRAY_LEN(integers); i++)
        pack_i64(&pack, integers[i]);
    pack_u64(&pack, UINT64_MAX);
    for (size_t i = 0; i < ARRAY_LEN(reals); i++)
        pack_f64(&pack, reals[i]);
    pack_text(&pack, "a name that is longer than thirty-one bytes");
    pack_bool(&pack, true);
    pack_bytes(&pack, blob, sizeof blob);
    pack_bytes(&pack, NULL, 0);
    pack_hash(&pack, hash);
    int length = pack_end(&pack);
    assert_true(length > 0);

    struct unpack unpack;
    char text[64];
    size_t bytes;
    unpack_begin(&unpack, frame, (size_t)length);
    for (size_t i = 0; i < ARRAY_LEN(integers); i++)
        assert_true(unpack_i64(&unpack, INT64_MIN, INT64_MAX) == integers[i]);
    assert_true(unpack_u64(&unpack, UINT64_MAX) == UINT64_MAX);
    for (size_t i = 0; i < ARRAY_LEN(reals); i++)
        assert_true(unpack_f64(&unpack) == reals[i]);
    assert_true(unpack_text(&unpack, text, sizeof text));
    assert_string_equal(text, "a name that is longer than thirty-one bytes");
    assert_true(unpack_bool(&unpack));
    assert_memory_equal(unpack_bytes(&unpack, 1000, &bytes), blob, sizeof blob);
    assert_int_equal(bytes, sizeof blob);
    assert_non_null(unpack_bytes(&unpack, 0, &bytes));
    assert_int_equal(bytes, 0);
    assert_true(hash_equal(unpack_hash(&unpack), hash));
    assert_int_equal(unpack_end(&unpack, "test", NULL), 0);
}

static void test_pack_full_buffer_is_reported_once_and_stays(void **state)
{
    (void)state;
    unsigned char frame[8];
    struct pack pack;
    pack_begin(&pack, frame, sizeof frame);
    pack_text(&pack, "much longer than eight bytes");
    pack_u64(&pack, 1);
    assert_int_equal(pack_end(&pack), ERR_LIMIT);
}

/* Runs `read` over the bytes and expects its code. */
static void expect_code(int code, const char *bytes, size_t length, void (*read)(struct unpack *))
{
    struct unpack unpack;
    struct err err;
    unsigned char *exact = malloc(length ? length : 1); /* own block: ASan sees any read beyond the end */
    memcpy(exact, bytes, length);
    unpack_begin(&unpack, exact, length);
    read(&unpack);
    int got = unpack_end(&unpack, "frame", &err);
    if (got != code)
        print_error("expected %s, got %s (%s)\n", err_name(code), err_name(got), err.text);
    assert_int_equal(got, code);
    free(exact);
}

static void read_map(struct unpack *u)
{
    unpack_map(u, 1000000);
}
static void read_array(struct unpack *u)
{
    unpack_array(u, UINT32_MAX);
}
static void read_array_of_3(struct unpack *u)
{
    unpack_array(u, 3);
}
static void read_u64(struct unpack *u)
{
    unpack_u64(u, 100);
}
static void read_i64(struct unpack *u)
{
    unpack_i64(u, -5, 5);
}
static void read_f64(struct unpack *u)
{
    unpack_f64(u);
}
static void read_hash(struct unpack *u)
{
    unpack_hash(u);
}
static void read_skip(struct unpack *u)
{
    unpack_skip(u);
}
static void read_key(struct unpack *u)
{
    size_t n;
    unpack_key(u, &n);
}
static void read_text(struct unpack *u)
{
    char text[4];
    unpack_text(u, text, sizeof text);
}
static void read_bytes(struct unpack *u)
{
    size_t n;
    unpack_bytes(u, 4, &n);
}
static void read_fields(struct unpack *u)
{
    uint64_t seen = 0;
    for (uint32_t left = unpack_map(u, 8); left > 0; left--)
        switch (unpack_field(u, field_names, FIELD_COUNT, &seen)) {
        case FIELD_STEPS: unpack_u64(u, 100); break;
        case FIELD_NAME: unpack_skip(u); break;
        }
    unpack_require(u, field_names, FIELD_COUNT, seen, 1u << FIELD_STEPS);
}

#define EXPECT(code, bytes, read) expect_code(code, bytes, sizeof(bytes) - 1, read)

static void test_unpack_refuses_hostile_headers(void **state)
{
    (void)state;
    EXPECT(ERR_FORMAT, "\xdd\x10\x00\x00\x00", read_array); /* the five bytes that cost msgpack-c 8 GB */
    EXPECT(ERR_FORMAT, "\xdf\x00\x00\x10\x00", read_map);
    EXPECT(ERR_LIMIT, "\x94\x01\x01\x01\x01", read_array_of_3);
    EXPECT(ERR_FORMAT, "\xc6\xff\xff\xff\xff", read_skip);
    EXPECT(ERR_FORMAT, "\xdb\xff\xff\xff\xff", read_skip);
    EXPECT(ERR_FORMAT, "\xc9\xff\xff\xff\xff", read_skip);
    EXPECT(ERR_FORMAT, "\xd8\x01", read_skip);
    EXPECT(ERR_FORMAT, "\xc1", read_skip);
    EXPECT(ERR_FORMAT, "", read_skip);
    EXPECT(ERR_FORMAT,
           "\xc4\x05"
           "1234",
           read_skip);
    EXPECT(ERR_LIMIT,
           "\xc4\x05"
           "12345",
           read_bytes);
    EXPECT(ERR_FORMAT, "\x01\x01", read_u64); /* left over */
}

static void test_unpack_refuses_wrong_types_and_ranges(void **state)
{
    (void)state;
    EXPECT(ERR_RANGE, "\x65", read_u64);
    EXPECT(ERR_RANGE, "\xff", read_u64);
    EXPECT(ERR_RANGE, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", read_i64);
    EXPECT(ERR_RANGE, "\xd0\xfa", read_i64);
    EXPECT(0, "\xd0\xfb", read_i64);
    EXPECT(0, "\xd3\x00\x00\x00\x00\x00\x00\x00\x64", read_u64);
    EXPECT(ERR_FORMAT,
           "\xa1"
           "5",
           read_u64);
    EXPECT(ERR_NOT_FINITE, "\xca\x7f\xc0\x00\x00", read_f64);
    EXPECT(ERR_NOT_FINITE, "\xcb\xff\xf8\x00\x00\x00\x00\x00\x00", read_f64);
    EXPECT(ERR_FORMAT, "\xc4\x02zz", read_hash);
    EXPECT(ERR_LIMIT,
           "\xa4"
           "abcd",
           read_text);
    EXPECT(ERR_FORMAT,
           "\xa2"
           "a\0",
           read_text);
    EXPECT(ERR_LIMIT,
           "\xd9\x21"
           "012345678901234567890123456789012",
           read_key);
}

static void test_unpack_fields_refuse_duplicates_and_name_what_is_missing(void **state)
{
    (void)state;
    EXPECT(0, "\x81\xa5steps\x05", read_fields);
    EXPECT(0, "\x83\xa5steps\x05\xa5later\x91\x81\xa1x\xc0\xa4name\xa1n", read_fields);
    EXPECT(ERR_DUPLICATE, "\x82\xa5steps\x05\xa5steps\x05", read_fields);
    EXPECT(ERR_FORMAT, "\x81\xa4name\xa1n", read_fields);
    EXPECT(ERR_FORMAT, "\x81\x01\x02", read_fields);
    struct unpack unpack;
    struct err err;
    unpack_begin(&unpack, "\x80", 1);
    read_fields(&unpack);
    assert_int_equal(unpack_end(&unpack, "envelope", &err), ERR_FORMAT);
    assert_string_equal(err.text, "envelope: key steps is missing, at byte 1");
}

static void test_unpack_skip_stops_at_depth_eight(void **state)
{
    (void)state;
    EXPECT(0, "\x91\x91\x91\x91\x91\x91\x91\x91\x01", read_skip);
    EXPECT(ERR_LIMIT, "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", read_skip);
}

static void test_unpack_first_error_sticks_and_later_calls_return_zero(void **state)
{
    (void)state;
    struct unpack unpack;
    struct err err;
    char text[8];
    size_t length = 9;
    unpack_begin(&unpack, "\x05\x06\xa1x", 4);
    assert_int_equal(unpack_u64(&unpack, 3), 0);
    assert_int_equal(unpack_u64(&unpack, 100), 0);
    assert_int_equal(unpack_map(&unpack, 10), 0);
    assert_false(unpack_text(&unpack, text, sizeof text));
    assert_null(unpack_bytes(&unpack, 10, &length));
    assert_int_equal(length, 0);
    unpack_skip(&unpack);
    assert_int_equal(unpack_end(&unpack, "f", &err), ERR_RANGE);
}

/* Any cut of a good frame fails, and random bytes never trip the sanitizers. */
static void test_unpack_survives_cuts_and_noise(void **state)
{
    (void)state;
    static const char good[] =
        "\x83\xa5steps\x05\xa5later\x92\x81\xa1x\xcb\x40\x00\x00\x00\x00\x00\x00\x00\xc7\x03\x01zzz\xa4name\xc4\x02zz";
    for (size_t cut = 0; cut < sizeof good - 1; cut++)
        expect_code(ERR_FORMAT, good, cut, read_fields);
    EXPECT(0, good, read_fields);
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    for (int round = 0; round < 200000; round++) {
        unsigned char noise[48];
        for (size_t i = 0; i < sizeof noise; i += 8)
            memcpy(noise + i, &(uint64_t){rng_next(&rng)}, 8);
        struct unpack unpack;
        unpack_begin(&unpack, noise, sizeof noise);
        while (!unpack.error && unpack.at < unpack.length)
            unpack_skip(&unpack);
        assert_true(unpack.at <= unpack.length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_values_survive_the_round_trip),
        cmocka_unit_test(test_pack_full_buffer_is_reported_once_and_stays),
        cmocka_unit_test(test_unpack_refuses_hostile_headers),
        cmocka_unit_test(test_unpack_refuses_wrong_types_and_ranges),
        cmocka_unit_test(test_unpack_fields_refuse_duplicates_and_name_what_is_missing),
        cmocka_unit_test(test_unpack_skip_stops_at_depth_eight),
        cmocka_unit_test(test_unpack_first_error_sticks_and_later_calls_return_zero),
        cmocka_unit_test(test_unpack_survives_cuts_and_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
