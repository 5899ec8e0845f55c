#ifndef GLOBAL_REGISTRY_REG_CACHE_INT_H
#define GLOBAL_REGISTRY_REG_CACHE_INT_H
/* What is remembered of bare JIDs. Words: complete = the rows are all there were when asked;
 * partial = learned piecemeal; current = complete, not invalidated, not expired: may be answered
 * without asking. What is not current is kept as memory for the time the registry is out of reach.
 * Bounded: the least recently used entry goes. */
#include "global-registry/reg-driver.h"
#include "lib/base/hmap.h"

struct reg_cache {
    struct hmap map;
    struct list lru; /* first = next to go */
    size_t max;
    uint64_t ttl_us;
    uint64_t epoch; /* of invalidations: an entry of an older epoch is not current */
};
struct reg_entry {
    struct list lru;
    bool complete;
    uint64_t expires_us, epoch;
    struct reg_row *rows;
    size_t n;
    size_t bare_n;
    char bare[];
};
void reg_cache_init(struct reg_cache *c, size_t max_entries, uint64_t ttl_ms);
void reg_cache_fini(struct reg_cache *c);
/* NULL = nothing known. Borrowed until the next call that changes the cache; counts as use. */
const struct reg_entry *reg_cache_get(struct reg_cache *c, struct str bare);
bool reg_cache_current(const struct reg_cache *c, const struct reg_entry *e, uint64_t now_us);
/* The whole truth as read now. n = 0: a negative entry, current for a tenth of the time. */
void reg_cache_put(struct reg_cache *c, struct str bare, const struct reg_row *rows, size_t n,
                   uint64_t now_us);
/* One row seen. Replaces an older one of the same member; an entry that did not have it is no
 * longer current. */
void reg_cache_learn(struct reg_cache *c, struct str bare, const struct reg_row *row);
void reg_cache_moved(struct reg_cache *c, struct str bare);
void reg_cache_stale(
    struct reg_cache *c); /* invalidations may have been missed: nothing is current */
#endif
