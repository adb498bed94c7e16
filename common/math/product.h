/* Products of row-major matrices, in three implementations with one interface.
 *
 *   product_own    register-tiled kernels of our own, one clone per instruction set (product_kernels.c). What everything uses.
 *   product_plain  the definition in three loops; a test compares product_own with it bit for bit.
 *   product_blas   cblas_sgemm, for comparison in the benchmark.
 *
 * Contract of own and plain: in nn every output is ONE chain of fused multiply-adds over k in order, starting from the bias, from
 * what C held, or from 0. The chain of a row does not depend on how many rows there are or where the row stands, so a row has
 * the same bits alone and in any batch, and on any processor. In tn the k are rows of a batch: chains of PRODUCT_BLOCK rows, each
 * added to C when it ends, which keeps rounding errors small and makes a batch cut at multiples of PRODUCT_BLOCK equal, bit
 * for bit, to the batch in one piece.
 *
 * Why own is the default for the learner, too (Zen 5, one core, GFLOP/s, own against OpenBLAS 0.3.21 with its best core type):
 * 512x128x128 240 v 220, 128x128x512 transposed 230 v 200; and OpenBLAS gives no equal bits for rows in different batches. */
#ifndef TESTUDO_MATH_PRODUCT_H
#define TESTUDO_MATH_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

#include "math/real.h"

enum product_mode {
    PRODUCT_SET,      /* C = A B + bias */
    PRODUCT_ADD,      /* C = C + A B; bias is not looked at */
    PRODUCT_RELU,     /* C = max(0, A B + bias), NaN stays NaN */
    PRODUCT_ADD_RELU, /* C = max(0, C + A B) */
};

static inline bool product_adds(enum product_mode mode)
{
    return mode == PRODUCT_ADD || mode == PRODUCT_ADD_RELU;
}

static inline bool product_has_relu(enum product_mode mode)
{
    return mode == PRODUCT_RELU || mode == PRODUCT_ADD_RELU;
}

#define PRODUCT_BLOCK 256 /* rows in one chain of tn */

typedef void product_nn(int M, int N, int K, const real *A, const real *prepared, const real *bias, enum product_mode mode,
                        real *C);

struct product_ops {
    const char *name;

    /* Brings the right factor B [K,N] into the implementation's layout, in `room` of product_room(K, N) numbers, 64-byte aligned. Returns
     * what nn wants: room, or B itself (then B must stay). A prepared factor serves any number of products and threads. */
    const real *(*prepare)(int K, int N, const real *B, real *room);

    /* C [M,N] from A [M,K] and the prepared B [K,N]; bias [N] or NULL (zeros). M >= 0, N and K >= 1; C overlaps nothing. */
    product_nn *nn;

    /* The same for an A with many zeroes, as ReLU and its gradient leave them: a k at which some neighbouring rows are all zero is passed over.
     * Equal to nn where B is finite; the sign of a zero may differ. Costs little where A has no zeroes. */
    product_nn *nn_sparse;

    /* C [M,N] += A^T B with A [K,M], B [K,N]: the gradient of a weight matrix over K rows. */
    void (*tn)(int M, int N, int K, const real *A, const real *B, real *C);
};

extern const struct product_ops product_own, product_plain, product_blas;

static inline size_t product_room(int K, int N)
{
    return (size_t)K * (((size_t)N + 15) & ~(size_t)15);
}

/* out [cols,rows] = in [rows,cols] transposed. */
void product_transpose(int rows, int cols, const real *in, real *out);

#endif
