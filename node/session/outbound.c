/* What a session sent, at the user's anchor: without an address it is for the account itself,
 * presence goes by the roster, the rest is routed. Source: RFC 6120 section 10.3, RFC 6121
 * section 4.4.2 and 8.1. */
#include "node/route/iq.h"
#include "node/session/presence.h"
#include "node/session/session-int.h"

static void to_account(struct user *u, handle session, struct route *r)
{
    struct stanza *s = r->stanza;
    if (s->kind == STANZA_IQ && stanza_iq_request(s))
        iq_dispatch(u->shard, IQ_TO_ACCOUNT, u, session, s, r->custody);
    else
        route_drop(u->shard, s, r->custody); /* answers to what the server pushed */
}

static bool is_subscription(enum stanza_type t)
{
    return t == PRES_SUBSCRIBE || t == PRES_SUBSCRIBED || t == PRES_UNSUBSCRIBE ||
           t == PRES_UNSUBSCRIBED;
}

/* A session may have left since it sent this: what it said of itself is void then (its unavailable
 * follows), what it wanted of others is not. */
static void out_presence(struct user *u, struct session *ss, struct route *r)
{
    if (jid_is_set(&r->stanza->to) && is_subscription(r->stanza->type))
        subs_out(u, r);
    else if (!ss)
        route_drop(u->shard, r->stanza, r->custody);
    else if (!jid_is_set(&r->stanza->to))
        presence_broadcast(u, ss, r);
    else
        presence_out(u, ss, r);
}

void outbound(struct user *u, handle session, struct route *r)
{
    struct stanza *s = r->stanza;
    bool to_self = !jid_is_set(&s->to) || (!jid_is_full(&s->to) && jid_bare_eq(&s->to, &u->bare));
    if (s->kind == STANZA_PRESENCE) {
        out_presence(u, session_by_handle(u->shard, session), r);
    } else if (s->kind == STANZA_IQ && to_self) {
        to_account(u, session, r);
    } else if (!jid_is_set(&s->to)) {
        struct stanza *addressed = stanza_readdress(s, NULL, &u->bare);
        stanza_unref(&r->stanza);
        route_start(u->shard, addressed, r->custody, ROUTE_CLIENT, r->hops, r->trace);
    } else {
        route_start(u->shard, s, r->custody, ROUTE_CLIENT, r->hops, r->trace);
    }
}
