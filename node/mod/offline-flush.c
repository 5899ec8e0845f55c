/* DOC: what is stored goes to the first session that becomes available, and is removed from the
 * store when somebody else answers for it.
 *
 * A flush reads a page and writes its records to the session, each with a custody of its own. A
 * custody is released when the client acknowledged the message (stream management), when it was
 * written out (without), or when it came back. What is released from the front of the page on is
 * trimmed, at most once in TRIM_MS, and the next page is read when this one is. What comes back
 * because the session ended stays in the store, where it has its place, and is written again from
 * there; newer messages go behind it. So a node that dies in the middle gives again only what was
 * not released, or was in the last moments, as it was stored: with the same stanza-id. One flush
 * runs at a time for a user. The hook run that started it is parked until everything older was
 * written, so that newer messages come after it; when the session goes meanwhile the run is let go,
 * because what comes back from the session waits behind it.
 *
 * While members of the own region disagree who is a user's anchor, another node may store a message
 * for somebody who is online here: when one came or went, all who are online are flushed again,
 * once the others must have seen it too. Standards: XEP-0160 section 3, XEP-0198 section 4. */
#include "lib/base/log.h"
#include "node/mod/mods.h"
#include "node/mod/offline.h"
#include "node/session/user.h"

enum {
    PAGE = 100,
    PAGE_BYTES = 256 * 1024,
    WATCH_MS = 200,
    TRIM_MS = 20,
    AGAIN_BEATS = 3, /* of the registry, until all members have seen one come or go */
    AGAIN_USERS = 200,
    AGAIN_MS = 50, /* that many users at a time, so far apart */
};

struct record { /* custody of one message of a page */
    struct custody custody;
    struct page *page;
    uint64_t seq;
    bool is_released, stays; /* stays: it came back, and is to be written again */
    char id[33];             /* as in the store, "" if that is longer */
};
struct page {
    struct refs refs; /* the flush, and each record that is not released */
    struct node_shard *sh;
    handle flush;
    size_t n;
    size_t open;     /* not released yet */
    size_t released; /* the first so many are, and do not stay */
    bool has_stays;
    struct record records[];
};
static void flush_read(struct mod_offline_flush *f);
static void flush_trim(void *ctx);

/* ---- its end */
static void flush_unpark(struct mod_offline_flush *f)
{
    handle parked = f->parked;
    f->parked = 0;
    timer_stop(&f->watch);
    if (parked)
        hook_resume(f->user->shard, parked, V_PASS);
}

static void page_drop(struct page **pp)
{
    struct page *p = *pp;
    *pp = NULL;
    if (p && refs_put(&p->refs))
        mem_free(p);
}

static void flush_end(struct mod_offline_flush *f)
{
    struct user *u = f->user;
    flush_unpark(f);
    timer_stop(&f->trim);
    page_drop(&f->page);
    handle_free(u->shard->handles, f->h);
    f->h = 0;
    user_release(&u);
}

static void flush_watch(void *ctx)
{
    struct mod_offline_flush *f = ctx;
    if (session_by_handle(f->user->shard, f->target))
        timer_start(&f->watch, WATCH_MS);
    else
        flush_unpark(f);
}

/* ---- what came back */
struct str mod_offline_stanza_id(const struct user *u, const struct stanza *s)
{
    xml_each(s->el, n)
    {
        if (xml_is(n->el, NS_SID, "stanza-id") && str_eq(xml_get(n->el, "by"), u->bare.full))
            return xml_get(n->el, "id");
    }
    return STR_NONE;
}

bool mod_offline_came_back(struct user *u, const struct route *r)
{
    struct mod_offline_flush *f = module_user_slot(u, &mod_offline);
    if (r->source != ROUTE_RETURNED || !f->h || !f->page)
        return false;
    struct str id = mod_offline_stanza_id(u, r->stanza);
    for (size_t i = f->page->released; id.n && i < f->page->n; i++) {
        struct record *rec = &f->page->records[i];
        if (rec->is_released || !str_eqc(id, rec->id))
            continue;
        rec->stays = f->page->has_stays = true;
        return true;
    }
    return false;
}

bool mod_offline_is_behind(struct user *u)
{
    struct mod_offline_flush *f = module_user_slot(u, &mod_offline);
    if (!f->h || !f->page || !f->page->has_stays)
        return false;
    f->again = true;
    return true;
}

/* ---- removing what others answer for */
static void page_end(struct mod_offline_flush *f)
{
    bool is_last = f->is_last && !f->again && !f->page->has_stays;
    if (f->page->has_stays)
        flush_unpark(f);
    page_drop(&f->page);
    if (is_last) {
        flush_end(f);
        return;
    }
    f->again = false;
    flush_read(f);
}

/* What is to be done about the page, if no trim runs. */
static void flush_look(struct mod_offline_flush *f)
{
    struct page *p = f->page;
    if (f->is_trimming)
        return;
    if (p->released > f->trimmed && !p->open)
        flush_trim(f);
    else if (p->released > f->trimmed && !timer_running(&f->trim))
        timer_start(&f->trim, TRIM_MS);
    else if (!p->open && p->released == f->trimmed)
        page_end(f);
}

static void flush_trimmed(void *ctx, enum err e)
{
    struct mod_offline_flush *f = ctx;
    f->is_trimming = false;
    if (e != ERR_OK) {
        log_error(NULL, "offline.trim.failed", "user", LOG_STR(f->user->bare.full), "why",
                  err_text(e));
        flush_end(f);
    } else {
        flush_look(f);
    }
}

static void flush_trim(void *ctx)
{
    struct mod_offline_flush *f = ctx;
    struct node_shard *sh = f->user->shard;
    struct store_txn *t = store_txn_new(sh->store, f->user->bare.full);
    timer_stop(&f->trim);
    f->is_trimming = true;
    f->trimmed = f->page->released;
    store_txn_log_trim(t, OFFLINE_TABLE, f->page->records[f->trimmed - 1].seq);
    store_commit(&t, &f->user->ops, flush_trimmed, f);
}

static void record_lost(void *ctx)
{
    struct page *p = ((struct record *)ctx)->page;
    page_drop(&p);
}

static void record_released(struct node_shard *sh, void *ctx)
{
    struct record *r = ctx;
    struct page *p = r->page;
    struct mod_offline_flush *f = handle_get(sh->handles, p->flush);
    r->is_released = true;
    p->open--;
    while (p->released < p->n && p->records[p->released].is_released &&
           !p->records[p->released].stays)
        p->released++;
    if (f && f->page == p)
        flush_look(f);
    page_drop(&p);
}

static void record_release(struct custody *c)
{
    struct record *r = container_of(c, struct record, custody);
    node_post(r->page->sh, record_released, record_lost, r);
}

/* ---- writing */
static bool takes_messages(const struct session *ss)
{
    return ss->presence && ss->priority >= 0 && !ss->is_leaving;
}

static struct session *any_target(struct user *u)
{
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (takes_messages(ss))
            return ss;
    }
    return NULL;
}

static struct session *flush_target(struct mod_offline_flush *f)
{
    struct session *ss = session_by_handle(f->user->shard, f->target);
    if (!ss || !takes_messages(ss))
        ss = any_target(f->user);
    f->target = ss ? ss->h : 0;
    return ss;
}

static struct page *page_new(struct mod_offline_flush *f, size_t n)
{
    struct page *p = mem_alloc(sizeof *p + n * sizeof p->records[0]);
    refs_init(&p->refs);
    p->sh = f->user->shard;
    p->flush = f->h;
    p->n = p->open = n;
    f->page = p;
    f->trimmed = 0;
    return p;
}

static struct custody *record_begin(struct page *p, size_t i, const struct store_record *from)
{
    struct record *r = &p->records[i];
    refs_get(&p->refs);
    refs_init(&r->custody.refs);
    r->custody.release = record_release;
    r->page = p;
    r->seq = from->seq;
    snprintf(r->id, sizeof r->id, STR_FMT, STR_ARG(from->id.n < sizeof r->id ? from->id : STR("")));
    return &r->custody;
}

static void record_write(struct mod_offline_flush *f, struct session *ss,
                         const struct store_record *r, struct custody *own)
{
    struct stanza *s;
    if (stanza_parse(r->payload, &s) != ERR_OK) {
        log_error(NULL, "offline.record.corrupt", "user", LOG_STR(f->user->bare.full), "id",
                  LOG_STR(r->id));
        custody_unref(&own);
        return;
    }
    f->user->shard->stats.offline_flushed++;
    session_write(ss, s, own, false, 0);
}

static void page_write(struct mod_offline_flush *f, struct session *ss,
                       const struct store_record *r, size_t n)
{
    size_t bytes = 0, fits = 0;
    while (fits < n && bytes < PAGE_BYTES)
        bytes += r[fits++].payload.n;
    f->is_last = fits == n && n < PAGE;
    struct page *p = page_new(f, fits);
    for (size_t i = 0; i < fits; i++)
        record_write(f, ss, &r[i], record_begin(p, i, &r[i]));
}

static void flush_page(void *ctx, enum err e, const struct store_record *r, size_t n)
{
    struct mod_offline_flush *f = ctx;
    struct session *ss = e == ERR_OK && n ? flush_target(f) : NULL;
    if (e != ERR_OK)
        log_error(NULL, "offline.read.failed", "user", LOG_STR(f->user->bare.full), "why",
                  err_text(e));
    if (!ss) {
        flush_end(f);
        return;
    }
    page_write(f, ss, r, n);
    if (f->is_last)
        flush_unpark(f);
    else if (f->parked && !timer_running(&f->watch))
        timer_start(&f->watch, WATCH_MS);
}

static void flush_read(struct mod_offline_flush *f)
{
    const struct store_log_range range = {.limit = PAGE};
    struct user *u = f->user;
    store_log_read(u->shard->store, &u->ops, OFFLINE_TABLE, u->bare.full, &range, flush_page, f);
}

/* ---- its beginning */
static void flush_begin(struct mod_offline_flush *f, struct user *u, handle target, handle parked)
{
    *f = (struct mod_offline_flush){.user = u, .target = target, .parked = parked};
    f->h = handle_new(u->shard->handles, f);
    timer_init(&f->watch, u->shard->loop, flush_watch, f);
    timer_init(&f->trim, u->shard->loop, flush_trim, f);
    user_hold(u);
    flush_read(f);
}

enum verdict mod_offline_available(struct hook_run *run, struct session_event *ev)
{
    struct mod_offline_flush *f = module_user_slot(ev->user, &mod_offline);
    if (f->h) {
        f->again = true;
        return V_PASS;
    }
    flush_begin(f, ev->user, ev->session->h, hook_wait(run));
    return V_WAIT;
}

void mod_offline_user_gone(struct user *u, void *slot)
{
    struct mod_offline_flush *f = slot;
    if (!f->h)
        return;
    timer_stop(&f->watch);
    timer_stop(&f->trim);
    page_drop(&f->page);
    handle_free(u->shard->handles, f->h);
    f->h = 0;
}

/* ---- once more for all who are online, when a member of the region came or went */
static void again_one(struct node_shard *sh, const char *bare)
{
    struct user *u = user_find(sh, str_of(bare));
    const struct session *ss = u ? any_target(u) : NULL;
    if (!ss)
        return;
    struct mod_offline_flush *f = module_user_slot(u, &mod_offline);
    if (f->h)
        f->again = true;
    else
        flush_begin(f, u, ss->h, 0);
}

static void again_some(void *ctx)
{
    struct mod_offline_again *a = ctx;
    for (size_t i = 0; i < AGAIN_USERS && a->names.n; i++) {
        char *name = a->names.p[--a->names.n];
        again_one(a->sh, name);
        mem_free(name);
    }
    if (a->names.n)
        timer_start(&a->timer, AGAIN_MS);
}

static void names_clear(struct mod_offline_again *a)
{
    for (size_t i = 0; i < a->names.n; i++)
        mem_free(a->names.p[i]);
    a->names.n = 0;
}

static void again_begin(void *ctx)
{
    struct mod_offline_again *a = ctx;
    struct user *u;
    for (size_t it = 0; (u = hmap_next(&a->sh->users, &it, NULL));)
        if (any_target(u))
            vec_push(&a->names, str_dup(u->bare.full));
    a->timer.fn = again_some;
    again_some(a);
}

void mod_offline_region_changed(struct node_shard *sh, void *state)
{
    struct mod_offline_again *a = state;
    names_clear(a); /* what was not looked at yet is looked at then */
    timer_stop(&a->timer);
    timer_init(&a->timer, sh->loop, again_begin, a);
    timer_start(&a->timer, AGAIN_BEATS * sh->node->conf->registry_beat_ms);
}

enum err mod_offline_init(struct node_shard *sh, void *state)
{
    struct mod_offline_again *a = state;
    a->sh = sh;
    timer_init(&a->timer, sh->loop, again_begin, a);
    return ERR_OK;
}

void mod_offline_fini(struct node_shard *sh, void *state)
{
    struct mod_offline_again *a = state;
    (void)sh;
    timer_stop(&a->timer);
    names_clear(a);
    vec_fini(&a->names);
}
