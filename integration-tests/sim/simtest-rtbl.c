/* Block lists of a pubsub service (XEP-0060): joined, followed, lost and found again; who is not
 * believed; what is remembered over a restart. The service is a component, by hand. */
#include "integration-tests/sim/tests-component-int.h"
#include "node/mod/rtbl.h"
#include "s2s/s2s-int.h"

#define SERVICE "rtbl.im.test"
#define OTHER "other-service.im.test"
#define NODE "spam"
#define SECRET "s3cr3t"
#define ME "from='" SERVICE "' to='" RIG_DOMAIN "'"
/* printf hashed.example | sha256sum */
#define HASHED "9640c131efd641d6ae53b38a1a610e72156565b79fe39f5d3accbab436fee789"
enum {
    MAX_ITEMS = 6,
    REFRESH_S = 3600,
    CHECK_S = 300,
    ANSWER_S = 45,
    GATHER_MS = 250,
    TRIES_S = 400,
    SAVED_MS = 10000
};

static const struct node_conf_component components[] = {{SERVICE, SECRET, true},
                                                        {OTHER, SECRET, true}};
static struct node_conf_listen component_port;
static const struct node_conf_rtbl lists[] = {{SERVICE, NODE, MAX_ITEMS, REFRESH_S * 1000},
                                              {SERVICE, "second", MAX_ITEMS, REFRESH_S * 1000}};

struct scene {
    struct rig r;
    struct store *store;
    struct peer p; /* the service */
    bool is_up;
    struct sim_client *a;
};

static void with_lists(struct node_conf *c)
{
    component_port.at = c->c2s[0].at;
    component_port.at.port = PORT;
    c->component_listen = &component_port;
    c->component_listen_n = 1;
    c->components = components;
    c->components_n = ARRAY_LEN(components);
    c->s2s_enabled = true;
    c->rtbls = lists;
    c->rtbls_n = 1;
}

static void node_up(struct scene *s)
{
    char why[256] = "";
    s->r.shards = shards_new("server", s->r.conf.shards);
    enum err e = node_new(&s->r.conf, s->r.shards, NULL, s->store, &s->r.node, why, sizeof why);
    if (e != ERR_OK)
        fail_msg("%s", why);
}

/* As power failing: the store stays. */
static void node_down(struct scene *s)
{
    sim_client_free(&s->a);
    op_owner_cancel_all(&s->r.ops);
    if (s->is_up)
        peer_close(&s->p);
    s->is_up = false;
    node_free(&s->r.node);
    (void)sim_run(SEC, NULL, NULL);
    shards_free(&s->r.shards);
}

static void service_up(struct scene *s)
{
    peer_open(&s->p, &s->r.listen[0].at, PORT, false, NS_COMPONENT, SERVICE);
    prove(&s->p, SECRET);
    assert_true(peer_expect(&s->p, "<handshake/>"));
    buf_clear(&s->p.in);
    s->is_up = true;
}

static void service_down(struct scene *s)
{
    peer_close(&s->p);
    s->is_up = false;
}

static void scene_begin(struct scene *s, unsigned shards)
{
    char why[256];
    *s = (struct scene){0};
    sim_begin(1);
    sim_net_begin();
    sim_dns_begin();
    op_owner_init(&s->r.ops);
    rig_conf_init(&s->r, shards);
    with_lists(&s->r.conf);
    assert_int_equal(store_open("mem:", &s->store, why, sizeof why), ERR_OK);
    node_up(s);
    assert_int_equal(rig_create(&s->r, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
    s->a = rig_online(&s->r, "alice", "a");
}

static void scene_end(struct scene *s)
{
    node_down(s);
    store_close(&s->store);
    sim_dns_end();
    sim_net_end();
    sim_end();
}

static struct rtbl_view view_of(const struct scene *s, size_t i)
{
    struct rtbl_view v[S2S_RTBL_LISTS_MAX];
    assert_true(i < rtbl_views(s->r.node, v));
    return v[i];
}

static void run_ms(uint64_t ms)
{
    (void)sim_run(ms * 1000, NULL, NULL);
}

/* What alice hears of the domain: it stands on a list, or DNS does not know it. */
static bool is_blocked(struct scene *s, const char *domain)
{
    static unsigned n;
    sim_client_send(s->a, "<message to='x@%s' id='m%u'><body>x</body></message>", domain, ++n);
    assert_true(sim_client_expect(s->a, "<message type='error' id='m%u'/>", n));
    const struct xml *error = xml_child(sim_client_last(s->a), NS_CLIENT, "error");
    bool blocked = xml_child(error, NS_STANZA_ERRORS, "not-allowed") != NULL;
    struct arena *a = arena_new(0);
    struct str text = xml_text(a, xml_child(error, NS_STANZA_ERRORS, "text"));
    if (blocked)
        assert_true(str_ends(text, STR("the list '" NODE "' of " SERVICE " names it)")));
    arena_free(&a);
    return blocked;
}

static void assert_blocked(struct scene *s, const char *domain, bool blocked)
{
    if (is_blocked(s, domain) != blocked)
        fail_msg("%s: %s", domain, blocked ? "not blocked" : "blocked");
}

/* ---- the service's side */
/* The id of the request with this element, which was taken out of the inbox. */
static char *request(struct scene *s, const char *element, char id[256])
{
    s->p.wanted = element;
    if (!sim_run(TRIES_S * SEC, peer_has, &s->p))
        fail_msg("no %s", element);
    struct str text = str_of(strstr(s->p.in.p, " id='") + 5);
    text = str_cut(&text, '\'');
    snprintf(id, 256, STR_FMT, STR_ARG(text));
    buf_clear(&s->p.in);
    return id;
}

static void result(struct scene *s, const char *element, const char *payload)
{
    char id[256];
    request(s, element, id);
    peer_send(&s->p, "<iq type='result' id='%s' " ME ">%s</iq>", id, payload);
}

static void refuse(struct scene *s, const char *element, const char *condition)
{
    char id[256];
    request(s, element, id);
    peer_send(&s->p,
              "<iq type='error' id='%s' " ME "><error type='cancel'><%s xmlns='%s'/></error></iq>",
              id, condition, NS_STANZA_ERRORS);
}

#define PUBSUB(what) "<pubsub xmlns='http://jabber.org/protocol/pubsub'>" what "</pubsub>"
#define SUBSCRIPTION(state)                                                                        \
    "<subscription node='" NODE "' jid='" RIG_DOMAIN "' subscription='" state "'/>"
#define ITEM(id) "<item id='" id "'><x xmlns='urn:x'/></item>"
#define ITEMS(what) "<items node='" NODE "'>" what "</items>"
#define RSM(last, count)                                                                           \
    "<set xmlns='http://jabber.org/protocol/rsm'><first index='0'>x</first><last>" last            \
    "</last><count>" count "</count></set>"
#define EVENT(what) "<event xmlns='http://jabber.org/protocol/pubsub#event'>" what "</event>"

static void subscribe(struct scene *s)
{
    result(s, "<subscribe ", PUBSUB(SUBSCRIPTION("subscribed")));
}

static void event(struct scene *s, const char *payload)
{
    peer_send(&s->p, "<message " ME ">%s</message>", payload);
    run_ms(GATHER_MS + 100);
}

/* Until it follows, with these items. */
static void join_with(struct scene *s, const char *items)
{
    subscribe(s);
    result(s, "<items ", items);
    run_ms(500);
    assert_string_equal(view_of(s, 0).state, "following");
}

static void begin_joined(struct scene *s, unsigned shards)
{
    scene_begin(s, shards);
    service_up(s);
    join_with(s, PUBSUB(ITEMS(ITEM("first.example") ITEM(HASHED))));
}

/* ---- cases */
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

static int setup(void **state)
{
    return begin(state); /* of tests-world-int.h: warnings are part of the cases */
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
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_configure),
        cmocka_unit_test(test_other_region),
    };
    return cmocka_run_group_tests(tests, setup, rig_certs_end);
}
