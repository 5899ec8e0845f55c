#ifndef LIB_BASE_HMAP_H
#define LIB_BASE_HMAP_H
/* Open-addressing map from bytes to pointer, keyed by siphash under a per-process secret. Keys are
 * borrowed: they must live, unchanged, as long as their entry (usually they are a member of the
 * value). */
#include "lib/base/base.h"

struct hmap {
    struct hmap_slot *slots;
    size_t n, cap, tombs;
};

void hmap_init(struct hmap *m);                       /* a zeroed struct is an initialised one */
void hmap_fini(struct hmap *m);                       /* values are not touched */
void *hmap_get(const struct hmap *m, struct str key); /* NULL = absent */
void *hmap_put(struct hmap *m, struct str key,
               void *value);                    /* returns the replaced value or NULL */
void *hmap_del(struct hmap *m, struct str key); /* returns the removed value or NULL */
/* Iterate: size_t it = 0; while ((v = hmap_next(&m, &it, &key))) ... Deleting the current entry is
 * allowed; put is not. Order is not specified and must not influence behaviour. */
void *hmap_next(const struct hmap *m, size_t *it, struct str *key_or_null);
static inline size_t hmap_count(const struct hmap *m)
{
    return m->n;
}
#endif
