#ifndef LIB_BASE_OMAP_H
#define LIB_BASE_OMAP_H
/* Ordered map from bytes to pointer. Keys are copied and sort by str_cmp (byte order, a prefix
 * first). All operations take O(log n) expected time, also against keys a peer chose. Not
 * thread-safe. */
#include "lib/base/base.h"

struct omap {
    struct omap_node *root;
    size_t n;
};

struct omap_it {
    struct str key; /* valid while its entry is in the map */
    void *value;
};

void omap_init(struct omap *m);                       /* a zeroed struct is an initialised one */
void omap_fini(struct omap *m);                       /* values are not touched */
void *omap_get(const struct omap *m, struct str key); /* NULL = absent */
void *omap_put(struct omap *m, struct str key,
               void *value);                    /* returns the replaced value or NULL */
void *omap_del(struct omap *m, struct str key); /* returns the removed value or NULL */

/* Seek: false when there is no such entry; it is untouched then. STR_NONE sorts first:
 * omap_first_ge(m, STR_NONE, &it) is the first entry of all. An iterator is only a key and a value:
 * entries may be put, and deleted except its own, between the calls. */
bool omap_first_ge(const struct omap *m, struct str key, struct omap_it *it);
bool omap_last_lt(const struct omap *m, struct str key, struct omap_it *it);
bool omap_last(const struct omap *m, struct omap_it *it);
bool omap_next(const struct omap *m, struct omap_it *it);
bool omap_prev(const struct omap *m, struct omap_it *it);
static inline size_t omap_count(const struct omap *m)
{
    return m->n;
}
#endif
