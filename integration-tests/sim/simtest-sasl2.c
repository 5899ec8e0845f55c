/* SASL2 and Bind 2 against a whole node: what comes with a login, in how many round trips. */
#include "integration-tests/sim/tests-sasl2-int.h"

/* One message up, one answer down: logged in, bound, usable. The next elements are <success/> and
 * features without bind; no header comes in between. */
static void test_sasl2_one_round_trip(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        for (unsigned i = 0; i < 8; i++) {
            struct rig r;
            char jid[256];
            rig_begin(&r, 10 + i, shards, NULL);
            struct sim_client *s = stranger(&r, i & 1);
            authenticate(s, "alice", "wonder",
                         "<bind xmlns='urn:xmpp:bind:0'><tag>Desk</tag></bind>");
            assert_true(sim_client_expect_next(
                s, "<success xmlns='%s'><bound xmlns='%s'/></success>", NS_SASL2, NS_BIND2));
            identifier_of(s, jid);
            assert_non_null(strstr(jid, "alice@" RIG_DOMAIN "/Desk/"));
            assert_true(sim_client_expect_next(s, "<features xmlns='%s'/>", NS_STREAM));
            assert_null(xml_child(sim_client_last(s), NS_BIND, "bind"));
            assert_null(xml_child(sim_client_last(s), NS_SASL2, "authentication"));
            sim_client_send(s, "<presence/>");
            assert_true(sim_client_expect(s, "<presence from='%s'/>", jid));
            struct sim_client *bob = rig_online(&r, "bob", NULL);
            sim_client_send(bob, "<message to='%s'><body>hi</body></message>", jid);
            assert_true(sim_client_expect(s, "<message to='%s'><body>hi</body></message>", jid));
            sim_client_free(&bob);
            sim_client_free(&s);
            rig_end(&r);
        }
    }
}

/* The data of the element just expected: of a child with this name, or its own. */
static void data_of(const struct sim_client *s, const char *child, struct buf *out)
{
    struct arena *a = arena_new(0);
    const struct xml *el = sim_client_last(s);
    if (child)
        el = xml_child(el, NS_SASL2, child);
    assert_non_null(el);
    buf_clear(out);
    assert_int_equal(base64_decode(out, xml_text(a, el)), ERR_OK);
    arena_free(&a);
}

static void send_data(struct sim_client *s, const char *before, const struct buf *data,
                      const char *after)
{
    struct buf text;
    buf_init(&text, 8192);
    base64_encode(&text, data->p, data->n);
    sim_client_send(s, "%s" STR_FMT "%s", before, STR_ARG(buf_view(&text)), after);
    buf_fini(&text);
}

/* SCRAM: two round trips, and the server's signature comes with success. The offer is the list of
 * SASL2. */
static void test_sasl2_scram(void **state)
{
    struct rig r;
    struct buf in, out;
    const struct sasl_offer seen = {
        .mechs = (1U << (SASL_PLAIN + 1)) - 1,
        .n = 2,
        .bindings = {{.type = "tls-exporter"}, {.type = "tls-server-end-point"}}};
    (void)state;
    buf_init(&in, 8192);
    buf_init(&out, 8192);
    rig_begin(&r, 19, 4, NULL);
    struct sim_client *s = stranger(&r, 0);
    struct sasl_client *c =
        sasl_client_new(SASL_SCRAM_SHA_512, STR("alice"), STR("wonder"), STR(""));
    sasl_client_set_offer(c, &seen, NULL);
    assert_int_equal(sasl_client_step(c, STR_NONE, &out), ERR_OK);
    send_data(s,
              "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-512'><initial-response>",
              &out, "</initial-response><bind xmlns='urn:xmpp:bind:0'/></authenticate>");
    assert_true(sim_client_expect_next(s, "<challenge xmlns='%s'/>", NS_SASL2));
    data_of(s, NULL, &in);
    buf_clear(&out);
    assert_int_equal(sasl_client_step(c, buf_view(&in), &out), ERR_OK);
    send_data(s, "<response xmlns='urn:xmpp:sasl:2'>", &out, "</response>");
    assert_true(sim_client_expect_next(s, "<success xmlns='%s'><bound xmlns='%s'/></success>",
                                       NS_SASL2, NS_BIND2));
    data_of(s, "additional-data", &in);
    assert_int_equal(sasl_client_finish(c, buf_view(&in)), ERR_OK);
    sasl_client_free(&c);
    sim_client_free(&s);
    rig_end(&r);
    buf_fini(&in);
    buf_fini(&out);
}

static void test_sasl2_abort(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 25, 1, NULL);
    struct sim_client *s = stranger(&r, 0);
    sim_client_send(s,
                    "<authenticate xmlns='%s' mechanism='SCRAM-SHA-256'><initial-response>"
                    "biwsbj1hbGljZSxyPWFiYw==</initial-response></authenticate>",
                    NS_SASL2);
    assert_true(sim_client_expect_next(s, "<challenge xmlns='%s'/>", NS_SASL2));
    sim_client_send(s, "<abort xmlns='%s'/>", NS_SASL2);
    assert_true(sim_client_expect_next(s, "<failure xmlns='%s'><aborted xmlns='%s'/></failure>",
                                       NS_SASL2, NS_SASL));
    authenticate(s, "alice", "wonder", "");
    assert_true(sim_client_expect_next(s, "<success xmlns='%s'/>", NS_SASL2));
    sim_client_free(&s);
    rig_end(&r);
}

static void test_sasl2_without_bind(void **state)
{
    struct rig r;
    char jid[256];
    (void)state;
    rig_begin(&r, 20, 4, NULL);
    struct sim_client *s = stranger(&r, 0);
    authenticate(s, "alice", "wonder", "");
    assert_true(sim_client_expect_next(s, "<success xmlns='%s'/>", NS_SASL2));
    identifier_of(s, jid);
    assert_string_equal(jid, "alice@" RIG_DOMAIN);
    assert_true(sim_client_expect_next(s, "<features xmlns='%s'><bind xmlns='%s'/></features>",
                                       NS_STREAM, NS_BIND));
    sim_client_send(s, "<iq type='set' id='b'><bind xmlns='%s'><resource>x</resource></bind></iq>",
                    NS_BIND);
    assert_true(sim_client_expect(s, "<iq type='result' id='b'/>"));
    sim_client_free(&s);
    rig_end(&r);
}

static void test_sasl2_refused(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 21, 1, NULL);
    struct sim_client *s = stranger(&r, 0);
    authenticate(s, "alice", "wrong", "<bind xmlns='urn:xmpp:bind:0'/>");
    assert_true(sim_client_expect_next(
        s, "<failure xmlns='%s'><not-authorized xmlns='%s'/></failure>", NS_SASL2, NS_SASL));
    sim_client_send(s, "<authenticate xmlns='%s' mechanism='NONE'/>", NS_SASL2);
    assert_true(sim_client_expect_next(
        s, "<failure xmlns='%s'><invalid-mechanism xmlns='%s'/></failure>", NS_SASL2, NS_SASL));
    authenticate(s, "alice", "wonder", "<bind xmlns='urn:xmpp:bind:0'/>");
    assert_true(sim_client_expect_next(s, "<success xmlns='%s'><bound xmlns='%s'/></success>",
                                       NS_SASL2, NS_BIND2));
    sim_client_free(&s);
    rig_end(&r);
}

/* Elements of the other profile in the midst of a handshake end the stream. */
static void test_sasl2_profiles_do_not_mix(void **state)
{
    static const char *const wrong[] = {
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>biws</response>",
        "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>",
        "<message/>",
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 22, 1, NULL);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct sim_client *s = stranger(&r, 0);
        sim_client_send(s,
                        "<authenticate xmlns='%s' mechanism='SCRAM-SHA-256'><initial-response>"
                        "biwsbj1hbGljZSxyPWFiYw==</initial-response></authenticate>",
                        NS_SASL2);
        assert_true(sim_client_expect_next(s, "<challenge xmlns='%s'/>", NS_SASL2));
        sim_client_send(s, "%s", wrong[i]);
        assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_end(s)->received, STREAM_NOT_AUTHORIZED);
        sim_client_free(&s);
    }
    rig_end(&r);
}

/* The same installation gets the same resource, and its older session ends; another gets another.
 * The id is not in it. */
static void test_sasl2_installation(void **state)
{
    static const char ask[] = "<user-agent id='" AGENT "'><software>x</software></user-agent>"
                              "<bind xmlns='urn:xmpp:bind:0'><tag>Phone</tag></bind>";
    char first[256], second[256], other[256];
    struct rig r;
    (void)state;
    rig_begin(&r, 23, 4, NULL);
    struct sim_client *a = stranger(&r, 0);
    authenticate(a, "alice", "wonder", ask);
    assert_true(sim_client_expect(a, "<success xmlns='%s'/>", NS_SASL2));
    identifier_of(a, first);
    struct sim_client *b = stranger(&r, 1);
    authenticate(b, "alice", "wonder", ask);
    assert_true(sim_client_expect(b, "<success xmlns='%s'/>", NS_SASL2));
    identifier_of(b, second);
    assert_string_equal(first, second);
    assert_null(strstr(first, AGENT));
    assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(a)->received, STREAM_CONFLICT);
    struct sim_client *c = stranger(&r, 0);
    authenticate(c, "alice", "wonder",
                 "<user-agent id='00000000-4d72-4749-b3d3-740edbf87770'/>"
                 "<bind xmlns='urn:xmpp:bind:0'><tag>Phone</tag></bind>");
    assert_true(sim_client_expect(c, "<success xmlns='%s'/>", NS_SASL2));
    identifier_of(c, other);
    assert_string_not_equal(first, other);
    sim_client_free(&a);
    sim_client_free(&b);
    sim_client_free(&c);
    rig_end(&r);
}

static void one_session(struct node_conf *c)
{
    c->sessions_max = 1;
}

/* No resource can be had: logged in all the same, without one. */
static void test_sasl2_bind_limit(void **state)
{
    struct rig r;
    char jid[256];
    (void)state;
    rig_begin(&r, 24, 2, one_session);
    struct sim_client *first = rig_login(&r, "alice", "a");
    struct sim_client *s = stranger(&r, 0);
    authenticate(s, "alice", "wonder", "<bind xmlns='urn:xmpp:bind:0'/>");
    assert_true(sim_client_expect_next(s, "<success xmlns='%s'/>", NS_SASL2));
    assert_null(xml_child(sim_client_last(s), NS_BIND2, "bound"));
    identifier_of(s, jid);
    assert_string_equal(jid, "alice@" RIG_DOMAIN);
    assert_true(sim_client_expect_next(s, "<features xmlns='%s'><bind xmlns='%s'/></features>",
                                       NS_STREAM, NS_BIND));
    sim_client_free(&first);
    sim_client_free(&s);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sasl2_one_round_trip),
        cmocka_unit_test(test_sasl2_scram),
        cmocka_unit_test(test_sasl2_abort),
        cmocka_unit_test(test_sasl2_without_bind),
        cmocka_unit_test(test_sasl2_refused),
        cmocka_unit_test(test_sasl2_profiles_do_not_mix),
        cmocka_unit_test(test_sasl2_installation),
        cmocka_unit_test(test_sasl2_bind_limit),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
