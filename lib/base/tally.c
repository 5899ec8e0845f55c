/* DOC: a count for each key that has one. One mutex: it is taken when a connection begins and when
 * it ends, for nanoseconds. Invariant: a count in the map is above zero. */
#include "lib/base/tally.h"

#include <pthread.h>

#include "lib/base/hmap.h"

struct count {
    uint64_t key;
    unsigned n;
};
struct tally {
    pthread_mutex_t lock;
    unsigned limit;
    struct hmap counts; /* key -> struct count */
};

static struct str name_of(const uint64_t *key)
{
    return str_make((const char *)key, sizeof *key);
}

struct tally *tally_new(unsigned limit)
{
    struct tally *t = mem_alloc(sizeof *t);
    must(pthread_mutex_init(&t->lock, NULL) == 0);
    t->limit = limit;
    return t;
}

void tally_free(struct tally **pt)
{
    struct tally *t = *pt;
    *pt = NULL;
    if (!t)
        return;
    void *count;
    for (size_t it = 0; (count = hmap_next(&t->counts, &it, NULL));)
        mem_free(count);
    hmap_fini(&t->counts);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

static struct count *count_new(struct tally *t, uint64_t key)
{
    struct count *c = mem_alloc(sizeof *c);
    c->key = key;
    (void)hmap_put(&t->counts, name_of(&c->key), c);
    return c;
}

bool tally_take(struct tally *t, uint64_t key)
{
    if (!t->limit)
        return true;
    must(pthread_mutex_lock(&t->lock) == 0);
    struct count *c = hmap_get(&t->counts, name_of(&key));
    const bool may = !c || c->n < t->limit;
    if (may && !c)
        c = count_new(t, key);
    if (may)
        c->n++;
    must(pthread_mutex_unlock(&t->lock) == 0);
    return may;
}

void tally_give_back(struct tally *t, uint64_t key)
{
    if (!t->limit)
        return;
    must(pthread_mutex_lock(&t->lock) == 0);
    struct count *c = hmap_get(&t->counts, name_of(&key));
    if (expect(c) && --c->n == 0) {
        (void)hmap_del(&t->counts, name_of(&key));
        mem_free(c);
    }
    must(pthread_mutex_unlock(&t->lock) == 0);
}
