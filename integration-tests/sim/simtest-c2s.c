/* Client connections against a whole node: login, bind, addresses, errors, ends. */
#include "integration-tests/sim/tests-node-int.h"

static void test_c2s_login_mechanisms(void **state)
{
    static const enum sasl_mech mechs[] = {SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_1, SASL_PLAIN,
                                           SASL_SCRAM_SHA_512};
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, shards, shards, NULL);
        for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
            struct sim_client_conf c = rig_conf(&r, "alice", "phone");
            c.mech = mechs[i];
            c.direct_tls = i & 1;
            c.server = r.listen[i & 1].at;
            c.authzid = i == 2 ? "alice@" RIG_DOMAIN : NULL;
            struct sim_client *s = sim_client_login(&c);
            assert_non_null(s);
            assert_string_equal(sim_client_jid(s), "alice@" RIG_DOMAIN "/phone");
            sim_client_close(s);
            assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
            assert_int_equal(sim_client_end(s)->err, ERR_EOF);
            sim_client_free(&s);
        }
        rig_end(&r);
    }
}

static void test_c2s_login_refused(void **state)
{
    static const struct {
        const char *user, *password, *authzid;
        enum sasl_mech mech;
        enum sasl_failure failure;
    } cases[] = {
        {"alice", "wrong", NULL, SASL_SCRAM_SHA_256, SASL_FAIL_NOT_AUTHORIZED},
        {"alice", "wrong", NULL, SASL_PLAIN, SASL_FAIL_NOT_AUTHORIZED},
        {"nobody", "wonder", NULL, SASL_SCRAM_SHA_1, SASL_FAIL_NOT_AUTHORIZED},
        {"nobody", "wonder", NULL, SASL_PLAIN, SASL_FAIL_NOT_AUTHORIZED},
        {"alice", "wonder", "bob@" RIG_DOMAIN, SASL_PLAIN, SASL_FAIL_INVALID_AUTHZID},
        {"alice", "wonder", "alice@" RIG_DOMAIN "/x", SASL_PLAIN, SASL_FAIL_INVALID_AUTHZID},
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 2, 4, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_client_conf c = rig_conf(&r, cases[i].user, NULL);
        c.password = cases[i].password;
        c.authzid = cases[i].authzid;
        c.mech = cases[i].mech;
        struct sim_client *s = sim_client_new(&c);
        assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_refused(s), cases[i].failure);
        sim_client_free(&s);
    }
    rig_end(&r);
}

static void test_c2s_header_refused(void **state)
{
    static const struct {
        const char *to;
        enum stream_cond cond;
    } cases[] = {
        {"elsewhere.test", STREAM_HOST_UNKNOWN},
        {"alice@" RIG_DOMAIN, STREAM_HOST_UNKNOWN},
        {"@", STREAM_IMPROPER_ADDRESSING},
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 3, 1, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_client_conf c = rig_conf(&r, "alice", NULL);
        c.domain = cases[i].to;
        struct sim_client *s = sim_client_new(&c);
        assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_end(s)->received, cases[i].cond);
        sim_client_free(&s);
    }
    rig_end(&r);
}

static void test_c2s_bind_generated_and_again(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 4, 4, NULL);
    struct sim_client *s = rig_login(&r, "alice", NULL);
    assert_true(strlen(sim_client_jid(s)) > strlen("alice@" RIG_DOMAIN "/") + 10);
    sim_client_send(s, "<iq type='set' id='b'><bind xmlns='%s'/></iq>", NS_BIND);
    assert_true(sim_client_expect(s,
                                  "<iq type='error' id='b'><error><not-allowed xmlns='%s'/>"
                                  "</error></iq>",
                                  NS_STANZA_ERRORS));
    sim_client_free(&s);
    rig_end(&r);
}

static void test_c2s_bind_bad_resource(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 5, 1, NULL);
    struct sim_client_conf c = rig_conf(&r, "alice", NULL);
    c.no_bind = true;
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_READY));
    sim_client_send(s,
                    "<iq type='set' id='1'><bind xmlns='%s'><resource>&#x7f;</resource></bind>"
                    "</iq>",
                    NS_BIND);
    assert_true(sim_client_expect(s,
                                  "<iq type='error' id='1'><error><bad-request xmlns='%s'/>"
                                  "</error></iq>",
                                  NS_STANZA_ERRORS));
    sim_client_send(s, "<iq type='set' id='2'><bind xmlns='%s'/></iq>", NS_BIND);
    assert_true(sim_client_expect(s, "<iq type='result' id='2'><bind xmlns='%s'><jid/></bind></iq>",
                                  NS_BIND));
    sim_client_free(&s);
    rig_end(&r);
}

static void few_sessions(struct node_conf *c)
{
    c->sessions_max = 2;
}

static void test_c2s_bind_limit(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 6, 1, few_sessions);
    struct sim_client *a = rig_login(&r, "alice", "a"), *b = rig_login(&r, "alice", "b");
    struct sim_client_conf c = rig_conf(&r, "alice", "c");
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_expect(
        s,
        "<iq type='error' id='sim-bind'><error type='wait'><resource-constraint xmlns='%s'/>"
        "</error></iq>",
        NS_STANZA_ERRORS));
    sim_client_close(a);
    assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
    sim_client_send(s, "<iq type='set' id='again'><bind xmlns='%s'/></iq>", NS_BIND);
    assert_true(sim_client_expect(s, "<iq type='result' id='again'/>"));
    sim_client_free(&a);
    sim_client_free(&b);
    sim_client_free(&s);
    rig_end(&r);
}

static void test_c2s_bind_conflict(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 7, shards, NULL);
        struct sim_client *old = rig_online(&r, "alice", "phone");
        struct sim_client *young = rig_online(&r, "alice", "phone");
        assert_true(sim_client_wait(old, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_end(old)->received, STREAM_CONFLICT);
        sim_client_send(young, "<iq type='get' id='p'><ping xmlns='%s'/></iq>", NS_PING);
        assert_true(sim_client_expect(young, "<iq type='result' id='p'/>"));
        sim_client_free(&old);
        sim_client_free(&young);
        rig_end(&r);
    }
}

static void test_c2s_order_of_things(void **state)
{
    static const struct {
        const char *xml;
        bool no_sasl, no_bind;
        enum stream_cond cond;
    } cases[] = {
        {"<message to='bob@" RIG_DOMAIN "'/>", true, false, STREAM_NOT_AUTHORIZED},
        {"<message to='bob@" RIG_DOMAIN "'/>", false, true, STREAM_NOT_AUTHORIZED},
        {"<presence/>", false, true, STREAM_NOT_AUTHORIZED},
        {"<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", false, true,
         STREAM_NOT_AUTHORIZED},
        {"<message from='bob@" RIG_DOMAIN "' to='bob@" RIG_DOMAIN "'/>", false, false,
         STREAM_INVALID_FROM},
        {"<message from='alice@" RIG_DOMAIN "/other' to='bob@" RIG_DOMAIN "'/>", false, false,
         STREAM_INVALID_FROM},
        {"<strange/>", false, false, STREAM_UNSUPPORTED_STANZA_TYPE},
        {"<strange/>", false, true, STREAM_UNSUPPORTED_STANZA_TYPE},
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 8, 4, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_client_conf c = rig_conf(&r, "alice", "phone");
        c.no_sasl = cases[i].no_sasl;
        c.no_bind = cases[i].no_bind;
        struct sim_client *s = sim_client_new(&c);
        assert_true(
            sim_client_wait(s, c.no_sasl || c.no_bind ? SIM_CLIENT_READY : SIM_CLIENT_BOUND));
        sim_client_send(s, "%s", cases[i].xml);
        assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_end(s)->received, cases[i].cond);
        sim_client_free(&s);
    }
    rig_end(&r);
}

static void test_c2s_malformed_is_answered(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 9, 1, NULL);
    struct sim_client *s = rig_login(&r, "alice", "phone");
    sim_client_send(s, "<iq type='get' id='1'/>");
    assert_true(sim_client_expect(s,
                                  "<iq type='error' id='1'><error><bad-request xmlns='%s'/>"
                                  "</error></iq>",
                                  NS_STANZA_ERRORS));
    sim_client_send(s, "<message to='@@' id='2'><body>x</body></message>");
    assert_true(sim_client_expect(s,
                                  "<message type='error' id='2'><error><jid-malformed "
                                  "xmlns='%s'/></error></message>",
                                  NS_STANZA_ERRORS));
    sim_client_free(&s);
    rig_end(&r);
}

static void test_c2s_messages(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 10, shards, NULL);
        struct sim_client *a = rig_online(&r, "alice", "phone");
        struct sim_client *b = rig_online(&r, "bob", "desk");
        for (int i = 0; i < 200; i++)
            sim_client_send(a, "<message to='bob@%s%s' type='chat'><body>%d</body></message>",
                            RIG_DOMAIN, i & 1 ? "/desk" : "", i);
        for (int i = 0; i < 200; i++)
            assert_true(sim_client_expect_next(
                b, "<message from='alice@%s/phone' type='chat'><body>%d</body></message>",
                RIG_DOMAIN, i));
        sim_client_send(b, "<message to='nobody@%s' id='n'><body>x</body></message>", RIG_DOMAIN);
        assert_true(
            sim_client_expect(b, "<message type='error' id='n' from='nobody@%s'/>", RIG_DOMAIN));
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
}

/* What a client got before it left in order does not come again. */
static void test_c2s_logout_after_messages(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig r;
        rig_begin(&r, 100 + seed, 1 + seed % 4, NULL);
        struct sim_client *a = rig_online(&r, "alice", "phone");
        struct sim_client *b = rig_online(&r, "bob", "desk");
        for (int i = 0; i < 20; i++)
            sim_client_send(a, "<message to='bob@%s' id='%d'><body>x</body></message>", RIG_DOMAIN,
                            i);
        (void)sim_run(sim_rand(30000), NULL, NULL);
        sim_client_close(b);
        assert_true(sim_client_wait(b, SIM_CLIENT_ENDED));
        size_t first = sim_client_count(b, "<message><body/></message>");
        sim_client_free(&b);
        b = rig_online(&r, "bob", "desk");
        (void)sim_run(5000000, NULL, NULL);
        assert_int_equal(first + sim_client_count(b, "<message><body/></message>"), 20);
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
}

/* Something is still queued for a client that ends its stream in order: that is kept for it, and
 * what it has does not come again. */
static void test_c2s_logout_with_output_queued(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig r;
        rig_begin(&r, seed, 1, NULL);
        struct sim_client *a = rig_online(&r, "alice", "a"), *b = rig_online(&r, "bob", "b");
        sim_client_send(b, "<message to='alice@" RIG_DOMAIN "'><body>first</body></message>");
        assert_true(sim_client_expect(a, "<message><body>first</body></message>"));
        sim_client_send(a, "<message to='%s'><body>last</body></message>", sim_client_jid(a));
        sim_client_close(a);
        assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
        const size_t got = sim_client_count(a, "<message><body>last</body></message>");
        sim_client_free(&a);
        a = rig_online(&r, "alice", "a");
        (void)sim_run(5000000, NULL, NULL);
        assert_int_equal(sim_client_count(a, "<message><body>first</body></message>"), 0);
        assert_int_equal(got + sim_client_count(a, "<message><body>last</body></message>"), 1);
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
}

static void test_c2s_slow_reader_is_closed(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 11, 4, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    struct sim_client *b = rig_online(&r, "bob", "desk");
    char body[8000];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = 0;
    sim_client_pause(b, true);
    for (int i = 0; i < 700; i++) {
        sim_client_send(a, "<message to='bob@%s' id='%d'><body>%s</body></message>", RIG_DOMAIN, i,
                        body);
        (void)sim_run(5000, NULL, NULL);
    }
    (void)sim_run(10000000, NULL, NULL);
    assert_int_equal(r.node->shard[0].stats.c2s_closed + r.node->shard[1].stats.c2s_closed +
                         r.node->shard[2].stats.c2s_closed + r.node->shard[3].stats.c2s_closed,
                     1);
    /* what it did not get waits for it */
    size_t got = 0;
    sim_client_pause(b, false);
    (void)sim_client_wait(b, SIM_CLIENT_ENDED);
    got = sim_client_count(b, "<message><body/></message>");
    sim_client_free(&b);
    b = rig_online(&r, "bob", "desk");
    (void)sim_run(20000000, NULL, NULL);
    got += sim_client_count(b, "<message><body/></message>");
    assert_true(got >= 700);
    assert_true(sim_client_count(b, "<message id='699'/>") == 1);
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

static void test_c2s_stop(void **state)
{
    struct rig r;
    bool stopped = false;
    (void)state;
    rig_begin(&r, 12, 4, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    struct sim_client *b = rig_online(&r, "bob", "desk");
    sim_client_pause(b, true); /* says nothing to the closing: 3 s */
    node_stop(r.node, set_flag, &stopped);
    assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(a)->received, STREAM_SYSTEM_SHUTDOWN);
    assert_true(sim_run(6000000, is_set, &stopped));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* The node dies at some moment of a login, whatever is under way; the sanitizers tell. */
static void test_c2s_crash_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig r;
        rig_begin(&r, seed, 1 + seed % 4, NULL);
        struct sim_client_conf c = rig_conf(&r, seed & 1 ? "alice" : "bob", "x");
        c.mech = (enum sasl_mech)(seed % 3);
        struct sim_client *s = sim_client_new(&c);
        (void)sim_run(sim_rand(80000), NULL, NULL);
        sim_client_send(s, "<presence/><message to='alice@%s'><body>x</body></message>",
                        RIG_DOMAIN);
        (void)sim_run(sim_rand(10000), NULL, NULL);
        op_owner_cancel_all(&r.ops);
        node_free(&r.node);
        sim_client_free(&s);
        rig_end(&r);
    }
}

static void test_c2s_unbound_is_closed(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 13, 1, NULL);
    struct sim_client_conf c = rig_conf(&r, "alice", NULL);
    c.no_bind = true;
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_READY));
    (void)sim_run(70000000, NULL, NULL);
    assert_int_equal(sim_client_state(s), SIM_CLIENT_ENDED);
    assert_int_equal(sim_client_end(s)->received, STREAM_CONNECTION_TIMEOUT);
    sim_client_free(&s);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c2s_login_mechanisms),
        cmocka_unit_test(test_c2s_login_refused),
        cmocka_unit_test(test_c2s_header_refused),
        cmocka_unit_test(test_c2s_bind_generated_and_again),
        cmocka_unit_test(test_c2s_bind_bad_resource),
        cmocka_unit_test(test_c2s_bind_limit),
        cmocka_unit_test(test_c2s_bind_conflict),
        cmocka_unit_test(test_c2s_order_of_things),
        cmocka_unit_test(test_c2s_malformed_is_answered),
        cmocka_unit_test(test_c2s_messages),
        cmocka_unit_test(test_c2s_logout_after_messages),
        cmocka_unit_test(test_c2s_logout_with_output_queued),
        cmocka_unit_test(test_c2s_slow_reader_is_closed),
        cmocka_unit_test(test_c2s_stop),
        cmocka_unit_test(test_c2s_crash_anywhere),
        cmocka_unit_test(test_c2s_unbound_is_closed),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
