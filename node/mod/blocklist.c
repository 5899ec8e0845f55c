/* DOC: addresses an account does not want to hear of. The list is in the store's map "blocklist",
 * one entry an address, and in memory while the user object lives; an account without one costs two
 * words. It is read when the first stanza from or to the user passes; without it nothing passes.
 * Blocking is polite: subscriptions stay, the blocked side sees the user go and no more. A change
 * is stored first; the user's queue waits for that, so that what comes behind is judged by the new
 * list. Stanzas of the user's own resources to each other are never blocked (section 5).
 * Standards: XEP-0191; matching by section 6. */
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"
#include "node/session/presence.h"
#include "node/session/roster.h"

XEP("0191", "1.3", COMPLETE);

#define TABLE "blocklist"

struct blocklist {      /* slot of the user */
    struct hmap *items; /* JID -> itself, heap; NULL = nothing is blocked */
    bool is_loaded;
};

/* ---- the list */
static void list_clear(struct blocklist *b)
{
    char *jid;
    for (size_t it = 0; b->items && (jid = hmap_next(b->items, &it, NULL));)
        mem_free(jid);
    if (b->items)
        hmap_fini(b->items);
    mem_free(b->items);
    b->items = NULL;
}

static void list_add(struct blocklist *b, struct str jid)
{
    if (!b->items)
        b->items = mem_alloc(sizeof *b->items);
    if (hmap_get(b->items, jid))
        return;
    char *text = str_dup(jid);
    hmap_put(b->items, str_of(text), text);
}

static void list_del_jid(struct blocklist *b, struct str jid)
{
    if (b->items)
        mem_free(hmap_del(b->items, jid));
    if (b->items && !hmap_count(b->items))
        list_clear(b);
}

static bool has(const struct hmap *items, struct str jid)
{
    return hmap_get(items, jid) != NULL;
}

/* Section 6: user@domain/resource, user@domain, domain/resource, domain. */
static bool matches(const struct hmap *items, const struct jid *j)
{
    return has(items, j->full) || has(items, j->bare) || has(items, j->domain);
}

static bool is_blocked(struct user *u, const struct jid *j)
{
    const struct blocklist *b = module_user_slot(u, &mod_blocklist);
    return b->items && jid_is_set(j) && !jid_bare_eq(j, &u->bare) && matches(b->items, j);
}

static void user_gone(struct user *u, void *slot)
{
    (void)u;
    list_clear(slot);
}

static void user_erased(struct user *u, void *slot)
{
    struct blocklist *b = slot;
    user_gone(u, slot);
    b->is_loaded = false;
}

/* ---- reading it */
struct load {
    struct op op; /* on the user */
    struct user *user;
    handle parked;
};

static void load_cancel(struct op *op)
{
    mem_free(container_of(op, struct load, op));
}

static void loaded(void *ctx, enum err e, const struct store_entry *entries, size_t n,
                   uint64_t version)
{
    struct load *l = ctx;
    struct user *u = l->user;
    struct blocklist *b = module_user_slot(u, &mod_blocklist);
    handle parked = l->parked;
    (void)version;
    op_end(&l->op);
    mem_free(l);
    if (e != ERR_OK)
        log_error(NULL, "blocklist.read.failed", "user", LOG_STR(u->bare.full), "why", err_text(e));
    for (size_t i = 0; e == ERR_OK && !b->is_loaded && i < n; i++)
        list_add(b, entries[i].key);
    b->is_loaded |= e == ERR_OK;
    hook_resume(u->shard, parked, e == ERR_OK ? V_PASS : V_BOUNCE);
}

static bool is_loaded(struct user *u)
{
    const struct blocklist *b = module_user_slot(u, &mod_blocklist);
    return b->is_loaded;
}

static enum verdict on_load(struct hook_run *run, struct user_stanza *us)
{
    struct user *u = us->user;
    if (is_loaded(u))
        return V_PASS;
    struct load *l = mem_alloc(sizeof *l);
    *l = (struct load){.user = u, .parked = hook_wait(run)};
    op_start(&l->op, &u->ops, load_cancel);
    run->bounce = STANZA_INTERNAL_SERVER_ERROR;
    store_map_read(u->shard->store, &u->ops, TABLE, u->bare.full, STR(""),
                   u->shard->node->conf->blocklist_max, loaded, l);
    return V_WAIT;
}

/* ---- what passes */
/* The store did not answer in time: who is blocked cannot be known. */
static enum verdict refuse_unknown(struct hook_run *run)
{
    run->bounce = STANZA_INTERNAL_SERVER_ERROR;
    return V_BOUNCE;
}

static enum verdict on_receive(struct hook_run *run, struct user_stanza *us)
{
    const struct stanza *s = us->route->stanza;
    if (!is_loaded(us->user))
        return refuse_unknown(run);
    if (!is_blocked(us->user, &s->from))
        return V_PASS;
    if (s->kind == STANZA_PRESENCE || (s->kind == STANZA_IQ && !stanza_iq_request(s)))
        return V_DROP;
    run->bounce = STANZA_SERVICE_UNAVAILABLE;
    return V_BOUNCE;
}

/* Not-acceptable with what it means (section 3.3); NULL for what must not be answered. */
static struct stanza *refusal(struct stanza *s)
{
    struct stanza *plain = stanza_error_reply(s, STANZA_NOT_ACCEPTABLE, NULL);
    if (!plain)
        return NULL;
    struct arena *a = arena_new(0);
    struct xml *el = xml_copy(a, plain->el), *error = el->first->el;
    xml_set(a, error, "type", STR("cancel")); /* not "modify": no other text would pass */
    xml_add(a, error, NS_BLOCKING_ERRORS, "blocked");
    struct stanza *out = stanza_with_payload(plain, el);
    stanza_unref(&plain);
    arena_free(&a);
    return out;
}

/* The refusal speaks for the blocked side, so on the way of others' stanzas it would be blocked. */
static enum verdict on_send(struct hook_run *run, struct user_stanza *us)
{
    struct stanza *s = us->route->stanza;
    if (!is_loaded(us->user))
        return refuse_unknown(run);
    if (!is_blocked(us->user, &s->to))
        return V_PASS;
    struct session *ss = session_by_handle(run->shard, us->sender);
    struct stanza *error = ss ? refusal(s) : NULL;
    if (!error)
        return V_DROP;
    run->shard->stats.stanzas_bounced++;
    session_write(ss, error, custody_ref(us->route->custody), true, 0);
    return V_STOP;
}

static enum verdict on_contact(struct hook_run *run, struct contact_check *k)
{
    (void)run;
    return is_blocked(k->user, k->jid) ? V_DROP : V_PASS;
}

/* ---- what a change shows others */
static bool is_meant(void *ctx, const struct jid *to)
{
    return matches(ctx, to);
}

static void show(struct user *u, const struct jid *to, uint8_t state, bool blocked)
{
    if (state & SUBS_FROM)
        presence_show(u, to, blocked);
    if (!blocked && (state & SUBS_TO))
        presence_probe(u, to);
}

/* Who may see the user and is in items, sees him go or come. A full JID of a contact counts for
 * itself. */
static void show_change(struct user *u, struct hmap *items, bool blocked)
{
    struct roster_item *it;
    for (size_t i = 0; (it = hmap_next(&u->roster->items, &i, NULL));)
        if (matches(items, &it->jid))
            show(u, &it->jid, it->state, blocked);
    struct arena *a = arena_new(0);
    struct str text;
    for (size_t i = 0; hmap_next(items, &i, &text);) {
        struct jid j;
        if (jid_parse(a, text, &j, NULL) != ERR_OK || !jid_is_full(&j) || !j.local.p)
            continue;
        it = roster_find(u, j.bare);
        if (it && !matches(items, &it->jid))
            show(u, &j, it->state, blocked);
    }
    arena_free(&a);
    if (blocked)
        presence_withdraw(u, is_meant, items);
}

static void push(struct user *u, const struct xml *command)
{
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        char id[RAND_ID_LEN + 1];
        struct stanza_build b;
        if (!ss->has_blocklist)
            continue;
        stanza_build(&b, STANZA_IQ, IQ_SET, &u->bare, &ss->full, str_of(rand_id(id)));
        xml_add_el(b.arena, b.el, xml_copy(b.arena, command));
        session_write(ss, stanza_finish(&b), NULL, true, 0);
    }
}

/* ---- a change, until it is stored; the user's queue waits */
struct change {
    struct op on_user;    /* the user goes: freed */
    struct op on_request; /* the request ended without us: nobody to answer */
    struct user *user;
    struct iq_request *request; /* NULL then */
    struct stanza *stanza;
    bool blocks, all;
    struct hmap fresh; /* what changes: JID -> itself, in arena */
    struct arena *arena;
};

static void change_free(struct change *c)
{
    if (c->request)
        op_end(&c->on_request);
    op_end(&c->on_user);
    stanza_unref(&c->stanza);
    hmap_fini(&c->fresh);
    arena_free(&c->arena);
    mem_free(c);
}

static void change_user_gone(struct op *op)
{
    change_free(container_of(op, struct change, on_user));
}

static void change_request_gone(struct op *op)
{
    container_of(op, struct change, on_request)->request = NULL;
}

static void change_apply(struct change *c)
{
    struct blocklist *b = module_user_slot(c->user, &mod_blocklist);
    struct str jid;
    for (size_t i = 0; hmap_next(&c->fresh, &i, &jid);) {
        if (c->blocks)
            list_add(b, jid);
        else
            list_del_jid(b, jid);
    }
    push(c->user, stanza_payload(c->stanza));
    show_change(c->user, &c->fresh, c->blocks);
}

static void change_stored(void *ctx, enum err e)
{
    struct change *c = ctx;
    struct user *u = c->user;
    struct iq_request *r = c->request;
    if (r) {
        c->request = NULL;
        op_end(&c->on_request);
    }
    if (e != ERR_OK)
        log_error(NULL, "blocklist.write.failed", "user", LOG_STR(u->bare.full), "why",
                  err_text(e));
    if (r && e == ERR_OK)
        iq_result(r);
    else if (r)
        iq_error(r, STANZA_INTERNAL_SERVER_ERROR, "the blocklist cannot be written");
    if (e == ERR_OK)
        change_apply(c);
    change_free(c);
    user_resume(u);
}

/* What differs from the list: items of the command, or all. */
static enum stanza_cond change_read(struct change *c, const struct xml *command)
{
    const struct blocklist *b = module_user_slot(c->user, &mod_blocklist);
    struct str jid;
    xml_each(command, n)
    {
        struct jid j;
        struct str text = xml_get(n->el, "jid");
        if (!xml_is(n->el, NS_BLOCKING, "item") || !text.p)
            return STANZA_BAD_REQUEST;
        if (jid_parse(c->arena, text, &j, NULL) != ERR_OK)
            return STANZA_JID_MALFORMED;
        if ((b->items && has(b->items, j.full)) != c->blocks)
            hmap_put(&c->fresh, j.full, (void *)(uintptr_t)j.full.p);
    }
    for (size_t i = 0; c->all && b->items && hmap_next(b->items, &i, &jid);) {
        jid = arena_dup(c->arena, jid);
        hmap_put(&c->fresh, jid, (void *)(uintptr_t)jid.p);
    }
    size_t have = b->items ? hmap_count(b->items) : 0;
    bool fits =
        !c->blocks || have + hmap_count(&c->fresh) <= c->user->shard->node->conf->blocklist_max;
    return fits ? STANZA_OK : STANZA_RESOURCE_CONSTRAINT;
}

static void change_start(struct change *c)
{
    struct store_txn *t = store_txn_new(c->user->shard->store, c->user->bare.full);
    struct str jid;
    for (size_t i = 0; hmap_next(&c->fresh, &i, &jid);) {
        if (c->blocks)
            store_txn_map_put(t, TABLE, jid, STR("<item/>"));
        else
            store_txn_map_del(t, TABLE, jid);
    }
    user_pause(c->user);
    store_commit(&t, &c->user->ops, change_stored, c);
}

static void on_change(struct iq_request *r, bool blocks)
{
    const struct xml *command = stanza_payload(r->stanza);
    bool empty = !xml_first(command);
    if (blocks && empty) {
        iq_error(r, STANZA_BAD_REQUEST, NULL);
        return;
    }
    struct change *c = mem_alloc(sizeof *c);
    *c = (struct change){.user = r->user,
                         .request = r,
                         .stanza = stanza_ref(r->stanza),
                         .blocks = blocks,
                         .all = empty,
                         .arena = arena_new(0)};
    op_start(&c->on_user, &r->user->ops, change_user_gone);
    op_start(&c->on_request, &r->ops, change_request_gone);
    enum stanza_cond cond = change_read(c, command);
    if (cond == STANZA_OK) {
        change_start(c);
        return;
    }
    c->request = NULL;
    op_end(&c->on_request);
    change_free(c);
    iq_error(r, cond, NULL);
}

static void on_block(struct iq_request *r)
{
    on_change(r, true);
}

static void on_unblock(struct iq_request *r)
{
    on_change(r, false);
}

/* The answer goes straight to the session, so that no push overtakes it. */
static void on_get(struct iq_request *r)
{
    const struct blocklist *b = module_user_slot(r->user, &mod_blocklist);
    struct session *ss = session_by_handle(r->shard, r->session);
    struct stanza_build build;
    struct str jid;
    if (!ss) { /* it left meanwhile */
        iq_answered(r);
        return;
    }
    stanza_result_build(&build, r->stanza);
    struct xml *list = xml_add(build.arena, build.el, NS_BLOCKING, "blocklist");
    for (size_t i = 0; b->items && hmap_next(b->items, &i, &jid);)
        xml_set(build.arena, xml_add(build.arena, list, NS_BLOCKING, "item"), "jid", jid);
    session_want(ss, WISH_BLOCKLIST, true);
    session_write(ss, stanza_finish(&build), custody_ref(r->custody), true, 0);
    iq_answered(r);
}

static const struct iq_handler iqs[] = {
    {NS_BLOCKING, "blocklist", IQ_TO_ACCOUNT, true, false, true, on_get},
    {NS_BLOCKING, "block", IQ_TO_ACCOUNT, false, true, true, on_block},
    {NS_BLOCKING, "unblock", IQ_TO_ACCOUNT, false, true, true, on_unblock},
};
static const struct hook_handler hooks[] = {
    HOOK_ON(user_receive, PH_SANITIZE, on_load),  HOOK_ON(user_send, PH_SANITIZE, on_load),
    HOOK_ON(user_receive, PH_POLICY, on_receive), HOOK_ON(user_send, PH_POLICY, on_send),
    HOOK_ON(user_contact, PH_POLICY, on_contact),
};
static const struct module_data data[] = {{DATA_MAP, TABLE, NULL}};
static const char *const features[] = {NS_BLOCKING, NULL};

const struct module mod_blocklist = {
    .name = "blocklist",
    .xep = "0191",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .iqs_need_roster = true,
    .data = data,
    .n_data = ARRAY_LEN(data),
    .server_features = features,
    .account_features = features,
    .user_size = sizeof(struct blocklist),
    .user_fini = user_gone,
    .user_erased = user_erased,
};
