/* Which kernels OpenBLAS runs, and seeing to it that they are the right ones.
 *
 * OpenBLAS 0.3.21 does not know processors newer than its tables and then falls back to SSE kernels at a fifth of the speed. The
 * choice is made when the library is loaded and can only be overruled by the environment, so a program that finds a poor
 * match sets OPENBLAS_CORETYPE and starts itself again, once. Threads are ours to manage, so OPENBLAS_NUM_THREADS is set to 1. */
#ifndef TESTUDO_MATH_BLAS_CORE_H
#define TESTUDO_MATH_BLAS_CORE_H

/* Call first in main. Does not return when the program is started again; never does so twice. A value that the user has set
 * for either variable is left alone. */
void blas_core_fix(char **argv);

const char *blas_core_name(void); /* "SkylakeX"; static */

/* The core type that fits this processor best, NULL when there is nothing better than what OpenBLAS finds by itself. `current`:
 * what it found. */
const char *blas_core_better(const char *current);

#endif
