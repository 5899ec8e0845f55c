/* DOC: the stream to a member: direct TLS, EXTERNAL, hello, stream management. Both sides prove
 * their names by certificates of the region CA; the hello says which incarnation answers, so that
 * nothing reaches a process it was not meant for unnoticed: an older one than known is refused, a
 * younger one than known is believed. */
#include "s2s/s2s-region-int.h"

/* ---- stream management ---- */

static bool sm_text(void *ctx, struct str text)
{
    struct region_peer *p = ctx;
    return p->stream && stream_out_send_text(p->stream, text);
}

static void sm_acked(void *ctx, struct stanza *st)
{
    (void)st;
    region_peer_acked(ctx);
}

static void fail(struct region_peer *p, enum stream_cond c, const char *why)
{
    str_put(p->last_error, sizeof p->last_error, why);
    log_warn(&p->log, "region.link.refused", "why", why);
    region_peer_closing(p);
    stream_out_close(p->stream, c, why);
}

/* Its h means nothing to us: this numbering is over. The session may be on the stack, it goes with
 * the stream. */
static void sm_broken(void *ctx, const char *why)
{
    struct region_peer *p = ctx;
    sm_session_free(&p->sm);
    region_queue_rewind(p->r, &p->q);
    fail(p, STREAM_UNDEFINED_CONDITION, why);
}

static const struct sm_events sm_up = {
    .send_text = sm_text, .acked = sm_acked, .broken = sm_broken};

void region_link_sm(struct region_peer *p)
{
    if (!p->sm)
        p->sm = sm_session_new(p->r->loop, &sm_up, p, NS_SERVER);
}

/* ---- callbacks of the stream ---- */

static bool on_secured(void *ctx)
{
    struct region_peer *p = ctx;
    char why[160];
    if (region_cert_ok(stream_out_transport(p->stream), str_of(p->domain), why, sizeof why))
        return true;
    str_put(p->last_error, sizeof p->last_error, why);
    log_warn(&p->log, "region.link.refused", "why", why);
    return false;
}

static enum stream_out_next on_features(void *ctx, const struct xml *features,
                                        struct sasl_client **client, enum sasl_mech *m)
{
    struct region_peer *p = ctx;
    const struct xml *list = xml_child(features, NS_SASL, "mechanisms");
    if (!list)
        return STREAM_OUT_FAIL;
    *client = sasl_client_new(SASL_EXTERNAL, STR_NONE, STR_NONE, str_of(p->r->conf.self_domain));
    *m = SASL_EXTERNAL;
    return STREAM_OUT_SASL;
}

static void on_ready(void *ctx, const struct xml *features, bool sasl_done)
{
    struct region_peer *p = ctx;
    struct region_hello h = {.incarnation = p->r->conf.self_incarnation};
    struct arena *a = arena_new(0);
    (void)features;
    must(sasl_done);
    str_put(h.id, sizeof h.id, p->r->conf.self_id);
    str_put(h.to, sizeof h.to, p->id);
    p->state = PEER_HELLO;
    (void)stream_out_send(p->stream, region_hello_build(a, &h));
    arena_free(&a);
}

static void on_hello(struct region_peer *p, const struct xml *el)
{
    struct region_hello h;
    if (region_hello_read(el, &h) != ERR_OK)
        fail(p, STREAM_BAD_FORMAT, "its hello is malformed");
    else if (strcmp(h.id, p->id) != 0 || strcmp(h.to, p->r->conf.self_id) != 0)
        fail(p, STREAM_CONFLICT, "somebody else answers there");
    else if (h.incarnation < p->incarnation)
        fail(p, STREAM_CONFLICT, "an older incarnation answers there");
    else if (p->is_dead && h.incarnation == p->incarnation)
        fail(p, STREAM_CONFLICT, "the incarnation that answers there is dead");
    else {
        p->incarnation = h.incarnation;
        p->is_dead = false;
        p->state = PEER_SM;
        region_link_sm(p);
        sm_start(p->sm);
    }
}

static void on_sm(struct region_peer *p, const struct xml *el)
{
    bool consumed = false, resumed = false;
    enum sm_state st = sm_negotiate(p->sm, el, &consumed, &resumed);
    if (!p->sm || p->is_gone)
        return;
    if (!consumed)
        fail(p, STREAM_BAD_FORMAT, "no answer about stream management");
    else if (st == SM_ON)
        region_peer_up(p, resumed);
    else if (st == SM_OFF)
        fail(p, STREAM_UNSUPPORTED_FEATURE, "it refuses stream management");
}

static bool is_got(struct region_peer *p, const struct xml *el)
{
    uint64_t seq;
    if (!xml_is(el, NS_MERIDIAN_ROUTE, "got"))
        return false;
    if (str_to_u64(xml_get(el, "seq"), UINT64_MAX, &seq))
        region_peer_got(p, seq);
    return true;
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct region_peer *p = ctx;
    p->heard_us = loop_now_us(p->r->loop);
    if (p->state == PEER_HELLO)
        on_hello(p, doc->root);
    else if (p->state == PEER_SM && p->sm)
        on_sm(p, doc->root);
    else if (p->state == PEER_UP && !is_got(p, doc->root) &&
             (!p->sm || !sm_element(p->sm, doc->root)))
        log_info(&p->log, "region.link.element.ignored", "name", doc->root->name);
    xml_doc_free(&doc);
}

static void on_drain(void *ctx)
{
    region_peer_pump(ctx);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct region_peer *p = ctx;
    char why[200];
    if (e->sent != STREAM_OK && p->last_error[0])
        str_put(why, sizeof why, p->last_error);
    else
        str_put(why, sizeof why, e->text[0] ? e->text : err_text(e->err));
    region_peer_down(p, why);
}

static const struct stream_out_events stream_up = {
    .secured = on_secured,
    .features = on_features,
    .ready = on_ready,
    .element = on_element,
    .drain = on_drain,
    .end = on_end,
};

void region_link_open(struct region_peer *p, struct transport **t)
{
    struct stream_out_conf c = {.content_ns = NS_SERVER,
                                .from = p->r->conf.self_domain,
                                .to = p->domain,
                                .tls = p->r->conf.tls_client,
                                .tls_required = true,
                                .direct_tls = true,
                                .sni = p->domain,
                                .limits = &p->r->limits};
    p->state = PEER_OPEN;
    p->stream = stream_out_new(t, &c, &stream_up, p);
}
