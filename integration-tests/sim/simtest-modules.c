/* What the modules answer, against a whole node: ping, disco, session, roster, subscriptions,
 * offline storage. */
#include "integration-tests/sim/tests-node-int.h"

static uint64_t stat_sum(const struct rig *r, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < r->node->n_shards; i++)
        sum += *(const uint64_t *)(const void *)((const char *)&r->node->shard[i].stats + offset);
    return sum;
}
#define STAT(r, name) stat_sum((r), offsetof(struct node_stats, name))

static void test_ping_session_unknown(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 4, NULL);
    struct sim_client *a = rig_login(&r, "alice", "phone");
    static const char *const to[] = {"", "to='" RIG_DOMAIN "'", "to='alice@" RIG_DOMAIN "'"};
    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        sim_client_send(a, "<iq type='get' id='p' %s><ping xmlns='%s'/></iq>", to[i], NS_PING);
        assert_true(sim_client_expect(a, "<iq type='result' id='p'/>"));
        sim_client_send(a, "<iq type='set' id='s' %s><session xmlns='%s'/></iq>", to[i],
                        NS_SESSION);
        assert_true(sim_client_expect(a, "<iq type='result' id='s'/>"));
        sim_client_send(a, "<iq type='get' id='u' %s><q xmlns='urn:unknown'/></iq>", to[i]);
        assert_true(sim_client_expect(
            a, "<iq type='error' id='u'><error><service-unavailable xmlns='%s'/></error></iq>",
            NS_STANZA_ERRORS));
    }
    sim_client_send(a, "<iq type='set' id='w'><ping xmlns='%s'/></iq>", NS_PING);
    assert_true(sim_client_expect(
        a, "<iq type='error' id='w'><error><feature-not-implemented xmlns='%s'/></error></iq>",
        NS_STANZA_ERRORS));
    sim_client_free(&a);
    rig_end(&r);
}

static void subscribe_to_bob(struct sim_client *a, struct sim_client *b)
{
    sim_client_send(a, "<presence to='bob@%s' type='subscribe'/>", RIG_DOMAIN);
    assert_true(sim_client_expect(b, "<presence from='alice@%s' type='subscribe'/>", RIG_DOMAIN));
    sim_client_send(b, "<presence to='alice@%s' type='subscribed'/>", RIG_DOMAIN);
    assert_true(sim_client_expect(a, "<presence from='bob@%s' type='subscribed'/>", RIG_DOMAIN));
}

static void test_disco(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 2, 4, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone"), *b = rig_online(&r, "bob", "desk");
    sim_client_send(a, "<iq type='get' id='1' to='%s'><query xmlns='%s'/></iq>", RIG_DOMAIN,
                    NS_DISCO_INFO);
    assert_true(sim_client_expect(
        a,
        "<iq type='result' id='1'><query xmlns='%s'><identity category='server' type='im'/>"
        "<feature var='%s'/><feature var='msgoffline'/><feature var='urn:xmpp:ping'/></query></iq>",
        NS_DISCO_INFO, NS_DISCO_ITEMS));
    sim_client_send(a, "<iq type='get' id='2' to='%s'><query xmlns='%s'/></iq>", RIG_DOMAIN,
                    NS_DISCO_ITEMS);
    assert_true(
        sim_client_expect(a, "<iq type='result' id='2'><query xmlns='%s'/></iq>", NS_DISCO_ITEMS));
    sim_client_send(a, "<iq type='get' id='3' to='%s'><query xmlns='%s' node='x'/></iq>",
                    RIG_DOMAIN, NS_DISCO_INFO);
    assert_true(sim_client_expect(
        a, "<iq type='error' id='3'><error><item-not-found xmlns='%s'/></error></iq>",
        NS_STANZA_ERRORS));
    sim_client_send(a, "<iq type='get' id='4'><query xmlns='%s'/></iq>", NS_DISCO_INFO);
    assert_true(
        sim_client_expect(a,
                          "<iq type='result' id='4'><query xmlns='%s'><identity category='account' "
                          "type='registered'/></query></iq>",
                          NS_DISCO_INFO));
    sim_client_send(a, "<iq type='get' id='5' to='bob@%s'><query xmlns='%s'/></iq>", RIG_DOMAIN,
                    NS_DISCO_INFO);
    assert_true(sim_client_expect(
        a, "<iq type='error' id='5'><error><service-unavailable xmlns='%s'/></error></iq>",
        NS_STANZA_ERRORS));
    subscribe_to_bob(a, b);
    sim_client_send(a, "<iq type='get' id='6' to='bob@%s'><query xmlns='%s'/></iq>", RIG_DOMAIN,
                    NS_DISCO_INFO);
    assert_true(sim_client_expect(a, "<iq type='result' id='6'/>"));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

static void roster_get(struct sim_client *c)
{
    sim_client_send(c, "<iq type='get' id='roster'><query xmlns='%s'/></iq>", NS_ROSTER);
    assert_true(
        sim_client_expect(c, "<iq type='result' id='roster'><query xmlns='%s'/></iq>", NS_ROSTER));
}

static void test_roster_set_get_push(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 3, shards, NULL);
        struct sim_client *a = rig_login(&r, "alice", "a"), *b = rig_login(&r, "alice", "b"),
                          *idle = rig_login(&r, "alice", "idle");
        roster_get(a);
        assert_null(xml_first(xml_first(sim_client_last(a))));
        roster_get(b);
        sim_client_send(a,
                        "<iq type='set' id='1'><query xmlns='%s'><item jid='Carol@c.test/res' "
                        "name='Carol'><group>Work</group><group>Play</group></item></query></iq>",
                        NS_ROSTER);
        const char *item = "<item jid='carol@c.test' name='Carol' subscription='none' ask='-'>"
                           "<group>Work</group><group>Play</group></item>";
        assert_true(sim_client_expect(a, "<iq type='result' id='1'/>"));
        assert_true(sim_client_expect(a, "<iq type='set'><query xmlns='%s'>%s</query></iq>",
                                      NS_ROSTER, item));
        assert_true(sim_client_expect(b, "<iq type='set'><query xmlns='%s'>%s</query></iq>",
                                      NS_ROSTER, item));
        roster_get(idle);
        const struct xml *got = sim_client_last(idle);
        assert_non_null(xml_child(xml_child(got, NS_ROSTER, "query"), NS_ROSTER, "item"));
        sim_client_send(b,
                        "<iq type='set' id='2'><query xmlns='%s'><item jid='carol@c.test' "
                        "subscription='remove'/></query></iq>",
                        NS_ROSTER);
        assert_true(sim_client_expect(a,
                                      "<iq type='set'><query xmlns='%s'><item jid='carol@c.test' "
                                      "subscription='remove' name='-'/></query></iq>",
                                      NS_ROSTER));
        assert_true(sim_client_expect(b, "<iq type='result' id='2'/>"));
        roster_get(a);
        assert_null(xml_first(xml_first(sim_client_last(a))));
        sim_client_free(&a);
        sim_client_free(&b);
        sim_client_free(&idle);
        rig_end(&r);
    }
}

static void three_items(struct node_conf *c)
{
    c->roster_max = 3;
}

static void test_roster_errors(void **state)
{
    static const struct {
        const char *items, *condition;
    } cases[] = {
        {"", "bad-request"},
        {"<item jid='a@x.test'/><item jid='b@x.test'/>", "bad-request"},
        {"<item/>", "jid-malformed"},
        {"<item jid='@'/>", "jid-malformed"},
        {"<item jid='a@x.test'><group>G</group><group>G</group></item>", "bad-request"},
        {"<item jid='a@x.test'><group/></item>", "not-acceptable"},
        {"<item jid='a@x.test' subscription='remove'/>", "item-not-found"},
        {"<strange/>", "bad-request"},
    };
    struct rig r;
    char name[1100];
    (void)state;
    rig_begin(&r, 4, 1, three_items);
    struct sim_client *a = rig_login(&r, "alice", "a"), *b = rig_login(&r, "bob", "b");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sim_client_send(a, "<iq type='set' id='e%zu'><query xmlns='%s'>%s</query></iq>", i,
                        NS_ROSTER, cases[i].items);
        assert_true(
            sim_client_expect(a, "<iq type='error' id='e%zu'><error><%s xmlns='%s'/></error></iq>",
                              i, cases[i].condition, NS_STANZA_ERRORS));
    }
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    sim_client_send(a,
                    "<iq type='set' id='long'><query xmlns='%s'><item jid='a@x.test' name='%s'/>"
                    "</query></iq>",
                    NS_ROSTER, name);
    assert_true(sim_client_expect(
        a, "<iq type='error' id='long'><error><not-acceptable xmlns='%s'/></error></iq>",
        NS_STANZA_ERRORS));
    for (int i = 0; i < 4; i++) {
        sim_client_send(a,
                        "<iq type='set' id='n%d'><query xmlns='%s'><item jid='%d@x.test'/>"
                        "</query></iq>",
                        i, NS_ROSTER, i);
        assert_true(
            sim_client_expect(a, "<iq type='%s' id='n%d'/>", i < 3 ? "result" : "error", i));
    }
    sim_client_send(b, "<iq type='get' id='spy' to='alice@%s'><query xmlns='%s'/></iq>", RIG_DOMAIN,
                    NS_ROSTER);
    assert_true(sim_client_expect(
        b, "<iq type='error' id='spy'><error><forbidden xmlns='%s'/></error></iq>",
        NS_STANZA_ERRORS));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

static void test_subscription_handshake(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 5, shards, NULL);
        struct sim_client *a = rig_online(&r, "alice", "phone");
        roster_get(a);
        sim_client_send(a, "<presence to='bob@%s' type='subscribe'/>", RIG_DOMAIN);
        assert_true(sim_client_expect(
            a,
            "<iq type='set'><query xmlns='%s'><item jid='bob@%s' subscription='none' "
            "ask='subscribe'/></query></iq>",
            NS_ROSTER, RIG_DOMAIN));
        settle(a);
        struct sim_client *b = rig_online(&r, "bob", "desk"); /* the request waited for him */
        roster_get(b);
        assert_true(
            sim_client_expect(b, "<presence from='alice@%s' type='subscribe'/>", RIG_DOMAIN));
        sim_client_send(b, "<presence to='alice@%s' type='subscribed'/>", RIG_DOMAIN);
        assert_true(sim_client_expect(
            a,
            "<iq type='set'><query xmlns='%s'><item jid='bob@%s' subscription='to' ask='-'/>"
            "</query></iq>",
            NS_ROSTER, RIG_DOMAIN));
        assert_true(sim_client_expect(a, "<presence from='bob@%s/desk' type='-'/>", RIG_DOMAIN));
        assert_true(sim_client_expect(
            b,
            "<iq type='set'><query xmlns='%s'><item jid='alice@%s' subscription='from'/>"
            "</query></iq>",
            NS_ROSTER, RIG_DOMAIN));
        sim_client_send(b, "<presence><show>away</show></presence>");
        assert_true(sim_client_expect(
            a, "<presence from='bob@%s/desk'><show>away</show></presence>", RIG_DOMAIN));
        sim_client_close(b); /* gone without a word */
        assert_true(
            sim_client_expect(a, "<presence from='bob@%s/desk' type='unavailable'/>", RIG_DOMAIN));
        sim_client_free(&b);
        b = rig_online(&r, "bob", "desk");
        roster_get(b);
        assert_true(sim_client_expect(a, "<presence from='bob@%s/desk' type='-'/>", RIG_DOMAIN));
        /* bob removes alice: her subscription ends */
        sim_client_send(b,
                        "<iq type='set' id='rm'><query xmlns='%s'><item jid='alice@%s' "
                        "subscription='remove'/></query></iq>",
                        NS_ROSTER, RIG_DOMAIN);
        assert_true(sim_client_expect(b, "<iq type='result' id='rm'/>"));
        assert_true(
            sim_client_expect(a, "<presence from='bob@%s/desk' type='unavailable'/>", RIG_DOMAIN));
        assert_true(
            sim_client_expect(a, "<presence from='bob@%s' type='unsubscribed'/>", RIG_DOMAIN));
        assert_true(sim_client_expect(
            a,
            "<iq type='set'><query xmlns='%s'><item jid='bob@%s' subscription='none' ask='-'/>"
            "</query></iq>",
            NS_ROSTER, RIG_DOMAIN));
        sim_client_send(b, "<presence/>");
        settle(b);
        assert_true(
            sim_client_absent(a, 1000000, "<presence from='bob@%s/desk' type='-'/>", RIG_DOMAIN));
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
}

/* ---- offline */
static void test_offline_store_and_flush(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 6, shards, NULL);
        struct sim_client *a = rig_online(&r, "alice", "phone");
        for (int i = 0; i < 250; i++)
            sim_client_send(a,
                            "<message to='bob@%s' type='chat' id='m%d'><body>%d</body></message>",
                            RIG_DOMAIN, i, i);
        sim_client_send(a,
                        "<message to='bob@%s' type='chat'><composing xmlns='http://jabber.org/"
                        "protocol/chatstates'/></message>",
                        RIG_DOMAIN);
        sim_client_send(a, "<message to='bob@%s' type='headline'><body>h</body></message>",
                        RIG_DOMAIN);
        sim_client_send(a, "<message to='bob@%s' type='groupchat' id='g'><body>h</body></message>",
                        RIG_DOMAIN);
        assert_true(sim_client_expect(a, "<message type='error' id='g'/>"));
        sim_client_send(a,
                        "<message to='bob@%s' id='no'><body>h</body><no-store "
                        "xmlns='urn:xmpp:hints'/></message>",
                        RIG_DOMAIN);
        assert_true(sim_client_expect(a, "<message type='error' id='no'/>"));
        assert_int_equal(STAT(&r, offline_stored), 250);
        struct sim_client *b = rig_login(&r, "bob", "desk");
        settle(b);
        assert_int_equal(sim_client_count(b, "<message/>"), 0); /* not before presence */
        sim_client_send(b, "<presence><priority>-1</priority></presence>");
        settle(b);
        assert_int_equal(sim_client_count(b, "<message/>"), 0);
        sim_client_forget(b);
        sim_client_send(b, "<presence/>");
        sim_client_send(a, "<message to='bob@%s'><body>after</body></message>", RIG_DOMAIN);
        assert_true(sim_client_expect(b, "<presence/>"));
        for (int i = 0; i < 250; i++)
            assert_true(sim_client_expect(
                b,
                "<message from='alice@%s/phone' id='m%d'><body>%d</body><delay xmlns='%s' "
                "from='%s' stamp='*'/></message>",
                RIG_DOMAIN, i, i, NS_DELAY, RIG_DOMAIN));
        assert_true(sim_client_expect(b, "<message><body>after</body></message>"));
        (void)sim_run(1000000, NULL, NULL);
        sim_client_close(b);
        assert_true(sim_client_wait(b, SIM_CLIENT_ENDED));
        sim_client_free(&b);
        b = rig_online(&r, "bob", "desk"); /* nothing twice */
        assert_true(sim_client_absent(b, 1000000, "<message/>"));
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
}

static void five_offline(struct node_conf *c)
{
    c->offline_max = 5;
}

static void test_offline_limit(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 7, 1, five_offline);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    for (int i = 0; i < 6; i++)
        sim_client_send(a, "<message to='bob@%s' id='%d'><body>x</body></message>", RIG_DOMAIN, i);
    assert_true(sim_client_expect(a,
                                  "<message type='error' id='5'><error><service-unavailable "
                                  "xmlns='%s'/></error></message>",
                                  NS_STANZA_ERRORS));
    assert_int_equal(sim_client_count(a, "<message/>"), 0);
    sim_client_free(&a);
    rig_end(&r);
}

/* The receiving session ends in the middle of a flush, over and over, with a full output queue or
 * not: nothing is lost. (What a client did not read before it vanished is lost until stream
 * management; so it always says good-bye here and reads to the end.) */
static void test_offline_flush_interrupted(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        enum { N = 300 };
        struct rig r;
        bool got[N] = {false};
        rig_begin(&r, seed, 1 + 3 * (seed & 1), NULL);
        struct sim_client *a = rig_online(&r, "alice", "phone");
        char body[2000];
        memset(body, 'x', sizeof body - 1);
        body[sizeof body - 1] = 0;
        for (int i = 0; i < N; i++)
            sim_client_send(a, "<message to='bob@%s' id='%d'><body>%s</body></message>", RIG_DOMAIN,
                            i, body);
        settle(a);
        unsigned rounds = 0, fruitless = 0;
        while (fruitless < 2) {
            struct sim_client *b = rig_login(&r, "bob", "desk");
            sim_client_pause(b, seed & 2);
            sim_client_send(b, "<presence/>");
            (void)sim_run(rounds++ < 20 ? sim_rand(60000) : 5000000, NULL, NULL);
            sim_client_close(b);
            sim_client_pause(b, false);
            assert_true(sim_client_wait(b, SIM_CLIENT_ENDED));
            for (int i = 0; i < N; i++)
                got[i] |= sim_client_count(b, "<message id='%d'><body/></message>", i) > 0;
            fruitless = sim_client_count(b, "<message/>") || rounds < 20 ? 0 : fruitless + 1;
            sim_client_free(&b);
            assert_true(rounds < 100);
        }
        for (int i = 0; i < N; i++)
            assert_true(got[i]);
        assert_int_equal(sim_client_count(a, "<message type='error'/>"), 0);
        sim_client_free(&a);
        rig_end(&r);
    }
}

static void test_accounts(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 8, 4, NULL);
    assert_int_equal(rig_create(&r, "alice@" RIG_DOMAIN, "x"), ERR_EXISTS);
    assert_int_equal(rig_create(&r, "ALICE@" RIG_DOMAIN, "x"), ERR_EXISTS);
    assert_int_equal(rig_create(&r, "alice@elsewhere.test", "x"), ERR_INVALID);
    assert_int_equal(rig_create(&r, RIG_DOMAIN, "x"), ERR_INVALID);
    assert_int_equal(rig_create(&r, "carol@" RIG_DOMAIN "/r", "x"), ERR_INVALID);
    assert_int_equal(rig_create(&r, "carol@" RIG_DOMAIN, ""), ERR_INVALID);
    assert_int_equal(rig_create(&r, "a b@" RIG_DOMAIN, "x"), ERR_INVALID);
    assert_int_equal(rig_verify(&r, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
    assert_int_equal(rig_verify(&r, "alice@" RIG_DOMAIN, "Wonder"), ERR_AUTH);
    assert_int_equal(rig_verify(&r, "carol@" RIG_DOMAIN, "wonder"), ERR_AUTH);
    assert_int_equal(rig_verify(&r, "", ""), ERR_AUTH);
    /* an address that was asked for before it existed */
    struct sim_client *a = rig_online(&r, "alice", "phone");
    sim_client_send(a, "<message to='carol@%s' id='1'><body>x</body></message>", RIG_DOMAIN);
    assert_true(sim_client_expect(a, "<message type='error' id='1'/>"));
    assert_int_equal(rig_create(&r, "carol@" RIG_DOMAIN, "x"), ERR_OK);
    sim_client_send(a, "<message to='carol@%s' id='2'><body>x</body></message>", RIG_DOMAIN);
    settle(a);
    assert_true(sim_client_absent(a, 1000000, "<message type='error' id='2'/>"));
    assert_int_equal(STAT(&r, offline_stored), 1);
    sim_client_free(&a);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_session_unknown),
        cmocka_unit_test(test_disco),
        cmocka_unit_test(test_roster_set_get_push),
        cmocka_unit_test(test_roster_errors),
        cmocka_unit_test(test_subscription_handshake),
        cmocka_unit_test(test_offline_store_and_flush),
        cmocka_unit_test(test_offline_limit),
        cmocka_unit_test(test_offline_flush_interrupted),
        cmocka_unit_test(test_accounts),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
