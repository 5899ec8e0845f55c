/* Accounts change and go: passwords, removal with all that was kept, here and in another region,
 * over stores that fail. */
#include "integration-tests/sim/tests-world-int.h"

static enum err set_password(struct rig *r, const char *bare, const char *password)
{
    r->is_done = false;
    account_set_password(&r->node->shard[0], &r->ops, str_of(bare), str_of(password), rig_done, r);
    assert_true(sim_run(20000000, rig_is_done, r));
    return r->last;
}

static enum err erase(struct rig *r, const char *bare)
{
    r->is_done = false;
    account_delete(node_shard_of(r->node, str_of(bare)), &r->ops, str_of(bare), rig_done, r);
    assert_true(sim_run(20000000, rig_is_done, r));
    return r->last;
}

static void test_accounts_set_password(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 1, shards, NULL);
        assert_int_equal(set_password(&r, "alice@" RIG_DOMAIN, "other"), ERR_OK);
        assert_int_equal(rig_verify(&r, "alice@" RIG_DOMAIN, "wonder"), ERR_AUTH);
        assert_int_equal(rig_verify(&r, "alice@" RIG_DOMAIN, "other"), ERR_OK);
        for (int m = 0; m < 3; m++) { /* each mechanism has its keys */
            struct sim_client_conf c = rig_conf(&r, "alice", "a");
            c.password = "other";
            c.mech = (enum sasl_mech)m;
            struct sim_client *s = sim_client_login(&c);
            assert_non_null(s);
            sim_client_free(&s);
        }
        assert_int_equal(set_password(&r, "nobody@" RIG_DOMAIN, "other"), ERR_NOTFOUND);
        assert_int_equal(rig_verify(&r, "nobody@" RIG_DOMAIN, "other"), ERR_AUTH);
        assert_int_equal(set_password(&r, "alice@" RIG_DOMAIN, ""), ERR_INVALID);
        assert_int_equal(set_password(&r, "alice@elsewhere.test", "x"), ERR_INVALID);
        assert_int_equal(rig_verify(&r, "alice@" RIG_DOMAIN, "other"), ERR_OK);
        rig_end(&r);
    }
}

/* Both see each other. */
static void befriend(struct sim_client *a, struct sim_client *b)
{
    struct sim_client *pair[] = {a, b};
    const char *names[] = {"alice", "bob"};
    for (int i = 0; i < 2; i++) {
        sim_client_send(pair[i], "<presence to='%s@%s' type='subscribe'/>", names[!i], RIG_DOMAIN);
        assert_true(sim_client_expect(pair[!i], "<presence from='%s@%s' type='subscribe'/>",
                                      names[i], RIG_DOMAIN));
        sim_client_send(pair[!i], "<presence to='%s@%s' type='subscribed'/>", names[i], RIG_DOMAIN);
        assert_true(sim_client_expect(pair[i], "<presence from='%s@%s' type='subscribed'/>",
                                      names[!i], RIG_DOMAIN));
    }
}

static void expect_roster(struct sim_client *c, bool has_items)
{
    sim_client_send(c, "<iq type='get' id='roster'><query xmlns='%s'/></iq>", NS_ROSTER);
    assert_true(
        sim_client_expect(c, "<iq type='result' id='roster'><query xmlns='%s'/></iq>", NS_ROSTER));
    assert_true((xml_first(xml_first(sim_client_last(c))) != NULL) == has_items);
}

static void expect_removed(struct sim_client *c)
{
    assert_true(sim_client_wait(c, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(c)->received, STREAM_NOT_AUTHORIZED);
}

static void test_accounts_delete(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 2, shards, NULL);
        struct sim_client *a = rig_online(&r, "alice", "a"), *b = rig_online(&r, "bob", "b");
        struct sim_client *quiet = rig_login(&r, "alice", "quiet");
        befriend(a, b);
        expect_roster(a, true);
        assert_int_equal(erase(&r, "alice@" RIG_DOMAIN), ERR_OK);
        expect_removed(a);
        expect_removed(quiet);
        assert_true(sim_client_expect(b, "<presence type='unavailable' from='%s'/>",
                                      "alice@" RIG_DOMAIN "/a"));
        assert_true(
            sim_client_expect(b, "<presence type='unsubscribe' from='alice@%s'/>", RIG_DOMAIN));
        assert_true(
            sim_client_expect(b, "<presence type='unsubscribed' from='alice@%s'/>", RIG_DOMAIN));
        sim_client_send(b, "<message to='alice@%s' id='1'><body>x</body></message>", RIG_DOMAIN);
        assert_true(sim_client_expect(b,
                                      "<message type='error' id='1'><error><service-unavailable "
                                      "xmlns='%s'/></error></message>",
                                      NS_STANZA_ERRORS));
        assert_int_equal(erase(&r, "alice@" RIG_DOMAIN), ERR_NOTFOUND);
        assert_int_equal(erase(&r, "alice@elsewhere.test"), ERR_INVALID);
        assert_int_equal(rig_verify(&r, "alice@" RIG_DOMAIN, "wonder"), ERR_AUTH);
        assert_int_equal(rig_create(&r, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
        struct sim_client *again = rig_online(&r, "alice", "a");
        expect_roster(again, false);
        struct sim_client *all[] = {a, b, quiet, again};
        for (size_t i = 0; i < ARRAY_LEN(all); i++)
            sim_client_free(&all[i]);
        rig_end(&r);
    }
}

/* What waits for somebody who never comes is removed too. */
static void test_accounts_delete_offline(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 3, 4, NULL);
    struct sim_client *b = rig_online(&r, "bob", "b");
    for (int i = 0; i < 3; i++)
        sim_client_send(b, "<message to='alice@%s' id='%d'><body>x</body></message>", RIG_DOMAIN,
                        i);
    sim_client_send(b, "<presence to='alice@%s' type='subscribe'/>", RIG_DOMAIN);
    (void)sim_run(SEC, NULL, NULL);
    assert_int_equal(erase(&r, "alice@" RIG_DOMAIN), ERR_OK);
    assert_int_equal(rig_create(&r, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
    struct sim_client *a = rig_online(&r, "alice", "a");
    assert_true(sim_client_absent(a, SEC, "<message/>"));
    assert_true(sim_client_absent(a, 0, "<presence type='subscribe'/>"));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* The n-th operation of the store fails, for every n: the account is whole or gone. */
static void test_accounts_delete_store_fails(void **state)
{
    bool has_failed = false;
    (void)state;
    for (unsigned n = 1; n < 10; n++) {
        struct rig r;
        rig_begin(&r, 4, 1, NULL);
        struct sim_client *a = rig_online(&r, "alice", "a"), *b = rig_online(&r, "bob", "b");
        befriend(a, b);
        store_fail_nth(r.node->store, n);
        enum err e = erase(&r, "alice@" RIG_DOMAIN);
        store_fail_nth(r.node->store, 0);
        has_failed |= e != ERR_OK;
        assert_true(e == ERR_OK || e == ERR_IO || e == ERR_UNAVAILABLE);
        if (e == ERR_OK) {
            expect_removed(a);
            assert_int_equal(rig_verify(&r, "alice@" RIG_DOMAIN, "wonder"), ERR_AUTH);
        } else {
            assert_int_equal(rig_verify(&r, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
            expect_roster(a, true);
            assert_int_equal(sim_client_count(b, "<presence type='unsubscribed'/>"), 0);
        }
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
    assert_true(has_failed);
}

static void test_accounts_other_region(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct pair w;
        pair_begin(&w, 5, shards);
        struct rig *us = &w.at[US].rig, *eu = &w.at[EU].rig;
        assert_int_equal(set_password(us, "alice@" RIG_DOMAIN, "other"), ERR_OK);
        assert_int_equal(rig_verify(eu, "alice@" RIG_DOMAIN, "other"), ERR_OK);
        assert_int_equal(rig_verify(us, "alice@" RIG_DOMAIN, "wonder"), ERR_AUTH);
        assert_int_equal(set_password(us, "nobody@" RIG_DOMAIN, "other"), ERR_NOTFOUND);
        assert_int_equal(set_password(us, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
        struct sim_client *here = rig_online(eu, "alice", "here"),
                          *away = rig_online(us, "alice", "away");
        assert_int_equal(erase(us, "alice@" RIG_DOMAIN), ERR_OK);
        expect_removed(here);
        expect_removed(away);
        assert_int_equal(erase(us, "alice@" RIG_DOMAIN), ERR_NOTFOUND);
        assert_int_equal(erase(eu, "alice@" RIG_DOMAIN), ERR_NOTFOUND);
        assert_int_equal(rig_create(us, "alice@" RIG_DOMAIN, "moved"), ERR_OK);
        sim_client_free(&here);
        sim_client_free(&away);
        place_kill(&w, EU); /* bob is of us; who may be of eu cannot be known */
        (void)sim_run(30 * SEC, NULL, NULL);
        assert_int_equal(set_password(us, "bob@" RIG_DOMAIN, "other"), ERR_OK);
        assert_int_equal(set_password(us, "nobody@" RIG_DOMAIN, "other"), ERR_UNAVAILABLE);
        assert_int_equal(erase(us, "nobody@" RIG_DOMAIN), ERR_UNAVAILABLE);
        place_revive(&w, EU);
        pair_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accounts_set_password),
        cmocka_unit_test(test_accounts_delete),
        cmocka_unit_test(test_accounts_delete_offline),
        cmocka_unit_test(test_accounts_delete_store_fails),
        cmocka_unit_test(test_accounts_other_region),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
