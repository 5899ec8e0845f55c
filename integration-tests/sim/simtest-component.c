/* XEP-0114: the handshake and what refuses it, stanzas both ways, two links for one domain, over
 * TLS, and from the node of another region. */
#include "integration-tests/sim/tests-component-int.h"

#define MUC "rooms.im.test"
#define SECRET "s3cr3t"
static const struct node_conf_component components[] = {{MUC, SECRET, false},
                                                        {"kick.im.test", SECRET, true}};
static struct node_conf_listen component_ports[2];

static void with_components(struct node_conf *c)
{
    for (size_t i = 0; i < 2; i++) {
        component_ports[i].at = c->c2s[0].at;
        component_ports[i].at.port = (uint16_t)(PORT + i);
        component_ports[i].direct_tls = i == 1;
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
        cmocka_unit_test(test_component_stanzas),      cmocka_unit_test(test_component_refused),
        cmocka_unit_test(test_component_addresses),    cmocka_unit_test(test_component_conflict),
        cmocka_unit_test(test_component_other_region),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
