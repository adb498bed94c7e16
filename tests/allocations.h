/* Counts this process's allocations, in sanitizer builds too. One test program includes it once; count_allocations() comes first. */
#ifndef TESTUDO_TESTS_ALLOCATIONS_H
#define TESTUDO_TESTS_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

/* ---- allocations of this process: counted by AddressSanitizer's hook, else by a malloc in front of libc's ---- */

static volatile long allocations; /* volatile: compilers know that malloc changes no variable */

#ifdef __SANITIZE_ADDRESS__
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
static inline void count_malloc(const volatile void *memory, size_t size)
{
    (void)memory, (void)size;
    allocations++;
}
static inline void count_free(const volatile void *memory)
{
    (void)memory;
}
static inline void count_allocations(void)
{
    static bool is_installed;
    if (!is_installed)
        assert_true(__sanitizer_install_malloc_and_free_hooks(count_malloc, count_free) > 0);
    is_installed = true;
}
#else
static inline void count_allocations(void)
{
}
#ifndef __SANITIZE_THREAD__ /* has no hook: nothing is counted */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}
#endif
#endif

#endif
