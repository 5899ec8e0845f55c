/* DOC The registry's memory of where users are.
 *
 * An entry is never dropped because it is out of date, only because of the bound: out-of-date rows
 * are worth something while Redis cannot be asked (P6). Whether it may be answered without asking
 * is another matter: reg_cache_current. A lone learned row never makes an entry current, since the
 * truth is a set and a late stanza may speak of a session that ended. */
#include "global-registry/reg-cache-int.h"

void reg_cache_init(struct reg_cache *c, size_t max_entries, uint64_t ttl_ms)
{
    *c = (struct reg_cache){.max = max_entries ? max_entries : 100000,
                            .ttl_us = (ttl_ms ? ttl_ms : 60000) * 1000};
    hmap_init(&c->map);
    list_init(&c->lru);
}

static void entry_free(struct reg_cache *c, struct reg_entry *e)
{
    hmap_del(&c->map, str_make(e->bare, e->bare_n));
    list_del(&e->lru);
    mem_free(e->rows);
    mem_free(e);
}

void reg_cache_fini(struct reg_cache *c)
{
    struct list *n;
    while ((n = list_first(&c->lru)))
        entry_free(c, list_entry(n, struct reg_entry, lru));
    hmap_fini(&c->map);
}

static struct reg_entry *touch(struct reg_cache *c, struct str bare)
{
    struct reg_entry *e = hmap_get(&c->map, bare);
    if (e) {
        list_del(&e->lru);
        list_push(&c->lru, &e->lru);
    }
    return e;
}

static struct reg_entry *obtain(struct reg_cache *c, struct str bare)
{
    struct reg_entry *e = touch(c, bare);
    if (e)
        return e;
    while (hmap_count(&c->map) >= c->max)
        entry_free(c, list_entry(list_first(&c->lru), struct reg_entry, lru));
    e = mem_alloc(sizeof *e + bare.n + 1);
    e->bare_n = bare.n;
    memcpy(e->bare, bare.p, bare.n);
    hmap_put(&c->map, str_make(e->bare, e->bare_n), e);
    list_push(&c->lru, &e->lru);
    return e;
}

const struct reg_entry *reg_cache_get(struct reg_cache *c, struct str bare)
{
    return touch(c, bare);
}

bool reg_cache_current(const struct reg_cache *c, const struct reg_entry *e, uint64_t now_us)
{
    return e && e->complete && e->epoch == c->epoch && now_us < e->expires_us;
}

void reg_cache_put(struct reg_cache *c, struct str bare, const struct reg_row *rows, size_t n,
                   uint64_t now_us)
{
    struct reg_entry *e = obtain(c, bare);
    mem_free(e->rows);
    e->rows = n ? mem_dup(rows, n * sizeof *rows) : NULL;
    e->n = n;
    e->complete = true;
    e->epoch = c->epoch;
    e->expires_us = now_us + (n ? c->ttl_us : c->ttl_us / 10);
}

static struct reg_row *row_of(struct reg_entry *e, const struct reg_row *like)
{
    for (size_t i = 0; i < e->n; i++)
        if (!strcmp(e->rows[i].region, like->region) && !strcmp(e->rows[i].node, like->node))
            return &e->rows[i];
    return NULL;
}

void reg_cache_learn(struct reg_cache *c, struct str bare, const struct reg_row *row)
{
    struct reg_entry *e = obtain(c, bare);
    struct reg_row *have = row_of(e, row);
    if (have && have->incarnation >= row->incarnation)
        return;
    e->complete = false;
    if (have) {
        *have = *row;
        return;
    }
    if (e->n >= REG_ROWS_MAX)
        return;
    e->rows = mem_realloc(e->rows, (e->n + 1) * sizeof *e->rows);
    e->rows[e->n++] = *row;
}

void reg_cache_moved(struct reg_cache *c, struct str bare)
{
    struct reg_entry *e = hmap_get(&c->map, bare);
    if (e)
        e->complete = false;
}

void reg_cache_stale(struct reg_cache *c)
{
    c->epoch++;
}
