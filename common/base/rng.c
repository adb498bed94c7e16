#include "base/rng.h"

#include <math.h>

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t rng_bits(uint64_t seed, enum rng_purpose purpose, uint64_t episode, uint32_t step, uint32_t agent)
{
    uint64_t key = mix(seed ^ ((uint64_t)purpose << 56));
    key = mix(key ^ episode);
    return mix(key ^ ((uint64_t)step << 32 | agent));
}

float rng_unit(uint64_t seed, enum rng_purpose purpose, uint64_t episode, uint32_t step, uint32_t agent)
{
    return (float)(rng_bits(seed, purpose, episode, step, agent) >> 40) * 0x1p-24f;
}

struct rng rng_stream(uint64_t seed, enum rng_purpose purpose, uint64_t episode, uint32_t step, uint32_t agent)
{
    return (struct rng){.key = rng_bits(seed, purpose, episode, step, agent)};
}

uint64_t rng_next(struct rng *rng)
{
    return mix(rng->key ^ mix(rng->count++));
}

uint32_t rng_below(struct rng *rng, uint32_t n)
{
    /* Lemire 2019, arXiv:1805.10941: multiply, reject the few products that fall in the biased remainder. */
    for (;;) {
        uint64_t product = (rng_next(rng) >> 32) * (uint64_t)n;
        if ((uint32_t)product >= n || (uint32_t)product >= -n % n) /* the remainder is below n, so it is rarely computed */
            return (uint32_t)(product >> 32);
    }
}

double rng_double(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *rng)
{
    double u = 1.0 - rng_double(rng); /* in (0,1]: the logarithm stays finite */
    double angle = 6.283185307179586 * rng_double(rng);
    return sqrt(-2.0 * log(u)) * cos(angle);
}
