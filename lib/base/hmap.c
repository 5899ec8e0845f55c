/* DOC: Open addressing with linear probing over a power of two of slots, at most three quarters of
 * them in use, hashes kept so that growing never reads a key. A deleted slot becomes a tombstone
 * only when its probe chain goes on behind it. Deletion never moves an entry, which is what makes
 * it safe while iterating. */
#include "lib/base/hmap.h"

#include "lib/base/siphash.h"

enum { FIRST_CAP = 8 };

struct hmap_slot {
    uint64_t hash;
    struct str key;
    void *value; /* NULL: free (hash 0) or a tombstone (hash TOMB) */
};
enum { TOMB = 1 };

static bool is_tomb(const struct hmap_slot *s)
{
    return !s->value && s->hash == TOMB;
}

void hmap_init(struct hmap *m)
{
    *m = (struct hmap){0};
}

void hmap_fini(struct hmap *m)
{
    mem_free(m->slots);
    *m = (struct hmap){0};
}

static uint64_t key_hash(struct str key)
{
    return siphash(siphash_secret(), key.p, key.n);
}

static struct hmap_slot *find(const struct hmap *m, struct str key, uint64_t hash)
{
    if (!m->n)
        return NULL;
    size_t mask = m->cap - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct hmap_slot *s = &m->slots[i];
        if (s->value && s->hash == hash && str_eq(s->key, key))
            return s;
        if (!s->value && !is_tomb(s))
            return NULL;
    }
}

/* The first free slot of the chain; the map has one. */
static struct hmap_slot *vacancy(const struct hmap *m, uint64_t hash)
{
    size_t mask = m->cap - 1, i = hash & mask;
    while (m->slots[i].value)
        i = (i + 1) & mask;
    return &m->slots[i];
}

static void rehash(struct hmap *m, size_t cap)
{
    struct hmap grown = {.slots = mem_calloc(cap, sizeof *grown.slots), .n = m->n, .cap = cap};
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value)
            *vacancy(&grown, m->slots[i].hash) = m->slots[i];
    mem_free(m->slots);
    *m = grown;
}

/* Make room for one more; leave the table between a quarter and a half full, tombstones swept. */
static void make_room(struct hmap *m)
{
    bool crowded = (m->n + m->tombs + 1) * 4 > m->cap * 3;
    bool oversized = m->cap > FIRST_CAP * 8 && m->n < m->cap / 16;
    if (!crowded && !oversized)
        return;
    size_t cap = FIRST_CAP;
    while (cap < (m->n + 1) * 2)
        cap *= 2;
    rehash(m, cap);
}

void *hmap_get(const struct hmap *m, struct str key)
{
    if (!m->n)
        return NULL;
    struct hmap_slot *s = find(m, key, key_hash(key));
    return s ? s->value : NULL;
}

void *hmap_put(struct hmap *m, struct str key, void *value)
{
    must(value);
    uint64_t hash = key_hash(key);
    struct hmap_slot *s = find(m, key, hash);
    if (s) { /* the old key may die with the old value */
        void *old = s->value;
        s->key = key;
        s->value = value;
        return old;
    }
    make_room(m);
    s = vacancy(m, hash);
    m->tombs -= is_tomb(s);
    *s = (struct hmap_slot){hash, key, value};
    m->n++;
    return NULL;
}

/* A slot was vacated: it and the tombstones before it are free when no chain passes through. */
static void bury(struct hmap *m, size_t i)
{
    size_t mask = m->cap - 1;
    const struct hmap_slot *after = &m->slots[(i + 1) & mask];
    m->slots[i].hash = TOMB;
    m->tombs++;
    if (after->value || is_tomb(after))
        return;
    for (; is_tomb(&m->slots[i]); i = (i - 1) & mask) {
        m->slots[i].hash = 0;
        m->tombs--;
    }
}

void *hmap_del(struct hmap *m, struct str key)
{
    struct hmap_slot *s = m->n ? find(m, key, key_hash(key)) : NULL;
    if (!s)
        return NULL;
    void *old = s->value;
    *s = (struct hmap_slot){0};
    m->n--;
    bury(m, (size_t)(s - m->slots));
    return old;
}

void *hmap_next(const struct hmap *m, size_t *it, struct str *key_or_null)
{
    while (*it < m->cap) {
        const struct hmap_slot *s = &m->slots[(*it)++];
        if (!s->value)
            continue;
        if (key_or_null)
            *key_or_null = s->key;
        return s->value;
    }
    return NULL;
}
