#include "math/blas_core.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *openblas_get_corename(void); /* cblas.h of the package declares it without a prototype */

const char *blas_core_name(void)
{
    return openblas_get_corename();
}

const char *blas_core_better(const char *current)
{
    static const char *const wide[] = {"SkylakeX", "Cooperlake", "SapphireRapids", "Zen4"};
    static const char *const medium[] = {"Haswell", "Zen", "Excavator"};
#ifdef __x86_64__
    __builtin_cpu_init();
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (!strcasecmp(current, wide[i]))
            return NULL;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw"))
        return "SkylakeX";
    for (size_t i = 0; i < sizeof medium / sizeof *medium; i++)
        if (!strcasecmp(current, medium[i]))
            return NULL;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#else
    (void)current;
    (void)wide;
    (void)medium;
#endif
    return NULL;
}

void blas_core_fix(char **argv)
{
    const char *better = blas_core_better(blas_core_name());
    int wants_core = better && !getenv("OPENBLAS_CORETYPE"), wants_threads = !getenv("OPENBLAS_NUM_THREADS");
    if ((!wants_core && !wants_threads) || getenv("TESTUDO_BLAS_FIXED"))
        return;
    setenv("TESTUDO_BLAS_FIXED", "1", 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    if (wants_core)
        setenv("OPENBLAS_CORETYPE", better, 1);
    execv("/proc/self/exe", argv); /* where this fails, we go on with what there is */
}
