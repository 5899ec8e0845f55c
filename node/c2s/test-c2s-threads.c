/* Many clients against a node of four shards on the real platform: logins that move between
 * threads, messages across shards, an orderly stop. What it is for is the thread sanitizer. The
 * clients run on the loop of shard 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/net/dial.h"
#include "lib/net/listen.h"
#include "lib/net/tests-certs.h"
#include "lib/stream/stream-out.h"
#include "node/auth/account.h"
#include "node/node-int.h"

#define DOMAIN "im.test"
enum { CLIENTS = 24, MESSAGES = 40, SHARDS = 4, LIMIT_MS = 100000 };

struct client {
    struct rig *rig;
    unsigned number, received;
    struct stream_out *stream;
    bool is_bound;
};
struct rig {
    struct node_conf conf;
    struct node_conf_listen listen;
    struct shards *shards;
    struct node *node;
    struct op_owner ops;
    struct tls_ctx *tls;
    struct addr at;
    struct timer limit;
    struct client clients[CLIENTS];
    unsigned accounts, bound, finished, over;
    bool is_stopped, is_late;
};

static void on_stopped(void *ctx)
{
    struct rig *r = ctx;
    r->is_stopped = true;
    if (r->over == CLIENTS)
        shards_stop(r->shards);
}

static void on_late(void *ctx)
{
    struct rig *r = ctx;
    r->is_late = true;
    shards_stop(r->shards);
}

static void say(struct client *c, unsigned to, unsigned n)
{
    char text[256];
    int len = snprintf(text, sizeof text,
                       "<message to='user%u@" DOMAIN "' type='chat' id='%u'><body>x</body>"
                       "</message>",
                       to, n);
    (void)stream_out_send_text(c->stream, str_make(text, (size_t)len));
}

static void all_bound(struct rig *r)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned n = 0; n < MESSAGES; n++)
            say(&r->clients[i], (i + 1) % CLIENTS, n);
}

static void take(struct client *c, const struct xml *el)
{
    struct rig *r = c->rig;
    if (!c->is_bound && xml_child(el, NS_BIND, "bind")) {
        c->is_bound = true;
        (void)stream_out_send_text(c->stream, STR("<presence/>"));
        return;
    }
    if (xml_is(el, NS_CLIENT, "presence")) {
        if (++r->bound == CLIENTS) /* its own presence: it is available */
            all_bound(r);
        return;
    }
    uint64_t n;
    assert_true(xml_is(el, NS_CLIENT, "message"));
    assert_true(str_to_u64(xml_get(el, "id"), MESSAGES, &n));
    assert_int_equal(n, c->received); /* in order, once */
    if (++c->received == MESSAGES && ++r->finished == CLIENTS)
        node_stop(r->node, on_stopped, r);
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    take(ctx, doc->root);
    xml_doc_free(&doc);
}

static enum stream_out_next on_features(void *ctx, const struct xml *features,
                                        struct sasl_client **client, enum sasl_mech *m)
{
    struct client *c = ctx;
    char user[16];
    (void)features;
    snprintf(user, sizeof user, "user%u", c->number);
    static const enum sasl_mech mechs[] = {SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_1, SASL_PLAIN};
    *m = mechs[c->number % ARRAY_LEN(mechs)];
    *client = sasl_client_new(*m, str_of(user), STR("secret"), STR(""));
    return STREAM_OUT_SASL;
}

static enum stream_out_next on_refused(void *ctx, enum sasl_failure f, const struct xml *features,
                                       struct sasl_client **client, enum sasl_mech *m)
{
    (void)ctx;
    (void)features;
    (void)client;
    (void)m;
    fail_msg("refused: %s", sasl_failure_name(f));
    return STREAM_OUT_FAIL;
}

static void on_ready(void *ctx, const struct xml *features, bool sasl_done)
{
    struct client *c = ctx;
    (void)features;
    assert_true(sasl_done);
    (void)stream_out_send_text(
        c->stream, STR("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
                       "</iq>"));
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct client *c = ctx;
    struct rig *r = c->rig;
    assert_int_equal(e->received, STREAM_SYSTEM_SHUTDOWN);
    stream_out_free(&c->stream);
    if (++r->over == CLIENTS && r->is_stopped)
        shards_stop(r->shards);
}

static const struct stream_out_events events = {
    .features = on_features,
    .refused = on_refused,
    .ready = on_ready,
    .element = on_element,
    .end = on_end,
};

static void on_dialled(void *ctx, enum err e, struct transport *t, const struct dial_result *res)
{
    struct client *c = ctx;
    (void)res;
    assert_int_equal(e, ERR_OK);
    const struct stream_out_conf sc = {
        .content_ns = NS_CLIENT, .to = DOMAIN, .tls = c->rig->tls, .tls_required = true};
    c->stream = stream_out_new(&t, &sc, &events, c);
}

static void on_account(void *ctx, enum err e)
{
    struct rig *r = ctx;
    assert_int_equal(e, ERR_OK);
    if (++r->accounts < CLIENTS)
        return;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct dial_target target = {.addr = r->at};
        struct loop *l = shards_loop(r->shards, 0);
        r->clients[i] = (struct client){.rig = r, .number = i};
        dial_open(l, &r->ops, dial_source_fixed(l, &target, 1), 10000, on_dialled, &r->clients[i]);
    }
}

static void test_c2s_threads(void **state)
{
    char certs[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], ca[TEST_PATH_MAX], why[256];
    static const char *const domains[] = {DOMAIN, NULL};
    struct rig r = {0};
    (void)state;
    test_certs_begin(certs);
    test_cert_domain(certs, DOMAIN);
    node_conf_init(&r.conf);
    r.conf.domains = domains;
    r.conf.shards = SHARDS;
    r.conf.cert_file = test_path(crt, certs, DOMAIN, "crt");
    r.conf.key_file = test_path(key, certs, DOMAIN, "key");
    r.conf.ca_file = test_path(ca, certs, "ca", "crt");
    r.conf.s2s_enabled = false;
    r.conf.scram_iterations = 4096;
    /* a port for all shards: one that was free a moment ago */
    struct loop *probe = loop_new("probe/0", 0);
    struct listener *l;
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &r.at), ERR_OK);
    assert_int_equal(listener_open(probe, &r.at, NULL, NULL, &l), ERR_OK);
    r.at = *listener_addr(l);
    listener_close(&l);
    loop_stop(probe);
    loop_run(probe);
    loop_free(&probe);
    r.listen.at = r.at;
    r.conf.c2s = &r.listen;
    r.conf.c2s_n = 1;
    struct tls_ctx_conf tc = {.ca_file = ca, .no_system_ca = true};
    assert_int_equal(tls_ctx_new(false, &tc, &r.tls, why, sizeof why), ERR_OK);
    op_owner_init(&r.ops);
    r.shards = shards_new("test", SHARDS);
    enum err e = node_new(&r.conf, r.shards, NULL, NULL, &r.node, why, sizeof why);
    if (e != ERR_OK)
        fail_msg("node_new: %s", why);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char bare[64];
        snprintf(bare, sizeof bare, "user%u@" DOMAIN, i);
        account_create(&r.node->shard[0], &r.ops, str_of(bare), STR("secret"), on_account, &r);
    }
    timer_init(&r.limit, shards_loop(r.shards, 0), on_late, &r);
    timer_start(&r.limit, LIMIT_MS);
    shards_run(r.shards);
    timer_stop(&r.limit);
    assert_false(r.is_late);
    assert_int_equal(r.finished, CLIENTS);
    uint64_t moved = 0;
    for (unsigned i = 0; i < SHARDS; i++)
        moved += r.node->shard[i].stats.c2s_moved;
    assert_true(moved > 0);
    op_owner_cancel_all(&r.ops);
    node_free(&r.node);
    shards_free(&r.shards);
    tls_ctx_unref(&r.tls);
    test_certs_end(certs);
}

int main(void)
{
    log_set_level(LOG_WARN);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_c2s_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
