#include "math/clone.h"

static enum clone best; /* written once, before main */

bool clone_supported(enum clone clone)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (clone == CLONE_v3)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (clone == CLONE_v4)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    return clone == CLONE_base;
}

static void __attribute__((constructor)) choose(void)
{
    for (int c = 0; c < CLONE_COUNT; c++)
        if (clone_supported((enum clone)c))
            best = (enum clone)c;
}

enum clone clone_best(void)
{
    return best;
}

const char *clone_name(enum clone clone)
{
    static const char *const names[] = {
#define CLONE_TEXT(name) #name,
        CLONE_MAP(CLONE_TEXT)
#undef CLONE_TEXT
    };
    return names[clone];
}
