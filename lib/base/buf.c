/* DOC: Growable buffer. Memory grows by doubling up to max, with one byte to spare for the NUL of
 * vsnprintf. After an overflow nothing more is added until buf_clear, so what it holds is always a
 * prefix of what was meant. */
#include "lib/base/buf.h"

enum { BUF_FIRST = 64 };

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes < PTRDIFF_MAX ? max_bytes : PTRDIFF_MAX};
}

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->overflow || b->n > b->max || n > b->max - b->n)
        return NULL;
    size_t want = b->n + n;
    if (!b->p || want > b->cap) {
        size_t cap = b->cap > BUF_FIRST / 2 ? b->cap * 2 : BUF_FIRST;
        cap = cap < want ? want : cap;
        b->cap = cap > b->max ? b->max : cap;
        b->p = mem_realloc(b->p, b->cap + 1);
    }
    return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
    must(n <= b->cap - b->n);
    b->n += n;
}

void buf_grow_add(struct buf *b, const void *p, size_t n)
{
    char *room = buf_reserve(b, n);
    if (!room) {
        b->overflow = true;
        return;
    }
    if (n)
        memcpy(room, p, n);
    b->n += n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    must(n >= 0);
    char *room = buf_reserve(b, (size_t)n);
    if (room) {
        vsnprintf(room, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    } else {
        b->overflow = true;
    }
    va_end(again);
}

void buf_consume(struct buf *b, size_t n)
{
    must(n <= b->n);
    b->n -= n;
    if (n && b->n)
        memmove(b->p, b->p + n, b->n);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->overflow = false;
}

void buf_release(struct buf *b)
{
    buf_fini(b);
}

struct str buf_view(const struct buf *b)
{
    return b->p ? str_make(b->p, b->n) : STR("");
}
