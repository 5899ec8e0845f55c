/* DOC: unique and stable ids of messages: one-on-one messages get the account's stanza-id as they
 * arrive; it is the trace of the journey, which is random and stays when a link sends again, so a
 * copy that comes twice is known by it. Ids that claim to be of an entity of ours are cut: from
 * what our users send, from what other servers send, and in any case the one we would set.
 * origin-id is left alone. What comes back from a session that ended has its id. Standards:
 * XEP-0359 section 3. */
#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"
#include "node/session/user.h"

XEP("0359", "0.7.0", COMPLETE);

struct judge {
    const struct node *node; /* all its domains are ours; NULL: only own is */
    const struct jid *own;
    struct arena *arena;
};

static bool is_forged(const struct judge *g, const struct xml *el)
{
    struct jid by;
    if (!xml_is(el, NS_SID, "stanza-id"))
        return false;
    if (jid_parse(g->arena, xml_get(el, "by"), &by, NULL) != ERR_OK)
        return true; /* rule 5: it has none */
    return jid_bare_eq(&by, g->own) || (g->node && node_serves(g->node, by.domain));
}

static const struct xml *forged_in(const struct judge *g, const struct xml *el)
{
    xml_each(el, n)
    {
        if (is_forged(g, n->el))
            return n->el;
    }
    return NULL;
}

static void cut_forged(struct stanza_edit *e, const struct judge *g)
{
    const struct xml *el;
    while ((el = forged_in(g, e->el)))
        stanza_edit_cut(e, el);
}

static void replace(struct route *r, struct stanza_edit *e)
{
    struct stanza *s = stanza_edited(e);
    stanza_unref(&r->stanza);
    r->stanza = s;
}

static bool has_any(const struct stanza *s)
{
    xml_each(s->el, n)
    {
        if (n->el->ns == NS_SID && strcmp(n->el->name, "stanza-id") == 0)
            return true;
    }
    return false;
}

static enum verdict on_send(struct hook_run *run, struct user_stanza *us)
{
    struct stanza *s = us->route->stanza;
    if (s->kind != STANZA_MESSAGE || !has_any(s))
        return V_PASS;
    struct stanza_edit e;
    stanza_edit(&e, s);
    const struct judge g = {run->shard->node, &us->user->bare, e.arena};
    cut_forged(&e, &g);
    replace(us->route, &e);
    return V_PASS;
}

static enum verdict on_receive(struct hook_run *run, struct user_stanza *us)
{
    struct route *r = us->route;
    struct stanza *s = r->stanza;
    if (s->kind != STANZA_MESSAGE || r->source == ROUTE_RETURNED)
        return V_PASS;
    bool stamps = s->type == MSG_NORMAL || s->type == MSG_CHAT;
    const bool has_ids = has_any(s);
    if (!stamps && !has_ids)
        return V_PASS;
    struct stanza_edit e;
    stanza_edit(&e, s);
    const struct judge g = {r->source == ROUTE_S2S ? run->shard->node : NULL, &us->user->bare,
                            e.arena};
    if (has_ids)
        cut_forged(&e, &g);
    if (stamps) {
        struct xml *id = xml_add(e.arena, e.el, NS_SID, "stanza-id");
        xml_set(e.arena, id, "id", str_of(r->trace));
        xml_set(e.arena, id, "by", us->user->bare.full);
    }
    replace(r, &e);
    return V_PASS;
}

static const struct hook_handler hooks[] = {
    HOOK_ON(user_send, PH_SANITIZE, on_send),
    HOOK_ON(user_receive, PH_ANNOTATE, on_receive),
};
static const char *const features[] = {NS_SID, NULL};

const struct module mod_stanza_id = {
    .name = "stanza-id",
    .xep = "0359",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .server_features = features,
    .account_features = features,
};
