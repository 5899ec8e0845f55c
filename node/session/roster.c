/* Rosters in memory and their changes to the store. Source: RFC 6121 section 2. */
#include "node/session/roster.h"

#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/base/siphash.h"
#include "lib/xmpp/xml-parse.h"
#include "node/session/roster-int.h"

enum { PAGE = 100 }; /* of items as large as they may be, it stays below what the store answers */

bool roster_is_loaded(const struct user *u)
{
    return u->roster && u->roster->loaded;
}

void roster_item_set_groups(struct roster_item *it, char **groups_take, size_t n)
{
    for (size_t i = 0; i < it->n_groups; i++)
        mem_free(it->groups[i]);
    mem_free(it->groups);
    it->groups = groups_take;
    it->n_groups = n;
}

void roster_item_free(struct roster_item *it)
{
    roster_item_set_groups(it, NULL, 0);
    mem_free(it->name);
    stanza_unref(&it->pending);
    jid_fini(&it->jid);
    mem_free(it);
}

void roster_free(struct roster **pr)
{
    struct roster *r = *pr;
    *pr = NULL;
    if (!r)
        return;
    struct roster_item *it;
    for (size_t i = 0; (it = hmap_next(&r->items, &i, NULL));)
        roster_item_free(it);
    hmap_fini(&r->items);
    mem_free(r);
}

struct roster_item *roster_find(const struct user *u, struct str bare)
{
    return u->roster ? hmap_get(&u->roster->items, bare) : NULL;
}

bool roster_shows_to(const struct user *u, const struct jid *who)
{
    if (jid_bare_eq(who, &u->bare))
        return true;
    const struct roster_item *it = roster_find(u, who->bare);
    return it && (it->state & SUBS_FROM);
}

static struct roster_item *item_new(struct roster *r, const struct jid *bare)
{
    struct roster_item *it = mem_alloc(sizeof *it);
    struct jid b = jid_to_bare(bare);
    jid_dup_heap(&b, &it->jid);
    hmap_put(&r->items, it->jid.full, it);
    return it;
}

static size_t count_items(const struct roster *r, bool visible)
{
    const struct roster_item *it;
    size_t count = 0;
    for (size_t i = 0; (it = hmap_next(&r->items, &i, NULL));)
        count += it->visible == visible;
    return count;
}

static struct roster_item *get(struct user *u, const struct jid *bare, bool visible, size_t max)
{
    struct roster *r = u->roster;
    struct roster_item *it = roster_find(u, bare->bare);
    if (!it && (hmap_count(&r->items) < max || count_items(r, visible) < max))
        it = item_new(r, bare);
    return it;
}

struct roster_item *roster_get(struct user *u, const struct jid *bare)
{
    return get(u, bare, true, u->shard->tune.roster_max);
}

struct roster_item *roster_get_request(struct user *u, const struct jid *bare)
{
    return get(u, bare, false, ROSTER_REQUESTS_MAX);
}

void roster_item_set_pending(struct roster_item *it, struct stanza *request)
{
    struct buf text; /* its size in the store: namespaces are written out there */
    buf_init(&text, ROSTER_REQUEST_BYTES);
    stanza_write(&text, request, NS_CLIENT);
    stanza_unref(&it->pending);
    if (buf_ok(&text)) {
        it->pending = stanza_ref(request);
    } else {
        struct stanza_build b;
        stanza_build(&b, request->kind, request->type, &request->from, &request->to, STR_NONE);
        it->pending = stanza_finish(&b);
    }
    buf_fini(&text);
}

/* ---- loading */
struct load {
    struct user *user;
    roster_done *done;
    void *ctx;
    struct op op; /* frees this when the user goes */
};

static void load_cancel(struct op *op)
{
    mem_free(container_of(op, struct load, op));
}

static void load_end(struct load *l, enum err e)
{
    roster_done *done = l->done;
    void *ctx = l->ctx;
    if (e == ERR_OK)
        l->user->roster->loaded = true;
    else
        roster_free(&l->user->roster);
    op_end(&l->op);
    mem_free(l);
    done(ctx, e);
}

static void load_more(struct load *l, struct str from);

static void page_read(void *ctx, enum err e, const struct store_entry *entries, size_t n,
                      uint64_t version)
{
    struct load *l = ctx;
    struct roster *r = l->user->roster;
    struct arena *a = arena_new(0);
    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        struct jid j;
        if (hmap_get(&r->items, entries[i].key) || jid_parse(a, entries[i].key, &j, NULL) != ERR_OK)
            continue;
        if (roster_item_parse(item_new(r, &j), entries[i].value) != ERR_OK)
            log_error(NULL, "roster.item.corrupt", "user", l->user->bare.full.p, "item",
                      LOG_STR(entries[i].key));
    }
    r->version = version;
    if (e == ERR_OK && n == PAGE)
        load_more(l, entries[n - 1].key);
    else
        load_end(l, e);
    arena_free(&a);
}

static void load_more(struct load *l, struct str from)
{
    struct user *u = l->user;
    store_map_read(u->shard->store, &u->ops, "roster", u->bare.full, from, PAGE, page_read, l);
}

void roster_load(struct user *u, roster_done *done, void *ctx)
{
    struct load *l = mem_alloc(sizeof *l);
    *l = (struct load){.user = u, .done = done, .ctx = ctx};
    op_start(&l->op, &u->ops, load_cancel);
    roster_free(&u->roster);
    u->roster = mem_alloc(sizeof *u->roster);
    load_more(l, STR(""));
}

/* ---- saving */
struct save {
    struct user *user;
    roster_done *done;
    void *ctx;
    struct op op;
};

static void save_cancel(struct op *op)
{
    mem_free(container_of(op, struct save, op));
}

static void saved(void *ctx, enum err e)
{
    struct save *s = ctx;
    struct user *u = s->user;
    if (e != ERR_OK) {
        log_error(NULL, "roster.save.failed", "user", u->bare.full.p, "why", err_text(e));
        u->roster->loaded = false; /* memory and disk differ: read again */
    } else {
        u->roster->version++;
    }
    op_end(&s->op);
    if (s->done)
        s->done(s->ctx, e);
    mem_free(s);
    user_resume(u);
}

static bool is_void(const struct roster_item *it)
{
    return !it->state && !it->visible && !it->pending;
}

void roster_save(struct user *u, struct roster_item *it, roster_done *done, void *ctx)
{
    struct save *s = mem_alloc(sizeof *s);
    *s = (struct save){.user = u, .done = done, .ctx = ctx};
    op_start(&s->op, &u->ops, save_cancel);
    struct store_txn *t = store_txn_new(u->shard->store, u->bare.full);
    if (is_void(it)) {
        store_txn_map_del(t, "roster", it->jid.full);
        hmap_del(&u->roster->items, it->jid.full);
        roster_item_free(it);
    } else {
        struct buf text;
        buf_init(&text,
                 8 * STORE_VALUE_MAX); /* whole, whatever is escaped: the store refuses more */
        roster_item_format(it, &text);
        store_txn_map_put(t, "roster", it->jid.full, buf_view(&text));
        buf_fini(&text);
    }
    user_pause(u);
    store_commit(&t, &u->ops, saved, s);
}

/* ---- towards clients */
void roster_item_xml(struct arena *a, struct xml *query, const struct roster_item *it, bool removed)
{
    struct xml *el = xml_add(a, query, NS_ROSTER, "item");
    xml_set(a, el, "jid", it->jid.full);
    xml_set(a, el, "subscription", removed ? STR("remove") : str_of(subs_subscription(it->state)));
    if (removed)
        return;
    if (it->state & SUBS_PENDING_OUT)
        xml_set(a, el, "ask", STR("subscribe"));
    if (it->state & SUBS_APPROVED)
        xml_set(a, el, "approved", STR("true"));
    xml_set(a, el, "name", str_of(it->name));
    for (size_t i = 0; i < it->n_groups; i++)
        xml_add_text(a, xml_add(a, el, NS_ROSTER, "group"), str_of(it->groups[i]));
}

struct str roster_ver(struct arena *a, const struct user *u)
{
    const struct roster_item *it;
    uint64_t sum = 0;
    for (size_t i = 0; (it = hmap_next(&u->roster->items, &i, NULL));) {
        if (!it->visible)
            continue;
        struct arena *own = arena_new(0);
        struct buf text;
        struct xml *query = xml_new(own, NS_ROSTER, "query");
        buf_init(&text, 8 * STORE_VALUE_MAX);
        roster_item_xml(own, query, it, false);
        xml_write(&text, query, NS_ROSTER);
        sum += hash_stable(buf_view(&text)); /* in no order: the map has none */
        buf_fini(&text);
        arena_free(&own);
    }
    return arena_printf(a, "%" PRIu64 "-%016" PRIx64, u->roster->version, sum);
}

static bool any_interested(struct user *u)
{
    list_each (&u->sessions, n) {
        if (list_entry(n, struct session, link)->interested)
            return true;
    }
    return false;
}

void roster_push(struct user *u, const struct roster_item *it, bool removed)
{
    if (!any_interested(u))
        return;
    struct arena *a = arena_new(0);
    struct str ver = roster_ver(a, u);
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (!ss->interested)
            continue;
        char id[RAND_ID_LEN + 1];
        struct stanza_build b;
        stanza_build(&b, STANZA_IQ, IQ_SET, &u->bare, &ss->full, str_of(rand_id(id)));
        struct xml *query = xml_add(b.arena, b.el, NS_ROSTER, "query");
        xml_set(b.arena, query, "ver", ver);
        roster_item_xml(b.arena, query, it, removed);
        session_write(ss, stanza_finish(&b), NULL, true, 0);
    }
    arena_free(&a);
}
