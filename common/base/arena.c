#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

static size_t round_up(size_t bytes)
{
    return (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

int arena_init(struct arena *arena, const char *name, size_t size)
{
    size = round_up(size);
    *arena = (struct arena){.name = name, .size = size};
    arena->base = aligned_alloc(ARENA_ALIGN, size ? size : ARENA_ALIGN);
    if (!arena->base)
        return ERR_NOMEM;
    ASAN_POISON_MEMORY_REGION(arena->base, arena->size);
    return 0;
}

void arena_deinit(struct arena *arena)
{
    if (arena->base) {
        ASAN_UNPOISON_MEMORY_REGION(arena->base, arena->size);
        free(arena->base);
    }
    *arena = (struct arena){0};
}

void *arena_take_at(struct arena *arena, size_t bytes, const char *file, int line)
{
    size_t rounded = round_up(bytes);
    if (rounded > arena->size - arena->used) {
        fprintf(stderr, "%s:%d: arena %s is full: asked %zu, left %zu of %zu bytes\n", file, line, arena->name, bytes,
                arena->size - arena->used, arena->size);
        abort();
    }
    void *piece = arena->base + arena->used;
    arena->used += rounded;
    if (arena->used > arena->high)
        arena->high = arena->used;
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    return piece;
}

void *arena_zero_at(struct arena *arena, size_t bytes, const char *file, int line)
{
    void *piece = arena_take_at(arena, bytes, file, line);
    memset(piece, 0, bytes);
    return piece;
}

size_t arena_mark(const struct arena *arena)
{
    return arena->used;
}

void arena_release(struct arena *arena, size_t mark)
{
    ASSERT(mark <= arena->used);
    ASAN_POISON_MEMORY_REGION(arena->base + mark, arena->used - mark);
    arena->used = mark;
}
