/* What a hostile or confused server may try on an incoming stream, and what it gets. The peer is a
 * stream of the initiating engine with the certificate of d1.test, or none that counts. */
#include "s2s/tests-world-int.h"

struct attacker {
    struct world *w;
    struct stream_out *s;
    struct op_owner ops;
    const char *from, *to, *text;
    bool uses_sasl, is_good, is_ready;
    size_t ends;
    enum stream_cond received;
    char answer[2000]; /* first-level elements that came */
};

static enum stream_out_next on_features(void *ctx, const struct xml *features,
                                        struct sasl_client **client, enum sasl_mech *m)
{
    struct attacker *at = ctx;
    if (!at->uses_sasl || !xml_child(features, NS_SASL, "mechanisms"))
        return STREAM_OUT_READY;
    *client = sasl_client_new(SASL_EXTERNAL, STR_NONE, STR_NONE, STR_NONE);
    *m = SASL_EXTERNAL;
    return STREAM_OUT_SASL;
}

static void on_ready(void *ctx, const struct xml *features UNUSED, bool sasl_done)
{
    struct attacker *at = ctx;
    at->is_ready = true;
    assert_int_equal(sasl_done, at->uses_sasl);
    (void)stream_out_send_text(at->s, str_of(at->text));
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct attacker *at = ctx;
    struct buf b;
    buf_init(&b, sizeof at->answer);
    xml_write(&b, doc->root, NS_SERVER);
    buf_char(&b, '\0');
    size_t n = strlen(at->answer);
    snprintf(at->answer + n, sizeof at->answer - n, "%s", b.p);
    buf_fini(&b);
    xml_doc_free(&doc);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct attacker *at = ctx;
    at->ends++;
    at->received = e->received;
    stream_out_free(&at->s);
}

static const struct stream_out_events attacker_up = {
    .features = on_features, .ready = on_ready, .element = on_element, .end = on_end};

static void on_dialed(void *ctx, enum err e, struct transport *t,
                      const struct dial_result *r UNUSED)
{
    struct attacker *at = ctx;
    struct stream_out_conf c = {.content_ns = NS_SERVER,
                                .from = at->from,
                                .to = at->to,
                                .tls = at->is_good ? good_out[1] : bad_out[1],
                                .tls_required = true,
                                .sni = "d0.test",
                                .dialback = true};
    assert_int_equal(e, ERR_OK);
    at->s = stream_out_new(&t, &c, &attacker_up, at);
}

static void attack(struct attacker *at, struct world *w)
{
    struct dial_target target = {.addr = host_addr(0)};
    at->w = w;
    op_owner_init(&at->ops);
    dial_open(w->h[1].loop, &at->ops, dial_source_fixed(w->h[1].loop, &target, 1), 5000, on_dialed,
              at);
}

#define MSG(from, to) "<message id='1' from='" from "' to='" to "'><body>x</body></message>"

static void test_in_refused(void **state UNUSED)
{
    static const struct {
        const char *from, *to, *text;
        bool uses_sasl;
        enum stream_cond cond;
    } cases[] = {
        {"d1.test", "d0.test", MSG("u@d1.test", "v@d0.test"), false, STREAM_NOT_AUTHORIZED},
        {"d1.test", "d0.test", "<presence/>", false, STREAM_NOT_AUTHORIZED},
        {"d1.test", "d0.test", MSG("u@d2.test", "v@d0.test"), true, STREAM_INVALID_FROM},
        {"d1.test", "d0.test", MSG("u@d0.test", "v@d0.test"), true, STREAM_INVALID_FROM},
        {"d1.test", "d0.test", MSG("u@sub.d1.test", "v@d0.test"), true, STREAM_INVALID_FROM},
        {"d1.test", "d0.test", MSG("u@d1.test", "v@d2.test"), true, STREAM_HOST_UNKNOWN},
        {"d1.test", "d0.test", MSG("u@d1.test", "v@sub.d0.test"), true, STREAM_INVALID_FROM},
        {"d1.test", "d0.test", "<message from='u@d1.test'/>", true, STREAM_IMPROPER_ADDRESSING},
        {"d1.test", "d0.test", "<message to='v@d0.test'/>", true, STREAM_IMPROPER_ADDRESSING},
        {"d1.test", "d0.test", "<nonsense/>", true, STREAM_UNSUPPORTED_STANZA_TYPE},
        {"d1.test", "d7.test", "", false, STREAM_HOST_UNKNOWN},
        {"d1.test", "v@d0.test", "", false, STREAM_HOST_UNKNOWN},
        {"d0.test", "d0.test", "", false, STREAM_INVALID_FROM},
        {"u@d1.test", "d0.test", "", false, STREAM_INVALID_FROM},
        /* what was not asked proves nothing */
        {"d1.test", "d0.test",
         "<db:result from='d1.test' to='d0.test' type='valid'/>" MSG("u@d1.test", "v@d0.test"),
         false, STREAM_NOT_AUTHORIZED},
        {"d1.test", "d0.test",
         "<db:verify from='d1.test' to='d0.test' id='1' type='valid'/>" MSG("u@d1.test",
                                                                            "v@d0.test"),
         false, STREAM_NOT_AUTHORIZED},
        {"d1.test", "d0.test", "<db:result from='d1.test'>k</db:result>", false, STREAM_BAD_FORMAT},
        {"d1.test", "d0.test", "<db:verify from='d1.test' to='d0.test'>k</db:verify>", false,
         STREAM_BAD_FORMAT},
        {"d1.test", "d0.test", "<db:verify from='d1.test' to='d0.test' id='1' type='what'/>", false,
         STREAM_BAD_FORMAT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *w = world_begin(i + 1);
        struct attacker at = {.from = cases[i].from,
                              .to = cases[i].to,
                              .text = cases[i].text,
                              .uses_sasl = cases[i].uses_sasl,
                              .is_good = true};
        world_open(w);
        attack(&at, w);
        run_until(&at.ends, 1, 20 * SEC);
        if (at.received != cases[i].cond)
            fail_msg("case %zu: %s", i, stream_cond_name(at.received));
        assert_int_equal(w->h[0].n_in, 0);
        run_for(5 * SEC);
        assert_int_equal(host_rows(&w->h[0]), 0);
        world_end(&w);
    }
}

static void answer_of(const char *text, bool is_good, bool stays, const char *want)
{
    struct world *w = world_begin(1);
    struct attacker at = {.from = "d1.test", .to = "d0.test", .text = text, .is_good = is_good};
    world_open(w);
    attack(&at, w);
    run_for(15 * SEC);
    assert_true(at.is_ready);
    assert_int_equal(at.ends, stays ? 0 : 1);
    if (!strstr(at.answer, want))
        fail_msg("%s: %s", text, at.answer);
    stream_out_free(&at.s);
    world_end(&w);
}

/* Dialback errors leave the stream open (XEP-0220 section 2.5). */
static void test_in_dialback_answers(void **state UNUSED)
{
    char key[DIALBACK_KEY_LEN + 1], text[300];
    struct dialback_secret secret;
    answer_of("<db:result from='d1.test' to='d9.test'>k</db:result>", true, true, "item-not-found");
    answer_of("<db:result from='d0.test' to='d0.test'>k</db:result>", true, true, "not-acceptable");
    answer_of("<db:result from='nx.test' to='d0.test'>k</db:result>", true, true,
              "remote-server-not-found");
    answer_of("<db:result from='d2.test' to='d0.test'>k</db:result>", true, true, "type='invalid'");
    answer_of("<db:result from='d1.test' to='d0.test'>k</db:result>", false, true,
              "type='invalid'");
    answer_of("<db:result from='d1.test' to='d0.test'>k</db:result>", true, true, "type='valid'");
    answer_of("<db:verify from='d1.test' to='d9.test' id='x'>k</db:verify>", true, true,
              "item-not-found");
    answer_of("<db:verify from='d1.test' to='d0.test' id='x'>k</db:verify>", true, true,
              "type='invalid'");
    dialback_secret_init(&secret, "secret");
    dialback_key(&secret, STR("d1.test"), STR("d0.test"), STR("x"), key);
    snprintf(text, sizeof text, "<db:verify from='d1.test' to='d0.test' id='x'> %s\n</db:verify>",
             key);
    answer_of(text, true, true, "type='valid'");
}

/* No more questions for one stream than the limit, each pair asked once. */
static void test_in_verifies_bounded(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct buf b;
    struct attacker at = {.from = "d1.test", .to = "d0.test", .is_good = true};
    buf_init(&b, 1 << 16);
    for (int i = 0; i < 40; i++)
        buf_printf(&b, "<db:result from='y%d.test' to='d0.test'>k</db:result>", i / 2);
    buf_char(&b, '\0');
    for (int i = 0; i < 20; i++) {
        char zone[80];
        snprintf(zone, sizeof zone, "y%d.test 60 TIMEOUT\n_xmpp-server._tcp.y%d.test 60 TIMEOUT\n",
                 i, i);
        sim_dns_zone(zone);
    }
    at.text = b.p;
    world_open(w);
    attack(&at, w);
    run_for(20 * SEC);
    size_t errors = 0, refused = 0;
    for (const char *p = at.answer; (p = strstr(p, "type='error'")); p++)
        errors++;
    for (const char *p = at.answer; (p = strstr(p, "resource-constraint")); p++)
        refused++;
    assert_true(refused > 0 && errors >= refused);
    assert_int_equal(at.ends, 0);
    stream_out_free(&at.s);
    buf_fini(&b);
    world_end(&w);
}

/* The oldest that proved nothing makes room; whoever proves himself is not concerned. */
static void test_in_unproved_bounded(void **state UNUSED)
{
    enum { MAX = 5, CROWD = 12 };
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[2];
    struct attacker crowd[CROWD];
    a->conf.unproved_max = MAX;
    world_open(w);
    host_send(b, "d0.test", 10);
    run_until(&a->n_in, 1, 5 * SEC);
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct attacker){.from = "d1.test", .to = "d0.test", .text = ""};
        attack(&crowd[i], w);
        run_for(SEC / 10);
    }
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(crowd[i].ends, i < CROWD - MAX);
    host_send(b, "d0.test", 10); /* its stream is older than all of them */
    run_until(&a->n_in, 2, SEC);
    assert_int_equal(b->n_accepted + a->n_accepted, CROWD + 1);
    host_send(&w->h[1], "d0.test", 10); /* a newcomer */
    run_until(&a->n_in, 3, 5 * SEC);
    assert_int_equal(crowd[CROWD - MAX].ends, 1);
    for (int i = 0; i < CROWD; i++)
        stream_out_free(&crowd[i].s);
    world_end(&w);
}

/* What the host has in no queue of its own is bounded, with acks and without: the peer is not read
 * any more, and goes on when there is room; nothing is lost, order holds. */
static void test_in_held_bounded(void **state UNUSED)
{
    enum { ALL = 800, HELD = 100 };
    for (int turn = 0; turn < 4; turn++) {
        struct world *w = world_begin((uint64_t)turn + 1);
        struct host *a = &w->h[0], *b = &w->h[1];
        bool by_bytes = turn & 1;
        a->conf.no_acks = turn < 2;
        a->no_queue = a->keeps = true;
        a->conf.held_stanzas = by_bytes ? 0 : HELD;
        a->conf.held_bytes = by_bytes ? (size_t)HELD * 1000 : 0;
        b->conf.tune.sender_share = 100;
        b->conf.tune.ping_ms = 600000; /* a host that takes nothing gives no sign of life */
        world_open(w);
        for (int i = 0; i < ALL; i++)
            host_send(b, "d0.test", by_bytes ? 1000 : 10);
        run_for(5 * SEC);
        assert_in_range(a->n_in, HELD / 4, 2 * HELD);
        while (a->n_in < ALL) {
            size_t before = a->n_in, n = a->n_kept;
            for (size_t i = 0; i < n; i++) {
                s2s_queued(a->s2s, a->kept[i]);
                s2s_received(a->s2s, a->kept[i]);
            }
            a->n_kept = 0;
            run_for(SEC / 10);
            assert_in_range(a->n_in - before, 1, 2 * HELD);
        }
        for (unsigned i = 0; i < ALL; i++)
            assert_int_equal(a->in[i].id, i + 1);
        world_end(&w);
    }
}

/* XEP-0185 section 3 and XEP-0220 section 2.1.1. */
static void test_dialback_key(void **state UNUSED)
{
    static const struct {
        const char *secret, *receiving, *originating, *id, *key;
    } cases[] = {
        {"s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F",
         "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"},
        {"s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", "D60000229F",
         "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"},
        {"d14lb4ck43v3r", "capulet.example", "montague.example", "417GAF25",
         "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char key[DIALBACK_KEY_LEN + 1];
        struct dialback_secret s;
        dialback_secret_init(&s, cases[i].secret);
        dialback_key(&s, str_of(cases[i].receiving), str_of(cases[i].originating),
                     str_of(cases[i].id), key);
        assert_string_equal(key, cases[i].key);
        assert_true(dialback_key_is(&s, str_of(cases[i].receiving), str_of(cases[i].originating),
                                    str_of(cases[i].id), str_of(cases[i].key)));
        assert_false(dialback_key_is(&s, str_of(cases[i].receiving), str_of(cases[i].originating),
                                     STR("other"), str_of(cases[i].key)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialback_key),        cmocka_unit_test(test_in_refused),
        cmocka_unit_test(test_in_dialback_answers), cmocka_unit_test(test_in_verifies_bounded),
        cmocka_unit_test(test_in_unproved_bounded), cmocka_unit_test(test_in_held_bounded),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
