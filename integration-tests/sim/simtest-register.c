/* XEP-0077: strangers make accounts, users change passwords and go; what is refused, and how often.
 */
#include "integration-tests/sim/tests-world-int.h"

#define ALICE "alice@" RIG_DOMAIN

static void all_on(struct node_conf *c)
{
    c->register_new = c->register_password = c->register_remove = true;
    c->register_max = 3;
    c->register_window_ms = 60000;
}

/* Connected, not authenticated. */
static struct sim_client *stranger(const struct rig *r, const char *host, bool with_tls)
{
    struct sim_client_conf c = rig_conf(r, "alice", NULL);
    c.host = host;
    c.no_sasl = c.keep_features = true;
    if (!with_tls)
        c.tls = NULL;
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_READY));
    return s;
}

static void ask(struct sim_client *s, const char *id, const char *username, const char *password)
{
    sim_client_send(s,
                    "<iq type='set' id='%s'><query xmlns='%s'><username>%s</username>"
                    "<password>%s</password></query></iq>",
                    id, NS_REGISTER, username, password);
}

static bool has_feature(struct sim_client *s)
{
    return sim_client_expect(
        s, "<stream:features xmlns:stream='%s'><register xmlns='%s'/></stream:features>", NS_STREAM,
        NS_REGISTER_FEATURE);
}

static void test_register_new(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 1, shards, all_on);
        struct sim_client *s = stranger(&r, "client", true);
        assert_true(has_feature(s));
        sim_client_send(s, "<iq type='get' id='g' to='%s'><query xmlns='%s'/></iq>", RIG_DOMAIN,
                        NS_REGISTER);
        assert_true(sim_client_expect(s,
                                      "<iq type='result' id='g'><query xmlns='%s'><instructions/>"
                                      "<username/><password/></query></iq>",
                                      NS_REGISTER));
        ask(s, "taken", "Alice", "long enough");
        assert_true(expect_error(s, "taken", "conflict"));
        ask(s, "ok", "Carol", "long enough");
        assert_true(sim_client_expect(s, "<iq type='result' id='ok'/>"));
        ask(s, "second", "dora", "long enough");
        assert_true(expect_error(s, "second", "not-acceptable"));
        assert_int_equal(rig_verify(&r, "carol@" RIG_DOMAIN, "long enough"), ERR_OK);
        assert_int_equal(rig_verify(&r, "dora@" RIG_DOMAIN, "long enough"), ERR_AUTH);
        struct sim_client_conf c = rig_conf(&r, "carol", "new");
        c.password = "long enough";
        struct sim_client *carol = sim_client_login(&c);
        assert_non_null(carol);
        sim_client_free(&carol);
        sim_client_free(&s);
        rig_end(&r);
    }
}

static void test_register_refused(void **state)
{
    static const struct {
        const char *query, *condition;
    } cases[] = {
        {"", "not-acceptable"},
        {"<username>carol</username>", "not-acceptable"},
        {"<password>long enough</password>", "not-acceptable"},
        {"<username/><password>long enough</password>", "not-acceptable"},
        {"<username>carol</username><password/>", "not-acceptable"},
        {"<username>carol</username><password>short</password>", "not-acceptable"},
        {"<username>caroline</username><password>CAROLINE</password>", "not-acceptable"},
        {"<username>a b</username><password>long enough</password>", "not-acceptable"},
        {"<username>a@b</username><password>long enough</password>", "not-acceptable"},
    };
    struct rig r;
    char longest[400];
    (void)state;
    rig_begin(&r, 2, 1, all_on);
    struct sim_client *s = stranger(&r, "client", true);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sim_client_send(s, "<iq type='set' id='e'><query xmlns='%s'>%s</query></iq>", NS_REGISTER,
                        cases[i].query);
        assert_true(expect_error(s, "e", cases[i].condition));
    }
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    ask(s, "long", "carol", longest);
    assert_true(expect_error(s, "long", "not-acceptable"));
    /* anything else is for who is authenticated */
    sim_client_send(s, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(s)->received, STREAM_NOT_AUTHORIZED);
    sim_client_free(&s);
    rig_end(&r);
}

static void tls_optional(struct node_conf *c)
{
    all_on(c);
    c->c2s_tls_required = false;
}

/* Off by default, and never in the clear. */
static void test_register_off(void **state)
{
    (void)state;
    for (int clear = 0; clear < 2; clear++) {
        struct rig r;
        rig_begin(&r, 3, 1, clear ? tls_optional : NULL);
        struct sim_client *s = stranger(&r, "client", !clear);
        assert_int_equal(
            sim_client_count(
                s, "<stream:features xmlns:stream='%s'><register xmlns='%s'/></stream:features>",
                NS_STREAM, NS_REGISTER_FEATURE),
            0);
        ask(s, "no", "carol", "long enough");
        assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_end(s)->received, STREAM_NOT_AUTHORIZED);
        sim_client_free(&s);
        if (!clear) {
            struct sim_client *a = rig_login(&r, "alice", "a");
            sim_client_send(a, "<iq type='get' id='g' to='%s'><query xmlns='%s'/></iq>", RIG_DOMAIN,
                            NS_REGISTER);
            assert_true(expect_error(a, "g", "service-unavailable"));
            sim_client_free(&a);
        }
        rig_end(&r);
    }
}

/* Three attempts a minute from an address, over all connections and shards; another is free. */
static void test_register_rate(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 4, shards, all_on);
        for (int i = 0; i < 5; i++) {
            char name[16];
            struct sim_client *s = stranger(&r, "client", true);
            snprintf(name, sizeof name, "user%d", i);
            ask(s, "r", name, "long enough");
            if (i < 3)
                assert_true(sim_client_expect(s, "<iq type='result' id='r'/>"));
            else
                assert_true(expect_error(s, "r", "resource-constraint"));
            sim_client_free(&s);
        }
        struct sim_client *other = stranger(&r, "elsewhere", true);
        ask(other, "r", "other", "long enough");
        assert_true(sim_client_expect(other, "<iq type='result' id='r'/>"));
        sim_client_free(&other);
        (void)sim_run(61 * SEC, NULL, NULL);
        struct sim_client *later = stranger(&r, "client", true);
        ask(later, "r", "later", "long enough");
        assert_true(sim_client_expect(later, "<iq type='result' id='r'/>"));
        sim_client_free(&later);
        rig_end(&r);
    }
}

/* The connection goes in the middle: nothing answers a dead one. */
static void test_register_leaves(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig r;
        rig_begin(&r, seed, 4, all_on);
        struct sim_client *s = stranger(&r, "client", true);
        ask(s, "r", "carol", "long enough");
        (void)sim_run(sim_rand(20000), NULL, NULL);
        sim_client_free(&s);
        (void)sim_run(SEC, NULL, NULL);
        rig_end(&r);
    }
}

static void test_register_password(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 6, 4, all_on);
    struct sim_client *a = rig_login(&r, "alice", "a"), *b = rig_login(&r, "bob", "b");
    static const char *const to[] = {"", "to='" RIG_DOMAIN "'", "to='" ALICE "'"};
    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        sim_client_send(a, "<iq type='get' id='g' %s><query xmlns='%s'/></iq>", to[i], NS_REGISTER);
        assert_true(sim_client_expect(a,
                                      "<iq type='result' id='g'><query xmlns='%s'><registered/>"
                                      "<username>alice</username></query></iq>",
                                      NS_REGISTER));
    }
    static const struct {
        const char *query, *condition;
    } cases[] = {
        {"<username>alice</username><password/>", "not-acceptable"},
        {"<password>long enough</password>", "bad-request"},
        {"<username>bob</username><password>long enough</password>", "bad-request"},
        {"<username>alice</username><password>short</password>", "not-acceptable"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sim_client_send(a, "<iq type='set' id='e'><query xmlns='%s'>%s</query></iq>", NS_REGISTER,
                        cases[i].query);
        assert_true(expect_error(a, "e", cases[i].condition));
    }
    assert_int_equal(rig_verify(&r, ALICE, "wonder"), ERR_OK);
    for (int i = 0; i < 4; i++) {
        ask(a, "c", "alice", i % 2 ? "the second one" : "the first one");
        if (i < 3)
            assert_true(sim_client_expect(a, "<iq type='result' id='c'/>"));
        else
            assert_true(expect_error(a, "c", "resource-constraint"));
    }
    assert_int_equal(rig_verify(&r, ALICE, "the first one"), ERR_OK);
    sim_client_send(b,
                    "<iq type='set' id='f' to='" ALICE "'><query xmlns='%s'><username>alice"
                    "</username><password>long enough</password></query></iq>",
                    NS_REGISTER);
    assert_true(expect_error(b, "f", "service-unavailable"));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

static void only_removal(struct node_conf *c)
{
    c->register_remove = true;
}

/* Asked at home or roaming; the answer comes, then the end of all sessions. */
static void test_register_remove(void **state)
{
    (void)state;
    for (int round = 0; round < 10 * REGIONS; round++) {
        const int where = round % REGIONS;
        struct pair w;
        pair_begin(&w, (uint64_t)round, 2);
        only_removal(&w.at[EU].rig.conf);
        struct sim_client *a = rig_online(&w.at[where].rig, "alice", "a"),
                          *other = rig_online(&w.at[US].rig, "alice", "other");
        ask(a, "pw", "alice", "long enough");
        assert_true(expect_error(a, "pw", "not-allowed"));
        sim_client_send(a,
                        "<iq type='set' id='w'><query xmlns='%s'><remove/><username/></query></iq>",
                        NS_REGISTER);
        assert_true(expect_error(a, "w", "bad-request"));
        sim_client_send(a, "<iq type='set' id='rm'><query xmlns='%s'><remove/></query></iq>",
                        NS_REGISTER);
        assert_true(sim_client_expect(a, "<iq type='result' id='rm'/>"));
        assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
        assert_true(sim_client_wait(other, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_end(a)->received, STREAM_NOT_AUTHORIZED);
        assert_int_equal(sim_client_end(other)->received, STREAM_NOT_AUTHORIZED);
        assert_int_equal(rig_verify(&w.at[EU].rig, ALICE, "wonder"), ERR_AUTH);
        assert_int_equal(rig_verify(&w.at[US].rig, ALICE, "wonder"), ERR_AUTH);
        assert_int_equal(rig_create(&w.at[US].rig, ALICE, "again"), ERR_OK);
        sim_client_free(&a);
        sim_client_free(&other);
        pair_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_register_new),    cmocka_unit_test(test_register_refused),
        cmocka_unit_test(test_register_off),    cmocka_unit_test(test_register_rate),
        cmocka_unit_test(test_register_leaves), cmocka_unit_test(test_register_password),
        cmocka_unit_test(test_register_remove),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
