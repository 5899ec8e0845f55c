/* DOC: making stanzas: the builder, replies and results (RFC 6120 sections 8.2.3 and 8.3). An error
 * reply does not carry the offending payload back: that is a courtesy nobody may rely on
 * (section 8.3.1) and would double hostile traffic. */
#include "lib/xmpp/stanza-int.h"

void stanza_build(struct stanza_build *b, enum stanza_kind k, enum stanza_type t,
                  const struct jid *from, const struct jid *to, struct str id)
{
    struct arena *a = arena_new(0);
    *b = (struct stanza_build){.arena = a, .el = xml_new(a, NS_CLIENT, stanza_kind_name(k))};
    xml_set(a, b->el, "id", id);
    xml_set(a, b->el, "type", str_of(stanza_type_name(t)));
    if (from)
        b->from = jid_dup(a, from);
    if (to)
        b->to = jid_dup(a, to);
}

static size_t estimate(const struct xml *el)
{
    size_t n = 2 * strlen(el->name) + 5;
    for (const struct xml_attr *at = el->attrs; at; at = at->next)
        n += strlen(at->name) + at->value.n + 4;
    for (const struct xml_node *c = el->first; c; c = c->next)
        n +=
            c->el ? estimate(c->el) + (c->el->ns == el->ns ? 0 : strlen(c->el->ns) + 9) : c->text.n;
    return n;
}

static enum stanza_kind kind_of(const struct xml *el)
{
    for (int k = STANZA_MESSAGE; k < STANZA_IQ; k++) {
        if (strcmp(el->name, stanza_kind_name((enum stanza_kind)k)) == 0)
            return (enum stanza_kind)k;
    }
    return STANZA_IQ;
}

struct stanza *stanza_finish(struct stanza_build *b)
{
    const enum stanza_kind kind = kind_of(b->el);
    enum stanza_type type;
    must(stanza_type_find(kind, xml_get(b->el, "type"), &type));
    struct stanza *s = stanza_new_take(&b->arena, kind, type, b->el);
    s->from = b->from;
    s->to = b->to;
    s->bytes = estimate(s->el) + s->from.full.n + s->to.full.n + sizeof " from='' to=''";
    *b = (struct stanza_build){0};
    return s;
}

struct stanza *stanza_with_payload(struct stanza *s, const struct xml *el)
{
    struct stanza_build b;
    stanza_build(&b, s->kind, s->type, &s->from, &s->to, s->id);
    for (const struct xml_attr *at = s->el->attrs; at; at = at->next) {
        const char *ns =
            at->ns && !ns_find(str_of(at->ns)) ? arena_cstr(b.arena, str_of(at->ns)) : at->ns;
        if (ns || strcmp(at->name, "type") != 0) /* an unknown message type was read as normal */
            xml_set_ns(b.arena, b.el, ns, at->name, at->value);
    }
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (n->el)
            xml_add_el(b.arena, b.el, xml_copy(b.arena, n->el));
        else
            xml_add_text(b.arena, b.el, n->text);
    }
    return stanza_finish(&b);
}

enum { EDIT_BYTES = 128 }; /* about what a stamp takes on the wire */

void stanza_edit(struct stanza_edit *e, struct stanza *s)
{
    *e = (struct stanza_edit){.arena = arena_new(0), .of = s};
    e->el = arena_alloc(e->arena, sizeof *e->el);
    *e->el = (struct xml){.ns = s->el->ns, .name = s->el->name, .attrs = s->el->attrs};
    struct xml_node **end = &e->el->first;
    for (const struct xml_node *n = s->el->first; n; n = n->next) {
        struct xml_node *m = arena_alloc(e->arena, sizeof *m);
        *m = (struct xml_node){.el = n->el, .text = n->text};
        *end = e->el->last = m;
        end = &m->next;
    }
}

void stanza_edit_cut(struct stanza_edit *e, const struct xml *child)
{
    struct xml_node *before = NULL;
    for (struct xml_node *n = e->el->first; n; before = n, n = n->next) {
        if (n->el != child)
            continue;
        if (before)
            before->next = n->next;
        else
            e->el->first = n->next;
        if (e->el->last == n)
            e->el->last = before;
        return;
    }
}

struct stanza *stanza_edited(struct stanza_edit *e)
{
    struct stanza *s = e->of;
    const bool is_held = stanza_owner(s) == s; /* and its addresses with it */
    const struct jid from = is_held ? s->from : jid_dup(e->arena, &s->from);
    const struct jid to = is_held ? s->to : jid_dup(e->arena, &s->to);
    struct stanza *n = stanza_new_take(&e->arena, s->kind, s->type, e->el);
    n->from = from;
    n->to = to;
    n->bytes = s->bytes + EDIT_BYTES;
    n->base = stanza_ref(stanza_owner(s));
    *e = (struct stanza_edit){0};
    return n;
}

void stanza_error_add(struct stanza_build *b, enum stanza_cond c, const char *text_or_null)
{
    struct xml *error = xml_add(b->arena, b->el, NS_CLIENT, "error");
    xml_set(b->arena, error, "type", str_of(stanza_cond_type(c)));
    xml_add(b->arena, error, NS_STANZA_ERRORS, stanza_cond_name(c));
    if (text_or_null)
        xml_add_text(b->arena, xml_add(b->arena, error, NS_STANZA_ERRORS, "text"),
                     str_of(text_or_null));
}

struct stanza *stanza_error_reply(struct stanza *s, enum stanza_cond c, const char *text_or_null)
{
    static const enum stanza_type error_types[] = {
        [STANZA_MESSAGE] = MSG_ERROR, [STANZA_PRESENCE] = PRES_ERROR, [STANZA_IQ] = IQ_ERROR};
    if (stanza_is_error(s) || s->type == IQ_RESULT)
        return NULL;
    struct stanza_build b;
    stanza_build(&b, s->kind, error_types[s->kind], &s->to, &s->from, s->id);
    stanza_error_add(&b, c, text_or_null);
    return stanza_finish(&b);
}

void stanza_result_build(struct stanza_build *b, const struct stanza *iq)
{
    must(stanza_iq_request(iq));
    stanza_build(b, STANZA_IQ, IQ_RESULT, &iq->to, &iq->from, iq->id);
}

struct stanza *stanza_result(const struct stanza *iq)
{
    struct stanza_build b;
    stanza_result_build(&b, iq);
    return stanza_finish(&b);
}
