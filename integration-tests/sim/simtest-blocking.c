/* XEP-0191 as a client sees it: the list and its pushes, what passes and what comes back, presence,
 * who is meant by an address. Alice's account is of eu, bob's of us; alice is connected at either.
 */
#include "integration-tests/sim/tests-world-int.h"

#define ALICE "alice@" RIG_DOMAIN
#define BOB "bob@" RIG_DOMAIN

struct scene {
    struct pair w;
    struct sim_client *a, *b;
};

/* Both online and friends; alice has asked for her list. */
static void scene_begin(struct scene *s, uint64_t seed, int where)
{
    pair_begin(&s->w, seed, 2);
    s->a = rig_online(&s->w.at[where].rig, "alice", "a");
    s->b = rig_online(&s->w.at[US].rig, "bob", "b");
    befriend(s->a, s->b);
    sim_client_send(s->a, "<iq type='get' id='list'><blocklist xmlns='%s'/></iq>", NS_BLOCKING);
    assert_true(sim_client_expect(s->a, "<iq type='result' id='list'><blocklist xmlns='%s'/></iq>",
                                  NS_BLOCKING));
    assert_null(xml_first(xml_first(sim_client_last(s->a))));
    settle(s->b);
    (void)sim_run(SEC, NULL, NULL);
    sim_client_forget(s->a);
    sim_client_forget(s->b);
}

static void scene_end(struct scene *s)
{
    sim_client_free(&s->a);
    sim_client_free(&s->b);
    pair_end(&s->w);
}

static void command(struct sim_client *c, const char *name, const char *jid)
{
    if (jid)
        sim_client_send(c, "<iq type='set' id='cmd'><%s xmlns='%s'><item jid='%s'/></%s></iq>",
                        name, NS_BLOCKING, jid, name);
    else
        sim_client_send(c, "<iq type='set' id='cmd'><%s xmlns='%s'/></iq>", name, NS_BLOCKING);
    assert_true(sim_client_expect(c, "<iq type='result' id='cmd'/>"));
}

static void expect_refused(struct sim_client *a, const char *kind, const char *id)
{
    assert_true(sim_client_expect(a,
                                  "<%s type='error' id='%s'><error type='cancel'><not-acceptable "
                                  "xmlns='%s'/><blocked xmlns='%s'/></error></%s>",
                                  kind, id, NS_STANZA_ERRORS, NS_BLOCKING_ERRORS, kind));
}

static void test_blocking_both_ways(void **state)
{
    (void)state;
    for (int where = 0; where < REGIONS; where++) {
        struct scene s;
        scene_begin(&s, 1, where);
        struct sim_client *quiet = rig_login(&s.w.at[EU].rig, "alice", "quiet");
        command(s.a, "block", "Bob@" RIG_DOMAIN);
        assert_true(
            sim_client_expect(s.a,
                              "<iq type='set' to='%s'><block xmlns='%s'><item jid='Bob@%s'/>"
                              "</block></iq>",
                              sim_client_jid(s.a), NS_BLOCKING, RIG_DOMAIN));
        assert_true(sim_client_absent(quiet, SEC, "<iq type='set'/>"));
        assert_true(sim_client_expect(s.b, "<presence type='unavailable' from='" ALICE "/a'/>"));
        /* from bob: messages and requests come back, the rest is silence */
        const char *to[] = {ALICE, ALICE "/a"};
        for (size_t i = 0; i < ARRAY_LEN(to); i++) {
            sim_client_send(s.b, "<message to='%s' id='m'><body>x</body></message>", to[i]);
            assert_true(sim_client_expect(s.b,
                                          "<message type='error' id='m'><error><service-unavailable"
                                          " xmlns='%s'/></error></message>",
                                          NS_STANZA_ERRORS));
            sim_client_send(s.b, "<iq type='get' id='q' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>",
                            to[i]);
            assert_true(expect_error(s.b, "q", "service-unavailable"));
            sim_client_send(s.b,
                            "<iq type='result' id='r' to='%s'/><presence to='%s'/>"
                            "<presence to='%s' type='subscribe'/>",
                            to[i], to[i], to[i]);
        }
        sim_client_send(s.b, "<presence><show>away</show></presence>");
        settle(s.b);
        assert_true(sim_client_absent(s.a, SEC, "<presence/>"));
        assert_int_equal(sim_client_count(s.a, "<message/>"), 0);
        assert_int_equal(sim_client_count(s.a, "<iq type='result' id='r'/>"), 0);
        assert_int_equal(sim_client_count(s.b, "<presence type='error'/>"), 0);
        /* to bob: nothing goes */
        sim_client_send(s.a, "<message to='" BOB "' id='m2'><body>x</body></message>");
        expect_refused(s.a, "message", "m2");
        sim_client_send(s.a, "<iq type='get' id='q2' to='" BOB "/b'><p xmlns='x'/></iq>");
        expect_refused(s.a, "iq", "q2");
        sim_client_send(s.a, "<presence to='" BOB "' id='p2'/>");
        expect_refused(s.a, "presence", "p2");
        sim_client_send(s.a, "<presence><show>dnd</show></presence>");
        settle(s.a);
        assert_true(sim_client_absent(s.b, SEC, "<presence from='" ALICE "/a'/>"));
        assert_int_equal(sim_client_count(s.b, "<message id='m2'/>"), 0);
        /* and all of it again */
        command(s.a, "unblock", BOB);
        assert_true(sim_client_expect(
            s.a, "<iq type='set'><unblock xmlns='%s'><item/></unblock></iq>", NS_BLOCKING));
        assert_true(sim_client_expect(s.b, "<presence from='" ALICE
                                           "/a' type='-'><show>dnd</show></presence>"));
        assert_true(sim_client_expect(s.a, "<presence from='" BOB
                                           "/b' type='-'><show>away</show></presence>"));
        sim_client_send(s.b, "<message to='" ALICE "' id='m3'><body>x</body></message>");
        assert_true(sim_client_expect(s.a, "<message id='m3'/>"));
        sim_client_send(s.a, "<message to='" BOB "' id='m4'><body>x</body></message>");
        assert_true(sim_client_expect(s.b, "<message id='m4'/>"));
        sim_client_free(&quiet);
        scene_end(&s);
    }
}

/* It holds over the end of all sessions, the death of the anchor, and for who is not there. */
static void test_blocking_lasts(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 2, EU);
    command(s.a, "block", BOB);
    sim_client_free(&s.a);
    assert_true(sim_client_expect(s.b, "<presence type='unavailable'/>"));
    sim_client_send(s.b, "<message to='" ALICE "' id='off'><body>x</body></message>");
    assert_true(sim_client_expect(s.b, "<message type='error' id='off'/>"));
    place_kill(&s.w, EU);
    (void)sim_run(20 * SEC, NULL, NULL);
    place_revive(&s.w, EU);
    (void)sim_run(20 * SEC, NULL, NULL);
    s.a = rig_online(&s.w.at[EU].rig, "alice", "a");
    assert_true(sim_client_absent(s.a, SEC, "<presence from='" BOB "/b'/>"));
    assert_true(sim_client_absent(s.a, 0, "<message/>"));
    assert_int_equal(sim_client_count(s.b, "<presence type='-'/>"), 0);
    sim_client_send(s.a, "<iq type='get' id='l'><blocklist xmlns='%s'/></iq>", NS_BLOCKING);
    assert_true(sim_client_expect(s.a,
                                  "<iq type='result' id='l'><blocklist xmlns='%s'><item jid='" BOB
                                  "'/></blocklist></iq>",
                                  NS_BLOCKING));
    command(s.a, "unblock", NULL);
    assert_true(sim_client_expect(s.a, "<iq type='set'><unblock xmlns='%s'/></iq>", NS_BLOCKING));
    assert_true(sim_client_expect(s.a, "<presence from='" BOB "/b'/>"));
    scene_end(&s);
}

/* Section 6: who is meant. Bob has a second resource. */
static void test_blocking_matching(void **state)
{
    static const struct {
        const char *item;
        bool blocks_b, blocks_second;
    } cases[] = {
        {BOB, true, true},
        {BOB "/b", true, false},
        {RIG_DOMAIN, true, true},
        {"other.test", false, false},
        {RIG_DOMAIN "/b", false, false},
        {"bobby@" RIG_DOMAIN, false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene s;
        scene_begin(&s, 3, EU);
        struct sim_client *second = rig_online(&s.w.at[US].rig, "bob", "second");
        struct sim_client *other = rig_login(&s.w.at[EU].rig, "alice", "other");
        assert_true(sim_client_expect(s.a, "<presence from='" BOB "/second'/>"));
        command(s.a, "block", cases[i].item);
        struct sim_client *from[] = {s.b, second};
        const bool blocked[] = {cases[i].blocks_b, cases[i].blocks_second};
        for (int k = 0; k < 2; k++) {
            sim_client_send(from[k], "<message to='" ALICE "/a' id='%d'><body>x</body></message>",
                            k);
            if (blocked[k])
                assert_true(sim_client_expect(from[k], "<message type='error' id='%d'/>", k));
            else
                assert_true(sim_client_expect(s.a, "<message id='%d'/>", k));
            bool shown = sim_client_count(from[k], "<presence type='unavailable'/>") > 0;
            /* a contact is told by his bare JID: each resource hears of it */
            assert_int_equal(shown, blocked[k]);
        }
        /* never the own resources */
        sim_client_send(other, "<message to='" ALICE "/a' id='own'><body>x</body></message>");
        assert_true(sim_client_expect(s.a, "<message id='own'/>"));
        sim_client_free(&second);
        sim_client_free(&other);
        scene_end(&s);
    }
}

/* Who is no contact but was shown presence sees it withdrawn. */
static void test_blocking_directed(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 4, 2, NULL);
    struct sim_client *a = rig_online(&r, "alice", "a"), *b = rig_online(&r, "bob", "b");
    sim_client_send(a, "<presence to='" BOB "/b'/>");
    assert_true(sim_client_expect(b, "<presence from='" ALICE "/a' type='-'/>"));
    command(a, "block", BOB);
    assert_true(sim_client_expect(b, "<presence from='" ALICE "/a' type='unavailable'/>"));
    sim_client_free(&a);
    assert_true(sim_client_absent(b, SEC, "<presence type='unavailable'/>"));
    sim_client_free(&b);
    rig_end(&r);
}

static void three_blocked(struct node_conf *c)
{
    c->blocklist_max = 3;
}

static void test_blocking_errors(void **state)
{
    static const struct {
        const char *command, *condition;
    } cases[] = {
        {"<block xmlns='urn:xmpp:blocking'/>", "bad-request"},
        {"<block xmlns='urn:xmpp:blocking'><item/></block>", "bad-request"},
        {"<block xmlns='urn:xmpp:blocking'><x/></block>", "bad-request"},
        {"<block xmlns='urn:xmpp:blocking'><item jid='@'/></block>", "jid-malformed"},
        {"<unblock xmlns='urn:xmpp:blocking'><item jid='@'/></unblock>", "jid-malformed"},
        {"<block xmlns='urn:xmpp:blocking'><item jid='a.test'/><item jid='b.test'/>"
         "<item jid='c.test'/><item jid='d.test'/></block>",
         "resource-constraint"},
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 5, 1, three_blocked);
    struct sim_client *a = rig_online(&r, "alice", "a"), *b = rig_online(&r, "bob", "b");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sim_client_send(a, "<iq type='set' id='e'>%s</iq>", cases[i].command);
        assert_true(expect_error(a, "e", cases[i].condition));
    }
    for (int i = 0; i < 2; i++) { /* twice the same is one */
        sim_client_send(a,
                        "<iq type='set' id='ok'><block xmlns='%s'><item jid='a.test'/>"
                        "<item jid='b.test'/><item jid='c.test'/></block></iq>",
                        NS_BLOCKING);
        assert_true(sim_client_expect(a, "<iq type='result' id='ok'/>"));
    }
    sim_client_send(b, "<iq type='get' id='spy' to='" ALICE "'><blocklist xmlns='%s'/></iq>",
                    NS_BLOCKING);
    assert_true(expect_error(b, "spy", "service-unavailable"));
    sim_client_send(a, "<iq type='get' id='info' to='%s'><query xmlns='%s'/></iq>", RIG_DOMAIN,
                    NS_DISCO_INFO);
    assert_true(
        sim_client_expect(a, "<iq id='info'><query xmlns='%s'><feature var='%s'/></query></iq>",
                          NS_DISCO_INFO, NS_BLOCKING));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* Without the list nobody is judged: it comes back, and nothing is shown. */
static void test_blocking_store_fails(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 6, 1, NULL);
    struct sim_client *a = rig_online(&r, "alice", "a"), *b = rig_online(&r, "bob", "b");
    log_set_level(LOG_ERROR + 1);
    store_fail_nth(r.node->store, 1);
    sim_client_send(a,
                    "<iq type='set' id='cmd'><block xmlns='%s'><item jid='" BOB "'/></block></iq>",
                    NS_BLOCKING);
    assert_true(expect_error(a, "cmd", "internal-server-error"));
    store_fail_nth(r.node->store, 0);
    sim_client_send(b, "<message to='" ALICE "' id='1'><body>x</body></message>");
    assert_true(sim_client_expect(a, "<message id='1'/>"));
    command(a, "block", BOB);
    sim_client_free(&a);
    (void)sim_run(SEC, NULL, NULL);
    store_fail_nth(r.node->store, 1);
    sim_client_send(b, "<message to='" ALICE "' id='2'><body>x</body></message>");
    assert_true(sim_client_expect(b,
                                  "<message type='error' id='2'><error><internal-server-error "
                                  "xmlns='%s'/></error></message>",
                                  NS_STANZA_ERRORS));
    store_fail_nth(r.node->store, 0);
    log_set_level(LOG_WARN);
    sim_client_free(&b);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocking_both_ways), cmocka_unit_test(test_blocking_lasts),
        cmocka_unit_test(test_blocking_matching),  cmocka_unit_test(test_blocking_directed),
        cmocka_unit_test(test_blocking_errors),    cmocka_unit_test(test_blocking_store_fails),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
