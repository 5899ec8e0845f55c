#ifndef NODE_MOD_RTBL_ITEMS_H
#define NODE_MOD_RTBL_ITEMS_H
/* The items of one list, by their ids. */
#include "lib/base/hmap.h"
#include "s2s/s2s-rtbl.h"

struct rtbl_item {
    struct s2s_rtbl_key key;
    uint8_t n;
    char id[];
};
struct rtbl_items {
    struct hmap by_id;
    size_t max;
};
void rtbl_items_init(struct rtbl_items *i, size_t max);
void rtbl_items_fini(struct rtbl_items *i); /* also: empty it */
/* ERR_UNSUPPORTED: it names a user; ERR_INVALID: nobody; ERR_LIMIT: there are max. ERR_EXISTS: it
 * is there already. */
enum err rtbl_items_add(struct rtbl_items *i, struct str id) MUST_USE;
bool rtbl_items_del(struct rtbl_items *i, struct str id); /* false: it was not there */
bool rtbl_items_equal(const struct rtbl_items *a, const struct rtbl_items *b);
static inline size_t rtbl_items_count(const struct rtbl_items *i)
{
    return hmap_count(&i->by_id);
}
/* As the policy wants them. */
struct s2s_rtbl *rtbl_items_list(const struct rtbl_items *i, struct str service, struct str node);
#endif
