/* What comes inline with SASL2: sessions resumed, stream management, client state, carbons. */
#include "integration-tests/sim/tests-sasl2-int.h"

#define BIND_SM                                                                                    \
    "<bind xmlns='urn:xmpp:bind:0'><tag>Desk</tag>"                                                \
    "<enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"

/* Logged in and bound with stream management; id: to resume with. */
static struct sim_client *managed(const struct rig *r, unsigned listener, char id[64],
                                  char jid[256])
{
    struct sim_client *s = stranger(r, listener);
    authenticate(s, "alice", "wonder", BIND_SM);
    assert_true(sim_client_expect_next(
        s,
        "<success xmlns='%s'><bound xmlns='%s'><enabled xmlns='%s' resume='true' id='*'/></bound>"
        "</success>",
        NS_SASL2, NS_BIND2, NS_SM));
    attr_of(s, "bound", "enabled", "id", id, 64);
    identifier_of(s, jid);
    assert_true(sim_client_expect_next(s, "<features xmlns='%s'/>", NS_STREAM));
    assert_null(xml_child(sim_client_last(s), NS_SM, "sm"));
    sim_client_send(s, "<presence/><r xmlns='%s'/>", NS_SM);
    assert_true(sim_client_expect(s, "<presence from='%s'/>", jid));
    assert_true(sim_client_expect(s, "<a xmlns='%s' h='1'/>", NS_SM));
    return s;
}

static void authenticate_resume(struct sim_client *s, const char *user, const char *password,
                                const char *previd, unsigned h, const char *more)
{
    char text[512];
    snprintf(text, sizeof text, "<resume xmlns='%s' h='%u' previd='%s'/>%s", NS_SM, h, previd,
             more);
    authenticate(s, user, password, text);
}

static void test_inline_offered(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 30, 1, NULL);
    struct sim_client_conf c = rig_conf(&r, "alice", NULL);
    c.no_sasl = c.keep_features = true;
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_READY));
    assert_true(sim_client_expect(
        s,
        "<features xmlns='%s'><authentication xmlns='%s'><inline><sm xmlns='%s'/>"
        "<bind xmlns='%s'><inline><feature var='%s'/><feature var='%s'/><feature var='%s'/>"
        "</inline></bind></inline></authentication></features>",
        NS_STREAM, NS_SASL2, NS_SM, NS_BIND2, NS_SM, NS_CSI, NS_CARBONS));
    sim_client_free(&s);
    rig_end(&r);
}

/* Cut, then back with one element: the session goes on, what waited comes right behind, no
 * features in between, and the <bind/> is ignored. */
static void test_inline_resume(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        for (unsigned i = 0; i < 6; i++) {
            struct rig r;
            char id[64], jid[256], again[256];
            rig_begin(&r, 31 + i, shards, NULL);
            struct sim_client *bob = rig_online(&r, "bob", NULL);
            struct sim_client *s = managed(&r, i & 1, id, jid);
            if (i % 3) /* else the old connection lives still */
                sim_client_free(&s);
            (void)sim_run(200000, NULL, NULL);
            sim_client_send(bob, "<message to='%s'><body>missed</body></message>", jid);
            settle(bob);
            struct sim_client *back = stranger(&r, i & 1);
            authenticate_resume(back, "alice", "wonder", id, 1, BIND_SM);
            assert_true(sim_client_expect_next(
                back, "<success xmlns='%s'><resumed xmlns='%s' h='1' previd='%s'/></success>",
                NS_SASL2, NS_SM, id));
            assert_null(xml_child(sim_client_last(back), NS_BIND2, "bound"));
            identifier_of(back, again);
            assert_string_equal(jid, again);
            assert_true(sim_client_expect_next(back, "<message><body>missed</body></message>"));
            sim_client_send(back, "<message to='%s'><body>here</body></message>",
                            sim_client_jid(bob));
            assert_true(
                sim_client_expect(bob, "<message from='%s'><body>here</body></message>", jid));
            assert_int_equal(sim_client_count(back, "<features xmlns='%s'/>", NS_STREAM), 0);
            if (s) {
                assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
                assert_int_equal(sim_client_end(s)->received, STREAM_CONFLICT);
                sim_client_free(&s);
            }
            sim_client_free(&bob);
            sim_client_free(&back);
            rig_end(&r);
        }
    }
}

/* XEP-0198 section 9.2.1: the failure is told and the bind is done all the same. */
static void test_inline_resume_fails(void **state)
{
    struct rig r;
    char jid[256];
    (void)state;
    rig_begin(&r, 41, 4, NULL);
    struct sim_client *s = stranger(&r, 0);
    authenticate_resume(s, "alice", "wonder", "no-such-session", 0, BIND_SM);
    assert_true(sim_client_expect_next(
        s,
        "<success xmlns='%s'><failed xmlns='%s'><item-not-found xmlns='%s'/></failed>"
        "<bound xmlns='%s'><enabled xmlns='%s'/></bound></success>",
        NS_SASL2, NS_SM, NS_STANZA_ERRORS, NS_BIND2, NS_SM));
    identifier_of(s, jid);
    assert_non_null(strstr(jid, "/Desk/"));
    assert_true(sim_client_expect_next(s, "<features xmlns='%s'/>", NS_STREAM));
    struct sim_client *unbound = stranger(&r, 0);
    authenticate(unbound, "alice", "wonder", "<resume xmlns='urn:xmpp:sm:3' h='x'/>");
    assert_true(sim_client_expect_next(
        unbound,
        "<success xmlns='%s'><failed xmlns='%s'><bad-request xmlns='%s'/></failed></success>",
        NS_SASL2, NS_SM, NS_STANZA_ERRORS));
    identifier_of(unbound, jid);
    assert_string_equal(jid, "alice@" RIG_DOMAIN);
    assert_true(sim_client_expect_next(
        unbound, "<features xmlns='%s'><bind xmlns='%s'/></features>", NS_STREAM, NS_BIND));
    sim_client_free(&s);
    sim_client_free(&unbound);
    rig_end(&r);
}

/* Whose session it is decides, and a stranger to it learns nothing: neither of one that waits, nor
 * of one that ended. Its owner has it all the same. */
static void test_inline_resume_foreign(void **state)
{
    struct rig r;
    char id[64], jid[256];
    (void)state;
    rig_begin(&r, 42, 1, NULL);
    struct sim_client *s = managed(&r, 0, id, jid);
    sim_client_free(&s);
    for (int ended = 0; ended < 2; ended++) {
        struct sim_client *thief = stranger(&r, 0);
        authenticate_resume(thief, "bob", "builder", id, 0, BIND_SM);
        assert_true(sim_client_expect_next(
            thief,
            "<success xmlns='%s'><failed xmlns='%s' h='-'><item-not-found xmlns='%s'/></failed>"
            "<bound xmlns='%s'/></success>",
            NS_SASL2, NS_SM, NS_STANZA_ERRORS, NS_BIND2));
        sim_client_free(&thief);
        struct sim_client *owner = stranger(&r, 0);
        authenticate_resume(owner, "alice", "wonder", id, 1, "");
        if (ended)
            assert_true(sim_client_expect_next(
                owner, "<success xmlns='%s'><failed xmlns='%s' h='1'/></success>", NS_SASL2,
                NS_SM));
        else
            assert_true(sim_client_expect_next(
                owner, "<success xmlns='%s'><resumed xmlns='%s'/></success>", NS_SASL2, NS_SM));
        sim_client_close(owner);
        assert_true(sim_client_wait(owner, SIM_CLIENT_ENDED));
        sim_client_free(&owner);
    }
    rig_end(&r);
}

/* An h we never sent is an error of the stream, and the session is as it was. */
static void test_inline_resume_too_high(void **state)
{
    struct rig r;
    char id[64], jid[256];
    (void)state;
    rig_begin(&r, 43, 2, NULL);
    struct sim_client *s = managed(&r, 0, id, jid);
    sim_client_free(&s);
    struct sim_client *liar = stranger(&r, 0);
    authenticate_resume(liar, "alice", "wonder", id, 1000, BIND_SM);
    assert_true(sim_client_wait(liar, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(liar)->received, STREAM_UNDEFINED_CONDITION);
    struct sim_client *back = stranger(&r, 0);
    authenticate_resume(back, "alice", "wonder", id, 1, BIND_SM);
    assert_true(sim_client_expect_next(back, "<success xmlns='%s'><resumed xmlns='%s'/></success>",
                                       NS_SASL2, NS_SM));
    sim_client_free(&liar);
    sim_client_free(&back);
    rig_end(&r);
}

/* Nothing inline happens for who does not get in. */
static void test_inline_without_success(void **state)
{
    struct rig r;
    char id[64], jid[256];
    (void)state;
    rig_begin(&r, 44, 1, NULL);
    struct sim_client *s = managed(&r, 0, id, jid);
    struct sim_client *thief = stranger(&r, 0);
    authenticate_resume(thief, "alice", "wrong", id, 1, BIND_SM);
    assert_true(sim_client_expect_next(thief, "<failure xmlns='%s'/>", NS_SASL2));
    settle(s);
    sim_client_free(&thief);
    sim_client_free(&s);
    rig_end(&r);
}

/* The client vanishes, or the account does, at any moment of the login: the node goes on, and the
 * next login is as any. */
static void test_inline_cut_anywhere(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 40; i++) {
        struct rig r;
        char id[64], jid[256];
        rig_begin(&r, 47 + i, 1 + 3 * (i & 1), NULL);
        struct sim_client *s = stranger(&r, 0);
        authenticate(s, "alice", "wonder",
                     "<user-agent id='" AGENT "'/><request-token xmlns='urn:xmpp:fast:0' "
                     "mechanism='HT-SHA-256-NONE'/><resume xmlns='urn:xmpp:sm:3' h='0' "
                     "previd='none'/>" BIND_SM);
        (void)sim_run(i * 1000, NULL, NULL);
        if (i % 4 == 3) {
            r.is_done = false;
            account_delete(&r.node->shard[0], &r.ops, STR("alice@" RIG_DOMAIN), rig_done, &r);
            assert_true(sim_run(20000000, rig_is_done, &r));
            assert_int_equal(rig_create(&r, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
        }
        sim_client_free(&s);
        (void)sim_run(i * 500, NULL, NULL);
        s = managed(&r, 0, id, jid);
        sim_client_free(&s);
        rig_end(&r);
    }
}

/* The session begins inactive: a presence waits, until something comes that does not. */
static void test_inline_csi(void **state)
{
    static const char *const states[] = {"inactive", "active"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        struct rig r;
        char bind[256], jid[256];
        rig_begin(&r, 45, 1, NULL);
        struct sim_client *bob = rig_login(&r, "bob", NULL);
        struct sim_client *s = stranger(&r, 0);
        snprintf(bind, sizeof bind, "<bind xmlns='%s'><%s xmlns='%s'/></bind>", NS_BIND2, states[i],
                 NS_CSI);
        authenticate(s, "alice", "wonder", bind);
        assert_true(sim_client_expect(s, "<success xmlns='%s'><bound xmlns='%s'/></success>",
                                      NS_SASL2, NS_BIND2));
        identifier_of(s, jid);
        sim_client_send(bob, "<presence to='%s'/>", jid);
        settle(bob);
        if (i == 0)
            assert_true(sim_client_absent(s, 1000000, "<presence/>"));
        else
            assert_true(sim_client_expect(s, "<presence from='%s'/>", sim_client_jid(bob)));
        sim_client_send(bob, "<message to='%s'><body>now</body></message>", jid);
        if (i == 0)
            assert_true(sim_client_expect(s, "<presence from='%s'/>", sim_client_jid(bob)));
        assert_true(sim_client_expect(s, "<message><body>now</body></message>"));
        sim_client_free(&bob);
        sim_client_free(&s);
        rig_end(&r);
    }
}

static void test_inline_carbons(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 46, 4, NULL);
    struct sim_client *bob = rig_online(&r, "bob", NULL);
    struct sim_client *first = rig_online(&r, "alice", "first");
    struct sim_client *plain = rig_online(&r, "alice", "plain");
    struct sim_client *s = stranger(&r, 1);
    authenticate(s, "alice", "wonder",
                 "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:carbons:2'/></bind>");
    assert_true(sim_client_expect(s, "<success xmlns='%s'><bound xmlns='%s'/></success>", NS_SASL2,
                                  NS_BIND2));
    sim_client_send(bob, "<message type='chat' to='%s'><body>hi</body></message>",
                    sim_client_jid(first));
    assert_true(sim_client_expect(
        s,
        "<message><received xmlns='%s'><forwarded xmlns='%s'><message xmlns='%s'><body>hi</body>"
        "</message></forwarded></received></message>",
        NS_CARBONS, NS_FORWARD, NS_CLIENT));
    assert_true(sim_client_absent(plain, 500000, "<message/>"));
    sim_client_free(&bob);
    sim_client_free(&first);
    sim_client_free(&plain);
    sim_client_free(&s);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inline_offered),
        cmocka_unit_test(test_inline_resume),
        cmocka_unit_test(test_inline_resume_fails),
        cmocka_unit_test(test_inline_resume_foreign),
        cmocka_unit_test(test_inline_resume_too_high),
        cmocka_unit_test(test_inline_without_success),
        cmocka_unit_test(test_inline_cut_anywhere),
        cmocka_unit_test(test_inline_csi),
        cmocka_unit_test(test_inline_carbons),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
