/*
 * An arena reserves its whole range with one mmap; the kernel supplies zero pages at first touch.
 * region->high is the highest mark that any copy of the arena reached, so everything above it is
 * still untouched and zero: an allocation clears only the part below.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { COLUMN_ALIGN = 64, SMALL_ALIGN = 16, SMALL_PAGES_BYTES = 4 * 1024 * 1024 };

struct cm_arena_region {
    uint8_t *base;
    uint8_t *end;
    uint8_t *high; /* highest mark that any copy reached */
    bool secret;
};

static void check_sane(const cm_arena *arena)
{
    CM_ASSERT(arena->region != NULL);
    CM_ASSERT(arena->mark >= arena->region->base);
    CM_ASSERT(arena->mark <= arena->region->high);
    CM_ASSERT(arena->region->high <= arena->end);
}

/*
 * Columns are touched once and in order, and a fresh 4 KiB page costs three times its share of a
 * huge one.  The first megabytes stay small, so that a small use does not touch 2 MiB at once.
 */
static void ask_for_huge_pages(uint8_t *base, uint8_t *end)
{
    if (end - base > 2 * SMALL_PAGES_BYTES) {
        /* A kernel without them says no, which changes nothing but speed. */
        (void)madvise(base + SMALL_PAGES_BYTES, (size_t)(end - base) - SMALL_PAGES_BYTES,
                      MADV_HUGEPAGE);
    }
}

static cm_status init(cm_arena *arena, size_t reserve_bytes, bool secret)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    if (reserve_bytes == 0 || reserve_bytes > SIZE_MAX / 2) {
        return CM_ENOMEM;
    }
    size_t bytes = (reserve_bytes + page_bytes - 1) / page_bytes * page_bytes;

    cm_arena_region *region = malloc(sizeof *region);
    if (region == NULL) {
        return CM_ENOMEM;
    }
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        free(region);
        return CM_ENOMEM;
    }
    if (secret && madvise(base, bytes, MADV_DONTDUMP) != 0) {
        munmap(base, bytes);
        free(region);
        return CM_ENOMEM;
    }
    region->base = base;
    region->end = region->base + bytes;
    ask_for_huge_pages(region->base, region->end);
    region->high = region->base;
    region->secret = secret;
    *arena = (cm_arena){.mark = region->base, .end = region->end, .region = region};
    return CM_OK;
}

cm_status cm_arena_init(cm_arena *arena, size_t reserve_bytes)
{
    return init(arena, reserve_bytes, false);
}

cm_status cm_arena_init_secret(cm_arena *arena, size_t reserve_bytes)
{
    return init(arena, reserve_bytes, true);
}

static size_t used_bytes(const cm_arena_region *region)
{
    return (size_t)(region->high - region->base);
}

void cm_arena_reset(cm_arena *arena)
{
    check_sane(arena);
    cm_arena_region *region = arena->region;
    if (region->secret) {
        explicit_bzero(region->base, used_bytes(region));
    }
    /* A failure would leave old bytes above the mark, which the next allocation takes for zero. */
    size_t bytes = (size_t)(region->end - region->base);
    CM_ASSERT(madvise(region->base, bytes, MADV_DONTNEED) == 0);
    region->high = region->base;
    arena->mark = region->base;
}

void cm_arena_fini(cm_arena *arena)
{
    cm_arena_region *region = arena->region;
    if (region != NULL) {
        if (region->secret) {
            explicit_bzero(region->base, used_bytes(region));
        }
        munmap(region->base, (size_t)(region->end - region->base));
        free(region);
    }
    *arena = (cm_arena){0};
}

static void *allocate(cm_arena *arena, size_t count, size_t item_bytes, size_t align, bool zero)
{
    check_sane(arena);
    size_t bytes;
    if (__builtin_mul_overflow(count, item_bytes, &bytes)) {
        return NULL;
    }
    size_t skip = (align - (uintptr_t)arena->mark % align) % align;
    size_t left = (size_t)(arena->end - arena->mark);
    if (skip > left || bytes > left - skip) {
        return NULL;
    }
    uint8_t *data = arena->mark + skip;
    uint8_t *mark = data + bytes;
    cm_arena_region *region = arena->region;
    if (zero && data < region->high) {
        size_t stale = (size_t)(region->high - data);
        memset(data, 0, stale < bytes ? stale : bytes);
    }
    if (mark > region->high) {
        region->high = mark;
    }
    arena->mark = mark;
    return data;
}

void *cm_arena_try(cm_arena *arena, size_t count, size_t item_bytes)
{
    return allocate(arena, count, item_bytes, COLUMN_ALIGN, true);
}

void *cm_arena_alloc(cm_arena *arena, size_t count, size_t item_bytes)
{
    void *data = allocate(arena, count, item_bytes, COLUMN_ALIGN, true);
    CM_ASSERT(data != NULL);
    return data;
}

void *cm_arena_raw(cm_arena *arena, size_t count, size_t item_bytes)
{
    void *data = allocate(arena, count, item_bytes, COLUMN_ALIGN, false);
    CM_ASSERT(data != NULL);
    return data;
}

void *cm_arena_small(cm_arena *arena, size_t count, size_t item_bytes)
{
    void *data = allocate(arena, count, item_bytes, SMALL_ALIGN, true);
    CM_ASSERT(data != NULL);
    return data;
}

char *cm_arena_strndup(cm_arena *arena, const char *text, size_t bytes)
{
    CM_ASSERT(bytes < SIZE_MAX);
    char *copy = cm_arena_small(arena, bytes + 1, 1);
    memcpy(copy, text, bytes);
    return copy;
}

char *cm_arena_strdup(cm_arena *arena, const char *text)
{
    return cm_arena_strndup(arena, text, strlen(text));
}

char *cm_arena_printf(cm_arena *arena, const char *format, ...)
{
    va_list args, again;

    CM_ASSERT(format != NULL);
    va_start(args, format);
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CM_ASSERT(bytes >= 0);
    char *text = cm_arena_small(arena, (size_t)bytes + 1, 1);
    vsnprintf(text, (size_t)bytes + 1, format, again);
    va_end(again);
    return text;
}

size_t cm_arena_peak_bytes(const cm_arena *arena)
{
    check_sane(arena);
    return used_bytes(arena->region);
}
