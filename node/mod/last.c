/* DOC: last activity. Of the domain: how long this node runs. Of an account: when its last
 * available session went, with what it said then; 0 while one is there. A question to a resource
 * is the client's to answer, but only contacts who may see the presence may ask. The store has one
 * value an account, written after its last available session went: all that a shard has to write is
 * written together every GATHER_MS, because a transaction for each would cost more than the login.
 * Standards: XEP-0012; XEP-0256 is not used. */
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/xmpp/delay.h"
#include "lib/xmpp/xep.h"
#include "lib/xmpp/xml-parse.h"
#include "node/auth/account.h"
#include "node/mod/mods.h"
#include "node/session/roster.h"

XEP("0012", "2.0", COMPLETE);

#define TABLE "last"
#define KEY "last"
enum {
    STATUS_MAX = 1024, /* bytes; a longer status is not kept */
    GATHER_MS = 2000,
};

struct due { /* not written yet */
    char *bare, *status;
    uint64_t at; /* wall time, us */
};
struct last {
    struct node_shard *shard;
    struct hmap due; /* by bare JID */
    struct timer write;
};

static struct last *last_of(struct node_shard *sh)
{
    return module_shard_slot(sh, &mod_last);
}

static uint64_t seconds_since(uint64_t wall_us)
{
    uint64_t now = clock_wall_us();
    return now > wall_us ? (now - wall_us) / 1000000 : 0;
}

static void answer(struct iq_request *r, uint64_t seconds, struct str status)
{
    struct arena *a = arena_new(0);
    struct xml *query = xml_new(a, NS_LAST, "query");
    xml_set(a, query, "seconds", arena_printf(a, "%" PRIu64, seconds));
    if (status.n)
        xml_add_text(a, query, status);
    iq_result_el(r, query);
    arena_free(&a);
}

static void on_server(struct iq_request *r)
{
    answer(r, seconds_since(r->shard->node->incarnation), STR_NONE); /* the time of its start */
}

/* ---- asked of an account */
static bool is_available(struct user *u)
{
    list_each (&u->sessions, n) {
        if (list_entry(n, struct session, link)->presence)
            return true;
    }
    return false;
}

static void looked(void *ctx, enum err e, const struct store_kv *v)
{
    struct iq_request *r = ctx;
    struct xml_doc *doc = NULL;
    uint64_t at;
    if (e == ERR_NOTFOUND) {
        iq_error(r, STANZA_ITEM_NOT_FOUND, "never online");
        return;
    }
    if (e == ERR_OK)
        e = xml_parse_one(v->value, NS_LAST, &xml_limits_default, &doc);
    if (e == ERR_OK)
        e = datefmt_parse(xml_get(doc->root, "at"), &at);
    if (e == ERR_OK) {
        answer(r, seconds_since(at), xml_text(doc->arena, doc->root));
    } else {
        log_error(NULL, "last.read.failed", "user", LOG_STR(r->user->bare.full), "why",
                  err_text(e));
        iq_error(r, STANZA_INTERNAL_SERVER_ERROR, NULL);
    }
    xml_doc_free(&doc);
}

static void on_account(struct iq_request *r)
{
    const struct due *d;
    if (!r->session && !roster_shows_to(r->user, &r->stanza->from))
        iq_error(r, STANZA_FORBIDDEN, NULL);
    else if (is_available(r->user))
        answer(r, 0, STR_NONE);
    else if ((d = hmap_get(&last_of(r->shard)->due, r->user->bare.full)))
        answer(r, seconds_since(d->at), d->status ? str_of(d->status) : STR_NONE);
    else
        store_kv_get(r->shard->store, &r->ops, TABLE, r->user->bare.full, STR(KEY), looked, r);
}

/* ---- asked of a resource (section 4) */
static enum verdict on_receive(struct hook_run *run, struct user_stanza *us)
{
    const struct stanza *s = us->route->stanza;
    if (s->kind != STANZA_IQ || s->type != IQ_GET || !jid_is_full(&s->to) ||
        !xml_is(stanza_payload(s), NS_LAST, "query") || roster_shows_to(us->user, &s->from))
        return V_PASS;
    run->bounce = STANZA_FORBIDDEN;
    return V_BOUNCE;
}

/* ---- a contact's probe finds nobody there: since when (RFC 6121 section 4.3.2, case 3) */
struct probe {
    struct op op; /* on the user */
    struct user *user;
    struct stanza *stanza;
    handle parked;
};

static void probe_cancel(struct op *op)
{
    struct probe *p = container_of(op, struct probe, op);
    stanza_unref(&p->stanza);
    mem_free(p);
}

static void probe_answer(struct user *u, const struct stanza *probe, uint64_t at)
{
    struct stanza_build b;
    stanza_build(&b, STANZA_PRESENCE, PRES_UNAVAILABLE, &u->bare, &probe->from, probe->id);
    delay_add(b.arena, b.el, u->bare.domain, at, STR_NONE);
    route_send(u->shard, stanza_finish(&b));
}

static void probe_looked(void *ctx, enum err e, const struct store_kv *v)
{
    struct probe *p = ctx;
    struct user *u = p->user;
    struct stanza *s = p->stanza;
    handle parked = p->parked;
    struct xml_doc *doc = NULL;
    uint64_t at;
    op_end(&p->op);
    mem_free(p);
    if (e == ERR_OK)
        e = xml_parse_one(v->value, NS_LAST, &xml_limits_default, &doc);
    if (e == ERR_OK)
        e = datefmt_parse(xml_get(doc->root, "at"), &at);
    if (e == ERR_OK)
        probe_answer(u, s, at);
    xml_doc_free(&doc);
    stanza_unref(&s);
    hook_resume(u->shard, parked, e == ERR_OK ? V_STOP : V_PASS);
}

static enum verdict on_probe(struct hook_run *run, struct user_stanza *us)
{
    struct user *u = us->user;
    struct stanza *s = us->route->stanza;
    if (s->type != PRES_PROBE || jid_is_full(&s->to) || is_available(u) ||
        !roster_shows_to(u, &s->from))
        return V_PASS;
    const struct due *d = hmap_get(&last_of(u->shard)->due, u->bare.full);
    if (d) {
        probe_answer(u, s, d->at);
        return V_STOP;
    }
    struct probe *p = mem_alloc(sizeof *p);
    *p = (struct probe){.user = u, .stanza = stanza_ref(s), .parked = hook_wait(run)};
    op_start(&p->op, &u->ops, probe_cancel);
    store_kv_get(u->shard->store, &u->ops, TABLE, u->bare.full, STR(KEY), probe_looked, p);
    return V_WAIT;
}

/* ---- a session went */
static void due_free(struct due *d)
{
    mem_free(d->bare);
    mem_free(d->status);
    mem_free(d);
}

static void written(void *ctx, enum err e)
{
    (void)ctx;
    if (e != ERR_OK)
        log_error(NULL, "last.write.failed", "why", err_text(e));
}

static void write_one(struct last *l, const struct due *d, struct op_owner *owner)
{
    char at[DATEFMT_LEN + 1];
    struct arena *a = arena_new(0);
    struct xml *el = xml_new(a, NS_LAST, "last");
    struct buf text;
    xml_set(a, el, "at", str_of(datefmt_utc(at, d->at)));
    if (d->status)
        xml_add_text(a, el, str_of(d->status));
    buf_init(&text, STORE_VALUE_MAX);
    xml_write(&text, el, NS_LAST);
    struct store_txn *t = store_txn_new(l->shard->store, str_of(d->bare));
    store_txn_kv_put(t, TABLE, STR(KEY), buf_view(&text), STORE_REV_ANY);
    store_commit(&t, owner, written, NULL);
    buf_fini(&text);
    arena_free(&a);
}

static void write_all(struct last *l, struct op_owner *owner)
{
    size_t it = 0;
    for (struct due *d; (d = hmap_next(&l->due, &it, NULL));) {
        write_one(l, d, owner);
        (void)hmap_del(&l->due, str_of(d->bare));
        due_free(d);
    }
}

static void on_write(void *ctx)
{
    struct last *l = ctx;
    write_all(l, &l->shard->ops);
}

static void forget(struct last *l, struct str bare)
{
    struct due *d = hmap_del(&l->due, bare);
    if (d)
        due_free(d);
}

static void keep(struct user *u, struct str status)
{
    struct last *l = last_of(u->shard);
    struct due *d = mem_alloc(sizeof *d);
    forget(l, u->bare.full);
    d->bare = str_dup(u->bare.full);
    d->status = status.n && status.n <= STATUS_MAX ? str_dup(status) : NULL;
    d->at = clock_wall_us();
    hmap_put(&l->due, str_of(d->bare), d);
    if (!timer_running(&l->write))
        timer_start(&l->write, GATHER_MS);
}

static enum verdict on_closed(struct hook_run *run, struct session_event *ev)
{
    (void)run;
    const struct user *u = ev->user;
    if (is_available(ev->user) || account_is_anonymous(u->shard->node->conf, u->bare.local))
        return V_PASS;
    struct arena *a = arena_new(0);
    const struct xml *status = stanza_child(ev->presence, NS_CLIENT, "status");
    keep(ev->user, status ? xml_text(a, status) : STR_NONE);
    arena_free(&a);
    return V_PASS;
}

static enum err init(struct node_shard *sh, void *state)
{
    struct last *l = state;
    l->shard = sh;
    hmap_init(&l->due);
    timer_init(&l->write, sh->loop, on_write, l);
    return ERR_OK;
}

static void fini(struct node_shard *sh, void *state)
{
    struct last *l = state;
    (void)sh;
    timer_stop(&l->write);
    write_all(l, NULL);
    hmap_fini(&l->due);
}

static void user_erased(struct user *u, void *slot)
{
    (void)slot;
    forget(last_of(u->shard), u->bare.full);
}

static const struct iq_handler iqs[] = {
    {NS_LAST, "query", IQ_TO_SERVER, true, false, false, on_server},
    {NS_LAST, "query", IQ_TO_ACCOUNT, true, false, false, on_account},
};
static const struct hook_handler hooks[] = {
    HOOK_ON(user_receive, PH_POLICY, on_receive),
    HOOK_ON(user_receive, PH_DELIVER, on_probe),
    HOOK_ON(session_closed, PH_OBSERVE, on_closed),
};
static const struct module_data data[] = {{DATA_KV, TABLE, KEY}};
static const char *const features[] = {NS_LAST, NULL};

const struct module mod_last = {
    .name = "last",
    .xep = "0012",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .iqs_need_roster = true,
    .data = data,
    .n_data = ARRAY_LEN(data),
    .shard_size = sizeof(struct last),
    .init = init,
    .fini = fini,
    .user_erased = user_erased,
    .server_features = features,
    .account_features = features,
};
