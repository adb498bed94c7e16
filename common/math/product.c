/* Which clone runs, the plain definition, and the one on OpenBLAS. */
#include "math/product.h"

#include <math.h>
#ifndef TESTUDO_DOUBLE
#include <cblas.h>
#endif

#include "math/kernels.h"

#define CLONE_DECLARE(name) extern const struct product_ops product_clone_##name;
CLONE_MAP(CLONE_DECLARE)

const struct product_ops *const product_clones[CLONE_COUNT] = {
#define CLONE_ENTRY(name) &product_clone_##name,
    CLONE_MAP(CLONE_ENTRY)};

/* ---- own ---- */

static const real *own_prepare(int K, int N, const real *B, real *room)
{
    return product_clones[clone_best()]->prepare(K, N, B, room);
}

static void own_nn(int M, int N, int K, const real *A, const real *prepared, const real *bias, enum product_mode mode, real *C)
{
    product_clones[clone_best()]->nn(M, N, K, A, prepared, bias, mode, C);
}

static void own_nn_sparse(int M, int N, int K, const real *A, const real *prepared, const real *bias, enum product_mode mode,
                          real *C)
{
    product_clones[clone_best()]->nn_sparse(M, N, K, A, prepared, bias, mode, C);
}

static void own_tn(int M, int N, int K, const real *A, const real *B, real *C)
{
    product_clones[clone_best()]->tn(M, N, K, A, B, C);
}

/* ---- plain ---- */

static inline real fused(real a, real b, real c)
{
#ifdef TESTUDO_DOUBLE
    return fma(a, b, c);
#else
    return fmaf(a, b, c);
#endif
}

static const real *plain_prepare(int K, int N, const real *B, real *room)
{
    (void)K, (void)N, (void)room;
    return B;
}

static void plain_nn(int M, int N, int K, const real *A, const real *B, const real *bias, enum product_mode mode, real *C)
{
    for (int i = 0; i < M; i++) {
        for (int j = 0; j < N; j++) {
            real *c = &C[(size_t)i * (size_t)N + (size_t)j];
            real sum = product_adds(mode) ? *c : bias ? bias[j] : 0;
            for (int k = 0; k < K; k++)
                sum = fused(A[(size_t)i * (size_t)K + (size_t)k], B[(size_t)k * (size_t)N + (size_t)j], sum);
            *c = product_has_relu(mode) && sum < 0 ? 0 : sum;
        }
    }
}

static void plain_tn(int M, int N, int K, const real *A, const real *B, real *C)
{
    for (int k0 = 0; k0 < K; k0 += PRODUCT_BLOCK) {
        int k1 = K - k0 < PRODUCT_BLOCK ? K : k0 + PRODUCT_BLOCK;
        for (int i = 0; i < M; i++) {
            for (int j = 0; j < N; j++) {
                real sum = 0;
                for (int k = k0; k < k1; k++)
                    sum = fused(A[(size_t)k * (size_t)M + (size_t)i], B[(size_t)k * (size_t)N + (size_t)j], sum);
                C[(size_t)i * (size_t)N + (size_t)j] += sum;
            }
        }
    }
}

/* ---- OpenBLAS ---- */

#ifdef TESTUDO_DOUBLE
#define blas_nn plain_nn /* the double build links no BLAS: it exists to check formulas */
#define blas_tn plain_tn
#else
static void blas_nn(int M, int N, int K, const real *A, const real *B, const real *bias, enum product_mode mode, real *C)
{
    if (M == 0)
        return;
    if (bias && !product_adds(mode))
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++)
                C[(size_t)i * (size_t)N + (size_t)j] = bias[j];
    float beta = product_adds(mode) || bias ? 1 : 0;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, N, K, 1, A, K, B, N, beta, C, N);
    if (product_has_relu(mode))
        for (size_t e = 0; e < (size_t)M * (size_t)N; e++)
            C[e] = C[e] < 0 ? 0 : C[e];
}

static void blas_tn(int M, int N, int K, const real *A, const real *B, real *C)
{
    if (K > 0)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, M, N, K, 1, A, M, B, N, 1, C, N);
}
#endif

#define TURN 16 /* side of the squares that are turned at a time: one cache line each way */

void product_transpose(int rows, int cols, const real *in, real *out)
{
    for (int i0 = 0; i0 < rows; i0 += TURN)
        for (int j0 = 0; j0 < cols; j0 += TURN)
            for (int i = i0; i < rows && i < i0 + TURN; i++)
                for (int j = j0; j < cols && j < j0 + TURN; j++)
                    out[(size_t)j * (size_t)rows + (size_t)i] = in[(size_t)i * (size_t)cols + (size_t)j];
}

const struct product_ops product_own = {
    .name = "own", .prepare = own_prepare, .nn = own_nn, .nn_sparse = own_nn_sparse, .tn = own_tn};
const struct product_ops product_plain = {
    .name = "plain", .prepare = plain_prepare, .nn = plain_nn, .nn_sparse = plain_nn, .tn = plain_tn};
const struct product_ops product_blas = {
    .name = "blas", .prepare = plain_prepare, .nn = blas_nn, .nn_sparse = blas_nn, .tn = blas_tn};
