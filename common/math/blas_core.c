#include "math/blas_core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#ifndef TESTUDO_DOUBLE
#include <cblas.h>
#endif

#include "base/err.h"
#include "base/log.h"
#include "math/clone.h"

#define MARK "TESTUDO_BLAS_CORE" /* set when the program was started anew: it must not happen again */

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcasecmp(name, *list))
            return true;
    return false;
}

const char *blas_core_better(const char *name, bool has_avx2, bool has_avx512)
{
    static const char *const with_avx512[] = {"SkylakeX", "Cooperlake", "SapphireRapids", NULL};
    static const char *const with_avx2[] = {"Haswell", "Zen", "SkylakeX", "Cooperlake", "SapphireRapids", NULL};
    if (has_avx512)
        return is_one_of(name, with_avx512) ? NULL : "SkylakeX";
    if (has_avx2)
        return is_one_of(name, with_avx2) ? NULL : "Haswell";
    return NULL;
}

#ifdef TESTUDO_DOUBLE

const char *blas_core_name(void)
{
    return "none";
}

void blas_core_fix(char **argv)
{
    (void)argv;
}

void blas_core_fix_anyway(char **argv)
{
    (void)argv;
}

#else

const char *blas_core_name(void)
{
    return openblas_get_corename();
}

static const char *better_here(void)
{
#if defined(__x86_64__)
    return blas_core_better(blas_core_name(), clone_supported(CLONE_v3), clone_supported(CLONE_v4));
#else
    return NULL;
#endif
}

/* Returns only if it fails. */
static void start_anew(char **argv, const char *core)
{
    log_detail("starting anew with OPENBLAS_CORETYPE=%s reason=\"openblas chose %s, a poor match for this processor\"", core,
               blas_core_name());
    setenv(MARK, core, 1);
    setenv("OPENBLAS_CORETYPE", core, 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", argv);
    log_warning("cannot start anew, openblas stays at %s: %s", blas_core_name(), strerror(errno));
}

static void fix(char **argv, bool overrides_user)
{
    const char *core = better_here();
    bool was_tried = getenv(MARK) != NULL, is_users = getenv("OPENBLAS_CORETYPE") != NULL && !was_tried;
    if (core && was_tried)
        log_warning("openblas runs %s although %s was asked for", blas_core_name(), getenv(MARK));
    else if (core && is_users && !overrides_user)
        log_detail("openblas runs %s as OPENBLAS_CORETYPE says; %s would be faster", blas_core_name(), core);
    else if (core)
        start_anew(argv, core);
    openblas_set_num_threads(1);
}

void blas_core_fix(char **argv)
{
    fix(argv, false);
}

void blas_core_fix_anyway(char **argv)
{
    fix(argv, true);
}

#endif
