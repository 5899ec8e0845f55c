/* DOC: presence: initial, updates, unavailable, directed, probes. Standards: RFC 6121 section 4. */
#include "node/session/presence.h"

#include "lib/base/log.h"
#include "lib/xmpp/xep.h"
#include "node/route/hooks.h"
#include "node/session/roster.h"
#include "node/session/session-int.h"

RFC("6121", COMPLETE);

/* ---- directed presence */
static void directed_free(struct directed *d)
{
    list_del(&d->link);
    jid_fini(&d->jid);
    mem_free(d);
}

void directed_clear(struct session *ss)
{
    struct list *n;
    while ((n = list_first(&ss->directed)))
        directed_free(list_entry(n, struct directed, link));
}

static struct directed *directed_find(struct session *ss, const struct jid *to, size_t *count)
{
    *count = 0;
    list_each (&ss->directed, n) {
        struct directed *d = list_entry(n, struct directed, link);
        ++*count;
        if (jid_eq(&d->jid, to))
            return d;
    }
    return NULL;
}

/* False: there is no room to remember it, so it could not be withdrawn. */
static bool directed_note(struct session *ss, const struct jid *to, bool available)
{
    size_t count;
    struct directed *d = directed_find(ss, to, &count);
    if (d && !available)
        directed_free(d);
    if (d || !available)
        return true;
    if (count >= DIRECTED_MAX)
        return false;
    d = mem_alloc(sizeof *d);
    jid_dup_heap(to, &d->jid);
    list_push(&ss->directed, &d->link);
    return true;
}

/* ---- helpers */
static void send_to(struct node_shard *sh, struct stanza *s, const struct jid *from,
                    const struct jid *to)
{
    route_send(sh, stanza_readdress(s, from, to));
}

static void may_reach_done(void *ctx, struct hook_run *run, struct contact_check *k, enum verdict v)
{
    bool *may = ctx;
    (void)run;
    (void)k;
    *may = v == V_PASS;
}

bool presence_may_reach(struct user *u, const struct jid *to)
{
    bool may = true;
    struct contact_check k = {.user = u, .jid = to};
    hook_run_user_contact(u->shard, &k, may_reach_done, &may);
    return may;
}

static void to_contacts(struct user *u, struct stanza *s, const struct jid *from, uint8_t state_bit)
{
    struct roster_item *it;
    for (size_t i = 0; (it = hmap_next(&u->roster->items, &i, NULL));)
        if ((it->state & state_bit) && presence_may_reach(u, &it->jid))
            send_to(u->shard, s, from, &it->jid);
}

/* The one that says it, too (RFC 6121 section 4.2.2, 4.4.2 and 4.5.2). */
static void to_own_sessions(struct user *u, const struct session *from, struct stanza *s)
{
    list_each (&u->sessions, n) {
        struct session *o = list_entry(n, struct session, link);
        if (o->presence)
            session_write(o, stanza_readdress(s, &from->full, &o->full), NULL, true, 0);
    }
}

static struct stanza *simple(enum stanza_type t, const struct jid *from, const struct jid *to)
{
    struct stanza_build b;
    stanza_build(&b, STANZA_PRESENCE, t, from, to, STR_NONE);
    return stanza_finish(&b);
}

static int8_t priority_of(const struct stanza *s)
{
    struct arena *a = arena_new(0);
    const struct xml *el = stanza_child(s, NS_CLIENT, "priority");
    struct str text = el ? str_trim(xml_text(a, el)) : STR_NONE;
    bool negative = text.n && text.p[0] == '-';
    if (negative)
        text = str_make(text.p + 1, text.n - 1);
    uint64_t v = 0;
    if (!str_to_u64(text, negative ? 128 : 127, &v))
        v = 0;
    arena_free(&a);
    return (int8_t)(negative ? -(int)v : (int)v);
}

/* ---- first presence of a session: learn about the others, be told what waits (RFC 6121
 * section 4.2) */
static void first_presence(struct user *u, struct session *ss)
{
    struct stanza *probe = simple(PRES_PROBE, &u->bare, NULL);
    to_contacts(u, probe, &u->bare, SUBS_TO);
    stanza_unref(&probe);
    list_each (&u->sessions, n) {
        struct session *o = list_entry(n, struct session, link);
        if (o != ss && o->presence)
            session_write(ss, stanza_readdress(o->presence, &o->full, &ss->full), NULL, true, 0);
    }
    subs_show_pending(u, ss);
}

static void available_done(void *ctx, struct hook_run *run, struct session_event *ev,
                           enum verdict v)
{
    (void)run;
    (void)ev;
    (void)v;
    user_resume(ctx);
}

static void now_available(struct user *u, struct session *ss)
{
    struct session_event ev = {.user = u, .session = ss};
    user_pause(u);
    hook_run_session_available(u->shard, &ev, available_done, u);
}

static void closed_done(void *ctx, struct hook_run *run, struct session_event *ev, enum verdict v)
{
    (void)ctx;
    (void)run;
    (void)ev;
    (void)v;
}

/* Withdraw what the session showed: contacts, own sessions, directed. A session that was never
 * available may have shown itself to some (RFC 6121 section 4.6.3, case 3). Without a roster (it
 * cannot be read) the contacts are left out, nobody else. */
static void withdraw(struct user *u, struct session *ss, struct stanza *unavailable)
{
    bool was_available = ss->presence != NULL;
    if (was_available && u->roster)
        to_contacts(u, unavailable, &ss->full, SUBS_FROM);
    if (was_available)
        to_own_sessions(u, ss, unavailable);
    list_each (&ss->directed, n) {
        struct directed *d = list_entry(n, struct directed, link);
        const struct roster_item *it = was_available ? roster_find(u, d->jid.bare) : NULL;
        if (!it || !(it->state & SUBS_FROM))
            send_to(u->shard, unavailable, &ss->full, &d->jid);
    }
    directed_clear(ss);
    stanza_unref(&ss->presence);
    if (!was_available)
        return;
    struct session_event ev = {.user = u, .session = ss, .presence = unavailable};
    hook_run_session_closed(u->shard, &ev, closed_done, NULL);
}

bool presence_is_shown(struct session *ss)
{
    return ss->presence || !list_empty(&ss->directed);
}

void presence_gone(struct user *u, struct session *departed)
{
    if (!presence_is_shown(departed))
        return;
    struct stanza *s = simple(PRES_UNAVAILABLE, &departed->full, NULL);
    withdraw(u, departed, s);
    stanza_unref(&s);
}

static void broadcast_available(struct user *u, struct session *ss, struct stanza *s)
{
    bool first = !ss->presence;
    bool was_reachable = ss->presence && ss->priority >= 0;
    stanza_unref(&ss->presence);
    ss->presence = stanza_ref(s);
    ss->priority = priority_of(s);
    to_contacts(u, s, &ss->full, SUBS_FROM);
    to_own_sessions(u, ss, s);
    if (first)
        first_presence(u, ss);
    if (!was_reachable && ss->priority >= 0)
        now_available(u, ss);
}

void presence_broadcast(struct user *u, struct session *ss, struct route *r)
{
    struct stanza *s = r->stanza;
    if (s->type == PRES_AVAILABLE)
        broadcast_available(u, ss, s);
    else if (s->type == PRES_UNAVAILABLE && presence_is_shown(ss))
        withdraw(u, ss, s);
    custody_unref(&r->custody);
    stanza_unref(&r->stanza);
}

void presence_out(struct user *u, struct session *ss, struct route *r)
{
    struct stanza *s = r->stanza;
    switch (s->type) {
    case PRES_AVAILABLE:
    case PRES_UNAVAILABLE:
        if (directed_note(ss, &s->to, s->type == PRES_AVAILABLE))
            break;
        route_bounce(u->shard, s, r->custody, STANZA_RESOURCE_CONSTRAINT,
                     "directed presence to too many");
        return;
    default: /* errors, and probes, which are the server's to send but pass (section 4.3) */
        break;
    }
    route_start(u->shard, s, r->custody, ROUTE_CLIENT, r->hops, r->trace);
}

bool presence_show(struct user *u, const struct jid *to, bool unavailable)
{
    bool any = false;
    list_each (&u->sessions, n) {
        struct session *o = list_entry(n, struct session, link);
        if (!o->presence)
            continue;
        any = true;
        if (unavailable)
            route_send(u->shard, simple(PRES_UNAVAILABLE, &o->full, to));
        else
            send_to(u->shard, o->presence, &o->full, to);
    }
    return any;
}

void presence_withdraw(struct user *u, bool (*is_meant)(void *ctx, const struct jid *to), void *ctx)
{
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        list_each (&ss->directed, k) {
            struct directed *d = list_entry(k, struct directed, link);
            if (!is_meant(ctx, &d->jid))
                continue;
            route_send(u->shard, simple(PRES_UNAVAILABLE, &ss->full, &d->jid));
            directed_free(d);
        }
    }
}

void presence_probe(struct user *u, const struct jid *to)
{
    bool any = false;
    list_each (&u->sessions, n) {
        any |= list_entry(n, struct session, link)->presence != NULL;
    }
    if (any)
        route_send(u->shard, simple(PRES_PROBE, &u->bare, to));
}

/* ---- probes */
bool presence_is_directed(const struct session *ss, const struct jid *to)
{
    list_each (&ss->directed, n) {
        const struct directed *d = list_entry(n, struct directed, link);
        if (jid_bare_eq(&d->jid, to))
            return true;
    }
    return false;
}

void presence_left(struct user *u, const struct jid *who)
{
    list_each (&u->sessions, n) {
        size_t count;
        struct directed *d = directed_find(list_entry(n, struct session, link), who, &count);
        if (d)
            directed_free(d);
    }
}

/* An answer that is no presence of a client carries the id of the probe (section 4.3.2.1). */
static void answer_simple(struct user *u, const struct stanza *probe, enum stanza_type t,
                          const struct jid *from)
{
    struct stanza_build b;
    stanza_build(&b, STANZA_PRESENCE, t, from, &probe->from, probe->id);
    route_send(u->shard, stanza_finish(&b));
}

/* To one resource: no more than whether it is there, to who is subscribed or got directed presence
 * of it (sections 4.3.2 and 4.6.6). */
static void answer_full(struct user *u, const struct stanza *s, bool may_see)
{
    size_t count;
    struct session *ss = user_session(u, s->to.resource);
    if (may_see)
        answer_simple(u, s, ss && ss->presence ? PRES_AVAILABLE : PRES_UNAVAILABLE, &s->to);
    else if (ss && directed_find(ss, &s->from, &count))
        answer_simple(u, s, PRES_AVAILABLE, &s->to);
    else
        answer_simple(u, s, PRES_UNSUBSCRIBED, &u->bare);
}

/* Section 4.3.2: only who is subscribed learns anything. */
void presence_answer(struct user *u, struct route *r)
{
    const struct stanza *s = r->stanza;
    bool may_see = roster_shows_to(u, &s->from);
    if (jid_is_full(&s->to))
        answer_full(u, s, may_see);
    else if (!may_see)
        answer_simple(u, s, PRES_UNSUBSCRIBED, &u->bare);
    else if (!presence_show(u, &s->from, false))
        answer_simple(u, s, PRES_UNAVAILABLE, &u->bare);
    custody_unref(&r->custody);
    stanza_unref(&r->stanza);
}
