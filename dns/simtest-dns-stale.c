/* Answers at the end of their life: refreshed when they are used much, given although they have
 * expired when no server speaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/dns-int.h"
#include "dns/sim-dns.h"
#include "lib/loop/sim-loop.h"

#define SEC UINT64_C(1000000)
enum { LATENCY_US = 5000, PATIENCE_US = DNS_PATIENCE_MS * 1000, TIMEOUT_US = 4000000 };

static struct loop *loop;
static struct dns *dns;
static struct op_owner owner;
static unsigned answers;
static enum err status;
static uint32_t ttl;
static unsigned host; /* last byte of the address */

static int set_up(void **state)
{
    struct dns_conf conf = {.trust_ad = true};
    char why[100];
    (void)state;
    sim_begin(1);
    sim_dns_begin();
    loop = loop_new("eu1/0", 0);
    op_owner_init(&owner);
    assert_int_equal(dns_open(loop, &conf, &dns, why, sizeof why), ERR_OK);
    answers = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dns_close(&dns);
    assert_true(op_owner_idle(&owner));
    loop_free(&loop);
    sim_dns_end();
    sim_end();
    return 0;
}

static void run(uint64_t us)
{
    sim_run(us, NULL, NULL);
}

static void on_answer(void *ctx, const struct dns_answer *a)
{
    (void)ctx;
    answers++;
    status = a->status;
    ttl = a->ttl;
    host = a->n ? a->records[0].addr.ip[3] : 0;
}

static bool has_answers(void *ctx)
{
    return answers >= *(unsigned *)ctx;
}

/* How long it took in virtual microseconds. */
static uint64_t ask_type(const char *name, enum dns_type type)
{
    unsigned want = answers + 1;
    uint64_t start = sim_now_us();
    dns_query(dns, &owner, name, type, on_answer, NULL);
    assert_true(sim_run(60 * SEC, has_answers, &want));
    return sim_now_us() - start;
}

static uint64_t ask(const char *name)
{
    return ask_type(name, DNS_A);
}

static void replace(const char *name, const char *zone)
{
    sim_dns_remove(name);
    sim_dns_zone(zone);
}

/* a.test, known for this many hits and seconds of its 100. */
static void know(unsigned hits, unsigned seconds)
{
    sim_dns_zone("a.test 100 A 10.0.0.1\n");
    (void)ask("a.test");
    for (unsigned i = 0; i < hits; i++)
        assert_int_equal(ask("a.test"), 0);
    run(seconds * SEC);
}

/* ---- refreshing */

static void test_refresh(void **state)
{
    (void)state;
    know(3, 85);
    replace("a.test", "a.test 100 A 10.0.0.2\n");
    assert_int_equal(ask("a.test"), 0); /* not yet in the last tenth */
    run(6 * SEC);
    assert_int_equal(ask("a.test"), 0);
    assert_int_equal(host, 1);
    run(LATENCY_US);
    assert_int_equal(ask("a.test"), 0);
    assert_int_equal(host, 2);
    assert_int_equal(ttl, 100);
}

static void test_refresh_of_the_busy_only(void **state)
{
    (void)state;
    know(2, 91);
    replace("a.test", "a.test 100 A 10.0.0.2\n");
    assert_int_equal(ask("a.test"), 0);
    run(8 * SEC);
    assert_int_equal(host, 1);
    assert_in_range(ttl, 8, 10);
    run(2 * SEC);
    assert_true(ask("a.test") > 0);
    assert_int_equal(host, 2);
}

static void test_failed_refresh_keeps(void **state)
{
    static const char *const zones[] = {"a.test 9 SERVFAIL\n", "a.test 9 TIMEOUT\n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        sim_dns_remove("a.test");
        run(2 * 86400 * SEC);
        know(4, 91);
        replace("a.test", zones[i]);
        assert_int_equal(ask("a.test"), 0);
        run(5 * SEC); /* it has failed */
        assert_int_equal(ask("a.test"), 0);
        assert_int_equal(status, ERR_OK);
        assert_in_range(ttl, 3, 4);
    }
}

/* What is gone is gone: no failure. */
static void test_refresh_to_nothing(void **state)
{
    (void)state;
    know(4, 91);
    sim_dns_remove("a.test");
    assert_int_equal(ask("a.test"), 0);
    run(LATENCY_US);
    assert_int_equal(ask("a.test"), 0);
    assert_int_equal(status, ERR_DNS_NXDOMAIN);
}

/* ---- stale answers */

static void test_stale(void **state)
{
    (void)state;
    know(0, 101);
    replace("a.test", "a.test 9 TIMEOUT\n");
    for (int i = 0; i < 3; i++) { /* 30 s at a time, from the end of the question on */
        assert_int_equal(ask("a.test"), PATIENCE_US);
        assert_int_equal(status, ERR_OK);
        assert_int_equal(host, 1);
        assert_int_equal(ttl, DNS_TTL_STALE);
        assert_int_equal(ask("a.test"), 0);
        run(TIMEOUT_US - PATIENCE_US + 29 * SEC);
        assert_int_equal(ask("a.test"), 0);
        run(SEC);
    }
    replace("a.test", "a.test 100 A 10.0.0.2\n");
    assert_in_range(ask("a.test"), 1, LATENCY_US);
    assert_int_equal(host, 2);
    assert_int_equal(ttl, 100);
}

static void test_stale_for_all_who_wait(void **state)
{
    unsigned want;
    (void)state;
    know(0, 101);
    replace("a.test", "a.test 9 TIMEOUT\n");
    want = answers + 20;
    for (int i = 0; i < 20; i++) {
        dns_query(dns, &owner, "a.test", DNS_A, on_answer, NULL);
        run(PATIENCE_US / 20 - 1);
    }
    assert_int_equal(answers, want - 20);
    assert_true(sim_run(SEC / 10, has_answers, &want));
    assert_int_equal(host, 1);
    run(60 * SEC);
    assert_int_equal(answers, want); /* once each */
}

static void test_stale_ends(void **state)
{
    (void)state;
    know(0, 100 + DNS_STALE_MAX - 10);
    replace("a.test", "a.test 9 TIMEOUT\n");
    assert_int_equal(ask("a.test"), PATIENCE_US);
    assert_int_equal(status, ERR_OK);
    run(60 * SEC);
    assert_int_equal(ask("a.test"), TIMEOUT_US);
    assert_int_equal(status, ERR_TIMEOUT);
}

/* A server that speaks is believed. */
static void test_not_stale_when_spoken(void **state)
{
    (void)state;
    know(0, 101);
    replace("a.test", "a.test 9 SERVFAIL\n");
    assert_in_range(ask("a.test"), 1, LATENCY_US);
    assert_int_equal(status, ERR_DNS_SERVFAIL);
    sim_dns_remove("a.test");
    run(10 * SEC);
    know(0, 101);
    sim_dns_remove("a.test");
    assert_in_range(ask("a.test"), 1, LATENCY_US);
    assert_int_equal(status, ERR_DNS_NXDOMAIN);
    sim_dns_zone("a.test 9 TIMEOUT\n");
    run(61 * SEC);
    assert_int_equal(ask("a.test"), TIMEOUT_US); /* and has the last word */
    assert_int_equal(status, ERR_TIMEOUT);
}

static void test_never_tlsa(void **state)
{
    (void)state;
    sim_dns_zone("_1._tcp.a.test 100 TLSA 3 1 1 abcdef\n");
    (void)ask_type("_1._tcp.a.test", DNS_TLSA);
    assert_int_equal(status, ERR_OK);
    run(101 * SEC);
    replace("_1._tcp.a.test", "_1._tcp.a.test 9 TIMEOUT\n");
    assert_int_equal(ask_type("_1._tcp.a.test", DNS_TLSA), TIMEOUT_US);
    assert_int_equal(status, ERR_TIMEOUT);
}

int main(void)
{
#define UNIT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        UNIT(test_refresh),
        UNIT(test_refresh_of_the_busy_only),
        UNIT(test_failed_refresh_keeps),
        UNIT(test_refresh_to_nothing),
        UNIT(test_stale),
        UNIT(test_stale_for_all_who_wait),
        UNIT(test_stale_ends),
        UNIT(test_not_stale_when_spoken),
        UNIT(test_never_tlsa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
