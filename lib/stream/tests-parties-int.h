#ifndef LIB_STREAM_TESTS_PARTIES_INT_H
#define LIB_STREAM_TESTS_PARTIES_INT_H
/* A receiving entity that logs people in (inner), an initiating entity that logs in (outer), and
 * both at one place. */
#include "lib/stream/tests-rig-int.h"

/* ---- the receiving entity ---- */

struct inner {
    struct rig *rig;
    struct stream_in *s;
    struct stream_in_conf conf;
    struct stream_limits limits;
    bool direct_tls;
    unsigned mechs;
    bool late_answers;           /* by timer, not at once */
    bool authenticate_in_header; /* as dialback would */
    enum stream_cond header_says;
    enum sasl_failure authenticated_says;
    const char *free_in; /* name of the callback to free the stream in */
    struct scram_key key;
    uint64_t answer_ms; /* 0: soon */
    struct timer answer;
    struct stream_in_need need;
    char password[64];
    unsigned headers, features, needs, authentications, ends;
    char user[64];
    struct buf got; /* elements as text, each followed by a newline */
    unsigned elements;
    bool pause_each;
    void (*on_element)(struct inner *i, struct xml_doc *doc);
    void *more;
    struct stream_end end;
    struct listen_accept_ctx accept;
};

static UNUSED bool inner_free_here(struct inner *i, const char *where)
{
    if (!i->free_in || strcmp(i->free_in, where) != 0 || !i->s)
        return false;
    stream_in_free(&i->s);
    i->ends++;
    return true;
}

static enum stream_cond inner_header(void *ctx, const struct stream_header *h)
{
    struct inner *i = ctx;
    i->headers++;
    assert_ptr_equal(h->content_ns, i->conf.content_ns);
    if (i->authenticate_in_header)
        stream_in_set_authenticated(i->s);
    (void)inner_free_here(i, "header");
    return i->header_says;
}

static void inner_features(void *ctx, struct arena *a, struct xml *features)
{
    struct inner *i = ctx;
    i->features++;
    if (stream_in_is_authenticated(i->s))
        xml_add(a, features, NS_BIND, "bind");
    (void)inner_free_here(i, "features");
}

static unsigned inner_mechanisms(void *ctx)
{
    return ((struct inner *)ctx)->mechs;
}

static void inner_answer(void *ctx)
{
    struct inner *i = ctx;
    if (!i->s)
        return;
    bool known = strcmp(i->user, "juliet") == 0;
    if (i->need.what == STREAM_NEED_KEYS)
        stream_in_keys(i->s, known ? &i->key : NULL);
    else
        stream_in_verdict(i->s, known && strcmp(i->password, "r0m30") == 0
                                    ? SASL_FAIL_NONE
                                    : SASL_FAIL_NOT_AUTHORIZED);
}

static void inner_need(void *ctx, const struct stream_in_need *n)
{
    struct inner *i = ctx;
    i->needs++;
    i->need = *n;
    snprintf(i->user, sizeof i->user, STR_FMT, STR_ARG(n->user));
    snprintf(i->password, sizeof i->password, STR_FMT, STR_ARG(n->password));
    if (inner_free_here(i, "need"))
        return;
    if (i->late_answers)
        timer_start(&i->answer, i->answer_ms ? i->answer_ms : 50);
    else
        inner_answer(i);
}

static enum sasl_failure inner_authenticated(void *ctx, enum sasl_mech m, struct str user,
                                             struct str authzid)
{
    struct inner *i = ctx;
    (void)m;
    (void)authzid;
    i->authentications++;
    snprintf(i->user, sizeof i->user, STR_FMT, STR_ARG(user));
    (void)inner_free_here(i, "authenticated");
    return i->authenticated_says;
}

static void inner_element(void *ctx, struct xml_doc *doc)
{
    struct inner *i = ctx;
    i->elements++;
    assert_int_equal(i->ends, 0);
    if (i->on_element) {
        i->on_element(i, doc);
        return;
    }
    xml_write(&i->got, doc->root, i->conf.content_ns);
    buf_char(&i->got, '\n');
    xml_doc_free(&doc);
    if (i->pause_each)
        stream_in_pause(i->s, true);
    (void)inner_free_here(i, "element");
}

static void inner_drain(void *ctx)
{
    (void)ctx;
}

static void inner_end(void *ctx, const struct stream_end *e)
{
    struct inner *i = ctx;
    assert_int_equal(i->ends, 0);
    i->ends++;
    i->end = *e;
    stream_in_free(&i->s);
}

static const struct stream_in_events inner_events = {
    inner_header,  inner_features, inner_mechanisms, inner_need, inner_authenticated,
    inner_element, inner_drain,    inner_end,        NULL};

static void inner_accept(void *ctx, struct transport *t)
{
    struct inner *i = ctx;
    stream_in_free(&i->s); /* the newest is the one we talk about */
    if (i->direct_tls) {
        struct transport *wrapped = tls_server(&t, rig_server_tls);
        t = wrapped;
    }
    i->s = stream_in_new(&t, &i->conf, &inner_events, i);
    assert_null(t);
}

static UNUSED void inner_begin(struct inner *i, struct rig *r)
{
    *i = (struct inner){.rig = r, .mechs = 1U << SASL_SCRAM_SHA_256 | 1U << SASL_PLAIN};
    i->limits = stream_limits_default;
    i->conf = (struct stream_in_conf){.content_ns = NS_CLIENT,
                                      .tls = rig_server_tls,
                                      .limits = &i->limits,
                                      .default_from = "default.example"};
    scram_key_derive(&i->key, DIGEST_SHA256, STR("r0m30"), 4096);
    buf_init(&i->got, 64 << 20);
    timer_init(&i->answer, r->server, inner_answer, i);
    r->on_accept.accept = inner_accept;
    r->on_accept.ctx = i;
}

static UNUSED void inner_fini(struct inner *i)
{
    timer_stop(&i->answer);
    stream_in_free(&i->s);
    buf_fini(&i->got);
}

/* ---- the initiating entity ---- */

struct outer {
    struct rig *rig;
    struct stream_out *s;
    struct stream_out_conf conf;
    const char *user, *password;
    enum sasl_mech mech;
    bool no_sasl, secured_says_no;
    bool goes_ahead; /* of the peer's answers, with <auth/> and a stanza each */
    unsigned opened, authenticated;
    unsigned drains, refusals, readies, ends, secured, features, headers;
    enum sasl_failure refused_with;
    const char *free_in;
    struct buf got;
    unsigned elements;
    void (*on_element)(struct outer *o, struct xml_doc *doc);
    void (*on_ready)(struct outer *o);
    void *more;
    struct stream_end end;
    struct listen_accept_ctx taken;
};

static UNUSED bool outer_free_here(struct outer *o, const char *where)
{
    if (!o->free_in || strcmp(o->free_in, where) != 0 || !o->s)
        return false;
    stream_out_free(&o->s);
    o->ends++;
    return true;
}

static enum stream_cond outer_header(void *ctx, const struct stream_header *h)
{
    struct outer *o = ctx;
    o->headers++;
    assert_true(h->id.n == RAND_ID_LEN);
    (void)outer_free_here(o, "header");
    return STREAM_OK;
}

static bool outer_secured(void *ctx)
{
    struct outer *o = ctx;
    o->secured++;
    const struct transport *t = stream_out_transport(o->s);
    assert_non_null(transport_tls(t));
    assert_true(tls_peer_is(t, STR(RIG_DOMAIN)));
    (void)outer_free_here(o, "secured");
    return !o->secured_says_no;
}

static void outer_opened(void *ctx, struct sasl_client **client, enum sasl_mech *m)
{
    struct outer *o = ctx;
    o->opened++;
    if (outer_free_here(o, "opened") || !o->goes_ahead)
        return;
    *m = o->mech;
    *client = sasl_client_new(o->mech, str_of(o->user), str_of(o->password), STR_NONE);
}

static void outer_authenticated(void *ctx)
{
    struct outer *o = ctx;
    o->authenticated++;
    assert_int_equal(o->readies, 0);
    if (!outer_free_here(o, "authenticated") && o->goes_ahead)
        (void)stream_out_send_text(o->s, STR("<presence id='ahead'/>"));
}

static enum stream_out_next outer_features(void *ctx, const struct xml *features,
                                           struct sasl_client **client, enum sasl_mech *m)
{
    struct outer *o = ctx;
    o->features++;
    assert_true(xml_is(features, NS_STREAM, "features"));
    if (outer_free_here(o, "features") || o->no_sasl)
        return STREAM_OUT_READY;
    *m = o->mech;
    *client = sasl_client_new(o->mech, str_of(o->user), str_of(o->password), STR_NONE);
    return STREAM_OUT_SASL;
}

static enum stream_out_next outer_refused(void *ctx, enum sasl_failure f,
                                          const struct xml *features, struct sasl_client **client,
                                          enum sasl_mech *m)
{
    struct outer *o = ctx;
    (void)features;
    o->refusals++;
    o->refused_with = f;
    if (outer_free_here(o, "refused"))
        return STREAM_OUT_FAIL;
    *m = o->mech;
    *client = sasl_client_new(o->mech, str_of(o->user), str_of(o->password), STR_NONE);
    return STREAM_OUT_SASL;
}

static void outer_ready(void *ctx, const struct xml *features, bool sasl_done)
{
    struct outer *o = ctx;
    o->readies++;
    assert_true(sasl_done == !o->no_sasl);
    assert_non_null(features);
    if (!outer_free_here(o, "ready") && o->on_ready)
        o->on_ready(o);
}

static void outer_element(void *ctx, struct xml_doc *doc)
{
    struct outer *o = ctx;
    o->elements++;
    assert_int_equal(o->ends, 0);
    if (o->on_element) {
        o->on_element(o, doc);
        return;
    }
    xml_write(&o->got, doc->root, o->conf.content_ns);
    buf_char(&o->got, '\n');
    xml_doc_free(&doc);
    (void)outer_free_here(o, "element");
}

static void outer_drain(void *ctx)
{
    ((struct outer *)ctx)->drains++;
}

static void outer_end(void *ctx, const struct stream_end *e)
{
    struct outer *o = ctx;
    assert_int_equal(o->ends, 0);
    o->ends++;
    o->end = *e;
    stream_out_free(&o->s);
}

static const struct stream_out_events outer_events = {.header = outer_header,
                                                      .secured = outer_secured,
                                                      .opened = outer_opened,
                                                      .authenticated = outer_authenticated,
                                                      .features = outer_features,
                                                      .refused = outer_refused,
                                                      .ready = outer_ready,
                                                      .element = outer_element,
                                                      .drain = outer_drain,
                                                      .end = outer_end};

static void outer_taken(void *ctx, struct transport *t)
{
    struct outer *o = ctx;
    o->s = stream_out_new(&t, &o->conf, &outer_events, o);
    assert_null(t);
}

static UNUSED void outer_begin(struct outer *o, struct rig *r)
{
    *o =
        (struct outer){.rig = r, .user = "juliet", .password = "r0m30", .mech = SASL_SCRAM_SHA_256};
    o->conf = (struct stream_out_conf){.content_ns = NS_CLIENT,
                                       .from = "juliet@" RIG_DOMAIN,
                                       .to = RIG_DOMAIN,
                                       .tls = rig_client_tls,
                                       .tls_required = true};
    o->taken = (struct listen_accept_ctx){.accept = outer_taken, .ctx = o};
    buf_init(&o->got, 64 << 20);
}

static UNUSED void outer_fini(struct outer *o)
{
    stream_out_free(&o->s);
    buf_fini(&o->got);
}

/* ---- predicates ---- */

static UNUSED bool inner_is_over(void *ctx)
{
    return ((struct inner *)ctx)->ends > 0;
}

static UNUSED bool outer_is_over(void *ctx)
{
    return ((struct outer *)ctx)->ends > 0;
}

static UNUSED bool outer_is_ready(void *ctx)
{
    struct outer *o = ctx;
    return o->readies > 0 || o->ends > 0;
}

struct both {
    struct inner i;
    struct outer o;
    struct rig r;
    unsigned want_inner, want_outer; /* elements */
};

static UNUSED bool both_over(void *ctx)
{
    struct both *b = ctx;
    return b->i.ends > 0 && b->o.ends > 0;
}

static UNUSED bool both_got(void *ctx)
{
    struct both *b = ctx;
    return b->i.elements >= b->want_inner && b->o.elements >= b->want_outer;
}

static UNUSED void both_begin(struct both *b, uint64_t seed)
{
    memset(b, 0, sizeof *b);
    rig_begin(&b->r, seed);
    inner_begin(&b->i, &b->r);
    outer_begin(&b->o, &b->r);
}

static UNUSED void both_connect(struct both *b)
{
    rig_dial(&b->r, &b->o.taken);
}

static UNUSED void both_end(struct both *b)
{
    inner_fini(&b->i);
    outer_fini(&b->o);
    rig_end(&b->r);
}
#endif
