/* A node against its world: a member that sends what no member should, questions whose answers are
 * late, lost or doubled, stanzas that go in circles, and which node is chosen as anchor. */
#include "integration-tests/sim/tests-world-int.h"
#include "lib/base/rand.h"
#include "lib/loop/timer.h"
#include "lib/net/listen.h"
#include "node/cluster/anchor.h"
#include "node/cluster/world.h"
#include "node/route/route.h"
#include "s2s/s2s-region.h"

/* ---- a hostile member in the place of us1, with its certificate and its incarnation */
struct evil {
    struct pair *w;
    struct shards *shards;
    struct loop *loop;
    struct listener *listener;
    struct tls_ctx *server, *client;
    struct s2s_region_conf conf;
    struct s2s_region *links;
    uint64_t incarnation;
    size_t sent, ended;
    /* what it does with a question */
    unsigned answers; /* how often */
    uint64_t delay_ms;
    size_t questions;
};

struct late { /* an answer on its way */
    struct timer timer;
    struct evil *by;
    struct stanza *answer;
    struct region_route route;
};

static void late_send(void *ctx)
{
    struct late *l = ctx;
    for (unsigned i = 0; i < l->by->answers && l->by->links; i++)
        s2s_region_send(l->by->links, "eu/eu1", stanza_ref(l->answer), &l->route, NULL);
    stanza_unref(&l->answer);
    mem_free(l);
}

/* "No such account here", as us1 would say. */
static void answer(struct evil *v, struct stanza *s, const struct region_route *r)
{
    struct late *l = mem_alloc(sizeof *l);
    struct stanza_build b;
    stanza_result_build(&b, s);
    struct xml *el = xml_add(b.arena, b.el, NS_MERIDIAN_ACCOUNT, "account");
    xml_set(b.arena, el, "user", xml_get(stanza_payload(s), "user"));
    xml_set(b.arena, el, "exists", STR("false"));
    *l = (struct late){.by = v, .answer = stanza_finish(&b), .route = *r};
    l->route.purpose = REGION_ANSWER;
    timer_init(&l->timer, v->loop, late_send, l);
    timer_start(&l->timer, v->delay_ms);
}

static void on_deliver(void *ctx, const char *peer, uint64_t incarnation, struct stanza *s,
                       const struct region_route *r, region_ticket t)
{
    struct evil *v = ctx;
    (void)peer;
    (void)incarnation;
    if (r->purpose == REGION_ASK) {
        v->questions++;
        answer(v, s, r);
    }
    stanza_unref(&s);
    s2s_region_complete(v->links, t);
}
static void on_up(void *ctx, const char *peer, bool fresh)
{
    (void)ctx;
    (void)peer;
    (void)fresh;
}
static void on_token(void *ctx, void *token)
{
    (void)token;
    ((struct evil *)ctx)->ended++;
}
static void on_returned(void *ctx, const char *peer, struct stanza *s, const struct region_route *r,
                        void *token, const char *why)
{
    (void)peer;
    (void)r;
    (void)why;
    stanza_unref(&s);
    if (token)
        on_token(ctx, token);
}
static const struct s2s_region_ops evil_ops = {
    .deliver = on_deliver,
    .link_up = on_up,
    .acked = on_token,
    .drop_token = on_token,
    .returned = on_returned,
};

static void on_accept(void *ctx, struct transport *t)
{
    s2s_region_accept(((struct evil *)ctx)->links, t);
}

/* younger: as if it had restarted; else what it sends continues what us1 sent. */
static void evil_begin(struct evil *v, struct pair *w, bool younger)
{
    char why[256] = "";
    memset(v, 0, sizeof *v);
    v->w = w;
    v->incarnation = w->at[US].rig.node->incarnation + younger;
    place_kill(w, US);
    sim_net_revive(hosts[US]);
    v->shards = shards_new(hosts[US], 1);
    v->loop = shards_loop(v->shards, 0);
    struct tls_ctx_conf tc = {.ca_file = rig_ca,
                              .cert_file = w->at[US].crt,
                              .key_file = w->at[US].key,
                              .no_system_ca = true,
                              .request_peer_cert = true,
                              .alpn = "xmpp-server"};
    if (tls_ctx_new(true, &tc, &v->server, why, sizeof why) != ERR_OK ||
        tls_ctx_new(false, &tc, &v->client, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    v->conf = (struct s2s_region_conf){.tls_server = v->server,
                                       .tls_client = v->client,
                                       .self_id = "us/us1",
                                       .self_domain = domains[US],
                                       .self_incarnation = v->incarnation,
                                       .domain_suffix = SUFFIX,
                                       .queue_bytes = 64 << 20,
                                       .wait_ms = 300000,
                                       .limits = &w->at[US].rig.conf.limits};
    v->links = s2s_region_new(v->loop, &v->conf, &evil_ops, v);
    assert_int_equal(
        listener_open(v->loop, &w->at[US].rig.conf.region_listen, on_accept, v, &v->listener),
        ERR_OK);
    struct s2s_region_peer p = {.endpoint = w->at[EU].rig.conf.region_listen,
                                .incarnation = w->at[EU].rig.node->incarnation};
    snprintf(p.id, sizeof p.id, "eu/eu1");
    snprintf(p.domain, sizeof p.domain, "%s", domains[EU]);
    s2s_region_peer(v->links, &p);
}

static void evil_end(struct evil *v)
{
    listener_close(&v->listener);
    s2s_region_free(&v->links);
    (void)sim_run(60 * SEC, NULL, NULL); /* its lease ends: what it brought is forgotten */
    tls_ctx_unref(&v->server);
    tls_ctx_unref(&v->client);
}

static bool all_ended(void *ctx)
{
    struct evil *v = ctx;
    return v->ended == v->sent;
}

static const char *const jids[] = {
    NULL,           "alice@im.test", "alice@im.test/phone", "alice@im.test/pad",
    "bob@im.test",  "bob@im.test/x", "nobody@im.test/a",    "nobody@im.test",
    "im.test",      "im.test/a",     "other.test",          "alice@other.test/z",
    "x@far.test/y", "far.test",      "us1.us.regions.test",
};
static const char *const bodies[] = {
    "<message type='chat'><body>x</body></message>",
    "<message type='groupchat'><body>x</body></message>",
    "<message type='error'/>",
    "<message/>",
    "<presence/>",
    "<presence><priority>-1</priority></presence>",
    "<presence type='unavailable'/>",
    "<presence type='subscribe'/>",
    "<presence type='subscribed'/>",
    "<presence type='unsubscribed'/>",
    "<presence type='probe'/>",
    "<presence type='error'/>",
    "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
    "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='c@d.test'/></query></iq>",
    "<iq type='set' id='1'><query xmlns='jabber:iq:roster'/></iq>",
    "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq type='result' id='1'/>",
    "<iq type='error' id='1'/>",
    "<iq type='get' id='1'><account xmlns='urn:meridian:account:0' user='alice@im.test'/></iq>",
    "<iq type='get' id='1'><account xmlns='urn:meridian:account:0' user='@' keys='md5'/></iq>",
    "<iq type='set' id='1'><account xmlns='urn:meridian:account:0'/></iq>",
};
static const char *const conns[] = {
    "",
    "a",
    "0000000000000000000000",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "<&>'\"",
};

static size_t one_of(size_t n)
{
    return (size_t)(rand_u64() % n);
}

static void evil_send(struct evil *v)
{
    struct arena *a = arena_new(0);
    struct jid at[2];
    memset(at, 0, sizeof at);
    for (size_t i = 0; i < 2; i++) {
        const char *text = jids[one_of(ARRAY_LEN(jids))];
        if (text)
            assert_int_equal(jid_parse(a, str_of(text), &at[i], NULL), ERR_OK);
    }
    struct stanza *s;
    assert_int_equal(stanza_parse(str_of(bodies[one_of(ARRAY_LEN(bodies))]), &s), ERR_OK);
    struct stanza *out = stanza_readdress(s, &at[0], &at[1]);
    stanza_unref(&s);
    arena_free(&a);
    static const unsigned hops[] = {0, 1, 3, 4, 255};
    struct region_route r = {.purpose = (enum region_purpose)one_of(REGION_ANSWER + 1),
                             .hops = hops[one_of(ARRAY_LEN(hops))],
                             .covered = one_of(2)};
    snprintf(r.resource, sizeof r.resource, "%s", conns[one_of(ARRAY_LEN(conns))]);
    snprintf(r.home, sizeof r.home, "%s", one_of(2) ? "eu" : "mars");
    route_trace_new(r.trace);
    v->sent++;
    s2s_region_send(v->links, "eu/eu1", out, &r, v);
}

/* Whatever it sends: the node lives, every stanza is taken off its hands, nothing stays behind, and
 * a client of the account it played with is served. */
static void test_world_hostile_member(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct pair w;
        struct evil v;
        pair_begin(&w, seed, 1 + seed % 4);
        struct sim_client *a = rig_online(&w.at[EU].rig, "alice", "phone");
        evil_begin(&v, &w, false);
        v.answers = 2;
        for (int i = 0; i < 3000; i++) {
            evil_send(&v);
            if (i % 100 == 99)
                (void)sim_run(SEC / 10, NULL, NULL);
        }
        assert_true(sim_run(120 * SEC, all_ended, &v));
        evil_end(&v);
        sim_client_free(&a);
        a = rig_online(&w.at[EU].rig, "alice", "tablet");
        sim_client_send(a, "<message to='%s' id='self'><body>x</body></message>",
                        sim_client_jid(a));
        assert_true(sim_client_expect(a, "<message id='self'/>"));
        sim_client_free(&a);
        (void)sim_run(10 * SEC, NULL, NULL);
        struct node *n = w.at[EU].rig.node;
        for (unsigned i = 0; i < n->n_shards; i++)
            assert_int_equal(hmap_count(&n->shard[i].users), 0);
        shards_free(&v.shards);
        pair_end(&w);
    }
}

/* ---- questions: answered once, twice, late */
struct asked {
    bool is_done;
    int what;
    int order[3], n;
};

static struct asked got;
static void on_anchor(void *ctx, const struct anchor *a)
{
    got.order[got.n++] = (int)(intptr_t)ctx;
    got.what = (int)a->what;
    got.is_done = got.n == 3;
}
static bool asked_all(void *ctx)
{
    (void)ctx;
    return got.is_done;
}

static void ask_thrice(struct evil *v, int want, size_t want_questions)
{
    struct node *n = v->w->at[EU].rig.node;
    struct node_shard *sh = node_shard_of(n, STR("nobody@im.test"));
    memset(&got, 0, sizeof got);
    size_t before = v->questions;
    for (intptr_t i = 0; i < 3; i++)
        anchor_ask(sh, &v->w->at[EU].rig.ops, STR("nobody@im.test"), on_anchor, NULL, (void *)i);
    assert_int_equal(got.n, 0); /* never inside the call */
    assert_true(sim_run(20 * SEC, asked_all, NULL));
    for (int i = 0; i < 3; i++)
        assert_int_equal(got.order[i], i);
    assert_int_equal(got.what, want);
    assert_int_equal(v->questions - before, want_questions); /* joined */
    (void)sim_run(20 * SEC, NULL, NULL);                     /* what comes late finds nobody */
}

static void test_world_questions(void **state)
{
    (void)state;
    static const struct {
        unsigned answers;
        uint64_t delay_ms;
        int want;
    } cases[] = {
        {1, 0, ANCHOR_NO_ACCOUNT}, {2, 0, ANCHOR_NO_ACCOUNT}, {1, 4000, ANCHOR_NO_ACCOUNT},
        {0, 0, ANCHOR_UNKNOWN},    {1, 5500, ANCHOR_UNKNOWN}, {3, 6000, ANCHOR_UNKNOWN},
    };
    struct pair w;
    struct evil v;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        pair_begin(&w, 3, 2);
        evil_begin(&v, &w, true);
        v.answers = cases[i].answers;
        v.delay_ms = cases[i].delay_ms;
        (void)sim_run(5 * SEC, NULL, NULL); /* the link is up again, the lease not over */
        ask_thrice(&v, cases[i].want, 1);
        evil_end(&v);
        shards_free(&v.shards);
        pair_end(&w);
    }
}

/* ---- circles and the choice of anchors */
static void test_world_hops(void **state)
{
    (void)state;
    for (unsigned hops = 0; hops <= ROUTE_HOPS_MAX + 1; hops++) {
        struct pair w;
        struct stanza *s;
        pair_begin(&w, 1, 2);
        struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
        struct sim_client *a = rig_online(&w.at[EU].rig, "alice", "phone");
        assert_int_equal(stanza_parse(STR("<message from='bob@im.test/desk' to='alice@im.test' "
                                          "id='h'><body>x</body></message>"),
                                      &s),
                         ERR_OK);
        route_start(&w.at[US].rig.node->shard[0], s, NULL, ROUTE_REGION, hops, NULL);
        if (hops < ROUTE_HOPS_MAX)
            assert_true(sim_client_expect(a, "<message id='h' type='-'/>"));
        else
            assert_true(sim_client_expect(b, "<message id='h' type='error'/>"));
        sim_client_free(&a);
        sim_client_free(&b);
        pair_end(&w);
    }
}

/* Both nodes of a region are chosen about as often, all nodes agree, and only those whose member is
 * gone move. */
static void test_world_anchor_choice(void **state)
{
    (void)state;
    enum { NAMES = 1000 };
    static char before[NAMES];
    struct pair w;
    size_t second = 0;
    pair_begin(&w, 1, 1);
    place_init(&w, EU2, 1);
    (void)sim_run(10 * SEC, NULL, NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < NAMES; i++) {
            char bare[32];
            struct anchor a[PLACES];
            snprintf(bare, sizeof bare, "u%d@im.test", i);
            for (int p = 0; p < PLACES; p++) {
                if (!w.at[p].rig.node)
                    continue;
                anchor_learn(&w.at[p].rig.node->shard[0], str_of(bare), "eu");
                assert_true(anchor_now(&w.at[p].rig.node->shard[0], str_of(bare), &a[p]));
            }
            bool at_second = a[EU].what == ANCHOR_PEER;
            assert_true(at_second || a[EU].what == ANCHOR_HERE);
            assert_int_equal(a[US].what, ANCHOR_PEER);
            assert_string_equal(a[US].peer, at_second ? "eu/eu2" : "eu/eu1");
            if (round == 0) {
                assert_int_equal(a[EU2].what, at_second ? ANCHOR_HERE : ANCHOR_PEER);
                before[i] = at_second;
                second += at_second;
            } else { /* eu2 is dead: all is at eu1 */
                assert_false(at_second);
            }
        }
        if (round == 0) {
            assert_in_range(second, NAMES * 4 / 10, NAMES * 6 / 10);
            place_kill(&w, EU2);
            (void)sim_run(40 * SEC, NULL, NULL);
        }
    }
    /* none lives: the region is still the home, and one of its nodes is waited for */
    struct anchor a;
    place_kill(&w, EU);
    (void)sim_run(40 * SEC, NULL, NULL);
    anchor_learn(&w.at[US].rig.node->shard[0], STR("u1@im.test"), "eu");
    assert_true(anchor_now(&w.at[US].rig.node->shard[0], STR("u1@im.test"), &a));
    assert_int_equal(a.what, ANCHOR_PEER);
    assert_string_equal(a.peer, before[1] ? "eu/eu2" : "eu/eu1");
    anchor_learn(&w.at[US].rig.node->shard[0], STR("u1@im.test"), "mars");
    assert_true(anchor_now(&w.at[US].rig.node->shard[0], STR("u1@im.test"), &a));
    assert_int_equal(a.what, ANCHOR_UNKNOWN);
    pair_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_world_hostile_member),
        cmocka_unit_test(test_world_questions),
        cmocka_unit_test(test_world_hops),
        cmocka_unit_test(test_world_anchor_choice),
    };
    return cmocka_run_group_tests(tests, begin, rig_certs_end);
}
