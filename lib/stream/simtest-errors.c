/* Byte scripts into a receiving entity: what the peer sends and which stream error comes back, at
 * once and byte by byte; closing handshakes; stalls; SASL's own refusals; injection around
 * STARTTLS. */
#define RIG_SIM
#include "lib/stream/tests-parties-int.h"

#define HEADER                                                                                     \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "                                   \
    "xmlns:stream='http://etherx.jabber.org/streams' to='im.example' version='1.0'>"
#define STREAMS "http://etherx.jabber.org/streams"
#define TLS_NS "urn:ietf:params:xml:ns:xmpp-tls"
#define SASL_NS "urn:ietf:params:xml:ns:xmpp-sasl"

struct scene {
    struct rig r;
    struct inner i;
    struct raw w;
};

static void scene_begin(struct scene *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    rig_begin(&s->r, seed);
    inner_begin(&s->i, &s->r);
    raw_open(&s->w, &s->r);
}

static void scene_end(struct scene *s)
{
    raw_fini(&s->w);
    inner_fini(&s->i);
    rig_end(&s->r);
}

static const struct script {
    const char *name, *bytes;
    enum stream_cond cond;
} scripts[] = {
    {"garbage", "hello there", STREAM_NOT_WELL_FORMED},
    {"tls hello in clear", "\x16\x03\x01\x02", STREAM_NOT_WELL_FORMED},
    {"http", "GET / HTTP/1.1\r\n\r\n", STREAM_NOT_WELL_FORMED},
    {"wrong stream namespace",
     "<stream:stream xmlns='jabber:client' xmlns:stream='urn:wrong' to='im.example' version='1.0'>",
     STREAM_INVALID_NAMESPACE},
    {"wrong content namespace",
     "<stream:stream xmlns='jabber:server' xmlns:stream='" STREAMS
     "' to='im.example' version='1.0'>",
     STREAM_INVALID_NAMESPACE},
    {"no content namespace",
     "<stream:stream xmlns:stream='" STREAMS "' to='im.example' version='1.0'>",
     STREAM_INVALID_NAMESPACE},
    {"not a stream", "<foo:bar xmlns:foo='" STREAMS "'>", STREAM_BAD_FORMAT},
    {"no version",
     "<stream:stream xmlns='jabber:client' xmlns:stream='" STREAMS "' to='im.example'>",
     STREAM_UNSUPPORTED_VERSION},
    {"version 0.9",
     "<stream:stream xmlns='jabber:client' xmlns:stream='" STREAMS
     "' to='im.example' version='0.9'>",
     STREAM_UNSUPPORTED_VERSION},
    {"version that is none",
     "<stream:stream xmlns='jabber:client' xmlns:stream='" STREAMS
     "' to='im.example' version='one'>",
     STREAM_UNSUPPORTED_VERSION},
    {"unclosed tag", HEADER "<message></body>", STREAM_NOT_WELL_FORMED},
    {"unbound prefix", HEADER "<foo:message/>", STREAM_NOT_WELL_FORMED},
    {"comment", HEADER "<!-- hi -->", STREAM_RESTRICTED_XML},
    {"processing instruction", HEADER "<?php echo ?>", STREAM_RESTRICTED_XML},
    {"dtd", "<!DOCTYPE foo [<!ENTITY a 'b'>]>" HEADER, STREAM_RESTRICTED_XML},
    {"entity", HEADER "<message>&foo;</message>", STREAM_RESTRICTED_XML},
    {"encoding", "<?xml version='1.0' encoding='ISO-8859-1'?>", STREAM_UNSUPPORTED_ENCODING},
    {"bad utf-8", HEADER "<message>\xc3\x28</message>", STREAM_NOT_WELL_FORMED},
    {"text between", HEADER "hello", STREAM_BAD_FORMAT},
    {"deep", HEADER "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
     STREAM_POLICY_VIOLATION},
    {"proceed to a server", HEADER "<proceed xmlns='" TLS_NS "'/>", STREAM_UNSUPPORTED_STANZA_TYPE},
    {"features to a server", HEADER "<stream:features/>", STREAM_UNSUPPORTED_STANZA_TYPE},
    {"success to a server", HEADER "<success xmlns='" SASL_NS "'/>",
     STREAM_UNSUPPORTED_STANZA_TYPE},
    {"response to nothing", HEADER "<response xmlns='" SASL_NS "'/>", STREAM_POLICY_VIOLATION},
    {"abort of nothing", HEADER "<abort xmlns='" SASL_NS "'/>", STREAM_POLICY_VIOLATION},
    {"stanza within sasl",
     HEADER "<auth xmlns='" SASL_NS
            "' mechanism='SCRAM-SHA-256'>biwsbj1hLHI9YWJjZGVmZ2g=</auth><message/>",
     STREAM_NOT_AUTHORIZED},
};

static void run_script(const struct script *c, bool is_dripping)
{
    struct scene s;
    char expected[64];
    scene_begin(&s, 20);
    raw_send(&s.w, str_of(c->bytes), is_dripping);
    snprintf(expected, sizeof expected, "<stream:error><%s ", stream_cond_name(c->cond));
    if (!raw_expect(&s.w, expected) || !raw_expect(&s.w, "</stream:stream>"))
        fail_msg("%s: no %s", c->name, expected);
    if (!str_starts(buf_view(&s.w.in), STR("<?xml version='1.0'?><stream:stream ")))
        fail_msg("%s: the error came without a header", c->name);
    assert_true(raw_saw(&s.w, " from='"));
    assert_true(raw_saw(&s.w, " id='"));
    raw_send(&s.w, STR("</stream:stream>"), false);
    assert_true(rig_run(&s.r, RIG_WAIT_US, inner_is_over, &s.i));
    assert_int_equal(s.i.end.sent, c->cond);
    assert_int_equal(s.i.elements, 0);
    scene_end(&s);
}

static void test_errors_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
        for (int drip = 0; drip < 2; drip++)
            run_script(&scripts[i], drip);
}

static void test_errors_header_callback(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 21);
    s.i.header_says = STREAM_HOST_UNKNOWN;
    raw_send(&s.w, STR(HEADER), false);
    assert_true(raw_expect(&s.w, "<host-unknown "));
    assert_true(raw_saw(&s.w, " from='default.example'"));
    assert_true(raw_expect(&s.w, "</stream:stream>"));
    scene_end(&s);
}

static void test_header_attributes(void **state)
{
    struct scene s;
    char first[RAND_ID_LEN + 1];
    (void)state;
    scene_begin(&s, 22);
    raw_send(&s.w,
             STR("<stream:stream xmlns='jabber:client' xmlns:stream='" STREAMS
                 "' to='im.example' from='Juliet@im.example/b' id='ignored' version='1.7' "
                 "xml:lang='de'>"),
             false);
    assert_true(raw_expect(&s.w, "</stream:features>"));
    assert_true(raw_saw(&s.w, " from='im.example'"));
    assert_true(raw_saw(&s.w, " to='juliet@im.example'"));
    assert_true(raw_saw(&s.w, " version='1.0'"));
    assert_true(raw_saw(&s.w, " xml:lang='en'"));
    assert_true(raw_saw(&s.w, "<starttls xmlns='" TLS_NS "'/>"));
    assert_false(raw_saw(&s.w, "PLAIN")); /* only over TLS */
    assert_true(raw_saw(&s.w, "<mechanism>SCRAM-SHA-256</mechanism>"));
    assert_true(str_eqc(stream_in_header(s.i.s)->lang, "de"));
    memcpy(first, stream_in_id(s.i.s), sizeof first);
    assert_true(raw_saw(&s.w, first));
    scene_end(&s);
}

/* ---- budgets and deadlines ---- */

static void test_budget_before_auth(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 23);
    s.i.limits.auth_bytes = 4000;
    raw_send(&s.w, STR(HEADER), false);
    for (int n = 0; n < 200; n++)
        raw_send(&s.w, STR("<message to='someone@else.example'/>"), false);
    assert_true(raw_expect(&s.w, "<policy-violation "));
    assert_true(rig_run(&s.r, RIG_WAIT_US, inner_is_over, &s.i));
    assert_int_equal(s.i.end.sent, STREAM_POLICY_VIOLATION);
    scene_end(&s);
}

static void test_oversize(void **state)
{
    struct scene s;
    char big[20000];
    (void)state;
    scene_begin(&s, 24);
    memset(big, 'x', sizeof big);
    raw_send(&s.w, STR(HEADER "<message><body>"), false);
    raw_send(&s.w, str_make(big, sizeof big), false);
    assert_true(raw_expect(&s.w, "<policy-violation "));
    scene_end(&s);
}

/* Silence after each of these must end by the deadline, told or not. */
static const struct stall {
    const char *bytes;
    bool is_told; /* XML can be sent */
} stalls[] = {
    {"", true},
    {"<stream:st", true},
    {HEADER, true},
    {HEADER "<message>", true},
    {HEADER "<auth xmlns='" SASL_NS "' mechanism='SCRAM-SHA-256'>biwsbj1hLHI9YWJjZGVmZ2g=</auth>",
     true},
    {HEADER "<starttls xmlns='" TLS_NS "'/>", false},
};

static void test_stalls_end(void **state)
{
    struct scene s;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stalls); i++) {
        scene_begin(&s, 25);
        raw_send(&s.w, str_of(stalls[i].bytes), false);
        assert_false(rig_run(&s.r, UINT64_C(59900000), inner_is_over, &s.i));
        assert_true(rig_run(&s.r, UINT64_C(4000000), inner_is_over, &s.i));
        assert_int_equal(s.i.end.err, ERR_TIMEOUT);
        assert_int_equal(s.i.end.sent, stalls[i].is_told ? STREAM_CONNECTION_TIMEOUT : STREAM_OK);
        scene_end(&s);
    }
}

static void test_stall_direct_tls(void **state)
{
    struct scene s;
    (void)state;
    memset(&s, 0, sizeof s);
    rig_begin(&s.r, 26);
    inner_begin(&s.i, &s.r);
    s.i.direct_tls = true;
    raw_open(&s.w, &s.r);
    assert_true(rig_run(&s.r, UINT64_C(64000000), inner_is_over, &s.i));
    assert_int_equal(s.i.end.err, ERR_TIMEOUT);
    scene_end(&s);
}

static void test_connection_cut(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 27);
    raw_send(&s.w, STR(HEADER), false);
    assert_true(raw_expect(&s.w, "</stream:features>"));
    transport_close(&s.w.t);
    assert_true(rig_run(&s.r, RIG_WAIT_US, inner_is_over, &s.i));
    assert_int_equal(s.i.end.err, ERR_RESET); /* an end of the connection is no end of the stream */
    scene_end(&s);
}

/* ---- closing ---- */

static void test_close_by_peer(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 28);
    raw_send(&s.w, STR(HEADER " \n <x xmlns='urn:x'/> </stream:stream>"), false);
    assert_true(raw_expect(&s.w, "</stream:stream>"));
    assert_true(rig_run(&s.r, RIG_WAIT_US, raw_is_over, &s.w));
    assert_int_equal(s.w.why, ERR_EOF);
    assert_int_equal(s.i.end.err, ERR_EOF);
    assert_int_equal(s.i.elements, 1);
    scene_end(&s);
}

static void test_close_without_answer(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 29);
    raw_send(&s.w, STR(HEADER), false);
    assert_true(raw_expect(&s.w, "</stream:features>"));
    stream_in_close(s.i.s, STREAM_SYSTEM_SHUTDOWN, "good night");
    stream_in_close(s.i.s, STREAM_CONFLICT, NULL); /* idempotent */
    assert_int_equal(s.i.ends, 0);
    assert_true(raw_expect(&s.w, "<system-shutdown "));
    assert_true(raw_saw(&s.w, ">good night</text>"));
    assert_false(raw_saw(&s.w, "conflict"));
    raw_send(&s.w, STR("<message/>"), false);
    assert_false(rig_run(&s.r, UINT64_C(2900000), inner_is_over, &s.i));
    assert_true(rig_run(&s.r, UINT64_C(1000000), inner_is_over, &s.i));
    assert_int_equal(s.i.end.err, ERR_TIMEOUT);
    assert_int_equal(s.i.end.sent, STREAM_SYSTEM_SHUTDOWN);
    assert_int_equal(s.i.elements, 0);
    scene_end(&s);
}

static void test_close_before_header(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 30);
    stream_in_close(s.i.s, STREAM_SYSTEM_SHUTDOWN, NULL);
    assert_true(raw_expect(&s.w, "</stream:stream>"));
    assert_true(raw_saw(&s.w, " from='default.example'"));
    raw_send(&s.w, STR(HEADER "</stream:stream>"), false);
    assert_true(rig_run(&s.r, RIG_WAIT_US, inner_is_over, &s.i));
    assert_int_equal(s.i.end.err, ERR_EOF);
    assert_int_equal(s.i.headers, 0);
    scene_end(&s);
}

/* A close in order lets what was on its way still arrive (RFC 6120 section 4.4). */
static void test_close_drains(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 31);
    s.i.authenticate_in_header = true;
    raw_send(&s.w, STR(HEADER), false);
    assert_true(raw_expect(&s.w, "</stream:features>"));
    stream_in_close(s.i.s, STREAM_OK, NULL);
    raw_send(&s.w, STR("<message id='late'/></stream:stream>"), false);
    assert_true(rig_run(&s.r, RIG_WAIT_US, inner_is_over, &s.i));
    assert_true(str_eqc(buf_view(&s.i.got), "<message id='late'/>\n"));
    assert_int_equal(s.i.end.err, ERR_EOF);
    scene_end(&s);
}

static void test_peer_error(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 32);
    raw_send(&s.w,
             STR(HEADER "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                        "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>twice</text>"
                        "</stream:error></stream:stream>"),
             false);
    assert_true(raw_expect(&s.w, "</stream:stream>"));
    assert_true(rig_run(&s.r, RIG_WAIT_US, inner_is_over, &s.i));
    assert_int_equal(s.i.end.received, STREAM_CONFLICT);
    assert_int_equal(s.i.end.sent, STREAM_OK);
    assert_int_equal(s.i.end.err, ERR_EOF);
    assert_non_null(strstr(s.i.end.text, "twice"));
    assert_false(raw_saw(&s.w, "stream:error"));
    scene_end(&s);
}

/* ---- SASL's refusals ---- */

static const struct refusal {
    const char *bytes, *failure;
} refusals[] = {
    {"<auth xmlns='" SASL_NS "' mechanism='PLAIN'>AGp1bGlldAByMG0zMA==</auth>",
     "encryption-required"},
    {"<auth xmlns='" SASL_NS "' mechanism='NOPE'/>", "invalid-mechanism"},
    {"<auth xmlns='" SASL_NS "'/>", "invalid-mechanism"},
    {"<auth xmlns='" SASL_NS "' mechanism='EXTERNAL'>=</auth>", "invalid-mechanism"},
    {"<auth xmlns='" SASL_NS "' mechanism='SCRAM-SHA-256'>not base64!</auth>",
     "incorrect-encoding"},
    {"<auth xmlns='" SASL_NS "' mechanism='SCRAM-SHA-256'>YWJj</auth>", "malformed-request"},
    {"<auth xmlns='" SASL_NS "' mechanism='SCRAM-SHA-256'>=</auth>", "malformed-request"},
    {"<auth xmlns='" SASL_NS "' mechanism='SCRAM-SHA-256'>biwsbj1hLHI9YWJjZGVmZ2g=</auth>"
     "<abort xmlns='" SASL_NS "'/>",
     "aborted"},
};

static void test_sasl_refusals(void **state)
{
    struct scene s;
    char expected[160];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        for (int drip = 0; drip < 2; drip++) {
            scene_begin(&s, 33);
            raw_send(&s.w, STR(HEADER), drip);
            raw_send(&s.w, str_of(refusals[i].bytes), drip);
            snprintf(expected, sizeof expected, "<failure xmlns='" SASL_NS "'><%s/></failure>",
                     refusals[i].failure);
            assert_true(raw_expect(&s.w, expected));
            assert_int_equal(s.i.ends, 0); /* one failure does not end the stream */
            scene_end(&s);
        }
}

static void test_sasl_three_failures(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 34);
    raw_send(&s.w, STR(HEADER), false);
    for (int n = 0; n < 3; n++)
        raw_send(&s.w, STR("<auth xmlns='" SASL_NS "' mechanism='NOPE'/>"), false);
    assert_true(raw_expect(&s.w, "<policy-violation "));
    assert_true(raw_expect(&s.w, "</stream:stream>"));
    scene_end(&s);
}

/* A mechanism without initial response is asked for it with an empty challenge; a new <auth/>
 * replaces the old one. */
static void test_sasl_slow_mode(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 35);
    raw_send(&s.w, STR(HEADER "<auth xmlns='" SASL_NS "' mechanism='SCRAM-SHA-256'/>"), false);
    assert_true(raw_expect(&s.w, "<challenge xmlns='" SASL_NS "'></challenge>"));
    raw_send(&s.w, STR("<auth xmlns='" SASL_NS "' mechanism='SCRAM-SHA-256'/>"), false);
    raw_send(&s.w, STR("<response xmlns='" SASL_NS "'>biwsbj1hLHI9YWJjZGVmZ2g=</response>"), false);
    assert_true(
        raw_expect(&s.w, "<challenge xmlns='" SASL_NS "'>cj1hYmNkZWZna")); /* r=abcdefgh... */
    assert_int_equal(s.i.needs, 1);
    scene_end(&s);
}

/* Dialback may be proven while the peer tries SASL: its failure leaves the stream open. */
static void test_authenticated_within_sasl(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 37);
    raw_send(&s.w, STR(HEADER "<auth xmlns='" SASL_NS "' mechanism='SCRAM-SHA-256'/>"), false);
    assert_true(raw_expect(&s.w, "<challenge "));
    stream_in_set_authenticated(s.i.s);
    raw_send(&s.w, STR("<abort xmlns='" SASL_NS "'/><message id='1'/>"), false);
    assert_true(raw_expect(&s.w, "<aborted/>"));
    assert_false(rig_run(&s.r, UINT64_C(100000000), inner_is_over, &s.i));
    assert_int_equal(s.i.elements, 1);
    stream_in_close(s.i.s, STREAM_SEE_OTHER_HOST, "b.example:9222");
    assert_true(
        raw_expect(&s.w, ">b.example:9222</see-other-host></stream:error></stream:stream>"));
    scene_end(&s);
}

static void test_tls_required_first(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 36);
    s.i.conf.tls_required = true;
    raw_send(&s.w, STR(HEADER), false);
    assert_true(raw_expect(&s.w, "<required/></starttls></stream:features>"));
    assert_false(raw_saw(&s.w, "mechanism"));
    raw_send(&s.w, STR("<auth xmlns='" SASL_NS "' mechanism='SCRAM-SHA-256'/>"), false);
    assert_true(raw_expect(&s.w, "<encryption-required/>"));
    raw_send(&s.w, STR("<message/>"), false);
    assert_true(raw_expect(&s.w, "<policy-violation "));
    assert_int_equal(s.i.elements, 0);
    scene_end(&s);
}

/* ---- STARTTLS ---- */

static void test_starttls_not_offered(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 37);
    s.i.conf.tls = NULL;
    raw_send(&s.w, STR(HEADER "<starttls xmlns='" TLS_NS "'/>"), false);
    assert_true(raw_expect(&s.w, "<failure xmlns='" TLS_NS "'/></stream:stream>"));
    assert_false(raw_saw(&s.w, "stream:error"));
    assert_false(raw_saw(&s.w, "proceed"));
    scene_end(&s);
}

static bool raw_knows(void *ctx)
{
    struct raw *w = ctx;
    w->wait_for = "</stream:features>";
    return !w->t || raw_has(w);
}

/* What a man in the middle puts behind <starttls/> in clear is never executed. When it comes in the
 * same read it is dropped and the handshake works; when it comes later it breaks the handshake.
 * True: it worked. */
static bool inject_behind_starttls(uint64_t seed)
{
    struct scene s;
    scene_begin(&s, seed);
    raw_send(&s.w,
             STR(HEADER "<starttls xmlns='" TLS_NS "'/>" HEADER
                        "<message id='injected' xmlns='jabber:client'/>"),
             false);
    assert_true(raw_expect(&s.w, "<proceed xmlns='" TLS_NS "'/>"));
    buf_clear(&s.w.in);
    raw_taken(&s.w, tls_client(&s.w.t, rig_client_tls, RIG_DOMAIN));
    raw_send(&s.w, STR(HEADER), false);
    assert_true(rig_run(&s.r, RIG_WAIT_US, raw_knows, &s.w));
    bool worked = s.w.t != NULL;
    if (worked) {
        assert_false(raw_saw(&s.w, "starttls")); /* not offered twice */
        assert_true(raw_saw(&s.w, "PLAIN"));
        assert_int_equal(s.i.headers, 2);
        raw_send(&s.w, STR("<starttls xmlns='" TLS_NS "'/>"), false);
        assert_true(raw_expect(&s.w, "<failure xmlns='" TLS_NS "'/></stream:stream>"));
    } else {
        assert_int_equal(s.i.headers, 1);
        assert_int_equal(s.i.end.err, ERR_TLS);
    }
    assert_int_equal(s.i.elements, 0);
    scene_end(&s);
    return worked;
}

static void test_starttls_injection(void **state)
{
    unsigned worked = 0, broke = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        if (inject_behind_starttls(seed))
            worked++;
        else
            broke++;
    assert_true(worked > 0);
    assert_true(broke > 0);
}

/* The same towards an initiating entity: bytes behind <proceed/>. */
static void impostor_accept(void *ctx, struct transport *t)
{
    raw_taken(ctx, t);
}

static void test_proceed_injection(void **state)
{
    struct rig r;
    struct outer o;
    struct raw w;
    (void)state;
    rig_begin(&r, 39);
    outer_begin(&o, &r);
    raw_begin(&w, &r, r.server);
    r.on_accept.accept = impostor_accept;
    r.on_accept.ctx = &w;
    rig_dial(&r, &o.taken);
    assert_true(raw_expect(&w, "version='1.0'"));
    const char *answer = "<stream:stream xmlns='jabber:client' xmlns:stream='" STREAMS
                         "' from='im.example' id='0123456789012345678901' version='1.0'>";
    raw_send(&w, str_of(answer), false);
    raw_send(&w, STR("<stream:features><starttls xmlns='" TLS_NS "'/></stream:features>"), false);
    assert_true(raw_expect(&w, "<starttls xmlns='" TLS_NS "'/>"));
    raw_send(&w, STR("<proceed xmlns='" TLS_NS "'/>"), false);
    raw_send(&w, str_of(answer), false);
    raw_send(&w, STR("<stream:features/>"), false);
    assert_true(rig_run(&r, UINT64_C(70000000), outer_is_over, &o));
    assert_int_equal(o.readies, 0);
    assert_int_equal(o.features, 0);
    assert_int_equal(o.headers, 1);
    outer_fini(&o);
    raw_fini(&w);
    rig_end(&r);
}

/* ---- the user frees it wherever it is called ---- */

static void test_free_in_callbacks(void **state)
{
    static const char *const inner_places[] = {"header", "features", "need", "authenticated",
                                               "element"};
    static const char *const outer_places[] = {"header",  "secured",       "opened", "features",
                                               "refused", "authenticated", "ready",  "element"};
    struct both b;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(inner_places) + ARRAY_LEN(outer_places); i++) {
        both_begin(&b, 40 + i);
        if (i < ARRAY_LEN(inner_places))
            b.i.free_in = inner_places[i];
        else
            b.o.free_in = outer_places[i - ARRAY_LEN(inner_places)];
        if (b.o.free_in && strcmp(b.o.free_in, "refused") == 0)
            b.o.password = "wrong";
        both_connect(&b);
        (void)rig_run(&b.r, RIG_WAIT_US, outer_is_ready, &b.o);
        if (b.o.s)
            (void)stream_out_send_text(b.o.s, STR("<message/>"));
        if (b.i.s)
            (void)stream_in_send_text(b.i.s, STR("<message/>"));
        assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
        both_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_scripts),
        cmocka_unit_test(test_errors_header_callback),
        cmocka_unit_test(test_header_attributes),
        cmocka_unit_test(test_budget_before_auth),
        cmocka_unit_test(test_oversize),
        cmocka_unit_test(test_stalls_end),
        cmocka_unit_test(test_stall_direct_tls),
        cmocka_unit_test(test_connection_cut),
        cmocka_unit_test(test_close_by_peer),
        cmocka_unit_test(test_close_without_answer),
        cmocka_unit_test(test_close_before_header),
        cmocka_unit_test(test_close_drains),
        cmocka_unit_test(test_peer_error),
        cmocka_unit_test(test_sasl_refusals),
        cmocka_unit_test(test_sasl_three_failures),
        cmocka_unit_test(test_sasl_slow_mode),
        cmocka_unit_test(test_authenticated_within_sasl),
        cmocka_unit_test(test_tls_required_first),
        cmocka_unit_test(test_starttls_not_offered),
        cmocka_unit_test(test_starttls_injection),
        cmocka_unit_test(test_proceed_injection),
        cmocka_unit_test(test_free_in_callbacks),
    };
    return cmocka_run_group_tests_name("errors", tests, rig_tls_begin, rig_tls_end);
}
