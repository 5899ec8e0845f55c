/* DOC: the stanza object. Role: one refcounted handle on an immutable tree, with its addresses
 * outside the tree so that they can differ per copy. Design: a readdressed stanza is a small arena
 * with new addresses and a reference on the one that owns the payload; an edited one has a start
 * tag and a list of children of its own, and is the owner for those made of it. Inside the house
 * every stanza is in jabber:client; streams of another content namespace translate at their edge
 * (stanza_from_doc, stanza_write). Standards: RFC 6120 section 8. */
#include "lib/xmpp/stanza-int.h"
#include "lib/xmpp/xml-write-int.h"

static const char *const kind_names[] = {
    [STANZA_MESSAGE] = "message", [STANZA_PRESENCE] = "presence", [STANZA_IQ] = "iq"};

static const struct {
    enum stanza_kind kind;
    const char *name; /* NULL: the default, no attribute */
} types[] = {
    [MSG_NORMAL] = {STANZA_MESSAGE, NULL},
    [MSG_CHAT] = {STANZA_MESSAGE, "chat"},
    [MSG_GROUPCHAT] = {STANZA_MESSAGE, "groupchat"},
    [MSG_HEADLINE] = {STANZA_MESSAGE, "headline"},
    [MSG_ERROR] = {STANZA_MESSAGE, "error"},
    [PRES_AVAILABLE] = {STANZA_PRESENCE, NULL},
    [PRES_UNAVAILABLE] = {STANZA_PRESENCE, "unavailable"},
    [PRES_SUBSCRIBE] = {STANZA_PRESENCE, "subscribe"},
    [PRES_SUBSCRIBED] = {STANZA_PRESENCE, "subscribed"},
    [PRES_UNSUBSCRIBE] = {STANZA_PRESENCE, "unsubscribe"},
    [PRES_UNSUBSCRIBED] = {STANZA_PRESENCE, "unsubscribed"},
    [PRES_PROBE] = {STANZA_PRESENCE, "probe"},
    [PRES_ERROR] = {STANZA_PRESENCE, "error"},
    [IQ_GET] = {STANZA_IQ, "get"},
    [IQ_SET] = {STANZA_IQ, "set"},
    [IQ_RESULT] = {STANZA_IQ, "result"},
    [IQ_ERROR] = {STANZA_IQ, "error"},
};

const char *stanza_kind_name(enum stanza_kind k)
{
    must((size_t)k < ARRAY_LEN(kind_names));
    return kind_names[k];
}

const char *stanza_type_name(enum stanza_type t)
{
    must((size_t)t < ARRAY_LEN(types));
    return types[t].name;
}

bool stanza_type_find(enum stanza_kind k, struct str text, enum stanza_type *out)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].kind != k || (types[i].name ? !str_eqc(text, types[i].name) : text.p != NULL))
            continue;
        *out = (enum stanza_type)i;
        return true;
    }
    return false;
}

struct stanza *stanza_new_take(struct arena **a, enum stanza_kind k, enum stanza_type t,
                               const struct xml *el)
{
    struct stanza *s = arena_alloc(*a, sizeof *s);
    refs_init(&s->refs);
    s->kind = k;
    s->type = t;
    s->el = el;
    s->id = xml_get(el, "id");
    s->lang = xml_get_ns(el, NS_XML, "lang");
    s->arena = *a;
    *a = NULL;
    return s;
}

struct stanza *stanza_owner(struct stanza *s)
{
    return s->base && s->base->el == s->el ? s->base : s;
}

struct stanza *stanza_ref(struct stanza *s)
{
    refs_get(&s->refs);
    return s;
}

void stanza_unref(struct stanza **ps)
{
    struct stanza *s = *ps;
    *ps = NULL;
    if (!s || !refs_put(&s->refs))
        return;
    struct stanza *base = s->base;
    struct arena *a = s->arena; /* s lives in it */
    arena_free(&a);
    stanza_unref(&base);
}

void stanza_set_from(struct stanza *s, const struct jid *from)
{
    must(refs_is_only(&s->refs));
    s->from = jid_dup(s->arena, from);
}

struct stanza *stanza_readdress(struct stanza *s, const struct jid *from, const struct jid *to)
{
    struct arena *a = arena_new(0);
    const struct jid f = jid_dup(a, from ? from : &s->from), t = jid_dup(a, to ? to : &s->to);
    struct stanza *n = stanza_new_take(&a, s->kind, s->type, s->el);
    n->from = f;
    n->to = t;
    n->bytes = s->bytes;
    n->base = stanza_ref(stanza_owner(s));
    return n;
}

static struct stanza *copy_in(struct arena *a, const struct stanza *s)
{
    struct stanza *n = stanza_new_take(&a, s->kind, s->type, xml_copy(a, s->el));
    n->from = jid_dup(n->arena, &s->from);
    n->to = jid_dup(n->arena, &s->to);
    n->bytes = s->bytes;
    return n;
}

struct stanza *stanza_pack(const struct stanza *s)
{
    struct stanza *trial = copy_in(arena_new(0), s);
    const size_t used = arena_used(trial->arena);
    stanza_unref(&trial);
    return copy_in(arena_new_for(used), s);
}

void stanza_write(struct buf *out, const struct stanza *s, const char *content_ns)
{
    const char *name = stanza_kind_name(s->kind);
    buf_char(out, '<');
    buf_cstr(out, name);
    xml_write_attr(out, "to", s->to.full);
    xml_write_attr(out, "from", s->from.full);
    unsigned n = 0;
    for (const struct xml_attr *at = s->el->attrs; at; at = at->next) {
        if (at->ns || (strcmp(at->name, "from") != 0 && strcmp(at->name, "to") != 0))
            xml_write_tree_attr(out, at, &n);
    }
    if (!s->el->first) {
        buf_str(out, STR("/>"));
        return;
    }
    buf_char(out, '>');
    xml_write_payload(out, s->el, content_ns);
    buf_str(out, STR("</"));
    buf_cstr(out, name);
    buf_char(out, '>');
}

const struct xml *stanza_payload(const struct stanza *s)
{
    return xml_first(s->el);
}

const struct xml *stanza_child(const struct stanza *s, const char *ns, const char *name)
{
    return xml_child(s->el, ns, name);
}

bool stanza_is_error(const struct stanza *s)
{
    return s->type == MSG_ERROR || s->type == PRES_ERROR || s->type == IQ_ERROR;
}
