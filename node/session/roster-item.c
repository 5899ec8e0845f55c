/* Roster items as the store keeps them: XML an administrator can read. */
#include "lib/xmpp/xml-parse.h"
#include "node/session/roster-int.h"

enum { STATE_ALL = SUBS_TO | SUBS_FROM | SUBS_PENDING_OUT | SUBS_PENDING_IN | SUBS_APPROVED };

void roster_item_format(const struct roster_item *it, struct buf *out)
{
    struct arena *a = arena_new(0);
    struct xml *el = xml_new(a, NS_ROSTER, "item");
    xml_set(a, el, "state", arena_printf(a, "%u", it->state));
    if (it->visible)
        xml_set(a, el, "visible", STR("true"));
    xml_set(a, el, "name", str_of(it->name));
    for (size_t i = 0; i < it->n_groups; i++)
        xml_add_text(a, xml_add(a, el, NS_ROSTER, "group"), str_of(it->groups[i]));
    if (it->pending) {
        struct buf text;
        buf_init(&text, STORE_VALUE_MAX);
        stanza_write(&text, it->pending, NS_CLIENT);
        xml_add_text(a, xml_add(a, el, NS_ROSTER, "pending"), buf_view(&text));
        buf_fini(&text);
    }
    xml_write(out, el, NS_ROSTER);
    arena_free(&a);
}

static void read_groups(struct roster_item *it, struct arena *a, const struct xml *el)
{
    char **groups = mem_calloc(ROSTER_GROUPS_MAX, sizeof *groups);
    size_t n = 0;
    for (const struct xml_node *c = el->first; c && n < ROSTER_GROUPS_MAX; c = c->next)
        if (c->el && xml_is(c->el, NS_ROSTER, "group"))
            groups[n++] = str_dup(xml_text(a, c->el));
    roster_item_set_groups(it, groups, n);
}

static enum err read_pending(struct roster_item *it, struct str text)
{
    enum err e = stanza_parse(text, &it->pending);
    if (e != ERR_OK || it->pending->type == PRES_SUBSCRIBE)
        return e;
    stanza_unref(&it->pending);
    return ERR_INVALID;
}

enum err roster_item_parse(struct roster_item *it, struct str text)
{
    struct xml_doc *doc;
    struct xml_limits limits = xml_limits_default;
    limits.max_stanza_bytes = STORE_VALUE_MAX;
    limits.max_tag_bytes = STORE_VALUE_MAX;
    enum err e = xml_parse_one(text, NS_ROSTER, &limits, &doc);
    if (e != ERR_OK)
        return e;
    uint64_t state;
    if (!xml_is(doc->root, NS_ROSTER, "item") ||
        !str_to_u64(xml_get(doc->root, "state"), STATE_ALL, &state)) {
        e = ERR_INVALID;
    } else {
        it->state = (uint8_t)state;
        it->visible = str_eqc(xml_get(doc->root, "visible"), "true");
        struct str name = xml_get(doc->root, "name");
        it->name = name.p ? str_dup(name) : NULL;
        read_groups(it, doc->arena, doc->root);
        const struct xml *pending = xml_child(doc->root, NS_ROSTER, "pending");
        if (pending)
            e = read_pending(it, xml_text(doc->arena, pending));
    }
    xml_doc_free(&doc);
    return e;
}
