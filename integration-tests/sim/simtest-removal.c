/* An account is removed while its tables are in several stores, the stores fail, or the node dies:
 * at any moment it is whole, or it is gone for everybody; in the end nothing is left of it, or all
 * is there. */
#include "integration-tests/sim/tests-removal-int.h"

#define ALICE REMOVED
#define LONG (130 * SEC) /* the next look for interrupted removals, and what it takes */

/* ---- several stores */
static const char *const talk[] = {"offline", "private", NULL};
static const char *const people[] = {"roster", "last", NULL};
static const char *const names[] = {"accounts", NULL};

static struct store *stores_open(bool are_accounts_apart)
{
    const struct store_place mem = {.uri = "mem:"};
    const struct store_route routes[] = {{talk, mem}, {people, mem}, {names, mem}};
    struct store *s = NULL;
    char why[256] = "";
    assert_int_equal(store_open_at(&mem, routes, are_accounts_apart ? 3 : 2, &s, why, sizeof why),
                     ERR_OK);
    return s;
}

static void open_over(struct rig *r, struct store *s)
{
    char why[256] = "";
    r->shards = shards_new("server", r->conf.shards);
    assert_int_equal(node_new(&r->conf, r->shards, NULL, s, &r->node, why, sizeof why), ERR_OK);
}

static void restart(struct rig *r, struct store *s)
{
    sim_net_kill("server");
    op_owner_cancel_all(&r->ops);
    node_free(&r->node);
    shards_free(&r->shards);
    (void)sim_run(SEC / 10, NULL, NULL);
    sim_net_revive("server");
    open_over(r, s);
}

static struct store *start(struct rig *r, bool are_accounts_apart, uint64_t seed, unsigned shards)
{
    *r = (struct rig){0};
    sim_begin(seed);
    sim_net_begin();
    sim_dns_begin();
    op_owner_init(&r->ops);
    rig_conf_init(r, shards);
    struct store *s = stores_open(are_accounts_apart);
    open_over(r, s);
    assert_int_equal(rig_create(r, ALICE, "wonder"), ERR_OK);
    assert_int_equal(rig_create(r, "bob@" RIG_DOMAIN, "builder"), ERR_OK);
    return s;
}

static void finish(struct rig *r, struct store **s)
{
    op_owner_cancel_all(&r->ops);
    node_free(&r->node);
    (void)sim_run(10 * SEC, NULL, NULL);
    shards_free(&r->shards);
    store_close(s);
    sim_dns_end();
    sim_net_end();
    sim_end();
}

/* alice has one of all; she is online without presence, so that the message waits. */
static struct sim_client *settle_in(struct rig *r, struct sim_client **bob)
{
    struct sim_client *a = rig_online(r, "alice", "first");
    *bob = rig_online(r, "bob", "b");
    befriend(a, *bob);
    sim_client_send(a, "<iq type='set' id='1'><vCard xmlns='vcard-temp'><FN>A</FN></vCard></iq>"
                       "<iq type='set' id='2'><query xmlns='jabber:iq:private'><k xmlns='x'>y</k>"
                       "</query></iq><iq type='set' id='3'><block xmlns='urn:xmpp:blocking'>"
                       "<item jid='x@far.test'/></block></iq>");
    for (int i = 1; i <= 3; i++)
        assert_true(sim_client_expect(a, "<iq type='result' id='%d'/>", i));
    sim_client_close(a);
    assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
    sim_client_free(&a);
    (void)sim_run(5 * SEC, NULL, NULL); /* her last activity is written */
    sim_client_send(*bob, "<message to='" ALICE "' id='m'><body>x</body></message>");
    settle(*bob);
    a = rig_login(r, "alice", "second");
    assert_int_equal(data_left(r), ALL_DATA);
    return a;
}

/* ---- judging */
static enum err erase(struct rig *r)
{
    r->is_done = false;
    account_delete(node_shard_of(r->node, STR(ALICE)), &r->ops, STR(ALICE), rig_done, r);
    assert_true(sim_run(20 * SEC, rig_is_done, r));
    return r->last;
}

static enum err set_password(struct rig *r)
{
    r->is_done = false;
    account_set_password(&r->node->shard[0], &r->ops, STR(ALICE), STR("other"), rig_done, r);
    assert_true(sim_run(20 * SEC, rig_is_done, r));
    return r->last;
}

static void expect_no_login(struct rig *r)
{
    struct sim_client_conf c = rig_conf(r, "alice", "late");
    for (int m = 0; m < 3; m++) {
        c.mech = (enum sasl_mech)m;
        struct sim_client *s = sim_client_new(&c);
        assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_refused(s), SASL_FAIL_NOT_AUTHORIZED);
        sim_client_free(&s);
    }
}

static void expect_roster(struct rig *r, const char *subscription)
{
    struct sim_client *b = rig_online(r, "bob", "judge");
    sim_client_send(b, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    assert_true(sim_client_expect(b,
                                  "<iq type='result' id='r'><query xmlns='jabber:iq:roster'><item "
                                  "jid='" ALICE "' subscription='%s'/></query></iq>",
                                  subscription));
    sim_client_free(&b);
}

static void expect_whole(struct rig *r)
{
    assert_int_equal(rig_verify(r, ALICE, "wonder"), ERR_OK);
    assert_int_equal(data_left(r), ALL_DATA);
    assert_int_equal(kv_at(r, "removals", "removal"), 0);
    expect_roster(r, "both");
}

/* Nothing is left; a new account of the name begins with nothing. */
static void expect_gone(struct rig *r)
{
    assert_int_equal(data_left(r), 0);
    assert_int_equal(rows_left(r), 0);
    expect_no_login(r);
    assert_int_equal(rig_create(r, ALICE, "wonder"), ERR_OK);
    struct sim_client *a = rig_online(r, "alice", "new");
    assert_true(sim_client_absent(a, SEC, "<message/>"));
    sim_client_send(a, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
                       "<iq type='get' id='v'><vCard xmlns='vcard-temp'/></iq>");
    assert_true(sim_client_expect(a, "<iq type='result' id='r'/>"));
    assert_null(xml_first(xml_first(sim_client_last(a))));
    assert_true(expect_error(a, "v", "item-not-found"));
    sim_client_free(&a);
}

/* Half removed: the name is taken, and good for nothing. */
static void expect_locked(struct rig *r)
{
    assert_int_equal(rig_verify(r, ALICE, "wonder"), ERR_AUTH);
    expect_no_login(r);
    assert_int_equal(set_password(r), ERR_NOTFOUND);
    assert_int_equal(rig_create(r, ALICE, "mine"), ERR_EXISTS);
    assert_int_equal(rig_verify(r, ALICE, "mine"), ERR_AUTH);
}

/* ---- cases */
static void test_removal_several_stores(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        for (int apart = 0; apart <= 1; apart++) {
            struct rig r;
            struct store *s = start(&r, apart, 1, shards);
            struct sim_client *b, *a;
            a = settle_in(&r, &b);
            assert_int_equal(erase(&r), ERR_OK);
            assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
            assert_int_equal(sim_client_end(a)->received, STREAM_NOT_AUTHORIZED);
            assert_true(sim_client_expect(b, "<presence type='unsubscribed' from='" ALICE "'/>"));
            assert_int_equal(erase(&r), ERR_NOTFOUND);
            sim_client_free(&a);
            sim_client_free(&b);
            expect_roster(&r, "none");
            expect_gone(&r);
            finish(&r, &s);
        }
    }
}

struct outage {
    struct store *store;
    const struct rig *rig;
    uint64_t failed; /* by then */
};

/* From the first failure on everything fails. */
static bool goes_on_failing(void *ctx)
{
    const struct outage *o = ctx;
    struct store_stats st;
    store_port_stats(port_of(o->rig), &st);
    if (st.failed > o->failed)
        store_fail_nth(o->store, 1);
    return false;
}

/* One run: the n-th operation fails, and if it lasts, all behind it for a while. True: n was behind
 * the end. Where the one failure did not stop the removal it may have met what bob, who was told,
 * wanted to write. */
static bool fails_at(unsigned n, bool lasts, size_t *locked)
{
    struct rig r;
    struct store *s = start(&r, n % 2, n, 1);
    struct sim_client *b, *a;
    struct store_stats st;
    a = settle_in(&r, &b);
    store_port_stats(port_of(&r), &st);
    struct outage o = {s, &r, st.failed};
    r.is_done = false;
    store_fail_nth(s, n);
    account_delete(&r.node->shard[0], &r.ops, STR(ALICE), rig_done, &r);
    (void)sim_run(5 * SEC, lasts ? goes_on_failing : NULL, &o);
    store_fail_nth(s, 0);
    assert_true(r.is_done);
    const enum err e = r.last;
    store_port_stats(port_of(&r), &st);
    const bool is_past = st.failed == o.failed;
    bool is_locked = false;
    if (e == ERR_OK) {
        assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_end(a)->received, STREAM_NOT_AUTHORIZED);
        is_locked = kv_at(&r, "accounts", "created");
        if (is_locked)
            expect_locked(&r);
        *locked += is_locked;
    }
    (void)sim_run(LONG, NULL, NULL);
    sim_client_free(&a);
    sim_client_free(&b);
    if (e == ERR_OK) {
        if (is_past || (is_locked && !lasts))
            expect_roster(&r, "none");
        expect_gone(&r);
    } else {
        assert_true(e == ERR_IO || e == ERR_UNAVAILABLE);
        expect_whole(&r);
    }
    finish(&r, &s);
    return is_past;
}

static void test_removal_store_fails(void **state)
{
    (void)state;
    for (int lasts = 0; lasts <= 1; lasts++) {
        size_t locked = 0;
        unsigned n = 1;
        while (!fails_at(n, lasts, &locked))
            assert_true(++n < 60);
        assert_true(n > 10 && locked > 5); /* the faults met the removal */
    }
}

struct step {
    const struct rig *rig;
    uint64_t answered;
};

static uint64_t answers(const struct rig *r)
{
    struct store_stats st;
    store_port_stats(port_of(r), &st);
    return st.reads + st.writes;
}

static bool is_at_step(void *ctx)
{
    const struct step *x = ctx;
    return x->rig->is_done || answers(x->rig) >= x->answered;
}

/* The node dies when the store has answered so often. True: the removal was over. */
static bool dies_at(unsigned n, unsigned shards, size_t *locked)
{
    struct rig r;
    struct store *s = start(&r, n % 2, 100 + n, shards);
    struct sim_client *b, *a;
    a = settle_in(&r, &b);
    struct step x = {&r, answers(&r) + n};
    r.is_done = false;
    account_delete(node_shard_of(r.node, STR(ALICE)), &r.ops, STR(ALICE), rig_done, &r);
    assert_true(sim_run(20 * SEC, is_at_step, &x));
    const bool was_over = r.is_done;
    restart(&r, s);
    sim_client_free(&a);
    sim_client_free(&b);
    const bool has_keys = kv_at(&r, "accounts", "scram-sha-256");
    if (!has_keys && kv_at(&r, "accounts", "created")) {
        expect_locked(&r);
        ++*locked;
    }
    (void)sim_run(LONG, NULL, NULL);
    if (has_keys)
        expect_whole(&r);
    else
        expect_gone(&r);
    if (!has_keys) /* the roster went only when bob had it */
        expect_roster(&r, "none");
    finish(&r, &s);
    return was_over;
}

static void test_removal_node_dies(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        size_t locked = 0;
        unsigned n = 1;
        while (!dies_at(n, shards, &locked))
            assert_true(++n < 60);
        assert_true(n > 10 && locked > 0);
    }
}

/* The anchor dies and stays away: the other node of the region goes on. */
static void test_removal_anchor_dies(void **state)
{
    (void)state;
    for (unsigned n = 4; n <= 8; n++) {
        struct pair w;
        pair_begin(&w, n, 1);
        place_init(&w, EU2, 3);
        (void)sim_run(10 * SEC, NULL, NULL);
        struct sim_client *a = rig_online(&w.at[US].rig, "alice", "phone");
        const int anchor = user_at(&w, EU, ALICE) ? EU : EU2;
        struct rig *at = &w.at[anchor].rig, *other = &w.at[EU + EU2 - anchor].rig;
        struct step x = {at, answers(at) + n};
        at->is_done = false;
        account_delete(node_shard_of(at->node, STR(ALICE)), &at->ops, STR(ALICE), rig_done, at);
        assert_true(sim_run(20 * SEC, is_at_step, &x));
        assert_false(at->is_done);
        place_kill(&w, anchor);
        assert_int_equal(rig_verify(other, ALICE, "wonder"), ERR_AUTH);
        (void)sim_run(LONG, NULL, NULL);
        assert_int_equal(rows_left(other), 0);
        assert_int_equal(data_left(other), 0);
        sim_client_free(&a);
        place_revive(&w, anchor);
        pair_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removal_several_stores),
        cmocka_unit_test(test_removal_store_fails),
        cmocka_unit_test(test_removal_node_dies),
        cmocka_unit_test(test_removal_anchor_dies),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
