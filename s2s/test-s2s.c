/* Federation and region links over real loopback TCP: two instances on one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/net/listen.h"
#include "lib/net/tests-certs.h"
#include "s2s/s2s-int.h"
#include "s2s/s2s-region.h"

enum { COUNT = 500, LIMIT_MS = 20000 };

struct end { /* one of the two */
    struct rig *rig;
    const char *domain;
    struct tls_ctx *in, *out;
    struct listener *listener;
    struct s2s *s2s;
    struct s2s_region *region;
    struct s2s_conf conf;
    unsigned got, acked;
};
struct rig {
    struct loop *loop;
    struct dns *dns;
    struct end e[2];
    struct s2s_override overrides[3];
    struct timer limit;
    unsigned stopped;
    bool is_late;
};
static char dir[TEST_PATH_MAX];

static void make_ctx(struct end *e, bool is_good)
{
    char ca[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256] = "";
    struct tls_ctx_conf c = {.ca_file = test_path(ca, dir, is_good ? "ca" : "ca2", "crt"),
                             .cert_file = test_path(crt, dir, e->domain, "crt"),
                             .key_file = test_path(key, dir, e->domain, "key"),
                             .no_system_ca = true,
                             .request_peer_cert = true,
                             .alpn = "xmpp-server"};
    if (tls_ctx_new(true, &c, &e->in, why, sizeof why) != ERR_OK ||
        tls_ctx_new(false, &c, &e->out, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
}

static void on_limit(void *ctx)
{
    struct rig *r = ctx;
    r->is_late = true;
    loop_stop(r->loop);
}

static void rig_begin(struct rig *r, bool is_good)
{
    static const char *const servers[] = {"127.0.0.1:1", NULL};
    struct dns_conf dc = {.servers = servers};
    char why[200];
    memset(r, 0, sizeof *r);
    r->loop = loop_new("s2s/0", 0);
    assert_int_equal(dns_open(r->loop, &dc, &r->dns, why, sizeof why), ERR_OK);
    timer_init(&r->limit, r->loop, on_limit, r);
    timer_start(&r->limit, LIMIT_MS);
    for (int i = 0; i < 2; i++) {
        r->e[i].rig = r;
        r->e[i].domain = i ? "b.example" : "a.example";
        make_ctx(&r->e[i], is_good);
    }
}

static void rig_end(struct rig *r)
{
    timer_stop(&r->limit);
    for (int i = 0; i < 2; i++) {
        listener_close(&r->e[i].listener);
        s2s_free(&r->e[i].s2s);
        s2s_region_free(&r->e[i].region);
        tls_ctx_unref(&r->e[i].in);
        tls_ctx_unref(&r->e[i].out);
    }
    dns_close(&r->dns);
    loop_free(&r->loop);
}

static void on_stopped(void *ctx)
{
    struct rig *r = ctx;
    if (++r->stopped == 2)
        loop_stop(r->loop);
}

static struct stanza *message(const char *from, const char *to, unsigned n)
{
    char text[300];
    struct stanza *s;
    snprintf(text, sizeof text,
             "<message id='%u' from='u@%s/r' to='v@%s'><body>%0200u</body></message>", n, from, to,
             n);
    assert_int_equal(stanza_parse(str_of(text), &s), ERR_OK);
    return s;
}

static void count(struct end *e, struct stanza *s)
{
    uint64_t n = 0;
    assert_true(str_to_u64(s->id, COUNT, &n));
    assert_int_equal(n, e->got);
    e->got++;
    stanza_unref(&s);
}

/* ---- federation ---- */

static bool is_local(void *ctx, struct str domain)
{
    return str_eqc(domain, ((struct end *)ctx)->domain);
}

static void deliver(void *ctx, struct stanza *s, struct s2s_receipt receipt)
{
    struct end *e = ctx;
    struct rig *r = e->rig;
    count(e, s);
    s2s_queued(e->s2s, receipt);
    s2s_received(e->s2s, receipt);
    if (r->e[0].got == COUNT && r->e[1].got == COUNT)
        for (int i = 0; i < 2; i++)
            s2s_stop(r->e[i].s2s, on_stopped, r);
}

static void bounce(void *ctx UNUSED, struct stanza *s UNUSED, enum stanza_cond c UNUSED,
                   const char *text, void *token UNUSED)
{
    fail_msg("%s", text);
}

static const struct s2s_host_ops host_ops = {
    .is_local_domain = is_local, .deliver = deliver, .bounce = bounce};

static void on_accept(void *ctx, struct transport *t)
{
    struct end *e = ctx;
    if (e->region)
        s2s_region_accept(e->region, t);
    else
        s2s_accept(e->s2s, t, e->rig->overrides[0].target.direct_tls, NULL);
}

static struct addr end_listen(struct end *e)
{
    struct addr at;
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &at), ERR_OK);
    assert_int_equal(listener_open(e->rig->loop, &at, on_accept, e, &e->listener), ERR_OK);
    return *listener_addr(e->listener);
}

static void federate(bool is_good, bool is_direct)
{
    struct rig r;
    rig_begin(&r, is_good);
    for (int i = 0; i < 2; i++) {
        struct end *e = &r.e[i];
        r.overrides[i].domain = e->domain;
        r.overrides[i].target.addr = end_listen(e);
        r.overrides[i].target.direct_tls = is_direct;
        e->conf = (struct s2s_conf){.tls_server = e->in,
                                    .tls_client = e->out,
                                    .tls_required = true,
                                    .dialback = true,
                                    .external = true,
                                    .dialback_secret = e->domain,
                                    .overrides = r.overrides};
        e->s2s = s2s_new(r.loop, &e->conf, NULL, r.dns, &host_ops, e);
    }
    for (unsigned n = 0; n < COUNT; n++)
        for (int i = 0; i < 2; i++)
            s2s_send(r.e[i].s2s, message(r.e[i].domain, r.e[!i].domain, n), NULL);
    loop_run(r.loop);
    assert_false(r.is_late);
    assert_int_equal(r.stopped, 2);
    rig_end(&r);
}

static void test_s2s_external(void **state UNUSED)
{
    federate(true, false);
}
static void test_s2s_direct_tls(void **state UNUSED)
{
    federate(true, true);
}
static void test_s2s_dialback(void **state UNUSED)
{
    federate(false, false);
}

/* ---- region links ---- */

static void region_deliver(void *ctx, const char *peer UNUSED, uint64_t incarnation,
                           struct stanza *s, const struct region_route *route UNUSED,
                           region_ticket t)
{
    struct end *e = ctx;
    assert_int_equal(incarnation, 7);
    count(e, s);
    s2s_region_complete(e->region, t);
}
static void region_up(void *ctx UNUSED, const char *peer UNUSED, bool fresh)
{
    assert_true(fresh);
}
static void region_acked(void *ctx, void *token)
{
    struct end *e = ctx;
    struct rig *r = e->rig;
    assert_ptr_equal(token, e);
    e->acked++;
    if (r->e[0].acked == COUNT && r->e[1].acked == COUNT)
        for (int i = 0; i < 2; i++)
            s2s_region_stop(r->e[i].region, on_stopped, r);
}
static void region_dropped(void *ctx UNUSED, void *token UNUSED)
{
    fail_msg("dropped");
}
static void region_returned(void *ctx UNUSED, const char *peer UNUSED, struct stanza *s UNUSED,
                            const struct region_route *route UNUSED, void *token UNUSED,
                            const char *why)
{
    fail_msg("%s", why);
}
static const struct s2s_region_ops region_ops = {region_deliver, region_up,       region_acked,
                                                 region_dropped, region_returned, NULL};

static void test_s2s_region(void **state UNUSED)
{
    struct rig r;
    struct s2s_region_conf conf[2];
    struct s2s_region_peer peer[2];
    rig_begin(&r, true);
    for (int i = 0; i < 2; i++) {
        struct end *e = &r.e[i];
        conf[i] = (struct s2s_region_conf){.tls_server = e->in,
                                           .tls_client = e->out,
                                           .self_id = e->domain,
                                           .self_domain = e->domain,
                                           .self_incarnation = 7,
                                           .domain_suffix = ".example"};
        e->region = s2s_region_new(r.loop, &conf[i], &region_ops, e);
        peer[i] = (struct s2s_region_peer){.endpoint = end_listen(e), .incarnation = 7};
        str_put(peer[i].id, sizeof peer[i].id, e->domain);
        str_put(peer[i].domain, sizeof peer[i].domain, e->domain);
    }
    for (int i = 0; i < 2; i++) {
        struct region_route route = {.purpose = REGION_USER};
        s2s_region_peer(r.e[i].region, &peer[!i]);
        for (unsigned n = 0; n < COUNT; n++)
            s2s_region_send(r.e[i].region, r.e[!i].domain, message("x.example", "y.example", n),
                            &route, &r.e[i]);
    }
    loop_run(r.loop);
    assert_false(r.is_late);
    assert_int_equal(r.stopped, 2);
    rig_end(&r);
}

static void swallow(void *ctx UNUSED, enum log_level l UNUSED, const char *line UNUSED) {}

static int begin(void **state UNUSED)
{
    test_certs_begin(dir);
    test_cert_make(dir, "ca2", &(struct test_cert){.cn = "Other CA", .is_ca = true});
    test_cert_domain(dir, "a.example");
    test_cert_domain(dir, "b.example");
    log_set_capture(getenv("TEST_LOG") ? NULL : swallow, NULL);
    return 0;
}

static int end(void **state UNUSED)
{
    test_certs_end(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s2s_external),
        cmocka_unit_test(test_s2s_direct_tls),
        cmocka_unit_test(test_s2s_dialback),
        cmocka_unit_test(test_s2s_region),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
