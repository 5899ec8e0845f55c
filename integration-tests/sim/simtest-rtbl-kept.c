/* Block lists of a pubsub service: what is remembered over a restart, large lists, other
 * configurations, several regions. */
#include "integration-tests/sim/tests-rtbl-int.h"

/* What was known holds at once after a restart, although nobody can be asked. */
static void test_restart(void **state UNUSED)
{
    for (int fails = 0; fails < 2; fails++) {
        struct scene s;
        begin_joined(&s, 1);
        event(&s, EVENT(ITEMS(ITEM("new.example") "<retract id='first.example'/>")));
        if (fails) /* the first attempt to write it */
            store_fail_nth(s.store, 1);
        run_ms(70000);
        node_down(&s);
        node_up(&s);
        s.a = rig_online(&s.r, "alice", "a");
        struct rtbl_view v = view_of(&s, 0);
        assert_int_equal(v.items, 2);
        assert_in_range(v.age_s, 60, 90);
        assert_blocked(&s, "new.example", true);
        assert_blocked(&s, "hashed.example", true);
        assert_blocked(&s, "first.example", false);
        run_ms(3000);
        assert_string_equal(view_of(&s, 0).state, "away");
        assert_blocked(&s, "new.example", true);
        service_up(&s);
        join_with(&s, PUBSUB(ITEMS("")));
        assert_blocked(&s, "new.example", false);
        scene_end(&s);
    }
}

/* The id of the i-th item of a large list. */
static const char *long_id(size_t i, char out[S2S_RTBL_ID_MAX + 1])
{
    static const char label[] = "a-label-of-some-length-that-is-no-use-but-for-its-bytes";
    snprintf(out, S2S_RTBL_ID_MAX + 1, "%s.%s.%s.%s.d%zu.example", label, label, label, label, i);
    return out;
}

/* A page of items from..to of count. */
static void send_page(struct scene *s, size_t from, size_t to, size_t count)
{
    char id[256], name[S2S_RTBL_ID_MAX + 1];
    struct buf b;
    buf_init(&b, 8000);
    request(s, "<items ", id);
    for (size_t i = from; i < to; i++)
        buf_printf(&b, "<item id='%s'/>", long_id(i, name));
    peer_send(&s->p,
              "<iq type='result' id='%s' " ME "><pubsub xmlns='%s'><items node='" NODE "'>" STR_FMT
              "</items><set xmlns='%s'><last>%s</last><count>%zu</count></set></pubsub></iq>",
              id, NS_PUBSUB, STR_ARG(buf_view(&b)), NS_RSM, name, count);
    buf_fini(&b);
}

/* More than the store has in one value, and than is read at once; then less again. */
static void test_large(void **state UNUSED)
{
    enum { MANY = 1500, PAGE = 25 };
    static const struct node_conf_rtbl large = {SERVICE, NODE, 2 * MANY, REFRESH_S * 1000};
    struct scene s;
    char name[S2S_RTBL_ID_MAX + 1];
    scene_begin(&s, 1);
    service_up(&s);
    s.r.conf.rtbls = &large;
    rtbl_configure(s.r.node, &large, 1);
    run_ms(100);
    buf_clear(&s.p.in);
    run_ms((ANSWER_S + 10) * 1000);
    subscribe(&s);
    for (size_t i = 0; i < MANY; i += PAGE)
        send_page(&s, i, i + PAGE, MANY);
    run_ms(SAVED_MS);
    assert_int_equal(view_of(&s, 0).items, MANY);
    for (size_t left = MANY; left; left = left == MANY ? 5 : 0) {
        node_down(&s);
        node_up(&s);
        s.a = rig_online(&s.r, "alice", "a");
        assert_int_equal(view_of(&s, 0).items, left);
        for (size_t i = 0; i < left; i += 149)
            assert_blocked(&s, long_id(i, name), true);
        assert_blocked(&s, long_id(left, name), false);
        service_up(&s);
        subscribe(&s);
        send_page(&s, 0, 5, 5);
        run_ms(SAVED_MS);
    }
    scene_end(&s);
}

/* A reload: the list goes, and its subscription and what was stored; another one comes. */
static void test_configure(void **state UNUSED)
{
    struct scene s;
    begin_joined(&s, 1);
    run_ms(10000);
    rtbl_configure(s.r.node, lists, 2);
    assert_true(peer_expect(&s.p, "node='second'"));
    buf_clear(&s.p.in);
    assert_string_equal(view_of(&s, 0).state, "following");
    assert_string_equal(view_of(&s, 1).state, "joining");
    rtbl_configure(s.r.node, &lists[1], 1);
    assert_true(peer_expect(&s.p, "<unsubscribe "));
    assert_non_null(strstr(s.p.in.p, "node='" NODE "'"));
    run_ms(100);
    assert_blocked(&s, "first.example", false);
    buf_clear(&s.p.in);
    event(&s, EVENT(ITEMS(ITEM("late.example"))));
    assert_blocked(&s, "late.example", false);
    s.r.conf.rtbls_n = 1;
    service_down(&s);
    node_down(&s);
    node_up(&s);
    s.a = rig_online(&s.r, "alice", "a");
    assert_int_equal(view_of(&s, 0).items, 0);
    scene_end(&s);
}

/* ---- a world of two regions */
/* Answer each request that is in the inbox. */
static void answer_all(struct peer *p, const char *items)
{
    buf_char(&p->in, '\0');
    for (char *at = p->in.p, *end; (at = strstr(at, "<iq ")) && (end = strstr(at, "</iq>"));
         at = end) {
        *end++ = 0;
        struct str id = str_of(strstr(at, " id='") + 5);
        id = str_cut(&id, '\'');
        peer_send(p, "<iq type='result' id='" STR_FMT "' " ME ">%s</iq>", STR_ARG(id),
                  strstr(at, "<items ") ? items : PUBSUB(SUBSCRIPTION("subscribed")));
    }
    buf_clear(&p->in);
}

static bool names(const struct pair *w, int at, const char *domain)
{
    struct s2s_terms t;
    s2s_terms(w->at[at].rig.node->shard[0].s2s, str_of(domain), &t);
    return t.is_listed;
}

static void regions_up(struct pair *w, unsigned shards)
{
    pair_begin(w, 5, shards);
    for (int i = 0; i < REGIONS; i++) {
        place_kill(w, i);
        with_lists(&w->at[i].rig.conf);
        if (i == US)
            w->at[i].rig.conf.component_listen_n = 0;
        place_revive(w, i);
    }
    (void)sim_run(30 * SEC, NULL, NULL);
}

/* The service reaches one node only. An answer gets to the one that asked, an event to all. */
static void test_other_region(void **state UNUSED)
{
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct pair w;
        struct peer p;
        regions_up(&w, shards);
        peer_open(&p, &w.at[EU].rig.listen[0].at, PORT, false, NS_COMPONENT, SERVICE);
        prove(&p, SECRET);
        for (int i = 0; i < TRIES_S; i++) {
            (void)sim_run(SEC, NULL, NULL);
            answer_all(&p, PUBSUB(ITEMS(ITEM("first.example"))));
        }
        for (int i = 0; i < REGIONS; i++) {
            struct rtbl_view v[S2S_RTBL_LISTS_MAX];
            assert_int_equal(rtbl_views(w.at[i].rig.node, v), 1);
            assert_string_equal(v[0].state, "following");
            assert_true(names(&w, i, "first.example"));
        }
        peer_send(&p, "<message " ME ">%s</message>",
                  EVENT(ITEMS(ITEM("new.example") "<retract id='first.example'/>")));
        (void)sim_run(2 * SEC, NULL, NULL);
        for (int i = 0; i < REGIONS; i++) {
            struct rtbl_view v[S2S_RTBL_LISTS_MAX];
            (void)rtbl_views(w.at[i].rig.node, v);
            assert_int_equal(v[0].events[0], 1); /* once */
            assert_true(names(&w, i, "new.example"));
            assert_false(names(&w, i, "first.example"));
        }
        peer_close(&p);
        pair_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_configure),
        cmocka_unit_test(test_other_region),
    };
    return cmocka_run_group_tests(tests, setup, rig_certs_end);
}
