/* ANONYMOUS against a whole node: off unless configured; who logs in so is somebody new, of whom
 * nothing stays, and who cannot reach what costs others. */
#include "integration-tests/sim/tests-sasl2-int.h"

#include "lib/xmpp/xml-parse.h"
#include "node/route/route.h"
#include "node/session/user.h"

static void anonymous(struct node_conf *c)
{
    c->anonymous = true;
}

static void anonymous_federating(struct node_conf *c)
{
    c->anonymous = c->anonymous_federation = c->s2s_enabled = true;
}

static struct sim_client_conf conf_of(const struct rig *r)
{
    struct sim_client_conf c = rig_conf(r, "alice", NULL);
    c.mech = SASL_ANONYMOUS;
    return c;
}

static struct sim_client *somebody(const struct rig *r)
{
    struct sim_client_conf c = conf_of(r);
    struct sim_client *s = sim_client_login(&c);
    assert_non_null(s);
    return s;
}

static void bare_of(const struct sim_client *s, char out[128])
{
    snprintf(out, 128, "%.*s", (int)strcspn(sim_client_jid(s), "/"), sim_client_jid(s));
}

static void test_anonymous_is_off(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 100, 1, NULL);
    struct sim_client_conf c = conf_of(&r);
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_refused(s), SASL_FAIL_INVALID_MECHANISM);
    sim_client_free(&s);
    rig_end(&r);
}

/* Two are two, and talk with each other and with others. */
static void test_anonymous_login(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        char one[128], two[128];
        rig_begin(&r, 101, shards, anonymous);
        struct sim_client *a = somebody(&r), *b = somebody(&r);
        struct sim_client *bob = rig_online(&r, "bob", NULL);
        bare_of(a, one);
        bare_of(b, two);
        assert_string_not_equal(one, two);
        assert_non_null(strstr(one, "anon-"));
        sim_client_send(a, "<message to='%s'><body>hi</body></message>", sim_client_jid(bob));
        assert_true(sim_client_expect(bob, "<message from='%s'><body>hi</body></message>",
                                      sim_client_jid(a)));
        sim_client_send(bob, "<message to='%s'><body>ho</body></message>", one);
        sim_client_send(a, "<presence/>");
        assert_true(sim_client_expect(a, "<presence from='%s'/>", sim_client_jid(a)));
        sim_client_send(b, "<message to='%s'><body>hey</body></message>", one);
        assert_true(sim_client_expect(a, "<message from='%s'><body>hey</body></message>",
                                      sim_client_jid(b)));
        sim_client_send(a, "<iq type='get' id='d' to='%s'><query xmlns='%s'/></iq>", one,
                        NS_DISCO_INFO);
        assert_true(sim_client_expect(a,
                                      "<iq type='result' id='d'><query xmlns='%s'><identity "
                                      "category='account' type='anonymous'/></query></iq>",
                                      NS_DISCO_INFO));
        sim_client_send(bob, "<iq type='get' id='d' to='%s'><query xmlns='%s'/></iq>", two,
                        NS_DISCO_INFO);
        assert_true(sim_client_expect(
            bob,
            "<iq type='result' id='d'><query xmlns='%s'><identity type='anonymous'/></query></iq>",
            NS_DISCO_INFO));
        sim_client_free(&a);
        sim_client_free(&b);
        sim_client_free(&bob);
        rig_end(&r);
    }
}

/* With SASL2: no token, no session to come back to. */
static void test_anonymous_inline(void **state)
{
    struct rig r;
    char jid[256];
    (void)state;
    rig_begin(&r, 102, 4, anonymous);
    struct sim_client *s = stranger(&r, 0);
    sim_client_send(s,
                    "<authenticate xmlns='%s' mechanism='ANONYMOUS'><initial-response/>"
                    "<user-agent id='" AGENT "'/><bind xmlns='%s'><enable xmlns='%s' "
                    "resume='true'/></bind><request-token xmlns='%s' mechanism='HT-SHA-256-NONE'/>"
                    "</authenticate>",
                    NS_SASL2, NS_BIND2, NS_SM, NS_FAST);
    assert_true(sim_client_expect_next(s,
                                       "<success xmlns='%s'><bound xmlns='%s'><enabled xmlns='%s' "
                                       "resume='-' id='-'/></bound></success>",
                                       NS_SASL2, NS_BIND2, NS_SM));
    assert_null(xml_child(sim_client_last(s), NS_FAST, "token"));
    identifier_of(s, jid);
    assert_non_null(strstr(jid, "anon-"));
    sim_client_free(&s);
    rig_end(&r);
}

/* Their own account takes nothing, and so does nobody else's roster. */
static void test_anonymous_keeps_nothing(void **state)
{
    static const char *const sets[] = {
        "<query xmlns='jabber:iq:roster'><item jid='bob@" RIG_DOMAIN "'/></query>",
        "<query xmlns='jabber:iq:private'><x xmlns='y'/></query>",
        "<vCard xmlns='vcard-temp'><FN>x</FN></vCard>",
        "<block xmlns='urn:xmpp:blocking'><item jid='bob@" RIG_DOMAIN "'/></block>",
    };
    struct rig r;
    char bare[128];
    (void)state;
    rig_begin(&r, 103, 4, anonymous);
    struct sim_client *bob = rig_online(&r, "bob", NULL);
    struct sim_client *a = somebody(&r);
    bare_of(a, bare);
    const char *const to[] = {"", bare};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        for (size_t k = 0; k < ARRAY_LEN(to); k++) {
            sim_client_send(a, "<iq type='set' id='s%zu%zu'%s%s%s>%s</iq>", i, k, k ? " to='" : "",
                            to[k], k ? "'" : "", sets[i]);
            char id[16];
            snprintf(id, sizeof id, "s%zu%zu", i, k);
            assert_true(expect_error(a, id, "not-allowed"));
        }
    }
    sim_client_send(a,
                    "<iq type='set' id='reg' to='" RIG_DOMAIN "'><query xmlns='%s'><remove/>"
                    "</query></iq>",
                    NS_REGISTER);
    assert_true(expect_error(a, "reg", "not-allowed"));
    sim_client_send(a, "<iq type='get' id='get'><query xmlns='%s'/></iq>", NS_ROSTER);
    assert_true(sim_client_expect(a, "<iq type='result' id='get'/>"));
    sim_client_send(a, "<iq type='set' id='c'><enable xmlns='%s'/></iq>", NS_CARBONS);
    assert_true(sim_client_expect(a, "<iq type='result' id='c'/>"));
    sim_client_send(a, "<presence type='subscribe' to='bob@" RIG_DOMAIN "'/>");
    assert_true(sim_client_expect(a, "<presence type='error'/>"));
    sim_client_send(bob, "<presence type='subscribe' to='%s'/>", bare);
    settle(bob);
    assert_true(sim_client_absent(a, 500000, "<presence type='subscribe'/>"));
    assert_true(sim_client_absent(bob, 0, "<presence type='subscribe'/>"));
    sim_client_free(&bob);
    sim_client_free(&a);
    rig_end(&r);
}

/* With the session goes the account: nothing is stored for it, nobody answers for it. */
static void test_anonymous_is_gone(void **state)
{
    (void)state;
    for (int orderly = 0; orderly < 2; orderly++) {
        struct rig r;
        char bare[128];
        rig_begin(&r, 104, 4, anonymous);
        struct sim_client *bob = rig_online(&r, "bob", NULL);
        struct sim_client *a = somebody(&r);
        bare_of(a, bare);
        sim_client_send(a, "<presence/>");
        assert_true(sim_client_expect(a, "<presence from='%s'/>", sim_client_jid(a)));
        if (orderly) {
            sim_client_close(a);
            assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
        }
        sim_client_free(&a);
        (void)sim_run(5000000, NULL, NULL);
        sim_client_send(bob, "<message id='m' to='%s'><body>x</body></message>", bare);
        assert_true(sim_client_expect(bob,
                                      "<message type='error' id='m'><error><service-unavailable "
                                      "xmlns='%s'/></error></message>",
                                      NS_STANZA_ERRORS));
        sim_client_send(bob, "<iq type='get' id='d' to='%s'><query xmlns='%s'/></iq>", bare,
                        NS_DISCO_INFO);
        assert_true(expect_error(bob, "d", "service-unavailable"));
        for (unsigned i = 0; i < r.conf.shards; i++)
            assert_null(user_find(&r.node->shard[i], str_of(bare)));
        sim_client_free(&bob);
        rig_end(&r);
    }
}

/* Online, but not available for messages: nothing is kept for it. */
static void test_anonymous_has_no_offline_messages(void **state)
{
    struct rig r;
    char bare[128];
    (void)state;
    rig_begin(&r, 105, 1, anonymous);
    struct sim_client *bob = rig_online(&r, "bob", NULL);
    struct sim_client *a = somebody(&r);
    bare_of(a, bare);
    sim_client_send(bob, "<message id='m' to='%s'><body>x</body></message>", bare);
    assert_true(sim_client_expect(bob, "<message type='error' id='m'/>"));
    sim_client_send(a, "<presence/>");
    assert_true(sim_client_absent(a, 500000, "<message/>"));
    sim_client_free(&bob);
    sim_client_free(&a);
    rig_end(&r);
}

/* Nobody becomes one by its name, with a password or by registering it. */
static void test_anonymous_name_is_not_for_taking(void **state)
{
    struct rig r;
    char bare[128], local[128];
    (void)state;
    rig_begin(&r, 106, 4, anonymous);
    struct sim_client *a = somebody(&r);
    bare_of(a, bare);
    snprintf(local, sizeof local, "%.*s", (int)strcspn(bare, "@"), bare);
    assert_int_equal(rig_create(&r, bare, "password"), ERR_EXISTS);
    assert_int_equal(rig_verify(&r, bare, "password"), ERR_AUTH);
    static const enum sasl_mech mechs[] = {SASL_PLAIN, SASL_SCRAM_SHA_256};
    for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
        struct sim_client_conf c = rig_conf(&r, local, NULL);
        c.mech = mechs[i];
        struct sim_client *thief = sim_client_new(&c);
        assert_true(sim_client_wait(thief, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_refused(thief), SASL_FAIL_NOT_AUTHORIZED);
        sim_client_free(&thief);
    }
    sim_client_free(&a);
    rig_end(&r);
}

/* As another server would bring it. */
static void from_elsewhere(const struct rig *r, const char *to)
{
    char text[256];
    struct xml_doc *doc;
    struct stanza *s = NULL, *reply = NULL;
    bool unknown;
    snprintf(text, sizeof text,
             "<message from='x@elsewhere.test/y' to='%s'><body>from afar</body></message>", to);
    assert_int_equal(xml_parse_one(str_of(text), NS_CLIENT, &xml_limits_default, &doc), ERR_OK);
    assert_int_equal(stanza_from_doc(&doc, &s, &reply, &unknown), STANZA_OK);
    route_start(&r->node->shard[0], s, NULL, ROUTE_S2S, 0, NULL);
}

/* Other servers: not allowed, or as far as there is a way. */
static void test_anonymous_federation(void **state)
{
    void (*const changes[])(struct node_conf *) = {anonymous, anonymous_federating};
    static const char *const want[] = {"not-allowed", "remote-server-not-found"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct rig r;
        rig_begin(&r, 107, 1, changes[i]);
        struct sim_client *a = somebody(&r);
        sim_client_send(a, "<message id='m' to='x@elsewhere.test'><body>x</body></message>");
        assert_true(sim_client_expect(
            a, "<message type='error' id='m'><error><%s xmlns='%s'/></error></message>", want[i],
            NS_STANZA_ERRORS));
        sim_client_send(a, "<message id='o' to='x@other.test'><body>x</body></message>");
        assert_true(sim_client_expect(a,
                                      "<message type='error' id='o'><error><service-unavailable "
                                      "xmlns='%s'/></error></message>",
                                      NS_STANZA_ERRORS));
        from_elsewhere(&r, sim_client_jid(a));
        if (i == 0)
            assert_true(sim_client_absent(a, 1000000, "<message><body>from afar</body></message>"));
        else
            assert_true(sim_client_expect(a, "<message><body>from afar</body></message>"));
        sim_client_free(&a);
        rig_end(&r);
    }
}

static void two_at_once(struct node_conf *c)
{
    c->anonymous = true;
    c->anonymous_max = 2;
}

static void test_anonymous_limit(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 108, 1, two_at_once);
    struct sim_client *a = somebody(&r), *b = somebody(&r);
    struct sim_client_conf c = conf_of(&r);
    struct sim_client *third = sim_client_new(&c);
    assert_true(sim_client_wait(third, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_refused(third), SASL_FAIL_TEMPORARY_AUTH_FAILURE);
    sim_client_free(&third);
    sim_client_free(&a);
    (void)sim_run(1000000, NULL, NULL);
    third = somebody(&r);
    sim_client_free(&third);
    sim_client_free(&b);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anonymous_is_off),
        cmocka_unit_test(test_anonymous_login),
        cmocka_unit_test(test_anonymous_inline),
        cmocka_unit_test(test_anonymous_keeps_nothing),
        cmocka_unit_test(test_anonymous_is_gone),
        cmocka_unit_test(test_anonymous_has_no_offline_messages),
        cmocka_unit_test(test_anonymous_name_is_not_for_taking),
        cmocka_unit_test(test_anonymous_federation),
        cmocka_unit_test(test_anonymous_limit),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
