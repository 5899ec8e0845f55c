/* DOC: what a node lets one peer have, each limit at its value and one past it: connections of an
 * address, time and bytes before authentication, sizes and shapes of stanzas, stanzas and bytes a
 * second. docs/limits.md has the whole list. */
#include "integration-tests/sim/tests-node-int.h"
#include "lib/base/buf.h"
#include "node/c2s/c2s.h"

#include <sys/resource.h>

/* ---- a peer that only connects ---- */
struct bare {
    struct loop *loop;
    struct transport *t;
    struct buf in;
    bool has_ended;
    struct str first; /* what it begins with */
};

static void bare_data(void *ctx, struct str bytes)
{
    buf_str(&((struct bare *)ctx)->in, bytes);
}

static void bare_end(void *ctx, enum err why)
{
    struct bare *b = ctx;
    (void)why;
    b->has_ended = true;
}

static void bare_dialled(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    static const struct transport_events events = {.data = bare_data, .end = bare_end};
    struct bare *b = ctx;
    (void)r;
    assert_int_equal(e, ERR_OK);
    b->t = t;
    transport_set_events(t, &events, b);
    transport_send(t, b->first);
}

static bool bare_is_there(void *ctx)
{
    return ((struct bare *)ctx)->t != NULL;
}

static bool bare_is_over(void *ctx)
{
    return ((struct bare *)ctx)->has_ended;
}

static bool bare_is_answered(void *ctx)
{
    const struct bare *b = ctx;
    return b->in.n > 0 || b->has_ended;
}

#define HEADER                                                                                     \
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "        \
    "to='" RIG_DOMAIN "' version='1.0'>"

static void bare_open(struct bare *b, const struct addr *to, const char *host, const char *first)
{
    struct dial_target target = {.addr = *to};
    *b = (struct bare){.loop = loop_new(host, 0), .first = str_of(first)};
    buf_init(&b->in, 1 << 20);
    dial_open(b->loop, NULL, dial_source_fixed(b->loop, &target, 1), 5000, bare_dialled, b);
    assert_true(sim_run(10000000, bare_is_there, b));
}

static void bare_close(struct bare *b)
{
    transport_close(&b->t);
    (void)sim_run(1000000, NULL, NULL);
    loop_free(&b->loop);
    buf_fini(&b->in);
}

/* Does it get a stream, or is the connection ended without a byte? */
static bool bare_is_served(struct bare *b)
{
    assert_true(sim_run(10000000, bare_is_answered, b));
    return b->in.n > 0;
}

static bool bare_said(struct bare *b, const char *what)
{
    buf_char(&b->in, 0);
    b->in.n--;
    return strstr(b->in.p, what) != NULL;
}

/* ---- connections of an address ---- */
static void three_each(struct node_conf *c)
{
    c->connections_per_address = 3;
}

/* Over all shards, whatever they do; each address by itself; who leaves makes room. */
static void test_limits_connections_per_address(void **state)
{
    struct rig r;
    struct bare b[4], other, again;
    (void)state;
    rig_begin(&r, 1, 4, three_each);
    for (int i = 0; i < 3; i++) {
        bare_open(&b[i], &r.listen[0].at, "client/0", HEADER);
        assert_true(bare_is_served(&b[i]));
    }
    bare_open(&b[3], &r.listen[1].at, "client/0", HEADER); /* another port of the same node */
    assert_false(bare_is_served(&b[3]));
    bare_open(&other, &r.listen[0].at, "other/0", HEADER);
    assert_true(bare_is_served(&other));
    bare_close(&b[1]);
    bare_open(&again, &r.listen[0].at, "client/0", HEADER);
    assert_true(bare_is_served(&again));
    size_t refused = 0;
    for (unsigned i = 0; i < r.node->n_shards; i++)
        refused += r.node->shard[i].stats.connections_refused;
    assert_int_equal(refused, 1);
    bare_close(&b[0]);
    bare_close(&b[2]);
    bare_close(&b[3]);
    bare_close(&other);
    bare_close(&again);
    rig_end(&r);
}

/* The seat goes along: to TLS, to the home shard, and is free when the session ends. */
static void test_limits_seats_move_along(void **state)
{
    struct rig r;
    struct sim_client *c[3];
    (void)state;
    rig_begin(&r, 2, 4, three_each);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++) {
            char resource[16];
            snprintf(resource, sizeof resource, "r%d", i);
            c[i] = rig_login(&r, i & 1 ? "alice" : "bob", resource);
        }
        struct bare b;
        bare_open(&b, &r.listen[0].at, "client/9", HEADER);
        assert_false(bare_is_served(&b));
        bare_close(&b);
        for (int i = 0; i < 3; i++) {
            sim_client_close(c[i]);
            assert_true(sim_client_wait(c[i], SIM_CLIENT_ENDED));
            sim_client_free(&c[i]);
        }
    }
    rig_end(&r);
}

static struct node_conf_listen proxied_listen[1];
static void behind_proxy(struct node_conf *c)
{
    c->connections_per_address = 2;
    proxied_listen[0] = c->c2s[0];
    proxied_listen[0].has_proxy_header = true;
    c->c2s = proxied_listen;
    c->c2s_n = 1;
}

/* Behind a load balancer it is the address it tells that counts, IPv6 by its network. */
static void test_limits_addresses_behind_proxy(void **state)
{
#define V6(from) "PROXY TCP6 " from " 2001:db8::1 1000 5222\r\n" HEADER
#define V4(from) "PROXY TCP4 " from " 192.0.2.1 1000 5222\r\n" HEADER
    static const struct {
        const char *first;
        bool is_served;
    } rows[] = {
        {V4("203.0.113.7"), true},
        {V4("203.0.113.7"), true},
        {V4("203.0.113.7"), false},
        {V4("203.0.113.8"), true},
        {V6("2001:db8:0:1::1"), true},
        {V6("2001:db8:0:1:ffff::2"), true},
        {V6("2001:db8:0:1::3"), false},
        {V6("2001:db8:0:2::1"), true},
        {V6("::ffff:203.0.113.7"), false}, /* the same as the first */
        {HEADER, false},                   /* nobody said where it comes from */
    };
    struct rig r;
    struct bare b[ARRAY_LEN(rows)];
    (void)state;
    rig_begin(&r, 3, 2, behind_proxy);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bare_open(&b[i], &r.listen[0].at, "balancer/0", rows[i].first);
        if (bare_is_served(&b[i]) != rows[i].is_served)
            fail_msg("row %zu: %s", i, rows[i].first);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        bare_close(&b[i]);
    rig_end(&r);
}

static void three_unauthenticated(struct node_conf *c)
{
    c->unauthenticated_connections = 3;
}

/* Who logs in makes room. */
static void test_limits_unauthenticated_connections(void **state)
{
    struct rig r;
    struct bare b[3];
    (void)state;
    rig_begin(&r, 10, 1, three_unauthenticated);
    for (int i = 0; i < 2; i++) {
        bare_open(&b[i], &r.listen[0].at, "client/0", HEADER);
        assert_true(bare_is_served(&b[i]));
    }
    struct sim_client *c = rig_login(&r, "alice", "phone"); /* the third, for a while */
    bare_open(&b[2], &r.listen[0].at, "client/0", HEADER);
    assert_true(bare_is_served(&b[2]));
    struct sim_client_conf conf = rig_conf(&r, "bob", "desk");
    struct sim_client *fourth = sim_client_new(&conf);
    assert_true(sim_client_wait(fourth, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(fourth)->received, STREAM_OK); /* without a byte */
    sim_client_free(&fourth);
    bare_close(&b[2]);
    fourth = rig_login(&r, "bob", "desk");
    sim_client_free(&fourth);
    sim_client_free(&c);
    bare_close(&b[0]);
    bare_close(&b[1]);
    rig_end(&r);
}

/* Of the files that the process may have a quarter is theirs, each shard has its part; sessions
 * take none of it, whoever crowds at the door. */
static void test_limits_unauthenticated_files(void **state)
{
    enum { FILES = 128, SHARDS = 2, SHARE = FILES / 4 / SHARDS + 1, CROWD = 4 * SHARDS * SHARE };
    struct rig r;
    struct rlimit old;
    struct bare b[CROWD];
    struct sim_client *c[SHARE];
    size_t all = 0, served = 0;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    const struct rlimit few = {.rlim_cur = FILES, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    rig_begin(&r, 11, SHARDS, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (int i = 0; i < SHARE; i++) {
        char resource[16];
        snprintf(resource, sizeof resource, "r%d", i);
        c[i] = rig_online(&r, i & 1 ? "alice" : "bob", resource);
    }
    for (int i = 0; i < CROWD; i++) {
        bare_open(&b[i], &r.listen[0].at, "client/0", HEADER);
        served += bare_is_served(&b[i]);
    }
    assert_int_equal(served, SHARDS * SHARE);
    for (unsigned i = 0; i < SHARDS; i++) {
        size_t n, half_open;
        c2s_count(&r.node->shard[i], &n, &half_open);
        assert_int_equal(half_open, SHARE);
        all += n;
    }
    assert_int_equal(all, SHARDS * SHARE + SHARE);
    sim_client_send(c[0], "<message to='%s' id='on'/>", sim_client_jid(c[1]));
    assert_true(sim_client_expect(c[1], "<message id='on'/>"));
    for (int i = 0; i < CROWD; i++)
        bare_close(&b[i]);
    for (int i = 0; i < SHARE; i++)
        sim_client_free(&c[i]);
    rig_end(&r);
}

/* ---- before authentication ---- */
static void small_auth(struct node_conf *c)
{
    c->limits.auth_bytes = 16384;
    c->limits.auth_timeout_ms = 20000;
}

static void test_limits_unauthenticated_bytes(void **state)
{
    struct rig r;
    struct bare b;
    char space[16384 - sizeof HEADER + 1];
    (void)state;
    memset(space, ' ', sizeof space);
    rig_begin(&r, 4, 1, small_auth);
    bare_open(&b, &r.listen[0].at, "client/0", HEADER);
    transport_send(b.t, str_make(space, sizeof space));
    (void)sim_run(1000000, NULL, NULL);
    assert_false(b.has_ended);
    assert_false(bare_said(&b, "stream:error"));
    transport_send(b.t, STR(" "));
    assert_true(sim_run(10000000, bare_is_over, &b));
    assert_true(bare_said(&b, "policy-violation"));
    bare_close(&b);
    rig_end(&r);
}

/* Also of one that sends a byte now and then, and of one that says nothing at all. */
static void test_limits_unauthenticated_time(void **state)
{
    static const char *const firsts[] = {HEADER, ""};
    struct rig r;
    (void)state;
    rig_begin(&r, 5, 1, small_auth);
    for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
        struct bare b;
        bare_open(&b, &r.listen[0].at, "client/0", firsts[i]);
        for (int s = 0; s < 19; s++) {
            (void)sim_run(1000000, NULL, NULL);
            transport_send(b.t, STR(" "));
            assert_false(b.has_ended);
        }
        assert_false(bare_said(&b, "stream:error"));
        (void)sim_run(1500000, NULL, NULL);
        assert_true(bare_said(&b, "connection-timeout"));
        assert_true(sim_run(5000000, bare_is_over, &b)); /* it does not answer the end tag */
        bare_close(&b);
    }
    rig_end(&r);
}

/* ---- the shape of a stanza ---- */
static void small_stanzas(struct node_conf *c)
{
    c->limits.after_auth = (struct xml_limits){.max_stanza_bytes = 20000,
                                               .max_depth = 20,
                                               .max_attrs = 32,
                                               .max_elements = 500,
                                               .max_tag_bytes = 8192};
}

/* Each writes a message that has n of it. */
static void fill(struct buf *out, size_t n, char c)
{
    for (; n > 0; n--)
        buf_char(out, c);
}

static void of_bytes(struct buf *out, size_t n)
{
    static const char around[] = "<message><body></body></message>";
    buf_cstr(out, "<message><body>");
    fill(out, n - (sizeof around - 1), 'x');
    buf_cstr(out, "</body></message>");
}

static void of_depth(struct buf *out, size_t n)
{
    buf_cstr(out, "<message>");
    for (size_t i = 1; i < n; i++)
        buf_cstr(out, "<x>");
    for (size_t i = 1; i < n; i++)
        buf_cstr(out, "</x>");
    buf_cstr(out, "</message>");
}

static void of_attributes(struct buf *out, size_t n)
{
    buf_cstr(out, "<message><x xmlns='urn:x'");
    for (size_t i = 1; i < n; i++)
        buf_printf(out, " a%zu=''", i);
    buf_cstr(out, "/></message>");
}

static void of_elements(struct buf *out, size_t n)
{
    buf_cstr(out, "<message>");
    for (size_t i = 1; i < n; i++)
        buf_cstr(out, "<x/>");
    buf_cstr(out, "</message>");
}

static void of_value_bytes(struct buf *out, size_t n)
{
    static const char around[] = "<message id=''>";
    buf_cstr(out, "<message id='");
    fill(out, n - (sizeof around - 1), 'x');
    buf_cstr(out, "'></message>");
}

static void of_name_bytes(struct buf *out, size_t n)
{
    buf_cstr(out, "<message><");
    fill(out, n - 3, 'x');
    buf_cstr(out, "/></message>");
}

static const struct {
    const char *what;
    void (*write)(struct buf *out, size_t n);
    size_t limit;
} shapes[] = {
    {"stanza bytes", of_bytes, 20000},         {"depth", of_depth, 20},
    {"attributes", of_attributes, 32},         {"elements", of_elements, 500},
    {"bytes of values", of_value_bytes, 8192}, {"bytes of names", of_name_bytes, 8192},
};

static void test_limits_shape_of_stanzas(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 6, 2, small_stanzas);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct sim_client *c = rig_login(&r, "alice", "phone");
        struct buf b;
        buf_init(&b, 1 << 20);
        shapes[i].write(&b, shapes[i].limit);
        sim_client_send(c, STR_FMT, STR_ARG(buf_view(&b)));
        settle(c);
        buf_clear(&b);
        shapes[i].write(&b, shapes[i].limit + 1);
        sim_client_send(c, STR_FMT, STR_ARG(buf_view(&b)));
        if (!sim_client_wait(c, SIM_CLIENT_ENDED) ||
            sim_client_end(c)->received != STREAM_POLICY_VIOLATION)
            fail_msg("%s: %zu was taken", shapes[i].what, shapes[i].limit + 1);
        buf_fini(&b);
        sim_client_free(&c);
    }
    rig_end(&r);
}

/* ---- what waits for one that does not read ---- */
enum { OUTPUT_BYTES = 300000 };
static void little_output(struct node_conf *c)
{
    c->c2s_output_bytes = OUTPUT_BYTES;
}

/* Bytes queued to the only session of bob; -1: there is none. */
static int64_t queued_to_bob(const struct rig *r)
{
    struct arena *a = arena_new(0);
    struct jid bob;
    assert_int_equal(jid_parse(a, STR("bob@" RIG_DOMAIN), &bob, NULL), ERR_OK);
    struct json *list = json_new_array();
    int64_t n = -1;
    for (unsigned i = 0; i < r->node->n_shards; i++)
        assert_true(c2s_list(&r->node->shard[i], &bob, 10, list));
    const struct json *one = json_at(list, 0);
    if (one && str_eqc(str_of(json_get_str(one, "state")), "bound"))
        n = json_get_num(one, "queued", 0);
    json_free(&list);
    arena_free(&a);
    return n;
}

static void test_limits_output_queue(void **state)
{
    struct rig r;
    int64_t before, now = 0;
    (void)state;
    rig_begin(&r, 11, 2, little_output);
    struct sim_client *alice = rig_online(&r, "alice", "phone");
    struct sim_client *bob = rig_online(&r, "bob", "desk");
    sim_client_pause(bob, true);
    do {
        before = now;
        sim_client_send(alice, "<message to='%s'><body>%0*d</body></message>", sim_client_jid(bob),
                        2000, 1);
        settle(alice);
        (void)sim_run(200000, NULL, NULL);
        now = queued_to_bob(&r);
        assert_true(now <= OUTPUT_BYTES);
    } while (now >= 0);
    assert_in_range(before, OUTPUT_BYTES - 3000, OUTPUT_BYTES);
    sim_client_pause(bob, false);
    assert_true(sim_client_wait(bob, SIM_CLIENT_ENDED));
    sim_client_free(&alice);
    sim_client_free(&bob);
    rig_end(&r);
}

/* ---- how fast ---- */
static struct node_conf_listen slow_listen[1];
static void slow(struct node_conf *c)
{
    slow_listen[0] = c->c2s[0];
    slow_listen[0].rate = (struct stream_rate){.bytes = 20000, .stanzas = 50};
    c->c2s = slow_listen;
    c->c2s_n = 1;
}

/* alice sends n messages of this size to bob; how long until he has the last. */
static uint64_t flood(struct sim_client *alice, struct sim_client *bob, unsigned n, size_t size)
{
    static unsigned round;
    const uint64_t from_us = sim_now_us();
    round++;
    for (unsigned i = 1; i <= n; i++)
        sim_client_send(alice,
                        "<message to='%s' type='chat' id='%u-%u'><body>%0*u</body></message>",
                        sim_client_jid(bob), round, i, (int)size, i);
    for (unsigned i = 1; i <= n; i++) /* in order, none missing */
        assert_true(sim_client_expect_next(bob, "<message id='%u-%u'/>", round, i));
    return sim_now_us() - from_us;
}

static void test_limits_rate_of_a_session(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 7, 2, slow);
    struct sim_client *alice = rig_online(&r, "alice", "phone");
    struct sim_client *bob = rig_online(&r, "bob", "desk");
    sim_client_forget(bob);
    (void)sim_run(3000000, NULL, NULL);
    assert_true(flood(alice, bob, 50, 1) < 500000); /* at the limit */
    (void)sim_run(3000000, NULL, NULL);
    assert_in_range(flood(alice, bob, 200, 1), 2500000, 3500000); /* 150 past it: 3 s */
    (void)sim_run(3000000, NULL, NULL);
    assert_true(flood(alice, bob, 8, 2000) < 500000);
    (void)sim_run(3000000, NULL, NULL);
    assert_in_range(flood(alice, bob, 40, 2000), 2500000, 4500000); /* 83 KB: 3.2 s */
    assert_int_equal(sim_client_state(alice), SIM_CLIENT_BOUND);
    sim_client_free(&alice);
    sim_client_free(&bob);
    rig_end(&r);
}

/* One is held, the other feels nothing. */
static void test_limits_rate_leaves_others_alone(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 8, 1, slow);
    struct sim_client *alice = rig_online(&r, "alice", "phone");
    struct sim_client *bob = rig_online(&r, "bob", "desk");
    sim_client_forget(bob);
    for (unsigned i = 0; i < 2000; i++)
        sim_client_send(alice, "<message to='alice@" RIG_DOMAIN "/none'><body>x</body></message>");
    for (int i = 0; i < 20; i++) {
        const uint64_t from_us = sim_now_us();
        settle(bob);
        assert_true(sim_now_us() - from_us < 100000);
    }
    sim_client_free(&alice);
    sim_client_free(&bob);
    rig_end(&r);
}

static void pinging(struct node_conf *c)
{
    slow(c);
    slow_listen[0].rate = (struct stream_rate){.bytes = 1000};
    c->ping_interval_ms = 2000;
    c->ping_timeout_ms = 2000;
}

/* What a held client says lies unread: that is no silence, neither for pings nor for stream
 * management, where it is 90 s. */
static void test_limits_held_is_not_silent(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 9, 1, pinging);
    struct sim_client *alice = rig_online(&r, "alice", "phone");
    struct sim_client *bob = rig_online(&r, "bob", "desk");
    sim_client_send(alice, "<enable xmlns='urn:xmpp:sm:3'/>");
    assert_true(sim_client_expect(alice, "<enabled xmlns='urn:xmpp:sm:3'/>"));
    sim_client_send(bob, "<message to='%s'/>", sim_client_jid(alice));
    assert_true(sim_client_expect(alice, "<r xmlns='urn:xmpp:sm:3'/>")); /* unanswered for long */
    sim_client_send(alice, "<message to='nobody@" RIG_DOMAIN "'><body>");
    for (int i = 0; i < 12; i++)
        sim_client_send(alice, "%0*d", 10000, i);
    (void)sim_run(110000000, NULL, NULL); /* of 120 s */
    assert_int_equal(sim_client_state(alice), SIM_CLIENT_BOUND);
    sim_client_send(alice, "</body></message>");
    (void)sim_run(15000000, NULL, NULL);
    assert_true(sim_client_expect(alice, "<message type='error' from='nobody@" RIG_DOMAIN "'/>"));
    sim_client_free(&alice);
    sim_client_free(&bob);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_connections_per_address),
        cmocka_unit_test(test_limits_seats_move_along),
        cmocka_unit_test(test_limits_addresses_behind_proxy),
        cmocka_unit_test(test_limits_unauthenticated_connections),
        cmocka_unit_test(test_limits_unauthenticated_files),
        cmocka_unit_test(test_limits_output_queue),
        cmocka_unit_test(test_limits_unauthenticated_bytes),
        cmocka_unit_test(test_limits_unauthenticated_time),
        cmocka_unit_test(test_limits_shape_of_stanzas),
        cmocka_unit_test(test_limits_rate_of_a_session),
        cmocka_unit_test(test_limits_rate_leaves_others_alone),
        cmocka_unit_test(test_limits_held_is_not_silent),
    };
    return cmocka_run_group_tests_name("limits", tests, rig_certs_begin, rig_certs_end);
}
