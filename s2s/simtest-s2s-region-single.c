/* Links between members, one behaviour at a time: custody, what comes back, limits, stops; and who
 * may not take part. */
#include "s2s/tests-region-int.h"

/* ---- single behaviours ---- */

static bool a_ended(void *ctx)
{
    struct member *m = ctx;
    return m->n_ended == m->n_sent;
}

static bool b_has(void *ctx)
{
    struct world *w = ctx;
    return w->m[1].delivered == w->m[0].n_sent;
}

static void test_region_custody(void **state UNUSED)
{
    struct world *w = world_new(7);
    tell_peer(&w->m[0]);
    for (int i = 0; i < 30; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    sim_run(30 * SEC, NULL, NULL); /* alive by its answers all the while */
    assert_int_equal(w->m[0].n_ended, 0);
    assert_int_equal(w->m[0].ups, 1);
    while (w->m[1].n_open > 1) /* all but the first */
        take_custody(&w->m[1], w->m[1].n_open - 1);
    sim_run(5 * SEC, NULL, NULL);
    assert_int_equal(w->m[0].n_ended, 29); /* each by itself: h cannot pass the first */
    region_ticket t = w->m[1].open[0].t;
    take_custody(&w->m[1], 0);
    s2s_region_complete(w->m[1].r, t); /* stale */
    s2s_region_complete(w->m[1].r, 12345);
    assert_true(sim_run(5 * SEC, a_ended, &w->m[0]));
    world_free(&w);
}

/* Acknowledged by itself, then the link is cut: the peer lives, so nothing comes again. */
static void test_region_got_survives_cuts(void **state UNUSED)
{
    struct world *w = world_new(20);
    tell_peer(&w->m[0]);
    for (int i = 0; i < 10; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    sim_net_cut("a", "b", true); /* the words about them are lost */
    for (int i = 0; i < 5; i++)
        take_custody(&w->m[1], 3);
    sim_run(SEC, NULL, NULL);
    sim_net_cut("a", "b", false);
    sim_net_heal("a", "b");
    sim_run(20 * SEC, NULL, NULL);
    assert_int_equal(w->m[0].n_ended, 5);
    assert_int_equal(w->m[1].delivered, 10);
    while (w->m[1].n_open)
        take_custody(&w->m[1], 0);
    assert_true(sim_run(10 * SEC, a_ended, &w->m[0]));
    assert_int_equal(w->m[1].delivered, 10);
    world_free(&w);
}

/* A new numbering with custody open: the copies are not handed up, and are acknowledged by the same
 * custody. */
static void test_region_copies_wait_for_custody(void **state UNUSED)
{
    struct world *w = world_new(8);
    tell_peer(&w->m[0]);
    for (int i = 0; i < 10; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    take_custody(&w->m[1], 3);
    s2s_region_dead(w->m[0].r, ids[1], 10,
                    false); /* a mistake of the registry: the session is given up */
    tell_peer(&w->m[0]);
    send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(10 * SEC, b_has, w));
    sim_run(5 * SEC, NULL, NULL);
    assert_int_equal(w->m[1].delivered, 11);
    assert_int_equal(w->m[0].n_ended, 1);
    while (w->m[1].n_open)
        take_custody(&w->m[1], 0);
    assert_true(sim_run(10 * SEC, a_ended, &w->m[0]));
    world_free(&w);
}

static unsigned count(const struct member *m, char how)
{
    unsigned n = 0;
    for (unsigned k = 0; k < m->n_sent; k++)
        n += m->sent[k].how == how;
    return n;
}

static void test_region_returned(void **state UNUSED)
{
    struct world *w = world_new(9);
    struct member *a = &w->m[0];
    w->may_return = true;
    sim_net_cut("a", "b", false);
    tell_peer(a);
    send_one(a, REGION_USER);
    send_one(a, REGION_SESSION);
    s2s_region_dead(a->r, ids[1], 9, true); /* old news */
    sim_run(SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 0);
    s2s_region_dead(a->r, ids[1], 10, false); /* USER waits for the next incarnation */
    sim_run(SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 1);
    s2s_region_dead(a->r, ids[1], 10, true);
    assert_int_equal(a->n_ended, 1);
    assert_true(sim_run(SEC, a_ended, a));
    assert_int_equal(count(a, 'r'), 2);
    world_free(&w);
}

/* Its stream may reach us before the registry tells of it: what is for it waits. */
static void test_region_not_known_yet(void **state UNUSED)
{
    struct world *w = world_new(19);
    struct member *a = &w->m[0];
    send_one(a, REGION_USER);
    sim_run(SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 0);
    tell_peer(a);
    assert_true(sim_run(5 * SEC, b_has, w));
    take_custody(&w->m[1], 0);
    assert_true(sim_run(5 * SEC, a_ended, a));
    assert_int_equal(count(a, 'a'), 1);
    world_free(&w);
}

/* Forgotten and met again: what is sent then is new to the receiver, although it remembers the
 * past. */
static void test_region_forgotten_and_back(void **state UNUSED)
{
    struct world *w = world_new(10);
    struct member *a = &w->m[0];
    w->may_return = true;
    tell_peer(a);
    for (int i = 0; i < 5; i++)
        send_one(a, REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    while (w->m[1].n_open)
        take_custody(&w->m[1], 0);
    assert_true(sim_run(5 * SEC, a_ended, a));
    s2s_region_dead(a->r, ids[1], 10, true);
    tell_peer(a);
    send_one(a, REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    take_custody(&w->m[1], 0);
    assert_true(sim_run(5 * SEC, a_ended, a));
    assert_int_equal(count(a, 'a'), 6);
    world_free(&w);
}

static void test_region_wait_ms(void **state UNUSED)
{
    struct world *w = world_new(11);
    struct member *a = &w->m[0];
    w->may_return = true;
    tell_peer(a);
    send_one(a, REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    sim_run(400 * SEC, NULL, NULL); /* connected: nothing expires */
    assert_int_equal(a->n_ended, 0);
    sim_net_cut("a", "b", false);
    sim_run(100 * SEC, NULL, NULL);
    send_one(a, REGION_USER);
    sim_run(190 * SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 0);
    sim_run(15 * SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 1);
    sim_run(100 * SEC, NULL, NULL);
    assert_int_equal(count(a, 'r'), 2);
    world_free(&w);
}

static void test_region_queue_full(void **state UNUSED)
{
    struct world *w = world_new(12);
    struct member *a = &w->m[0];
    w->may_return = true;
    member_stop(a);
    a->conf.queue_bytes = 20000;
    member_start(a);
    tell_peer(a);
    for (int i = 0; i < 200; i++)
        send_one(a, REGION_USER);
    assert_int_equal(a->n_ended, 0); /* never inside send */
    sim_run(5 * SEC, NULL, NULL);
    assert_true(count(a, 'r') > 50 && count(a, 'r') < 200);
    assert_int_equal(w->m[1].delivered, 200 - count(a, 'r'));
    while (w->m[1].n_open || a->n_ended < a->n_sent) {
        while (w->m[1].n_open)
            take_custody(&w->m[1], 0);
        sim_run(SEC, NULL, NULL);
    }
    world_free(&w);
}

/* ---- who may not ---- */

static const struct json *list_row(struct member *m, struct json **keep)
{
    *keep = json_new_array();
    s2s_region_list(m->r, *keep);
    assert_int_equal(json_len(*keep), 1);
    return json_at(*keep, 0);
}

static void check_refused(size_t ctx, uint64_t incarnation_known_to_b, const char *self_domain,
                          const char *why)
{
    struct world *w = world_new(13);
    struct json *list;
    struct member *a = &w->m[0], *b = &w->m[1];
    member_stop(a);
    a->conf.tls_client = ctx_client[ctx];
    a->conf.self_domain = self_domain;
    member_start(a);
    if (incarnation_known_to_b) {
        uint64_t real = a->conf.self_incarnation;
        a->conf.self_incarnation = incarnation_known_to_b;
        tell_peer(b);
        a->conf.self_incarnation = real;
    }
    tell_peer(a);
    send_one(a, REGION_USER);
    sim_run(20 * SEC, NULL, NULL);
    assert_int_equal(a->ups, 0);
    assert_int_equal(b->delivered, 0);
    assert_int_equal(a->n_ended, 0);
    const struct json *row = list_row(a, &list);
    if (!strstr(json_get_str(row, "last_error"), why))
        fail_msg("'%s' instead of '%s'", json_get_str(row, "last_error"), why);
    assert_int_equal(json_get_num(row, "queued", -1), 1);
    json_free(&list);
    world_free(&w);
}

static void test_region_refused(void **state UNUSED)
{
    check_refused(2, 0, domains[0], "not-authorized");
    check_refused(3, 0, domains[0], "not-authorized");
    check_refused(0, 0, "a.elsewhere.test", "invalid-from");
    check_refused(0, 11, domains[0], "older incarnation");
}

/* The other way round: who answers is not who should. */
static void test_region_wrong_server(void **state UNUSED)
{
    for (size_t ctx = 2; ctx < 4; ctx++) {
        struct world *w = world_new(14);
        member_stop(&w->m[1]);
        w->m[1].conf.tls_server = ctx_server[ctx];
        member_start(&w->m[1]);
        tell_peer(&w->m[0]);
        send_one(&w->m[0], REGION_USER);
        sim_run(20 * SEC, NULL, NULL);
        assert_int_equal(w->m[0].ups, 0);
        assert_int_equal(w->m[1].delivered, 0);
        world_free(&w);
    }
}

/* The registry knows a younger incarnation than the one that listens. */
static void test_region_old_process_answers(void **state UNUSED)
{
    struct world *w = world_new(15);
    w->m[1].conf.self_incarnation = 11; /* what a is told */
    struct s2s_region_conf *real = &w->m[1].r->conf;
    assert_int_equal(real->self_incarnation, 10);
    tell_peer(&w->m[0]);
    send_one(&w->m[0], REGION_USER);
    sim_run(20 * SEC, NULL, NULL);
    assert_int_equal(w->m[0].ups, 0);
    assert_int_equal(w->m[1].delivered, 0);
    world_free(&w);
}

static void set_true(void *ctx)
{
    *(bool *)ctx = true;
}
static bool is_true(void *ctx)
{
    return *(bool *)ctx;
}

static void test_region_stop_flushes(void **state UNUSED)
{
    struct world *w = world_new(16);
    bool stopped = false;
    tell_peer(&w->m[0]);
    tell_peer(&w->m[1]);
    for (int i = 0; i < 20; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    for (int i = 0; i < 20; i++)
        send_one(&w->m[0], REGION_USER);
    timer_start(&w->m[1].work, 1); /* takes custody */
    s2s_region_stop(w->m[0].r, set_true, &stopped);
    assert_false(stopped);
    assert_true(sim_run(3500000, is_true, &stopped));
    assert_int_equal(count(&w->m[0], 'a'), 40);
    world_free(&w);
}

/* Custody that is taken while the receiver stops is still acknowledged: nothing comes a second
 * time. */
static void test_region_stop_waits_for_custody(void **state UNUSED)
{
    struct world *w = world_new(17);
    bool stopped = false;
    w->m[1].holds = true;
    tell_peer(&w->m[0]);
    tell_peer(&w->m[1]);
    for (int i = 0; i < 20; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    assert_int_equal(count(&w->m[0], 'a'), 0);
    s2s_region_stop(w->m[1].r, set_true, &stopped);
    assert_false(sim_run(500000, is_true, &stopped));
    while (w->m[1].n_open)
        take_custody(&w->m[1], 0);
    assert_true(sim_run(500000, is_true, &stopped));
    assert_int_equal(count(&w->m[0], 'a'), 20);
    world_free(&w);
}

static void test_region_route_strict(void **state UNUSED)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"<route xmlns='urn:meridian:route:0' purpose='user' hops='1' origin='a/b' incarnation='1' "
         "seq='1'/>",
         true},
        {"<route xmlns='urn:meridian:route:0' purpose='up-ok' hops='0' origin='a/b' "
         "incarnation='18446744073709551615' seq='7' resource='x' home='y' covered='1' "
         "trace='0123456789abcdef0123456789abcdef'/>",
         true},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='0'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' seq='1'/>", false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' incarnation='1' seq='1'/>", false},
        {"<route xmlns='urn:meridian:route:0' origin='a' incarnation='1' seq='1'/>", false},
        {"<route xmlns='urn:meridian:route:0' purpose='x' origin='a' incarnation='1' seq='1'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='-1' seq='1'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "z='1'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "hops='256'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "trace='0'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "covered='2'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' "
         "seq='1'>x</route>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "home='0123456789012345678901234567890123456789012345678901234567890123'/>",
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct xml_doc *doc;
        struct region_route r;
        assert_int_equal(xml_parse_one(str_of(cases[i].text), NS_SERVER, &xml_limits_default, &doc),
                         ERR_OK);
        if ((region_route_read(doc->root, &r) == ERR_OK) != cases[i].ok)
            fail_msg("%s", cases[i].text);
        xml_doc_free(&doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_region_route_strict),
        cmocka_unit_test(test_region_custody),
        cmocka_unit_test(test_region_got_survives_cuts),
        cmocka_unit_test(test_region_copies_wait_for_custody),
        cmocka_unit_test(test_region_returned),
        cmocka_unit_test(test_region_not_known_yet),
        cmocka_unit_test(test_region_forgotten_and_back),
        cmocka_unit_test(test_region_wait_ms),
        cmocka_unit_test(test_region_queue_full),
        cmocka_unit_test(test_region_refused),
        cmocka_unit_test(test_region_wrong_server),
        cmocka_unit_test(test_region_old_process_answers),
        cmocka_unit_test(test_region_stop_flushes),
        cmocka_unit_test(test_region_stop_waits_for_custody),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
