/* Clients in a region that is not the home of their account: login, bind, messages, conflicts, and
 * what happens when one of the two nodes dies and comes back. */
#include "integration-tests/sim/tests-fast-int.h"
#include "integration-tests/sim/tests-world-int.h"

static void chat(struct sim_client *from, const char *to_bare, struct sim_client *to,
                 const char *id)
{
    sim_client_send(from, "<message to='%s' type='chat' id='%s'><body>%s</body></message>", to_bare,
                    id, id);
    assert_true(sim_client_expect(to, "<message from='%s' id='%s'><body>%s</body></message>",
                                  sim_client_jid(from), id, id));
}

static void test_regions_login_and_messages(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct pair w;
        pair_begin(&w, 1, shards);
        assert_int_equal(rig_create(&w.at[US].rig, "alice@" RIG_DOMAIN, "x"), ERR_EXISTS);
        assert_int_equal(rig_verify(&w.at[US].rig, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
        assert_int_equal(rig_verify(&w.at[US].rig, "nobody@" RIG_DOMAIN, "wonder"), ERR_AUTH);
        for (int m = 0; m < 3; m++) {
            struct sim_client_conf c = rig_conf(&w.at[US].rig, "alice", "phone");
            c.mech = (enum sasl_mech)m;
            struct sim_client *s = sim_client_login(&c);
            assert_non_null(s);
            sim_client_close(s);
            assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
            sim_client_free(&s);
        }
        struct sim_client *a = rig_online(&w.at[US].rig, "alice", "phone");
        struct sim_client *b = rig_online(&w.at[EU].rig, "bob", "desk");
        assert_non_null(user_at(&w, EU, "alice@" RIG_DOMAIN));
        assert_int_equal(user_at(&w, EU, "alice@" RIG_DOMAIN)->n_sessions, 1);
        assert_null(user_at(&w, US, "alice@" RIG_DOMAIN));
        for (int i = 0; i < 50; i++)
            sim_client_send(a, "<message to='bob@%s' id='%d'><body>x</body></message>", RIG_DOMAIN,
                            i);
        for (int i = 0; i < 50; i++)
            assert_true(sim_client_expect_next(b, "<message id='%d'/>", i));
        chat(b, "alice@" RIG_DOMAIN, a, "back");
        chat(b, sim_client_jid(a), a, "full");
        sim_client_close(a);
        assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
        (void)sim_run(SEC, NULL, NULL);
        assert_null(user_at(&w, EU, "alice@" RIG_DOMAIN));
        sim_client_free(&a);
        sim_client_free(&b);
        pair_end(&w);
    }
}

/* What a roaming client wants inline reaches its anchor; a session goes on at the front. A token is
 * given and good in any region, wherever it was earned. */
static void test_regions_inline(void **state)
{
    struct pair w;
    char id[64], jid[256], token[TOKEN_MAX], more[256];
    (void)state;
    pair_begin(&w, 9, 4);
    struct sim_client *b = rig_online(&w.at[EU].rig, "bob", "desk");
    struct sim_client *plain = rig_online(&w.at[EU].rig, "alice", "plain");
    struct sim_client *a = stranger(&w.at[US].rig, 0);
    authenticate(a, "alice", "wonder",
                 UA "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
                    "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:carbons:2'/>"
                    "<enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>");
    assert_true(sim_client_expect_next(
        a, "<success xmlns='%s'><bound xmlns='%s'><enabled xmlns='%s' id='*'/></bound></success>",
        NS_SASL2, NS_BIND2, NS_SM));
    token_of(a, token);
    for (int i = 0; i < REGIONS; i++)
        assert_string_equal(
            outcome_of(&w.at[i].rig, "alice", token, SASL_HT_SHA_256_NONE, UA FAST, NULL),
            "success");
    assert_string_equal(
        outcome_of(&w.at[US].rig, "alice", "wrong", SASL_HT_SHA_256_NONE, UA FAST, NULL),
        "not-authorized");
    assert_string_equal(
        outcome_of(&w.at[US].rig, "nobody", token, SASL_HT_SHA_256_NONE, UA FAST, NULL),
        "not-authorized");
    attr_of(a, "bound", "enabled", "id", id, sizeof id);
    identifier_of(a, jid);
    chat(b, sim_client_jid(plain), plain, "copied");
    assert_true(sim_client_expect(a, "<message><received xmlns='%s'/></message>", NS_CARBONS));
    sim_client_free(&a);
    (void)sim_run(SEC, NULL, NULL);
    sim_client_send(b, "<message to='%s'><body>missed</body></message>", jid);
    settle(b);
    a = stranger(&w.at[US].rig, 0);
    snprintf(more, sizeof more, "<resume xmlns='%s' h='1' previd='%s'/>" BIND, NS_SM, id);
    authenticate(a, "alice", "wonder", more);
    assert_true(sim_client_expect_next(a, "<success xmlns='%s'><resumed xmlns='%s'/></success>",
                                       NS_SASL2, NS_SM));
    assert_true(sim_client_expect(a, "<message><body>missed</body></message>"));
    earn(&w.at[EU].rig, AGENT, SASL_HT_SHA_256_NONE, token);
    assert_string_equal(
        outcome_of(&w.at[EU].rig, "alice", token, SASL_HT_SHA_256_NONE, UA FAST, NULL), "success");
    assert_string_equal(
        outcome_of(&w.at[US].rig, "alice", token, SASL_HT_SHA_256_NONE, UA FAST, NULL), "success");
    sim_client_free(&a);
    sim_client_free(&b);
    sim_client_free(&plain);
    pair_end(&w);
}

static void test_regions_conflict(void **state)
{
    (void)state;
    for (int first = 0; first < REGIONS; first++) {
        struct pair w;
        pair_begin(&w, 2, 4);
        struct sim_client *old = rig_online(&w.at[first].rig, "alice", "phone");
        struct sim_client *young = rig_online(&w.at[!first].rig, "alice", "phone");
        struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
        assert_true(sim_client_wait(old, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_end(old)->received, STREAM_CONFLICT);
        chat(b, "alice@" RIG_DOMAIN "/phone", young, "one");
        assert_int_equal(user_at(&w, EU, "alice@" RIG_DOMAIN)->n_sessions, 1);
        sim_client_free(&old);
        sim_client_free(&young);
        sim_client_free(&b);
        pair_end(&w);
    }
}

static void few_sessions(struct rig *r)
{
    for (unsigned i = 0; i < r->node->n_shards; i++)
        r->node->shard[i].tune.sessions_max = 1;
}

static void test_regions_bind_limit(void **state)
{
    struct pair w;
    (void)state;
    pair_begin(&w, 3, 1);
    few_sessions(&w.at[EU].rig);
    struct sim_client *a = rig_online(&w.at[US].rig, "alice", "a");
    struct sim_client_conf c = rig_conf(&w.at[US].rig, "alice", "b");
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_expect(
        s,
        "<iq type='error' id='sim-bind'><error type='wait'><resource-constraint xmlns='%s'/>"
        "</error></iq>",
        NS_STANZA_ERRORS));
    assert_int_equal(user_at(&w, EU, "alice@" RIG_DOMAIN)->n_sessions, 1);
    sim_client_free(&a);
    sim_client_free(&s);
    pair_end(&w);
}

/* The anchor dies and returns with an empty memory: the connection attaches again and is where its
 * contacts and messages find it. */
static void test_regions_anchor_restarts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct pair w;
        pair_begin(&w, seed, 1 + 3 * (seed & 1));
        struct sim_client *a = rig_online(&w.at[US].rig, "alice", "phone");
        struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
        place_kill(&w, EU);
        (void)sim_run(sim_rand(40) * SEC, NULL, NULL);
        sim_client_send(a, "<message to='bob@%s' id='meanwhile'><body>x</body></message>",
                        RIG_DOMAIN);
        (void)sim_run(sim_rand(3) * SEC, NULL, NULL);
        place_revive(&w, EU);
        assert_true(sim_client_expect(b, "<message id='meanwhile'/>"));
        (void)sim_run(30 * SEC, NULL, NULL);
        assert_int_equal(sim_client_state(a), SIM_CLIENT_BOUND);
        struct user *u = user_at(&w, EU, "alice@" RIG_DOMAIN);
        assert_non_null(u);
        assert_int_equal(u->n_sessions, 1);
        assert_non_null(list_entry(list_first(&u->sessions), struct session, link)->presence);
        chat(b, "alice@" RIG_DOMAIN, a, "again");
        chat(a, "bob@" RIG_DOMAIN, b, "and-back");
        sim_client_free(&a);
        sim_client_free(&b);
        pair_end(&w);
    }
}

/* Out of reach is told apart from wrong. */
static void test_regions_home_is_gone(void **state)
{
    struct pair w;
    (void)state;
    pair_begin(&w, 5, 1);
    place_kill(&w, EU);
    (void)sim_run(60 * SEC, NULL, NULL);
    struct sim_client_conf c = rig_conf(&w.at[US].rig, "alice", "phone");
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_refused(s), SASL_FAIL_TEMPORARY_AUTH_FAILURE);
    sim_client_free(&s);
    c.mech = SASL_PLAIN;
    s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_refused(s), SASL_FAIL_TEMPORARY_AUTH_FAILURE);
    sim_client_free(&s);
    assert_int_equal(rig_create(&w.at[US].rig, "carol@" RIG_DOMAIN, "x"), ERR_UNAVAILABLE);
    s = rig_online(&w.at[US].rig, "bob", "desk"); /* its own accounts it serves */
    sim_client_free(&s);
    place_revive(&w, EU);
    (void)sim_run(20 * SEC, NULL, NULL);
    s = rig_online(&w.at[US].rig, "alice", "phone");
    sim_client_free(&s);
    pair_end(&w);
}

/* The node that holds the connection dies: the anchor forgets the session, messages are stored and
 * wait for the next one. */
static void test_regions_front_dies(void **state)
{
    struct pair w;
    (void)state;
    pair_begin(&w, 6, 4);
    struct sim_client *a = rig_online(&w.at[US].rig, "alice", "phone");
    struct sim_client *a2 = rig_online(&w.at[EU].rig, "alice", "home");
    chat(a2, sim_client_jid(a), a, "hello");
    sim_client_close(a2);
    assert_true(sim_client_wait(a2, SIM_CLIENT_ENDED));
    (void)sim_run(SEC, NULL, NULL); /* what was delivered is acknowledged */
    place_kill(&w, US);
    struct sim_client_conf c = rig_conf(&w.at[EU].rig, "alice", "sender");
    struct sim_client *s = sim_client_login(&c);
    assert_non_null(s);
    for (int i = 0; i < 20; i++) {
        sim_client_send(s, "<message to='alice@%s' id='%d'><body>x</body></message>", RIG_DOMAIN,
                        i);
        (void)sim_run(2 * SEC, NULL, NULL);
    }
    (void)sim_run(30 * SEC, NULL, NULL);
    assert_int_equal(user_at(&w, EU, "alice@" RIG_DOMAIN)->n_sessions, 1);
    sim_client_send(s, "<presence/>");
    for (int i = 0; i < 20; i++)
        assert_true(sim_client_expect(s, "<message id='%d'/>", i));
    assert_true(sim_client_absent(s, SEC, "<message/>")); /* nothing twice, no error */
    sim_client_free(&a);
    sim_client_free(&a2);
    sim_client_free(&s);
    place_revive(&w, US);
    pair_end(&w);
}

static size_t sessions_at(struct pair *w, int i, const char *bare)
{
    struct user *u = w->at[i].rig.node ? user_at(w, i, bare) : NULL;
    return u ? u->n_sessions : 0;
}

/* Two nodes in the home region: the anchor is one of them. It dies: the other takes over. It
 * returns: the user goes back. The connection stays through all of it, wherever it is. */
static void test_regions_anchor_moves(void **state)
{
    (void)state;
    for (int front = 0; front < PLACES; front++) {
        struct pair w;
        pair_begin(&w, 10 + (uint64_t)front, 4);
        place_init(&w, EU2, 3);
        (void)sim_run(10 * SEC, NULL, NULL);
        struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
        struct sim_client *a = rig_online(&w.at[front].rig, "alice", "phone");
        (void)sim_run(2 * SEC, NULL, NULL);
        const char *bare = "alice@" RIG_DOMAIN;
        assert_int_equal(sessions_at(&w, EU, bare) + sessions_at(&w, EU2, bare), 1);
        int anchor = sessions_at(&w, EU, bare) ? EU : EU2;
        chat(b, bare, a, "before");
        (void)sim_run(2 * SEC, NULL, NULL); /* what was delivered is acknowledged */
        if (front == US) {
            place_kill(&w, anchor);
            (void)sim_run(40 * SEC, NULL, NULL);
            assert_int_equal(sessions_at(&w, EU + EU2 - anchor, bare), 1);
            chat(b, bare, a, "other");
            place_revive(&w, anchor);
        } else { /* the node that is not its front comes and goes */
            int other = EU + EU2 - front;
            place_kill(&w, other);
            (void)sim_run(40 * SEC, NULL, NULL);
            assert_int_equal(sessions_at(&w, front, bare), 1);
            chat(b, bare, a, "other");
            place_revive(&w, other);
        }
        (void)sim_run(30 * SEC, NULL, NULL);
        assert_int_equal(sim_client_state(a), SIM_CLIENT_BOUND);
        assert_int_equal(sessions_at(&w, anchor, bare), 1);
        assert_int_equal(sessions_at(&w, EU + EU2 - anchor, bare), 0);
        chat(b, bare, a, "back");
        chat(a, "bob@" RIG_DOMAIN, b, "answer");
        assert_true(sim_client_absent(a, SEC, "<message/>"));
        sim_client_free(&a);
        sim_client_free(&b);
        pair_end(&w);
    }
}

/* ---- what sessions asked for */
struct wishes {
    struct sim_client *phone; /* wants copies and pushes */
    struct sim_client *desk;  /* the same account; changes things */
    struct sim_client *b;
    unsigned n;
};

static void ask_result(struct sim_client *c, const char *type, const char *payload)
{
    sim_client_send(c, "<iq type='%s' id='ask'>%s</iq>", type, payload);
    assert_true(sim_client_expect(c, "<iq type='result' id='ask'/>"));
}

/* The phone gets a copy of what the desk gets (or not), and the pushes of what the desk changes. */
static void wishes_hold(struct wishes *x, bool has_copies)
{
    char id[16], payload[256];
    snprintf(id, sizeof id, "w%u", ++x->n);
    chat(x->b, sim_client_jid(x->desk), x->desk, id);
    snprintf(payload, sizeof payload, "<query xmlns='%s'><item jid='%s@far.test'/></query>",
             NS_ROSTER, id);
    ask_result(x->desk, "set", payload);
    assert_true(sim_client_expect(
        x->phone, "<iq type='set'><query xmlns='%s'><item jid='%s@far.test'/></query></iq>",
        NS_ROSTER, id));
    snprintf(payload, sizeof payload, "<block xmlns='%s'><item jid='%s@far.test'/></block>",
             NS_BLOCKING, id);
    ask_result(x->desk, "set", payload);
    assert_true(
        sim_client_expect(x->phone, "<iq type='set'><block xmlns='%s'/></iq>", NS_BLOCKING));
    assert_int_equal(
        sim_client_count(x->phone, "<message><received xmlns='%s'/></message>", NS_CARBONS),
        has_copies);
    if (has_copies)
        assert_true(
            sim_client_expect(x->phone, "<message><received xmlns='%s'/></message>", NS_CARBONS));
}

/* The anchor goes to the other node of the home region and comes back. */
static void wishes_over_moves(struct pair *w, struct wishes *x, int goes, bool has_copies)
{
    const char *bare = "alice@" RIG_DOMAIN;
    place_kill(w, goes);
    (void)sim_run(40 * SEC, NULL, NULL);
    assert_int_equal(sessions_at(w, EU + EU2 - goes, bare), 2);
    wishes_hold(x, has_copies);
    place_revive(w, goes);
    (void)sim_run(30 * SEC, NULL, NULL);
    assert_int_equal(sessions_at(w, goes, bare), 2);
    wishes_hold(x, has_copies);
}

static struct sim_client *wishful(struct pair *w, int front)
{
    struct sim_client *c = rig_online(&w->at[front].rig, "alice", "phone");
    ask_result(c, "set", "<enable xmlns='urn:xmpp:carbons:2'/>");
    ask_result(c, "get", "<query xmlns='jabber:iq:roster'/>");
    ask_result(c, "get", "<blocklist xmlns='urn:xmpp:blocking'/>");
    return c;
}

/* Copies and pushes go on at the next anchor, be the front that anchor or not; what a client no
 * longer wants does not come back. */
static void test_regions_wishes_stay(void **state)
{
    (void)state;
    for (int is_far = 0; is_far <= 1; is_far++) {
        struct pair w;
        struct wishes x = {0};
        pair_begin(&w, 20 + (uint64_t)is_far, 4);
        place_init(&w, EU2, 3);
        (void)sim_run(10 * SEC, NULL, NULL);
        x.desk = rig_online(&w.at[US].rig, "alice", "finder");
        (void)sim_run(2 * SEC, NULL, NULL);
        const int anchor = sessions_at(&w, EU, "alice@" RIG_DOMAIN) ? EU : EU2;
        const int front = is_far ? US : EU + EU2 - anchor;
        sim_client_free(&x.desk);
        x.b = rig_online(&w.at[US].rig, "bob", "desk");
        x.phone = wishful(&w, front);
        x.desk = rig_online(&w.at[front].rig, "alice", "desk");
        (void)sim_run(2 * SEC, NULL, NULL);
        assert_int_equal(sessions_at(&w, anchor, "alice@" RIG_DOMAIN), 2);
        wishes_over_moves(&w, &x, anchor, true);
        ask_result(x.phone, "set", "<disable xmlns='urn:xmpp:carbons:2'/>");
        (void)sim_run(2 * SEC, NULL, NULL);
        wishes_over_moves(&w, &x, anchor, false);
        sim_client_free(&x.phone);
        sim_client_free(&x.desk);
        sim_client_free(&x.b);
        pair_end(&w);
    }
}

/* Both nodes go down at any moment of logins across regions; the sanitizers tell. */
static void test_regions_crash_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct pair w;
        pair_begin(&w, seed, 1 + 3 * (seed & 1));
        struct sim_client_conf ca = rig_conf(&w.at[US].rig, "alice", "x");
        struct sim_client_conf cb = rig_conf(&w.at[EU].rig, "bob", "y");
        struct sim_client *a = sim_client_new(&ca), *b = sim_client_new(&cb);
        (void)sim_run(sim_rand(200000), NULL, NULL);
        sim_client_send(a, "<presence/><message to='bob@%s'><body>x</body></message>", RIG_DOMAIN);
        sim_client_send(b, "<presence/><message to='alice@%s'><body>x</body></message>",
                        RIG_DOMAIN);
        (void)sim_run(sim_rand(30000), NULL, NULL);
        sim_client_free(&a);
        sim_client_free(&b);
        pair_end(&w);
    }
}

/* A message another node of the region stored while it believed to be the anchor: it comes when a
 * member came or went, not at the next login only; once. */
static void test_regions_flush_again(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct pair w;
        pair_begin(&w, 9, shards);
        struct rig *eu = &w.at[EU].rig;
        const struct str alice = STR("alice@" RIG_DOMAIN);
        struct sim_client *a = rig_online(eu, "alice", "phone");
        (void)sim_run(SEC, NULL, NULL);
        struct store_txn *t = store_txn_new(node_shard_of(eu->node, alice)->store, alice);
        store_txn_log_append(t, "offline", STR("stray"), 1, STR("bob@" RIG_DOMAIN),
                             STR("<message xmlns='jabber:client' from='bob@" RIG_DOMAIN
                                 "' to='alice@" RIG_DOMAIN
                                 "' id='stray'><body>x</body></message>"));
        eu->is_done = false;
        store_commit(&t, &eu->ops, rig_done, eu);
        assert_true(sim_run(SEC, rig_is_done, eu));
        assert_int_equal(eu->last, ERR_OK);
        assert_true(sim_client_absent(a, 20 * SEC, "<message/>"));
        place_init(&w, EU2, 2);
        (void)sim_run(30 * SEC, NULL, NULL);
        assert_int_equal(sim_client_count(a, "<message id='stray'/>"), 1);
        place_kill(&w, EU2);
        (void)sim_run(60 * SEC, NULL, NULL);
        assert_int_equal(sim_client_count(a, "<message id='stray'/>"), 1);
        place_revive(&w, EU2);
        sim_client_free(&a);
        pair_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions_login_and_messages),
        cmocka_unit_test(test_regions_inline),
        cmocka_unit_test(test_regions_conflict),
        cmocka_unit_test(test_regions_bind_limit),
        cmocka_unit_test(test_regions_anchor_restarts),
        cmocka_unit_test(test_regions_home_is_gone),
        cmocka_unit_test(test_regions_front_dies),
        cmocka_unit_test(test_regions_anchor_moves),
        cmocka_unit_test(test_regions_wishes_stay),
        cmocka_unit_test(test_regions_crash_anywhere),
        cmocka_unit_test(test_regions_flush_again),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
