/* Arena: one block of memory, handed out from the front, given back by mark and release.
 *
 * Sized once from the configuration; afterwards a step or an update takes and releases here and never calls malloc.
 * Invariants: used <= size; every piece is 64-byte aligned; released memory is poisoned under AddressSanitizer.
 * Running over is our own bug (sizes follow from the configuration): it aborts and reports caller, asked and left. */
#ifndef TESTUDO_BASE_ARENA_H
#define TESTUDO_BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"

#define ARENA_ALIGN 64

struct arena {
    const char *name; /* borrowed, for reports */
    unsigned char *base;
    size_t size, used, high; /* bytes; high is the high-water mark */
};

/* Takes `size` bytes from the heap. 0 or ERR_NOMEM. */
MUST_USE int arena_init(struct arena *arena, const char *name, size_t size);
void arena_deinit(struct arena *arena); /* safe on a zeroed struct */

/* `bytes` of uninitialised (arena_take) or zeroed (arena_zero) memory, 64-byte aligned, valid until a release below it. */
void *arena_take_at(struct arena *arena, size_t bytes, const char *file, int line);
void *arena_zero_at(struct arena *arena, size_t bytes, const char *file, int line);
#define arena_take(arena, bytes) arena_take_at(arena, bytes, __FILE__, __LINE__)
#define arena_zero(arena, bytes) arena_zero_at(arena, bytes, __FILE__, __LINE__)
#define arena_array(arena, type, count) ((type *)arena_take(arena, sizeof(type) * (size_t)(count)))
#define arena_zero_array(arena, type, count) ((type *)arena_zero(arena, sizeof(type) * (size_t)(count)))

size_t arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, size_t mark);

#endif
