#ifndef NODE_MOD_RTBL_ITEMS_H
#define NODE_MOD_RTBL_ITEMS_H
/* The items of one list, by their ids. */
#include "lib/base/hmap.h"
#include "lib/base/vec.h"
#include "s2s/s2s-rtbl.h"

struct rtbl_item {
    uint32_t at; /* of its key in keys */
    uint8_t n;
    char id[];
};
struct rtbl_key { /* in a row, because all are read each time the list is put in force */
    struct s2s_rtbl_key key;
    struct rtbl_item *of;
};
struct rtbl_items {
    struct hmap by_id;
    VEC(struct rtbl_key) keys;
    uint64_t print; /* of all ids, whatever their order */
    size_t max;
};
void rtbl_items_init(struct rtbl_items *i, size_t max);
void rtbl_items_fini(struct rtbl_items *i); /* also: empty it */
/* ERR_UNSUPPORTED: it names a user; ERR_INVALID: nobody; ERR_LIMIT: there are max. ERR_EXISTS: it
 * is there already. */
enum err rtbl_items_add(struct rtbl_items *i, struct str id) MUST_USE;
bool rtbl_items_del(struct rtbl_items *i, struct str id); /* false: it was not there */
static inline size_t rtbl_items_count(const struct rtbl_items *i)
{
    return i->keys.n;
}
static inline struct str rtbl_items_id(const struct rtbl_items *i, size_t at)
{
    return str_make(i->keys.p[at].of->id, i->keys.p[at].of->n);
}
static inline bool rtbl_items_equal(const struct rtbl_items *a, const struct rtbl_items *b)
{
    return a->keys.n == b->keys.n && a->print == b->print;
}
/* As the policy wants them. */
struct s2s_rtbl *rtbl_items_list(const struct rtbl_items *i, struct str service, struct str node);
#endif
