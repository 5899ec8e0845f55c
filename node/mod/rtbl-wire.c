/* DOC: the few words of XEP-0060 that a subscriber needs, as trees. What is read is what the parser
 * let through, so it is bounded; what is not understood is left out, never guessed. Standards:
 * XEP-0060 sections 5.6 (subscriptions), 6.1 and 6.2
 * (subscribe, unsubscribe), 6.5 (retrieve items), 7.1.2 and 7.2.2.1
 * (publish, retract), 8.4.2 and 8.5.2 (delete, purge), 8.8.4 (subscriptions that change); XEP-0059
 * sections 2.1 and 2.2. */
#include "node/mod/rtbl-wire.h"

#include "lib/xmpp/xep.h"

XEP("0060", "1.30.0", PARTIAL,
    "client of block lists: subscribe, retrieve, events; no service of our own");
XEP("0059", "1.0", PARTIAL, "requesting entity, forwards");

/* ---- requests */
static void put_request(struct stanza_build *b, const char *name, struct str node, struct str me)
{
    struct xml *pubsub = xml_add(b->arena, b->el, NS_PUBSUB, "pubsub");
    struct xml *el = xml_add(b->arena, pubsub, NS_PUBSUB, name);
    xml_set(b->arena, el, "node", node);
    xml_set(b->arena, el, "jid", me);
}

void rtbl_wire_subscribe(struct stanza_build *b, struct str node, struct str me)
{
    put_request(b, "subscribe", node, me);
}

void rtbl_wire_unsubscribe(struct stanza_build *b, struct str node, struct str me)
{
    put_request(b, "unsubscribe", node, me);
}

void rtbl_wire_subscriptions(struct stanza_build *b, struct str node)
{
    put_request(b, "subscriptions", node, STR_NONE);
}

void rtbl_wire_items(struct stanza_build *b, struct str node, unsigned max, struct str after)
{
    struct arena *a = b->arena;
    struct xml *pubsub = xml_add(a, b->el, NS_PUBSUB, "pubsub");
    xml_set(a, xml_add(a, pubsub, NS_PUBSUB, "items"), "node", node);
    struct xml *set = xml_add(a, pubsub, NS_RSM, "set");
    xml_add_text(a, xml_add(a, set, NS_RSM, "max"), arena_printf(a, "%u", max));
    if (after.p)
        xml_add_text(a, xml_add(a, set, NS_RSM, "after"), after);
}

/* ---- answers */
static const struct xml *child(const struct xml *el, const char *ns, const char *name)
{
    return el ? xml_child(el, ns, name) : NULL;
}

/* el speaks of our subscription to the node. */
static bool is_ours(const struct xml *el, struct str node, struct str me)
{
    struct str at = xml_get(el, "node"); /* may be said by the parent alone */
    return (!at.p || str_eq(at, node)) && str_ieq(xml_get(el, "jid"), me);
}

static enum rtbl_subscription state_of(const struct xml *el)
{
    struct str state = xml_get(el, "subscription");
    if (!state.p || str_eqc(state, "subscribed"))
        return RTBL_SUB_YES;
    return str_eqc(state, "none") ? RTBL_SUB_NONE : RTBL_SUB_PENDING;
}

/* Of several (with subids) the best counts. */
static enum rtbl_subscription best_of(const struct xml *parent, struct str node, struct str me)
{
    enum rtbl_subscription best = RTBL_SUB_NONE;
    xml_each(parent, c)
    {
        if (!xml_is(c->el, NS_PUBSUB, "subscription") || !is_ours(c->el, node, me))
            continue;
        enum rtbl_subscription is = state_of(c->el);
        best = is > best ? is : best;
    }
    return best;
}

enum rtbl_subscription rtbl_wire_subscribed(const struct stanza *s, struct str node, struct str me)
{
    const struct xml *pubsub = stanza_child(s, NS_PUBSUB, "pubsub");
    const struct xml *list = child(pubsub, NS_PUBSUB, "subscriptions");
    if (list || child(pubsub, NS_PUBSUB, "subscription"))
        return best_of(list ? list : pubsub, node, me);
    return pubsub || !xml_first(s->el) ? RTBL_SUB_NONE : RTBL_SUB_MALFORMED;
}

static void read_set(const struct xml *set, struct rtbl_page *out)
{
    struct arena *a = arena_new(0);
    out->last = child(set, NS_RSM, "last");
    (void)str_to_u64(xml_text(a, child(set, NS_RSM, "count")), UINT64_MAX, &out->count);
    arena_free(&a);
}

bool rtbl_wire_page(const struct stanza *s, struct str node, struct rtbl_page *out, rtbl_id_cb *cb,
                    void *ctx)
{
    const struct xml *pubsub = stanza_child(s, NS_PUBSUB, "pubsub");
    const struct xml *items = child(pubsub, NS_PUBSUB, "items");
    if (!pubsub || (items && !str_eq(xml_get(items, "node"), node)))
        return false;
    *out = (struct rtbl_page){0};
    read_set(child(pubsub, NS_RSM, "set"), out);
    if (!items) /* an empty page: XEP-0059 section 2.2 */
        return true;
    xml_each(items, c)
    {
        struct str id = xml_get(c->el, "id");
        if (!xml_is(c->el, NS_PUBSUB, "item") || !id.p)
            continue;
        out->n++;
        cb(ctx, id);
    }
    return true;
}

enum stanza_cond rtbl_wire_condition(const struct stanza *s)
{
    const struct xml *error = stanza_child(s, NS_CLIENT, "error");
    enum stanza_cond c = STANZA_OK;
    if (!error)
        return STANZA_UNDEFINED_CONDITION;
    xml_each(error, n) if (c == STANZA_OK && str_eqc(str_of(n->el->ns), NS_STANZA_ERRORS)) c =
        stanza_cond_find(str_of(n->el->name));
    return c == STANZA_OK ? STANZA_UNDEFINED_CONDITION : c;
}

char *rtbl_wire_error(const struct stanza *s, char *out, size_t size)
{
    const struct xml *text = child(stanza_child(s, NS_CLIENT, "error"), NS_STANZA_ERRORS, "text");
    struct arena *a = arena_new(0);
    struct str said = text ? xml_text(a, text) : STR_NONE;
    snprintf(out, size, "%s%s" STR_FMT "%s", stanza_cond_name(rtbl_wire_condition(s)),
             said.n ? " (" : "", STR_ARG(said), said.n ? ")" : "");
    arena_free(&a);
    return out;
}

/* ---- events */
static void read_items(const struct xml *items, rtbl_event_cb *cb, void *ctx)
{
    xml_each(items, c)
    {
        struct str id = xml_get(c->el, "id");
        if (!id.p)
            continue;
        if (xml_is(c->el, NS_PUBSUB_EVENT, "item"))
            cb(ctx, RTBL_PUBLISH, id);
        else if (xml_is(c->el, NS_PUBSUB_EVENT, "retract"))
            cb(ctx, RTBL_RETRACT, id);
    }
}

static bool read_change(const struct xml *el, struct str node, struct str me, rtbl_event_cb *cb,
                        void *ctx)
{
    if (!str_eq(xml_get(el, "node"), node))
        return false;
    if (xml_is(el, NS_PUBSUB_EVENT, "items"))
        read_items(el, cb, ctx);
    else if (xml_is(el, NS_PUBSUB_EVENT, "purge"))
        cb(ctx, RTBL_PURGE, STR_NONE);
    else if (xml_is(el, NS_PUBSUB_EVENT, "delete"))
        cb(ctx, RTBL_DELETE, STR_NONE);
    else if (xml_is(el, NS_PUBSUB_EVENT, "subscription") && is_ours(el, node, me) &&
             state_of(el) != RTBL_SUB_YES)
        cb(ctx, RTBL_UNSUBSCRIBED, STR_NONE);
    else
        return false; /* its configuration, for one */
    return true;
}

bool rtbl_wire_event(const struct stanza *s, struct str node, struct str me, rtbl_event_cb *cb,
                     void *ctx)
{
    bool any = false;
    const struct xml *event = stanza_child(s, NS_PUBSUB_EVENT, "event");
    if (!event)
        return false;
    xml_each(event, c) any = read_change(c->el, node, me, cb, ctx) || any;
    return any;
}
