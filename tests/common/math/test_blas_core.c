/* The core type: which is wanted where, and that a program that starts on a poor one ends up on a good one with its arguments
 * intact, without going round in circles. The test starts itself: `test_blas_core child POLICY`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "math/blas_core.h"
#include "math/clone.h"

static void test_poor_matches_are_replaced(void **state)
{
    (void)state;
    assert_string_equal(blas_core_better("Prescott", true, true), "SkylakeX");
    assert_string_equal(blas_core_better("Prescott", true, false), "Haswell");
    assert_string_equal(blas_core_better("Haswell", true, true), "SkylakeX");
    assert_string_equal(blas_core_better("Zen", true, true), "SkylakeX");
    assert_string_equal(blas_core_better("Sandybridge", true, false), "Haswell");
    assert_null(blas_core_better("Cooperlake", true, true));
    assert_null(blas_core_better("SkylakeX", true, true));
    assert_null(blas_core_better("Zen", true, false));
    assert_null(blas_core_better("Prescott", false, false));
}

/* Starts this program as a child whose OpenBLAS begins at `core`; its standard output: "<core type> <arguments> <environment>". */
static void child_output(const char *core, const char *policy, const char *mark, char *out, size_t size)
{
    char command[512], self[256] = {0};
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    snprintf(command, sizeof(command), "env -u TESTUDO_BLAS_CORE %s OPENBLAS_CORETYPE=%s '%s' child %s 'two words' 2>/dev/null",
             mark, core, self, policy);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t n = fread(out, 1, size - 1, pipe);
    out[n] = 0;
    assert_int_equal(pclose(pipe), 0);
}

static int needs_avx2(void)
{
#if defined(__x86_64__)
    if (clone_supported(CLONE_v3))
        return 1;
#endif
    print_message("SKIPPED: this processor lacks AVX2\n");
    skip(); /* counted as such */
    return 0;
}

static const char *best_core(void)
{
    return blas_core_better("Prescott", clone_best() >= 1, clone_best() >= 2);
}

static void test_poor_start_is_repaired_once_with_arguments_intact(void **state)
{
    (void)state;
    if (!needs_avx2())
        return;
    char out[256], expected[256];
    child_output("Prescott", "anyway", "", out, sizeof(out));
    snprintf(expected, sizeof(expected), "%s 4 two words 1\n", best_core());
    assert_string_equal(out, expected);
}

static void test_users_choice_is_kept(void **state)
{
    (void)state;
    if (!needs_avx2())
        return;
    char out[256];
    child_output("Prescott", "kept", "", out, sizeof(out));
    assert_int_equal(strncmp(out, "Prescott 4 two words", 20), 0);
}

/* A start that changed nothing (here: the mark is there, the core type still poor) is not repeated. */
static void test_no_second_new_start(void **state)
{
    (void)state;
    if (!needs_avx2())
        return;
    char out[256];
    child_output("Prescott", "anyway", "TESTUDO_BLAS_CORE=SkylakeX", out, sizeof(out));
    assert_int_equal(strncmp(out, "Prescott 4 two words", 20), 0);
}

static int child(int argc, char **argv)
{
    if (!strcmp(argv[2], "anyway"))
        blas_core_fix_anyway(argv);
    else
        blas_core_fix(argv);
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    printf("%s %d %s %s\n", blas_core_name(), argc, argv[3], threads ? threads : "-");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "child"))
        return child(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poor_matches_are_replaced),
        cmocka_unit_test(test_poor_start_is_repaired_once_with_arguments_intact),
        cmocka_unit_test(test_users_choice_is_kept),
        cmocka_unit_test(test_no_second_new_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
