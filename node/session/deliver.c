/* Which resources get a stanza addressed to the user, as one table. Source: RFC 6121 section 8.5.
 */
#include "lib/base/log.h"
#include "node/route/hooks.h"
#include "node/route/iq.h"
#include "node/session/presence.h"
#include "node/session/session-int.h"

enum where { FULL_MATCH, FULL_NO_MATCH, BARE_ONLINE, BARE_OFFLINE, WHERE_COUNT };
enum act { A_ONE, A_ALL, A_AS_BARE, A_KEEP, A_ERROR, A_DROP };

/* Section 8.5.2 and 8.5.3; online = a resource with non-negative priority. A_KEEP: the offline
 * hooks, else an error. */
static const enum act message_rules[][WHERE_COUNT] = {
    /*                 FULL_MATCH FULL_NO_MATCH BARE_ONLINE BARE_OFFLINE */
    [MSG_NORMAL] = {A_ONE, A_AS_BARE, A_ALL, A_KEEP},
    [MSG_CHAT] = {A_ONE, A_AS_BARE, A_ALL, A_KEEP},
    [MSG_GROUPCHAT] = {A_ONE, A_ERROR, A_ERROR, A_ERROR},
    [MSG_HEADLINE] = {A_ONE, A_DROP, A_ALL, A_DROP},
    [MSG_ERROR] = {A_ONE, A_DROP, A_DROP, A_DROP},
};

static bool is_reachable(const struct session *ss)
{
    return ss->presence && ss->priority >= 0;
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
    *match = resource.p ? user_session(u, resource) : NULL;
    if (*match)
        return FULL_MATCH;
    if (resource.p)
        return FULL_NO_MATCH;
    return any_reachable(u) ? BARE_ONLINE : BARE_OFFLINE;
}

static void deliver_message(struct user *u, struct route *r, struct str resource)
{
    struct session *match;
    enum where w = where_of(u, resource, &match);
    if (r->hops > ROUTE_HOPS_MAX) /* sessions came and went under it: it is kept, or refused */
        w = BARE_OFFLINE;
    switch (message_rules[r->stanza->type][w]) {
    case A_ONE:
        session_write(match, r->stanza, r->custody, false, r->hops);
        break;
    case A_ALL:
        to_all(u, r);
        break;
    case A_AS_BARE:
        deliver_message(u, r, STR_NONE);
        break;
    case A_KEEP:
        keep(u, r);
        break;
    case A_ERROR:
        route_bounce(u->shard, r->stanza, r->custody, STANZA_SERVICE_UNAVAILABLE, NULL);
        break;
    case A_DROP:
        route_drop(u->shard, r->stanza, r->custody);
        break;
    }
}

static void deliver_iq(struct user *u, struct route *r)
{
    struct stanza *s = r->stanza;
    if (!jid_is_full(&s->to)) {
        struct session *own =
            jid_bare_eq(&s->from, &u->bare) ? user_session(u, s->from.resource) : NULL;
        if (stanza_iq_request(s))
            iq_dispatch(u->shard, IQ_TO_ACCOUNT, u, own ? own->h : 0, s, r->custody);
        else
            route_drop(u->shard, s, r->custody);
        return;
    }
    struct session *ss = user_session(u, s->to.resource);
    if (ss)
        session_write(ss, s, r->custody, false, r->hops);
    else
        route_bounce(u->shard, s, r->custody, STANZA_SERVICE_UNAVAILABLE, NULL);
}

void deliver(struct user *u, struct route *r)
{
    switch (r->stanza->kind) {
    case STANZA_MESSAGE:
        deliver_message(u, r, r->stanza->to.resource);
        break;
    case STANZA_IQ:
        deliver_iq(u, r);
        break;
    case STANZA_PRESENCE:
        presence_in(u, r);
        break;
    }
}
