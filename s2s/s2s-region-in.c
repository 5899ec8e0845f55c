/* DOC: one incoming region stream: proof of the name, hello, stream management, stanzas.
 * Invariants: before hello was accepted nothing of the member's state is touched; an origin has one
 * current stream, a new one replaces the old; a stanza without exactly one good route element ends
 * the stream. Standards: RFC 6120, XEP-0178, XEP-0198. */
#include "s2s/s2s-region-int.h"

#include "lib/base/rand.h"

enum in_state { IN_PROVING, IN_HELLO, IN_SM, IN_ON, IN_CLOSING };
struct region_in {
    struct list link; /* first */
    struct s2s_region *r;
    struct stream_in *stream;
    enum in_state state;
    struct region_origin *origin;
    char domain[256]; /* proved, or claimed while IN_PROVING */
    bool is_paused;
    struct timer quiet, beat;
    uint64_t heard_us;
    struct log_scope log;
};

bool region_in_write(struct region_in *in, struct str text)
{
    return stream_in_send_text(in->stream, text);
}

bool region_in_is_on(const struct region_in *in)
{
    return in->state == IN_ON;
}

static void detach(struct region_in *in)
{
    struct region_origin *o = in->origin;
    in->origin = NULL;
    if (!o || o->in != in)
        return;
    sm_detach(o->sm);
    o->in = NULL;
}

void region_in_close(struct region_in *in, enum stream_cond c, const char *text)
{
    if (c != STREAM_OK)
        log_warn(&in->log, "region.in.refused", "condition", stream_cond_name(c), "why", text);
    else if (in->origin)
        sm_flush(in->origin->sm);
    in->state = IN_CLOSING;
    detach(in);
    timer_stop(&in->beat);
    stream_in_close(in->stream, c, text);
    stream_in_pause(in->stream, false); /* for the peer's end tag */
}

void region_in_free(struct region_in *in)
{
    struct s2s_region *r = in->r;
    detach(in);
    timer_stop(&in->quiet);
    timer_stop(&in->beat);
    stream_in_free(&in->stream);
    list_del(&in->link);
    mem_free(in);
    region_check_stopped(r);
}

/* ---- proof ---- */

static enum stream_cond on_header(void *ctx, const struct stream_header *h)
{
    struct region_in *in = ctx;
    char why[160] = "";
    if (!str_eqc(h->to, in->r->conf.self_domain))
        return STREAM_HOST_UNKNOWN;
    if (!h->from.n || h->from.n >= sizeof in->domain || !region_name_ok(in->r, h->from)) {
        log_warn(&in->log, "region.in.refused", "why", "not the name of a member", "from",
                 LOG_STR(h->from));
        return STREAM_INVALID_FROM;
    }
    if (in->domain[0] && !str_eqc(h->from, in->domain))
        return STREAM_INVALID_FROM;
    if (!region_cert_ok(stream_in_transport(in->stream), h->from, why, sizeof why)) {
        log_warn(&in->log, "region.in.refused", "why", why, "from", LOG_STR(h->from));
        return STREAM_NOT_AUTHORIZED;
    }
    snprintf(in->domain, sizeof in->domain, STR_FMT, STR_ARG(h->from));
    return STREAM_OK;
}

static void on_features(void *ctx, struct arena *a, struct xml *features)
{
    struct region_in *in = ctx;
    if (stream_in_is_authenticated(in->stream))
        xml_add(a, features, NS_SM, "sm");
}

static unsigned on_mechanisms(void *ctx)
{
    struct region_in *in = ctx;
    return in->domain[0] ? 1U << SASL_EXTERNAL : 0; /* the header was checked */
}

static void on_need(void *ctx, const struct stream_in_need *n)
{
    struct region_in *in = ctx;
    bool ok = n->what == STREAM_NEED_IDENTITY && (!n->authzid.n || str_eqc(n->authzid, in->domain));
    stream_in_verdict(in->stream, ok ? SASL_FAIL_NONE : SASL_FAIL_INVALID_AUTHZID);
}

static enum sasl_failure on_authenticated(void *ctx, enum sasl_mech m, struct str user,
                                          struct str authzid)
{
    struct region_in *in = ctx;
    (void)user;
    (void)authzid;
    if (m != SASL_EXTERNAL)
        return SASL_FAIL_NOT_AUTHORIZED;
    in->state = IN_HELLO;
    return SASL_FAIL_NONE;
}

/* ---- hello ---- */

/* Why this member may not be heard; NULL when it may. */
static const char *objection(const struct region_in *in, const struct region_hello *h)
{
    const struct s2s_region *r = in->r;
    const struct region_peer *p = hmap_get(&r->peers, str_of(h->id));
    const struct region_origin *o = hmap_get(&r->origins, str_of(h->id));
    if (strcmp(h->to, r->conf.self_id) != 0)
        return "this is another member";
    if (strcmp(h->id, r->conf.self_id) == 0)
        return "this name is ours";
    if ((p && strcmp(p->domain, in->domain) != 0) || (o && strcmp(o->domain, in->domain) != 0))
        return "this member has another certificate name";
    if ((p && h->incarnation < p->incarnation) || (o && h->incarnation < o->incarnation))
        return "older incarnation";
    return NULL;
}

static void on_hello(struct region_in *in, const struct xml *el)
{
    struct region_hello h, answer = {.incarnation = in->r->conf.self_incarnation};
    if (region_hello_read(el, &h) != ERR_OK) {
        region_in_close(in, STREAM_BAD_FORMAT, "hello is malformed");
        return;
    }
    const char *why = objection(in, &h);
    if (why) {
        region_in_close(in, STREAM_CONFLICT, why);
        return;
    }
    struct region_origin *o = region_origin_get(in->r, h.id, in->domain);
    if (o->in)
        region_in_close(o->in, STREAM_CONFLICT, "replaced by a new stream");
    if (h.incarnation > o->incarnation)
        region_origin_renew(o, h.incarnation);
    o->in = in;
    in->origin = o;
    in->state = IN_SM;
    in->log.value1 = o->id;
    str_put(answer.id, sizeof answer.id, in->r->conf.self_id);
    str_put(answer.to, sizeof answer.to, h.id);
    struct arena *a = arena_new(0);
    (void)stream_in_send(in->stream, region_hello_build(a, &answer));
    arena_free(&a);
}

/* ---- stream management ---- */

static void be_on(struct region_in *in)
{
    in->state = IN_ON;
    timer_start(&in->beat, REGION_PING_MS);
}

static void refuse_resume(struct region_in *in)
{
    struct buf out;
    buf_init(&out, 1024);
    sm_write_failed(&out, "item-not-found", NULL);
    (void)stream_in_send_text(in->stream, buf_view(&out));
    buf_fini(&out);
}

static void on_sm(struct region_in *in, const struct xml *el)
{
    struct region_origin *o = in->origin;
    char id[RAND_ID_LEN + 1];
    struct str previd;
    uint32_t h;
    if (xml_is(el, NS_SM, "enable")) {
        sm_accept(o->sm, rand_id(id), 0);
        be_on(in);
        if (in->r->ops->anew)
            in->r->ops->anew(in->r->ctx, o->id);
    } else if (sm_read_resume(el, &previd, &h) != ERR_OK) {
        region_in_close(in, STREAM_BAD_FORMAT, "enable or resume is due");
    } else if (!str_eqc(previd, sm_id(o->sm))) {
        refuse_resume(in);
    } else if (sm_accept_resume(o->sm, h)) {
        be_on(in);
        region_origin_say_got(o);
    }
}

/* ---- stanzas ---- */

static void pause_if_full(struct region_in *in)
{
    if (in->is_paused || !sm_receive_full(in->origin->sm))
        return;
    in->is_paused = true;
    stream_in_pause(in->stream, true);
    log_warn(&in->log, "region.in.full", "why", "too many stanzas without custody");
}

void region_in_stop(struct region_in *in)
{
    in->is_paused = true;
    stream_in_pause(in->stream, true);
}

void region_in_refill(struct region_in *in)
{
    if (in->r->is_stopping || !in->is_paused || !in->origin || sm_receive_full(in->origin->sm))
        return;
    in->is_paused = false;
    stream_in_pause(in->stream, false);
}

/* Ours, yet not a stanza: it would come again for ever, so it is done with. */
static void drop_bad(struct region_in *in, uint64_t token, enum stanza_cond c)
{
    log_error(&in->log, "region.in.stanza.bad", "condition", stanza_cond_name(c));
    sm_complete(in->origin->sm, token);
}

static void hand_up(struct region_in *in, struct stanza *s, const struct region_route *route,
                    region_ticket t)
{
    struct region_origin *o = in->origin;
    struct s2s_region *r = in->r;
    char id[sizeof o->id];
    str_put(id, sizeof id, o->id);
    pause_if_full(in);
    r->ops->deliver(r->ctx, id, o->incarnation, s, route, t);
}

static void on_stanza(struct region_in *in, struct xml_doc **doc)
{
    struct region_origin *o = in->origin;
    struct region_route route;
    struct stanza *s, *reply = NULL;
    uint64_t token;
    bool unknown = false;
    if (region_route_find((*doc)->root, &route) != ERR_OK) {
        region_in_close(in, STREAM_BAD_FORMAT, "a stanza without a good route");
        return;
    }
    if (strcmp(route.origin, o->id) != 0 || route.incarnation != o->incarnation) {
        region_in_close(in, STREAM_INVALID_FROM, "a stanza of another member");
        return;
    }
    if (!sm_receive(o->sm, &token))
        return; /* arrived already, custody is still being taken */
    (*doc)->root = xml_without((*doc)->arena, (*doc)->root, NS_MERIDIAN_ROUTE, "route");
    enum stanza_cond c = stanza_from_doc(doc, &s, &reply, &unknown);
    stanza_unref(&reply);
    if (c != STANZA_OK || unknown) {
        drop_bad(in, token, c);
        return;
    }
    region_ticket t = region_origin_take(o, route.seq, token);
    if (t)
        hand_up(in, s, &route, t);
    else
        stanza_unref(&s);
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct region_in *in = ctx;
    in->heard_us = loop_now_us(in->r->loop);
    switch (in->state) {
    case IN_PROVING:
        region_in_close(in, STREAM_NOT_AUTHORIZED, "authenticate first");
        break;
    case IN_HELLO:
        on_hello(in, doc->root);
        break;
    case IN_SM:
        on_sm(in, doc->root);
        break;
    case IN_ON:
        if (!sm_element(in->origin->sm, doc->root))
            on_stanza(in, &doc);
        break;
    case IN_CLOSING:
        break;
    }
    if (doc)
        xml_doc_free(&doc);
}

/* ---- life ---- */

static void on_end(void *ctx, const struct stream_end *e)
{
    struct region_in *in = ctx;
    log_info(&in->log, "region.in.closed", "why", e->text[0] ? e->text : err_text(e->err));
    region_in_free(in);
}

static void on_quiet(void *ctx)
{
    struct region_in *in = ctx;
    uint64_t limit_ms = in->state == IN_ON ? REGION_QUIET_MS : REGION_CONNECT_MS;
    uint64_t quiet_ms = (loop_now_us(in->r->loop) - in->heard_us) / 1000;
    if (in->is_paused || (in->state == IN_ON && quiet_ms < limit_ms))
        timer_start(&in->quiet, REGION_QUIET_MS);
    else if (in->state == IN_CLOSING)
        region_in_free(in);
    else
        region_in_close(in, STREAM_CONNECTION_TIMEOUT, "nothing came for long");
}

/* While we do not read we cannot see that the peer asks: tell it by ourselves that we are alive. */
static void on_beat(void *ctx)
{
    struct region_in *in = ctx;
    char text[80];
    if (in->is_paused && in->origin) {
        int n = snprintf(text, sizeof text, "<a xmlns='%s' h='%" PRIu32 "'/>", NS_SM,
                         sm_h(in->origin->sm));
        (void)stream_in_send_text(in->stream, str_make(text, (size_t)n));
    }
    timer_start(&in->beat, REGION_PING_MS);
}

static const struct stream_in_events stream_up = {
    .header = on_header,
    .features = on_features,
    .mechanisms = on_mechanisms,
    .need = on_need,
    .authenticated = on_authenticated,
    .element = on_element,
    .end = on_end,
};

void region_in_new(struct s2s_region *r, struct transport *t)
{
    struct region_in *in = mem_alloc(sizeof *in);
    in->r = r;
    in->heard_us = loop_now_us(r->loop);
    in->log = (struct log_scope){
        .key1 = "member", .value1 = NULL, .key2 = "domain", .value2 = in->domain};
    timer_init(&in->quiet, r->loop, on_quiet, in);
    timer_init(&in->beat, r->loop, on_beat, in);
    timer_start(&in->quiet, REGION_CONNECT_MS);
    list_push(&r->ins, &in->link);
    t = tls_server(&t, r->conf.tls_server);
    in->stream = stream_in_new(&t, &r->in_conf, &stream_up, in);
}
