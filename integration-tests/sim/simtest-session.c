/* Users at their anchor: presence that is shown
 * and withdrawn (section 4), rosters that are large, full or cannot be written (section 2),
 * subscriptions (section 3), and that nothing stays of users nobody needs. */
#include "integration-tests/sim/tests-session-int.h"

static void test_session_priority(void **state)
{
    static const struct {
        const char *text;
        int want;
    } cases[] = {
        {"0", 0},
        {"127", 127},
        {"-128", -128},
        {" 5 ", 5},
        {"128", 0},
        {"-129", 0},
        {"99999999999999999999", 0},
        {"", 0},
        {"-", 0},
        {"x", 0},
        {"1 2", 0},
        {"--1", 0},
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 1, NULL);
    struct sim_client *a = rig_login(&r, "alice", "phone");
    sim_client_send(a, "<presence/>");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sim_client_send(a, "<presence><priority>%s</priority></presence>", cases[i].text);
        settle(a);
        assert_int_equal(user_session(user_of(&r, ALICE), STR("phone"))->priority, cases[i].want);
    }
    sim_client_free(&a);
    rig_end(&r);
}

static void commit(struct rig *r, struct store_txn **t)
{
    r->is_done = false;
    store_commit(t, &r->ops, rig_done, r);
    assert_true(sim_run(SEC, rig_is_done, r));
    assert_int_equal(r->last, ERR_OK);
}

/* ---- presence */
static void test_session_probes(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 3, NULL);
    assert_int_equal(rig_create(&r, "carol@" RIG_DOMAIN, "builder"), ERR_OK);
    struct sim_client *a = rig_online(&r, "alice", "phone"), *b = rig_online(&r, "bob", "desk");
    /* carol believes that she is subscribed to bob: bob's server knows better */
    struct store_txn *t = store_txn_new(home_of(&r, "carol@im.test")->store, STR("carol@im.test"));
    store_txn_map_put(t, "roster", STR(BOB), STR("<item state='1' visible='true'/>"));
    commit(&r, &t);
    struct sim_client *c = rig_online(&r, "carol", "pad");
    assert_true(sim_client_expect(c, "<presence from='" BOB "' type='unsubscribed'/>"));
    become_friends(a, b);
    /* two resources: both, as they said it */
    struct sim_client *b2 = rig_login(&r, "bob", "phone");
    sim_client_send(b2, "<presence><show>away</show></presence>");
    assert_true(
        sim_client_expect(a, "<presence from='" BOB "/phone'><show>away</show></presence>"));
    struct sim_client *a2 = rig_online(&r, "alice", "pad");
    assert_true(sim_client_expect(a2, "<presence from='" BOB "/desk' type='-'/>"));
    assert_true(
        sim_client_expect(a2, "<presence from='" BOB "/phone'><show>away</show></presence>"));
    /* a stranger sees nothing; who got directed presence is told that it is there */
    arrive(&r, "<presence type='probe' from='carol@im.test/pad' to='bob@im.test/desk'/>");
    assert_true(sim_client_absent(c, SEC, "<presence type='-'/>"));
    sim_client_send(b, "<presence to='%s'><status>psst</status></presence>", sim_client_jid(c));
    assert_true(sim_client_expect(c, "<presence from='" BOB "/desk'><status/></presence>"));
    arrive(&r, "<presence type='probe' from='carol@im.test/pad' to='bob@im.test/desk'/>");
    assert_true(sim_client_expect(c, "<presence from='" BOB "/desk' type='-'/>"));
    assert_null(xml_first(sim_client_last(c)));
    arrive(&r, "<presence type='probe' from='carol@im.test/pad' to='bob@im.test/phone'/>");
    assert_true(sim_client_absent(c, SEC, "<presence type='-'/>"));
    /* a subscriber hears of the asked resource only, and no more than that it is there */
    sim_client_forget(a);
    arrive(&r, "<presence type='probe' id='f1' from='alice@im.test' to='bob@im.test/phone'/>");
    assert_true(sim_client_expect(a, "<presence id='f1' from='" BOB "/phone' type='-'/>"));
    assert_null(xml_first(sim_client_last(a)));
    arrive(&r, "<presence type='probe' id='f2' from='alice@im.test' to='bob@im.test/gone'/>");
    assert_true(sim_client_expect(a, "<presence id='f2' from='" BOB "/gone' type='unavailable'/>"));
    assert_true(sim_client_absent(a, SEC, "<presence from='" BOB "/desk'/>"));
    /* a client's own probe is answered as well */
    sim_client_send(a, "<presence type='probe' to='" BOB "'/>");
    assert_true(sim_client_expect(a, "<presence from='" BOB "/desk' type='-'/>"));
    sim_client_send(a, "<presence type='probe' to='carol@im.test'/>");
    assert_true(sim_client_absent(a, SEC, "<presence from='carol@im.test'/>"));
    /* nobody there */
    sim_client_free(&b);
    sim_client_free(&b2);
    (void)sim_run(SEC, NULL, NULL);
    struct sim_client *a3 = rig_online(&r, "alice", "watch");
    assert_true(sim_client_expect(a3,
                                  "<presence from='" BOB "' type='unavailable'><delay xmlns='%s' "
                                  "from='" RIG_DOMAIN "' stamp='*'/></presence>",
                                  NS_DELAY));
    sim_client_free(&a);
    sim_client_free(&a2);
    sim_client_free(&a3);
    sim_client_free(&c);
    rig_end(&r);
}

static void test_session_directed(void **state)
{
    struct rig r;
    (void)state;
    for (int available = 0; available < 2; available++) {
        for (int way = 0; way < 3; way++) {
            rig_begin(&r, 1, 2, NULL);
            struct sim_client *b = rig_online(&r, "bob", "desk");
            struct sim_client *a =
                available ? rig_online(&r, "alice", "phone") : rig_login(&r, "alice", "phone");
            sim_client_send(a, "<presence to='" BOB "'/>");
            assert_true(sim_client_expect(b, "<presence from='" ALICE "/phone' type='-'/>"));
            if (way == 0) { /* withdrawn from him: not again at the end */
                sim_client_send(a, "<presence to='" BOB "' type='unavailable'/>");
                assert_true(sim_client_expect(b, "<presence type='unavailable'/>"));
                settle(a);
            } else if (way == 1) {
                sim_client_send(a, "<presence type='unavailable'><status>bye</status></presence>");
                assert_true(sim_client_expect(
                    b, "<presence from='" ALICE "/phone' type='unavailable'><status/></presence>"));
                if (available)
                    assert_true(sim_client_expect(a, "<presence from='" ALICE
                                                     "/phone' type='unavailable'/>"));
                settle(a);
            }
            sim_client_free(&a);
            if (way == 2)
                assert_true(
                    sim_client_expect(b, "<presence from='" ALICE "/phone' type='unavailable'/>"));
            assert_true(sim_client_absent(b, SEC, "<presence type='unavailable'/>"));
            sim_client_free(&b);
            rig_end(&r);
        }
    }
}

static void test_session_directed_limit(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 1, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    for (int i = 0; i <= 200; i++) {
        sim_client_send(a, "<presence id='d%d' to='x%d@im.test'/>", i, i);
        if (i % 50 == 49)
            settle(a);
    }
    assert_true(sim_client_expect(
        a,
        "<presence id='d200' type='error'><error><resource-constraint xmlns='%s'/></error>"
        "</presence>",
        NS_STANZA_ERRORS));
    assert_int_equal(sim_client_count(a, "<presence type='error'/>"), 0);
    sim_client_send(a, "<presence to='x7@im.test' type='unavailable'/>"); /* makes room */
    sim_client_send(a, "<presence to='x201@im.test'/>");
    settle(a);
    assert_int_equal(sim_client_count(a, "<presence type='error'/>"), 0);
    sim_client_free(&a);
    rig_end(&r);
}

/* What was sent right before the end is carried out. */
static void test_session_last_words(void **state)
{
    struct rig r;
    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++) {
        rig_begin(&r, seed, 2, NULL);
        struct sim_client *b = rig_online(&r, "bob", "desk");
        struct sim_client *a = rig_login(&r, "alice", "phone");
        sim_client_send(a,
                        "<iq type='set' id='r'><query xmlns='%s'><item jid='x@y.test'/></query>"
                        "</iq><presence to='" BOB "' type='subscribe'/><message to='" BOB
                        "'><body>bye</body></message></stream:stream>",
                        NS_ROSTER);
        assert_true(sim_client_expect(b, "<presence from='" ALICE "' type='subscribe'/>"));
        assert_true(sim_client_expect(b, "<message from='" ALICE "/phone'/>"));
        sim_client_free(&a);
        a = rig_login(&r, "alice", "phone");
        sim_client_send(a, "<iq type='get' id='g'><query xmlns='%s'/></iq>", NS_ROSTER);
        assert_true(
            sim_client_expect(a,
                              "<iq id='g'><query xmlns='%s'><item jid='x@y.test'/><item jid='" BOB
                              "' ask='subscribe'/></query></iq>",
                              NS_ROSTER));
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
}

/* ---- rosters */
static void roster_put(struct rig *r, const char *bare, size_t n)
{
    struct store_txn *t = store_txn_new(home_of(r, bare)->store, str_of(bare));
    for (size_t i = 0; i < n; i++) {
        char key[32];
        snprintf(key, sizeof key, "c%04zu@far.test", i);
        store_txn_map_put(t, "roster", str_of(key), STR("<item state='0' visible='true'/>"));
    }
    store_txn_map_put(t, "roster", STR("zz@far.test"), STR("rubbish"));
    commit(r, &t);
}

static size_t roster_size(struct sim_client *c)
{
    sim_client_send(c, "<iq type='get' id='get'><query xmlns='%s'/></iq>", NS_ROSTER);
    assert_true(
        sim_client_expect(c, "<iq type='result' id='get'><query xmlns='%s'/></iq>", NS_ROSTER));
    size_t n = 0;
    xml_each(xml_first(sim_client_last(c)), item)
    {
        n += xml_is(item->el, NS_ROSTER, "item");
    }
    return n;
}

/* Around the size of a page; what cannot be read in it is left out. */
static void test_session_roster_pages(void **state)
{
    static const size_t sizes[] = {0, 98, 99, 100, 101, 198, 199, 350};
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 2, NULL);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        roster_put(&r, ALICE, sizes[i]);
        struct sim_client *a = rig_login(&r, "alice", "phone");
        assert_int_equal(roster_size(a), sizes[i]);
        sim_client_free(&a);
        (void)sim_run(SEC, NULL, NULL);
        assert_null(user_of(&r, ALICE));
    }
    rig_end(&r);
}

static void set_contact(struct sim_client *c, const char *jid, const char *name)
{
    sim_client_send(c,
                    "<iq type='set' id='set'><query xmlns='%s'><item jid='%s' name='%s'/></query>"
                    "</iq>",
                    NS_ROSTER, jid, name);
}

/* Whichever operation fails: an answer comes, and memory says what the store says. */
static void test_session_roster_store_fails(void **state)
{
    struct rig r;
    (void)state;
    log_set_level(LOG_ERROR + 1);
    for (unsigned nth = 1; nth < 4; nth++) {
        rig_begin(&r, 1, 1, NULL);
        struct sim_client *a = rig_login(&r, "alice", "phone");
        set_contact(a, "x@y.test", "old");
        assert_true(sim_client_expect(a, "<iq type='result' id='set'/>"));
        store_fail_nth(r.node->store, nth);
        set_contact(a, "x@y.test", "new");
        assert_true(
            sim_client_expect(a, "<iq type='%s' id='set'/>", nth == 1 ? "error" : "result"));
        sim_client_send(a, "<presence to='" BOB "' type='subscribe' id='s'/>");
        settle(a);
        /* nth 2: after the change it is the subscription that fails, 1 and 3: reading again may */
        store_fail_nth(r.node->store, 0);
        bool refused = sim_client_count(a, "<presence type='error' id='s'/>");
        assert_int_equal(refused, nth == 2);
        assert_int_equal(roster_size(a), refused ? 1 : 2);
        assert_non_null(xml_first(xml_first(sim_client_last(a))));
        sim_client_send(a, "<iq type='get' id='n'><query xmlns='%s'/></iq>", NS_ROSTER);
        assert_true(sim_client_expect(
            a, "<iq id='n'><query xmlns='%s'><item jid='x@y.test' name='%s'/></query></iq>",
            NS_ROSTER, nth == 1 ? "old" : "new"));
        sim_client_free(&a);
        rig_end(&r);
    }
    log_set_level(LOG_WARN);
}

/* The roster cannot be read: who shows presence is told, who leaves is withdrawn. */
static void test_session_roster_unreadable(void **state)
{
    struct rig r;
    (void)state;
    log_set_level(LOG_ERROR + 1);
    rig_begin(&r, 1, 1, NULL);
    struct sim_client *b = rig_online(&r, "bob", "desk"), *a = rig_login(&r, "alice", "phone");
    store_fail_nth(r.node->store, 1);
    sim_client_send(a, "<presence id='p'/>");
    assert_true(sim_client_expect(a, "<presence type='error' id='p'/>"));
    sim_client_send(a, "<presence/>");
    assert_true(sim_client_expect(a, "<presence from='" ALICE "/phone' type='-'/>"));
    sim_client_send(a, "<presence to='" BOB "'/>");
    assert_true(sim_client_expect(b, "<presence from='" ALICE "/phone' type='-'/>"));
    store_fail_nth(r.node->store, 1); /* a save fails, so the roster must be read again */
    set_contact(a, "x@y.test", "new");
    assert_true(sim_client_expect(a, "<iq type='error' id='set'/>"));
    store_fail_nth(r.node->store, 1);
    sim_client_free(&a);
    assert_true(sim_client_expect(b, "<presence from='" ALICE "/phone' type='unavailable'/>"));
    store_fail_nth(r.node->store, 0);
    sim_client_free(&b);
    rig_end(&r);
    log_set_level(LOG_WARN);
}

static void small_roster(struct node_conf *c)
{
    c->roster_max = 3;
}

/* Strangers' requests have a bound of their own and leave the user's room alone. */
static void test_session_roster_full(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 1, small_roster);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    for (int i = 0; i < ROSTER_REQUESTS_MAX + 50; i++) {
        char text[128];
        snprintf(text, sizeof text,
                 "<presence type='subscribe' from='s%d@far.test' to='" ALICE "'/>", i);
        arrive(&r, text);
    }
    settle(a);
    assert_int_equal(hmap_count(&user_of(&r, ALICE)->roster->items), ROSTER_REQUESTS_MAX);
    for (int i = 0; i < 4; i++) {
        char jid[32];
        snprintf(jid, sizeof jid, "c%d@far.test", i);
        set_contact(a, jid, "");
        assert_true(sim_client_expect(a, "<iq type='%s' id='set'/>", i < 3 ? "result" : "error"));
    }
    sim_client_send(a, "<presence to='c9@far.test' type='subscribe' id='s'/>");
    assert_true(sim_client_expect(a, "<presence type='error' id='s'/>"));
    assert_int_equal(roster_size(a), 3);
    sim_client_free(&a);
    rig_end(&r);
}

/* Section 2.6: the version of now gets an empty result, everything else the whole roster; each push
 * has a version of its own, and a version of another roster is not taken for one of this. */
static void ask_version(struct sim_client *c, const char *ver, bool whole, char out[64])
{
    sim_client_send(c, "<iq type='get' id='v'><query xmlns='%s' ver='%s'/></iq>", NS_ROSTER, ver);
    assert_true(sim_client_expect(c, "<iq type='result' id='v'/>"));
    const struct xml *query = xml_first(sim_client_last(c));
    assert_int_equal(query != NULL, whole);
    if (query)
        snprintf(out, 64, STR_FMT, STR_ARG(xml_get(query, "ver")));
}

static void push_version(struct sim_client *c, char out[64])
{
    assert_true(sim_client_expect(c, "<iq type='set'><query xmlns='%s' ver='*'/></iq>", NS_ROSTER));
    snprintf(out, 64, STR_FMT, STR_ARG(xml_get(xml_first(sim_client_last(c)), "ver")));
}

static void test_session_roster_versions(void **state)
{
    struct rig r;
    char first[64], second[64], third[64], again[64];
    (void)state;
    rig_begin(&r, 1, 2, NULL);
    struct sim_client_conf conf = rig_conf(&r, "alice", "phone");
    conf.keep_features = true;
    struct sim_client *a = sim_client_login(&conf);
    assert_true(sim_client_expect(a,
                                  "<stream:features xmlns:stream='%s'><ver xmlns='%s'/>"
                                  "<sub xmlns='%s'/></stream:features>",
                                  NS_STREAM, NS_ROSTERVER, NS_SUBS_PREAPPROVAL));
    ask_version(a, "", true, first);
    ask_version(a, first, false, NULL);
    set_contact(a, "x@y.test", "X");
    push_version(a, second);
    assert_string_not_equal(first, second);
    ask_version(a, second, false, NULL);
    ask_version(a, first, true, again);
    assert_string_equal(again, second);
    sim_client_free(&a);
    (void)sim_run(SEC, NULL, NULL);
    assert_null(user_of(&r, ALICE)); /* from the store now */
    a = rig_login(&r, "alice", "phone");
    ask_version(a, second, false, NULL);
    set_contact(a, "x@y.test", "Y");
    push_version(a, third);
    set_contact(a, "x@y.test", "X");
    push_version(a, again); /* what it was before is a version of its own */
    assert_string_not_equal(again, second);
    assert_string_not_equal(again, third);
    /* a roster that began anew */
    sim_client_send(a,
                    "<iq type='set' id='d'><query xmlns='%s'><item jid='x@y.test' "
                    "subscription='remove'/></query></iq>",
                    NS_ROSTER);
    push_version(a, again);
    sim_client_free(&a);
    (void)sim_run(SEC, NULL, NULL);
    a = rig_login(&r, "alice", "phone");
    roster_size(a); /* interested */
    set_contact(a, "z@y.test", "Z");
    push_version(a, again);
    ask_version(a, second, true, again);
    ask_version(a, first, true, again);
    sim_client_free(&a);
    rig_end(&r);
}

/* ---- subscriptions */
/* While the contact is still subscribed it sees the resources go (section 3.2.2). */
static void test_session_cancel_order(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 3, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone"), *b = rig_online(&r, "bob", "desk");
    become_friends(a, b);
    settle(a);
    (void)sim_run(SEC, NULL, NULL);
    sim_client_forget(a);
    sim_client_send(b, "<presence to='" ALICE "' type='unsubscribed'/>");
    assert_true(sim_client_wait(a, SIM_CLIENT_BOUND));
    (void)sim_run(SEC, NULL, NULL);
    assert_true(sim_client_expect_next(a, "<presence from='" BOB "/desk' type='unavailable'/>"));
    assert_true(sim_client_expect_next(a, "<presence from='" BOB "' type='unsubscribed'/>"));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

static void test_session_subscription_effects(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 3, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone"), *b = rig_online(&r, "bob", "desk");
    assert_int_equal(roster_size(b), 0);
    /* approved before it was asked: the item is there, the request is not shown */
    sim_client_send(b, "<presence to='" ALICE "' type='subscribed'/>");
    assert_true(sim_client_expect(b,
                                  "<iq type='set'><query xmlns='%s'><item jid='" ALICE
                                  "' subscription='none' approved='true'/></query></iq>",
                                  NS_ROSTER));
    assert_int_equal(roster_size(b), 1);
    sim_client_send(a, "<presence to='" BOB "' type='subscribe'/>");
    assert_true(sim_client_expect(a, "<presence from='" BOB "' type='subscribed'/>"));
    assert_true(sim_client_expect(a, "<presence from='" BOB "/desk' type='-'/>"));
    assert_true(sim_client_expect(b,
                                  "<iq type='set'><query xmlns='%s'><item jid='" ALICE
                                  "' subscription='from' approved='true'/></query></iq>",
                                  NS_ROSTER));
    assert_int_equal(sim_client_count(b, "<presence type='subscribe'/>"), 0);
    /* asked again: answered for bob, and known to alice */
    sim_client_send(a, "<presence to='" BOB "' type='subscribe'/>");
    assert_true(sim_client_absent(b, SEC, "<presence type='subscribe'/>"));
    assert_int_equal(sim_client_count(a, "<presence type='subscribed'/>"), 0);
    /* ended by alice: she sees him go, he is told */
    sim_client_send(a, "<presence to='" BOB "' type='unsubscribe'/>");
    assert_true(sim_client_expect(b, "<presence from='" ALICE "' type='unsubscribe'/>"));
    assert_true(sim_client_expect(a, "<presence from='" BOB "/desk' type='unavailable'/>"));
    /* oneself */
    sim_client_send(a, "<presence to='" ALICE "' type='subscribe' id='me'/>");
    assert_true(sim_client_expect(
        a, "<presence type='error' id='me'><error><not-allowed xmlns='%s'/></error></presence>",
        NS_STANZA_ERRORS));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* A request is shown at each login until it is answered, to those who are available. */
static void test_session_pending_request(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 2, NULL);
    arrive(&r, "<presence type='subscribe' from='bob@im.test' to='alice@im.test'>"
               "<status>it is me</status></presence>");
    for (int i = 0; i < 2; i++) {
        struct sim_client *a = rig_login(&r, "alice", "phone");
        assert_int_equal(roster_size(a), 0);
        assert_true(sim_client_absent(a, SEC, "<presence type='subscribe'/>"));
        sim_client_send(a, "<presence/>");
        assert_true(sim_client_expect(a, "<presence type='subscribe' from='" BOB
                                         "'><status>it is me</status></presence>"));
        sim_client_send(a, "<presence><show>away</show></presence>");
        settle(a);
        assert_int_equal(sim_client_count(a, "<presence type='subscribe'/>"), 0);
        if (i == 1)
            sim_client_send(a, "<presence to='" BOB "' type='unsubscribed'/>");
        settle(a);
        sim_client_free(&a);
    }
    struct sim_client *a = rig_online(&r, "alice", "phone");
    assert_true(sim_client_absent(a, SEC, "<presence type='subscribe'/>"));
    sim_client_free(&a);
    rig_end(&r);
}

/* ---- nothing stays */
static void test_session_users_freed(void **state)
{
    struct rig r;
    (void)state;
    for (int exists = 0; exists < 2; exists++) {
        rig_begin(&r, 1, 2, NULL);
        struct sim_client *a = rig_online(&r, "alice", "phone");
        for (int i = 0; i < 10000; i++) {
            char bare[32], text[160];
            snprintf(bare, sizeof bare, "u%d@im.test", i);
            snprintf(text, sizeof text,
                     "<message from='" BOB "/x' to='%s'><body>hi</body></message>", bare);
            if (exists)
                anchor_learn(home_of(&r, bare), str_of(bare), "");
            arrive(&r, text);
            if (i % 500 == 499)
                (void)sim_run(SEC, NULL, NULL);
        }
        (void)sim_run(SEC, NULL, NULL);
        assert_int_equal(stored(&r), exists ? 10000 : 0);
        assert_int_equal(users(&r), 1);
        sim_client_free(&a);
        (void)sim_run(SEC, NULL, NULL);
        assert_int_equal(users(&r), 0);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_roster_versions),
        cmocka_unit_test(test_session_cancel_order),
        cmocka_unit_test(test_session_priority),
        cmocka_unit_test(test_session_probes),
        cmocka_unit_test(test_session_directed),
        cmocka_unit_test(test_session_directed_limit),
        cmocka_unit_test(test_session_last_words),
        cmocka_unit_test(test_session_roster_pages),
        cmocka_unit_test(test_session_roster_store_fails),
        cmocka_unit_test(test_session_roster_unreadable),
        cmocka_unit_test(test_session_roster_full),
        cmocka_unit_test(test_session_subscription_effects),
        cmocka_unit_test(test_session_pending_request),
        cmocka_unit_test(test_session_users_freed),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
