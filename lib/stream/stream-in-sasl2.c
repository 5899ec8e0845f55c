/* DOC: the extensible SASL profile. The mechanisms and the questions to the user are those of
 * stream-in-negotiate.c; here is what differs: the client's <authenticate/> is kept, because what
 * it wants inline is done after the mechanism and before <success/>; the user does it, maybe on
 * another shard, while nothing is read; then come <success/> and the features of the same stream,
 * without a restart. The request is freed with either outcome. Offered over TLS only. Standards:
 * XEP-0388. */
#include "lib/base/encode.h"
#include "lib/stream/stream-in-int.h"
#include "lib/xmpp/xep.h"

XEP("0388", "1.0.4", PARTIAL, "no tasks after the mechanism");

struct stream_in_sasl2 {
    struct xml_doc *request;
    struct buf additional; /* of the mechanism, with success */
};

void stream_in_sasl2_drop(struct stream_in *s)
{
    struct stream_in_sasl2 *two = s->two;
    s->two = NULL;
    if (!two)
        return;
    xml_doc_free(&two->request);
    buf_fini(&two->additional);
    mem_free(two);
}

static void add_name(struct arena *a, struct xml *list, const char *ns, unsigned mech)
{
    xml_add_text(a, xml_add(a, list, ns, "mechanism"),
                 str_of(sasl_mech_name((enum sasl_mech)mech)));
}

/* The mechanisms for tokens have a list of their own (XEP-0484 section 3.1). TLS early data is not
 * taken (lib/net), so it is not announced. */
void stream_in_sasl2_features(struct stream_in *s, const struct sasl_offer *o, struct arena *a,
                              struct xml *features)
{
    struct xml *list = xml_add(a, features, NS_SASL2, "authentication");
    for (unsigned m = 0; m < SASL_MECH_COUNT; m++)
        if (o->mechs & ~(unsigned)SASL_MECHS_HT & 1U << m)
            add_name(a, list, NS_SASL2, m);
    struct xml *in = xml_add(a, list, NS_SASL2, "inline");
    struct xml *fast = o->mechs & SASL_MECHS_HT ? xml_add(a, in, NS_FAST, "fast") : NULL;
    for (unsigned m = 0; m < SASL_MECH_COUNT; m++)
        if (o->mechs & SASL_MECHS_HT & 1U << m)
            add_name(a, fast, NS_FAST, m);
    s->ev->inline_features(s->ctx, a, in);
}

const struct xml *stream_in_sasl_data(const struct xml *el)
{
    return xml_is(el, NS_SASL2, "authenticate") ? xml_child(el, NS_SASL2, "initial-response") : el;
}

/* Section 2.4: while a handshake is under way there is nothing but responses and abort. */
void stream_in_on_authenticate(struct stream_base *b, struct stream_input *in)
{
    struct stream_in *s = stream_in_of(b);
    if (!s->ev->inline_features || !stream_in_is_secure(s) || b->state != SIN_FEATURES) {
        stream_in_on_early(b, in);
        return;
    }
    s->two = mem_alloc(sizeof *s->two);
    s->two->request = *in->doc;
    *in->doc = NULL;
    buf_init(&s->two->additional, SASL_MESSAGE_MAX);
    stream_in_begin(s, s->two->request->root);
}

void stream_in_sasl2_inline(struct stream_in *s, struct str additional)
{
    buf_str(&s->two->additional, additional);
    stream_in_sasl_drop(s);
    stream_authenticated(&s->b);
    stream_set_state(&s->b, SIN_INLINE);
    stream_stop(&s->b, STREAM_STOP_SASL);
}

const struct xml *stream_in_request(const struct stream_in *s)
{
    return s->two ? s->two->request->root : NULL;
}

static void write_success(struct stream_in *s, struct str identifier, struct str results)
{
    struct stream_base *b = &s->b;
    buf_printf(&b->out, "<success xmlns='%s'>", NS_SASL2);
    if (s->two->additional.n > 0) {
        buf_cstr(&b->out, "<additional-data>");
        base64_encode(&b->out, s->two->additional.p, s->two->additional.n);
        buf_cstr(&b->out, "</additional-data>");
    }
    buf_cstr(&b->out, "<authorization-identifier>");
    xml_escape(&b->out, identifier);
    buf_cstr(&b->out, "</authorization-identifier>");
    buf_str(&b->out, results);
    buf_cstr(&b->out, "</success>");
    stream_flush_out(b);
    stream_in_sasl2_drop(s);
    stream_in_settle(s);
}

static void succeed(struct stream_in *s, struct str identifier, struct str results,
                    bool has_features)
{
    struct stream_base *b = &s->b;
    if (b->state != SIN_INLINE)
        return;
    stream_enter(b);
    write_success(s, identifier, results);
    if (has_features)
        stream_in_send_features(s);
    stream_go(b, STREAM_STOP_SASL);
    stream_leave(b);
}

void stream_in_success(struct stream_in *s, struct str identifier, struct str results)
{
    succeed(s, identifier, results, true);
}

void stream_in_resumed(struct stream_in *s, struct str identifier, struct str results)
{
    succeed(s, identifier, results, false);
}
