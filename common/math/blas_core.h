/* Sees to it that OpenBLAS runs the kernels that this processor deserves.
 *
 * OpenBLAS picks its kernels ("core type") when it is loaded, by a table of processor models; a model younger than the package
 * falls back to code from before AVX2, at a fifth of the speed (OpenBLAS issues 4267 and 4268). The choice can only be changed
 * through the environment and a new start of the program. Learning and acting use product_own, which OpenBLAS's choice does not
 * touch; what is left to it are the benchmark's yardstick and whoever asks for product_blas. */
#ifndef TESTUDO_MATH_BLAS_CORE_H
#define TESTUDO_MATH_BLAS_CORE_H

#include <stdbool.h>

/* The first thing main does. If the core type is a poor match, sets OPENBLAS_CORETYPE and OPENBLAS_NUM_THREADS=1, says so in the
 * log and starts the program anew with the same arguments; a second start never happens, whatever the first one achieved. A
 * core type that the user chose (OPENBLAS_CORETYPE is set) is kept. Either way OpenBLAS then has one thread: who wants more
 * splits work by itself. */
void blas_core_fix(char **argv);

/* The same for benchmarks, where a poor yardstick would flatter us: also overrides the user's choice. */
void blas_core_fix_anyway(char **argv);

/* OpenBLAS's core type now, for example "SkylakeX"; "none" in the double build. */
const char *blas_core_name(void);

/* The core type to ask for on a processor with these instructions, or NULL when `name` is already a good one. */
const char *blas_core_better(const char *name, bool has_avx2, bool has_avx512);

#endif
