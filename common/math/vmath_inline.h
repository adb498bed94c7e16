/* The functions of vmath.h for one number, for kernel files only; loops over them vectorise. Every multiply-add is written as
 * `fused`, and no product is ever added in another way, so that contraction cannot differ between clones. */
#ifndef TESTUDO_MATH_VMATH_INLINE_H
#define TESTUDO_MATH_VMATH_INLINE_H

#include <float.h>
#include <stdint.h>

#include "math/lanes.h"

#ifdef TESTUDO_DOUBLE

LANE real exp_one(real x)
{
    return exp(x);
}
LANE real expm1_negative(real x)
{
    return expm1(x);
}
LANE real log_one(real x)
{
    return log(x);
}
LANE real tanh_one(real x)
{
    return tanh(x);
}
LANE real sigmoid_one(real x)
{
    return 1 / (1 + exp(-x));
}

#else

LANE uint32_t float_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof(u));
    return u;
}

LANE float bits_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof(x));
    return x;
}

#define EXP_ROUND 0x1.8p23f /* adding it rounds to an integer, which then stands in the low bits */
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f

/* x = n ln 2 + r, |r| <= ln 2 / 2; returns n as an integer, *p = e^r - 1. */
LANE int32_t exp_reduced(float x, float *p)
{
    float t = fused(x, 0x1.715476p0f, EXP_ROUND);
    float n = t - EXP_ROUND;
    float r = fused(n, -LN2_HIGH, x);
    r = fused(n, -LN2_LOW, r);
    float q = 0x1.a6a79p-13f;
    q = fused(q, r, 0x1.6d45dap-10f);
    q = fused(q, r, 0x1.110cecp-7f);
    q = fused(q, r, 0x1.5554eep-5f);
    q = fused(q, r, 0x1.555558p-3f);
    q = fused(q, r, 0.5f);
    *p = fused(r * r, q, r);
    return (int32_t)(float_bits(t) - float_bits(EXP_ROUND));
}

LANE float power_of_two(int32_t n) /* -126..127 */
{
    return bits_float((uint32_t)(n + 127) << 23);
}

/* 2^n is applied in two halves, so that results below the normal range are rounded once and those above become infinite. */
LANE float exp_one(float x)
{
    x = x > 89 ? 89 : x; /* NaN passes: the comparison is false */
    x = x < -105 ? -105 : x;
    float p;
    int32_t n = exp_reduced(x, &p);
    int32_t half = n >> 1;
    float scale = power_of_two(half);
    return fused(p, scale, scale) * power_of_two(n - half);
}

/* e^x - 1 for x <= 0, exact to the last places near 0. Below -20 it is -1. */
LANE float expm1_negative(float x)
{
    x = x < -20 ? -20 : x;
    float p;
    float scale = power_of_two(exp_reduced(x, &p));
    return fused(p, scale, scale - 1);
}

/* x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)). */
LANE float log_one(float x)
{
    int small = x < FLT_MIN;
    float scaled = small ? x * 0x1p23f : x;
    uint32_t bits = float_bits(scaled) - 0x3f3504f3u;
    float k = (float)(((int32_t)bits >> 23) - (small ? 23 : 0));
    float f = bits_float((bits & 0x007fffffu) + 0x3f3504f3u) - 1;
    float f2 = f * f;
    float q = 0x1.1b4118p-4f;
    q = fused(q, f, -0x1.e323f6p-4f);
    q = fused(q, f, 0x1.e66d38p-4f);
    q = fused(q, f, -0x1.fb3d1ep-4f);
    q = fused(q, f, 0x1.2330fep-3f);
    q = fused(q, f, -0x1.5562f4p-3f);
    q = fused(q, f, 0x1.99a552p-3f);
    q = fused(q, f, -0x1.ffffeep-3f);
    q = fused(q, f, 0x1.555546p-2f);
    float y = fused(f * f2, q, k * LN2_LOW);
    y = fused(-0.5f, f2, y);
    y = y + f;
    y = fused(k, LN2_HIGH, y);
    y = x > FLT_MAX ? x : y;
    y = x == 0 ? -INFINITY : y;
    y = x < 0 ? NAN : y;
    return x != x ? x : y;
}

/* tanh |x| = -e / (2 + e) with e = exp(-2|x|) - 1: no overflow, full precision near 0. */
LANE float tanh_one(float x)
{
    float e = expm1_negative(-2 * fabsf(x));
    return copysignf(-e / (2 + e), x);
}

LANE float sigmoid_one(float x)
{
    float e = exp_one(-fabsf(x));
    return (x < 0 ? e : 1) / (1 + e);
}

#endif
#endif
