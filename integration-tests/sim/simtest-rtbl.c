/* Block lists of a pubsub service (XEP-0060): joined, followed, lost and found again; who is not
 * believed. */
#include "integration-tests/sim/tests-rtbl-int.h"

/* Two pages; domains and hashes; what is not for us is counted; nobody of ours is named. */
static void test_join(void **state UNUSED)
{
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct scene s;
        scene_begin(&s, shards);
        assert_blocked(&s, "first.example", false);
        service_up(&s);
        s.p.wanted = "<subscribe ";
        assert_true(sim_run(TRIES_S * SEC, peer_has, &s.p));
        assert_non_null(strstr(s.p.in.p, "node='" NODE "'"));
        assert_non_null(strstr(s.p.in.p, "jid='" RIG_DOMAIN "'"));
        assert_non_null(strstr(s.p.in.p, "from='" RIG_DOMAIN "'"));
        subscribe(&s);
        result(&s, "<items ",
               PUBSUB(ITEMS(ITEM("first.example") ITEM("eve@user.example") ITEM(RIG_DOMAIN)
                                ITEM(SERVICE)) RSM("four", "7")));
        assert_true(peer_expect(&s.p, "<after>four</after>"));
        assert_blocked(&s, "first.example", false); /* not before it is complete */
        result(&s, "<items ",
               PUBSUB(ITEMS(ITEM(HASHED) ITEM("*.x") "<item/>" ITEM("last.example"))
                          RSM("seven", "7")));
        run_ms(500);
        struct rtbl_view v = view_of(&s, 0);
        assert_string_equal(v.state, "following");
        assert_string_equal(v.name, SERVICE "/" NODE);
        assert_int_equal(v.items, 5);
        assert_int_equal(v.ignored, 2);
        assert_in_range(v.age_s, 0, 1); /* of whole seconds */
        assert_in_range(v.next_s, CHECK_S - 2, CHECK_S);
        assert_blocked(&s, "first.example", true);
        assert_blocked(&s, "hashed.example", true);
        assert_blocked(&s, "last.example", true);
        assert_blocked(&s, "sub.first.example", false);
        assert_blocked(&s, "user.example", false);
        for (unsigned i = 0; i < shards; i++) {
            struct s2s_terms t;
            s2s_terms(s.r.node->shard[i].s2s, STR(RIG_DOMAIN), &t);
            assert_false(t.is_denied);
            s2s_terms(s.r.node->shard[i].s2s, STR(SERVICE), &t);
            assert_false(t.is_denied);
            s2s_terms(s.r.node->shard[i].s2s, STR("last.example"), &t);
            assert_true(t.is_listed);
        }
        scene_end(&s);
    }
}

static void test_events(void **state UNUSED)
{
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct scene s;
        begin_joined(&s, shards);
        event(&s, EVENT(ITEMS(ITEM("new.example") ITEM("newer.example"))));
        assert_blocked(&s, "new.example", true);
        assert_blocked(&s, "newer.example", true);
        event(&s, EVENT(ITEMS("<retract id='new.example'/><retract id='unheard.example'/>")));
        assert_blocked(&s, "new.example", false);
        assert_blocked(&s, "newer.example", true);
        event(&s, EVENT(ITEMS("<retract id='" HASHED "'/>")));
        assert_blocked(&s, "hashed.example", false);
        event(&s, EVENT("<configuration node='" NODE "'/>"));
        assert_blocked(&s, "newer.example", true);
        event(&s, EVENT("<purge node='" NODE "'/>"));
        assert_blocked(&s, "newer.example", false);
        assert_blocked(&s, "first.example", false);
        struct rtbl_view v = view_of(&s, 0);
        assert_string_equal(v.state, "following");
        assert_int_equal(v.items, 0);
        assert_int_equal(v.events[0], 2);
        assert_int_equal(v.events[1], 3);
        assert_int_equal(v.events[2], 1);
        scene_end(&s);
    }
}

/* The node is deleted, or we are thrown out: what was known holds, and it is joined again. */
static void test_ended(void **state UNUSED)
{
    static const struct {
        const char *event, *why;
    } cases[] = {
        {EVENT("<delete node='" NODE "'/>"), "the service deleted the node"},
        {EVENT("<subscription node='" NODE "' jid='" RIG_DOMAIN "' subscription='none'/>"),
         "the service ended the subscription"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene s;
        begin_joined(&s, 1);
        buf_clear(&s.p.in);
        event(&s, cases[i].event);
        assert_string_equal(view_of(&s, 0).state, "away");
        assert_string_equal(view_of(&s, 0).why, cases[i].why);
        assert_blocked(&s, "first.example", true);
        refuse(&s, "<subscribe ", "item-not-found");
        run_ms(100);
        assert_string_equal(view_of(&s, 0).why, "subscribing: item-not-found");
        assert_blocked(&s, "first.example", true);
        join_with(&s, PUBSUB(ITEMS(ITEM("again.example"))));
        assert_blocked(&s, "first.example", false);
        assert_blocked(&s, "again.example", true);
        scene_end(&s);
    }
}

/* Only from the service, of the node, in a message that is no error. */
static void test_not_believed(void **state UNUSED)
{
#define FORGED EVENT(ITEMS(ITEM("forged.example") "<retract id='first.example'/>"))
    struct scene s;
    struct peer other;
    char id[256];
    begin_joined(&s, 1);
    sim_client_send(s.a, "<message to='" RIG_DOMAIN "'>" FORGED "</message>");
    struct sim_client *liar = rig_online(&s.r, "alice", "liar");
    sim_client_send(liar, "<message to='" RIG_DOMAIN "' from='" SERVICE "'>" FORGED "</message>");
    assert_true(sim_client_wait(liar, SIM_CLIENT_ENDED));
    sim_client_free(&liar);
    peer_open(&other, &s.r.listen[0].at, PORT, false, NS_COMPONENT, OTHER);
    prove(&other, SECRET);
    assert_true(peer_expect(&other, "<handshake/>"));
    peer_send(&other, "<message from='" OTHER "' to='" RIG_DOMAIN "'>" FORGED "</message>");
    peer_send(&s.p, "<message from='x@" SERVICE "' to='" RIG_DOMAIN "'>" FORGED "</message>");
    peer_send(&s.p, "<message type='error' " ME ">" FORGED "</message>");
    event(&s, EVENT("<items node='other'>" ITEM("forged.example") "</items>"));
    event(&s, EVENT("<purge node='other'/><purge/>"));
    event(&s, EVENT("<delete node='other'/>"));
    event(&s, EVENT("<subscription node='" NODE "' jid='else.test' subscription='none'/>"));
    event(&s, "<event xmlns='urn:other'>" ITEMS(ITEM("forged.example")) "</event>");
    assert_blocked(&s, "forged.example", false);
    assert_blocked(&s, "first.example", true);
    assert_string_equal(view_of(&s, 0).state, "following");

    /* An answer of somebody else, with an id it should not know; and one to no question. */
    event(&s, EVENT("<delete node='" NODE "'/>"));
    buf_clear(&s.p.in);
    request(&s, "<subscribe ", id);
    peer_send(&other, "<iq type='result' id='%s' from='" OTHER "' to='" RIG_DOMAIN "'>%s</iq>", id,
              PUBSUB(SUBSCRIPTION("subscribed")));
    peer_send(&s.p, "<iq type='result' id='rtbl:x:y' " ME ">%s</iq>",
              PUBSUB(SUBSCRIPTION("subscribed")));
    run_ms(1000);
    assert_int_equal(s.p.in.n, 0); /* it does not go on to the items */
    peer_close(&other);
    scene_end(&s);
}

/* What may be wrong with an answer; the first list is not in force yet, so nothing is blocked. */
static void test_bad_answers(void **state UNUSED)
{
    static const struct {
        const char *subscribed, *items, *why;
    } cases[] = {
        {"", NULL, "subscribing: the answer names no subscription"},
        {"<x xmlns='urn:x'/>", NULL, "subscribing: the answer is malformed"},
        {PUBSUB(SUBSCRIPTION("pending")), NULL,
         "subscribing: it waits for the approval of the list's owner"},
        {PUBSUB(SUBSCRIPTION("none")), NULL, "subscribing: the answer names no subscription"},
        {PUBSUB("<subscription node='else' jid='" RIG_DOMAIN "' subscription='subscribed'/>"), NULL,
         "subscribing: the answer names no subscription"},
        {PUBSUB(SUBSCRIPTION("subscribed")), "<x xmlns='urn:x'/>",
         "fetching items: the answer is malformed"},
        {PUBSUB(SUBSCRIPTION("subscribed")),
         PUBSUB("<items node='else'>" ITEM("bad.example") "</items>"),
         "fetching items: the answer is malformed"},
        {PUBSUB(SUBSCRIPTION("subscribed")),
         PUBSUB(ITEMS(ITEM("1.example") ITEM("2.example") ITEM("3.example") ITEM("4.example")
                          ITEM("5.example") ITEM("6.example") ITEM("bad.example"))),
         "it has more than 6 items (max_items)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene s;
        scene_begin(&s, 1);
        service_up(&s);
        result(&s, "<subscribe ", cases[i].subscribed);
        if (cases[i].items)
            result(&s, "<items ", cases[i].items);
        run_ms(500);
        assert_string_equal(view_of(&s, 0).state, "away");
        assert_string_equal(view_of(&s, 0).why, cases[i].why);
        assert_int_equal(view_of(&s, 0).age_s, UINT64_MAX);
        assert_blocked(&s, "bad.example", false);
        assert_blocked(&s, "1.example", false);
        join_with(&s, PUBSUB(ITEMS(ITEM("good.example")))); /* it is tried again */
        assert_blocked(&s, "good.example", true);
        scene_end(&s);
    }
}

/* A service that gives the same page again and again is left. */
static void test_repeated_page(void **state UNUSED)
{
    struct scene s;
    scene_begin(&s, 1);
    service_up(&s);
    subscribe(&s);
    for (int i = 0; i < 2; i++)
        result(&s, "<items ", PUBSUB(ITEMS(ITEM("one.example")) RSM("one", "9")));
    run_ms(500);
    assert_string_equal(view_of(&s, 0).why, "fetching items: the service repeats a page");
    scene_end(&s);
}

/* Events between the pages of a fetch hold, those that add and those that take. */
static void test_events_while_fetching(void **state UNUSED)
{
    struct scene s;
    scene_begin(&s, 1);
    service_up(&s);
    subscribe(&s);
    result(&s, "<items ", PUBSUB(ITEMS(ITEM("one.example") ITEM("two.example")) RSM("two", "3")));
    event(&s, EVENT(ITEMS(ITEM("four.example") "<retract id='one.example'/>")));
    assert_blocked(&s, "four.example", true);
    result(&s, "<items ", PUBSUB(ITEMS(ITEM("three.example")) RSM("three", "3")));
    run_ms(500);
    assert_blocked(&s, "one.example", false);
    assert_blocked(&s, "two.example", true);
    assert_blocked(&s, "three.example", true);
    assert_blocked(&s, "four.example", true);
    scene_end(&s);
}

/* More than may be, by an event: those that are there stay. */
static void test_full(void **state UNUSED)
{
    struct scene s;
    begin_joined(&s, 1);
    event(&s, EVENT(ITEMS(ITEM("3.example") ITEM("4.example") ITEM("5.example") ITEM("6.example")
                              ITEM("7.example"))));
    assert_string_equal(view_of(&s, 0).why, "it has more than 6 items (max_items)");
    assert_blocked(&s, "6.example", true);
    assert_blocked(&s, "7.example", false);
    scene_end(&s);
}

/* Nobody is there; then one who does not answer; then all is well. */
static void test_away_at_start(void **state UNUSED)
{
    struct scene s;
    scene_begin(&s, 1);
    run_ms(3000);
    assert_string_equal(view_of(&s, 0).state, "away");
    assert_non_null(strstr(view_of(&s, 0).why, "subscribing: "));
    service_up(&s);
    char id[256];
    request(&s, "<subscribe ", id);
    run_ms((ANSWER_S + 1) * 1000);
    assert_string_equal(view_of(&s, 0).why, "subscribing: no answer");
    join_with(&s, PUBSUB(ITEMS(ITEM("first.example"))));
    assert_blocked(&s, "first.example", true);
    scene_end(&s);
}

/* Attempts while it is away become rarer, at most every 5 min and a quarter. */
static void test_back_off(void **state UNUSED)
{
    struct scene s;
    uint64_t before = 0;
    scene_begin(&s, 1);
    for (int i = 0; i < 10; i++) {
        run_ms(2000);
        uint64_t next = view_of(&s, 0).next_s;
        if (i > 7)
            assert_in_range(next, 200, 375);
        assert_true(i > 5 || next > before || i == 0);
        before = next;
        run_ms((next + 1) * 1000);
    }
    scene_end(&s);
}

/* The service was restarted and has forgotten us: seen by the next look, and all is fetched. */
static void test_forgotten(void **state UNUSED)
{
    struct scene s;
    begin_joined(&s, 1);
    run_ms(CHECK_S * 1000);
    result(&s, "<subscriptions ",
           PUBSUB("<subscriptions node='" NODE "'>" SUBSCRIPTION("subscribed") "</subscriptions>"));
    run_ms(500);
    assert_string_equal(view_of(&s, 0).state, "following");
    service_down(&s);
    run_ms((CHECK_S + 2) * 1000);
    assert_string_equal(view_of(&s, 0).state, "away");
    assert_blocked(&s, "first.example", true);
    service_up(&s);
    join_with(&s, PUBSUB(ITEMS(ITEM("first.example") ITEM("missed.example"))));
    assert_blocked(&s, "missed.example", true);
    run_ms(CHECK_S * 1000);
    result(&s, "<subscriptions ", PUBSUB("<subscriptions/>"));
    join_with(&s, PUBSUB(ITEMS(ITEM("third.example"))));
    assert_blocked(&s, "third.example", true);
    assert_blocked(&s, "missed.example", false);
    scene_end(&s);
}

/* A service that cannot be asked for subscriptions is not asked again; the refresh remains. */
static void test_refresh(void **state UNUSED)
{
    struct scene s;
    begin_joined(&s, 1);
    refuse(&s, "<subscriptions ", "feature-not-implemented");
    run_ms((REFRESH_S - 2 * CHECK_S) * 1000);
    assert_string_equal(view_of(&s, 0).state, "following");
    assert_int_equal(s.p.in.n, 0);
    run_ms(CHECK_S * 1000 + 5000);
    join_with(&s, PUBSUB(ITEMS(ITEM("fresh.example"))));
    assert_blocked(&s, "fresh.example", true);
    assert_blocked(&s, "first.example", false);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_not_believed),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_repeated_page),
        cmocka_unit_test(test_events_while_fetching),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_away_at_start),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_refresh),
    };
    return cmocka_run_group_tests(tests, setup, rig_certs_end);
}
