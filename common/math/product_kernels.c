/* Register-tiled products, compiled once per clone (see clone.h); product.h has the contract.
 *
 * The right factor is packed into panels of PANEL columns, [panel][K][columns of the panel], the last panel rounded up to whole
 * vectors with zeros. A tile is R rows by V vectors of C held in registers while k runs; more rows when a panel is narrow, so
 * that there are always enough independent chains to hide the latency of the multiply-add. Rows are cut into tiles from the
 * top; where a row falls changes which tile computes it, never its chain.
 *
 * A chain may rest in C between two pieces of K: storing a float and loading it again changes nothing. */
#include <stdbool.h>

#include "math/lanes.h"

#include "math/clone.h"
#include "math/product.h"

#if VL == 16
#define V_MAX 4
#define MAP_1(T) T(12, 1) T(4, 1) T(2, 1) T(1, 1)
#define MAP_2(T) T(12, 2) T(4, 2) T(2, 2) T(1, 2)
#define MAP_3(T) T(8, 3) T(4, 3) T(2, 3) T(1, 3)
#define MAP_4(T) T(6, 4) T(4, 4) T(2, 4) T(1, 4)
#elif VL == 8
#define V_MAX 2
#define MAP_1(T) T(8, 1) T(4, 1) T(2, 1) T(1, 1)
#define MAP_2(T) T(6, 2) T(4, 2) T(2, 2) T(1, 2)
#else
#define V_MAX 4
#define MAP_1(T) T(4, 1) T(1, 1)
#define MAP_2(T) T(4, 2) T(1, 2)
#define MAP_3(T) T(4, 3) T(1, 3)
#define MAP_4(T) T(4, 4) T(1, 4)
#endif
#define R_MAX 12
#if VL == 16 || VL == 8
#define ALIKE 6 /* rows of a tile that looks for zeroes: the tallest one of the widest panel */
#else
#define ALIKE 4
#endif
#define PANEL (V_MAX * VL)
#define K_PIECE PRODUCT_BLOCK /* k in one piece: a panel of this height stays in the first- and second-level cache */

enum tile_start { START_ZERO, START_BIAS, START_C };
enum tile_finish { FINISH_STORE, FINISH_RELU, FINISH_ADD };

/* One panel against some rows. Number (row i, k) of the left factor is A[i * row_stride + k * k_stride]. */
struct strip {
    int M, K;
    const real *A;
    size_t row_stride, k_stride;
    const real *panel;
    int vectors; /* of the panel, 1..V_MAX */
    int last;    /* lanes in use of its last vector, 1..VL */
    const real *bias;
    real *C;
    size_t C_stride;
    enum tile_start start;
    enum tile_finish finish;
};

#define UNROLLED _Pragma("GCC unroll 16")

LANE vec load_lanes(const real *p, int lanes)
{
    return lanes == VL ? vec_load(p) : vec_load_part(p, lanes);
}

LANE void tile_begin(const int R, const int V, const struct strip *s, const real *C, vec c[R_MAX][V_MAX])
{
    UNROLLED
    for (int v = 0; v < V; v++) {
        int lanes = v == V - 1 ? s->last : VL;
        vec bias = s->start == START_BIAS ? load_lanes(s->bias + v * VL, lanes) : vec_set(0);
        UNROLLED
        for (int r = 0; r < R; r++)
            c[r][v] = s->start == START_C ? load_lanes(C + (size_t)r * s->C_stride + v * VL, lanes) : bias;
    }
}

LANE void tile_end(const int R, const int V, const struct strip *s, real *C, vec c[R_MAX][V_MAX])
{
    UNROLLED
    for (int r = 0; r < R; r++) {
        UNROLLED
        for (int v = 0; v < V; v++) {
            int lanes = v == V - 1 ? s->last : VL;
            real *at = C + (size_t)r * s->C_stride + v * VL;
            vec x = c[r][v];
            if (s->finish == FINISH_RELU)
                x = vec_relu(x);
            else if (s->finish == FINISH_ADD)
                x = load_lanes(at, lanes) + x;
            if (lanes == VL)
                vec_store(at, x);
            else
                vec_store_part(at, x, lanes);
        }
    }
}

LANE void tile(const int R, const int V, const struct strip *s, int i)
{
    vec c[R_MAX][V_MAX];
    const real *A = s->A + (size_t)i * s->row_stride;
    const real *B = s->panel;
    size_t row_stride = s->row_stride, k_stride = s->k_stride;
    real *C = s->C + (size_t)i * s->C_stride;

    tile_begin(R, V, s, C, c);
#pragma GCC unroll 2
    for (int k = 0; k < s->K; k++) {
        vec b[V_MAX];
        UNROLLED
        for (int v = 0; v < V; v++)
            b[v] = vec_load(B + v * VL);
        UNROLLED
        for (int r = 0; r < R; r++) {
            vec a = vec_set(A[(size_t)r * row_stride]);
            UNROLLED
            for (int v = 0; v < V; v++)
                c[r][v] = vec_fma(a, b[v], c[r][v]);
        }
        A += k_stride;
        B += V * VL;
    }
    tile_end(R, V, s, C, c);
}

/* All rows of a strip whose panel is V vectors wide: tiles of the sizes in MAP_V, largest first. */
#define TILES(R, V)               \
    for (; i + R <= s->M; i += R) \
        tile(R, V, s, i);
#define STRIP(V)                                 \
    static void strip_##V(const struct strip *s) \
    {                                            \
        int i = 0;                               \
        MAP_##V(TILES)                           \
    }
STRIP(1)
STRIP(2)
#if V_MAX == 4
STRIP(3)
STRIP(4)
#endif

static void strip_run(const struct strip *s)
{
    static void (*const strips[V_MAX])(const struct strip *) = {
        strip_1,
        strip_2,
#if V_MAX == 4
        strip_3,
        strip_4
#endif
    };
    strips[s->vectors - 1](s);
}

/* A tile of ALIKE rows that passes only through the n of all k that `active` lists. */
LANE void tile_active(const int V, const struct strip *s, int i, int n, const int32_t *active)
{
    vec c[R_MAX][V_MAX];
    const real *A = s->A + (size_t)i * s->row_stride;
    size_t row_stride = s->row_stride;
    real *C = s->C + (size_t)i * s->C_stride;

    tile_begin(ALIKE, V, s, C, c);
    for (int q = 0; q < n; q++) {
        vec b[V_MAX];
        size_t k = (size_t)active[q];
        UNROLLED
        for (int v = 0; v < V; v++)
            b[v] = vec_load(s->panel + k * (V * VL) + v * VL);
        UNROLLED
        for (int r = 0; r < ALIKE; r++) {
            vec a = vec_set(A[(size_t)r * row_stride + k]);
            UNROLLED
            for (int v = 0; v < V; v++)
                c[r][v] = vec_fma(a, b[v], c[r][v]);
        }
    }
    tile_end(ALIKE, V, s, C, c);
}

static void tile_active_run(const struct strip *s, int i, int n, const int32_t *active)
{
    switch (s->vectors) {
    case 1: tile_active(1, s, i, n, active); return;
    case 2: tile_active(2, s, i, n, active); return;
#if V_MAX == 4
    case 3: tile_active(3, s, i, n, active); return;
    case 4: tile_active(4, s, i, n, active); return;
#endif
    }
}

/* The k below K at which any of ALIKE rows is not zero; NaN is not. */
static int list_active(int K, const real *A, size_t row_stride, int32_t *active)
{
    int n = 0, k = 0;
    for (; k + VL <= K; k += VL) {
        unsigned bits = 0;
        UNROLLED
        for (int r = 0; r < ALIKE; r++)
            bits |= vec_nonzero(vec_load(A + (size_t)r * row_stride + k));
        n += lanes_list(bits, k, active + n);
    }
    for (; k < K; k++) {
        bool is_active = false;
        for (int r = 0; r < ALIKE; r++)
            is_active |= A[(size_t)r * row_stride + (size_t)k] != 0;
        active[n] = k;
        n += is_active;
    }
    return n;
}

/* Width of the panel that starts at column j. */
static void strip_width(struct strip *s, int N, int j)
{
    int columns = N - j < PANEL ? N - j : PANEL;
    s->vectors = (columns + VL - 1) / VL;
    s->last = columns - (s->vectors - 1) * VL;
}

/* Copies K rows of the strip's columns, B at its first column, into the panel. */
static void panel_pack(const struct strip *s, int K, const real *B, size_t B_stride, real *panel)
{
    for (int k = 0; k < K; k++, B += B_stride)
        for (int v = 0; v < s->vectors; v++, panel += VL)
            vec_store(panel, load_lanes(B + v * VL, v == s->vectors - 1 ? s->last : VL));
}

static const real *prepare(int K, int N, const real *B, real *room)
{
    struct strip s;
    real *panel = room;
    for (int j = 0; j < N; j += PANEL) {
        strip_width(&s, N, j);
        panel_pack(&s, K, B + j, (size_t)N, panel);
        panel += (size_t)K * (size_t)(s.vectors * VL);
    }
    return room;
}

/* The strip of the panel at column j and of the piece of K at k. */
static struct strip nn_strip(int M, int N, int K, const real *A, const real *prepared, const real *bias, enum product_mode mode,
                             real *C, int j, int k)
{
    struct strip s = {.M = M, .row_stride = (size_t)K, .k_stride = 1, .C_stride = (size_t)N, .A = A + k, .C = C + j};
    strip_width(&s, N, j);
    s.K = K - k < K_PIECE ? K - k : K_PIECE;
    s.panel = prepared + (size_t)j * (size_t)K + (size_t)k * (size_t)(s.vectors * VL); /* panels before are full */
    s.bias = bias ? bias + j : 0;
    s.start = k > 0 || product_adds(mode) ? START_C : bias ? START_BIAS : START_ZERO;
    s.finish = product_has_relu(mode) && k + K_PIECE >= K ? FINISH_RELU : FINISH_STORE;
    return s;
}

static void nn(int M, int N, int K, const real *A, const real *prepared, const real *bias, enum product_mode mode, real *C)
{
    for (int j = 0; j < N; j += PANEL)
        for (int k = 0; k < K; k += K_PIECE) {
            struct strip s = nn_strip(M, N, K, A, prepared, bias, mode, C, j, k);
            strip_run(&s);
        }
}

#define LISTS 16 /* tiles whose lists are kept while all panels pass */

/* Rows of at most LISTS tiles. */
static void nn_sparse_group(int tiles, int N, int K, const real *A, const real *prepared, const real *bias, enum product_mode mode,
                            real *C)
{
    int32_t active[LISTS][K_PIECE + VL];
    int n[LISTS];
    for (int k = 0; k < K; k += K_PIECE) {
        for (int i = 0; i < tiles; i++)
            n[i] = list_active(K - k < K_PIECE ? K - k : K_PIECE, A + (size_t)(i * ALIKE) * (size_t)K + k, (size_t)K, active[i]);
        for (int j = 0; j < N; j += PANEL) {
            struct strip s = nn_strip(tiles * ALIKE, N, K, A, prepared, bias, mode, C, j, k);
            for (int i = 0; i < tiles; i++)
                tile_active_run(&s, i * ALIKE, n[i], active[i]);
        }
    }
}

static void nn_sparse(int M, int N, int K, const real *A, const real *prepared, const real *bias, enum product_mode mode, real *C)
{
    int i = 0, tiles;
    for (; (tiles = (M - i) / ALIKE) > 0; i += tiles * ALIKE) {
        tiles = tiles < LISTS ? tiles : LISTS;
        nn_sparse_group(tiles, N, K, A + (size_t)i * (size_t)K, prepared, bias, mode, C + (size_t)i * (size_t)N);
    }
    nn(M - i, N, K, A + (size_t)i * (size_t)K, prepared, bias, mode, C + (size_t)i * (size_t)N);
}

/* C [M,N] += A^T B over at most PRODUCT_BLOCK rows; the strides are those of C. */
static void tn_block(int M, int N, int K, const real *A, size_t A_stride, const real *B, size_t B_stride, real *C, size_t C_stride)
{
    real panel[PRODUCT_BLOCK * PANEL] __attribute__((aligned(64)));
    struct strip s = {.M = M,
                      .K = K,
                      .A = A,
                      .row_stride = 1,
                      .k_stride = A_stride,
                      .panel = panel,
                      .C_stride = C_stride,
                      .start = START_ZERO,
                      .finish = FINISH_ADD};
    for (int j = 0; j < N; j += PANEL) {
        strip_width(&s, N, j);
        panel_pack(&s, K, B + j, B_stride, panel);
        s.C = C + j;
        strip_run(&s);
    }
}

/* A narrow C (a head's weights) is computed as its transpose, so that vectors run along its long side. The factors of a product
 * commute exactly, so the chains and their bits stay the same. */
#define NARROW 12
static void tn_block_narrow(int M, int N, int K, const real *A, const real *B, real *C)
{
    real turned[NARROW * PANEL];
    for (int m = 0; m < M; m += PANEL) {
        int columns = M - m < PANEL ? M - m : PANEL;
        memset(turned, 0, sizeof(turned));
        tn_block(N, columns, K, B, (size_t)N, A + m, (size_t)M, turned, PANEL);
        for (int i = 0; i < columns; i++)
            for (int j = 0; j < N; j++)
                C[(size_t)(m + i) * (size_t)N + (size_t)j] += turned[j * PANEL + i];
    }
}

static void tn(int M, int N, int K, const real *A, const real *B, real *C)
{
    for (int k = 0; k < K; k += PRODUCT_BLOCK) {
        int rows = K - k < PRODUCT_BLOCK ? K - k : PRODUCT_BLOCK;
        const real *Ak = A + (size_t)k * (size_t)M, *Bk = B + (size_t)k * (size_t)N;
        if (N <= NARROW && M > N)
            tn_block_narrow(M, N, rows, Ak, Bk, C);
        else
            tn_block(M, N, rows, Ak, (size_t)M, Bk, (size_t)N, C, (size_t)N);
    }
}

extern const struct product_ops CLONED(product_clone);
const struct product_ops CLONED(product_clone) = {.name = "own", .prepare = prepare, .nn = nn, .nn_sparse = nn_sparse, .tn = tn};
