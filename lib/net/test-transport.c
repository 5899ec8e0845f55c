/* The conformance suite over tcp and unix sockets of the real platform. */
#include "lib/net/tests-suite-int.h"

#include <unistd.h>

#include "lib/loop/loop.h"
#include "lib/loop/timer.h"
#include "lib/net/dial.h"
#include "lib/net/listen.h"
#include "lib/net/tests-certs.h"

struct real {
    struct loop *loop;
    struct listener *listener;
    char path[64]; /* unix */
    struct peer *pair;
    struct timer poll, deadline;
    bool (*pred)(void *ctx);
    void *ctx;
    bool held;
};

static void on_poll(void *ctx)
{
    struct real *r = ctx;
    r->held = r->pred && r->pred(r->ctx);
    if (r->held)
        loop_stop(r->loop);
    else
        timer_start(&r->poll, 1);
}

static void on_deadline(void *ctx)
{
    loop_stop(((struct real *)ctx)->loop);
}

static bool real_run(struct suite *s, bool (*pred)(void *ctx), void *ctx)
{
    struct real *r = s->impl;
    r->pred = pred;
    r->ctx = ctx;
    r->held = false;
    timer_start(&r->poll, 0);
    timer_start(&r->deadline, pred ? SUITE_WAIT_US / 1000 : 100);
    loop_run(r->loop);
    timer_stop(&r->poll);
    timer_stop(&r->deadline);
    return r->held;
}

static void on_accept(void *ctx, struct transport *t)
{
    pair_take(&((struct real *)ctx)->pair[1], t);
}

static void on_dialled(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    assert_int_equal(e, ERR_OK);
    assert_int_equal(r->attempts, 1);
    pair_take(&((struct real *)ctx)->pair[0], t);
}

static void real_connect(struct suite *s, struct peer *p)
{
    struct real *r = s->impl;
    struct dial_target target = {.addr = {.family = ADDR_NONE}};
    r->pair = p;
    if (r->path[0]) {
        dial_unix(r->loop, NULL, r->path, on_dialled, r);
    } else {
        target.addr = *listener_addr(r->listener);
        dial_open(r->loop, NULL, dial_source_fixed(r->loop, &target, 1), 5000, on_dialled, r);
    }
}

static void real_begin(struct real *r, bool is_unix)
{
    struct addr at;
    memset(r, 0, sizeof *r);
    r->loop = loop_new("test/0", 0);
    timer_init(&r->poll, r->loop, on_poll, r);
    timer_init(&r->deadline, r->loop, on_deadline, r);
    if (is_unix) {
        snprintf(r->path, sizeof r->path, "/tmp/meridian-net-%d.sock", (int)getpid());
        assert_int_equal(listener_open_unix(r->loop, r->path, on_accept, r, &r->listener), ERR_OK);
    } else {
        assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &at), ERR_OK);
        assert_int_equal(listener_open(r->loop, &at, on_accept, r, &r->listener), ERR_OK);
    }
}

static void real_end(struct real *r)
{
    listener_close(&r->listener);
    loop_free(&r->loop);
}

static struct tls_ctx *make_ctx(const char *dir, bool server)
{
    char ca[TEST_PATH_MAX], cert[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256] = "";
    struct tls_ctx_conf conf = {.ca_file = test_path(ca, dir, "ca", "crt")};
    struct tls_ctx *ctx = NULL;
    if (server) {
        conf.cert_file = test_path(cert, dir, "server.example", "crt");
        conf.key_file = test_path(key, dir, "server.example", "key");
    }
    if (tls_ctx_new(server, &conf, &ctx, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    return ctx;
}

int main(void)
{
    struct real tcp, local;
    char dir[TEST_PATH_MAX];
    struct suite over_tcp = {.name = "tcp", .connect = real_connect, .run = real_run, .impl = &tcp};
    struct suite over_unix = {
        .name = "unix", .connect = real_connect, .run = real_run, .impl = &local};
    struct suite over_tls = over_tcp;
    const struct CMUnitTest tests_tcp[] = {SUITE_TESTS(&over_tcp)};
    const struct CMUnitTest tests_unix[] = {SUITE_TESTS(&over_unix)};
    const struct CMUnitTest tests_tls[] = {SUITE_TESTS(&over_tls)};
    int failed;

    test_certs_begin(dir);
    test_cert_domain(dir, "server.example");
    over_tls.server_ctx = make_ctx(dir, true);
    over_tls.client_ctx = make_ctx(dir, false);
    real_begin(&tcp, false);
    real_begin(&local, true);
    failed = cmocka_run_group_tests_name("tcp", tests_tcp, NULL, NULL);
    failed += cmocka_run_group_tests_name("unix", tests_unix, NULL, NULL);
    failed += cmocka_run_group_tests_name("tls over tcp", tests_tls, NULL, NULL);
    real_end(&tcp);
    real_end(&local);
    tls_ctx_unref(&over_tls.server_ctx);
    tls_ctx_unref(&over_tls.client_ctx);
    test_certs_end(dir);
    return failed;
}
