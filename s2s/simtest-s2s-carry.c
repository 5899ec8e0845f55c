/* Carrying between simulated hosts: acknowledgements, resumption, both ways over one stream. */
#include "lib/loop/tests-seeds.h"
#include "s2s/tests-carry-int.h"
#include "s2s/tests-raw-int.h"

enum { CUT_SEEDS = 150, MEET_SEEDS = 100 };

/* ---- acknowledgements ---- */

/* What the host has not given back is not acknowledged, in whatever order it comes back. */
static void test_custody(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    b->keeps = true;
    a->conf.tune.ack_timeout_ms = 3600000;
    world_open(w);
    for (int i = 0; i < 3; i++)
        host_put(
            a, i == 1 ? "<message id='2' type='error' from='u@d0.test' to='v@d1.test'/>"
                      : "<iq type='get' id='x' from='u@d0.test' to='d1.test'><a xmlns='b'/></iq>");
    run_until(&b->n_in, 3, 5 * SEC);
    run_for(SEC);
    assert_int_equal(a->n_taken, 0);
    assert_int_equal(b->n_kept, 3);
    s2s_received(b->s2s, b->kept[1]);
    run_for(SEC);
    assert_int_equal(a->n_taken, 0);
    s2s_received(b->s2s, b->kept[0]);
    run_for(SEC);
    assert_int_equal(a->n_taken, 2);
    s2s_received(b->s2s, b->kept[2]);
    run_for(SEC);
    assert_int_equal(a->n_taken, 3);
    world_end(&w);
}

/* A peer that cannot be resumed: what it did not acknowledge goes over the next stream. */
static void test_unacknowledged_again(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    b->keeps = true;
    b->conf.no_resume = true;
    a->conf.tune.expire_message_ms = 600000;
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    sim_net_cut("h0", "h1", false);
    sim_net_heal("h0", "h1");
    run_until(&b->n_in, 2, 10 * SEC);
    assert_int_equal(b->in[1].id, 1);
    assert_int_equal(a->n_back, 0);
    world_end(&w);
}

#define WITH_ACKS "<stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features>"

static void acking_peer(struct raw *raw, struct world *w)
{
    raw_begin(raw, w, 1, RAW_STEPS);
    raw->external = true;
    raw->features = WITH_ACKS;
    raw->enabled = "<enabled xmlns='urn:xmpp:sm:3'/>";
    w->h[0].conf.tune.ack_timeout_ms = 5000;
    w->h[0].conf.tune.expire_message_ms = 20000;
    host_open(&w->h[0]);
}

/* What a peer may do with acknowledgements: refuse them, never give them, give impossible ones. */
static void test_acks_of_strangers(void **state UNUSED)
{
    static const struct {
        const char *enabled, *acks, *why; /* why: in the bounce, NULL: there is none */
        unsigned connections;
    } cases[] = {
        {"<failed xmlns='urn:xmpp:sm:3'/>", "", NULL, 1},
        {"<enabled xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='1'/>", NULL, 1},
        {"<enabled xmlns='urn:xmpp:sm:3'/>", "", "acknowledges nothing", 3},
        {"<enabled xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='7'/>", "handled", 3},
        {"<enabled xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3'/>", "without h", 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *w = world_begin(i + 1);
        struct host *a = &w->h[0];
        struct raw raw;
        acking_peer(&raw, w);
        raw.enabled = cases[i].enabled;
        raw.acks = cases[i].acks;
        host_send(a, "d1.test", 10);
        run_for(25 * SEC);
        assert_int_equal(a->n_back, cases[i].why != NULL);
        if (cases[i].why && !strstr(a->back[0].text, cases[i].why))
            fail_msg("case %zu: %s", i, a->back[0].text);
        assert_true(raw.connections >= cases[i].connections);
        assert_true(raw.stanzas >= cases[i].connections);
        raw_finish(&raw);
        world_end(&w);
    }
}

/* ---- ahead of the peer's answers ---- */

/* A peer that ends the stream for it is asked step by step, at once and from then on. */
static void test_not_ahead(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0];
    struct raw raw;
    sim_net_whole();
    sim_dns_remove("_xmpp-server._tcp.d1.test");
    sim_dns_zone("_xmpps-server._tcp.d1.test 600 SRV 0 0 5269 x1.test\nx1.test 600 A 10.0.0.2\n");
    acking_peer(&raw, w);
    raw.is_direct = raw.hates_haste = true;
    raw.acks = "<a xmlns='urn:xmpp:sm:3' h='1'/>";
    host_send(a, "d1.test", 10);
    run_until(&raw.stanzas, 1, SEC);
    assert_int_equal(raw.connections, 2);
    assert_int_equal(s2s_domain_get(a->s2s, STR("d1.test"))->failures, 0);
    transport_close(&raw.t);
    host_send(a, "d1.test", 10);
    run_until(&raw.stanzas, 2, 5 * SEC);
    assert_int_equal(raw.connections, 3);
    raw_finish(&raw);
    world_end(&w);
}

/* ---- forgeries ---- */

/* Over a stream that we opened: answers nobody asked for prove nothing (XEP-0220 section 3.1). */
static void test_forged_both_ways(void **state UNUSED)
{
    static const char *const lies[] = {
        "<db:result from='d2.test' to='d0.test' type='valid'/>",
        "<db:verify from='d2.test' to='d0.test' id='raw1' type='valid'/>",
        "<db:result from='d1.test' to='sub.d0.test' type='valid'/>",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        struct world *w = world_begin(i + 1);
        struct host *a = &w->h[0];
        struct raw raw;
        raw_begin(&raw, w, 1, RAW_ALL);
        raw.offer = "<bidi xmlns='urn:xmpp:features:bidi'/>";
        host_open(a);
        host_send(a, "d1.test", 10);
        run_until(&raw.stanzas, 1, 10 * SEC);
        raw_say(&raw, "<message id='5' from='x@d1.test' to='v@d0.test'/>");
        run_until(&a->n_in, 1, SEC); /* its own pair is fine */
        raw_say(&raw, lies[i]);
        raw_say(&raw, i == 2 ? "<message id='6' from='x@d1.test' to='v@sub.d0.test'/>"
                             : "<message id='6' from='x@d2.test' to='v@d0.test'/>");
        run_for(SEC);
        assert_int_equal(a->n_in, 1);
        assert_string_not_equal(host_list(a, "out", "d1.test", "state"), "ready");
        raw_finish(&raw);
        world_end(&w);
    }
}

/* ---- resumption ---- */

struct cuts {
    const char *name;
    bool both_send, no_bidi, is_dialback, loses_silently;
};

/* Bursts both ways while the connection is cut again and again, at any byte. */
static void cut_seed(uint64_t seed, const struct cuts *c)
{
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0], *b = &w->h[1];
    unsigned n_a = 0, n_b = 0;
    for (int i = 0; i < 2; i++) {
        w->h[i].conf.no_bidi = c->no_bidi;
        w->h[i].conf.tune.expire_message_ms = 3600000;
        w->h[i].conf.tune.ping_ms = 2000;
        w->h[i].conf.tune.ack_timeout_ms = 3000;
        w->h[i].keeps_ms = 20;
    }
    if (c->is_dialback)
        by_dialback(w);
    world_open(w);
    for (int round = 0; round < 6; round++) {
        for (uint64_t i = sim_rand(20); i; i--)
            n_a = host_send(a, "d1.test", (size_t)sim_rand(3000));
        for (uint64_t i = c->both_send ? sim_rand(20) : 0; i; i--)
            n_b = host_send(b, "d0.test", (size_t)sim_rand(3000));
        run_for(sim_rand(150000));
        sim_net_cut("h0", "h1", c->loses_silently && sim_rand(2));
        run_for(sim_rand(4) ? sim_rand(20000) : sim_rand(8000000));
        sim_net_heal("h0", "h1");
    }
    run_for(60 * SEC);
    check_all(b, n_a);
    check_all(a, n_b);
    assert_int_equal(a->n_back + b->n_back, 0);
    assert_int_equal(a->n_taken + b->n_taken, n_a + n_b);
    world_end(&w);
}

static void test_cuts(void **state UNUSED)
{
    static const struct cuts kinds[] = {
        {.name = "one way, no bidi", .no_bidi = true},
        {.name = "both ways, no bidi", .no_bidi = true, .both_send = true},
        {.name = "one way", .no_bidi = false},
        {.name = "both ways", .both_send = true},
        {.name = "both ways, dialback", .both_send = true, .is_dialback = true},
        {.name = "both ways, silent", .both_send = true, .loses_silently = true},
    };
    EACH_SEED(CUT_SEEDS)
    cut_seed(seed_now, &kinds[seed_now % ARRAY_LEN(kinds)]);
}

/* The session is lost at the peer (it restarted): everything arrives, what was in flight perhaps
 * twice. */
static void test_session_lost(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    a->conf.tune.expire_message_ms = 600000;
    world_open(w);
    for (int i = 0; i < 20; i++)
        host_send(a, "d1.test", 1000);
    run_until(&b->n_in, 5, 5 * SEC);
    sim_net_cut("h0", "h1", false);
    s2s_free(&b->s2s);
    host_open(b);
    sim_net_heal("h0", "h1");
    for (int i = 0; i < 5; i++)
        host_send(a, "d1.test", 1000);
    run_for(20 * SEC);
    unsigned high = 0;
    for (size_t i = 0; i < b->n_in; i++)
        high = b->in[i].id > high ? b->in[i].id : high;
    assert_int_equal(high, 25);
    assert_in_range(b->n_in, 25, 45);
    assert_int_equal(a->n_back, 0);
    assert_int_equal(a->n_taken, 25);
    world_end(&w);
}

/* A stranger who knows the id of a session does not get it. */
static void test_resume_needs_proof(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1], *c = &w->h[2];
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(SEC);
    host_send(c, "d1.test", 10);
    run_until(&b->n_in, 2, 5 * SEC);
    run_for(SEC);
    /* c's stream is cut and claims a's session when it comes back */
    struct s2s_out *thief = first_out(c);
    const char *id = sm_id(first_out(a)->line.sm);
    char text[200];
    snprintf(text, sizeof text, "<enabled xmlns='urn:xmpp:sm:3' resume='true' id='%s'/>", id);
    struct xml_doc *doc;
    bool is_ours, is_resumed;
    assert_int_equal(xml_parse_one(str_of(text), NS_SERVER, &xml_limits_default, &doc), ERR_OK);
    s2s_line_sm_drop(&thief->line);
    s2s_line_sm_new(&thief->line);
    sm_start(thief->line.sm);
    (void)sm_negotiate(thief->line.sm, doc->root, &is_ours, &is_resumed);
    xml_doc_free(&doc);
    sim_net_cut("h2", "h1", false);
    sim_net_heal("h2", "h1");
    run_for(5 * SEC);
    assert_false(first_out(c) && first_out(c)->is_resumed);
    assert_string_equal(host_list(a, "out", "d1.test", "state"), "ready");
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 3, 5 * SEC);
    world_end(&w);
}

/* ---- both ways ---- */

static void bidi_seed(uint64_t seed)
{
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0], *b = &w->h[1];
    if (seed % 2)
        by_dialback(w);
    if (seed % 3 == 0)
        a->conf.no_acks = true;
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 10 * SEC);
    for (int i = 0; i < 20; i++) {
        host_send(b, "d0.test", 500);
        host_send(a, "d1.test", 500);
    }
    run_until(&a->n_in, 20, 10 * SEC);
    run_until(&b->n_in, 21, 10 * SEC);
    check_all(a, 20);
    check_all(b, 21);
    run_for(6 * SEC);
    assert_int_equal(rows(a, "out"), 1); /* and nothing else */
    assert_int_equal(rows(a, "in"), 0);
    assert_int_equal(rows(b, "out"), 0);
    assert_int_equal(rows(b, "in"), 1);
    run_for(70 * SEC);
    assert_int_equal(host_rows(a) + host_rows(b), 0); /* idle */
    assert_int_equal(a->n_taken + b->n_taken, 41);
    world_end(&w);
}

static void test_bidi(void **state UNUSED)
{
    EACH_SEED(12)
    bidi_seed(seed_now);
}

/* Both sides connect at once. */
static void meet_seed(uint64_t seed)
{
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0], *b = &w->h[1];
    unsigned n_a = 0, n_b = 0;
    for (int i = 0; i < 2; i++)
        w->h[i].conf.tune.expire_message_ms = 600000;
    if (seed % 2)
        by_dialback(w);
    if (seed % 5 == 0)
        b->conf.no_acks = true;
    world_open(w);
    for (int round = 0; round < 10; round++) {
        n_a = host_send(a, "d1.test", (size_t)sim_rand(2000));
        n_b = host_send(b, "d0.test", (size_t)sim_rand(2000));
        run_for(sim_rand(12000));
    }
    run_for(15 * SEC);
    check_all(b, n_a);
    check_all(a, n_b);
    assert_true(rows(a, "out") <= 1 && rows(b, "out") <= 1);
    assert_int_equal(a->n_back + b->n_back, 0);
    run_for(150 * SEC);
    assert_int_equal(host_rows(a) + host_rows(b), 0);
    world_end(&w);
}

static void test_meeting(void **state UNUSED)
{
    EACH_SEED(MEET_SEEDS)
    meet_seed(seed_now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_custody),
        cmocka_unit_test(test_unacknowledged_again),
        cmocka_unit_test(test_acks_of_strangers),
        cmocka_unit_test(test_not_ahead),
        cmocka_unit_test(test_forged_both_ways),
        cmocka_unit_test_teardown(test_cuts, say_repeat),
        cmocka_unit_test(test_session_lost),
        cmocka_unit_test(test_resume_needs_proof),
        cmocka_unit_test_teardown(test_bidi, say_repeat),
        cmocka_unit_test_teardown(test_meeting, say_repeat),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
