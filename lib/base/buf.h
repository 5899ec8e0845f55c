#ifndef LIB_BASE_BUF_H
#define LIB_BASE_BUF_H
/* Growable byte buffer with a mandatory ceiling. Overflow is sticky: writers append freely, then
 * ask buf_ok once. */
#include "lib/base/base.h"

struct buf {
    char *p;
    size_t n, cap;
    size_t max : 63; /* four words, as every connection has eight of these */
    bool overflow : 1;
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_fini(struct buf *b);
void buf_grow_add(struct buf *b, const void *p, size_t n); /* buf_add where room is lacking */
/* Past max: sets overflow; from then on nothing is added. */
static inline void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || n > b->cap - b->n || b->overflow) {
        buf_grow_add(b, p, n);
        return;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
}
static inline void buf_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}
static inline void buf_cstr(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}
static inline void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_consume(struct buf *b, size_t n);  /* drop n bytes from the front */
void buf_clear(struct buf *b);              /* keep memory, reset overflow */
void buf_release(struct buf *b);            /* free memory, stay usable */
char *buf_reserve(struct buf *b, size_t n); /* room for n more, NULL past max; then buf_commit */
void buf_commit(struct buf *b, size_t n);
struct str buf_view(const struct buf *b); /* valid until the next change */
static inline bool buf_ok(const struct buf *b)
{
    return !b->overflow;
}
#endif
