/* The vector type of a clone, for kernel files only: VL numbers wide, unaligned loads, fused multiply-add, parts of a vector,
 * which lanes are not zero (NaN is not).
 *
 * The double build uses plain numbers (VL 1), so that the same kernel sources are checked against finite differences. */
#ifndef TESTUDO_MATH_LANES_H
#define TESTUDO_MATH_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "math/real.h"

#define LANE static inline __attribute__((always_inline))

#if defined(TESTUDO_DOUBLE)
#define VL 1
typedef double vec;
LANE real fused(real a, real b, real c)
{
    return fma(a, b, c);
}
LANE vec vec_set(real a)
{
    return a;
}
LANE vec vec_load(const real *p)
{
    return *p;
}
LANE void vec_store(real *p, vec v)
{
    *p = v;
}
LANE vec vec_load_part(const real *p, int n)
{
    return n ? *p : 0;
}
LANE void vec_store_part(real *p, vec v, int n)
{
    if (n)
        *p = v;
}
LANE vec vec_fma(vec a, vec b, vec c)
{
    return fma(a, b, c);
}
LANE vec vec_relu(vec a)
{
    return a < 0 ? 0 : a;
}
LANE unsigned vec_nonzero(vec a)
{
    return a != 0;
}

#elif defined(__AVX512F__)
#include <immintrin.h>
#define VL 16
typedef __m512 vec;
LANE real fused(real a, real b, real c)
{
    return __builtin_fmaf(a, b, c);
}
LANE vec vec_set(real a)
{
    return _mm512_set1_ps(a);
}
LANE vec vec_load(const real *p)
{
    return _mm512_loadu_ps(p);
}
LANE void vec_store(real *p, vec v)
{
    _mm512_storeu_ps(p, v);
}
LANE vec vec_load_part(const real *p, int n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
LANE void vec_store_part(real *p, vec v, int n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}
LANE vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* The maximum instruction gives its second operand when one is NaN, so a NaN passes through. */
LANE vec vec_relu(vec a)
{
    return _mm512_max_ps(_mm512_setzero_ps(), a);
}
LANE unsigned vec_nonzero(vec a)
{
    return _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}

#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define VL 8
typedef __m256 vec;
LANE real fused(real a, real b, real c)
{
    return __builtin_fmaf(a, b, c);
}
LANE vec vec_set(real a)
{
    return _mm256_set1_ps(a);
}
LANE vec vec_load(const real *p)
{
    return _mm256_loadu_ps(p);
}
LANE void vec_store(real *p, vec v)
{
    _mm256_storeu_ps(p, v);
}
LANE __m256i vec_mask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
LANE vec vec_load_part(const real *p, int n)
{
    return _mm256_maskload_ps(p, vec_mask(n));
}
LANE void vec_store_part(real *p, vec v, int n)
{
    _mm256_maskstore_ps(p, vec_mask(n), v);
}
LANE vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
LANE vec vec_relu(vec a)
{
    return _mm256_max_ps(_mm256_setzero_ps(), a);
}
LANE unsigned vec_nonzero(vec a)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_NEQ_UQ));
}

#else /* four floats; fmaf compiles to the instruction where there is one (64-bit ARM) and to libm's exact routine elsewhere */
#define VL 4
typedef float vec __attribute__((vector_size(16), aligned(4), may_alias));
LANE real fused(real a, real b, real c)
{
    return __builtin_fmaf(a, b, c);
}
LANE vec vec_set(real a)
{
    return (vec){a, a, a, a};
}
LANE vec vec_load(const real *p)
{
    return *(const vec *)p;
}
LANE void vec_store(real *p, vec v)
{
    *(vec *)p = v;
}
LANE vec vec_load_part(const real *p, int n)
{
    vec v = {0};
    memcpy(&v, p, sizeof(real) * (size_t)n);
    return v;
}
LANE void vec_store_part(real *p, vec v, int n)
{
    memcpy(p, &v, sizeof(real) * (size_t)n);
}
LANE vec vec_fma(vec a, vec b, vec c)
{
    for (int l = 0; l < VL; l++)
        c[l] = __builtin_fmaf(a[l], b[l], c[l]);
    return c;
}
LANE vec vec_relu(vec a)
{
    for (int l = 0; l < VL; l++)
        a[l] = a[l] < 0 ? 0 : a[l];
    return a;
}
LANE unsigned vec_nonzero(vec a)
{
    unsigned bits = 0;
    for (int l = 0; l < VL; l++)
        bits |= (unsigned)(a[l] != 0) << l;
    return bits;
}
#endif

/* Appends first + l for each of the VL bits l that is set, and returns how many; out needs room for VL numbers. */
LANE int lanes_list(unsigned bits, int first, int32_t *out)
{
#if VL == 16
    const __m512i all = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32((__mmask16)bits, _mm512_add_epi32(all, _mm512_set1_epi32(first))));
    return __builtin_popcount(bits);
#else
    int n = 0;
    for (; bits; bits &= bits - 1)
        out[n++] = first + __builtin_ctz(bits);
    return n;
#endif
}

/* Sums over a row run over LANES partial sums, number j going to lane j mod LANES, whatever VL is; lanes are then added pairwise.
 * So every clone adds in the same order. Many lanes, because rows of a few dozen numbers are short chains then. */
#define LANES 64
struct lanes {
    vec part[LANES / VL];
};

LANE struct lanes lanes_zero(void)
{
    struct lanes s;
    for (int q = 0; q < LANES / VL; q++)
        s.part[q] = vec_set(0);
    return s;
}

/* Adds the lanes of one vector pairwise: l and l + VL/2, then l and l + VL/4, ... */
LANE real vec_pairs(vec v)
{
#if VL >= 8
#if VL == 16
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
#else
    __m256 eight = v;
#endif
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
#elif VL == 4
    return (v[0] + v[2]) + (v[1] + v[3]);
#else
    return v;
#endif
}

/* Adds the lanes pairwise: l and l+32, then l and l+16, l+8, ... */
LANE real lanes_pairs(struct lanes *s)
{
    for (int n = LANES / VL / 2; n > 0; n /= 2)
        for (int q = 0; q < n; q++)
            s->part[q] = s->part[q] + s->part[q + n];
    return vec_pairs(s->part[0]);
}

/* The sum of the lanes, after adding numbers tail[0..n_tail-1], n_tail < LANES, to the first lanes. */
LANE real lanes_total(struct lanes *s, const real *tail, int n_tail)
{
    for (int q = 0; n_tail > 0 && q < LANES / VL; q++, n_tail -= VL)
        s->part[q] = s->part[q] + vec_load_part(tail + q * VL, n_tail < VL ? n_tail : VL);
    return lanes_pairs(s);
}

#endif
