/* DOC: subscriptions: the table of lib/xmpp/subs-table applied to the roster, the change stored
 * first, then shown. Standards: RFC 6121 section 3 and appendix A. */
#include "lib/base/log.h"
#include "lib/xmpp/xep.h"
#include "node/session/presence.h"
#include "node/session/roster.h"
#include "node/session/session-int.h"

RFC("6121", COMPLETE);

struct change { /* between the decision and its confirmation by the store */
    struct user *user;
    struct route route;
    struct subs_result result;
    struct jid contact; /* heap */
    enum subs_direction direction;
    struct op op;
};

static void change_free(struct change *c)
{
    stanza_unref(&c->route.stanza);
    custody_unref(&c->route.custody);
    jid_fini(&c->contact);
    mem_free(c);
}

static void change_cancel(struct op *op)
{
    change_free(container_of(op, struct change, op));
}

static enum subs_event event_of(enum stanza_type t)
{
    switch (t) {
    case PRES_SUBSCRIBED:
        return SUBS_SUBSCRIBED;
    case PRES_UNSUBSCRIBE:
        return SUBS_UNSUBSCRIBE;
    case PRES_UNSUBSCRIBED:
        return SUBS_UNSUBSCRIBED;
    default:
        return SUBS_SUBSCRIBE;
    }
}

/* A presence of the account itself towards the contact. */
static void say(struct user *u, enum stanza_type t, const struct jid *to, struct custody *cu)
{
    struct stanza_build b;
    stanza_build(&b, STANZA_PRESENCE, t, &u->bare, to, STR_NONE);
    route_start(u->shard, stanza_finish(&b), custody_ref(cu), ROUTE_SERVER, 0, NULL);
}

void subs_end(struct user *u, const struct jid *contact, uint8_t before, struct custody *cu)
{
    if (before & (SUBS_TO | SUBS_PENDING_OUT))
        say(u, PRES_UNSUBSCRIBE, contact, cu);
    if (!(before & SUBS_FROM))
        return;
    presence_show(u, contact, true);
    say(u, PRES_UNSUBSCRIBED, contact, cu);
}

/* A request is for who can answer now (the others see it when they come), the rest for who shows
 * the roster (RFC 6121 section 3.1.3, 3.1.6, 3.2.3, 3.3.3). */
static bool is_shown(const struct session *ss, enum stanza_type t)
{
    return ss->presence || (ss->interested && t != PRES_SUBSCRIBE);
}

static void show_to_sessions(struct user *u, struct stanza *s, struct custody *c)
{
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (is_shown(ss, s->type))
            session_write(ss, stanza_readdress(s, NULL, &u->bare), custody_ref(c), true, 0);
    }
}

/* The store has it: now the world may see it. */
static void change_effects(struct change *c)
{
    struct user *u = c->user;
    struct subs_result *res = &c->result;
    const struct roster_item *it = roster_find(u, c->contact.full);
    bool cancels = res->send_unavailable && c->direction == SUBS_OUTBOUND;
    if (cancels) /* while the contact is still subscribed (section 3.2.2) */
        presence_show(u, &c->contact, true);
    if (res->route) {
        struct stanza *out = stanza_readdress(c->route.stanza, &u->bare, &c->contact);
        route_start(u->shard, out, custody_ref(c->route.custody), ROUTE_CLIENT, c->route.hops,
                    c->route.trace);
    }
    if (res->auto_reply)
        say(u, PRES_SUBSCRIBED, &c->contact, NULL);
    if (res->auto_unsubscribed)
        say(u, PRES_UNSUBSCRIBED, &c->contact, NULL);
    if (res->deliver)
        show_to_sessions(u, c->route.stanza, c->route.custody);
    if (res->push && it && it->visible)
        roster_push(u, it, false);
    if (res->send_presence)
        presence_show(u, &c->contact, false);
    if (res->send_unavailable && !cancels)
        presence_show(u, &c->contact, true);
}

static void change_saved(void *ctx, enum err e)
{
    struct change *c = ctx;
    op_end(&c->op);
    if (e == ERR_OK) {
        change_effects(c);
    } else {
        route_bounce(c->user->shard, stanza_ref(c->route.stanza), custody_ref(c->route.custody),
                     STANZA_INTERNAL_SERVER_ERROR, "the roster cannot be written");
    }
    change_free(c);
}

static void item_update(struct roster_item *it, const struct change *c)
{
    it->state = c->result.state;
    if (c->direction == SUBS_OUTBOUND && c->route.stanza->type == PRES_SUBSCRIBE)
        it->visible = true;
    if (it->state & (SUBS_TO | SUBS_FROM | SUBS_PENDING_OUT | SUBS_APPROVED))
        it->visible = true;
    bool is_request = c->direction == SUBS_INBOUND && c->route.stanza->type == PRES_SUBSCRIBE;
    if (!(it->state & SUBS_PENDING_IN)) {
        stanza_unref(&it->pending);
    } else if (is_request && !it->pending) {
        roster_item_set_pending(it, c->route.stanza);
    }
}

static void subs_change(struct user *u, struct route *r, enum subs_direction d,
                        const struct jid *contact)
{
    struct roster_item *it = roster_find(u, contact->bare);
    uint8_t before = it ? it->state : 0;
    struct change *c = mem_alloc(sizeof *c);
    *c = (struct change){.user = u, .route = *r, .direction = d};
    struct jid bare = jid_to_bare(contact);
    jid_dup_heap(&bare, &c->contact);
    c->result = subs_apply(before, d, event_of(r->stanza->type));
    op_start(&c->op, &u->ops, change_cancel);
    bool changes = c->result.state != before;
    if (changes && !it)
        it = d == SUBS_OUTBOUND ? roster_get(u, contact) : roster_get_request(u, contact);
    if (changes && !it) {
        op_end(&c->op);
        route_bounce(u->shard, stanza_ref(r->stanza), custody_ref(r->custody),
                     STANZA_RESOURCE_CONSTRAINT, "the roster is full");
        change_free(c);
    } else if (changes) {
        item_update(it, c);
        roster_save(u, it, change_saved, c);
    } else {
        change_saved(c, ERR_OK);
    }
}

void subs_out(struct user *u, struct route *r)
{
    if (jid_bare_eq(&r->stanza->to, &u->bare)) /* everybody sees himself */
        route_bounce(u->shard, r->stanza, r->custody, STANZA_NOT_ALLOWED, NULL);
    else
        subs_change(u, r, SUBS_OUTBOUND, &r->stanza->to);
}

void subs_in(struct user *u, struct route *r)
{
    subs_change(u, r, SUBS_INBOUND, &r->stanza->from);
}

void subs_show_pending(struct user *u, struct session *ss)
{
    struct roster_item *it;
    for (size_t i = 0; (it = hmap_next(&u->roster->items, &i, NULL));)
        if (it->pending && presence_may_reach(u, &it->jid))
            session_write(ss, stanza_readdress(it->pending, &it->jid, &u->bare), NULL, true, 0);
}
