/* dns-cache: answers and failures by (name, type) until their TTL is over; answers with records a
 * day longer, for when no server speaks. Bounded in entries and bytes: the least recently used goes
 * first. One per loop. Negative answers: RFC 2308 sections 5 and 7; stale ones: RFC 8767. */
#include "dns/dns-int.h"
#include "lib/base/hmap.h"
#include "lib/base/log.h"

struct entry {
    struct list used; /* in cache.used */
    struct dns_held *held;
    uint64_t serve_until_us; /* although it has expired */
    unsigned hits;
    bool is_told_due;
    size_t bytes, key_n;
    char key[DNS_KEY_MAX];
};

struct dns_cache {
    struct hmap entries;
    struct list used; /* most recently used first */
    size_t max_entries, max_bytes, bytes;
};

/* ---- held answers */

struct dns_held *dns_held_new(void)
{
    struct dns_held *h = mem_alloc(sizeof *h);
    h->refs = 1;
    h->arena = arena_new(0);
    return h;
}

struct dns_held *dns_held_ref(struct dns_held *h)
{
    must(h->refs > 0);
    h->refs++;
    return h;
}

void dns_held_unref(struct dns_held **ph)
{
    struct dns_held *h = *ph;
    *ph = NULL;
    if (!h)
        return;
    must(h->refs > 0);
    if (--h->refs > 0)
        return;
    arena_free(&h->arena);
    mem_free(h);
}

/* ---- cache */

struct str dns_key(char out[DNS_KEY_MAX], const char *name, enum dns_type type)
{
    int n = snprintf(out, DNS_KEY_MAX, "%u %s", (unsigned)type & 0xffff, name);
    must(n > 0 && n < DNS_KEY_MAX);
    return str_make(out, (size_t)n);
}

struct dns_cache *dns_cache_new(size_t max_entries, size_t max_bytes)
{
    struct dns_cache *c = mem_alloc(sizeof *c);
    hmap_init(&c->entries);
    list_init(&c->used);
    c->max_entries = max_entries;
    c->max_bytes = max_bytes;
    return c;
}

static void entry_drop(struct dns_cache *c, struct entry *e)
{
    hmap_del(&c->entries, str_make(e->key, e->key_n));
    list_del(&e->used);
    c->bytes -= e->bytes;
    dns_held_unref(&e->held);
    mem_free(e);
}

void dns_cache_free(struct dns_cache **pc)
{
    struct dns_cache *c = *pc;
    *pc = NULL;
    if (!c)
        return;
    for (struct list *n; (n = list_first(&c->used));)
        entry_drop(c, list_entry(n, struct entry, used));
    hmap_fini(&c->entries);
    mem_free(c);
}

static bool may_be_stale(const struct entry *e, enum dns_type type, uint64_t now_us)
{
    return e->held->a.status == ERR_OK && type != DNS_TLSA &&
           now_us < e->held->expires_us + (uint64_t)DNS_STALE_MAX * 1000000;
}

/* NULL: unknown, or of no use any more. */
static struct entry *entry_find(struct dns_cache *c, const char *name, enum dns_type type,
                                uint64_t now_us)
{
    char key[DNS_KEY_MAX];
    struct entry *e = hmap_get(&c->entries, dns_key(key, name, type));
    if (!e || e->held->expires_us > now_us || may_be_stale(e, type, now_us))
        return e;
    entry_drop(c, e);
    return NULL;
}

static bool is_due(const struct entry *e, uint64_t now_us)
{
    uint64_t life_us = (uint64_t)e->held->a.ttl * 1000000;
    return e->held->a.status == ERR_OK && e->hits > DNS_REFRESH_HITS && !e->is_told_due &&
           e->held->expires_us > now_us &&
           e->held->expires_us - now_us <= life_us / DNS_REFRESH_PART;
}

struct dns_held *dns_cache_get(struct dns_cache *c, const char *name, enum dns_type type,
                               uint64_t now_us, bool *due)
{
    struct entry *e = entry_find(c, name, type, now_us);
    *due = false;
    if (!e || (e->held->expires_us <= now_us && e->serve_until_us <= now_us))
        return NULL;
    e->hits++;
    *due = is_due(e, now_us);
    e->is_told_due = e->is_told_due || *due;
    list_del(&e->used);
    list_unshift(&c->used, &e->used);
    return e->held;
}

struct dns_held *dns_cache_stale(struct dns_cache *c, const char *name, enum dns_type type,
                                 uint64_t now_us)
{
    const struct entry *e = entry_find(c, name, type, now_us);
    return e && e->held->expires_us <= now_us ? e->held : NULL;
}

struct dns_held *dns_cache_serve_stale(struct dns_cache *c, const char *name, enum dns_type type,
                                       uint64_t now_us)
{
    struct entry *e = entry_find(c, name, type, now_us);
    if (!e || e->held->expires_us > now_us)
        return NULL;
    if (!e->serve_until_us)
        log_info(NULL, "dns.stale", "name", name);
    e->serve_until_us = now_us + (uint64_t)DNS_TTL_STALE * 1000000;
    return e->held;
}

static uint32_t clamp(uint32_t ttl, uint32_t min, uint32_t max)
{
    return ttl < min ? min : ttl > max ? max : ttl;
}

static bool is_failure(enum err status)
{
    return status != ERR_OK && status != ERR_DNS_NXDOMAIN && status != ERR_DNS_NODATA;
}

static uint32_t clamped_ttl(const struct dns_answer *a)
{
    if (a->status == ERR_OK)
        return clamp(a->ttl, DNS_TTL_MIN, DNS_TTL_MAX);
    return is_failure(a->status) ? DNS_TTL_FAILURE : clamp(a->ttl, 0, DNS_TTL_NEGATIVE_MAX);
}

void dns_cache_put(struct dns_cache *c, const char *name, enum dns_type type, struct dns_held *h,
                   uint64_t now_us)
{
    struct entry *e = entry_find(c, name, type, now_us);
    h->a.ttl = clamped_ttl(&h->a);
    h->expires_us = now_us + (uint64_t)h->a.ttl * 1000000;
    if (e && is_failure(h->a.status) && !is_failure(e->held->a.status) &&
        e->held->expires_us > now_us)
        return;
    if (e)
        entry_drop(c, e);
    if (h->a.ttl == 0)
        return;
    e = mem_alloc(sizeof *e);
    e->held = dns_held_ref(h);
    e->bytes = sizeof *e + sizeof *h + arena_used(h->arena);
    struct str k = dns_key(e->key, name, type);
    e->key_n = k.n;
    hmap_put(&c->entries, k, e);
    list_unshift(&c->used, &e->used);
    c->bytes += e->bytes;
    while (hmap_count(&c->entries) > c->max_entries || c->bytes > c->max_bytes)
        entry_drop(c, list_entry(c->used.prev, struct entry, used));
}

size_t dns_cache_count(const struct dns_cache *c)
{
    return hmap_count(&c->entries);
}
