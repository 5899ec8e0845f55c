/* FAST against a whole node: tokens are given, used, replaced and ended, and what is not a right
 * use of one gets nobody in. */
#include "integration-tests/sim/tests-fast-int.h"

#include "lib/base/clock.h"

static const enum sasl_mech mechs[] = {SASL_HT_SHA_256_EXPR, SASL_HT_SHA_256_ENDP,
                                       SASL_HT_SHA_256_NONE};

static void assert_outcome(const struct rig *r, const char *token, enum sasl_mech m,
                           const char *more, const char *want)
{
    assert_string_equal(outcome_of(r, "alice", token, m, more, NULL), want);
}

static void test_fast_offered(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 50, 1, NULL);
    struct sim_client_conf c = rig_conf(&r, "alice", NULL);
    c.no_sasl = c.keep_features = true;
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_READY));
    assert_true(sim_client_expect(
        s,
        "<features xmlns='%s'><authentication xmlns='%s'><inline><fast xmlns='%s' tls-0rtt='-'>"
        "<mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-ENDP</mechanism>"
        "<mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication></features>",
        NS_STREAM, NS_SASL2, NS_FAST));
    const struct xml *two = xml_child(sim_client_last(s), NS_SASL2, "authentication");
    const struct xml *one = xml_child(sim_client_last(s), NS_SASL, "mechanisms");
    struct arena *a = arena_new(0);
    xml_each(two, n)
    {
        assert_false(str_starts(xml_text(a, n->el), STR("HT-")));
    }
    xml_each(one, n)
    {
        assert_false(str_starts(xml_text(a, n->el), STR("HT-")));
    }
    arena_free(&a);
    sim_client_free(&s);
    rig_end(&r);
}

/* Each mechanism, one and four shards: a token is given once, and is good for more than one login.
 * The server proves that it knows it, and binds in the same answer. */
static void test_fast_login(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
            struct rig r;
            char token[TOKEN_MAX], expiry[40], jid[256];
            uint64_t expires_us;
            rig_begin(&r, 51 + i, shards, NULL);
            earn(&r, AGENT, mechs[i], token);
            for (unsigned n = 0; n < 3; n++) {
                struct sim_client *s = stranger(&r, n & 1);
                send_token(s, "alice", token, mechs[i], UA BIND FAST);
                assert_true(sim_client_expect_next(
                    s, "<success xmlns='%s'><bound xmlns='%s'/></success>", NS_SASL2, NS_BIND2));
                assert_proof(s, token, mechs[i]);
                assert_null(xml_child(sim_client_last(s), NS_FAST, "token"));
                identifier_of(s, jid);
                assert_non_null(strstr(jid, "alice@" RIG_DOMAIN "/Desk/"));
                sim_client_send(s, "<presence/>");
                assert_true(sim_client_expect(s, "<presence from='%s'/>", jid));
                sim_client_free(&s);
            }
            struct sim_client *s = stranger(&r, 0);
            send_token(s, "alice", token, mechs[i],
                       UA FAST "<request-token xmlns='urn:xmpp:fast:0' "
                               "mechanism='HT-SHA-256-NONE'/>");
            assert_true(sim_client_expect_next(s, "<success xmlns='%s'/>", NS_SASL2));
            attr_of(s, "token", NULL, "expiry", expiry, sizeof expiry);
            assert_int_equal(datefmt_parse(str_of(expiry), &expires_us), ERR_OK);
            const uint64_t left_us = expires_us - clock_wall_us();
            assert_in_range(left_us, r.conf.fast_validity_ms * 1000 - 1000000,
                            r.conf.fast_validity_ms * 1000);
            sim_client_free(&s);
            rig_end(&r);
        }
    }
}

/* A token is for its account, installation and mechanism, and what does not fit fails alike. */
static void test_fast_wrong(void **state)
{
    static const char other_agent[] = "<user-agent id='00000000-4d72-4749-b3d3-740edbf87770'/>";
    struct rig r;
    char token[3][TOKEN_MAX];
    (void)state;
    rig_begin(&r, 60, 4, NULL);
    for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
        earn(&r, AGENT, mechs[i], token[i]);
        for (size_t k = 0; k < ARRAY_LEN(mechs); k++)
            assert_outcome(&r, token[i], mechs[k], UA FAST, i == k ? "success" : "not-authorized");
        char with_other[256];
        snprintf(with_other, sizeof with_other, "%s" FAST, other_agent);
        assert_outcome(&r, token[i], mechs[i], with_other, "not-authorized");
        assert_outcome(&r, "wrong", mechs[i], UA FAST, "not-authorized");
        assert_string_equal(outcome_of(&r, "nobody", token[i], mechs[i], UA FAST, NULL),
                            "not-authorized");
        assert_string_equal(outcome_of(&r, "bob", token[i], mechs[i], UA FAST, NULL),
                            "not-authorized");
    }
    rig_end(&r);
}

/* A wrong token and a user who is not there: the same bytes, after the same time. */
static void test_fast_wrong_alike(void **state)
{
    static const char *const users[] = {"alice", "bob", "nobody"};
    uint64_t took[ARRAY_LEN(users)];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        struct rig r;
        char token[TOKEN_MAX];
        rig_begin(&r, 61, 1, NULL);
        earn(&r, AGENT, SASL_HT_SHA_256_NONE, token);
        struct sim_client *s = stranger(&r, 0);
        const uint64_t from = clock_mono_us();
        send_token(s, users[i], "wrong", SASL_HT_SHA_256_NONE, UA FAST);
        assert_true(sim_run(30000000, has_letter, s));
        took[i] = clock_mono_us() - from;
        assert_true(sim_client_expect_next(
            s, "<failure xmlns='%s'><not-authorized xmlns='%s'/></failure>", NS_SASL2, NS_SASL));
        const struct xml *el = sim_client_last(s);
        assert_ptr_equal(el->first, el->last);
        assert_int_equal(took[i], took[0]);
        sim_client_free(&s);
        rig_end(&r);
    }
}

static void test_fast_malformed(void **state)
{
    static const char *const wrong[] = {
        UA,                                              /* no <fast/> */
        FAST,                                            /* no installation */
        "<user-agent/>" FAST,                            /* without an id */
        UA "<fast xmlns='urn:xmpp:fast:1'/>",            /* another protocol */
        UA "<fast xmlns='urn:xmpp:fast:0' count='0'/>",  /* not positive */
        UA "<fast xmlns='urn:xmpp:fast:0' count='-1'/>", /* */
        UA "<fast xmlns='urn:xmpp:fast:0' count='x'/>",  /* */
        UA "<fast xmlns='urn:xmpp:fast:0' count=''/>",   /* */
        UA "<fast xmlns='urn:xmpp:fast:0' count='2147483648'/>",
    };
    struct rig r;
    char token[TOKEN_MAX];
    (void)state;
    rig_begin(&r, 62, 1, NULL);
    earn(&r, AGENT, SASL_HT_SHA_256_NONE, token);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_outcome(&r, token, SASL_HT_SHA_256_NONE, wrong[i], "malformed-request");
    struct sim_client *s = stranger(&r, 0); /* with the SASL of RFC 6120: not there */
    sim_client_send(s, "<auth xmlns='%s' mechanism='HT-SHA-256-NONE'>YQBi</auth>", NS_SASL);
    assert_true(
        sim_client_expect_next(s, "<failure xmlns='%s'><invalid-mechanism/></failure>", NS_SASL));
    sim_client_free(&s);
    rig_end(&r);
}

/* Section 3.4: what was counted counts, also when both come at the same time. */
static void test_fast_replayed(void **state)
{
    static const struct {
        const char *more, *want;
    } uses[] = {
        {UA "<fast xmlns='urn:xmpp:fast:0' count='5'/>", "success"},
        {UA "<fast xmlns='urn:xmpp:fast:0' count='5'/>", "not-authorized"},
        {UA "<fast xmlns='urn:xmpp:fast:0' count='4'/>", "not-authorized"},
        {UA "<fast xmlns='urn:xmpp:fast:0' count='6'/>", "success"},
        {UA "<fast xmlns='urn:xmpp:fast:0' count='2147483647'/>", "success"},
        {UA FAST, "success"},
    };
    (void)state;
    for (unsigned seed = 63; seed < 73; seed++) {
        struct rig r;
        char token[TOKEN_MAX];
        rig_begin(&r, seed, 4, NULL);
        earn(&r, AGENT, SASL_HT_SHA_256_EXPR, token);
        for (size_t i = 0; i < ARRAY_LEN(uses); i++)
            assert_outcome(&r, token, SASL_HT_SHA_256_EXPR, uses[i].more, uses[i].want);
        earn(&r, AGENT, SASL_HT_SHA_256_NONE, token);
        struct sim_client *twins[] = {stranger(&r, 0), stranger(&r, 1)};
        size_t let_in = 0;
        for (size_t i = 0; i < 2; i++)
            send_token(twins[i], "alice", token, SASL_HT_SHA_256_NONE,
                       UA "<fast xmlns='urn:xmpp:fast:0' count='1'/>");
        for (size_t i = 0; i < 2; i++) {
            assert_true(sim_run(30000000, has_letter, twins[i]));
            let_in += sim_client_count(twins[i], "<success xmlns='%s'/>", NS_SASL2);
            sim_client_free(&twins[i]);
        }
        assert_int_equal(let_in, 1);
        rig_end(&r);
    }
}

static void always_due(struct node_conf *c)
{
    c->fast_validity_ms = 3600000;
    c->fast_rotate_ms = 7200000;
}

/* Section 3.5: the old one is good until the new one was used; of new ones that were not used only
 * the last is. */
static void test_fast_rotates(void **state)
{
    struct rig r;
    char first[TOKEN_MAX], lost[TOKEN_MAX], second[TOKEN_MAX];
    (void)state;
    rig_begin(&r, 73, 4, always_due);
    earn(&r, AGENT, SASL_HT_SHA_256_ENDP, first);
    assert_string_equal(outcome_of(&r, "alice", first, SASL_HT_SHA_256_ENDP, UA FAST, lost),
                        "success");
    assert_string_not_equal(lost, "");
    assert_string_not_equal(lost, first);
    assert_string_equal(outcome_of(&r, "alice", first, SASL_HT_SHA_256_ENDP, UA FAST, second),
                        "success");
    assert_string_not_equal(second, lost);
    assert_outcome(&r, lost, SASL_HT_SHA_256_ENDP, UA FAST, "not-authorized");
    assert_outcome(&r, second, SASL_HT_SHA_256_ENDP, UA FAST, "success");
    assert_outcome(&r, first, SASL_HT_SHA_256_ENDP, UA FAST, "not-authorized");
    assert_outcome(&r, second, SASL_HT_SHA_256_ENDP, UA FAST, "success");
    rig_end(&r);
}

static void short_lived(struct node_conf *c)
{
    c->fast_validity_ms = 60000;
    c->fast_rotate_ms = 0;
}

/* Section 4.2. Only who has the token learns that it expired; the password is good still. */
static void test_fast_expires(void **state)
{
    struct rig r;
    char token[TOKEN_MAX], next[TOKEN_MAX];
    (void)state;
    rig_begin(&r, 74, 1, short_lived);
    earn(&r, AGENT, SASL_HT_SHA_256_NONE, token);
    (void)sim_run(50000000, NULL, NULL);
    assert_outcome(&r, token, SASL_HT_SHA_256_NONE, UA FAST, "success");
    (void)sim_run(10000000, NULL, NULL);
    assert_outcome(&r, token, SASL_HT_SHA_256_NONE, UA FAST, "credentials-expired");
    assert_outcome(&r, "wrong", SASL_HT_SHA_256_NONE, UA FAST, "not-authorized");
    earn(&r, AGENT, SASL_HT_SHA_256_NONE, next);
    assert_outcome(&r, next, SASL_HT_SHA_256_NONE, UA FAST, "success");
    rig_end(&r);
}

/* Section 3.6: logged in once more, and never again; no new one unless it asks. */
static void test_fast_invalidated(void **state)
{
    static const char *const ways[] = {"true", "1"};
    struct rig r;
    char token[TOKEN_MAX], fresh[TOKEN_MAX], last[128];
    (void)state;
    rig_begin(&r, 75, 4, always_due);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        earn(&r, AGENT, SASL_HT_SHA_256_EXPR, token);
        snprintf(last, sizeof last, UA "<fast xmlns='%s' invalidate='%s'/>", NS_FAST, ways[i]);
        assert_string_equal(outcome_of(&r, "alice", token, SASL_HT_SHA_256_EXPR, last, fresh),
                            "success");
        assert_string_equal(fresh, "");
        assert_outcome(&r, token, SASL_HT_SHA_256_EXPR, UA FAST, "not-authorized");
    }
    earn(&r, AGENT, SASL_HT_SHA_256_EXPR, token);
    assert_string_equal(
        outcome_of(&r, "alice", token, SASL_HT_SHA_256_EXPR,
                   UA "<fast xmlns='urn:xmpp:fast:0' invalidate='1'/>"
                      "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>",
                   fresh),
        "success");
    assert_outcome(&r, token, SASL_HT_SHA_256_EXPR, UA FAST, "not-authorized");
    assert_outcome(&r, fresh, SASL_HT_SHA_256_NONE, UA FAST, "success");
    rig_end(&r);
}

static enum err change_password(struct rig *r, const char *password)
{
    r->is_done = false;
    account_set_password(&r->node->shard[0], &r->ops, STR("alice@" RIG_DOMAIN), str_of(password),
                         rig_done, r);
    assert_true(sim_run(20000000, rig_is_done, r));
    return r->last;
}

/* With the password go the tokens it gave, and with the account all, for who takes its name too. */
static void test_fast_after_password_change(void **state)
{
    struct rig r;
    char token[TOKEN_MAX];
    (void)state;
    rig_begin(&r, 76, 1, NULL);
    earn(&r, AGENT, SASL_HT_SHA_256_NONE, token);
    assert_int_equal(change_password(&r, "another one"), ERR_OK);
    assert_outcome(&r, token, SASL_HT_SHA_256_NONE, UA FAST, "not-authorized");
    assert_int_equal(change_password(&r, "wonder"), ERR_OK);
    assert_outcome(&r, token, SASL_HT_SHA_256_NONE, UA FAST, "not-authorized");
    earn(&r, AGENT, SASL_HT_SHA_256_NONE, token);
    assert_outcome(&r, token, SASL_HT_SHA_256_NONE, UA FAST, "success");
    r.is_done = false;
    account_delete(&r.node->shard[0], &r.ops, STR("alice@" RIG_DOMAIN), rig_done, &r);
    assert_true(sim_run(20000000, rig_is_done, &r));
    assert_int_equal(r.last, ERR_OK);
    assert_outcome(&r, token, SASL_HT_SHA_256_NONE, UA FAST, "not-authorized");
    assert_int_equal(rig_create(&r, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
    assert_outcome(&r, token, SASL_HT_SHA_256_NONE, UA FAST, "not-authorized");
    rig_end(&r);
}

/* A login that began with the old password gets in, as its keys were read before, but gets no token
 * that would outlive the change. */
static void test_fast_login_across_password_change(void **state)
{
    struct rig r;
    struct buf in, out, text;
    (void)state;
    buf_init(&in, 8192);
    buf_init(&out, 8192);
    buf_init(&text, 8192);
    rig_begin(&r, 77, 1, NULL);
    struct sim_client *s = stranger(&r, 0);
    struct sasl_client *c =
        sasl_client_new(SASL_SCRAM_SHA_256, STR("alice"), STR("wonder"), STR(""));
    assert_int_equal(sasl_client_step(c, STR_NONE, &out), ERR_OK);
    base64_encode(&text, out.p, out.n);
    sim_client_send(s,
                    "<authenticate xmlns='%s' mechanism='SCRAM-SHA-256'><initial-response>" STR_FMT
                    "</initial-response>" UA
                    "<request-token xmlns='%s' mechanism='HT-SHA-256-NONE'/></authenticate>",
                    NS_SASL2, STR_ARG(buf_view(&text)), NS_FAST);
    assert_true(sim_client_expect_next(s, "<challenge xmlns='%s'/>", NS_SASL2));
    struct arena *a = arena_new(0);
    assert_int_equal(base64_decode(&in, xml_text(a, sim_client_last(s))), ERR_OK);
    arena_free(&a);
    assert_int_equal(change_password(&r, "another one"), ERR_OK);
    buf_clear(&out);
    buf_clear(&text);
    assert_int_equal(sasl_client_step(c, buf_view(&in), &out), ERR_OK);
    base64_encode(&text, out.p, out.n);
    sim_client_send(s, "<response xmlns='%s'>" STR_FMT "</response>", NS_SASL2,
                    STR_ARG(buf_view(&text)));
    assert_true(sim_client_expect_next(s, "<success xmlns='%s'/>", NS_SASL2));
    assert_null(xml_child(sim_client_last(s), NS_FAST, "token"));
    sasl_client_free(&c);
    sim_client_free(&s);
    rig_end(&r);
    buf_fini(&in);
    buf_fini(&out);
    buf_fini(&text);
}

/* An account holds so many; then that which would expire first goes. */
static void test_fast_bounded(void **state)
{
    enum { AGENTS = 33 };
    struct rig r;
    char first[TOKEN_MAX], token[TOKEN_MAX], agent[64], more[160];
    (void)state;
    rig_begin(&r, 78, 1, NULL);
    for (unsigned i = 0; i < AGENTS; i++) {
        snprintf(agent, sizeof agent, "%08x-4d72-4749-b3d3-740edbf87770", i);
        earn(&r, agent, SASL_HT_SHA_256_NONE, i ? token : first);
        (void)sim_run(1000000, NULL, NULL);
    }
    assert_outcome(&r, first, SASL_HT_SHA_256_NONE,
                   "<user-agent id='00000000-4d72-4749-b3d3-740edbf87770'/>" FAST,
                   "not-authorized");
    snprintf(more, sizeof more, "<user-agent id='%s'/>" FAST, agent);
    assert_outcome(&r, token, SASL_HT_SHA_256_NONE, more, "success");
    rig_end(&r);
}

static void three_tries(struct node_conf *c)
{
    c->tries_per_account = 3;
}

/* Guesses are counted as those of passwords are. */
static void test_fast_throttled(void **state)
{
    struct rig r;
    char token[TOKEN_MAX];
    (void)state;
    rig_begin(&r, 79, 4, three_tries);
    earn(&r, AGENT, SASL_HT_SHA_256_NONE, token);
    for (int i = 0; i < 3; i++)
        assert_outcome(&r, "wrong", SASL_HT_SHA_256_NONE, UA FAST, "not-authorized");
    assert_outcome(&r, token, SASL_HT_SHA_256_NONE, UA FAST, "temporary-auth-failure");
    rig_end(&r);
}

static void none_given(struct node_conf *c)
{
    c->fast_validity_ms = 0;
}

static void without_binding(struct node_conf *c)
{
    c->channel_binding = false;
}

static void test_fast_configured(void **state)
{
    static const char ask[] =
        UA "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>";
    void (*const changes[])(struct node_conf *) = {none_given, without_binding};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct rig r;
        rig_begin(&r, 80, 1, changes[i]);
        assert_outcome(&r, "x", SASL_HT_SHA_256_EXPR, UA FAST, "invalid-mechanism");
        assert_outcome(&r, "x", SASL_HT_SHA_256_NONE, UA FAST,
                       i == 0 ? "invalid-mechanism" : "not-authorized");
        struct sim_client *s = stranger(&r, 0);
        authenticate(s, "alice", "wonder", ask);
        assert_true(sim_client_expect_next(s, "<success xmlns='%s'/>", NS_SASL2));
        assert_null(xml_child(sim_client_last(s), NS_FAST, "token"));
        sim_client_free(&s);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fast_offered),
        cmocka_unit_test(test_fast_login),
        cmocka_unit_test(test_fast_wrong),
        cmocka_unit_test(test_fast_wrong_alike),
        cmocka_unit_test(test_fast_malformed),
        cmocka_unit_test(test_fast_replayed),
        cmocka_unit_test(test_fast_rotates),
        cmocka_unit_test(test_fast_expires),
        cmocka_unit_test(test_fast_invalidated),
        cmocka_unit_test(test_fast_after_password_change),
        cmocka_unit_test(test_fast_login_across_password_change),
        cmocka_unit_test(test_fast_bounded),
        cmocka_unit_test(test_fast_throttled),
        cmocka_unit_test(test_fast_configured),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
