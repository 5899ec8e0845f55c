/* DOC: messages for a user whom nobody can take: stored under the trace of their journey (a message
 * resent on its way is stored once), written to the first session that becomes available, removed
 * from the store only when they have left our memory for the client.
 *
 * A flush reads a page, writes it to the session with one custody that all its messages share, and
 * trims the store when the last of them released it: written out, taken by another session, or
 * stored again (then under a new trace, behind the page, so the trim does not hit it). One flush
 * runs at a time for a user. The hook run that started it is parked until everything older was
 * written, so that newer messages come after it; when the session goes meanwhile the run is let go,
 * because what comes back from the session waits behind it.
 * Standards: XEP-0160, XEP-0203, XEP-0334 (no-store, store), RFC 6121 section 8.5.2.2. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/xmpp/delay.h"
#include "lib/xmpp/hints.h"
#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"
#include "node/session/user.h"

XEP("0160", "1.0.1", COMPLETE);
XEP("0203", "2.0", COMPLETE);
XEP("0334", "1.0.0", COMPLETE);

#define TABLE "offline"
enum { PAGE = 100, PAGE_BYTES = 256 * 1024, WATCH_MS = 200 };

/* ---- storing */
struct keep {
    struct op op; /* on the user */
    struct user *user;
    handle parked;
    struct stanza *stanza;
    char trace[33];
};

static void keep_free(struct keep *k)
{
    stanza_unref(&k->stanza);
    mem_free(k);
}

static void keep_cancel(struct op *op)
{
    keep_free(container_of(op, struct keep, op));
}

static void keep_end(struct keep *k, enum verdict v)
{
    struct node_shard *sh = k->user->shard;
    handle parked = k->parked;
    op_end(&k->op);
    keep_free(k);
    hook_resume(sh, parked, v);
}

static void keep_stored(void *ctx, enum err e)
{
    struct keep *k = ctx;
    if (e == ERR_OK)
        k->user->shard->stats.offline_stored++;
    else if (e != ERR_EXISTS)
        log_error(NULL, "offline.store.failed", "trace", k->trace, "why", err_text(e));
    keep_end(k, e == ERR_OK || e == ERR_EXISTS ? V_STOP : V_BOUNCE);
}

static void keep_counted(void *ctx, enum err e, uint64_t count, uint64_t bytes)
{
    struct keep *k = ctx;
    struct user *u = k->user;
    (void)bytes;
    if (e != ERR_OK || count >= u->shard->tune.offline_max) {
        log_info(NULL, "offline.refused", "user", LOG_STR(u->bare.full), "why",
                 e == ERR_OK ? "full" : err_text(e));
        keep_end(k, V_BOUNCE);
        return;
    }
    struct buf text;
    buf_init(&text, STORE_VALUE_MAX);
    stanza_write(&text, k->stanza, NS_CLIENT);
    if (!buf_ok(&text)) {
        keep_end(k, V_BOUNCE);
    } else {
        struct str from = k->stanza->from.bare;
        struct store_txn *t = store_txn_new(u->shard->store, u->bare.full);
        store_txn_log_append(t, TABLE, str_of(k->trace), clock_wall_us(), from.p ? from : STR(""),
                             buf_view(&text));
        store_commit(&t, &u->ops, keep_stored, k);
    }
    buf_fini(&text);
}

enum worth { WORTH_NOTHING, WORTH_KEEPING, WORTH_BOUNCING };

static enum worth worth_of(const struct stanza *s)
{
    if (hints_is_fleeting(s) && !hints_has(s, "store"))
        return WORTH_NOTHING;
    return hints_has(s, "no-store") ? WORTH_BOUNCING : WORTH_KEEPING;
}

static enum verdict on_unreachable(struct hook_run *run, struct user_stanza *us)
{
    struct user *u = us->user;
    struct stanza *s = us->route->stanza;
    switch (worth_of(s)) {
    case WORTH_NOTHING:
        return V_DROP;
    case WORTH_BOUNCING:
        return V_PASS;
    case WORTH_KEEPING:
        break;
    }
    struct keep *k = mem_alloc(sizeof *k);
    *k = (struct keep){.user = u,
                       .parked = hook_wait(run),
                       .stanza = delay_stamp(s, u->bare.domain, clock_wall_us())};
    str_put(k->trace, sizeof k->trace, us->route->trace);
    op_start(&k->op, &u->ops, keep_cancel);
    store_log_count(u->shard->store, &u->ops, TABLE, u->bare.full, keep_counted, k);
    run->bounce = STANZA_SERVICE_UNAVAILABLE;
    return V_WAIT;
}

/* ---- flushing */
struct flush { /* slot of the user */
    struct user *user;
    handle h;      /* 0 = none runs */
    handle target; /* the session written to */
    handle parked; /* the hook run that waits; 0 = it goes on already */
    bool again;    /* another session became available meanwhile */
    bool is_last;  /* nothing is behind the page that was written */
    uint64_t upto; /* last record of it */
    struct timer watch;
};
struct page { /* custody of what was written of one page */
    struct custody custody;
    struct node_shard *sh;
    handle flush;
};

static void flush_read(struct flush *f);

static void flush_unpark(struct flush *f)
{
    handle parked = f->parked;
    f->parked = 0;
    timer_stop(&f->watch);
    if (parked)
        hook_resume(f->user->shard, parked, V_PASS);
}

static void flush_end(struct flush *f)
{
    struct user *u = f->user;
    flush_unpark(f);
    handle_free(u->shard->handles, f->h);
    f->h = 0;
    user_release(&u);
}

static void flush_watch(void *ctx)
{
    struct flush *f = ctx;
    if (session_by_handle(f->user->shard, f->target))
        timer_start(&f->watch, WATCH_MS);
    else
        flush_unpark(f);
}

static void flush_trimmed(void *ctx, enum err e)
{
    struct flush *f = ctx;
    if (e != ERR_OK)
        log_error(NULL, "offline.trim.failed", "user", LOG_STR(f->user->bare.full), "why",
                  err_text(e));
    if (e != ERR_OK || (f->is_last && !f->again)) {
        flush_end(f);
        return;
    }
    f->again = false;
    flush_read(f);
}

static void page_released(struct node_shard *sh, void *ctx)
{
    struct page *p = ctx;
    struct flush *f = handle_get(sh->handles, p->flush);
    mem_free(p);
    if (!f)
        return;
    struct store_txn *t = store_txn_new(sh->store, f->user->bare.full);
    store_txn_log_trim(t, TABLE, f->upto);
    store_commit(&t, &f->user->ops, flush_trimmed, f);
}

static void page_release(struct custody *c)
{
    struct page *p = container_of(c, struct page, custody);
    node_post(p->sh, page_released, mem_free, p);
}

static bool takes_messages(const struct session *ss)
{
    return ss->presence && ss->priority >= 0 && !ss->is_leaving;
}

static struct session *flush_target(struct flush *f)
{
    struct session *ss = session_by_handle(f->user->shard, f->target);
    if (ss && takes_messages(ss))
        return ss;
    list_each (&f->user->sessions, n) {
        ss = list_entry(n, struct session, link);
        if (takes_messages(ss)) {
            f->target = ss->h;
            return ss;
        }
    }
    return NULL;
}

static void page_write(struct flush *f, struct session *ss, const struct store_record *r, size_t n)
{
    struct node_shard *sh = f->user->shard;
    struct page *p = mem_alloc(sizeof *p);
    refs_init(&p->custody.refs);
    p->custody.release = page_release;
    p->sh = sh;
    p->flush = f->h;
    struct custody *own = &p->custody;
    size_t bytes = 0, i = 0;
    for (; i < n && bytes < PAGE_BYTES; i++) {
        struct stanza *s;
        bytes += r[i].payload.n;
        f->upto = r[i].seq;
        if (stanza_parse(r[i].payload, &s) != ERR_OK) {
            log_error(NULL, "offline.record.corrupt", "user", LOG_STR(f->user->bare.full), "id",
                      LOG_STR(r[i].id));
            continue;
        }
        sh->stats.offline_flushed++;
        session_write(ss, s, custody_ref(own), false, 0);
    }
    f->is_last = i == n && n < PAGE;
    custody_unref(&own);
}

static void flush_page(void *ctx, enum err e, const struct store_record *r, size_t n)
{
    struct flush *f = ctx;
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

static void flush_read(struct flush *f)
{
    const struct store_log_range range = {.limit = PAGE};
    struct user *u = f->user;
    store_log_read(u->shard->store, &u->ops, TABLE, u->bare.full, &range, flush_page, f);
}

static enum verdict on_available(struct hook_run *run, struct session_event *ev)
{
    struct user *u = ev->user;
    struct flush *f = module_user_slot(u, &mod_offline);
    if (f->h) {
        f->again = true;
        return V_PASS;
    }
    *f = (struct flush){.user = u, .target = ev->session->h, .parked = hook_wait(run)};
    f->h = handle_new(u->shard->handles, f);
    timer_init(&f->watch, u->shard->loop, flush_watch, f);
    user_hold(u);
    flush_read(f);
    return V_WAIT;
}

static void user_gone(struct user *u, void *slot)
{
    struct flush *f = slot;
    if (!f->h)
        return;
    timer_stop(&f->watch);
    handle_free(u->shard->handles, f->h);
}

static const struct hook_handler hooks[] = {
    HOOK_ON(user_unreachable, PH_DELIVER, on_unreachable),
    HOOK_ON(session_available, PH_DELIVER, on_available),
};
static const struct module_data data[] = {{DATA_LOG, TABLE, NULL}};
static const char *const features[] = {NS_OFFLINE, NULL};

const struct module mod_offline = {
    .name = "offline",
    .xep = "0160",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .server_features = features,
    .data = data,
    .n_data = ARRAY_LEN(data),
    .user_size = sizeof(struct flush),
    .user_fini = user_gone,
};
