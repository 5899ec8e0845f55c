/* DOC: Allocation over the C library's heap. Everything is zeroed; what cannot fail kills the
 * process instead of returning. A size of 0 yields a pointer of its own, so NULL always means
 * failure. glibc's calloc passes its per-thread cache by, so what fits there is cleared by hand. */
#include "lib/base/base.h"

#include <malloc.h>

enum { THREAD_CACHE_BYTES = 1032 }; /* the largest that glibc keeps per thread */

static void *or_die(void *p)
{
    if (!p)
        panic_at(__FILE__, __LINE__, "out of memory");
    return p;
}

void *mem_try_alloc(size_t size)
{
    if (size > THREAD_CACHE_BYTES)
        return size > PTRDIFF_MAX ? NULL : calloc(1, size);
    void *p = malloc(size ? size : 1);
    __asm__("" : "+r"(p)); /* or the compiler would make a calloc of the two */
    if (p)
        memset(p, 0, size);
    return p;
}

void *mem_alloc(size_t size)
{
    return or_die(mem_try_alloc(size));
}

void *mem_calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        panic_at(__FILE__, __LINE__, "allocation size overflows");
    return mem_alloc(total);
}

void *mem_realloc(void *p, size_t size)
{
    must(size <= PTRDIFF_MAX);
    return or_die(realloc(p, size ? size : 1));
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = mem_alloc(size);
    if (size)
        memcpy(copy, p, size);
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

void mem_free(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t size)
{
    if (size)
        explicit_bzero(p, size);
}

void mem_trim(void)
{
    (void)malloc_trim(0);
}
