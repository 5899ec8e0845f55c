/* XEP-0114: the handshake and what refuses it, stanzas both ways, two links for one domain, over
 * TLS, and from the node of another region. */
#include "integration-tests/sim/tests-world-int.h"
#include "lib/base/crypto.h"
#include "lib/base/encode.h"
#include "lib/net/dial.h"

#define MUC "rooms.im.test"
#define SECRET "s3cr3t"
enum { PORT = 5347, WAIT_SECONDS = 20 };

/* ---- a component: sends text, keeps what it gets */
struct peer {
    struct loop *loop;
    struct transport *t;
    struct buf in;
    bool with_tls, is_over;
    const char *wanted;
};

static void peer_data(void *ctx, struct str bytes)
{
    buf_str(&((struct peer *)ctx)->in, bytes);
}

static void peer_end(void *ctx, enum err why)
{
    struct peer *p = ctx;
    (void)why;
    p->is_over = true;
    transport_close(&p->t);
}

static const struct transport_events peer_events = {.data = peer_data, .end = peer_end};

static void peer_secure(struct peer *p)
{
    p->t = tls_client(&p->t, rig_client_tls, RIG_DOMAIN);
    transport_set_events(p->t, &peer_events, p);
}

static void peer_dialled(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct peer *p = ctx;
    (void)r;
    assert_int_equal(e, ERR_OK);
    p->t = t;
    if (p->with_tls)
        peer_secure(p);
    else
        transport_set_events(p->t, &peer_events, p);
}

static bool peer_has(void *ctx)
{
    struct peer *p = ctx;
    if (!p->wanted)
        return p->t != NULL;
    buf_char(&p->in, '\0');
    p->in.n--;
    return strstr(p->in.p, p->wanted) != NULL;
}

static bool peer_expect(struct peer *p, const char *text)
{
    p->wanted = text;
    bool ok = sim_run(WAIT_SECONDS * SEC, peer_has, p);
    if (!ok)
        print_error("waited for %s\n got " STR_FMT "\n", text, STR_ARG(buf_view(&p->in)));
    return ok;
}

static bool is_over(void *ctx)
{
    return ((struct peer *)ctx)->is_over;
}

static void peer_send(struct peer *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void peer_send(struct peer *p, const char *fmt, ...)
{
    char text[8192];
    va_list args;
    va_start(args, fmt);
    assert_true(vsnprintf(text, sizeof text, fmt, args) < (int)sizeof text);
    va_end(args);
    (void)transport_send(p->t, str_of(text));
}

static void peer_connect(struct peer *p, const struct addr *at, uint16_t port, bool with_tls)
{
    struct dial_target target = {.addr = *at};
    *p = (struct peer){.loop = loop_new("component/0", 0), .with_tls = with_tls};
    target.addr.port = port;
    buf_init(&p->in, 1 << 20);
    dial_open(p->loop, NULL, dial_source_fixed(p->loop, &target, 1), 5000, peer_dialled, p);
    assert_true(sim_run(WAIT_SECONDS * SEC, peer_has, p));
}

static void peer_header(struct peer *p, const char *ns, const char *to)
{
    peer_send(p,
              "<stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' to='%s'>",
              ns, to);
}

static void peer_open(struct peer *p, const struct addr *at, uint16_t port, bool with_tls,
                      const char *ns, const char *to)
{
    peer_connect(p, at, port, with_tls);
    peer_header(p, ns, to);
}

static void peer_close(struct peer *p)
{
    if (p->t)
        transport_close(&p->t);
    buf_fini(&p->in);
    loop_free(&p->loop);
}

/* The proof for the stream id of the header that came. */
static void prove(struct peer *p, const char *secret)
{
    assert_true(peer_expect(p, " id='"));
    assert_null(strstr(p->in.p, "features"));
    struct str id = str_of(strstr(p->in.p, " id='") + 5);
    id = str_cut(&id, '\'');
    char text[256];
    uint8_t hash[DIGEST_MAX];
    struct buf hex;
    snprintf(text, sizeof text, STR_FMT "%s", STR_ARG(id), secret);
    crypto_hash(DIGEST_SHA1, str_of(text), hash);
    buf_init(&hex, 100);
    hex_encode(&hex, hash, digest_size(DIGEST_SHA1));
    buf_clear(&p->in);
    peer_send(p, "<handshake>" STR_FMT "</handshake>", STR_ARG(buf_view(&hex)));
    buf_fini(&hex);
}

static const struct node_conf_component components[] = {{MUC, SECRET, false},
                                                        {"kick.im.test", SECRET, true}};
static struct node_conf_listen component_ports[2];

static void with_components(struct node_conf *c)
{
    for (size_t i = 0; i < 2; i++) {
        component_ports[i] = (struct node_conf_listen){.at = c->c2s[0].at, .direct_tls = i == 1};
        component_ports[i].at.port = (uint16_t)(PORT + i);
    }
    c->component_listen = component_ports;
    c->component_listen_n = 2;
    c->components = components;
    c->components_n = ARRAY_LEN(components);
}

static void component_up(struct peer *p, const struct rig *r, const char *domain)
{
    peer_open(p, &r->listen[0].at, PORT, false, NS_COMPONENT, domain);
    prove(p, SECRET);
    assert_true(peer_expect(p, "<handshake/>"));
    buf_clear(&p->in);
}

static void test_component_stanzas(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        for (int tls = 0; tls < 2; tls++) {
            struct rig r;
            struct peer p;
            rig_begin(&r, 1, shards, with_components);
            struct sim_client *a = rig_online(&r, "alice", "a");
            sim_client_send(a, "<message to='room@" MUC "' id='early'><body>x</body></message>");
            assert_true(sim_client_expect(a, "<message type='error' id='early'/>"));
            peer_open(&p, &r.listen[0].at, (uint16_t)(PORT + tls), tls, NS_COMPONENT, MUC);
            prove(&p, SECRET);
            assert_true(peer_expect(&p, "<handshake/>"));
            for (int i = 0; i < 50; i++)
                sim_client_send(a, "<message to='room@" MUC "' id='%d'><body>hi</body></message>",
                                i);
            assert_true(peer_expect(&p, "id='49'"));
            const char *at = p.in.p; /* all of them, in order, in the component's namespace */
            for (int i = 0; i < 50; i++) {
                char id[32];
                snprintf(id, sizeof id, "id='%d'", i);
                assert_non_null(at = strstr(at, id));
            }
            assert_null(strstr(p.in.p, NS_CLIENT));
            assert_non_null(strstr(p.in.p, "<body>hi</body>"));
            peer_send(&p,
                      "<message from='room@" MUC "/nick' to='alice@im.test' id='back' "
                      "type='chat'><body>ho</body><x xmlns='y'><z/></x></message>"
                      "<iq type='get' id='q' from='" MUC "' to='im.test'>"
                      "<query xmlns='jabber:iq:version'/></iq>"
                      "<iq type='get' id='v' from='" MUC "' to='%s'><p xmlns='x'/></iq>",
                      sim_client_jid(a));
            assert_true(sim_client_expect(a, "<message from='room@" MUC
                                             "/nick' id='back'><body>ho</body></message>"));
            assert_true(sim_client_expect(a, "<iq id='v' from='" MUC "'/>"));
            assert_true(peer_expect(&p, "<name>Meridian</name>"));
            sim_client_send(a, "<iq type='get' id='items' to='im.test'><query xmlns='%s'/></iq>",
                            NS_DISCO_ITEMS);
            assert_true(sim_client_expect(
                a, "<iq id='items'><query xmlns='%s'><item jid='" MUC "'/></query></iq>",
                NS_DISCO_ITEMS));
            peer_close(&p);
            (void)sim_run(SEC, NULL, NULL);
            sim_client_send(a, "<message to='" MUC "' id='late'><body>x</body></message>");
            assert_true(sim_client_expect(a,
                                          "<message type='error' id='late'><error>"
                                          "<service-unavailable xmlns='%s'/></error></message>",
                                          NS_STANZA_ERRORS));
            sim_client_free(&a);
            rig_end(&r);
        }
    }
}

static void test_component_refused(void **state)
{
    static const struct {
        const char *ns, *to, *first, *condition;
    } cases[] = {
        {"jabber:component:accept", "nobody.im.test", NULL, "host-unknown"},
        {"jabber:component:accept", "@", NULL, "host-unknown"},
        {"jabber:client", MUC, NULL, "invalid-namespace"},
        {"jabber:component:accept", MUC, "<handshake/>", "not-authorized"},
        {"jabber:component:accept", MUC,
         "<handshake>da39a3ee5e6b4b0d3255bfef95601890afd80709</handshake>", "not-authorized"},
        {"jabber:component:accept", MUC, "<message from='" MUC "' to='alice@im.test'/>",
         "not-authorized"},
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 2, 2, with_components);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer p;
        peer_open(&p, &r.listen[0].at, PORT, false, cases[i].ns, cases[i].to);
        if (cases[i].first)
            peer_send(&p, "%s", cases[i].first);
        assert_true(peer_expect(&p, cases[i].condition));
        assert_non_null(strstr(p.in.p, "<stream:stream")); /* a header before the error */
        assert_true(sim_run(WAIT_SECONDS * SEC, is_over, &p));
        peer_close(&p);
    }
    rig_end(&r);
}

static void test_component_addresses(void **state)
{
    static const struct {
        const char *stanza, *condition;
    } cases[] = {
        {"<message to='alice@im.test'/>", "improper-addressing"},
        {"<message from='" MUC "'/>", "improper-addressing"},
        {"<message from='bob@im.test' to='alice@im.test'/>", "invalid-from"},
        {"<message from='x@sub." MUC "' to='alice@im.test'/>", "invalid-from"},
        {"<strange/>", "unsupported-stanza-type"},
        {"<message xmlns='jabber:client' from='" MUC "' to='alice@im.test'/>",
         "unsupported-stanza-type"},
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 3, 2, with_components);
    struct sim_client *a = rig_online(&r, "alice", "a");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer p;
        component_up(&p, &r, MUC);
        peer_send(&p, "<iq type='get' from='" MUC "' to='im.test'/>"); /* malformed: answered */
        assert_true(peer_expect(&p, "bad-request"));
        peer_send(&p, "%s", cases[i].stanza);
        assert_true(peer_expect(&p, cases[i].condition));
        peer_close(&p);
        (void)sim_run(SEC, NULL, NULL);
    }
    assert_int_equal(sim_client_count(a, "<message/>"), 0);
    sim_client_free(&a);
    rig_end(&r);
}

/* A second link: refused, or it takes over. */
static void test_component_conflict(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        for (int kick = 0; kick < 2; kick++) {
            const char *domain = components[kick].domain;
            struct rig r;
            struct peer first, second, third;
            rig_begin(&r, 4, shards, with_components);
            struct sim_client *a = rig_online(&r, "alice", "a");
            component_up(&first, &r, domain);
            peer_open(&second, &r.listen[0].at, PORT, false, NS_COMPONENT, domain);
            prove(&second, SECRET);
            struct peer *loser = kick ? &first : &second, *winner = kick ? &second : &first;
            assert_true(peer_expect(loser, "<conflict"));
            assert_true(sim_run(WAIT_SECONDS * SEC, is_over, loser));
            sim_client_send(a, "<message to='%s' id='who'><body>x</body></message>", domain);
            assert_true(peer_expect(winner, "id='who'"));
            peer_close(winner);
            (void)sim_run(SEC, NULL, NULL);
            component_up(&third, &r, domain);
            peer_close(&third);
            peer_close(loser);
            sim_client_free(&a);
            rig_end(&r);
        }
    }
}

/* A port behind a load balancer: the header is wanted, also in front of TLS, and the address it
 * tells is the one whose connections are counted. */
static void behind_proxy(struct node_conf *c)
{
    with_components(c);
    c->connections_per_address = 1;
    component_ports[0].has_proxy_header = component_ports[1].has_proxy_header = true;
}

static void test_component_proxy_protocol(void **state)
{
    static const struct {
        const char *from, *domain;
        bool is_served;
    } cases[] = {
        {"203.0.113.7", MUC, true},
        {"203.0.113.7", "kick.im.test", false}, /* it has as many as it may */
        {"203.0.113.8", "kick.im.test", true},
        {NULL, "kick.im.test", false}, /* nobody said where it comes from */
    };
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct rig r;
        struct peer p[ARRAY_LEN(cases)];
        rig_begin(&r, 6, 2, behind_proxy);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            peer_connect(&p[i], &r.listen[0].at, (uint16_t)(PORT + tls), false);
            if (cases[i].from)
                peer_send(&p[i], "PROXY TCP4 %s 192.0.2.1 1000 5347\r\n", cases[i].from);
            if (tls)
                peer_secure(&p[i]);
            peer_header(&p[i], NS_COMPONENT, cases[i].domain);
            if (cases[i].is_served) {
                prove(&p[i], SECRET);
                assert_true(peer_expect(&p[i], "<handshake/>"));
                continue;
            }
            assert_true(sim_run(WAIT_SECONDS * SEC, is_over, &p[i]));
            assert_int_equal(p[i].in.n, 0);
        }
        for (size_t i = 0; i < ARRAY_LEN(cases); i++)
            peer_close(&p[i]);
        rig_end(&r);
    }
}

/* At the rate a component is read at once, past it later; nothing is dropped, the other port, which
 * has another shaper, is not concerned. */
static void slow_port(struct node_conf *c)
{
    with_components(c);
    component_ports[0].rate = (struct stream_rate){.bytes = 20000, .stanzas = 50};
    component_ports[1].rate = (struct stream_rate){.bytes = 10 << 20, .stanzas = 20000};
}

/* The component writes n messages of this size to alice; how long until she has the last. */
static uint64_t flood(struct peer *p, struct sim_client *a, unsigned n, size_t size)
{
    static unsigned round;
    const uint64_t from_us = sim_now_us();
    round++;
    for (unsigned i = 1; i <= n; i++)
        peer_send(p, "<message from='" MUC "' to='%s' id='%u-%u'><body>%0*u</body></message>",
                  sim_client_jid(a), round, i, (int)size, i);
    for (unsigned i = 1; i <= n; i++)
        assert_true(sim_client_expect_next(a, "<message id='%u-%u'/>", round, i));
    return sim_now_us() - from_us;
}

static void test_component_rate(void **state)
{
    struct rig r;
    struct peer p;
    (void)state;
    rig_begin(&r, 7, 2, slow_port);
    struct sim_client *a = rig_online(&r, "alice", "a");
    component_up(&p, &r, MUC);
    (void)sim_run(2 * SEC, NULL, NULL);
    assert_true(flood(&p, a, 50, 10) < SEC / 2); /* what a second allows, at once */
    (void)sim_run(2 * SEC, NULL, NULL);
    assert_in_range(flood(&p, a, 250, 10), 3 * SEC, 5 * SEC); /* 50, then 50 a second */
    (void)sim_run(2 * SEC, NULL, NULL);
    assert_in_range(flood(&p, a, 20, 5000), 3 * SEC, 5 * SEC); /* 100,000 bytes */
    peer_close(&p);
    (void)sim_run(2 * SEC, NULL, NULL);
    peer_open(&p, &r.listen[0].at, PORT + 1, true, NS_COMPONENT, MUC);
    prove(&p, SECRET);
    assert_true(peer_expect(&p, "<handshake/>"));
    assert_true(flood(&p, a, 250, 10) < SEC / 2);
    peer_close(&p);
    sim_client_free(&a);
    rig_end(&r);
}

/* The component is connected to eu; bob's node is us, alice's account of eu roams there. */
static void test_component_other_region(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct pair w;
        struct peer p;
        pair_begin(&w, 5, shards);
        for (int i = 0; i < REGIONS; i++) {
            place_kill(&w, i);
            with_components(&w.at[i].rig.conf);
            if (i == US)
                w.at[i].rig.conf.component_listen_n = 0;
            else
                place_revive(&w, i);
        }
        place_revive(&w, US);
        (void)sim_run(30 * SEC, NULL, NULL);
        struct sim_client *b = rig_online(&w.at[US].rig, "bob", "b"),
                          *a = rig_online(&w.at[US].rig, "alice", "a");
        sim_client_send(b, "<message to='" MUC "' id='early'><body>x</body></message>");
        assert_true(sim_client_expect(b, "<message type='error' id='early'/>"));
        component_up(&p, &w.at[EU].rig, MUC);
        (void)sim_run(5 * SEC, NULL, NULL);
        for (int i = 0; i < 20; i++)
            sim_client_send(b, "<message to='room@" MUC "' id='n%d'><body>x</body></message>", i);
        assert_true(peer_expect(&p, "id='n19'"));
        const char *at = p.in.p;
        for (int i = 0; i < 20; i++) {
            char id[32];
            snprintf(id, sizeof id, "id='n%d'", i);
            assert_non_null(at = strstr(at, id));
        }
        sim_client_send(a, "<presence to='room@" MUC "/me' id='join'/>");
        assert_true(peer_expect(&p, "id='join'"));
        peer_send(&p,
                  "<message from='room@" MUC "/x' to='%s' id='1'><body>x</body></message>"
                  "<message from='room@" MUC "/x' to='%s' id='2'><body>x</body></message>",
                  sim_client_jid(a), sim_client_jid(b));
        assert_true(sim_client_expect(a, "<message id='1'/>"));
        assert_true(sim_client_expect(b, "<message id='2'/>"));
        sim_client_free(&a); /* leaves: the room is told */
        assert_true(peer_expect(&p, "type='unavailable'"));
        peer_close(&p);
        (void)sim_run(5 * SEC, NULL, NULL);
        sim_client_send(b, "<message to='" MUC "' id='late'><body>x</body></message>");
        assert_true(sim_client_expect(b, "<message type='error' id='late'/>"));
        sim_client_free(&b);
        pair_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_component_stanzas),        cmocka_unit_test(test_component_refused),
        cmocka_unit_test(test_component_addresses),      cmocka_unit_test(test_component_conflict),
        cmocka_unit_test(test_component_proxy_protocol), cmocka_unit_test(test_component_rate),
        cmocka_unit_test(test_component_other_region),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
