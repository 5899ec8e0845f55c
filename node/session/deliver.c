/* DOC: what happens to a stanza addressed to the user, as one table. Standards: RFC 6121
 * section 8.5. */
#include "lib/base/log.h"
#include "lib/xmpp/xep.h"
#include "node/component/component.h"
#include "node/route/hooks.h"
#include "node/route/iq.h"
#include "node/session/presence.h"
#include "node/session/roster.h"
#include "node/session/session-int.h"

RFC("6121", COMPLETE,
    "a chat message to the bare JID goes to all resources of non-negative priority (section 8)");

enum where { FULL_MATCH, FULL_NO_MATCH, BARE_ONLINE, BARE_OFFLINE, WHERE_COUNT };
enum act {
    A_ONE,     /* to that resource */
    A_GUARDED, /* the same, if the user shares presence with the sender, else an error */
    A_ALL,     /* to all with non-negative priority */
    A_AS_BARE, /* as if it had been sent to the bare JID */
    A_KEEP,    /* the offline hooks, else an error */
    A_SHOW,    /* to all available resources */
    A_SUBS,    /* section 3 */
    A_PROBE,   /* section 4.3 */
    A_ANSWER,  /* the server answers for the user */
    A_ERROR,   /* service-unavailable */
    A_DROP,
};

/* Sections 8.5.2 and 8.5.3; online = a resource with non-negative priority. Where the RFC leaves
 * the choice between silence and an error, an address that matches nothing gives an error, as one
 * of no account does: the sender learns that it did not arrive, and no more. A chat message to the
 * bare JID goes to all resources: with copies for other devices (XEP-0280) that is what users want.
 */
static const enum act rules[][WHERE_COUNT] = {
    /*                   FULL_MATCH FULL_NO_MATCH BARE_ONLINE BARE_OFFLINE */
    [MSG_NORMAL] = {A_ONE, A_ERROR, A_ALL, A_KEEP},
    [MSG_CHAT] = {A_ONE, A_AS_BARE, A_ALL, A_KEEP},
    [MSG_GROUPCHAT] = {A_ONE, A_ERROR, A_ERROR, A_ERROR},
    [MSG_HEADLINE] = {A_ONE, A_ERROR, A_ALL, A_DROP},
    [MSG_ERROR] = {A_ONE, A_DROP, A_DROP, A_DROP},
    [PRES_AVAILABLE] = {A_ONE, A_DROP, A_SHOW, A_SHOW},
    [PRES_UNAVAILABLE] = {A_ONE, A_DROP, A_SHOW, A_SHOW},
    [PRES_SUBSCRIBE] = {A_SUBS, A_SUBS, A_SUBS, A_SUBS},
    [PRES_SUBSCRIBED] = {A_SUBS, A_DROP, A_SUBS, A_SUBS},
    [PRES_UNSUBSCRIBE] = {A_SUBS, A_DROP, A_SUBS, A_SUBS},
    [PRES_UNSUBSCRIBED] = {A_SUBS, A_DROP, A_SUBS, A_SUBS},
    [PRES_PROBE] = {A_PROBE, A_PROBE, A_PROBE, A_PROBE},
    [PRES_ERROR] = {A_ONE, A_DROP, A_SHOW, A_SHOW},
    [IQ_GET] = {A_GUARDED, A_ERROR, A_ANSWER, A_ANSWER},
    [IQ_SET] = {A_GUARDED, A_ERROR, A_ANSWER, A_ANSWER},
    [IQ_RESULT] = {A_ONE, A_ERROR, A_DROP, A_DROP},
    [IQ_ERROR] = {A_ONE, A_DROP, A_DROP, A_DROP},
};

static bool is_reachable(const struct session *ss)
{
    return ss->presence && ss->priority >= 0 && !ss->is_leaving;
}

static struct session *match_of(struct user *u, struct str resource)
{
    struct session *ss = resource.p ? user_session(u, resource) : NULL;
    return ss && !ss->is_leaving ? ss : NULL;
}

static bool any_reachable(struct user *u)
{
    list_each (&u->sessions, n) {
        if (is_reachable(list_entry(n, struct session, link)))
            return true;
    }
    return false;
}

static void refs_done(struct route *r)
{
    custody_unref(&r->custody);
    stanza_unref(&r->stanza);
}

/* To all reachable sessions. A copy that comes back is delivered elsewhere only if no other copy is
 * sure to arrive. */
static void to_all(struct user *u, struct route *r)
{
    bool sure = false, sent = false;
    list_each (&u->sessions, n) {
        const struct session *ss = list_entry(n, struct session, link);
        sure |= is_reachable(ss) && ss->where == SESSION_HERE;
    }
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (!is_reachable(ss))
            continue;
        bool covered = sent || (sure && ss->where == SESSION_REMOTE);
        session_write(ss, stanza_ref(r->stanza), custody_ref(r->custody), covered, r->hops);
        sent |= !sure || ss->where == SESSION_HERE;
    }
    refs_done(r);
}

/* ---- nobody takes it: the hooks may keep it */
static void refuse(struct user *u, struct route *r, handle session)
{
    (void)session;
    route_bounce(u->shard, r->stanza, r->custody, STANZA_SERVICE_UNAVAILABLE, NULL);
}

static void kept_done(void *ctx, struct hook_run *run, struct user_stanza *us, enum verdict v)
{
    task_verdict(us->user, run, us->route, v, refuse, 0);
    user_resume(ctx);
}

static void keep(struct user *u, struct route *r)
{
    struct user_stanza us = {.user = u, .route = r};
    user_pause(u);
    hook_run_user_unreachable(u->shard, &us, kept_done, u);
}

static enum where where_of(struct user *u, struct str resource, struct session **match)
{
    *match = match_of(u, resource);
    if (*match)
        return FULL_MATCH;
    if (resource.p)
        return FULL_NO_MATCH;
    return any_reachable(u) ? BARE_ONLINE : BARE_OFFLINE;
}

/* To all available sessions, whatever their priority. */
static void show(struct user *u, struct route *r)
{
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (ss->presence)
            session_write(ss, stanza_ref(r->stanza), custody_ref(r->custody), true, r->hops);
    }
    refs_done(r);
}

static void answer(struct user *u, struct route *r)
{
    struct stanza *s = r->stanza;
    struct session *own =
        jid_bare_eq(&s->from, &u->bare) ? user_session(u, s->from.resource) : NULL;
    iq_dispatch(u->shard, IQ_TO_ACCOUNT, u, own ? own->h : 0, s, r->custody);
}

/* Section 8.5.3.1: a request reaches a resource if its sender may know that it is there; the domain
 * itself and its components may. */
static bool may_ask(struct user *u, const struct session *ss, const struct stanza *s)
{
    return !u->shard->node->conf->guard_resources || roster_shows_to(u, &s->from) ||
           presence_is_directed(ss, &s->from) ||
           (!s->from.local.p && node_serves(u->shard->node, s->from.domain)) ||
           component_serves(u->shard->node, s->from.domain);
}

static void to_one(struct session *ss, struct route *r)
{
    bool covered = r->stanza->kind == STANZA_PRESENCE; /* void when the session is gone */
    session_write(ss, r->stanza, r->custody, covered, r->hops);
}

/* A full JID that matches nobody may count as the bare one. */
static enum act act_for(struct user *u, enum stanza_type type, struct str resource,
                        struct session **match)
{
    enum act a = rules[type][where_of(u, resource, match)];
    return a == A_AS_BARE ? rules[type][where_of(u, STR_NONE, match)] : a;
}

bool deliver_takes(struct user *u, const struct stanza *s, const struct session *ss)
{
    struct session *match;
    if (s->kind != STANZA_MESSAGE)
        return false;
    enum act a = act_for(u, s->type, s->to.resource, &match);
    return a == A_ONE ? ss == match : a == A_ALL && is_reachable(ss);
}

static void act(struct user *u, struct route *r, enum act a, struct session *match)
{
    switch (a) {
    case A_GUARDED:
        if (may_ask(u, match, r->stanza))
            to_one(match, r);
        else
            refuse(u, r, 0);
        break;
    case A_ONE:
        to_one(match, r);
        break;
    case A_ALL:
        to_all(u, r);
        break;
    case A_AS_BARE: /* act_for looked further */
    case A_KEEP:
        keep(u, r);
        break;
    case A_SHOW:
        show(u, r);
        break;
    case A_SUBS:
        subs_in(u, r);
        break;
    case A_PROBE:
        presence_answer(u, r);
        break;
    case A_ANSWER:
        answer(u, r);
        break;
    case A_ERROR:
        refuse(u, r, 0);
        break;
    case A_DROP:
        route_drop(u->shard, r->stanza, r->custody);
        break;
    }
}

void deliver(struct user *u, struct route *r)
{
    struct session *match = NULL;
    const struct stanza *s = r->stanza;
    enum act a = act_for(u, s->type, s->to.resource, &match);
    if (s->kind == STANZA_MESSAGE && r->hops > ROUTE_HOPS_MAX)
        a = rules[s->type][BARE_OFFLINE]; /* sessions came and went under it */
    if (s->type == PRES_UNAVAILABLE)
        presence_left(u, &s->from);
    act(u, r, a, match);
}
