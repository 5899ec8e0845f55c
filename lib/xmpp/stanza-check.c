/* DOC: from a received element to a stanza, or to the error that answers it. Role: the validity
 * rules of RFC 6120 sections 8.1 and 8.2. Design: addresses and type are read first, leniently, so
 * that an error reply can be addressed as section 8.3.1 asks (swapped, malformed ones left out)
 * whatever else is wrong. A message of unknown type is a normal one (RFC 6121 section 5.2.2). */
#include "lib/xmpp/stanza-int.h"
#include "lib/xmpp/xml-parse.h"

struct reading {
    enum stanza_kind kind;
    enum stanza_type type;
    struct jid from, to;
    bool is_type_known;
    enum stanza_cond cond; /* first thing found wrong */
    const char *why;
};

static bool find_kind(const struct xml *el, enum stanza_kind *out)
{
    if (el->ns != NS_CLIENT && el->ns != NS_SERVER && el->ns != NS_COMPONENT)
        return false;
    for (int k = STANZA_MESSAGE; k <= STANZA_IQ; k++) {
        if (strcmp(el->name, stanza_kind_name((enum stanza_kind)k)) == 0) {
            *out = (enum stanza_kind)k;
            return true;
        }
    }
    return false;
}

static void wrong(struct reading *r, enum stanza_cond c, const char *why)
{
    if (r->cond != STANZA_OK)
        return;
    r->cond = c;
    r->why = why;
}

static void read_address(struct reading *r, struct xml_doc *doc, const char *name, struct jid *out)
{
    const struct str text = xml_get(doc->root, name);
    const char *why;
    if (text.p && jid_parse(doc->arena, text, out, &why) != ERR_OK)
        wrong(r, STANZA_JID_MALFORMED, why);
}

static void read_type(struct reading *r, const struct xml *el)
{
    const struct str text = xml_get(el, "type");
    r->is_type_known = stanza_type_find(r->kind, text, &r->type);
    if (!r->is_type_known && r->kind == STANZA_MESSAGE) {
        r->type = MSG_NORMAL;
        r->is_type_known = true;
    }
    if (!r->is_type_known)
        wrong(r, STANZA_BAD_REQUEST, text.p ? "unknown type" : "iq without type");
}

static size_t count_children(const struct xml *el)
{
    size_t n = 0;
    xml_each(el, c) n++;
    return n;
}

/* RFC 6120 section 8.2.3 */
static void check_iq(struct reading *r, const struct xml *el)
{
    const size_t n = count_children(el);
    if (xml_get(el, "id").p == NULL)
        wrong(r, STANZA_BAD_REQUEST, "iq without id");
    else if ((r->type == IQ_GET || r->type == IQ_SET) && n != 1)
        wrong(r, STANZA_BAD_REQUEST, "iq request needs exactly one child");
    else if (r->type == IQ_RESULT && n > 1)
        wrong(r, STANZA_BAD_REQUEST, "iq result with several children");
}

/* Errors and results are not answered (RFC 6120 section 8.3.1, rule 8). */
static bool may_answer(const struct reading *r)
{
    return !r->is_type_known || (r->type != MSG_ERROR && r->type != PRES_ERROR &&
                                 r->type != IQ_ERROR && r->type != IQ_RESULT);
}

static struct stanza *make_reply(const struct reading *r, const struct xml *el)
{
    static const enum stanza_type error_types[] = {
        [STANZA_MESSAGE] = MSG_ERROR, [STANZA_PRESENCE] = PRES_ERROR, [STANZA_IQ] = IQ_ERROR};
    if (!may_answer(r))
        return NULL;
    struct stanza_build b;
    struct str id = xml_get(el, "id");
    if (!id.p && r->kind == STANZA_IQ)
        id = STR(""); /* section 8.3.1, rule 3 */
    stanza_build(&b, r->kind, error_types[r->kind], &r->to, &r->from, id);
    stanza_error_add(&b, r->cond, r->why);
    return stanza_finish(&b);
}

/* Our tree is in jabber:client: rename what stands in the content namespace of another stream.
 * Elements below another namespace are none of ours. */
static void to_client_ns(struct xml *el, const char *content_ns)
{
    el->ns = NS_CLIENT;
    xml_each(el, c)
    {
        if (c->el->ns == content_ns)
            to_client_ns(c->el, content_ns);
    }
}

enum stanza_cond stanza_from_doc(struct xml_doc **pdoc, struct stanza **out, struct stanza **reply,
                                 bool *unknown)
{
    struct xml_doc *doc = *pdoc;
    struct reading r = {0};
    *pdoc = NULL;
    *out = NULL;
    *reply = NULL;
    *unknown = !find_kind(doc->root, &r.kind);
    if (*unknown) {
        xml_doc_free(&doc);
        return STANZA_BAD_REQUEST;
    }
    read_address(&r, doc, "from", &r.from);
    read_address(&r, doc, "to", &r.to);
    read_type(&r, doc->root);
    if (r.kind == STANZA_IQ && r.is_type_known)
        check_iq(&r, doc->root);
    if (r.cond == STANZA_OK) {
        if (doc->root->ns != NS_CLIENT)
            to_client_ns(doc->root, doc->root->ns);
        struct stanza *s = stanza_new_take(&doc->arena, r.kind, r.type, doc->root);
        s->from = r.from;
        s->to = r.to;
        s->bytes = doc->bytes;
        *out = s;
    } else {
        *reply = make_reply(&r, doc->root);
    }
    xml_doc_free(&doc);
    return r.cond;
}

enum err stanza_parse(struct str text, struct stanza **out)
{
    /* It was within the limits of its stream once; escaped and with its namespaces written out it
     * may be longer. */
    const struct xml_limits limits = {
        .max_stanza_bytes = text.n,
        .max_depth = 1024,
        .max_attrs = 1024,
        .max_elements = 1024 * 1024,
        .max_tag_bytes = text.n,
    };
    struct xml_doc *doc;
    const enum err e = xml_parse_one(text, NS_CLIENT, &limits, &doc);
    if (e != ERR_OK)
        return e;
    struct stanza *s, *reply;
    bool unknown;
    const enum stanza_cond c = stanza_from_doc(&doc, &s, &reply, &unknown);
    stanza_unref(&reply);
    if (c != STANZA_OK)
        return ERR_INVALID;
    *out = s;
    return ERR_OK;
}
