#ifndef LIB_STREAM_TESTS_RIG_INT_H
#define LIB_STREAM_TESTS_RIG_INT_H
/* What the tests of this folder share: a place where streams meet (real loopback TCP, or the
 * simulated network when RIG_SIM is defined) and a raw peer that sends bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/net/dial.h"
#include "lib/net/listen.h"
#include "lib/net/tests-certs.h"
#include "lib/stream/stream-in-int.h"
#include "lib/stream/stream-out-int.h"
#ifdef RIG_SIM
#include "lib/loop/sim-loop.h"
#include "lib/net/sim-net.h"
#endif

#define RIG_DOMAIN "im.example"
#define RIG_WAIT_US UINT64_C(20000000)

struct rig {
    struct loop *server, *server2, *client; /* one and the same on the real platform */
    struct listener *listener;
    struct listen_accept_ctx {
        void (*accept)(void *ctx, struct transport *t);
        void *ctx;
        bool may_fail, is_dialling; /* of rig_dial */
    } on_accept;
    struct transport **dialled;
    bool (*pred)(void *ctx);
    void *pred_ctx;
    struct timer poll, limit;
    bool held;
};
static char rig_certs[TEST_PATH_MAX];
static struct tls_ctx *rig_server_tls, *rig_client_tls;

/* ---- once per program: certificates and contexts ---- */

static UNUSED int rig_tls_begin(void **state)
{
    char crt[TEST_PATH_MAX], key[TEST_PATH_MAX], ca[TEST_PATH_MAX], why[256];
    (void)state;
    test_certs_begin(rig_certs);
    test_cert_domain(rig_certs, RIG_DOMAIN);
    struct tls_ctx_conf server = {.cert_file = test_path(crt, rig_certs, RIG_DOMAIN, "crt"),
                                  .key_file = test_path(key, rig_certs, RIG_DOMAIN, "key"),
                                  .ca_file = test_path(ca, rig_certs, "ca", "crt"),
                                  .no_system_ca = true};
    struct tls_ctx_conf client = {.ca_file = ca, .no_system_ca = true};
    assert_int_equal(tls_ctx_new(true, &server, &rig_server_tls, why, sizeof why), ERR_OK);
    assert_int_equal(tls_ctx_new(false, &client, &rig_client_tls, why, sizeof why), ERR_OK);
    return 0;
}

static UNUSED int rig_tls_end(void **state)
{
    (void)state;
    tls_ctx_unref(&rig_server_tls);
    tls_ctx_unref(&rig_client_tls);
    test_certs_end(rig_certs);
    return 0;
}

/* ---- the place ---- */

static void rig_accepted(void *ctx, struct transport *t)
{
    struct rig *r = ctx;
    r->on_accept.accept(r->on_accept.ctx, t);
}

static void rig_on_poll(void *ctx)
{
    struct rig *r = ctx;
    r->held = r->pred && r->pred(r->pred_ctx);
    if (r->held)
        loop_stop(r->client);
    else
        timer_start(&r->poll, 1);
}

static UNUSED void rig_on_limit(void *ctx)
{
    loop_stop(((struct rig *)ctx)->client);
}

/* Run until pred holds; false when for_us passed before. */
static UNUSED bool rig_run(struct rig *r, uint64_t for_us, bool (*pred)(void *ctx), void *ctx)
{
#ifdef RIG_SIM
    (void)r;
    return sim_run(for_us, pred, ctx);
#else
    r->pred = pred;
    r->pred_ctx = ctx;
    timer_start(&r->poll, 0);
    timer_start(&r->limit, for_us / 1000);
    loop_run(r->client);
    timer_stop(&r->poll);
    timer_stop(&r->limit);
    return r->held;
#endif
}

static UNUSED void rig_begin(struct rig *r, uint64_t seed)
{
    struct addr at;
    *r = (struct rig){0};
#ifdef RIG_SIM
    sim_begin(seed);
    sim_net_begin();
    r->server = loop_new("server/0", 0);
    r->server2 = loop_new("server/1", 1);
    r->client = loop_new("client/0", 0);
    assert_int_equal(addr_parse(STR("192.0.2.1"), 5222, &at), ERR_OK);
#else
    (void)seed;
    r->server = r->server2 = r->client = loop_new("test/0", 0);
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &at), ERR_OK);
#endif
    timer_init(&r->poll, r->client, rig_on_poll, r);
    timer_init(&r->limit, r->client, rig_on_limit, r);
    assert_int_equal(listener_open(r->server, &at, rig_accepted, r, &r->listener), ERR_OK);
}

static UNUSED void rig_end(struct rig *r)
{
    listener_close(&r->listener);
    (void)rig_run(r, 100000, NULL, NULL); /* what was closed in the background */
#ifdef RIG_SIM
    (void)sim_run(10000000, NULL, NULL);
    loop_free(&r->server2);
    loop_free(&r->server);
    loop_free(&r->client);
    sim_net_end();
    sim_end();
#else
    loop_free(&r->client);
#endif
}

static void rig_on_dialled(void *ctx, enum err e, struct transport *t,
                           const struct dial_result *res)
{
    struct listen_accept_ctx *to = ctx;
    (void)res;
    to->is_dialling = false;
    if (e == ERR_OK)
        to->accept(to->ctx, t);
    else
        assert_true(to->may_fail);
}

/* Connect; to->accept gets the client's side. to must live until then. */
static UNUSED void rig_dial(struct rig *r, struct listen_accept_ctx *to)
{
    struct dial_target target = {.addr = *listener_addr(r->listener)};
    to->is_dialling = true;
    dial_open(r->client, NULL, dial_source_fixed(r->client, &target, 1), 5000, rig_on_dialled, to);
}

/* ---- the raw peer: sends what it is told, keeps what it gets ---- */

struct raw {
    struct rig *rig;
    struct transport *t;
    struct buf in;
    struct buf todo; /* byte by byte, one each millisecond */
    struct timer drip;
    unsigned ends;
    enum err why;
    const char *wait_for;
    struct listen_accept_ctx taken;
};

static void raw_ready(void *ctx)
{
    (void)ctx;
}

static void raw_data(void *ctx, struct str bytes)
{
    struct raw *w = ctx;
    buf_str(&w->in, bytes);
}

static void raw_drain(void *ctx)
{
    (void)ctx;
}

static void raw_end(void *ctx, enum err why)
{
    struct raw *w = ctx;
    w->ends++;
    w->why = why;
    transport_close(&w->t);
}

static const struct transport_events raw_events = {raw_ready, raw_data, raw_drain, raw_end};

static void raw_taken(void *ctx, struct transport *t)
{
    struct raw *w = ctx;
    w->t = t;
    transport_set_events(t, &raw_events, w);
}

static void raw_on_drip(void *ctx)
{
    struct raw *w = ctx;
    if (!w->t || !w->todo.n)
        return;
    (void)transport_send(w->t, str_make(w->todo.p, 1));
    buf_consume(&w->todo, 1);
    timer_start(&w->drip, 1);
}

static bool raw_is_taken(void *ctx)
{
    return ((struct raw *)ctx)->t != NULL;
}

static UNUSED void raw_begin(struct raw *w, struct rig *r, struct loop *l)
{
    *w = (struct raw){.rig = r};
    buf_init(&w->in, 1 << 20);
    buf_init(&w->todo, 1 << 20);
    timer_init(&w->drip, l, raw_on_drip, w);
    w->taken = (struct listen_accept_ctx){.accept = raw_taken, .ctx = w};
}

static UNUSED void raw_open(struct raw *w, struct rig *r)
{
    raw_begin(w, r, r->client);
    rig_dial(r, &w->taken);
    assert_true(rig_run(r, RIG_WAIT_US, raw_is_taken, w));
}

static UNUSED void raw_send(struct raw *w, struct str bytes, bool is_dripping)
{
    if (!is_dripping) {
        if (w->t)
            (void)transport_send(w->t, bytes);
        return;
    }
    buf_str(&w->todo, bytes);
    timer_start(&w->drip, 1);
}

static bool raw_has(void *ctx)
{
    struct raw *w = ctx;
    buf_char(&w->in, '\0');
    w->in.n--;
    return strstr(w->in.p, w->wait_for) != NULL;
}

static UNUSED bool raw_expect(struct raw *w, const char *text)
{
    w->wait_for = text;
    bool ok = rig_run(w->rig, RIG_WAIT_US, raw_has, w);
    if (!ok)
        print_error("waited for %s\n got %.*s\n", text, (int)w->in.n, w->in.p ? w->in.p : "");
    return ok;
}

static UNUSED bool raw_saw(struct raw *w, const char *text)
{
    w->wait_for = text;
    return raw_has(w);
}

static UNUSED bool raw_is_over(void *ctx)
{
    return ((struct raw *)ctx)->ends > 0;
}

static UNUSED void raw_fini(struct raw *w)
{
    timer_stop(&w->drip);
    if (w->t)
        transport_close(&w->t);
    buf_fini(&w->in);
    buf_fini(&w->todo);
}
#endif
