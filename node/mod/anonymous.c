/* DOC: what users without an account may not. They talk to who is here and to the services of this
 * node, and nothing of them stays: no roster and so no subscriptions, nothing they would have
 * stored, no offline messages. Other servers are out of reach both ways unless [auth.anonymous]
 * federation says otherwise. That their accounts end with their session is the router's
 * (node/route/router.c) and node/auth's (account-anonymous.c). Standards: XEP-0175 section 3. */
#include "lib/base/log.h"
#include "lib/xmpp/xep.h"
#include "node/auth/account.h"
#include "node/component/component.h"
#include "node/mod/mods.h"
#include "node/session/user.h"

XEP("0175", "1.2", COMPLETE);

static bool is_anonymous(const struct user *u)
{
    return account_is_anonymous(u->shard->node->conf, u->bare.local);
}

static bool is_local(const struct user *u, const struct jid *j)
{
    const struct node *n = u->shard->node;
    return !jid_is_set(j) || node_serves(n, j->domain) || component_serves(n, j->domain);
}

static bool is_foreign(const struct user *u, const struct jid *j)
{
    return !u->shard->node->conf->anonymous_federation && !is_local(u, j);
}

static bool is_subscription(const struct stanza *s)
{
    return s->kind == STANZA_PRESENCE &&
           (s->type == PRES_SUBSCRIBE || s->type == PRES_SUBSCRIBED ||
            s->type == PRES_UNSUBSCRIBE || s->type == PRES_UNSUBSCRIBED);
}

/* It would change what is kept of the account. Carbons are the session's own. */
static bool is_to_be_kept(const struct user *u, const struct stanza *s)
{
    const struct xml *payload = stanza_payload(s);
    const bool is_own = !jid_is_set(&s->to) || !s->to.local.n || jid_bare_eq(&s->to, &u->bare);
    return s->kind == STANZA_IQ && s->type == IQ_SET && is_own && is_local(u, &s->to) &&
           !component_serves(u->shard->node, s->to.domain) && payload &&
           payload->ns != NS_CARBONS && payload->ns != NS_SESSION;
}

static enum verdict on_send(struct hook_run *run, struct user_stanza *us)
{
    const struct stanza *s = us->route->stanza;
    if (!is_anonymous(us->user))
        return V_PASS;
    if (!is_foreign(us->user, &s->to) && !is_subscription(s) && !is_to_be_kept(us->user, s))
        return V_PASS;
    log_info(NULL, "anonymous.refused", "user", LOG_STR(us->user->bare.full), "to",
             LOG_STR(s->to.full), "trace", us->route->trace);
    run->bounce = STANZA_NOT_ALLOWED;
    return V_BOUNCE;
}

static enum verdict on_receive(struct hook_run *run, struct user_stanza *us)
{
    const struct stanza *s = us->route->stanza;
    if (!is_anonymous(us->user))
        return V_PASS;
    if (is_subscription(s))
        return V_DROP; /* as for an account that is not there */
    run->bounce = STANZA_SERVICE_UNAVAILABLE;
    /* errors are ours, for what was refused, or lead nowhere */
    return is_foreign(us->user, &s->from) && !stanza_is_error(s) ? V_BOUNCE : V_PASS;
}

static enum verdict on_unreachable(struct hook_run *run, struct user_stanza *us)
{
    run->bounce = STANZA_SERVICE_UNAVAILABLE;
    return is_anonymous(us->user) ? V_BOUNCE : V_PASS;
}

static const struct hook_handler hooks[] = {
    HOOK_ON(user_send, PH_POLICY, on_send),
    HOOK_ON(user_receive, PH_POLICY, on_receive),
    HOOK_ON(user_unreachable, PH_POLICY, on_unreachable),
};

const struct module mod_anonymous = {
    .name = "anonymous",
    .xep = "0175",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
};
