/* TLSA records along with targets: when they are asked for, what they are worth, and what becomes
 * of a target of which they cannot be had (RFC 7673 section 3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/dns-int.h"
#include "dns/sim-dns.h"
#include "lib/loop/sim-loop.h"

enum { MINUTE_US = 60 * 1000 * 1000 };
#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY "60 TLSA 3 1 1 " DIGEST "\n"

static struct loop *loop;
static struct dns *dns;
static char got[2048]; /* "addr:port[*][!][#records] ..." then the end */
static bool has_ended;
static struct dial_source src;
static struct tls_dane first;

static void world_begin(uint64_t seed, bool trust_ad)
{
    struct dns_conf conf = {.trust_ad = trust_ad};
    char why[100];
    sim_begin(seed);
    sim_dns_begin();
    loop = loop_new("eu1/0", 0);
    assert_int_equal(dns_open(loop, &conf, &dns, why, sizeof why), ERR_OK);
}

static void world_end(void)
{
    dns_close(&dns);
    loop_free(&loop);
    sim_dns_end();
    sim_end();
}

static void on_target(void *ctx, enum err e, const struct dial_target *t)
{
    size_t n = strlen(got);
    char text[ADDR_TEXT_MAX], records[24] = "";
    (void)ctx;
    if (e) {
        snprintf(got + n, sizeof got - n, "%s", err_name(e));
        has_ended = true;
        return;
    }
    assert_int_equal(t->n_tlsa > 0, t->dane == DIAL_DANE_TLSA);
    if (t->n_tlsa) {
        snprintf(records, sizeof records, "#%zu", t->n_tlsa);
        first = t->tlsa[0];
    }
    snprintf(got + n, sizeof got - n, "%s%s%s%s ", addr_format(text, &t->addr),
             t->direct_tls ? "*" : "", t->dane == DIAL_DANE_NAME ? "!" : "", records);
    src.ops->next(src.src, on_target, NULL);
}

static bool is_ended(void *ctx)
{
    (void)ctx;
    return has_ended;
}

static const char *find(const char *domain)
{
    src = dns_xmpp_source(dns, str_of(domain), DNS_XMPP_SERVER);
    got[0] = '\0';
    has_ended = false;
    src.ops->next(src.src, on_target, NULL);
    assert_true(sim_run(MINUTE_US, is_ended, NULL));
    src.ops->close(src.src);
    return got;
}

#define SRV(domain) "_xmpp-server._tcp." domain " 60 SRV 1 0 5269 h." domain "\n"
#define SRV2(domain) "_xmpp-server._tcp." domain " 60 SRV 2 0 5270 h2." domain "\n"
#define A(domain) "h." domain " 60 A 10.0.0.1\n"
#define A2(domain) "h2." domain " 60 A 10.0.0.2\n"
#define TLSA(domain) "_5269._tcp.h." domain " "
#define TLSA2(domain) "_5270._tcp.h2." domain " "

static const struct {
    const char *domain, *zone, *want;
} cases[] = {
    {"one.test", SRV("one.test") A("one.test") TLSA("one.test") KEY, "10.0.0.1:5269#1 EOF"},
    {"none.test", SRV("none.test") A("none.test"), "10.0.0.1:5269! EOF"},
    {"nosrv.test", "nosrv.test 60 A 10.0.0.9\n_5269._tcp.nosrv.test " KEY, "10.0.0.9:5269 EOF"},
    /* of use are usages 2 and 3 with a digest; more than 12 are not kept */
    {"some.test",
     SRV("some.test") A("some.test") TLSA("some.test") "60 TLSA 1 1 1 " DIGEST "\n" TLSA(
         "some.test") "60 TLSA 2 0 1 " DIGEST "\n" TLSA("some.test") "60 TLSA 3 0 0 " DIGEST
                                                                     "\n" TLSA("some.test") KEY,
     "10.0.0.1:5269#2 EOF"},
    {"useless.test",
     SRV("useless.test") A("useless.test") TLSA("useless.test") "60 TLSA 3 1 1 ab\n",
     "10.0.0.1:5269! EOF"},
    /* without DNSSEC nothing is asked: these would fail */
    {"isrv.test",
     "_xmpp-server._tcp.isrv.test 60 INSECURE\n" SRV("isrv.test") A("isrv.test")
         TLSA("isrv.test") "60 SERVFAIL\n",
     "10.0.0.1:5269 EOF"},
    {"iaddr.test",
     "h.iaddr.test 60 INSECURE\n" SRV("iaddr.test") A("iaddr.test")
         TLSA("iaddr.test") "60 SERVFAIL\n",
     "10.0.0.1:5269! EOF"},
    {"itlsa.test",
     SRV("itlsa.test") A("itlsa.test") TLSA("itlsa.test") "60 INSECURE\n" TLSA("itlsa.test") KEY,
     "10.0.0.1:5269! EOF"},
    /* a target of which they cannot be had is left out */
    {"bogus.test", SRV("bogus.test") A("bogus.test") TLSA("bogus.test") "60 SERVFAIL\n",
     "DNS_SERVFAIL"},
    {"slow.test", SRV("slow.test") A("slow.test") TLSA("slow.test") "60 TIMEOUT\n", "TIMEOUT"},
    {"other.test",
     SRV("other.test") SRV2("other.test") A("other.test") A2("other.test")
         TLSA("other.test") "60 SERVFAIL\n" TLSA2("other.test") KEY,
     "10.0.0.2:5270#1 EOF"},
    {"loop.test",
     SRV("loop.test") SRV2("loop.test") A("loop.test") A2("loop.test")
         TLSA("loop.test") "60 CNAME l.loop.test\nl.loop.test 60 CNAME _5269._tcp.h.loop.test\n",
     "10.0.0.2:5270! EOF"},
    {"addr.test",
     SRV("addr.test") SRV2("addr.test") "h.addr.test 60 SERVFAIL\n" A2("addr.test")
         TLSA2("addr.test") KEY,
     "10.0.0.2:5270#1 EOF"},
    {"srv.test", "_xmpp-server._tcp.srv.test 60 SERVFAIL\nsrv.test 60 A 10.0.0.9\n",
     "DNS_SERVFAIL"},
    /* aliases are as secure as their weakest link */
    {"alias.test",
     SRV("alias.test") A("alias.test")
         TLSA("alias.test") "60 CNAME k.alias.test\nk.alias.test " KEY,
     "10.0.0.1:5269#1 EOF"},
    {"ialias.test",
     SRV("ialias.test") A("ialias.test") TLSA("ialias.test") "60 CNAME k.weak\nk.weak " KEY
                                                             "k.weak 60 INSECURE\n",
     "10.0.0.1:5269! EOF"},
    /* each target has its own */
    {"mixed.test",
     SRV("mixed.test") SRV2("mixed.test") A("mixed.test")
         A2("mixed.test") "_xmpps-server._tcp.mixed.test 60 SRV 3 0 5269 h.mixed.test\n" TLSA(
             "mixed.test") KEY,
     "10.0.0.1:5269#1 10.0.0.2:5270! 10.0.0.1:5269*#1 EOF"},
};

static void test_targets(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        world_begin(seed, true);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            sim_dns_zone(cases[i].zone);
            if (strcmp(find(cases[i].domain), cases[i].want) != 0)
                fail_msg("%s, seed %u: %s", cases[i].domain, (unsigned)seed, got);
        }
        world_end();
    }
}

static void test_records(void **state)
{
    (void)state;
    world_begin(1, true);
    sim_dns_zone(SRV("x.test") A("x.test") TLSA("x.test") KEY);
    assert_string_equal(find("x.test"), "10.0.0.1:5269#1 EOF");
    assert_int_equal(first.usage, 3);
    assert_int_equal(first.selector, 1);
    assert_int_equal(first.matching, 1);
    assert_int_equal(first.n, 32);
    assert_int_equal(first.digest[31], 0xff);
    for (int i = 0; i < 19; i++) {
        char line[200];
        snprintf(line, sizeof line, "_5270._tcp.h2.y.test 60 TLSA 3 1 1 %02x%s\n", i, &DIGEST[2]);
        sim_dns_zone(line);
    }
    sim_dns_zone(SRV2("y.test") A2("y.test"));
    assert_string_equal(find("y.test"), "10.0.0.2:5270#12 EOF");
    world_end();
}

/* Both families wait for the records, whichever is known first. */
static void test_families(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        world_begin(seed, true);
        sim_dns_zone(SRV("x.test") A("x.test") "h.x.test 60 AAAA 2001:db8::1\n" TLSA("x.test") KEY);
        assert_string_equal(find("x.test"), "[2001:db8::1]:5269#1 10.0.0.1:5269#1 EOF");
        sim_dns_zone(SRV("y.test") A("y.test") "h.y.test 60 TIMEOUT AAAA\n" TLSA("y.test") KEY);
        assert_string_equal(find("y.test"), "10.0.0.1:5269#1 EOF");
        world_end();
    }
}

static void test_untrusted(void **state)
{
    (void)state;
    world_begin(1, false);
    sim_dns_zone(SRV("x.test") A("x.test") TLSA("x.test") "60 SERVFAIL\n");
    assert_string_equal(find("x.test"), "10.0.0.1:5269 EOF");
    world_end();
}

/* Closed at every moment. */
static void test_close(void **state)
{
    (void)state;
    world_begin(1, true);
    sim_dns_zone(SRV("x.test") A("x.test") "h.x.test 60 AAAA 2001:db8::1\n" TLSA("x.test") KEY);
    for (uint64_t at_us = 0; at_us < 25000; at_us += 500) {
        got[0] = '\0';
        src = dns_xmpp_source(dns, STR("x.test"), DNS_XMPP_SERVER);
        src.ops->next(src.src, on_target, NULL);
        sim_run(at_us, NULL, NULL);
        src.ops->close(src.src);
        size_t n = strlen(got);
        sim_run(2 * MINUTE_US, NULL, NULL); /* forgotten, so asked again */
        assert_int_equal(strlen(got), n);
    }
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),  cmocka_unit_test(test_records),
        cmocka_unit_test(test_families), cmocka_unit_test(test_untrusted),
        cmocka_unit_test(test_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
