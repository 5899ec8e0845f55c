#ifndef LIB_BASE_LIST_H
#define LIB_BASE_LIST_H
/* Intrusive doubly linked list. A list head is a struct list; a member embeds a struct list as its
 * node. */
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
/* A zeroed or initialised node that is in no list. */
static inline bool list_linked(const struct list *n)
{
    return n->next && n->next != n;
}
static inline void list_insert_after(struct list *at, struct list *n)
{
    n->prev = at;
    n->next = at->next;
    at->next->prev = n;
    at->next = n;
}
static inline void list_push(struct list *l, struct list *n)
{
    list_insert_after(l->prev, n);
} /* at the end */
static inline void list_unshift(struct list *l, struct list *n)
{
    list_insert_after(l, n);
} /* at the start */
static inline void list_del(struct list *n) /* idempotent */
{
    if (n->next) {
        n->next->prev = n->prev;
        n->prev->next = n->next;
    }
    n->next = n->prev = n;
}
static inline struct list *list_first(struct list *l)
{
    return list_empty(l) ? NULL : l->next;
}
static inline struct list *list_shift(struct list *l)
{
    struct list *n = list_first(l);
    if (n)
        list_del(n);
    return n;
}
/* Move all nodes of src to the end of dst; src is empty afterwards. */
static inline void list_splice(struct list *dst, struct list *src)
{
    if (list_empty(src))
        return;
    src->next->prev = dst->prev;
    dst->prev->next = src->next;
    src->prev->next = dst;
    dst->prev = src->prev;
    list_init(src);
}
/* Safe against removal of the current node; not against removal of the next one. */
#define list_each(l, n)                                                                            \
    for (struct list *n = (l)->next, *n##_next = n->next; n != (l);                                \
         n = n##_next, n##_next = n->next)
#define list_entry(n, type, member) container_of(n, type, member)
#endif
