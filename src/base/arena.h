/*
 * base/arena.h - memory by lifetime.
 *
 * An arena is a range of address space, reserved at once and committed by the kernel page by page,
 * with a mark that only moves forward.  A function that takes `cm_arena *` keeps what it allocates
 * for the arena's owner; a function that takes `cm_arena scratch` by value gives everything back by
 * returning, because only its own copy of the mark moved.
 *
 * Arenas of secrets are kept out of core dumps, and wiped by _reset and _fini up to the highest
 * mark that any copy reached.
 */
#ifndef CM_BASE_ARENA_H
#define CM_BASE_ARENA_H

#include "base/base.h"

typedef struct cm_arena_region cm_arena_region;

typedef struct cm_arena {
    uint8_t *mark;           /* next free byte */
    uint8_t *end;            /* one past the last usable byte */
    cm_arena_region *region; /* bounds, highest mark, whether it is secret */
} cm_arena;

/* Reserves reserve_bytes of address space; cheap, nothing is committed. */
CM_MUST cm_status cm_arena_init(cm_arena *arena, size_t reserve_bytes);
CM_MUST cm_status cm_arena_init_secret(cm_arena *arena, size_t reserve_bytes);
/* Gives the pages back (wiped if secret) and keeps the range. */
void cm_arena_reset(cm_arena *arena);
/* Arenas that were never initialised but zeroed are allowed. */
void cm_arena_fini(cm_arena *arena);

/*
 * count * item_bytes zeroed bytes aligned to 64.  NULL when the arena is full or the product
 * overflows: for sizes that come from outside.
 */
CM_MUST void *cm_arena_try(cm_arena *arena, size_t count, size_t item_bytes);
/* The same, and running out is our bug: asserts. */
CM_MUST void *cm_arena_alloc(cm_arena *arena, size_t count, size_t item_bytes);
/* The same, not zeroed: for what is written before it is read. */
CM_MUST void *cm_arena_raw(cm_arena *arena, size_t count, size_t item_bytes);
/* Small things (trees, strings), aligned to 16. */
CM_MUST void *cm_arena_small(cm_arena *arena, size_t count, size_t item_bytes);

char *cm_arena_strdup(cm_arena *arena, const char *text);
char *cm_arena_strndup(cm_arena *arena, const char *text, size_t bytes);
CM_PRINTF(2, 3) char *cm_arena_printf(cm_arena *arena, const char *format, ...);
/* Bytes between the base and the highest mark reached. */
size_t cm_arena_peak_bytes(const cm_arena *arena);

#define CM_NEW(arena, type, count) ((type *)cm_arena_alloc((arena), (count), sizeof(type)))
#define CM_NEW_RAW(arena, type, count) ((type *)cm_arena_raw((arena), (count), sizeof(type)))
#define CM_NEW_SMALL(arena, type, count) ((type *)cm_arena_small((arena), (count), sizeof(type)))

#endif
