/* DOC: the items of a list as a map from id to key. The id is kept as it came, because that is how
 * the list takes it back; two ids may mean one domain. */
#include "node/mod/rtbl-items.h"

#include "lib/base/mem.h"

_Static_assert(S2S_RTBL_ID_MAX <= UINT8_MAX, "the length of an id is a byte");

void rtbl_items_init(struct rtbl_items *i, size_t max)
{
    *i = (struct rtbl_items){.max = max};
}

void rtbl_items_fini(struct rtbl_items *i)
{
    size_t it = 0;
    for (struct rtbl_item *one; (one = hmap_next(&i->by_id, &it, NULL));)
        mem_free(one);
    hmap_fini(&i->by_id);
}

enum err rtbl_items_add(struct rtbl_items *i, struct str id)
{
    struct s2s_rtbl_key key;
    switch (s2s_rtbl_read(id, &key)) {
    case S2S_RTBL_ADDRESS:
        return ERR_UNSUPPORTED;
    case S2S_RTBL_MALFORMED:
        return ERR_INVALID;
    case S2S_RTBL_DOMAIN:
        break;
    }
    if (hmap_get(&i->by_id, id))
        return ERR_EXISTS;
    if (rtbl_items_count(i) >= i->max)
        return ERR_LIMIT;
    struct rtbl_item *one = mem_alloc(sizeof *one + id.n);
    one->key = key;
    one->n = (uint8_t)id.n;
    memcpy(one->id, id.p, id.n);
    (void)hmap_put(&i->by_id, str_make(one->id, one->n), one);
    return ERR_OK;
}

bool rtbl_items_del(struct rtbl_items *i, struct str id)
{
    struct rtbl_item *one = hmap_del(&i->by_id, id);
    mem_free(one);
    return one != NULL;
}

bool rtbl_items_equal(const struct rtbl_items *a, const struct rtbl_items *b)
{
    size_t it = 0;
    if (rtbl_items_count(a) != rtbl_items_count(b))
        return false;
    for (const struct rtbl_item *one; (one = hmap_next(&a->by_id, &it, NULL));)
        if (!hmap_get(&b->by_id, str_make(one->id, one->n)))
            return false;
    return true;
}

struct s2s_rtbl *rtbl_items_list(const struct rtbl_items *i, struct str service, struct str node)
{
    struct s2s_rtbl *l = s2s_rtbl_new(service, node, rtbl_items_count(i));
    size_t it = 0;
    for (const struct rtbl_item *one; (one = hmap_next(&i->by_id, &it, NULL));)
        s2s_rtbl_add(l, &one->key);
    return l;
}
