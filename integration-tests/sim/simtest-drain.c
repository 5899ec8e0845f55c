/* DOC: clients are sent to another host: evenly over the time, new ones when their stream is
 * secured, with nothing lost. RFC 6120 section 4.9.3.19. */
#include "integration-tests/sim/tests-node-int.h"
#include "node/c2s/c2s.h"

#define ELSEWHERE "b.im.test:5222"

static void drain_all(struct rig *r, uint64_t over_ms)
{
    for (unsigned i = 0; i < r->node->n_shards; i++)
        c2s_drain(&r->node->shard[i], ELSEWHERE, over_ms);
}

static void drain_off(struct rig *r)
{
    for (unsigned i = 0; i < r->node->n_shards; i++)
        c2s_drain_end(&r->node->shard[i]);
}

static unsigned ended(struct sim_client *const *c, unsigned n)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += sim_client_state(c[i]) == SIM_CLIENT_ENDED;
    return sum;
}

static void test_drain_spreads_over_time(void **state)
{
    enum { N = 40 };
    struct rig r;
    struct sim_client *c[N];
    (void)state;
    rig_begin(&r, 1, 2, NULL);
    for (int i = 0; i < N; i++) {
        char resource[16];
        snprintf(resource, sizeof resource, "r%d", i);
        c[i] = rig_login(&r, i & 1 ? "alice" : "bob", resource);
    }
    drain_all(&r, 20000);
    unsigned before = 0;
    for (int quarter = 1; quarter <= 3; quarter++) { /* each quarter of the time about as many */
        (void)sim_run(5000000, NULL, NULL);
        const unsigned now = ended(c, N);
        assert_in_range(now - before, N / 4 - 3, N / 4 + 3);
        before = now;
    }
    (void)sim_run(6000000, NULL, NULL);
    assert_int_equal(ended(c, N), N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(sim_client_end(c[i])->received, STREAM_SEE_OTHER_HOST);
        sim_client_free(&c[i]);
    }
    rig_end(&r);
}

/* A stream that is not secured is not sent elsewhere: anybody in between could have done it. */
static void test_drain_new_streams_after_tls(void **state)
{
    struct rig r;
    (void)state;
    for (int direct = 0; direct < 2; direct++) {
        rig_begin(&r, 2, 2, NULL);
        drain_all(&r, 0);
        struct sim_client_conf plain = rig_conf(&r, "alice", "phone");
        plain.tls = NULL;
        plain.no_sasl = plain.keep_features = true;
        struct sim_client *p = sim_client_new(&plain);
        assert_true(sim_client_expect(p, "<features xmlns='http://etherx.jabber.org/streams'>"
                                         "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                                         "</features>"));
        struct sim_client_conf conf = rig_conf(&r, "alice", "phone");
        conf.direct_tls = direct;
        conf.server = r.listen[direct].at;
        struct sim_client *c = sim_client_new(&conf);
        assert_true(sim_client_wait(c, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_end(c)->received, STREAM_SEE_OTHER_HOST);
        sim_client_free(&c);
        drain_off(&r);
        c = rig_login(&r, "alice", "phone");
        sim_client_free(&c);
        sim_client_free(&p);
        rig_end(&r);
    }
}

static void without_tls(struct node_conf *c)
{
    c->c2s_tls_required = false;
}

static void test_drain_without_tls_after_login(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 3, 2, without_tls);
    drain_all(&r, 0);
    struct sim_client_conf conf = rig_conf(&r, "alice", "phone");
    conf.tls = NULL;
    struct sim_client *c = sim_client_new(&conf);
    assert_true(sim_client_wait(c, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(c)->received, STREAM_SEE_OTHER_HOST);
    assert_int_equal(sim_client_refused(c), SASL_FAIL_NONE);
    uint64_t authenticated = 0;
    for (unsigned i = 0; i < r.node->n_shards; i++)
        authenticated += r.node->shard[i].stats.c2s_authenticated;
    assert_int_equal(authenticated, 1);
    sim_client_free(&c);
    rig_end(&r);
}

/* What a client sent away had not acknowledged waits for it, wherever it comes back. */
static void test_drain_loses_nothing(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 4, 2, NULL);
    struct sim_client *bob = rig_online(&r, "bob", "desk"), *alice = rig_online(&r, "alice", "a");
    sim_client_send(alice, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    assert_true(sim_client_expect(alice, "<enabled xmlns='urn:xmpp:sm:3'/>"));
    sim_client_send(bob, "<message to='alice@" RIG_DOMAIN "' type='chat'><body>x</body></message>");
    assert_true(sim_client_expect(alice, "<message><body>x</body></message>")); /* never acked */
    drain_all(&r, 0);
    assert_true(sim_client_wait(alice, SIM_CLIENT_ENDED));
    assert_true(sim_client_wait(bob, SIM_CLIENT_ENDED));
    drain_off(&r);
    sim_client_free(&alice);
    alice = rig_online(&r, "alice", "b");
    assert_true(sim_client_expect(alice, "<message><body>x</body><delay xmlns='urn:xmpp:delay'/>"
                                         "</message>"));
    sim_client_free(&alice);
    sim_client_free(&bob);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_spreads_over_time),
        cmocka_unit_test(test_drain_new_streams_after_tls),
        cmocka_unit_test(test_drain_without_tls_after_login),
        cmocka_unit_test(test_drain_loses_nothing),
    };
    return cmocka_run_group_tests_name("drain", tests, rig_certs_begin, rig_certs_end);
}
