/* DOC: delay stamps that claim to be of a domain of ours are cut from what our users, other servers
 * and components send: only we say what waited here. We look for our own stamp before we add one,
 * so a forged one would also hide the true time. Stamps of others are left alone. Standards:
 * XEP-0203 section 5. */
#include "node/mod/mods.h"
#include "node/session/user.h"

static bool is_forged(const struct node *n, struct arena *a, const struct xml *el)
{
    struct jid from;
    return xml_is(el, NS_DELAY, "delay") &&
           jid_parse(a, xml_get(el, "from"), &from, NULL) == ERR_OK && !from.local.p &&
           !from.resource.p && node_serves(n, from.domain);
}

static const struct xml *forged_in(const struct node *n, struct arena *a, const struct xml *el)
{
    xml_each(el, k)
    {
        if (is_forged(n, a, k->el))
            return k->el;
    }
    return NULL;
}

static void cut(const struct node *n, struct route *r)
{
    struct stanza_edit e;
    const struct xml *el;
    stanza_edit(&e, r->stanza);
    while ((el = forged_in(n, e.arena, e.el)))
        stanza_edit_cut(&e, el);
    struct stanza *s = stanza_edited(&e);
    stanza_unref(&r->stanza);
    r->stanza = s;
}

static bool has_any(const struct stanza *s)
{
    xml_each(s->el, k)
    {
        if (k->el->ns == NS_DELAY)
            return true;
    }
    return false;
}

static void sanitize(const struct node *n, struct route *r)
{
    if (r->stanza->kind != STANZA_IQ && has_any(r->stanza))
        cut(n, r);
}

static enum verdict on_send(struct hook_run *run, struct user_stanza *us)
{
    sanitize(run->shard->node, us->route);
    return V_PASS;
}

static enum verdict on_receive(struct hook_run *run, struct user_stanza *us)
{
    if (us->route->source == ROUTE_S2S || us->route->source == ROUTE_COMPONENT)
        sanitize(run->shard->node, us->route);
    return V_PASS;
}

static const struct hook_handler hooks[] = {
    HOOK_ON(user_send, PH_SANITIZE, on_send),
    HOOK_ON(user_receive, PH_SANITIZE, on_receive),
};

const struct module mod_delay = {
    .name = "delay",
    .xep = "0203",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
};
