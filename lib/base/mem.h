#ifndef LIB_BASE_MEM_H
#define LIB_BASE_MEM_H
/* Allocation. Small allocations cannot fail: the process dies. Sizes chosen by a peer use
 * mem_try_alloc. Zeroed. */
#include <stddef.h>

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_calloc(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull));                             /* dies on overflow */
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull)); /* new bytes not zeroed */
void *mem_try_alloc(size_t size) __attribute__((malloc));                 /* NULL on failure */
void *mem_dup(const void *p, size_t size) __attribute__((malloc, returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));
void mem_free(void *p); /* accepts NULL */
/* Give what is free in the middle of the heap back to the system; a millisecond or two. */
void mem_trim(void);
/* Overwrite secrets so that the compiler cannot drop the store. */
void mem_wipe(void *p, size_t size);
#endif
