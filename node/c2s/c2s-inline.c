/* DOC: what a client wants with its login (SASL2) beside being who it is: so far a resource. It is
 * done at home, after the move, and the client is told all in one <success/>; if it cannot have a
 * resource now, it is logged in without and may bind as of old. A client that names its
 * installation (user-agent id) gets the same resource each time, so its next login ends its last
 * session, as one full JID belongs to the youngest connection; the id itself stays hidden behind a
 * keyed digest. Offline messages are not cleared as XEP-0386 section 3.2 wants: without an archive
 * they would be lost. A feature to be had inline is read here, and told by conn_inline_features.
 * Standards: XEP-0388, XEP-0386. */
#include "lib/base/encode.h"
#include "lib/base/log.h"
#include "lib/xmpp/xep.h"
#include "node/c2s/c2s-int.h"

XEP("0386", "1.1.0", PARTIAL, "no session features inline, no archive metadata");

enum { STABLE_BYTES = 9, TAG_MAX = 128, AGENT_ID_MAX = 128 };

void conn_inline_features(void *ctx, struct arena *a, struct xml *features)
{
    (void)ctx;
    xml_add(a, features, NS_BIND2, "bind");
}

bool conn_inline_is_other(const struct conn *c, const struct jid *self)
{
    const struct stream_header *h = stream_in_header(c->stream);
    struct arena *a = arena_new(0);
    struct jid from;
    const bool is_other =
        h->from.p && (jid_parse(a, h->from, &from, NULL) != ERR_OK || !jid_bare_eq(&from, self));
    arena_free(&a);
    return is_other;
}

/* Of the installation and the account, or random when the client does not name itself. */
static void identifier(const struct conn *c, const struct xml *request, struct buf *out)
{
    char random[RAND_ID_LEN + 1];
    uint8_t sum[DIGEST_MAX];
    const struct xml *agent = xml_child(request, NS_SASL2, "user-agent");
    const struct str id = agent ? xml_get(agent, "id") : STR_NONE;
    if (!id.n || id.n > AGENT_ID_MAX) {
        buf_cstr(out, rand_id(random));
        return;
    }
    struct buf text;
    buf_init(&text, 2 * JID_MAX);
    buf_printf(&text, "resource " STR_FMT " " STR_FMT, STR_ARG(c->jid.bare), STR_ARG(id));
    crypto_hmac(DIGEST_SHA256, str_of(c->sh->node->conf->dialback_secret), buf_view(&text), sum);
    hex_encode(out, sum, STABLE_BYTES);
    buf_fini(&text);
}

/* Section 3.2.1: tag/identifier; a tag that cannot be part of a resource is left out. */
static enum err bind_tagged(struct conn *c, const struct xml *request, const struct xml *bind)
{
    struct arena *a = arena_new(0);
    struct buf id, resource;
    buf_init(&id, 64);
    buf_init(&resource, TAG_MAX + 64);
    identifier(c, request, &id);
    const struct xml *el = xml_child(bind, NS_BIND2, "tag");
    const struct str tag = el ? str_trim(xml_text(a, el)) : STR("");
    enum err e = ERR_INVALID;
    if (tag.n > 0 && tag.n <= TAG_MAX) {
        buf_printf(&resource, STR_FMT "/" STR_FMT, STR_ARG(tag), STR_ARG(buf_view(&id)));
        e = conn_bind_inline(c, buf_view(&resource));
    }
    if (e != ERR_OK)
        e = conn_bind_inline(c, buf_view(&id));
    buf_fini(&id);
    buf_fini(&resource);
    arena_free(&a);
    return e;
}

void conn_inline(struct conn *c)
{
    const struct xml *request = stream_in_request(c->stream);
    const struct xml *bind = xml_child(request, NS_BIND2, "bind");
    if (!bind || bind_tagged(c, request, bind) != ERR_OK)
        conn_inline_end(c, false);
}

void conn_inline_end(struct conn *c, bool is_bound)
{
    struct buf results;
    buf_init(&results, 1024);
    if (is_bound)
        buf_printf(&results, "<bound xmlns='%s'/>", NS_BIND2);
    stream_in_success(c->stream, is_bound ? c->jid.full : c->jid.bare, buf_view(&results));
    buf_fini(&results);
}
