/* What is acknowledged before anybody has custody of it is in the store: the recipient takes
 * nothing, the sender is told all the same, the node dies. Random moments are in `simulate
 * acked`. */
#include "integration-tests/sim/tests-world-int.h"
#include "node/cluster/anchor.h"
#include "node/route/spool.h"

#define SM "xmlns='urn:xmpp:sm:3'"
#define ALICE "alice@" RIG_DOMAIN
#define BOB "bob@" RIG_DOMAIN
enum { FLOW = 5 };

/* A client at this place that counts nothing by itself. */
static struct sim_client *scripted(struct pair *w, int place, const char *user, char id[64])
{
    struct sim_client_conf conf = rig_conf(&w->at[place].rig, user, "phone");
    conf.host = user;
    struct sim_client *c = sim_client_login(&conf);
    assert_non_null(c);
    sim_client_send(c, "<presence/>");
    assert_true(sim_client_expect(c, "<presence/>"));
    sim_client_send(c, "<enable " SM " resume='true'/>");
    assert_true(sim_client_expect(c, "<enabled " SM " id='*'/>"));
    snprintf(id, 64, STR_FMT, STR_ARG(xml_get(sim_client_last(c), "id")));
    return c;
}

static void say(struct sim_client *c, const char *to, int from, int upto)
{
    for (int n = from; n < upto; n++)
        sim_client_send(c, "<message to='%s' id='n%d' type='chat'><body>%d</body></message>",
                        n % 2 ? to : BOB, n, n);
    sim_client_send(c, "<r " SM "/>");
}

static bool is_told(struct sim_client *c, int h)
{
    return sim_client_count(c, "<a " SM " h='%d'/>", h) > 0;
}

/* Seconds until the client is told that all was taken. */
static unsigned told_after(struct sim_client *c, int h)
{
    uint64_t begin = sim_now_us();
    while (!is_told(c, h)) {
        (void)sim_run(SEC / 10, NULL, NULL);
        assert_true(sim_now_us() - begin < 60 * SEC);
    }
    return (unsigned)((sim_now_us() - begin) / SEC);
}

static size_t stored(struct pair *w, int place)
{
    const struct node *n = w->at[place].rig.node;
    size_t sum = 0;
    for (unsigned i = 0; i < n->n_shards; i++)
        sum += spool_stored(n->shard[i].spool);
    return sum;
}

static void kill_and_revive(struct pair *w, int place)
{
    place_kill(w, place);
    (void)sim_run(SEC, NULL, NULL);
    place_revive(w, place);
    (void)sim_run(40 * SEC, NULL, NULL); /* the lease of before, and until the registry is known */
}

/* All of them, in order, with the time when they came first, and nothing else. */
static void bob_gets(struct pair *w, int place, int n)
{
    struct sim_client *b = rig_online(&w->at[place].rig, "bob", "desk");
    for (int i = 0; i < n; i++) {
        assert_true(
            sim_client_expect(b, "<message id='n%d'><delay xmlns='urn:xmpp:delay'/></message>", i));
        if (i)
            assert_int_equal(sim_client_count(b, "<message id='n%d'/>", i - 1), 0);
    }
    assert_true(sim_client_absent(b, 5 * SEC, "<message/>"));
    sim_client_free(&b);
}

/* Which node of the first region is anchor of an account of it. */
static int user_home(struct pair *w, const char *bare)
{
    for (int i = 0; i < PLACES; i++)
        if (i != US && anchor_is_ours(node_shard_of(w->at[i].rig.node, str_of(bare)), str_of(bare)))
            return i;
    fail_msg("%s has no anchor", bare);
    return -1;
}

static void carol_begin(struct pair *w, uint64_t seed)
{
    pair_begin(w, seed, 2);
    assert_int_equal(rig_create(&w->at[US].rig, "carol@" RIG_DOMAIN, "builder"), ERR_OK);
}

/* bob, who takes nothing, and carol, who writes to him, at one node. */
struct near {
    struct pair w;
    struct sim_client *b, *c;
    char id[64]; /* of carol's session */
};

static void near_begin(struct near *s, uint64_t seed)
{
    char unused[64];
    carol_begin(&s->w, seed);
    s->b = scripted(&s->w, US, "bob", unused);
    s->c = scripted(&s->w, US, "carol", s->id);
}

static void near_leave(struct near *s)
{
    sim_client_free(&s->b);
    sim_client_free(&s->c);
}

/* Both leave without a word, the node dies: n are there for bob. */
static void near_end(struct near *s, int n)
{
    near_leave(s);
    kill_and_revive(&s->w, US);
    bob_gets(&s->w, US, n);
    pair_end(&s->w);
}

static void test_node_killed(void **state)
{
    struct near s;
    (void)state;
    near_begin(&s, 1);
    say(s.c, BOB "/phone", 0, FLOW);
    (void)sim_run(SEC, NULL, NULL);
    assert_int_equal(sim_client_count(s.b, "<message/>"), FLOW);
    assert_int_equal(stored(&s.w, US), 0); /* it is given its time */
    assert_in_range(told_after(s.c, FLOW), 8, 10);
    assert_int_equal(stored(&s.w, US), FLOW);
    near_leave(&s);
    kill_and_revive(&s.w, US);
    bob_gets(&s.w, US, FLOW);
    near_end(&s, 0); /* and then it is gone */
}

/* Custody that comes takes it out of the store again. */
static void test_taken_late(void **state)
{
    struct near s;
    (void)state;
    near_begin(&s, 2);
    say(s.c, BOB "/phone", 0, FLOW);
    (void)told_after(s.c, FLOW);
    assert_int_equal(stored(&s.w, US), FLOW);
    sim_client_send(s.b, "<a " SM " h='%d'/>", FLOW);
    (void)sim_run(2 * SEC, NULL, NULL);
    assert_int_equal(stored(&s.w, US), 0);
    near_end(&s, 0);
}

/* What its sender does not want to be stored, or is worth nothing later, is not. */
static void test_not_to_be_stored(void **state)
{
    struct near s;
    (void)state;
    near_begin(&s, 10);
    sim_client_send(s.c, "<message to='" BOB "' type='chat'><body>secret</body>"
                         "<no-store xmlns='urn:xmpp:hints'/></message>");
    sim_client_send(s.c, "<message to='" BOB "' type='chat'>"
                         "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>");
    sim_client_send(s.c, "<r " SM "/>");
    assert_in_range(told_after(s.c, 2), 9, 11);
    assert_int_equal(sim_client_count(s.b, "<message/>"), 2);
    assert_int_equal(stored(&s.w, US), 0);
    near_end(&s, 0);
}

/* A store that fails: nothing is acknowledged until it does not. */
static void test_store_fails(void **state)
{
    struct near s;
    (void)state;
    near_begin(&s, 3);
    say(s.c, BOB "/phone", 0, FLOW);
    (void)sim_run(9 * SEC, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        store_fail_nth(s.w.at[US].store, 1);
        (void)sim_run(SEC, NULL, NULL);
    }
    assert_false(is_told(s.c, FLOW));
    store_fail_nth(s.w.at[US].store, 0);
    assert_in_range(told_after(s.c, FLOW), 0, 3);
    store_fail_nth(s.w.at[US].store, 1); /* nor does it stay there for ever */
    sim_client_send(s.b, "<a " SM " h='%d'/>", FLOW);
    (void)sim_run(5 * SEC, NULL, NULL);
    assert_int_equal(stored(&s.w, US), 0);
    near_end(&s, 0);
}

/* The anchor of the recipient is another region: that one stores it, and before we would. */
static void test_other_region_killed(void **state)
{
    struct pair w;
    char id[64], ida[64];
    (void)state;
    pair_begin(&w, 4, 2);
    struct sim_client *b = scripted(&w, US, "bob", id), *a = scripted(&w, EU, "alice", ida);
    say(a, BOB "/phone", 0, FLOW);
    assert_in_range(told_after(a, FLOW), 5, 8);
    assert_int_equal(stored(&w, EU), 0);
    assert_int_equal(stored(&w, US), FLOW);
    sim_client_free(&b);
    place_kill(&w, EU);
    kill_and_revive(&w, US);
    bob_gets(&w, US, FLOW);
    sim_client_free(&a);
    place_revive(&w, EU);
    pair_end(&w);
}

/* The connection of the recipient is on another node than his anchor. */
static void test_front_killed(void **state)
{
    struct pair w;
    char id[64], idc[64];
    (void)state;
    carol_begin(&w, 5);
    struct sim_client *b = scripted(&w, EU, "bob", id), *c = scripted(&w, US, "carol", idc);
    say(c, BOB "/phone", 0, FLOW);
    assert_in_range(told_after(c, FLOW), 3, 6);
    assert_int_equal(stored(&w, EU), FLOW);
    assert_int_equal(stored(&w, US), 0);
    sim_client_free(&b);
    kill_and_revive(&w, EU);
    bob_gets(&w, US, FLOW);
    sim_client_free(&c);
    pair_end(&w);
}

/* The sender's connection is on another node than his anchor, and so is the recipient's anchor: the
 * first to store it is who waits least, but the recipient's anchor cannot be reached. */
static void test_front_of_sender(void **state)
{
    struct pair w;
    char ida[64];
    (void)state;
    pair_begin(&w, 9, 2);
    place_init(&w, EU2, 2);
    (void)sim_run(20 * SEC, NULL, NULL);
    const int home = user_home(&w, ALICE), front = home == EU ? EU2 : EU;
    struct sim_client *a = scripted(&w, front, "alice", ida);
    sim_net_cut(hosts[home], hosts[US], true);
    say(a, BOB, 0, FLOW);
    assert_in_range(told_after(a, FLOW), 7, 9);
    assert_int_equal(stored(&w, home), FLOW);
    assert_int_equal(stored(&w, front), 0);
    sim_client_free(&a);
    place_kill(&w, front);
    place_kill(&w, home);
    sim_net_heal(hosts[home], hosts[US]);
    place_revive(&w, home);
    (void)sim_run(40 * SEC, NULL, NULL);
    bob_gets(&w, US, FLOW);
    place_revive(&w, front);
    pair_end(&w);
}

/* The anchor of the sender is out of reach: what its front had acknowledged goes on from there. */
static void test_sender_cut_off(void **state)
{
    struct pair w;
    char ida[64];
    (void)state;
    pair_begin(&w, 6, 2);
    struct sim_client *a = scripted(&w, US, "alice", ida);
    sim_net_cut(hosts[EU], hosts[US], true);
    say(a, BOB, 0, FLOW);
    assert_in_range(told_after(a, FLOW), 9, 11);
    assert_int_equal(stored(&w, US), FLOW);
    place_kill(&w, US);
    sim_client_free(&a);
    sim_net_heal(hosts[EU], hosts[US]);
    place_revive(&w, US);
    (void)sim_run(40 * SEC, NULL, NULL);
    bob_gets(&w, US, FLOW);
    pair_end(&w);
}

/* Who resumes is told that all came, custody or not: it was stored when his stream was cut. */
static void test_told_by_resumption(void **state)
{
    struct near s;
    (void)state;
    near_begin(&s, 7);
    say(s.c, BOB "/phone", 0, FLOW);
    (void)sim_run(SEC, NULL, NULL);
    assert_false(is_told(s.c, FLOW));
    sim_net_cut("carol", hosts[US], false);
    (void)sim_run(SEC, NULL, NULL);
    sim_net_heal("carol", hosts[US]);
    assert_int_equal(stored(&s.w, US), FLOW);
    struct sim_client_conf conf = rig_conf(&s.w.at[US].rig, "carol", NULL);
    conf.no_bind = true;
    struct sim_client *d = sim_client_new(&conf);
    assert_true(sim_client_wait(d, SIM_CLIENT_READY));
    sim_client_send(d, "<resume " SM " previd='%s' h='0'/>", s.id);
    assert_true(sim_client_expect(d, "<resumed " SM " h='%d'/>", FLOW));
    sim_client_free(&d);
    near_end(&s, FLOW);
}

/* What is no message goes through the account, wherever that is; what is about the session ends
 * with it. */
static void test_not_only_messages(void **state)
{
    struct pair w;
    char ida[64];
    (void)state;
    pair_begin(&w, 8, 2);
    place_init(&w, EU2, 2);
    (void)sim_run(20 * SEC, NULL, NULL);
    const int home = user_home(&w, ALICE), front = home == EU ? EU2 : EU;
    struct sim_client *a = scripted(&w, front, "alice", ida);
    sim_net_cut(hosts[home], hosts[front], true);
    sim_client_send(a, "<presence to='" BOB "' type='subscribe'/>");
    sim_client_send(a, "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
                       "<item jid='c@" RIG_DOMAIN "' name='C'/></query></iq>");
    sim_client_send(a, "<presence to='" BOB "'/>");
    sim_client_send(a, "<r " SM "/>");
    assert_in_range(told_after(a, 3), 9, 11);
    assert_int_equal(stored(&w, front), 2);
    sim_client_free(&a);
    place_kill(&w, front);
    sim_net_heal(hosts[home], hosts[front]);
    place_revive(&w, front);
    (void)sim_run(60 * SEC, NULL, NULL);
    a = rig_online(&w.at[home].rig, "alice", "desk");
    sim_client_send(a, "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>");
    assert_true(sim_client_expect(a, "<iq id='g'><query xmlns='jabber:iq:roster'>"
                                     "<item jid='c@" RIG_DOMAIN "' name='C'/>"
                                     "<item jid='" BOB "' ask='subscribe'/></query></iq>"));
    struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
    assert_true(sim_client_expect(b, "<presence type='subscribe' from='" ALICE "'/>"));
    sim_client_free(&a);
    sim_client_free(&b);
    pair_end(&w);
}

#define LEFT "us1 0000000000000001 0000 0000000000000001"
#define TRACE "0123456789abcdef0123456789abcdef"

static void note_error(void *ctx, enum err e, const struct store_kv *v)
{
    (void)v;
    rig_done(ctx, e);
}

/* Rows that are no stanzas are said to be so and removed; one that is, behind them, is delivered.
 */
static void test_corrupt_rows(void **state)
{
    static const char *const rows[] = {"nonsense",
                                       "client " TRACE " 5\n<message from='",
                                       "client " TRACE " x\n<message from='a@b/c' to='" BOB "'/>",
                                       "moon " TRACE " 5\n<message from='a@b/c' to='" BOB "'/>",
                                       "region short 5\n<message from='a@b/c' to='" BOB "'/>",
                                       "region " TRACE " 5\n<message from='a@b/c'/>",
                                       "client " TRACE " 5\n<message to='" BOB "'/>",
                                       "region " TRACE " 5\n<message from='carol@" RIG_DOMAIN
                                       "/p' to='" BOB "' id='n0'"
                                       " type='chat'><body>0</body></message>"};
    struct pair w;
    (void)state;
    carol_begin(&w, 11);
    struct rig *r = &w.at[US].rig;
    struct store_txn *t = store_txn_new(r->node->shard[0].store, STR(LEFT));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char key[8];
        snprintf(key, sizeof key, "%zu", i);
        store_txn_kv_put(t, "spool", str_of(key), str_of(rows[i]), STORE_REV_ANY);
    }
    r->is_done = false;
    (void)store_commit(&t, &r->ops, rig_done, r);
    assert_true(sim_run(SEC, rig_is_done, r));
    assert_int_equal(r->last, ERR_OK);
    kill_and_revive(&w, US);
    bob_gets(&w, US, 1);
    r->is_done = false;
    (void)store_kv_get(r->node->shard[0].store, &r->ops, "spool", STR(LEFT), STR("0"), note_error,
                       r);
    assert_true(sim_run(SEC, rig_is_done, r));
    assert_int_equal(r->last, ERR_NOTFOUND);
    pair_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_killed),         cmocka_unit_test(test_taken_late),
        cmocka_unit_test(test_not_to_be_stored),    cmocka_unit_test(test_store_fails),
        cmocka_unit_test(test_other_region_killed), cmocka_unit_test(test_front_killed),
        cmocka_unit_test(test_sender_cut_off),      cmocka_unit_test(test_front_of_sender),
        cmocka_unit_test(test_told_by_resumption),  cmocka_unit_test(test_not_only_messages),
        cmocka_unit_test(test_corrupt_rows),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
