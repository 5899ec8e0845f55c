/* Carrying between simulated hosts: acknowledgements, resumption, both ways over one stream,
 * several pairs over one stream, limits, signs of life, round trips. */
#include "lib/loop/tests-seeds.h"
#include "s2s/tests-world-int.h"

enum { CUT_SEEDS = 150, MEET_SEEDS = 100 };

/* ---- counting ---- */

/* Every number from 1 to n once, in order. */
static void check_all(const struct host *h, size_t n)
{
    if (h->n_in != n)
        fail_msg("d%d has %zu of %zu", h->i, h->n_in, n);
    for (size_t i = 0; i < n; i++)
        if (h->in[i].id != i + 1)
            fail_msg("d%d: number %u in place %zu", h->i, h->in[i].id, i + 1);
}

static size_t rows(struct host *h, const char *direction)
{
    size_t n = 0;
    struct json *list = json_new_array();
    s2s_list(h->s2s, list);
    for (size_t i = 0; i < json_len(list); i++)
        n += strcmp(json_get_str(json_at(list, i), "direction"), direction) == 0;
    json_free(&list);
    return n;
}

static struct s2s_out *first_out(struct host *h)
{
    struct list *n = list_first(&h->s2s->outs);
    return n ? list_entry(n, struct s2s_out, link) : NULL;
}

static struct s2s_in *first_in(struct host *h)
{
    struct list *n = list_first(&h->s2s->ins);
    return n ? list_entry(n, struct s2s_in, link) : NULL;
}

static void by_dialback(struct world *w)
{
    for (int i = 0; i < HOSTS; i++) {
        w->h[i].conf.tls_server = bad_in[i];
        w->h[i].conf.tls_client = bad_out[i];
    }
}

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

/* ---- several pairs ---- */

static void put(struct host *h, const char *from, const char *to, unsigned id)
{
    char text[300];
    snprintf(text, sizeof text, "<message id='%u' from='u@%s' to='v@%s'><body>x</body></message>",
             id, from, to);
    host_put(h, text);
}

static void test_pairs_on_one_stream(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_begin(seed);
        struct host *a = &w->h[0], *b = &w->h[1];
        sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
        if (seed % 2)
            by_dialback(w);
        world_open(w);
        put(a, "d0.test", "d1.test", 1);
        run_until(&b->n_in, 1, 10 * SEC);
        put(a, "sub.d0.test", "d1.test", 2);
        put(a, "sub.d0.test", "d1.test", 3);
        run_until(&b->n_in, 3, 10 * SEC);
        put(b, "d1.test", "sub.d0.test", 1); /* back over the same */
        run_until(&a->n_in, 1, 10 * SEC);
        check_all(b, 3);
        run_for(6 * SEC);
        assert_int_equal(rows(a, "out"), 1);
        assert_int_equal(rows(b, "out"), 0);
        assert_int_equal(first_in(b)->line.pairs.n, 2);
        world_end(&w);
    }
}

/* A domain below the one of the stream shares it only if the server's certificate proves it; else
 * its own records decide. */
static void test_target_pairs(void **state UNUSED)
{
    for (int proves = 0; proves < 2; proves++) {
        struct world *w = world_begin(1);
        struct host *a = &w->h[0], *b = &w->h[1];
        sim_dns_zone("sub.d1.test 60 A 10.0.0.2\n");
        if (proves)
            b->conf.tls_server = wide_in;
        world_open(w);
        put(a, "d0.test", "d1.test", 1);
        run_until(&b->n_in, 1, 10 * SEC);
        run_for(SEC);
        put(a, "d0.test", "sub.d1.test", 2);
        run_until(&b->n_in, 2, 10 * SEC);
        run_for(SEC);
        assert_int_equal(rows(a, "out"), proves ? 1 : 2);
        world_end(&w);
    }
}

/* Two domains of ours with a certificate each: both are proved by it, to a peer and by a peer that
 * want nothing else. */
static void test_certificate_each(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
    a->conf.tls_server = sites_in;
    a->conf.tls_client = sites_out;
    a->conf.no_bidi = true;
    b->conf.dialback = false;
    world_open(w);
    put(a, "d0.test", "d1.test", 1);
    run_until(&b->n_in, 1, 10 * SEC);
    put(a, "sub.d0.test", "d1.test", 2);
    run_until(&b->n_in, 2, 10 * SEC);
    assert_string_equal(host_list(b, "in", "d0.test", "auth"), "external");
    assert_string_equal(host_list(b, "in", "sub.d0.test", "auth"), "external");
    put(b, "d1.test", "d0.test", 1);
    put(b, "d1.test", "sub.d0.test", 2);
    run_until(&a->n_in, 2, 10 * SEC);
    assert_string_equal(host_list(b, "out", "sub.d0.test", "state"), "ready");
    assert_int_equal(a->n_back + b->n_back, 0);
    world_end(&w);
}

/* A pair that is refused over a shared stream gets one of its own. */
static void test_pair_refused(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
    a->conf.tls_client = good_out[0]; /* proves d0.test only */
    b->conf.tune.connect_timeout_ms = 2000;
    world_open(w);
    put(a, "d0.test", "d1.test", 1);
    run_until(&b->n_in, 1, 10 * SEC);
    listener_close(&a->listener); /* b cannot ask about sub.d0.test */
    put(a, "sub.d0.test", "d1.test", 2);
    run_for(3 * SEC);
    assert_int_equal(b->n_in, 1);
    host_listen(a);
    run_until(&b->n_in, 2, 10 * SEC);
    assert_int_equal(a->n_back, 0);
    world_end(&w);
}

/* Many questions of dialback go over one connection; over an outgoing stream if there is one. */
static void test_questions_share(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    by_dialback(w);
    a->conf.no_bidi = b->conf.no_bidi = true;
    world_open(w);
    for (int i = 1; i <= 8; i++) { /* all at once: streams of their own */
        char sub[40], zone[80];
        snprintf(sub, sizeof sub, "sub.n%d.d0.test", i);
        snprintf(zone, sizeof zone, "%s 60 A 10.0.0.1\n", sub);
        sim_dns_zone(zone);
        put(a, sub, "d1.test", (unsigned)i);
    }
    run_until(&b->n_in, 8, 10 * SEC);
    size_t before = a->n_accepted;
    assert_int_equal(before, 8); /* one domain each */
    put(b, "d1.test", "d0.test", 1);
    run_until(&a->n_in, 1, 10 * SEC);
    run_for(7 * SEC);
    before = a->n_accepted;
    put(a, "d0.test", "d1.test", 9); /* b asks over its stream to d0.test */
    run_until(&b->n_in, 9, 10 * SEC);
    assert_int_equal(a->n_accepted, before);
    world_end(&w);
}

/* ---- limits ---- */

static void test_size_limit(void **state UNUSED)
{
    for (int is_reverse = 0; is_reverse < 2; is_reverse++) {
        struct world *w = world_begin(1);
        struct host *a = &w->h[is_reverse], *b = &w->h[1 - is_reverse];
        struct stream_limits small = stream_limits_default;
        small.after_auth.max_stanza_bytes = 12000;
        b->conf.limits = &small;
        world_open(w);
        host_send(&w->h[0], "d1.test", 10);
        run_until(&w->h[1].n_in, 1, 5 * SEC);
        unsigned first = host_send(a, b->domain, 5000);
        unsigned large = host_send(a, b->domain, 12000);
        unsigned last = host_send(a, b->domain, 5000);
        run_until(&a->n_back, 1, 5 * SEC);
        run_until(&b->n_in, is_reverse ? 2 : 3, 5 * SEC);
        assert_int_equal(a->back[0].id, large);
        assert_int_equal(a->back[0].cond, STANZA_POLICY_VIOLATION);
        assert_non_null(strstr(a->back[0].text, "12000"));
        assert_int_equal(b->in[b->n_in - 2].id, first);
        assert_int_equal(b->in[b->n_in - 1].id, last);
        assert_int_equal(rows(&w->h[0], "out"), 1); /* the stream lives */
        assert_int_equal(rows(&w->h[1], "out"), 0);
        world_end(&w);
    }
}

/* Closed before the peer would do it. */
static void test_idle_limit(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    a->conf.tune.idle_timeout_ms = 600000;
    b->conf.tune.idle_timeout_ms = 100000;
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(85 * SEC);
    assert_int_equal(host_rows(a), 1);
    run_for(10 * SEC);
    assert_int_equal(host_rows(a), 0);
    world_end(&w);
}

/* ---- turns ---- */

/* A box with much to send does not keep another one waiting. */
static void test_turns(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
    a->conf.tune.sender_share = 100;
    world_open(w);
    put(a, "d0.test", "d1.test", 900);
    put(a, "sub.d0.test", "d1.test", 901);
    run_until(&b->n_in, 2, 10 * SEC);
    for (int i = 0; i < 200; i++)
        host_send(a, "d1.test", 4000);
    put(a, "sub.d0.test", "d1.test", 902);
    run_until(&b->n_in, 203, 20 * SEC);
    size_t at = 0;
    while (b->in[at].id != 902)
        at++;
    assert_in_range(at, 2, 60); /* behind what was written before it came, not behind all */
    world_end(&w);
}

/* ---- two instances of one host ---- */

static struct { /* host 1 has two: streams come to the first, the second sends to d0.test */
    struct host *first, *second;
    struct s2s_parcel *parcel;
    struct mail arrival;
    unsigned moves;
} twins;

static bool twin_owns(void *ctx, struct str remote)
{
    return (ctx == twins.second) == str_eqc(remote, "d0.test");
}

static void twin_arrives(struct mail *m UNUSED)
{
    if (twins.second->s2s)
        s2s_take(twins.second->s2s, &twins.parcel);
    else
        s2s_parcel_drop(&twins.parcel);
}
static void twin_lost(struct mail *m UNUSED)
{
    s2s_parcel_drop(&twins.parcel);
}

static void twin_move(void *ctx, struct str remote, struct s2s_parcel *p)
{
    assert_ptr_equal(ctx, twins.first);
    assert_true(str_eqc(remote, "d0.test"));
    assert_null(twins.parcel);
    twins.parcel = p;
    twins.moves++;
    twins.arrival = (struct mail){.fn = twin_arrives, .drop = twin_lost};
    loop_post(twins.second->loop, &twins.arrival);
}

static void twin_seed(uint64_t seed)
{
    struct s2s_host_ops ops = world_host_ops;
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0], *b = &w->h[1], *other = &w->h[2];
    ops.owns = twin_owns;
    ops.move = twin_move;
    twins.first = b;
    twins.second = other;
    twins.moves = 0;
    if (seed % 2)
        by_dialback(w);
    snprintf(other->domain, sizeof other->domain, "d1.test");
    other->conf.dialback_secret = b->conf.dialback_secret;
    other->conf.tune.expire_message_ms = 600000;
    a->conf.tune.expire_message_ms = 600000;
    world_open(w);
    s2s_free(&b->s2s);
    s2s_free(&other->s2s);
    struct loop *own_loop = other->loop;
    struct dns *own_dns = other->dns;
    struct dns_conf dc = {0};
    char why[100];
    other->loop = loop_new("h1/1", 0);
    assert_int_equal(dns_open(other->loop, &dc, &other->dns, why, sizeof why), ERR_OK);
    b->s2s = s2s_new(b->loop, &b->conf, NULL, b->dns, &ops, b);
    other->s2s = s2s_new(other->loop, &other->conf, NULL, other->dns, &ops, other);
    unsigned n_a = 0, n_b = 0;
    for (int i = 0; i < 3; i++)
        n_a = host_send(a, "d1.test", 1000);
    run_until(&other->n_in, 3, 20 * SEC);
    assert_int_equal(twins.moves, 1);
    assert_int_equal(b->n_in, 0);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 10; i++) {
            n_a = host_send(a, "d1.test", 1000);
            n_b = host_send(other, "d0.test", 1000);
        }
        run_for(sim_rand(60000));
        sim_net_cut("h0", "h1", false); /* where the connection was accepted */
        sim_net_heal("h0", "h1");
        run_for(SEC);
    }
    run_for(30 * SEC);
    check_all(other, n_a);
    check_all(a, n_b);
    assert_int_equal(twins.moves, 5);
    run_for(6 * SEC);
    assert_int_equal(rows(other, "out"), 0); /* all went back over the stream that moved */
    assert_int_equal(rows(other, "in"), 1);
    assert_int_equal(host_rows(b), 0);
    s2s_free(&other->s2s);
    dns_close(&other->dns);
    other->dns = own_dns;
    sim_run(10 * SEC, NULL, NULL);
    loop_free(&other->loop);
    other->loop = own_loop;
    world_end(&w);
}

static void test_moves_to_its_instance(void **state UNUSED)
{
    EACH_SEED(20)
    twin_seed(seed_now);
}

/* ---- signs of life ---- */

/* A black hole under a quiet stream is found in bounded time, on both sides. */
static void test_dead_is_found(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    for (int i = 0; i < 2; i++) {
        w->h[i].conf.tune.idle_timeout_ms = 3600000;
        w->h[i].conf.tune.ping_ms = 10000;
        w->h[i].conf.tune.ack_timeout_ms = 5000;
        w->h[i].conf.tune.resume_ms = 60000;
    }
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(300 * SEC);
    assert_string_equal(host_list(a, "out", "d1.test", "state"), "ready"); /* quiet is not dead */
    sim_net_cut("h0", "h1", true);
    run_for(16 * SEC);
    assert_string_not_equal(host_list(a, "out", "d1.test", "state"), "ready");
    assert_string_equal(host_list(b, "in", "d0.test", "state"), "cut");
    run_for(120 * SEC);
    assert_int_equal(host_rows(a) + host_rows(b), 0); /* and given up */
    sim_net_heal("h0", "h1");
    world_end(&w);
}

static struct world *world_with_pings(bool is_bidi)
{
    struct world *w = world_begin(1);
    for (int i = 0; i < 2; i++) {
        w->h[i].conf.no_acks = true;
        w->h[i].conf.no_bidi = !is_bidi;
        w->h[i].answers_pings = true;
        w->h[i].conf.tune.idle_timeout_ms = 3600000;
        w->h[i].conf.tune.ping_ms = 10000;
        w->h[i].conf.tune.ack_timeout_ms = 5000;
        w->h[i].conf.tune.expire_message_ms = 86400000;
    }
    world_open(w);
    return w;
}

/* Without acks: a ping behind what was sent, answered over the other stream. */
static void test_dead_without_acks(void **state UNUSED)
{
    for (int is_bidi = 0; is_bidi < 2; is_bidi++) {
        struct world *w = world_with_pings(is_bidi);
        struct host *a = &w->h[0], *b = &w->h[1];
        host_send(a, "d1.test", 10);
        run_until(&b->n_in, 1, 5 * SEC);
        run_for(60 * SEC);
        assert_int_equal(b->n_pings, 1); /* nothing more was sent */
        assert_int_equal(a->n_in, 0);    /* the host does not see the answer */
        assert_int_equal(a->n_pings, 0); /* which is none to be pinged for */
        assert_string_equal(host_list(a, "out", "d1.test", "state"), "ready");
        sim_net_cut("h0", "h1", true);
        host_send(a, "d1.test", 10); /* leaves user space, and goes nowhere */
        run_for(16 * SEC);
        assert_string_not_equal(host_list(a, "out", "d1.test", "state"), "ready");
        sim_net_heal("h0", "h1");
        run_until(&b->n_in, 2, 90 * SEC); /* what nobody answered for goes over the next stream */
        world_end(&w);
    }
}

/* A peer that answered pings and does so no more is sent what it did not answer for over two more
 * streams, then it is not waited for. */
static void test_pings_end(void **state UNUSED)
{
    struct world *w = world_with_pings(false);
    struct host *a = &w->h[0], *b = &w->h[1];
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(10 * SEC);
    b->answers_pings = false;
    host_send(a, "d1.test", 10);
    run_for(600 * SEC);
    assert_int_equal(b->n_in, 4);
    host_send(a, "d1.test", 10);
    run_for(600 * SEC);
    assert_int_equal(b->n_in, 5);
    assert_string_equal(host_list(a, "out", "d1.test", "state"), "ready");
    world_end(&w);
}

/* It answers over one stream, not over the next, and the outbox is full: that is no reason to wait
 * long. */
static void test_pings_full(void **state UNUSED)
{
    struct world *w = world_with_pings(false);
    struct host *a = &w->h[0], *b = &w->h[1];
    a->conf.tune.pending_stanzas = 20; /* half of it for one sender */
    a->conf.tune.ack_timeout_ms = 60000;
    s2s_tune(a->s2s, &a->conf.tune);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(10 * SEC);
    b->answers_pings = false;
    s2s_kick(a->s2s, STR("d1.test"));
    run_for(5 * SEC);
    for (int burst = 0; burst < 3; burst++) {
        for (int i = 0; i < 10; i++)
            host_send(a, "d1.test", 10);
        run_for(3 * SEC);
    }
    assert_int_equal(b->n_in, 31);
    assert_int_equal(a->n_back, 0);
    world_end(&w);
}

/* ---- round trips ---- */

static uint64_t first_delivery(bool is_direct, bool is_warm)
{
    struct world *w = world_begin(7);
    struct host *a = &w->h[0], *b = &w->h[1];
    uint64_t began;
    if (is_direct) {
        sim_dns_remove("_xmpp-server._tcp.d1.test");
        sim_dns_zone(
            "_xmpps-server._tcp.d1.test 600 SRV 0 0 5270 x1.test\nx1.test 600 A 10.0.0.2\n");
    }
    sim_net_whole();
    sim_net_latency("h0", "h1", 50000, 50000);
    a->conf.tune.idle_timeout_ms = 5000;
    world_open(w);
    host_listen_direct(b);
    host_put(a, "<message id='1' from='u@d0.test' to='v@d1.test'/>");
    began = sim_now_us();
    run_until(&b->n_in, 1, 20 * SEC);
    if (is_warm) {
        run_for(30 * SEC);
        assert_int_equal(host_rows(a), 0);
        began = sim_now_us();
        host_put(a, "<message id='2' from='u@d0.test' to='v@d1.test'/>");
        run_until(&b->n_in, 2, 20 * SEC);
    }
    uint64_t took = sim_now_us() - began;
    world_end(&w);
    return took;
}

/* A way is half a round trip: the stanza leaves after three of them, and arrives. */
static void test_round_trips(void **state UNUSED)
{
    static const struct {
        const char *name;
        bool is_direct, is_warm;
        uint64_t ways; /* at most */
    } cases[] = {
        {"direct TLS, cold", true, false, 7},
        {"direct TLS, warm", true, true, 7},
        {"STARTTLS, cold", false, false, 13},
        {"STARTTLS, warm", false, true, 11},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t us = first_delivery(cases[i].is_direct, cases[i].is_warm);
        print_message("%s: first stanza after %.2f round trips\n", cases[i].name,
                      (double)us / 100000);
        assert_in_range(us, 1, cases[i].ways * 50000 + 10000);
    }
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
        cmocka_unit_test(test_pairs_on_one_stream),
        cmocka_unit_test(test_target_pairs),
        cmocka_unit_test(test_certificate_each),
        cmocka_unit_test(test_pair_refused),
        cmocka_unit_test(test_questions_share),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_idle_limit),
        cmocka_unit_test(test_turns),
        cmocka_unit_test_teardown(test_moves_to_its_instance, say_repeat),
        cmocka_unit_test(test_dead_is_found),
        cmocka_unit_test(test_dead_without_acks),
        cmocka_unit_test(test_pings_end),
        cmocka_unit_test(test_pings_full),
        cmocka_unit_test(test_round_trips),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
