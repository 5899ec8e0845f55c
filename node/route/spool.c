/* DOC: acknowledged because it is stored, not because it is in custody. What waits is kept in a
 * list for each kind of wait, in the order of its time; one timer looks at the heads. Nothing is
 * written of what gets its custody in time, which is nearly everything. A write that failed, or of
 * which is not known whether it happened, is repeated under the same name; so is a removal. Until
 * it is known to be stored nothing is acknowledged: with the store gone, whoever sent it keeps it.
 * Standards: XEP-0198 section 4, XEP-0334. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/xmpp/hints.h"
#include "node/route/spool-int.h"

enum {
    LOOK_MS = 500,
    AGAIN_MAX = 1000,       /* entries tried again at once */
    SPOOL_SERVER_MS = 2000, /* many wait behind it, and the other server keeps all of them */
    SPOOL_SESSION_MS = 4000,
    SPOOL_USER_MS = 6000,
    SPOOL_FROM_MS = 8000,
    SPOOL_CLIENT_MS = 10000
};
static const uint64_t waits_ms[SPOOL_WAITS] = {
    [SPOOL_SERVER] = SPOOL_SERVER_MS, [SPOOL_SESSION] = SPOOL_SESSION_MS,
    [SPOOL_USER] = SPOOL_USER_MS,     [SPOOL_FROM] = SPOOL_FROM_MS,
    [SPOOL_CLIENT] = SPOOL_CLIENT_MS,
};

struct spool_entry {
    struct list link; /* spool.entries */
    struct spool *spool;
    struct spooled *of; /* NULL: its custody came, it leaves */
    unsigned n;         /* rows */
    bool is_asked;      /* the store has yet to answer */
    bool is_stored;
    char owner[SPOOL_OWNER_MAX];
};
struct spool {
    struct node_shard *sh;
    struct op_owner ops;
    struct list young[SPOOL_WAITS]; /* struct spooled */
    struct list entries;
    struct timer look, again;
    uint64_t last;
    size_t stored; /* stanzas */
};

size_t spool_stored(const struct spool *s)
{
    return s ? s->stored : 0;
}

/* ---- leaving the store */
static void entry_free(struct spool_entry *e)
{
    list_del(&e->link);
    e->spool->stored -= e->n;
    mem_free(e);
}

struct op *spool_remove(struct node_shard *sh, struct op_owner *o, const char *owner, unsigned n,
                        store_done_cb *cb, void *ctx)
{
    char key[SPOOL_KEY_MAX];
    struct store_txn *t = store_txn_new(sh->store, str_of(owner));
    for (unsigned i = 0; i < n; i++)
        store_txn_kv_del(t, SPOOL_TABLE, spool_key(key, i), STORE_REV_ANY);
    return store_commit(&t, o, cb, ctx);
}

/* True for the first that failed: one line for all of a second. */
static bool try_again(struct spool *s)
{
    if (timer_running(&s->again))
        return false;
    timer_start(&s->again, SPOOL_AGAIN_MS);
    return true;
}

static void on_removed(void *ctx, enum err err)
{
    struct spool_entry *e = ctx;
    e->is_asked = false;
    if (err == ERR_OK)
        entry_free(e);
    else if (try_again(e->spool))
        log_error(NULL, "spool.remove.failed", "why", err_text(err));
}

static void entry_remove(struct spool_entry *e)
{
    e->is_asked = true;
    (void)spool_remove(e->spool->sh, &e->spool->ops, e->owner, e->n, on_removed, e);
}

/* ---- into it */
static void items_free(struct spooled *sp)
{
    for (unsigned i = 0; i < sp->n; i++)
        stanza_unref(&sp->items[i].stanza);
    sp->n = 0;
}

static void on_stored(void *ctx, enum err err)
{
    struct spool_entry *e = ctx;
    struct spooled *sp = e->of;
    e->is_asked = false;
    if (!sp) {
        entry_remove(e);
        return;
    }
    if (err != ERR_OK) {
        if (try_again(e->spool))
            log_error(NULL, "spool.store.failed", "why", err_text(err));
        return;
    }
    e->is_stored = true;
    items_free(sp);
    sp->safe(sp);
}

/* False: no room in a value; it goes without. */
static bool put_item(struct store_txn *t, unsigned i, const struct spool_item *it, uint64_t at_us)
{
    char key[SPOOL_KEY_MAX];
    struct buf text;
    buf_init(&text, STORE_VALUE_MAX);
    buf_printf(&text, "%s %s %" PRIu64 "\n", spool_sources[it->source], it->trace, at_us);
    stanza_write(&text, it->stanza, NS_CLIENT);
    const bool fits = buf_ok(&text);
    if (fits)
        store_txn_kv_put(t, SPOOL_TABLE, spool_key(key, i), buf_view(&text), STORE_REV_ANY);
    buf_fini(&text);
    return fits;
}

static void entry_store(struct spool_entry *e)
{
    struct spooled *sp = e->of;
    struct spool *s = e->spool;
    struct store_txn *t = store_txn_new(s->sh->store, str_of(e->owner));
    uint64_t at_us = clock_wall_us() - (loop_now_us(s->sh->loop) - sp->since_us);
    s->stored -= e->n;
    e->n = 0;
    for (unsigned i = 0; i < sp->n; i++) {
        if (put_item(t, e->n, &sp->items[i], at_us))
            e->n++;
        else
            log_error(NULL, "spool.too-large", "trace", sp->items[i].trace);
    }
    s->stored += e->n;
    e->is_asked = true;
    (void)store_commit(&t, &s->ops, on_stored, e);
}

static struct spool_entry *entry_new(struct spool *s, struct spooled *sp)
{
    struct spool_entry *e = mem_alloc(sizeof *e);
    *e = (struct spool_entry){.spool = s, .of = sp};
    snprintf(e->owner, sizeof e->owner, "%s %016" PRIx64 " %04x %016" PRIx64, spool_node(s->sh),
             s->sh->node->incarnation, s->sh->index, ++s->last);
    list_push(&s->entries, &e->link);
    sp->entry = e;
    return e;
}

void spool_now(struct spooled *sp)
{
    struct spool *s = sp->sh->spool;
    if (sp->entry || !list_linked(&sp->link) || !s)
        return;
    list_del(&sp->link);
    if (sp->n)
        entry_store(entry_new(s, sp));
    else
        sp->safe(sp);
}

/* ---- waiting */
/* Of many, some: they fail together, and stand in the order of their age. */
static void on_again(void *ctx)
{
    struct spool *s = ctx;
    unsigned asked = 0;
    list_each (&s->entries, n) {
        struct spool_entry *e = list_entry(n, struct spool_entry, link);
        if (e->is_asked || (e->of && e->is_stored))
            continue;
        if (asked++ == AGAIN_MAX) {
            timer_start(&s->again, LOOK_MS);
            break;
        }
        if (e->of)
            entry_store(e);
        else
            entry_remove(e);
    }
}

static bool is_any_young(const struct spool *s)
{
    for (size_t i = 0; i < SPOOL_WAITS; i++)
        if (!list_empty(&s->young[i]))
            return true;
    return false;
}

static void on_look(void *ctx)
{
    struct spool *s = ctx;
    uint64_t now = loop_now_us(s->sh->loop);
    struct list *n;
    for (size_t i = 0; i < SPOOL_WAITS; i++)
        while ((n = list_first(&s->young[i]))) {
            struct spooled *sp = list_entry(n, struct spooled, link);
            if (now - sp->since_us < waits_ms[i] * 1000)
                break;
            spool_now(sp);
        }
    if (is_any_young(s))
        timer_start(&s->look, LOOK_MS);
}

void spool_watch(struct spooled *sp, struct node_shard *sh, enum spool_wait wait,
                 struct spool_item *items, void (*safe)(struct spooled *sp))
{
    struct spool *s = sh->spool;
    sp->sh = sh;
    sp->since_us = loop_now_us(sh->loop);
    sp->n = 0;
    sp->items = items;
    sp->entry = NULL;
    sp->safe = safe;
    list_init(&sp->link);
    if (!s)
        return;
    list_push(&s->young[wait], &sp->link);
    if (!timer_running(&s->look))
        timer_start(&s->look, LOOK_MS);
}

/* Whoever says that a message must not be stored, not even for a time (XEP-0334), or writes what is
 * worth nothing later, takes it on himself. */
static bool is_worth_it(const struct stanza *s)
{
    if (s->kind == STANZA_MESSAGE)
        return !hints_has(s, "no-store") && (!hints_is_fleeting(s) || hints_has(s, "store"));
    return s->kind != STANZA_PRESENCE || s->type == PRES_SUBSCRIBE || s->type == PRES_SUBSCRIBED ||
           s->type == PRES_UNSUBSCRIBE || s->type == PRES_UNSUBSCRIBED;
}

void spool_add(struct spooled *sp, struct stanza *s, enum route_source source, const char *trace)
{
    if (!is_worth_it(s))
        return;
    struct spool_item *it = &sp->items[sp->n++];
    it->stanza = stanza_ref(s);
    it->source = source;
    memcpy(it->trace, trace, sizeof it->trace);
}

void spool_end(struct spooled *sp)
{
    struct spool_entry *e = sp->entry;
    spool_forget(sp);
    if (e && !e->is_asked)
        entry_remove(e);
}

void spool_forget(struct spooled *sp)
{
    list_del(&sp->link);
    items_free(sp);
    if (sp->entry)
        sp->entry->of = NULL;
    sp->entry = NULL;
}

/* ---- life */
struct spool *spool_new(struct node_shard *sh)
{
    struct spool *s = mem_alloc(sizeof *s);
    s->sh = sh;
    op_owner_init(&s->ops);
    for (size_t i = 0; i < SPOOL_WAITS; i++)
        list_init(&s->young[i]);
    list_init(&s->entries);
    timer_init(&s->look, sh->loop, on_look, s);
    timer_init(&s->again, sh->loop, on_again, s);
    return s;
}

void spool_free(struct spool **ps)
{
    struct spool *s = *ps;
    struct list *n;
    *ps = NULL;
    if (!s)
        return;
    op_owner_cancel_all(&s->ops);
    timer_stop(&s->look);
    timer_stop(&s->again);
    for (size_t i = 0; i < SPOOL_WAITS; i++)
        while (list_shift(&s->young[i]))
            ;
    while ((n = list_first(&s->entries))) {
        struct spool_entry *e = list_entry(n, struct spool_entry, link);
        if (e->of)
            e->of->entry = NULL;
        entry_free(e);
    }
    mem_free(s);
}
