/* Stream management of clients, element by element: what is asked, answered, refused, resumed and
 * handed over. Cuts at every byte are in `simulate sm`. */
#include "integration-tests/sim/tests-cut-int.h"
#include "node/session/user.h"

#define SM "xmlns='urn:xmpp:sm:3'"

/* A client that counts nothing by itself: the script says all. */
static struct sim_client *scripted(const struct rig *r, const char *user, const char *resource,
                                   char id[64])
{
    struct sim_client *c = rig_login(r, user, resource);
    sim_client_send(c, "<enable " SM " resume='true'/>");
    assert_true(sim_client_expect(c, "<enabled " SM " resume='true' id='*' max='600'/>"));
    struct str text = xml_get(sim_client_last(c), "id");
    snprintf(id, 64, STR_FMT, STR_ARG(text));
    return c;
}

static uint64_t stat_sum(const struct rig *r, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < r->node->n_shards; i++)
        sum += *(const uint64_t *)((const char *)&r->node->shard[i].stats + offset);
    return sum;
}
#define STAT(r, name) stat_sum(r, offsetof(struct node_stats, name))

/* ---- errors, to the letter */
static void test_sm_refusals(void **state)
{
    struct rig r;
    char id[64];
    (void)state;
    rig_begin(&r, 1, 4, NULL);
    struct sim_client_conf conf = rig_conf(&r, "alice", "phone");
    conf.no_bind = true;
    struct sim_client *c = sim_client_new(&conf);
    assert_true(sim_client_wait(c, SIM_CLIENT_READY));
    sim_client_send(c, "<enable " SM "/>"); /* before a resource is bound */
    assert_true(sim_client_expect(c, "<failed " SM "><unexpected-request xmlns='%s'/></failed>",
                                  NS_STANZA_ERRORS));
    sim_client_send(c, "<resume " SM " previd='nobody' h='0'/>");
    assert_true(sim_client_expect(c, "<failed " SM " h='-'><item-not-found xmlns='%s'/></failed>",
                                  NS_STANZA_ERRORS));
    sim_client_send(c, "<resume " SM " previd='nobody' h='x'/>");
    assert_true(sim_client_expect(c, "<failed " SM "><bad-request xmlns='%s'/></failed>",
                                  NS_STANZA_ERRORS));
    sim_client_send(c, "<iq type='set' id='b'><bind xmlns='%s'/></iq>", NS_BIND);
    assert_true(sim_client_expect(c, "<iq type='result' id='b'/>")); /* it may still bind */
    sim_client_send(c, "<resume " SM " previd='nobody' h='0'/>");    /* after it was bound */
    assert_true(sim_client_expect(c, "<failed " SM "><unexpected-request xmlns='%s'/></failed>",
                                  NS_STANZA_ERRORS));
    sim_client_free(&c);
    c = scripted(&r, "alice", "desk", id);
    sim_client_send(c, "<enable " SM "/>");
    assert_true(sim_client_expect(c, "<failed " SM "><unexpected-request xmlns='%s'/></failed>",
                                  NS_STANZA_ERRORS));
    assert_true(sim_client_wait(c, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(c)->received, STREAM_POLICY_VIOLATION);
    sim_client_free(&c);
    rig_end(&r);
}

static void test_sm_handled_count_too_high(void **state)
{
    struct rig r;
    char id[64];
    (void)state;
    rig_begin(&r, 2, 1, NULL);
    struct sim_client *c = scripted(&r, "alice", "phone", id);
    sim_client_send(c, "<a " SM " h='10'/>");
    assert_true(sim_client_wait(c, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(c)->received, STREAM_UNDEFINED_CONDITION);
    assert_non_null(strstr(sim_client_end(c)->text,
                           "You acknowledged 10 stanzas, but I only sent you 0 so far."));
    sim_client_free(&c);
    c = scripted(&r, "alice", "phone", id);
    cut(false);
    struct sim_client_conf conf = rig_conf(&r, "alice", NULL);
    conf.no_bind = true;
    struct sim_client *d = sim_client_new(&conf);
    assert_true(sim_client_wait(d, SIM_CLIENT_READY));
    sim_client_send(d, "<resume " SM " previd='%s' h='1'/>", id);
    assert_true(sim_client_wait(d, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(d)->received, STREAM_UNDEFINED_CONDITION);
    assert_int_equal(STAT(&r, sm_resumed), 0); /* the session waits on */
    sim_client_free(&c);
    sim_client_free(&d);
    rig_end(&r);
}

/* The id is of one account. */
static void test_sm_resume_of_another_account(void **state)
{
    struct rig r;
    char id[64];
    (void)state;
    rig_begin(&r, 3, 1, NULL);
    struct sim_client *c = scripted(&r, "alice", "phone", id);
    struct sim_client_conf conf = rig_conf(&r, "bob", NULL);
    conf.no_bind = true;
    struct sim_client *d = sim_client_new(&conf);
    assert_true(sim_client_wait(d, SIM_CLIENT_READY));
    sim_client_send(d, "<resume " SM " previd='%s' h='0'/>", id);
    assert_true(sim_client_expect(d, "<failed " SM " h='-'><item-not-found xmlns='%s'/></failed>",
                                  NS_STANZA_ERRORS));
    assert_int_equal(sim_client_state(c), SIM_CLIENT_BOUND);
    sim_client_free(&c);
    sim_client_free(&d);
    rig_end(&r);
}

/* ---- acknowledgements */
static void test_sm_answers_when_in_custody(void **state)
{
    struct rig r;
    char id[64];
    (void)state;
    rig_begin(&r, 4, 4, NULL);
    struct sim_client *a = scripted(&r, "alice", "phone", id);
    for (int i = 0; i < 30; i++)
        sim_client_send(a, "<message to='" BOB "' id='%d'><body>x</body></message>", i);
    sim_client_send(a, "<r " SM "/>");
    assert_true(sim_client_expect(a, "<a " SM " h='30'/>")); /* stored, all of them */
    assert_int_equal(STAT(&r, offline_stored), 30);
    sim_client_send(a, "<iq type='get' id='bad'/>"); /* a malformed one counts, too */
    sim_client_send(a, "<r " SM "/>");
    assert_true(sim_client_expect(a, "<a " SM " h='31'/>"));
    sim_client_free(&a);
    rig_end(&r);
}

/* What a client does not acknowledge is stored after ten seconds (simtest-spool.c). */
static void test_sm_answers_late(void **state)
{
    struct rig r;
    char id[64], idb[64];
    (void)state;
    rig_begin(&r, 5, 2, NULL);
    struct sim_client *b = scripted(&r, "bob", "desk", idb);
    struct sim_client *a = scripted(&r, "alice", "phone", id);
    send_number(a, BOB "/desk", 0);
    sim_client_send(a, "<r " SM "/>");
    assert_true(sim_client_expect(a, "<a " SM " h='0'/>"));
    expect_number(b, 0);
    assert_true(sim_client_expect(b, "<r " SM "/>"));
    assert_true(sim_client_absent(a, 8 * SEC, "<a " SM "/>"));
    assert_true(sim_client_expect(a, "<a " SM " h='1'/>"));
    send_number(a, BOB "/desk", 1);
    sim_client_send(a, "<r " SM "/>");
    assert_true(sim_client_expect(a, "<a " SM " h='1'/>"));
    expect_number(b, 1);
    sim_client_send(b, "<a " SM " h='2'/>");
    (void)sim_run(SEC / 10, NULL, NULL);
    assert_int_equal(sim_client_count(a, "<a " SM " h='2'/>"), 1); /* at once */
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

static void test_sm_asks_once_a_turn(void **state)
{
    struct rig r;
    char id[64];
    (void)state;
    rig_begin(&r, 6, 1, NULL);
    struct sim_client *b = scripted(&r, "bob", "desk", id);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    for (int i = 0; i < 100; i++)
        send_number(a, BOB "/desk", i);
    for (int i = 0; i < 100; i++)
        expect_number(b, i);
    (void)sim_run(SEC, NULL, NULL);
    size_t asked = sim_client_count(b, "<r " SM "/>");
    assert_true(asked >= 1 && asked <= 20); /* never one for less than five, the last when idle */
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* ---- resumption */
static void test_sm_resume(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 10, shards, NULL);
        struct sim_client *a = rig_online(&r, "alice", "phone");
        struct sim_client *b = managed(&r, "bob", "desk");
        send_number(a, BOB, 0);
        expect_number(b, 0);
        cut(false); /* of alice, too: both are on that host */
        sim_client_free(&a);
        a = rig_online(&r, "alice", "phone");
        send_number(a, BOB, 1);
        send_number(a, BOB "/desk", 2);
        (void)sim_run(2 * SEC, NULL, NULL);
        sim_client_again(b);
        assert_true(sim_client_wait(b, SIM_CLIENT_BOUND));
        expect_number(b, 1);
        assert_non_null(xml_child(sim_client_last(b), NS_DELAY, "delay")); /* it is late */
        expect_number(b, 2);
        send_number(b, ALICE, 3);
        expect_number(a, 3);
        assert_int_equal(sim_client_resumed(b), 1);
        assert_int_equal(sim_client_count(a, "<presence type='unavailable'/>"), 0);
        assert_int_equal(STAT(&r, offline_stored), 0);
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
}

/* All that came counts then, whoever has custody of it: the client need not repeat anything. */
static void test_sm_resume_counts_all(void **state)
{
    struct rig r;
    char id[64];
    (void)state;
    rig_begin(&r, 17, 4, NULL);
    struct sim_client_conf conf = rig_conf(&r, "bob", "desk");
    conf.host = "other";
    struct sim_client *b = sim_client_login(&conf);
    sim_client_send(b, "<enable " SM " resume='true'/>");
    assert_true(sim_client_expect(b, "<enabled " SM "/>"));
    struct sim_client *a = scripted(&r, "alice", "phone", id);
    send_number(a, BOB "/desk", 0);
    sim_client_send(a, "<r " SM "/>");
    assert_true(sim_client_expect(a, "<a " SM " h='0'/>")); /* bob says nothing */
    cut(false);
    sim_client_free(&a);
    conf = rig_conf(&r, "alice", NULL);
    conf.no_bind = true;
    a = sim_client_new(&conf);
    assert_true(sim_client_wait(a, SIM_CLIENT_READY));
    sim_client_send(a, "<resume " SM " previd='%s' h='0'/>", id);
    assert_true(sim_client_expect(a, "<resumed " SM " h='1'/>"));
    send_number(a, BOB "/desk", 1);
    expect_number(b, 0);
    expect_number(b, 1);
    sim_client_send(b, "<a " SM " h='2'/>");
    sim_client_send(a, "<r " SM "/>");
    assert_true(sim_client_expect(a, "<a " SM " h='2'/>"));
    assert_int_equal(sim_client_count(b, "<message/>"), 0);
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* The old connection does not know that it is dead: it is closed with conflict. */
static void test_sm_resume_while_open(void **state)
{
    struct rig r;
    char id[64];
    (void)state;
    rig_begin(&r, 11, 4, NULL);
    struct sim_client *old = scripted(&r, "bob", "desk", id);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    send_number(a, BOB "/desk", 0);
    expect_number(old, 0);
    struct sim_client_conf conf = rig_conf(&r, "bob", NULL);
    conf.no_bind = true;
    struct sim_client *young = sim_client_new(&conf);
    assert_true(sim_client_wait(young, SIM_CLIENT_READY));
    sim_client_send(young, "<resume " SM " previd='%s' h='0'/>", id);
    assert_true(sim_client_expect(young, "<resumed " SM " previd='%s' h='0'/>", id));
    expect_number(young, 0);
    assert_true(sim_client_wait(old, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(old)->received, STREAM_CONFLICT);
    sim_client_send(young, "<iq type='get' id='p'><ping xmlns='%s'/></iq>", NS_PING);
    assert_true(sim_client_expect(young, "<iq type='result' id='p' to='" BOB "/desk'/>"));
    sim_client_free(&a);
    sim_client_free(&old);
    sim_client_free(&young);
    rig_end(&r);
}

/* ---- the end of a session that waits */
static void quick(struct node_conf *c)
{
    c->sm_resume_ms = 20000;
    c->sm_queue = 10;
}

static void subscribe_alice(struct sim_client *a, struct sim_client *b)
{
    sim_client_send(a, "<presence type='subscribe' to='" BOB "'/>");
    assert_true(sim_client_expect(b, "<presence type='subscribe'/>"));
    sim_client_send(b, "<presence type='subscribed' to='" ALICE "'/>");
    assert_true(sim_client_expect(a, "<presence from='" BOB "/desk' type='-'/>"));
}

static void test_sm_expiry(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 12, 4, quick);
    struct sim_client_conf conf = rig_conf(&r, "alice", "phone");
    conf.host = "other";
    struct sim_client *a = sim_client_login(&conf);
    sim_client_send(a, "<presence/>");
    struct sim_client *b = managed(&r, "bob", "desk");
    subscribe_alice(a, b);
    cut(false);
    send_number(a, BOB, 0);
    sim_client_send(a, "<iq type='get' id='q' to='" BOB "/desk'><ping xmlns='%s'/></iq>", NS_PING);
    assert_true(sim_client_absent(a, 15 * SEC, "<presence type='unavailable'/>"));
    assert_true(sim_client_expect(a, "<presence type='unavailable' from='" BOB "/desk'/>"));
    assert_true(sim_client_expect(a, "<iq type='error' id='q'/>"));
    (void)sim_run(SEC, NULL, NULL);
    assert_int_equal(STAT(&r, offline_stored), 1);
    assert_int_equal(STAT(&r, sm_expired), 1);
    sim_client_again(b); /* nothing to resume: a new session */
    assert_true(sim_client_wait(b, SIM_CLIENT_BOUND));
    assert_int_equal(sim_client_refusals(b), 1);
    sim_client_send(b, "<presence/>");
    assert_true(sim_client_expect(
        b, "<message id='n0'><delay xmlns='%s' from='" RIG_DOMAIN "' stamp='*'/></message>",
        NS_DELAY));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* What one device did not take goes to the other. */
static void test_sm_expiry_to_other_resource(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 13, 2, quick);
    struct sim_client *b = managed(&r, "bob", "desk");
    cut(false);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    struct sim_client *other = rig_online(&r, "bob", "mobile");
    for (int i = 0; i < 5; i++)
        send_number(a, BOB "/desk", i);
    assert_true(sim_client_absent(other, 10 * SEC, "<message/>"));
    for (int i = 0; i < 5; i++) {
        assert_true(sim_client_expect(other, "<message/>"));
        char want[16];
        snprintf(want, sizeof want, "n%d", i);
        assert_true(str_eqc(xml_get(sim_client_last(other), "id"), want));
    }
    sim_client_free(&a);
    sim_client_free(&b);
    sim_client_free(&other);
    rig_end(&r);
}

/* As many as may wait do. */
static void test_sm_queue_at_its_limit(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 13, 4, quick);
    struct sim_client *b = managed(&r, "bob", "desk");
    (void)sim_run(3 * SEC, NULL, NULL); /* what it had before is acknowledged */
    cut(false);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    for (int i = 0; i < 10; i++)
        send_number(a, BOB, i);
    (void)sim_run(5 * SEC, NULL, NULL);
    assert_int_equal(STAT(&r, offline_stored), 0);
    sim_client_again(b);
    assert_true(sim_client_wait(b, SIM_CLIENT_BOUND));
    assert_int_equal(sim_client_resumed(b), 1);
    for (int i = 0; i < 10; i++)
        expect_number(b, i);
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

static void test_sm_queue_overflow(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 14, 4, quick);
    struct sim_client *b = managed(&r, "bob", "desk");
    cut(false);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    for (int i = 0; i < 30; i++)
        send_number(a, BOB, i);
    (void)sim_run(5 * SEC, NULL, NULL);
    assert_int_equal(STAT(&r, offline_stored), 30);
    sim_client_again(b);
    assert_true(sim_client_wait(b, SIM_CLIENT_BOUND));
    sim_client_send(b, "<presence/>");
    for (int i = 0; i < 30; i++)
        expect_number(b, i);
    assert_int_equal(sim_client_count(b, "<message/>"), 0);
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* The same resource again instead of a resumption: what the old one did not take goes to the new.
 */
static void test_sm_replaced(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 15, 4, NULL);
    struct sim_client *b = managed(&r, "bob", "desk");
    cut(false);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    for (int i = 0; i < 5; i++)
        send_number(a, BOB "/desk", i);
    (void)sim_run(SEC, NULL, NULL);
    struct sim_client *young = rig_online(&r, "bob", "desk");
    for (int i = 0; i < 5; i++)
        expect_number(young, i);
    assert_int_equal(sim_client_count(young, "<message/>"), 0);
    sim_client_free(&a);
    sim_client_free(&b);
    sim_client_free(&young);
    rig_end(&r);
}

/* Asked and silent: as good as cut, the session can be resumed. */
static void test_sm_silent(void **state)
{
    struct rig r;
    char id[64];
    (void)state;
    rig_begin(&r, 16, 1, NULL);
    struct sim_client *b = scripted(&r, "bob", "desk", id);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    send_number(a, BOB "/desk", 0);
    expect_number(b, 0);
    (void)sim_run(80 * SEC, NULL, NULL);
    assert_int_equal(sim_client_state(b), SIM_CLIENT_BOUND);
    (void)sim_run(20 * SEC, NULL, NULL);
    assert_int_equal(sim_client_state(b), SIM_CLIENT_ENDED);
    sim_client_free(&b);
    struct sim_client_conf conf = rig_conf(&r, "bob", NULL);
    conf.no_bind = true;
    b = sim_client_new(&conf);
    assert_true(sim_client_wait(b, SIM_CLIENT_READY));
    sim_client_send(b, "<resume " SM " previd='%s' h='0'/>", id);
    assert_true(sim_client_expect(b, "<resumed " SM "/>"));
    expect_number(b, 0);
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

static void set_flag(void *ctx)
{
    *(bool *)ctx = true;
}

static bool is_set(void *ctx)
{
    return *(bool *)ctx;
}

/* A node that stops: what waits for a client goes to the store before it is gone. */
static void test_sm_stop(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig r;
        bool stopped = false;
        rig_begin(&r, 200 + seed, 4, NULL);
        struct sim_client *b = managed(&r, "bob", "desk");
        cut(false);
        struct sim_client *a = rig_online(&r, "alice", "phone");
        for (int i = 0; i < 20; i++)
            send_number(a, BOB, i);
        (void)sim_run(SEC, NULL, NULL);
        node_stop(r.node, set_flag, &stopped);
        assert_true(sim_run(10 * SEC, is_set, &stopped));
        assert_int_equal(STAT(&r, offline_stored), 20);
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sm_refusals),
        cmocka_unit_test(test_sm_handled_count_too_high),
        cmocka_unit_test(test_sm_resume_of_another_account),
        cmocka_unit_test(test_sm_answers_when_in_custody),
        cmocka_unit_test(test_sm_answers_late),
        cmocka_unit_test(test_sm_asks_once_a_turn),
        cmocka_unit_test(test_sm_resume),
        cmocka_unit_test(test_sm_resume_counts_all),
        cmocka_unit_test(test_sm_resume_while_open),
        cmocka_unit_test(test_sm_expiry),
        cmocka_unit_test(test_sm_expiry_to_other_resource),
        cmocka_unit_test(test_sm_queue_at_its_limit),
        cmocka_unit_test(test_sm_queue_overflow),
        cmocka_unit_test(test_sm_replaced),
        cmocka_unit_test(test_sm_silent),
        cmocka_unit_test(test_sm_stop),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
