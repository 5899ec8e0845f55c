/* How many times a client must wait: with a token the stream header and everything the client wants
 * leave in one flight behind the TLS handshake, and one flight answers it all. Counted by a client
 * that writes once, and measured on a road where each way takes the same time. */
#include "integration-tests/sim/tests-fast-int.h"

#include "lib/base/clock.h"
#include "lib/net/dial.h"

enum { WAY_US = 200000, ROUND_US = 2 * WAY_US, SLACK_US = WAY_US / 2 };

struct raw {
    struct loop *loop;
    struct op_owner ops;
    struct transport *t;
    bool is_ready;
    const char *awaited;
    struct buf in;
    unsigned flights;
};

static void on_ready(void *ctx)
{
    ((struct raw *)ctx)->is_ready = true;
}

static void on_data(void *ctx, struct str bytes)
{
    buf_str(&((struct raw *)ctx)->in, bytes);
}

static void on_end(void *ctx, enum err why)
{
    (void)ctx;
    fail_msg("the connection ended: %s", err_text(why));
}

static const struct transport_events raw_events = {
    .ready = on_ready, .data = on_data, .end = on_end};

static void on_dialled(void *ctx, enum err e, struct transport *t, const struct dial_result *res)
{
    struct raw *raw = ctx;
    (void)res;
    assert_int_equal(e, ERR_OK);
    raw->t = tls_client(&t, rig_client_tls, RIG_DOMAIN);
    transport_set_events(raw->t, &raw_events, raw);
}

static bool is_ready(void *ctx)
{
    return ((struct raw *)ctx)->is_ready;
}

static bool has_awaited(void *ctx)
{
    struct raw *raw = ctx;
    return raw->in.n && memmem(raw->in.p, raw->in.n, raw->awaited, strlen(raw->awaited));
}

/* Connected, TLS done, nothing written. */
static void raw_open(struct raw *raw, const struct rig *r)
{
    struct dial_target target = {.addr = r->listen[1].at};
    *raw = (struct raw){.loop = loop_new("client/raw", 0)};
    op_owner_init(&raw->ops);
    buf_init(&raw->in, 65536);
    dial_open(raw->loop, &raw->ops, dial_source_fixed(raw->loop, &target, 1), 10000, on_dialled,
              raw);
    assert_true(sim_run(10000000, is_ready, raw));
}

static void raw_close(struct raw *raw)
{
    transport_close(&raw->t);
    op_owner_cancel_all(&raw->ops);
    buf_fini(&raw->in);
    loop_free(&raw->loop);
}

/* One flight; how long the end of the answer took to come. */
static uint64_t exchange(struct raw *raw, struct str text, const char *awaited)
{
    const uint64_t from = clock_mono_us();
    raw->awaited = awaited;
    raw->flights++;
    (void)transport_send(raw->t, text);
    assert_true(sim_run(10000000, has_awaited, raw));
    return clock_mono_us() - from;
}

static void first_flight(struct raw *raw, const char *token, const char *more, struct buf *out)
{
    struct sasl_offer keep;
    struct buf initial;
    buf_init(&initial, 1024);
    initial_of(&initial, "alice", token, binding_of(raw->t, SASL_HT_SHA_256_EXPR, &keep));
    buf_printf(out,
               "<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' to='" RIG_DOMAIN
               "' from='alice@" RIG_DOMAIN "' version='1.0'>"
               "<authenticate xmlns='%s' mechanism='HT-SHA-256-EXPR'><initial-response>" STR_FMT
               "</initial-response>" UA FAST "%s</authenticate>",
               NS_CLIENT, NS_STREAM, NS_SASL2, STR_ARG(buf_view(&initial)), more);
    buf_fini(&initial);
}

/* The value of the attribute id='' of <enabled/>. */
static void session_id(const struct raw *raw, char id[64])
{
    const char *enabled = memmem(raw->in.p, raw->in.n, "<enabled", 8);
    assert_non_null(enabled);
    const char *at = strstr(enabled, " id='");
    assert_non_null(at);
    assert_int_equal(sscanf(at, " id='%63[^']'", id), 1);
}

static bool holds(const struct raw *raw, const char *text)
{
    return memmem(raw->in.p, raw->in.n, text, strlen(text)) != NULL;
}

/* A resource with stream management in one flight; cut; the session with what it missed in one. */
static void test_fast_one_flight(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        struct raw raw;
        struct buf out;
        char token[TOKEN_MAX], id[64], more[512];
        buf_init(&out, 8192);
        rig_begin(&r, 90 + shards, shards, NULL);
        earn(&r, AGENT, SASL_HT_SHA_256_EXPR, token);
        struct sim_client *bob = rig_online(&r, "bob", NULL);
        sim_net_whole();
        sim_net_latency("client", "server", WAY_US, WAY_US);

        raw_open(&raw, &r);
        first_flight(&raw, token,
                     "<bind xmlns='urn:xmpp:bind:0'><tag>Desk</tag>"
                     "<enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>",
                     &out);
        buf_cstr(&out, "<presence/>"); /* not even for this must it wait */
        uint64_t took = exchange(&raw, buf_view(&out), "<presence ");
        assert_in_range(took, ROUND_US, ROUND_US + SLACK_US);
        assert_true(holds(&raw, "<bound xmlns='urn:xmpp:bind:0'><enabled"));
        assert_int_equal(raw.flights, 1);
        session_id(&raw, id);
        raw_close(&raw);
        (void)sim_run(ROUND_US, NULL, NULL);

        sim_client_send(bob, "<message to='alice@" RIG_DOMAIN "'><body>missed</body></message>");
        settle(bob);
        raw_open(&raw, &r);
        buf_clear(&out);
        snprintf(more, sizeof more, "<resume xmlns='%s' h='0' previd='%s'/>" BIND, NS_SM, id);
        first_flight(&raw, token, more, &out);
        took = exchange(&raw, buf_view(&out), "<body>missed</body>");
        assert_in_range(took, ROUND_US, ROUND_US + SLACK_US);
        assert_true(holds(&raw, "<resumed "));
        assert_false(holds(&raw, "<bound "));
        assert_int_equal(raw.flights, 1);
        raw_close(&raw);
        sim_client_free(&bob);
        rig_end(&r);
        buf_fini(&out);
    }
}

/* What it is instead of: the same road, SCRAM and the bind of RFC 6120. */
static void test_fast_flights_of_old(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 95, 1, NULL);
    sim_net_whole();
    sim_net_latency("client", "server", WAY_US, WAY_US);
    struct sim_client_conf c = rig_conf(&r, "alice", "x");
    c.direct_tls = true;
    c.server = r.listen[1].at;
    struct raw raw;
    uint64_t from = clock_mono_us();
    raw_open(&raw, &r);
    const uint64_t handshakes = clock_mono_us() - from;
    raw_close(&raw);
    from = clock_mono_us();
    struct sim_client *s = sim_client_login(&c);
    assert_non_null(s);
    const uint64_t rounds = (clock_mono_us() - from - handshakes) / ROUND_US;
    assert_int_equal(rounds, 5); /* header, SCRAM twice, header, bind */
    sim_client_free(&s);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fast_one_flight),
        cmocka_unit_test(test_fast_flights_of_old),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
