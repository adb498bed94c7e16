/* The kernels (*_kernels.c) are compiled once per instruction set; one set is chosen at start.
 *
 * All clones of a kernel give the same bits: every multiply-add is an explicit fused one (a clone without the instruction calls
 * fmaf), sums run over 64 lanes in a fixed order, and division and square root are exact in IEEE arithmetic. An audit may
 * therefore run on another kind of processor. */
#ifndef TESTUDO_MATH_CLONE_H
#define TESTUDO_MATH_CLONE_H

#include <stdbool.h>

#if defined(__x86_64__)
#define CLONE_MAP(X) X(base) X(v3) X(v4) /* plain x86-64, AVX2 with FMA, AVX-512: the Makefile's CLONES */
#else
#define CLONE_MAP(X) X(base)
#endif

enum clone {
#define CLONE_ENUM(name) CLONE_##name,
    CLONE_MAP(CLONE_ENUM)
#undef CLONE_ENUM
        CLONE_COUNT
};

bool clone_supported(enum clone clone); /* by this processor */
enum clone clone_best(void);            /* the last supported one; chosen once, before main */
const char *clone_name(enum clone clone);

/* Inside a kernel file: the name of a symbol of this clone. CLONE is given by the Makefile. */
#define CLONE_PASTE(name, clone) name##_##clone
#define CLONE_EXPAND(name, clone) CLONE_PASTE(name, clone)
#define CLONED(name) CLONE_EXPAND(name, CLONE)

#endif
