#ifndef INTEGRATION_TESTS_SIM_TESTS_RTBL_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_RTBL_INT_H
/* A node that follows block lists, and the pubsub service that has them: a component, by hand. */
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

static UNUSED void with_lists(struct node_conf *c)
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

static UNUSED void node_up(struct scene *s)
{
    char why[256] = "";
    s->r.shards = shards_new("server", s->r.conf.shards);
    enum err e = node_new(&s->r.conf, s->r.shards, NULL, s->store, &s->r.node, why, sizeof why);
    if (e != ERR_OK)
        fail_msg("%s", why);
}

/* As power failing: the store stays. */
static UNUSED void node_down(struct scene *s)
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

static UNUSED void service_up(struct scene *s)
{
    peer_open(&s->p, &s->r.listen[0].at, PORT, false, NS_COMPONENT, SERVICE);
    prove(&s->p, SECRET);
    assert_true(peer_expect(&s->p, "<handshake/>"));
    buf_clear(&s->p.in);
    s->is_up = true;
}

static UNUSED void service_down(struct scene *s)
{
    peer_close(&s->p);
    s->is_up = false;
}

static UNUSED void scene_begin(struct scene *s, unsigned shards)
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

static UNUSED void scene_end(struct scene *s)
{
    node_down(s);
    store_close(&s->store);
    sim_dns_end();
    sim_net_end();
    sim_end();
}

static UNUSED struct rtbl_view view_of(const struct scene *s, size_t i)
{
    struct rtbl_view v[S2S_RTBL_LISTS_MAX];
    assert_true(i < rtbl_views(s->r.node, v));
    return v[i];
}

static UNUSED void run_ms(uint64_t ms)
{
    (void)sim_run(ms * 1000, NULL, NULL);
}

/* What alice hears of the domain: it stands on a list, or DNS does not know it. */
static UNUSED bool is_blocked(struct scene *s, const char *domain)
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

static UNUSED void assert_blocked(struct scene *s, const char *domain, bool blocked)
{
    if (is_blocked(s, domain) != blocked)
        fail_msg("%s: %s", domain, blocked ? "not blocked" : "blocked");
}

/* ---- the service's side */
/* The id of the request with this element, which was taken out of the inbox. */
static UNUSED char *request(struct scene *s, const char *element, char id[256])
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

static UNUSED void result(struct scene *s, const char *element, const char *payload)
{
    char id[256];
    request(s, element, id);
    peer_send(&s->p, "<iq type='result' id='%s' " ME ">%s</iq>", id, payload);
}

static UNUSED void refuse(struct scene *s, const char *element, const char *condition)
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

static UNUSED void subscribe(struct scene *s)
{
    result(s, "<subscribe ", PUBSUB(SUBSCRIPTION("subscribed")));
}

static UNUSED void event(struct scene *s, const char *payload)
{
    peer_send(&s->p, "<message " ME ">%s</message>", payload);
    run_ms(GATHER_MS + 100);
}

/* Until it follows, with these items. */
static UNUSED void join_with(struct scene *s, const char *items)
{
    subscribe(s);
    result(s, "<items ", items);
    run_ms(500);
    assert_string_equal(view_of(s, 0).state, "following");
}

static UNUSED void begin_joined(struct scene *s, unsigned shards)
{
    scene_begin(s, shards);
    service_up(s);
    join_with(s, PUBSUB(ITEMS(ITEM("first.example") ITEM(HASHED))));
}

static UNUSED int setup(void **state)
{
    return begin(state); /* of tests-world-int.h: warnings are part of the cases */
}
#endif
