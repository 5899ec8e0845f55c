/* DOC: the items of a list as a map from id to key. The id is kept as it came, because that is how
 * the list takes it back; two ids may mean one domain. Whether two lists are the same is told by
 * the sum of the keyed hashes of their ids, which nobody outside can aim at. */
#include "node/mod/rtbl-items.h"

#include "lib/base/siphash.h"

_Static_assert(S2S_RTBL_ID_MAX <= UINT8_MAX, "the length of an id is a byte");

void rtbl_items_init(struct rtbl_items *i, size_t max)
{
    *i = (struct rtbl_items){.max = max};
}

void rtbl_items_fini(struct rtbl_items *i)
{
    for (size_t k = 0; k < i->keys.n; k++)
        mem_free(i->keys.p[k].of);
    vec_fini(&i->keys);
    hmap_fini(&i->by_id);
    i->print = 0;
}

static uint64_t print_of(struct str id)
{
    return siphash(siphash_secret(), id.p, id.n);
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
    one->at = (uint32_t)i->keys.n;
    one->n = (uint8_t)id.n;
    memcpy(one->id, id.p, id.n);
    vec_push(&i->keys, ((struct rtbl_key){key, one}));
    (void)hmap_put(&i->by_id, str_make(one->id, one->n), one);
    i->print += print_of(id);
    return ERR_OK;
}

/* The last key takes its place. */
bool rtbl_items_del(struct rtbl_items *i, struct str id)
{
    struct rtbl_item *one = hmap_del(&i->by_id, id);
    if (!one)
        return false;
    i->print -= print_of(id);
    struct rtbl_key last = i->keys.p[--i->keys.n];
    i->keys.p[one->at] = last;
    last.of->at = one->at;
    mem_free(one);
    return true;
}

struct s2s_rtbl *rtbl_items_list(const struct rtbl_items *i, struct str service, struct str node)
{
    struct s2s_rtbl *l = s2s_rtbl_new(service, node, rtbl_items_count(i));
    for (size_t k = 0; k < i->keys.n; k++)
        s2s_rtbl_add(l, &i->keys.p[k].key);
    return l;
}
