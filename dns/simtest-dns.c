/* The resolver on simulated zones: joining, cache, CNAME chains, failures, cancellation, and the
 * sources of targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/dns-int.h"
#include "dns/dns-srv.h"
#include "dns/sim-dns.h"
#include "lib/base/rand.h"
#include "lib/loop/sim-loop.h"

enum { MINUTE_US = 60 * 1000 * 1000 };

static struct loop *loop;
static struct dns *dns;
static struct op_owner owner;

/* The last answer. */
static unsigned answers;
static enum err status;
static uint32_t ttl;
static bool authenticated;
static size_t n_records;
static struct dns_record first;
static char data[256]; /* of first */
static size_t data_n;

static void world_begin(uint64_t seed, bool trust_ad)
{
    char why[100];
    struct dns_conf conf = {.trust_ad = trust_ad};
    sim_begin(seed);
    sim_dns_begin();
    loop = loop_new("eu1/0", 0);
    op_owner_init(&owner);
    enum err e = dns_open(loop, &conf, &dns, why, sizeof why);
    assert_int_equal(e, ERR_OK);
    answers = 0;
}

static void world_end(void)
{
    dns_close(&dns);
    assert_true(op_owner_idle(&owner));
    loop_free(&loop);
    sim_dns_end();
    sim_end();
}

static int set_up(void **state)
{
    (void)state;
    world_begin(1, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end();
    return 0;
}

static void on_answer(void *ctx, const struct dns_answer *a)
{
    (void)ctx;
    answers++;
    status = a->status;
    ttl = a->ttl;
    authenticated = a->authenticated;
    n_records = a->n;
    assert_true((a->n > 0) == (a->status == ERR_OK));
    if (!a->n)
        return;
    first = a->records[0];
    data_n = first.data.n;
    assert_true(data_n <= sizeof data);
    if (data_n)
        memcpy(data, first.data.p, data_n);
}

static bool has_answers(void *ctx)
{
    return answers >= *(unsigned *)ctx;
}

/* How long it took in virtual microseconds. */
static uint64_t ask(const char *name, enum dns_type type)
{
    unsigned want = answers + 1;
    uint64_t start = sim_now_us();
    dns_query(dns, &owner, name, type, on_answer, NULL);
    assert_int_equal(answers, want - 1); /* never inside the call */
    assert_true(sim_run(MINUTE_US, has_answers, &want));
    return sim_now_us() - start;
}

/* ---- queries */

static void test_types(void **state)
{
    (void)state;
    sim_dns_zone("a.test 60 A 10.0.0.1\n"
                 "a.test 60 A 10.0.0.2\n"
                 "a.test 60 AAAA 2001:db8::1\n"
                 "a.test 60 TXT \"hello world\"\n"
                 "_5269._tcp.a.test 60 TLSA 3 1 1 ABCDEF\n"
                 "_x._tcp.a.test 60 SRV 1 2 3 H.a.test\n");
    ask("A.Test.", DNS_A);
    assert_int_equal(n_records, 2);
    assert_true(authenticated);
    ask("a.test", DNS_AAAA);
    assert_int_equal(first.addr.family, ADDR_V6);
    ask("a.test", DNS_TXT);
    assert_int_equal(n_records, 1);
    assert_int_equal(data_n, 12);
    assert_memory_equal(data, "\013hello world", data_n);
    ask("_5269._tcp.a.test", DNS_TLSA);
    assert_int_equal(n_records, 1);
    assert_int_equal(data_n, 6);
    assert_memory_equal(data, "\3\1\1\xab\xcd\xef", data_n);
    ask("_x._tcp.a.test", DNS_SRV);
    assert_int_equal(first.priority, 1);
    assert_int_equal(first.weight, 2);
    assert_int_equal(first.port, 3);
    assert_string_equal(first.target, "h.a.test");
    ask("a.test", DNS_SRV);
    assert_int_equal(status, ERR_DNS_NODATA);
    ask("_tcp.a.test", DNS_A); /* an empty non-terminal exists */
    assert_int_equal(status, ERR_DNS_NODATA);
    ask("b.test", DNS_A);
    assert_int_equal(status, ERR_DNS_NXDOMAIN);
    ask("not a name", DNS_A);
    assert_int_equal(status, ERR_DNS_NXDOMAIN);
}

static void test_cache(void **state)
{
    (void)state;
    sim_dns_zone("a.test 60 A 10.0.0.1\n"
                 "zero.test 0 A 10.0.0.1\n"
                 "dead.test 60 SERVFAIL\n"
                 "slow.test 60 TIMEOUT\n");
    assert_true(ask("a.test", DNS_A) > 0);
    assert_int_equal(ttl, 60);
    sim_run(20 * 1000 * 1000, NULL, NULL);
    sim_dns_remove("a.test");
    assert_int_equal(ask("a.test", DNS_A), 0); /* from memory */
    assert_int_equal(status, ERR_OK);
    assert_in_range(ttl, 39, 40);
    sim_run(41 * 1000 * 1000, NULL, NULL);
    assert_true(ask("a.test", DNS_A) > 0);
    assert_int_equal(status, ERR_DNS_NXDOMAIN);
    sim_dns_zone("a.test 60 A 10.0.0.1\n");
    assert_int_equal(ask("a.test", DNS_A), 0); /* negative, for the SOA's 60 s */
    assert_int_equal(status, ERR_DNS_NXDOMAIN);
    sim_run(61 * 1000 * 1000, NULL, NULL);
    assert_true(ask("a.test", DNS_A) > 0);
    assert_int_equal(status, ERR_OK);
    ask("zero.test", DNS_A);
    assert_int_equal(ttl, DNS_TTL_MIN);
    assert_true(ask("dead.test", DNS_A) > 0);
    assert_int_equal(status, ERR_DNS_SERVFAIL);
    assert_int_equal(ask("dead.test", DNS_A), 0);
    assert_true(ask("slow.test", DNS_A) >= 4000000);
    assert_int_equal(status, ERR_TIMEOUT);
    assert_int_equal(ask("slow.test", DNS_A), 0);
    sim_run((DNS_TTL_FAILURE + 1) * 1000000, NULL, NULL);
    assert_true(ask("slow.test", DNS_A) >= 4000000);
}

static void test_join(void **state)
{
    unsigned want = 10;
    (void)state;
    sim_dns_zone("a.test 60 A 10.0.0.1\n");
    for (unsigned i = 0; i < want; i++)
        dns_query(dns, &owner, i % 2 ? "A.test" : "a.test", DNS_A, on_answer, NULL);
    struct op *cancelled = dns_query(dns, &owner, "a.test", DNS_A, on_answer, NULL);
    sim_dns_remove("b.test");
    op_cancel(cancelled);
    assert_true(sim_run(5000, has_answers, &want)); /* one exchange takes at most 5 ms */
    assert_int_equal(status, ERR_OK);
    sim_run(MINUTE_US, NULL, NULL);
    assert_int_equal(answers, want);
}

static void test_cname(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) { /* with and without what the CNAME points at */
        world_end();
        world_begin(seed, true);
        sim_dns_zone("a.test 300 CNAME b.test\n"
                     "b.test 30 CNAME c.test\n"
                     "c.test 100 A 10.0.0.9\n"
                     "l1.test 60 CNAME l2.test\n"
                     "l2.test 60 CNAME l1.test\n"
                     "d.test 60 CNAME nowhere.test\n"
                     "e.test 60 CNAME f.other\n"
                     "f.other 60 A 10.0.0.1\n"
                     "f.other 60 INSECURE\n");
        ask("a.test", DNS_A);
        assert_int_equal(status, ERR_OK);
        assert_int_equal(first.addr.ip[3], 9);
        assert_int_equal(ttl, 30);
        ask("a.test", DNS_AAAA);
        assert_int_equal(status, ERR_DNS_NODATA);
        ask("l1.test", DNS_A);
        assert_true(status == ERR_DNS_SERVFAIL || status == ERR_PROTOCOL);
        ask("d.test", DNS_A);
        assert_int_equal(status, ERR_DNS_NXDOMAIN);
        ask("f.other", DNS_A);
        assert_false(authenticated);
    }
}

static void test_untrusted_ad(void **state)
{
    (void)state;
    world_end();
    world_begin(1, false);
    sim_dns_zone("a.test 60 A 10.0.0.1\n");
    ask("a.test", DNS_A);
    assert_int_equal(status, ERR_OK);
    assert_false(authenticated);
}

/* ---- cancel and close */

static void on_close(void *ctx, const struct dns_answer *a)
{
    (void)ctx;
    answers++;
    dns_close(&dns);
    assert_int_equal(a->status, ERR_OK); /* still to be read */
    assert_true(a->records[0].addr.family == ADDR_V4);
}

static void test_close_inside(void **state)
{
    unsigned want = 1;
    char why[100];
    struct dns_conf conf = {0};
    (void)state;
    sim_dns_zone("a.test 60 A 10.0.0.1\n"
                 "other.test 60 TIMEOUT\n");
    dns_query(dns, &owner, "a.test", DNS_A, on_close, NULL);
    dns_query(dns, &owner, "a.test", DNS_A, on_answer, NULL);
    dns_query(dns, &owner, "other.test", DNS_A, on_answer, NULL);
    assert_true(sim_run(MINUTE_US, has_answers, &want));
    assert_true(op_owner_idle(&owner));
    sim_run(MINUTE_US, NULL, NULL);
    assert_int_equal(answers, 1);
    enum err e = dns_open(loop, &conf, &dns, why, sizeof why);
    assert_int_equal(e, ERR_OK);
    dns_query(dns, &owner, "a.test", DNS_A, on_answer, NULL); /* under way when the world ends */
}

/* ---- cache by itself */

static struct dns_held *get(struct dns_cache *c, const char *name, enum dns_type t, uint64_t now_us)
{
    bool is_due;
    return dns_cache_get(c, name, t, now_us, &is_due);
}

static void test_cache_bounds(void **state)
{
    (void)state;
    struct dns_cache *c = dns_cache_new(100, 1024 * 1024);
    for (int i = 0; i < 1000; i++) {
        char name[32];
        struct dns_held *h = dns_held_new();
        snprintf(name, sizeof name, "n%d.test", i);
        h->a.status = ERR_OK;
        h->a.ttl = 1000000;
        dns_cache_put(c, name, DNS_A, h, 0);
        assert_int_equal(h->a.ttl, DNS_TTL_MAX);
        dns_held_unref(&h);
        assert_true(get(c, "n0.test", DNS_A, 1) != NULL); /* in use: stays */
    }
    assert_int_equal(dns_cache_count(c), 100);
    assert_null(get(c, "n500.test", DNS_A, 1));
    assert_null(get(c, "n999.test", DNS_AAAA, 1));
    assert_non_null(get(c, "n999.test", DNS_A, 1));
    assert_null(get(c, "n999.test", DNS_A, (uint64_t)DNS_TTL_MAX * 1000000));
    dns_cache_free(&c);
    c = dns_cache_new(1000, 10000); /* bytes */
    for (int i = 0; i < 100; i++) {
        char name[32];
        struct dns_held *h = dns_held_new();
        snprintf(name, sizeof name, "n%d.test", i);
        h->a.ttl = 60;
        arena_alloc(h->arena, 1000);
        dns_cache_put(c, name, DNS_A, h, 0);
        dns_held_unref(&h);
    }
    assert_in_range(dns_cache_count(c), 1, 9);
    dns_cache_free(&c);
}

/* ---- SRV order */

static void test_srv_order(void **state)
{
    unsigned heavy_first = 0, zero_first = 0;
    (void)state;
    for (int round = 0; round < 4000; round++) {
        struct dns_srv t[5] = {{.record = {.priority = 2, .weight = 1, .port = 1}},
                               {.record = {.priority = 1, .weight = 0, .port = 2}},
                               {.record = {.priority = 1, .weight = 30, .port = 3}},
                               {.record = {.priority = 1, .weight = 10, .port = 4}},
                               {.record = {.priority = 0, .weight = 0, .port = 5}}};
        dns_srv_order(t, 5);
        assert_int_equal(t[0].record.port, 5);
        assert_int_equal(t[4].record.port, 1);
        for (int i = 1; i < 4; i++)
            assert_int_equal(t[i].record.priority, 1);
        heavy_first += t[1].record.port == 3;
        zero_first += t[1].record.port == 2;
    }
    assert_in_range(heavy_first, 4000 * 30 / 41 - 150, 4000 * 30 / 41 + 150);
    assert_in_range(zero_first, 40, 200); /* 1 of 41 */
}

/* ---- sources */

static char got[2048]; /* "name=addr:port[*] ..." then the end */
static bool has_ended;
static struct dial_source src;

static void on_target(void *ctx, enum err e, const struct dial_target *t)
{
    size_t n = strlen(got);
    char text[ADDR_TEXT_MAX];
    (void)ctx;
    assert_true((t != NULL) == (e == ERR_OK));
    if (e) {
        snprintf(got + n, sizeof got - n, "%s", err_name(e));
        has_ended = true;
        return;
    }
    snprintf(got + n, sizeof got - n, "%s%s ", addr_format(text, &t->addr),
             t->direct_tls ? "*" : "");
    src.ops->next(src.src, on_target, NULL);
}

static bool is_ended(void *ctx)
{
    (void)ctx;
    return has_ended;
}

static const char *drain(struct dial_source s)
{
    src = s;
    got[0] = '\0';
    has_ended = false;
    src.ops->next(src.src, on_target, NULL);
    assert_string_equal(got, "");
    assert_true(sim_run(MINUTE_US, is_ended, NULL));
    src.ops->close(src.src);
    return got;
}

static const char *find_server(const char *domain)
{
    return drain(dns_xmpp_source(dns, str_of(domain), DNS_XMPP_SERVER));
}

static void test_source_order(void **state)
{
    (void)state;
    sim_dns_zone("_xmpp-server._tcp.x.test 60 SRV 5 0 5269 a.x.test\n"
                 "_xmpps-server._tcp.x.test 60 SRV 1 0 5270 b.x.test\n"
                 "_xmpp-server._tcp.x.test 60 SRV 9 0 5271 gone.x.test\n"
                 "_xmpps-server._tcp.x.test 60 SRV 10 0 5272 c.x.test\n"
                 "a.x.test 60 A 10.0.0.1\n"
                 "a.x.test 60 A 10.0.0.2\n"
                 "a.x.test 60 AAAA 2001:db8::1\n"
                 "b.x.test 60 AAAA 2001:db8::2\n"
                 "b.x.test 60 AAAA 2001:db8::3\n"
                 "b.x.test 60 A 10.0.0.3\n"
                 "c.x.test 60 CNAME a.x.test\n"
                 "x.test 60 A 10.9.9.9\n"
                 "_xmpps-client._tcp.x.test 60 SRV 1 0 5223 b.x.test\n");
    assert_string_equal(find_server("x.test"),
                        "[2001:db8::2]:5270* 10.0.0.3:5270* [2001:db8::3]:5270* "
                        "[2001:db8::1]:5269 10.0.0.1:5269 10.0.0.2:5269 "
                        "[2001:db8::1]:5272* 10.0.0.1:5272* 10.0.0.2:5272* EOF");
    assert_string_equal(drain(dns_xmpp_source(dns, STR("x.test"), DNS_XMPP_CLIENT)),
                        "[2001:db8::2]:5223* 10.0.0.3:5223* [2001:db8::3]:5223* EOF");
    assert_string_equal(drain(dns_host_source(dns, STR("a.x.test"), 80)),
                        "[2001:db8::1]:80 10.0.0.1:80 10.0.0.2:80 EOF");
}

static void test_source_fallback(void **state)
{
    (void)state;
    static const struct {
        const char *domain, *want;
    } cases[] = {
        {"plain.test", "10.1.0.1:5269 EOF"}, /* no SRV at all */
        {"half.test", "10.1.0.2:5269 EOF"},  /* "." only for direct TLS */
        {"refuses.test", "DNS_REFUSED_SERVICE"},
        {"refuses2.test", "DNS_REFUSED_SERVICE"},
        {"onlytls.test", "10.1.0.1:5270* EOF"}, /* "." for the plain one, but a direct one */
        {"broken.test", "DNS_SERVFAIL"},        /* not: the address of the domain */
        {"broken2.test", "DNS_SERVFAIL"},
        {"slow.test", "TIMEOUT"},
        {"partly.test", "10.1.0.1:5269 EOF"}, /* one question fails, the other knows */
        {"nohost.test", "DNS_TARGET"},
        {"deadhost.test", "DNS_SERVFAIL"},
        {"noaddr.test", "DNS_NODATA"},
        {"nothing.test", "DNS_NXDOMAIN"},
        {"192.0.2.7", "192.0.2.7:5269 EOF"},
        {"[2001:db8::9]", "[2001:db8::9]:5269 EOF"},
        {"2001:db8::9", "[2001:db8::9]:5269 EOF"},
        {"", "DNS_NXDOMAIN"},
        {"b\xc3\xbc.test", "DNS_NXDOMAIN"},
    };
    sim_dns_zone("plain.test 60 A 10.1.0.1\n"
                 "half.test 60 A 10.1.0.2\n"
                 "_xmpps-server._tcp.half.test 60 SRV 0 0 0 .\n"
                 "_xmpp-server._tcp.refuses.test 60 SRV 0 0 0 .\n"
                 "_xmpps-server._tcp.refuses.test 60 SRV 0 0 0 .\n"
                 "refuses.test 60 A 10.1.0.3\n"
                 "_xmpp-server._tcp.refuses2.test 60 SRV 0 0 0 .\n"
                 "_xmpp-server._tcp.onlytls.test 60 SRV 0 0 0 .\n"
                 "_xmpps-server._tcp.onlytls.test 60 SRV 0 0 5270 plain.test\n"
                 "_xmpp-server._tcp.broken.test 60 SERVFAIL\n"
                 "broken.test 60 A 10.1.0.4\n"
                 "_xmpps-server._tcp.broken2.test 60 SERVFAIL\n"
                 "broken2.test 60 A 10.1.0.4\n"
                 "_xmpp-server._tcp.slow.test 60 TIMEOUT\n"
                 "_xmpp-server._tcp.partly.test 60 SRV 0 0 5269 plain.test\n"
                 "_xmpps-server._tcp.partly.test 60 TIMEOUT\n"
                 "_xmpp-server._tcp.nohost.test 60 SRV 0 0 5269 nowhere.test\n"
                 "_xmpp-server._tcp.deadhost.test 60 SRV 0 0 5269 dead.test\n"
                 "_xmpp-server._tcp.deadhost.test 60 SRV 1 0 5269 nowhere.test\n"
                 "dead.test 60 SERVFAIL\n"
                 "noaddr.test 60 TXT nothing\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(find_server(cases[i].domain), cases[i].want);
}

static bool has_target(void *ctx)
{
    (void)ctx;
    return got[0] != '\0';
}

/* A name server that is silent about one family delays the other by 50 ms only, and what it says
 * late counts. */
static void test_source_silent_family(void **state)
{
    (void)state;
    sim_dns_zone("v4.test 60 A 10.0.0.1\n"
                 "v4.test 60 TIMEOUT AAAA\n"
                 "v6.test 60 AAAA 2001:db8::1\n"
                 "v6.test 60 TIMEOUT A\n"
                 "half.test 60 A 10.0.0.2\n"
                 "half.test 60 SERVFAIL AAAA\n");
    static const char *const names[] = {"v4.test", "v6.test"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        got[0] = '\0';
        has_ended = false;
        src = dns_host_source(dns, str_of(names[i]), 1);
        src.ops->next(src.src, on_target, NULL);
        assert_true(sim_run(60 * 1000, has_target, NULL));
        assert_true(sim_run(MINUTE_US, is_ended, NULL));
        src.ops->close(src.src);
        assert_string_equal(got, i ? "[2001:db8::1]:1 EOF" : "10.0.0.1:1 EOF");
    }
    assert_string_equal(drain(dns_host_source(dns, STR("half.test"), 2)), "10.0.0.2:2 EOF");
}

static void test_source_close(void **state)
{
    (void)state;
    sim_dns_zone("x.test 60 A 10.0.0.1\n");
    for (uint64_t at_us = 0; at_us < 20000; at_us += 500) { /* close at every moment */
        struct dial_source s = dns_xmpp_source(dns, STR("x.test"), DNS_XMPP_SERVER);
        got[0] = '\0';
        has_ended = false;
        src = s;
        s.ops->next(s.src, on_target, NULL);
        sim_run(at_us, NULL, NULL);
        s.ops->close(s.src);
        size_t n = strlen(got);
        sim_run(MINUTE_US, NULL, NULL);
        assert_int_equal(strlen(got), n);
    }
    struct dial_source never_asked = dns_xmpp_source(dns, STR("x.test"), DNS_XMPP_SERVER);
    never_asked.ops->close(never_asked.src);
}

int main(void)
{
#define UNIT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        UNIT(test_types),           UNIT(test_cache),        UNIT(test_join),
        UNIT(test_cname),           UNIT(test_untrusted_ad), UNIT(test_close_inside),
        UNIT(test_cache_bounds),    UNIT(test_srv_order),    UNIT(test_source_order),
        UNIT(test_source_fallback), UNIT(test_source_close), UNIT(test_source_silent_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
