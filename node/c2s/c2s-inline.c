/* DOC: what a client wants with its login (SASL2) beside being who it is: the session it had
 * (XEP-0198), else a resource with stream management, carbons and client state. It is done at home,
 * after the move, and the client is told all in one <success/>; if it cannot have a resource now,
 * it is logged in without and may bind as of old. A client that names its
 * installation (user-agent id) gets the same resource each time, so its next login ends its last
 * session, as one full JID belongs to the youngest connection; the id itself stays hidden behind a
 * keyed digest. Offline messages are not cleared as XEP-0386 section 3.2 wants: without an archive
 * they would be lost. A feature to be had inline is read here, and told by conn_inline_features.
 * Standards: XEP-0388, XEP-0386, XEP-0198 section 9, XEP-0280 and XEP-0352 as XEP-0386 section 3.2
 * has them. */
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "lib/base/log.h"
#include "lib/xmpp/xep.h"
#include "node/auth/account-fast.h"
#include "node/c2s/c2s-int.h"

XEP("0386", "1.1.0", PARTIAL, "no archive metadata");

enum { STABLE_BYTES = 9, TAG_MAX = 128 };

void conn_inline_features(void *ctx, struct arena *a, struct xml *features)
{
    static const char *const vars[] = {NS_CARBONS, NS_CSI, NS_SM};
    (void)ctx;
    struct xml *bind = xml_add(a, xml_add(a, features, NS_BIND2, "bind"), NS_BIND2, "inline");
    for (size_t i = 0; i < ARRAY_LEN(vars); i++)
        xml_set(a, xml_add(a, bind, NS_BIND2, "feature"), "var", str_of(vars[i]));
    xml_add(a, features, NS_SM, "sm");
}

struct conn_login *conn_login_new(struct conn *c)
{
    conn_inline_free(c);
    c->login = mem_alloc(sizeof *c->login);
    c->login->since_us = clock_wall_us();
    buf_init(&c->login->results, SIZE_MAX);
    buf_init(&c->login->token, SIZE_MAX);
    return c->login;
}

static void wipe(struct buf *b)
{
    if (b->p)
        mem_wipe(b->p, b->cap);
    buf_fini(b);
}

void conn_inline_free(struct conn *c)
{
    if (!c->login)
        return;
    wipe(&c->login->results);
    wipe(&c->login->token);
    mem_free(c->login);
    c->login = NULL;
}

/* What it wants of its new resource, an element inside <bind/>; NULL: it does not. */
static const struct xml *wish(const struct conn *c, const char *ns, const char *name)
{
    const struct xml *request = c->stream ? stream_in_request(c->stream) : NULL;
    const struct xml *bind = request ? xml_child(request, NS_BIND2, "bind") : NULL;
    return bind ? xml_child(bind, ns, name) : NULL;
}

bool conn_inline_wants_carbons(const struct conn *c)
{
    return c->state == CONN_BINDING && wish(c, NS_CARBONS, "enable");
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
    if (!id.n || id.n > ACCOUNT_AGENT_MAX) {
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

/* Of the session that goes on: its queue is written behind it. */
static void told_resumed(struct conn *c, struct str text)
{
    struct buf *results = &c->login->results;
    buf_str(results, text);
    buf_str(results, buf_view(&c->login->token));
    stream_in_resumed(c->stream, c->jid.full, buf_view(results));
    conn_inline_free(c);
}

static void told_enabled(struct conn *c, struct str text)
{
    buf_str(&c->login->results, text);
}

void conn_inline(struct conn *c)
{
    if (!c->login || c->login->is_begun) /* or it is done, and its stream is ending */
        return;
    c->login->is_begun = true;
    if (!conn_fast_issue(c))
        conn_inline_go(c);
}

void conn_inline_go(struct conn *c)
{
    const struct xml *request = stream_in_request(c->stream);
    const struct xml *resume = xml_child(request, NS_SM, "resume");
    if (resume && conn_sm_resume(c, resume, &c->login->results, told_resumed))
        return;
    const struct xml *bind = xml_child(request, NS_BIND2, "bind");
    if (!bind || bind_tagged(c, request, bind) != ERR_OK)
        conn_inline_end(c, false);
}

/* Nothing was written to the resource yet: it begins as the client wants it. */
static void begin_session(struct conn *c, struct buf *results)
{
    const struct xml *sm = wish(c, NS_SM, "enable");
    conn_csi_set(c, wish(c, NS_CSI, "inactive"));
    buf_printf(results, "<bound xmlns='%s'>", NS_BIND2);
    if (sm)
        conn_sm_enable(c, sm, told_enabled);
    buf_cstr(results, "</bound>");
}

void conn_inline_end(struct conn *c, bool is_bound)
{
    if (!c->login)
        return;
    struct buf *results = &c->login->results;
    if (is_bound)
        begin_session(c, results);
    buf_str(results, buf_view(&c->login->token));
    stream_in_success(c->stream, is_bound ? c->jid.full : c->jid.bare, buf_view(results));
    conn_inline_free(c);
}
