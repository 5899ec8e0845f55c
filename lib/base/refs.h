#ifndef LIB_BASE_REFS_H
#define LIB_BASE_REFS_H
/* Reference count that may be touched from several shards. Signed, so that an underflow is visible.
 */
#include "lib/base/base.h"
struct refs {
    int32_t n;
};
static inline void refs_init(struct refs *r)
{
    __atomic_store_n(&r->n, 1, __ATOMIC_RELAXED);
}
static inline void refs_get(struct refs *r)
{
    must(__atomic_fetch_add(&r->n, 1, __ATOMIC_RELAXED) > 0);
}
/* Only the caller has one. */
static inline bool refs_is_only(const struct refs *r)
{
    return __atomic_load_n(&r->n, __ATOMIC_ACQUIRE) == 1;
}
/* True when this was the last reference: the caller frees. */
static inline bool refs_put(struct refs *r)
{
    int32_t before = __atomic_fetch_sub(&r->n, 1, __ATOMIC_ACQ_REL);
    must(before > 0);
    return before == 1;
}
#endif
