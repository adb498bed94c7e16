/* Products: fast against plain bit for bit in every clone, rows independent of their batch, NaN visible. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "math/kernels.h"

static real *random_matrix(int rows, int cols, uint32_t name)
{
    struct rng rng = rng_stream(7, RNG_TEST, name, 0, 0);
    real *x = malloc(sizeof(real) * (size_t)rows * (size_t)cols + 64);
    assert_non_null(x);
    for (int i = 0; i < rows * cols; i++)
        x[i] = (real)rng_normal(&rng);
    return x;
}

static real *room(int K, int N)
{
    return aligned_alloc(64, (product_room(K, N) * sizeof(real) + 63) & ~(size_t)63);
}

static const int shapes[][3] = {{1, 1, 1},    {1, 6, 128},   {7, 128, 128}, {13, 130, 33}, {64, 48, 17},   {30, 100, 300},
                                {128, 9, 64}, {5, 200, 513}, {512, 64, 7},  {3, 33, 257},  {130, 127, 65}, {2, 17, 600}};

static void check_equal(const real *a, const real *b, size_t count, const char *what, const int *shape)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&a[i], &b[i], sizeof(real)) != 0)
            fail_msg("%s %dx%dx%d number %zu: %.9g, plain %.9g", what, shape[0], shape[1], shape[2], i, (double)a[i], (double)b[i]);
}

static void compare_nn(const struct product_ops *ops, const int *shape, enum product_mode mode, int has_bias)
{
    int M = shape[0], N = shape[1], K = shape[2];
    real *A = random_matrix(M, K, 1), *B = random_matrix(K, N, 2), *bias = random_matrix(1, N, 3);
    real *C = random_matrix(M, N, 4), *D = random_matrix(M, N, 4), *packed = room(K, N);
    const real *right = ops->prepare(K, N, B, packed);
    ops->nn(M, N, K, A, right, has_bias ? bias : NULL, mode, C);
    product_plain.nn(M, N, K, A, B, has_bias ? bias : NULL, mode, D);
    check_equal(C, D, (size_t)M * (size_t)N, "nn", shape);
    free(A), free(B), free(bias), free(C), free(D), free(packed);
}

/* Neighbouring rows with zeroes at the same places, some rows all zero, some without any. */
static void put_zeroes(int M, int K, real *A)
{
    struct rng rng = rng_stream(7, RNG_TEST, 5, 0, 0);
    for (int i = 0; i < M; i++) {
        bool is_full = i / 12 % 3 == 2, is_empty = i / 12 % 5 == 1;
        for (int k = 0; k < K; k++)
            if (is_empty || (!is_full && ((k + i / 6) % 3 > 0 || rng_double(&rng) < 0.2)))
                A[(size_t)i * (size_t)K + (size_t)k] = 0;
    }
}

static void compare_nn_sparse(const struct product_ops *ops, const int *shape, enum product_mode mode, bool has_zeroes)
{
    int M = shape[0], N = shape[1], K = shape[2];
    real *A = random_matrix(M, K, 1), *B = random_matrix(K, N, 2), *bias = random_matrix(1, N, 3);
    real *C = random_matrix(M, N, 4), *D = random_matrix(M, N, 4), *packed = room(K, N);
    if (has_zeroes)
        put_zeroes(M, K, A);
    ops->nn_sparse(M, N, K, A, ops->prepare(K, N, B, packed), bias, mode, C);
    product_plain.nn(M, N, K, A, B, bias, mode, D);
    check_equal(C, D, (size_t)M * (size_t)N, "nn_sparse", shape);
    free(A), free(B), free(bias), free(C), free(D), free(packed);
}

static void compare_tn(const struct product_ops *ops, const int *shape)
{
    int M = shape[0], N = shape[1], K = shape[2];
    real *A = random_matrix(K, M, 1), *B = random_matrix(K, N, 2);
    real *C = random_matrix(M, N, 4), *D = random_matrix(M, N, 4);
    ops->tn(M, N, K, A, B, C);
    product_plain.tn(M, N, K, A, B, D);
    check_equal(C, D, (size_t)M * (size_t)N, "tn", shape);
    free(A), free(B), free(C), free(D);
}

static void test_products_equal_plain_bit_for_bit_in_every_clone(void **state)
{
    (void)state;
    bool is_missing = false;
    for (int c = 0; c < CLONE_COUNT; c++) {
        if (!clone_supported((enum clone)c)) {
            print_message("SKIPPED: this processor lacks clone %s\n", clone_name((enum clone)c));
            is_missing = true;
            continue;
        }
        for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
            for (int mode = PRODUCT_SET; mode <= PRODUCT_ADD_RELU; mode++) {
                compare_nn(product_clones[c], shapes[s], (enum product_mode)mode, 0);
                compare_nn(product_clones[c], shapes[s], (enum product_mode)mode, 1);
                compare_nn_sparse(product_clones[c], shapes[s], (enum product_mode)mode, false);
                compare_nn_sparse(product_clones[c], shapes[s], (enum product_mode)mode, true);
            }
            compare_tn(product_clones[c], shapes[s]);
        }
    }
    if (is_missing)
        skip(); /* counted as such, although the clones that there are agreed */
}

static void test_row_has_equal_bits_alone_and_in_any_batch(void **state)
{
    (void)state;
    enum { M = 130, N = 70, K = 300 };
    real *A = random_matrix(M, K, 1), *B = random_matrix(K, N, 2), *packed = room(K, N);
    real alone[N], *C = random_matrix(M, N, 3);
    const real *right = product_own.prepare(K, N, B, packed);
    for (int rows = 1; rows <= M; rows++) {
        product_own.nn(rows, N, K, A, right, NULL, PRODUCT_SET, C);
        for (int r = 0; r < rows; r++) {
            product_own.nn(1, N, K, A + r * K, right, NULL, PRODUCT_SET, alone);
            assert_memory_equal(alone, C + r * N, sizeof(alone));
        }
    }
    free(A), free(B), free(C), free(packed);
}

static void test_weight_gradient_of_blocks_equals_the_whole(void **state)
{
    (void)state;
    enum { M = 20, N = 130, K = 3 * PRODUCT_BLOCK + 40 };
    real *A = random_matrix(K, M, 1), *B = random_matrix(K, N, 2);
    real *whole = calloc(M * N, sizeof(real)), *parts = calloc(M * N, sizeof(real));
    product_own.tn(M, N, K, A, B, whole);
    for (int k = 0; k < K; k += PRODUCT_BLOCK)
        product_own.tn(M, N, K - k < PRODUCT_BLOCK ? K - k : PRODUCT_BLOCK, A + k * M, B + k * N, parts);
    assert_memory_equal(whole, parts, sizeof(real) * M * N);
    free(A), free(B), free(whole), free(parts);
}

static void test_relu_keeps_nan(void **state)
{
    (void)state;
    real A[2] = {NAN, 1}, B[1] = {2}, C[2], packed[16] __attribute__((aligned(64)));
    product_own.nn(2, 1, 1, A, product_own.prepare(1, 1, B, packed), NULL, PRODUCT_RELU, C);
    assert_true(isnan(C[0]));
    assert_true(C[1] == 2);
}

static void test_blas_agrees_with_own(void **state)
{
    (void)state;
    enum { M = 40, N = 33, K = 65 };
    real *A = random_matrix(M, K, 1), *B = random_matrix(K, N, 2), *bias = random_matrix(1, N, 3), *packed = room(K, N);
    real *C = random_matrix(M, N, 4), *D = random_matrix(M, N, 4);
    for (int mode = PRODUCT_SET; mode <= PRODUCT_ADD_RELU; mode++) {
        product_own.nn(M, N, K, A, product_own.prepare(K, N, B, packed), bias, (enum product_mode)mode, C);
        product_blas.nn(M, N, K, A, product_blas.prepare(K, N, B, packed), bias, (enum product_mode)mode, D);
        for (int i = 0; i < M * N; i++)
            assert_true(fabs((double)C[i] - (double)D[i]) < 1e-4);
    }
    free(A), free(B), free(bias), free(C), free(D), free(packed);
}

/* One row in six makes a place count, and so does a NaN. */
static void test_sparse_passes_over_no_number(void **state)
{
    (void)state;
    enum { M = 12, N = 5, K = 70 };
    real A[M * K] = {0}, *B = random_matrix(K, N, 2), *packed = room(K, N), C[M * N];
    A[3 * K + 69] = 2;
    A[8 * K + 17] = (real)NAN;
    product_own.nn_sparse(M, N, K, A, product_own.prepare(K, N, B, packed), NULL, PRODUCT_SET, C);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            if (i == 8)
                assert_true(isnan(C[i * N + j]));
            else
                assert_true(C[i * N + j] == (i == 3 ? 2 * B[69 * N + j] : 0));
        }
    free(B), free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_equal_plain_bit_for_bit_in_every_clone),
        cmocka_unit_test(test_row_has_equal_bits_alone_and_in_any_batch),
        cmocka_unit_test(test_weight_gradient_of_blocks_equals_the_whole),
        cmocka_unit_test(test_relu_keeps_nan),
        cmocka_unit_test(test_sparse_passes_over_no_number),
        cmocka_unit_test(test_blas_agrees_with_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
