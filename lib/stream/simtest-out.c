/* Byte scripts towards an initiating entity: what a server may send, and how the stream ends. */
#define RIG_SIM
#include "lib/stream/tests-parties-int.h"

#define STREAMS "http://etherx.jabber.org/streams"
#define HEADER                                                                                     \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" STREAMS             \
    "' from='im.example' id='0123456789012345678901' version='1.0'>"
#define SASL_NS "urn:ietf:params:xml:ns:xmpp-sasl"
#define TLS_NS "urn:ietf:params:xml:ns:xmpp-tls"
#define FEATURES "<stream:features/>"
#define OFFERS_TLS "<stream:features><starttls xmlns='" TLS_NS "'/></stream:features>"

static const struct script {
    const char *name, *bytes;
    bool has_tls; /* the initiator wants it */
    enum err err;
    enum stream_cond sent, received;
} scripts[] = {
    {"silence", "", false, ERR_TIMEOUT, STREAM_CONNECTION_TIMEOUT, STREAM_OK},
    {"no features", HEADER, false, ERR_TIMEOUT, STREAM_CONNECTION_TIMEOUT, STREAM_OK},
    {"no proceed", HEADER OFFERS_TLS, true, ERR_TIMEOUT, STREAM_CONNECTION_TIMEOUT, STREAM_OK},
    {"no handshake", HEADER OFFERS_TLS "<proceed xmlns='" TLS_NS "'/>", true, ERR_TIMEOUT,
     STREAM_OK, STREAM_OK},
    {"no challenge", HEADER FEATURES, false, ERR_TIMEOUT, STREAM_CONNECTION_TIMEOUT, STREAM_OK},
    {"garbage", "220 mail.example ESMTP", false, ERR_PROTOCOL, STREAM_NOT_WELL_FORMED, STREAM_OK},
    {"wrong namespace",
     "<stream:stream xmlns='jabber:server' xmlns:stream='" STREAMS
     "' id='0123456789012345678901' version='1.0'>",
     false, ERR_PROTOCOL, STREAM_INVALID_NAMESPACE, STREAM_OK},
    {"no version",
     "<stream:stream xmlns='jabber:client' xmlns:stream='" STREAMS "' id='0123456789012345678901'>",
     false, ERR_PROTOCOL, STREAM_UNSUPPORTED_VERSION, STREAM_OK},
    {"stanza before features", HEADER "<message/></stream:stream>", false, ERR_PROTOCOL,
     STREAM_UNSUPPORTED_STANZA_TYPE, STREAM_OK},
    {"auth from a server", HEADER "<auth xmlns='" SASL_NS "'/></stream:stream>", false,
     ERR_PROTOCOL, STREAM_UNSUPPORTED_STANZA_TYPE, STREAM_OK},
    {"stream error",
     HEADER "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
            "</stream:error></stream:stream>",
     false, ERR_EOF, STREAM_OK, STREAM_HOST_UNKNOWN},
    {"closed at once", HEADER "</stream:stream>", false, ERR_EOF, STREAM_OK, STREAM_OK},
    {"tls refused", HEADER OFFERS_TLS "<failure xmlns='" TLS_NS "'/></stream:stream>", true,
     ERR_TLS, STREAM_OK, STREAM_OK},
    {"tls not offered", HEADER FEATURES "</stream:stream>", true, ERR_TLS, STREAM_OK, STREAM_OK},
    {"challenge is no base64", HEADER FEATURES "<challenge xmlns='" SASL_NS "'>***</challenge>",
     false, ERR_AUTH, STREAM_OK, STREAM_OK},
    {"challenge is not ours",
     HEADER FEATURES "<challenge xmlns='" SASL_NS "'>cj14LHM9QUE9PSxpPTQwOTY=</challenge>", false,
     ERR_AUTH, STREAM_OK, STREAM_OK},
    {"success without proof", HEADER FEATURES "<success xmlns='" SASL_NS "'/>", false, ERR_AUTH,
     STREAM_NOT_AUTHORIZED, STREAM_OK},
    {"success with a wrong proof",
     HEADER FEATURES "<success xmlns='" SASL_NS "'>dj1BQUFB</success>", false, ERR_AUTH,
     STREAM_NOT_AUTHORIZED, STREAM_OK},
    {"features again within sasl", HEADER FEATURES FEATURES "</stream:stream>", false, ERR_PROTOCOL,
     STREAM_UNSUPPORTED_STANZA_TYPE, STREAM_OK},
    {"comment", HEADER "<!-- -->", false, ERR_PROTOCOL, STREAM_RESTRICTED_XML, STREAM_OK},
};

static void run_script(const struct script *c, bool is_dripping)
{
    struct rig r;
    struct outer o;
    struct raw w;
    rig_begin(&r, 70);
    outer_begin(&o, &r);
    o.conf.tls_required = c->has_tls;
    if (!c->has_tls)
        o.conf.tls = NULL;
    raw_begin(&w, &r, r.server);
    r.on_accept = w.taken;
    rig_dial(&r, &o.taken);
    assert_true(raw_expect(&w, "xml:lang='en'>"));
    assert_true(raw_saw(&w, " from='juliet@im.example' to='im.example' version='1.0'"));
    raw_send(&w, str_of(c->bytes), is_dripping);
    assert_true(rig_run(&r, UINT64_C(70000000), outer_is_over, &o));
    if (o.end.err != c->err || o.end.sent != c->sent || o.end.received != c->received)
        fail_msg("%s: ended %s sent %s received %s (%s)", c->name, err_name(o.end.err),
                 stream_cond_name(o.end.sent), stream_cond_name(o.end.received), o.end.text);
    assert_true(o.end.text[0] != 0);
    assert_int_equal(o.readies, 0);
    outer_fini(&o);
    raw_fini(&w);
    rig_end(&r);
}

static void test_out_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
        for (int drip = 0; drip < 2; drip++)
            run_script(&scripts[i], drip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_out_scripts)};
    return cmocka_run_group_tests_name("out", tests, rig_tls_begin, rig_tls_end);
}
