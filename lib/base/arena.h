#ifndef LIB_BASE_ARENA_H
#define LIB_BASE_ARENA_H
/* Region allocator: bump blocks freed together. One arena per stanza or operation. Not thread-safe;
 * may move between threads as a whole. The budget bounds what a peer can make us hold. */
#include "lib/base/base.h"

struct arena;

struct arena *arena_new(size_t budget_bytes); /* 0 = no budget */
struct arena *arena_new_for(size_t bytes);    /* without budget, made for so much and little more */
void arena_free(struct arena **pa);           /* runs cleanups, newest first */
void *arena_alloc(struct arena *a, size_t size)
    __attribute__((returns_nonnull));                /* zeroed, 8-aligned; dies past budget */
void *arena_try_alloc(struct arena *a, size_t size); /* NULL past budget */
struct str arena_dup(struct arena *a,
                     struct str s);              /* copy, NUL-terminated; STR_NONE stays STR_NONE */
char *arena_cstr(struct arena *a, struct str s); /* copy as C string; STR_NONE -> NULL */
struct str arena_printf(struct arena *a, const char *fmt, ...)
    PRINTF_LIKE(2, 3); /* NUL-terminated */
void arena_on_free(struct arena *a, void (*fn)(void *ctx), void *ctx);
size_t arena_used(const struct arena *a); /* bytes handed out */
#endif
