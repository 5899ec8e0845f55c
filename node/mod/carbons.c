/* DOC: message carbons: each session that asked for it gets a copy of the messages the user's other
 * sessions send, and of those they receive and it does not by the rules of RFC 6121. Whether a
 * session wants copies is kept with it, at the anchor. A copy is a message of the server's own:
 * nobody is told when it does not arrive, and what it copies is delivered elsewhere if need be.
 *
 * Decisions: a message that nobody takes and that is stored is not copied to a session that has
 * sent no presence yet, which will get the message itself. What comes back from a session that
 * ended is done with when another session has had its copy for a while. Errors are eligible by what
 * they carry; we keep no record of what they answer, so urn:xmpp:carbons:rules:0 is not announced.
 * Standards: XEP-0280 1.0.1, XEP-0297, XEP-0334 (no-copy). */
#include "lib/base/log.h"
#include "lib/xmpp/delay.h"
#include "lib/xmpp/forward.h"
#include "lib/xmpp/hints.h"
#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"
#include "node/session/user.h"

XEP("0280", "1.0.1", PARTIAL, "errors are judged by what they carry, so rules:0 is not announced");
XEP("0297", "1.0", COMPLETE);

/* A session that wanted copies this long before had its copy. */
#define SURE_US UINT64_C(10000000)

/* ---- section 6: which messages */
static bool is_invitation(const struct stanza *s)
{
    return stanza_child(s, NS_CONFERENCE, "x") ||
           xml_child(stanza_child(s, NS_MUC_USER, "x"), NS_MUC_USER, "invite");
}

static bool has_im_payload(const struct stanza *s)
{
    return stanza_child(s, NS_RECEIPTS, NULL) || stanza_child(s, NS_CHATSTATES, NULL) ||
           stanza_child(s, NS_MARKERS, NULL);
}

static bool is_private(const struct stanza *s)
{
    return stanza_child(s, NS_CARBONS, "private") || hints_has(s, "no-copy");
}

static bool is_copy(const struct stanza *s)
{
    xml_each(s->el, n)
    {
        if (n->el->ns == NS_CARBONS && strcmp(n->el->name, "private") != 0)
            return true;
    }
    return false;
}

/* Most users have no session that asks; for them a message costs no more than this. */
static bool is_wanted(struct user *u)
{
    list_each (&u->sessions, n) {
        if (list_entry(n, struct session, link)->carbons_us)
            return true;
    }
    return false;
}

static bool is_eligible(const struct stanza *s)
{
    if (s->kind != STANZA_MESSAGE || s->type == MSG_GROUPCHAT || is_private(s) || is_copy(s))
        return false;
    bool has_body = stanza_child(s, NS_CLIENT, "body");
    return s->type == MSG_CHAT || has_im_payload(s) || is_invitation(s) ||
           ((s->type == MSG_NORMAL || s->type == MSG_ERROR) && has_body);
}

/* A group chat copies its private messages itself. */
static bool is_from_occupant(const struct stanza *s)
{
    return jid_is_full(&s->from) && stanza_child(s, NS_MUC_USER, "x") && !is_invitation(s);
}

/* ---- sections 7 and 8: the copies */
static struct stanza *copy_new(struct user *u, const struct stanza *s, const char *direction)
{
    struct stanza_build b;
    stanza_build(&b, STANZA_MESSAGE, s->type, &u->bare, NULL, STR_NONE);
    forward_add(b.arena, xml_add(b.arena, b.el, NS_CARBONS, direction), s);
    return stanza_finish(&b);
}

static void copy_to(struct session *ss, struct stanza **copy, const struct stanza *s,
                    const char *direction)
{
    if (!*copy)
        *copy = copy_new(ss->user, s, direction);
    session_write(ss, stanza_readdress(*copy, NULL, &ss->full), NULL, true, 0);
}

static enum verdict on_send(struct hook_run *run, struct user_stanza *us)
{
    struct user *u = us->user;
    const struct stanza *s = us->route->stanza;
    struct stanza *copy = NULL;
    (void)run;
    if (u->n_sessions < 2 || !is_wanted(u) || !is_eligible(s))
        return V_PASS;
    bool to_self = !jid_is_set(&s->to) || jid_bare_eq(&s->to, &u->bare);
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (ss->carbons_us && ss->h != us->sender && !(to_self && deliver_takes(u, s, ss)))
            copy_to(ss, &copy, s, "sent");
    }
    stanza_unref(&copy);
    return V_PASS;
}

static bool somebody_takes(struct user *u, const struct stanza *s)
{
    list_each (&u->sessions, n) {
        if (deliver_takes(u, s, list_entry(n, struct session, link)))
            return true;
    }
    return false;
}

static bool had_copy(struct user *u, const struct stanza *s)
{
    uint64_t at_us;
    if (!jid_is_full(&s->to) || !delay_get(s, u->bare.domain, &at_us))
        return false;
    list_each (&u->sessions, n) {
        const struct session *ss = list_entry(n, struct session, link);
        if (ss->carbons_us && ss->carbons_us + SURE_US < at_us)
            return true;
    }
    return false;
}

static enum verdict on_receive(struct hook_run *run, struct user_stanza *us)
{
    struct user *u = us->user;
    struct route *r = us->route;
    const struct stanza *s = r->stanza;
    struct stanza *copy = NULL;
    (void)run;
    if (!is_wanted(u) || !is_eligible(s) || is_from_occupant(s))
        return V_PASS;
    if (r->source == ROUTE_RETURNED && had_copy(u, s)) {
        stanza_unref(&r->stanza);
        custody_unref(&r->custody);
        return V_STOP;
    }
    if (r->source == ROUTE_RETURNED ||
        jid_bare_eq(&s->from, &u->bare)) /* copied when it was sent */
        return V_PASS;
    bool taken = somebody_takes(u, s);
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (ss->carbons_us && (taken || ss->presence) && !deliver_takes(u, s, ss))
            copy_to(ss, &copy, s, "received");
    }
    stanza_unref(&copy);
    return V_PASS;
}

/* Section 11: only the account itself may say that it copies. */
static enum verdict on_forged(struct hook_run *run, struct user_stanza *us)
{
    const struct stanza *s = us->route->stanza;
    (void)run;
    if (s->kind != STANZA_MESSAGE || !is_copy(s) || jid_bare_eq(&s->from, &us->user->bare))
        return V_PASS;
    log_info(NULL, "carbons.forged", "user", LOG_STR(us->user->bare.full), "from",
             LOG_STR(s->from.full), "trace", us->route->trace);
    return V_DROP;
}

/* ---- sections 4 and 5: who wants them */
static void want(struct iq_request *r, bool wants)
{
    struct session *ss = session_by_handle(r->shard, r->session);
    if (!ss || ss->user != r->user) {
        iq_error(r, STANZA_NOT_ALLOWED, NULL);
        return;
    }
    session_want(ss, WISH_CARBONS, wants);
    iq_result(r);
}

static void on_enable(struct iq_request *r)
{
    want(r, true);
}

static void on_disable(struct iq_request *r)
{
    want(r, false);
}

static const struct iq_handler iqs[] = {
    {NS_CARBONS, "enable", IQ_TO_ACCOUNT, false, true, false, on_enable},
    {NS_CARBONS, "disable", IQ_TO_ACCOUNT, false, true, false, on_disable},
};
static const struct hook_handler hooks[] = {
    HOOK_ON(user_receive, PH_SANITIZE, on_forged),
    HOOK_ON(user_receive, PH_COPY, on_receive),
    HOOK_ON(user_send, PH_COPY, on_send),
};
static const char *const features[] = {NS_CARBONS, NULL};

const struct module mod_carbons = {
    .name = "carbons",
    .xep = "0280",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .server_features = features,
    .account_features = features,
};
