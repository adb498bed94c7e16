/* Safetensors files: what is written reads back equal, hostile files are refused, the hash covers what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "net/safetensors.h"

static struct safetensors *example(void)
{
    static const float w[6] = {1, 2, 3, 4, 5, -0.5f};
    static const uint8_t flags[3] = {7, 8, 9};
    static const double d[1] = {0.1};
    struct safetensors *file;
    assert_int_equal(safetensors_create(&file), 0);
    assert_int_equal(safetensors_add(file, "actor.w", TENSOR_F32, 2, (int64_t[]){2, 3}, w, NULL), 0);
    assert_int_equal(safetensors_add(file, "a.flags", TENSOR_U8, 1, (int64_t[]){3}, flags, NULL), 0);
    assert_int_equal(safetensors_add(file, "zero", TENSOR_I64, 2, (int64_t[]){0, 5}, NULL, NULL), 0);
    assert_int_equal(safetensors_add(file, "scalar", TENSOR_F64, 0, NULL, d, NULL), 0);
    assert_int_equal(safetensors_set_metadata(file, "core", "Haswell \"x\"", NULL), 0);
    return file;
}

static void in_temporary_folder(char path[64])
{
    snprintf(path, 64, "/tmp/testudo-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static void test_safetensors_reads_back_what_was_written(void **state)
{
    (void)state;
    char folder[64], path[128];
    in_temporary_folder(folder);
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    struct safetensors *file = example(), *again;
    assert_int_equal(safetensors_write(file, path, NULL), 0);
    assert_int_equal(safetensors_load(&again, path, NULL), 0);
    assert_int_equal(safetensors_count(again), 4);
    for (int i = 0; i < 4; i++) {
        const struct tensor *a = safetensors_at(file, i), *b = safetensors_at(again, i);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->n_dims, b->n_dims);
        assert_memory_equal(a->shape, b->shape, sizeof a->shape);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
        assert_int_equal((uintptr_t)b->data % 8, 0);
    }
    assert_string_equal(safetensors_metadata(again, "core"), "Haswell \"x\"");
    assert_null(safetensors_metadata(again, "other"));
    const char *key, *value;
    assert_true(safetensors_metadata_at(again, 0, &key, &value));
    assert_string_equal(key, "core");
    assert_false(safetensors_metadata_at(again, 1, &key, &value));
    assert_null(safetensors_find(again, "actor"));
    assert_true(hash_equal(safetensors_hash(file, ""), safetensors_hash(again, "")));
    safetensors_destroy(&file);
    safetensors_destroy(&again);
    unlink(path);
    rmdir(folder);
}

static void test_safetensors_refuses_names_and_shapes(void **state)
{
    (void)state;
    struct safetensors *file = example();
    char name[200];
    memset(name, 'x', sizeof name);
    name[199] = 0;
    float x = 0;
    assert_int_equal(safetensors_add(file, "zero", TENSOR_F32, 0, NULL, &x, NULL), ERR_DUPLICATE);
    assert_int_equal(safetensors_add(file, name, TENSOR_F32, 0, NULL, &x, NULL), ERR_LIMIT);
    assert_int_equal(safetensors_add(file, "__metadata__", TENSOR_F32, 0, NULL, &x, NULL), ERR_LIMIT);
    assert_int_equal(safetensors_add(file, "n", TENSOR_F32, 1, (int64_t[]){-1}, &x, NULL), ERR_RANGE);
    assert_int_equal(safetensors_add(file, "n", TENSOR_F32, 4, (int64_t[]){1 << 30, 1 << 30, 1 << 30, 4}, &x, NULL), ERR_RANGE);
    assert_int_equal(safetensors_count(file), 4);
    safetensors_destroy(&file);
}

/* Header text and `data_bytes` zero bytes behind it. */
static int parse(const char *header, size_t data_bytes, struct err *err)
{
    size_t n = strlen(header), length = 8 + n + data_bytes;
    unsigned char *bytes = calloc(1, length);
    bytes[0] = (unsigned char)n;
    bytes[1] = (unsigned char)(n >> 8);
    memcpy(bytes + 8, header, n);
    struct safetensors *file;
    int r = safetensors_parse(&file, bytes, length, "x", err);
    assert_true(r ? !file : !!file);
    safetensors_destroy(&file);
    free(bytes);
    return r;
}

static void test_safetensors_refuses_inconsistent_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        int result;
    } cases[] = {
        {"{}", 0, 0},
        {"{}   ", 0, 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, 0},
        {"{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[8,9]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":["
         "0,8]}}",
         9, 0},
        {"{}", 1, ERR_FORMAT}, /* bytes of no tensor */
        {"[]", 0, ERR_FORMAT},
        {"{", 0, ERR_FORMAT},
        {"{\"a\":1}", 0, ERR_VERSION},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, ERR_VERSION},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 8, ERR_MISMATCH}, /* shape against offsets */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, ERR_MISMATCH}, /* beyond the file */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, ERR_MISMATCH},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, ERR_MISMATCH},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, ERR_MISMATCH},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, ERR_MISMATCH},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, ERR_MISMATCH},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, ERR_LIMIT},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, ERR_LIMIT},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, ERR_FORMAT}, /* gap in front */
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,"
         "3]}}",
         3, ERR_FORMAT},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,"
         "2]}}",
         2, ERR_FORMAT},
        {"{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, ERR_LIMIT},
        {"{\"__metadata__\":{\"a\":1}}", 0, ERR_FORMAT},
        {"{\"__metadata__\":3}", 0, ERR_FORMAT},
        {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, ERR_FORMAT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {""};
        int r = parse(cases[i].header, cases[i].data_bytes, &err);
        if (r != cases[i].result)
            fail_msg("case %zu %s: result %s (%s), expected %s", i, cases[i].header, err_name(r), err.text,
                     err_name(cases[i].result));
    }
}

static void test_safetensors_refuses_every_truncation(void **state)
{
    (void)state;
    char folder[64], path[128];
    in_temporary_folder(folder);
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    struct safetensors *file = example(), *again;
    unsigned char *bytes;
    size_t length;
    assert_int_equal(safetensors_write(file, path, NULL), 0);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &length, NULL), 0);
    for (size_t n = 0; n < length; n++) {
        unsigned char *cut = malloc(n + 1); /* its own block, so that reading past it is noticed */
        memcpy(cut, bytes, n);
        if (!safetensors_parse(&again, cut, n, "cut", NULL))
            fail_msg("accepted %zu of %zu bytes", n, length);
        free(cut);
    }
    memset(bytes, 0xff, 8);
    assert_int_equal(safetensors_parse(&again, bytes, length, "huge header", NULL), ERR_FORMAT);
    free(bytes);
    safetensors_destroy(&file);
    unlink(path);
    rmdir(folder);
}

static void test_safetensors_hash_covers_tensors_of_the_prefix_only(void **state)
{
    (void)state;
    struct safetensors *a = example(), *b = example();
    float x = 1;
    assert_int_equal(safetensors_set_metadata(b, "core", "other", NULL), 0);
    assert_true(hash_equal(safetensors_hash(a, ""), safetensors_hash(b, "")));
    assert_int_equal(safetensors_add(b, "books.x", TENSOR_F32, 0, NULL, &x, NULL), 0);
    assert_false(hash_equal(safetensors_hash(a, ""), safetensors_hash(b, "")));
    assert_true(hash_equal(safetensors_hash(a, "a"), safetensors_hash(b, "a")));
    assert_int_equal(safetensors_add(b, "actor.w2", TENSOR_F32, 0, NULL, &x, NULL), 0);
    assert_false(hash_equal(safetensors_hash(a, "a"), safetensors_hash(b, "a")));
    safetensors_destroy(&a);
    safetensors_destroy(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors_reads_back_what_was_written),
        cmocka_unit_test(test_safetensors_refuses_names_and_shapes),
        cmocka_unit_test(test_safetensors_refuses_inconsistent_headers),
        cmocka_unit_test(test_safetensors_refuses_every_truncation),
        cmocka_unit_test(test_safetensors_hash_covers_tensors_of_the_prefix_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
