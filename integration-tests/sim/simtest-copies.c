/* What is done to messages on their way: carbons, stanza ids, hints. */
#include "integration-tests/sim/tests-world-int.h"

#define ALICE "alice@" RIG_DOMAIN
#define BOB "bob@" RIG_DOMAIN
#define CARBONS "urn:xmpp:carbons:2"

static void enable(struct sim_client *c)
{
    sim_client_send(c, "<iq type='set' id='e'><enable xmlns='" CARBONS "'/></iq>");
    assert_true(sim_client_expect(c, "<iq type='result' id='e'/>"));
}

struct home {
    struct rig r;
    struct sim_client *a, *desk, *phone, *plain; /* alice; bob's: desk and phone want copies */
};

static void home_begin(struct home *h, uint64_t seed, unsigned shards)
{
    rig_begin(&h->r, seed, shards, NULL);
    h->a = rig_online(&h->r, "alice", "laptop");
    h->desk = rig_online(&h->r, "bob", "desk");
    h->phone = rig_online(&h->r, "bob", "phone");
    h->plain = rig_online(&h->r, "bob", "plain");
    enable(h->desk);
    enable(h->desk); /* more than once is no error */
    enable(h->phone);
    (void)sim_run(SEC, NULL, NULL);
    sim_client_forget(h->desk);
    sim_client_forget(h->phone);
    sim_client_forget(h->plain);
}

static void home_end(struct home *h)
{
    sim_client_free(&h->a);
    sim_client_free(&h->desk);
    sim_client_free(&h->phone);
    sim_client_free(&h->plain);
    rig_end(&h->r);
}

static size_t copies(struct sim_client *c, const char *direction)
{
    (void)sim_run(SEC, NULL, NULL);
    size_t n = sim_client_count(
        c,
        "<message from='" BOB "' to='%s'><%s xmlns='" CARBONS
        "'><forwarded xmlns='%s'><message xmlns='jabber:client'/></forwarded></%s></message>",
        sim_client_jid(c), direction, NS_FORWARD, direction);
    return n;
}

/* Section 6.1, message by message; received = to one device, another wants a copy. */
static void test_carbons_eligible(void **state)
{
    static const struct {
        const char *type, *payload;
        bool copied;
    } cases[] = {
        {"chat", "<body>x</body>", true},
        {"chat", "<anything xmlns='urn:x'/>", true},
        {"normal", "<body>x</body>", true},
        {"normal", "<anything xmlns='urn:x'/>", false},
        {"normal", "<received xmlns='urn:xmpp:receipts' id='1'/>", true},
        {"normal", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", true},
        {"normal", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", true},
        {"normal", "<x xmlns='jabber:x:conference' jid='r@c'/>", true},
        {"normal", "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>", true},
        {"chat", "<body>x</body><x xmlns='http://jabber.org/protocol/muc#user'/>", false},
        {"headline", "<body>x</body>", false},
        {"groupchat", "<body>x</body>", false},
        {"error", "<body>x</body><error type='cancel'/>", true},
        {"error", "<error type='cancel'/>", false},
        {"chat", "<body>x</body><private xmlns='urn:xmpp:carbons:2'/>", false},
        {"chat", "<body>x</body><no-copy xmlns='urn:xmpp:hints'/>", false},
        {"error", "<body>x</body><no-copy xmlns='urn:xmpp:hints'/>", true},
    };
    struct home h;
    (void)state;
    home_begin(&h, 1, 4);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sim_client_send(h.a, "<message to='" BOB "/desk' type='%s' id='c%zu'>%s</message>",
                        cases[i].type, i, cases[i].payload);
        if (copies(h.phone, "received") != cases[i].copied)
            fail_msg("case %zu: %s %s", i, cases[i].type, cases[i].payload);
        assert_int_equal(sim_client_count(h.desk, "<message id='c%zu'/>", i), 1);
        assert_int_equal(sim_client_count(h.desk, "<message from='" BOB "'/>"), 0);
        assert_int_equal(sim_client_count(h.plain, "<message/>"), 0);
        sim_client_forget(h.phone);
    }
    home_end(&h);
}

static void test_carbons_received(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct home h;
        home_begin(&h, 2, shards);
        sim_client_send(h.a, "<message to='" BOB "/desk' type='chat' id='1'><body>x</body>"
                             "<thread>t</thread></message>");
        assert_true(sim_client_expect(h.desk, "<message id='1' from='" ALICE "/laptop'/>"));
        assert_true(sim_client_expect(
            h.phone,
            "<message from='" BOB "' to='" BOB "/phone' type='chat'><received xmlns='" CARBONS
            "'><forwarded xmlns='%s'><message xmlns='jabber:client' from='" ALICE
            "/laptop' to='" BOB
            "/desk' type='chat' id='1'><body>x</body><thread>t</thread><stanza-id xmlns='%s' "
            "id='*' by='" BOB "'/></message></forwarded></received></message>",
            NS_FORWARD, NS_SID));
        sim_client_send(h.a, "<message to='" BOB "' type='chat' id='2'><body>x</body></message>");
        assert_int_equal(copies(h.phone, "received"), 0); /* all had it themselves */
        assert_int_equal(copies(h.desk, "received"), 0);
        assert_int_equal(sim_client_count(h.phone, "<message id='2'/>"), 1);
        sim_client_send(h.phone, "<presence><priority>-1</priority></presence>");
        (void)sim_run(SEC, NULL, NULL);
        sim_client_send(h.a, "<message to='" BOB "' type='chat' id='3'><body>x</body></message>");
        assert_int_equal(copies(h.phone, "received"), 1);
        assert_int_equal(sim_client_count(h.phone, "<message id='3'/>"), 0);
        home_end(&h);
    }
}

static void test_carbons_sent(void **state)
{
    struct home h;
    (void)state;
    home_begin(&h, 3, 2);
    sim_client_send(h.desk, "<message to='" ALICE "' type='chat' id='1'><body>x</body></message>");
    assert_true(sim_client_expect(
        h.phone,
        "<message from='" BOB "' to='" BOB "/phone' type='chat'><sent xmlns='" CARBONS
        "'><forwarded xmlns='%s'><message xmlns='jabber:client' from='" BOB "/desk' to='" ALICE
        "' type='chat' id='1'><body>x</body></message></forwarded></sent></message>",
        NS_FORWARD));
    assert_int_equal(copies(h.desk, "sent"), 0); /* not to the one that sent it */
    /* from one that does not want copies itself */
    sim_client_send(h.plain, "<message to='" ALICE "' type='chat' id='2'><body>x</body></message>");
    assert_int_equal(copies(h.phone, "sent"), 1);
    assert_int_equal(copies(h.desk, "sent"), 1);
    assert_int_equal(sim_client_count(h.plain, "<message/>"), 0);
    sim_client_forget(h.phone);
    sim_client_forget(h.desk);
    /* to another device of its own: one copy for the third, none twice */
    sim_client_send(h.plain,
                    "<message to='" BOB "/desk' type='chat' id='3'><body>x</body></message>");
    assert_int_equal(copies(h.phone, "sent"), 1);
    assert_int_equal(copies(h.phone, "received"), 0);
    assert_int_equal(copies(h.desk, "sent"), 0);
    assert_int_equal(sim_client_count(h.desk, "<message id='3'/>"), 1);
    sim_client_forget(h.phone);
    sim_client_send(h.phone, "<iq type='set' id='d'><disable xmlns='" CARBONS "'/></iq>");
    assert_true(sim_client_expect(h.phone, "<iq type='result' id='d'/>"));
    sim_client_send(h.desk, "<message to='" ALICE "' type='chat' id='4'><body>x</body></message>");
    assert_int_equal(copies(h.phone, "sent"), 0);
    home_end(&h);
}

static void test_carbons_forged(void **state)
{
    struct home h;
    (void)state;
    home_begin(&h, 4, 4);
    sim_client_send(h.a,
                    "<message to='" BOB "' type='chat'><received xmlns='" CARBONS
                    "'><forwarded xmlns='%s'><message xmlns='jabber:client' from='" BOB "' to='" BOB
                    "'><body>x</body></message></forwarded></received></message>",
                    NS_FORWARD);
    assert_true(sim_client_absent(h.desk, 2 * SEC, "<message/>"));
    sim_client_send(h.a, "<iq type='set' id='f' to='" BOB "'><enable xmlns='" CARBONS "'/></iq>");
    assert_true(sim_client_expect(
        h.a, "<iq type='error' id='f'><error><not-allowed xmlns='%s'/></error></iq>",
        NS_STANZA_ERRORS));
    sim_client_send(h.a, "<iq type='get' id='i' to='" RIG_DOMAIN "'><query xmlns='%s'/></iq>",
                    NS_DISCO_INFO);
    assert_true(sim_client_expect(h.a,
                                  "<iq id='i'><query xmlns='%s'><feature var='" CARBONS "'/>"
                                  "<feature var='%s'/></query></iq>",
                                  NS_DISCO_INFO, NS_SID));
    home_end(&h);
}

/* A device connected elsewhere: what it wants is kept at the anchor. */
static void test_carbons_roaming(void **state)
{
    struct pair w;
    (void)state;
    pair_begin(&w, 5, 2);
    struct sim_client *away = rig_online(&w.at[EU].rig, "bob", "away"); /* home us */
    struct sim_client *home = rig_online(&w.at[US].rig, "bob", "home");
    struct sim_client *a = rig_online(&w.at[EU].rig, "alice", "laptop");
    enable(away);
    sim_client_send(a, "<message to='" BOB "/home' type='chat' id='1'><body>x</body></message>");
    assert_true(sim_client_expect(away, "<message from='" BOB "'><received xmlns='" CARBONS
                                        "'/></message>"));
    sim_client_send(home, "<message to='" ALICE "' type='chat' id='2'><body>x</body></message>");
    assert_true(
        sim_client_expect(away, "<message from='" BOB "'><sent xmlns='" CARBONS "'/></message>"));
    sim_client_free(&away);
    sim_client_free(&home);
    sim_client_free(&a);
    pair_end(&w);
}

static void quick(struct node_conf *c)
{
    c->sm_resume_ms = 30000;
}

/* What a lost device did not take is not told twice to one that had the copy. */
static void test_carbons_of_what_comes_back(void **state)
{
    (void)state;
    for (int wants = 0; wants < 2; wants++) {
        struct rig r;
        rig_begin(&r, 6, 4, quick);
        struct sim_client *desk = rig_online(&r, "bob", "desk");
        if (wants)
            enable(desk);
        struct sim_client_conf conf = rig_conf(&r, "bob", "phone");
        conf.host = "mobile";
        conf.sm = true;
        struct sim_client *phone = sim_client_login(&conf);
        struct sim_client *a = rig_online(&r, "alice", "laptop");
        (void)sim_run(15 * SEC, NULL, NULL);
        sim_net_cut("mobile", "server", false);
        (void)sim_run(SEC, NULL, NULL);
        sim_client_send(a,
                        "<message to='" BOB "/phone' type='chat' id='1'><body>x</body></message>");
        (void)sim_run(60 * SEC, NULL, NULL);
        assert_int_equal(
            sim_client_count(desk, "<message><received xmlns='" CARBONS "'/></message>"), wants);
        assert_int_equal(sim_client_count(desk, "<message id='1'/>"), !wants);
        sim_client_free(&desk);
        sim_client_free(&phone);
        sim_client_free(&a);
        rig_end(&r);
    }
}

/* ---- XEP-0359 */
static void test_stanza_id(void **state)
{
    struct home h;
    (void)state;
    home_begin(&h, 7, 4);
    sim_client_send(h.a,
                    "<message to='" BOB "/desk' type='chat' id='1'><body>x</body>"
                    "<stanza-id xmlns='%s' by='Bob@" RIG_DOMAIN "' id='forged'/>"
                    "<stanza-id xmlns='%s' by='" RIG_DOMAIN "' id='forged'/>"
                    "<stanza-id xmlns='%s' by='" ALICE "' id='forged'/>"
                    "<stanza-id xmlns='%s' id='forged'/>"
                    "<stanza-id xmlns='%s' by='room@elsewhere.test' id='theirs'/>"
                    "<origin-id xmlns='%s' id='mine'/></message>",
                    NS_SID, NS_SID, NS_SID, NS_SID, NS_SID, NS_SID);
    assert_true(sim_client_expect(h.desk,
                                  "<message id='1'><origin-id xmlns='%s' id='mine'/>"
                                  "<stanza-id xmlns='%s' by='room@elsewhere.test' id='theirs'/>"
                                  "<stanza-id xmlns='%s' by='" BOB "' id='*'/></message>",
                                  NS_SID, NS_SID, NS_SID));
    size_t ids = 0;
    xml_each(sim_client_last(h.desk), n)
    {
        if (!xml_is(n->el, NS_SID, "stanza-id"))
            continue;
        ids++;
        assert_false(str_eqc(xml_get(n->el, "id"), "forged"));
    }
    assert_int_equal(ids, 2);
    /* of a headline the forged one is cut, none is set */
    sim_client_send(h.a,
                    "<message to='" BOB "/desk' type='headline' id='2'><body>x</body>"
                    "<stanza-id xmlns='%s' by='" BOB "' id='forged'/></message>",
                    NS_SID);
    assert_true(sim_client_expect(h.desk, "<message id='2'/>"));
    assert_null(xml_child(sim_client_last(h.desk), NS_SID, "stanza-id"));
    home_end(&h);
}

/* XEP-0203 section 5: nobody else says what waited here; stamps of others stay. */
static void test_delay_forged(void **state)
{
    static const char stamp[] = "2001-01-01T00:00:00Z";
    struct home h;
    (void)state;
    home_begin(&h, 8, 4);
    for (int kind = 0; kind < 2; kind++) {
        const char *name = kind ? "presence" : "message";
        sim_client_send(h.a,
                        "<%s to='" BOB "/desk' id='%d'>"
                        "<delay xmlns='%s' from='" RIG_DOMAIN "' stamp='%s'/>"
                        "<delay xmlns='%s' from='IM.test' stamp='%s'/>"
                        "<delay xmlns='%s' from='other.test' stamp='%s'/>" /* served here, too */
                        "<delay xmlns='%s' from='" ALICE "/laptop' stamp='%s'/>"
                        "<delay xmlns='%s' from='elsewhere.test' stamp='%s'/></%s>",
                        name, kind, NS_DELAY, stamp, NS_DELAY, stamp, NS_DELAY, stamp, NS_DELAY,
                        stamp, NS_DELAY, stamp, name);
        assert_true(sim_client_expect(h.desk,
                                      "<%s id='%d'><delay xmlns='%s' from='" ALICE "/laptop'/>"
                                      "<delay xmlns='%s' from='elsewhere.test'/></%s>",
                                      name, kind, NS_DELAY, NS_DELAY, name));
        size_t stamps = 0;
        xml_each(sim_client_last(h.desk), n) stamps += xml_is(n->el, NS_DELAY, "delay");
        assert_int_equal(stamps, 2);
    }
    home_end(&h);
}

/* The id a stored message gets stays: what the account says of it later is about the same one. */
static void test_stanza_id_is_stable(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 8, 2, quick);
    struct sim_client_conf conf = rig_conf(&r, "bob", "phone");
    conf.host = "mobile";
    conf.sm = true;
    struct sim_client *phone = sim_client_login(&conf);
    struct sim_client *a = rig_online(&r, "alice", "laptop");
    sim_client_send(phone, "<presence/>");
    (void)sim_run(SEC, NULL, NULL);
    sim_client_pause(phone, true); /* it arrives, and is not acknowledged */
    sim_client_send(a, "<message to='" BOB "' type='chat' id='1'><body>x</body></message>");
    (void)sim_run(SEC, NULL, NULL);
    sim_net_cut("mobile", "server", false);
    (void)sim_run(40 * SEC, NULL, NULL);
    sim_net_heal("mobile", "server");
    struct sim_client *desk = rig_online(&r, "bob", "desk");
    assert_true(sim_client_expect(desk,
                                  "<message id='1'><stanza-id xmlns='%s' by='" BOB
                                  "' id='*'/><delay xmlns='%s'/></message>",
                                  NS_SID, NS_DELAY));
    size_t ids = 0;
    xml_each(sim_client_last(desk), n) ids += xml_is(n->el, NS_SID, "stanza-id");
    assert_int_equal(ids, 1);
    sim_client_free(&a);
    sim_client_free(&phone);
    sim_client_free(&desk);
    rig_end(&r);
}

/* ---- XEP-0334 and the store */
static void test_hints_and_the_store(void **state)
{
    static const struct {
        const char *payload;
        bool stored, bounced;
    } cases[] = {
        {"<body>x</body>", true, false},
        {"<body>x</body><no-store xmlns='urn:xmpp:hints'/>", false, true},
        {"<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>", true, false},
        {"<active xmlns='http://jabber.org/protocol/chatstates'/>", false, false},
        {"<active xmlns='http://jabber.org/protocol/chatstates'/>"
         "<no-store xmlns='urn:xmpp:hints'/>",
         false, false},
        {"<active xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>",
         true, false},
        {"<origin-id xmlns='urn:xmpp:sid:0' id='1'/>", false, false},
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 9, 4, NULL);
    struct sim_client *a = rig_online(&r, "alice", "laptop");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        sim_client_send(a, "<message to='" BOB "' type='chat' id='h%zu'>%s</message>", i,
                        cases[i].payload);
    (void)sim_run(2 * SEC, NULL, NULL);
    struct sim_client *b = rig_online(&r, "bob", "desk");
    (void)sim_run(2 * SEC, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(sim_client_count(b, "<message id='h%zu'/>", i), cases[i].stored);
        assert_int_equal(sim_client_count(a, "<message type='error' id='h%zu'/>", i),
                         cases[i].bounced);
    }
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carbons_eligible),
        cmocka_unit_test(test_carbons_received),
        cmocka_unit_test(test_carbons_sent),
        cmocka_unit_test(test_carbons_forged),
        cmocka_unit_test(test_carbons_roaming),
        cmocka_unit_test(test_carbons_of_what_comes_back),
        cmocka_unit_test(test_stanza_id),
        cmocka_unit_test(test_delay_forged),
        cmocka_unit_test(test_stanza_id_is_stable),
        cmocka_unit_test(test_hints_and_the_store),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
